//! Which call goes next, and when: the queues of the quota classes, the token, and the calls in flight.
//!
//! Pure: time comes in, directives go out. What a call is about is the business of the
//! [core](super::core); here it is a number with a method.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::{HashMap, HashMapExt};
use jiff::Timestamp;

use super::concurrency::Concurrency;
use super::job::CallId;
use super::lanes::{LaneKey, Lanes, Rank};
use super::settings::EngineSettings;
use crate::pacer::{Claim, Refusal};
use crate::plan::CallCounts;
use crate::retry::{self, RetryBudget, Verdict};
use crate::wire::{Failure, Method, QuotaClass, Reply};
use crate::zpa::SignInError;

/// How long before its slot a call's intent is written: long enough for a slow disk, short enough that
/// few calls are in doubt when the process is killed.
const LEAD: Duration = Duration::from_millis(50);

/// The longest that the documentation lets a token live.
const LONGEST_LIFETIME: Duration = Duration::from_secs(86_400);

/// How often a sign-in that fails for a passing reason is tried: so often that it outlasts an outage of a minute however
/// the waits are spread.
const SIGN_IN_ATTEMPTS: u32 = 10;

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    /// Fetch a token.
    SignIn,
    /// Take a slot of the quota that processes share, then say [`Dispatcher::claimed`].
    Claim(LaneKey, Claim),
    /// Write the call's intent, then say [`Dispatcher::recorded`].
    Record(CallId),
    /// Send it, then say [`Dispatcher::replied`].
    Send(CallId),
}

/// What became of a call that was sent.
#[derive(Debug, PartialEq)]
pub(super) enum Ruling {
    /// It was not executed and waits in the queue again.
    Requeued,
    /// The same, and its class is paused for that long.
    Paused(Duration),
    /// Not executed: even a new token is not accepted.
    Barred(Failure),
    /// It has left the dispatcher's hands.
    Judged(Verdict),
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Queued,
    Recording,
    Ready,
    Delayed,
    InFlight(Sent),
}

/// How a call that is under way was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent {
    at: Instant,
    /// With the token of that generation.
    generation: u32,
}

#[derive(Debug)]
struct Ticket {
    method: Method,
    path: Arc<str>,
    stage: Stage,
    attempt: u32,
    refusals: u32,
    renewed: bool,
    is_retry: bool,
}

impl Ticket {
    fn rank(&self, id: CallId) -> Rank {
        (!self.is_retry, id)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// There is none, and none is fetched before that instant.
    Missing(Option<Instant>),
    Renewing,
    /// To be renewed before the next call after that instant.
    Valid(Instant),
}

/// The dispatcher of one tenant.
#[derive(Debug)]
pub(super) struct Dispatcher {
    lanes: Lanes,
    sent: CallCounts,
    tickets: HashMap<CallId, Ticket>,
    delayed: BTreeSet<(Instant, CallId)>,
    next_id: CallId,
    concurrency: Concurrency,
    /// When each call that is under way was sent.
    in_flight: BTreeSet<(Instant, CallId)>,
    retries: RetryBudget,
    recording: usize,
    token: Token,
    generation: u32,
    sign_in_failures: u32,
    throttled: u64,
    unavailable: u64,
    writes_held: bool,
    halted: bool,
}

impl Dispatcher {
    pub(super) fn new(settings: &EngineSettings, now: Instant) -> Self {
        Self {
            lanes: Lanes::new(settings, now),
            sent: CallCounts::default(),
            tickets: HashMap::new(),
            delayed: BTreeSet::new(),
            next_id: 0,
            concurrency: Concurrency::new(settings),
            in_flight: BTreeSet::new(),
            retries: RetryBudget::default(),
            recording: 0,
            token: Token::Missing(None),
            generation: 0,
            sign_in_failures: 0,
            throttled: 0,
            unavailable: 0,
            writes_held: false,
            halted: false,
        }
    }

    /// Takes a call in. `again` puts it before those that were never sent.
    pub(super) fn submit(&mut self, method: Method, path: Arc<str>, is_retry: bool) -> CallId {
        let id = self.take_in(method, path, is_retry, Stage::Queued);
        self.enqueue(id);
        id
    }

    /// Takes a call in that is to be sent after `wait`.
    pub(super) fn submit_delayed(
        &mut self,
        method: Method,
        path: Arc<str>,
        wait: Duration,
        now: Instant,
    ) -> CallId {
        let id = self.take_in(method, path, true, Stage::Delayed);
        self.delayed.insert((now + wait, id));
        id
    }

    fn take_in(&mut self, method: Method, path: Arc<str>, is_retry: bool, stage: Stage) -> CallId {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let ticket = Ticket {
            method,
            path,
            stage,
            attempt: 0,
            refusals: 0,
            renewed: false,
            is_retry,
        };
        self.tickets.insert(id, ticket);
        id
    }

    /// What can be done at `now`. To be called after everything that happened.
    pub(super) fn pump(&mut self, now: Instant) -> Vec<Directive> {
        let mut directives = Vec::new();
        self.lanes.sweep(now);
        self.undelay(now);
        if self.halted || !self.lanes.has_queued() {
            return directives;
        }
        if !self.token_holds(now) {
            directives.extend(self.sign_in(now));
            return directives;
        }
        for class in [QuotaClass::Read, QuotaClass::Write] {
            if class == QuotaClass::Write && self.writes_held {
                continue;
            }
            for lane in self.lanes.waiting(class) {
                self.claim(&lane, now, &mut directives);
                self.prepare(&lane, now, &mut directives);
                self.admit(class, &lane, now, &mut directives);
            }
        }
        directives
    }

    /// When to call [`Dispatcher::pump`] again if nothing happens before. `more_writes` says that more
    /// writes will be submitted as soon as there is room for them; `now` is that of the last pump, since what
    /// fell due after it was not seen by it.
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
        let token = match self.token {
            Token::Missing(until) if self.lanes.has_queued() => until,
            _ => None,
        };
        let delayed = self.delayed.first().and_then(|(until, _)| match *until {
            due if due <= now => self.retries.due(),
            until => Some(until),
        });
        let instants = reads.chain(writes).map(early).chain(delayed).chain(token);
        let instants = instants.chain(self.room_at());
        instants.filter(|at| *at > now).min()
    }

    /// The call's intent is on disk.
    pub(super) fn recorded(&mut self, id: CallId) {
        self.recording -= 1;
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.stage = Stage::Ready;
        }
    }

    /// The call was answered, or was not.
    pub(super) fn replied(
        &mut self,
        id: CallId,
        reply: &Reply,
        now: Instant,
        wall: Timestamp,
        random: f64,
    ) -> Ruling {
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return Ruling::Requeued;
        };
        let Stage::InFlight(sent) = ticket.stage else {
            return Ruling::Requeued;
        };
        self.in_flight.remove(&(sent.at, id));
        self.concurrency
            .answered(now.saturating_duration_since(sent.at));
        let call = retry::Call {
            method: ticket.method,
            attempt: ticket.attempt,
            refusals: ticket.refusals + 1,
        };
        match retry::judge(call, reply, wall, random) {
            Verdict::Throttled(wait) => {
                // "At once" is no answer to a class that nothing else slows down.
                let wait = match wait {
                    Duration::ZERO => retry::interval(call.refusals, random),
                    wait => wait,
                };
                let refusal = Refusal {
                    at: now,
                    sent: sent.at,
                    until: now + wait,
                    by_quota: is_429(reply),
                };
                self.throttle(id, &refusal);
                Ruling::Paused(wait)
            }
            Verdict::Unauthorized(failure) if ticket.renewed => {
                self.tickets.remove(&id);
                Ruling::Barred(failure)
            }
            Verdict::Unauthorized(_) => {
                ticket.renewed = true;
                ticket.attempt -= 1;
                if sent.generation == self.generation {
                    self.token = Token::Missing(None);
                }
                self.requeue(id);
                Ruling::Requeued
            }
            verdict => {
                ticket.refusals = 0;
                ticket.renewed = false;
                if !matches!(verdict, Verdict::Retry(..)) {
                    self.tickets.remove(&id);
                }
                Ruling::Judged(verdict)
            }
        }
    }

    /// Puts a call that was refused back into its queue, and pauses what its refusal counts for.
    fn throttle(&mut self, id: CallId, refusal: &Refusal) {
        let wait_ms = refusal
            .until
            .saturating_duration_since(refusal.at)
            .as_millis();
        tracing::warn!(call = id, wait_ms, "throttled");
        self.throttled += u64::from(refusal.by_quota);
        self.unavailable += u64::from(!refusal.by_quota);
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.refusals += 1;
            ticket.attempt -= 1;
            let class = ticket.method.class();
            self.lanes.pause(class, &ticket.path, refusal);
        }
        self.requeue(id);
    }

    /// How long it takes until all calls that are to be repeated may be.
    pub(super) fn time_to_repeat(&self, now: Instant) -> Duration {
        let last = self.delayed.last().map(|(until, _)| *until);
        let waits = last.map(|last| last.saturating_duration_since(now));
        let count = u32::try_from(self.delayed.len()).unwrap_or(u32::MAX);
        waits
            .unwrap_or_default()
            .max(self.retries.time_for(count, now))
    }

    /// Sends a call that was judged [`Verdict::Retry`] once more, after `wait`.
    pub(super) fn delay(&mut self, id: CallId, wait: Duration, now: Instant) {
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.stage = Stage::Delayed;
            self.delayed.insert((now + wait, id));
        }
    }

    /// Forgets a call that is not in flight.
    pub(super) fn abandon(&mut self, id: CallId) {
        if let Some(ticket) = self.tickets.remove(&id) {
            let class = ticket.method.class();
            self.lanes.remove(class, &ticket.path, ticket.rank(id));
        }
    }

    /// Takes a call back that waits in the queue. False if it is on its way already.
    pub(super) fn withdraw(&mut self, id: CallId) -> bool {
        let ticket = self.tickets.get(&id);
        let waits = ticket.is_some_and(|ticket| ticket.stage == Stage::Queued);
        if waits {
            self.abandon(id);
        }
        waits
    }

    /// Whether writes wait for something that they would disturb.
    pub(super) fn hold_writes(&mut self, held: bool) {
        self.writes_held = held;
    }

    /// How often the call was sent, throttled times not counted.
    pub(super) fn attempts(&self, id: CallId) -> u32 {
        self.tickets.get(&id).map_or(0, |ticket| ticket.attempt)
    }

    /// The sign-in ended. An error is one that ends the run.
    pub(super) fn signed_in(
        &mut self,
        result: Result<Duration, SignInError>,
        now: Instant,
        random: f64,
    ) -> Result<(), SignInError> {
        match result {
            Ok(lifetime) => {
                self.generation += 1;
                self.sign_in_failures = 0;
                let lifetime = lifetime.clamp(Duration::from_secs(1), LONGEST_LIFETIME);
                let margin = (lifetime / 10).min(Duration::from_secs(60));
                self.token = Token::Valid(now + lifetime.saturating_sub(margin));
                Ok(())
            }
            Err(SignInError::Unavailable(why)) if self.sign_in_failures + 1 < SIGN_IN_ATTEMPTS => {
                self.sign_in_failures += 1;
                tracing::warn!(%why, "the sign-in failed and will be tried again");
                let wait = retry::interval(self.sign_in_failures, random);
                self.token = Token::Missing(Some(now + wait));
                Ok(())
            }
            Err(error) => {
                self.token = Token::Missing(None);
                Err(error)
            }
        }
    }

    /// Starts nothing any more. Answers the calls whose intents are on disk though they will not be sent.
    pub(super) fn halt(&mut self) -> Vec<CallId> {
        self.halted = true;
        let ready = self
            .tickets
            .iter()
            .filter(|(_, ticket)| ticket.stage == Stage::Ready);
        let mut ready: Vec<CallId> = ready.map(|(id, _)| *id).collect();
        ready.sort_unstable();
        for id in &ready {
            self.tickets.remove(id);
        }
        ready
    }

    /// Says how many calls of the class are expected from now on.
    pub(super) fn expect(&mut self, class: QuotaClass, calls: u64, now: Instant) {
        self.lanes.expect(class, calls, now);
    }

    /// Counts calls of the class that other processes sent.
    pub(super) fn prime(&mut self, class: QuotaClass, sent: Vec<Instant>) {
        self.lanes.prime(class, sent);
    }

    /// From now on the quotas are shared with other processes, or no longer.
    pub(super) fn share(&mut self, shared: bool) {
        self.lanes.share(shared);
    }

    /// Other processes let a call of that lane go between these instants.
    pub(super) fn claimed(&mut self, lane: &LaneKey, from: Instant, until: Instant) {
        self.lanes.claimed(lane, from, until);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn is_recording(&self) -> bool {
        self.recording > 0
    }

    /// Whether nothing is queued, delayed or under way.
    pub(super) fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    pub(super) fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    pub(super) fn sent(&self) -> CallCounts {
        self.sent
    }

    pub(super) fn throttled(&self) -> u64 {
        self.throttled
    }

    pub(super) fn unavailable(&self) -> u64 {
        self.unavailable
    }

    /// How many calls of the class are worth having in the queue: those that may soon go.
    pub(super) fn appetite(&self, class: QuotaClass, now: Instant) -> usize {
        let room = self.lanes.room(class, now + LEAD).min(self.ahead(now));
        room.saturating_sub(self.lanes.queued(class))
    }

    /// How many calls may be made ready: no more than can replace all that are in flight.
    fn ahead(&self, now: Instant) -> usize {
        (2 * self.jobs(now)).saturating_sub(self.in_flight())
    }

    /// How many calls may be in flight at `now`.
    fn jobs(&self, now: Instant) -> usize {
        let oldest = self.in_flight.first();
        let oldest = oldest.map(|(sent, _)| now.saturating_duration_since(*sent));
        self.concurrency
            .limit(self.lanes.flow(), oldest.unwrap_or_default())
    }

    /// When calls may go for which there is no room among those in flight by now, even if none of these ends.
    fn room_at(&self) -> Option<Instant> {
        let (oldest, _) = self.in_flight.first()?;
        let flow = self.lanes.flow();
        self.concurrency.grows_at(flow, self.in_flight(), *oldest)
    }

    fn claim(&mut self, lane: &LaneKey, now: Instant, directives: &mut Vec<Directive>) {
        if self.in_flight() < self.jobs(now) {
            let claim = self.lanes.claim(lane, now, now + LEAD);
            directives.extend(claim.map(|claim| Directive::Claim(lane.clone(), claim)));
        }
    }

    fn prepare(&mut self, lane: &LaneKey, now: Instant, directives: &mut Vec<Directive>) {
        let room = self.lanes.room_in(lane, now + LEAD).min(self.ahead(now));
        for id in self.lanes.first(lane, room) {
            let Some(ticket) = self.tickets.get_mut(&id) else {
                continue;
            };
            if ticket.stage != Stage::Queued {
                continue;
            }
            if ticket.method == Method::Get {
                ticket.stage = Stage::Ready;
            } else {
                ticket.stage = Stage::Recording;
                self.recording += 1;
                directives.push(Directive::Record(id));
            }
        }
    }

    fn admit(
        &mut self,
        class: QuotaClass,
        lane: &LaneKey,
        now: Instant,
        directives: &mut Vec<Directive>,
    ) {
        let jobs = self.jobs(now);
        while self.in_flight() < jobs {
            let first = self.lanes.front(lane);
            let Some(ticket) = first.and_then(|id| self.tickets.get_mut(&id)) else {
                return;
            };
            if ticket.stage != Stage::Ready {
                return;
            }
            let Some(id) = self.lanes.admit(lane, now) else {
                return;
            };
            ticket.stage = Stage::InFlight(Sent {
                at: now,
                generation: self.generation,
            });
            ticket.attempt += 1;
            if !ticket.is_retry {
                self.retries.earn();
            }
            match class {
                QuotaClass::Read => self.sent.read += 1,
                QuotaClass::Write => self.sent.write += 1,
            }
            self.in_flight.insert((now, id));
            directives.push(Directive::Send(id));
        }
    }

    fn sign_in(&mut self, now: Instant) -> Option<Directive> {
        let due = match self.token {
            Token::Renewing => false,
            Token::Missing(until) => until.is_none_or(|until| until <= now),
            Token::Valid(_) => true,
        };
        if !due {
            return None;
        }
        self.token = Token::Renewing;
        Some(Directive::SignIn)
    }

    fn token_holds(&self, now: Instant) -> bool {
        matches!(self.token, Token::Valid(until) if now < until)
    }

    fn undelay(&mut self, now: Instant) {
        while let Some((until, id)) = self.delayed.first().copied() {
            if until > now || !self.retries.spend(now) {
                return;
            }
            self.delayed.pop_first();
            self.requeue(id);
        }
    }

    fn requeue(&mut self, id: CallId) {
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.stage = Stage::Queued;
            ticket.is_retry = true;
        }
        self.enqueue(id);
    }

    fn enqueue(&mut self, id: CallId) {
        if let Some(ticket) = self.tickets.get(&id) {
            let class = ticket.method.class();
            self.lanes.push(class, &ticket.path, ticket.rank(id));
        }
    }
}

fn is_429(reply: &Reply) -> bool {
    matches!(reply, Reply::Answer(answer) if answer.status == 429)
}
