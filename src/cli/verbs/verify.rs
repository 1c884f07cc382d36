//! `zpa-bulk verify`: check the claims of a run, or an evidence pack. Changes nothing.

use std::path::Path;

use clap::Args;

use super::context::Context;
use crate::cli::flags::{JsonArg, RunsDir, TenantArgs, TrustArg};
use crate::cli::ui::{Terminal, Watcher, exit};
use crate::ops::{self, Error, Verified, VerifiedPack, counted, shell_word};
use crate::report::verify::{Counted, Findings};

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// Run: its directory, its name or the beginning of its name; or the file of an evidence pack [default: the newest run]
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
  zpa-bulk verify 20261122 --json   check that run, and print the result as data
  zpa-bulk verify evidence.zip      check an evidence pack, without the tenant";

pub(crate) async fn run(args: VerifyArgs, context: Context<'_>) -> Result<u8, Error> {
    let terminal = context.terminal;
    let named = args.run.as_deref().map(Path::new);
    if let Some(pack) = named.filter(|path| is_pack(path)) {
        return verify_pack(pack, args.json.json, terminal);
    }
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
    Ok(exit_code(&verified.findings, verified.finished))
}

fn exit_code(findings: &Findings, finished: bool) -> u8 {
    match (findings.is_empty(), finished) {
        (false, _) => exit::FAILED_ITEMS,
        (true, false) => exit::STOPPED,
        (true, true) => exit::SUCCESS,
    }
}

/// Tells whether the argument names a pack. Runs are directories.
fn is_pack(path: &Path) -> bool {
    let is_zip = path.extension().is_some_and(|extension| extension == "zip");
    path.is_file() || (is_zip && !path.exists())
}

fn verify_pack(path: &Path, as_json: bool, terminal: &Terminal) -> Result<u8, Error> {
    let verified = ops::verify_pack(path)?;
    if as_json {
        terminal.json(&verified)?;
    } else {
        terminal.result(&pack_described(&verified))?;
    }
    Ok(exit_code(&verified.findings, verified.finished))
}

fn pack_described(document: &VerifiedPack) -> Vec<String> {
    let mut lines = found(&document.findings, document.rows);
    if let (Some(run), Some(tenant)) = (&document.run, &document.tenant) {
        lines.push(format!("run {run} of tenant {tenant}"));
    }
    for manifest in &document.manifests {
        let name = &manifest.name;
        let place = match (&manifest.member, &manifest.left_out) {
            (Some(member), _) => format!("it is {member}"),
            (None, reason) => {
                let reason = reason.as_deref().unwrap_or("no reason is given");
                format!("it is not in the pack: {reason}")
            }
        };
        lines.push(format!("manifest {name}: {place}"));
    }
    lines.push(format!("SHA-256 of the pack: {}", document.sha256));
    if !document.finished && !document.altered {
        lines.push("the run was not finished when it was packed".to_owned());
    }
    let verdict = if document.altered {
        "the pack was altered, or its run before it was packed"
    } else {
        "the pack is as it was written, and its parts agree; the tenant was not asked"
    };
    lines.push(verdict.to_owned());
    lines
}

/// Returns the lines about findings and rows.
fn found(findings: &Findings, rows: Option<Counted>) -> Vec<String> {
    let mut lines: Vec<String> = findings.findings.iter().map(ToString::to_string).collect();
    if findings.more > 0 {
        lines.push(format!("… and {} more", findings.more));
    }
    if let Some(rows) = rows {
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
    lines
}

fn described(document: &Verified) -> Vec<String> {
    let mut lines = found(&document.findings, document.rows);
    lines.push(format!(
        "{} confirmed on the tenant",
        counted(document.confirmed, "success", "successes")
    ));
    let verdict = match (document.findings.is_empty(), document.finished) {
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
