//! The slot that a lane takes of the quota that processes share.
//!
//! A lane asks for one slot at a time, shortly before a call may go. A slot that was missed is too near to the next one by
//! then, so it is given back with the next request.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::pacer::Slot;

/// The number of slots over which the pace is averaged: two windows of the published quota of reads.
const REMEMBERED: usize = 40;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Wanted,
    /// Asked for, from that instant on.
    Requested(Instant),
    /// A call may go between these instants.
    Taken(Slot, Instant, Instant),
}

/// The slot of one lane, and the pace at which other processes leave it any.
#[derive(Debug, Default)]
pub(super) struct SharedSlot {
    state: State,
    /// True if the slot that was asked for last is that of a probe, which the calls of all paths do not count.
    is_probe: bool,
    last: Option<Instant>,
    /// The times for which the last calls waited for their slots, though the quota alone would have let them go.
    waits: VecDeque<Duration>,
}

impl SharedSlot {
    /// Asks for a slot from `earliest` on, if there is none and it is needed by `soon`. Returns whether it is to be
    /// requested.
    pub(super) fn request(&mut self, earliest: Instant, soon: Instant, is_probe: bool) -> bool {
        let is_due = self.state == State::Wanted && earliest <= soon;
        if is_due {
            self.state = State::Requested(earliest);
            self.is_probe = is_probe;
        }
        is_due
    }

    /// Takes out the slot, if it was taken and `now` is too late for it.
    pub(super) fn take_missed(&mut self, now: Instant) -> Option<Slot> {
        self.take_if(|_, until| until < now)
    }

    /// Takes out the slot, if it was taken and comes after `soon`.
    pub(super) fn take_later(&mut self, soon: Instant) -> Option<Slot> {
        self.take_if(|from, _| soon < from)
    }

    fn take_if(&mut self, is_meant: impl FnOnce(Instant, Instant) -> bool) -> Option<Slot> {
        match self.state {
            State::Taken(slot, from, until) if is_meant(from, until) => {
                self.state = State::Wanted;
                Some(slot)
            }
            _ => None,
        }
    }

    /// Returns the slot that was taken and is not used yet.
    pub(super) fn taken(&self) -> Option<Slot> {
        match self.state {
            State::Taken(slot, ..) => Some(slot),
            State::Wanted | State::Requested(_) => None,
        }
    }

    /// Takes the slot, in which a call may go between these instants. `spacing` is the time between two calls, if they are
    /// spread smoothly.
    pub(super) fn take(
        &mut self,
        slot: Slot,
        from: Instant,
        until: Instant,
        spacing: Option<Duration>,
    ) {
        if let (State::Requested(earliest), Some(last)) = (self.state, self.last) {
            // While nothing waited, no slot was taken either.
            let wanted = earliest.checked_sub(spacing.unwrap_or_default());
            let wait = from.saturating_duration_since(last.max(wanted.unwrap_or(earliest)));
            if self.waits.len() >= REMEMBERED {
                self.waits.pop_front();
            }
            self.waits.push_back(wait);
        }
        self.last = Some(from);
        self.state = State::Taken(slot, from, until);
    }

    /// Returns true if the slot that was asked for last is that of a probe.
    pub(super) fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// Returns true if a slot was requested, and it is not missed yet.
    pub(super) fn is_pending(&self, now: Instant) -> bool {
        match self.state {
            State::Wanted => false,
            State::Requested(_) => true,
            State::Taken(_, _, until) => now <= until,
        }
    }

    /// Returns the instant from which on the slot that was taken is missed.
    pub(super) fn missed_at(&self) -> Option<Instant> {
        match self.state {
            State::Taken(_, _, until) => Some(until + Duration::from_nanos(1)),
            State::Wanted | State::Requested(_) => None,
        }
    }

    pub(super) fn use_up(&mut self) {
        self.state = State::Wanted;
    }

    pub(super) fn is_open_by(&self, at: Instant) -> bool {
        self.opens_at().is_some_and(|from| from <= at)
    }

    /// Returns the instant from which on a call may go, if the slot was taken.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        match self.state {
            State::Taken(_, from, _) => Some(from),
            State::Wanted | State::Requested(_) => None,
        }
    }

    /// Returns the time in which so many slots come, if they come as they came.
    pub(super) fn time_for(&self, calls: u64) -> Duration {
        let all: Duration = self.waits.iter().sum();
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        let mean = all.checked_div(u32::try_from(self.waits.len()).unwrap_or(u32::MAX));
        mean.unwrap_or_default().saturating_mul(calls)
    }
}
