//! Holding a run to its word: its result files against its plan and its journal, and its successes against the tenant.
//!
//! That the plan is the one that the journal was written for and the journal's checksums fit is found when the run is
//! [read](crate::run::standing). Here every row of the result files is compared with what plan and journal say of it,
//! each file with the SHA-256 that the report has of it, the report's numbers with the journal's, and what the run
//! claims to have done with what the tenant holds. One item is in memory at a time, besides ten bytes of each.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use serde::Serialize;

use super::rows::{ResultFile, ResultRow, Results};
use super::{FILE_NAME, Kept, Outcomes, kept};
use crate::item::{ItemNumber, Status};
use crate::journal;
use crate::ledger::State;
use crate::manifest::CsvReader;
use crate::plan::{LiveCheck, Snapshot};
use crate::resource::Scope;
use crate::run::digest::Digested;
use crate::run::{PlanLine, RunState};

/// Something that is not as the run says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where it was found: a file of the run, or `tenant`.
    pub at: &'static str,
    /// The row of the manifest, as `file:row`; none where the file as a whole is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// The object's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the run claims.
    pub claimed: String,
    /// What is found.
    pub found: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.at)?;
        if let Some(row) = &self.row {
            write!(f, ": {row}")?;
        }
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        write!(f, ": claimed: {}; found: {}", self.claimed, self.found)
    }
}

/// All findings; beyond [`Findings::KEPT`] they are counted alone.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    /// The first of them.
    pub findings: Vec<Finding>,
    /// How many there are besides.
    pub more: u64,
}

impl Findings {
    /// How many are kept.
    pub const KEPT: usize = 10_000;

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    fn add(&mut self, finding: Finding) {
        if self.findings.len() < Self::KEPT {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// About a file as a whole.
    fn of_file(&mut self, at: &'static str, claimed: impl Into<String>, found: impl Into<String>) {
        self.add(Finding {
            at,
            row: None,
            name: None,
            claimed: claimed.into(),
            found: found.into(),
        });
    }
}

/// How many rows the result files hold, by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Rows of the manifests.
    pub rows_in: u64,
    /// Rows in `success.csv`.
    pub succeeded: u64,
    /// Rows in `errors.csv` that failed.
    pub failed: u64,
    /// Rows in `skipped.csv`.
    pub skipped: u64,
    /// Rows in `errors.csv` of which nothing is known, or that were not reached.
    pub unknown: u64,
}

impl Counted {
    fn count(&mut self, file: ResultFile, status: &str) {
        let counter = match file {
            ResultFile::Success => &mut self.succeeded,
            ResultFile::Skipped => &mut self.skipped,
            ResultFile::Errors if status == Status::Failed.name() => &mut self.failed,
            ResultFile::Errors => &mut self.unknown,
        };
        *counter += 1;
    }

    fn out(&self) -> u64 {
        self.succeeded + self.failed + self.skipped + self.unknown
    }
}

/// A run whose word is to be held against what is there.
#[derive(Debug)]
pub struct Verification<'r> {
    run_state: &'r RunState,
    outcomes: Outcomes,
}

impl<'r> Verification<'r> {
    /// Reads the outcomes of that run.
    ///
    /// # Errors
    /// [`journal::JournalError`].
    pub fn new(run_state: &'r RunState) -> Result<Self, journal::JournalError> {
        let outcomes = Outcomes::read(run_state.directory.path(), run_state.plan.len())?;
        Ok(Self {
            run_state,
            outcomes,
        })
    }

    fn results(&self) -> Results<'_> {
        Results {
            plan: &self.run_state.plan,
            ledger: &self.run_state.ledger,
            outcomes: &self.outcomes,
        }
    }

    /// Compares the result files with plan and journal. Answers how many rows they hold; nothing if there are none
    /// that were written when the journal was as long as it is, since the run has not ended properly. Records that the
    /// journal is known to have had are missed all the same.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn files(&self, findings: &mut Findings) -> io::Result<Option<Counted>> {
        let directory = self.run_state.directory.path();
        let journal_end = self.run_state.journal_end;
        let is_current = |kept: &Kept| {
            let written = kept.journal.map(|written| written.records);
            written.is_none_or(|records| records >= journal_end.records)
        };
        let Some(kept) = report(directory, findings).filter(is_current) else {
            if self.run_state.lost {
                let found = format!(
                    "it ends after {}: the rest was cut off",
                    journal_end.records
                );
                findings.of_file(journal::FILE_NAME, "it had more records", found);
            }
            return Ok(None);
        };
        match kept.journal {
            Some(written) if written != journal_end => findings.of_file(
                journal::FILE_NAME,
                format!(
                    "it had {} records when the results were written",
                    written.records
                ),
                format!(
                    "it has {}: records were cut off or changed",
                    journal_end.records
                ),
            ),
            _ if self.run_state.torn => findings.of_file(
                journal::FILE_NAME,
                "it was whole when the results were written",
                "its last line is not whole",
            ),
            _ => {}
        }
        self.compare_numbers(&kept, findings);
        self.compare_rows(&kept, findings).map(Some)
    }

    fn compare_numbers(&self, kept: &Kept, findings: &mut Findings) {
        let header = &self.run_state.header;
        for (what, claimed, found) in [
            ("run", &kept.run, &header.run),
            ("tenant", &kept.tenant, &header.tenant),
        ] {
            if claimed != found {
                let found = format!("by the journal it is {found:?}");
                findings.of_file(FILE_NAME, format!("the {what} is {claimed:?}"), found);
            }
        }
        let (claimed, found) = (kept.summary, self.run_state.ledger.tally());
        if claimed != found {
            let text = |tally| serde_json::to_string(&tally).unwrap_or_default();
            let found = format!("by the journal they are {}", text(found));
            findings.of_file(
                FILE_NAME,
                format!("the numbers are {}", text(claimed)),
                found,
            );
        }
    }

    fn compare_rows(&self, kept: &Kept, findings: &mut Findings) -> io::Result<Counted> {
        let results = self.results();
        let directory = self.run_state.directory.path();
        let mut counted = Counted {
            rows_in: self.run_state.plan.len().into(),
            ..Counted::default()
        };
        let mut files = Vec::new();
        for file in ResultFile::ALL {
            files.extend(Written::open(directory, file, &results, findings)?);
        }
        // Where the numbers are others, so are the rows; that was said.
        let has_errors = kept.summary == self.run_state.ledger.tally();
        let mut told = kept.errors.iter();
        for number in 0..self.run_state.plan.len() {
            let line = self.run_state.plan.line(number)?;
            let row = results.row(number, &line);
            if let Some(written) = files.iter_mut().find(|written| written.file == row.file) {
                written.compare(&results, &line, &row, &mut counted, findings)?;
            }
            if row.file == ResultFile::Errors && has_errors {
                let failed = results.failed_row(&row);
                if told.next() != Some(&failed) {
                    let found = "the report does not have this row so";
                    let claimed =
                        format!("{}, by plan and journal: {}", failed.status, failed.error);
                    findings.add(of_row(
                        FILE_NAME,
                        &results,
                        &line,
                        claimed,
                        found.to_string(),
                    ));
                }
            }
        }
        for written in files {
            written.end(kept, &mut counted, findings)?;
        }
        if counted.rows_in != counted.out() {
            findings.of_file(
                "plan.jsonl",
                format!("there are {} rows", counted.rows_in),
                format!("the result files together have {}", counted.out()),
            );
        }
        Ok(counted)
    }

    /// What has to be listed to see whether the run did what it says.
    ///
    /// # Errors
    /// When the plan cannot be read.
    pub fn scopes(&self) -> io::Result<BTreeSet<Scope>> {
        let mut scopes = BTreeSet::new();
        self.each_success(|_, line, _| {
            scopes.insert(line.item.scope());
        })?;
        Ok(scopes)
    }

    /// Compares what the run claims to have done with what the tenant holds. Answers how many claims hold.
    ///
    /// # Errors
    /// When the plan cannot be read.
    pub fn claims(&self, snapshot: &Snapshot, findings: &mut Findings) -> io::Result<u64> {
        let live_check = LiveCheck::new(snapshot);
        let results = self.results();
        let mut confirmed = 0;
        self.each_success(|number, line, status| {
            let id = self.outcomes.id(number);
            // What an undo left alone of an object it does not claim either.
            let partly = line.item.undo.is_some() && self.outcomes.failure(number).is_some();
            let found = live_check.mismatch(&line.item, id.as_ref());
            let Some(found) = found.filter(|_| !partly) else {
                confirmed += 1;
                return;
            };
            let claimed = match id {
                Some(id) => format!("{} with the id {id}", status.name()),
                None => status.name().to_owned(),
            };
            findings.add(of_row("tenant", &results, line, claimed, found.to_string()));
        })?;
        Ok(confirmed)
    }

    fn each_success(&self, mut visit: impl FnMut(ItemNumber, &PlanLine, Status)) -> io::Result<()> {
        for number in 0..self.run_state.plan.len() {
            let state = self.run_state.ledger.state(number);
            if let State::Finished(status) = state
                && ResultFile::of(state) == ResultFile::Success
            {
                let mut line = self.run_state.plan.line(number)?;
                // What did not come back has not let an item succeed that refers to it.
                let _ = self.run_state.id_remap.rename(&mut line.item);
                visit(number, &line, status);
            }
        }
        Ok(())
    }
}

fn report(directory: &Path, findings: &mut Findings) -> Option<Kept> {
    match kept(directory) {
        Ok(kept) => kept,
        Err(error) => {
            findings.of_file(FILE_NAME, "it is the report of this run", error.to_string());
            None
        }
    }
}

fn of_row(
    at: &'static str,
    results: &Results<'_>,
    line: &PlanLine,
    claimed: impl Into<String>,
    found: impl Into<String>,
) -> Finding {
    Finding {
        at,
        row: Some(format!("{}:{}", results.file(line), line.item.row)),
        name: Some(line.item.key.to_string()),
        claimed: claimed.into(),
        found: found.into(),
    }
}

/// Where a row stands: the number of its manifest and its row. Plans are in this order.
type Place = (usize, u32);

/// A result file as it lies there, read row by row.
struct Written<'r> {
    file: ResultFile,
    rows: CsvReader<Digested<File>>,
    next: Option<Vec<String>>,
    titles: Vec<&'r str>,
    manifests: &'r [String],
}

impl<'r> Written<'r> {
    /// Opens it; nothing if it cannot be opened or has other columns, which is a finding.
    fn open(
        directory: &Path,
        file: ResultFile,
        results: &Results<'r>,
        findings: &mut Findings,
    ) -> io::Result<Option<Self>> {
        let opened = match File::open(directory.join(file.name())) {
            Ok(opened) => opened,
            Err(error) => {
                let found = match error.kind() {
                    io::ErrorKind::NotFound => "it is missing".to_owned(),
                    _ => format!("it cannot be read: {error}"),
                };
                findings.of_file(file.name(), "it was written", found);
                return Ok(None);
            }
        };
        let mut written = Self {
            file,
            rows: CsvReader::new(Digested::new(opened)),
            next: None,
            titles: results.titles().collect(),
            manifests: &results.plan.origin().files,
        };
        let header = written.rows.row()?.unwrap_or_default();
        if header != written.titles {
            let claimed = "its columns are those of the manifests and of results";
            findings.of_file(file.name(), claimed, header.join(","));
            return Ok(None);
        }
        written.next = written.rows.row()?;
        Ok(Some(written))
    }

    /// Compares the row that stands next with the one that belongs there.
    fn compare(
        &mut self,
        results: &Results<'_>,
        line: &PlanLine,
        row: &ResultRow<'_>,
        counted: &mut Counted,
        findings: &mut Findings,
    ) -> io::Result<()> {
        let place = (usize::from(line.item.file), line.item.row);
        let cells = if self.advance_to(place, counted, findings)? {
            self.take(counted)?
        } else {
            None
        };
        let Some(cells) = cells else {
            let claimed = format!("{}, by plan and journal", row.status);
            let found = "the row is not in this file";
            findings.add(of_row(
                self.file.name(),
                results,
                line,
                claimed,
                found.to_string(),
            ));
            return Ok(());
        };
        let expected: Vec<&str> = row.cells().collect();
        if cells != expected {
            let (claimed, found) = self.difference(&cells, &expected);
            findings.add(of_row(self.file.name(), results, line, claimed, found));
        }
        Ok(())
    }

    /// Passes over what stands before that place. True if that row stands next.
    fn advance_to(
        &mut self,
        place: Place,
        counted: &mut Counted,
        findings: &mut Findings,
    ) -> io::Result<bool> {
        while let Some(cells) = &self.next {
            match self.place(cells) {
                Some(found) if found >= place => return Ok(found == place),
                _ => self.pass_foreign(counted, findings)?,
            }
        }
        Ok(false)
    }

    /// The first column in which a row is not as it should be: what it says, and what plan and journal say.
    fn difference(&self, cells: &[String], expected: &[&str]) -> (String, String) {
        let mut columns = self.titles.iter().zip(cells.iter().zip(expected));
        match columns.find(|(_, (cell, expected))| cell != *expected) {
            Some((title, (cell, expected))) => (
                format!("{title} is {cell:?}"),
                format!("by plan and journal it is {expected:?}"),
            ),
            None => (
                format!("it has {} cells", cells.len()),
                format!("there are {} columns", expected.len()),
            ),
        }
    }

    /// Passes over a row that does not belong here.
    fn pass_foreign(&mut self, counted: &mut Counted, findings: &mut Findings) -> io::Result<()> {
        if let Some(cells) = self.take(counted)? {
            findings.add(Finding {
                at: self.file.name(),
                row: Some(self.origin(&cells)),
                name: None,
                claimed: self.cell(&cells, "_status").to_owned(),
                found: "by plan and journal this row does not belong here".to_owned(),
            });
        }
        Ok(())
    }

    /// Whatever stands behind the last row that belongs here, and the file as a whole.
    fn end(
        mut self,
        kept: &Kept,
        counted: &mut Counted,
        findings: &mut Findings,
    ) -> io::Result<()> {
        while self.next.is_some() {
            self.pass_foreign(counted, findings)?;
        }
        let (_, found) = self.rows.into_inner().finish();
        let name = self.file.name();
        match kept.sha256.get(name) {
            Some(claimed) if *claimed != found => {
                let claimed = format!("its SHA-256 was {claimed} when it was written");
                findings.of_file(name, claimed, found);
            }
            _ => {}
        }
        Ok(())
    }

    fn take(&mut self, counted: &mut Counted) -> io::Result<Option<Vec<String>>> {
        let Some(cells) = self.next.take() else {
            return Ok(None);
        };
        self.next = self.rows.row()?;
        counted.count(self.file, self.cell(&cells, "_status"));
        Ok(Some(cells))
    }

    /// Where a row says that it stands, as `file:row`.
    fn origin(&self, cells: &[String]) -> String {
        let origin = self.cell(cells, "_row");
        match self.manifests {
            [only] => format!("{only}:{origin}"),
            _ => origin.to_owned(),
        }
    }

    fn place(&self, cells: &[String]) -> Option<Place> {
        let origin = self.cell(cells, "_row");
        match self.manifests {
            [_] => Some((0, origin.parse().ok()?)),
            manifests => {
                let (file, row) = origin.rsplit_once(':')?;
                let number = manifests.iter().position(|manifest| manifest == file)?;
                Some((number, row.parse().ok()?))
            }
        }
    }

    /// What a row says in one of the columns that results have.
    fn cell<'c>(&self, cells: &'c [String], title: &str) -> &'c str {
        // The manifests' own columns stand before those of results.
        let at = self.titles.iter().rposition(|known| *known == title);
        at.and_then(|at| cells.get(at)).map_or("", String::as_str)
    }
}
