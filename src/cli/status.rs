//! `zpa-bulk status` and `zpa-bulk runs`: where runs stand, read without touching them.

use std::path::Path;

use serde::Serialize;

use super::args::{RunsArgs, StatusArgs};
use super::config::Config;
use super::error::{CliError, chain, exit};
use super::terminal::Terminal;
use crate::ledger::Tally;
use crate::run::{self, RunDirectory, Standing};

pub(super) fn run(args: &StatusArgs, config: &Config, terminal: &Terminal) -> Result<u8, CliError> {
    let runs = config.runs_dir(args.runs.runs_dir.as_deref());
    let standing = run::standing(named_or_newest(&runs, args.run.as_deref())?)?;
    let shown = Shown::new(&standing);
    if args.json {
        terminal.json(&shown)?;
    } else {
        terminal.result(&details(&shown))?;
    }
    Ok(exit::SETTLED)
}

/// The run of that name, or the newest one.
pub(super) fn named_or_newest(runs: &Path, name: Option<&str>) -> Result<RunDirectory, CliError> {
    if let Some(name) = name {
        return Ok(RunDirectory::find(runs, name)?);
    }
    let newest = run::list(runs)?.pop();
    newest.ok_or_else(|| CliError::usage(format!("there is no run in {}", runs.display())))
}

pub(super) fn runs(args: &RunsArgs, config: &Config, terminal: &Terminal) -> Result<u8, CliError> {
    let runs = config.runs_dir(args.runs.runs_dir.as_deref());
    let mut shown = Vec::new();
    for directory in run::list(&runs)? {
        let name = directory.name().to_string();
        match run::standing(directory) {
            Ok(standing) => shown.push(Shown::new(&standing)),
            Err(error) => terminal.warn(&format!("{name}: {}", chain(&error))),
        }
    }
    if args.json {
        terminal.json(&serde_json::json!({ "format": 1, "runs": shown }))?;
    } else {
        let lines: String = shown.iter().map(|run| format!("{}\n", line(run))).collect();
        terminal.result(&lines)?;
        if shown.is_empty() {
            terminal.say(&format!("there is no run in {}", runs.display()));
        }
    }
    Ok(exit::SETTLED)
}

#[derive(Serialize)]
struct Shown {
    run: String,
    run_dir: std::path::PathBuf,
    tenant: String,
    /// `running`, `finished` or `unfinished`.
    state: &'static str,
    last_written: String,
    #[serde(flatten)]
    tally: Tally,
}

impl Shown {
    fn new(standing: &Standing) -> Self {
        Self {
            run: standing.directory.name().to_string(),
            run_dir: standing.directory.path().to_owned(),
            tenant: standing.header.tenant.clone(),
            state: match (standing.active, standing.is_finished()) {
                (true, _) => "running",
                (false, true) => "finished",
                (false, false) => "unfinished",
            },
            last_written: format!("{:.0}", standing.last),
            tally: standing.ledger.tally(),
        }
    }
}

fn line(run: &Shown) -> String {
    let (settled, items, failed) = (run.tally.settled(), run.tally.items, run.tally.failed);
    let (name, state, tenant) = (&run.run, run.state, &run.tenant);
    format!("{name}  {state:<10}  {settled}/{items} items  {failed} failed  tenant {tenant}")
}

fn details(run: &Shown) -> String {
    let mut text = format!(
        "run      {}\nstate    {}\ntenant   {}\nwritten  {}\nin       {}\n",
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
            text.push_str(&format!("{what:<9}{count}\n"));
        }
    }
    if run.state == "unfinished" {
        text.push_str(&format!(
            "to go on: zpa-bulk resume {}\n",
            run.run_dir.display()
        ));
    }
    text
}
