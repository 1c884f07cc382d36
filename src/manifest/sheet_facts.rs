//! Facts about a sheet that are beside its cells: hidden rows and columns, merged cells, and links.
//!
//! calamine does not tell all of them, and walks over the whole sheet for each of the others. So they are read from the XML of the workbook (ECMA-376, part 1, section 18.3; ODF
//! 1.3, part 3, section 9).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use super::tags::each_tag;

/// The rows and columns from here on are in no sheet.
const MOST: u32 = 1 << 20;

/// A block of merged cells, from its first to its last row and column, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) rows: (u32, u32),
    pub(super) columns: (u32, u32),
}

impl Merged {
    fn is_one(&self) -> bool {
        self.rows.0 == self.rows.1 && self.columns.0 == self.columns.1
    }
}

/// Facts about a sheet. Rows and columns count from 0.
#[derive(Debug, Default)]
pub(super) struct SheetFacts {
    pub(super) hidden_rows: HashSet<u32>,
    pub(super) hidden_columns: HashSet<u32>,
    pub(super) merged: Vec<Merged>,
    /// The addresses that a click on a cell opens, by row and column.
    pub(super) links: HashMap<(u32, u32), String>,
}

impl SheetFacts {
    /// Reads the facts about a sheet of an `.xlsx` or `.xlsm`.
    pub(super) fn of_xlsx(file: &File, sheet: &str) -> io::Result<Self> {
        let mut zip = archive(file)?;
        let mut facts = Self::default();
        let Some(path) = path_of(&mut zip, sheet)? else {
            return Ok(facts);
        };
        let targets = targets_of(&mut zip, &path)?;
        let entry = zip.by_name(&path).map_err(io::Error::other)?;
        let mut row = 0;
        each_tag(
            entry,
            &["row", "col", "mergeCell", "hyperlink"],
            |element| match element.local_name().as_ref() {
                "row" => {
                    let told = attribute(element, "r").and_then(|r| r.parse().ok());
                    row = told.unwrap_or(row + 1).min(MOST);
                    if is_true(element, "hidden") {
                        facts.hidden_rows.insert(row.saturating_sub(1));
                    }
                }
                "col" if is_true(element, "hidden") => {
                    let bound =
                        |name| attribute(element, name).and_then(|at| at.parse::<u32>().ok());
                    if let (Some(first), Some(last)) = (bound("min"), bound("max")) {
                        facts
                            .hidden_columns
                            .extend(first.saturating_sub(1)..last.min(MOST));
                    }
                }
                "mergeCell" => facts.merged.extend(range_of(element)),
                "hyperlink" => facts.take_link(element, &targets),
                _ => {}
            },
        )?;
        Ok(facts)
    }

    fn take_link(&mut self, element: &BytesStart<'_>, targets: &HashMap<String, String>) {
        // A link over many cells is one that somebody has put on a whole column.
        let Some(Merged { rows, columns }) = range_of(element).filter(Merged::is_one) else {
            return;
        };
        if let Some(target) = attribute(element, "id").and_then(|id| targets.get(&id).cloned()) {
            let fragment = attribute(element, "location").map(|part| format!("#{part}"));
            let whole = target + &fragment.unwrap_or_default();
            self.links.insert((rows.0, columns.0), whole);
        }
    }

    /// Reads the facts about a sheet of an `.ods`.
    pub(super) fn of_ods(file: &File, sheet: &str) -> io::Result<Self> {
        let mut zip = archive(file)?;
        let entry = zip.by_name("content.xml").map_err(io::Error::other)?;
        let mut table = OdsTable::default();
        each(entry, |element| table.take(element, sheet))?;
        Ok(table.facts)
    }
}

/// The place in a sheet of an `.ods` that is read.
#[derive(Debug, Default)]
struct OdsTable {
    facts: SheetFacts,
    is_inside: bool,
    /// The first row behind the current one.
    next_row: u32,
    row: u32,
    column: u32,
    next_column: u32,
    /// The columns that are described so far.
    described: u32,
}

impl OdsTable {
    /// Takes the start of an element. Returns false behind the sheet.
    fn take(&mut self, element: &BytesStart<'_>, sheet: &str) -> bool {
        let name = element.name();
        let name: &str = name.as_ref();
        if name == "table:table" {
            if self.is_inside {
                return false;
            }
            self.is_inside = attribute(element, "name").as_deref() == Some(sheet);
            return true;
        }
        if !self.is_inside {
            return true;
        }
        let repeated = |name| attribute(element, name).and_then(|n| n.parse::<u32>().ok());
        let is_hidden = attribute(element, "visibility").is_some_and(|how| how != "visible");
        match name {
            "table:table-column" => {
                let count = repeated("number-columns-repeated").unwrap_or(1).min(MOST);
                let first = self.described;
                self.described = first.saturating_add(count).min(MOST);
                if is_hidden {
                    self.facts.hidden_columns.extend(first..self.described);
                }
            }
            "table:table-row" => {
                let count = repeated("number-rows-repeated").unwrap_or(1).min(MOST);
                self.row = self.next_row;
                self.next_row = self.row.saturating_add(count).min(MOST);
                self.next_column = 0;
                if is_hidden {
                    self.facts.hidden_rows.extend(self.row..self.next_row);
                }
            }
            "table:table-cell" | "table:covered-table-cell" => {
                let count = repeated("number-columns-repeated").unwrap_or(1).min(MOST);
                self.column = self.next_column;
                self.next_column = self.column.saturating_add(count).min(MOST);
                let spans = |name| repeated(name).unwrap_or(1).clamp(1, MOST);
                let (rows, columns) = (
                    spans("number-rows-spanned"),
                    spans("number-columns-spanned"),
                );
                if rows > 1 || columns > 1 {
                    self.facts.merged.push(Merged {
                        rows: (self.row, self.row + rows - 1),
                        columns: (self.column, self.column + columns - 1),
                    });
                }
            }
            "text:a" => {
                if let Some(target) = attribute(element, "href") {
                    self.facts.links.insert((self.row, self.column), target);
                }
            }
            _ => {}
        }
        true
    }
}

type Zip = ZipArchive<BufReader<File>>;

fn archive(file: &File) -> io::Result<Zip> {
    ZipArchive::new(BufReader::new(file.try_clone()?)).map_err(io::Error::other)
}

/// Returns the path of a sheet in the archive.
fn path_of(zip: &mut Zip, sheet: &str) -> io::Result<Option<String>> {
    let mut relation = None;
    let entry = zip.by_name("xl/workbook.xml").map_err(io::Error::other)?;
    each(entry, |element| {
        let is_sheet = element.local_name().as_ref() == "sheet"
            && attribute(element, "name").as_deref() == Some(sheet);
        if is_sheet {
            relation = attribute(element, "id");
        }
        !is_sheet
    })?;
    let relations = relations(zip, "xl/_rels/workbook.xml.rels")?;
    let path = relation.and_then(|id| relations.get(&id));
    Ok(path.map(|path| match path.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None => format!("xl/{path}"),
    }))
}

/// Returns the addresses that links of a sheet open, by their ids.
fn targets_of(zip: &mut Zip, sheet: &str) -> io::Result<HashMap<String, String>> {
    let Some((directory, name)) = sheet.rsplit_once('/') else {
        return Ok(HashMap::new());
    };
    relations(zip, &format!("{directory}/_rels/{name}.rels"))
}

/// Returns the targets in a file of relationships, by their ids. A file that is not there has none.
fn relations(zip: &mut Zip, path: &str) -> io::Result<HashMap<String, String>> {
    let mut found = HashMap::new();
    if let Ok(entry) = zip.by_name(path) {
        each(entry, |element| {
            let both = attribute(element, "Id").zip(attribute(element, "Target"));
            found.extend(both);
            true
        })?;
    }
    Ok(found)
}

/// Reads a range like `A1:B2`, or one cell.
fn range_of(element: &BytesStart<'_>) -> Option<Merged> {
    let range = attribute(element, "ref")?;
    let (first, last) = range.split_once(':').unwrap_or((&range, &range));
    let (first, last) = (place_of(first)?, place_of(last)?);
    Some(Merged {
        rows: (first.0, last.0),
        columns: (first.1, last.1),
    })
}

/// Reads the name of a cell, like `C17`, as its row and column from 0.
fn place_of(name: &str) -> Option<(u32, u32)> {
    let digits = name.find(|c: char| c.is_ascii_digit())?;
    let (letters, row) = name.split_at(digits);
    let row: u32 = row.parse().ok()?;
    let value = |letter: u8| {
        letter
            .is_ascii_uppercase()
            .then(|| u32::from(letter - b'A') + 1)
    };
    let column = letters.bytes().try_fold(0_u32, |sum, letter| {
        sum.checked_mul(26)?.checked_add(value(letter)?)
    })?;
    (row <= MOST && column <= MOST).then(|| Some((row.checked_sub(1)?, column.checked_sub(1)?)))?
}

/// Hands the start of each element to `visit`, until it returns false.
fn each(from: impl Read, mut visit: impl FnMut(&BytesStart<'_>) -> bool) -> io::Result<()> {
    let mut reader = Reader::from_reader(BufReader::new(from));
    reader.config_mut().check_end_names = false;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader
            .read_event_into(&mut buffer)
            .map_err(io::Error::other)?
        {
            Event::Start(element) | Event::Empty(element) if !visit(&element) => return Ok(()),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

/// Returns the value of an attribute, whatever the prefix of its name.
fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes();
    let mut all = attributes.with_checks(false).filter_map(Result::ok);
    let found = all.find(|found| found.key.local_name().as_ref() == name)?;
    let text: &str = found.value.as_ref();
    Some(quick_xml::escape::unescape(text).map_or_else(|_| text.to_owned(), Cow::into_owned))
}

fn is_true(element: &BytesStart<'_>, name: &str) -> bool {
    attribute(element, name).is_some_and(|value| matches!(value.as_str(), "1" | "true"))
}
