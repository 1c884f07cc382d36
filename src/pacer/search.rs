//! The search for the part of the limit that is ours: additive increase and multiplicative decrease (as in RFC 5681), in
//! calls per window.
//!
//! The rate starts at the published quota. With a ceiling above 1, each window without a refusal raises it by half while
//! calls are waiting, until the first refusal or the ceiling. A refusal lowers the rate to 0.7 of the refused one. The
//! calls that passed in the window before the refusal show where the limit is, so this number is remembered. Each
//! window, the rate goes back towards it by half the way or by a tenth of the published quota, whichever is more. Ten
//! minutes after the refusal it tries to pass the limit.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::admission::Refusal;
use super::quota::Quota;

/// The factor by which each window raises the rate until the first refusal. Larger finds a high limit sooner and
/// overshoots it by more.
const CLIMB: f64 = 1.5;

/// The share of the rate that is left after a refusal. Smaller loses more to each refusal; larger may be refused again
/// at once.
const LEFT: f64 = 0.7;

/// The least that a window adds to the rate after the first refusal, as a share of the published quota.
const STEP: f64 = 0.1;

/// The lowest rate, as a share of the published quota.
const FLOOR: f64 = 0.1;

/// The lowest rate, in calls per window, unless the published quota is lower: what another program always leaves us.
const LEAST: f64 = 2.0;

/// The largest share of a refused rate that is taken for the limit. So a few refusals find the limit even of a limiter
/// that counts in its own way.
const BELOW: f64 = 0.95;

/// The share of the rate that a window must have used to show that there is room for more.
const USED: f64 = 0.9;

/// The time for which a limit is believed. Shorter finds a raised limit sooner, and is refused more often.
const BELIEVED: Duration = Duration::from_secs(600);

/// The search for the limit of one quota class.
#[derive(Clone, Debug)]
pub(super) struct Search {
    published: Quota,
    /// In calls per window of the published quota.
    rate: f64,
    most: f64,
    /// True until the first refusal.
    climbing: bool,
    window: Option<Window>,
    limit: Option<Limit>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Instant,
    sent: u32,
}

/// The limit as a refusal showed it.
#[derive(Clone, Copy, Debug)]
struct Limit {
    rate: f64,
    believed_until: Instant,
}

impl Search {
    /// Returns a search that begins at `published` and ends at its ceiling.
    pub(super) fn new(published: Quota, now: Instant) -> Self {
        let calls = f64::from(published.calls.get());
        let most = calls * f64::from(published.ceiling.get());
        let found = published
            .found
            .map(|found| f64::from(found.get()).min(most));
        let limit = found.map(|rate| Limit {
            rate,
            believed_until: now + BELIEVED,
        });
        Self {
            published,
            rate: found.unwrap_or(calls),
            most,
            climbing: found.is_none(),
            window: None,
            limit,
        }
    }

    /// The calls in a window for which there was room when a call was refused.
    pub(super) fn found(&self) -> Option<NonZeroU32> {
        let whole = self.limit?.rate.floor();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number within the range"
        )]
        NonZeroU32::new(whole as u32)
    }

    /// The quota at which the search began.
    pub(super) fn published(&self) -> Quota {
        self.published
    }

    /// Counts a call that went at `now`. Returns the new quota if it changes, for calls that are spread smoothly or by
    /// windows.
    pub(super) fn sent(&mut self, now: Instant, is_smooth: bool) -> Option<Quota> {
        let length = self.published.with_margin();
        let window = self.window.get_or_insert(Window {
            began: now,
            sent: 0,
        });
        let lasted = now.saturating_duration_since(window.began);
        if lasted < length {
            window.sent += 1;
            return None;
        }
        let used = f64::from(window.sent) * length.as_secs_f64() / lasted.as_secs_f64();
        *window = Window {
            began: now,
            sent: 1,
        };
        let raised = used >= USED * self.rate && self.raise(now);
        raised.then(|| self.quota(is_smooth))
    }

    /// Raises the rate as far as that is wise. Returns whether it is.
    fn raise(&mut self, now: Instant) -> bool {
        self.limit = self.limit.filter(|limit| now < limit.believed_until);
        let step = STEP * f64::from(self.published.calls.get());
        let raised = match self.limit {
            Some(limit) => (self.rate + step.max((limit.rate - self.rate) / 2.0)).min(limit.rate),
            None if self.climbing => self.rate * CLIMB,
            None => self.rate + step,
        };
        let raised = raised.min(self.most);
        let changed = raised > self.rate;
        self.rate = raised.max(self.rate);
        changed
    }

    /// Lowers the rate after a refusal and returns the new quota, for calls that are spread smoothly or by windows.
    /// `passed` calls passed in the window before.
    pub(super) fn refused(&mut self, refusal: &Refusal, passed: u32, is_smooth: bool) -> Quota {
        let (refused, published) = (self.rate, f64::from(self.published.calls.get()));
        let floor = (FLOOR * published).max(LEAST.min(published));
        self.rate = (LEFT * refused).max(floor);
        self.limit = Some(Limit {
            rate: f64::from(passed).clamp(self.rate, self.rate.max(BELOW * refused)),
            believed_until: refusal.at + BELIEVED,
        });
        self.climbing = false;
        self.window = None;
        self.quota(is_smooth)
    }

    /// Returns the rate as a quota. Spread smoothly, it is a whole number of calls in a window of fitting length; by
    /// windows, the length must stay.
    pub(super) fn quota(&self, is_smooth: bool) -> Quota {
        let whole = if is_smooth {
            self.rate.round()
        } else {
            self.rate.floor()
        };
        let whole = whole.clamp(1.0, f64::from(u32::MAX));
        let stretched = self.published.window.mul_f64(whole / self.rate);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number within the range"
        )]
        let calls = NonZeroU32::new(whole as u32);
        Quota {
            calls: calls.unwrap_or(NonZeroU32::MIN),
            window: if is_smooth {
                stretched
            } else {
                self.published.window
            },
            ..self.published
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::super::{Admission, Pace, Pacer};
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    /// Sends as many calls as the pacer admits for an hour. The limiter keeps a log of the last window, and its answers
    /// take 120 ms. Returns the share of the limit that was used from the third minute on, and the share of the calls
    /// that was refused.
    fn an_hour(limit: usize, ceiling: u32) -> (f64, f64) {
        const LATENCY: Duration = Duration::from_millis(120);
        let start = Instant::now();
        let (mut now, end) = (start, start + WINDOW * 360);
        let pace = Pace::At(Quota::WRITE).searching(NonZeroU32::new(ceiling).unwrap());
        let mut pacer = Pacer::new(pace, start);
        let mut passed: VecDeque<Instant> = VecDeque::new();
        let mut refusals: VecDeque<Refusal> = VecDeque::new();
        let (mut used, mut sent, mut refused) = (0_u32, 0_u32, 0_u32);
        while now < end {
            if let Some(refusal) = refusals.front().copied().filter(|r| r.at <= now) {
                refusals.pop_front();
                pacer.pause(&refusal);
            }
            let slot = match pacer.admit(now) {
                Admission::Admitted => {
                    sent += 1;
                    while passed.front().is_some_and(|at| *at + WINDOW <= now) {
                        passed.pop_front();
                    }
                    if passed.len() < limit {
                        passed.push_back(now);
                        used += u32::from(now > start + Duration::from_secs(180));
                    } else {
                        refused += 1;
                        refusals.push_back(Refusal {
                            at: now + LATENCY,
                            sent: now,
                            until: passed[0] + WINDOW + Duration::from_secs(3),
                            by_quota: true,
                        });
                    }
                    continue;
                }
                Admission::NotBefore(slot) => slot,
            };
            let reply = refusals.front().map_or(slot, |refusal| refusal.at);
            now = slot.min(reply);
        }
        let possible = f64::from(u32::try_from(limit).unwrap() * (360 - 18));
        (
            f64::from(used) / possible,
            f64::from(refused) / f64::from(sent),
        )
    }

    #[test]
    fn a_limit_above_or_below_the_published_is_found() {
        for (limit, ceiling, least) in [
            (26, 5, 0.85),
            (300, 50, 0.85),
            (6, 5, 0.9),
            (10, 5, 0.9),
            (7, 1, 0.9),
        ] {
            let (used, refused) = an_hour(limit, ceiling);
            assert!(used >= least, "{used} of {limit} used");
            assert!(refused < 0.015, "{refused} of the calls refused at {limit}");
        }
    }

    #[test]
    fn the_ceiling_is_not_passed() {
        let (used, refused) = an_hour(1000, 5);
        assert!((0.048..=0.05).contains(&used), "{used}");
        assert!(refused < f64::EPSILON, "{refused}");
    }
}
