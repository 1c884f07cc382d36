//! The changes that one run made, read from its directory.

use std::collections::HashMap;

use serde_json::Value;

use super::error::RunError;
use super::state::learn;
use super::{PlanFile, RunDirectory, RunState};
use crate::engine::{IdRemap, Items as _};
use crate::item::{Event, Item, ItemNumber, Operation, Outcome, Status};
use crate::journal::{self, Header};
use crate::ledger::{Ledger, State};
use crate::plan::PastChange;
use crate::wire::{Id, Object};

const UNREADABLE: &str = "the plan cannot be read";

/// The changes that one run made.
#[derive(Debug)]
pub(super) struct PastRun {
    plan: PlanFile,
    pub(super) header: Header,
    id_remap: IdRemap,
    ends: HashMap<ItemNumber, End>,
    /// The objects as they were, as JSON text: a tenth of the memory.
    before: HashMap<ItemNumber, String>,
    /// The numbers that its manifests have among those of several runs.
    files: Vec<u16>,
}

/// The end of an item that changed something, or may have.
#[derive(Debug)]
struct End {
    id: Option<Id>,
    /// True if it is certain that the run changed the object.
    proven: bool,
    in_doubt: bool,
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        Self {
            proven: outcome.status != Status::Recovered || outcome.failure.is_none(),
            id: outcome.id,
            in_doubt: false,
        }
    }
}

impl PastRun {
    /// Reads the changes that a run made.
    pub(super) fn read(directory: &RunDirectory) -> Result<Self, RunError> {
        let plan = PlanFile::open(directory.path())?;
        let mut id_remap = plan.id_remap().clone();
        let mut ends = HashMap::new();
        let mut before = HashMap::new();
        let replayed = journal::replay(directory.path(), |event| {
            learn(&mut id_remap, &event);
            match event {
                Event::Outcomes(outcomes) => {
                    for outcome in outcomes.into_iter().filter(|o| is_change(o.status)) {
                        ends.entry(outcome.item).or_insert(End::from(outcome));
                    }
                }
                Event::Before { item, object } => {
                    before.insert(item, Value::Object(object).to_string());
                }
                _ => {}
            }
        })?;
        plan.verify(&replayed.header)?;
        Ok(Self {
            plan,
            header: replayed.header,
            id_remap,
            ends,
            before,
            files: Vec::new(),
        })
    }

    /// Reads the changes that an unfinished run made, and those that it may have made.
    pub(super) fn read_unfinished(directory: &RunDirectory) -> Result<Self, RunError> {
        let mut run = Self::read(directory)?;
        let ledger = RunState::read(directory.clone())?.ledger;
        for (number, entry) in run.plan.entries() {
            // The state of an object that exists is written down before the object is changed.
            let creates = matches!(entry.operation, Operation::Create | Operation::Merge);
            let may_have_changed = creates || run.before.contains_key(&number);
            if ledger.state(number) == State::InDoubt && may_have_changed {
                run.ends.insert(number, in_doubt(&ledger, number));
            }
        }
        Ok(run)
    }

    /// Gives its manifests numbers among `files`, and adds those that are not there.
    pub(super) fn number_files(&mut self, files: &mut Vec<String>) {
        let number = |name: &String| {
            let known = files.iter().position(|file| file == name);
            let number = known.unwrap_or_else(|| {
                files.push(name.clone());
                files.len() - 1
            });
            u16::try_from(number).unwrap_or(u16::MAX)
        };
        self.files = self.plan.origin().files.iter().map(number).collect();
    }

    /// Returns the numbers of the items that changed something, or may have.
    pub(super) fn changes(&self) -> impl Iterator<Item = ItemNumber> {
        self.ends.keys().copied()
    }

    /// Returns the ids of the objects that it certainly created.
    pub(super) fn created(&self) -> impl Iterator<Item = Id> {
        let entries = self.plan.entries();
        let created = entries.filter(|(_, entry)| entry.operation == Operation::Create);
        let ends = created.filter_map(|(number, _)| self.ends.get(&number));
        ends.filter(|end| !end.in_doubt)
            .filter_map(|end| end.id.clone())
    }

    /// Returns true if a call that carried one of its items was not answered.
    pub(super) fn has_doubts(&self) -> bool {
        self.ends.values().any(|end| end.in_doubt)
    }

    /// Reads all items of its plan.
    pub(super) fn items(
        &self,
    ) -> impl Iterator<Item = Result<(ItemNumber, Item<'static>), RunError>> {
        let numbers = 0..self.plan.len();
        numbers.map(|number| Ok((number, self.item(number)?)))
    }

    /// Reads one item of its plan.
    pub(super) fn item(&self, number: ItemNumber) -> Result<Item<'static>, RunError> {
        let unreadable = RunError::io(self.plan.path(), UNREADABLE);
        self.plan.load(number).map_err(unreadable)
    }

    /// Returns the object of the item as it was before the item changed it.
    pub(super) fn before(&self, number: ItemNumber) -> Option<Object> {
        let text = self.before.get(&number)?;
        serde_json::from_str(text).ok()
    }

    /// Reads a change that it made.
    pub(super) fn past(&self, number: ItemNumber) -> Result<PastChange, RunError> {
        let mut item = self.item(number)?;
        // References to objects that the run created again are compared under their new ids.
        if let Err(why) = self.id_remap.rename(&mut item) {
            tracing::debug!(number, %why, "a reference stays as it was planned");
        }
        let file = self.files.get(usize::from(item.file));
        item.file = file.copied().unwrap_or(item.file);
        let end = self.ends.get(&number);
        Ok(PastChange {
            item,
            id: end.and_then(|end| end.id.clone()),
            proven: end.is_some_and(|end| end.proven),
            in_doubt: end.is_some_and(|end| end.in_doubt),
            before: self.before(number),
        })
    }
}

/// Returns the end of an item in doubt. A call of the run proves that it made a change, unless it was refused.
fn in_doubt(ledger: &Ledger, number: ItemNumber) -> End {
    let was_refused = ledger.is_refused(number) && ledger.attempts(number) <= 1;
    End {
        id: None,
        proven: !was_refused && !ledger.is_presumed(number),
        in_doubt: true,
    }
}

/// Tells whether an item that ended with this status changed something.
fn is_change(status: Status) -> bool {
    matches!(
        status,
        Status::Created | Status::Updated | Status::Deleted | Status::Recovered
    )
}
