//! The pacer of one quota class.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use governor::clock::{Clock, FakeRelativeClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota as GovernorQuota, RateLimiter};

use super::admission::{Admission, Flow, Refusal};
use super::quota::{Pace, Quota};
use super::search::Search;
use super::shape::Shape;
use super::slots::Terms;
use super::throughput::Throughput;

type Limiter = RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>;

/// Paces one quota class.
#[derive(Debug)]
pub struct Pacer {
    paced: Option<Paced>,
    paused_until: Option<Instant>,
    throughput: Throughput,
}

#[derive(Debug)]
struct Paced {
    quota: Quota,
    shape: Shape,
    /// Set by a refusal: the server counts calls differently from us, so nothing is sent in bursts again.
    burst_refused: bool,
    limiter: Limiter,
    clock: FakeRelativeClock,
    now: Instant,
    /// The last L admissions, oldest first.
    admitted: VecDeque<Instant>,
    /// Learnt from a check that the limiter refused. The limiter is not asked again before this instant.
    not_before: Option<Instant>,
    /// True while a call that the limiter has admitted is still to be charged.
    granted: bool,
    search: Option<Search>,
}

impl Pacer {
    /// Returns a pacer whose time begins at `now` with nothing charged.
    #[must_use]
    pub fn new(pace: Pace, now: Instant) -> Self {
        let paced = match pace {
            Pace::At(quota) => Some(Paced::new(quota, now)),
            Pace::Unlimited => None,
        };
        Self {
            paced,
            paused_until: None,
            throughput: Throughput::default(),
        }
    }

    /// Sets the number of calls that are expected from now on; the burst follows from this number.
    pub fn expect(&mut self, calls: u64, now: Instant) {
        if let Some(paced) = &mut self.paced {
            paced.expect(calls, now);
        }
    }

    /// Counts calls that an earlier process sent at those instants, oldest first.
    pub fn prime(&mut self, sent: impl IntoIterator<Item = Instant>) {
        if let Some(paced) = &mut self.paced {
            sent.into_iter().for_each(|at| paced.log(at));
        }
    }

    /// Asks for one call at `now`, and charges it if it may go. `now` must not go backwards.
    pub fn admit(&mut self, now: Instant) -> Admission {
        let admission = self.ask(now);
        if admission == Admission::Admitted {
            self.charge(now);
        }
        admission
    }

    /// Asks for one call at `now` without charging it. An admitted call stays admitted until [`Pacer::charge`]
    /// is told that it went. So a call that several pacers must admit goes as soon as all of them have admitted
    /// it. `now` must not go backwards.
    pub fn ask(&mut self, now: Instant) -> Admission {
        if let Some(until) = self.paused_until {
            if now < until {
                return Admission::NotBefore(until);
            }
            self.paused_until = None;
        }
        match &mut self.paced {
            Some(paced) => paced.ask(now),
            None => Admission::Admitted,
        }
    }

    /// Charges the call that [`Pacer::ask`] admitted: it goes at `now`.
    pub fn charge(&mut self, now: Instant) {
        self.throughput.sent(now);
        if let Some(paced) = &mut self.paced {
            paced.charge(now);
        }
    }

    /// Estimates how many calls could be admitted by `at`, at most. The caller prepares that many calls ahead.
    /// Charges nothing.
    #[must_use]
    pub fn room_by(&self, at: Instant) -> usize {
        if self.paused_until.is_some_and(|until| at < until) {
            return 0;
        }
        self.paced
            .as_ref()
            .map_or(usize::MAX, |paced| paced.room_by(at))
    }

    /// Returns the instant at which [`Pacer::room_by`] next grows, if it is known.
    #[must_use]
    pub fn not_before(&self) -> Option<Instant> {
        let not_before = self.paced.as_ref().and_then(Paced::next_slot);
        self.paused_until.max(not_before)
    }

    /// Tells whether the calls of the last window use up the quota. Then a refusal is no surprise.
    #[must_use]
    pub fn is_used_up(&self, now: Instant) -> bool {
        let paced = self.paced.as_ref();
        paced.is_some_and(|paced| paced.in_window(now) >= paced.capacity())
    }

    /// Tells whether a new pacer would serve as well: nothing pauses the class, and no call before `now` counts any
    /// more.
    #[must_use]
    pub fn is_idle(&self, now: Instant) -> bool {
        let paced = self.paced.as_ref();
        self.paused_until(now).is_none() && paced.is_none_or(|paced| paced.in_window(now) == 0)
    }

    /// Pauses the class after a refusal, until one interval after [`Refusal::until`]. From then on nothing goes in
    /// bursts.
    pub fn pause(&mut self, refusal: &Refusal) {
        self.throughput.refused();
        let mut spacing = Duration::ZERO;
        if let Some(paced) = &mut self.paced {
            paced.refused(refusal);
            spacing = paced.shape.interval;
        }
        self.paused_until = self.paused_until.max(Some(refusal.until + spacing));
    }

    /// Returns the rhythm of the calls; `None` if they are not paced.
    #[must_use]
    pub fn flow(&self) -> Option<Flow> {
        let shape = self.paced.as_ref()?.shape;
        Some(Flow {
            interval: shape.interval,
            burst: usize::try_from(shape.burst.get()).unwrap_or(usize::MAX),
        })
    }

    /// Returns the terms of this class for processes that share its quota; `None` if calls are not paced.
    #[must_use]
    pub fn terms(&self) -> Option<Terms> {
        let paced = self.paced.as_ref()?;
        let steady = paced.shape.burst == NonZeroU32::MIN;
        Some(Terms {
            quota: paced.quota,
            spacing: steady.then_some(paced.shape.interval),
        })
    }

    /// Returns the end of the pause in which the class is at `now`, if it is paused.
    #[must_use]
    pub fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|until| now < *until)
    }

    /// Estimates the time that `calls` more calls need from `now` on. Assumes that none is refused. If calls were
    /// refused again and again, assumes instead that this goes on.
    #[must_use]
    pub fn time_for(&self, calls: u64, now: Instant) -> Duration {
        let pause = self
            .paused_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let paced = self.paced.as_ref();
        let unrefused = pause + paced.map_or(Duration::ZERO, |paced| paced.time_for(calls, now));
        let spacing = paced.map_or(Duration::ZERO, |paced| paced.shape.interval);
        let with_refusals = self.throughput.time_for(calls, spacing, now);
        with_refusals.map_or(unrefused, |time| time.max(unrefused))
    }
}

impl Paced {
    fn new(quota: Quota, now: Instant) -> Self {
        let clock = FakeRelativeClock::default();
        let shape = Shape::new(quota, u64::MAX);
        Self {
            quota,
            shape,
            burst_refused: false,
            limiter: limiter(shape, &clock),
            clock,
            now,
            admitted: VecDeque::new(),
            not_before: None,
            granted: false,
            search: quota
                .ceiling
                .map(|ceiling| Search::new(quota, ceiling.get())),
        }
    }

    fn expect(&mut self, calls: u64, now: Instant) {
        self.advance(now);
        let used = u64::try_from(self.in_window(now)).unwrap_or(u64::MAX);
        let shape = if self.burst_refused {
            Shape::steady(self.quota)
        } else if used.saturating_add(calls) > u64::from(self.quota.calls.get()) {
            Shape::new(self.quota, u64::MAX)
        } else {
            Shape::new(self.quota, calls.max(1))
        };
        if shape != self.shape {
            self.shape = shape;
            self.limiter = limiter(shape, &self.clock);
            self.not_before = None;
        }
    }

    /// Asks the limiter and the log of the window. The log holds the instants at which calls were sent, since the
    /// server counts them there; a call may be sent later than it was admitted.
    fn ask(&mut self, now: Instant) -> Admission {
        if self.granted {
            return Admission::Admitted;
        }
        if let Some(until) = self.not_before
            && now < until
        {
            return Admission::NotBefore(until);
        }
        self.advance(now);
        let refused = match self.window_opens() {
            Some(opens) if now < opens => Some(opens),
            _ => match self.limiter.check() {
                Ok(()) => None,
                Err(not_until) => Some(now + not_until.wait_time_from(self.clock.now())),
            },
        };
        self.not_before = refused;
        self.granted = refused.is_none();
        refused.map_or(Admission::Admitted, Admission::NotBefore)
    }

    fn charge(&mut self, now: Instant) {
        self.granted = false;
        self.log(now);
        if let Some(quota) = self.search.as_mut().and_then(|search| search.sent(now)) {
            self.switch_to(quota);
        }
    }

    fn refused(&mut self, refusal: &Refusal) {
        self.burst_refused = true;
        self.expect(u64::MAX, refusal.at);
        let Some(search) = self.search.as_mut().filter(|_| refusal.by_quota) else {
            return;
        };
        if let Some(quota) = search.refused(refusal, &self.admitted) {
            self.switch_to(quota);
        }
    }

    /// Goes on with another quota, without bursts.
    fn switch_to(&mut self, quota: Quota) {
        self.quota = quota;
        self.shape = Shape::steady(quota);
        self.limiter = limiter(self.shape, &self.clock);
        // A new limiter knows nothing of the last call.
        let last = self.admitted.back();
        self.not_before = last.map(|last| *last + self.shape.interval);
    }

    fn log(&mut self, at: Instant) {
        while self.admitted.len() >= self.capacity() {
            self.admitted.pop_front();
        }
        self.admitted.push_back(at);
    }

    /// Returns the instant at which the call L calls ago leaves the window and makes room for another.
    fn window_opens(&self) -> Option<Instant> {
        let before = self.admitted.len().checked_sub(self.capacity())?;
        let oldest = self.admitted.get(before)?;
        Some(*oldest + self.quota.with_margin())
    }

    fn room_by(&self, at: Instant) -> usize {
        if self.next_slot().is_some_and(|slot| at < slot) {
            return 0;
        }
        let open = self.capacity() - self.in_window(at).min(self.capacity());
        let burst = usize::try_from(self.shape.burst.get()).unwrap_or(usize::MAX);
        open.min(burst)
    }

    /// Returns the instant before which no call goes. This is the latest of three: the end of the wait that the
    /// limiter asked for, one interval after the last call (without bursts), and the window's next opening.
    fn next_slot(&self) -> Option<Instant> {
        if self.granted {
            return None;
        }
        let last = self
            .admitted
            .back()
            .filter(|_| self.shape.burst == NonZeroU32::MIN);
        let spaced = last.map(|last| *last + self.shape.interval);
        self.not_before.max(spaced).max(self.window_opens())
    }

    fn in_window(&self, at: Instant) -> usize {
        let window = self.quota.with_margin();
        self.admitted
            .iter()
            .filter(|sent| at < **sent + window)
            .count()
    }

    fn time_for(&self, calls: u64, now: Instant) -> Duration {
        let burst_left = u64::try_from(self.room_by(now)).unwrap_or(u64::MAX);
        let waits = calls.saturating_sub(burst_left.max(1));
        let first = self
            .not_before
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let nanos = self
            .shape
            .interval
            .as_nanos()
            .saturating_mul(u128::from(waits));
        first + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn capacity(&self) -> usize {
        usize::try_from(self.quota.calls.get()).unwrap_or(usize::MAX)
    }

    /// Brings governor's clock to `now`.
    fn advance(&mut self, now: Instant) {
        self.clock.advance(now.saturating_duration_since(self.now));
        self.now = self.now.max(now);
    }
}

fn limiter(shape: Shape, clock: &FakeRelativeClock) -> Limiter {
    let interval = shape.interval.max(Duration::from_nanos(1));
    let quota = GovernorQuota::with_period(interval)
        .unwrap_or(GovernorQuota::per_second(NonZeroU32::MIN))
        .allow_burst(shape.burst);
    RateLimiter::direct_with_clock(quota, clock.clone())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Burst, Margin};
    use super::*;

    fn quota(calls: u32, window: Duration) -> Quota {
        Quota::new(NonZeroU32::new(calls).unwrap(), window)
    }

    fn refusal(at: Instant, until: Instant) -> Refusal {
        Refusal {
            at,
            sent: at,
            until,
            by_quota: true,
        }
    }

    /// Sends `calls` calls as soon as they may go, and returns their instants. Each of `idle` is a delay after a call.
    fn send(pacer: &mut Pacer, from: Instant, calls: usize, idle: &[Duration]) -> Vec<Instant> {
        let mut now = from;
        let mut sent = Vec::new();
        while sent.len() < calls {
            match pacer.admit(now) {
                Admission::Admitted => {
                    sent.push(now);
                    now += idle
                        .get(sent.len() % idle.len().max(1))
                        .copied()
                        .unwrap_or_default();
                }
                Admission::NotBefore(until) => {
                    assert!(until > now, "a refusal must name a later instant");
                    now = until;
                }
            }
        }
        sent
    }

    fn most_in_any_window(sent: &[Instant], window: Duration) -> usize {
        let within = |from: &Instant| {
            sent.iter()
                .filter(|at| *from <= **at && **at < *from + window)
                .count()
        };
        sent.iter().map(within).max().unwrap_or(0)
    }

    #[test]
    fn ten_thousand_calls_take_1_03_of_the_least_time() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Pace::At(Quota::WRITE), start);
        pacer.expect(10_000, start);
        let sent = send(&mut pacer, start, 10_000, &[]);
        let took = *sent.last().unwrap() - start;
        let least = Duration::from_secs(10) * 999;
        assert!(took <= least.mul_f64(1.03), "{took:?} against {least:?}");
        assert_eq!(most_in_any_window(&sent, Duration::from_secs(10)), 10);
    }

    #[test]
    fn calls_that_fit_into_one_window_go_at_once() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Pace::At(Quota::WRITE), start);
        pacer.expect(10, start);
        assert_eq!(send(&mut pacer, start, 10, &[]), [start; 10]);
        assert_eq!(
            pacer.admit(start),
            Admission::NotBefore(start + Duration::from_millis(10_200))
        );
    }

    #[test]
    fn a_call_goes_at_the_promised_instant_and_no_sooner() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Pace::At(quota(3, Duration::from_secs(1))), start);
        assert_eq!(pacer.admit(start), Admission::Admitted);
        let Admission::NotBefore(promised) = pacer.admit(start) else {
            panic!("the second call went at once");
        };
        assert_eq!(promised - start, Duration::from_secs(1).mul_f64(1.02) / 3);
        let before = promised.checked_sub(Duration::from_nanos(1)).unwrap();
        assert_eq!(pacer.admit(before), Admission::NotBefore(promised));
        assert_eq!(pacer.admit(promised), Admission::Admitted);
    }

    #[test]
    fn a_pause_holds_the_whole_class_and_ends_bursts() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Pace::At(Quota::WRITE), start);
        pacer.expect(10, start);
        assert_eq!(pacer.admit(start), Admission::Admitted);
        pacer.pause(&refusal(start, start + Duration::from_secs(4)));
        let until = start + Duration::from_millis(5020);
        assert_eq!(pacer.admit(start), Admission::NotBefore(until));
        assert_eq!(pacer.paused_until(start), Some(until));
        assert_eq!(pacer.admit(until), Admission::Admitted);
        let next = until + Duration::from_millis(1020);
        assert_eq!(pacer.admit(until), Admission::NotBefore(next));
    }

    #[test]
    fn calls_of_a_process_before_this_one_count() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Pace::At(Quota::WRITE), start);
        let later = start + Duration::from_secs(4);
        pacer.prime([start; 7]);
        pacer.expect(5, later);
        let sent = send(&mut pacer, later, 5, &[]);
        let mut all = vec![start; 7];
        all.extend(sent);
        assert_eq!(most_in_any_window(&all, Duration::from_secs(10)), 10);
    }

    #[test]
    fn quotas_are_written_as_calls_per_duration() {
        assert_eq!("20/10s".parse(), Ok(Pace::At(Quota::READ)));
        assert_eq!("10/10s".parse(), Ok(Pace::At(Quota::WRITE)));
        assert_eq!("off".parse(), Ok(Pace::Unlimited));
        assert_eq!("5/500ms".parse::<Pace>().unwrap().to_string(), "5/500ms");
        for text in [
            "",
            "20",
            "0/10s",
            "20/0s",
            "20/10",
            "-1/10s",
            "20/10 parsec",
            "1/2h",
            "2000000/1s",
        ] {
            assert!(text.parse::<Pace>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn margins_and_bursts_are_read_and_written() {
        for (text, written) in [
            ("2%", "2%"),
            ("0.5%", "0.50%"),
            ("12.34%", "12.34%"),
            ("0%", "0%"),
        ] {
            assert_eq!(text.parse::<Margin>().unwrap().to_string(), written);
        }
        for wrong in ["", "2", "%", "51%", "-1%", "1.234%", "a%", "1.x%", "+2%"] {
            assert!(wrong.parse::<Margin>().is_err(), "{wrong}");
        }
        assert_eq!("AUTO".parse(), Ok(Burst::Auto));
        assert_eq!("7".parse::<Burst>().unwrap().to_string(), "7");
        for wrong in ["", "0", "-1", "all"] {
            assert!(wrong.parse::<Burst>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_fixed_burst_goes_at_once_and_lowers_the_rate() {
        let start = Instant::now();
        let five = Burst::Fixed(NonZeroU32::new(5).unwrap());
        let pace = Pace::At(Quota::WRITE).with(Margin::default(), five);
        let mut pacer = Pacer::new(pace, start);
        pacer.expect(1000, start);
        let sent = send(&mut pacer, start, 30, &[]);
        assert_eq!(sent[4], start);
        assert_eq!(sent[5] - start, Duration::from_millis(10_200) / 6);
        assert_eq!(most_in_any_window(&sent, Duration::from_secs(10)), 10);
        pacer.pause(&refusal(sent[29], start + Duration::from_secs(60)));
        let Admission::NotBefore(until) = pacer.admit(sent[29]) else {
            panic!("a paused class let a call through");
        };
        let after = send(&mut pacer, until, 3, &[]);
        assert_eq!(
            after[1] - after[0],
            Duration::from_millis(1020),
            "no burst after a refusal"
        );
    }

    #[test]
    fn only_calls_beyond_one_window_take_time() {
        let pace = Pace::At(Quota::WRITE);
        assert_eq!(pace.least_time(0), Duration::ZERO);
        assert_eq!(pace.least_time(10), Duration::ZERO);
        assert_eq!(pace.least_time(11), Duration::from_millis(10_200));
        assert_eq!(Pace::Unlimited.least_time(1_000_000), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_the_quota(
            calls in 1_u32..30,
            window_ms in 1_u64..20_000,
            phases in prop::collection::vec((0_u64..60, 0_u64..40), 1..6),
            idle_us in prop::collection::vec(0_u64..3_000_000, 1..8),
            pauses in prop::collection::vec(any::<bool>(), 6),
            margin in 0_u32..=5000,
            burst in prop::option::of(1_u32..40),
            jitter in prop::collection::vec(0_u32..1000, 1..8),
        ) {
            let window = Duration::from_millis(window_ms);
            let start = Instant::now();
            let margin = Margin { hundredths: margin };
            let burst = burst.and_then(NonZeroU32::new).map_or(Burst::Auto, Burst::Fixed);
            let pace = Pace::At(quota(calls, window)).with(margin, burst);
            let mut pacer = Pacer::new(pace, start);
            let idle: Vec<Duration> = idle_us.iter().map(|us| Duration::from_micros(*us)).collect();
            let mut sent = vec![];
            let mut now = start;
            for ((expected, calls), pause) in phases.into_iter().zip(pauses) {
                pacer.expect(expected, now);
                sent.extend(send(&mut pacer, now, usize::try_from(calls).unwrap(), &idle));
                now = sent.last().copied().unwrap_or(now);
                if pause {
                    pacer.pause(&refusal(now, now + window / 3));
                }
            }
            // Each call is delayed on its way by another time, always by less than the margin.
            let slack = margin.over(window).saturating_sub(window).as_nanos();
            let held_up = |share: &u32| {
                let nanos = (slack * u128::from(*share) / 1000).min(slack.saturating_sub(1));
                Duration::from_nanos(u64::try_from(nanos).unwrap())
            };
            let mut arrived: Vec<Instant> = sent
                .iter()
                .zip(jitter.iter().cycle())
                .map(|(at, share)| *at + held_up(share))
                .collect();
            arrived.sort_unstable();
            let most = most_in_any_window(&arrived, window);
            prop_assert!(most <= usize::try_from(calls).unwrap(), "{most} of {calls}");
        }
    }
}
