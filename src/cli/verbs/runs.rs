//! `zpa-bulk runs`: list all runs of a directory. Changes nothing.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::context::Context;
use super::status::Shown;
use super::watch::{self, View};
use crate::cli::flags::{JsonArg, RunsDir};
use crate::cli::ui::{Terminal, exit};
use crate::ops::Error;
use crate::run::{self, Lineage, RunDirectory, RunState};

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct RunsArgs {
    #[command(flatten)]
    runs: RunsDir,
    #[command(flatten)]
    json: JsonArg,
    /// Show them again each second; `q` leaves. Without a terminal, print a line at each change, until no process works on
    /// a run
    #[arg(long, conflicts_with = "json")]
    watch: bool,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk runs
  zpa-bulk runs --json
  zpa-bulk runs --watch";

pub(crate) async fn run(args: RunsArgs, context: Context<'_>) -> Result<u8, Error> {
    let terminal = context.terminal;
    let runs = context.runs_dir(&args.runs);
    if args.watch && !watch_runs(&runs, terminal).await? {
        return Ok(exit::SUCCESS);
    }
    let (shown, refused) = look(&runs)?;
    for (directory, error) in &refused {
        terminal.warn_of(&error.clone().of_run(&directory.name().to_string()));
    }
    if args.json.json {
        let refused: Vec<_> = refused.iter().map(refusal).collect();
        let document = json!({ "format": 1, "runs": shown, "refused": refused });
        terminal.json(&document)?;
    } else {
        terminal.result(&shown.iter().map(Shown::line).collect::<Vec<_>>())?;
        if shown.is_empty() && refused.is_empty() {
            terminal.say(&none(&runs));
        }
    }
    Ok(exit::SUCCESS)
}

/// A run that cannot be read, with the reason.
type Refused = (RunDirectory, Error);

/// Reads all runs. Returns those that cannot be read by themselves.
fn look(runs: &Path) -> Result<(Vec<Shown>, Vec<Refused>), Error> {
    let lineage = Lineage::read(runs)?;
    let (mut shown, mut refused) = (Vec::new(), Vec::new());
    for directory in run::list(runs)? {
        match RunState::read(directory.clone()) {
            Ok(run_state) => shown.push(Shown::new(&run_state, &lineage)),
            Err(error) => refused.push((directory, Error::from(error))),
        }
    }
    Ok((shown, refused))
}

fn none(runs: &Path) -> String {
    format!("there is no run in {}", runs.display())
}

fn refusal((directory, error): &Refused) -> serde_json::Value {
    json!({
        "run": directory.name().to_string(),
        "run_dir": directory.path().display().to_string(),
        "error": error.messages.join("; "),
        "hint": error.hint,
    })
}

/// Shows all runs again and again, the newest first: on a terminal until the user leaves, elsewhere until no process works
/// on one of them. Returns true if they were on a screen.
async fn watch_runs(runs: &Path, terminal: &Terminal) -> Result<bool, Error> {
    let look = || {
        let (shown, refused) = look(runs)?;
        let lines = shown.iter().map(Shown::line);
        let refused = refused.iter().map(|(directory, error)| {
            format!("{}  {}", directory.name(), error.messages.join("; "))
        });
        let lines: Vec<String> = lines.chain(refused).collect();
        let mut screen: Vec<String> = lines.iter().rev().cloned().collect();
        if lines.is_empty() {
            screen.push(none(runs));
        }
        screen.splice(0..0, ["q leaves; the runs go on".to_owned(), String::new()]);
        Ok(View {
            screen,
            lines,
            is_over: !shown.iter().any(|run| run.state == "running"),
            stays: true,
        })
    };
    watch::watch(terminal, look).await
}
