//! Tables in text (RFC 4180): quoted line breaks, UTF-8 with or without byte order mark, CRLF, LF or CR. A cell that was kept
//! from being a formula is read as it was before.

use std::collections::HashSet;
use std::io::{self, BufRead};

use memchr::memchr;

use super::bounds::{
    LONGEST_CELL, LONGEST_ROW, MOST_COLUMNS, Step, cell_too_long, changed, row_too_long,
    title_too_long, too_many_columns,
};
use super::dialect::Dialect;
use super::formula::restore;
use super::letters::letters;
use super::records::{Fault, Quoting, Records, Texts};
use super::rows::{self, Title};
use crate::item::{Cells, Problem, Problems, Row};

fn records<R: BufRead>(input: R, dialect: Dialect) -> Records<R> {
    Records::new(input, LONGEST_ROW, dialect.delimiter.0)
}

/// The header.
pub(super) fn titles<R: BufRead>(
    input: R,
    file: u16,
    dialect: Dialect,
    problems: &mut Problems,
) -> io::Result<Vec<Title>> {
    let mut records = records(input, dialect);
    let mut step = records.read()?;
    while step == Step::Row && records.number() < dialect.header {
        step = records.read()?;
    }
    let row = records.number().max(1);
    // Columns without a title behind the last one are none, unless a row has something there.
    let titles: Vec<Title> = header(&records)
        .take(records.filled())
        .map(|text| Title { text, row })
        .collect();
    problems.extend(match (step, records.fault()) {
        (Step::TooLong, _) => Some(row_too_long(file, row)),
        (_, Some(fault)) => Some(malformed(file, &records, fault, "")),
        _ if records.filled() > MOST_COLUMNS => Some(too_many_columns(file, row, records.filled())),
        _ => {
            let mut too_long = titles
                .iter()
                .filter_map(|t| title_too_long(file, row, &t.text));
            too_long
                .next()
                .or_else(|| header_problem(file, row, &titles))
        }
    });
    Ok(titles)
}

fn header<R: BufRead>(records: &Records<R>) -> impl Iterator<Item = String> {
    let title = |title| {
        let text = String::from_utf8_lossy(title);
        restore(&text).trim().to_owned()
    };
    records.cells().map(title)
}

fn header_problem(file: u16, row: u32, titles: &[Title]) -> Option<Problem> {
    titles.is_empty().then(|| {
        let message = "the manifest is empty; a row must name the columns";
        Problem::row(file, row, message)
    })
}

/// The rows below the header.
pub(super) struct Rows<R> {
    records: Records<R>,
    file: u16,
    /// The row of the header.
    header: u32,
    titles: Vec<String>,
    /// The number of cells of the header.
    width: usize,
    /// The columns without a title that have been reported.
    untitled: HashSet<usize>,
    cells: Texts,
}

impl<R: BufRead> Rows<R> {
    pub(super) fn new(input: R, file: u16, dialect: Dialect, titles: &[Title]) -> Self {
        Self {
            records: records(input, dialect),
            file,
            header: dialect.header,
            titles: titles.iter().map(|t| t.text.clone()).collect(),
            width: 0,
            untitled: HashSet::new(),
            cells: Texts::default(),
        }
    }

    /// Reads the next record. False behind the last one.
    fn read(&mut self, problems: &mut Problems) -> io::Result<bool> {
        match self.records.read()? {
            Step::Row => {}
            Step::End => return Ok(false),
            Step::TooLong => {
                problems.push(row_too_long(self.file, self.records.number()));
                return Ok(false);
            }
        }
        if let Some(fault) = self.records.fault() {
            let title = self.titles.get(fault.column).map_or("", String::as_str);
            problems.push(malformed(self.file, &self.records, fault, title));
        }
        Ok(true)
    }

    /// Takes over the cells of the record. False if they are no row.
    fn fill(&mut self, problems: &mut Problems) -> bool {
        if self.records.fault().is_some() {
            return false;
        }
        if !self.records.take(&mut self.cells) {
            self.report_encoding(problems);
            return false;
        }
        if memchr(b'\'', self.cells.whole().as_bytes()).is_some() {
            self.cells = self.cells.map(restore);
        }
        // A row of separators alone, as spreadsheets leave them below the last row, is none.
        let is_empty = |cell: &str| cell.trim_start().is_empty();
        let is_blank =
            self.cells.iter().all(is_empty) && self.records.filled_of(&self.cells) <= MOST_COLUMNS;
        !is_blank && self.is_whole(problems) && self.is_short(problems)
    }

    fn is_short(&self, problems: &mut Problems) -> bool {
        if self.cells.whole().len() <= LONGEST_CELL {
            return true;
        }
        let number = self.records.number();
        let cells = self.cells.iter().zip(&self.titles);
        let too_long =
            cells.filter_map(|(cell, title)| cell_too_long(self.file, number, title, cell));
        let before = problems.count();
        problems.extend(too_long);
        problems.count() == before
    }

    /// Reports each column without a title in which a row has something, once.
    fn report_untitled(&mut self, problems: &mut Problems) {
        let untitled = |at: &usize| self.titles.get(*at).is_none_or(String::is_empty);
        if self.titles.len() == self.width && !self.titles.iter().any(String::is_empty) {
            return;
        }
        let cells = self.cells.iter().take(self.width).enumerate();
        let filled = cells.filter(|(_, cell)| !cell.trim_start().is_empty());
        let found: Vec<usize> = filled.map(|(at, _)| at).filter(untitled).collect();
        for at in found {
            if self.untitled.insert(at) {
                let message = format!(
                    "there is something in column {}, which has no title; name the column or empty it",
                    letters(u32::try_from(at).unwrap_or(u32::MAX))
                );
                problems.push(Problem::row(self.file, self.records.number(), message));
            }
        }
    }

    fn is_whole(&mut self, problems: &mut Problems) -> bool {
        let (cells, columns) = (self.records.count(), self.titles.len());
        let before = problems.count();
        self.report_untitled(problems);
        if problems.count() > before {
            return false;
        }
        if cells == columns {
            return true;
        }
        let filled = self.records.filled_of(&self.cells);
        if cells > columns && filled <= columns.max(self.width) {
            return true;
        }
        let cells = filled.max(cells.min(columns));
        problems.push(Problem::row(
            self.file,
            self.records.number(),
            format!(
                "the row has {cells} {} where the header has {columns}",
                if cells == 1 { "cell" } else { "cells" }
            ),
        ));
        false
    }

    fn report_encoding(&self, problems: &mut Problems) {
        let cells = self.records.cells().zip(&self.titles);
        for (_, title) in cells.filter(|(cell, _)| str::from_utf8(cell).is_err()) {
            let message = "the text is not UTF-8; save the file as \"CSV UTF-8\"";
            problems.push(Problem::cell(
                self.file,
                self.records.number(),
                title,
                message,
            ));
        }
    }
}

impl<R: BufRead> rows::Rows for Rows<R> {
    fn next(&mut self, problems: &mut Problems) -> io::Result<Option<Row<'_>>> {
        loop {
            if self.records.number() < self.header {
                match self.records.read()? {
                    Step::Row if self.records.number() < self.header => continue,
                    Step::Row => {}
                    Step::End | Step::TooLong => return Ok(None),
                }
            } else if !self.read(problems)? {
                return Ok(None);
            }
            if self.records.number() <= self.header {
                self.width = self.records.count();
                let header = header(&self.records).take(self.records.filled());
                if !header.eq(self.titles.iter().map(String::as_str)) {
                    problems.push(changed(self.file));
                    return Ok(None);
                }
            } else if self.fill(problems) {
                return Ok(Some(Row {
                    file: self.file,
                    number: self.records.number(),
                    cells: &self.cells,
                }));
            }
        }
    }
}

impl Cells for Texts {
    fn cell(&self, column: usize) -> Option<&str> {
        let cell = self.get(column)?;
        match cell.as_bytes() {
            // Nearly every cell is as it should be, and then nothing needs taking apart into characters.
            [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => Some(cell),
            _ => Some(cell.trim()).filter(|cell| !cell.is_empty()),
        }
    }

    fn raw(&self, column: usize) -> &str {
        self.get(column).unwrap_or_default()
    }
}

fn malformed<R: BufRead>(file: u16, records: &Records<R>, fault: Fault, title: &str) -> Problem {
    let row = records.number();
    let lines = match records.lines() {
        1 => String::new(),
        lines => format!("; it goes on for {lines} lines, and rows may be lost in it"),
    };
    let message = match fault.quoting {
        Quoting::Unclosed => "the quote that begins the cell is never closed".to_owned() + &lines,
        Quoting::TextBehind => format!(
            "text follows the quote that closes the cell{lines}; a quote within a quoted cell is written twice"
        ),
        Quoting::Within => {
            "a quote stands within the cell; put the cell into quotes, and write each quote within it twice"
                .to_owned()
        }
    };
    if title.is_empty() {
        return Problem::row(file, row, message).code("malformed_quotes");
    }
    Problem::cell(file, row, title, message).code("malformed_quotes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::rows::Rows as _;

    fn read(text: &[u8]) -> (Vec<(u32, Vec<String>)>, Vec<String>) {
        let mut problems = Problems::default();
        let dialect = Dialect::comma();
        let titles = titles(text, 0, dialect, &mut problems).unwrap();
        let mut rows = Rows::new(text, 0, dialect, &titles);
        let mut read = Vec::new();
        while let Some(Row { number, cells, .. }) = rows.next(&mut problems).unwrap() {
            let cells = (0..titles.len()).map(|i| cells.cell(i).unwrap_or("-").to_owned());
            read.push((number, cells.collect()));
        }
        let files = ["f.csv".to_owned()];
        let problems = problems.into_first().into_iter();
        (read, problems.map(|p| p.describe(&files)).collect())
    }

    #[test]
    fn a_byte_order_mark_and_crlf_make_no_difference() {
        let (rows, problems) = read(b"\xef\xbb\xbfname,url\r\nWiki, https://w \r\n");
        assert_eq!(rows, [(2, vec!["Wiki".to_owned(), "https://w".to_owned()])]);
        assert!(problems.is_empty());
        let titles = titles(
            b"\xef\xbb\xbfname,url\r\n".as_slice(),
            0,
            Dialect::comma(),
            &mut Problems::default(),
        )
        .unwrap();
        assert_eq!(titles[0].text, "name");
    }

    #[test]
    fn rows_are_numbered_as_a_spreadsheet_shows_them() {
        let (rows, _) = read(b"a,b\n1,\"x\ny\"\n\n,\n2,z\n\n3,w");
        let numbers: Vec<u32> = rows.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [2, 5, 7]);
        assert_eq!(rows[0].1[1], "x\ny");
    }

    #[test]
    fn a_neutral_formula_is_read_as_it_was() {
        let (rows, _) = read(b"a,b\n'=1+1,''-x\n'quoted', '=1\n");
        assert_eq!(rows[0].1, ["=1+1", "'-x"]);
        assert_eq!(rows[1].1, ["'quoted'", "'=1"]);
    }

    #[test]
    fn ragged_rows_and_foreign_bytes_are_reported_and_the_others_read() {
        let (rows, problems) = read(b"a,b\n1\n2,\xff\n3,4,5\n6,7\n");
        assert_eq!(rows, [(5, vec!["6".to_owned(), "7".to_owned()])]);
        assert_eq!(
            problems,
            [
                "f.csv:2: the row has 1 cell where the header has 2",
                "f.csv:3: column \"b\": the text is not UTF-8; save the file as \"CSV UTF-8\"",
                "f.csv:4: the row has 3 cells where the header has 2",
            ]
        );
    }

    #[test]
    fn an_open_quote_is_reported_where_it_begins() {
        let (rows, problems) = read(b"a,b\n1,x\n2,\"y\n3,z\n4,w");
        assert_eq!(rows.len(), 1);
        assert_eq!(
            problems,
            [
                "f.csv:3: column \"b\": the quote that begins the cell is never closed; it goes on for 3 lines, and rows \
                 may be lost in it"
            ]
        );
    }

    #[test]
    fn a_row_that_looks_like_the_end_ends_nothing() {
        for (text, left) in [
            ("a,b\n\0\n1,2\n", 1),
            ("a,b\n1,2\n\0\n", 1),
            ("a,b\n1,2\n\0", 1),
        ] {
            let (rows, problems) = read(text.as_bytes());
            assert_eq!(rows.len(), left, "{text:?}");
            let said = "the row has 1 cell where the header has 2";
            assert!(problems[0].ends_with(said), "{problems:?}");
        }
    }

    #[test]
    fn empty_cells_without_a_title_are_passed_over() {
        let commas = ",".repeat(16_382);
        let text = format!("a,,b{commas}\n1,,2{commas}\n3, ,4\n5,,6,\n{commas}\n");
        let (rows, problems) = read(text.as_bytes());
        assert_eq!((rows.len(), problems), (3, Vec::new()));
        let (rows, problems) = read(b"a,,b,\n1,x,2\n3,y,4,z\n5,,6\n");
        assert_eq!(rows.len(), 1);
        let said = "which has no title; name the column or empty it";
        assert_eq!(
            problems,
            [
                format!("f.csv:2: there is something in column B, {said}"),
                format!("f.csv:3: there is something in column D, {said}"),
            ]
        );
    }

    #[test]
    fn a_file_without_a_header_is_empty() {
        let (_, problems) = read(b"");
        assert!(problems[0].contains("empty"), "{problems:?}");
    }
}
