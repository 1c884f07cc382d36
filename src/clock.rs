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
use std::sync::OnceLock;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use tokio::time::Instant;

use crate::platform;

thread_local! {
    /// The time by which the wall clock was set forward or back on this thread.
    static SET: Cell<SignedDuration> = const { Cell::new(SignedDuration::ZERO) };

    /// The state of the generator that takes the place of random bits on this thread.
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The clocks at one instant, to which all later readings are tied if a test asks for that.
static TIED: OnceLock<Tied> = OnceLock::new();

#[derive(Debug)]
struct Tied {
    at: std::time::Instant,
    wall: Timestamp,
    boot: Option<(&'static str, i64)>,
}

/// Ties the wall clock and the time since boot to the monotonic clock, in the whole process. In a runtime whose time is
/// paused, all readings at one instant are then the same. For tests that are to be repeated exactly.
pub fn tie() {
    TIED.get_or_init(|| Tied {
        at: std::time::Instant::now(),
        wall: Timestamp::now(),
        boot: platform::since_boot(),
    });
}

/// Replaces the random bits of this thread by those of a generator with that seed. For tests that are to be repeated.
pub fn seed(seed: u64) {
    SEED.set(Some(seed));
}

/// The monotonic clock, which nobody sets. In a runtime whose time is paused it stands still, and the other clocks with it.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The wall clock.
#[must_use]
pub fn wall() -> Timestamp {
    let (now, ahead) = match TIED.get() {
        Some(tied) => (tied.wall, ahead_of(tied.at)),
        None => (Timestamp::now(), ahead_of(std::time::Instant::now())),
    };
    let ahead = SignedDuration::from_nanos(ahead).saturating_add(SET.get());
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
    let (read, at) = match TIED.get() {
        Some(tied) => (tied.boot, tied.at),
        None => (platform::since_boot(), std::time::Instant::now()),
    };
    match read {
        Some((boot, uptime)) => (boot, uptime.saturating_add(ahead_of(at))),
        None => ("", nanos(wall())),
    }
}

/// Returns by how many nanoseconds the monotonic clock is ahead of that instant. Of the present it is not ahead, unless a
/// test paused it.
fn ahead_of(at: std::time::Instant) -> i64 {
    let ours = monotonic().into_std();
    let ahead = ours.saturating_duration_since(at);
    let behind = at.saturating_duration_since(ours);
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
    match SEED.get() {
        Some(seed) => {
            let next = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            SEED.set(Some(next));
            let mixed = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed ^ (mixed >> 31)
        }
        None => RandomState::new().build_hasher().finish(),
    }
}
