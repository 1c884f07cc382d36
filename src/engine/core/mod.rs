//! What happens to items: the decisions of the engine, event by event.
//!
//! Pure: everything that happens comes in with the time at which it happened, and effects go out, which the
//! [shell](super::shell) carries out. The rules:
//!
//! - No call that changes anything is sent before its intent is on disk.
//! - A create that may have been executed is looked for before it is sent again.
//! - A create that is refused as a whole is looked for, then halved until the bad item stands alone.
//! - An update is read, merged and written, and what is deleted alone is read before; a repetition begins with the
//!   reading.
//! - What an object was before it was changed is written down before that.
//! - No item ends while a call that overwrites its object may still be carried out, though its answer was lost: it could
//!   overwrite what the next run writes.
//! - Every item ends with exactly one outcome.

mod changes;
mod creates;
mod lists;
mod pages;
mod reconcile;
mod removals;

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::batch_limit::BatchLimit;
use super::call::{Call, CallId};
use super::dispatch::{Dispatcher, Disposition, Priority};
use super::effect::Effect;
use super::id_remap::IdRemap;
use super::lanes::LaneKey;
use super::outcomes::{done, failed, given_up};
use super::progress::Progress;
use super::settings::{Bounds, End, EngineSettings, Parked};
use super::unresolved::Unresolved;
use crate::item::{Event, Item, ItemNumber, Outcome, Status, index};
use crate::ledger::{Ledger, State};
use crate::plan::{Backlog, CallCounts, Snapshot, Work};
use crate::retry::{self, Verdict};
use crate::wire::{Answer, Failure, Id, Method, QuotaClass, Reply};
use crate::zpa::SignInError;

/// How many objects may stand between their read and their write, unless more may be written at once. Few, so that
/// little time passes in which someone else's change could be overwritten; enough to keep the writes going.
const CHANGES_AHEAD: usize = 4;

/// How often a call fails until the user is told: by then it may take minutes.
const WORTH_SAYING: u32 = 3;

/// How much oftener a read is sent than anything else, since it changes nothing. With the default of 8, reads then
/// outlast an outage of a minute however the waits are spread.
const READS_MORE: u32 = 2;

/// The engine's state for one tenant.
#[derive(Debug)]
pub(super) struct Core {
    settings: EngineSettings,
    dispatcher: Dispatcher,
    snapshot: Snapshot,
    ledger: Ledger,
    /// How many items had failed before this process began.
    failed_before: u64,
    backlog: Backlog,
    /// What begins when all else has ended.
    deferred: Backlog,
    id_remap: IdRemap,
    /// Creates of an earlier process that are in doubt.
    inherited: Backlog,
    /// What others are known to have created.
    created_by_others: HashSet<Id>,
    loading: usize,
    /// How many of those are updates and deletes.
    loading_changes: usize,
    open_changes: usize,
    unresolved: Vec<Unresolved>,
    batch_limit: BatchLimit,
    /// Creates that were refused together and wait until the size of a batch is known.
    held: Vec<Vec<Item<'static>>>,
    /// Whether something that was created is known to have kept its name.
    keeps_names: bool,
    effects: Vec<Effect>,
    begun: Instant,
    pumped: Instant,
    /// Until when a call that overwrites the object of an item may still be carried out, though no answer will come.
    unanswered: BTreeMap<ItemNumber, Instant>,
    /// How such items end then.
    withheld: Vec<Outcome>,
    end: Option<End>,
}

impl Core {
    pub(super) fn new(settings: EngineSettings, now: Instant) -> Self {
        Self {
            dispatcher: Dispatcher::new(&settings, now),
            batch_limit: BatchLimit::new(index(settings.batch_size.get())),
            held: Vec::new(),
            keeps_names: false,
            settings,
            snapshot: Snapshot::default(),
            ledger: Ledger::new(0),
            failed_before: 0,
            backlog: Backlog::default(),
            deferred: Backlog::default(),
            id_remap: IdRemap::default(),
            inherited: Backlog::default(),
            created_by_others: HashSet::new(),
            loading: 0,
            loading_changes: 0,
            open_changes: 0,
            unresolved: Vec::new(),
            effects: Vec::new(),
            begun: now,
            pumped: now,
            unanswered: BTreeMap::new(),
            withheld: Vec::new(),
            end: None,
        }
    }

    pub(super) fn stop_at(&mut self, bounds: Bounds) {
        self.settings.bounds = bounds;
    }

    /// Says how many reads are coming, where only the caller knows.
    pub(super) fn expect_reads(&mut self, calls: u64, now: Instant) {
        self.dispatcher
            .lanes_mut()
            .expect(QuotaClass::Read, calls, now);
    }

    /// Counts calls of the class that other processes sent.
    pub(super) fn prime(&mut self, class: QuotaClass, sent: Vec<Instant>) {
        self.dispatcher.lanes_mut().prime(class, sent);
    }

    /// From now on the quotas are shared with other processes, or no longer.
    pub(super) fn share(&mut self, shared: bool) {
        self.dispatcher.lanes_mut().share(shared);
    }

    /// Other processes let a call of that lane go between these instants.
    pub(super) fn claimed(&mut self, lane: &LaneKey, from: Instant, until: Instant) {
        self.dispatcher.lanes_mut().claimed(lane, from, until);
    }

    /// Says what is to begin when all else has ended, and what it may refer to.
    pub(super) fn defer(&mut self, deferred: Backlog, id_remap: IdRemap) {
        (self.deferred, self.id_remap) = (deferred, id_remap);
    }

    /// Says what others have created, so that it is not taken for what this run has.
    pub(super) fn leave_to_others(&mut self, created_by_others: HashSet<Id>) {
        self.created_by_others = created_by_others;
    }

    /// Begins to carry out what waits. `inherited` are creates of an earlier process that are in doubt.
    pub(super) fn start(
        &mut self,
        ledger: Ledger,
        backlog: Backlog,
        inherited: Backlog,
        now: Instant,
    ) {
        self.failed_before = ledger.tally().failed;
        self.ledger = ledger;
        self.backlog = backlog;
        self.inherited = inherited;
        let calls = self.calls_left();
        self.dispatcher
            .lanes_mut()
            .expect(QuotaClass::Read, calls.read, now);
        self.dispatcher
            .lanes_mut()
            .expect(QuotaClass::Write, calls.write, now);
    }

    fn calls_left(&self) -> CallCounts {
        let batch_size = self.batch_size();
        self.backlog.calls(batch_size) + self.deferred.calls(batch_size)
    }

    /// What is to be done at `now`. To be called after everything that happened.
    pub(super) fn pump(&mut self, now: Instant) -> Vec<Effect> {
        self.pumped = now;
        if self.deadline().is_some_and(|deadline| deadline <= now) && !self.is_done() {
            self.stop(End::Parked(Parked::TimeIsUp));
        }
        self.begin_looks(now);
        self.release_unanswered();
        self.release_held();
        self.refill(now);
        let effects = self.dispatcher.pump(now);
        for effect in &effects {
            if let Effect::Record(_, event) = effect {
                self.ledger.apply(event);
            }
        }
        self.effects.extend(effects);
        std::mem::take(&mut self.effects)
    }

    /// When to call [`Core::pump`] again if nothing happens before: the first instant after the last pump at
    /// which there is something to do. It may have passed by now; then it is to be called at once.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        if self.end.is_some() {
            return None;
        }
        let pumped = self.pumped;
        let looks = self
            .unresolved
            .iter()
            .map(|unresolved| unresolved.due)
            .filter(|due| *due > pumped);
        let calls = self.dispatcher.wake_at(!self.backlog.is_empty(), pumped);
        looks
            .chain(calls)
            .chain(self.withheld_until())
            .chain(self.deadline())
            .min()
    }

    fn deadline(&self) -> Option<Instant> {
        self.settings.bounds.deadline
    }

    /// Whether nothing is left to do, or everything under way has landed after a stop.
    pub(super) fn is_done(&self) -> bool {
        if self.end.is_some() {
            return self.dispatcher.has_landed();
        }
        self.deferred.is_empty() && self.is_idle()
    }

    /// Whether all has ended that was not put off.
    fn is_idle(&self) -> bool {
        self.dispatcher.is_empty()
            && self.backlog.is_empty()
            && self.inherited.is_empty()
            && self.unresolved.is_empty()
            && self.held.is_empty()
            && self.withheld.is_empty()
            && self.loading == 0
    }

    /// How it ended.
    pub(super) fn end(&self) -> End {
        self.end.clone().unwrap_or(End::Finished)
    }

    /// Starts nothing any more; what is under way lands.
    pub(super) fn stop(&mut self, end: End) {
        if self.end.is_some() {
            return;
        }
        self.end = Some(end);
        for (id, call) in self.dispatcher.halt() {
            self.append_void(id, call.items());
        }
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(super) fn progress(&self, now: Instant) -> Progress {
        Progress::new(
            &self.dispatcher,
            self.ledger.tally(),
            self.calls_left(),
            &self.settings,
            self.settled_by(),
            now,
        )
    }

    /// When the last of what may be under way without an answer has been carried out, or never will be.
    fn settled_by(&self) -> Option<Instant> {
        let looks = self.unresolved.iter().map(|unresolved| unresolved.due);
        looks.chain(self.withheld_until()).max()
    }

    pub(super) fn signed_in(
        &mut self,
        result: Result<Duration, SignInError>,
        now: Instant,
        random: f64,
    ) {
        if let Err(error) = self.dispatcher.session_mut().signed_in(result, now, random) {
            self.stop(End::SignIn(error));
        }
    }

    pub(super) fn recorded(&mut self, id: CallId) {
        self.dispatcher.recorded(id);
        if self.end.is_some()
            && let Some(call) = self.dispatcher.take(id)
        {
            self.append_void(id, call.items());
        }
    }

    pub(super) fn loaded(&mut self, work: &Work, items: Vec<Item<'static>>, now: Instant) {
        self.loading -= 1;
        self.loading_changes -= usize::from(!matches!(work, Work::Create(_)));
        let mut items = self.renamed(items);
        match work {
            _ if items.is_empty() => {}
            Work::Create(_) => self.create(items, now),
            Work::Update(_) => {
                if let Some(item) = items.pop() {
                    if self.in_doubt(&item) {
                        self.await_unanswered(item.item, self.begun);
                    }
                    self.read_first(item);
                }
            }
            Work::Delete(_) => self.remove(items, now),
            Work::Merge(_) => self.merge(items, now),
        }
    }

    /// The items with the ids by which what they refer to goes now; those that refer to nothing any more have failed.
    fn renamed(&mut self, items: Vec<Item<'static>>) -> Vec<Item<'static>> {
        let mut renamed = Vec::with_capacity(items.len());
        for mut item in items {
            match self.id_remap.rename(&mut item) {
                Ok(()) => renamed.push(item),
                Err(failure) => self.fail(&item, failure),
            }
        }
        renamed
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
            self.await_unanswered(item.item, now);
        }
        match self.dispatcher.replied(id, reply, now, wall, random) {
            Disposition::Requeued => self.requeued(id, now),
            Disposition::Paused(wait) => {
                let class = self.dispatcher.call(id).map(|call| call.method().class());
                let class = class.filter(|_| self.dispatcher.lanes().pauses_all());
                self.effects
                    .extend(class.map(|class| Effect::Pause(class, now + wait)));
                self.requeued(id, now + wait);
                if self
                    .settings
                    .bounds
                    .max_wait
                    .is_some_and(|most| wait > most)
                {
                    let until = wall.saturating_add(wait).unwrap_or(Timestamp::MAX);
                    self.stop(End::Parked(Parked::Throttled(until)));
                }
            }
            Disposition::Barred(call, failure) => {
                self.append_void(id, call.items());
                self.stop(End::SignIn(SignInError::Refused(failure)));
            }
            Disposition::Retry(wait, failure) => self.retry_later(id, wait, &failure, now),
            Disposition::Judged(call, verdict) => {
                self.judged(id, call, verdict, answer_of(reply), now);
            }
        }
    }

    /// The call was not executed and waits again. What it changes is read anew, since by then the object may be
    /// another.
    fn requeued(&mut self, id: CallId, until: Instant) {
        let Some(call) = self.dispatcher.call(id) else {
            return;
        };
        self.append_void(id, call.items());
        match self.take_if_read_first(id) {
            Some(Call::Delete(items)) => self.look_before_deleting(items, until),
            Some(Call::Put(item, _) | Call::DeleteOne(item)) => {
                self.submit(Call::Read(item), true);
            }
            Some(Call::WriteList(mut merge, _)) => {
                merge.written = None;
                self.submit(Call::ReadList(merge), true);
            }
            _ => {}
        }
    }

    fn take_if_read_first(&mut self, id: CallId) -> Option<Call> {
        let is_read_first = self.dispatcher.call(id)?.is_read_first();
        is_read_first.then(|| self.dispatcher.take(id)).flatten()
    }

    fn judged(
        &mut self,
        id: CallId,
        job: Call,
        verdict: Verdict,
        answer: Option<&Answer>,
        now: Instant,
    ) {
        match job {
            Call::Create(items) => self.create_judged(id, items, verdict, answer, now),
            Call::Read(item) => self.read_judged(item, verdict, answer, now),
            Call::Put(item, _) => self.put_judged(item, verdict, now),
            Call::DeleteOne(item) => self.delete_one_judged(item, verdict, now),
            Call::Check(item, failure) => self.checked(&item, &failure, verdict, answer),
            Call::Delete(items) => self.delete_judged(id, items, verdict, now),
            Call::ReadList(merge) => self.list_read(*merge, verdict, answer, now),
            Call::WriteList(merge, _) => self.list_written(id, *merge, verdict, now),
            Call::Page(purpose, reader) => self.page_judged(purpose, reader, verdict, answer, now),
        }
    }

    /// A call that was not executed or may be repeated. What may have been executed in spite of its failure
    /// is read before it is repeated or given up.
    fn retry_later(&mut self, id: CallId, wait: Duration, failure: &Failure, now: Instant) {
        let Some(call) = self.dispatcher.call(id) else {
            return;
        };
        let (method, items) = (call.method(), call.items());
        let reads = method == Method::Get;
        let limit = self.settings.max_attempts.get() + if reads { READS_MORE } else { 0 };
        let attempts = self.dispatcher.attempts(id);
        if attempts == WORTH_SAYING {
            tracing::warn!(attempts, %failure, "a call fails again and again and is repeated");
        } else {
            tracing::info!(call = id, attempts, wait_ms = wait.as_millis(), %failure, "failed for now");
        }
        match self.take_if_read_first(id) {
            Some(Call::Put(item, _) | Call::DeleteOne(item)) => {
                return self.change_again(item, wait, failure, now);
            }
            Some(Call::WriteList(merge, _)) => return self.read_list_again(*merge, wait, now),
            Some(Call::Delete(items)) => return self.look_before_deleting(items, now + wait),
            _ => {}
        }
        if attempts >= limit {
            if let Some(call) = self.dispatcher.take(id) {
                let verdict = Verdict::Permanent(given_up(limit, failure));
                self.judged(id, call, verdict, None, now);
            }
            return;
        }
        if method == Method::Post {
            // Judged so only if it was not executed.
            self.append_void(id, items);
        }
        self.dispatcher.delay(id, wait, now);
    }

    /// Takes as much from the backlog as may soon be sent, and no more: what waits there costs four bytes.
    fn refill(&mut self, now: Instant) {
        if self.end.is_some() {
            return;
        }
        if self.is_idle() {
            self.backlog = std::mem::take(&mut self.deferred);
        }
        while let Some(work) = self.inherited.pop(self.batch_size()) {
            self.load(work);
        }
        let room = self.dispatcher.appetite(QuotaClass::Write, now);
        while self.wants_more(room) {
            let Some(work) = self.backlog.pop(self.batch_size()) else {
                return;
            };
            self.load(work);
        }
    }

    /// The most objects in the next call that creates or deletes some.
    fn batch_size(&self) -> u32 {
        if self.backlog.next_is_create() {
            u32::try_from(self.batch_limit.most()).unwrap_or(u32::MAX)
        } else {
            self.settings.batch_size.get()
        }
    }

    /// What is read first is read ahead of its slot, whatever room there is; all else waits for its slot.
    fn wants_more(&self, room: usize) -> bool {
        if self.backlog.next_is_read_first() {
            return self.open_changes + self.loading < CHANGES_AHEAD.max(room);
        }
        if self.backlog.next_is_bulk_delete() && (self.loading > 0 || self.is_removing()) {
            return false;
        }
        // Creates may need the room or the name that a delete or an update gives free.
        let creates_wait =
            self.backlog.next_is_create() && (self.may_free() || self.batch_limit.is_probing());
        self.loading < room && !creates_wait
    }

    fn may_free(&self) -> bool {
        self.loading_changes > 0 || self.dispatcher.calls().any(Call::may_free)
    }

    fn load(&mut self, work: Work) {
        self.loading += 1;
        self.loading_changes += usize::from(!matches!(work, Work::Create(_)));
        self.effects.push(Effect::Load(work));
    }

    fn submit(&mut self, call: Call, is_retry: bool) {
        let priority = if is_retry {
            Priority::Retry
        } else {
            Priority::Fresh
        };
        self.dispatcher.submit(call, priority, self.pumped);
    }

    fn submit_delayed(&mut self, call: Call, wait: Duration, now: Instant) {
        self.dispatcher
            .submit(call, Priority::RetryAfter(wait), now);
    }

    fn in_doubt(&self, item: &Item<'_>) -> bool {
        self.ledger.state(item.item) == State::InDoubt
    }

    /// Whether it was sent as often as it may be.
    fn is_spent(&self, item: &Item<'_>) -> bool {
        self.ledger.attempts(item.item) >= self.settings.max_attempts.get()
    }

    /// The call was certainly not executed and will be recorded anew before it is sent again.
    fn append_void(&mut self, call: CallId, items: Vec<ItemNumber>) {
        if !items.is_empty() {
            self.append(Event::Void { call, items });
        }
    }

    fn finish(&mut self, item: &Item<'_>, status: Status, id: Option<Id>) {
        self.append_outcomes(vec![done(item, status, id)]);
    }

    fn fail(&mut self, item: &Item<'_>, failure: Failure) {
        self.append_outcomes(vec![failed(item, failure)]);
    }

    fn fail_all(&mut self, items: &[Item<'_>], failure: &Failure) {
        self.append_outcomes(
            items
                .iter()
                .map(|item| failed(item, failure.clone()))
                .collect(),
        );
    }

    fn append_outcomes(&mut self, mut outcomes: Vec<Outcome>) {
        if !self.unanswered.is_empty() {
            let is_open = |outcome: &mut Outcome| self.is_open(outcome);
            let open: Vec<Outcome> = outcomes.extract_if(.., is_open).collect();
            self.withheld.extend(open);
        }
        if outcomes.is_empty() {
            return;
        }
        for outcome in &outcomes {
            self.unanswered.remove(&outcome.item);
            self.id_remap.note(outcome);
            self.learn_size(outcome);
        }
        self.append(Event::Outcomes(outcomes));
        let tally = self.ledger.tally();
        let failed = tally.failed - self.failed_before;
        let halt = self.settings.bounds.halt_on_failures;
        if halt.is_some_and(|most| failed > 0 && failed >= most.of(tally.items)) {
            self.stop(End::Parked(Parked::Failing(failed)));
        }
    }

    fn append(&mut self, event: Event) {
        self.ledger.apply(&event);
        self.effects.push(Effect::Append(event));
    }
}

fn answer_of(reply: &Reply) -> Option<&Answer> {
    match reply {
        Reply::Answer(answer) => Some(answer),
        Reply::NotSent(_) | Reply::Lost(_) => None,
    }
}

#[cfg(test)]
mod tests;
