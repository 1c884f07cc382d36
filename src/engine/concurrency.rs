//! How many calls may be in flight.

use std::time::{Duration, Instant};

use super::settings::EngineSettings;
use crate::pacer::Flow;

/// What a call is taken to last until one was answered.
const FIRST_GUESS: Duration = Duration::from_secs(1);

/// The most calls in flight where nobody says how many: beyond it, it is not the quota that goes unused.
const MOST: usize = 256;

/// The most calls in flight for the sake of a burst, and where calls are not paced at all.
const AT_ONCE: usize = 32;

/// How many calls may be in flight: as many as were told, else as many as the quotas let go while one call lasts
/// (Little's law), and those that go at once.
#[derive(Debug)]
pub(super) struct Concurrency {
    told: Option<usize>,
    /// How long calls last: it rises at once and falls slowly, since too few in flight leave the quota unused and too
    /// many do no harm.
    latency: Duration,
}

impl Concurrency {
    pub(super) fn new(settings: &EngineSettings) -> Self {
        Self {
            told: settings.jobs.map(Into::into),
            latency: FIRST_GUESS,
        }
    }

    /// A call was answered after `took`.
    pub(super) fn answered(&mut self, took: Duration) {
        self.latency = took.max((self.latency * 7 + took) / 8);
    }

    /// How many calls may be in flight at that flow, when the oldest of them has been under way for `oldest`: while no
    /// answer comes, that is how long a call lasts.
    pub(super) fn limit(&self, flow: Option<Flow>, oldest: Duration) -> usize {
        if let Some(told) = self.told {
            return told;
        }
        let Some(flow) = flow else {
            return AT_ONCE;
        };
        let lasts = self.latency.max(oldest).as_nanos();
        let meanwhile = lasts / flow.interval.as_nanos().max(1);
        let meanwhile = usize::try_from(meanwhile).unwrap_or(MOST);
        (meanwhile.saturating_add(flow.burst.min(AT_ONCE))).clamp(1, MOST)
    }

    /// When a limit that holds with `in_flight` calls under way, the oldest since `since`, grows beyond them.
    pub(super) fn grows_at(
        &self,
        flow: Option<Flow>,
        in_flight: usize,
        since: Instant,
    ) -> Option<Instant> {
        let flow = flow.filter(|_| self.told.is_none() && in_flight < MOST)?;
        let more = (in_flight + 1).saturating_sub(flow.burst.min(AT_ONCE));
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        since.checked_add(flow.interval.saturating_mul(more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn flow(interval: Duration, burst: usize) -> Flow {
        Flow { interval, burst }
    }

    #[test]
    fn as_many_are_in_flight_as_go_while_one_lasts_and_one_more() {
        let mut concurrency = Concurrency::new(&EngineSettings::default());
        (0..200).for_each(|_| concurrency.answered(SECOND / 10));
        let limit = |interval| concurrency.limit(Some(flow(interval, 1)), Duration::ZERO);
        assert_eq!(limit(SECOND / 3), 1);
        assert_eq!(limit(SECOND / 35), 1 + 3);
        assert_eq!(limit(SECOND / 100_000), MOST);
        assert_eq!(
            concurrency.limit(Some(flow(SECOND, 10)), Duration::ZERO),
            10
        );
        assert_eq!(concurrency.limit(None, Duration::ZERO), AT_ONCE);
    }

    #[test]
    fn answers_that_do_not_come_make_room_for_more_calls_when_they_should_have_gone() {
        let concurrency = Concurrency::new(&EngineSettings::default());
        let (start, flow) = (Instant::now(), Some(flow(SECOND, 1)));
        assert_eq!(concurrency.limit(flow, SECOND * 7), 8);
        let grows = concurrency.grows_at(flow, 8, start).unwrap();
        assert_eq!(grows, start + SECOND * 8);
        assert_eq!(concurrency.limit(flow, grows - start), 9);
        assert_eq!(concurrency.grows_at(flow, MOST, start), None);
    }

    #[test]
    fn what_was_told_holds() {
        let settings = EngineSettings {
            jobs: std::num::NonZeroUsize::new(4),
            ..EngineSettings::default()
        };
        let concurrency = Concurrency::new(&settings);
        assert_eq!(concurrency.limit(Some(flow(SECOND, 10)), SECOND * 99), 4);
        assert_eq!(concurrency.grows_at(None, 4, Instant::now()), None);
    }
}
