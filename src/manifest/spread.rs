//! The room that a workbook takes in memory, found out before it is read.
//!
//! A zip archive of a kilobyte may hold a gigabyte. And calamine spreads an `.ods` out: a cell or a row that says that it
//! is repeated is copied, and every sheet becomes a full rectangle. So the size is counted first, by the same rules.

use std::io::{self, BufReader, Read, Seek};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use super::spool::too_large;

/// The most bytes of a part that is held in memory: the texts that all sheets share, or all sheets of an `.ods`.
const LARGEST_PART: u64 = 512 << 20;

/// The most cells of an `.ods`, all sheets and what is empty between them included. Each takes some 50 bytes.
const MOST_CELLS: u64 = 5_000_000;

/// The most bytes of the texts of an `.ods`, copies included.
const MOST_TEXT: u64 = 256 << 20;

/// The most columns of a sheet. calamine leaves out what is beyond.
const MOST_COLUMNS: u64 = 16_384;

/// Refuses a workbook that would not fit, unpacked and spread out, into `largest` bytes or into memory. An archive holds no
/// more than it says: the reader stops there.
///
/// # Errors
/// A message for the user.
pub(super) fn refuse_large<R: Read + Seek>(
    zip: &mut ZipArchive<R>,
    largest: u64,
) -> Result<(), String> {
    let sizes = (0..zip.len()).map(|at| zip.by_index_raw(at).map_or(0, |part| part.size()));
    if sizes.fold(0, u64::saturating_add) > largest {
        return Err(format!(
            "the workbook is unpacked first, and {}",
            too_large(largest)
        ));
    }
    for part in ["xl/sharedStrings.xml", "content.xml"] {
        let size = zip.by_name(part).map_or(0, |part| part.size());
        if size > LARGEST_PART {
            return Err(format!(
                "the workbook has {} MiB of texts, and {} MiB are read at most; save the sheet as CSV",
                size >> 20,
                LARGEST_PART >> 20
            ));
        }
    }
    let Ok(content) = zip.by_name("content.xml") else {
        return Ok(());
    };
    match fits(content) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!(
            "the workbook has more than {MOST_CELLS} cells or {} MiB of text, with what is repeated and what is empty between \
             them; remove rows and sheets that are not meant, or save the sheet as CSV",
            MOST_TEXT >> 20
        )),
        Err(error) => Err(format!("the workbook cannot be read: {error}")),
    }
}

/// Tells whether the sheets of an `.ods` fit into memory once they are spread out.
fn fits(content: impl Read) -> io::Result<bool> {
    let mut reader = Reader::from_reader(BufReader::new(content));
    reader.config_mut().check_end_names = false;
    let (mut buffer, mut spread) = (Vec::new(), Spread::default());
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer);
        match event.map_err(io::Error::other)? {
            Event::Start(element) | Event::Empty(element) => spread.begin(&element),
            Event::Text(text) => spread.add_text(text.len()),
            Event::CData(text) => spread.add_text(text.len()),
            Event::End(element) if element.name().as_ref() == "table:table-row" => {
                spread.end_row();
            }
            Event::Eof => return Ok(spread.fits()),
            _ => {}
        }
        if !spread.fits() {
            return Ok(false);
        }
    }
}

/// The size of the sheets of an `.ods` once they are spread out.
#[derive(Debug, Default)]
struct Spread {
    /// The cells and bytes of text of the sheets so far.
    cells: u64,
    text: u64,
    sheet: Sheet,
    row: Row,
}

/// The rectangle of a sheet that holds something.
#[derive(Debug, Default)]
struct Sheet {
    rows: u64,
    first: Option<u64>,
    end: u64,
    width: u64,
}

#[derive(Debug, Default)]
struct Row {
    repeated: u64,
    cells: u64,
    text: u64,
    /// The empty cells that count if another cell follows.
    empty: u64,
    /// The number of times that the text of the current cell is there.
    copies: u64,
}

impl Spread {
    fn begin(&mut self, element: &BytesStart<'_>) {
        match element.name().as_ref() {
            "table:table" => {
                self.cells = self.cells.saturating_add(self.sheet.cells());
                self.sheet = Sheet::default();
            }
            "table:table-row" => {
                self.row = Row {
                    repeated: repeated(element, "table:number-rows-repeated"),
                    ..Row::default()
                };
            }
            "table:table-cell" | "table:covered-table-cell" => self.begin_cell(element),
            _ => {}
        }
    }

    fn begin_cell(&mut self, element: &BytesStart<'_>) {
        let count = repeated(element, "table:number-columns-repeated").min(MOST_COLUMNS);
        let row = &mut self.row;
        row.copies = count;
        let mut attributes = element.attributes();
        let mut all = attributes.with_checks(false).flatten();
        let holds = |name: &str| name.ends_with(":value-type") || name.ends_with(":formula");
        if !all.any(|one| holds(one.key.as_ref())) {
            row.empty = count;
            return;
        }
        row.cells = row
            .cells
            .saturating_add(row.empty + count)
            .min(MOST_COLUMNS);
        row.empty = 0;
        self.add_text(element.len());
    }

    fn add_text(&mut self, length: usize) {
        let row = &mut self.row;
        let copies = row.copies.saturating_mul(row.repeated);
        let text = copies.saturating_mul(length as u64);
        row.text = row.text.saturating_add(text);
    }

    fn end_row(&mut self) {
        let row = std::mem::take(&mut self.row);
        let sheet = &mut self.sheet;
        let first = sheet.rows;
        sheet.rows = first.saturating_add(row.repeated);
        if row.cells > 0 {
            sheet.first.get_or_insert(first);
            sheet.end = sheet.rows;
            sheet.width = sheet.width.max(row.cells);
            self.cells = self.cells.saturating_add(row.cells);
            self.text = self.text.saturating_add(row.text);
        }
    }

    fn fits(&self) -> bool {
        let cells = self.cells.saturating_add(self.sheet.cells());
        cells <= MOST_CELLS && self.text.saturating_add(self.row.text) <= MOST_TEXT
    }
}

impl Sheet {
    /// Returns the number of cells of the rectangle.
    fn cells(&self) -> u64 {
        let rows = self.end - self.first.unwrap_or(self.end);
        rows.saturating_mul(self.width)
    }
}

/// Returns how often an element is there. What is no number is refused by the reader.
fn repeated(element: &BytesStart<'_>, name: &str) -> u64 {
    let mut attributes = element.attributes();
    let mut all = attributes.with_checks(false).flatten();
    let found = all.find(|one| one.key.as_ref() == name);
    found.map_or(1, |one| one.value.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_read(rows: &str) -> bool {
        let content = format!("<table:table>{rows}</table:table>");
        fits(content.as_bytes()).unwrap()
    }

    const CELL: &str =
        "<table:table-cell office:value-type=\"string\"><text:p>x</text:p></table:table-cell>";

    fn cell(repeated: u64, text: &str) -> String {
        format!(
            "<table:table-cell office:value-type=\"string\" table:number-columns-repeated=\"{repeated}\">\
             <text:p>{text}</text:p></table:table-cell>"
        )
    }

    fn row(repeated: u64, cells: &str) -> String {
        format!(
            "<table:table-row table:number-rows-repeated=\"{repeated}\">{cells}</table:table-row>"
        )
    }

    #[test]
    fn what_is_repeated_counts_as_often_as_it_is_there() {
        assert!(is_read(&row(1, &CELL.repeat(9)).repeat(1000)));
        assert!(is_read(&row(200_000, &CELL.repeat(9))));
        assert!(!is_read(&row(1_000_000, &CELL.repeat(9))));
        assert!(!is_read(&row(1, &cell(16_384, "x")).repeat(400)));
        assert!(!is_read(&row(u64::MAX, &cell(u64::MAX, "x"))));
        assert!(!is_read(&row(1, &cell(16_000, &"x".repeat(20_000)))));
    }

    #[test]
    fn what_is_empty_counts_between_what_is_not() {
        let empty = "<table:table-cell table:number-columns-repeated=\"16383\"/>";
        let rest = row(1_048_000, empty);
        // Programs style whole sheets. What is behind the last cell is not there.
        assert!(is_read(&format!("{}{rest}", row(1, CELL))));
        assert!(is_read(&format!("{rest}{}", row(1, CELL))));
        assert!(!is_read(&format!(
            "{}{rest}{}",
            row(1, CELL),
            row(1, &CELL.repeat(9))
        )));
        assert!(!is_read(&row(1, &format!("{empty}{CELL}")).repeat(200)));
    }
}
