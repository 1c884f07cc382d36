//! `zpa-bulk undo`: take back the changes of a run.

use clap::Args;

use super::context::Context;
use crate::cli::flags::{GuardArgs, TrustArg, WorkArgs};
use crate::cli::ui::{Watcher, conclude};
use crate::ops::{self, Error, UndoOptions};

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct UndoArgs {
    /// Run: its directory, its name or the beginning of its name
    run: String,
    /// Show every row, however many there are
    #[arg(long)]
    full: bool,
    /// Carry the undo out without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    guards: GuardArgs,
    #[command(flatten)]
    trust: TrustArg,
    #[command(flatten)]
    work: WorkArgs,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk undo 20261122T021616          show what would change, ask, and carry it out
  zpa-bulk undo 20261122T021616 --full   show every row";

pub(crate) async fn run(args: UndoArgs, context: Context<'_>) -> Result<u8, Error> {
    let watcher = Watcher::new(context.terminal).hint_of_full("--full shows them all");
    let session = context.session(&watcher);
    let runs = context.runs_dir(&args.work.runs);
    let mut connector = context
        .work_connector(&args.work)?
        .trusting(args.trust.trust_run)
        .max_deletes(args.guards.max_deletes);
    let options = UndoOptions {
        runs: &runs,
        name: &args.run,
        full: args.full,
        yes: args.yes,
    };
    let ended = ops::undo(options, &mut connector, &session).await?;
    conclude(ended, &args.work, context.terminal)
}
