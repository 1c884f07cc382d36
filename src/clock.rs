//! The clocks of this machine, and its source of randomness.
//!
//! Only edges name this module. Whatever decides takes time and randomness as arguments, so that a test decides what
//! they are. Clippy refuses every other way to a clock or to randomness.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place that reads clocks and draws random bits"
)]

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use jiff::{Timestamp, Zoned};
use tokio::time::Instant;

use crate::platform;

/// The monotonic clock, which nobody sets. In a runtime whose time is paused it stands still.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The wall clock.
#[must_use]
pub fn wall() -> Timestamp {
    Timestamp::now()
}

/// The wall clock in the time zone of this machine.
#[must_use]
pub fn local() -> Zoned {
    Zoned::now()
}

/// Returns the id of this start of the machine, and the nanoseconds since then. Nobody sets this clock, and it goes on
/// while the machine sleeps. Where the system has no such clock, the wall clock stands in for it.
#[must_use]
pub fn since_boot() -> (&'static str, i64) {
    platform::since_boot().unwrap_or_else(|| ("", nanos(wall())))
}

/// Returns the nanoseconds since the Unix epoch.
#[must_use]
pub fn nanos(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}

/// Returns 64 random bits, good for jitter and for names, not for secrets.
#[must_use]
pub fn random_bits() -> u64 {
    RandomState::new().build_hasher().finish()
}
