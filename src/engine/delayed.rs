//! The calls that wait to be sent again.
//!
//! A call goes on when its own wait is over and the retry budget has room for it, so that a server that fails is not
//! flooded. A call that repeats nothing only waits.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::call::CallId;
use crate::retry::RetryBudget;

/// The calls that wait, by the instants at which their waits are over.
#[derive(Debug, Default)]
pub(super) struct Delayed {
    calls: BTreeSet<(Instant, CallId)>,
    /// The calls that cost nothing of the budget.
    free: BTreeSet<(Instant, CallId)>,
    budget: RetryBudget,
}

impl Delayed {
    pub(super) fn insert(&mut self, id: CallId, until: Instant) {
        self.calls.insert((until, id));
    }

    /// Lets a call wait that repeats nothing.
    pub(super) fn insert_free(&mut self, id: CallId, until: Instant) {
        self.free.insert((until, id));
    }

    /// Takes out the next call that may go on at `now`.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<CallId> {
        if self.free.first().is_some_and(|(until, _)| *until <= now) {
            return self.free.pop_first().map(|(_, id)| id);
        }
        let (until, id) = self.calls.first().copied()?;
        if until > now || !self.budget.spend(now) {
            return None;
        }
        self.calls.pop_first();
        Some(id)
    }

    /// Notes that a call was sent for the first time, which earns a part of a repetition.
    pub(super) fn earn(&mut self) {
        self.budget.earn();
    }

    /// Returns the instant at which the next call may go on, if none could at `now`.
    pub(super) fn wake_at(&self, now: Instant) -> Option<Instant> {
        let free = self.free.first().map(|(until, _)| *until);
        let repeated = self.calls.first().and_then(|(until, _)| match *until {
            until if until <= now => self.budget.due(),
            until => Some(until),
        });
        free.into_iter().chain(repeated).min()
    }

    /// Returns the time until all of them may have gone on.
    pub(super) fn time_left(&self, now: Instant) -> Duration {
        let last = self.calls.last().max(self.free.last());
        let last = last.map(|(until, _)| *until);
        let waits = last.map(|last| last.saturating_duration_since(now));
        let count = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        waits
            .unwrap_or_default()
            .max(self.budget.time_for(count, now))
    }
}
