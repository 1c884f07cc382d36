//! The members of a pack, and the content of those that are made for it.

use std::path::Path;

use super::super::html::{PAGE_NAME, RunPage, render_run};
use super::super::outcomes::Outcomes;
use super::super::rows::Results;
use super::archive::MOST_MEMBERS;
use crate::manifest::CsvWriter;
use crate::run::{RecordedSettings, RunError};

/// The name of the list.
pub(super) const LIST: &str = "pack.json";

/// The name of the recorded settings.
const SETTINGS: &str = "settings.json";

/// The name of the rows of the manifests.
const ROWS: &str = "rows.csv";

/// The files of a run without which its results cannot be judged.
pub(super) const RUN_FILES: [&str; 8] = [
    "plan.jsonl",
    "journal.jsonl",
    "journal.synced",
    "calls.jsonl",
    "success.csv",
    "errors.csv",
    "skipped.csv",
    "report.json",
];

/// The beginning of the names of records that a repair cut off the journal. They are copied too.
const CUT: &str = "journal.cut-";

/// The most files of such records.
const MOST_CUTS: usize = 99;

/// The members that every pack has, and which follow from the files of the run.
pub(super) const MADE: [&str; 3] = [ROWS, SETTINGS, PAGE_NAME];

/// The directory of the manifests.
const MANIFESTS: &str = "manifests/";

/// The most manifests that are put into a pack.
pub(super) const MOST_MANIFESTS: usize =
    MOST_MEMBERS - RUN_FILES.len() - MOST_CUTS - MADE.len() - 1;

/// Returns the names of the files of a run that are copied, as far as the run has them.
pub(super) fn run_files() -> impl Iterator<Item = String> {
    let cuts = (1..=MOST_CUTS).map(|number| format!("{CUT}{number}.jsonl"));
    RUN_FILES.into_iter().map(str::to_owned).chain(cuts)
}

/// Returns the name of the member for a manifest, whose number begins with 0.
pub(super) fn manifest_member(number: usize, name: &str) -> String {
    let extension = Path::new(name).extension().and_then(|text| text.to_str());
    let is_plain = |text: &&str| text.len() <= 5 && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let extension = extension.filter(is_plain);
    let extension = extension.map_or(String::new(), |text| format!(".{text}"));
    format!("{MANIFESTS}{}{extension}", number + 1)
}

/// Tells whether a pack may have a member of that name.
pub(super) fn is_known(name: &str) -> bool {
    let is_numbered = [MANIFESTS, CUT].iter().any(|begin| name.starts_with(begin));
    name == LIST || MADE.contains(&name) || RUN_FILES.contains(&name) || is_numbered
}

/// Returns the content of the members that are made for a pack, in the order of [`MADE`].
///
/// # Errors
/// [`RunError`] if the run cannot be read.
pub(super) fn made(run: &RunPage<'_>) -> Result<[Vec<u8>; 3], RunError> {
    let failed = RunError::io(run.directory, "the run cannot be read");
    let mut settings = RecordedSettings::read(run.header)
        .and_then(|recorded| serde_json::to_vec_pretty(&recorded))
        .map_err(|error| failed(error.into()))?;
    settings.push(b'\n');
    Ok([rows(run)?, settings, render_run(run)?.into_bytes()])
}

/// Returns the rows of all manifests with their numbers.
fn rows(run: &RunPage<'_>) -> Result<Vec<u8>, RunError> {
    let outcomes = Outcomes::read(run.directory, run.plan.len())?;
    let results = Results {
        plan: run.plan,
        ledger: run.ledger,
        outcomes: &outcomes,
    };
    let write = || {
        let mut writer = CsvWriter::new(Vec::new());
        let columns = run.plan.origin().columns.iter().map(String::as_str);
        writer.row(columns.chain(["_row"]))?;
        for number in 0..run.plan.len() {
            let line = run.plan.line(number)?;
            let row = results.row(number, &line);
            let cells = line.input.iter().map(String::as_str);
            writer.row(cells.chain([row.origin.as_str()]))?;
        }
        writer.finish()
    };
    write().map_err(RunError::io(run.directory, "the run cannot be read"))
}
