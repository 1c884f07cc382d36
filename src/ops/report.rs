//! The use case `report`: writes the page of a run.

use std::path::{Path, PathBuf};

use super::error::{Error, ErrorKind};
use super::select_run::newest_readable;
use super::session::Observer;
use crate::report::{PAGE_NAME, RunPage, write_page};
use crate::run::{RunDirectory, RunState};

/// Writes the page of the run of that name below `runs`, or of the newest run, to `output`, or else into the run
/// directory. Returns the path of the page.
///
/// # Errors
/// [`ErrorKind::Usage`] if there is no such run, or the page cannot be written; [`ErrorKind::Run`] for a run that is
/// refused.
pub fn report(
    runs: &Path,
    name: Option<&str>,
    output: Option<&Path>,
    observer: &dyn Observer,
) -> Result<PathBuf, Error> {
    let run = match name {
        Some(name) => RunState::read(RunDirectory::find(runs, name)?)?,
        None => newest_readable(runs, observer)?,
    };
    let directory = run.directory.path();
    let path = output.map_or_else(|| directory.join(PAGE_NAME), Path::to_owned);
    let page = RunPage {
        directory,
        plan: &run.plan,
        header: &run.header,
        ledger: &run.ledger,
        written: run.last,
    };
    write_page(&page, &path).map_err(|error| Error {
        kind: ErrorKind::Usage,
        ..Error::from(error).hint("nothing was changed; -o FILE names another place")
    })?;
    Ok(path)
}
