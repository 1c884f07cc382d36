//! Open workbooks of every kind, and the cells of their sheets.

use std::fs::File;
use std::io::{self, BufReader, Seek as _};

use calamine::{Data, DataRef, Ods, Reader as _, SheetType, SheetVisible, Xlsb, Xlsx};

use super::dialect::SEARCHED;
use super::sheet_facts::SheetFacts;
use super::sheet_file::{Kind, SheetCell};
use super::spread::refuse_large;
use super::titles::Known;

type Input = BufReader<File>;

/// An open workbook.
pub(super) enum Book {
    Xlsx(Box<Xlsx<Input>>),
    Xlsb(Box<Xlsb<Input>>),
    Ods(Box<Ods<Input>>),
}

/// A cell with its place, from 0.
pub(super) struct Placed {
    pub(super) row: u32,
    pub(super) cell: SheetCell,
    pub(super) is_formula: bool,
}

impl Book {
    /// Opens a workbook that has at most `largest` bytes when it is unpacked.
    ///
    /// # Errors
    /// A message for the user: the file is no workbook, or one that cannot be read.
    pub(super) fn open(file: &File, largest: u64) -> Result<Self, String> {
        let input = || -> Result<Input, String> {
            let mut file = file.try_clone().map_err(|error| error.to_string())?;
            file.rewind().map_err(|error| error.to_string())?;
            Ok(BufReader::new(file))
        };
        let mut zip = zip::ZipArchive::new(input()?).map_err(|error| damaged(&error))?;
        refuse_large(&mut zip, largest)?;
        let mut has = |name: &str| zip.by_name(name).is_ok();
        if has("xl/workbook.xml") {
            let book = Xlsx::new(input()?).map_err(|error| damaged(&error))?;
            Ok(Self::Xlsx(Box::new(book)))
        } else if has("xl/workbook.bin") {
            let book = Xlsb::new(input()?).map_err(|error| damaged(&error))?;
            Ok(Self::Xlsb(Box::new(book)))
        } else if has("content.xml") && has("mimetype") {
            let book = Ods::new(input()?).map_err(|error| damaged(&error))?;
            Ok(Self::Ods(Box::new(book)))
        } else if has("Index/Document.iwa") {
            Err(
                "the file is a Numbers document; export it as an Excel workbook or as CSV"
                    .to_owned(),
            )
        } else if has("word/document.xml") {
            Err("the file is a Word document; put the table into a workbook".to_owned())
        } else {
            Err("the file is a zip archive, and no workbook; unpack it first".to_owned())
        }
    }

    /// Returns the names of the sheets of cells, and whether each is shown.
    pub(super) fn sheets(&self) -> Vec<(String, bool)> {
        let sheets = match self {
            Self::Xlsx(book) => book.sheets_metadata(),
            Self::Xlsb(book) => book.sheets_metadata(),
            Self::Ods(book) => book.sheets_metadata(),
        };
        let tables = sheets
            .iter()
            .filter(|sheet| sheet.typ == SheetType::WorkSheet);
        tables
            .map(|sheet| (sheet.name.clone(), sheet.visible == SheetVisible::Visible))
            .collect()
    }

    /// Returns facts about a sheet that are beside its cells.
    pub(super) fn facts(&self, file: &File, sheet: &str) -> Result<SheetFacts, String> {
        let facts = match self {
            Self::Xlsx(_) => SheetFacts::of_xlsx(file, sheet),
            Self::Xlsb(_) => Ok(SheetFacts::default()),
            Self::Ods(_) => SheetFacts::of_ods(file, sheet),
        };
        facts.map_err(|error| damaged(&error))
    }

    /// Hands each cell that holds something to `visit`, row by row, until it returns false.
    pub(super) fn each(
        &mut self,
        sheet: &str,
        visit: impl FnMut(Placed) -> io::Result<bool>,
    ) -> io::Result<Result<(), String>> {
        match self {
            Self::Xlsx(book) => match book.worksheet_cells_reader(sheet) {
                Ok(mut cells) => walk(visit, || {
                    let next = cells.next_cell_with_formula_metadata();
                    let cell = next.map_err(|error| damaged(&error))?;
                    Ok(cell.map(|cell| {
                        placed(cell.pos, value_of(&cell.value), cell.formula.is_some())
                    }))
                }),
                Err(error) => Ok(Err(damaged(&error))),
            },
            Self::Xlsb(book) => match book.worksheet_cells_reader(sheet) {
                Ok(mut cells) => walk(visit, || {
                    let cell = cells.next_cell().map_err(|error| damaged(&error))?;
                    Ok(cell
                        .map(|cell| placed(cell.get_position(), value_of(cell.get_value()), false)))
                }),
                Err(error) => Ok(Err(damaged(&error))),
            },
            Self::Ods(book) => each_of_ods(book, sheet, visit),
        }
    }

    /// Returns the most titles that are known in one of the first rows of a sheet.
    pub(super) fn known_titles(
        &mut self,
        sheet: &str,
        known: &Known,
    ) -> io::Result<Result<usize, String>> {
        let (mut rows, mut last, mut titles, mut most) = (0, None, Vec::new(), 0);
        let walked = self.each(sheet, |placed| {
            if last != Some(placed.row) {
                most = most.max(known.count(titles.drain(..)));
                rows += 1;
                last = Some(placed.row);
            }
            titles.push(placed.cell.text);
            Ok(rows <= SEARCHED)
        })?;
        Ok(walked.map(|()| most.max(known.count(titles.into_iter()))))
    }
}

pub(super) fn damaged(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    if text.to_lowercase().contains("password") {
        return "the workbook has a password; save it without".to_owned();
    }
    let text: String = text.chars().take(80).collect();
    format!("the workbook cannot be read: {text}")
}

/// Hands what `next` returns to `visit`, until that returns false or nothing is left.
fn walk(
    mut visit: impl FnMut(Placed) -> io::Result<bool>,
    mut next: impl FnMut() -> Result<Option<Option<Placed>>, String>,
) -> io::Result<Result<(), String>> {
    loop {
        match next() {
            Ok(Some(Some(placed))) => {
                if !visit(placed)? {
                    return Ok(Ok(()));
                }
            }
            Ok(Some(None)) => {}
            Ok(None) => return Ok(Ok(())),
            Err(message) => return Ok(Err(message)),
        }
    }
}

fn each_of_ods(
    book: &mut Ods<Input>,
    sheet: &str,
    visit: impl FnMut(Placed) -> io::Result<bool>,
) -> io::Result<Result<(), String>> {
    let (values, formulas) = match (book.worksheet_range(sheet), book.worksheet_formula(sheet)) {
        (Ok(values), Ok(formulas)) => (values, formulas),
        (Err(error), _) | (_, Err(error)) => return Ok(Err(damaged(&error))),
    };
    let (top, left) = values.start().unwrap_or_default();
    let at =
        |first: u32, more: usize| first.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
    let mut cells = values.cells();
    walk(visit, || {
        Ok(cells.next().map(|(row, column, value)| {
            let place = (at(top, row), at(left, column));
            let formula = formulas.get_value(place);
            let is_formula = formula.is_some_and(|formula| !formula.is_empty());
            placed(place, value_of_data(value), is_formula)
        }))
    })
}

fn placed(
    (row, column): (u32, u32),
    (kind, text): (Kind, String),
    is_formula: bool,
) -> Option<Placed> {
    let kind = match kind {
        Kind::Text if text.is_empty() && is_formula => Kind::NoValue,
        Kind::Text if text.is_empty() => return None,
        kind => kind,
    };
    let target = String::new();
    Some(Placed {
        row,
        cell: SheetCell {
            column,
            kind,
            text,
            target,
        },
        is_formula,
    })
}

fn value_of(value: &DataRef<'_>) -> (Kind, String) {
    match value {
        DataRef::SharedString(text) => (Kind::Text, (*text).to_owned()),
        DataRef::String(text) => (Kind::Text, text.clone()),
        other => value_of_data(&Data::from(other.clone())),
    }
}

fn value_of_data(value: &Data) -> (Kind, String) {
    match value {
        Data::Empty => (Kind::Text, String::new()),
        Data::String(text) => (Kind::Text, text.clone()),
        Data::Int(number) => (Kind::Number, number.to_string()),
        Data::Float(number) => (Kind::Number, number_text(*number)),
        Data::Bool(flag) => (Kind::Flag, flag.to_string()),
        Data::DateTime(date) => (Kind::Date, date_text(date)),
        Data::DateTimeIso(text) | Data::DurationIso(text) => (Kind::Date, text.clone()),
        Data::Error(error) => (Kind::Error, error.to_string()),
    }
}

/// Returns a number with all its digits, and without a power of ten.
fn number_text(number: f64) -> String {
    const LARGEST: f64 = 1e21;
    if number.fract() == 0.0 && number.abs() < LARGEST {
        return format!("{number:.0}");
    }
    format!("{number}")
}

/// Returns a date as `2026-11-30`, with the time of day if it has one.
fn date_text(date: &calamine::ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
    if !date.is_datetime() {
        return format!("{:?}", date.as_f64());
    }
    let day = format!("{year:04}-{month:02}-{day:02}");
    if (hour, minute, second) == (0, 0, 0) {
        return day;
    }
    format!("{day}T{hour:02}:{minute:02}:{second:02}")
}
