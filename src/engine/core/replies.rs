//! The routing of replies: what becomes of a call once it was answered, or once nobody answers any more.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::super::call::{Call, CallId, Purpose};
use super::super::dispatch::Disposition;
use super::super::effect::Effect;
use super::super::outcomes::given_up;
use super::super::settings::{End, Parked};
use super::super::unresolved::{CreateReason, Reason};
use super::step::{Judged, Step};
use super::{Core, changes, lists, pages, removals, repeats};
use crate::retry::{self, Verdict};
use crate::wire::{Failure, Method, QuotaClass, Reply};
use crate::zpa::SignInError;

impl Core {
    /// Takes in the reply to a call.
    pub(in super::super) fn replied(
        &mut self,
        id: CallId,
        reply: &Reply,
        now: Instant,
        wall: Timestamp,
        random: f64,
    ) {
        if retry::leaves_open(reply)
            && let Some(call) = self
                .dispatcher
                .call(id)
                .filter(|call| call.changes_objects())
        {
            for item in call.items() {
                self.unanswered.expect(item, now, &self.attempts);
            }
        }
        let read_at = self.read_at(id, now);
        match self.dispatcher.replied(id, reply, now, wall, random) {
            Disposition::Requeued => self.requeued(id, reply, now),
            Disposition::Paused(wait) => {
                if let Some(call) = self.dispatcher.call(id) {
                    self.paused(call.method().class(), wait, now, wall);
                }
                self.requeued(id, reply, now);
            }
            Disposition::PausedInDoubt(wait, call, verdict) => {
                self.paused(call.method().class(), wait, now, wall);
                self.judged(call, Judged::new(id, verdict, reply, now, now));
            }
            Disposition::Retry(wait, failure) => self.failed(id, wait, &failure, reply, now),
            Disposition::Barred(call, failure) => {
                self.append(call.void(id));
                self.stop(End::SignIn(SignInError::Refused(failure)));
            }
            Disposition::Judged(call, verdict) => {
                self.judged(call, Judged::new(id, verdict, reply, now, read_at));
            }
        }
    }

    /// Returns the instant from which on the age of what a call has read counts. On a server whose readings usually take
    /// long, one counts as at most half as old as it may be, so that the server is not read for ever. One that took
    /// longer than usual is as old as it is: the process may have been stopped meanwhile.
    fn read_at(&self, id: CallId, now: Instant) -> Instant {
        let sent = self.dispatcher.sent_at(id).unwrap_or(now);
        if now.duration_since(sent) > 2 * self.dispatcher.usual_reading() {
            return sent;
        }
        let half = now.checked_sub(self.settings.freshness / 2);
        sent.max(half.unwrap_or(now))
    }

    fn paused(&mut self, class: QuotaClass, wait: Duration, now: Instant, wall: Timestamp) {
        if self.dispatcher.lanes().pauses_all() {
            self.effects.push(Effect::Pause(class, now + wait));
        }
        self.pause_at_most(wait, wall);
    }

    /// Parks the run if the server asks for a pause that is too long.
    pub(super) fn pause_at_most(&mut self, wait: Duration, wall: Timestamp) {
        if wait > self.settings.bounds.max_wait {
            let until = wall.saturating_add(wait).unwrap_or(Timestamp::MAX);
            self.stop(End::Parked(Parked::Throttled { wait, until }));
        }
    }

    /// Takes in that a call waits again. If the call depends on a reading, that is made anew.
    fn requeued(&mut self, id: CallId, reply: &Reply, now: Instant) {
        if let Some(call) = self.dispatcher.call(id) {
            if retry::leaves_open(reply) {
                self.attempts.pause(&call.items());
            } else {
                let void = call.void(id);
                self.append(void);
            }
        }
        if let Some(call) = self.dispatcher.take_if(id, Call::is_read_first) {
            self.carry(Step::retry(call.unread()), now);
        }
    }

    /// Repeats a call that failed, after `wait`, or gives it up. If the call depends on a reading, it may have been
    /// executed in spite of its failure, and is read first.
    fn failed(
        &mut self,
        id: CallId,
        wait: Duration,
        failure: &Failure,
        reply: &Reply,
        now: Instant,
    ) {
        if let Some(call) = self.dispatcher.take_if(id, Call::is_read_first) {
            let repeated = if retry::leaves_open(reply) {
                repeats::after_look(id, call, now + wait)
            } else {
                repeats::later(call, wait, failure, &self.attempts)
            };
            return self.carry(repeated, now);
        }
        // Whatever the server answers, it may have carried the call out before.
        let is_answered = matches!(reply, Reply::Answer(_));
        if is_answered && let Some(Call::Create(items)) = self.dispatcher.take_if(id, Call::creates)
        {
            let reason = Reason::Create(CreateReason::Answered(failure.clone(), now));
            return self.carry(Step::look_up(id, items, reason, now + wait), now);
        }
        let Some(call) = self.dispatcher.call(id) else {
            return;
        };
        let limit = self.attempts.limit(call.method());
        if self.dispatcher.attempts(id) < limit {
            // A POST is repeated only if it was certainly not executed.
            let void = (call.method() == Method::Post).then(|| call.void(id));
            self.append(void.flatten());
            self.dispatcher.delay(id, wait, now);
        } else if let Some(call) = self.dispatcher.take(id) {
            let verdict = Verdict::Permanent(given_up(limit, failure));
            self.judged(call, Judged::new(id, verdict, reply, now, now));
        }
    }

    /// Routes a call that is over to the module that decides about it.
    fn judged(&mut self, call: Call, judged: Judged<'_>) {
        let (now, attempts) = (judged.now, &self.attempts);
        let steps = match call {
            Call::Create(items) => self.creates.judged(items, judged, attempts),
            Call::Read(item) => changes::read(item, judged, &mut self.referrers, attempts),
            Call::Put(item, _) => {
                let mut steps = Vec::new();
                if judged.verdict == Verdict::Success {
                    steps = self.waves.written(item.item, judged.read_at, now);
                }
                steps.push(changes::written(item, judged.verdict, attempts));
                steps
            }
            Call::DeleteOne(item) => vec![changes::deleted(item, judged.verdict, attempts)],
            Call::Check(item, end) => vec![changes::checked(&item, end, judged, attempts)],
            Call::Delete(items) => removals::judged(items, judged, attempts),
            Call::ReadList(merge) => lists::read(*merge, judged, attempts),
            Call::WriteList(merge, _) => lists::written(*merge, judged, attempts),
            Call::Page(Purpose::Referrers(item), reader) => {
                let (referrers, deleted) = (&mut self.referrers, &self.deleted);
                changes::referrers_read(item, reader, judged, referrers, deleted, attempts)
            }
            Call::Page(purpose, reader) => vec![pages::read(purpose, reader, judged)],
        };
        self.carry_all(steps, now);
    }
}
