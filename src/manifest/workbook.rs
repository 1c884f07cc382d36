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
    let quoted = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("{name:?}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let hidden: Vec<&str> = sheets
        .iter()
        .filter(|(_, is_shown)| !is_shown)
        .map(|(name, _)| name.as_str())
        .collect();
    if let Some(wanted) = &reading.sheet {
        let found = sheets.iter().find(|(name, _)| name == wanted);
        let found = found.or_else(|| {
            sheets
                .iter()
                .find(|(name, _)| name.to_lowercase() == wanted.to_lowercase())
        });
        return match found {
            Some((name, is_shown)) if *is_shown || reading.include_hidden => {
                Ok((name.clone(), Vec::new()))
            }
            Some((name, _)) => Err(format!(
                "the sheet {name:?} is hidden; --include-hidden reads it"
            )),
            None => {
                let names: Vec<&str> = sheets.iter().map(|(name, _)| name.as_str()).collect();
                Err(format!(
                    "there is no sheet {wanted:?}; there are {}",
                    quoted(&names)
                ))
            }
        };
    }
    let known = Known::new(reading);
    let mut fitting = Vec::new();
    let offered = sheets
        .iter()
        .filter(|(_, is_shown)| *is_shown || reading.include_hidden);
    for (name, _) in offered.clone() {
        let titles = book
            .known_titles(name, &known)
            .map_err(|error| damaged(&error))??;
        if titles > 0 {
            fitting.push((name.as_str(), titles));
        }
    }
    // One known word may be anywhere. Two make a header.
    if fitting.iter().any(|(_, titles)| *titles > 1) {
        fitting.retain(|(_, titles)| *titles > 1);
    }
    let first = fitting.first().map(|(name, _)| *name);
    let Some(chosen) = first.or_else(|| offered.clone().next().map(|(name, _)| name.as_str()))
    else {
        return Err("the workbook shows no sheet; --include-hidden reads hidden ones".to_owned());
    };
    let mut notes = Vec::new();
    let others: Vec<&str> = fitting.iter().skip(1).map(|(name, _)| *name).collect();
    if !others.is_empty() {
        notes.push(format!(
            "the sheet {chosen:?} is read; --sheet reads another: {}",
            quoted(&others)
        ));
    }
    if !hidden.is_empty() && !reading.include_hidden {
        let what = counted(
            hidden.len() as u64,
            ["hidden sheet was", "hidden sheets were"],
        );
        notes.push(format!(
            "{what} left out: {} (--include-hidden)",
            quoted(&hidden)
        ));
    }
    Ok((chosen.to_owned(), notes))
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
