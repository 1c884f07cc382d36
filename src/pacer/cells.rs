//! The cells of a quota: one for each call that a window may hold.
//!
//! Each cell is a GCRA of one call per period, with burst 1. The cell that is free first admits the next call. With L
//! cells and the window as the period, no window ever holds more than L calls, and each call goes as soon as this
//! allows: a sliding log. One cell alone spaces calls evenly.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

type Limiter = RateLimiter<NotKeyed, InMemoryState, SetClock, NoOpMiddleware<Instant>>;

/// A clock that shows the instant to which it was set.
#[derive(Clone, Debug)]
struct SetClock(Arc<Mutex<Instant>>);

impl SetClock {
    fn set(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

impl Clock for SetClock {
    type Instant = Instant;

    fn now(&self) -> Self::Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Cell {
    limiter: Limiter,
    charged: Instant,
}

#[derive(Debug)]
pub(super) struct Cells {
    most: usize,
    period: Duration,
    clock: SetClock,
    /// The cells that were charged, in the order in which they come free. A cell exists from its first call on.
    charged: VecDeque<Cell>,
    /// The cell that has admitted a call which did not go yet.
    granted: Option<Cell>,
    /// Learnt from a cell that was not free. No cell is asked again before this instant.
    not_before: Option<Instant>,
}

impl Cells {
    pub(super) fn new(most: NonZeroU32, period: Duration, now: Instant) -> Self {
        Self {
            most: usize::try_from(most.get()).unwrap_or(usize::MAX),
            // governor knows no period of zero.
            period: period.max(Duration::from_nanos(1)),
            clock: SetClock(Arc::new(Mutex::new(now))),
            charged: VecDeque::new(),
            granted: None,
            not_before: None,
        }
    }

    /// Changes the number of cells and their period. Earlier calls count on.
    pub(super) fn resize(&mut self, most: NonZeroU32, period: Duration, now: Instant) {
        let mut resized = Self::new(most, period, now);
        let kept = self.charged.len().saturating_sub(resized.most);
        for cell in self.charged.iter().skip(kept) {
            resized.charge(cell.charged);
        }
        *self = resized;
    }

    /// Asks for one call at `now`. A call that was admitted stays admitted until it is charged.
    ///
    /// # Errors
    /// The instant at which a cell comes free, if none is.
    pub(super) fn ask(&mut self, now: Instant) -> Result<(), Instant> {
        if self.granted.is_some() {
            return Ok(());
        }
        if let Some(until) = self.not_before.filter(|until| now < *until) {
            return Err(until);
        }
        self.clock.set(now);
        let cell = match self.charged.front() {
            Some(cell) if self.charged.len() >= self.most => {
                if let Err(not_until) = cell.limiter.check() {
                    let until = now + not_until.wait_time_from(now);
                    self.not_before = Some(until);
                    return Err(until);
                }
                self.charged.pop_front()
            }
            _ => None,
        };
        let cell = cell.map(|cell| Cell {
            charged: now,
            ..cell
        });
        self.granted = Some(cell.unwrap_or_else(|| self.cell(now)));
        Ok(())
    }

    /// Charges the call that was admitted, or another one: it goes at `now`.
    pub(super) fn charge(&mut self, now: Instant) {
        let granted = self.granted.take().filter(|cell| cell.charged == now);
        let cell = granted.unwrap_or_else(|| self.cell(now));
        if self.charged.len() >= self.most {
            self.charged.pop_front();
        }
        self.charged.push_back(cell);
        self.not_before = None;
    }

    /// Counts a call that was charged at `at` as one that went so much later.
    pub(super) fn postpone(&mut self, at: Instant, by: Duration) {
        let later = at + by;
        let Some(place) = self.charged.iter().rposition(|cell| cell.charged == at) else {
            return;
        };
        self.charged.remove(place);
        let place = self.charged.partition_point(|cell| cell.charged <= later);
        let cell = self.cell(later);
        self.charged.insert(place, cell);
        self.not_before = None;
    }

    /// Returns the instants of the last calls, oldest first, at most as many as there are cells.
    pub(super) fn calls(&self) -> impl DoubleEndedIterator<Item = Instant> {
        self.charged.iter().map(|cell| cell.charged)
    }

    /// Returns the number of cells.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Returns the number of cells that are not free at that instant.
    pub(super) fn used(&self, at: Instant) -> usize {
        let free = |cell: &Cell| cell.charged + self.period <= at;
        self.charged.len() - self.charged.partition_point(free)
    }

    /// Returns the number of cells that are free at that instant.
    pub(super) fn free(&self, at: Instant) -> usize {
        self.most - self.used(at).min(self.most)
    }

    /// Returns the instant at which a cell comes free; `None` if one was free whenever it was asked, or may be.
    pub(super) fn not_before(&self) -> Option<Instant> {
        if self.granted.is_some() || self.charged.len() < self.most {
            return None;
        }
        self.charged.front().map(|cell| cell.charged + self.period)
    }

    /// Returns the instant at which the call after `calls` others goes, if all go as soon as they may from `now` on.
    pub(super) fn nth(&self, calls: u64, now: Instant) -> Instant {
        let most = u64::try_from(self.most).unwrap_or(u64::MAX);
        let never_charged = self.most - self.charged.len();
        let place = usize::try_from(calls % most).unwrap_or(usize::MAX);
        let cell = place
            .checked_sub(never_charged)
            .and_then(|place| self.charged.get(place));
        let first = cell.map_or(now, |cell| now.max(cell.charged + self.period));
        first + times(self.period, calls / most)
    }

    /// Returns a cell that was charged at `now`.
    fn cell(&self, now: Instant) -> Cell {
        self.clock.set(now);
        let quota = Quota::with_period(self.period).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        let limiter = RateLimiter::direct_with_clock(quota, self.clock.clone());
        // The first call of a limiter always passes.
        let _ = limiter.check();
        Cell {
            limiter,
            charged: now,
        }
    }
}

/// Returns a multiple of a duration, at most the longest one of 64 bits of nanoseconds.
pub(super) fn times(each: Duration, count: u64) -> Duration {
    let nanos = each.as_nanos().saturating_mul(u128::from(count));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
