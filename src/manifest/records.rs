//! Records of a CSV file, with the rows of the spreadsheet that they are in.
//!
//! The csv crate counts the lines of a file, and lets go of a record before the second half of its CRLF. A record's row
//! takes both, so the records are read with csv's own core.

use std::io::{self, BufRead};
use std::ops::Range;

use csv_core::{ReadRecordResult, Reader};

use super::bounds::{MOST_COLUMNS, Step};

/// The rest of a CSV file, and the record that was read last.
#[derive(Debug)]
pub(super) struct Records<R> {
    input: R,
    core: Reader,
    /// The most bytes of a record.
    longest: usize,
    /// The text of all cells of the record; more room may follow.
    text: Vec<u8>,
    /// The ends of the first [`MOST_COLUMNS`] cells in `text`. The room behind them is used again and again.
    ends: Vec<usize>,
    /// The number of all cells.
    cells: usize,
    number: u32,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(input: R, longest: usize) -> Self {
        Self {
            input,
            longest,
            core: Reader::new(),
            text: vec![0; 1 << 10],
            ends: vec![0; MOST_COLUMNS + (1 << 5)],
            cells: 0,
            number: 0,
        }
    }

    /// Returns the row of the record, as a spreadsheet numbers it: empty lines count, line breaks inside cells do not.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Returns the number of cells of the record.
    pub(super) fn count(&self) -> usize {
        self.cells
    }

    /// Returns the cells of the record, but none behind the first [`MOST_COLUMNS`].
    pub(super) fn cells(&self) -> impl Iterator<Item = &[u8]> {
        self.places().map_while(|place| self.text.get(place))
    }

    /// Returns the same cells as texts; `None` if one of them is not UTF-8.
    pub(super) fn texts(&self) -> Option<impl Iterator<Item = &str>> {
        let end = self.places().last().map_or(0, |place| place.end);
        // All at once takes less than each by itself. A cell that begins or ends within a character is none of its own.
        let all = str::from_utf8(self.text.get(..end)?).ok()?;
        let is_whole = |place: Range<usize>| all.is_char_boundary(place.end);
        let are_whole = self.places().all(is_whole);
        are_whole.then(|| self.places().map_while(|place| all.get(place)))
    }

    fn places(&self) -> impl Iterator<Item = Range<usize>> {
        let ends = self.ends.iter().take(self.cells.min(MOST_COLUMNS));
        ends.scan(0, |start, end| Some(std::mem::replace(start, *end)..*end))
    }

    /// Returns the input, of which all up to the end of the last record has been read.
    pub(super) fn into_inner(self) -> R {
        self.input
    }

    /// True behind the last record.
    pub(super) fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.input.fill_buf()?.is_empty())
    }

    /// Reads the next record. Behind the last, and when it is too long, there are no cells.
    pub(super) fn read(&mut self) -> io::Result<Step> {
        let before = self.core.line();
        let (mut written, mut ended) = (0, 0);
        self.cells = 0;
        loop {
            let input = self.input.fill_buf()?;
            let text = self.text.get_mut(written..).unwrap_or_default();
            let ends = self.ends.get_mut(ended.min(MOST_COLUMNS)..);
            let ends = ends.unwrap_or_default();
            let (result, read, more_text, more_ends) = self.core.read_record(input, text, ends);
            let returned = input.get(..read).is_some_and(|read| read.ends_with(b"\r"));
            self.input.consume(read);
            written += more_text;
            ended += more_ends;
            match result {
                ReadRecordResult::InputEmpty | ReadRecordResult::OutputEndsFull => {}
                ReadRecordResult::OutputFull if written >= self.longest => {
                    self.pass(self.core.line() - before + 1, written);
                    return Ok(Step::TooLong);
                }
                ReadRecordResult::OutputFull => self.text.resize(2 * self.text.len(), 0),
                ReadRecordResult::End => return Ok(Step::End),
                ReadRecordResult::Record => {
                    let mut lines = self.core.line() - before;
                    if returned && self.input.fill_buf()?.starts_with(b"\n") {
                        self.input.consume(1);
                        lines += 1;
                    }
                    self.cells = ended;
                    self.pass(lines, written);
                    return Ok(Step::Row);
                }
            }
        }
    }

    /// Counts the rows in so many lines, of which the record has `written` bytes of text.
    fn pass(&mut self, lines: u64, written: usize) {
        let text = self.text.get(..written).unwrap_or_default();
        self.number = self.number.saturating_add(rows_passed(lines, text));
    }
}

/// Returns the number of rows between the last record and the end of this one, which is so many lines: the record itself,
/// and the empty lines before it.
fn rows_passed(lines: u64, text: &[u8]) -> u32 {
    if lines <= 1 {
        return 1;
    }
    let inside = text.split(|byte| *byte == b'\n').skip(1).count() as u64;
    let rows = u32::try_from(lines.saturating_sub(inside));
    rows.unwrap_or(u32::MAX).max(1)
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
            let mut records = Records::new(BufReader::with_capacity(capacity, text.as_bytes()), 1 << 20);
            let mut found = Vec::new();
            while records.read().unwrap() == Step::Row {
                found.push(records.cells().map(<[u8]>::to_vec).collect::<Vec<_>>());
            }
            prop_assert_eq!(found, by_csv(text.as_bytes()));
        }

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
            let mut records = Records::new(BufReader::with_capacity(capacity, text.as_bytes()), 1 << 20);
            let mut found = Vec::new();
            while records.read().unwrap() == Step::Row {
                found.push(records.number());
            }
            prop_assert_eq!(found, expected);
        }
    }
}
