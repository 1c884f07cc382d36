//! Rows of a sheet of a workbook.

use std::collections::HashSet;
use std::io::{self, BufRead};

use super::bounds::{MOST_COLUMNS, cell_too_long, title_too_long, too_many_columns};
use super::dialect::SEARCHED;
use super::letters::letters;
use super::rows::{self, Title};
use super::sheet_file::{Kind, SheetCell, read_row};
use super::titles::Known;
use crate::item::{CellKind, Cells, Problem, Problems, Row};

/// The header of a sheet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// The number of its row.
    pub(super) row: u32,
    /// The number of rows above it that hold something.
    pub(super) above: u32,
    /// The position of each title among the columns of the sheet, from 0.
    pub(super) columns: Vec<u32>,
}

/// Finds the header among the first rows: the row with the most titles that are known, or else the first. Returns its titles
/// too; a column between two titles has an empty one.
pub(super) fn titles(
    mut input: impl BufRead,
    file: u16,
    known: &Known,
    problems: &mut Problems,
) -> io::Result<(Header, Vec<Title>)> {
    let mut cells = Vec::new();
    let mut best: Option<(usize, Header, Vec<Title>)> = None;
    for above in 0..u32::try_from(SEARCHED).unwrap_or_default() {
        let Some(row) = read_row(&mut input, &mut cells)? else {
            break;
        };
        let titles = cells.iter().map(|cell| cell.text.trim().to_owned());
        let count = known.count(titles.clone());
        if best.as_ref().is_none_or(|(most, ..)| count > *most) {
            let columns = cells.iter().map(|cell| cell.column).collect();
            let header = Header {
                row,
                above,
                columns,
            };
            let titles = titles.map(|text| Title { text, row }).collect();
            best = Some((count, header, titles));
        }
    }
    let Some((_, header, titles)) = best else {
        let message = "the sheet is empty; a row must name the columns";
        problems.push(Problem::row(file, 1, message));
        return Ok((Header::default(), Vec::new()));
    };
    if titles.len() > MOST_COLUMNS {
        problems.push(too_many_columns(file, header.row, titles.len()));
    }
    problems.extend(
        titles
            .iter()
            .find_map(|title| title_too_long(file, title.row, &title.text)),
    );
    Ok((header, titles))
}

/// The rows below the header.
pub(super) struct Rows<R> {
    input: R,
    file: u16,
    header: Header,
    titles: Vec<String>,
    untitled: HashSet<u32>,
    cells: Vec<SheetCell>,
    row: SheetRow,
}

/// The cells of a row, by the positions of their titles.
#[derive(Debug, Default)]
struct SheetRow(Vec<SheetCell>);

impl<R: BufRead> Rows<R> {
    pub(super) fn new(input: R, file: u16, header: &Header, titles: &[Title]) -> Self {
        Self {
            input,
            file,
            header: header.clone(),
            titles: titles.iter().map(|title| title.text.clone()).collect(),
            untitled: HashSet::new(),
            cells: Vec::new(),
            row: SheetRow::default(),
        }
    }

    /// Puts the cells below their titles. False if there is nothing in the row, or if there are problems.
    fn fill(&mut self, number: u32, problems: &mut Problems) -> bool {
        let before = problems.count();
        let columns = &self.header.columns;
        let row = &mut self.row.0;
        row.clear();
        row.resize(columns.len(), SheetCell::default());
        let mut is_blank = true;
        let mut next = 0;
        for cell in &mut self.cells {
            if cell.text.trim().is_empty() && cell.kind == Kind::Text {
                continue;
            }
            while columns
                .get(next)
                .is_some_and(|column| *column < cell.column)
            {
                next += 1;
            }
            let at = columns.get(next).filter(|column| **column == cell.column);
            let title = at
                .and_then(|_| self.titles.get(next))
                .filter(|title| !title.is_empty());
            let Some(title) = title else {
                if self.untitled.insert(cell.column) {
                    let message = format!(
                        "there is something in column {}, which has no title; name the column or empty it",
                        letters(cell.column)
                    );
                    problems.push(Problem::row(self.file, number, message));
                }
                continue;
            };
            is_blank = false;
            problems.extend(cell_too_long(self.file, number, title, &cell.text));
            if let Some(place) = row.get_mut(next) {
                std::mem::swap(place, cell);
            }
        }
        !is_blank && problems.count() == before
    }
}

impl<R: BufRead> rows::Rows for Rows<R> {
    fn next(&mut self, problems: &mut Problems) -> io::Result<Option<Row<'_>>> {
        loop {
            let Some(number) = read_row(&mut self.input, &mut self.cells)? else {
                return Ok(None);
            };
            if number > self.header.row && self.fill(number, problems) {
                return Ok(Some(Row {
                    file: self.file,
                    number,
                    cells: &self.row,
                }));
            }
        }
    }
}

impl Cells for SheetRow {
    fn cell(&self, column: usize) -> Option<&str> {
        let cell = self.0.get(column)?;
        let is_empty = cell.text.trim().is_empty() && cell.kind == Kind::Text;
        (!is_empty).then(|| cell.text.trim())
    }

    fn raw(&self, column: usize) -> &str {
        self.0.get(column).map_or("", |cell| &cell.text)
    }

    fn are_texts(&self) -> bool {
        false
    }

    fn kind(&self, column: usize) -> CellKind<'_> {
        let cell = self.0.get(column);
        cell.map_or(CellKind::Text, |cell| match cell.judged_kind() {
            CellKind::Text if cell.text.trim() != cell.text => CellKind::Untrimmed,
            kind => kind,
        })
    }
}
