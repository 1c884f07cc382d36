//! One line of the journal: how it is written and how it is checked.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Header, event};
use crate::model::Event;

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
}

/// The chain of checksums, up to some line.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    next: u64,
    crc: [u8; DIGITS],
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            next: 0,
            crc: [b'0'; DIGITS],
        }
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
        write!(
            buffer,
            "{{\"seq\":{},\"at\":\"{now:.3}\",\"{kind}\":",
            self.next
        )?;
        serde_json::to_writer(&mut *buffer, record)?;
        let crc = digits(self.sum(buffer.get(start..).unwrap_or_default()));
        buffer.extend_from_slice(CRC_KEY);
        buffer.extend_from_slice(&crc);
        buffer.extend_from_slice(CLOSE);
        self.step(crc);
        Ok(())
    }

    /// Checks that `line` is whole and the next of the chain, and goes on behind it.
    pub(super) fn check<'l>(&mut self, line: &'l [u8]) -> Result<Record<'l>, Damage> {
        let rest = line.strip_suffix(CLOSE).ok_or(Damage::Form)?;
        let (rest, crc) = rest.split_last_chunk::<DIGITS>().ok_or(Damage::Form)?;
        let body = rest.strip_suffix(CRC_KEY).ok_or(Damage::Form)?;
        if digits(self.sum(body)) != *crc {
            return Err(Damage::Checksum);
        }
        let record = Record::new(body)?;
        if record.seq != self.next {
            return Err(Damage::Sequence {
                expected: self.next,
                found: record.seq,
            });
        }
        self.step(*crc);
        Ok(record)
    }

    fn sum(&self, body: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.crc);
        hasher.update(body);
        hasher.finalize()
    }

    fn step(&mut self, crc: [u8; DIGITS]) {
        self.next += 1;
        self.crc = crc;
    }
}

fn digits(crc: u32) -> [u8; DIGITS] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|at| {
        let nibble = (crc >> (28 - 4 * at)) & 0xf;
        HEX.get(nibble as usize).copied().unwrap_or(b'0')
    })
}

/// A line whose checksum fits, taken apart: `{"seq":N,"at":"…","kind":` and the content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'l> {
    seq: u64,
    at: &'l [u8],
    kind: &'l [u8],
    content: &'l [u8],
}

impl<'l> Record<'l> {
    fn new(body: &'l [u8]) -> Result<Self, Damage> {
        let rest = body.strip_prefix(b"{\"seq\":").ok_or(Damage::Form)?;
        let (seq, rest) = split_at_byte(rest, b',')?;
        let rest = rest.strip_prefix(b"\"at\":\"").ok_or(Damage::Form)?;
        let (at, rest) = split_at_byte(rest, b'"')?;
        let rest = rest.strip_prefix(b",\"").ok_or(Damage::Form)?;
        let (kind, content) = split_at_byte(rest, b'"')?;
        let seq = std::str::from_utf8(seq)
            .ok()
            .and_then(|seq| seq.parse().ok());
        Ok(Self {
            seq: seq.ok_or(Damage::Form)?,
            at,
            kind,
            content: content.strip_prefix(b":").ok_or(Damage::Form)?,
        })
    }

    pub(super) fn event(self) -> Result<Event, Damage> {
        match self.kind {
            b"event" => event::read(self.content)
                .map_or_else(|| serde_json::from_slice(self.content), Ok)
                .map_err(|_| Damage::Content),
            _ => Err(Damage::Content),
        }
    }

    pub(super) fn header(self) -> Result<Header, Damage> {
        match self.kind {
            b"header" => serde_json::from_slice(self.content).map_err(|_| Damage::NoHeader),
            _ => Err(Damage::NoHeader),
        }
    }

    /// When it was written, if it is an intent.
    pub(super) fn intent_at(self) -> Option<&'l [u8]> {
        self.content.starts_with(b"{\"intent\"").then_some(self.at)
    }

    /// The format that a header names, whatever else stands in it.
    pub(super) fn format(self) -> Option<u32> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let format: Format = serde_json::from_slice(self.content).ok()?;
        (self.kind == b"header").then_some(format.format)
    }
}

/// When a sound line was written.
pub(super) fn written_at(line: &[u8]) -> Option<Timestamp> {
    let (_, rest) = split_at_byte(line, b',').ok()?;
    let rest = rest.strip_prefix(b"\"at\":\"")?;
    let (at, _) = split_at_byte(rest, b'"').ok()?;
    timestamp(at)
}

pub(super) fn timestamp(text: &[u8]) -> Option<Timestamp> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn split_at_byte(text: &[u8], byte: u8) -> Result<(&[u8], &[u8]), Damage> {
    let at = text.iter().position(|b| *b == byte).ok_or(Damage::Form)?;
    let (head, tail) = text.split_at(at);
    Ok((head, tail.get(1..).unwrap_or_default()))
}
