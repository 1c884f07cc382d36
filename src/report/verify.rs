//! Verification of a run: its result files against its plan and journal, and its successes against the tenant.
//!
//! [`RunState::read`] checks the journal's checksums, and that the journal was written for this plan. This module
//! compares:
//!
//! - every row of the result files with the plan and the journal;
//! - each file with its SHA-256 in the report;
//! - the numbers of the report with those of the journal;
//! - the changes that the run claims with the tenant, in `tenant`.
//!
//! One item is in memory at a time, besides some thirty bytes of each.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use serde::Serialize;

mod tenant;

use super::document::{FILE_NAME, SavedReport, saved_report};
use super::outcomes::Outcomes;
use super::rows::{ResultFile, ResultRow, Results};
use crate::files;
use crate::files::Digested;
use crate::item::Status;
use crate::journal;
use crate::manifest::CsvReader;
use crate::run::{PlanLine, RunState};

/// A difference between the run's claims and the facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The place of the difference: a file of the run, or `tenant`.
    pub at: &'static str,
    /// The row of the manifest, as `file:row`; `None` if the file as a whole is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// The object's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The claim of the run.
    pub claimed: String,
    /// The fact.
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

/// The findings of a verification. Those beyond [`Findings::KEPT`] are only counted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    /// The first findings.
    pub findings: Vec<Finding>,
    /// The number of further findings.
    pub more: u64,
}

impl Findings {
    /// The most findings that are kept.
    pub const KEPT: usize = 10_000;

    /// Tells whether there are no findings.
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

    fn add_of_row(
        &mut self,
        at: &'static str,
        (results, line): (&Results<'_>, &PlanLine),
        claimed: String,
        found: impl Into<String>,
    ) {
        self.add(Finding {
            at,
            row: Some(format!("{}:{}", results.file(line), line.item.row)),
            name: Some(line.item.key.to_string()),
            claimed,
            found: found.into(),
        });
    }

    /// Adds a finding about a file as a whole.
    pub(super) fn add_of_file(
        &mut self,
        at: &'static str,
        claimed: impl Into<String>,
        found: impl Into<String>,
    ) {
        self.add(Finding {
            at,
            row: None,
            name: None,
            claimed: claimed.into(),
            found: found.into(),
        });
    }
}

/// The number of rows in the manifests and in the result files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Rows of the manifests.
    pub rows_in: u64,
    /// Rows in `success.csv`.
    pub succeeded: u64,
    /// Rows in `errors.csv` that failed.
    pub failed: u64,
    /// Rows in `errors.csv` whose objects had changed after the plan was saved.
    pub stale: u64,
    /// Rows in `skipped.csv`.
    pub skipped: u64,
    /// Rows in `errors.csv` whose result is unknown, or that were not tried yet.
    pub unknown: u64,
}

impl Counted {
    fn count(&mut self, file: ResultFile, status: &str) {
        let counter = match file {
            ResultFile::Success => &mut self.succeeded,
            ResultFile::Skipped => &mut self.skipped,
            ResultFile::Errors if status == Status::Failed.name() => &mut self.failed,
            ResultFile::Errors if status == Status::Stale.name() => &mut self.stale,
            ResultFile::Errors => &mut self.unknown,
        };
        *counter += 1;
    }

    fn out(&self) -> u64 {
        self.succeeded + self.failed + self.stale + self.skipped + self.unknown
    }
}

/// The rows of the result files that were read, and the differences that were found in them.
struct Found<'f> {
    counted: Counted,
    findings: &'f mut Findings,
}

/// A run whose claims are to be compared with the facts.
#[derive(Debug)]
pub struct Verification<'r> {
    run_state: &'r RunState,
    outcomes: Outcomes,
}

impl<'r> Verification<'r> {
    /// Reads the outcomes of a run.
    ///
    /// # Errors
    /// [`journal::JournalError`] if the journal cannot be read or is damaged.
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

    /// Compares the result files with plan and journal, and counts their rows. Returns `None` if the run has not ended
    /// properly: there is no report, or the journal has grown since the report was written. Even then, lost records of
    /// the journal are a finding.
    ///
    /// # Errors
    /// An [`io::Error`] if a file cannot be read.
    pub fn files(&self, findings: &mut Findings) -> io::Result<Option<Counted>> {
        let directory = self.run_state.directory.path();
        let journal_end = self.run_state.journal_end;
        let is_current = |saved: &SavedReport| {
            let records = saved.journal.map(|end| end.records);
            records.is_none_or(|records| records >= journal_end.records)
        };
        let saved = saved_report(directory).unwrap_or_else(|error| {
            findings.add_of_file(FILE_NAME, "it is the report of this run", error.to_string());
            None
        });
        let Some(saved) = saved.filter(is_current) else {
            if self.run_state.lost {
                let found = format!(
                    "it ends after record {}: the rest was cut off",
                    journal_end.records
                );
                findings.add_of_file(journal::FILE_NAME, "it had more records", found);
            }
            return Ok(None);
        };
        match saved.journal {
            Some(end) if end != journal_end => findings.add_of_file(
                journal::FILE_NAME,
                format!(
                    "it had {} records when the results were written",
                    end.records
                ),
                format!(
                    "it has {}: records were cut off or changed",
                    journal_end.records
                ),
            ),
            _ if self.run_state.torn => findings.add_of_file(
                journal::FILE_NAME,
                "it was whole when the results were written",
                "its last line is not whole",
            ),
            _ => {}
        }
        self.compare_numbers(&saved, findings);
        self.compare_rows(&saved, findings).map(Some)
    }

    fn compare_numbers(&self, saved: &SavedReport, findings: &mut Findings) {
        let header = &self.run_state.header;
        for (what, claimed, found) in [
            ("run", &saved.run, &header.run),
            ("tenant", &saved.tenant, &header.tenant),
        ] {
            if claimed != found {
                let found = format!("by the journal it is {found:?}");
                findings.add_of_file(FILE_NAME, format!("the {what} is {claimed:?}"), found);
            }
        }
        let (claimed, found) = (saved.summary, self.run_state.ledger.tally());
        if claimed != found {
            let text = |tally| serde_json::to_string(&tally).unwrap_or_default();
            let found = format!("by the journal they are {}", text(found));
            findings.add_of_file(
                FILE_NAME,
                format!("the numbers are {}", text(claimed)),
                found,
            );
        }
    }

    fn compare_rows(&self, saved: &SavedReport, findings: &mut Findings) -> io::Result<Counted> {
        let results = self.results();
        let directory = self.run_state.directory.path();
        let counted = Counted {
            rows_in: self.run_state.plan.len().into(),
            ..Counted::default()
        };
        let mut found = Found { counted, findings };
        let mut files = Vec::new();
        for file in ResultFile::ALL {
            files.extend(SavedFile::open(directory, file, &results, found.findings)?);
        }
        // If the numbers differ, the rows differ too, and the numbers are a finding already.
        let compares_report = saved.summary == self.run_state.ledger.tally();
        let mut reported = saved.errors.iter();
        for number in 0..self.run_state.plan.len() {
            let line = self.run_state.plan.line(number)?;
            let row = results.row(number, &line);
            if let Some(saved) = files.iter_mut().find(|saved| saved.file == row.file) {
                saved.compare((&results, &line), &row, &mut found)?;
            }
            if row.file == ResultFile::Errors && compares_report {
                let failed = results.failed_row(&row);
                if reported.next() != Some(&failed) {
                    let by_report = "the report has no such row";
                    let claimed =
                        format!("{}, by plan and journal: {}", failed.status, failed.error);
                    found
                        .findings
                        .add_of_row(FILE_NAME, (&results, &line), claimed, by_report);
                }
            }
        }
        for file in files {
            file.end(saved, &mut found)?;
        }
        let Found { counted, findings } = found;
        if counted.rows_in != counted.out() {
            findings.add_of_file(
                "plan.jsonl",
                format!("there are {} rows", counted.rows_in),
                format!("the result files together have {}", counted.out()),
            );
        }
        Ok(counted)
    }
}

/// The number of a manifest and a row of it. Plans are in this order.
type Place = (usize, u32);

/// A result file in the run directory, read row by row.
struct SavedFile<'r> {
    file: ResultFile,
    rows: CsvReader<Digested<File>>,
    next: Option<Vec<String>>,
    titles: Vec<&'r str>,
    manifests: &'r [String],
}

impl<'r> SavedFile<'r> {
    /// Opens the file. If it cannot be opened, or has other columns, adds a finding and returns `None`.
    fn open(
        directory: &Path,
        file: ResultFile,
        results: &Results<'r>,
        findings: &mut Findings,
    ) -> io::Result<Option<Self>> {
        let opened = match files::open(&directory.join(file.name())) {
            Ok(opened) => opened,
            Err(error) => {
                let found = match error.kind() {
                    io::ErrorKind::NotFound => "it is missing".to_owned(),
                    _ => format!("it cannot be read: {error}"),
                };
                findings.add_of_file(file.name(), "it was written", found);
                return Ok(None);
            }
        };
        let mut saved = Self {
            file,
            rows: CsvReader::new(Digested::new(opened)),
            next: None,
            titles: results.titles().collect(),
            manifests: &results.plan.origin().files,
        };
        let header = saved.rows.row()?.unwrap_or_default();
        if header != saved.titles {
            let claimed = "its columns are those of the manifests and of results";
            findings.add_of_file(file.name(), claimed, header.join(","));
            return Ok(None);
        }
        saved.next = saved.rows.row()?;
        Ok(Some(saved))
    }

    /// Compares the next row of the file with the row that belongs there.
    fn compare(
        &mut self,
        place: (&Results<'_>, &PlanLine),
        row: &ResultRow<'_>,
        found: &mut Found<'_>,
    ) -> io::Result<()> {
        let item = &place.1.item;
        let cells = if self.advance_to((usize::from(item.file), item.row), found)? {
            self.take(found)?
        } else {
            None
        };
        let Some(cells) = cells else {
            let claimed = format!("{}, by plan and journal", row.status);
            let missing = "the row is not in this file";
            found
                .findings
                .add_of_row(self.file.name(), place, claimed, missing);
            return Ok(());
        };
        let expected: Vec<&str> = row.cells().collect();
        if cells != expected {
            let (claimed, instead) = self.difference(&cells, &expected);
            found
                .findings
                .add_of_row(self.file.name(), place, claimed, instead);
        }
        Ok(())
    }

    /// Skips the rows before that place. Returns true if the row of that place is next.
    fn advance_to(&mut self, place: Place, found: &mut Found<'_>) -> io::Result<bool> {
        while let Some(cells) = &self.next {
            match self.place(cells) {
                Some(next) if next >= place => return Ok(next == place),
                _ => self.skip_unexpected(found)?,
            }
        }
        Ok(false)
    }

    /// Describes the first column in which a row differs: its own cell, and the cell by plan and journal.
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

    /// Skips a row that does not belong here, and adds a finding.
    fn skip_unexpected(&mut self, found: &mut Found<'_>) -> io::Result<()> {
        if let Some(cells) = self.take(found)? {
            found.findings.add(Finding {
                at: self.file.name(),
                row: Some(self.origin(&cells)),
                name: None,
                claimed: self.cell(&cells, "_status").to_owned(),
                found: "by plan and journal this row does not belong here".to_owned(),
            });
        }
        Ok(())
    }

    /// Checks that the file ends here, and that its SHA-256 is the one in the report.
    fn end(mut self, report: &SavedReport, found: &mut Found<'_>) -> io::Result<()> {
        while self.next.is_some() {
            self.skip_unexpected(found)?;
        }
        let (_, sha256) = self.rows.into_inner().finish();
        let name = self.file.name();
        if let Some(claimed) = report.sha256.get(name).filter(|known| **known != sha256) {
            let claimed = format!("its SHA-256 was {claimed} when it was written");
            found.findings.add_of_file(name, claimed, sha256);
        }
        Ok(())
    }

    fn take(&mut self, found: &mut Found<'_>) -> io::Result<Option<Vec<String>>> {
        let Some(cells) = self.next.take() else {
            return Ok(None);
        };
        self.next = self.rows.row()?;
        found.counted.count(self.file, self.cell(&cells, "_status"));
        Ok(Some(cells))
    }

    /// Returns the place that a row names as its own, as `file:row`.
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

    /// Returns the cell of a row in one of the columns that result files add.
    fn cell<'c>(&self, cells: &'c [String], title: &str) -> &'c str {
        // The search starts at the end, since a manifest may have a column with the same title.
        let at = self.titles.iter().rposition(|known| *known == title);
        at.and_then(|at| cells.get(at)).map_or("", String::as_str)
    }
}
