//! The bounds on what is read of a manifest.
//!
//! They are far above what a manifest needs. Within them, reading takes little memory, and its time grows with the size of
//! the file alone.

use crate::item::Problem;

/// The most bytes of a manifest, unless another bound is given.
pub const LARGEST_MANIFEST: u64 = 1 << 30;

/// The most columns of a manifest.
pub(super) const MOST_COLUMNS: usize = 1000;

/// The most bytes of the name of a column.
const LONGEST_TITLE: usize = 1000;

/// The most bytes of a row or line. An icon is a few kilobytes of base64, and the logo of a portal some hundred.
pub(super) const LONGEST_ROW: usize = 4 << 20;

/// The most bytes of a row that the program wrote: room for a row of a manifest, its neutral marks and its results.
pub(super) const LONGEST_WRITTEN_ROW: usize = 4 * LONGEST_ROW;

/// The most bytes of a cell.
pub(super) const LONGEST_CELL: usize = 1 << 20;

/// A step through the rows of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The next row has been read.
    Row,
    /// The next row is longer than [`LONGEST_ROW`]. Nothing behind its beginning can be read.
    TooLong,
    /// There are no more rows.
    End,
}

pub(super) fn too_many_columns(file: u16, row: u32, count: usize) -> Problem {
    let message = format!("there are {count} columns here; a manifest has at most {MOST_COLUMNS}");
    Problem::row(file, row, message)
}

pub(super) fn row_too_long(file: u16, row: u32) -> Problem {
    let message = "the row is longer than 4 MiB, so it and all behind it were not read; is a quote or a line break missing?";
    Problem::row(file, row, message)
}

/// Returns the problem with the name of a column that is too long, if it is.
pub(super) fn title_too_long(file: u16, row: u32, title: &str) -> Option<Problem> {
    let length = title.len();
    (length > LONGEST_TITLE).then(|| {
        let message =
            format!("the name of the column has {length} bytes; it may have {LONGEST_TITLE}");
        Problem::cell(file, row, title, message)
    })
}

/// Returns the problem with a cell that is too long, if it is.
pub(super) fn cell_too_long(file: u16, row: u32, title: &str, text: &str) -> Option<Problem> {
    let length = text.len();
    (length > LONGEST_CELL).then(|| {
        let message =
            format!("the text has {length} bytes; a cell has at most 1 MiB ({LONGEST_CELL} bytes)");
        Problem::cell(file, row, title, message)
    })
}

/// Returns the problem with a manifest that two readings find different.
#[must_use]
pub fn changed(file: u16) -> Problem {
    let message = "the manifest was changed while it was being read; try again";
    Problem::row(file, 1, message)
}
