//! Open runs: starting a run, and resuming one.

use std::collections::HashSet;

use jiff::Timestamp;

use super::directory::RunDirectory;
use super::error::RunError;
use super::outcomes::outcomes;
use super::plan_file::PlanFile;
use super::state::{finished_by_plan, learn};
use crate::engine::{Items as _, Workload};
use crate::item::{Event, Operation, Outcome, Status};
use crate::journal::{Header, Journal};
use crate::ledger::{Ledger, State};
use crate::plan::Backlog;
use crate::wire::Id;

/// A run that is open and can be carried out.
#[derive(Debug)]
pub struct Run {
    /// The run's directory.
    pub directory: RunDirectory,
    /// The run's plan.
    pub plan: PlanFile,
    /// The first record of the journal.
    pub header: Header,
    /// The work that is left.
    pub workload: Workload,
}

impl Run {
    /// Returns the objects that items of the run change or delete, and those that items have ended with. No create in doubt
    /// has made one of them.
    ///
    /// # Errors
    /// [`RunError`] if the plan or the journal cannot be read.
    pub fn objects_of_items(&self) -> Result<HashSet<Id>, RunError> {
        let mut ids = HashSet::new();
        for (number, entry) in self.plan.entries() {
            if matches!(entry.operation, Operation::Update | Operation::Delete) {
                let item = self.plan.load(number);
                let item = item.map_err(|source| self.directory.unreadable(source))?;
                ids.extend(item.change.id().cloned());
            }
        }
        outcomes(self.directory.path(), |outcome| ids.extend(outcome.id))?;
        Ok(ids)
    }

    /// Writes these outcomes into the journal, and returns the run with its items ended.
    ///
    /// # Errors
    /// [`RunError::Journal`] if the journal cannot be written.
    pub fn with_outcomes(
        mut self,
        outcomes: Vec<Outcome>,
        now: Timestamp,
    ) -> Result<Self, RunError> {
        if outcomes.is_empty() {
            return Ok(self);
        }
        let work = &mut self.workload;
        for outcome in &outcomes {
            work.id_remap.note(outcome);
        }
        let event = Event::Outcomes(outcomes);
        work.journal.append(&event, now)?;
        work.journal.commit()?;
        work.ledger.apply(&event);
        [work.backlog, work.deferred, work.in_doubt] = backlogs(&self.plan, &work.ledger);
        Ok(self)
    }
}

/// Starts a run with the plan in `directory`. From now on the run can be resumed.
///
/// # Errors
/// [`RunError`] if the plan or the journal cannot be written or read back. Then the run does not exist.
pub fn start(directory: RunDirectory, header: Header, now: Timestamp) -> Result<Run, RunError> {
    let (mut plan, mut journal) = match begin(&directory, &header, now) {
        Ok(begun) => begun,
        Err(error) => {
            directory.discard();
            return Err(error);
        }
    };
    let directory = directory.publish()?;
    plan.moved(directory.path());
    journal.moved(directory.path());
    let ledger = finished_by_plan(&plan);
    let workload = workload(&plan, ledger, journal, Vec::new());
    Ok(Run {
        directory,
        plan,
        header,
        workload,
    })
}

fn begin(
    directory: &RunDirectory,
    header: &Header,
    now: Timestamp,
) -> Result<(PlanFile, Journal), RunError> {
    let plan = PlanFile::open(directory.path())?;
    plan.verify(header)?;
    let journal = Journal::create(directory.path(), header, now)?;
    Ok((plan, journal))
}

/// Opens a run in order to resume it where it stopped.
///
/// # Errors
/// [`RunError::Journal`] if another process works on the run, or if its journal is damaged or has lost its end, which
/// [`repair`](super::repair()) mends. Other kinds of [`RunError`] if the plan cannot be used.
pub fn resume(directory: RunDirectory) -> Result<Run, RunError> {
    let plan = PlanFile::open(directory.path())?;
    let mut ledger = finished_by_plan(&plan);
    let mut id_remap = plan.id_remap().clone();
    let mut deleted = HashSet::new();
    let mut batch_size = None;
    let (journal, replayed) = Journal::open(directory.path(), |event| {
        if let Event::BatchSize(size) = event {
            batch_size = Some(size);
        }
        ledger.apply(&event);
        learn(&mut id_remap, &event);
        deleted.extend(deleted_by(&event));
    })?;
    plan.verify(&replayed.header)?;
    let workload = Workload {
        id_remap,
        deleted,
        batch_size,
        ..workload(&plan, ledger, journal, replayed.last_intents())
    };
    Ok(Run {
        directory,
        plan,
        header: replayed.header,
        workload,
    })
}

/// Returns the work that is left of a run.
fn workload(
    plan: &PlanFile,
    ledger: Ledger,
    journal: Journal,
    sent_before: Vec<Timestamp>,
) -> Workload {
    let [backlog, deferred, in_doubt] = backlogs(plan, &ledger);
    Workload {
        ledger,
        backlog,
        deferred,
        id_remap: plan.id_remap().clone(),
        in_doubt,
        created_by_others: HashSet::new(),
        deleted: HashSet::new(),
        batch_size: None,
        sent_before,
        journal,
    }
}

/// Returns the objects that were deleted, by this event.
fn deleted_by(event: &Event) -> impl Iterator<Item = Id> {
    let outcomes = match event {
        Event::Outcomes(outcomes) => outcomes.as_slice(),
        _ => &[],
    };
    let deleted = outcomes.iter().filter(|o| o.status == Status::Deleted);
    deleted.filter_map(|outcome| outcome.id.clone())
}

/// Returns the items that wait, those that begin when all others have ended, and the creates in doubt.
fn backlogs(plan: &PlanFile, ledger: &Ledger) -> [Backlog; 3] {
    let [mut backlog, mut deferred, mut in_doubt] = <[Backlog; 3]>::default();
    for (item, entry) in plan.entries() {
        match (ledger.state(item), entry.operation) {
            (State::Finished(_), _) => {}
            // Such an item can be looked up only once the new ids of the objects it refers to are known.
            (_, operation) if plan.is_deferred(item) => deferred.push(item, operation, entry.group),
            (State::InDoubt, Operation::Create) => {
                in_doubt.push(item, entry.operation, entry.group);
            }
            // Updates and deletes may simply be repeated.
            (State::InDoubt | State::Waiting, operation) => {
                backlog.push(item, operation, entry.group);
            }
        }
    }
    [backlog, deferred, in_doubt]
}
