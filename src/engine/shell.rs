//! The shell: the one select loop, which carries the core's effects out and tells the core everything that happens.
//!
//! No other file of the engine reads a clock, draws random bits or spawns a task.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::sleep_until;

use super::call::CallId;
use super::coordinator::{Ask, Coordinator, Member, Told};
use super::core::Core;
use super::effect::Effect;
use super::listing::ListingReader;
use super::observed::Observed;
use super::observer::{EngineObserver, Sending};
use super::progress::Progress;
use super::settings::{Bounds, End, EngineSettings};
use super::workload::Workload;
use crate::clock::{monotonic, random_bits, since_boot, wall};
use crate::coordination::{Coordination, CoordinationError, Now};
use crate::item::{Event, Item, ItemNumber};
use crate::journal::{Journal, JournalError};
use crate::ledger::Ledger;
use crate::plan::{Snapshot, Work};
use crate::resource::Scope;
use crate::wire::{Id, Object, QuotaClass, Reply, Request};
use crate::zpa::{Api, SignInError};

/// The items of a plan, by number.
pub trait Items {
    /// Reads the item of that number.
    ///
    /// # Errors
    /// The error with which the plan cannot be read.
    fn load(&self, number: ItemNumber) -> io::Result<Item<'static>>;
}

/// The error that ends a run that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal cannot be written: nothing may be sent without it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The plan cannot be read.
    #[error("the plan of the run cannot be read")]
    Plan(#[from] io::Error),
}

/// The engine of one tenant.
#[derive(Debug)]
pub struct Engine<A> {
    api: Arc<A>,
    core: Core,
    calls: JoinSet<(Sent, Reply)>,
    /// The sign-in under way, and its beginning.
    signing_in: Option<(std::time::Instant, JoinHandle<SignedIn>)>,
    recorder: Recorder,
    /// In a box, since futures hold the engine.
    observed: Box<Observed>,
    coordinator: Option<Coordinator>,
    /// True if the table knows calls that were sent before this process began.
    knows_sent: bool,
    progress: watch::Sender<Option<Progress>>,
    stop: watch::Receiver<bool>,
}

/// A call that was sent.
type Sent = (CallId, Sending, std::time::Instant);

type SignedIn = Result<Duration, SignInError>;

impl<A: Api> Engine<A> {
    /// An engine on that API. It starts nothing more once `stop` is true.
    pub fn new(api: A, settings: EngineSettings, stop: watch::Receiver<bool>) -> Self {
        Self {
            api: Arc::new(api),
            core: Core::new(settings, now()),
            calls: JoinSet::new(),
            signing_in: None,
            recorder: Recorder::default(),
            observed: Box::new(Observed::new(wall(), now())),
            coordinator: None,
            knows_sent: false,
            progress: watch::Sender::new(None),
            stop,
        }
    }

    /// Shares the tenant with the other processes that drive it: its quotas, and its objects.
    ///
    /// # Errors
    /// The error with which the calls that they sent cannot be read.
    pub fn share(&mut self, table: Coordination) -> Result<(), CoordinationError> {
        for class in [QuotaClass::Read, QuotaClass::Write] {
            let sent = table.change(Now::read(), |table| table.recent(class))?;
            self.knows_sent |= !sent.is_empty();
            let sent = sent
                .into_iter()
                .filter_map(|(at, path)| Some((instant_of_uptime(at)?, path)));
            let sent = sent.collect();
            self.core.lanes().prime(class, sent);
        }
        self.core.share();
        self.coordinator = Some(Coordinator::new(table));
        Ok(())
    }

    /// Tells that observer of every call from now on, and of every item that ends.
    pub fn observe(&mut self, observer: Arc<dyn EngineObserver>) {
        self.observed.by(observer, &self.core.paces());
    }

    /// Claims objects for that run from now on, if the tenant is shared.
    pub fn join(&mut self, run: Member) {
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.join(run);
        }
    }

    /// The channel on which the engine publishes its progress, after everything that happens.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Option<Progress>> {
        self.progress.subscribe()
    }

    /// The progress at this instant.
    #[must_use]
    pub fn progress_now(&self) -> Progress {
        self.core.progress(now())
    }

    /// Sets the bounds at which a run is parked before its end.
    pub fn stop_at(&mut self, bounds: Bounds) {
        self.core.stop_at(bounds);
    }

    /// Reads all objects of these scopes.
    ///
    /// # Errors
    /// The [`End`] that came before all was read.
    pub async fn snapshot(&mut self, scopes: Vec<Scope>) -> Result<Snapshot, End> {
        for scope in scopes {
            self.core.list(ListingReader::new(scope, now()), now());
        }
        self.read_all().await
    }

    /// Reads the object with that id; none when there is none.
    ///
    /// # Errors
    /// The [`End`] that came before it was read.
    pub async fn read(&mut self, scope: Scope, id: Id) -> Result<Option<Object>, End> {
        let reader = ListingReader::of_one(scope, id, now());
        self.core.list(reader, now());
        let mut listings = self.read_all().await?.listings;
        Ok(listings.pop().and_then(|mut listing| listing.objects.pop()))
    }

    async fn read_all(&mut self) -> Result<Snapshot, End> {
        match self.drive(&NoItems).await {
            Ok(End::Finished) => Ok(self.core.take_snapshot()),
            Ok(end) => Err(end),
            // Reading writes no journal and loads no item.
            Err(_) => Err(End::Stopped),
        }
    }

    /// Carries a run out. Returns its end and the state of every item.
    ///
    /// # Errors
    /// [`EngineError`]. Items that were sent and not written down are in doubt then.
    pub async fn carry_out(
        &mut self,
        workload: Workload,
        items: &impl Items,
    ) -> Result<(End, Ledger), EngineError> {
        if !self.knows_sent {
            let sent = workload.sent_before.iter().copied();
            let sent = sent.filter_map(|at| Some((instant_of(at)?, Arc::default())));
            let sent = sent.collect();
            self.core.lanes().prime(QuotaClass::Write, sent);
        }
        self.recorder.journal = Some(self.core.start(workload));
        let end = self.drive(items).await?;
        Ok((end, self.core.ledger().clone()))
    }

    async fn drive(&mut self, items: &impl Items) -> Result<End, EngineError> {
        loop {
            self.carry_effects(items)?;
            if let Some(coordinator) = &mut self.coordinator {
                coordinator.begin();
            }
            self.recorder.write(self.core.is_done());
            let progress = self.core.progress(now());
            self.observed.idle(&progress, now());
            self.progress.send_replace(Some(progress));
            let is_told = self.coordinator.as_ref().is_none_or(Coordinator::is_idle);
            if self.core.is_done() && self.recorder.is_idle() && is_told {
                return Ok(self.core.end());
            }
            self.wait().await?;
        }
    }

    /// Carries effects out until there are none, since loading items may lead to more.
    fn carry_effects(&mut self, items: &impl Items) -> Result<(), EngineError> {
        // Judged anew each time, since the wall clock may have been set.
        let window_end = self.core.window_end().map(instant_of_wall);
        self.core.window_ends(window_end);
        loop {
            let effects = self.core.pump(now());
            if effects.is_empty() {
                return Ok(());
            }
            for effect in effects {
                self.observed.effect(&effect, now());
                match effect {
                    Effect::SignIn => self.sign_in(),
                    Effect::TakeSlot(lane, request) => {
                        let earliest = uptime_of(request.earliest);
                        self.ask(Ask::Slot(lane, Box::new(request), earliest));
                    }
                    Effect::Pause(class, until) => self.ask(Ask::Pause(class, uptime_of(until))),
                    Effect::Tell(tell) => self.ask(Ask::Tell(tell)),
                    Effect::Send(id, request) => self.send(id, request),
                    Effect::Record(id, event) => self.recorder.push(event, Some(id)),
                    Effect::Append(event) => self.recorder.push(event, None),
                    Effect::Load(work) => {
                        let loaded = load(&work, items)?;
                        self.core.loaded(&work, loaded, now());
                    }
                }
            }
        }
    }

    fn send(&mut self, id: CallId, request: Request) {
        if request.method.class() == QuotaClass::Write {
            self.ask(Ask::Sends);
        }
        let at = now();
        let sending = Sending::of(&request, self.observed.time(at));
        let api = Arc::clone(&self.api);
        self.calls
            .spawn(async move { ((id, sending, at), api.send(request).await) });
    }

    fn sign_in(&mut self) {
        let api = Arc::clone(&self.api);
        let signing_in = tokio::spawn(async move { api.sign_in().await });
        self.signing_in = Some((now(), signing_in));
    }

    fn ask(&mut self, ask: Ask) {
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.ask(ask);
        }
    }

    /// Takes in answers of the table. Without the table nothing more is sent.
    fn told(&mut self, answers: Result<Vec<Told>, CoordinationError>) {
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                self.coordinator = None;
                return self.core.stop(End::Uncoordinated(error.to_string()));
            }
        };
        for answer in answers {
            match answer {
                Told::Slot(lane, slot, tolerance) => {
                    let from = instant_at(slot.at);
                    let until = from + tolerance;
                    self.core.lanes().take_slot(&lane, slot, from, until);
                }
                Told::Deleted(ids) => self.core.deleted(ids),
                Told::Claimed(object, holder) => {
                    self.core.claimed(&object, holder.as_ref(), now());
                }
            }
        }
    }

    /// Waits for the next thing to happen and tells the core.
    async fn wait(&mut self) -> Result<(), EngineError> {
        let wake_at = self.core.wake_at();
        debug_assert!(
            wake_at.is_some()
                || !self.calls.is_empty()
                || self.signing_in.is_some()
                || self.recorder.committing.is_some()
                || !self.coordinator.as_ref().is_none_or(Coordinator::is_idle),
            "nothing is under way and nothing is to come: {:?}",
            self.core
        );
        let told = self.coordinator.as_mut().map(Coordinator::answered);
        tokio::select! {
            Some(joined) = self.calls.join_next() => {
                self.take(joined);
                // Whatever else has come is taken in at once: then their records share a sync.
                while let Some(joined) = self.calls.try_join_next() {
                    self.take(joined);
                }
            }
            answers = or_never(told) => self.told(unwind(answers)),
            result = or_never(self.signing_in.as_mut().map(|(_, result)| result)) => {
                self.signed_in(unwind(result));
            }
            committed = self.recorder.committed() => {
                for id in committed? {
                    self.core.recorded(id);
                }
            }
            () = or_never(wake_at.map(|at| sleep_until(at.into()))) => {}
            () = told_to(&mut self.stop), if self.core.end() == End::Finished => {
                self.core.stop(End::Stopped);
            }
        }
        Ok(())
    }
}

impl<A> Engine<A> {
    fn take(&mut self, joined: Result<(Sent, Reply), JoinError>) {
        let ((id, sending, sent), reply) = unwind(joined);
        self.observed.replied(sending, sent, &reply, now());
        self.core.replied(id, &reply, now(), wall(), random());
    }

    fn signed_in(&mut self, result: SignedIn) {
        if let Some((begun, _)) = self.signing_in.take() {
            self.observed.signed_in(&result, begun, now());
        }
        self.core.signed_in(result, now(), wall(), random());
    }
}

/// Collects events, and puts them on disk while the loop goes on. All that arrive during a sync share the next one.
/// Outcomes alone are not worth a sync of their own.
#[derive(Debug, Default)]
struct Recorder {
    journal: Option<Journal>,
    pending: Vec<(Event, Timestamp)>,
    waiting: Vec<CallId>,
    committing: Option<JoinHandle<(Journal, Result<(), JournalError>)>>,
    in_commit: Vec<CallId>,
    unsynced: bool,
}

impl Recorder {
    fn push(&mut self, event: Event, waiting: Option<CallId>) {
        self.pending.push((event, wall()));
        self.waiting.extend(waiting);
    }

    /// Starts a write, with a sync if a call waits for it or `all` events must be on disk.
    fn write(&mut self, all: bool) {
        if self.pending.is_empty() && !(all && self.unsynced) {
            return;
        }
        let Some(mut journal) = self.journal.take() else {
            return;
        };
        let events = std::mem::take(&mut self.pending);
        self.in_commit = std::mem::take(&mut self.waiting);
        let sync = all || !self.in_commit.is_empty();
        self.unsynced = !sync;
        self.committing = Some(tokio::task::spawn_blocking(move || {
            let mut appended = events.iter();
            let appended = appended.try_for_each(|(event, at)| journal.append(event, *at));
            let result = appended.and_then(|()| {
                if sync {
                    journal.commit()
                } else {
                    journal.write()
                }
            });
            (journal, result)
        }));
    }

    /// Waits for the write under way, for ever if there is none. Returns the calls that waited for it.
    async fn committed(&mut self) -> Result<Vec<CallId>, JournalError> {
        let (journal, result) = unwind(or_never(self.committing.as_mut()).await);
        self.committing = None;
        self.journal = Some(journal);
        result?;
        Ok(std::mem::take(&mut self.in_commit))
    }

    fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.committing.is_none() && !self.unsynced
    }
}

/// A plan without items, for reading alone.
struct NoItems;

impl Items for NoItems {
    fn load(&self, number: ItemNumber) -> io::Result<Item<'static>> {
        Err(io::Error::other(format!("there is no item {number}")))
    }
}

fn load(work: &Work, items: &impl Items) -> io::Result<Vec<Item<'static>>> {
    match work {
        Work::Create(numbers) | Work::Delete(numbers) | Work::Merge(numbers) => {
            numbers.iter().map(|number| items.load(*number)).collect()
        }
        Work::Update(number) => Ok(vec![items.load(*number)?]),
    }
}

/// Waits for ever if there is nothing to wait for.
async fn or_never<F: Future>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

/// Returns the value of a task, or goes on panicking: tasks here are never cancelled, so one that failed has
/// panicked.
fn unwind<T>(result: Result<T, JoinError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

async fn told_to(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Nobody is left who could stop it.
        pending::<()>().await;
    }
}

/// The instant of a time in the past. A time in the future counts as now.
fn instant_of(past: Timestamp) -> Option<std::time::Instant> {
    let ago = wall().duration_since(past);
    now().checked_sub(Duration::try_from(ago).unwrap_or(Duration::ZERO))
}

/// The instant of a time by the clock that processes share. A time in the past counts as now.
fn instant_at(uptime: i64) -> std::time::Instant {
    let ahead = uptime.saturating_sub(since_boot().1);
    now() + Duration::from_nanos(ahead.try_into().unwrap_or(0))
}

/// The instant of a time in the past, by the clock that processes share.
fn instant_of_uptime(past: i64) -> Option<std::time::Instant> {
    let ago = since_boot().1.saturating_sub(past);
    now().checked_sub(Duration::from_nanos(ago.try_into().unwrap_or(0)))
}

/// The instant of a time by the wall clock. A time in the past counts as now.
fn instant_of_wall(time: Timestamp) -> std::time::Instant {
    let left = time.duration_since(wall());
    now() + Duration::try_from(left).unwrap_or(Duration::ZERO)
}

/// The time of an instant that is now or to come, by the clock that processes share.
fn uptime_of(instant: std::time::Instant) -> i64 {
    let ahead = instant.saturating_duration_since(now());
    let ahead = i64::try_from(ahead.as_nanos()).unwrap_or(i64::MAX);
    since_boot().1.saturating_add(ahead)
}

/// The instant by tokio's clock, which tests can stop.
fn now() -> std::time::Instant {
    monotonic().into_std()
}

/// A number, uniform in 0..1, that spreads waits. Nothing depends on its quality.
fn random() -> f64 {
    let bits = random_bits() >> 40;
    f64::from(u32::try_from(bits).unwrap_or(0)) / f64::from(1_u32 << 24)
}

#[cfg(test)]
mod tests;
