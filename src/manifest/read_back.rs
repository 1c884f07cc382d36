//! The reader for files of [`CsvWriter`](super::CsvWriter).

use std::io::{self, BufReader, Read};

use super::bounds::{LONGEST_WRITTEN_ROW, Step};
use super::formula::restore;
use super::records::Records;

/// Reads CSV that the program wrote, the header like any other row. Bytes that are no UTF-8 become the replacement
/// character, so that they differ from the text that was written.
#[derive(Debug)]
pub struct CsvReader<R>(Records<BufReader<R>>);

impl<R: Read> CsvReader<R> {
    /// Returns a reader of all rows.
    pub fn new(from: R) -> Self {
        let input = BufReader::with_capacity(1 << 16, from);
        Self(Records::new(input, LONGEST_WRITTEN_ROW, b','))
    }

    /// Returns the cells of the next row, or none behind the last. A row that is longer than any that was written counts as
    /// the end, of a row with more cells the first are returned, and a row with malformed quotes gets a cell more: none of
    /// them is in a file of the program.
    ///
    /// # Errors
    /// When the row cannot be read.
    pub fn row(&mut self) -> io::Result<Option<Vec<String>>> {
        if self.0.read()? != Step::Row {
            return Ok(None);
        }
        let text = |cell: &[u8]| restore(&String::from_utf8_lossy(cell)).into_owned();
        let mut cells: Vec<String> = self.0.cells().map(text).collect();
        if self.0.fault().is_some() {
            cells.push(char::REPLACEMENT_CHARACTER.to_string());
        }
        Ok(Some(cells))
    }

    /// Returns the source. Behind the last row, all of it has been read.
    pub fn into_inner(self) -> R {
        self.0.into_inner().into_inner()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::CsvWriter;

    #[test]
    fn a_row_without_end_ends_the_reading() {
        let endless = b"a,b\n\"".chain(io::repeat(b'x'));
        let mut reader = CsvReader::new(endless);
        assert_eq!(reader.row().unwrap().unwrap(), ["a", "b"]);
        assert_eq!(reader.row().unwrap(), None);
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(
            rows in prop::collection::vec(prop::collection::vec("'?[-=+@\t\r\n\",a*é]{0,4}", 2), 0..4),
        ) {
            let mut writer = CsvWriter::new(Vec::new());
            for row in &rows {
                writer.row(row.iter().map(String::as_str)).unwrap();
            }
            let text = writer.finish().unwrap();
            let mut reader = CsvReader::new(text.as_slice());
            let mut found = Vec::new();
            while let Some(row) = reader.row().unwrap() {
                found.push(row);
            }
            prop_assert_eq!(found, rows);
        }
    }
}
