//! The parameters of GCRA for a quota.

use std::num::NonZeroU32;
use std::time::Duration;

use super::quota::{Burst, Pace, Quota};

/// The parameters of GCRA: burst b and interval T.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) burst: NonZeroU32,
    pub(super) interval: Duration,
}

impl Shape {
    /// Returns the shape with which `expected` calls end soonest. The last of n calls goes at
    /// `(n - b) W / (L - b + 1)`: this is least for b = n if n <= L, and for b = 1 otherwise.
    pub(super) fn new(quota: Quota, expected: u64) -> Self {
        let all = u32::try_from(expected).ok().and_then(NonZeroU32::new);
        let burst = match quota.burst {
            Burst::Auto => all.filter(|n| *n <= quota.calls).unwrap_or(NonZeroU32::MIN),
            Burst::Fixed(calls) => calls.min(quota.calls),
        };
        Self::with_burst(quota, burst)
    }

    /// Returns the shape with one call at a time, at the full rate.
    pub(super) fn steady(quota: Quota) -> Self {
        Self::with_burst(quota, NonZeroU32::MIN)
    }

    fn with_burst(quota: Quota, burst: NonZeroU32) -> Self {
        Self {
            burst,
            interval: interval(quota, burst),
        }
    }
}

/// Returns T for that burst, rounded up: with T a nanosecond too small, one more call fits into the window.
fn interval(quota: Quota, burst: NonZeroU32) -> Duration {
    let steps = u128::from(quota.calls.get() - burst.get() + 1);
    let nanos = quota.with_margin().as_nanos().div_ceil(steps);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl Pace {
    /// Returns the least time from the first to the last of `calls` calls.
    #[must_use]
    pub fn least_time(self, calls: u64) -> Duration {
        let Self::At(quota) = self else {
            return Duration::ZERO;
        };
        let Shape { burst, interval } = Shape::new(quota, calls);
        let waits = calls.saturating_sub(u64::from(burst.get()));
        let nanos = interval.as_nanos().saturating_mul(u128::from(waits));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
