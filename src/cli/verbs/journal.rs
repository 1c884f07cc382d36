//! `zpa-bulk journal repair`: show the part of a damaged journal that would be cut off, ask, and cut it off.

use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::context::Context;
use crate::cli::flags::{JsonArg, RunsDir};
use crate::cli::ui::{Terminal, exit};
use crate::clock::wall;
use crate::journal::Cut;
use crate::ops::{Error, counted, shell_word};
use crate::report::path_as_shown;
use crate::run::{self, Finding, Repaired, RunDirectory};

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct JournalArgs {
    #[command(subcommand)]
    verb: JournalVerb,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk journal repair              repair the newest run whose journal is damaged
  zpa-bulk journal repair 20261122     repair the run whose name begins with this text";

#[derive(Debug, Subcommand)]
enum JournalVerb {
    /// Show the damage of a journal that is refused, ask, and cut the damage off
    #[command(before_help = EXAMPLES, after_help = AFTER_REPAIR)]
    Repair(RepairArgs),
}

const AFTER_REPAIR: &str = "\
Everything from the first damaged line on is cut off, and kept in journal.cut-N.jsonl beside the journal. Outcomes \
before that line stay. The lines that are cut may have named calls that were sent. So every row without an outcome \
counts as unknown from then on: zpa-bulk resume looks for it on the tenant first, and nothing is created twice.

Nothing is sent, and without --yes or a terminal nothing is changed. A journal whose last line was cut off by a crash \
needs no repair.";

#[derive(Debug, Args)]
struct RepairArgs {
    /// Run: its directory, its name or the beginning of its name [default: the newest run whose journal is damaged]
    run: Option<String>,
    /// Cut the damage off without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    runs: RunsDir,
    #[command(flatten)]
    json: JsonArg,
}

pub(crate) async fn run(args: JournalArgs, context: Context<'_>) -> Result<u8, Error> {
    match args.verb {
        JournalVerb::Repair(args) => repair(args, &context).await,
    }
}

async fn repair(args: RepairArgs, context: &Context<'_>) -> Result<u8, Error> {
    let terminal = context.terminal;
    let runs = context.runs_dir(&args.runs);
    let found = match &args.run {
        Some(text) => {
            let directory = RunDirectory::find(&runs, text)?;
            run::examine(&directory)?.map(|finding| (directory, finding))
        }
        None => newest_damaged(&runs, terminal)?,
    };
    let Some((directory, finding)) = found else {
        terminal.say("there is nothing to repair");
        return Ok(exit::SUCCESS);
    };
    if !args.json.json {
        terminal.result(&described(&directory, &finding))?;
    }
    let repaired = if args.yes || terminal.ask("Cut it off?").await {
        run::repair(&directory, wall())?
    } else {
        None
    };
    if args.json.json {
        terminal.json(&Shown::new(&directory, &finding, repaired.as_ref()))?;
    }
    let Some(repaired) = repaired else {
        return Err(
            Error::usage("nothing was changed").hint("--yes cuts the damage off without asking")
        );
    };
    if let Some(aside) = &repaired.aside {
        terminal.say(&format!(
            "the lines that were cut are kept in {}",
            aside.display()
        ));
    }
    terminal.say(&format!(
        "repaired; to go on: zpa-bulk resume {}",
        shell_word(directory.path().display())
    ));
    Ok(exit::SUCCESS)
}

fn newest_damaged(
    runs: &Path,
    terminal: &Terminal,
) -> Result<Option<(RunDirectory, Finding)>, Error> {
    for directory in run::list(runs)?.into_iter().rev() {
        match run::examine(&directory) {
            Ok(None) => {}
            Ok(Some(finding)) => return Ok(Some((directory, finding))),
            Err(error) => {
                terminal.warn_of(&Error::from(error).of_run(&directory.name().to_string()));
            }
        }
    }
    Ok(None)
}

fn described(directory: &RunDirectory, finding: &Finding) -> Vec<String> {
    let Finding {
        cut,
        items,
        settled: finished,
    } = finding;
    let path = directory.path().join(crate::journal::FILE_NAME);
    let path = path.display();
    let to_cut = match cut.lines {
        0 => "to cut:  nothing; records that were on disk are missing at the end".to_owned(),
        _ => format!(
            "to cut:  {} from line {} on, {}: {}",
            counted(cut.lines, "line", "lines"),
            cut.line,
            counted(cut.bytes, "byte", "bytes"),
            contents(cut)
        ),
    };
    let open = counted(items - finished, "row has", "rows have");
    let open = match items - finished {
        0 => "these lines have an outcome for every row: nothing is left to send".to_owned(),
        _ => format!(
            "{open} no outcome in these lines, and calls may have been sent for them: zpa-bulk resume looks for them \
             on the tenant first, and sends only those that are not there"
        ),
    };
    vec![
        format!("{path}: line {} is damaged: {}", cut.line, cut.damage),
        to_cut,
        format!(
            "to keep: lines 1 to {}, with the outcomes of {finished} of {}",
            cut.line - 1,
            counted(*items, "row", "rows")
        ),
        open,
    ]
}

/// Returns the contents of the lines that are cut, in words.
fn contents(cut: &Cut) -> String {
    let mut parts = Vec::new();
    for (count, one, more) in [
        (cut.outcomes, "outcome of a row", "outcomes of rows"),
        (cut.intents, "row about to be sent", "rows about to be sent"),
        (cut.unreadable, "line not readable", "lines not readable"),
    ] {
        if count > 0 {
            parts.push(counted(count, one, more));
        }
    }
    if parts.is_empty() {
        return "about no row".to_owned();
    }
    parts.join(", ")
}

/// The finding as a JSON document.
#[derive(Serialize)]
struct Shown<'a> {
    format: u32,
    run: String,
    #[serde(serialize_with = "path_as_shown")]
    run_dir: &'a Path,
    /// The number of the first damaged line, from 1.
    line: u64,
    damage: String,
    cut_lines: u64,
    cut_bytes: u64,
    unreadable_lines: u64,
    lost_intents: u64,
    lost_outcomes: u64,
    items: u64,
    #[serde(rename = "settled")]
    finished: u64,
    repaired: bool,
    kept_in: Option<String>,
}

impl<'a> Shown<'a> {
    fn new(directory: &'a RunDirectory, finding: &Finding, repaired: Option<&'a Repaired>) -> Self {
        let cut = &finding.cut;
        let aside = repaired.and_then(|repaired| repaired.aside.as_ref());
        Self {
            format: 1,
            run: directory.name().to_string(),
            run_dir: directory.path(),
            line: cut.line,
            damage: cut.damage.to_string(),
            cut_lines: cut.lines,
            cut_bytes: cut.bytes,
            unreadable_lines: cut.unreadable,
            lost_intents: cut.intents,
            lost_outcomes: cut.outcomes,
            items: finding.items,
            finished: finding.settled,
            repaired: repaired.is_some(),
            kept_in: aside.map(|path| path.display().to_string()),
        }
    }
}
