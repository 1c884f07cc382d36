//! The use case `verify`: compares the claims of a run with its files and with the tenant. Nothing is changed.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::{Error, ErrorKind};
use super::recorded::{believed, refuse_rehearsal, refuse_simulated};
use super::select_run::named_or_newest;
use super::session::Session;
use super::tenant::Connect;
use crate::report::path_as_shown;
use crate::report::verify::{Counted, Findings, Verification};
use crate::run::{RunError, RunState};

/// The result of a verification.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// The version of this document.
    pub format: u32,
    /// The name of the run.
    pub run: String,
    /// The run directory.
    #[serde(serialize_with = "path_as_shown")]
    pub run_dir: PathBuf,
    /// The tenant's customer id.
    pub tenant: String,
    /// True if the run has ended and every claim holds.
    pub holds: bool,
    /// True if the run has ended and its results are written.
    pub finished: bool,
    /// The number of items that have ended.
    #[serde(rename = "settled")]
    pub finished_items: u64,
    /// The number of all items.
    pub items: u64,
    /// The rows of the result files; `None` while these are not written.
    pub rows: Option<Counted>,
    /// The number of claims that the tenant confirms.
    pub confirmed: u64,
    /// Every claim that does not hold.
    #[serde(flatten)]
    pub findings: Findings,
}

/// Verifies the run of that name below `runs`, or the newest run.
///
/// # Errors
/// - [`ErrorKind::Run`] for a run that is refused, or on which a process works.
/// - The kinds of [`of_end`](super::of_end) if live state cannot be read.
pub async fn verify(
    runs: &Path,
    name: Option<&str>,
    connect: &mut dyn Connect,
    session: &Session<'_>,
) -> Result<Verified, Error> {
    refuse_simulated(connect, "verify")?;
    let run_state = RunState::read(named_or_newest(runs, name)?)?;
    let recorded = believed(connect, &run_state.directory, &run_state.header)?;
    if run_state.active {
        let message = "a process is working on this run, so its results are not final";
        return Err(Error::new(ErrorKind::Run, message).hint("verify it when it has ended"));
    }
    refuse_rehearsal(&recorded)?;
    let unreadable = |source| run_state.directory.unreadable(source);
    let verification = Verification::new(&run_state).map_err(RunError::from)?;
    let mut findings = Findings::default();
    let rows = verification.files(&mut findings).map_err(unreadable)?;
    let scopes = verification.scopes().map_err(unreadable)?;
    let mut confirmed = 0;
    if !scopes.is_empty() {
        let mut tenant = connect
            .connect(Some(&recorded), session.stop.clone())
            .await?;
        let scopes = scopes.into_iter().collect();
        let live = tenant.snapshot(scopes, ErrorKind::Unexpected).await?;
        confirmed = verification.claims(&live, &mut findings)?;
    }
    Ok(Verified::new(&run_state, rows, confirmed, findings))
}

impl Verified {
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
            finished_items: tally.finished(),
            items: tally.items,
            rows,
            confirmed,
            findings,
        }
    }
}
