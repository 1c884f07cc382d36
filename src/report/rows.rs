//! The three result files that hold the rows.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::FailedRow;
use crate::ledger::{Ledger, State};
use crate::manifest::CsvWriter;
use crate::model::{Change, Failure, Id, ItemNumber, Outcome, Status};
use crate::plan::RESULT_COLUMNS;
use crate::run::{PlanFile, PlanLine};

/// Writes them, and answers the rows that did not succeed.
pub(super) fn write_rows(
    directory: &Path,
    plan: &PlanFile,
    ledger: &Ledger,
    outcomes: &[Option<Box<Outcome>>],
) -> io::Result<Vec<FailedRow>> {
    let columns = &plan.origin().columns;
    let mut success = Rows::new(directory, "success.csv", columns)?;
    let mut errors = Rows::new(directory, "errors.csv", columns)?;
    let mut skipped = Rows::new(directory, "skipped.csv", columns)?;
    let mut failed = Vec::new();
    for (number, outcome) in (0..plan.len()).zip(outcomes) {
        let line = plan.line(number)?;
        let ending = Ending::of(&line, number, ledger, outcome.as_deref());
        let origin = origin(plan, &line);
        match ledger.state(number) {
            State::Settled(Status::Unchanged | Status::Spared) => {
                skipped.push(&line, &origin, &ending)?;
            }
            State::Settled(Status::Failed) | State::InDoubt | State::Waiting => {
                errors.push(&line, &origin, &ending)?;
                failed.push(failed_row(plan, &line, &ending));
            }
            State::Settled(_) => success.push(&line, &origin, &ending)?,
        }
    }
    success.finish()?;
    errors.finish()?;
    skipped.finish()?;
    Ok(failed)
}

/// How one row ended.
struct Ending<'p> {
    status: &'static str,
    id: Option<&'p Id>,
    failure: Option<&'p Failure>,
    attempts: u32,
}

impl<'p> Ending<'p> {
    fn of(
        line: &'p PlanLine,
        number: ItemNumber,
        ledger: &Ledger,
        outcome: Option<&'p Outcome>,
    ) -> Self {
        let (planned_id, planned_failure) = match &line.item.change {
            Change::Update { id, .. } | Change::Delete { id, .. } => (Some(id), None),
            Change::Spared { id, failure } => (Some(id), Some(failure)),
            Change::Unchanged { id } => (id.as_ref(), None),
            Change::Error { failure } => (None, Some(failure)),
            Change::Create { .. } => (None, None),
        };
        Self {
            status: match ledger.state(number) {
                State::Settled(status) => status.name(),
                State::InDoubt => "unknown",
                State::Waiting => "waiting",
            },
            id: outcome.and_then(|o| o.id.as_ref()).or(planned_id),
            failure: outcome.and_then(|o| o.failure.as_ref()).or(planned_failure),
            attempts: ledger.attempts(number),
        }
    }
}

/// Where a row stands, for people: with several manifests the manifest too.
fn origin(plan: &PlanFile, line: &PlanLine) -> String {
    match plan.origin().files.as_slice() {
        [_] => line.item.row.to_string(),
        files => {
            let file = files.get(usize::from(line.item.file));
            format!("{}:{}", file.map_or("?", String::as_str), line.item.row)
        }
    }
}

fn failed_row(plan: &PlanFile, line: &PlanLine, ending: &Ending<'_>) -> FailedRow {
    let file = plan.origin().files.get(usize::from(line.item.file));
    FailedRow {
        file: file.cloned().unwrap_or_default(),
        row: line.item.row,
        name: line.item.key.to_string(),
        status: ending.status,
        error_id: ending.failure.and_then(|f| f.error_id.clone()),
        error: ending
            .failure
            .map(|f| f.message.clone())
            .unwrap_or_default(),
    }
}

/// One result file.
struct Rows {
    writer: CsvWriter<Replacement>,
}

impl Rows {
    fn new(directory: &Path, name: &'static str, columns: &[String]) -> io::Result<Self> {
        let mut writer = CsvWriter::new(Replacement::new(directory, name)?);
        writer.row(columns.iter().map(String::as_str).chain(RESULT_COLUMNS))?;
        Ok(Self { writer })
    }

    fn push(&mut self, line: &PlanLine, origin: &str, ending: &Ending<'_>) -> io::Result<()> {
        let attempts = ending.attempts.to_string();
        let failure = ending.failure;
        let added = [
            origin,
            ending.status,
            ending.id.map_or("", Id::as_str),
            failure
                .and_then(|f| f.error_id.as_deref())
                .unwrap_or_default(),
            failure.map_or("", |f| f.message.as_str()),
            &attempts,
        ];
        let cells = line.input.iter().map(String::as_str);
        self.writer.row(cells.chain(added))
    }

    fn finish(self) -> io::Result<()> {
        self.writer.finish()?.finish()
    }
}

/// A file that takes the place of another once it is whole.
pub(super) struct Replacement {
    file: BufWriter<File>,
    beside: PathBuf,
    place: PathBuf,
}

impl Replacement {
    pub(super) fn new(directory: &Path, name: &str) -> io::Result<Self> {
        let beside = directory.join(format!(".{name}.new"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self {
            file: BufWriter::new(options.open(&beside)?),
            beside,
            place: directory.join(name),
        })
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.beside, &self.place)
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
