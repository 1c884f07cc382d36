//! `zpa-bulk retry`: carry out the failed rows of a run in a new run.

use clap::Args;

use super::context::Context;
use crate::cli::flags::{GuardArgs, TrustArg, WorkArgs};
use crate::cli::ui::{Watcher, exit, finish};
use crate::ops::{self, Error};

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct RetryArgs {
    /// Run: its directory, its name or the beginning of its name [default: the newest run with failures that no other
    /// run has retried]
    run: Option<String>,
    /// Carry the plan out without asking
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
  zpa-bulk retry                      retry the failed rows of the newest run with failures
  zpa-bulk retry 20261122 --yes       retry the failed rows of that run, without a question";

pub(crate) async fn run(args: RetryArgs, context: Context<'_>) -> Result<u8, Error> {
    let watcher = Watcher::new(context.terminal);
    let session = context.session(&watcher);
    let runs = context.runs_dir(&args.work.runs);
    let mut connector = context
        .work_connector(&args.work)?
        .trusting(args.trust.trust_run)
        .max_deletes(args.guards.max_deletes);
    let name = args.run.as_deref();
    let retried = ops::retry(&runs, name, args.yes, &mut connector, &session).await?;
    let Some(ended) = retried else {
        let message = "nothing failed in this run; nothing is left to do";
        context.terminal.say(message);
        return Ok(exit::SUCCESS);
    };
    finish(&ended, &args.work, context.terminal)
}
