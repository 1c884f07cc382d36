//! The pacer of one quota class.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::admission::{Admission, Flow, Refusal};
use super::cells::Cells;
use super::quota::{Pace, Quota, Shape};
use super::search::Search;
use super::slots::Terms;
use super::throughput::Throughput;

/// A fact of a limiter that a refusal has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// [`Shape::Smooth`] if it does not count windows; [`Shape::Auto`] if that was wrong, since it refused smooth calls
    /// too.
    Shape(Shape),
    /// The calls for which a window had room.
    Limit(NonZeroU32),
}

/// Paces one quota class.
#[derive(Debug)]
pub struct Pacer {
    paced: Option<Box<Paced>>,
    paused_until: Option<Instant>,
    throughput: Throughput,
}

#[derive(Debug)]
struct Paced {
    quota: Quota,
    /// A cell for each call that the window may hold.
    window: Cells,
    /// The cell that spaces calls evenly, if the pace is smooth.
    spacing: Option<Cells>,
    search: Search,
    /// The instant of the last refusal that changed the pace. A call that was sent before shows nothing new.
    changed: Option<Instant>,
    learned: Vec<Found>,
}

impl Pacer {
    /// Returns a pacer whose time begins at `now` with nothing charged.
    #[must_use]
    pub fn new(pace: Pace, now: Instant) -> Self {
        let paced = match pace {
            Pace::At(quota) => Some(Box::new(Paced::new(quota, now))),
            Pace::Unlimited => None,
        };
        Self {
            paced,
            paused_until: None,
            throughput: Throughput::default(),
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

    /// Takes in that the call that went at `sent` may have arrived so much later than others do. Counts it as later, as far
    /// as three quarters of the margin do not allow for that. The rest is left to other delays.
    pub fn arrived_late(&mut self, sent: Instant, late: Duration) {
        if let Some(paced) = &mut self.paced {
            let margin = paced.quota.with_margin().saturating_sub(paced.quota.window);
            let allowed = margin * 3 / 4;
            if late > allowed {
                paced.window.postpone(sent, late.saturating_sub(allowed));
            }
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
        let not_before = self.paced.as_deref().and_then(Paced::not_before);
        self.paused_until.max(not_before)
    }

    /// Tells whether the calls of the last window use up the quota. Then a refusal is no surprise.
    #[must_use]
    pub fn is_used_up(&self, now: Instant) -> bool {
        let paced = self.paced.as_ref();
        paced.is_some_and(|paced| paced.window.free(now) == 0)
    }

    /// Tells whether a new pacer would serve as well: nothing pauses the class, and no call before `now` counts any
    /// more.
    #[must_use]
    pub fn is_idle(&self, now: Instant) -> bool {
        let paced = self.paced.as_ref();
        self.paused_until(now).is_none() && paced.is_none_or(|paced| paced.window.used(now) == 0)
    }

    /// Pauses the class after a refusal, until one interval after [`Refusal::until`]. A refusal by the quota may make
    /// the pace smooth, or slower.
    pub fn pause(&mut self, refusal: &Refusal) {
        self.throughput.refused();
        let mut interval = Duration::ZERO;
        if let Some(paced) = &mut self.paced {
            if refusal.by_quota {
                paced.refused(refusal);
            }
            interval = paced.quota.spacing();
        }
        self.paused_until = self.paused_until.max(Some(refusal.until + interval));
    }

    /// Returns the rhythm of the calls; `None` if they are not paced.
    #[must_use]
    pub fn flow(&self) -> Option<Flow> {
        let paced = self.paced.as_ref()?;
        let burst = match paced.spacing {
            Some(_) => 1,
            None => paced.window.most(),
        };
        Some(Flow {
            interval: paced.quota.spacing(),
            burst,
        })
    }

    /// Returns the terms of this class for processes that share its quota; `None` if calls are not paced.
    #[must_use]
    pub fn terms(&self) -> Option<Terms> {
        let paced = self.paced.as_ref()?;
        Some(Terms {
            quota: paced.quota,
            spacing: paced.spacing.as_ref().map(|_| paced.quota.spacing()),
        })
    }

    /// Returns the instants of the last calls, oldest first, as many as the quota has.
    pub fn recent(&self) -> impl Iterator<Item = Instant> {
        self.paced.iter().flat_map(|paced| paced.window.calls())
    }

    /// Takes what refusals have shown of the tenant's limiter since it was last asked.
    pub fn take_found(&mut self) -> Vec<Found> {
        let paced = self.paced.as_mut();
        paced.map_or_else(Vec::new, |paced| std::mem::take(&mut paced.learned))
    }

    /// Returns the calls for which a window has room, if refusals have shown that these are fewer than the quota has.
    #[must_use]
    pub fn room_found(&self) -> Option<NonZeroU32> {
        let search = &self.paced.as_ref()?.search;
        search
            .found()
            .filter(|found| *found < search.published().calls)
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
        let from = self.paused_until.map_or(now, |until| now.max(until));
        let paced = self.paced.as_ref();
        let last = paced.map_or(from, |paced| paced.last_of(calls, from));
        let unrefused = last.saturating_duration_since(now);
        let spacing = paced.map_or(Duration::ZERO, |paced| paced.quota.spacing());
        let with_refusals = self.throughput.time_for(calls, spacing, now);
        with_refusals.map_or(unrefused, |time| time.max(unrefused))
    }
}

impl Paced {
    fn new(published: Quota, now: Instant) -> Self {
        let is_smooth = published.shape == Shape::Smooth;
        let search = Search::new(published, now);
        let quota = published
            .found
            .map_or(published, |_| search.quota(is_smooth));
        Self {
            quota,
            window: Cells::new(quota.calls, quota.with_margin(), now),
            spacing: is_smooth.then(|| Cells::new(NonZeroU32::MIN, quota.spacing(), now)),
            search,
            changed: None,
            learned: Vec::new(),
        }
    }

    fn ask(&mut self, now: Instant) -> Admission {
        let cells = [Some(&mut self.window), self.spacing.as_mut()];
        let asked = cells.into_iter().flatten().map(|cells| cells.ask(now));
        let refused = asked.filter_map(Result::err).max();
        refused.map_or(Admission::Admitted, Admission::NotBefore)
    }

    fn charge(&mut self, now: Instant) {
        self.log(now);
        if let Some(quota) = self.search.sent(now, self.spacing.is_some()) {
            self.switch_to(quota, now);
        }
    }

    fn log(&mut self, at: Instant) {
        self.window.charge(at);
        if let Some(spacing) = &mut self.spacing {
            spacing.charge(at);
        }
    }

    /// Goes on smoothly if the calls of the last window do not explain the refusal, or else, or if it is smooth already,
    /// at a lower rate.
    fn refused(&mut self, refusal: &Refusal) {
        if self.changed.is_some_and(|changed| refusal.sent <= changed) {
            return;
        }
        self.changed = Some(refusal.at);
        let window = self.quota.window;
        let before = |at: &Instant| *at < refusal.sent && refusal.sent < *at + window;
        let passed = self.window.calls().filter(before).count();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        let is_explained = passed >= self.search.published().calls.get();
        if self.quota.shape == Shape::Auto && self.spacing.is_none() && !is_explained {
            let last = self.window.calls().next_back();
            let mut spacing = Cells::new(NonZeroU32::MIN, self.quota.spacing(), refusal.at);
            if let Some(last) = last {
                spacing.charge(last);
            }
            self.spacing = Some(spacing);
            self.learned.push(Found::Shape(Shape::Smooth));
            return;
        }
        if self.quota.shape == Shape::Auto && self.spacing.is_some() {
            self.learned.push(Found::Shape(Shape::Auto));
        }
        let quota = self.search.refused(refusal, passed, self.spacing.is_some());
        self.learned.extend(self.search.found().map(Found::Limit));
        self.switch_to(quota, refusal.at);
    }

    /// Goes on with another quota.
    fn switch_to(&mut self, quota: Quota, now: Instant) {
        self.quota = quota;
        self.window.resize(quota.calls, quota.with_margin(), now);
        if let Some(spacing) = &mut self.spacing {
            spacing.resize(NonZeroU32::MIN, quota.spacing(), now);
        }
    }

    fn room_by(&self, at: Instant) -> usize {
        let spaced = self
            .spacing
            .as_ref()
            .map_or(usize::MAX, |cells| cells.free(at));
        self.window.free(at).min(spaced)
    }

    fn not_before(&self) -> Option<Instant> {
        let spaced = self.spacing.as_ref().and_then(Cells::not_before);
        self.window.not_before().max(spaced)
    }

    /// Returns the instant at which the last of so many calls goes, if all go as soon as they may from `from` on.
    fn last_of(&self, calls: u64, from: Instant) -> Instant {
        let Some(others) = calls.checked_sub(1) else {
            return from;
        };
        let spaced = self.spacing.as_ref().map(|cells| cells.nth(others, from));
        self.window.nth(others, from).max(spaced.unwrap_or(from))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Margin;
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

    fn smooth(quota: Quota) -> Pacer {
        let pace = Pace::At(quota).with(quota.margin, Shape::Smooth);
        Pacer::new(pace, Instant::now())
    }

    #[test]
    fn any_number_of_calls_takes_1_02_of_the_least_time() {
        for calls in [5, 11, 20, 60, 100, 500, 1000, 10_000] {
            let start = Instant::now();
            let mut pacer = Pacer::new(Pace::At(Quota::WRITE), start);
            let estimated = pacer.time_for(calls.try_into().unwrap(), start);
            let sent = send(&mut pacer, start, calls, &[]);
            let took = *sent.last().unwrap() - start;
            let windows = u32::try_from(calls.div_ceil(10) - 1).unwrap();
            assert_eq!(took, Duration::from_millis(10_200) * windows, "{calls}");
            assert_eq!(took, estimated, "{calls}");
            assert_eq!(
                most_in_any_window(&sent, Duration::from_secs(10)),
                calls.min(10)
            );
        }
    }

    #[test]
    fn smooth_calls_are_spread_evenly() {
        let mut pacer = smooth(Quota::WRITE);
        let start = Instant::now();
        let estimated = pacer.time_for(25, start);
        let sent = send(&mut pacer, start, 25, &[]);
        let spaced = |pair: &[Instant]| pair[1] - pair[0] == Duration::from_millis(1020);
        assert!(sent.windows(2).all(spaced), "{sent:?}");
        assert_eq!(sent[24] - start, estimated);
    }

    #[test]
    fn calls_that_fit_into_one_window_go_at_once() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Pace::At(Quota::WRITE), start);
        assert_eq!(send(&mut pacer, start, 10, &[]), [start; 10]);
        assert_eq!(
            pacer.admit(start),
            Admission::NotBefore(start + Duration::from_millis(10_200))
        );
    }

    #[test]
    fn a_call_goes_at_the_promised_instant_and_no_sooner() {
        let start = Instant::now();
        let mut pacer = smooth(quota(3, Duration::from_secs(1)));
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
    fn a_refusal_that_the_calls_do_not_explain_makes_the_pace_smooth() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Pace::At(Quota::WRITE), start);
        assert_eq!(send(&mut pacer, start, 4, &[]), [start; 4]);
        pacer.pause(&refusal(start, start + Duration::from_secs(4)));
        let until = start + Duration::from_millis(5020);
        assert_eq!(pacer.admit(start), Admission::NotBefore(until));
        assert_eq!(pacer.paused_until(start), Some(until));
        assert_eq!(pacer.admit(until), Admission::Admitted);
        let next = until + Duration::from_millis(1020);
        assert_eq!(pacer.admit(until), Admission::NotBefore(next));
        // The other three calls were sent before the pace became smooth: their refusals show nothing new.
        pacer.pause(&refusal(start, start + Duration::from_secs(4)));
        let after = send(&mut pacer, next, 20, &[]);
        assert_eq!(after[19] - after[0], Duration::from_millis(1020) * 19);
    }

    #[test]
    fn a_refusal_of_smooth_calls_lowers_the_rate_for_some_windows() {
        let mut pacer = smooth(Quota::WRITE);
        let sent = send(&mut pacer, Instant::now(), 8, &[]);
        let last = sent[7];
        pacer.pause(&refusal(last, last + Duration::from_secs(3)));
        let Admission::NotBefore(until) = pacer.admit(last) else {
            panic!("a paused class let a call through");
        };
        let after = send(&mut pacer, until, 200, &[]);
        let gap = |n: usize| after[n + 1] - after[n];
        let lowered = Duration::from_nanos(10_200_000_000_u64.div_ceil(7));
        assert_eq!(gap(0), lowered, "0.7 of the rate");
        let most = Duration::from_millis(10_200) / 8;
        assert!(
            gap(150) > most,
            "no more than passed before: {:?}",
            gap(150)
        );
    }

    #[test]
    fn a_server_with_troubles_of_its_own_changes_no_pace() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Pace::At(Quota::WRITE), start);
        assert_eq!(pacer.admit(start), Admission::Admitted);
        let until = start + Duration::from_secs(4);
        pacer.pause(&Refusal {
            by_quota: false,
            ..refusal(start, until)
        });
        let until = until + Duration::from_millis(1020);
        assert_eq!(send(&mut pacer, until, 9, &[]), [until; 9]);
    }

    #[test]
    fn a_call_that_arrives_late_counts_from_then_on() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Pace::At(quota(3, Duration::from_secs(10))), start);
        let sent = send(&mut pacer, start, 3, &[]);
        // The margin allows for as much.
        pacer.arrived_late(sent[0], Duration::from_millis(150));
        pacer.arrived_late(sent[1], Duration::from_millis(450));
        pacer.arrived_late(start + Duration::from_secs(1), Duration::from_secs(9));
        let after = send(&mut pacer, start, 3, &[]);
        let opens = |millis: u64| start + Duration::from_millis(10_200 + millis);
        assert_eq!(after, [opens(0), opens(0), opens(300)]);
    }

    #[test]
    fn calls_of_a_process_before_this_one_count() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Pace::At(Quota::WRITE), start);
        let later = start + Duration::from_secs(4);
        pacer.prime([start; 7]);
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
    fn margins_and_shapes_are_read_and_written() {
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
        for shape in [Shape::Auto, Shape::Window, Shape::Smooth] {
            assert_eq!(shape.to_string().to_uppercase().parse(), Ok(shape));
        }
        assert!("burst".parse::<Shape>().is_err());
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
            phases in prop::collection::vec(0_usize..40, 1..6),
            idle_us in prop::collection::vec(0_u64..3_000_000, 1..8),
            pauses in prop::collection::vec(any::<bool>(), 6),
            margin in 0_u32..=5000,
            shape in prop::sample::select(vec![Shape::Auto, Shape::Window, Shape::Smooth]),
            jitter in prop::collection::vec(0_u32..1000, 1..8),
        ) {
            let window = Duration::from_millis(window_ms);
            let start = Instant::now();
            let margin = Margin { hundredths: margin };
            let pace = Pace::At(quota(calls, window)).with(margin, shape);
            let mut pacer = Pacer::new(pace, start);
            let idle: Vec<Duration> = idle_us.iter().map(|us| Duration::from_micros(*us)).collect();
            let mut sent = vec![];
            let mut now = start;
            for (calls, pause) in phases.into_iter().zip(pauses) {
                sent.extend(send(&mut pacer, now, calls, &idle));
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
