//! Rows of a manifest, and problems with them.

use std::fmt;

/// What the cells of one row say.
pub trait Cells {
    /// The trimmed text in the column at that position, or `None` where the row says nothing.
    fn cell(&self, column: usize) -> Option<&str>;

    /// The cell exactly as the manifest has it, for the result files.
    fn raw(&self, column: usize) -> &str;
}

/// One row of a manifest: where it stands and what its cells say.
#[derive(Clone, Copy)]
pub struct Row<'r> {
    /// Which of the manifests of this run, from 0.
    pub file: u16,
    /// The row as a spreadsheet numbers it: the header of a CSV is row 1. In JSON Lines, the line.
    pub number: u32,
    /// Its cells.
    pub cells: &'r dyn Cells,
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row {}:{}", self.file, self.number)
    }
}

/// Something wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which of the manifests, from 0.
    pub file: u16,
    /// The row; the header of a CSV is row 1.
    pub row: u32,
    /// The column, as the manifest spells it; none when the row as a whole is meant.
    pub column: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl Problem {
    /// A problem with one cell.
    pub fn cell(file: u16, row: u32, column: &str, message: impl Into<String>) -> Self {
        Self {
            file,
            row,
            column: Some(column.to_owned()),
            message: message.into(),
        }
    }

    /// A problem with a row as a whole.
    pub fn row(file: u16, row: u32, message: impl Into<String>) -> Self {
        Self {
            file,
            row,
            column: None,
            message: message.into(),
        }
    }

    /// `file:row: column "x": what is wrong`.
    #[must_use]
    pub fn describe(&self, files: &[String]) -> String {
        let file = files
            .get(usize::from(self.file))
            .map_or("?", String::as_str);
        let (row, message) = (self.row, &self.message);
        match &self.column {
            Some(column) => format!("{file}:{row}: column {column:?}: {message}"),
            None => format!("{file}:{row}: {message}"),
        }
    }
}
