//! Titles and rows, in whatever format they come.

use std::io;

use crate::item::{Problems, Row};

/// A column as the manifest spells it, and the row where it first appears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title {
    /// The title.
    pub text: String,
    /// The row: 1 for a CSV, in JSON Lines the first line that has the column.
    pub row: u32,
}

/// The rows of a manifest, one after the other.
pub(super) trait Rows {
    /// Returns the next row that can be taken apart, or none behind the last. Other rows become problems.
    fn next(&mut self, problems: &mut Problems) -> io::Result<Option<Row<'_>>>;
}
