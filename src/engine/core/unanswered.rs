//! Items whose object may still be overwritten or deleted by a call that was not answered.
//!
//! Such an item does not end before the call's settle time is over. Otherwise the call could overwrite an object that
//! the next run has written by then, or delete one that was said to be spared.

use std::collections::BTreeMap;
use std::time::Instant;

use super::attempts::Attempts;
use crate::item::{ItemNumber, Outcome, Status};

/// The items, and the outcomes that are withheld for their sake.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    until: BTreeMap<ItemNumber, Instant>,
    withheld: Vec<Outcome>,
}

impl Unanswered {
    /// Returns the instant until which a call for the item may still be carried out, if that is after `now`.
    pub(super) fn open_until(&self, item: ItemNumber, now: Instant) -> Option<Instant> {
        let until = self.until.get(&item).copied();
        until.filter(|until| *until > now)
    }

    /// Notes a call that overwrites or deletes the object of the item, was under way at `sent`, and may still be carried out.
    pub(super) fn expect(&mut self, item: ItemNumber, sent: Instant, attempts: &Attempts) {
        if self.until.is_empty() {
            let settle_s = attempts.settle().as_secs();
            tracing::warn!(
                settle_s,
                "a change was not answered and may be carried out late; its row does not end before"
            );
        }
        self.until.insert(item, attempts.settled_at(sent));
    }

    /// Returns those of the outcomes that count at `now`, and withholds the others.
    pub(super) fn pass(
        &mut self,
        mut outcomes: Vec<Outcome>,
        attempts: &Attempts,
        now: Instant,
    ) -> Vec<Outcome> {
        if !self.until.is_empty() {
            let is_open = |outcome: &mut Outcome| self.is_open(outcome, attempts, now);
            let open: Vec<Outcome> = outcomes.extract_if(.., is_open).collect();
            self.withheld.extend(open);
            for outcome in &outcomes {
                self.until.remove(&outcome.item);
            }
        }
        outcomes
    }

    /// Hands back the outcomes that were withheld. [`Unanswered::pass`] withholds them again where it is too early.
    pub(super) fn release(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.withheld)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.withheld.is_empty()
    }

    /// Returns the instants from which on withheld outcomes count.
    pub(super) fn ends(&self) -> impl Iterator<Item = Instant> {
        let withheld = self.withheld.iter();
        withheld.filter_map(|outcome| self.until.get(&outcome.item).copied())
    }

    /// Returns true if a call for the item may still be carried out. If the object shows the only call that was sent, or is
    /// gone as it should be, that makes no difference.
    fn is_open(&self, outcome: &Outcome, attempts: &Attempts, now: Instant) -> bool {
        let is_only = attempts.ledger().attempts(outcome.item) <= 1;
        let is_seen = outcome.status == Status::Recovered && is_only;
        let is_gone = outcome.status == Status::Deleted;
        !is_seen && !is_gone && self.open_until(outcome.item, now).is_some()
    }
}
