//! Lines of the journal: their writing and their check.

use std::io::{self, Write as _};

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::header::{Header, JournalEnd};
use crate::item::Event;

/// The text before the checksum of a line.
const CRC_KEY: &[u8] = b",\"crc\":\"";
/// The number of hexadecimal digits of a checksum.
const DIGITS: usize = 8;
/// The text behind the checksum.
const CLOSE: &[u8] = b"\"}\n";

/// The damage to a line of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The line does not have the form of a record.
    #[error("it is not a whole record")]
    Form,
    /// The line was not written behind the one before it.
    #[error("its checksum does not fit it and the line before it")]
    Checksum,
    /// Records are missing or doubled.
    #[error("record {found} stands where {expected} belongs")]
    Sequence {
        /// The number that belongs here.
        expected: u64,
        /// The number that stands here.
        found: u64,
    },
    /// The first line is not a header.
    #[error("the journal does not begin with a header")]
    NoHeader,
    /// The line is sound, and this program does not know its content.
    #[error("its content is unknown")]
    Content,
    /// The line was there once.
    #[error("it is missing")]
    Missing,
}

/// The chain of checksums, up to some line.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    next: u64,
    crc: u32,
    clock: Clock,
}

/// The time of the last record, as text: the next one often has the same.
#[derive(Clone, Debug, Default)]
struct Clock {
    millisecond: Option<i64>,
    text: String,
}

impl Clock {
    fn text(&mut self, now: Timestamp) -> &str {
        let millisecond = Some(now.as_millisecond());
        if self.millisecond != millisecond {
            self.text = format!("{now:.3}");
            self.millisecond = millisecond;
        }
        &self.text
    }
}

impl Chain {
    /// Writes the next record to the end of `buffer`.
    pub(super) fn write(
        &mut self,
        buffer: &mut Vec<u8>,
        kind: &str,
        record: &impl Serialize,
        now: Timestamp,
    ) -> io::Result<()> {
        let start = buffer.len();
        buffer.extend_from_slice(b"{\"seq\":");
        serde_json::to_writer(&mut *buffer, &self.next)?;
        buffer.extend_from_slice(b",\"at\":\"");
        buffer.extend_from_slice(self.clock.text(now).as_bytes());
        buffer.extend_from_slice(b"\",\"");
        buffer.extend_from_slice(kind.as_bytes());
        buffer.extend_from_slice(b"\":");
        serde_json::to_writer(&mut *buffer, record)?;
        let crc = self.sum(buffer.get(start..).unwrap_or_default());
        writeln!(buffer, ",\"crc\":\"{crc:08x}\"}}")?;
        self.step(crc);
        Ok(())
    }

    /// Checks that `line` is whole and is the next one of the chain.
    pub(super) fn check<'l>(&self, line: &'l [u8]) -> Result<Record<'l>, Damage> {
        let (body, crc) = parted(line).ok_or(Damage::Form)?;
        let sum = self.sum(body);
        if *crc != *format!("{sum:08x}").as_bytes() {
            return Err(Damage::Checksum);
        }
        let record = Record::unchecked(line)?;
        if record.seq != self.next {
            return Err(Damage::Sequence {
                expected: self.next,
                found: record.seq,
            });
        }
        Ok(Record { sum, ..record })
    }

    /// Moves on behind a record that was checked.
    pub(super) fn pass(&mut self, record: &Record<'_>) {
        self.step(record.sum);
    }

    pub(super) fn journal_end(&self) -> JournalEnd {
        JournalEnd {
            records: self.next,
            crc: self.crc,
        }
    }

    fn sum(&self, body: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.crc);
        hasher.update(body);
        hasher.finalize()
    }

    fn step(&mut self, crc: u32) {
        self.next += 1;
        self.crc = crc;
    }
}

/// Splits a line into the part that its checksum covers, and the checksum.
fn parted(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.strip_suffix(CLOSE)?;
    let (rest, crc) = rest.split_last_chunk::<DIGITS>()?;
    Some((rest.strip_suffix(CRC_KEY)?, crc))
}

/// A line, taken apart.
#[derive(Debug, Deserialize)]
pub(super) struct Record<'l> {
    seq: u64,
    at: &'l str,
    #[serde(borrow)]
    header: Option<&'l RawValue>,
    pub(super) event: Option<Event>,
    /// The checksum of the chain up to here.
    #[serde(skip)]
    sum: u32,
}

impl<'l> Record<'l> {
    /// Reads a line without looking at its checksum.
    pub(super) fn unchecked(line: &'l [u8]) -> Result<Self, Damage> {
        serde_json::from_slice(line).map_err(|_| {
            let json = serde_json::from_slice::<IgnoredAny>(line);
            json.map_or(Damage::Form, |_| Damage::Content)
        })
    }

    pub(super) fn at(&self) -> Option<Timestamp> {
        self.at.parse().ok()
    }

    pub(super) fn header(&self) -> Option<Header> {
        serde_json::from_str(self.header?.get()).ok()
    }

    /// Returns the format that a header names, whatever else is in it.
    pub(super) fn format(&self) -> Option<u32> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let format: Format = serde_json::from_str(self.header?.get()).ok()?;
        Some(format.format)
    }
}
