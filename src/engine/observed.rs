//! The edge to the [observer](super::observer): what of an engine's life is worth telling, and when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::effect::{Effect, Tell};
use super::observer::{CallEvent, EngineObserver, Sending, Span, millis, scope_found, session};
use super::progress::Progress;
use crate::item::{Event, Outcome};
use crate::pacer::{Learned, Paces};
use crate::wire::{QuotaClass, Reply};
use crate::zpa::SignInError;

/// The shortest wait that is told.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// The observer of an engine, and what was not told yet.
#[derive(Debug)]
pub(super) struct Observed {
    observer: Option<Arc<dyn EngineObserver>>,
    /// The wall clock and the instant of the beginning, by which all times are told.
    begun: (Timestamp, Instant),
    /// The beginnings of waits under way.
    waiting: [Option<Instant>; 2],
    /// The ends of the last pauses.
    paused: [Option<Instant>; 2],
}

impl Observed {
    pub(super) fn new(wall: Timestamp, now: Instant) -> Self {
        Self {
            observer: None,
            begun: (wall, now),
            waiting: [None; 2],
            paused: [None; 2],
        }
    }

    /// Tells that observer from now on, and first of the beginning of an engine with those paces.
    pub(super) fn by(&mut self, observer: Arc<dyn EngineObserver>, paces: &Paces) {
        self.observer = Some(observer);
        self.tell(&session(paces, self.begun.0));
    }

    /// Returns the time of an instant: the wall clock of the beginning, and the time since then.
    pub(super) fn time(&self, instant: Instant) -> Timestamp {
        let (wall, begun) = self.begun;
        let since = instant.saturating_duration_since(begun);
        wall.saturating_add(since).unwrap_or(Timestamp::MAX)
    }

    /// Takes in an effect that is about to be carried out.
    pub(super) fn effect(&mut self, effect: &Effect, now: Instant) {
        match effect {
            Effect::Send(_, request) => self.end_wait(request.method.class(), now),
            Effect::Append(Event::Outcomes(outcomes)) => self.ended(outcomes, now),
            Effect::Tell(Tell::Learned(Learned::Scope(scope))) => {
                self.tell(&scope_found(*scope, self.time(now)));
            }
            _ => {}
        }
    }

    /// Takes in how far the run is when nothing more can be done for now.
    pub(super) fn idle(&mut self, progress: &Progress, now: Instant) {
        for (class, of_class) in [
            (QuotaClass::Read, progress.read),
            (QuotaClass::Write, progress.write),
        ] {
            if of_class.left == 0 {
                self.end_wait(class, now);
            } else {
                slot(class, &mut self.waiting).get_or_insert(now);
            }
            let last = slot(class, &mut self.paused);
            let is_new = |until: &Instant| last.is_none_or(|last| last < *until);
            if let Some(until) = of_class.paused_until.filter(is_new) {
                // A pause that is made longer is told by what is added, so that none overlap.
                let from = last.map_or(now, |last| last.max(now));
                *last = Some(until);
                let length = until.saturating_duration_since(from);
                self.tell(&CallEvent::Pause(self.span(class, from, length)));
            }
        }
    }

    /// Takes in the reply to a call that went at `sent`.
    pub(super) fn replied(&self, sending: Sending, sent: Instant, reply: &Reply, now: Instant) {
        self.tell(&sending.replied(reply, now.saturating_duration_since(sent)));
    }

    /// Takes in the result of a sign-in that began at `sent`.
    pub(super) fn signed_in(
        &self,
        result: &Result<Duration, SignInError>,
        sent: Instant,
        now: Instant,
    ) {
        let sending = Sending::sign_in(self.time(sent));
        self.tell(&sending.signed_in(result, now.saturating_duration_since(sent)));
    }

    fn ended(&self, outcomes: &[Outcome], now: Instant) {
        if let Some(observer) = &self.observer {
            observer.ended(outcomes, self.time(now));
        }
    }

    fn end_wait(&mut self, class: QuotaClass, now: Instant) {
        let Some(begun) = slot(class, &mut self.waiting).take() else {
            return;
        };
        let length = now.saturating_duration_since(begun);
        if length >= SHORTEST_WAIT {
            self.tell(&CallEvent::Wait(self.span(class, begun, length)));
        }
    }

    fn span(&self, class: QuotaClass, from: Instant, length: Duration) -> Span {
        Span {
            at: self.time(from),
            class: class.into(),
            ms: millis(length),
        }
    }

    fn tell(&self, event: &CallEvent) {
        if let Some(observer) = &self.observer {
            observer.observe(event);
        }
    }
}

fn slot<T>(class: QuotaClass, [read, write]: &mut [T; 2]) -> &mut T {
    match class {
        QuotaClass::Read => read,
        QuotaClass::Write => write,
    }
}
