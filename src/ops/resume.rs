//! The use case `resume`: goes on with an unfinished run.

use std::collections::BTreeSet;
use std::path::Path;

use super::carry_out::{RunEnd, carry_out};
use super::error::{Error, ErrorKind};
use super::other_runs::OtherRuns;
use super::recorded::{believed, refuse_rehearsal, refuse_simulated};
use super::select_run::{is_reported, newest_unfinished};
use super::session::Session;
use super::tenant::{Connect, Tenant};
use super::{known_runs, lock};
use crate::clock::wall;
use crate::item::{Item, Operation};
use crate::journal;
use crate::ledger::State;
use crate::plan::LiveCheck;
use crate::run::{self, Run, RunDirectory, RunError, RunState};
use crate::text::shell_word;

/// The result of a use case that may find nothing to do.
#[derive(Debug)]
pub enum Conclusion {
    /// Nothing was left to do.
    NothingLeft {
        /// True if items of the run have failed.
        failed: bool,
    },
    /// A run was carried out.
    Ended(Box<RunEnd>),
}

/// Resumes the run of that name below `runs`, or the newest unfinished one.
///
/// # Errors
/// - [`ErrorKind::Run`] for a run that is refused.
/// - [`ErrorKind::Usage`] if there is no such run, or another run has replaced it.
/// - [`ErrorKind::Stopped`] if the run has to be resumed once more.
pub async fn resume(
    runs: &Path,
    name: Option<&str>,
    connect: &mut dyn Connect,
    session: &Session<'_>,
) -> Result<Conclusion, Error> {
    refuse_simulated(connect, "resume")?;
    let directory = match name {
        Some(name) => RunDirectory::find(runs, name)?,
        None => newest_unfinished(runs, session.observer)?.directory,
    };
    let its_runs = directory.runs_dir().to_owned();
    // Before anything is written there.
    let header = journal::read_header(directory.path()).map_err(RunError::from)?;
    let recorded = believed(connect, &directory, &header)?;
    let run_state = RunState::read(directory.clone())?;
    if run_state.is_finished() && is_reported(&run_state) {
        let failed = run_state.ledger.tally().missed() > 0;
        return Ok(Conclusion::NothingLeft { failed });
    }
    refuse_rehearsal(&recorded)?;
    let mut tenant = connect
        .connect(Some(&recorded), session.stop.clone())
        .await?;
    let lock = lock::acquire(tenant.table()?, session).await?;
    let others = OtherRuns::find(&its_runs, &tenant, session)?;
    let run_state = RunState::read(directory)?;
    refuse_superseded(&run_state, &others)?;
    if run_state.lost {
        session.observer.warn(
            "the end of the journal is lost, and it may have named calls that were sent: every row without an outcome \
             is looked up first",
        );
        run::repair(&run_state.directory, wall())?;
    }
    let run = run::resume(run_state.directory)?;
    let others = others.without(&run);
    others.refuse_shared_in(&run)?;
    known_runs::join(&run, &[], &mut tenant)?;
    // The run's own lock is held by now, and other processes see it.
    drop(lock);
    others.wait_for_conflicts(&run, &tenant, session).await?;
    let run = without_forestalled(run, &mut tenant).await?;
    let ended = Box::pin(carry_out(run, &mut tenant, session)).await?;
    Ok(Conclusion::Ended(Box::new(ended)))
}

/// Refuses an unfinished run that another run has replaced. The other run may have carried out its rows by now.
fn refuse_superseded(run: &RunState, others: &OtherRuns) -> Result<(), Error> {
    let name = run.directory.name().to_string();
    match others.replaced_by(&name) {
        Some(other) if !run.is_finished() => {
            let message = format!("{other} was started in the place of this run");
            let other = shell_word(other);
            Err(Error::usage(message).hint(format!(
                "zpa-bulk status {other} shows the state of the other run; to finish the rows of this one, apply its \
                 manifest again"
            )))
        }
        _ => Ok(()),
    }
}

/// Ends the creates of a run whose objects have appeared since it was planned. Another run of the same rows, a person,
/// or a copy of this run may have created them.
async fn without_forestalled(mut run: Run, tenant: &mut Tenant) -> Result<Run, Error> {
    const CREATES: [Operation; 1] = [Operation::Create];
    let mut scopes = BTreeSet::new();
    let note = |item: &Item<'_>| {
        scopes.insert(item.scope());
    };
    run.plan.each_open(&run.workload.ledger, &CREATES, note)?;
    if scopes.is_empty() {
        return Ok(run);
    }
    run.workload.created_by_others = known_runs::owned_by_others(&[&run.directory], tenant)?;
    let of_other_items = run.objects_of_items()?;
    run.workload.created_by_others.extend(of_other_items);
    let live = tenant
        .snapshot(scopes.into_iter().collect(), ErrorKind::Stopped)
        .await?;
    let live_check = LiveCheck::new(&live);
    let mut finished = Vec::new();
    let end = |item: &Item<'_>| {
        let mut item = item.to_owned_item();
        let waits = run.workload.ledger.state(item.item) == State::Waiting;
        // An item whose referenced object has not been created again cannot exist yet.
        if waits && run.workload.id_remap.rename(&mut item).is_ok() {
            finished.extend(live_check.forestalled(&item));
        }
    };
    run.plan.each_open(&run.workload.ledger, &CREATES, end)?;
    Ok(run.with_outcomes(finished, wall())?)
}
