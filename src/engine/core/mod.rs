//! The core: takes in everything that happens to a run, and answers effects for the [shell](super::shell).
//!
//! Pure: everything that happens comes in with the time at which it happened. The core itself decides little. It routes
//! each event to a module that decides, which answers [steps](self::step), and carries these out in their order.
//!
//! These always hold:
//!
//! - A call that changes anything is sent only after its intent is on disk.
//! - A create that may have been executed is looked up before it is sent again.
//! - An update is read, merged and written, and an object that is deleted alone is read before. A repetition begins with
//!   the reading.
//! - The state of an object is written down before the object is changed.
//! - No item ends while a call that overwrites its object may still be carried out.
//! - Every item ends with exactly one outcome.

mod attempts;
mod changes;
mod creates;
mod lists;
mod loader;
mod pages;
mod reconciliation;
mod removals;
mod step;
mod unanswered;

use std::time::{Duration, Instant};

use jiff::Timestamp;

use self::attempts::Attempts;
use self::creates::Creates;
use self::loader::{Loader, UnderWay};
use self::reconciliation::Reconciliation;
use self::step::{Judged, Step};
use self::unanswered::Unanswered;
use super::call::{Call, CallId, Purpose};
use super::dispatch::{Dispatcher, Disposition, Priority};
use super::effect::Effect;
use super::id_remap::IdRemap;
use super::lanes::Lanes;
use super::listing::ListingReader;
use super::lookup::Lookup;
use super::outcomes::given_up;
use super::progress::Progress;
use super::settings::{Bounds, End, EngineSettings, Parked};
use super::unresolved::{Reason, Unresolved};
use super::workload::Workload;
use crate::item::{Event, Item, Outcome};
use crate::journal::Journal;
use crate::ledger::Ledger;
use crate::plan::{self, CallCounts, Snapshot, Work};
use crate::resource::Scope;
use crate::retry::{self, Verdict};
use crate::wire::{Failure, Id, Method, QuotaClass, Reply};
use crate::zpa::SignInError;

/// The number of failures of a call after which the user is told. By then the call may take minutes.
const WORTH_SAYING: u32 = 3;

/// How many more times a read is sent than other calls, since it changes nothing. With the default of 8, reads outlast
/// an outage of a minute however the waits are spread.
const READS_MORE: u32 = 2;

/// The state of the engine for one tenant.
#[derive(Debug)]
pub(super) struct Core {
    settings: EngineSettings,
    dispatcher: Dispatcher,
    loader: Loader,
    id_remap: IdRemap,
    creates: Creates,
    reconciliation: Reconciliation,
    attempts: Attempts,
    unanswered: Unanswered,
    snapshot: Snapshot,
    effects: Vec<Effect>,
    begun: Instant,
    pumped: Instant,
    end: Option<End>,
}

impl Core {
    pub(super) fn new(settings: EngineSettings, now: Instant) -> Self {
        let batch_size = settings.batch_size.get();
        Self {
            dispatcher: Dispatcher::new(&settings, now),
            loader: Loader::new(batch_size),
            id_remap: IdRemap::default(),
            creates: Creates::new(batch_size),
            reconciliation: Reconciliation::default(),
            attempts: Attempts::new(&settings),
            unanswered: Unanswered::default(),
            snapshot: Snapshot::default(),
            effects: Vec::new(),
            begun: now,
            pumped: now,
            end: None,
            settings,
        }
    }

    pub(super) fn stop_at(&mut self, bounds: Bounds) {
        self.settings.bounds = bounds;
    }

    /// The quotas, for what only the shell knows of them.
    pub(super) fn lanes(&mut self) -> &mut Lanes {
        self.dispatcher.lanes_mut()
    }

    /// Begins to read all objects of that scope, for [`Core::take_snapshot`].
    pub(super) fn list(&mut self, scope: Scope, now: Instant) {
        self.begin_listing(Purpose::Snapshot, ListingReader::new(scope, now), now);
    }

    /// Begins to read the object with that id, for [`Core::take_snapshot`].
    pub(super) fn read(&mut self, scope: Scope, id: Id, now: Instant) {
        self.begin_listing(
            Purpose::Snapshot,
            ListingReader::of_one(scope, id, now),
            now,
        );
    }

    pub(super) fn take_snapshot(&mut self) -> Snapshot {
        std::mem::take(&mut self.snapshot)
    }

    /// Begins to carry a run out. Hands back its journal, which is for the shell to write.
    pub(super) fn start(&mut self, workload: Workload, now: Instant) -> Journal {
        let own = self.settings.batch_size.get();
        let taken = workload.batch_size.map(|taken| taken.clamp(1, own));
        let batch_size = taken.unwrap_or(own);
        self.creates.start(batch_size, workload.created_by_others);
        self.attempts.start(workload.ledger);
        self.id_remap = workload.id_remap;
        self.loader
            .start(workload.backlog, workload.deferred, workload.in_doubt);
        let calls = self.calls_left();
        let lanes = self.dispatcher.lanes_mut();
        lanes.expect(QuotaClass::Read, calls.read, now);
        lanes.expect(QuotaClass::Write, calls.write, now);
        workload.journal
    }

    fn calls_left(&self) -> CallCounts {
        self.loader.calls_left(self.creates.batch_size())
    }

    /// Returns what is to be done at `now`. To be called after everything that happened.
    pub(super) fn pump(&mut self, now: Instant) -> Vec<Effect> {
        self.pumped = now;
        let deadline = self.settings.bounds.deadline;
        if deadline.is_some_and(|deadline| deadline <= now) && !self.is_done() {
            self.stop(End::Parked(Parked::TimeIsUp));
        }
        self.begin_lookups(now);
        let withheld = self.unanswered.release();
        self.finish(withheld);
        let released = self.creates.release_held();
        self.carry_all(released, now);
        self.load(now);
        let effects = self.dispatcher.pump(now);
        for effect in &effects {
            if let Effect::Record(_, event) = effect {
                self.attempts.apply(event);
            }
        }
        self.effects.extend(effects);
        std::mem::take(&mut self.effects)
    }

    /// Returns when to call [`Core::pump`] again if nothing happens before: the first instant after the last pump at which
    /// there is something to do. It may have passed by now.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        if self.end.is_some() {
            return None;
        }
        let lookups = self.reconciliation.due().filter(|due| *due > self.pumped);
        let has_backlog = self.loader.has_backlog();
        let calls = self.dispatcher.wake_at(has_backlog, self.pumped);
        lookups
            .chain(calls)
            .chain(self.unanswered.ends())
            .chain(self.settings.bounds.deadline)
            .min()
    }

    /// Returns true if nothing is left to do, or if everything under way has landed after a stop.
    pub(super) fn is_done(&self) -> bool {
        if self.end.is_some() {
            return self.dispatcher.has_landed();
        }
        !self.loader.has_deferred() && self.is_idle()
    }

    /// Returns true if all has ended that was not deferred.
    fn is_idle(&self) -> bool {
        self.dispatcher.is_empty()
            && self.loader.is_idle()
            && self.reconciliation.is_empty()
            && self.creates.holds_none()
            && self.unanswered.is_empty()
    }

    pub(super) fn end(&self) -> End {
        self.end.clone().unwrap_or(End::Finished)
    }

    /// Starts nothing any more. Whatever is under way lands.
    pub(super) fn stop(&mut self, end: End) {
        if self.end.is_some() {
            return;
        }
        self.end = Some(end);
        for (id, call) in self.dispatcher.halt() {
            self.append(call.void(id));
        }
    }

    pub(super) fn ledger(&self) -> &Ledger {
        self.attempts.ledger()
    }

    pub(super) fn progress(&self, now: Instant) -> Progress {
        let may_be_under_way = self.reconciliation.due().chain(self.unanswered.ends());
        Progress::new(
            &self.dispatcher,
            self.ledger().tally(),
            self.calls_left(),
            &self.settings,
            may_be_under_way.max(),
            now,
        )
    }

    pub(super) fn signed_in(
        &mut self,
        result: Result<Duration, SignInError>,
        now: Instant,
        random: f64,
    ) {
        let session = self.dispatcher.session_mut();
        if let Err(error) = session.signed_in(result, now, random) {
            self.stop(End::SignIn(error));
        }
    }

    pub(super) fn recorded(&mut self, id: CallId) {
        self.dispatcher.recorded(id);
        if self.end.is_some()
            && let Some(call) = self.dispatcher.take(id)
        {
            self.append(call.void(id));
        }
    }

    pub(super) fn loaded(&mut self, work: &Work, items: Vec<Item<'static>>, now: Instant) {
        self.loader.loaded(work);
        let mut renamed = Vec::with_capacity(items.len());
        for mut item in items {
            match self.id_remap.rename(&mut item) {
                Ok(()) => renamed.push(item),
                Err(failure) => self.carry(Step::fail(&item, failure), now),
            }
        }
        if renamed.is_empty() {
            return;
        }
        let steps = match work {
            Work::Create(_) => creates::begin(renamed, &self.attempts, now),
            Work::Update(_) => {
                let in_doubt = |item: &&Item<'_>| self.attempts.in_doubt(item);
                for item in renamed.iter().filter(in_doubt) {
                    self.unanswered
                        .expect(item.item, self.begun, &self.attempts);
                }
                changes::begin(renamed)
            }
            Work::Delete(_) => removals::begin(renamed, now),
            Work::Merge(_) => vec![lists::begin(renamed, &self.attempts, now)],
        };
        self.carry_all(steps, now);
    }

    pub(super) fn replied(
        &mut self,
        id: CallId,
        reply: &Reply,
        now: Instant,
        wall: Timestamp,
        random: f64,
    ) {
        if let Some(Call::Put(item, _)) = self.dispatcher.call(id)
            && retry::leaves_open(reply)
        {
            self.unanswered.expect(item.item, now, &self.attempts);
        }
        match self.dispatcher.replied(id, reply, now, wall, random) {
            Disposition::Requeued => self.requeued(id, now, now),
            Disposition::Paused(wait) => self.paused(id, wait, now, wall),
            Disposition::Retry(wait, failure) => self.failed(id, wait, &failure, reply, now),
            Disposition::Barred(call, failure) => {
                self.append(call.void(id));
                self.stop(End::SignIn(SignInError::Refused(failure)));
            }
            Disposition::Judged(call, verdict) => {
                self.judged(call, Judged::new(id, verdict, reply, now));
            }
        }
    }

    fn paused(&mut self, id: CallId, wait: Duration, now: Instant, wall: Timestamp) {
        if let Some(call) = self.dispatcher.call(id)
            && self.dispatcher.lanes().pauses_all()
        {
            let class = call.method().class();
            self.effects.push(Effect::Pause(class, now + wait));
        }
        self.requeued(id, now + wait, now);
        let max_wait = self.settings.bounds.max_wait;
        if max_wait.is_some_and(|most| wait > most) {
            let until = wall.saturating_add(wait).unwrap_or(Timestamp::MAX);
            self.stop(End::Parked(Parked::Throttled(until)));
        }
    }

    /// Takes in that a call was not executed and waits again. If it depends on a reading, that is made anew, a listing
    /// from `due` on.
    fn requeued(&mut self, id: CallId, due: Instant, now: Instant) {
        let void = self.dispatcher.call(id).and_then(|call| call.void(id));
        self.append(void);
        if let Some(call) = self.take_if_read_first(id) {
            self.carry(read_again(call, Priority::Retry, due), now);
        }
    }

    fn take_if_read_first(&mut self, id: CallId) -> Option<Call> {
        let is_read_first = self.dispatcher.call(id)?.is_read_first();
        is_read_first.then(|| self.dispatcher.take(id)).flatten()
    }

    /// Repeats a call that failed, after `wait`, or gives it up. If the call depends on a reading, it may have been executed
    /// in spite of its failure: the object is read before the call is repeated or given up.
    fn failed(
        &mut self,
        id: CallId,
        wait: Duration,
        failure: &Failure,
        reply: &Reply,
        now: Instant,
    ) {
        let attempts = self.dispatcher.attempts(id);
        if attempts == WORTH_SAYING {
            tracing::warn!(attempts, %failure, "a call fails again and again and is repeated");
        } else {
            tracing::info!(call = id, attempts, wait_ms = wait.as_millis(), %failure, "failed for now");
        }
        if let Some(call) = self.take_if_read_first(id) {
            return self.read_later(call, wait, failure, now);
        }
        let Some(call) = self.dispatcher.call(id) else {
            return;
        };
        let more = if call.method() == Method::Get {
            READS_MORE
        } else {
            0
        };
        let limit = self.settings.max_attempts.get() + more;
        if attempts < limit {
            // A POST is repeated only if it was certainly not executed.
            let void = (call.method() == Method::Post).then(|| call.void(id));
            self.append(void.flatten());
            self.dispatcher.delay(id, wait, now);
        } else if let Some(call) = self.dispatcher.take(id) {
            let verdict = Verdict::Permanent(given_up(limit, failure));
            self.judged(call, Judged::new(id, verdict, reply, now));
        }
    }

    fn read_later(&mut self, call: Call, wait: Duration, failure: &Failure, now: Instant) {
        let step = match call {
            Call::Put(item, _) | Call::DeleteOne(item) if self.attempts.is_spent(&item) => {
                let failure = self.attempts.given_up(failure);
                changes::check(item, failure, &self.attempts)
            }
            call => read_again(call, Priority::RetryAfter(wait), now + wait),
        };
        self.carry(step, now);
    }

    /// Routes a call that is over to the module that decides about it.
    fn judged(&mut self, call: Call, judged: Judged<'_>) {
        let (now, attempts) = (judged.now, &self.attempts);
        let steps = match call {
            Call::Create(items) => self.creates.judged(items, judged, attempts),
            Call::Read(item) => changes::read(item, judged, attempts),
            Call::Put(item, _) => vec![changes::written(item, judged.verdict, attempts)],
            Call::DeleteOne(item) => vec![changes::deleted(item, judged.verdict, attempts)],
            Call::Check(item, why) => vec![changes::checked(&item, why, judged, attempts)],
            Call::Delete(items) => removals::judged(items, judged, attempts),
            Call::ReadList(merge) => lists::read(*merge, judged, attempts),
            Call::WriteList(merge, _) => lists::written(*merge, judged, attempts),
            Call::Page(purpose, reader) => vec![pages::read(purpose, reader, judged)],
        };
        self.carry_all(steps, now);
    }

    /// Lists every scope of which items are unresolved, one listing a scope at a time.
    fn begin_lookups(&mut self, now: Instant) {
        if self.end.is_some() {
            return;
        }
        let is_listed = |scope: &Scope| self.dispatcher.calls().any(|call| call.lists(scope));
        for scope in self.reconciliation.scopes(now, is_listed) {
            self.begin_listing(Purpose::Lookup, ListingReader::new(scope, now), now);
        }
    }

    fn begin_listing(&mut self, purpose: Purpose, reader: ListingReader, now: Instant) {
        self.carry(pages::begin(purpose, reader), now);
    }

    /// Resolves the items for which this listing answers.
    fn looked_up(&mut self, listing: &ListingReader, now: Instant) {
        let lookup = Lookup::new(listing.scope.kind, &listing.objects);
        for unresolved in self.reconciliation.take_all() {
            if unresolved.is_answered_by(listing) {
                let steps = self.resolve(unresolved, &lookup, listing.begun);
                self.carry_all(steps, now);
            } else {
                self.reconciliation.keep(unresolved);
            }
        }
    }

    fn resolve(&mut self, unresolved: Unresolved, lookup: &Lookup<'_>, seen: Instant) -> Vec<Step> {
        let Unresolved { call, items, .. } = unresolved;
        let (keep, attempts) = (self.settings.keep_per_group, &self.attempts);
        match unresolved.reason {
            Reason::Create(reason) => self
                .creates
                .resolve(call, items, reason, lookup, seen, attempts),
            Reason::Delete(reason) => {
                removals::resolve(call, items, reason, lookup, keep, attempts)
            }
        }
    }

    /// Loads as much work as may soon be sent.
    fn load(&mut self, now: Instant) {
        if self.end.is_some() {
            return;
        }
        if self.is_idle() {
            self.loader.begin_deferred();
        }
        let mut under_way = UnderWay {
            room: self.dispatcher.appetite(QuotaClass::Write, now),
            changes: 0,
            may_free: false,
            is_deleting: self.reconciliation.awaits_deletes(),
            is_probing: self.creates.is_probing(),
        };
        for call in self.dispatcher.calls() {
            under_way.add(call);
        }
        let loads = self.loader.load(&under_way, self.creates.batch_size());
        self.effects.extend(loads.into_iter().map(Effect::Load));
    }

    fn carry_all(&mut self, steps: Vec<Step>, now: Instant) {
        for step in steps {
            self.carry(step, now);
        }
    }

    fn carry(&mut self, step: Step, now: Instant) {
        match step {
            Step::Submit(call, priority) => self.dispatcher.submit(call, priority, now),
            Step::CutCreates(most) => {
                let too_large = |call: &Call| call.creates_more_than(most);
                for call in self.dispatcher.withdraw(too_large) {
                    if let Call::Create(items) = call {
                        self.carry_all(creates::send_in(most, items), now);
                    }
                }
            }
            Step::LookUp(unresolved) => self.reconciliation.keep(unresolved),
            Step::Listed(Purpose::Lookup, listing) => self.looked_up(&listing, now),
            Step::Listed(Purpose::Snapshot, listing) => {
                self.snapshot.listings.push(plan::Listing {
                    scope: listing.scope,
                    objects: listing.objects,
                });
            }
            Step::Append(event) => self.append([event]),
            Step::Finish(outcomes) => self.finish(outcomes),
            Step::Stop(end) => self.stop(end),
        }
    }

    /// Ends items, as far as no call for them may still be carried out.
    fn finish(&mut self, outcomes: Vec<Outcome>) {
        let outcomes = self.unanswered.pass(outcomes, &self.attempts, self.pumped);
        if outcomes.is_empty() {
            return;
        }
        for outcome in &outcomes {
            self.id_remap.note(outcome);
        }
        self.append([Event::Outcomes(outcomes)]);
        let (failed, items) = (self.attempts.failures(), self.ledger().tally().items);
        let halt = self.settings.bounds.halt_on_failures;
        if halt.is_some_and(|most| failed > 0 && failed >= most.of(items)) {
            self.stop(End::Parked(Parked::Failing(failed)));
        }
    }

    fn append(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.attempts.apply(&event);
            self.effects.push(Effect::Append(event));
        }
    }
}

/// Begins a call anew that depends on a reading, with that reading.
fn read_again(call: Call, priority: Priority, due: Instant) -> Step {
    let call = match call {
        Call::Put(item, _) | Call::DeleteOne(item) => Call::Read(item),
        Call::WriteList(merge, _) => lists::read_again(merge),
        Call::Delete(items) => return removals::list_first(items, due),
        call => call,
    };
    Step::Submit(call, priority)
}

#[cfg(test)]
mod tests;
