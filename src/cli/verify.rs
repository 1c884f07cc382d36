//! `zpa-bulk verify`: whether a run did what it says. Reads only.

use serde::Serialize;
use tokio::sync::watch;

use super::args::VerifyArgs;
use super::config::Config;
use super::error::{CliError, counted, exit};
use super::plan::snapshot;
use super::recorded;
use super::select_run::named_or_newest;
use super::tenant::Tenant;
use super::terminal::Terminal;
use crate::report::path_as_shown;
use crate::report::verify::{Counted, Findings, Verification};
use crate::run::{self, RunError, RunState};

pub(super) async fn run(
    args: VerifyArgs,
    config: Config,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    recorded::refuse_simulated(&args.tenant, "verify")?;
    let runs = config.runs_dir(args.runs.runs_dir.as_deref());
    let run_state = run::run_state(named_or_newest(&runs, args.run.as_deref())?)?;
    let given = Config::of_flags(&args.tenant, &args.engine).over(config);
    recorded::refuse_other_tenant(given.customer_id.as_deref(), &run_state.header.tenant)?;
    if run_state.active {
        let message = "a process is working on this run, so it claims nothing yet";
        return Err(CliError::new(exit::JOURNAL, message).hint("verify it when it has ended"));
    }
    // Whoever reads a run looks at the CRC alone.
    run_state.plan.verify_sha256(&run_state.header)?;
    let lower = given.over(recorded::settings(&run_state.header)?);
    let unreadable = |source| run_state.unreadable(source);
    let verification = Verification::new(&run_state).map_err(RunError::from)?;
    let mut findings = Findings::default();
    let rows = verification.files(&mut findings).map_err(unreadable)?;
    let scopes = verification.scopes().map_err(unreadable)?;
    let mut confirmed = 0;
    if !scopes.is_empty() {
        let (_stop, stop) = watch::channel(false);
        let mut tenant = Tenant::connect(&args.tenant, &args.engine, lower, stop).await?;
        let scopes = scopes.into_iter().collect();
        let live = snapshot(&mut tenant, scopes, exit::UNEXPECTED).await?;
        confirmed = verification
            .claims(&live, &mut findings)
            .map_err(unreadable)?;
    }
    let document = Document::new(&run_state, rows, confirmed, findings);
    if args.json {
        terminal.json(&document)?;
    } else {
        terminal.result(&described(&document))?;
    }
    if !document.finished {
        let directory = run_state.directory.path().display();
        terminal.say(&format!("to go on: zpa-bulk resume {directory}"));
    }
    Ok(match (document.findings.is_empty(), document.finished) {
        (false, _) => exit::FAILED_ITEMS,
        (true, false) => exit::STOPPED,
        (true, true) => exit::SUCCESS,
    })
}

/// What was found out.
#[derive(Serialize)]
struct Document {
    format: u32,
    run: String,
    #[serde(serialize_with = "path_as_shown")]
    run_dir: std::path::PathBuf,
    tenant: String,
    /// Whether it has ended and everything is as it says.
    holds: bool,
    /// Whether it has ended and its results are written.
    finished: bool,
    /// How many items have ended, and how many there are.
    settled: u64,
    items: u64,
    /// What the result files hold; none while they are not written.
    rows: Option<Counted>,
    /// How many claims the tenant confirms.
    confirmed: u64,
    #[serde(flatten)]
    findings: Findings,
}

impl Document {
    fn new(
        run_state: &RunState,
        rows: Option<Counted>,
        confirmed: u64,
        findings: Findings,
    ) -> Self {
        let tally = run_state.ledger.tally();
        let finished = run_state.is_finished() && rows.is_some();
        Self {
            format: 1,
            run: run_state.directory.name().to_string(),
            run_dir: run_state.directory.path().to_owned(),
            tenant: run_state.header.tenant.clone(),
            holds: finished && findings.is_empty(),
            finished,
            settled: tally.finished(),
            items: tally.items,
            rows,
            confirmed,
            findings,
        }
    }
}

fn described(document: &Document) -> String {
    let found = &document.findings;
    let findings = found.findings.iter();
    let mut text: String = findings.map(|finding| format!("{finding}\n")).collect();
    if found.more > 0 {
        text.push_str(&format!("… and {} more\n", found.more));
    }
    if let Some(rows) = document.rows {
        text.push_str(&format!(
            "{} in; out: {} succeeded, {} failed, {} skipped, {} unknown\n",
            counted(rows.rows_in, "row", "rows"),
            rows.succeeded,
            rows.failed,
            rows.skipped,
            rows.unknown
        ));
    }
    text.push_str(&format!(
        "{} confirmed on the tenant\n",
        counted(document.confirmed, "success", "successes")
    ));
    text.push_str(match (found.is_empty(), document.finished) {
        (true, true) => "everything is as the run says\n",
        (true, false) => "what has ended is as the run says\n",
        (false, _) => "not everything is as the run says\n",
    });
    if !document.finished {
        text.push_str(&format!(
            "the run is unfinished: {} of {} items have ended\n",
            document.settled, document.items
        ));
    }
    text
}
