//! Carries a run out and writes its report.

use std::path::PathBuf;

use super::error::{Error, ErrorKind};
use super::known_runs;
use super::session::Session;
use super::tenant::Tenant;
use crate::clock::{monotonic, wall};
use crate::engine::End;
use crate::ledger::Tally;
use crate::report::{self, CallNumbers, Report, RunPage, Summary, write_page};
use crate::run::Run;
use crate::text::shell_word;

/// The end of this process's work on a run. The run itself may be unfinished.
#[derive(Clone, Debug)]
pub struct RunEnd {
    /// The reason why the work ended.
    pub end: End,
    /// The numbers of its items.
    pub tally: Tally,
    /// The report as it was written.
    pub report: Report,
    /// The run directory.
    pub directory: PathBuf,
    /// The numbers of the calls that this process sent.
    pub numbers: CallNumbers,
}

/// Carries a run out and writes its report.
///
/// # Errors
/// [`ErrorKind::Stopped`] if the journal or the report cannot be written; the run can then be resumed.
/// [`ErrorKind::Unexpected`] if the plan cannot be read.
pub(super) async fn carry_out(
    run: Run,
    tenant: &mut Tenant,
    session: &Session<'_>,
) -> Result<RunEnd, Error> {
    let following = tenant
        .evidence
        .follow(&run, tenant.engine.progress(), session);
    let Run {
        directory,
        plan,
        header,
        workload,
    } = run;
    let path = directory.path();
    let display = session.observer.progress(tenant.engine.progress());
    let carried = tenant.engine.carry_out(workload, &plan).await;
    drop(display);
    following.end(&tenant.evidence, path, session).await;
    let (end, ledger) = carried.map_err(|error| {
        Error::from(error).hint(format!(
            "every call that was sent is in the journal; when this is mended, go on with: zpa-bulk resume {}",
            shell_word(path.display())
        ))
    })?;
    let tally = ledger.tally();
    // A stop may arrive when every item has ended already.
    let end = if tally.finished() == tally.items {
        End::Finished
    } else {
        end
    };
    if end == End::Finished
        && let Err(error) = known_runs::finish(&directory, &header, tenant)
    {
        // The next run finds out by itself.
        session.observer.warn_of(&error);
    }
    let progress = tenant.engine.progress_now();
    let summary = Summary::new(&end, &ledger, &progress, elapsed_ms(session), path);
    let page = RunPage {
        directory: path,
        named: path,
        plan: &plan,
        header: &header,
        ledger: &ledger,
        written: wall(),
    };
    let report = write_results(&page, summary, session)?;
    if let Some(events) = &tenant.evidence.events {
        events.summary(&report.summary, wall());
    }
    Ok(RunEnd {
        end,
        tally,
        report,
        directory: path.to_owned(),
        numbers: tenant.evidence.numbers(),
    })
}

fn elapsed_ms(session: &Session<'_>) -> u64 {
    let elapsed = monotonic().saturating_duration_since(session.started);
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// Writes the result files and the page of a run. A run without a page has ended all the same, since all of it is in the
/// other files.
fn write_results(
    run: &RunPage<'_>,
    summary: Summary,
    session: &Session<'_>,
) -> Result<Report, Error> {
    let directory = shell_word(run.directory.display());
    let report = report::write(run.directory, run.plan, run.header, run.ledger, summary);
    let report = report.map_err(|error| Error {
        kind: ErrorKind::Stopped,
        ..Error::from(error).hint(format!(
            "every outcome is in the journal; when this is mended, zpa-bulk resume {directory} writes the results"
        ))
    })?;
    if let Err(error) = write_page(run) {
        let hint = format!("zpa-bulk report {directory} writes it");
        session.observer.warn_of(&Error::from(error).hint(hint));
    }
    Ok(report)
}
