//! Lanes: the queues of a tenant's calls, one for each thing that the tenant's limits count.
//!
//! With the scope `tenant` there are two lanes, for reads and for writes. With the scope `endpoint` every exact path
//! has such a pair, and one gateway stands over all of them. A call goes when its lane and the gateway let it. The
//! lane of a path is dropped once no limiter can remember its calls, so that memory does not grow with the number of
//! ids.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::call::CallId;
use super::settings::EngineSettings;
use super::shared_slot::SharedSlot;
use crate::pacer::{Admission, Flow, Pace, Pacer, QuotaScope, Refusal, SlotRequest};
use crate::plan::CallCounts;
use crate::wire::QuotaClass;

/// The place of a call in its queue. Calls for which was just read stand first, then repeated calls, then fresh ones, and
/// of each the older before the younger.
pub(super) type Rank = (u8, CallId);

/// The number of times that a server refuses a path that has not used up its quota, until it is taken to count all
/// paths together. A single time may be due to another client on the same path.
const STRIKES: u32 = 3;

/// The interval at which the lanes of idle paths are dropped.
const SWEEP: Duration = Duration::from_secs(10);

/// The calls that one limit counts: those of a class, on one path or, where it is empty, on all paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LaneKey {
    class: QuotaClass,
    path: Arc<str>,
}

impl LaneKey {
    /// Returns true if the limit counts calls to that path, of whatever class.
    pub(super) fn counts(&self, path: &Arc<str>) -> bool {
        self.path.is_empty() || self.path == *path
    }
}

#[derive(Debug)]
struct Lane {
    pacer: Pacer,
    queue: BTreeSet<Rank>,
    slot: SharedSlot,
}

impl Lane {
    /// Returns the time that so many calls need, if they go as they went.
    fn time_for(&self, calls: u64, now: Instant) -> Duration {
        let own = self.pacer.time_for(calls, now);
        own.max(self.slot.time_for(calls))
    }

    /// Returns when a call may go, as far as that is known and not now.
    fn not_before(&self) -> Option<Instant> {
        self.pacer.not_before().max(self.slot.opens_at())
    }
}

/// The common ground of all lanes of a class.
#[derive(Debug)]
struct Class {
    pace: Pace,
    /// Calls that count though no lane of this process sent them.
    sent_before: Vec<Instant>,
}

#[derive(Debug)]
pub(super) struct Lanes {
    scope: QuotaScope,
    read: Class,
    write: Class,
    gateway: Pacer,
    each: HashMap<LaneKey, Lane>,
    /// True if the quotas are shared with other processes.
    shared: bool,
    begun: Instant,
    sweep_at: Instant,
    strikes: u32,
}

impl Lanes {
    pub(super) fn new(settings: &EngineSettings, now: Instant) -> Self {
        let class = |pace| Class {
            pace,
            sent_before: Vec::new(),
        };
        let gateway = match settings.quota_scope {
            QuotaScope::Tenant => Pace::Unlimited,
            QuotaScope::Endpoint => settings.gateway_quota,
        };
        let mut lanes = Self {
            scope: settings.quota_scope,
            read: class(settings.read_quota),
            write: class(settings.write_quota),
            gateway: Pacer::new(gateway, now),
            each: HashMap::new(),
            shared: false,
            begun: now,
            sweep_at: now + SWEEP,
            strikes: 0,
        };
        if lanes.scope == QuotaScope::Tenant {
            lanes.join();
        }
        lanes
    }

    /// Returns true if limits count calls by their paths.
    pub(super) fn count_paths(&self) -> bool {
        self.scope == QuotaScope::Endpoint
    }

    pub(super) fn push(&mut self, class: QuotaClass, path: &Arc<str>, rank: Rank) {
        let key = self.key(class, path);
        self.lane(key).queue.insert(rank);
    }

    pub(super) fn remove(&mut self, class: QuotaClass, path: &Arc<str>, rank: Rank) {
        let key = self.key(class, path);
        if let Some(lane) = self.each.get_mut(&key) {
            lane.queue.remove(&rank);
        }
    }

    /// Returns the lanes of the class in which calls wait, in the order of their first calls.
    pub(super) fn waiting(&self, class: QuotaClass) -> Vec<LaneKey> {
        let mut fronts: Vec<(Rank, &LaneKey)> = self
            .of_class(class)
            .filter_map(|(key, lane)| Some((*lane.queue.first()?, key)))
            .collect();
        fronts.sort_unstable_by_key(|(rank, _)| *rank);
        fronts.into_iter().map(|(_, key)| key.clone()).collect()
    }

    /// Returns the first calls of the lane, at most so many.
    pub(super) fn first(&self, key: &LaneKey, most: usize) -> Vec<CallId> {
        let lane = self.each.get(key).into_iter();
        let ranks = lane.flat_map(|lane| lane.queue.iter().take(most));
        ranks.map(|(_, id)| *id).collect()
    }

    pub(super) fn front(&self, key: &LaneKey) -> Option<CallId> {
        let (_, id) = self.each.get(key)?.queue.first()?;
        Some(*id)
    }

    /// Takes the first call out of the lane and charges it, if it may go at `now`.
    pub(super) fn admit(&mut self, key: &LaneKey, now: Instant) -> Option<CallId> {
        let lane = self.each.get_mut(key)?;
        let shares = self.shared && lane.pacer.terms().is_some();
        let admitted = self.gateway.ask(now) == Admission::Admitted
            && lane.pacer.ask(now) == Admission::Admitted
            && (!shares || lane.slot.is_open_by(now));
        if !admitted {
            return None;
        }
        lane.slot.use_up();
        let (_, id) = lane.queue.pop_first()?;
        self.gateway.charge(now);
        lane.pacer.charge(now);
        Some(id)
    }

    /// Guesses how many calls of the lane could go by `at`, at most.
    pub(super) fn room_in(&self, key: &LaneKey, at: Instant) -> usize {
        let lane = self.each.get(key);
        let waits =
            |lane: &Lane| self.shared && lane.pacer.terms().is_some() && !lane.slot.is_open_by(at);
        if lane.is_some_and(waits) {
            return 0;
        }
        let room = lane.map_or(usize::MAX, |lane| lane.pacer.room_by(at));
        room.min(self.gateway.room_by(at))
    }

    /// Guesses how many calls of the class could go by `at`, at most, whatever their paths and whatever other
    /// processes send.
    pub(super) fn room(&self, class: QuotaClass, at: Instant) -> usize {
        match self.scope {
            QuotaScope::Tenant => {
                let lane = self.each.get(&whole(class));
                lane.map_or(usize::MAX, |lane| lane.pacer.room_by(at))
            }
            QuotaScope::Endpoint => self.gateway.room_by(at),
        }
    }

    /// Guesses how many calls could go by `at`, whatever their paths, if the gateway counts them by windows.
    pub(super) fn gateway_room(&self, at: Instant) -> usize {
        if self.gateway_goes_by_window() {
            self.gateway.room_by(at)
        } else {
            usize::MAX
        }
    }

    /// Returns the instant at which the gateway has room for a reading and a change, if it counts them by windows.
    pub(super) fn gateway_opens(&self, now: Instant) -> Option<Instant> {
        self.gateway_goes_by_window()
            .then(|| now + self.gateway.time_for(2, now))
    }

    fn gateway_goes_by_window(&self) -> bool {
        self.gateway.flow().is_some_and(|flow| flow.burst > 1)
    }

    /// Returns the instants at which more calls of the class may go: those that wait, and, with `more`, those to
    /// come.
    pub(super) fn slots(&self, class: QuotaClass, more: bool) -> impl Iterator<Item = Instant> {
        let gateway = self.gateway.not_before();
        let common = match self.scope {
            QuotaScope::Tenant => self.each.get(&whole(class)),
            QuotaScope::Endpoint => None,
        };
        let more = more.then(|| common.and_then(Lane::not_before).max(gateway));
        let lanes = self.of_class(class).filter(|(_, l)| !l.queue.is_empty());
        lanes
            .map(move |(_, lane)| lane.not_before().max(gateway))
            .chain(more)
            .flatten()
    }

    /// Begins to share the quotas with other processes, or no longer does.
    pub(super) fn share(&mut self, shared: bool) {
        self.shared = shared;
    }

    /// Returns the request for the slot of the lane's first call, if that may go by `soon` and none was requested yet.
    pub(super) fn request_slot(
        &mut self,
        key: &LaneKey,
        now: Instant,
        soon: Instant,
    ) -> Option<SlotRequest> {
        let lane = self.each.get_mut(key).filter(|_| self.shared)?;
        let own = lane.pacer.terms()?;
        let earliest = lane.pacer.not_before().max(self.gateway.not_before());
        let earliest = earliest.unwrap_or(now).max(now);
        lane.slot.request(earliest, soon, now).then(|| SlotRequest {
            class: key.class,
            path: Arc::clone(&key.path),
            own,
            gateway: self.gateway.terms(),
            earliest,
        })
    }

    /// Notes that other processes let a call of the lane go between these instants.
    pub(super) fn take_slot(&mut self, key: &LaneKey, from: Instant, until: Instant) {
        if let Some(lane) = self.each.get_mut(key) {
            let interval = lane.pacer.terms().and_then(|terms| terms.spacing);
            lane.slot.take(from, until, interval);
        }
    }

    /// Returns true if all processes that share the quotas pause together.
    pub(super) fn pauses_all(&self) -> bool {
        self.shared && self.scope == QuotaScope::Tenant
    }

    /// Counts calls of the class that another process sent at these instants, oldest first. Their paths are not
    /// known, so they count on each.
    pub(super) fn prime(&mut self, class: QuotaClass, sent: Vec<Instant>) {
        let lanes = self.each.iter_mut();
        for (_, lane) in lanes.filter(|(key, _)| key.class == class) {
            lane.pacer.prime(sent.iter().copied());
        }
        self.gateway.prime(sent.iter().copied());
        self.class_mut(class).sent_before = sent;
    }

    /// Pauses every call that the limit counts by which the server refused one, until `refusal.until`. If the path
    /// cannot have used up its quota, these are the calls of all paths.
    pub(super) fn pause(&mut self, class: QuotaClass, path: &Arc<str>, refusal: &Refusal) {
        let key = self.key(class, path);
        let lane = self.lane(key);
        let known = lane.pacer.paused_until(refusal.at).is_some();
        let used_up = lane.pacer.is_used_up(refusal.at);
        lane.pacer.pause(refusal);
        if self.scope == QuotaScope::Tenant || known || (refusal.by_quota && used_up) {
            return;
        }
        self.strikes += u32::from(refusal.by_quota);
        if self.strikes >= STRIKES {
            tracing::warn!("the tenant counts all paths together; so does this run from now on");
            self.join();
        }
        let lanes = self.each.iter_mut();
        for (_, lane) in lanes.filter(|(key, _)| key.class == class) {
            lane.pacer.pause(refusal);
        }
    }

    /// Goes over to one lane a class.
    fn join(&mut self) {
        self.scope = QuotaScope::Tenant;
        let lanes = std::mem::take(&mut self.each);
        self.lane(whole(QuotaClass::Read));
        self.lane(whole(QuotaClass::Write));
        for (key, lane) in lanes {
            let joined = self.lane(whole(key.class));
            joined.queue.extend(lane.queue);
        }
    }

    /// Returns the end of the pause of the class, if calls of it are paused at `now`.
    pub(super) fn paused_until(&self, class: QuotaClass, now: Instant) -> Option<Instant> {
        let lanes = self.of_class(class);
        lanes.filter_map(|(_, l)| l.pacer.paused_until(now)).max()
    }

    /// Returns the time that the calls of the class need that wait here or are among `more`, if none is refused.
    pub(super) fn time_for(&self, class: QuotaClass, more: CallCounts, now: Instant) -> Duration {
        let (more, together) = match class {
            QuotaClass::Read => (more.read, 0),
            QuotaClass::Write => (more.write, more.together),
        };
        let on_one_path = match self.scope {
            QuotaScope::Tenant => more,
            QuotaScope::Endpoint => together,
        };
        let longest = self.of_class(class).max_by_key(|(_, l)| l.queue.len());
        let lane = longest.map_or_else(
            || self.class(class).pace.least_time(on_one_path),
            |(_, lane)| lane.time_for(count(lane.queue.len()) + on_one_path, now),
        );
        let all = more + count(self.queued(class));
        lane.max(self.gateway.time_for(all, now))
    }

    /// Returns the flow of reads and writes together; none when some of them are not paced.
    pub(super) fn flow(&self) -> Option<Flow> {
        if self.scope == QuotaScope::Endpoint {
            return self.gateway.flow();
        }
        let flow = |class| self.each.get(&whole(class))?.pacer.flow();
        let (reads, writes) = (flow(QuotaClass::Read)?, flow(QuotaClass::Write)?);
        let rate = reads.interval.as_secs_f64().recip() + writes.interval.as_secs_f64().recip();
        Some(Flow {
            interval: Duration::try_from_secs_f64(rate.recip()).unwrap_or(Duration::ZERO),
            burst: reads.burst + writes.burst,
        })
    }

    /// Returns the number of calls of the class that wait.
    pub(super) fn queued(&self, class: QuotaClass) -> usize {
        self.of_class(class).map(|(_, lane)| lane.queue.len()).sum()
    }

    pub(super) fn has_queued(&self) -> bool {
        self.each.values().any(|lane| !lane.queue.is_empty())
    }

    /// Drops the lanes of paths on which nothing waits and of which no limiter remembers anything.
    pub(super) fn sweep(&mut self, now: Instant) {
        if self.scope == QuotaScope::Endpoint && now >= self.sweep_at {
            self.sweep_at = now + SWEEP;
            self.each
                .retain(|_, lane| !lane.queue.is_empty() || !lane.pacer.is_idle(now));
        }
    }

    fn key(&self, class: QuotaClass, path: &Arc<str>) -> LaneKey {
        match self.scope {
            QuotaScope::Tenant => whole(class),
            QuotaScope::Endpoint => LaneKey {
                class,
                path: Arc::clone(path),
            },
        }
    }

    fn lane(&mut self, key: LaneKey) -> &mut Lane {
        let begun = self.begun;
        let class = match key.class {
            QuotaClass::Read => &self.read,
            QuotaClass::Write => &self.write,
        };
        self.each.entry(key).or_insert_with(|| {
            let mut pacer = Pacer::new(class.pace, begun);
            pacer.prime(class.sent_before.iter().copied());
            Lane {
                pacer,
                queue: BTreeSet::new(),
                slot: SharedSlot::default(),
            }
        })
    }

    fn of_class(&self, class: QuotaClass) -> impl Iterator<Item = (&LaneKey, &Lane)> {
        self.each.iter().filter(move |(key, _)| key.class == class)
    }

    fn class(&self, class: QuotaClass) -> &Class {
        match class {
            QuotaClass::Read => &self.read,
            QuotaClass::Write => &self.write,
        }
    }

    fn class_mut(&mut self, class: QuotaClass) -> &mut Class {
        match class {
            QuotaClass::Read => &mut self.read,
            QuotaClass::Write => &mut self.write,
        }
    }
}

fn whole(class: QuotaClass) -> LaneKey {
    LaneKey {
        class,
        path: Arc::default(),
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn path(text: &str) -> Arc<str> {
        text.into()
    }

    fn by_endpoint(now: Instant) -> Lanes {
        let settings = EngineSettings {
            quota_scope: QuotaScope::Endpoint,
            write_quota: "1/10s".parse().unwrap(),
            ..EngineSettings::default()
        };
        Lanes::new(&settings, now)
    }

    #[test]
    fn idle_paths_are_dropped() {
        let start = Instant::now();
        let (mut lanes, mut most) = (by_endpoint(start), 0);
        for number in 0..10_000 {
            let now = start + SECOND * number / 50;
            lanes.push(
                QuotaClass::Write,
                &path(&format!("link/{number}")),
                (2, number),
            );
            let key = lanes.waiting(QuotaClass::Write).remove(0);
            assert_eq!(lanes.admit(&key, now), Some(number));
            lanes.sweep(now);
            most = most.max(lanes.each.len());
        }
        assert!(most <= 50 * 21, "{most} paths kept");
    }

    #[test]
    fn a_used_up_path_does_not_hold_up_others() {
        let start = Instant::now();
        let mut lanes = by_endpoint(start);
        lanes.push(QuotaClass::Write, &path("bulk"), (2, 0));
        lanes.push(QuotaClass::Write, &path("bulk"), (2, 1));
        lanes.push(QuotaClass::Write, &path("link/7"), (2, 2));
        let keys = lanes.waiting(QuotaClass::Write);
        assert_eq!(lanes.admit(&keys[0], start), Some(0));
        let later = start + SECOND / 10;
        assert_eq!(lanes.admit(&keys[0], later), None);
        assert_eq!(lanes.admit(&keys[1], later), Some(2));
    }

    #[test]
    fn the_time_left_counts_other_processes_slots() {
        let start = Instant::now();
        let mut lanes = Lanes::new(&EngineSettings::default(), start);
        lanes.share(true);
        for id in 0..20 {
            lanes.push(QuotaClass::Write, &path(""), (2, id));
        }
        let key = lanes.waiting(QuotaClass::Write).remove(0);
        let mut slot = start;
        for call in 0..15 {
            let wants = slot + SECOND * 2;
            let claim = lanes.request_slot(&key, slot, wants);
            assert!(claim.is_some_and(|claim| claim.earliest <= wants));
            assert_eq!(lanes.request_slot(&key, slot, wants), None, "one at a time");
            slot += SECOND * 4;
            assert_eq!(lanes.admit(&key, slot), None, "not without a slot");
            lanes.take_slot(&key, slot, slot + SECOND);
            assert_eq!(lanes.admit(&key, slot), Some(call));
        }
        let now = slot + SECOND;
        let left = lanes.time_for(QuotaClass::Write, CallCounts::default(), now);
        assert!((SECOND * 18..=SECOND * 20).contains(&left), "{left:?}");
        let claim = lanes.request_slot(&key, now, now + SECOND).unwrap();
        lanes.take_slot(&key, claim.earliest, now);
        let missed = now + SECOND * 2;
        assert!(
            lanes.request_slot(&key, missed, missed).is_some(),
            "missed slots are lost"
        );
    }
}
