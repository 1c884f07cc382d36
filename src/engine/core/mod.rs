//! The core: takes in everything that happens to a run, and answers effects for the [shell](super::shell).
//!
//! Pure: everything that happens comes in with the time at which it happened. The core itself decides little. It
//! routes each event to a module that decides, which answers [steps](self::step), and carries these out in their
//! order.
//!
//! These always hold:
//!
//! - A call that changes anything is sent only after its intent is on disk.
//! - A change that depends on what was read is sent only while the reading is fresh.
//! - An undo deletes an object only while a fresh reading shows that nothing refers to it.
//! - The state of an object is written down before the object is changed.
//! - No item ends while a call of its own that would change the outcome may still be carried out.
//! - Every item ends with exactly one outcome.
//!
#![doc = include_str!("../../../docs/item-life.md")]

mod attempts;
mod changes;
mod claims;
mod creates;
mod lists;
mod loader;
mod lookups;
mod pages;
mod referrers;
mod removals;
mod repeats;
mod replies;
mod step;
mod unanswered;
mod waves;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use self::attempts::Attempts;
use self::claims::Claims;
use self::creates::Creates;
use self::loader::{Loader, UnderWay};
use self::referrers::Referrers;
use self::step::{Step, Steps};
use self::unanswered::Unanswered;
use self::waves::Waves;
use super::call::{Batch, Call, CallId, Purpose};
use super::dispatch::{Dispatcher, Unread};
use super::effect::{Effect, Tell};
use super::id_remap::IdRemap;
use super::lag::Lag;
use super::lanes::Lanes;
use super::listing::ListingReader;
use super::progress::Progress;
use super::settings::{Bounds, End, EngineSettings, Parked};
use super::unresolved::Reconciliation;
use super::workload::Workload;
use crate::coordination::Holder;
use crate::item::{Event, Item, ItemNumber, Outcome, Status};
use crate::journal::Journal;
use crate::ledger::Ledger;
use crate::pacer::Paces;
use crate::plan::{self, CallCounts, Snapshot, Work};
use crate::wire::Id;
use crate::zpa::SignInError;

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
    lag: Lag,
    claims: Claims,
    /// Objects that were deleted. A listing that lags behind may still show them.
    deleted: HashSet<Id>,
    /// The names of the scopes of items that were loaded and have not ended.
    scopes: HashMap<ItemNumber, String>,
    referrers: Referrers,
    waves: Waves,
    snapshot: Snapshot,
    effects: Vec<Effect>,
    begun: Instant,
    pumped: Instant,
    window_end: Option<Instant>,
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
            lag: Lag::default(),
            claims: Claims::default(),
            deleted: HashSet::new(),
            scopes: HashMap::new(),
            referrers: Referrers::new(settings.freshness),
            waves: Waves::new(settings.freshness),
            snapshot: Snapshot::default(),
            effects: Vec::new(),
            begun: now,
            pumped: now,
            window_end: None,
            end: None,
            settings,
        }
    }

    /// The paces of calls.
    pub(super) fn paces(&self) -> Paces {
        self.settings.paces()
    }

    /// Claims objects against other runs from now on.
    pub(super) fn share(&mut self) {
        self.claims.shared = true;
        self.dispatcher.lanes_mut().share(true);
    }

    /// Returns the end of the change window, by the wall clock.
    pub(super) fn window_end(&self) -> Option<Timestamp> {
        self.settings.bounds.window_end
    }

    /// Notes that the change window ends at that instant, by the wall clock as it is now.
    pub(super) fn window_ends(&mut self, at: Option<Instant>) {
        self.window_end = at;
    }

    /// Returns the instant from which on nothing is started.
    fn deadline(&self) -> Option<Instant> {
        let bounds = [self.settings.bounds.deadline, self.window_end];
        bounds.into_iter().flatten().min()
    }

    pub(super) fn stop_at(&mut self, bounds: Bounds) {
        self.settings.bounds = bounds;
    }

    /// The quotas, for what only the shell knows of them.
    pub(super) fn lanes(&mut self) -> &mut Lanes {
        self.dispatcher.lanes_mut()
    }

    /// Begins a listing, for [`Core::take_snapshot`].
    pub(super) fn list(&mut self, reader: ListingReader, now: Instant) {
        self.carry(pages::begin(Purpose::Snapshot, reader), now);
    }

    pub(super) fn take_snapshot(&mut self) -> Snapshot {
        std::mem::take(&mut self.snapshot)
    }

    /// Begins to carry a run out. Hands back its journal, which is for the shell to write.
    pub(super) fn start(&mut self, workload: Workload) -> Journal {
        let own = self.settings.batch_size.get();
        let taken = workload.batch_size.map(|taken| taken.clamp(1, own));
        let batch_size = taken.unwrap_or(own);
        self.creates.start(batch_size, workload.created_by_others);
        self.attempts.start(workload.ledger);
        self.deleted = workload.deleted;
        self.id_remap = workload.id_remap;
        self.loader
            .start(workload.backlog, workload.deferred, workload.in_doubt);
        let calls = self.calls_left();
        self.dispatcher.lanes_mut().try_scope(calls);
        workload.journal
    }

    fn calls_left(&self) -> CallCounts {
        self.loader.calls_left(self.creates.batch_size())
    }

    /// Returns what is to be done at `now`. To be called after everything that happened.
    pub(super) fn pump(&mut self, now: Instant) -> Vec<Effect> {
        self.pumped = now;
        if self.deadline().is_some_and(|deadline| deadline <= now) && !self.is_done() {
            self.stop(End::Parked(Parked::TimeIsUp));
        }
        let withheld = self.unanswered.release();
        self.finish(withheld);
        let released = self.creates.release_held();
        self.carry_all(released, now);
        self.load(now);
        loop {
            self.begin_lookups(now);
            let (effects, unread) = self.dispatcher.pump(now);
            for effect in &effects {
                if let Effect::Record(_, event) = effect {
                    self.attempts.apply(event);
                }
            }
            self.effects.extend(effects);
            let learned = self.dispatcher.lanes_mut().take_learned();
            let learned = learned.into_iter().map(Tell::Learned);
            self.effects.extend(learned.map(Effect::Tell));
            let is_over = unread.is_empty();
            for Unread { call, recorded } in unread {
                let void = recorded.and_then(|id| call.void(id));
                self.append(void);
                if let Some(call) = self.claims.admit(call, &mut self.effects) {
                    self.begin_reading(call, now);
                }
            }
            let waves = self.waves.go_on(now);
            if is_over && waves.is_empty() {
                break;
            }
            self.carry_all(waves, now);
        }
        let asked_again = self.claims.ask_again(now);
        self.effects.extend(asked_again);
        self.release_claims(now);
        std::mem::take(&mut self.effects)
    }

    /// Lets other runs change the objects on which no call of this one depends any more.
    fn release_claims(&mut self, now: Instant) {
        if self.claims.holds_none() {
            return;
        }
        let mut in_use = self.dispatcher.objects_in_use();
        in_use.extend(self.reconciliation.objects());
        in_use.extend(self.referrers.objects());
        in_use.extend(self.waves.objects());
        let is_open = |item| self.unanswered.open_until(item, now).is_some();
        let released = self.claims.release(&in_use, is_open);
        self.effects.extend(released);
    }

    /// Takes in whether an object is this run's to change.
    pub(super) fn claimed(&mut self, object: &str, holder: Option<&Holder>, now: Instant) {
        if let Some(holder) = holder {
            return self.claims.refused(object, holder, now);
        }
        for call in self.claims.granted(object) {
            self.begin_reading(call, now);
        }
    }

    /// Reads what a call depends on.
    fn begin_reading(&mut self, call: Call, now: Instant) {
        let lead = self.dispatcher.wave_lead();
        let Some(call) = self.waves.admit(call, lead, &self.attempts, now) else {
            return;
        };
        let listings = self.referrers.begin(&call, now);
        self.carry(repeats::reading(call, now), now);
        self.carry_all(listings, now);
    }

    /// Returns when to call [`Core::pump`] again if nothing happens before: the first instant after the last pump at
    /// which there is something to do. It may have passed by now.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        if self.end.is_some() {
            return None;
        }
        let lookups = self.reconciliation.due().filter(|due| *due > self.pumped);
        let waves = self.waves.due().filter(|due| *due > self.pumped);
        let has_backlog = self.loader.has_backlog();
        let calls = self.dispatcher.wake_at(has_backlog, self.pumped);
        lookups
            .chain(calls)
            .chain(self.unanswered.ends())
            .chain(self.claims.retries())
            .chain(waves)
            .chain(self.deadline())
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
            && self.claims.waiting() == 0
            && self.waves.waiting() == 0
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
        wall: Timestamp,
        random: f64,
    ) {
        if let Err(SignInError::Throttled { wait, .. }) = result {
            self.pause_at_most(wait, wall);
        }
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

    pub(super) fn loaded(&mut self, work: &Work, items: Batch, now: Instant) {
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
        if self.claims.shared {
            let scopes = renamed
                .iter()
                .map(|item| (item.item, item.scope().shared_name()));
            self.scopes.extend(scopes);
        }
        if matches!(work, Work::Update(_) | Work::Delete(_)) {
            let in_doubt = |item: &&Item<'_>| self.attempts.in_doubt(item);
            for item in renamed.iter().filter(in_doubt) {
                self.unanswered
                    .expect(item.item, self.begun, &self.attempts);
            }
        }
        let steps = match work {
            Work::Create(_) => self.creates.begin(renamed, &self.attempts, now),
            Work::Update(_) => changes::begin(renamed),
            Work::Delete(_) => removals::begin(renamed),
            Work::Merge(_) => vec![lists::begin(renamed, &self.attempts, now)],
        };
        self.carry_all(steps, now);
    }

    /// Loads as much work as may soon be sent.
    fn load(&mut self, now: Instant) {
        if self.end.is_some() {
            return;
        }
        if self.is_idle() {
            self.loader.begin_deferred();
        }
        let calls = || self.dispatcher.calls();
        let is_deleting = calls().any(Call::deletes_from_groups);
        let under_way = UnderWay {
            room: self.dispatcher.appetite(now).saturating_sub(
                self.claims.waiting() + self.waves.waiting() + self.reconciliation.reading(),
            ),
            may_free: calls().any(Call::may_free)
                || self.reconciliation.may_free()
                || self.waves.waiting() > 0,
            is_deleting: is_deleting || self.reconciliation.awaits_deletes(),
            is_probing: self.creates.is_probing(),
        };
        let loads = self.loader.load(&under_way, self.creates.batch_size());
        self.effects.extend(loads.into_iter().map(Effect::Load));
    }

    fn carry_all(&mut self, steps: Steps, now: Instant) {
        for step in steps {
            self.carry(step, now);
        }
    }

    fn carry(&mut self, step: Step, now: Instant) {
        match step {
            Step::Submit(call, priority) => self.dispatcher.submit(call, priority, None, now),
            Step::Write(call, priority, read_at) => {
                let took = now.saturating_duration_since(read_at);
                self.dispatcher.was_read_in(took);
                self.dispatcher.submit(call, priority, Some(read_at), now);
            }
            Step::CutCreates(most) => {
                let too_large = |call: &Call| call.creates_more_than(most);
                for call in self.dispatcher.withdraw(too_large) {
                    if let Call::Create(items) = call {
                        let steps = self.creates.send_in(most, items);
                        self.carry_all(steps, now);
                    }
                }
            }
            Step::LookUp(mut unresolved) => {
                unresolved.put_off(self.lag.longest());
                self.reconciliation.keep(unresolved);
            }
            Step::Listed(Purpose::Lookup, listing, read_at) => {
                self.looked_up(*listing, read_at, now);
            }
            Step::Listed(Purpose::Snapshot, listing, _) => {
                let told = self.snapshot.server_time.max(listing.server_time);
                self.snapshot.server_time = told;
                self.snapshot.listings.push(plan::Listing {
                    scope: listing.scope,
                    objects: listing.objects,
                });
            }
            // Such a listing is taken in page by page.
            Step::Listed(Purpose::Referrers(_), ..) => {}
            Step::Confirm(scope, id) => self.lag.confirm(scope, id, now),
            Step::Lags => self.lags(),
            Step::Append(event) => {
                if let Event::Before { item, object } = &event {
                    self.waves.read(*item, object);
                }
                self.append([event]);
            }
            Step::Own(ids) => self.own(ids),
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
        let ids = outcomes.iter().filter_map(|outcome| outcome.id.clone());
        self.creates.exclude(ids);
        self.note_objects(&outcomes);
        self.append([Event::Outcomes(outcomes)]);
        let (failed, items) = (self.attempts.failures(), self.ledger().tally().items);
        let halt = self.settings.bounds.halt_on_failures;
        if halt.is_some_and(|most| failed > 0 && failed >= most.of(items)) {
            self.stop(End::Parked(Parked::Failing(failed)));
        }
    }

    /// Notes the objects that this run has created or adopted.
    fn own(&mut self, ids: Vec<Id>) {
        if self.claims.shared && !ids.is_empty() {
            self.effects.push(Effect::Tell(Tell::Own(ids)));
        }
    }

    /// Notes the objects that this run has created or deleted.
    fn note_objects(&mut self, outcomes: &[Outcome]) {
        let ids = |wanted: Status| -> Vec<Id> {
            let of = outcomes.iter().filter(|outcome| outcome.status == wanted);
            of.filter_map(|outcome| outcome.id.clone()).collect()
        };
        self.own(ids(Status::Created));
        self.note_last(outcomes);
        let deleted = ids(Status::Deleted);
        self.deleted.extend(deleted.iter().cloned());
        if self.claims.shared && !deleted.is_empty() {
            self.effects.push(Effect::Tell(Tell::Deleted(deleted)));
        }
    }

    /// Notes the last object of each scope that this run has changed.
    fn note_last(&mut self, outcomes: &[Outcome]) {
        let mut last = BTreeMap::new();
        for outcome in outcomes {
            let scope = self.scopes.remove(&outcome.item);
            let is_change = !matches!(
                outcome.status,
                Status::Unchanged | Status::Spared | Status::Stale | Status::Failed
            );
            last.extend(scope.zip(outcome.id.clone()).filter(|_| is_change));
        }
        if self.claims.shared && !last.is_empty() {
            self.effects
                .push(Effect::Tell(Tell::Touched(last.into_iter().collect())));
        }
    }

    /// Takes in objects that other runs have deleted lately.
    pub(super) fn deleted(&mut self, ids: Vec<Id>) {
        self.deleted.extend(ids);
    }

    fn append(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.attempts.apply(&event);
            self.effects.push(Effect::Append(event));
        }
    }
}

#[cfg(test)]
mod tests;
