//! `zpa-bulk undo`: what takes a run back, shown, asked for and carried out like any other run.

use std::path::Path;

use jiff::Timestamp;

use super::apply::{Keep, Session, agreed, carry_out, record};
use super::args::UndoArgs;
use super::config::Config;
use super::earlier::OtherRuns;
use super::error::CliError;
use super::plan::Preview;
use super::planning;
use super::recorded;
use super::tenant::Tenant;
use super::terminal::Terminal;
use crate::journal::Header;
use crate::plan::Snapshot;
use crate::run::{self, Lineage, Origin, RunDirectory, RunEffects, RunName, RunState};

pub(super) async fn run(
    args: UndoArgs,
    config: Config,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    let mut session = Session::begin(terminal);
    recorded::refuse_simulated(&args.work.tenant, "undo")?;
    let runs = config.runs_dir(args.work.runs.runs_dir.as_deref());
    let past = RunDirectory::find(&runs, &args.run)?;
    let turn = planning::turn(&runs, &session.stop, terminal).await?;
    let past = run::run_state(past)?;
    let given = Config::of_flags(&args.work.tenant, &args.work.engine).over(config);
    recorded::refuse_other_tenant(given.customer_id.as_deref(), &past.header.tenant)?;
    refuse_unfinished(&past)?;
    refuse_second(&runs, &past)?;
    let lower = given.over(recorded::settings(&past.header)?);
    let effects = RunEffects::read(&past.directory)?;
    let mut tenant = session.connect(&args.work, lower).await?;
    let earlier = OtherRuns::find(&runs, &past.header.tenant, terminal)?;
    let limits = tenant.config.limits();
    let inverse = |live: &Snapshot, keep: Keep<'_>| effects.plan(live, limits, keep).map(drop);
    let live = earlier
        .settled(
            effects.scopes(),
            &inverse,
            &mut tenant,
            &mut session.stop,
            terminal,
        )
        .await?;
    let directory = RunDirectory::create(&runs, RunName::new(Timestamp::now()))?;
    let header = match plan(&args, &effects, &live, &directory, &tenant, &session).await {
        Ok(header) => header,
        Err(error) => {
            directory.discard();
            return Err(error);
        }
    };
    let mut run = run::start(directory, header, Timestamp::now())?;
    drop(turn);
    run.workload.sent_before = earlier.sent(Some(&past));
    carry_out(run, &mut tenant, args.work.json, &session).await
}

/// Plans and asks.
async fn plan(
    args: &UndoArgs,
    effects: &RunEffects,
    live: &Snapshot,
    directory: &RunDirectory,
    tenant: &Tenant,
    session: &Session<'_>,
) -> Result<Header, CliError> {
    let terminal = session.terminal;
    let guards = tenant.config.guards(args.guards.max_deletes);
    let limits = tenant.config.limits();
    let preview = Preview::new(live, args.full, "--full shows them all");
    let (header, preview, totals) = record(
        directory,
        &effects.origin(),
        preview,
        tenant,
        guards,
        |keep| effects.plan(live, limits, keep),
    )?;
    // Also without a question, so that nobody misses what does not come back.
    terminal.say(preview.trim_end());
    if totals.changes() > 0 && !args.yes && !agreed(session.stop.clone(), terminal).await {
        return Err(
            CliError::usage("nothing was changed").hint("--yes takes it back without asking")
        );
    }
    Ok(header)
}

/// What is still to come of a run cannot be taken back.
fn refuse_unfinished(past: &RunState) -> Result<(), CliError> {
    if past.is_finished() {
        return Ok(());
    }
    let name = past.directory.name().to_string();
    if let Some(other) = Lineage::around(&past.directory)?.superseded_by(&name) {
        let message = format!("this run was not finished: {other} was started in its place");
        return Err(CliError::usage(message));
    }
    let directory = past.directory.path().display();
    Err(
        CliError::usage("this run is not finished, so nobody can say yet what it did")
            .hint(format!("first: zpa-bulk resume {directory}")),
    )
}

/// What an undo that was cut off is still to create again must not be created by another one as well.
fn refuse_second(runs: &Path, past: &RunState) -> Result<(), CliError> {
    let name = past.directory.name().to_string();
    for directory in run::list(runs)? {
        let undoes = Origin::read(directory.path()).ok().and_then(|o| o.undoes);
        if undoes.as_ref() == Some(&name) && !run::run_state(directory.clone())?.is_finished() {
            let directory = directory.path().display();
            return Err(CliError::usage("an undo of this run is not finished")
                .hint(format!("to go on with it: zpa-bulk resume {directory}")));
        }
    }
    Ok(())
}
