//! One line of the journal: how it is written and how it is checked.

use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cursor::Cursor;
use super::event::{self, ItemEvent, Lengths};
use super::{Header, JournalEnd};

/// What closes every line: `,"crc":"` eight digits `"}`.
const CRC_KEY: &[u8] = b",\"crc\":\"";
const DIGITS: usize = 8;
const CLOSE: &[u8] = b"\"}\n";

/// How a line of the journal can be bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It does not have the form of a record.
    #[error("it is not a whole record")]
    Form,
    /// It is not the line that was written behind the one before it.
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
    /// It is sound but does not say anything that this program knows.
    #[error("its content is unknown")]
    Content,
    /// It is not there, though it was once.
    #[error("it is missing")]
    Missing,
}

/// The chain of checksums, up to some line.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    next: u64,
    crc: u32,
    pub(super) usual: Lengths,
    clock: Clock,
}

/// The time that was written last: several records have the same one.
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
    /// Writes the next record behind what `buffer` holds.
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
        buffer.extend_from_slice(CRC_KEY);
        buffer.extend_from_slice(&digits(crc));
        buffer.extend_from_slice(CLOSE);
        self.step(crc);
        Ok(())
    }

    /// Checks that `line` is whole and the next of the chain, and goes on behind it.
    pub(super) fn check<'l>(&mut self, line: &'l [u8]) -> Result<Record<'l>, Damage> {
        let (body, crc) = parted(line).ok_or(Damage::Form)?;
        let sum = self.sum(body);
        if digits(sum) != *crc {
            return Err(Damage::Checksum);
        }
        let record = Record::read(body, &mut self.usual.seq).ok_or(Damage::Form)?;
        if record.seq != self.next {
            return Err(Damage::Sequence {
                expected: self.next,
                found: record.seq,
            });
        }
        self.step(sum);
        Ok(record)
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

/// What the checksum of a line is about, and the checksum.
fn parted(line: &[u8]) -> Option<(&[u8], &[u8; DIGITS])> {
    let rest = line.strip_suffix(CLOSE)?;
    let (rest, crc) = rest.split_last_chunk::<DIGITS>()?;
    Some((rest.strip_suffix(CRC_KEY)?, crc))
}

fn digits(crc: u32) -> [u8; DIGITS] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|at| {
        let nibble = (crc >> (28 - 4 * at)) & 0xf;
        HEX.get(nibble as usize).copied().unwrap_or(b'0')
    })
}

/// When a record was written, as text: parsed where it is needed.
#[derive(Clone, Copy, Debug)]
pub(super) struct At([u8; "2026-03-01T12:00:00.000Z".len()]);

impl At {
    pub(super) fn timestamp(&self) -> Option<Timestamp> {
        str::from_utf8(&self.0).ok()?.parse().ok()
    }
}

/// A line whose checksum fits, taken apart: `{"seq":N,"at":"…","` and the rest, `kind":` and the content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'l> {
    seq: u64,
    pub(super) at: At,
    rest: Cursor<'l>,
}

impl<'l> Record<'l> {
    /// What a line says that nothing vouches for.
    pub(super) fn unchecked(line: &'l [u8]) -> Option<Self> {
        Self::read(parted(line)?.0, &mut 0)
    }

    fn read(body: &'l [u8], usual: &mut usize) -> Option<Self> {
        let (seq, rest) = Cursor(body).after(b"{\"seq\":")?.number(usual)?;
        let (at, rest) = rest.after(b",\"at\":\"")?.take()?;
        let rest = rest.after(b"\",\"")?;
        let at = At(*at);
        Some(Self { seq, at, rest })
    }

    /// Hands what it says to `visit`. True if it is an intent.
    pub(super) fn visit(
        self,
        usual: &mut Lengths,
        visit: &mut impl FnMut(ItemEvent<'l>),
    ) -> Result<bool, Damage> {
        let content = self.rest.after(b"event\":");
        content
            .and_then(|content| event::visit(content, usual, visit))
            .ok_or(Damage::Content)
    }

    pub(super) fn header(self) -> Option<Header> {
        serde_json::from_slice(self.header_content()?).ok()
    }

    /// The format that a header names, whatever else stands in it.
    pub(super) fn format(self) -> Option<u32> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let format: Format = serde_json::from_slice(self.header_content()?).ok()?;
        Some(format.format)
    }

    fn header_content(self) -> Option<&'l [u8]> {
        Some(self.rest.after(b"header\":")?.0)
    }
}
