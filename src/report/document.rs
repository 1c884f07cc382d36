//! The report document, written and read back.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::summary::{FINISHED, Summary};
use crate::files;
use crate::journal::JournalEnd;
use crate::ledger::Tally;

/// The version of the report's form.
pub(super) const FORMAT: u32 = 1;

/// The report's file. It is written last.
pub(super) const FILE_NAME: &str = "report.json";

/// One row that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRow {
    /// The manifest.
    pub file: String,
    /// The row in the manifest.
    pub row: u32,
    /// The object's name.
    pub name: String,
    /// `failed`, `stale`, `unknown` or `waiting`.
    pub status: Cow<'static, str>,
    /// The server's id of the error.
    pub error_id: Option<String>,
    /// The message of the failure; empty if there is none.
    pub error: String,
}

/// The report of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of the report's form.
    pub format: u32,
    /// The run's name.
    pub run: String,
    /// The tenant's customer id.
    pub tenant: String,
    /// The name of the run whose failed rows this run retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<String>,
    /// The names of the unfinished runs that this run replaces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub supersedes: Vec<String>,
    /// The numbers.
    pub summary: Summary,
    /// The end of the journal when the results were written.
    pub journal: JournalEnd,
    /// The SHA-256 of each result file by its name, in hexadecimal.
    pub sha256: BTreeMap<String, String>,
    /// Every row that did not succeed.
    pub errors: Vec<FailedRow>,
}

/// A report as it is read back. A report of an older program lacks the optional members.
#[derive(Debug, Deserialize)]
pub(super) struct SavedReport {
    pub(super) run: String,
    pub(super) tenant: String,
    pub(super) summary: Tally,
    pub(super) journal: Option<JournalEnd>,
    #[serde(default)]
    pub(super) sha256: BTreeMap<String, String>,
    pub(super) errors: Vec<FailedRow>,
}

/// Tells whether the results of the run in `directory` were written when its journal ended at `journal_end`. A report
/// of an older program does not name that end, and counts as current.
#[must_use]
pub fn is_written(directory: &Path, journal_end: JournalEnd) -> bool {
    let saved = saved_report(directory).ok().flatten();
    saved.is_some_and(|saved| saved.journal.is_none_or(|end| end == journal_end))
}

/// Tells whether the report in `directory` says that nothing was left to do. The report is not checked.
#[must_use]
pub fn says_finished(directory: &Path) -> bool {
    #[derive(Deserialize)]
    struct Ended {
        summary: End,
    }
    #[derive(Deserialize)]
    struct End {
        end: String,
    }
    let ended = files::open(&directory.join(FILE_NAME)).map(BufReader::new);
    let ended = ended
        .ok()
        .and_then(|file| serde_json::from_reader(file).ok());
    ended.is_some_and(|ended: Ended| ended.summary.end == FINISHED)
}

/// Reads the report in `directory`; `None` if there is none.
pub(super) fn saved_report(directory: &Path) -> io::Result<Option<SavedReport>> {
    match files::open(&directory.join(FILE_NAME)) {
        Ok(file) => Ok(Some(serde_json::from_reader(BufReader::new(file))?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
