//! Taking CSV apart into records.
//!
//! Nearly every record of nearly every manifest is plain: it lies in the buffer as a whole, and no quoted cell has a quote
//! in it. Where the cells of such a record are is found by looking for the few bytes that mean something. All others
//! are left to csv's own reader, which finds the same in a plain one, several times more slowly.

use std::io::{self, BufRead};
use std::ops::Range;
use std::str;

use csv_core::{ReadRecordResult, Reader};
use memchr::{memchr, memchr_iter, memchr3};

/// One record: text in which its cells lie, and where each of them does. The text is bytes until it is known to
/// be UTF-8.
#[derive(Debug, Default)]
pub(super) struct Record<T> {
    text: T,
    cells: Vec<Range<u32>>,
}

impl Record<Vec<u8>> {
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        let cells = self.cells.iter();
        cells.map(|cell| self.text.get(place(cell)).unwrap_or_default())
    }

    /// The same as text, if each cell is UTF-8.
    pub(super) fn into_text(self) -> Result<Record<String>, Self> {
        let cells = self.cells;
        let bounds = |text: &str| {
            let mut ends = cells.iter().map(|cell| cell.end as usize);
            ends.all(|end| text.is_char_boundary(end))
        };
        match String::from_utf8(self.text) {
            Ok(text) if bounds(&text) => Ok(Record { text, cells }),
            Ok(text) => Err(Self {
                text: text.into_bytes(),
                cells,
            }),
            Err(error) => Err(Self {
                text: error.into_bytes(),
                cells,
            }),
        }
    }
}

impl Record<String> {
    pub(super) fn get(&self, column: usize) -> Option<&str> {
        self.text.get(place(self.cells.get(column)?))
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let cells = self.cells.iter();
        cells.map(|cell| self.text.get(place(cell)).unwrap_or_default())
    }

    pub(super) fn into_bytes(self) -> Record<Vec<u8>> {
        Record {
            text: self.text.into_bytes(),
            cells: self.cells,
        }
    }
}

fn place(cell: &Range<u32>) -> Range<usize> {
    cell.start as usize..cell.end as usize
}

/// What is left of a CSV file.
pub(super) struct Records<R> {
    input: R,
    core: Reader,
    /// What the core writes cells to.
    output: Vec<u8>,
    ends: Vec<usize>,
    number: u32,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            core: Reader::new(),
            output: vec![0; 1 << 10],
            ends: vec![0; 1 << 5],
            number: 0,
        }
    }

    /// The row of the record that was read last, as a spreadsheet numbers it: empty lines count, line breaks inside
    /// cells do not.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Reads the next record into `record`; false behind the last.
    pub(super) fn read(&mut self, record: &mut Record<Vec<u8>>) -> io::Result<bool> {
        record.text.clear();
        record.cells.clear();
        // The core knows what may stand before the first record.
        if self.number > 0 {
            let buffer = filled(&mut self.input)?;
            if let Some(length) = split(buffer, &mut record.cells) {
                record
                    .text
                    .extend_from_slice(buffer.get(..length).unwrap_or_default());
                self.input.consume(length);
                self.number += 1;
                return Ok(true);
            }
            record.cells.clear();
        }
        self.read_any(record)
    }

    /// The same for a record of any kind.
    fn read_any(&mut self, record: &mut Record<Vec<u8>>) -> io::Result<bool> {
        let before = self.core.line();
        let (mut written, mut ended) = (0, 0);
        loop {
            let input = filled(&mut self.input)?;
            let output = self.output.get_mut(written..).unwrap_or_default();
            let ends = self.ends.get_mut(ended..).unwrap_or_default();
            let (result, read, text, cells) = self.core.read_record(input, output, ends);
            let returned = input.get(..read).is_some_and(|read| read.ends_with(b"\r"));
            self.input.consume(read);
            written += text;
            ended += cells;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.output.resize(2 * self.output.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::End => return Ok(false),
                ReadRecordResult::Record => {
                    let mut lines = self.core.line() - before;
                    if returned && filled(&mut self.input)?.starts_with(b"\n") {
                        self.input.consume(1);
                        lines += 1;
                    }
                    let text = self.output.get(..written).unwrap_or_default();
                    record.text.extend_from_slice(text);
                    record.cells.extend(cells_between(&self.ends, ended));
                    self.number += rows_passed(lines, text);
                    return Ok(true);
                }
            }
        }
    }
}

fn cells_between(ends: &[usize], count: usize) -> impl Iterator<Item = Range<u32>> {
    let mut start = 0;
    ends.iter().take(count).map(move |end| {
        let end = u32::try_from(*end).unwrap_or(u32::MAX);
        std::mem::replace(&mut start, end)..end
    })
}

/// How many rows of a spreadsheet lie between the last record and the end of this one, which is so many lines: the
/// record itself, and the empty lines before it, which the reader passes over.
fn rows_passed(lines: u64, text: &[u8]) -> u32 {
    let inside = memchr_iter(b'\n', text).count() as u64;
    let rows = u32::try_from(lines.saturating_sub(inside));
    rows.unwrap_or(u32::MAX).max(1)
}

fn filled<R: BufRead>(input: &mut R) -> io::Result<&[u8]> {
    while let Err(error) = input.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    input.fill_buf()
}

/// Where the cells of the record at the front of `text` are, and how long it is with its line break, if it is plain.
fn split(text: &[u8], cells: &mut Vec<Range<u32>>) -> Option<usize> {
    if matches!(text.first()?, b'\n' | b'\r') {
        return None;
    }
    let mut start = 0;
    loop {
        let rest = text.get(start..)?;
        let (length, behind) = if let Some(quoted) = rest.strip_prefix(b"\"") {
            start += 1;
            let length = memchr(b'"', quoted)?;
            (length, start + length + 1)
        } else {
            let length = memchr3(b',', b'\n', b'\r', rest)?;
            (length, start + length)
        };
        let end = u32::try_from(start + length).ok()?;
        cells.push(u32::try_from(start).ok()?..end);
        start = behind + 1;
        match text.get(behind)? {
            b',' => {}
            b'\n' => return Some(start),
            b'\r' if *text.get(start)? == b'\n' => return Some(start + 1),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn by_csv(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true);
        let records = builder.from_reader(text).into_byte_records();
        records
            .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect())
            .collect()
    }

    proptest! {
        #[test]
        fn every_record_is_what_csv_reads(
            text in "(\u{feff}?)((a|é|b c|\"a\"|\"a,b\"|\"a\nb\"|\"a\"\"b\"|\"\"|a\"b|\"a\"b|\"|)(,|\n|\r\n|\r)){0,20}",
            capacity in 4_usize..40,
        ) {
            let mut records = Records::new(BufReader::with_capacity(capacity, text.as_bytes()));
            let mut record = Record::default();
            let mut found = Vec::new();
            while records.read(&mut record).unwrap() {
                found.push(record.iter().map(<[u8]>::to_vec).collect::<Vec<_>>());
                let texts = record.into_text().unwrap();
                record = texts.into_bytes();
            }
            prop_assert_eq!(found, by_csv(text.as_bytes()));
        }

        /// Whether a record is plain, or whole in the buffer, makes no difference to its number.
        #[test]
        fn rows_are_numbered_however_they_are_read(
            rows in prop::collection::vec((0_u32..3, prop::sample::select(vec!["a,b", "\"a\nb\",c", "\"a\"\"b\"", "a"])), 0..9),
            line_break in prop::sample::select(vec!["\n", "\r\n"]),
            capacity in 4_usize..40,
        ) {
            let mut text = String::new();
            let mut expected = Vec::new();
            let mut number = 0;
            for (empty, row) in rows {
                text += &line_break.repeat(empty as usize);
                text += row;
                text += line_break;
                number += empty + 1;
                expected.push(number);
            }
            let mut records = Records::new(BufReader::with_capacity(capacity, text.as_bytes()));
            let mut record = Record::default();
            let mut found = Vec::new();
            while records.read(&mut record).unwrap() {
                found.push(records.number());
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_character_cut_in_two_by_a_separator_is_no_text() {
        for text in [b"a\n\xc3,\xa9\n".as_slice(), b"a\n\"\xc3\"\"\",\xa9\n"] {
            let mut records = Records::new(text);
            let mut record = Record::default();
            assert!(records.read(&mut record).unwrap() && records.read(&mut record).unwrap());
            assert!(record.into_text().is_err());
        }
    }
}
