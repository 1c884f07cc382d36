//! What came of a run: the result files and the summary.
//!
//! - `success.csv`: rows that were created, updated, deleted or recovered.
//! - `skipped.csv`: rows with nothing to do, and deletes that were spared.
//! - `errors.csv`: all others; it can be applied again as it is.
//! - `report.json`: the [`Report`].
//!
//! The report holds the SHA-256 of the three others, and where the journal ended when it was written, so that
//! [`verify`] finds whatever was changed or cut since.
//!
//! Every row of the manifests is in exactly one of the three. Result files keep every column of the
//! manifests and add `_row,_status,_id,_error_id,_error,_attempts`. They are written beside
//! their places and renamed, so a reader never sees half of one.

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

/// What [`Summary::end`] says of a run with nothing left to do.
const FINISHED: &str = "finished";

/// The report's file, the last that is written.
const FILE_NAME: &str = "report.json";

/// What came of a run, in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// How it ended: `finished`, or `stopped` when some items have not.
    pub end: &'static str,
    /// All items: one for each row.
    pub items: u64,
    /// Created and confirmed by the server.
    pub created: u64,
    /// Updated.
    pub updated: u64,
    /// With nothing to do.
    pub unchanged: u64,
    /// Deleted.
    pub deleted: u64,
    /// Left alone after all, since it had changed.
    pub spared: u64,
    /// Not carried out.
    pub failed: u64,
    /// Executed by a call whose answer was lost, and found afterwards.
    pub recovered: u64,
    /// Perhaps executed; resuming finds out.
    pub unknown: u64,
    /// Not tried yet.
    pub waiting: u64,
    /// `GET`s sent by this process.
    pub read_calls: u64,
    /// `POST`s, `PUT`s and `DELETE`s sent by this process.
    pub write_calls: u64,
    /// How many of them were answered 429, and sent again.
    pub throttled: u64,
    /// How many of them were answered with a 503 that asks to come back later, and sent again.
    pub unavailable: u64,
    /// How long this process worked, reading and planning included.
    pub elapsed_ms: u64,
    /// The run directory.
    #[serde(serialize_with = "path_as_shown")]
    pub run_dir: PathBuf,
}

impl Summary {
    /// The numbers of a run that ended like this.
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

/// Writes a path as messages show it: what of it is no text is replaced, where serde would refuse it.
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
    /// The row in it.
    pub row: u32,
    /// The object's name.
    pub name: String,
    /// `failed`, `unknown` or `waiting`.
    pub status: Cow<'static, str>,
    /// The server's id of the error.
    pub error_id: Option<String>,
    /// What happened.
    pub error: String,
}

/// What came of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of this form.
    pub format: u32,
    /// The run's name.
    pub run: String,
    /// The tenant's customer id.
    pub tenant: String,
    /// The run whose failed rows these were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<String>,
    /// The unfinished runs in whose place it was started.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub supersedes: Vec<String>,
    /// The numbers.
    pub summary: Summary,
    /// Where the journal ended when the results were written.
    pub journal: JournalEnd,
    /// The SHA-256 of each result file by its name, in hexadecimal.
    pub sha256: BTreeMap<String, String>,
    /// Every row that did not succeed.
    pub errors: Vec<FailedRow>,
}

/// A report as it is read back. One of an older program lacks what is optional.
#[derive(Debug, Deserialize)]
struct Kept {
    run: String,
    tenant: String,
    summary: Tally,
    journal: Option<JournalEnd>,
    #[serde(default)]
    sha256: BTreeMap<String, String>,
    errors: Vec<FailedRow>,
}

/// Whether the results of the run in `directory` were written when its journal ended there.
#[must_use]
pub fn is_written(directory: &Path, journal_end: JournalEnd) -> bool {
    let kept = kept(directory).ok().flatten();
    kept.is_some_and(|kept| kept.journal.is_none_or(|written| written == journal_end))
}

/// Whether the report in `directory` says that nothing was left to do. What it says is not checked.
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

/// The report in `directory`, if there is one.
fn kept(directory: &Path) -> io::Result<Option<Kept>> {
    match File::open(directory.join(FILE_NAME)) {
        Ok(file) => Ok(Some(serde_json::from_reader(BufReader::new(file))?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the result files of a run into its directory.
///
/// # Errors
/// [`RunError`] when the run cannot be read or the files cannot be written.
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
