//! The clocks of the table.

use std::time::Duration;

use crate::clock;

/// The present, by the clocks that the table needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The id of this start of the machine.
    pub boot: &'static str,
    /// The nanoseconds since that start. Nobody sets this clock, and it goes on while the machine sleeps.
    pub uptime: i64,
    /// The nanoseconds since the Unix epoch, by the wall clock.
    pub wall: i64,
}

impl Now {
    /// Reads the clocks.
    #[must_use]
    pub fn read() -> Self {
        let (boot, uptime) = clock::since_boot();
        Self {
            boot,
            uptime,
            wall: clock::nanos(clock::wall()),
        }
    }
}

/// Returns a duration in the unit of the table.
pub(super) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
