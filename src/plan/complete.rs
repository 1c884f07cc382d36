//! Rows as they are meant: with values that were set for all rows, and with cells that were repaired.

use super::columns::{Field, Layout};
use super::flags::shortened_flag;
use super::repair::{accepts, repaired};
use crate::item::{CellKind, Cells, Problem, Row};
use crate::resource::{Action, Form, Kind, visible};
use crate::wire::{Id, quoted};

/// Completes the rows of one manifest.
#[derive(Debug, Default)]
pub struct Completer {
    /// For each column, the value of rows that say nothing there.
    set: Vec<Option<String>>,
    repairs: bool,
}

/// The cells of a row with what was added to it.
#[derive(Clone, Copy)]
pub struct Completed<'c> {
    cells: &'c dyn Cells,
    set: &'c [Option<String>],
    repairs: &'c [(usize, String)],
}

impl Completer {
    /// Returns a completer with the values of rows that say nothing, by column. With `repairs`, it repairs cells that would be
    /// refused.
    #[must_use]
    pub fn new(set: Vec<Option<String>>, repairs: bool) -> Self {
        Self { set, repairs }
    }

    /// Tells whether every row stays as it is.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.repairs && self.set.iter().all(Option::is_none)
    }

    /// Returns the cells of a row that are repaired, by column. A cell that is accepted as it is stays.
    #[must_use]
    pub fn repairs(&self, row: Row<'_>, layout: &Layout) -> Vec<(usize, String)> {
        if !self.repairs {
            return Vec::new();
        }
        let columns = 0..layout.titles.len();
        columns
            .filter_map(|at| Some((at, repair(row, layout, at)?)))
            .collect()
    }

    /// Returns the cells of a row with those that were repaired.
    #[must_use]
    pub fn completed<'c>(&'c self, row: Row<'c>, repairs: &'c [(usize, String)]) -> Completed<'c> {
        Completed {
            cells: row.cells,
            set: &self.set,
            repairs,
        }
    }
}

/// Describes the cells of a row that were repaired.
pub fn described<'d>(
    row: Row<'d>,
    layout: &'d Layout,
    repairs: &'d [(usize, String)],
) -> impl Iterator<Item = Problem> + 'd {
    repairs.iter().map(move |(at, text)| {
        let title = layout.titles.get(*at).map_or("", String::as_str);
        let message = format!("{} becomes {}", quoted(row.cells.raw(*at)), quoted(text));
        Problem::cell(row.file, row.number, title, message)
    })
}

fn repair(row: Row<'_>, layout: &Layout, at: usize) -> Option<String> {
    let kind = row.cells.kind(at);
    if !matches!(kind, CellKind::Text | CellKind::Untrimmed) {
        return None;
    }
    let text = row.cells.cell(at).filter(|text| !text.is_empty())?;
    let likely = || repaired(row.cells.raw(at)).unwrap_or_else(|| text.to_owned());
    let is_common = |column: Option<usize>| column == Some(at);
    if is_common(layout.action) {
        return changed(text, kind, likely(), |text| {
            Action::from_name(text).is_some()
        });
    }
    if is_common(layout.resource) {
        return changed(text, kind, likely(), |text| Kind::from_name(text).is_some());
    }
    if is_common(layout.id) || is_common(layout.microtenant) {
        return changed(text, kind, likely(), |text| Id::parse(text).is_some());
    }
    let all = layout.fields.iter().flat_map(|(_, fields)| fields);
    let forms: Vec<Form> = all
        .filter(|field: &&Field| field.at == at)
        .map(|field| field.column.form)
        .collect();
    if forms.iter().any(|form| matches!(form, Form::Flag)) && kind == CellKind::Text {
        let flag = shortened_flag(&likely()).map(str::to_owned);
        return flag.or_else(|| changed(text, kind, likely(), |text| accepts(Form::Flag, text)));
    }
    if forms.iter().any(|form| matches!(form, Form::Refs(_))) {
        let seen = visible(text);
        return (seen != text || kind == CellKind::Untrimmed).then(|| seen.trim().to_owned());
    }
    changed(text, kind, likely(), |text| {
        forms.iter().any(|form| accepts(*form, text))
    })
}

/// Returns the repaired text if the cell would be refused, and the repaired one is not.
fn changed(
    text: &str,
    kind: CellKind<'_>,
    likely: String,
    accepts: impl Fn(&str) -> bool,
) -> Option<String> {
    let is_refused = kind == CellKind::Untrimmed || !accepts(text);
    (is_refused && accepts(&likely)).then_some(likely)
}

impl Completed<'_> {
    fn repair(&self, column: usize) -> Option<&str> {
        let (_, text) = self.repairs.iter().find(|(at, _)| *at == column)?;
        Some(text)
    }

    fn set(&self, column: usize) -> Option<&str> {
        let set = self.set.get(column)?.as_deref()?;
        // A member of JSON that is empty says so.
        let is_silent =
            self.cells.cell(column).is_none() && self.cells.kind(column) == CellKind::Text;
        is_silent.then_some(set)
    }
}

impl Cells for Completed<'_> {
    fn cell(&self, column: usize) -> Option<&str> {
        let told = self.repair(column).or_else(|| self.set(column));
        told.or_else(|| self.cells.cell(column))
    }

    fn raw(&self, column: usize) -> &str {
        let told = self.repair(column).or_else(|| self.set(column));
        told.unwrap_or_else(|| self.cells.raw(column))
    }

    fn are_texts(&self) -> bool {
        self.cells.are_texts()
    }

    fn kind(&self, column: usize) -> CellKind<'_> {
        if self.repair(column).is_some() || self.set(column).is_some() {
            return CellKind::Text;
        }
        self.cells.kind(column)
    }
}

impl std::fmt::Debug for Completed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Completed").finish_non_exhaustive()
    }
}
