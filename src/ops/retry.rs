//! The use case `retry`: starts a new run of the rows that failed in another.

use std::io;
use std::path::Path;

use super::carry_out::RunEnd;
use super::error::{Error, ErrorKind};
use super::plan_input::StartOptions;
use super::recorded::{believed, refuse_rehearsal, refuse_simulated};
use super::select_run::newest_with_failures;
use super::session::Session;
use super::start::{Rows, start};
use super::tenant::Connect;
use crate::plan::Defaults;
use crate::report;
use crate::run::{self, Checked, Lineage, RunDirectory, RunError, RunState};
use crate::text::shell_word;

/// Retries the failed rows of the run of that name below `runs`, or of the newest run with failures. With `yes`, asks
/// no question. Returns `None` if no row failed.
///
/// # Errors
/// [`ErrorKind::Usage`] or [`ErrorKind::Stopped`] for a run that cannot be retried, and the errors of
/// [`apply`](super::apply).
pub async fn retry(
    runs: &Path,
    name: Option<&str>,
    yes: bool,
    connect: &mut dyn Connect,
    session: &Session<'_>,
) -> Result<Option<RunEnd>, Error> {
    refuse_simulated(connect, "retry")?;
    let failed = match name {
        Some(name) => RunState::read(RunDirectory::find(runs, name)?)?,
        None => newest_with_failures(runs, session.observer)?,
    };
    let recorded = believed(connect, &failed.directory, &failed.header)?;
    refuse_unfinished(&failed)?;
    refuse_undo(&failed)?;
    if failed.ledger.tally().missed() == 0 {
        return Ok(None);
    }
    refuse_rehearsal(&recorded)?;
    let mut tenant = connect
        .connect(Some(&recorded), session.stop.clone())
        .await?;
    let mut input = Rows {
        checked: rows_of(&failed)?,
        retries: Some(&failed),
        yes,
    };
    let options = StartOptions {
        // The new run stands beside the one that it retries, so that each is known to the other.
        runs: failed.directory.runs_dir(),
        previous: Some(&failed),
        yes,
        full: false,
        unread: ErrorKind::Unexpected,
    };
    start(&mut input, options, &mut tenant, session).await
}

/// Returns the rows that failed. Messages name them by their rows in `errors.csv`.
fn rows_of(failed: &RunState) -> Result<Checked, Error> {
    let name = failed.directory.path().join("errors.csv");
    checked_rows(&name, |to| report::write_failed(failed, to))
}

/// Checks rows that `write` writes as JSON Lines. Messages name them by their rows in the file `name`.
pub(super) fn checked_rows(
    name: &Path,
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> Result<Checked, Error> {
    let spool = || -> io::Result<_> {
        let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile()?;
        let mut writer = io::BufWriter::new(file.as_file_mut());
        write(&mut writer)?;
        io::Write::flush(&mut writer)?;
        drop(writer);
        Ok(file)
    };
    let file = spool().map_err(RunError::io(
        &std::env::temp_dir(),
        "the rows cannot be written here",
    ))?;
    let manifest = (file.path().to_owned(), name.display().to_string());
    // Result rows hold the values that came from flags, so no defaults are needed.
    Ok(run::check_named(
        &[manifest],
        u64::MAX,
        Defaults::default(),
    )?)
}

fn refuse_unfinished(run: &RunState) -> Result<(), Error> {
    if run.is_finished() {
        return Ok(());
    }
    let name = run.directory.name().to_string();
    if let Some(other) = Lineage::around(&run.directory)?.superseded_by(&name) {
        let message = format!("{name} was not finished: {other} was started in its place");
        return Err(Error::usage(message).hint(format!("zpa-bulk retry {}", shell_word(other))));
    }
    let directory = shell_word(run.directory.path().display());
    let message = "this run is unfinished; nothing was sent";
    Err(Error::new(ErrorKind::Stopped, message).hint(format!(
        "zpa-bulk resume {directory} goes on with the run; rows that fail then can be retried"
    )))
}

/// Refuses an undo. To undo the same run again does the rest, under the same conditions.
fn refuse_undo(run: &RunState) -> Result<(), Error> {
    match &run.plan.origin().undoes {
        Some(undone) => Err(Error::usage("this run is an undo").hint(format!(
            "zpa-bulk undo {} tries again to take back the rest",
            shell_word(undone)
        ))),
        None => Ok(()),
    }
}
