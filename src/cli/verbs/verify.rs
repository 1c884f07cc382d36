//! `zpa-bulk verify`: check the claims of a run. Changes nothing.

use clap::Args;

use super::context::Context;
use crate::cli::flags::{JsonArg, RunsDir, TenantArgs, TrustArg};
use crate::cli::ui::{Watcher, exit};
use crate::ops::{self, Error, Verified, counted, shell_word};

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// Run: its directory, its name or the beginning of its name [default: the newest run]
    run: Option<String>,
    #[command(flatten)]
    runs: RunsDir,
    #[command(flatten)]
    json: JsonArg,
    #[command(flatten)]
    trust: TrustArg,
    #[command(flatten)]
    tenant: TenantArgs,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk verify                   check the newest run
  zpa-bulk verify 20261122 --json   check that run, and print the result as data";

pub(crate) async fn run(args: VerifyArgs, context: Context<'_>) -> Result<u8, Error> {
    let terminal = context.terminal;
    let watcher = Watcher::new(terminal);
    let session = context.reading(&watcher);
    let runs = context.runs_dir(&args.runs);
    let mut connector = context
        .connector(&args.tenant)
        .sealing()
        .trusting(args.trust.trust_run);
    let verified = ops::verify(&runs, args.run.as_deref(), &mut connector, &session).await?;
    if args.json.json {
        terminal.json(&verified)?;
    } else {
        terminal.result(&described(&verified))?;
    }
    if !verified.finished {
        let directory = shell_word(verified.run_dir.display());
        terminal.say(&format!("to go on: zpa-bulk resume {directory}"));
    }
    Ok(match (verified.findings.is_empty(), verified.finished) {
        (false, _) => exit::FAILED_ITEMS,
        (true, false) => exit::STOPPED,
        (true, true) => exit::SUCCESS,
    })
}

fn described(document: &Verified) -> Vec<String> {
    let found = &document.findings;
    let mut lines: Vec<String> = found.findings.iter().map(ToString::to_string).collect();
    if found.more > 0 {
        lines.push(format!("… and {} more", found.more));
    }
    if let Some(rows) = document.rows {
        let stale = match rows.stale {
            0 => String::new(),
            stale => format!(" {stale} stale,"),
        };
        lines.push(format!(
            "{} in; out: {} succeeded, {} failed,{stale} {} skipped, {} unknown",
            counted(rows.rows_in, "row", "rows"),
            rows.succeeded,
            rows.failed,
            rows.skipped,
            rows.unknown
        ));
    }
    lines.push(format!(
        "{} confirmed on the tenant",
        counted(document.confirmed, "success", "successes")
    ));
    let verdict = match (found.is_empty(), document.finished) {
        (true, true) => "everything is as the run says",
        (true, false) => "all rows that have ended are as the run says",
        (false, _) => "not everything is as the run says",
    };
    lines.push(verdict.to_owned());
    if !document.finished {
        lines.push(format!(
            "the run is unfinished: {} of {} items have ended",
            document.finished_items, document.items
        ));
    }
    lines
}
