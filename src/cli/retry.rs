//! `zpa-bulk retry`: a new run of what failed in another.

use std::io;

use super::apply::{Session, Start, start_run};
use super::args::RetryArgs;
use super::config::Config;
use super::error::{CliError, exit};
use super::recorded;
use super::select_run;
use super::terminal::Terminal;
use crate::plan::Defaults;
use crate::report;
use crate::run::{self, Checked, Lineage, RunDirectory, RunError, RunState};

pub(super) async fn run(
    args: RetryArgs,
    config: Config,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    let session = Session::begin(terminal);
    recorded::refuse_simulated(&args.work.tenant, "retry")?;
    let runs = config.runs_dir(args.work.runs.runs_dir.as_deref());
    let failed = match &args.run {
        Some(text) => run::run_state(RunDirectory::find(&runs, text)?)?,
        None => select_run::newest_with_failures(&runs, terminal)?,
    };
    let given = Config::of_flags(&args.work.tenant, &args.work.engine).over(config);
    recorded::refuse_other_tenant(given.customer_id.as_deref(), &failed.header.tenant)?;
    refuse_unfinished(&failed)?;
    refuse_undo(&failed)?;
    if failed.ledger.tally().failed == 0 {
        terminal.say("nothing failed in this run; nothing is left to do");
        return Ok(exit::SUCCESS);
    }
    let lower = given.over(recorded::settings(&failed.header)?);
    let mut tenant = session.connect(&args.work, lower).await?;
    let start = Start {
        runs: &runs,
        retries: Some(&failed),
        guards: tenant.config.guards(args.guards.max_deletes),
        yes: args.yes,
        json: args.work.json,
    };
    start_run(rows_of(&failed)?, start, &mut tenant, session).await
}

/// The rows that failed. In messages they go by their place in `errors.csv`.
fn rows_of(failed: &RunState) -> Result<Checked, CliError> {
    let spooled = || -> io::Result<_> {
        let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile()?;
        report::write_failed(failed, io::BufWriter::new(file.as_file_mut()))?;
        Ok(file)
    };
    let file = spooled().map_err(|source| RunError::Io {
        path: std::env::temp_dir(),
        doing: "the rows that failed cannot be put here",
        source,
    })?;
    let name = failed.directory.path().join("errors.csv");
    let manifest = (file.path().to_owned(), name.display().to_string());
    // What flags said of every row stands in the rows.
    Ok(run::check_named(&[manifest], Defaults::default())?)
}

fn refuse_unfinished(run: &RunState) -> Result<(), CliError> {
    if run.is_finished() {
        return Ok(());
    }
    let name = run.directory.name().to_string();
    if let Some(other) = Lineage::around(&run.directory)?.superseded_by(&name) {
        let message = format!("{name} was not finished: {other} was started in its place");
        return Err(CliError::usage(message).hint(format!("zpa-bulk retry {other}")));
    }
    let directory = run.directory.path().display();
    Err(
        CliError::new(exit::STOPPED, "this run is unfinished; nothing was sent").hint(format!(
            "zpa-bulk resume {directory} goes on with it; what fails then can be retried"
        )),
    )
}

/// What an undo could not take back is taken back by undoing the same run again, under the same conditions.
fn refuse_undo(run: &RunState) -> Result<(), CliError> {
    match &run.plan.origin().undoes {
        Some(undone) => Err(CliError::usage("this run is an undo").hint(format!(
            "zpa-bulk undo {undone} tries again what it could not take back"
        ))),
        None => Ok(()),
    }
}
