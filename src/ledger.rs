//! The ledger: the state of every item, folded from the events of the journal.
//!
//! A running engine and a resumed run use the same fold, so both know the same. An item takes two bytes.

use std::collections::HashSet;

use crate::item::{Event, ItemNumber, PRESUMED, Status, index};

/// The state of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No call was sent for the item, or its calls were certainly not executed.
    Waiting,
    /// A call that carries the item was about to be sent, and its result is not known.
    InDoubt,
    /// The item has ended.
    Finished(Status),
}

impl State {
    /// Returns the name of the state in result files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished(status) => status.name(),
            Self::InDoubt => "unknown",
            Self::Waiting => "waiting",
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    state: State,
    attempts: u8,
}

/// The number of items in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tally {
    /// All items.
    pub items: u64,
    /// Items that were created.
    pub created: u64,
    /// Items that were updated.
    pub updated: u64,
    /// Items that were deleted.
    pub deleted: u64,
    /// Items that a call whose answer was lost has carried out.
    pub recovered: u64,
    /// Items with nothing to do.
    pub unchanged: u64,
    /// Items whose object was left alone, since it no longer fits the conditions of the change.
    pub spared: u64,
    /// Items whose object was left alone, since it has changed after the plan was saved. Older reports have none.
    #[serde(default)]
    pub stale: u64,
    /// Items that failed.
    pub failed: u64,
    /// Items in doubt.
    pub unknown: u64,
    /// Items that are not yet carried out.
    pub waiting: u64,
}

/// The state of every item of a run.
#[derive(Clone, Debug)]
pub struct Ledger {
    entries: Vec<Entry>,
    tally: Tally,
    /// Items in doubt whose last call carried several items and was refused.
    refused: HashSet<ItemNumber>,
    /// Items in doubt without a known call: the journal may have lost the record of one.
    presumed: HashSet<ItemNumber>,
}

impl Ledger {
    /// Returns the ledger of a new run, with `items` waiting items.
    #[must_use]
    pub fn new(items: u32) -> Self {
        let entry = Entry {
            state: State::Waiting,
            attempts: 0,
        };
        Self {
            entries: vec![entry; index(items)],
            tally: Tally {
                items: u64::from(items),
                waiting: u64::from(items),
                ..Tally::default()
            },
            refused: HashSet::new(),
            presumed: HashSet::new(),
        }
    }

    /// Takes an event in. This method and those below ignore items that the run does not have.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Intent { call, items } => {
                for item in items {
                    match *call {
                        PRESUMED => self.presume(*item),
                        _ => self.intend(*item),
                    }
                }
            }
            Event::Void { items, .. } => {
                for item in items {
                    self.void(*item);
                }
            }
            Event::Refused { items, .. } => {
                for item in items {
                    self.refuse(*item);
                }
            }
            Event::Outcomes(outcomes) => {
                for outcome in outcomes {
                    self.finish(outcome.item, outcome.status);
                }
            }
            Event::Before { .. } | Event::BatchSize(_) => {}
        }
    }

    /// Notes that a call that carries the item is about to be sent.
    pub fn intend(&mut self, item: ItemNumber) {
        if let Some(entry) = self.set(item, State::InDoubt) {
            entry.attempts = entry.attempts.saturating_add(1);
        }
    }

    /// Notes that a call that carries the item may have been sent.
    pub fn presume(&mut self, item: ItemNumber) {
        let was_waiting = self.state(item) == State::Waiting;
        self.intend(item);
        if was_waiting {
            self.presumed.insert(item);
        }
    }

    /// Notes that the last call was certainly not carried out. If there were earlier calls, the item stays in doubt.
    pub fn void(&mut self, item: ItemNumber) {
        let has_earlier_calls = self.attempts(item) > 1;
        let state = if has_earlier_calls {
            State::InDoubt
        } else {
            State::Waiting
        };
        if let Some(entry) = self.set(item, state) {
            entry.attempts = entry.attempts.saturating_sub(1);
        }
    }

    /// Notes that the last call was refused, and that it carried other items too.
    pub fn refuse(&mut self, item: ItemNumber) {
        if self.state(item) == State::InDoubt {
            self.refused.insert(item);
        }
    }

    /// Ends the item. An item that has ended keeps its first status.
    pub fn finish(&mut self, item: ItemNumber, status: Status) {
        self.set(item, State::Finished(status));
    }

    /// Tells whether the item is in doubt although its last call was refused. The call may have carried the item out
    /// before it was refused.
    #[must_use]
    pub fn is_refused(&self, item: ItemNumber) -> bool {
        self.refused.contains(&item)
    }

    /// Tells whether the item is in doubt although no call is known to have carried it.
    #[must_use]
    pub fn is_presumed(&self, item: ItemNumber) -> bool {
        self.presumed.contains(&item)
    }

    /// Returns the state of the item.
    #[must_use]
    pub fn state(&self, item: ItemNumber) -> State {
        self.entries
            .get(index(item))
            .map_or(State::Waiting, |entry| entry.state)
    }

    /// Returns the number of calls that were sent, or about to be sent, for the item. Void calls do not count.
    #[must_use]
    pub fn attempts(&self, item: ItemNumber) -> u32 {
        self.entries
            .get(index(item))
            .map_or(0, |entry| u32::from(entry.attempts))
    }

    /// Returns the number of items in each state.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    fn set(&mut self, item: ItemNumber, state: State) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(index(item))?;
        for items in [&mut self.refused, &mut self.presumed] {
            if !items.is_empty() {
                items.remove(&item);
            }
        }
        // A journal never takes an outcome back.
        if !matches!(entry.state, State::Finished(_)) {
            let before = std::mem::replace(&mut entry.state, state);
            *self.tally.counter(before) -= 1;
            *self.tally.counter(state) += 1;
        }
        Some(entry)
    }
}

impl Tally {
    /// Returns the number of items that have ended.
    #[must_use]
    pub fn finished(&self) -> u64 {
        self.items - self.waiting - self.unknown
    }

    /// Returns the number of items that have ended without what their rows ask for. A retry plans them anew.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.failed + self.stale
    }

    /// Returns the number of items in each state, with the state's name.
    #[must_use]
    pub fn states(self) -> [(u64, &'static str); 10] {
        [
            (self.created, "created"),
            (self.updated, "updated"),
            (self.deleted, "deleted"),
            (self.recovered, "recovered"),
            (self.unchanged, "unchanged"),
            (self.spared, "spared"),
            (self.stale, "stale"),
            (self.failed, "failed"),
            (self.unknown, "unknown"),
            (self.waiting, "waiting"),
        ]
    }

    fn counter(&mut self, state: State) -> &mut u64 {
        match state {
            State::Waiting => &mut self.waiting,
            State::InDoubt => &mut self.unknown,
            State::Finished(Status::Created) => &mut self.created,
            State::Finished(Status::Updated) => &mut self.updated,
            State::Finished(Status::Deleted) => &mut self.deleted,
            State::Finished(Status::Recovered) => &mut self.recovered,
            State::Finished(Status::Spared) => &mut self.spared,
            State::Finished(Status::Stale) => &mut self.stale,
            State::Finished(Status::Unchanged) => &mut self.unchanged,
            State::Finished(Status::Failed) => &mut self.failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Outcome;

    fn outcome(item: ItemNumber, status: Status) -> Event {
        Event::Outcomes(vec![Outcome {
            item,
            status,
            id: None,
            failure: None,
        }])
    }

    #[test]
    fn an_open_intent_is_in_doubt_and_a_void_one_waits() {
        let mut ledger = Ledger::new(3);
        let items = vec![0, 1];
        ledger.apply(&Event::Intent {
            call: 1,
            items: items.clone(),
        });
        assert_eq!(ledger.state(0), State::InDoubt);
        assert_eq!(ledger.tally().unknown, 2);
        ledger.apply(&Event::Void { call: 1, items });
        assert_eq!(ledger.state(1), State::Waiting);
        ledger.apply(&Event::Intent {
            call: 2,
            items: vec![0],
        });
        ledger.apply(&outcome(0, Status::Created));
        assert_eq!(ledger.attempts(0), 1);
        assert_eq!(ledger.tally().created, 1);
        assert_eq!(ledger.tally().waiting, 2);
        assert_eq!(ledger.tally().finished(), 1);
    }

    #[test]
    fn a_void_call_does_not_clear_the_call_before_it() {
        let mut ledger = Ledger::new(1);
        let (call, items) = (1, vec![0]);
        for _ in 0..2 {
            let items = items.clone();
            ledger.apply(&Event::Intent { call, items });
        }
        let items = items.clone();
        ledger.apply(&Event::Void { call, items });
        assert_eq!((ledger.state(0), ledger.attempts(0)), (State::InDoubt, 1));
    }

    #[test]
    fn a_refusal_holds_until_the_next_call_or_void() {
        let mut ledger = Ledger::new(2);
        let (call, items) = (1, vec![0, 1]);
        let intent = Event::Intent {
            call,
            items: items.clone(),
        };
        ledger.apply(&intent);
        ledger.apply(&Event::Refused {
            call,
            items: items.clone(),
        });
        assert_eq!(
            (ledger.state(0), ledger.is_refused(0)),
            (State::InDoubt, true)
        );
        ledger.apply(&Event::Void { call, items });
        assert!(!ledger.is_refused(0));
        ledger.apply(&intent);
        assert!(!ledger.is_refused(1));
    }

    #[test]
    fn an_item_that_has_ended_keeps_its_outcome() {
        let mut ledger = Ledger::new(1);
        ledger.apply(&outcome(0, Status::Created));
        ledger.apply(&outcome(0, Status::Failed));
        ledger.apply(&Event::Intent {
            call: 9,
            items: vec![0, 77],
        });
        assert_eq!(ledger.state(0), State::Finished(Status::Created));
        assert_eq!(ledger.tally().created, 1);
        assert_eq!(ledger.tally().failed, 0);
    }
}
