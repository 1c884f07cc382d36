//! Lanes: the queues of a tenant's calls, one for each thing that the tenant's limits count.
//!
//! With the scope `tenant` there are two lanes, for reads and for writes. With the scope `endpoint` every exact path
//! has such a pair, and one gateway stands over all of them. With the scope `auto`, a job of many single calls is the
//! trial of which is true: it has a lane for each path, and keeps within the quota of all paths but for a few probes. A
//! call goes when its lane, its class and the gateway let it, as far as they count. The lane of a path is dropped once no
//! limiter can remember its calls, so that memory does not grow with the number of ids.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::call::CallId;
use super::class::{Classes, SentBefore};
use super::settings::EngineSettings;
use super::shared_slot::SharedSlot;
use super::trial::{Counting, Trial};
use crate::pacer::{
    Admission, Flow, Found, Learned, Pace, Pacer, QuotaScope, Refusal, Slot, SlotRequest, Terms,
};
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
    /// Paces the calls on its path; `None` if it is the lane of all paths.
    by_path: Option<Pacer>,
    queue: BTreeSet<Rank>,
    slot: SharedSlot,
}

#[derive(Debug)]
pub(super) struct Lanes {
    counting: Counting,
    /// True until it is known, or settled, what the limits count.
    is_open: bool,
    classes: Classes,
    gateway: Pacer,
    gateway_pace: Pace,
    each: HashMap<LaneKey, Lane>,
    /// True if the quotas are shared with other processes.
    shared: bool,
    /// Slots of the shared quotas in which nothing is sent. They are given back with the next request.
    unused: Vec<Slot>,
    begun: Instant,
    sweep_at: Instant,
    strikes: u32,
    /// The instant at which all paths were found to be counted together.
    joined: Option<Instant>,
    learned: Vec<Learned>,
}

impl Lanes {
    pub(super) fn new(settings: &EngineSettings, now: Instant) -> Self {
        let mut lanes = Self {
            counting: Counting::AllPaths,
            is_open: settings.quota_scope == QuotaScope::Auto,
            classes: Classes::new(settings, now),
            gateway: Pacer::new(Pace::Unlimited, now),
            gateway_pace: settings.gateway_quota,
            each: HashMap::new(),
            shared: false,
            unused: Vec::new(),
            begun: now,
            sweep_at: now + SWEEP,
            strikes: 0,
            joined: None,
            learned: Vec::new(),
        };
        if settings.quota_scope == QuotaScope::Endpoint {
            lanes.count_paths(Counting::EachPath(Trial::known()));
        } else {
            lanes.join();
        }
        lanes
    }

    /// Begins the trial of what the limits count, if that is not known and these calls are worth it.
    pub(super) fn try_scope(&mut self, calls: CallCounts) {
        let is_worth_it = calls.are_worth_a_trial(self.classes.of(QuotaClass::Write).pace);
        if self.is_open && is_worth_it && !self.has_queued() {
            self.is_open = false;
            self.count_paths(Counting::Trial(Trial::default()));
        }
    }

    /// Goes over to a lane for each path.
    fn count_paths(&mut self, counting: Counting) {
        self.counting = counting;
        self.gateway = Pacer::new(self.gateway_pace, self.begun);
        let lanes = std::mem::take(&mut self.each).into_values();
        self.unused
            .extend(lanes.filter_map(|lane| lane.slot.taken()));
        for class in self.classes.each_mut() {
            self.gateway.prime(class.together.recent());
            // The paths of this process's calls by now are not known.
            let others = class.sent_before.latest();
            for own in class.together.recent().filter(|at| Some(*at) > others) {
                class.sent_before.add(own, Arc::default());
            }
        }
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
        let class = self.classes.of_mut(key.class);
        let lane = self.each.get_mut(key)?;
        let by_path = lane.by_path.as_mut();
        let admitted = self.gateway.ask(now) == Admission::Admitted
            && by_path.is_none_or(|pacer| pacer.ask(now) == Admission::Admitted)
            && class.paused_until.is_none_or(|until| until <= now);
        if !admitted {
            return None;
        }
        let is_probe =
            class.together.ask(now) != Admission::Admitted || (self.shared && lane.slot.is_probe());
        let probes = self.counting.trial().map_or(0, |t| t.room(key.class));
        if is_probe && probes == 0 {
            return None;
        }
        let is_limited = matches!(class.pace, Pace::At(_));
        if self.shared && is_limited && !lane.slot.is_open_by(now) {
            return None;
        }
        lane.slot.use_up();
        let (_, id) = lane.queue.pop_first()?;
        self.gateway.charge(now);
        class.together.charge(now);
        if let Some(pacer) = &mut lane.by_path {
            pacer.charge(now);
        }
        if let Some(trial) = self.counting.trial_mut()
            && is_probe
        {
            trial.sent(id, key.class, now);
        }
        Some(id)
    }

    /// Takes in that a call was answered. `passed` is false if the answer does not tell whether it is one too many.
    pub(super) fn answered(&mut self, id: CallId, class: QuotaClass, passed: bool) {
        let Pace::At(quota) = self.classes.of(class).pace else {
            return;
        };
        let trial = self.counting.trial_mut();
        let is_told = trial.is_some_and(|trial| trial.answered(id, passed, quota));
        if is_told && let Counting::Trial(trial) = &mut self.counting {
            self.counting = Counting::EachPath(std::mem::take(trial));
            self.learned.push(Learned::Scope(QuotaScope::Endpoint));
        }
    }

    /// Takes in that the call that went at `sent` may have arrived so much later than others do.
    pub(super) fn arrived_late(
        &mut self,
        class: QuotaClass,
        path: &Arc<str>,
        sent: Instant,
        late: Duration,
    ) {
        let key = self.key(class, path);
        let by_path = self.each.get_mut(&key).and_then(|l| l.by_path.as_mut());
        for pacer in by_path.into_iter().chain([&mut self.gateway]) {
            pacer.arrived_late(sent, late);
        }
        self.classes.of_mut(class).together.arrived_late(sent, late);
    }

    /// Guesses how many calls of the lane could go by `at`, at most.
    pub(super) fn room_in(&self, key: &LaneKey, at: Instant) -> usize {
        let Some(lane) = self.each.get(key) else {
            return 0;
        };
        let is_limited = matches!(self.classes.of(key.class).pace, Pace::At(_));
        if self.shared && is_limited && !lane.slot.is_open_by(at) {
            return 0;
        }
        let by_path = lane.by_path.as_ref();
        let room = by_path.map_or(usize::MAX, |pacer| pacer.room_by(at));
        room.min(self.room(key.class, at))
    }

    /// Guesses how many calls of the class could go by `at`, at most, whatever their paths and whatever other
    /// processes send.
    pub(super) fn room(&self, class: QuotaClass, at: Instant) -> usize {
        let of_class = self.classes.of(class);
        if of_class.paused_until.is_some_and(|until| at < until) {
            return 0;
        }
        let together = of_class.together.room_by(at);
        match self.counting.trial() {
            None => together,
            Some(trial) => together
                .saturating_add(trial.room(class))
                .min(self.gateway.room_by(at)),
        }
    }

    /// Guesses how many more changes could go by `at` if `readings` were made for so many, and `calls` calls of all kinds
    /// went before them. Whatever counts several lanes together counts here.
    pub(super) fn changes_by(&self, at: Instant, readings: usize, calls: usize) -> usize {
        let by_gateway = match self.counting {
            Counting::AllPaths => usize::MAX,
            // Each takes a reading and a change.
            _ if self.gateway_goes_by_window() => {
                self.gateway.room_by(at).saturating_sub(calls) / 2
            }
            _ => usize::MAX,
        };
        let by_class = match self.counting {
            Counting::AllPaths => usize::MAX,
            _ => self.room(QuotaClass::Write, at).saturating_sub(readings),
        };
        by_gateway.min(by_class)
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
        let common = self.not_before(class);
        let lanes = self.of_class(class).filter(|(_, l)| !l.queue.is_empty());
        let more = more.then(|| match self.counting {
            Counting::AllPaths => {
                let lane = self.each.get(&whole(class));
                common.max(lane.and_then(|lane| lane.slot.opens_at()))
            }
            _ => common,
        });
        lanes
            .map(move |(_, lane)| {
                let by_path = lane.by_path.as_ref().and_then(Pacer::not_before);
                by_path.max(common).max(lane.slot.opens_at())
            })
            .chain(more)
            .flatten()
    }

    /// Returns when a call of the class may go, as far as that is known, not now, and the same for all lanes.
    fn not_before(&self, of: QuotaClass) -> Option<Instant> {
        let class = self.classes.of(of);
        let probes = self.counting.trial().map_or(0, |trial| trial.room(of));
        let together = class.together.not_before().filter(|_| probes == 0);
        together
            .max(class.paused_until)
            .max(self.gateway.not_before())
    }

    /// Returns the instants from which on slots are missed: until then they use up room that calls of other lanes want.
    pub(super) fn missed_slots(&self) -> impl Iterator<Item = Instant> {
        self.each.values().filter_map(|lane| lane.slot.missed_at())
    }

    /// Begins to share the quotas with other processes, or no longer does.
    pub(super) fn share(&mut self, shared: bool) {
        self.shared = shared;
    }

    /// Returns the request for the slot of the lane's first call, which goes to `path`, if that may go by `soon` and none
    /// was requested yet.
    pub(super) fn request_slot(
        &mut self,
        key: &LaneKey,
        path: &Arc<str>,
        now: Instant,
        soon: Instant,
    ) -> Option<SlotRequest> {
        if !self.shared {
            return None;
        }
        if let Some(lane) = self.each.get_mut(key) {
            self.unused.extend(lane.slot.take_missed(now));
        }
        let common = self.not_before(key.class);
        let (by_class, is_probe) = self.terms_of_class(key.class, now, soon)?;
        let lane = self.each.get_mut(key)?;
        if is_probe {
            // As a probe the call may go at once.
            self.unused.extend(lane.slot.take_later(soon));
        }
        let by_path = lane.by_path.as_ref().and_then(Pacer::terms);
        if by_class.is_none() && by_path.is_none() {
            return None;
        }
        let own = lane.by_path.as_ref().and_then(Pacer::not_before);
        let earliest = own.max(common).unwrap_or(now).max(now);
        lane.slot
            .request(earliest, soon, is_probe)
            .then(|| SlotRequest {
                class: key.class,
                path: Arc::clone(path),
                by_path,
                by_class,
                by_all: self.gateway.terms(),
                earliest,
                unused: std::mem::take(&mut self.unused),
            })
    }

    /// Returns the terms that the next call of the class keeps together with the others, and whether it is a probe, which
    /// keeps none. `None` if there is no room for it: what other lanes have requested uses up what they have in common.
    fn terms_of_class(
        &self,
        class: QuotaClass,
        now: Instant,
        soon: Instant,
    ) -> Option<(Option<Terms>, bool)> {
        let lanes = self.of_class(class).map(|(_, lane)| lane);
        let pending = lanes.filter(|lane| lane.by_path.is_some() && lane.slot.is_pending(now));
        let (probes, others): (Vec<&Lane>, Vec<&Lane>) =
            pending.partition(|lane| lane.slot.is_probe());
        let (together, room) = (&self.classes.of(class).together, self.room(class, soon));
        match &self.counting {
            Counting::AllPaths => (others.len() < room).then(|| (together.terms(), false)),
            Counting::EachPath(_) => (probes.len() + others.len() < room).then_some((None, false)),
            Counting::Trial(trial) => {
                // Other processes may have used up what this one has not.
                let is_used_up = others.len() >= together.room_by(soon)
                    || others.iter().any(|lane| lane.slot.opens_at() > Some(soon));
                if is_used_up {
                    (probes.len() < trial.room(class)).then_some((None, true))
                } else {
                    Some((together.terms(), false))
                }
            }
        }
    }

    /// Notes that other processes let a call of the lane go between these instants, in that slot.
    pub(super) fn take_slot(&mut self, key: &LaneKey, slot: Slot, from: Instant, until: Instant) {
        let class = self.classes.of(key.class).together.terms();
        let Some(lane) = self.each.get_mut(key) else {
            self.unused.push(slot);
            return;
        };
        let own = lane.by_path.as_ref().map_or(class, Pacer::terms);
        let spacing = own.and_then(|terms| terms.spacing);
        self.unused.extend(lane.slot.taken());
        lane.slot.take(slot, from, until, spacing);
    }

    /// Returns true if all processes that share the quotas pause together.
    pub(super) fn pauses_all(&self) -> bool {
        self.shared && matches!(self.counting, Counting::AllPaths)
    }

    /// Counts calls of the class that another process sent at these instants on these paths, oldest first. A path is empty
    /// if it is not known.
    pub(super) fn prime(&mut self, class: QuotaClass, sent: Vec<(Instant, Arc<str>)>) {
        let all = sent.iter().map(|(at, _)| *at);
        self.gateway.prime(all.clone());
        self.classes.of_mut(class).together.prime(all);
        let mut before = SentBefore::default();
        for (at, path) in sent {
            before.add(at, path);
        }
        let lanes = self.each.iter_mut();
        for (key, lane) in lanes.filter(|(key, _)| key.class == class) {
            if let Some(pacer) = &mut lane.by_path {
                pacer.prime(before.on(&key.path));
            }
        }
        self.classes.of_mut(class).sent_before = before;
    }

    /// Pauses every call that the limit counts by which the server refused one, until `refusal.until`. If the path
    /// cannot have used up its quota, these are the calls of all paths.
    pub(super) fn pause(&mut self, class: QuotaClass, path: &Arc<str>, refusal: &Refusal) {
        let key = self.key(class, path);
        let mut refusal = *refusal;
        if let Some(pacer) = &mut self.lane(key).by_path {
            let is_known = pacer.paused_until(refusal.at).is_some();
            let used_up = pacer.is_used_up(refusal.at);
            pacer.pause(&refusal);
            if is_known || (refusal.by_quota && used_up) {
                return;
            }
            if refusal.by_quota {
                self.refused_on_path(class, refusal.at);
            }
        }
        // What was sent beyond the quota of all paths says nothing about the pace of all together.
        refusal.by_quota &= self.joined.is_none_or(|joined| joined < refusal.sent)
            && matches!(self.counting, Counting::AllPaths);
        let of_class = self.classes.of_mut(class);
        of_class.pause(&refusal);
        let found = of_class.together.take_found().into_iter();
        self.learned.extend(found.map(|found| match found {
            Found::Shape(shape) => Learned::Shape(class, shape),
            Found::Limit(calls) => Learned::Limit(class, calls),
        }));
    }

    /// Takes in that a path was refused which had not used up its quota.
    fn refused_on_path(&mut self, class: QuotaClass, now: Instant) {
        self.strikes += 1;
        let is_told = match &mut self.counting {
            Counting::AllPaths => return,
            Counting::Trial(trial) => trial.has_probed(),
            Counting::EachPath(trial) if self.strikes < STRIKES => {
                trial.refused(class);
                return;
            }
            Counting::EachPath(_) => true,
        };
        if is_told {
            tracing::info!("the tenant counts all paths together; so does this run from now on");
            self.learned.push(Learned::Scope(QuotaScope::Tenant));
        }
        self.joined = Some(now);
        self.join();
    }

    /// Goes over to one lane a class.
    fn join(&mut self) {
        self.counting = Counting::AllPaths;
        self.gateway = Pacer::new(Pace::Unlimited, self.begun);
        let lanes = std::mem::take(&mut self.each);
        self.lane(whole(QuotaClass::Read));
        self.lane(whole(QuotaClass::Write));
        for (key, lane) in lanes {
            self.unused.extend(lane.slot.taken());
            let joined = self.lane(whole(key.class));
            joined.queue.extend(lane.queue);
        }
    }

    /// Returns the calls of the class for which a window has room, if refusals have shown that these are fewer than the
    /// quota has.
    pub(super) fn room_found(&self, class: QuotaClass) -> Option<NonZeroU32> {
        self.classes.of(class).together.room_found()
    }

    /// Takes what was learned of the tenant since it was last asked.
    pub(super) fn take_learned(&mut self) -> Vec<Learned> {
        std::mem::take(&mut self.learned)
    }

    /// Returns the end of the pause of the class, if calls of it are paused at `now`.
    pub(super) fn paused_until(&self, class: QuotaClass, now: Instant) -> Option<Instant> {
        let lanes = self.of_class(class);
        let by_path = lanes.filter_map(|(_, l)| l.by_path.as_ref()?.paused_until(now));
        let all = self.classes.of(class).paused_until;
        by_path.max().max(all.filter(|until| now < *until))
    }

    /// Returns the time that the calls of the class need that wait here or are among `more`, if none is refused.
    pub(super) fn time_for(&self, class: QuotaClass, more: CallCounts, now: Instant) -> Duration {
        let (more, together) = match class {
            QuotaClass::Read => (more.read, 0),
            QuotaClass::Write => (more.write, more.together),
        };
        let all = more + count(self.queued(class));
        let of_class = self.classes.of(class);
        let own = match self.counting {
            Counting::AllPaths | Counting::Trial(_) => of_class.together.time_for(all, now),
            Counting::EachPath(_) => {
                let longest = self.of_class(class).max_by_key(|(_, l)| l.queue.len());
                let pacer = longest.and_then(|(_, lane)| Some((lane, lane.by_path.as_ref()?)));
                pacer.map_or_else(
                    || of_class.pace.least_time(together),
                    |(lane, pacer)| pacer.time_for(count(lane.queue.len()) + together, now),
                )
            }
        };
        let whole = self.each.get(&whole(class));
        let shared = whole.map_or(Duration::ZERO, |lane| lane.slot.time_for(all));
        own.max(shared).max(self.gateway.time_for(all, now))
    }

    /// Returns the flow of reads and writes together; none when some of them are not paced.
    pub(super) fn flow(&self) -> Option<Flow> {
        if matches!(self.counting, Counting::EachPath(_)) {
            return self.gateway.flow();
        }
        self.classes.flow()
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
        if now >= self.sweep_at {
            self.sweep_at = now + SWEEP;
            self.each.retain(|_, lane| {
                let by_path = lane.by_path.as_ref();
                let is_kept =
                    !lane.queue.is_empty() || by_path.is_none_or(|pacer| !pacer.is_idle(now));
                self.unused.extend(lane.slot.taken().filter(|_| !is_kept));
                is_kept
            });
        }
    }

    fn key(&self, class: QuotaClass, path: &Arc<str>) -> LaneKey {
        match self.counting {
            Counting::AllPaths => whole(class),
            Counting::Trial(_) | Counting::EachPath(_) => LaneKey {
                class,
                path: Arc::clone(path),
            },
        }
    }

    fn lane(&mut self, key: LaneKey) -> &mut Lane {
        let begun = self.begun;
        let class = self.classes.of(key.class);
        let paces_paths = !matches!(self.counting, Counting::AllPaths);
        let path = Arc::clone(&key.path);
        self.each.entry(key).or_insert_with(|| {
            let by_path = paces_paths.then(|| {
                let mut pacer = Pacer::new(class.pace, begun);
                pacer.prime(class.sent_before.on(&path));
                pacer
            });
            Lane {
                by_path,
                queue: BTreeSet::new(),
                slot: SharedSlot::default(),
            }
        })
    }

    fn of_class(&self, class: QuotaClass) -> impl Iterator<Item = (&LaneKey, &Lane)> {
        self.each.iter().filter(move |(key, _)| key.class == class)
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
mod tests;
