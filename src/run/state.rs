//! The state of a run, read without changing it.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::directory::RunDirectory;
use super::error::RunError;
use super::plan_file::PlanFile;
use crate::engine::{IdRemap, Items as _};
use crate::item::{Event, Item, ItemNumber, Outcome, Status};
use crate::journal::{self, Header, JournalEnd};
use crate::ledger::{Ledger, State};

/// The number of failures that the state of a run keeps, for whoever watches it.
const FAILURES_KEPT: usize = 5;

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
    /// The last failures, the oldest first: at most five.
    pub failures: Vec<Outcome>,
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
        let mut failures = VecDeque::new();
        let replayed = journal::replay(directory.path(), |event| {
            ledger.apply(&event);
            keep_failures(&mut failures, &event);
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
            failures: failures.into(),
            last: replayed.last,
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
                .map_err(|source| self.directory.unreadable(source))
        };
        numbers.map(load).collect()
    }
}

fn keep_failures(failures: &mut VecDeque<Outcome>, event: &Event) {
    let Event::Outcomes(outcomes) = event else {
        return;
    };
    let failed = outcomes
        .iter()
        .filter(|outcome| matches!(outcome.status, Status::Failed | Status::Stale));
    for outcome in failed {
        if failures.len() == FAILURES_KEPT {
            failures.pop_front();
        }
        failures.push_back(outcome.clone());
    }
}

/// Learns the new ids of objects that, by this event, were created again.
pub(super) fn learn(id_remap: &mut IdRemap, event: &Event) {
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
pub(super) fn doubt_undecided(ledger: &mut Ledger) -> Vec<ItemNumber> {
    let items = 0..u32::try_from(ledger.tally().items).unwrap_or(u32::MAX);
    let open = |item: &ItemNumber| !matches!(ledger.state(*item), State::Finished(_));
    let undecided: Vec<ItemNumber> = items.filter(open).collect();
    for item in &undecided {
        ledger.presume(*item);
    }
    undecided
}

/// Returns a ledger in which the items have ended that the plan itself ends.
pub(super) fn finished_by_plan(plan: &PlanFile) -> Ledger {
    let mut ledger = Ledger::new(plan.len());
    for (item, entry) in plan.entries() {
        if let Some(status) = entry.operation.ended() {
            ledger.finish(item, status);
        }
    }
    ledger
}
