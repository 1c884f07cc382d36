//! Which call goes next, and when: the queues of the quota classes, the token, and the calls in flight.
//!
//! Pure: time comes in, directives go out. What a call is about is the business of the
//! [core](super::core); here it is a number with a method.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Settings;
use crate::model::{Failure, Method, QuotaClass, Reply};
use crate::pacer::{Admission, Pacer};
use crate::retry::{self, Verdict};
use crate::zpa::SignInError;

/// The number of a call in its run, in the order in which they were made.
pub(super) type CallId = u32;

/// How long before its slot a call's intent is written: long enough for a slow disk, short enough that
/// few calls are in doubt when the process is killed.
const LEAD: Duration = Duration::from_millis(50);

/// The longest that the documentation lets a token live.
const LONGEST_LIFETIME: Duration = Duration::from_secs(86_400);

/// How often a sign-in that fails for a passing reason is tried again.
const SIGN_IN_ATTEMPTS: u32 = 8;

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    /// Fetch a token.
    SignIn,
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
    /// Sent with the token of that generation.
    InFlight(u32),
}

#[derive(Debug)]
struct Ticket {
    method: Method,
    stage: Stage,
    attempt: u32,
    refusals: u32,
    renewed: bool,
    again: bool,
}

impl Ticket {
    /// Repeated calls stand before fresh ones; within each the older stands first.
    fn rank(&self, id: CallId) -> (bool, CallId) {
        (!self.again, id)
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

#[derive(Debug)]
struct Lane {
    pacer: Pacer,
    queue: BTreeSet<(bool, CallId)>,
    sent: u64,
}

/// The dispatcher of one tenant.
#[derive(Debug)]
pub(super) struct Dispatcher {
    read: Lane,
    write: Lane,
    tickets: HashMap<CallId, Ticket>,
    delayed: BTreeSet<(Instant, CallId)>,
    next_id: CallId,
    jobs: usize,
    in_flight: usize,
    recording: usize,
    token: Token,
    generation: u32,
    sign_in_failures: u32,
    throttled: u64,
    writes_held: bool,
    halted: bool,
}

impl Dispatcher {
    pub(super) fn new(settings: &Settings, now: Instant) -> Self {
        let lane = |pace| Lane {
            pacer: Pacer::new(pace, now),
            queue: BTreeSet::new(),
            sent: 0,
        };
        Self {
            read: lane(settings.read_quota),
            write: lane(settings.write_quota),
            tickets: HashMap::new(),
            delayed: BTreeSet::new(),
            next_id: 0,
            jobs: settings.jobs.get(),
            in_flight: 0,
            recording: 0,
            token: Token::Missing(None),
            generation: 0,
            sign_in_failures: 0,
            throttled: 0,
            writes_held: false,
            halted: false,
        }
    }

    /// Takes a call in. `again` puts it before those that were never sent.
    pub(super) fn submit(&mut self, method: Method, again: bool) -> CallId {
        let id = self.take_in(method, again, Stage::Queued);
        self.lane(method).queue.insert((!again, id));
        id
    }

    /// Takes a call in that is to be sent after `wait`.
    pub(super) fn submit_delayed(
        &mut self,
        method: Method,
        wait: Duration,
        now: Instant,
    ) -> CallId {
        let id = self.take_in(method, true, Stage::Delayed);
        self.delayed.insert((now + wait, id));
        id
    }

    fn take_in(&mut self, method: Method, again: bool, stage: Stage) -> CallId {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let ticket = Ticket {
            method,
            stage,
            attempt: 0,
            refusals: 0,
            renewed: false,
            again,
        };
        self.tickets.insert(id, ticket);
        id
    }

    /// What can be done at `now`. To be called after everything that happened.
    pub(super) fn pump(&mut self, now: Instant) -> Vec<Directive> {
        let mut directives = Vec::new();
        self.undelay(now);
        if self.halted || !self.has_queued() {
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
            self.prepare(class, now, &mut directives);
            self.admit(class, now, &mut directives);
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
        let slot = |lane: &Lane, wanted: bool| {
            let slot = lane.pacer.not_before().filter(|_| wanted)?;
            let early = slot.checked_sub(LEAD).unwrap_or(slot);
            Some(if early > now { early } else { slot })
        };
        let token = match self.token {
            Token::Missing(until) if self.has_queued() => until,
            _ => None,
        };
        let instants = [
            slot(&self.read, !self.read.queue.is_empty()),
            slot(&self.write, more_writes || !self.write.queue.is_empty()),
            self.delayed.first().map(|(until, _)| *until),
            token,
        ];
        instants.into_iter().flatten().filter(|at| *at > now).min()
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
        self.in_flight -= 1;
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return Ruling::Requeued;
        };
        let Stage::InFlight(generation) = ticket.stage else {
            return Ruling::Requeued;
        };
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
                tracing::warn!(call = id, wait_ms = wait.as_millis(), "throttled");
                ticket.refusals += 1;
                ticket.attempt -= 1;
                let method = ticket.method;
                self.throttled += u64::from(is_429(reply));
                self.lane(method).pacer.pause(now + wait, now);
                self.requeue(id);
                Ruling::Paused(wait)
            }
            Verdict::Unauthorized(failure) if ticket.renewed => {
                self.tickets.remove(&id);
                Ruling::Barred(failure)
            }
            Verdict::Unauthorized(_) => {
                ticket.renewed = true;
                ticket.attempt -= 1;
                if generation == self.generation {
                    self.token = Token::Missing(None);
                }
                self.requeue(id);
                Ruling::Requeued
            }
            verdict => {
                ticket.refusals = 0;
                ticket.renewed = false;
                if !matches!(verdict, Verdict::Again(..)) {
                    self.tickets.remove(&id);
                }
                Ruling::Judged(verdict)
            }
        }
    }

    /// Sends a call that was judged [`Verdict::Again`] once more, after `wait`.
    pub(super) fn delay(&mut self, id: CallId, wait: Duration, now: Instant) {
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.stage = Stage::Delayed;
            self.delayed.insert((now + wait, id));
        }
    }

    /// Forgets a call that is not in flight.
    pub(super) fn abandon(&mut self, id: CallId) {
        if let Some(ticket) = self.tickets.remove(&id) {
            let rank = ticket.rank(id);
            self.lane(ticket.method).queue.remove(&rank);
        }
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
        self.lane_of(class).pacer.expect(calls, now);
    }

    /// Counts writes that a process before this one sent.
    pub(super) fn prime_writes(&mut self, sent: impl IntoIterator<Item = Instant>) {
        self.write.pacer.prime(sent);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn is_recording(&self) -> bool {
        self.recording > 0
    }

    /// Whether nothing is queued, delayed or under way.
    pub(super) fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    /// How many calls of the class wait.
    pub(super) fn queued(&self, class: QuotaClass) -> usize {
        match class {
            QuotaClass::Read => self.read.queue.len(),
            QuotaClass::Write => self.write.queue.len(),
        }
    }

    pub(super) fn sent(&self, class: QuotaClass) -> u64 {
        match class {
            QuotaClass::Read => self.read.sent,
            QuotaClass::Write => self.write.sent,
        }
    }

    pub(super) fn throttled(&self) -> u64 {
        self.throttled
    }

    pub(super) fn pacer(&self, class: QuotaClass) -> &Pacer {
        match class {
            QuotaClass::Read => &self.read.pacer,
            QuotaClass::Write => &self.write.pacer,
        }
    }

    /// How many calls of the class are worth having in the queue: those that may soon go.
    pub(super) fn appetite(&self, class: QuotaClass, now: Instant) -> usize {
        self.room_ahead(class, now)
            .saturating_sub(self.queued(class))
    }

    /// How many calls of the class may be made ready: as many as the pacer will soon let through, and no more
    /// than can replace all that are in flight.
    fn room_ahead(&self, class: QuotaClass, now: Instant) -> usize {
        let ahead = (2 * self.jobs).saturating_sub(self.in_flight);
        self.pacer(class).room_by(now + LEAD).min(ahead)
    }

    fn prepare(&mut self, class: QuotaClass, now: Instant, directives: &mut Vec<Directive>) {
        let room = self.room_ahead(class, now);
        let first: Vec<CallId> = self
            .lane_of(class)
            .queue
            .iter()
            .take(room)
            .map(|(_, id)| *id)
            .collect();
        for id in first {
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

    fn admit(&mut self, class: QuotaClass, now: Instant, directives: &mut Vec<Directive>) {
        while self.in_flight < self.jobs {
            let generation = self.generation;
            let lane = match class {
                QuotaClass::Read => &mut self.read,
                QuotaClass::Write => &mut self.write,
            };
            let Some((_, id)) = lane.queue.first().copied() else {
                return;
            };
            let Some(ticket) = self
                .tickets
                .get_mut(&id)
                .filter(|t| t.stage == Stage::Ready)
            else {
                return;
            };
            if lane.pacer.admit(now) != Admission::Admitted {
                return;
            }
            lane.queue.pop_first();
            lane.sent += 1;
            ticket.stage = Stage::InFlight(generation);
            ticket.attempt += 1;
            self.in_flight += 1;
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

    fn has_queued(&self) -> bool {
        !self.read.queue.is_empty() || !self.write.queue.is_empty()
    }

    fn undelay(&mut self, now: Instant) {
        while let Some((until, id)) = self.delayed.first().copied() {
            if until > now {
                return;
            }
            self.delayed.pop_first();
            self.requeue(id);
        }
    }

    fn requeue(&mut self, id: CallId) {
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return;
        };
        ticket.stage = Stage::Queued;
        ticket.again = true;
        let (method, rank) = (ticket.method, ticket.rank(id));
        self.lane(method).queue.insert(rank);
    }

    fn lane(&mut self, method: Method) -> &mut Lane {
        self.lane_of(method.class())
    }

    fn lane_of(&mut self, class: QuotaClass) -> &mut Lane {
        match class {
            QuotaClass::Read => &mut self.read,
            QuotaClass::Write => &mut self.write,
        }
    }
}

fn is_429(reply: &Reply) -> bool {
    matches!(reply, Reply::Answer(answer) if answer.status == 429)
}
