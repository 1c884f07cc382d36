//! A run: its directory, and its life from manifests to outcomes.
//!
//! # The run directory
//!
//! `<runs>/<run id>/`, private to its owner (0700, files 0600):
//!
//! | File | What is in it |
//! |---|---|
//! | `plan.jsonl` | one line for the manifests and their columns, then one a row: the item and the row's cells |
//! | `journal.jsonl`, `journal.synced` | intents and outcomes, and how much of them is on disk; see [`journal`] |
//! | `journal.cut-N.jsonl` | what [`repair`] cut off the journal |
//! | `lock` | held by the process that works on the run |
//! | `success.csv`, `errors.csv`, `skipped.csv`, `report.json` | the results; see [`report`](crate::report) |
//!
//! It appears under its name only when the plan and the first journal record are on disk. Resuming needs
//! nothing else.

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

/// Why a run cannot be started, read or gone on with.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its journal is refused.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file of it cannot be read or written.
    #[error("{}: {doing}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What did not work.
        doing: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Its plan is missing, or it cannot be read.
    #[error("{}", journal::unreadable("plan", path, source.as_ref()))]
    Unreadable {
        /// The plan.
        path: PathBuf,
        /// The system's reason; none for a file that is not there.
        #[source]
        source: Option<io::Error>,
    },
    /// Its plan is not the one that its journal was written for.
    #[error("{}: the plan is not the one that the journal was written for", path.display())]
    PlanChanged {
        /// The plan.
        path: PathBuf,
    },
    /// A line of its plan is not one.
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
    /// Several runs have names that begin so.
    #[error("{text:?} is the beginning of {count} runs: {first}, …")]
    Ambiguous {
        /// What was given.
        text: String,
        /// How many they are.
        count: usize,
        /// The name of the first.
        first: String,
    },
}

/// A run, opened to go on with it.
#[derive(Debug)]
pub struct Run {
    /// Where it is.
    pub directory: RunDirectory,
    /// Its plan.
    pub plan: PlanFile,
    /// The first record of its journal.
    pub header: Header,
    /// What is to be carried out.
    pub workload: Workload,
}

impl Run {
    /// The items that go one of these ways and have not ended, each handed to `visit`.
    ///
    /// # Errors
    /// When the plan cannot be read.
    pub fn each_open(
        &self,
        operations: &[Operation],
        visit: impl FnMut(&Item<'_>),
    ) -> Result<(), RunError> {
        let visited = each_open(&self.plan, &self.workload.ledger, operations, visit);
        visited.map_err(|source| self.directory.unreadable(source))
    }

    /// The same run with these items ended, on disk.
    ///
    /// # Errors
    /// [`RunError::Journal`].
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

/// Where a run stands, read without touching it.
#[derive(Debug)]
pub struct RunState {
    /// Where it is.
    pub directory: RunDirectory,
    /// Its plan.
    pub plan: PlanFile,
    /// The first record of its journal.
    pub header: Header,
    /// Every item. If the end of the journal was lost, whatever has no outcome is in doubt.
    pub ledger: Ledger,
    /// What came back under new ids.
    pub id_remap: IdRemap,
    /// Where its journal ends.
    pub journal_end: JournalEnd,
    /// Whether the last line of its journal is not whole.
    pub torn: bool,
    /// When its last writes were sent, oldest first, as many as a quota may count.
    pub sent: Vec<Timestamp>,
    /// When its journal was last written to.
    pub last: Timestamp,
    /// Whether a process works on it now.
    pub active: bool,
    /// Whether the end of its journal was lost, so that it has to be repaired before it is resumed.
    pub lost: bool,
}

impl RunState {
    /// Whether every item has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let tally = self.ledger.tally();
        tally.finished() == tally.items
    }

    /// The items that stand so.
    ///
    /// # Errors
    /// When the plan cannot be read.
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

    /// The items that go one of these ways and have not ended, each handed to `visit`.
    ///
    /// # Errors
    /// When the plan cannot be read.
    pub fn each_open(
        &self,
        operations: &[Operation],
        visit: impl FnMut(&Item<'_>),
    ) -> Result<(), RunError> {
        let visited = each_open(&self.plan, &self.ledger, operations, visit);
        visited.map_err(|source| self.unreadable(source))
    }

    /// What is said when a file of it cannot be read.
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

/// Starts a run with the plan that stands in `directory`. From here on it can be resumed.
///
/// # Errors
/// [`RunError`]; the run is then not there.
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

/// Opens a run to go on where it stopped.
///
/// # Errors
/// [`RunError`], of which [`RunError::Journal`] says that another process works on it, or that its journal is damaged or
/// its end was lost: [`repair`] mends that.
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

/// Reads where a run stands.
///
/// # Errors
/// [`RunError`].
pub fn run_state(directory: RunDirectory) -> Result<RunState, RunError> {
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
    Ok(RunState {
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

/// Every outcome in the journal of the run in `directory`, handed to `visit` in the order written. Answers where the
/// journal ends.
///
/// # Errors
/// [`JournalError`].
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

/// The ids of what the runs beside this one have created on its tenant, as far as they know: also an older one may have
/// gone on since. A run that cannot be read says nothing.
///
/// # Errors
/// [`RunError::Io`] when the runs cannot be listed.
pub fn created_by_others(
    directory: &RunDirectory,
    header: &Header,
) -> Result<HashSet<Id>, RunError> {
    let mut created = HashSet::new();
    for other in list(directory.beside())? {
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
            Err(error) => tracing::warn!(run = %other.name(), %error, "passed over"),
        }
    }
    Ok(created)
}

/// Learns the new ids of what the event says has come back.
fn learn(id_remap: &mut IdRemap, event: &Event) {
    if let Event::Outcomes(outcomes) = event
        && !id_remap.is_empty()
    {
        for outcome in outcomes {
            id_remap.note(outcome);
        }
    }
}

/// Puts every item without outcome in doubt, and answers which they are: the journal lost records, which may have been
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

/// The ledger in which what the plan already knows has ended.
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
            // Whether it is there can be seen only when the new id is known of what it refers to.
            (_, operation) if plan.is_deferred(item) => deferred.push(item, operation, entry.group),
            (State::InDoubt, Operation::Create) => {
                in_doubt.push(item, entry.operation, entry.group);
            }
            // All else may be repeated: it is simply done again.
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
