//! The rows of a sheet on their way into a [file](super::sheet_file), without what is hidden and with what is merged.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufWriter, Seek as _};

use super::book::Placed;
use super::bounds::MOST_COLUMNS;
use super::letters::{cell_name, letters};
use super::sheet_facts::SheetFacts;
use super::sheet_file::{SheetCell, write_row};

/// The most facts of one kind that a note names.
const NAMED: usize = 5;

/// The numbers of what is said about a sheet.
#[derive(Debug, Default)]
struct Counts {
    hidden_rows: u64,
    formulas: u64,
    merged: u64,
}

/// The rows on their way into a file.
pub(super) struct SheetRows<'s> {
    to: BufWriter<File>,
    facts: &'s SheetFacts,
    include_hidden: bool,
    number: Option<u32>,
    cells: Vec<SheetCell>,
    /// True if the row has a cell of its own, and not only of merged ones.
    is_own: bool,
    /// The cells that are merged over rows below their own, each with its last row.
    carried: HashMap<u32, (u32, SheetCell)>,
    left_rows: Vec<String>,
    left_columns: BTreeSet<u32>,
    formulas: Vec<String>,
    merged: Vec<String>,
    counts: Counts,
}

impl<'s> SheetRows<'s> {
    pub(super) fn new(facts: &'s SheetFacts, include_hidden: bool) -> io::Result<Self> {
        Ok(Self {
            to: BufWriter::new(tempfile::tempfile()?),
            facts,
            include_hidden,
            number: None,
            cells: Vec::new(),
            is_own: false,
            carried: HashMap::new(),
            left_rows: Vec::new(),
            left_columns: BTreeSet::new(),
            formulas: Vec::new(),
            merged: Vec::new(),
            counts: Counts::default(),
        })
    }

    /// Takes the next cell.
    pub(super) fn take(&mut self, placed: Placed) -> io::Result<()> {
        let Placed {
            row,
            mut cell,
            is_formula,
        } = placed;
        if self.number != Some(row) {
            self.flush()?;
            self.number = Some(row);
        }
        if self.facts.hidden_columns.contains(&cell.column) {
            self.left_columns.insert(cell.column);
            if !self.include_hidden {
                return Ok(());
            }
        }
        if usize::try_from(cell.column).is_ok_and(|column| column > 2 * MOST_COLUMNS) {
            return Ok(());
        }
        if is_formula {
            self.counts.formulas += 1;
            if self.formulas.len() < NAMED {
                self.formulas.push(cell_name(row, cell.column));
            }
        }
        if let Some(target) = self.facts.links.get(&(row, cell.column)) {
            cell.target.clone_from(target);
        }
        self.is_own = true;
        self.cells.push(cell);
        Ok(())
    }

    /// Writes the last row. Returns the file of all rows, what is to be said about the sheet, and what only those want to know
    /// who ask for more.
    pub(super) fn finish(mut self) -> io::Result<(File, Vec<String>, Vec<String>)> {
        self.flush()?;
        let (notes, details) = self.described();
        let mut file = self
            .to
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok((file, notes, details))
    }

    /// Writes the current row.
    fn flush(&mut self) -> io::Result<()> {
        let mut cells = std::mem::take(&mut self.cells);
        let is_own = std::mem::take(&mut self.is_own);
        let Some(row) = self.number.take().filter(|_| is_own) else {
            return Ok(());
        };
        self.carry(row, &mut cells);
        if self.facts.hidden_rows.contains(&row) && !self.include_hidden {
            self.counts.hidden_rows += 1;
            if self.left_rows.len() < NAMED {
                self.left_rows.push((u64::from(row) + 1).to_string());
            }
        } else {
            write_row(&mut self.to, row.saturating_add(1), &cells)?;
        }
        cells.clear();
        self.cells = cells;
        Ok(())
    }

    /// Adds the cells to a row that are merged over it, and remembers those of its own that are merged over the rows below.
    fn carry(&mut self, row: u32, cells: &mut Vec<SheetCell>) {
        self.carried.retain(|_, (last, _)| *last >= row);
        if !self.carried.is_empty() {
            for (_, cell) in self.carried.values() {
                if cells.iter().all(|own| own.column != cell.column) {
                    cells.push(cell.clone());
                }
            }
            cells.sort_by_key(|cell| cell.column);
        }
        let starting = self
            .facts
            .merged
            .iter()
            .filter(|merged| merged.rows.0 == row);
        for merged in starting.filter(|merged| merged.rows.1 > row) {
            let Some(cell) = cells.iter().find(|cell| cell.column == merged.columns.0) else {
                continue;
            };
            self.carried
                .insert(cell.column, (merged.rows.1, cell.clone()));
            self.counts.merged += 1;
            if self.merged.len() < NAMED {
                let last = cell_name(merged.rows.1, merged.columns.1);
                self.merged
                    .push(format!("{}:{last}", cell_name(row, merged.columns.0)));
            }
        }
    }

    /// Returns what is to be said about the sheet, and what only those want to know who ask for more.
    fn described(&self) -> (Vec<String>, Vec<String>) {
        let mut notes = Vec::new();
        if self.counts.hidden_rows > 0 {
            let rows = named(&self.left_rows, self.counts.hidden_rows);
            let what = counted(
                self.counts.hidden_rows,
                ["hidden row was", "hidden rows were"],
            );
            notes.push(format!("{what} left out: {rows} (--include-hidden)"));
        }
        if !self.left_columns.is_empty() && !self.include_hidden {
            let count = self.left_columns.len() as u64;
            let columns: Vec<String> = self
                .left_columns
                .iter()
                .take(NAMED)
                .map(|at| letters(*at))
                .collect();
            let what = counted(count, ["hidden column was", "hidden columns were"]);
            notes.push(format!(
                "{what} left out: {} (--include-hidden)",
                named(&columns, count)
            ));
        }
        if self.counts.merged > 0 {
            let what = counted(
                self.counts.merged,
                ["merged cell counts", "merged cells count"],
            );
            let cells = named(&self.merged, self.counts.merged);
            notes.push(format!("{what} for each of its rows: {cells}"));
        }
        let mut details = Vec::new();
        if self.counts.formulas > 0 {
            let what = counted(self.counts.formulas, ["formula counts", "formulas count"]);
            let cells = named(&self.formulas, self.counts.formulas);
            details.push(format!("{what} with the value that was stored: {cells}"));
        }
        (notes, details)
    }
}

/// Formats a number of things, with the words for one and for many.
pub(super) fn counted(count: u64, [one, many]: [&str; 2]) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Returns the names of the first, and a mark if there are more.
fn named(names: &[String], count: u64) -> String {
    let more = if names.len() as u64 == count {
        ""
    } else {
        ", …"
    };
    names.join(", ") + more
}
