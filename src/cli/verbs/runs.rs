//! `zpa-bulk runs`: list all runs of a directory. Changes nothing.

use clap::Args;
use serde_json::json;

use super::context::Context;
use super::status::Shown;
use crate::cli::flags::{JsonArg, RunsDir};
use crate::cli::ui::exit;
use crate::ops::Error;
use crate::run::{self, Lineage, RunState};

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct RunsArgs {
    #[command(flatten)]
    runs: RunsDir,
    #[command(flatten)]
    json: JsonArg,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk runs
  zpa-bulk runs --json";

pub(crate) fn run(args: &RunsArgs, context: &Context<'_>) -> Result<u8, Error> {
    let terminal = context.terminal;
    let runs = context.runs_dir(&args.runs);
    let lineage = Lineage::read(&runs)?;
    let (mut shown, mut refused) = (Vec::new(), Vec::new());
    for directory in run::list(&runs)? {
        match RunState::read(directory.clone()) {
            Ok(run_state) => shown.push(Shown::new(&run_state, &lineage)),
            Err(error) => {
                let error = Error::from(error);
                let name = directory.name().to_string();
                refused.push(json!({
                    "run": name,
                    "run_dir": directory.path().display().to_string(),
                    "error": error.messages.join("; "),
                    "hint": error.hint,
                }));
                terminal.warn_of(&error.of_run(&name));
            }
        }
    }
    if args.json.json {
        let document = json!({ "format": 1, "runs": shown, "refused": refused });
        terminal.json(&document)?;
    } else {
        let lines: Vec<String> = shown.iter().map(line).collect();
        terminal.result(&lines)?;
        if shown.is_empty() && refused.is_empty() {
            terminal.say(&format!("there is no run in {}", runs.display()));
        }
    }
    Ok(exit::SUCCESS)
}

fn line(run: &Shown) -> String {
    let (finished, items, failed) = (run.tally.finished(), run.tally.items, run.tally.failed);
    let (name, state, tenant) = (&run.run, run.state, &run.tenant);
    let mut line =
        format!("{name}  {state:<10}  {finished}/{items} items  {failed} failed  tenant {tenant}");
    for (what, other) in run.links() {
        line.push_str(&format!("  {what} {other}"));
    }
    line
}
