//! `zpa-bulk resume`: continue an unfinished run.

use clap::Args;

use super::context::Context;
use crate::cli::flags::{TrustArg, WorkArgs};
use crate::cli::ui::{Watcher, exit, finish};
use crate::ops::{self, Conclusion, Error};

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct ResumeArgs {
    /// Run: its directory, its name or the beginning of its name [default: the newest unfinished run]
    run: Option<String>,
    #[command(flatten)]
    trust: TrustArg,
    #[command(flatten)]
    work: WorkArgs,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk resume                                       continue the newest unfinished run
  zpa-bulk resume zpa-bulk-runs/20261122T021616.677Z-92cb
  zpa-bulk resume 20261122 --max-duration 30m           stop again after half an hour";

pub(crate) async fn run(args: ResumeArgs, context: Context<'_>) -> Result<u8, Error> {
    let watcher = Watcher::new(context.terminal);
    let session = context.session(&watcher);
    let runs = context.runs_dir(&args.work.runs);
    let mut connector = context
        .work_connector(&args.work)?
        .trusting(args.trust.trust_run);
    let resumed = ops::resume(&runs, args.run.as_deref(), &mut connector, &session).await?;
    match resumed {
        Conclusion::Ended(ended) => finish(&ended, &args.work, context.terminal),
        Conclusion::NothingLeft { failed } => {
            let terminal = context.terminal;
            terminal.say("this run is finished; nothing is left to do");
            Ok(if failed {
                exit::FAILED_ITEMS
            } else {
                exit::SUCCESS
            })
        }
    }
}
