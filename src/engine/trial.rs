//! The trial of what a tenant's limit counts: all calls of a class together, or those on each exact path.
//!
//! When the calls of a class use up their quota, a few more go, each on a path that has room: the probes. If one of them is
//! refused, the limit counts all paths together. If so many pass that no window of it could hold them, even if it is
//! larger than the published one, the limit counts each path by itself.
//!
//! At most three probes are under way at a time: so many refusals is the price of the answer. Once many have passed, more may
//! be under way, so that slow answers do not hold the trial up. Where the limit is known to count each path, each probe that
//! passes lets one more be under way. So the price is the same if the answer is wrong by then.

use std::collections::HashMap;
use std::time::Instant;

use super::call::CallId;
use crate::pacer::Quota;
use crate::wire::QuotaClass;

/// The most probes that are under way at a time, until more may be.
const MOST: usize = 3;

/// The number of probes that must pass so that one more may be under way, until the answer is known; then it is 1. Smaller
/// goes faster; larger costs less where the limit counts all paths together and is larger than the published one.
const PASSED_FOR_ONE_MORE: usize = 20;

/// The number of quotas that probes must exceed within a window to show that no limit counts all paths together. A limiter
/// with fixed windows lets twice the quota pass around the end of one, and the limit may be larger than the quota.
const TELLING: usize = 3;

/// The calls that the limits count together, as far as that is known.
#[derive(Debug)]
pub(super) enum Counting {
    AllPaths,
    /// Not known yet.
    Trial(Trial),
    /// Known, or settled. The trial goes on, since the answer may be wrong.
    EachPath(Trial),
}

impl Counting {
    pub(super) fn trial(&self) -> Option<&Trial> {
        match self {
            Self::AllPaths => None,
            Self::Trial(trial) | Self::EachPath(trial) => Some(trial),
        }
    }

    pub(super) fn trial_mut(&mut self) -> Option<&mut Trial> {
        match self {
            Self::AllPaths => None,
            Self::Trial(trial) | Self::EachPath(trial) => Some(trial),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Trial {
    under_way: HashMap<CallId, (QuotaClass, Instant)>,
    read: OfClass,
    write: OfClass,
    is_known: bool,
}

/// The probes of one class.
#[derive(Debug, Default)]
struct OfClass {
    under_way: usize,
    /// The number of probes that have passed since one was refused.
    passed: usize,
    /// The instants at which those were sent that have passed in the last window.
    recent: Vec<Instant>,
}

impl Trial {
    /// A trial of an answer that is known already.
    pub(super) fn known() -> Self {
        Self {
            is_known: true,
            ..Self::default()
        }
    }

    /// Returns the number of probes of the class that may go now.
    pub(super) fn room(&self, class: QuotaClass) -> usize {
        let of_class = self.of_class(class);
        if self.is_proven(of_class) {
            let passed_for_one = if self.is_known {
                1
            } else {
                PASSED_FOR_ONE_MORE
            };
            let most = MOST + of_class.passed / passed_for_one;
            return most.saturating_sub(of_class.under_way);
        }
        let both = [&self.read, &self.write].into_iter();
        let unproven = both.filter(|of_class| !self.is_proven(of_class));
        MOST.saturating_sub(unproven.map(|of_class| of_class.under_way).sum())
    }

    /// Returns true if the class has probes of its own. The others share the first ones.
    fn is_proven(&self, of_class: &OfClass) -> bool {
        self.is_known || of_class.passed >= PASSED_FOR_ONE_MORE
    }

    /// Notes that a probe goes at `now`.
    pub(super) fn sent(&mut self, id: CallId, class: QuotaClass, now: Instant) {
        self.under_way.insert(id, (class, now));
        self.of_class_mut(class).under_way += 1;
    }

    /// Returns true if probes have gone. Then they explain a refusal, even that of another call: calls that are under way
    /// together may arrive in another order.
    pub(super) fn has_probed(&self) -> bool {
        let of_classes = [&self.read, &self.write];
        of_classes.iter().any(|of| of.under_way + of.passed > 0)
    }

    /// Takes in that a path was refused which had not used up its quota: the class begins anew with few probes.
    pub(super) fn refused(&mut self, class: QuotaClass) {
        self.of_class_mut(class).passed = 0;
    }

    /// Takes in the answer to a call. Returns true if the probes that have passed show that a limit of `quota` counts
    /// each path by itself.
    pub(super) fn answered(&mut self, id: CallId, passed: bool, quota: Quota) -> bool {
        let Some((class, sent)) = self.under_way.remove(&id) else {
            return false;
        };
        let of_class = self.of_class_mut(class);
        of_class.under_way -= 1;
        if !passed {
            return false;
        }
        of_class.passed += 1;
        if self.is_known {
            return false;
        }
        let of_class = self.of_class_mut(class);
        let recent = &mut of_class.recent;
        recent.push(sent);
        recent.retain(|at| sent.saturating_duration_since(*at) < quota.window);
        let most = usize::try_from(quota.calls.get()).unwrap_or(usize::MAX);
        let is_told = recent.len() > most.saturating_mul(TELLING);
        self.is_known |= is_told;
        is_told
    }

    fn of_class(&self, class: QuotaClass) -> &OfClass {
        match class {
            QuotaClass::Read => &self.read,
            QuotaClass::Write => &self.write,
        }
    }

    fn of_class_mut(&mut self, class: QuotaClass) -> &mut OfClass {
        match class {
            QuotaClass::Read => &mut self.read,
            QuotaClass::Write => &mut self.write,
        }
    }
}
