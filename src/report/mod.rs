//! The results of a run: three files of rows and the report.
//!
//! - `success.csv`: rows that were created, updated, deleted or recovered.
//! - `skipped.csv`: rows with nothing to do, and changes that were spared.
//! - `errors.csv`: all other rows; the file can be applied again as it is.
//! - `report.json`: the [`Report`].
//!
//! Every row of the manifests is in exactly one of the three CSV files. These keep every column of the manifests and
//! add `_row,_status,_id,_error_id,_error,_attempts`. Each file is written under a temporary name and renamed, so a
//! reader never sees half of one.
//!
//! The report holds the SHA-256 of the three files, and the end of the journal at the time of writing. With these,
//! [`verify`] finds later changes and cuts.

mod outcomes;
mod retry_manifest;
mod rows;
pub mod verify;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};

pub use self::outcomes::Outcomes;
pub use self::retry_manifest::write_failed;
use self::rows::{Replacement, Results};
use crate::engine::{End, Progress};
use crate::journal::{Header, JournalEnd};
use crate::ledger::{Ledger, Tally};
use crate::run::{PlanFile, RunError};

/// The version of the report's form.
const FORMAT: u32 = 1;

/// The value of [`Summary::end`] for a run with nothing left to do.
const FINISHED: &str = "finished";

/// The report's file. It is written last.
const FILE_NAME: &str = "report.json";

/// The result of a run in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The end of the run: `finished`, or `stopped` if some items have not ended.
    pub end: &'static str,
    /// All items, one for each row.
    pub items: u64,
    /// Items that were created, confirmed by the server's answer.
    pub created: u64,
    /// Items that were updated.
    pub updated: u64,
    /// Items with nothing to do.
    pub unchanged: u64,
    /// Items that were deleted.
    pub deleted: u64,
    /// Items whose object was left alone, since it no longer fits the conditions of the change.
    pub spared: u64,
    /// Items that were not carried out.
    pub failed: u64,
    /// Items that were carried out by a call whose answer was lost, and found afterwards.
    pub recovered: u64,
    /// Items that were perhaps carried out; `resume` finds out.
    pub unknown: u64,
    /// Items that were not tried yet.
    pub waiting: u64,
    /// The number of `GET`s that this process sent.
    pub read_calls: u64,
    /// The number of `POST`s, `PUT`s and `DELETE`s that this process sent.
    pub write_calls: u64,
    /// The number of calls that were answered 429, and sent again.
    pub throttled: u64,
    /// The number of calls that were answered with a 503 asking to come back later, and sent again.
    pub unavailable: u64,
    /// The time for which this process worked, reading and planning included.
    pub elapsed_ms: u64,
    /// The run directory.
    #[serde(serialize_with = "path_as_shown")]
    pub run_dir: PathBuf,
}

impl Summary {
    /// Returns the numbers of a run that ended with `end`.
    #[must_use]
    pub fn new(
        end: &End,
        ledger: &Ledger,
        progress: &Progress,
        elapsed_ms: u64,
        run_dir: &Path,
    ) -> Self {
        let tally = ledger.tally();
        let finished = *end == End::Finished && tally.finished() == tally.items;
        Self {
            end: if finished { FINISHED } else { "stopped" },
            items: tally.items,
            created: tally.created,
            updated: tally.updated,
            unchanged: tally.unchanged,
            deleted: tally.deleted,
            spared: tally.spared,
            failed: tally.failed,
            recovered: tally.recovered,
            unknown: tally.unknown,
            waiting: tally.waiting,
            read_calls: progress.read.sent,
            write_calls: progress.write.sent,
            throttled: progress.throttled,
            unavailable: progress.unavailable,
            elapsed_ms,
            run_dir: run_dir.to_owned(),
        }
    }
}

/// Writes a path as messages show it. Parts that are not UTF-8 are replaced; serde alone would refuse such a path.
pub(crate) fn path_as_shown<S: Serializer>(
    path: &(impl AsRef<Path> + ?Sized),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.as_ref().display())
}

/// One row that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRow {
    /// The manifest.
    pub file: String,
    /// The row in the manifest.
    pub row: u32,
    /// The object's name.
    pub name: String,
    /// `failed`, `unknown` or `waiting`.
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
struct SavedReport {
    run: String,
    tenant: String,
    summary: Tally,
    journal: Option<JournalEnd>,
    #[serde(default)]
    sha256: BTreeMap<String, String>,
    errors: Vec<FailedRow>,
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
    let ended = File::open(directory.join(FILE_NAME)).map(BufReader::new);
    let ended = ended
        .ok()
        .and_then(|file| serde_json::from_reader(file).ok());
    ended.is_some_and(|ended: Ended| ended.summary.end == FINISHED)
}

/// Reads the report in `directory`; `None` if there is none.
fn saved_report(directory: &Path) -> io::Result<Option<SavedReport>> {
    match File::open(directory.join(FILE_NAME)) {
        Ok(file) => Ok(Some(serde_json::from_reader(BufReader::new(file))?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the result files of a run into its directory.
///
/// # Errors
/// [`RunError::Journal`] if the journal cannot be read, [`RunError::Io`] if the plan cannot be read or a file cannot be
/// written.
pub fn write(
    directory: &Path,
    plan: &PlanFile,
    header: &Header,
    ledger: &Ledger,
    summary: Summary,
) -> Result<Report, RunError> {
    let failed = |source: io::Error| RunError::Io {
        path: directory.to_owned(),
        doing: "the results cannot be written",
        source,
    };
    let outcomes = Outcomes::read(directory, plan.len())?;
    let results = Results {
        plan,
        ledger,
        outcomes: &outcomes,
    };
    let (errors, sha256) = results.write(directory).map_err(failed)?;
    let report = Report {
        format: FORMAT,
        run: header.run.clone(),
        tenant: header.tenant.clone(),
        retries: plan.origin().retries.clone(),
        supersedes: plan.origin().supersedes.clone(),
        summary,
        journal: outcomes.journal_end(),
        sha256,
        errors,
    };
    let mut file = Replacement::new(directory, FILE_NAME).map_err(failed)?;
    serde_json::to_writer_pretty(&mut file, &report).map_err(|e| failed(e.into()))?;
    file.finish().map_err(failed)?;
    Ok(report)
}
