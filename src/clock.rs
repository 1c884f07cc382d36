//! The clocks of this machine, and its source of randomness.
//!
//! Only edges name this module. Whatever decides takes time and randomness as arguments, so that a test decides what
//! they are. Clippy refuses every other way to a clock or to randomness.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place that reads clocks and draws random bits"
)]

use std::cell::Cell;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use tokio::time::Instant;

use crate::platform;

thread_local! {
    /// The time by which the wall clock was set forward or back on this thread.
    static SET: Cell<SignedDuration> = const { Cell::new(SignedDuration::ZERO) };
}

/// The monotonic clock, which nobody sets. In a runtime whose time is paused it stands still, and the other clocks with it.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The wall clock.
#[must_use]
pub fn wall() -> Timestamp {
    let ahead = SignedDuration::from_nanos(ahead_of_system()).saturating_add(SET.get());
    let now = Timestamp::now();
    now.checked_add(ahead).unwrap_or(now)
}

/// Sets the wall clock of this thread forward or back, as an administrator may set that of the machine. For tests.
pub fn set_wall(by: SignedDuration) {
    SET.set(SET.get().saturating_add(by));
}

/// The wall clock in the time zone of this machine.
#[must_use]
pub fn local() -> Zoned {
    wall().to_zoned(TimeZone::system())
}

/// Returns the id of this start of the machine, and the nanoseconds since then. Nobody sets this clock, and it goes on
/// while the machine sleeps. Where the system has no such clock, the wall clock stands in for it.
#[must_use]
pub fn since_boot() -> (&'static str, i64) {
    match platform::since_boot() {
        Some((boot, uptime)) => (boot, uptime.saturating_add(ahead_of_system())),
        None => ("", nanos(wall())),
    }
}

/// Returns by how many nanoseconds the monotonic clock is ahead of that of the system: none, unless a test paused it.
fn ahead_of_system() -> i64 {
    let (system, ours) = (std::time::Instant::now(), monotonic().into_std());
    let ahead = ours.saturating_duration_since(system);
    let behind = system.saturating_duration_since(ours);
    let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    nanos(ahead) - nanos(behind)
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
