//! Workbooks (`.xlsx`, `.xlsm`, `.xlsb`, `.ods`): the sheet that is a manifest, as a [file of rows](super::sheet_file).
//!
//! Formulas count with the values that their program has stored. What is hidden is left out, and said. A cell that is merged
//! over several rows counts for each of them.

use std::fs::File;
use std::io;
use std::thread;

use super::book::{Book, damaged};
use super::reading::Reading;
use super::sheet_facts::SheetFacts;
use super::sheet_rows::{SheetRows, counted};
use super::titles::Known;

/// A sheet that was read from a workbook.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) name: String,
    /// The rows, from the header on.
    pub(super) rows: File,
    pub(super) notes: Vec<String>,
    /// Facts that only those want to know who ask for more.
    pub(super) details: Vec<String>,
}

/// Reads the sheet of a workbook that is a manifest.
///
/// # Errors
/// The inner error is a message for the user: the file is no workbook that can be read, or has no such sheet.
pub(super) fn read(file: &File, reading: &Reading) -> io::Result<Result<Sheet, String>> {
    // calamine may panic on a workbook that was made to break it. A thread of its own keeps that from everything else.
    let read = thread::scope(|scope| {
        let reader = thread::Builder::new().name(READER.to_owned());
        let reader = reader.spawn_scoped(scope, || read_here(file, reading))?;
        Ok::<_, io::Error>(reader.join())
    });
    match read? {
        Ok(read) => read,
        Err(_) => Ok(Err("the workbook cannot be read: it is damaged".to_owned())),
    }
}

/// The name of the thread that reads a workbook. A panic of it is no error of this program.
pub const READER: &str = "workbook";

fn read_here(file: &File, reading: &Reading) -> io::Result<Result<Sheet, String>> {
    let mut book = match Book::open(file, reading.largest) {
        Ok(book) => book,
        Err(message) => return Ok(Err(message)),
    };
    match choose(&mut book, reading).and_then(|(name, notes)| {
        let facts = book.facts(file, &name)?;
        Ok((name, facts, notes))
    }) {
        Ok((name, facts, notes)) => spool(&mut book, name, &facts, notes, reading),
        Err(message) => Ok(Err(message)),
    }
}

/// Chooses the sheet that was asked for, or the first that is shown and has a fitting header. Returns it with notes.
fn choose(book: &mut Book, reading: &Reading) -> Result<(String, Vec<String>), String> {
    let sheets = book.sheets();
    if let Some(wanted) = &reading.sheet {
        return Ok((named(&sheets, wanted, reading)?, Vec::new()));
    }
    let (shown, hidden): (Vec<_>, Vec<_>) = sheets.iter().partition(|(_, is_shown)| *is_shown);
    let offered = if reading.include_hidden {
        sheets.iter().collect()
    } else {
        shown
    };
    let fitting = fitting(book, &offered, &Known::new(reading))?;
    let first = offered.first().map(|(name, _)| name.as_str());
    let Some(chosen) = fitting.first().copied().or(first) else {
        return Err("the workbook shows no sheet; --include-hidden reads hidden ones".to_owned());
    };
    let mut notes = Vec::new();
    if let [_, others @ ..] = &*fitting
        && !others.is_empty()
    {
        notes.push(format!(
            "the sheet {chosen:?} is read; --sheet reads another: {}",
            listed(others.iter().copied())
        ));
    }
    if !hidden.is_empty() && !reading.include_hidden {
        let what = counted(
            hidden.len() as u64,
            ["hidden sheet was", "hidden sheets were"],
        );
        let names = listed(hidden.iter().map(|(name, _)| name.as_str()));
        notes.push(format!("{what} left out: {names} (--include-hidden)"));
    }
    Ok((chosen.to_owned(), notes))
}

/// Returns the name of the sheet that was asked for, in any case.
fn named(sheets: &[(String, bool)], wanted: &str, reading: &Reading) -> Result<String, String> {
    let found = sheets.iter().find(|(name, _)| name == wanted);
    let alike = |(name, _): &&(String, bool)| name.to_lowercase() == wanted.to_lowercase();
    match found.or_else(|| sheets.iter().find(alike)) {
        Some((name, is_shown)) if *is_shown || reading.include_hidden => Ok(name.clone()),
        Some((name, _)) => Err(format!(
            "the sheet {name:?} is hidden; --include-hidden reads it"
        )),
        None => {
            let names = listed(sheets.iter().map(|(name, _)| name.as_str()));
            Err(format!("there is no sheet {wanted:?}; there are {names}"))
        }
    }
}

/// Returns the names of the sheets whose header is known.
fn fitting<'s>(
    book: &mut Book,
    offered: &[&'s (String, bool)],
    known: &Known,
) -> Result<Vec<&'s str>, String> {
    let mut fitting = Vec::new();
    for (name, _) in offered {
        let titles = book.known_titles(name, known);
        let titles = titles.map_err(|error| damaged(&error))??;
        if titles > 0 {
            fitting.push((name.as_str(), titles));
        }
    }
    // One known word may be anywhere. Two make a header.
    if fitting.iter().any(|(_, titles)| *titles > 1) {
        fitting.retain(|(_, titles)| *titles > 1);
    }
    Ok(fitting.into_iter().map(|(name, _)| name).collect())
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names
        .map(|name| format!("{name:?}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Writes the rows of a sheet into a file, without what is hidden.
fn spool(
    book: &mut Book,
    name: String,
    facts: &SheetFacts,
    notes: Vec<String>,
    reading: &Reading,
) -> io::Result<Result<Sheet, String>> {
    let mut rows = SheetRows::new(facts, reading.include_hidden)?;
    if let Err(message) = book.each(&name, |placed| rows.take(placed).map(|()| true))? {
        return Ok(Err(message));
    }
    let (rows, own, details) = rows.finish()?;
    Ok(Ok(Sheet {
        name,
        rows,
        notes: notes.into_iter().chain(own).collect(),
        details,
    }))
}
