//! How many calls a plan takes and how long they need at the quota.

use std::time::Duration;

use crate::pacer::Pace;

/// Calls by quota class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CallCounts {
    /// `GET`.
    pub read: u64,
    /// `POST`, `PUT` and `DELETE`.
    pub write: u64,
}

/// The least time that a plan needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The calls of the plan.
    pub calls: CallCounts,
    /// From the first call to the last, when every call succeeds at once.
    pub least: Duration,
}

impl Estimate {
    /// The least time for `calls` when reads and writes go side by side, each at its own pace.
    #[must_use]
    pub fn new(calls: CallCounts, read: Pace, write: Pace) -> Self {
        Self {
            calls,
            least: read
                .least_time(calls.read)
                .max(write.least_time(calls.write)),
        }
    }
}
