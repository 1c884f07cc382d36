//! The calls that are under way, and how many may be at once.
//!
//! Unless the user sets a number, the limit is Little's law: the rate of the quotas times the time that a call lasts,
//! and the calls that go at once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::call::CallId;
use super::settings::EngineSettings;
use crate::pacer::Flow;
use crate::wire::QuotaClass;

/// The time that a call is taken to last until the first one was answered.
const FIRST_GUESS: Duration = Duration::from_secs(1);

/// The most calls in flight unless the user sets a number. With more, it is not the quota that goes unused.
const MOST: usize = 256;

/// The most calls in flight for the sake of a burst, and without a quota.
const AT_ONCE: usize = 32;

/// The calls under way, by the instants at which they were sent.
#[derive(Debug)]
pub(super) struct InFlight {
    calls: BTreeSet<(Instant, CallId)>,
    /// The limit that the user set.
    fixed: Option<usize>,
    /// The time that calls last. It rises at once and falls slowly: too few calls in flight leave the quota unused,
    /// too many do no harm.
    latency: Duration,
    /// The most calls that were in flight at once. A further one may need a new connection, and arrive late.
    most_at_once: usize,
    connecting: BTreeSet<CallId>,
    /// The shortest time that a call has lasted.
    fastest: Duration,
    /// The time that reads last, once one was answered. It rises at once and falls fast: what is read too early grows old.
    reading: Option<Duration>,
}

impl InFlight {
    pub(super) fn new(settings: &EngineSettings) -> Self {
        Self {
            calls: BTreeSet::new(),
            fixed: settings.jobs.map(Into::into),
            latency: FIRST_GUESS,
            most_at_once: 0,
            connecting: BTreeSet::new(),
            fastest: Duration::MAX,
            reading: None,
        }
    }

    pub(super) fn sent(&mut self, id: CallId, now: Instant) {
        self.calls.insert((now, id));
        if self.calls.len() > self.most_at_once {
            self.most_at_once = self.calls.len();
            self.connecting.insert(id);
        }
    }

    /// Takes in the end of a call. Returns the time by which it may have arrived later than others do, since a connection
    /// was made for it first.
    pub(super) fn answered(
        &mut self,
        id: CallId,
        class: QuotaClass,
        sent: Instant,
        now: Instant,
    ) -> Duration {
        self.calls.remove(&(sent, id));
        let took = now.saturating_duration_since(sent);
        self.fastest = self.fastest.min(took);
        self.latency = took.max((self.latency * 7 + took) / 8);
        if class == QuotaClass::Read {
            let before = self.reading.unwrap_or(took);
            self.reading = Some(took.max((before + took) / 2));
        }
        if self.connecting.remove(&id) {
            took.saturating_sub(self.fastest)
        } else {
            Duration::ZERO
        }
    }

    /// Returns the time that a read is taken to last.
    pub(super) fn reading(&self) -> Duration {
        self.reading.unwrap_or(self.latency)
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Returns the most calls that may be in flight at that flow. While no answer comes, a call is taken to last as
    /// long as the oldest has been under way.
    pub(super) fn limit(&self, flow: Option<Flow>, now: Instant) -> usize {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        let Some(flow) = flow else {
            return AT_ONCE;
        };
        let oldest = self.calls.first();
        let oldest = oldest.map(|(sent, _)| now.saturating_duration_since(*sent));
        let lasts = self.latency.max(oldest.unwrap_or_default()).as_nanos();
        let meanwhile = lasts / flow.interval.as_nanos().max(1);
        let meanwhile = usize::try_from(meanwhile).unwrap_or(MOST);
        (meanwhile.saturating_add(flow.burst.min(AT_ONCE))).clamp(1, MOST)
    }

    /// Returns the instant at which a limit that is reached now grows although no call is answered.
    pub(super) fn grows_at(&self, flow: Option<Flow>) -> Option<Instant> {
        let (oldest, _) = self.calls.first()?;
        let flow = flow.filter(|_| self.fixed.is_none() && self.len() < MOST)?;
        let more = (self.len() + 1).saturating_sub(flow.burst.min(AT_ONCE));
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        oldest.checked_add(flow.interval.saturating_mul(more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn flow(interval: Duration, burst: usize) -> Flow {
        Flow { interval, burst }
    }

    fn with_calls(calls: usize, start: Instant) -> InFlight {
        let mut in_flight = InFlight::new(&EngineSettings::default());
        (0..).take(calls).for_each(|id| in_flight.sent(id, start));
        in_flight
    }

    #[test]
    fn the_limit_is_rate_times_latency_and_one() {
        let start = Instant::now();
        let mut in_flight = with_calls(200, start);
        for id in 0..200 {
            in_flight.answered(id, QuotaClass::Write, start, start + SECOND / 10);
        }
        let limit = |interval| in_flight.limit(Some(flow(interval, 1)), start);
        assert_eq!(limit(SECOND / 3), 1);
        assert_eq!(limit(SECOND / 35), 1 + 3);
        assert_eq!(limit(SECOND / 100_000), MOST);
        assert_eq!(in_flight.limit(Some(flow(SECOND, 10)), start), 10);
        assert_eq!(in_flight.limit(None, start), AT_ONCE);
    }

    #[test]
    fn only_a_call_on_a_new_connection_may_arrive_late() {
        let start = Instant::now();
        let mut in_flight = with_calls(2, start);
        let mut late = |id, millis| {
            let answered = start + Duration::from_millis(millis);
            in_flight.answered(id, QuotaClass::Read, start, answered)
        };
        assert_eq!(late(0, 80), Duration::ZERO);
        assert_eq!(late(1, 480), Duration::from_millis(400));
        in_flight.sent(2, start);
        let later = start + SECOND * 2;
        let on_a_known_one = in_flight.answered(2, QuotaClass::Read, start, later);
        assert_eq!(on_a_known_one, Duration::ZERO);
    }

    #[test]
    fn the_limit_grows_while_no_answer_comes() {
        let (start, flow) = (Instant::now(), Some(flow(SECOND, 1)));
        let in_flight = with_calls(8, start);
        assert_eq!(in_flight.limit(flow, start + SECOND * 7), 8);
        let grows = in_flight.grows_at(flow).unwrap();
        assert_eq!(grows, start + SECOND * 8);
        assert_eq!(in_flight.limit(flow, grows), 9);
        assert_eq!(with_calls(MOST, start).grows_at(flow), None);
    }

    #[test]
    fn a_number_that_the_user_sets_holds() {
        let settings = EngineSettings {
            jobs: std::num::NonZeroUsize::new(4),
            ..EngineSettings::default()
        };
        let (start, flow) = (Instant::now(), Some(flow(SECOND, 10)));
        let mut in_flight = InFlight::new(&settings);
        (0..4).for_each(|id| in_flight.sent(id, start));
        assert_eq!(in_flight.limit(flow, start + SECOND * 99), 4);
        assert_eq!(in_flight.grows_at(None), None);
        assert_eq!(in_flight.grows_at(flow), None);
    }
}
