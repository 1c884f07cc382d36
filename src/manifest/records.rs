//! Records of a CSV file, with the rows of the spreadsheet that they are in.
//!
//! The csv crate reads malformed quotes without a word: a quote that is missing in one row swallows the rows behind it. It
//! also counts the lines of a file, where a person counts the rows of a spreadsheet. So records are taken apart here, by
//! RFC 4180.

use std::io::{self, BufRead};
use std::mem;
use std::ops::Range;

use memchr::{memchr, memchr2};

use super::bounds::{MOST_COLUMNS, Step};
use super::format::BOM;

/// The rest of a CSV file, and the record that was read last.
#[derive(Debug)]
pub(super) struct Records<R> {
    input: R,
    separator: u8,
    /// The most bytes of a record.
    longest: usize,
    /// The lines of the record, with their ends. Of two quotes that stand for one, one is left.
    text: Vec<u8>,
    /// The end of the last line in `text`, without its line break.
    end: usize,
    /// The first [`MOST_COLUMNS`] cells in `text`.
    places: Vec<Range<usize>>,
    /// The number of all cells.
    cells: usize,
    /// The number of cells up to the last one behind the first [`MOST_COLUMNS`] that is not blank; else zero.
    beyond: usize,
    number: u32,
    /// The number of lines of the record.
    lines: u32,
    fault: Option<Fault>,
}

/// A quote where RFC 4180 allows none. The cells of the record are not what its writer meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The position of the cell, from 0.
    pub(super) column: usize,
    pub(super) quoting: Quoting,
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    /// A quoted cell is never closed.
    Unclosed,
    /// Text follows the quote that closes a cell.
    TextBehind,
    /// A quote stands within a cell that does not begin with one.
    Within,
}

/// The cells of a record as texts.
#[derive(Debug, Default)]
pub(super) struct Texts {
    text: String,
    places: Vec<Range<usize>>,
}

impl<R: BufRead> Records<R> {
    /// Returns the records whose cells `separator` ends, each of at most `longest` bytes.
    pub(super) fn new(input: R, longest: usize, separator: u8) -> Self {
        Self {
            input,
            separator,
            longest,
            text: Vec::new(),
            end: 0,
            places: Vec::new(),
            cells: 0,
            beyond: 0,
            number: 0,
            lines: 0,
            fault: None,
        }
    }

    /// Returns the row of the record, as a spreadsheet numbers it: empty lines count, line breaks inside cells do not.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Returns the number of lines of the record.
    pub(super) fn lines(&self) -> u32 {
        self.lines
    }

    /// Returns the number of cells of the record.
    pub(super) fn count(&self) -> usize {
        self.cells
    }

    /// Returns the number of cells up to the last one that is not blank.
    pub(super) fn filled(&self) -> usize {
        let cells: Vec<&[u8]> = self.cells().collect();
        self.beyond.max(last_filled(cells.into_iter()))
    }

    /// Returns the same number of cells that were moved to `texts`.
    pub(super) fn filled_of(&self, texts: &Texts) -> usize {
        self.beyond
            .max(last_filled(texts.iter().map(str::as_bytes)))
    }

    /// Returns the first malformed quote of the record.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Returns the cells of the record, but none behind the first [`MOST_COLUMNS`].
    pub(super) fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let places = self.places.iter().cloned();
        places.map_while(|place| self.text.get(place))
    }

    /// Moves the same cells to `texts`. False if one of them is not UTF-8; then they stay.
    pub(super) fn take(&mut self, texts: &mut Texts) -> bool {
        let room = mem::take(&mut texts.text).into_bytes();
        match String::from_utf8(mem::replace(&mut self.text, room)) {
            Ok(text) => {
                texts.text = text;
                mem::swap(&mut self.places, &mut texts.places);
                true
            }
            Err(error) => {
                self.text = error.into_bytes();
                false
            }
        }
    }

    /// Returns the input, of which all up to the end of the last record has been read.
    pub(super) fn into_inner(self) -> R {
        self.input
    }

    /// Reads the next record. Behind the last, and when it is too long, there are no cells.
    pub(super) fn read(&mut self) -> io::Result<Step> {
        self.fault = None;
        self.cells = 0;
        self.beyond = 0;
        loop {
            self.text.clear();
            self.places.clear();
            self.lines = 0;
            match self.line()? {
                Step::Row => {}
                Step::End => return Ok(Step::End),
                Step::TooLong => return Ok(self.too_long()),
            }
            self.number = self.number.saturating_add(1);
            if self.end > 0 {
                return self.split();
            }
        }
    }

    fn too_long(&mut self) -> Step {
        if self.lines == 0 {
            self.number = self.number.saturating_add(1);
        }
        self.places.clear();
        self.cells = 0;
        Step::TooLong
    }

    /// Adds the next line to the text. A line ends with LF, CRLF or CR.
    fn line(&mut self) -> io::Result<Step> {
        let before = self.text.len();
        loop {
            let chunk = self.input.fill_buf()?;
            let found = memchr2(b'\n', b'\r', chunk);
            let length = found.map_or(chunk.len(), |at| at + 1);
            self.text
                .extend_from_slice(chunk.get(..length).unwrap_or_default());
            let is_last = chunk.is_empty();
            self.input.consume(length);
            if is_last && self.text.len() == before {
                return Ok(Step::End);
            }
            if self.text.len() > self.longest {
                return Ok(Step::TooLong);
            }
            if is_last || found.is_some() {
                break;
            }
        }
        if self.number == 0 && self.lines == 0 && self.text.starts_with(BOM) {
            self.text.drain(..BOM.len());
        }
        let without = self
            .text
            .strip_suffix(b"\n")
            .or_else(|| self.text.strip_suffix(b"\r"));
        self.end = without.map_or(self.text.len(), <[u8]>::len);
        if self.text.ends_with(b"\r") && self.input.fill_buf()?.starts_with(b"\n") {
            self.input.consume(1);
            self.text.push(b'\n');
        }
        self.lines = self.lines.saturating_add(1);
        Ok(Step::Row)
    }

    /// Takes the record apart whose first line has been read.
    fn split(&mut self) -> io::Result<Step> {
        let mut next = Some(0);
        while let Some(at) = next {
            let place = if self.text.get(at) == Some(&b'"') && at < self.end {
                let (step, place, behind) = self.quoted(at + 1)?;
                if step == Step::TooLong {
                    return Ok(self.too_long());
                }
                next = self.behind(behind);
                place
            } else {
                let (place, behind) = self.bare(at);
                next = behind;
                place
            };
            self.cells += 1;
            if self.places.len() < MOST_COLUMNS {
                self.places.push(place);
            } else if !is_blank(self.text.get(place).unwrap_or_default()) {
                self.beyond = self.cells;
            }
        }
        Ok(Step::Row)
    }

    /// Finds the cell without quotes that begins at `at`. Returns its place, and the beginning of the next one.
    fn bare(&mut self, at: usize) -> (Range<usize>, Option<usize>) {
        let rest = self.text.get(at..self.end).unwrap_or_default();
        let mut found = memchr2(self.separator, b'"', rest);
        if found.is_some_and(|found| rest.get(found) == Some(&b'"')) {
            found = memchr(self.separator, rest);
            self.blame(Quoting::Within);
        }
        match found {
            Some(length) => (at..at + length, Some(at + length + 1)),
            None => (at..self.end, None),
        }
    }

    /// Finds the quoted cell whose text begins at `at`, and reads the lines that it goes on in. Returns its place, and the
    /// position behind the quote that closes it.
    fn quoted(&mut self, at: usize) -> io::Result<(Step, Range<usize>, usize)> {
        let (mut from, mut written) = (at, at);
        loop {
            let rest = self.text.get(from..).unwrap_or_default();
            let found = memchr(b'"', rest).map(|found| from + found);
            let stop = found.unwrap_or(self.text.len());
            if written != from {
                self.text.copy_within(from..stop, written);
            }
            written += stop - from;
            from = stop;
            if found.is_none() {
                match self.line()? {
                    Step::Row => continue,
                    Step::TooLong => return Ok((Step::TooLong, at..at, at)),
                    Step::End => {
                        self.end = self.text.len();
                        self.blame(Quoting::Unclosed);
                    }
                }
            } else if self.text.get(stop + 1) == Some(&b'"') {
                self.text.copy_within(stop..=stop, written);
                written += 1;
                from = stop + 2;
                continue;
            }
            // The text between the cells is none of theirs, and must not be half a character.
            self.text
                .get_mut(written..stop)
                .unwrap_or_default()
                .fill(b' ');
            return Ok((Step::Row, at..written, stop + 1));
        }
    }

    /// Returns the beginning of the cell that follows the end of a quoted one.
    fn behind(&mut self, at: usize) -> Option<usize> {
        let rest = self.text.get(at..self.end)?;
        if !rest.is_empty() && rest.first() != Some(&self.separator) {
            self.blame(Quoting::TextBehind);
        }
        let rest = self.text.get(at..self.end)?;
        memchr(self.separator, rest).map(|length| at + length + 1)
    }

    fn blame(&mut self, quoting: Quoting) {
        let column = self.cells;
        self.fault.get_or_insert(Fault { column, quoting });
    }
}

fn is_blank(cell: &[u8]) -> bool {
    cell.trim_ascii_start().is_empty()
}

/// Returns the number of cells up to the last one that is not blank.
fn last_filled<'c>(cells: impl Iterator<Item = &'c [u8]>) -> usize {
    let filled = cells.enumerate().filter(|(_, cell)| !is_blank(cell));
    filled.last().map_or(0, |(at, _)| at + 1)
}

impl Texts {
    /// Returns the cell at the position, from 0.
    pub(super) fn get(&self, column: usize) -> Option<&str> {
        self.text.get(self.places.get(column)?.clone())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let places = self.places.iter().cloned();
        places.map_while(|place| self.text.get(place))
    }

    /// Returns the text in which all cells are.
    pub(super) fn whole(&self) -> &str {
        &self.text
    }

    /// Returns the same cells after each was changed.
    pub(super) fn map<'t>(&'t self, change: impl Fn(&'t str) -> std::borrow::Cow<'t, str>) -> Self {
        let mut changed = Self::default();
        for cell in self.iter() {
            let start = changed.text.len();
            changed.text.push_str(&change(cell));
            changed.places.push(start..changed.text.len());
        }
        changed
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

    /// The fault of each record.
    fn faults(text: &str) -> Vec<Option<Fault>> {
        let mut records = Records::new(text.as_bytes(), 1 << 20, b',');
        let mut found = Vec::new();
        while records.read().unwrap() == Step::Row {
            found.push(records.fault());
        }
        found
    }

    #[test]
    fn a_quote_in_the_wrong_place_is_a_fault() {
        for (text, column, quoting) in [
            ("a,\"b", 1, Quoting::Unclosed),
            ("a,\"b\nc", 1, Quoting::Unclosed),
            ("\"HR\" self service,b", 0, Quoting::TextBehind),
            ("a,\"b\nc,\"d\n", 1, Quoting::TextBehind),
            ("a, \"HR\"", 1, Quoting::Within),
            ("5\" disk,a", 0, Quoting::Within),
            ("a,\"b\" ", 1, Quoting::TextBehind),
        ] {
            let fault = Fault { column, quoting };
            assert_eq!(faults(text), [Some(fault)], "{text}");
        }
        assert_eq!(faults("\"a\"\"b\",\"\"\n\"\"\"\"\n"), [None, None]);
    }

    proptest! {
        #[test]
        fn every_record_is_what_csv_reads(
            text in "(\u{feff}?)((a|é|b c|\"a\"|\"a,b\"|\"a\nb\"|\"é\"\"b\"|\"\"|\"\"\"\"\"é\")(,|,,|\n|\r\n|\r)){0,20}",
            capacity in 4_usize..40,
        ) {
            let mut records = Records::new(BufReader::with_capacity(capacity, text.as_bytes()), 1 << 20, b',');
            let mut found = Vec::new();
            while records.read().unwrap() == Step::Row {
                prop_assert_eq!(records.fault(), None);
                found.push(records.cells().map(<[u8]>::to_vec).collect::<Vec<_>>());
                let mut texts = Texts::default();
                prop_assert!(records.take(&mut texts));
                prop_assert!(texts.iter().map(str::as_bytes).eq(found.last().unwrap().iter()));
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
            let mut records = Records::new(BufReader::with_capacity(capacity, text.as_bytes()), 1 << 20, b',');
            let mut found = Vec::new();
            while records.read().unwrap() == Step::Row {
                found.push(records.number());
            }
            prop_assert_eq!(found, expected);
        }
    }
}
