//! The state of every item: the fold of what was written down.
//!
//! The same fold serves a run as it happens and a run that is resumed, so both know the same. Two bytes
//! an item.

use std::collections::HashSet;

use crate::item::{Event, ItemNumber, PRESUMED, Status, index};

/// Where an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was sent for it, or what was sent was certainly not executed.
    Waiting,
    /// A call that carries it was about to be sent, and nothing is known of how that ended.
    InDoubt,
    /// It has ended.
    Finished(Status),
}

impl State {
    /// Its name in results.
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

/// How many items stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// All of them.
    pub items: u64,
    /// Created.
    pub created: u64,
    /// Updated.
    pub updated: u64,
    /// Deleted.
    pub deleted: u64,
    /// Executed by a call whose answer was lost.
    pub recovered: u64,
    /// With nothing to do.
    pub unchanged: u64,
    /// Left alone, since it has changed.
    pub spared: u64,
    /// Failed.
    pub failed: u64,
    /// In doubt.
    pub unknown: u64,
    /// Not yet carried out.
    pub waiting: u64,
}

/// The state of every item of a run.
#[derive(Clone, Debug)]
pub struct Ledger {
    entries: Vec<Entry>,
    tally: Tally,
    /// Those in doubt whose last call was refused, together with others.
    refused: HashSet<ItemNumber>,
    /// Those in doubt of which no call is known: one may be among the records that the journal lost.
    presumed: HashSet<ItemNumber>,
}

impl Ledger {
    /// `items` items that wait.
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

    /// Takes in what happened. Items that the run does not have are passed over, here and below.
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

    /// A call that carries the item is about to be sent.
    pub fn intend(&mut self, item: ItemNumber) {
        if let Some(entry) = self.set(item, State::InDoubt) {
            entry.attempts = entry.attempts.saturating_add(1);
        }
    }

    /// A call that carries the item may have been sent.
    pub fn presume(&mut self, item: ItemNumber) {
        let unknown = self.state(item) == State::Waiting;
        self.intend(item);
        if unknown {
            self.presumed.insert(item);
        }
    }

    /// That call was certainly not carried out. What an earlier one did is as doubtful as before.
    pub fn void(&mut self, item: ItemNumber) {
        let others = self.attempts(item) > 1;
        let state = if others {
            State::InDoubt
        } else {
            State::Waiting
        };
        if let Some(entry) = self.set(item, state) {
            entry.attempts = entry.attempts.saturating_sub(1);
        }
    }

    /// That call was refused, and carried others too.
    pub fn refuse(&mut self, item: ItemNumber) {
        if self.state(item) == State::InDoubt {
            self.refused.insert(item);
        }
    }

    /// The item has ended.
    pub fn finish(&mut self, item: ItemNumber, status: Status) {
        self.set(item, State::Finished(status));
    }

    /// Whether the item is in doubt though its last call was refused: it may have been carried out before that.
    #[must_use]
    pub fn is_refused(&self, item: ItemNumber) -> bool {
        self.refused.contains(&item)
    }

    /// Whether the item is in doubt though nothing says that a call carried it.
    #[must_use]
    pub fn is_presumed(&self, item: ItemNumber) -> bool {
        self.presumed.contains(&item)
    }

    /// Where the item stands.
    #[must_use]
    pub fn state(&self, item: ItemNumber) -> State {
        self.entries
            .get(index(item))
            .map_or(State::Waiting, |entry| entry.state)
    }

    /// How many calls were sent, or about to be sent, for the item; refused ones do not count.
    #[must_use]
    pub fn attempts(&self, item: ItemNumber) -> u32 {
        self.entries
            .get(index(item))
            .map_or(0, |entry| u32::from(entry.attempts))
    }

    /// How many items stand where.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    fn set(&mut self, item: ItemNumber, state: State) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(index(item))?;
        for marked in [&mut self.refused, &mut self.presumed] {
            if !marked.is_empty() {
                marked.remove(&item);
            }
        }
        // What has ended stays ended: a journal never takes an outcome back.
        if !matches!(entry.state, State::Finished(_)) {
            let before = std::mem::replace(&mut entry.state, state);
            *self.tally.counter(before) -= 1;
            *self.tally.counter(state) += 1;
        }
        Some(entry)
    }
}

impl Tally {
    /// How many have ended.
    #[must_use]
    pub fn finished(&self) -> u64 {
        self.items - self.waiting - self.unknown
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
    fn an_intent_without_outcome_is_in_doubt_and_a_void_one_waits_again() {
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
    fn a_call_that_is_void_says_nothing_of_the_one_before_it() {
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
    fn a_refusal_is_of_the_last_call_alone() {
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
    fn what_has_ended_stays_ended() {
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
