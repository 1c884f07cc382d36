//! The use case `report`: the page of a run.

use std::path::{Path, PathBuf};

use super::error::Error;
use super::select_run::newest_readable;
use super::session::Observer;
use crate::report::{self, PAGE_NAME, RunPage, render_run};
use crate::run::{RunDirectory, RunState};

/// The page of a run.
#[derive(Clone, Debug)]
pub struct Page {
    /// The page, in HTML.
    pub text: String,
    /// The path of its file in the run directory.
    pub path: PathBuf,
}

/// Returns the page of the run of that name below `runs`, or of the newest run. Nothing is written.
///
/// # Errors
/// [`ErrorKind::Usage`](super::ErrorKind::Usage) if there is no such run, [`ErrorKind::Run`](super::ErrorKind::Run) for a
/// run that is refused.
pub fn report(runs: &Path, name: Option<&str>, observer: &dyn Observer) -> Result<Page, Error> {
    let run = named_or_newest_readable(runs, name, observer)?;
    Ok(Page {
        text: render_run(&page_of(&run))?,
        path: run.directory.path().join(PAGE_NAME),
    })
}

/// Returns the results of the run in `directory` as JUnit XML.
///
/// # Errors
/// [`ErrorKind::Run`](super::ErrorKind::Run) for a run that is refused.
pub fn junit(directory: &Path) -> Result<String, Error> {
    let run = RunState::read(RunDirectory::open(directory)?)?;
    Ok(report::junit(&page_of(&run))?)
}

/// Reads the run of that name below `runs`, or the newest run that can be read.
pub(super) fn named_or_newest_readable(
    runs: &Path,
    name: Option<&str>,
    observer: &dyn Observer,
) -> Result<RunState, Error> {
    match name {
        Some(name) => Ok(RunState::read(RunDirectory::find(runs, name)?)?),
        None => newest_readable(runs, observer),
    }
}

pub(super) fn page_of(run: &RunState) -> RunPage<'_> {
    RunPage {
        directory: run.directory.path(),
        named: run.directory.path(),
        plan: &run.plan,
        header: &run.header,
        ledger: &run.ledger,
        written: run.last,
    }
}
