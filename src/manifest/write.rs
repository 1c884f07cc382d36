//! The writer of rows that are read back as they were.

use std::io::{self, Write};

use serde_json::Value;

use super::formula::neutralise;

/// Writes CSV in the form that [`Manifest`](super::Manifest) reads. A spreadsheet takes no cell of it for a formula.
/// Every CSV of the program is written by it.
#[derive(Debug)]
pub struct CsvWriter<W: Write>(csv::Writer<W>);

impl<W: Write> CsvWriter<W> {
    /// Returns a writer. Its first row is to be the header.
    pub fn new(to: W) -> Self {
        Self(csv::Writer::from_writer(to))
    }

    /// Returns a writer of cells with tabs between them, or else with commas.
    pub fn delimited(to: W, by_tabs: bool) -> Self {
        let delimiter = if by_tabs { b'\t' } else { b',' };
        Self(
            csv::WriterBuilder::new()
                .delimiter(delimiter)
                .from_writer(to),
        )
    }

    /// Writes one row. All rows need the same number of cells.
    ///
    /// # Errors
    /// When the row cannot be written.
    pub fn row<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) -> io::Result<()> {
        for cell in cells {
            self.0.write_field(neutralise(cell).as_bytes())?;
        }
        Ok(self.0.write_record(None::<&[u8]>)?)
    }

    /// Writes the rest of the buffer, and returns the destination.
    ///
    /// # Errors
    /// When the rest cannot be written.
    pub fn finish(self) -> io::Result<W> {
        self.0.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}

/// Returns a line of JSON Lines with its members in this order.
pub fn json_line<'n>(members: impl IntoIterator<Item = (&'n str, Value)>) -> String {
    let members = members.into_iter();
    let members: Vec<String> = members
        .map(|(name, value)| format!("{}:{value}", Value::from(name)))
        .collect();
    format!("{{{}}}\n", members.join(","))
}
