//! The reader for files of [`CsvWriter`](super::CsvWriter).

use std::io::{self, Read};

use csv::{ByteRecord, ReaderBuilder};

use super::formula::restore;

/// Reads CSV that the program wrote, the header like any other row. Bytes that are no UTF-8 become the replacement
/// character, so that they differ from the text that was written.
#[derive(Debug)]
pub struct CsvReader<R> {
    reader: csv::Reader<R>,
    record: ByteRecord,
}

impl<R: Read> CsvReader<R> {
    /// Returns a reader of all rows.
    pub fn new(from: R) -> Self {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true);
        Self {
            reader: builder.buffer_capacity(1 << 16).from_reader(from),
            record: ByteRecord::new(),
        }
    }

    /// Returns the cells of the next row, or none behind the last.
    ///
    /// # Errors
    /// When the row cannot be read.
    pub fn row(&mut self) -> io::Result<Option<Vec<String>>> {
        if !self.reader.read_byte_record(&mut self.record)? {
            return Ok(None);
        }
        let text = |cell: &[u8]| restore(&String::from_utf8_lossy(cell)).into_owned();
        Ok(Some(self.record.iter().map(text).collect()))
    }

    /// Returns the source. Behind the last row, all of it has been read.
    pub fn into_inner(self) -> R {
        self.reader.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::CsvWriter;

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
