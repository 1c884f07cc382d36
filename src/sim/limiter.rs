//! The server's side of a rate limit: admits calls, or says how long a refused call has to wait.
//!
//! There are six kinds of limiter. The vendor says only "20 per 10 seconds, starting with the first
//! call", and a client must be right with any of them. Three things always hold:
//!
//! - No kind admits more calls than its limit, as this kind counts them.
//! - A refused call counts only if the scenario says so.
//! - The wait after a refusal is the shortest after which the next call passes.
//!
//! The times passed in must not go backwards.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use super::scenario::{Quota, Window};

#[derive(Debug)]
pub(super) struct Limiter {
    /// None if every call is admitted.
    algorithm: Option<Box<dyn Algorithm>>,
    counts_refused: bool,
}

/// A way of counting calls.
pub(super) trait Algorithm: fmt::Debug + Send {
    /// The time from `now` until the next call passes; zero if it passes now.
    fn wait(&self, now: Duration) -> Duration;

    fn count(&mut self, now: Duration);
}

impl Limiter {
    /// A limiter that has seen no call yet. With `counts_refused`, refused calls count too.
    pub(super) fn new(quota: Quota, window: Window, counts_refused: bool) -> Self {
        let algorithm = match quota {
            Quota::Off => None,
            Quota::Limited { calls, per } => Some(algorithm(calls, per, window)),
        };
        Self {
            algorithm,
            counts_refused,
        }
    }

    /// Admits a call at `now`.
    ///
    /// # Errors
    /// The time until the next call is admitted.
    pub(super) fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        let Some(algorithm) = &mut self.algorithm else {
            return Ok(());
        };
        let passes = algorithm.wait(now).is_zero();
        if passes || self.counts_refused {
            algorithm.count(now);
        }
        if passes {
            Ok(())
        } else {
            Err(algorithm.wait(now))
        }
    }
}

fn algorithm(calls: NonZeroU32, per: Duration, window: Window) -> Box<dyn Algorithm> {
    match window {
        Window::Fixed => Box::new(WindowCounter::aligned(calls, per)),
        Window::FirstCall => Box::new(WindowCounter::from_first_call(calls, per)),
        Window::SlidingLog => Box::new(SlidingLog::new(calls, per)),
        Window::SlidingCounter => Box::new(SlidingCounter::new(calls, per)),
        Window::TokenBucket => Box::new(Bucket::full(calls, per, calls.get())),
        Window::SmallBucket => Box::new(Bucket::full(calls, per, calls.get().div_ceil(5))),
    }
}

/// A counter of the calls in one window with a start and an end.
#[derive(Debug)]
pub(super) struct WindowCounter {
    pub(super) calls: u32,
    pub(super) per: Duration,
    /// True if windows lie end to end from time zero; false if a window starts with the first call after
    /// the last one ended.
    aligned: bool,
    /// The end of the window of the last call, exclusive; zero before the first.
    pub(super) end: Duration,
    seen: u32,
}

impl WindowCounter {
    /// A counter whose windows lie end to end from time zero.
    pub(super) fn aligned(calls: NonZeroU32, per: Duration) -> Self {
        Self {
            calls: calls.get(),
            per,
            aligned: true,
            end: Duration::ZERO,
            seen: 0,
        }
    }

    /// A counter whose windows start with the first call after the last window ended.
    fn from_first_call(calls: NonZeroU32, per: Duration) -> Self {
        Self {
            aligned: false,
            ..Self::aligned(calls, per)
        }
    }

    /// The number of further calls that the window of the last call admits.
    pub(super) fn remaining(&self) -> u32 {
        self.calls.saturating_sub(self.seen)
    }
}

impl Algorithm for WindowCounter {
    fn wait(&self, now: Duration) -> Duration {
        if self.seen < self.calls {
            return Duration::ZERO;
        }
        self.end.saturating_sub(now)
    }

    fn count(&mut self, now: Duration) {
        if now >= self.end {
            let since = if self.aligned {
                since_multiple(now, self.per)
            } else {
                Duration::ZERO
            };
            self.end = now.saturating_sub(since).saturating_add(self.per);
            self.seen = 0;
        }
        self.seen = self.seen.saturating_add(1);
    }
}

fn since_multiple(now: Duration, per: Duration) -> Duration {
    from_nanos(now.as_nanos().checked_rem(per.as_nanos()).unwrap_or(0))
}

fn from_nanos(nanos: u128) -> Duration {
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    Duration::new(
        u64::try_from(seconds).unwrap_or(u64::MAX),
        u32::try_from(rest).unwrap_or(0),
    )
}

/// The calls of the trailing window, oldest first. Only the last N decide when the next call passes, so
/// no more than N are kept, however many refused calls count.
#[derive(Debug)]
struct SlidingLog {
    calls: usize,
    per: Duration,
    counted: VecDeque<Duration>,
}

impl SlidingLog {
    fn new(calls: NonZeroU32, per: Duration) -> Self {
        Self {
            calls: usize::try_from(calls.get()).unwrap_or(usize::MAX),
            per,
            counted: VecDeque::new(),
        }
    }
}

impl Algorithm for SlidingLog {
    fn wait(&self, now: Duration) -> Duration {
        let full = self.counted.len() >= self.calls;
        let oldest = self.counted.front().filter(|_| full);
        oldest.map_or(Duration::ZERO, |at| {
            at.saturating_add(self.per).saturating_sub(now)
        })
    }

    fn count(&mut self, now: Duration) {
        let gone = |at: &Duration| at.saturating_add(self.per) <= now;
        while self.counted.len() >= self.calls || self.counted.front().is_some_and(gone) {
            self.counted.pop_front();
        }
        self.counted.push_back(now);
    }
}

/// An estimate of the trailing window from the counts of two aligned windows: the current count, plus the
/// share of the previous count that the trailing window still overlaps. A call passes while the estimate
/// is below the limit.
#[derive(Debug)]
struct SlidingCounter {
    calls: u128,
    /// The length of a window in nanoseconds. All times here are in nanoseconds.
    per: u128,
    start: u128,
    seen: u128,
    previous: u128,
}

impl SlidingCounter {
    fn new(calls: NonZeroU32, per: Duration) -> Self {
        Self {
            calls: u128::from(calls.get()),
            per: per.as_nanos(),
            start: 0,
            seen: 0,
            previous: 0,
        }
    }

    /// The time from the start of a window until its estimate falls below the limit; none if the window
    /// is full by itself.
    fn first_pass(&self, previous: u128, seen: u128) -> Option<u128> {
        let room = self.calls.checked_sub(seen).filter(|room| *room > 0)?;
        if previous == 0 {
            return Some(0);
        }
        // previous (per - offset) / per < room, without rounding.
        let overlap = (room * self.per).div_ceil(previous) - 1;
        Some(self.per.saturating_sub(overlap))
    }
}

impl Algorithm for SlidingCounter {
    fn wait(&self, now: Duration) -> Duration {
        let passes = match self.first_pass(self.previous, self.seen) {
            Some(offset) => self.start + offset,
            // The current window is full: the call has to wait for the next window.
            None => self.start + self.per + self.first_pass(self.seen, 0).unwrap_or(self.per),
        };
        from_nanos(passes.saturating_sub(now.as_nanos()))
    }

    fn count(&mut self, now: Duration) {
        let now = now.as_nanos();
        let start = now - now.checked_rem(self.per).unwrap_or(0);
        if start > self.start {
            let adjacent = start - self.start == self.per;
            self.previous = if adjacent { self.seen } else { 0 };
            (self.start, self.seen) = (start, 0);
        }
        self.seen += 1;
    }
}

/// A bucket of tokens that is refilled evenly, up to its capacity. If refused calls count, the bucket may
/// owe tokens. It owes no more than it gets in one window, so that no client is shut out for good.
#[derive(Debug)]
struct Bucket {
    /// The tokens in the bucket, in units small enough for whole numbers: one token is as many units as
    /// the window has nanoseconds.
    level: i128,
    capacity: i128,
    /// The units that one call takes.
    token: i128,
    /// The units added in each nanosecond.
    refill: i128,
    at: Duration,
}

impl Bucket {
    fn full(calls: NonZeroU32, per: Duration, capacity: u32) -> Self {
        let token = i128::try_from(per.as_nanos()).unwrap_or(i128::MAX);
        let capacity = token.saturating_mul(i128::from(capacity));
        Self {
            level: capacity,
            capacity,
            token,
            refill: i128::from(calls.get()),
            at: Duration::ZERO,
        }
    }

    fn level(&self, now: Duration) -> i128 {
        let elapsed = now.saturating_sub(self.at).as_nanos();
        let elapsed = i128::try_from(elapsed).unwrap_or(i128::MAX);
        let level = self
            .level
            .saturating_add(self.refill.saturating_mul(elapsed));
        level.min(self.capacity)
    }
}

impl Algorithm for Bucket {
    fn wait(&self, now: Duration) -> Duration {
        let missing = u128::try_from(self.token - self.level(now)).unwrap_or(0);
        from_nanos(missing.div_ceil(self.refill.unsigned_abs()))
    }

    fn count(&mut self, now: Duration) {
        let most_owed = self.refill.saturating_mul(self.token);
        self.level = (self.level(now) - self.token).max(-most_owed);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NANOSECOND: Duration = Duration::from_nanos(1);

    const WINDOWS: [Window; 6] = [
        Window::Fixed,
        Window::FirstCall,
        Window::SlidingLog,
        Window::SlidingCounter,
        Window::TokenBucket,
        Window::SmallBucket,
    ];

    fn limiter(calls: u32, per: Duration, window: Window) -> Limiter {
        Limiter::new(quota(calls, per), window, false)
    }

    fn counting_refused(calls: u32, per: Duration, window: Window) -> Limiter {
        Limiter::new(quota(calls, per), window, true)
    }

    fn quota(calls: u32, per: Duration) -> Quota {
        Quota::Limited {
            calls: NonZeroU32::new(calls).unwrap(),
            per,
        }
    }

    /// Makes a call after each of `gaps` (in milliseconds): returns its time, and true if it was admitted.
    fn calls(limiter: &mut Limiter, gaps: &[u64]) -> Vec<(Duration, bool)> {
        let mut now = Duration::ZERO;
        let call = |gap: &u64| {
            now += Duration::from_millis(*gap);
            (now, limiter.admit(now).is_ok())
        };
        gaps.iter().map(call).collect()
    }

    fn admitted(limiter: &mut Limiter, gaps: &[u64]) -> Vec<Duration> {
        let calls = calls(limiter, gaps).into_iter();
        calls
            .filter_map(|(at, passed)| passed.then_some(at))
            .collect()
    }

    fn most_calls_in(
        windows: impl Iterator<Item = (Duration, Duration)>,
        calls: &[Duration],
    ) -> usize {
        windows
            .map(|(from, to)| calls.iter().filter(|&&at| from <= at && at < to).count())
            .max()
            .unwrap_or(0)
    }

    /// The windows that start with the first call after the last window ended.
    fn windows_from_first_calls(calls: &[Duration], per: Duration) -> Vec<(Duration, Duration)> {
        let mut windows: Vec<(Duration, Duration)> = Vec::new();
        for &at in calls {
            if windows.last().is_none_or(|&(_, end)| at >= end) {
                windows.push((at, at + per));
            }
        }
        windows
    }

    /// The estimate of the sliding counter at `now`, times the window's length in nanoseconds.
    fn estimate(earlier: &[Duration], per: Duration, now: Duration) -> u128 {
        let window = |at: &Duration| at.as_nanos() / per.as_nanos();
        let of = |number| earlier.iter().filter(|at| window(at) == number).count() as u128;
        let current = window(&now);
        let previous = current.checked_sub(1).map_or(0, of);
        let overlap = (current + 1) * per.as_nanos() - now.as_nanos();
        previous * overlap + of(current) * per.as_nanos()
    }

    /// Returns true if a bucket of this capacity admits all of these calls.
    fn fits_bucket(passed: &[Duration], calls: u32, per: Duration, capacity: u32) -> bool {
        let starts = passed.iter().enumerate();
        let mut spans = starts.flat_map(|(n, from)| {
            passed
                .iter()
                .skip(n)
                .zip(1_u128..)
                .map(move |(to, count)| (to.saturating_sub(*from), count))
        });
        spans.all(|(span, count)| {
            let refilled = span.as_nanos() * u128::from(calls);
            count * per.as_nanos() <= u128::from(capacity) * per.as_nanos() + refilled
        })
    }

    prop_compose! {
        fn case()(calls in 1_u32..12, per in 1_u64..60, gaps in prop::collection::vec(0_u64..25, 0..120))
            -> (u32, Duration, Vec<u64>) {
            (calls, Duration::from_millis(per), gaps)
        }
    }

    proptest! {
        #[test]
        fn a_sliding_log_keeps_its_limit_in_any_window((calls, per, gaps) in case()) {
            for mut limiter in [limiter(calls, per, Window::SlidingLog), counting_refused(calls, per, Window::SlidingLog)] {
                let passed = admitted(&mut limiter, &gaps);
                let windows = passed.iter().map(|&at| (at, at + per));
                prop_assert!(most_calls_in(windows, &passed) <= calls as usize);
            }
        }

        #[test]
        fn a_fixed_window_keeps_its_limit_between_multiples((calls, per, gaps) in case()) {
            let passed = admitted(&mut limiter(calls, per, Window::Fixed), &gaps);
            let windows = (0..3200).map(|n| (per * n, per * (n + 1)));
            prop_assert!(most_calls_in(windows, &passed) <= calls as usize);
        }

        #[test]
        fn a_first_call_window_keeps_its_limit((calls, per, gaps) in case()) {
            let passed = admitted(&mut limiter(calls, per, Window::FirstCall), &gaps);
            let windows = windows_from_first_calls(&passed, per);
            prop_assert!(most_calls_in(windows.into_iter(), &passed) <= calls as usize);
        }

        #[test]
        fn a_sliding_counter_admits_while_below_the_limit((limit, per, gaps) in case()) {
            let mut passed = Vec::new();
            for (at, admitted) in calls(&mut limiter(limit, per, Window::SlidingCounter), &gaps) {
                let below = estimate(&passed, per, at) < u128::from(limit) * per.as_nanos();
                prop_assert_eq!(admitted, below);
                passed.extend(admitted.then_some(at));
            }
        }

        #[test]
        fn a_bucket_admits_only_the_tokens_it_had((calls, per, gaps) in case()) {
            for (window, capacity) in [(Window::TokenBucket, calls), (Window::SmallBucket, calls.div_ceil(5))] {
                for mut limiter in [limiter(calls, per, window), counting_refused(calls, per, window)] {
                    let passed = admitted(&mut limiter, &gaps);
                    prop_assert!(fits_bucket(&passed, calls, per, capacity));
                }
            }
        }

        #[test]
        fn a_refused_call_passes_exactly_after_its_wait((calls, per, gaps) in case()) {
            for window in WINDOWS {
                let mut limiter = limiter(calls, per, window);
                admitted(&mut limiter, &gaps);
                let mut now = Duration::from_millis(gaps.iter().sum());
                while limiter.admit(now).is_ok() {}
                let wait = limiter.admit(now).unwrap_err();
                // The sliding counter waits a little longer than a window: its estimate is below the limit
                // only after the full window has begun to leave.
                prop_assert!(wait > Duration::ZERO && wait <= per + NANOSECOND);
                now += wait;
                prop_assert!(limiter.admit(now.saturating_sub(NANOSECOND)).is_err());
                prop_assert!(limiter.admit(now).is_ok());
            }
        }

        #[test]
        fn the_wait_suffices_even_if_refused_calls_count((calls, per, gaps) in case()) {
            for window in WINDOWS {
                let mut limiter = counting_refused(calls, per, window);
                admitted(&mut limiter, &gaps);
                let now = Duration::from_millis(gaps.iter().sum());
                while limiter.admit(now).is_ok() {}
                let wait = limiter.admit(now).unwrap_err();
                prop_assert!(wait > Duration::ZERO && wait <= 2 * per);
                prop_assert!(limiter.admit(now + wait).is_ok());
            }
        }
    }

    #[test]
    fn limiters_differ_at_a_burst_across_a_boundary() {
        let per = Duration::from_secs(10);
        let passed = |window| {
            let mut limiter = limiter(2, per, window);
            [8, 9, 10, 11, 18].map(|seconds| limiter.admit(Duration::from_secs(seconds)).is_ok())
        };
        let [yes, no] = [true, false];
        assert_eq!(passed(Window::Fixed), [yes, yes, yes, yes, no]);
        assert_eq!(passed(Window::FirstCall), [yes, yes, no, no, yes]);
        assert_eq!(passed(Window::SlidingLog), [yes, yes, no, no, yes]);
        assert_eq!(passed(Window::SlidingCounter), [yes, yes, no, yes, yes]);
        assert_eq!(passed(Window::TokenBucket), [yes, yes, no, no, yes]);
        assert_eq!(passed(Window::SmallBucket), [yes, no, no, no, yes]);
    }

    #[test]
    fn an_impatient_client_starves_if_refused_calls_count() {
        let per = Duration::from_secs(10);
        let passed = |mut limiter: Limiter| {
            let every_second = (0..30).map(Duration::from_secs);
            every_second
                .filter(|now| limiter.admit(*now).is_ok())
                .count()
        };
        for window in [
            Window::SlidingLog,
            Window::SlidingCounter,
            Window::TokenBucket,
        ] {
            let (patient, strict) = (limiter(5, per, window), counting_refused(5, per, window));
            assert!(passed(patient) > 2 * passed(strict), "{window:?}");
        }
    }

    #[test]
    fn without_a_quota_every_call_passes() {
        let mut limiter = Limiter::new(Quota::Off, Window::SlidingLog, true);
        assert!((0..10_000).all(|_| limiter.admit(Duration::ZERO).is_ok()));
    }
}
