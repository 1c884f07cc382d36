//! The rate that a class reaches while the server refuses calls again and again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The number of pauses that are remembered: enough to even out their lengths, few enough to follow a server that
/// changes.
const REMEMBERED: usize = 16;

/// Counts the calls that pass from the end of one pause to the end of a later one. This span contains whole pauses, so
/// calls divided by time is the true rate, however long the pauses are.
#[derive(Clone, Debug, Default)]
pub(super) struct Throughput {
    passed: u64,
    paused: bool,
    /// The end of each pause, with the number of calls that had passed by then.
    resumed: VecDeque<(Instant, u64)>,
}

impl Throughput {
    /// Counts a call that went at `now`.
    pub(super) fn sent(&mut self, now: Instant) {
        if std::mem::take(&mut self.paused) {
            self.resumed.push_back((now, self.passed));
            if self.resumed.len() > REMEMBERED {
                self.resumed.pop_front();
            }
        }
        self.passed += 1;
    }

    /// Takes the last call out of the count, since it was refused: a pause begins.
    pub(super) fn refused(&mut self) {
        self.passed = self.passed.saturating_sub(1);
        self.paused = true;
    }

    /// Estimates the time that `calls` more calls take if refusals go on as before. Between pauses, calls are `spacing`
    /// apart. Returns `None` if refusals do not go on.
    pub(super) fn time_for(&self, calls: u64, spacing: Duration, now: Instant) -> Option<Duration> {
        let (first, before) = *self.resumed.front()?;
        let (last, by_then) = *self.resumed.back()?;
        let cycles = u32::try_from(self.resumed.len() - 1).ok()?;
        let passed = by_then.checked_sub(before).filter(|passed| *passed > 0)?;
        let cycle = last.saturating_duration_since(first).checked_div(cycles)?;
        if now.saturating_duration_since(last) > cycle * 2 {
            return None;
        }
        // The last cycle ends with its last call, not with a pause.
        let left = (calls + self.passed.saturating_sub(by_then)) * u64::from(cycles);
        let whole = left.saturating_sub(1) / passed;
        let rest = (left - whole * passed).div_ceil(u64::from(cycles));
        let times = |each: Duration, count: u64| {
            let nanos = each.as_nanos() * u128::from(count);
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        let ends = last + times(cycle, whole) + times(spacing, rest.saturating_sub(1));
        Some(ends.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Sends six calls a second apart and one that is refused. Returns the end of the pause, 14 s after `from`.
    fn cycle(throughput: &mut Throughput, from: Instant) -> Instant {
        for second in 0..6 {
            throughput.sent(from + SECOND * second);
        }
        throughput.sent(from + SECOND * 6);
        throughput.refused();
        from + SECOND * 14
    }

    #[test]
    fn pauses_count_while_they_come_again_and_again() {
        let mut throughput = Throughput::default();
        let start = Instant::now();
        let mut now = start;
        for _ in 0..3 {
            assert_eq!(throughput.time_for(60, SECOND, now), None, "too early");
            now = cycle(&mut throughput, now);
        }
        throughput.sent(now);
        let left = SECOND * (9 * 14 + 5);
        assert_eq!(throughput.time_for(59, SECOND, now), Some(left));
        let later = now + SECOND * 29;
        assert_eq!(throughput.time_for(59, SECOND, later), None, "it is over");
    }
}
