//! Reading rows as they were given to [`CsvWriter`](super::CsvWriter).

use std::io::{self, Read};

use csv::{ByteRecord, ReaderBuilder};

use super::formula::restore;

/// Reads CSV that the program wrote, the header like any other row. What is no UTF-8 is read as the replacement
/// character: it is different from whatever was written.
#[derive(Debug)]
pub struct CsvReader<R> {
    reader: csv::Reader<R>,
    record: ByteRecord,
}

impl<R: Read> CsvReader<R> {
    /// A reader of all rows.
    pub fn new(from: R) -> Self {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true);
        Self {
            reader: builder.buffer_capacity(1 << 16).from_reader(from),
            record: ByteRecord::new(),
        }
    }

    /// The cells of the next row; none behind the last.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn row(&mut self) -> io::Result<Option<Vec<String>>> {
        if !self.reader.read_byte_record(&mut self.record)? {
            return Ok(None);
        }
        let text = |cell: &[u8]| restore(&String::from_utf8_lossy(cell)).to_owned();
        Ok(Some(self.record.iter().map(text).collect()))
    }

    /// What was read from. Behind the last row, all of it was.
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
