//! The server's side of a rate limit: which calls pass, and how long a refused one has to wait.
//!
//! Three kinds of window, because the vendor says only "20 per 10 seconds, starting with the first
//! call" and a client must be right with any of them. What always holds: no window of its kind ever
//! contains more admitted calls than the limit, a refused call is not counted, and the wait a refusal
//! names is the shortest after which the call passes. Times passed in never go backwards.

use std::collections::VecDeque;
use std::time::Duration;

use super::scenario::{Quota, QuotaRules, Window};

/// One rate limit and what it has let through.
#[derive(Debug)]
pub(super) enum Limiter {
    Off,
    Fixed(Counter),
    FirstCall(Counter),
    SlidingLog(SlidingLog),
}

impl Limiter {
    /// A limiter that has seen no call yet.
    pub(super) fn new(quota: Quota, window: Window) -> Self {
        let Quota::Limited { calls, per } = quota else {
            return Self::Off;
        };
        let calls = calls.get();
        match window {
            Window::Fixed => Self::Fixed(Counter::new(calls, per)),
            Window::FirstCall => Self::FirstCall(Counter::new(calls, per)),
            Window::SlidingLog => Self::SlidingLog(SlidingLog {
                calls,
                per,
                admitted: VecDeque::new(),
            }),
        }
    }

    /// Counts a call at `now`, or refuses it and says how long until one would pass.
    pub(super) fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        match self {
            Self::Off => Ok(()),
            Self::Fixed(counter) => counter.admit_aligned(now),
            Self::FirstCall(counter) => counter.admit_from_first_call(now),
            Self::SlidingLog(log) => log.admit(now),
        }
    }
}

/// A window with a beginning and an end, and how many calls it has seen.
#[derive(Debug)]
pub(super) struct Counter {
    calls: u32,
    per: Duration,
    /// The end of the current window, which is no longer part of it; zero before the first.
    end: Duration,
    seen: u32,
}

impl Counter {
    fn new(calls: u32, per: Duration) -> Self {
        Self {
            calls,
            per,
            end: Duration::ZERO,
            seen: 0,
        }
    }

    /// Windows lie end to end from time zero.
    fn admit_aligned(&mut self, now: Duration) -> Result<(), Duration> {
        if now >= self.end {
            self.open(now.saturating_sub(since_multiple(now, self.per)));
        }
        self.count(now)
    }

    /// A window begins with the first call while none is open.
    fn admit_from_first_call(&mut self, now: Duration) -> Result<(), Duration> {
        if now >= self.end {
            self.open(now);
        }
        self.count(now)
    }

    fn open(&mut self, start: Duration) {
        self.end = start.saturating_add(self.per);
        self.seen = 0;
    }

    fn count(&mut self, now: Duration) -> Result<(), Duration> {
        if self.seen >= self.calls {
            return Err(self.end.saturating_sub(now));
        }
        self.seen += 1;
        Ok(())
    }
}

/// How far `now` lies behind the last multiple of `per`.
fn since_multiple(now: Duration, per: Duration) -> Duration {
    let nanos = now.as_nanos().checked_rem(per.as_nanos()).unwrap_or(0);
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    Duration::new(
        u64::try_from(seconds).unwrap_or(u64::MAX),
        u32::try_from(rest).unwrap_or(0),
    )
}

/// The admitted calls of the trailing window, oldest first.
#[derive(Debug)]
pub(super) struct SlidingLog {
    calls: u32,
    per: Duration,
    admitted: VecDeque<Duration>,
}

impl SlidingLog {
    fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        while self
            .admitted
            .front()
            .is_some_and(|&at| at.saturating_add(self.per) <= now)
        {
            self.admitted.pop_front();
        }
        match self.admitted.front() {
            Some(&oldest)
                if self.admitted.len() >= usize::try_from(self.calls).unwrap_or(usize::MAX) =>
            {
                Err(oldest.saturating_add(self.per).saturating_sub(now))
            }
            _ => {
                self.admitted.push_back(now);
                Ok(())
            }
        }
    }
}

/// The two quotas of one tenant.
#[derive(Debug)]
pub(super) struct Quotas {
    pub(super) read: Limiter,
    pub(super) write: Limiter,
}

impl Quotas {
    pub(super) fn new(rules: &QuotaRules) -> Self {
        Self {
            read: Limiter::new(rules.read, rules.window),
            write: Limiter::new(rules.write, rules.window),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    const JUST: Duration = Duration::from_nanos(1);

    fn limiter(calls: u32, per: Duration, window: Window) -> Limiter {
        Limiter::new(
            Quota::Limited {
                calls: NonZeroU32::new(calls).unwrap(),
                per,
            },
            window,
        )
    }

    /// Calls after each of `gaps` (in milliseconds); the times of those that were admitted.
    fn admitted(limiter: &mut Limiter, gaps: &[u64]) -> Vec<Duration> {
        let mut now = Duration::ZERO;
        let mut passed = Vec::new();
        for gap in gaps {
            now += Duration::from_millis(*gap);
            if limiter.admit(now).is_ok() {
                passed.push(now);
            }
        }
        passed
    }

    fn most_in(windows: impl Iterator<Item = (Duration, Duration)>, calls: &[Duration]) -> usize {
        windows
            .map(|(from, to)| calls.iter().filter(|&&at| from <= at && at < to).count())
            .max()
            .unwrap_or(0)
    }

    /// The windows a client sees when each begins with the first call after the last one ended.
    fn windows_from_first_calls(calls: &[Duration], per: Duration) -> Vec<(Duration, Duration)> {
        let mut windows: Vec<(Duration, Duration)> = Vec::new();
        for &at in calls {
            if windows.last().is_none_or(|&(_, end)| at >= end) {
                windows.push((at, at + per));
            }
        }
        windows
    }

    prop_compose! {
        fn case()(calls in 1_u32..6, per in 1_u64..60, gaps in prop::collection::vec(0_u64..25, 0..120))
            -> (u32, Duration, Vec<u64>) {
            (calls, Duration::from_millis(per), gaps)
        }
    }

    proptest! {
        #[test]
        fn a_sliding_log_never_passes_more_than_its_limit_in_any_window((calls, per, gaps) in case()) {
            let passed = admitted(&mut limiter(calls, per, Window::SlidingLog), &gaps);
            let windows = passed.iter().map(|&at| (at, at + per));
            prop_assert!(most_in(windows, &passed) <= calls as usize);
        }

        #[test]
        fn a_fixed_window_never_passes_more_than_its_limit_between_two_multiples((calls, per, gaps) in case()) {
            let passed = admitted(&mut limiter(calls, per, Window::Fixed), &gaps);
            let windows = (0..3200).map(|n| (per * n, per * (n + 1)));
            prop_assert!(most_in(windows, &passed) <= calls as usize);
        }

        #[test]
        fn a_first_call_window_never_passes_more_than_its_limit_from_a_first_call((calls, per, gaps) in case()) {
            let passed = admitted(&mut limiter(calls, per, Window::FirstCall), &gaps);
            let windows = windows_from_first_calls(&passed, per);
            prop_assert!(most_in(windows.into_iter(), &passed) <= calls as usize);
        }

        #[test]
        fn a_refused_call_passes_exactly_when_its_wait_is_over((calls, per, gaps) in case()) {
            for window in [Window::Fixed, Window::FirstCall, Window::SlidingLog] {
                let mut limiter = limiter(calls, per, window);
                admitted(&mut limiter, &gaps);
                let mut now = Duration::from_millis(gaps.iter().sum());
                while limiter.admit(now).is_ok() {}
                let wait = limiter.admit(now).unwrap_err();
                prop_assert!(wait > Duration::ZERO && wait <= per);
                now += wait;
                prop_assert!(limiter.admit(now.saturating_sub(JUST)).is_err());
                prop_assert!(limiter.admit(now).is_ok());
            }
        }
    }

    #[test]
    fn the_kinds_of_window_differ_where_a_burst_straddles_a_boundary() {
        let per = Duration::from_secs(10);
        let at = |seconds| Duration::from_secs(seconds);
        let second_burst = |window| {
            let mut limiter = limiter(2, per, window);
            [8, 9, 10, 11, 18].map(|seconds| limiter.admit(at(seconds)).is_ok())
        };
        assert_eq!(second_burst(Window::Fixed), [true, true, true, true, false]);
        assert_eq!(
            second_burst(Window::FirstCall),
            [true, true, false, false, true]
        );
        assert_eq!(
            second_burst(Window::SlidingLog),
            [true, true, false, false, true]
        );
    }

    #[test]
    fn without_a_quota_every_call_passes() {
        let mut limiter = Limiter::new(Quota::Off, Window::SlidingLog);
        assert!((0..10_000).all(|_| limiter.admit(Duration::ZERO).is_ok()));
    }
}
