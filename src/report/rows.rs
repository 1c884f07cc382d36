//! The three result files that hold the rows.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::document::FailedRow;
use super::outcomes::Outcomes;
use crate::files::{Digested, Replacement};
use crate::item::{Change, ItemNumber, Status};
use crate::ledger::{Ledger, State};
use crate::manifest::CsvWriter;
use crate::plan::RESULT_COLUMNS;
use crate::run::{PlanFile, PlanLine};
use crate::wire::{Failure, Id};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResultFile {
    Success,
    Errors,
    Skipped,
}

impl ResultFile {
    pub(super) const ALL: [Self; 3] = [Self::Success, Self::Errors, Self::Skipped];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Success => "success.csv",
            Self::Errors => "errors.csv",
            Self::Skipped => "skipped.csv",
        }
    }

    /// Returns the file that holds the rows of items in that state.
    pub(super) fn of(state: State) -> Self {
        match state {
            State::Finished(Status::Unchanged | Status::Spared) => Self::Skipped,
            State::Finished(Status::Failed | Status::Stale) | State::InDoubt | State::Waiting => {
                Self::Errors
            }
            State::Finished(_) => Self::Success,
        }
    }
}

/// A run's plan, the states of its items and their outcomes, from which result rows are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Results<'r> {
    pub(super) plan: &'r PlanFile,
    pub(super) ledger: &'r Ledger,
    pub(super) outcomes: &'r Outcomes,
}

#[derive(Debug)]
pub(super) struct ResultRow<'l> {
    line: &'l PlanLine,
    pub(super) origin: String,
    pub(super) file: ResultFile,
    pub(super) status: &'static str,
    pub(super) id: String,
    pub(super) failure: Option<&'l Failure>,
    pub(super) attempts: String,
}

impl<'r> Results<'r> {
    /// Returns the titles of the result files' columns.
    pub(super) fn titles(&self) -> impl Iterator<Item = &'r str> + use<'r> {
        let columns = self.plan.origin().columns.iter();
        columns.map(String::as_str).chain(RESULT_COLUMNS)
    }

    /// Returns the result row of an item, whose line in the plan is `line`.
    pub(super) fn row<'l>(&'l self, number: ItemNumber, line: &'l PlanLine) -> ResultRow<'l> {
        let planned_failure = match &line.item.change {
            Change::Spared { failure, .. }
            | Change::Stale { failure, .. }
            | Change::Error { failure } => Some(failure),
            _ => None,
        };
        let planned_id = line.item.change.id();
        let state = self.ledger.state(number);
        let id = self.outcomes.id(number).or_else(|| planned_id.cloned());
        ResultRow {
            line,
            origin: self.origin(line),
            file: ResultFile::of(state),
            status: state.name(),
            id: id.as_ref().map_or("", Id::as_str).to_owned(),
            failure: self.outcomes.failure(number).or(planned_failure),
            attempts: self.ledger.attempts(number).to_string(),
        }
    }

    /// Returns the manifest that a row comes from.
    pub(super) fn file(&self, line: &PlanLine) -> &str {
        let file = self.plan.origin().files.get(usize::from(line.item.file));
        file.map_or("", String::as_str)
    }

    /// Returns the row's number, for people to read. If there are several manifests, the manifest stands before it.
    fn origin(&self, line: &PlanLine) -> String {
        match self.plan.origin().files.as_slice() {
            [_] => line.item.row.to_string(),
            _ => format!("{}:{}", self.file(line), line.item.row),
        }
    }

    /// Returns the same row in the form of the report.
    pub(super) fn failed_row(&self, row: &ResultRow<'_>) -> FailedRow {
        FailedRow {
            file: self.file(row.line).to_owned(),
            row: row.line.item.row,
            name: row.line.item.key.to_string(),
            status: Cow::Borrowed(row.status),
            error_id: row.failure.and_then(|f| f.error_id.clone()),
            error: row.failure.map(|f| f.message.clone()).unwrap_or_default(),
        }
    }

    /// Writes the files. Returns the rows that did not succeed, and the SHA-256 of each file by its name.
    pub(super) fn write(
        &self,
        directory: &Path,
    ) -> io::Result<(Vec<FailedRow>, BTreeMap<String, String>)> {
        let mut files = Vec::new();
        for file in ResultFile::ALL {
            let mut writer = CsvWriter::new(Digested::new(Replacement::begin(
                &directory.join(file.name()),
            )?));
            writer.row(self.titles())?;
            files.push((file, writer));
        }
        let mut failed = Vec::new();
        for number in 0..self.plan.len() {
            let line = self.plan.line(number)?;
            let row = self.row(number, &line);
            if let Some((_, writer)) = files.iter_mut().find(|(file, _)| *file == row.file) {
                writer.row(row.cells())?;
            }
            if row.file == ResultFile::Errors {
                failed.push(self.failed_row(&row));
            }
        }
        let mut hashes = BTreeMap::new();
        for (file, writer) in files {
            let (written, hash) = writer.finish()?.finish();
            written.finish()?;
            hashes.insert(file.name().to_owned(), hash);
        }
        Ok((failed, hashes))
    }
}

impl ResultRow<'_> {
    /// Returns the cells of the row, in the order of the titles.
    pub(super) fn cells(&self) -> impl Iterator<Item = &str> {
        let failure = self.failure;
        let error_id = failure.and_then(|f| f.error_id.as_deref());
        let added = [
            self.origin.as_str(),
            self.status,
            &self.id,
            error_id.unwrap_or_default(),
            failure.map_or("", |f| f.message.as_str()),
            &self.attempts,
        ];
        let cells = self.line.input.iter().map(String::as_str);
        cells.chain(added)
    }
}
