//! `zpa-bulk apply` and `zpa-bulk resume`: plan, ask, carry out, report.

use std::collections::BTreeSet;
use std::env;
use std::path::Path;
use std::time::Duration;

use jiff::{Timestamp, Zoned};
use tokio::sync::watch;
use tokio::time::Instant;

use super::args::{ApplyArgs, ResumeArgs, WorkArgs};
use super::config::Config;
use super::earlier::OtherRuns;
use super::error::{CliError, counted, exit, of_end};
use super::plan::{self, Preview, describe, estimate};
use super::planning;
use super::progress::{Display, rounded};
use super::recorded::{self, RecordedSettings};
use super::select_run;
use super::tenant::Tenant;
use super::terminal::Terminal;
use crate::engine::End;
use crate::item::Item;
use crate::journal::{FORMAT, Header};
use crate::ledger::{Ledger, State};
use crate::plan::{Guards, LiveCheck, Operation, Planner, Snapshot, Totals};
use crate::report::{self, Report, Summary};
use crate::run::{
    self, Checked, Lineage, Origin, PlanError, PlanWriter, Run, RunDirectory, RunName, RunState,
    Sums,
};

pub(super) async fn run(
    args: ApplyArgs,
    config: Config,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    let session = Session::begin(terminal);
    let runs = config.runs_dir(args.work.runs.runs_dir.as_deref());
    let mut tenant = session.connect(&args.work, config).await?;
    let rows = plan::check(&args.manifests, &tenant)?;
    let start = Start {
        runs: &runs,
        retries: None,
        guards: tenant.config.guards(args.guards.max_deletes),
        yes: args.yes,
        json: args.work.json,
    };
    let outcome = start_run(rows, start, &mut tenant, session).await;
    if let Some(simulator) = tenant.simulator {
        simulator.stop().await;
    }
    outcome
}

/// Refuses an unfinished run in whose place another was started: what is left of it may be done by now.
fn refuse_superseded(run: &RunState) -> Result<(), CliError> {
    let name = run.directory.name().to_string();
    match Lineage::around(&run.directory)?.superseded_by(&name) {
        Some(other) if !run.is_finished() => {
            let message = format!("{other} was started in the place of this run");
            Err(CliError::usage(message).hint(format!(
                "zpa-bulk status {other} shows where that one stands; to do what this one was to do, apply its manifest"
            )))
        }
        _ => Ok(()),
    }
}

/// How a run is started.
pub(super) struct Start<'s> {
    /// Where the run directories are.
    pub(super) runs: &'s Path,
    /// The run whose failed rows these are.
    pub(super) retries: Option<&'s RunState>,
    /// What stands between the plan and its deletes.
    pub(super) guards: Guards,
    /// Whether nobody is asked.
    pub(super) yes: bool,
    /// Whether the report is shown as JSON.
    pub(super) json: bool,
}

/// What is to be planned.
pub(super) struct Order<'o> {
    /// The rows.
    pub(super) rows: &'o Checked,
    /// Where they come from.
    pub(super) origin: Origin,
    /// What the tenant holds of what they are about.
    pub(super) live: &'o Snapshot,
    /// What stands between the plan and its deletes.
    pub(super) guards: Guards,
}

/// What accompanies a command from its start to its end.
pub(super) struct Session<'t> {
    pub(super) started: Instant,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) terminal: &'t Terminal,
}

impl<'t> Session<'t> {
    pub(super) fn begin(terminal: &'t Terminal) -> Self {
        Self {
            started: Instant::now(),
            stop: watch_for_interrupt(terminal),
            terminal,
        }
    }

    /// The tenant, for work that stops when it is to.
    pub(super) async fn connect(&self, work: &WorkArgs, lower: Config) -> Result<Tenant, CliError> {
        let bounds = work.stopping.bounds(&Zoned::now())?;
        let stop = self.stop.clone();
        let mut tenant = Tenant::connect(&work.tenant, &work.engine, lower, stop).await?;
        tenant.engine.stop_at(bounds);
        Ok(tenant)
    }
}

/// Compares the rows with the tenant, asks and carries out, in a new run that knows of those before it.
pub(super) async fn start_run(
    rows: Checked,
    start: Start<'_>,
    tenant: &mut Tenant,
    mut session: Session<'_>,
) -> Result<u8, CliError> {
    let (terminal, stop) = (session.terminal, &mut session.stop);
    let (turn, mut earlier) = if tenant.simulator.is_some() {
        (None, OtherRuns::none())
    } else {
        let turn = planning::turn(start.runs, stop, terminal).await?;
        let customer = &tenant.connection.customer;
        let earlier = OtherRuns::find(start.runs, customer, terminal)?;
        (Some(turn), earlier)
    };
    let origin = rows.origin();
    earlier
        .point_out(&origin.files, start.yes, stop, terminal)
        .await?;
    let limits = tenant.config.limits();
    let plan = |live: &Snapshot, keep: Keep<'_>| run::plan(&rows, live, limits, keep).map(drop);
    let live = earlier
        .settled(rows.scopes(), &plan, tenant, stop, terminal)
        .await?;
    let rows = rows.created_before(earlier.created(start.retries, &live)?);
    let order = Order {
        rows: &rows,
        origin: Origin {
            retries: start.retries.map(|run| run.directory.name().to_string()),
            supersedes: earlier.superseded(),
            named_in: named_in(),
            ..origin
        },
        live: &live,
        guards: start.guards,
    };
    let now = Timestamp::now();
    let directory = RunDirectory::create(start.runs, RunName::new(now))?;
    let (header, preview) = match plan_into(&directory, &order, tenant) {
        Ok(planned) => planned,
        Err(error) => {
            directory.discard();
            return Err(error);
        }
    };
    if !start.yes {
        terminal.say(preview.trim_end());
        if !agreed(session.stop.clone(), terminal).await {
            directory.discard();
            return Err(CliError::usage("nothing was changed")
                .hint("--yes carries the plan out without asking"));
        }
    }
    let mut run = run::start(directory, header, now)?;
    drop(turn);
    run.workload.sent_before = earlier.sent(start.retries);
    carry_out(run, tenant, start.json, &session).await
}

/// Where the names of manifests are those of files.
fn named_in() -> Option<String> {
    let directory = env::current_dir().ok()?;
    directory.to_str().map(str::to_owned)
}

pub(super) async fn resume(
    args: ResumeArgs,
    config: Config,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    let mut session = Session::begin(terminal);
    let runs = config.runs_dir(args.work.runs.runs_dir.as_deref());
    recorded::refuse_simulated(&args.work.tenant, "resume")?;
    let directory = match &args.run {
        Some(text) => RunDirectory::find(&runs, text)?,
        None => select_run::newest_unfinished(&runs, terminal)?.directory,
    };
    let beside = directory.path().parent().unwrap_or(&runs).to_owned();
    let turn = planning::turn(&beside, &session.stop, terminal).await?;
    let run_state = run::run_state(directory)?;
    let given = Config::of_flags(&args.work.tenant, &args.work.engine).over(config);
    recorded::refuse_other_tenant(given.customer_id.as_deref(), &run_state.header.tenant)?;
    if run_state.is_finished() && select_run::is_reported(&run_state) {
        terminal.say("this run is finished; nothing is left to do");
        let failed = run_state.ledger.tally().failed > 0;
        return Ok(if failed {
            exit::FAILED_ITEMS
        } else {
            exit::SUCCESS
        });
    }
    refuse_superseded(&run_state)?;
    if run_state.lost {
        terminal.warn(
            "the end of the journal is lost, so calls may have been sent that it does not know: every row without an \
             outcome is looked for first",
        );
        run::repair(&run_state.directory, Timestamp::now())?;
    }
    let run = run::resume(run_state.directory)?;
    let others = OtherRuns::find(&beside, &run.header.tenant, terminal)?.without(&run);
    others.refuse_shared_in(&run)?;
    drop(turn);
    let lower = given.over(recorded::settings(&run.header)?);
    let mut tenant = session.connect(&args.work, lower).await?;
    others
        .settled_for(&run, &tenant, &mut session.stop, terminal)
        .await?;
    let run = without_forestalled(run, &mut tenant).await?;
    carry_out(run, &mut tenant, args.work.json, &session).await
}

/// The run without what has been created since it was planned: by another run that had the same rows, by hand, or by
/// this one, if it is a copy of it that is gone on with.
async fn without_forestalled(mut run: Run, tenant: &mut Tenant) -> Result<Run, CliError> {
    let mut scopes = BTreeSet::new();
    run.each_open(&[Operation::Create], |item| {
        scopes.insert(item.scope());
    })?;
    if scopes.is_empty() {
        return Ok(run);
    }
    run.workload.created_by_others = run::created_by_others(&run.directory, &run.header)?;
    let live = plan::snapshot(tenant, scopes.into_iter().collect(), exit::STOPPED).await?;
    let live_check = LiveCheck::new(&live);
    let mut ended = Vec::new();
    run.each_open(&[Operation::Create], |item| {
        let mut item = item.to_owned_item();
        let waits = run.workload.ledger.state(item.item) == State::Waiting;
        // What refers to something that is not there again is there no more than that.
        if waits && run.workload.id_remap.rename(&mut item).is_ok() {
            ended.extend(live_check.forestalled(&item));
        }
    })?;
    Ok(run.with_outcomes(ended, Timestamp::now())?)
}

/// Plans into a run directory. Answers the journal's header, and the plan as it is shown.
pub(super) fn plan_into(
    directory: &RunDirectory,
    order: &Order<'_>,
    tenant: &Tenant,
) -> Result<(Header, String), CliError> {
    let limits = tenant.config.limits();
    let Order { rows, live, .. } = order;
    let preview = Preview::new(live, false, "zpa-bulk plan --full shows them all");
    let (header, text, _) = record(
        directory,
        &order.origin,
        preview,
        tenant,
        order.guards,
        |keep| run::plan(rows, live, limits, keep),
    )?;
    Ok((header, text))
}

/// Where a plan goes, item by item with the cells of its row.
pub(super) type Keep<'k> = &'k mut (dyn FnMut(&Item<'_>, &[&str]) -> Result<(), PlanError> + Send);

/// Writes what `plan` hands out into a run directory. Answers the journal's header, the plan as it is shown, and its
/// numbers.
pub(super) fn record<'s>(
    directory: &RunDirectory,
    origin: &Origin,
    mut preview: Preview<'s>,
    tenant: &Tenant,
    guards: Guards,
    plan: impl FnOnce(Keep<'_>) -> Result<Planner<'s>, PlanError>,
) -> Result<(Header, String, Totals), CliError> {
    let mut writer = PlanWriter::create(directory.path(), origin)?;
    let planner = plan(&mut |item, cells| {
        preview.add(item);
        writer.push(item, cells).map_err(PlanError::from)
    })?;
    CliError::refused_by_guards(planner.objections(guards))?;
    let estimate = estimate(&planner, tenant)?;
    let text = preview.text() + &describe(planner.totals(), estimate);
    let settings = RecordedSettings::of(tenant);
    let Sums { sha256, crc } = writer.finish()?;
    let header = Header {
        format: FORMAT,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        run: directory.name().to_string(),
        tenant: tenant.connection.customer.clone(),
        plan_sha256: sha256,
        plan_crc: Some(crc),
        settings: serde_json::to_value(settings)
            .map_err(|error| CliError::unexpected("the settings cannot be recorded", &error))?,
    };
    Ok((header, text, planner.totals()))
}

/// Asks whether the plan that was shown is to be carried out. An interrupt is a no.
pub(super) async fn agreed(mut stop: watch::Receiver<bool>, terminal: &Terminal) -> bool {
    tokio::select! {
        answer = terminal.ask("Carry it out?") => answer,
        _ = stop.wait_for(|stop| *stop) => false,
    }
}

/// Carries a run out and reports what came of it.
pub(super) async fn carry_out(
    run: Run,
    tenant: &mut Tenant,
    json: bool,
    session: &Session<'_>,
) -> Result<u8, CliError> {
    let terminal = session.terminal;
    let Run {
        directory,
        plan,
        header,
        workload,
    } = run;
    let display = Display::start(terminal, tenant.engine.progress());
    let carried = tenant.engine.carry_out(workload, &plan).await;
    drop(display);
    let (end, ledger) = carried.map_err(|error| {
        CliError::from(error).hint(format!(
            "nothing was sent that is not written down; to go on once that is mended: zpa-bulk resume {}",
            directory.path().display()
        ))
    })?;
    let tally = ledger.tally();
    // Whatever stopped it came when nothing was left to do.
    let end = if tally.finished() == tally.items {
        End::Finished
    } else {
        end
    };
    let elapsed = u64::try_from(session.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let progress = tenant.engine.progress_now();
    let summary = Summary::new(&end, &ledger, &progress, elapsed, directory.path());
    let report = report::write(directory.path(), &plan, &header, &ledger, summary);
    let report = report.map_err(|error| CliError {
        code: exit::STOPPED,
        ..CliError::from(error).hint(format!(
            "what was done is written down; once this is mended, zpa-bulk resume {} writes the results",
            directory.path().display()
        ))
    })?;
    if json {
        terminal.json(&report)?;
    } else if !terminal.is_quiet() {
        terminal.result(&described(&report))?;
    }
    finish(&end, &ledger, directory.path(), terminal)
}

/// The exit code, and what to do next.
fn finish(
    end: &End,
    ledger: &Ledger,
    directory: &Path,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    let resume = format!("zpa-bulk resume {}", directory.display());
    match of_end(end, exit::STOPPED) {
        Some(error) if *end == End::Stopped => {
            terminal.say(&format!("stopped; to go on: {resume}"));
            Ok(error.code)
        }
        Some(error) if matches!(end, End::Parked(_)) => {
            terminal.say(&error.messages.join("\n"));
            terminal.say(&format!("to go on: {resume}"));
            Ok(error.code)
        }
        Some(error) if matches!(end, End::Unreadable(..)) => {
            // Some of the run may be done, and the rest goes on once the tenant can be read again.
            let code = exit::STOPPED;
            Err(CliError { code, ..error }.hint(format!("to go on: {resume}")))
        }
        Some(error) => Err(error.hint(format!("to go on: {resume}"))),
        None if ledger.tally().failed > 0 => Ok(exit::FAILED_ITEMS),
        None => Ok(exit::SUCCESS),
    }
}

fn described(report: &Report) -> String {
    const SHOWN: usize = 10;
    let summary = &report.summary;
    let mut parts = Vec::new();
    for (count, what) in [
        (summary.created, "created"),
        (summary.updated, "updated"),
        (summary.deleted, "deleted"),
        (summary.recovered, "recovered"),
        (summary.unchanged, "unchanged"),
        (summary.spared, "spared"),
        (summary.failed, "failed"),
        (summary.unknown, "unknown"),
        (summary.waiting, "not tried yet"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let parts = if parts.is_empty() {
        "nothing to do".to_owned()
    } else {
        parts.join(", ")
    };
    let rows = counted(summary.items, "row", "rows");
    let mut text = format!("{rows}: {parts}\n");
    for row in report
        .errors
        .iter()
        .filter(|row| row.status == "failed")
        .take(SHOWN)
    {
        text.push_str(&format!(
            "  {}:{} {:?}: {}\n",
            row.file, row.row, row.name, row.error
        ));
    }
    let failed = usize::try_from(summary.failed).unwrap_or(usize::MAX);
    if failed > SHOWN {
        text.push_str(&format!("  … and {} more in errors.csv\n", failed - SHOWN));
    }
    let unavailable = match summary.unavailable {
        0 => String::new(),
        count => format!(", {count} unavailable"),
    };
    text.push_str(&format!(
        "{} read and {} in {}, {} throttled{unavailable}\nresults: {}\n",
        summary.read_calls,
        counted(summary.write_calls, "write call", "write calls"),
        rounded(Duration::from_millis(summary.elapsed_ms)),
        summary.throttled,
        summary.run_dir.display()
    ));
    text
}

/// The first Ctrl-C stops starting work; the second leaves at once.
fn watch_for_interrupt(terminal: &Terminal) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let terminal = terminal.clone();
    tokio::spawn(async move {
        if interrupted().await.is_err() {
            return;
        }
        terminal.say("stopping; what is under way lands first. Ctrl-C again leaves at once");
        sender.send_replace(true);
        if interrupted().await.is_ok() {
            std::process::exit(exit::INTERRUPTED.into());
        }
    });
    receiver
}

#[cfg(unix)]
async fn interrupted() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn interrupted() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
