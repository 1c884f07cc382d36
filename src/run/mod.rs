//! A run: its directory, its plan, and its state from start to end.
//!
//! # The run directory
//!
//! `<runs>/<run id>/`, private to its owner (0700, files 0600):
//!
//! | File | What is in it |
//! |---|---|
//! | `plan.jsonl` | one line for the manifests and their columns, then one line a row: the item and the row's cells |
//! | `journal.jsonl`, `journal.synced` | intents and outcomes, and how much of them is on disk; see [`journal`] |
//! | `journal.cut-N.jsonl` | records that [`repair`] cut off the journal |
//! | `lock` | held by the process that works on the run |
//! | `success.csv`, `errors.csv`, `skipped.csv`, `report.json` | the results; see [`report`](crate::report) |
//!
//! The directory gets its name only when the plan and the first journal record are on disk. To resume the run, nothing
//! else is needed.

pub(crate) mod digest;
mod directory;
mod effects;
mod lineage;
mod plan_entry;
mod plan_file;
mod planning;
mod planning_lock;
mod recorded_settings;
mod repair;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub use self::directory::{RunDirectory, RunName, list};
pub use self::effects::RunEffects;
pub use self::lineage::Lineage;
pub use self::plan_file::{Origin, PlanFile, PlanLine, PlanWriter};
pub use self::planning::{Checked, PlanError, check, check_named, plan};
pub use self::planning_lock::{Busy, PlanningLock};
pub use self::recorded_settings::RecordedSettings;
pub use self::repair::{Finding, Repaired, examine, repair};
use crate::engine::{IdRemap, Items as _, Workload};
use crate::item::{Event, Item, ItemNumber, Operation, Outcome, Status};
use crate::journal::{self, Header, Journal, JournalEnd, JournalError};
use crate::ledger::{Ledger, State};
use crate::plan::Backlog;
use crate::wire::Id;

/// The reason why a run cannot be started, read or resumed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal is refused.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file of the run cannot be read or written.
    #[error("{}: {doing}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// A short sentence that says what cannot be done.
        doing: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The plan is missing, or it cannot be read.
    #[error("{}", journal::unreadable("plan", path, source.as_ref()))]
    Unreadable {
        /// The plan.
        path: PathBuf,
        /// The system's reason; `None` if the file is missing.
        #[source]
        source: Option<io::Error>,
    },
    /// The journal was written for another plan.
    #[error("{}: the plan is not the one that the journal was written for", path.display())]
    PlanChanged {
        /// The plan.
        path: PathBuf,
    },
    /// A line of the plan is damaged.
    #[error("{}:{line}: this is not a line of a plan", path.display())]
    PlanDamaged {
        /// The plan.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// There is no such run.
    #[error("there is no run {0:?}")]
    Unknown(String),
    /// Several runs have names that begin with the given text.
    #[error("{text:?} is the beginning of {count} runs: {first}, …")]
    Ambiguous {
        /// The given text.
        text: String,
        /// The number of runs.
        count: usize,
        /// The name of the first run.
        first: String,
    },
}

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
    /// Visits the items that have not ended and whose operation is one of `operations`.
    ///
    /// # Errors
    /// [`RunError::Io`] if the plan cannot be read.
    pub fn each_open(
        &self,
        operations: &[Operation],
        visit: impl FnMut(&Item<'_>),
    ) -> Result<(), RunError> {
        let visited = each_open(&self.plan, &self.workload.ledger, operations, visit);
        visited.map_err(|source| self.directory.unreadable(source))
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
        let Workload {
            mut ledger,
            mut journal,
            sent_before,
            mut id_remap,
            created_by_others,
            batch_size,
            ..
        } = self.workload;
        for outcome in &outcomes {
            id_remap.note(outcome);
        }
        let event = Event::Outcomes(outcomes);
        journal.append(&event, now)?;
        journal.commit()?;
        ledger.apply(&event);
        self.workload = Workload {
            id_remap,
            created_by_others,
            batch_size,
            ..workload(&self.plan, ledger, journal, sent_before)
        };
        Ok(self)
    }
}

/// The state of a run, read without changing it.
#[derive(Debug)]
pub struct RunState {
    /// The run's directory.
    pub directory: RunDirectory,
    /// The run's plan.
    pub plan: PlanFile,
    /// The first record of the journal.
    pub header: Header,
    /// The state of every item. If the end of the journal was lost, all items without outcome are in doubt.
    pub ledger: Ledger,
    /// The new ids of objects that were deleted and created again.
    pub id_remap: IdRemap,
    /// The end of the journal.
    pub journal_end: JournalEnd,
    /// True if the last line of the journal is not whole.
    pub torn: bool,
    /// The times of the last writes, oldest first: as many as a quota may count.
    pub sent: Vec<Timestamp>,
    /// The time of the last record in the journal.
    pub last: Timestamp,
    /// True while a process works on the run.
    pub active: bool,
    /// True if the end of the journal was lost. Such a run must be repaired before it is resumed.
    pub lost: bool,
}

impl RunState {
    /// Reads the state of the run in `directory`.
    ///
    /// # Errors
    /// [`RunError::Journal`] if the journal is damaged or cannot be read; [`RunError::Unreadable`],
    /// [`RunError::PlanChanged`] or [`RunError::PlanDamaged`] if the plan cannot be used.
    pub fn read(directory: RunDirectory) -> Result<Self, RunError> {
        let active = journal::is_locked(directory.path());
        let plan = PlanFile::open(directory.path())?;
        let mut ledger = finished_by_plan(&plan);
        let mut id_remap = plan.id_remap().clone();
        let replayed = journal::replay(directory.path(), |event| {
            ledger.apply(&event);
            learn(&mut id_remap, &event);
        })?;
        plan.verify(&replayed.header)?;
        if replayed.lost {
            doubt_undecided(&mut ledger);
        }
        Ok(Self {
            directory,
            plan,
            id_remap,
            sent: replayed.last_intents(),
            last: replayed.last(),
            journal_end: replayed.journal_end(),
            torn: replayed.torn,
            lost: replayed.lost,
            header: replayed.header,
            ledger,
            active,
        })
    }

    /// Tells whether every item has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let tally = self.ledger.tally();
        tally.finished() == tally.items
    }

    /// Returns the items for which `wanted` returns true.
    ///
    /// # Errors
    /// [`RunError::Io`] if the plan cannot be read.
    pub fn items(
        &self,
        wanted: impl Fn(ItemNumber, State) -> bool,
    ) -> Result<Vec<Item<'static>>, RunError> {
        let numbers = 0..self.plan.len();
        let numbers = numbers.filter(|number| wanted(*number, self.ledger.state(*number)));
        let load = |number| {
            self.plan
                .load(number)
                .map_err(|source| self.unreadable(source))
        };
        numbers.map(load).collect()
    }

    /// Visits the items that have not ended and whose operation is one of `operations`.
    ///
    /// # Errors
    /// [`RunError::Io`] if the plan cannot be read.
    pub fn each_open(
        &self,
        operations: &[Operation],
        visit: impl FnMut(&Item<'_>),
    ) -> Result<(), RunError> {
        let visited = each_open(&self.plan, &self.ledger, operations, visit);
        visited.map_err(|source| self.unreadable(source))
    }

    /// Returns the error for a file of this run that cannot be read.
    #[must_use]
    pub fn unreadable(&self, source: io::Error) -> RunError {
        self.directory.unreadable(source)
    }
}

fn each_open(
    plan: &PlanFile,
    ledger: &Ledger,
    operations: &[Operation],
    mut visit: impl FnMut(&Item<'_>),
) -> io::Result<()> {
    for (number, entry) in plan.entries() {
        if operations.contains(&entry.operation)
            && !matches!(ledger.state(number), State::Finished(_))
        {
            visit(&plan.load(number)?);
        }
    }
    Ok(())
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
/// [`repair`] mends. Other kinds of [`RunError`] if the plan cannot be used.
pub fn resume(directory: RunDirectory) -> Result<Run, RunError> {
    let plan = PlanFile::open(directory.path())?;
    let mut ledger = finished_by_plan(&plan);
    let mut id_remap = plan.id_remap().clone();
    let mut batch_size = None;
    let (journal, replayed) = Journal::open(directory.path(), |event| {
        if let Event::BatchSize(size) = event {
            batch_size = Some(size);
        }
        ledger.apply(&event);
        learn(&mut id_remap, &event);
    })?;
    plan.verify(&replayed.header)?;
    let workload = Workload {
        id_remap,
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

/// Visits every outcome in the journal of the run in `directory`, in the order in which they were written. Returns the
/// end of the journal.
///
/// # Errors
/// [`JournalError`] if the journal is damaged or cannot be read.
pub fn outcomes(
    directory: &Path,
    mut visit: impl FnMut(Outcome),
) -> Result<JournalEnd, JournalError> {
    let replayed = journal::replay(directory, |event| {
        if let Event::Outcomes(outcomes) = event {
            outcomes.into_iter().for_each(&mut visit);
        }
    })?;
    Ok(replayed.journal_end())
}

/// Returns the ids of objects that other runs of the same directory have created on the same tenant. Older runs count
/// too, since they may have been resumed later. A run that cannot be read adds no ids.
///
/// # Errors
/// [`RunError::Io`] if the runs cannot be listed.
pub fn created_by_others(
    directory: &RunDirectory,
    header: &Header,
) -> Result<HashSet<Id>, RunError> {
    let mut created = HashSet::new();
    for other in list(directory.runs_dir())? {
        if other.name() == directory.name() {
            continue;
        }
        let mut ids = Vec::new();
        let replayed = journal::replay(other.path(), |event| {
            if let Event::Outcomes(outcomes) = event {
                let created = outcomes.into_iter().filter(|o| o.status == Status::Created);
                ids.extend(created.filter_map(|outcome| outcome.id));
            }
        });
        match replayed {
            Ok(replayed) if replayed.header.tenant == header.tenant => created.extend(ids),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(run = %other.name(), %error, "the run cannot be read and is ignored");
            }
        }
    }
    Ok(created)
}

/// Learns the new ids of objects that, by this event, were created again.
fn learn(id_remap: &mut IdRemap, event: &Event) {
    if let Event::Outcomes(outcomes) = event
        && !id_remap.is_empty()
    {
        for outcome in outcomes {
            id_remap.note(outcome);
        }
    }
}

/// Puts every item without outcome in doubt, and returns these items. A journal that lost records may have lost
/// intents.
fn doubt_undecided(ledger: &mut Ledger) -> Vec<ItemNumber> {
    let items = 0..u32::try_from(ledger.tally().items).unwrap_or(u32::MAX);
    let open = |item: &ItemNumber| !matches!(ledger.state(*item), State::Finished(_));
    let undecided: Vec<ItemNumber> = items.filter(open).collect();
    for item in &undecided {
        ledger.presume(*item);
    }
    undecided
}

/// Returns a ledger in which the items have ended that the plan itself ends.
fn finished_by_plan(plan: &PlanFile) -> Ledger {
    let mut ledger = Ledger::new(plan.len());
    for (item, entry) in plan.entries() {
        if let Some(status) = entry.operation.ended() {
            ledger.finish(item, status);
        }
    }
    ledger
}

fn workload(
    plan: &PlanFile,
    ledger: Ledger,
    journal: Journal,
    sent_before: Vec<Timestamp>,
) -> Workload {
    let (mut backlog, mut deferred) = (Backlog::default(), Backlog::default());
    let mut in_doubt = Backlog::default();
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
    Workload {
        ledger,
        backlog,
        deferred,
        id_remap: plan.id_remap().clone(),
        in_doubt,
        created_by_others: HashSet::new(),
        batch_size: None,
        sent_before,
        journal,
    }
}
