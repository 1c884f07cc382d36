//! The retry budget: the number of repetitions that a failing server is asked to bear.

use std::time::{Duration, Instant};

/// A budget of repetitions: every ten calls that are sent for the first time earn one, and each minute gives one.
///
/// The budget starts with eight, as many as one call may need, so that a short job outlasts a short outage. Without a
/// budget, a server that fails every call would get each of them eight times, as fast as the quota allows. Refusals for
/// the rate limit cost nothing: those calls were not carried out, and the pacer makes them wait.
#[derive(Clone, Copy, Debug)]
pub struct RetryBudget {
    /// The number of first calls that have not yet paid for a repetition.
    earned: u32,
    /// The instant from which the minute's repetition may be taken again; `None` if none was taken yet.
    floor: Option<Instant>,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            earned: Self::AT_THE_START * Self::PRICE,
            floor: None,
        }
    }
}

impl RetryBudget {
    const AT_THE_START: u32 = 8;

    /// The number of first calls that earn one repetition.
    const PRICE: u32 = 10;

    /// The most first calls that are saved up. More would only let a server that begins to fail be hit harder.
    const MOST: u32 = 10 * Self::PRICE;

    const EVERY: Duration = Duration::from_secs(60);

    /// Counts a call that was sent for the first time.
    pub fn earn(&mut self) {
        self.earned = (self.earned + 1).min(Self::MOST);
    }

    /// Takes one repetition out of the budget. Returns false if there is none at `now`.
    pub fn spend(&mut self, now: Instant) -> bool {
        if let Some(left) = self.earned.checked_sub(Self::PRICE) {
            self.earned = left;
            return true;
        }
        let due = self.floor.is_none_or(|floor| floor <= now);
        if due {
            self.floor = Some(now + Self::EVERY);
        }
        due
    }

    /// Returns the time until `count` repetitions can be spent, if no more are earned.
    #[must_use]
    pub fn time_for(&self, count: u32, now: Instant) -> Duration {
        let Some(more) = count.checked_sub(self.earned / Self::PRICE + 1) else {
            return Duration::ZERO;
        };
        let next = self.floor.unwrap_or(now).saturating_duration_since(now);
        next + Self::EVERY.saturating_mul(more)
    }

    /// Returns the instant of the next repetition, if no more are earned; `None` if one is there already.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.floor.filter(|_| self.earned < Self::PRICE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_calls_or_a_minute_earn_a_repetition() {
        let start = Instant::now();
        let mut budget = RetryBudget::default();
        let free = (0..100).filter(|_| budget.spend(start)).count();
        assert_eq!(free, 9, "eight at the start and one for the first minute");
        assert!(!budget.spend(start));
        assert_eq!(budget.due(), Some(start + Duration::from_secs(60)));
        let minute = Duration::from_secs(60);
        assert_eq!(budget.time_for(0, start), Duration::ZERO);
        assert_eq!(budget.time_for(3, start + minute / 2), minute * 5 / 2);
        (0..10).for_each(|_| budget.earn());
        assert_eq!(budget.due(), None);
        assert!(budget.spend(start));
        assert!(!budget.spend(start + Duration::from_secs(59)));
        assert!(budget.spend(start + Duration::from_secs(60)));
    }

    #[test]
    fn a_long_run_without_failures_saves_up_only_so_much() {
        let start = Instant::now();
        let mut budget = RetryBudget::default();
        (0..100_000).for_each(|_| budget.earn());
        let spent = (0..1000).filter(|_| budget.spend(start)).count();
        assert_eq!(spent, 11);
    }
}
