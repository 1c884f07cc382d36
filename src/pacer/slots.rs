//! Slots: the instants at which the processes of a machine have sent calls and are about to send them.
//!
//! Each process takes the next free slot, and sends its call then. Slots are taken in order, and remembered for as long
//! as they may count. So the calls of processes with different quotas, margins and shapes add up correctly.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::quota::Quota;
use crate::wire::QuotaClass;

/// A slot in the table that processes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The number of the slot in the table. Later slots may get the numbers of forgotten ones.
    pub number: i64,
    /// The time of the slot, in nanoseconds since the start of the machine.
    pub at: i64,
}

/// A request for a slot, which a process makes before it sends a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotRequest {
    /// The class of the call.
    pub class: QuotaClass,
    /// The path of the call.
    pub path: Arc<str>,
    /// The terms of the calls of its class on its path, if each path has a quota of its own.
    pub by_path: Option<Terms>,
    /// The terms of all calls of its class, if they count together.
    pub by_class: Option<Terms>,
    /// The terms of all calls, if a gateway counts them.
    pub by_all: Option<Terms>,
    /// The instant before which the call cannot go.
    pub earliest: Instant,
    /// Slots that the process has taken before, and in which it sends nothing. They are free again.
    pub unused: Vec<Slot>,
}

/// The quota that calls must keep, and the time between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The most calls in any window.
    pub quota: Quota,
    /// The time between two calls; `None` if they go by windows.
    pub spacing: Option<Duration>,
}

impl SlotRequest {
    /// Returns a request for the slot of a call that counts with all of its class.
    #[must_use]
    pub fn of_class(class: QuotaClass, terms: Terms, earliest: Instant) -> Self {
        Self {
            class,
            path: Arc::default(),
            by_path: None,
            by_class: Some(terms),
            by_all: None,
            earliest,
            unused: Vec::new(),
        }
    }

    /// Returns the longest time by which the call may go later than its slot: half of the margin, at least 5 ms. The
    /// other half is left to delays on the way.
    #[must_use]
    pub fn tolerance(&self) -> Duration {
        const LEAST: Duration = Duration::from_millis(5);
        let own = self.by_path.or(self.by_class);
        let margin = own.map_or(Duration::ZERO, |terms| {
            let quota = terms.quota;
            quota.with_margin().saturating_sub(quota.window)
        });
        (margin / 2).max(LEAST)
    }

    /// Returns the longest window for which the call counts, with its margin.
    #[must_use]
    pub fn window(&self) -> Duration {
        let terms = [self.by_path, self.by_class, self.by_all].into_iter();
        let windows = terms.flatten().map(|terms| terms.quota.with_margin());
        windows.max().unwrap_or_default()
    }
}

impl Terms {
    /// Returns the instant at which the slots that were taken leave room for another, in nanoseconds. `taken(n)` is the
    /// slot that was taken before `n` others, on the same clock.
    ///
    /// # Errors
    /// The error with which slots cannot be read.
    pub fn free_at<E>(
        self,
        taken: impl Fn(u32) -> Result<Option<i64>, E>,
    ) -> Result<Option<i64>, E> {
        let after = |slot: i64, time: Duration| {
            slot.saturating_add(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
        };
        let spaced = match self.spacing {
            Some(spacing) => taken(0)?.map(|last| after(last, spacing)),
            None => None,
        };
        let opens = taken(self.quota.calls.get() - 1)?;
        let opens = opens.map(|slot| after(slot, self.quota.with_margin()));
        Ok(spaced.max(opens))
    }
}
