//! Rows of a manifest, and the problems found in them.

use std::fmt;

use serde::Serialize;

use crate::wire::{quoted, shortened};

/// The cells of one row, by the position of their column from 0.
pub trait Cells {
    /// Returns the trimmed text of the cell, or `None` if the cell is missing or empty.
    fn cell(&self, column: usize) -> Option<&str>;

    /// Returns the untrimmed text of the cell for the result files. A missing cell is an empty text.
    fn raw(&self, column: usize) -> &str;

    /// Tells whether every cell holds a text, so that no kind needs to be asked for. Default: true.
    fn are_texts(&self) -> bool {
        true
    }

    /// Returns the kind of value that the cell holds in its file. Default: text.
    fn kind(&self, _column: usize) -> CellKind<'_> {
        CellKind::Text
    }
}

/// The kind of value that a cell holds in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CellKind<'c> {
    /// A text, or a value that stands for the text it is written as.
    #[default]
    Text,
    /// A text of a workbook that begins or ends with white space.
    Untrimmed,
    /// A text of a workbook that opens this address when it is clicked.
    Link(&'c str),
    /// A number of a workbook.
    Number,
    /// A boolean of a workbook.
    Flag,
    /// A date or a time of a workbook.
    Date,
    /// An error of a workbook, like `#N/A`.
    Error,
    /// A formula of a workbook whose value was never computed.
    NoValue,
    /// A list of JSON.
    List,
}

/// One row of a manifest, with its position and its cells.
#[derive(Clone, Copy)]
pub struct Row<'r> {
    /// The number of the manifest in this run, from 0.
    pub file: u16,
    /// The number of the row as a spreadsheet shows it: the header of a CSV file is row 1. In JSON Lines, the number of
    /// the line.
    pub number: u32,
    /// The cells of the row.
    pub cells: &'r dyn Cells,
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row {}:{}", self.file, self.number)
    }
}

/// A mistake in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The number of the manifest in this run, from 0.
    pub file: u16,
    /// The number of the row. The header of a CSV file is row 1.
    pub row: u32,
    /// The column as the manifest spells it, [shortened], or `None` if the problem is with the whole row.
    pub column: Option<String>,
    /// The description of the mistake.
    pub message: String,
    /// A value that may be meant.
    pub suggestion: Option<String>,
    /// A word for the kind of the mistake, for programs.
    pub code: &'static str,
}

impl Problem {
    /// Makes a problem with one cell.
    pub fn cell(file: u16, row: u32, column: &str, message: impl Into<String>) -> Self {
        Self {
            file,
            row,
            column: Some(shortened(column).into_owned()),
            message: message.into(),
            suggestion: None,
            code: "invalid_value",
        }
    }

    /// Makes a problem with a whole row.
    pub fn row(file: u16, row: u32, message: impl Into<String>) -> Self {
        Self {
            file,
            row,
            column: None,
            message: message.into(),
            suggestion: None,
            code: "invalid_row",
        }
    }

    /// Returns the same problem with a word for its kind.
    #[must_use]
    pub fn code(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    /// Returns the same problem with a value that may be meant.
    #[must_use]
    pub fn suggest(self, suggestion: Option<String>) -> Self {
        Self { suggestion, ..self }
    }

    /// Formats the problem as `file:row: column "x": message`. The names of the manifests are in `files`, by number.
    #[must_use]
    pub fn describe(&self, files: &[String]) -> String {
        let file = files.get(usize::from(self.file));
        self.located(file.map_or("?", String::as_str)).to_string()
    }

    /// Returns the problem as data, with the name of its manifest.
    #[must_use]
    pub fn located(&self, file: &str) -> Located {
        Located {
            file: Some(file.to_owned()),
            row: Some(self.row),
            unit: "row",
            column: self.column.clone(),
            message: self.message.clone(),
            suggestion: self.suggestion.clone(),
            code: self.code,
            ..Located::default()
        }
    }
}

/// A mistake with its place, as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Located {
    /// The name of the manifest, unless the mistake is of the plan as a whole.
    pub file: Option<String>,
    /// The number of the row, or of the element of a list.
    pub row: Option<u32>,
    /// The word for what `row` counts: `row` or `element`.
    #[serde(skip)]
    pub unit: &'static str,
    /// The name of the sheet, for a workbook.
    pub sheet: Option<String>,
    /// The cell as spreadsheets name it, like `C17`.
    pub cell: Option<String>,
    /// The column as the manifest spells it.
    pub column: Option<String>,
    /// A word for the kind of the mistake, for programs.
    pub code: &'static str,
    /// The description of the mistake.
    pub message: String,
    /// A value that may be meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            match self.row {
                Some(row) if self.sheet.is_some() => {
                    let sheet = self.sheet.as_deref().unwrap_or_default();
                    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
                    let quote = if sheet.chars().all(is_plain) { "" } else { "'" };
                    write!(f, " {quote}{sheet}{quote}!")?;
                    match &self.cell {
                        Some(cell) => write!(f, "{cell}: ")?,
                        None => write!(f, "{row}: ")?,
                    }
                }
                Some(row) if self.unit == "element" => write!(f, " element {row}: ")?,
                Some(row) => write!(f, "{row}: ")?,
                None => f.write_str(" ")?,
            }
        }
        if let Some(column) = &self.column {
            write!(f, "column {column:?}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean {}?", quoted(suggestion)),
            None => Ok(()),
        }
    }
}

/// The problems of all manifests: the first 300,000, and the number of all.
///
/// A manifest of millions of rows may have a problem in each. Nobody reads so many, and they would not fit into memory.
#[derive(Debug, Default)]
pub struct Problems {
    first: Vec<Problem>,
    count: u64,
}

impl Problems {
    const KEPT: usize = 300_000;

    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) {
        self.count += 1;
        if self.first.len() < Self::KEPT {
            self.first.push(problem);
        }
    }

    /// Returns the number of all problems.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the first problems, by manifest and row.
    #[must_use]
    pub fn into_first(mut self) -> Vec<Problem> {
        self.first
            .sort_by_key(|problem| (problem.file, problem.row));
        self.first
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }
}
