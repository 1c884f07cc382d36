//! The trial of what a tenant's limit counts: all calls of a class together, or those on each exact path.
//!
//! When the calls of a class use up their quota, a few more go, each on a path that has room. If one of them is refused,
//! the limit counts all paths together. If so many pass that no window of it could hold them, it counts each path by
//! itself. A limiter with fixed windows lets twice the quota pass around the end of one, so it takes one call more than
//! that. At most three such probes are under way at a time: so many refusals is the price of the answer.

use std::collections::HashMap;
use std::time::Instant;

use super::call::CallId;
use crate::pacer::Quota;
use crate::wire::QuotaClass;

/// The most probes that are under way at a time.
const MOST: usize = 3;

#[derive(Debug, Default)]
pub(super) struct Trial {
    under_way: HashMap<CallId, (QuotaClass, Instant)>,
    /// The instants at which probes were sent that have passed.
    passed: Vec<(QuotaClass, Instant)>,
}

impl Trial {
    /// Returns the number of probes that may go now.
    pub(super) fn room(&self) -> usize {
        MOST - self.under_way.len().min(MOST)
    }

    /// Notes that a probe goes at `now`.
    pub(super) fn sent(&mut self, id: CallId, class: QuotaClass, now: Instant) {
        self.under_way.insert(id, (class, now));
    }

    /// Returns true if probes have gone. Then they explain a refusal, even that of another call: calls that are under way
    /// together may arrive in another order.
    pub(super) fn has_probed(&self) -> bool {
        !(self.under_way.is_empty() && self.passed.is_empty())
    }

    /// Takes in the answer to a call. Returns true if the probes that have passed show that a limit of `quota` counts
    /// each path by itself.
    pub(super) fn answered(&mut self, id: CallId, passed: bool, quota: Quota) -> bool {
        let Some((class, sent)) = self.under_way.remove(&id).filter(|_| passed) else {
            return false;
        };
        self.passed.push((class, sent));
        self.passed
            .retain(|(_, at)| sent.saturating_duration_since(*at) < quota.window);
        let of_class = self.passed.iter().filter(|(of, _)| *of == class);
        u32::try_from(of_class.count()).is_ok_and(|passed| passed > quota.calls.get())
    }
}
