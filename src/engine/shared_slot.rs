//! The slot that a lane takes of the quota that processes share.
//!
//! A lane asks for one slot at a time, shortly before a call may go. A slot that was missed is lost: by then it would
//! be too near to the next one.

use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Slot {
    #[default]
    Wanted,
    /// Asked for, from that instant on.
    Requested(Instant),
    /// A call may go between these instants.
    Taken(Instant, Instant),
}

/// The slot of one lane, and the pace at which other processes leave it any.
#[derive(Debug, Default)]
pub(super) struct SharedSlot {
    slot: Slot,
    last: Option<Instant>,
    /// The time from one slot to the next, smoothed. It is longer than the interval of the quota while other
    /// processes take their slots.
    between: Duration,
}

impl SharedSlot {
    /// Asks for a slot from `earliest` on, if there is none and it is needed by `soon`. Returns whether it is to be
    /// requested.
    pub(super) fn request(&mut self, earliest: Instant, soon: Instant, now: Instant) -> bool {
        if matches!(self.slot, Slot::Taken(_, until) if until < now) {
            self.slot = Slot::Wanted;
        }
        let is_due = self.slot == Slot::Wanted && earliest <= soon;
        if is_due {
            self.slot = Slot::Requested(earliest);
        }
        is_due
    }

    /// Takes the slot between these instants. The quota alone would have given slots at that interval.
    pub(super) fn take(&mut self, from: Instant, until: Instant, interval: Duration) {
        if let (Slot::Requested(earliest), Some(last)) = (self.slot, self.last) {
            // While nothing waited, no slot was taken either.
            let wanted = earliest.checked_sub(interval).unwrap_or(earliest);
            let between = from.saturating_duration_since(last.max(wanted));
            self.between = (self.between * 3 + between) / 4;
        }
        self.last = Some(from);
        self.slot = Slot::Taken(from, until);
    }

    pub(super) fn use_up(&mut self) {
        self.slot = Slot::Wanted;
    }

    pub(super) fn is_open_by(&self, at: Instant) -> bool {
        self.opens_at().is_some_and(|from| from <= at)
    }

    /// Returns the instant from which on a call may go, if the slot was taken.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        match self.slot {
            Slot::Taken(from, _) => Some(from),
            Slot::Wanted | Slot::Requested(_) => None,
        }
    }

    /// Returns the time in which so many slots come, if they come as they came.
    pub(super) fn time_for(&self, calls: u64) -> Duration {
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        self.between.saturating_mul(calls)
    }
}
