//! The dispatcher: decides which call goes next, and when.
//!
//! A call is in the dispatcher's hands from its submission until it has been judged. The call waits in the queue of
//! its lane, its intent is recorded shortly before its slot, and it goes when its lane, the gateway, the token and
//! the number of calls in flight let it. The items of calls and the meaning of answers are the business of the
//! [core](super::core).
//!
//! Pure: time comes in, effects go out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::call::{Call, CallId};
use super::delayed::Delayed;
use super::effect::Effect;
use super::in_flight::InFlight;
use super::lanes::{LaneKey, Lanes, Rank};
use super::session::Session;
use super::settings::{EngineSettings, UpdateReads};
use crate::item::Event;
use crate::pacer::Refusal;
use crate::plan::CallCounts;
use crate::retry::{self, Verdict};
use crate::wire::{Failure, Method, QuotaClass, Reply};

/// The time between the intent of a call and its slot: long enough for a slow disk, short enough that few calls are
/// in doubt when the process is killed.
const LEAD: Duration = Duration::from_millis(50);

/// The number of failures of a call after which the user is told. By then the call may take minutes.
const WORTH_SAYING: u32 = 3;

/// The place of a call among those that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    /// After the calls that were submitted before.
    Fresh,
    /// Before the calls that were never sent.
    Retry,
    /// The same, but not before this wait is over.
    RetryAfter(Duration),
    /// The same, for a call that repeats none that failed.
    After(Duration),
}

#[derive(Debug)]
pub(super) enum Disposition {
    /// The call was not executed and waits in its queue again.
    Requeued,
    /// The same, and its class is paused for so long.
    Paused(Duration),
    /// The class of the call is paused for so long. The call is over, and may have been executed.
    PausedInDoubt(Duration, Call, Verdict),
    /// The call was not executed, or may be repeated, after this wait. The dispatcher holds it until
    /// [`Dispatcher::delay`] or [`Dispatcher::take`].
    Retry(Duration, Failure),
    /// The call was not executed: even a new token is not accepted.
    Barred(Call, Failure),
    /// The call is over.
    Judged(Call, Verdict),
}

/// A call for which is to be read now, since its slot is near.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) call: Call,
    /// The number of the call if its intent is on disk. It was not sent.
    pub(super) recorded: Option<CallId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Queued,
    Recording,
    Ready,
    Delayed,
    /// Sent at that instant, with the token of that generation.
    InFlight(Instant, u32),
}

/// A call that is not over.
#[derive(Debug)]
struct Pending {
    call: Call,
    /// The endpoint to which it goes.
    path: Arc<str>,
    stage: Stage,
    attempt: u32,
    refusals: u32,
    renewed: bool,
    is_retry: bool,
    /// The instant from which on the age of what was read for the call counts; `None` if nothing was.
    read_at: Option<Instant>,
}

impl Pending {
    fn class(&self) -> QuotaClass {
        self.call.method().class()
    }

    fn rank(&self, id: CallId) -> Rank {
        let place = match (self.read_at, self.is_retry) {
            (Some(_), _) => 0,
            (None, true) => 1,
            (None, false) => 2,
        };
        (place, id)
    }

    /// Returns true if what was read for the call is older than `freshness` at that instant.
    fn is_unread(&self, at: Instant, freshness: Duration) -> bool {
        let is_fresh = |read: Instant| at.saturating_duration_since(read) <= freshness;
        self.call.is_read_first() && !self.read_at.is_some_and(is_fresh)
    }

    /// Returns true if the call reads an object that is to be changed, depends on such a reading, or is on its way.
    fn uses_reading(&self) -> bool {
        let waits = matches!(self.stage, Stage::Queued | Stage::Delayed);
        !self.call.is_read_first() || !waits || self.read_at.is_some()
    }

    fn as_sent(&self) -> retry::Call {
        retry::Call {
            method: self.call.method(),
            attempt: self.attempt,
            refusals: self.refusals + 1,
        }
    }
}

/// Numbers of calls, for whoever shows how far the run is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: CallCounts,
    /// Answered 429.
    pub(super) throttled: u64,
    /// Answered with a 503 that asked for a pause.
    pub(super) unavailable: u64,
}

#[derive(Debug)]
pub(super) struct Dispatcher {
    lanes: Lanes,
    calls: HashMap<CallId, Pending>,
    next_id: CallId,
    recording: usize,
    in_flight: InFlight,
    delayed: Delayed,
    session: Session,
    counts: Counts,
    freshness: Duration,
    update_reads: UpdateReads,
    /// The time from the first reading for a change to the last. It rises at once and falls fast.
    readings: Duration,
    halted: bool,
}

impl Dispatcher {
    pub(super) fn new(settings: &EngineSettings, now: Instant) -> Self {
        Self {
            lanes: Lanes::new(settings, now),
            calls: HashMap::new(),
            next_id: 0,
            recording: 0,
            in_flight: InFlight::new(settings),
            delayed: Delayed::default(),
            session: Session::default(),
            counts: Counts::default(),
            freshness: settings.freshness,
            update_reads: settings.update_reads,
            readings: Duration::ZERO,
            halted: false,
        }
    }

    /// Takes a call on. `read_at` is the instant from which on the age of what was read for the call counts.
    pub(super) fn submit(
        &mut self,
        call: Call,
        priority: Priority,
        read_at: Option<Instant>,
        now: Instant,
    ) {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let pending = Pending {
            path: call.endpoint(),
            call,
            stage: match priority {
                Priority::Fresh | Priority::Retry => Stage::Queued,
                Priority::RetryAfter(_) | Priority::After(_) => Stage::Delayed,
            },
            attempt: 0,
            refusals: 0,
            renewed: false,
            is_retry: priority != Priority::Fresh,
            read_at,
        };
        self.calls.insert(id, pending);
        match priority {
            Priority::Fresh | Priority::Retry => self.enqueue(id),
            Priority::RetryAfter(wait) => self.delay(id, wait, now),
            Priority::After(wait) => self.delayed.insert_free(id, now + wait),
        }
    }

    /// Returns what can be done at `now`, and the calls for which is to be read first. To be called after everything
    /// that happened, and again after there was such a call.
    pub(super) fn pump(&mut self, now: Instant) -> (Vec<Effect>, Vec<Unread>) {
        let (mut effects, mut unread) = (Vec::new(), Vec::new());
        self.lanes.sweep(now);
        while let Some(id) = self.delayed.pop_due(now) {
            self.requeue(id);
        }
        if self.halted || !self.lanes.has_queued() {
            return (effects, unread);
        }
        if !self.session.holds(now) {
            effects.extend(self.session.renew(now).then_some(Effect::SignIn));
            return (effects, unread);
        }
        for class in [QuotaClass::Read, QuotaClass::Write] {
            if class == QuotaClass::Write && self.calls().any(Call::is_moved_by_writes) {
                continue;
            }
            for lane in self.lanes.waiting(class) {
                self.demote_stale(&lane, now);
                self.request_slot(&lane, now, &mut effects);
                self.hand_out_unread(&lane, now, &mut unread);
                self.prepare(&lane, now, &mut effects);
                self.admit(&lane, now, &mut effects, &mut unread);
            }
        }
        (effects, unread)
    }

    /// Returns when to call [`Dispatcher::pump`] again if nothing happens before. With `more_writes`, more writes
    /// will be submitted as soon as there is room for them. `now` is that of the last pump: it did not see anything
    /// that fell due afterwards.
    pub(super) fn wake_at(&self, more_writes: bool, now: Instant) -> Option<Instant> {
        if self.halted {
            return None;
        }
        let early = |slot: Instant| {
            let early = slot.checked_sub(LEAD).unwrap_or(slot);
            if early > now { early } else { slot }
        };
        let reads = self.lanes.slots(QuotaClass::Read, false);
        let writes = self.lanes.slots(QuotaClass::Write, more_writes);
        let to_read = self.lanes.slots(QuotaClass::Write, more_writes);
        let to_read = to_read.chain(self.lanes.gateway_opens(now));
        let to_read = to_read.filter_map(|slot| slot.checked_sub(self.reading_lead()));
        let token = self.session.renews_at();
        let instants = reads.chain(writes).map(early);
        instants
            .chain(to_read.filter(|at| *at > now))
            .chain(self.delayed.wake_at(now))
            .chain(token.filter(|_| self.lanes.has_queued()))
            .chain(self.lanes.missed_slots())
            .chain(self.in_flight.grows_at(self.lanes.flow()))
            .filter(|at| *at > now)
            .min()
    }

    /// Notes that the call's intent is on disk.
    pub(super) fn recorded(&mut self, id: CallId) {
        self.recording -= 1;
        if let Some(pending) = self.calls.get_mut(&id) {
            pending.stage = Stage::Ready;
        }
    }

    /// Takes in the reply to a call.
    pub(super) fn replied(
        &mut self,
        id: CallId,
        reply: &Reply,
        now: Instant,
        wall: Timestamp,
        random: f64,
    ) -> Disposition {
        let Some(pending) = self.calls.get_mut(&id) else {
            return Disposition::Requeued;
        };
        let Stage::InFlight(sent, generation) = pending.stage else {
            return Disposition::Requeued;
        };
        let late = self.in_flight.answered(id, pending.class(), sent, now);
        self.lanes
            .arrived_late(pending.class(), &pending.path, sent, late);
        // Pauses and losses do not tell whether the quota had room.
        let passed = matches!(reply, Reply::Answer(answer) if !matches!(answer.status, 429 | 503));
        if !is_429(reply) {
            self.lanes.answered(id, pending.class(), passed);
        }
        let call = pending.as_sent();
        match retry::judge(call, reply, wall, random) {
            Verdict::Throttled(wait) => {
                self.throttle(id, sent, wait, is_429(reply), now);
                if let Some(pending) = self.calls.get(&id) {
                    self.lanes.answered(id, pending.class(), false);
                }
                self.requeue(id);
                Disposition::Paused(wait)
            }
            verdict @ Verdict::Unavailable(wait, _) => {
                self.throttle(id, sent, wait, false, now);
                self.over(id, |call| Disposition::PausedInDoubt(wait, call, verdict))
            }
            Verdict::Unauthorized(failure) if pending.renewed => {
                self.over(id, |call| Disposition::Barred(call, failure))
            }
            Verdict::Unauthorized(_) => {
                pending.renewed = true;
                pending.attempt -= 1;
                self.session.refused(generation);
                self.requeue(id);
                Disposition::Requeued
            }
            Verdict::Retry(wait, failure) => {
                pending.refusals = 0;
                pending.renewed = false;
                log_failure(id, pending.attempt, wait, &failure);
                Disposition::Retry(wait, failure)
            }
            verdict => self.over(id, |call| Disposition::Judged(call, verdict)),
        }
    }

    fn over(&mut self, id: CallId, how: impl FnOnce(Call) -> Disposition) -> Disposition {
        self.take(id).map_or(Disposition::Requeued, how)
    }

    /// Pauses the calls for which a refusal counts.
    fn throttle(
        &mut self,
        id: CallId,
        sent: Instant,
        wait: Duration,
        by_quota: bool,
        now: Instant,
    ) {
        tracing::warn!(call = id, wait_ms = wait.as_millis(), "throttled");
        self.counts.throttled += u64::from(by_quota);
        self.counts.unavailable += u64::from(!by_quota);
        if let Some(pending) = self.calls.get_mut(&id) {
            pending.refusals += 1;
            pending.attempt -= 1;
            let refusal = Refusal {
                at: now,
                sent,
                until: now + wait,
                by_quota,
            };
            self.lanes.pause(pending.class(), &pending.path, &refusal);
        }
    }

    /// Lets a call that is not queued wait, and then queues it as a retry.
    pub(super) fn delay(&mut self, id: CallId, wait: Duration, now: Instant) {
        if let Some(pending) = self.calls.get_mut(&id) {
            pending.stage = Stage::Delayed;
            self.delayed.insert(id, now + wait);
        }
    }

    /// Hands back a call that is not in flight, and forgets it.
    pub(super) fn take(&mut self, id: CallId) -> Option<Call> {
        let pending = self.calls.remove(&id)?;
        self.lanes
            .remove(pending.class(), &pending.path, pending.rank(id));
        Some(pending.call)
    }

    pub(super) fn take_if(&mut self, id: CallId, is_meant: fn(&Call) -> bool) -> Option<Call> {
        self.call(id).filter(|call| is_meant(call))?;
        self.take(id)
    }

    /// Hands back the calls of that kind that wait in their queues, oldest first. Calls that are on their way already
    /// go on.
    pub(super) fn withdraw(&mut self, is_meant: impl Fn(&Call) -> bool) -> Vec<Call> {
        let waits = |pending: &Pending| pending.stage == Stage::Queued && is_meant(&pending.call);
        let waiting = self.calls.iter().filter(|(_, pending)| waits(pending));
        let mut waiting: Vec<CallId> = waiting.map(|(id, _)| *id).collect();
        waiting.sort_unstable();
        waiting.into_iter().filter_map(|id| self.take(id)).collect()
    }

    pub(super) fn call(&self, id: CallId) -> Option<&Call> {
        Some(&self.calls.get(&id)?.call)
    }

    /// Returns when the call was sent that is in flight.
    pub(super) fn sent_at(&self, id: CallId) -> Option<Instant> {
        match self.calls.get(&id)?.stage {
            Stage::InFlight(sent, _) => Some(sent),
            _ => None,
        }
    }

    /// All calls that are not over.
    pub(super) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values().map(|pending| &pending.call)
    }

    /// The objects that calls have read and depend on, or are changing.
    pub(super) fn objects_in_use(&self) -> HashSet<String> {
        let in_use = self.calls.values().filter(|pending| pending.uses_reading());
        in_use.filter_map(|pending| pending.call.object()).collect()
    }

    /// Returns how often the call was sent. Times at which it was throttled do not count.
    pub(super) fn attempts(&self, id: CallId) -> u32 {
        self.calls.get(&id).map_or(0, |pending| pending.attempt)
    }

    pub(super) fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Starts nothing any more. Hands back the calls that will not be sent although their intents are on disk.
    pub(super) fn halt(&mut self) -> Vec<(CallId, Call)> {
        self.halted = true;
        let ready = self
            .calls
            .extract_if(|_, pending| pending.stage == Stage::Ready);
        let mut ready: Vec<(CallId, Call)> =
            ready.map(|(id, pending)| (id, pending.call)).collect();
        ready.sort_unstable_by_key(|(id, _)| *id);
        ready
    }

    /// Returns true if nothing is on its way: no intent to the disk, no call to the server.
    pub(super) fn has_landed(&self) -> bool {
        self.in_flight.len() == 0 && self.recording == 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    pub(super) fn lanes_mut(&mut self) -> &mut Lanes {
        &mut self.lanes
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns the time until all calls that wait to be repeated may be.
    pub(super) fn time_to_repeat(&self, now: Instant) -> Duration {
        self.delayed.time_left(now)
    }

    /// Returns how many more writes are worth having in the queue, since they may soon go.
    pub(super) fn appetite(&self, now: Instant) -> usize {
        let soon = now + self.reading_lead();
        let room = self
            .lanes
            .room(QuotaClass::Write, soon)
            .min(self.ahead(now));
        let readings = self.calls().filter(|call| call.is_reading()).count();
        room.saturating_sub(self.lanes.queued(QuotaClass::Write) + readings)
    }

    /// Returns the time that a reading is taken to last.
    pub(super) fn usual_reading(&self) -> Duration {
        self.in_flight.reading()
    }

    /// Notes that it took so long from the first reading for a change to the last. Each waits for a slot of its own.
    pub(super) fn was_read_in(&mut self, took: Duration) {
        self.readings = took.max((self.readings + took) / 2);
    }

    /// Returns the time between the beginning of a reading and the slot of the change for which it is made. Without enough
    /// of it, slots that come seldom would pass unused, one after the other.
    fn reading_lead(&self) -> Duration {
        let lasts = self.in_flight.reading().max(self.readings);
        (lasts + LEAD + self.wave_lead().unwrap_or_default()).min(self.freshness / 2)
    }

    /// Returns the time by which updates are handed out earlier so that they can be read together: in the window before, the
    /// others went later than their witness by the write of it and a listing. `None` if they are not to be read together, or
    /// if readings take so long that a listing would be old.
    pub(super) fn wave_lead(&self) -> Option<Duration> {
        let reading = self.in_flight.reading();
        let is_quick = 4 * reading <= self.freshness;
        let waves = self.update_reads == UpdateReads::Listing && is_quick;
        waves.then(|| 2 * (reading + LEAD))
    }

    /// Makes all updates read their objects by their ids from now on.
    pub(super) fn read_each(&mut self, why: &str) {
        self.update_reads = UpdateReads::Object;
        tracing::info!("{why}; updates read their objects one by one from now on");
    }

    /// Returns how many calls may be made ready: no more than can replace all that are in flight.
    fn ahead(&self, now: Instant) -> usize {
        (2 * self.limit(now)).saturating_sub(self.in_flight.len())
    }

    fn limit(&self, now: Instant) -> usize {
        self.in_flight.limit(self.lanes.flow(), now)
    }

    fn request_slot(&mut self, lane: &LaneKey, now: Instant, effects: &mut Vec<Effect>) {
        if self.in_flight.len() < self.limit(now) {
            let first = self.lanes.front(lane).and_then(|id| self.calls.get(&id));
            // A slot that comes before the reading is over would be lost.
            let ready = match first {
                Some(first) if first.is_unread(now, self.freshness) => now + self.reading_lead(),
                _ => now,
            };
            let path = first
                .map(|first| Arc::clone(&first.path))
                .unwrap_or_default();
            let request = self.lanes.request_slot(lane, &path, ready, ready + LEAD);
            effects.extend(request.map(|request| Effect::TakeSlot(lane.clone(), request)));
        }
    }

    /// Puts the calls of the lane whose readings are too old by now behind those whose readings are fresh. Otherwise these
    /// would grow old in their turn.
    fn demote_stale(&mut self, lane: &LaneKey, now: Instant) {
        for id in self.lanes.first(lane, usize::MAX) {
            let Some(pending) = self.calls.get_mut(&id) else {
                continue;
            };
            let is_stale = pending.read_at.is_some() && pending.is_unread(now, self.freshness);
            if is_stale && pending.stage == Stage::Queued {
                let rank = pending.rank(id);
                self.lanes.remove(pending.class(), &pending.path, rank);
                pending.read_at = None;
                self.enqueue(id);
            }
        }
    }

    /// Hands out the calls whose slots are so near that it is time to read what they depend on.
    fn hand_out_unread(&mut self, lane: &LaneKey, now: Instant, unread: &mut Vec<Unread>) {
        let soon = now + self.reading_lead();
        let room = self.lanes.room_in(lane, soon).min(self.ahead(now));
        let is_reading =
            |pending: &&Pending| pending.call.is_reading() && lane.counts(&pending.path);
        let readings = self.calls.values().filter(is_reading).count();
        // A reading need not outlast a slot that is free already.
        let free = self.lanes.room_in(lane, now + LEAD);
        let most = room.saturating_sub(readings);
        let first = self
            .lanes
            .first(lane, most.min(self.readings_left(soon, unread.len())));
        for (place, id) in first.into_iter().enumerate() {
            let slot = if place < free { now + LEAD } else { soon };
            let is_due = |pending: &Pending| {
                pending.stage == Stage::Queued && pending.is_unread(slot, self.freshness)
            };
            if self.calls.get(&id).is_some_and(is_due)
                && let Some(call) = self.take(id)
            {
                unread.push(Unread {
                    call,
                    recorded: None,
                });
            }
        }
    }

    /// Returns how many readings may begin so that the changes for which they are made can go by then. Otherwise these would
    /// wait until their readings are old. `begun` are about to begin.
    fn readings_left(&self, by: Instant, begun: usize) -> usize {
        let (mut readings, mut calls) = (begun, 2 * begun);
        for pending in self.calls.values() {
            let is_reading = pending.call.is_reading();
            let is_sent = matches!(pending.stage, Stage::InFlight(..));
            let is_ready = pending.read_at.is_some() && !is_sent;
            readings += usize::from(is_reading || is_ready);
            calls += usize::from(is_reading) + usize::from(is_ready || (is_reading && !is_sent));
        }
        self.lanes.changes_by(by, readings, calls)
    }

    fn prepare(&mut self, lane: &LaneKey, now: Instant, effects: &mut Vec<Effect>) {
        let room = self.lanes.room_in(lane, now + LEAD).min(self.ahead(now));
        for id in self.lanes.first(lane, room) {
            let Some(pending) = self.calls.get_mut(&id) else {
                continue;
            };
            if pending.stage != Stage::Queued || pending.is_unread(now, self.freshness) {
                continue;
            }
            if pending.call.method() == Method::Get {
                pending.stage = Stage::Ready;
            } else {
                pending.stage = Stage::Recording;
                self.recording += 1;
                let items = pending.call.items();
                effects.push(Effect::Record(id, Event::Intent { call: id, items }));
            }
        }
    }

    /// Sends the calls of the lane that may go. This is the one place that decides whether a reading is fresh enough.
    fn admit(
        &mut self,
        lane: &LaneKey,
        now: Instant,
        effects: &mut Vec<Effect>,
        unread: &mut Vec<Unread>,
    ) {
        let limit = self.limit(now);
        while self.in_flight.len() < limit {
            let first = self.lanes.front(lane);
            let Some(pending) = first.and_then(|id| self.calls.get_mut(&id)) else {
                return;
            };
            if pending.stage != Stage::Ready {
                return;
            }
            if pending.is_unread(now, self.freshness) {
                let taken = first.and_then(|id| Some((id, self.take(id)?)));
                unread.extend(taken.map(|(id, call)| Unread {
                    call,
                    recorded: Some(id),
                }));
                continue;
            }
            let Some(id) = self.lanes.admit(lane, now) else {
                return;
            };
            pending.stage = Stage::InFlight(now, self.session.generation());
            pending.attempt += 1;
            if !pending.is_retry {
                self.delayed.earn();
            }
            match pending.class() {
                QuotaClass::Read => self.counts.sent.read += 1,
                QuotaClass::Write => self.counts.sent.write += 1,
            }
            self.in_flight.sent(id, now);
            let request = pending.call.request();
            effects.extend(request.map(|request| Effect::Send(id, request)));
        }
    }

    fn requeue(&mut self, id: CallId) {
        if let Some(pending) = self.calls.get_mut(&id) {
            pending.stage = Stage::Queued;
            pending.is_retry = true;
        }
        self.enqueue(id);
    }

    fn enqueue(&mut self, id: CallId) {
        if let Some(pending) = self.calls.get(&id) {
            self.lanes
                .push(pending.class(), &pending.path, pending.rank(id));
        }
    }
}

fn log_failure(call: CallId, attempts: u32, wait: Duration, failure: &Failure) {
    if attempts == WORTH_SAYING {
        tracing::warn!(attempts, %failure, "a call fails again and again and is repeated");
    } else {
        tracing::info!(call, attempts, wait_ms = wait.as_millis(), %failure, "failed for now");
    }
}

fn is_429(reply: &Reply) -> bool {
    matches!(reply, Reply::Answer(answer) if answer.status == 429)
}
