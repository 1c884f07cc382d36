//! `zpa-bulk status` and `zpa-bulk runs`: where runs stand, read without touching them.

use std::path::PathBuf;

use serde::Serialize;

use super::args::{RunsArgs, StatusArgs};
use super::config::Config;
use super::error::{CliError, exit};
use super::select_run;
use super::terminal::Terminal;
use crate::ledger::Tally;
use crate::report::path_as_shown;
use crate::run::{self, Lineage, RunDirectory, RunState};

pub(super) fn run(args: &StatusArgs, config: &Config, terminal: &Terminal) -> Result<u8, CliError> {
    let runs = config.runs_dir(args.runs.runs_dir.as_deref());
    let run_state = match &args.run {
        Some(name) => run::run_state(RunDirectory::find(&runs, name)?)?,
        None => select_run::newest_readable(&runs, terminal)?,
    };
    let shown = Shown::new(&run_state, &Lineage::around(&run_state.directory)?);
    if args.json {
        terminal.json(&shown)?;
    } else {
        terminal.result(&details(&shown))?;
    }
    Ok(exit::SUCCESS)
}

pub(super) fn runs(args: &RunsArgs, config: &Config, terminal: &Terminal) -> Result<u8, CliError> {
    let runs = config.runs_dir(args.runs.runs_dir.as_deref());
    let lineage = Lineage::read(&runs)?;
    let (mut shown, mut refused) = (Vec::new(), Vec::new());
    for directory in run::list(&runs)? {
        match run::run_state(directory.clone()) {
            Ok(run_state) => shown.push(Shown::new(&run_state, &lineage)),
            Err(error) => {
                let error = CliError::from(error);
                refused.push(Refused::new(&directory, &error));
                terminal.warn_of(&error.of_run(&directory.name().to_string()));
            }
        }
    }
    if args.json {
        let document = serde_json::json!({ "format": 1, "runs": shown, "refused": refused });
        terminal.json(&document)?;
    } else {
        let lines: String = shown.iter().map(|run| format!("{}\n", line(run))).collect();
        terminal.result(&lines)?;
        if shown.is_empty() && refused.is_empty() {
            terminal.say(&format!("there is no run in {}", runs.display()));
        }
    }
    Ok(exit::SUCCESS)
}

/// A run that cannot be read.
#[derive(Serialize)]
struct Refused {
    run: String,
    #[serde(serialize_with = "path_as_shown")]
    run_dir: PathBuf,
    error: String,
    hint: Option<String>,
}

impl Refused {
    fn new(directory: &RunDirectory, error: &CliError) -> Self {
        Self {
            run: directory.name().to_string(),
            run_dir: directory.path().to_owned(),
            error: error.messages.join("; "),
            hint: error.hint.clone(),
        }
    }
}

#[derive(Serialize)]
struct Shown {
    run: String,
    #[serde(serialize_with = "path_as_shown")]
    run_dir: PathBuf,
    tenant: String,
    /// `running`, `finished`, `unfinished`, or `superseded` for an unfinished run that is not gone on with.
    state: &'static str,
    /// The run whose failed rows it retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<String>,
    /// The newest run that retries its failed rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    retried_by: Option<String>,
    /// The run that it undoes.
    #[serde(skip_serializing_if = "Option::is_none")]
    undoes: Option<String>,
    /// The newest run that undoes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    undone_by: Option<String>,
    /// The runs in whose place it was started.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    supersedes: Vec<String>,
    /// The run that was started in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_by: Option<String>,
    last_written: String,
    #[serde(flatten)]
    tally: Tally,
}

impl Shown {
    fn new(run_state: &RunState, lineage: &Lineage) -> Self {
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
            tally: run_state.ledger.tally(),
            run: name,
        }
    }

    /// Its links to other runs, in words.
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

fn line(run: &Shown) -> String {
    let (settled, items, failed) = (run.tally.finished(), run.tally.items, run.tally.failed);
    let (name, state, tenant) = (&run.run, run.state, &run.tenant);
    let mut line =
        format!("{name}  {state:<10}  {settled}/{items} items  {failed} failed  tenant {tenant}");
    for (what, other) in run.links() {
        line.push_str(&format!("  {what} {other}"));
    }
    line
}

fn details(run: &Shown) -> String {
    let mut text = format!(
        "run       {}\nstate     {}\ntenant    {}\nwritten   {}\nin        {}\n",
        run.run,
        run.state,
        run.tenant,
        run.last_written,
        run.run_dir.display()
    );
    let tally = run.tally;
    for (count, what) in [
        (tally.items, "items"),
        (tally.created, "created"),
        (tally.updated, "updated"),
        (tally.deleted, "deleted"),
        (tally.recovered, "recovered"),
        (tally.unchanged, "unchanged"),
        (tally.spared, "spared"),
        (tally.failed, "failed"),
        (tally.unknown, "unknown"),
        (tally.waiting, "waiting"),
    ] {
        if count > 0 || what == "items" {
            text.push_str(&format!("{what:<10}{count}\n"));
        }
    }
    for (what, other) in run.links() {
        text.push_str(&format!("{what} {other}\n"));
    }
    if run.state == "unfinished" {
        text.push_str(&format!(
            "to go on: zpa-bulk resume {}\n",
            run.run_dir.display()
        ));
    }
    text
}
