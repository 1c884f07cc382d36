//! The formats in which manifests are written.

use std::io;
use std::path::Path;

use serde_json::Value;

use super::format::ending;
use super::workbook_out::{LeftCell, WorkbookWriter};
use super::write::{CsvWriter, json_line};

/// A format in which manifests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// Comma-separated values.
    Csv,
    /// Values with tabs between them.
    Tsv,
    /// One JSON object a line.
    Jsonl,
    /// A JSON array.
    Json,
    /// A workbook of Excel.
    Xlsx,
}

impl OutputFormat {
    /// Returns the format that the ending of a file's name says; `None` if the name has no ending.
    ///
    /// # Errors
    /// A message for the user, for an ending that says another format or none.
    pub fn of_name(path: &Path) -> Result<Option<Self>, String> {
        if is_packed(path) {
            return Err("files are not written compressed; leave .gz out".to_owned());
        }
        let Some(ending) = ending(path) else {
            return Ok(None);
        };
        match ending.as_str() {
            "csv" => Ok(Some(Self::Csv)),
            "tsv" | "tab" => Ok(Some(Self::Tsv)),
            "jsonl" | "ndjson" => Ok(Some(Self::Jsonl)),
            "json" => Ok(Some(Self::Json)),
            "xlsx" => Ok(Some(Self::Xlsx)),
            other => Err(format!(
                ".{other} is no format that can be written; .csv, .tsv, .jsonl, .json and .xlsx are"
            )),
        }
    }

    /// Returns the number of the first row below the header, or of the first object.
    #[must_use]
    pub fn first_row(self) -> u32 {
        match self {
            Self::Csv | Self::Tsv | Self::Xlsx => 2,
            Self::Jsonl | Self::Json => 1,
        }
    }

    /// Tells whether the format is text that a terminal can show.
    #[must_use]
    pub fn is_text(self) -> bool {
        self != Self::Xlsx
    }
}

fn is_packed(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("gz"))
}

/// The rows of a manifest on their way into a file.
#[derive(Debug)]
pub struct RowsWriter {
    titles: Vec<String>,
    to: To,
}

#[derive(Debug)]
enum To {
    Table(Box<CsvWriter<Vec<u8>>>),
    Lines(Vec<u8>),
    Array(Vec<u8>),
    Sheet(Box<WorkbookWriter>),
}

impl RowsWriter {
    /// Begins a manifest with these columns. In a workbook, the sheet has that name.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn new(format: OutputFormat, name: &str, titles: &[&str]) -> io::Result<Self> {
        let to = match format {
            OutputFormat::Csv | OutputFormat::Tsv => {
                let mut writer = CsvWriter::delimited(Vec::new(), format == OutputFormat::Tsv);
                writer.row(titles.iter().copied())?;
                To::Table(Box::new(writer))
            }
            OutputFormat::Jsonl => To::Lines(Vec::new()),
            OutputFormat::Json => To::Array(b"[".to_vec()),
            OutputFormat::Xlsx => {
                let mut writer = WorkbookWriter::default();
                writer.begin(name, titles, false)?;
                To::Sheet(Box::new(writer))
            }
        };
        let titles = titles.iter().map(|title| (*title).to_owned()).collect();
        Ok(Self { titles, to })
    }

    /// Writes a row. `value` makes the value of a cell in JSON, which leaves out empty cells.
    ///
    /// # Errors
    /// When the row cannot be written.
    pub fn row<'c>(
        &mut self,
        cells: impl IntoIterator<Item = &'c str>,
        value: impl Fn(&str, &str) -> Value,
    ) -> io::Result<()> {
        let members = |cells: &mut dyn Iterator<Item = &'c str>| {
            let titles = self.titles.iter().map(String::as_str);
            let filled = titles.zip(cells).filter(|(_, cell)| !cell.is_empty());
            json_line(filled.map(|(title, cell)| (title, value(title, cell))))
        };
        match &mut self.to {
            To::Table(writer) => return writer.row(cells),
            To::Sheet(writer) => return writer.row(cells),
            To::Lines(text) => {
                text.extend(members(&mut cells.into_iter()).as_bytes());
            }
            To::Array(text) => {
                let separator = if text.len() > 1 { ",\n" } else { "\n" };
                text.extend(separator.as_bytes());
                text.extend(members(&mut cells.into_iter()).trim_end().as_bytes());
            }
        }
        Ok(())
    }

    /// Returns the bytes of the file, and the cells that it cannot hold.
    ///
    /// # Errors
    /// When the file cannot be put together.
    pub fn finish(self) -> io::Result<(Vec<u8>, Vec<LeftCell>)> {
        match self.to {
            To::Table(writer) => Ok((writer.finish()?, Vec::new())),
            To::Lines(text) => Ok((text, Vec::new())),
            To::Array(mut text) => {
                text.extend(b"\n]\n");
                Ok((text, Vec::new()))
            }
            To::Sheet(mut writer) => {
                writer.end()?;
                let left = writer.left().to_vec();
                Ok((writer.finish()?, left))
            }
        }
    }
}
