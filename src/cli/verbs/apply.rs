//! `zpa-bulk apply`: plan, ask, carry out, report.

use clap::Args;

use super::context::Context;
use crate::cli::flags::{GuardArgs, ManifestArgs, WorkArgs};
use crate::cli::ui::{Watcher, conclude};
use crate::ops::{self, ApplyOptions, Connect as _, Error};

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Carry the plan out without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    guards: GuardArgs,
    #[command(flatten)]
    work: WorkArgs,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk apply links.csv                          show what would change, ask, and carry it out
  zpa-bulk apply links.csv --yes                    do not ask
  zpa-bulk apply links.csv --window 22:00-04:30     work at night only; resume continues
  zpa-bulk apply links.csv --simulate --yes         try it on a simulated tenant";

pub(crate) async fn run(args: ApplyArgs, context: Context<'_>) -> Result<u8, Error> {
    let watcher = Watcher::new(context.terminal);
    let session = context.session(&watcher);
    let runs = context.runs_dir(&args.work.runs);
    let mut connector = context
        .work_connector(&args.work)?
        .max_deletes(args.guards.max_deletes);
    let mut tenant = connector.connect(None, session.stop.clone()).await?;
    let manifests = args.manifests.with_layout(&context.file)?;
    let options = ApplyOptions {
        manifests: &manifests,
        runs: &runs,
        yes: args.yes,
    };
    let ended = ops::apply(options, &mut tenant, &session).await;
    connector.close().await;
    conclude(
        ended?,
        (args.work.json, args.work.results),
        context.terminal,
    )
}
