//! The selection of the run that a command is about.

use std::path::Path;

use super::error::Error;
use super::recorded::recorded;
use super::session::Observer;
use crate::report;
use crate::run::{self, Lineage, RunDirectory, RunState};

/// Returns the directory of the run of that name, or of the newest run.
///
/// # Errors
/// [`ErrorKind::Usage`](super::ErrorKind::Usage) if there is no such run, or the errors of runs that cannot be listed.
pub fn named_or_newest(runs: &Path, name: Option<&str>) -> Result<RunDirectory, Error> {
    if let Some(name) = name {
        return Ok(RunDirectory::find(runs, name)?);
    }
    let newest = run::list(runs)?.pop();
    newest.ok_or_else(|| none(runs, "run"))
}

/// Returns the newest run that can be read.
///
/// # Errors
/// The same as for [`named_or_newest`]; if a run cannot be read and no other fits, the error of that run.
pub fn newest_readable(runs: &Path, observer: &dyn Observer) -> Result<RunState, Error> {
    newest(runs, "run", observer, |_, _| true, |_| Ok(true))
}

/// Returns the newest run that can be resumed.
///
/// # Errors
/// The same as for [`named_or_newest`]; if a run cannot be read and no other fits, the error of that run.
pub fn newest_unfinished(runs: &Path, observer: &dyn Observer) -> Result<RunState, Error> {
    newest(
        runs,
        "unfinished run",
        observer,
        |lineage, name| lineage.superseded_by(name).is_none(),
        |run_state| Ok(!run_state.is_finished() || !is_reported(run_state)),
    )
}

/// Tells whether the results of a run were written after its last item had ended.
#[must_use]
pub fn is_reported(run_state: &RunState) -> bool {
    report::is_written(run_state.directory.path(), run_state.journal_end)
}

/// Returns the newest run with failures that no other run has retried.
///
/// # Errors
/// The same as for [`named_or_newest`]; if a run cannot be read and no other fits, the error of that run.
pub fn newest_with_failures(runs: &Path, observer: &dyn Observer) -> Result<RunState, Error> {
    newest(
        runs,
        "run with failures",
        observer,
        |lineage, name| lineage.retried_by(name).is_none() && lineage.superseded_by(name).is_none(),
        |run_state| {
            let tally = run_state.ledger.tally();
            let rehearsal = recorded(&run_state.header)?.simulated;
            let undo = run_state.plan.origin().undoes.is_some();
            Ok(tally.missed() + tally.unknown > 0 && !rehearsal && !undo)
        },
    )
}

/// Returns the newest run that fits, by its lineage (`is_candidate`) and by its state (`fits`). Skips runs that cannot
/// be read, with a warning. If no run fits, returns the error of the newest one that cannot be read: it may be the one
/// that the user means.
fn newest(
    runs: &Path,
    what: &str,
    observer: &dyn Observer,
    is_candidate: impl Fn(&Lineage, &str) -> bool,
    fits: impl Fn(&RunState) -> Result<bool, Error>,
) -> Result<RunState, Error> {
    let lineage = Lineage::read(runs)?;
    let mut found = None;
    let mut refused = Vec::new();
    for directory in run::list(runs)?.into_iter().rev() {
        let name = directory.name().to_string();
        if !is_candidate(&lineage, &name) {
            continue;
        }
        match RunState::read(directory) {
            Ok(run_state) if fits(&run_state)? => {
                found = Some(run_state);
                break;
            }
            Ok(_) => {}
            Err(error) => refused.push((name, Error::from(error))),
        }
    }
    let mut refused = refused.into_iter();
    let found = found.ok_or_else(|| match refused.next() {
        Some((_, error)) => error,
        None => none(runs, what),
    });
    for (name, error) in refused {
        observer.warn_of(&error.of_run(&format!("run {name} is skipped")));
    }
    found
}

fn none(runs: &Path, what: &str) -> Error {
    Error::usage(format!("there is no {what} in {}", runs.display()))
}
