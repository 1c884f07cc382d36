//! How many calls a plan takes and how long they need at the quota.

use std::time::Duration;

use crate::pacer::{Paces, QuotaScope};

/// Calls by quota class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CallCounts {
    /// `GET`.
    pub read: u64,
    /// `POST`, `PUT` and `DELETE`.
    pub write: u64,
    /// How many of the writes go to one path: creates do, and deletes of several together; all else goes to the paths of
    /// single objects.
    #[serde(skip)]
    pub together: u64,
}

impl std::ops::Add for CallCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            read: self.read + other.read,
            write: self.write + other.write,
            together: self.together + other.together,
        }
    }
}

/// The least time that a plan needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// The calls of the plan.
    pub calls: CallCounts,
    /// From the first call to the last, when every call succeeds at once.
    pub least: Duration,
}

impl Estimate {
    /// The least time for `calls` when reads and writes go side by side, each at its own pace.
    #[must_use]
    pub fn new(calls: CallCounts, paces: &Paces) -> Self {
        let each = |reads, writes| {
            let reads = paces.read.least_time(reads);
            reads.max(paces.write.least_time(writes))
        };
        let least = match paces.scope {
            QuotaScope::Tenant => each(calls.read, calls.write),
            QuotaScope::Endpoint => {
                let all = paces.gateway.least_time(calls.read + calls.write);
                all.max(each(0, calls.together))
            }
        };
        Self { calls, least }
    }
}
