//! Runs that were started before and have not ended, as far as a new one must know of them.
//!
//! What such a run was about to send when it ended may still be carried out, though a listing does not show it yet.
//! A new run that knew nothing of it would create it once more. So what is in doubt there and not to be seen is given
//! the settle time, before rows about it are compared with the tenant.

use std::collections::{HashMap, HashSet};
use std::path::{Path, absolute};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::error::{Error, ErrorKind};
use super::recorded::recorded;
use super::session::Session;
use super::tenant::Tenant;
use super::text::rounded;
use super::work::Work;
use crate::clock::{monotonic, wall};
use crate::engine::Items as _;
use crate::item::{Item, Operation, Status};
use crate::ledger::State;
use crate::plan::{LiveCheck, Snapshot};
use crate::report::{self, Outcomes};
use crate::resource::{Kind, Shape};
use crate::run::{self, Lineage, Run, RunError, RunState};
use crate::wire::Id;

/// What two processes must not do at once to the same: both would create it, and of a list that is written as a whole
/// each would take out what the other has put in.
const ALONE: [Operation; 2] = [Operation::Create, Operation::Merge];

const ALL: [Operation; 4] = [
    Operation::Create,
    Operation::Update,
    Operation::Delete,
    Operation::Merge,
];

/// What two items have in common that are about the same.
type Mark = (Kind, Option<Id>, String);

/// The unfinished runs of a tenant.
#[derive(Debug)]
pub(super) struct OtherRuns {
    unfinished: Vec<RunState>,
    /// Those in whose place others were started so shortly ago that what they had under way may still arrive.
    replaced: Vec<RunState>,
    /// No process worked on them from then on.
    seen: Instant,
    /// Those of them in whose place the new run is started.
    superseded: Vec<String>,
}

impl OtherRuns {
    /// None: the tenant starts afresh.
    pub(super) fn none() -> Self {
        Self {
            unfinished: Vec::new(),
            replaced: Vec::new(),
            seen: monotonic(),
            superseded: Vec::new(),
        }
    }

    /// The same without that run.
    pub(super) fn without(mut self, run: &Run) -> Self {
        let other = |run_state: &RunState| run_state.directory.name() != run.directory.name();
        self.unfinished.retain(other);
        self.replaced.retain(other);
        self
    }

    /// Those of that tenant below `runs`.
    pub(super) fn find(runs: &Path, tenant: &str, session: &Session<'_>) -> Result<Self, Error> {
        let mut others = Self::none();
        let lineage = Lineage::read(runs)?;
        for directory in run::list(runs)? {
            let name = directory.name().to_string();
            if report::says_finished(directory.path()) {
                continue;
            }
            match run::run_state(directory) {
                Ok(run_state) => {
                    let recorded = recorded(&run_state.header)?;
                    let is_own = run_state.header.tenant == tenant && !recorded.simulated;
                    if !is_own || run_state.is_finished() {
                        continue;
                    }
                    if lineage.superseded_by(&name).is_none() {
                        others.unfinished.push(run_state);
                    } else if wall() < run_state.last + recorded.settle() {
                        others.replaced.push(run_state);
                    }
                }
                Err(error) => session.observer.warn_of(&Error::from(error).of_run(&name)),
            }
        }
        others.seen = monotonic();
        Ok(others)
    }

    /// Points those out that are about one of these manifests. The new run takes their place, if the user wants it.
    pub(super) async fn offer_to_replace(
        &mut self,
        manifests: &[String],
        yes: bool,
        session: &Session<'_>,
    ) -> Result<(), Error> {
        let same = |run_state: &&RunState| {
            let origin = run_state.plan.origin();
            let mut files = origin.files.iter();
            let base = origin.named_in.as_deref().unwrap_or_default();
            let is_same = |file: &String, other| is_same(Path::new(base), file, other);
            origin.undoes.is_none()
                && files.any(|file| manifests.iter().any(|other| is_same(file, other)))
        };
        for run_state in self.unfinished.iter().filter(same) {
            let directory = run_state.directory.path().display();
            let resume = format!("zpa-bulk resume {directory}");
            if run_state.active {
                let message =
                    format!("a process is working on a run of this manifest: {directory}");
                return Err(Error::new(ErrorKind::Run, message)
                    .hint("wait for it, or stop it, and try again"));
            }
            let tally = run_state.ledger.tally();
            session.observer.warn(&format!(
                "a run of this manifest is unfinished: {} of {} rows have ended; to go on with it: {resume}",
                tally.finished(),
                tally.items
            ));
            let question = "Start a new run in its place?";
            let agreed = yes || session.confirm(question).await;
            if !agreed {
                return Err(Error::usage("nothing was changed").hint(format!(
                    "{resume} goes on with the run; --yes starts a new one in its place, which sends only what is new, \
                     changed or unfinished"
                )));
            }
            self.superseded.push(run_state.directory.name().to_string());
        }
        Ok(())
    }

    /// Reads live state, together with whatever other runs had under way of the planned work.
    ///
    /// # Errors
    /// `unread` when live state cannot be read, [`ErrorKind::Run`] when another process is still to do the same work.
    pub(super) async fn live_without_conflict(
        &self,
        work: &dyn Work,
        unread: ErrorKind,
        tenant: &mut Tenant,
        session: &Session<'_>,
    ) -> Result<Snapshot, Error> {
        let mut live = tenant.snapshot(work.scopes(), unread).await?;
        if self.has_under_way(&live, work, tenant)? {
            self.wait(tenant, session).await?;
            live = tenant.snapshot(work.scopes(), unread).await?;
        }
        self.refuse_shared(&live, work, tenant)?;
        Ok(live)
    }

    /// Whether the plan is about something that another run had under way and that no listing shows.
    fn has_under_way(
        &self,
        live: &Snapshot,
        work: &dyn Work,
        tenant: &Tenant,
    ) -> Result<bool, Error> {
        let live_check = LiveCheck::new(live);
        let open = self.under_way(|item| live_check.mismatch(item, None).is_some())?;
        let mut met = false;
        if !open.is_empty() {
            work.plan(live, tenant, &mut |item, _| {
                met |= marks(item).any(|mark| open.contains(&mark));
                Ok(())
            })?;
        }
        Ok(met)
    }

    /// Waits until whatever these runs had under way of what is still to be done in that one has arrived.
    pub(super) async fn wait_for_conflicts(
        &self,
        run: &Run,
        tenant: &Tenant,
        session: &Session<'_>,
    ) -> Result<(), Error> {
        let open = self.under_way(|_| true)?;
        let mut met = false;
        if !open.is_empty() {
            run.each_open(&ALL, |item| {
                met |= marks(item).any(|mark| open.contains(&mark));
            })?;
        }
        if met {
            self.wait(tenant, session).await?;
        }
        Ok(())
    }

    async fn wait(&self, tenant: &Tenant, session: &Session<'_>) -> Result<(), Error> {
        let until = self.seen + self.settle(tenant)?;
        let left = until.saturating_duration_since(monotonic());
        session.observer.say(&format!(
            "calls of an unfinished run may still arrive; they are given {} before the rows are compared (--settle)",
            rounded(left)
        ));
        session.wait_until(until).await
    }

    /// How long what those runs sent may still be carried out.
    fn settle(&self, tenant: &Tenant) -> Result<Duration, Error> {
        let mut longest = tenant.engine_settings.settle;
        for run_state in self.unfinished.iter().chain(&self.replaced) {
            longest = longest.max(recorded(&run_state.header)?.settle());
        }
        Ok(longest)
    }

    /// The marks of what those runs had under way, and that is `unseen`. Of what was sent more than once, another call
    /// may still arrive though it is to be seen.
    fn under_way(&self, unseen: impl Fn(&Item<'_>) -> bool) -> Result<HashSet<Mark>, Error> {
        let mut open = HashSet::new();
        for run_state in self.unfinished.iter().chain(&self.replaced) {
            let items = run_state.items(|_, state| state == State::InDoubt)?;
            let sent_again = |item: &Item<'_>| run_state.ledger.attempts(item.item) > 1;
            let items = items.iter().filter(|item| sent_again(item) || unseen(item));
            open.extend(items.flat_map(marks));
        }
        Ok(open)
    }

    /// Refuses a plan that creates what another process is about to create, changes a list that it changes, or updates
    /// what it has updated without an answer.
    fn refuse_shared(
        &self,
        live: &Snapshot,
        work: &dyn Work,
        tenant: &Tenant,
    ) -> Result<(), Error> {
        let taken = self.taken()?;
        let mut refused = Ok(());
        if !taken.is_empty() {
            work.plan(live, tenant, &mut |item, _| {
                if refused.is_ok() {
                    refused = refuse_taken(item, &taken);
                }
                Ok(())
            })?;
        }
        refused
    }

    /// Refuses to go on with such a run.
    pub(super) fn refuse_shared_in(&self, run: &Run) -> Result<(), Error> {
        let taken = self.taken()?;
        let mut refused = Ok(());
        if !taken.is_empty() {
            run.each_open(&ALL, |item| {
                if refused.is_ok() {
                    refused = refuse_taken(item, &taken);
                }
            })?;
        }
        refused
    }

    /// What one process alone may do and others are still to do: by the hash of its way and its mark, with their run.
    fn taken(&self) -> Result<HashMap<(Operation, Mark), &RunState>, Error> {
        let mut taken = HashMap::new();
        for run in self.unfinished.iter().filter(|run| run.active) {
            let mut take =
                |item: &Item<'_>| taken.extend(operation_marks(item).map(|mark| (mark, run)));
            run.each_open(&ALONE, &mut take)?;
            let in_doubt = |item: &Item<'_>| run.ledger.state(item.item) == State::InDoubt;
            run.each_open(&[Operation::Update], |item| {
                if in_doubt(item) {
                    take(item);
                }
            })?;
        }
        Ok(taken)
    }

    /// The live objects that were created by the run that is retried, and by those in whose place the new one is
    /// started.
    pub(super) fn created(
        &self,
        retried: Option<&RunState>,
        live: &Snapshot,
    ) -> Result<HashSet<Id>, Error> {
        let is_superseded = |run_state: &&RunState| {
            let name = run_state.directory.name().to_string();
            self.superseded.contains(&name)
        };
        let mut own = HashSet::new();
        for run_state in self.unfinished.iter().filter(is_superseded).chain(retried) {
            own.extend(created(run_state, live)?);
        }
        Ok(own)
    }

    /// The names of the runs in whose place the new one is started.
    pub(super) fn superseded(&self) -> Vec<String> {
        self.superseded.clone()
    }

    /// When these runs and the one that is retried sent their last writes, which count against the quota, oldest first.
    pub(super) fn sent(&self, retried: Option<&RunState>) -> Vec<Timestamp> {
        let runs = self.unfinished.iter().chain(retried);
        let mut sent: Vec<Timestamp> = runs.flat_map(|run| &run.sent).copied().collect();
        sent.sort_unstable();
        sent
    }
}

/// Whether both name the same file, the one in that directory. What comes from standard input is never the same.
fn is_same(base: &Path, one: &str, other: &str) -> bool {
    one != "-" && absolute(base.join(one)).ok() == absolute(other).ok()
}

fn refuse_taken(
    item: &Item<'_>,
    taken: &HashMap<(Operation, Mark), &RunState>,
) -> Result<(), Error> {
    let Some(run) = operation_marks(item).find_map(|mark| taken.get(&mark)) else {
        return Ok(());
    };
    let (noun, key) = (item.resource.noun(), &item.key);
    let what = match Operation::of(item) {
        Operation::Merge => format!("change the list that the {noun} {key:?} is in"),
        Operation::Update => format!("update the {noun} {key:?}"),
        _ => format!("create the {noun} {key:?}"),
    };
    let directory = run.directory.path().display();
    let message = format!("a process is working on {directory}, which is to {what} too");
    Err(Error::new(ErrorKind::Run, message).hint("wait for it, or stop it, and try again"))
}

/// The marks of an item together with its operation.
fn operation_marks(item: &Item<'_>) -> impl Iterator<Item = (Operation, Mark)> + use<> {
    let operation = Operation::of(item);
    marks(item).map(move |mark| (operation, mark))
}

/// What two items have in common that are about the same: the name or the id of their object, or the list that it
/// is an element of, which is written as a whole.
fn marks(item: &Item<'_>) -> impl Iterator<Item = Mark> + use<> {
    let kind = item.resource;
    // Naming the Default microtenant and naming none is the same.
    let home = item.microtenant.clone().filter(|id| id.as_str() != "0");
    let names = match kind.shape() {
        Shape::List => vec![item.part.as_deref().unwrap_or_default().to_owned()],
        Shape::Collection | Shape::Single => {
            let key = kind.comparable_key(item.key.as_ref().into()).into_owned();
            let id = item.change.id().map(|id| format!("id {id}"));
            [format!("key {key}")].into_iter().chain(id).collect()
        }
    };
    names
        .into_iter()
        .map(move |name| (kind, home.clone(), name))
}

/// The live objects that a run has created: those of which it knows, and those that are as what it sent without
/// knowing what came of it.
fn created(run_state: &RunState, live: &Snapshot) -> Result<HashSet<Id>, Error> {
    let objects = live.listings.iter().flat_map(|listing| &listing.objects);
    let there: HashSet<Id> = objects.filter_map(Id::of).collect();
    let outcomes =
        Outcomes::read(run_state.directory.path(), run_state.plan.len()).map_err(RunError::from)?;
    let live_check = LiveCheck::new(live);
    let mut created = HashSet::new();
    for (number, entry) in run_state.plan.entries() {
        if entry.operation != Operation::Create {
            continue;
        }
        let id = match run_state.ledger.state(number) {
            State::Finished(Status::Created | Status::Recovered) => outcomes.id(number),
            State::InDoubt | State::Finished(Status::Failed)
                if run_state.ledger.attempts(number) > 0 =>
            {
                let item = run_state.plan.load(number);
                live_check.copy_of(&item.map_err(|e| run_state.unreadable(e))?)
            }
            _ => None,
        };
        created.extend(id.filter(|id| there.contains(id)));
    }
    Ok(created)
}
