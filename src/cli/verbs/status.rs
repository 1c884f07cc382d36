//! `zpa-bulk status`: show the state of one run. Changes nothing.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::watch::{self, Speed, View};
use crate::cli::flags::{JsonArg, RunsDir};
use crate::cli::settings::share;
use crate::cli::ui::{Terminal, Watcher, exit, shared_quota};
use crate::clock::{monotonic, wall};
use crate::coordination::Now;
use crate::ledger::Tally;
use crate::ops::{Error, Sharing, select_run, shell_word};
use crate::pacer::Learned;
use crate::report::path_as_shown;
use crate::run::{Lineage, RunDirectory, RunState};

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct StatusArgs {
    /// Run: its directory, its name or the beginning of its name [default: the newest run]
    run: Option<String>,
    #[command(flatten)]
    runs: RunsDir,
    #[command(flatten)]
    json: JsonArg,
    /// Show it again each second while a process carries the run out; `q` leaves. Without a terminal, print a line at each
    /// change
    #[arg(long, conflicts_with = "json")]
    watch: bool,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk status              show the newest run
  zpa-bulk status 20261122     show the run whose name begins with this text
  zpa-bulk status --watch      watch it until it has ended";

pub(crate) async fn run(args: StatusArgs, context: Context<'_>) -> Result<u8, Error> {
    let terminal = context.terminal;
    let runs = context.runs_dir(&args.runs);
    let mut run_state = match &args.run {
        Some(name) => RunState::read(RunDirectory::find(&runs, name)?)?,
        None => select_run::newest_readable(&runs, &Watcher::new(terminal))?,
    };
    if args.watch {
        let directory = run_state.directory.clone();
        if !watch_run(&directory, terminal).await? {
            return Ok(exit::SUCCESS);
        }
        run_state = RunState::read(directory)?;
    }
    let mut shown = Shown::new(&run_state, &Lineage::around(&run_state.directory)?);
    if run_state.active {
        shown.shared_quotas = shared_quotas(&shown.tenant);
    }
    if args.json.json {
        terminal.json(&shown)?;
    } else {
        terminal.result(&details(&shown))?;
    }
    Ok(exit::SUCCESS)
}

/// Shows a run again and again, until no process works on it. Returns true if it was on a screen.
async fn watch_run(directory: &RunDirectory, terminal: &Terminal) -> Result<bool, Error> {
    let mut speed = Speed::default();
    let look = || {
        let run = RunState::read(directory.clone())?;
        let shown = Shown::new(&run, &Lineage::around(directory)?);
        speed.record(shown.tally.finished(), monotonic());
        Ok(View {
            screen: screen(&run, &shown, &speed),
            lines: vec![shown.line()],
            is_over: !run.active,
            stays: false,
        })
    };
    watch::watch(terminal, look).await
}

/// The columns of the bar of a run that is watched.
const BAR: u64 = 60;

fn screen(run: &RunState, shown: &Shown, speed: &Speed) -> Vec<String> {
    let (finished, items) = (shown.tally.finished(), shown.tally.items);
    let mut parts = vec![
        format!("{finished}/{items} items"),
        format!("{} failed", shown.tally.failed),
    ];
    parts.extend(watch::left_in_words(speed, items - finished));
    let mut lines = vec![
        format!(
            "run {}  {}  tenant {}",
            shown.run, shown.state, shown.tenant
        ),
        watch::bar(finished, items, BAR),
        parts.join("  "),
        watch::quota_use(run, wall()).join("  "),
        format!("last written {}", shown.last_written),
    ];
    let failures = watch::failures(run);
    if !failures.is_empty() {
        lines.extend([String::new(), "last failures:".to_owned()]);
        lines.extend(failures);
    }
    lines.extend([String::new(), "q leaves; the run goes on".to_owned()]);
    lines
}

/// The state of a run, as text and JSON show it.
#[derive(Serialize)]
pub(super) struct Shown {
    pub(super) run: String,
    #[serde(serialize_with = "path_as_shown")]
    run_dir: PathBuf,
    pub(super) tenant: String,
    /// `running`, `finished`, `unfinished`, or `superseded` for an unfinished run that another run has replaced.
    pub(super) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<String>,
    /// The newest run that retries the failed rows of this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    retried_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undoes: Option<String>,
    /// The newest run that undoes this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    undone_by: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    supersedes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_by: Option<String>,
    last_written: String,
    /// The quotas of which another program uses a part, while the run works.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shared_quotas: Vec<String>,
    #[serde(flatten)]
    pub(super) tally: Tally,
}

impl Shown {
    pub(super) fn new(run_state: &RunState, lineage: &Lineage) -> Self {
        let name = run_state.directory.name().to_string();
        let superseded_by = lineage.superseded_by(&name);
        let origin = run_state.plan.origin();
        Self {
            run_dir: run_state.directory.path().to_owned(),
            tenant: run_state.header.tenant.clone(),
            state: match (
                run_state.active,
                run_state.is_finished() && select_run::is_reported(run_state),
                superseded_by,
            ) {
                (true, _, _) => "running",
                (false, true, _) => "finished",
                (false, false, Some(_)) => "superseded",
                (false, false, None) => "unfinished",
            },
            retries: origin.retries.clone(),
            retried_by: lineage.retried_by(&name).map(str::to_owned),
            undoes: origin.undoes.clone(),
            undone_by: lineage.undone_by(&name).map(str::to_owned),
            supersedes: origin.supersedes.clone(),
            superseded_by: superseded_by.map(str::to_owned),
            last_written: format!("{:.0}", run_state.last),
            shared_quotas: Vec::new(),
            tally: run_state.ledger.tally(),
            run: name,
        }
    }

    /// Returns the run in one line.
    pub(super) fn line(&self) -> String {
        let (finished, items, failed) =
            (self.tally.finished(), self.tally.items, self.tally.failed);
        let (name, state, tenant) = (&self.run, self.state, &self.tenant);
        let mut line = format!(
            "{name}  {state:<10}  {finished}/{items} items  {failed} failed  tenant {tenant}"
        );
        if self.tally.stale > 0 {
            line.push_str(&format!("  {} stale", self.tally.stale));
        }
        for (what, other) in self.links() {
            line.push_str(&format!("  {what} {other}"));
        }
        line
    }

    /// Returns the links to other runs: a word for the link, and the name of the other run.
    fn links(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let links = [
            ("retries", self.retries.as_deref()),
            ("retried by", self.retried_by.as_deref()),
            ("undoes", self.undoes.as_deref()),
            ("undone by", self.undone_by.as_deref()),
            ("replaced by", self.superseded_by.as_deref()),
        ];
        let replaced = self.supersedes.iter().map(|run| ("replaces", run.as_str()));
        let links = links.into_iter();
        links
            .filter_map(|(what, run)| Some((what, run?)))
            .chain(replaced)
    }
}

/// Tells of which quotas of the tenant another program uses a part, as far as runs have found out lately.
fn shared_quotas(tenant: &str) -> Vec<String> {
    let Sharing::Table(table) = share(tenant) else {
        return Vec::new();
    };
    let facts = table.learned(Now::read()).unwrap_or_default().into_iter();
    let told = facts.filter_map(|fact| match fact.learned {
        Learned::Limit(class, room) => Some(shared_quota(class, room)),
        Learned::Scope(_) | Learned::Shape(..) => None,
    });
    told.collect()
}

fn details(run: &Shown) -> Vec<String> {
    let mut lines = vec![
        format!("run       {}", run.run),
        format!("state     {}", run.state),
        format!("tenant    {}", run.tenant),
        format!("written   {}", run.last_written),
        format!("in        {}", run.run_dir.display()),
        format!("{:<10}{}", "items", run.tally.items),
    ];
    for (count, state) in run.tally.states().into_iter().filter(|(n, _)| *n > 0) {
        lines.push(format!("{state:<10}{count}"));
    }
    lines.extend(run.links().map(|(what, other)| format!("{what} {other}")));
    lines.extend(run.shared_quotas.iter().cloned());
    if run.state == "unfinished" {
        let directory = shell_word(run.run_dir.display());
        lines.push(format!("to go on: zpa-bulk resume {directory}"));
    }
    lines
}
