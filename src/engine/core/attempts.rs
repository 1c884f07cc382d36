//! The attempts at each item: how many were made, how many may follow, and how long one may still be carried out.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::super::call::target;
use super::super::outcomes::{given_up, outcome};
use super::super::settings::EngineSettings;
use crate::item::{Event, Item, ItemNumber, Outcome, Status};
use crate::ledger::{Ledger, State};
use crate::wire::{Failure, Method};

/// The number of attempts that a read has more than other calls, since it changes nothing. With the default of 8,
/// reads outlast an outage of a minute however the waits are spread.
const READS_MORE: u32 = 2;

/// The ledger of a run, and the rules by which attempts are counted.
#[derive(Debug)]
pub(super) struct Attempts {
    ledger: Ledger,
    /// The number of items that had failed before this process began.
    failed_before: u64,
    /// The number of attempts at an item that a pause has cost. They may have been carried out, and do not use up its attempts.
    paused: HashMap<ItemNumber, u32>,
    most: u32,
    settle: Duration,
}

impl Attempts {
    pub(super) fn new(settings: &EngineSettings) -> Self {
        Self {
            ledger: Ledger::new(0),
            failed_before: 0,
            paused: HashMap::new(),
            most: settings.max_attempts.get(),
            settle: settings.settle,
        }
    }

    pub(super) fn start(&mut self, ledger: Ledger) {
        self.failed_before = ledger.tally().failed;
        self.ledger = ledger;
    }

    pub(super) fn apply(&mut self, event: &Event) {
        self.ledger.apply(event);
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Returns how many items have failed since this process began.
    pub(super) fn failures(&self) -> u64 {
        self.ledger.tally().failed - self.failed_before
    }

    /// Returns how often the item was sent, or was about to be.
    pub(super) fn of(&self, item: &Item<'_>) -> u32 {
        self.ledger.attempts(item.item)
    }

    pub(super) fn in_doubt(&self, item: &Item<'_>) -> bool {
        self.ledger.state(item.item) == State::InDoubt
    }

    /// Notes that the server asked for a pause in its answer to the last attempt at these items.
    pub(super) fn pause(&mut self, items: &[ItemNumber]) {
        for item in items {
            *self.paused.entry(*item).or_default() += 1;
        }
    }

    /// Returns true if the item was sent as often as it may be.
    pub(super) fn is_spent(&self, item: &Item<'_>) -> bool {
        let paused = self.paused.get(&item.item).copied().unwrap_or_default();
        self.of(item).saturating_sub(paused) >= self.most
    }

    /// Separates the items that are spent from those that are not.
    pub(super) fn split_spent<'r>(&self, items: Vec<Item<'r>>) -> (Vec<Item<'r>>, Vec<Item<'r>>) {
        items.into_iter().partition(|item| self.is_spent(item))
    }

    pub(super) fn given_up(&self, reason: &Failure) -> Failure {
        given_up(self.most, reason)
    }

    /// The outcome of an item whose object is gone.
    pub(super) fn gone(&self, item: &Item<'_>) -> Outcome {
        let status = match self.of(item) {
            0 => Status::Unchanged,
            _ => Status::Deleted,
        };
        outcome(item, status, target(item))
    }

    /// Returns the most attempts at a call of that method.
    pub(super) fn limit(&self, method: Method) -> u32 {
        match method {
            Method::Get => self.most + READS_MORE,
            Method::Post | Method::Put | Method::Delete => self.most,
        }
    }

    /// Returns the time for which a call without an answer may still be carried out.
    pub(super) fn settle(&self) -> Duration {
        self.settle
    }

    /// Returns the end of the settle time of a call that was under way at `now`.
    pub(super) fn settled_at(&self, now: Instant) -> Instant {
        now + self.settle
    }
}
