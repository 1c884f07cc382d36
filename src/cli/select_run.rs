//! Which run a command is about where none is named.

use std::path::Path;

use super::error::CliError;
use super::recorded::RecordedSettings;
use super::terminal::Terminal;
use crate::report;
use crate::run::{self, Lineage, RunDirectory, RunState};

/// The run of that name, or the newest one.
pub(super) fn named_or_newest(runs: &Path, name: Option<&str>) -> Result<RunDirectory, CliError> {
    if let Some(name) = name {
        return Ok(RunDirectory::find(runs, name)?);
    }
    let newest = run::list(runs)?.pop();
    newest.ok_or_else(|| none(runs, "run"))
}

/// The newest run of those that can be read.
pub(super) fn newest_readable(runs: &Path, terminal: &Terminal) -> Result<RunState, CliError> {
    newest(runs, "run", terminal, |_, _| true, |_| Ok(true))
}

/// The newest run that can be gone on with.
pub(super) fn newest_unfinished(runs: &Path, terminal: &Terminal) -> Result<RunState, CliError> {
    newest(
        runs,
        "unfinished run",
        terminal,
        |lineage, name| lineage.superseded_by(name).is_none(),
        |run_state| Ok(!run_state.is_finished() || !is_reported(run_state)),
    )
}

/// Whether its results were written since its last item ended.
pub(super) fn is_reported(run_state: &RunState) -> bool {
    report::is_written(run_state.directory.path(), run_state.journal_end)
}

/// The newest run with failures that no other run has retried.
pub(super) fn newest_with_failures(runs: &Path, terminal: &Terminal) -> Result<RunState, CliError> {
    newest(
        runs,
        "run with failures",
        terminal,
        |lineage, name| lineage.retried_by(name).is_none() && lineage.superseded_by(name).is_none(),
        |run_state| {
            let tally = run_state.ledger.tally();
            let rehearsal = RecordedSettings::read(&run_state.header)?.simulated;
            let undo = run_state.plan.origin().undoes.is_some();
            Ok(tally.failed + tally.unknown > 0 && !rehearsal && !undo)
        },
    )
}

/// The newest run that fits, by its place among the others and then by where it stands. Those that cannot be read are
/// passed over with a warning, but if none fits, it may have been one of them.
fn newest(
    runs: &Path,
    what: &str,
    terminal: &Terminal,
    is_open: impl Fn(&Lineage, &str) -> bool,
    fits: impl Fn(&RunState) -> Result<bool, CliError>,
) -> Result<RunState, CliError> {
    let lineage = Lineage::read(runs)?;
    let mut found = None;
    let mut refused = Vec::new();
    for directory in run::list(runs)?.into_iter().rev() {
        let name = directory.name().to_string();
        if !is_open(&lineage, &name) {
            continue;
        }
        match run::run_state(directory) {
            Ok(run_state) if fits(&run_state)? => {
                found = Some(run_state);
                break;
            }
            Ok(_) => {}
            Err(error) => refused.push((name, CliError::from(error))),
        }
    }
    let mut refused = refused.into_iter();
    let found = found.ok_or_else(|| match refused.next() {
        Some((_, error)) => error,
        None => none(runs, what),
    });
    for (name, error) in refused {
        terminal.warn_of(&error.of_run(&format!("{name} is passed over")));
    }
    found
}

fn none(runs: &Path, what: &str) -> CliError {
    CliError::usage(format!("there is no {what} in {}", runs.display()))
}
