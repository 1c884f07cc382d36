//! The results of a run as one workbook, with a sheet for each result file.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::rows::ResultFile;
use crate::files::{self, Replacement};
use crate::manifest::{CsvReader, WorkbookWriter};

/// The name of the workbook in a run directory.
const FILE_NAME: &str = "results.xlsx";

/// Writes the result files of a run into one workbook beside them. Its sheets are named after the files, and the rows that
/// failed are coloured. Returns its path.
///
/// # Errors
/// When a result file cannot be read, or the workbook cannot be written.
pub fn write_workbook(directory: &Path) -> io::Result<PathBuf> {
    let mut book = WorkbookWriter::default();
    for file in ResultFile::ALL {
        let mut rows = CsvReader::new(files::open(&directory.join(file.name()))?);
        let titles = rows.row()?.unwrap_or_default();
        let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
        let name = file.name().trim_end_matches(".csv");
        book.begin(name, &titles, file == ResultFile::Errors)?;
        while let Some(row) = rows.row()? {
            book.row(row.iter().map(String::as_str))?;
        }
        book.end()?;
    }
    let path = directory.join(FILE_NAME);
    let mut to = Replacement::begin(&path)?;
    to.write_all(&book.finish()?)?;
    to.finish()?;
    Ok(path)
}
