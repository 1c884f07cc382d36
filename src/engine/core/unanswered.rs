//! Items whose object may still be overwritten by a call that was not answered.
//!
//! Such an item does not end before the call's settle time is over. Otherwise the call could overwrite an object that
//! the next run has written by then.

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
    /// Notes a call that overwrites the object of the item, was under way at `sent`, and may still be carried out.
    pub(super) fn expect(&mut self, item: ItemNumber, sent: Instant, attempts: &Attempts) {
        if self.until.is_empty() {
            let settle_s = attempts.settle().as_secs();
            tracing::warn!(
                settle_s,
                "an update was not answered and may be carried out late; its row does not end before"
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

    /// Returns true if a call for the item may still be carried out. If the object shows the only call that was sent,
    /// that call has been.
    fn is_open(&self, outcome: &Outcome, attempts: &Attempts, now: Instant) -> bool {
        let is_only = attempts.ledger().attempts(outcome.item) <= 1;
        let is_seen = outcome.status == Status::Recovered && is_only;
        let until = self.until.get(&outcome.item);
        !is_seen && until.is_some_and(|until| *until > now)
    }
}
