//! Estimates of the calls that a plan takes, and of the time that they need at the quota.

use std::time::Duration;

use crate::pacer::{Paces, QuotaScope};

/// The numbers of calls, by quota class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CallCounts {
    /// The number of `GET` calls.
    pub read: u64,
    /// The number of `POST`, `PUT` and `DELETE` calls.
    pub write: u64,
    /// The largest number of writes that go to the same path. All creates share a path, and so do all bulk deletes. Other
    /// writes go to the paths of single objects.
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
    /// The time from the first call to the last, if every call succeeds at once.
    pub least: Duration,
}

impl Estimate {
    /// Estimates the least time for `calls`. Reads and writes go side by side, each at its own pace.
    #[must_use]
    pub fn new(calls: CallCounts, paces: &Paces) -> Self {
        let each = |reads, writes| {
            let reads = paces.read.least_time(reads);
            reads.max(paces.write.least_time(writes))
        };
        let least = match paces.scope {
            QuotaScope::Auto | QuotaScope::Tenant => each(calls.read, calls.write),
            QuotaScope::Endpoint => {
                let all = paces.gateway.least_time(calls.read + calls.write);
                all.max(each(0, calls.together))
            }
        };
        Self { calls, least }
    }
}
