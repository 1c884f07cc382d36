//! Other runs of the same tenant that have not finished. A new run must not do their work a second time.
//!
//! A call that such a run sent just before it stopped may still be carried out. Until then no listing shows its object,
//! and a new run would create the object once more. So a new run waits for the settle time if its rows are about items
//! that are in doubt in another run. Only then does it compare its rows with the tenant.

use std::collections::{HashMap, HashSet};
use std::path::{Path, absolute};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::time::Instant;

use super::error::{Error, ErrorKind};
use super::known_runs::KnownRuns;
use super::plan_input::PlanInput;
use super::recorded::recorded;
use super::session::Session;
use super::tenant::Tenant;
use crate::clock::{monotonic, wall};
use crate::engine::Items as _;
use crate::item::{Change, Item, Operation, Status};
use crate::journal;
use crate::ledger::State;
use crate::plan::{LiveCheck, Snapshot};
use crate::report::{self, Outcomes};
use crate::resource::{Kind, Part, Shape};
use crate::run::{Run, RunDirectory, RunError, RunState};
use crate::text::{rounded, shell_word};
use crate::wire::Id;

/// The operations that two processes must not do at once on the same object or list.
const EXCLUSIVE: [Operation; 2] = [Operation::Create, Operation::Merge];

const ALL: [Operation; 4] = [
    Operation::Create,
    Operation::Update,
    Operation::Delete,
    Operation::Merge,
];

/// The identity of an item's object or list. Two items with the same mark are about the same one.
type Mark = (Kind, Option<Id>, String);

#[derive(Debug)]
pub(super) struct OtherRuns {
    unfinished: Vec<RunState>,
    /// Unfinished runs that another run has replaced. They stopped so recently that their calls may still arrive.
    replaced: Vec<RunState>,
    /// Runs that cannot be read. Nobody knows which calls of theirs may still arrive.
    unreadable: Vec<RunDirectory>,
    read_at: Instant,
    known: KnownRuns,
    /// The unfinished runs that the new run replaces.
    superseded: Vec<RunDirectory>,
}

impl OtherRuns {
    /// Returns the same runs without that one.
    pub(super) fn without(mut self, run: &Run) -> Self {
        let other = |run_state: &RunState| run_state.directory.name() != run.directory.name();
        self.unfinished.retain(other);
        self.replaced.retain(other);
        self
    }

    /// Finds the runs of the tenant that have not finished: those below `runs`, and those that the table knows. Warns of
    /// a run that cannot be read.
    pub(super) fn find(runs: &Path, tenant: &Tenant, session: &Session<'_>) -> Result<Self, Error> {
        let mut others = Self {
            known: KnownRuns::find(runs, tenant)?,
            read_at: monotonic(),
            unfinished: Vec::new(),
            replaced: Vec::new(),
            unreadable: Vec::new(),
            superseded: Vec::new(),
        };
        for directory in others.known.unfinished() {
            if let Err(error) = others.add(&directory, &tenant.connection.customer) {
                let name = directory.name().to_string();
                session.observer.warn_of(&error.of_run(&name));
                others.unreadable.push(directory);
            }
        }
        others.read_at = monotonic();
        Ok(others)
    }

    fn add(&mut self, directory: &RunDirectory, customer: &str) -> Result<(), Error> {
        let header = journal::read_header(directory.path()).map_err(RunError::from)?;
        let recorded = recorded(&header)?;
        if header.tenant != customer || recorded.simulated {
            return Ok(());
        }
        if report::says_finished(directory.path()) {
            return self.known.take_in(directory, true);
        }
        let run_state = RunState::read(directory.clone())?;
        self.known.take_in(directory, run_state.is_finished())?;
        let settled = wall().saturating_sub(recorded.settle());
        let is_settled = settled.is_ok_and(|settled| settled >= run_state.last);
        let name = directory.name().to_string();
        if run_state.is_finished() {
            return Ok(());
        }
        if self.replaced_by(&name).is_none() {
            self.unfinished.push(run_state);
        } else if !is_settled || !self.known.is_settled(directory) {
            self.replaced.push(run_state);
        }
        Ok(())
    }

    /// Returns the run that was started in the place of the run of that name.
    pub(super) fn replaced_by(&self, name: &str) -> Option<&str> {
        self.known.replaced_by(name)
    }

    /// Tells the user of unfinished runs of one of these manifests, and asks whether the new run replaces them.
    ///
    /// # Errors
    /// [`ErrorKind::Run`] if a process works on such a run, [`ErrorKind::Usage`] for a no.
    pub(super) async fn offer_to_replace(
        &mut self,
        manifests: &[String],
        yes: bool,
        session: &Session<'_>,
    ) -> Result<(), Error> {
        let shares_manifest = |run_state: &&RunState| {
            let origin = run_state.plan.origin();
            let mut files = origin.files.iter();
            let base = Path::new(origin.named_in.as_deref().unwrap_or_default());
            let is_same = |file: &String, other| is_same_file(base, file, other);
            origin.undoes.is_none()
                && files.any(|file| manifests.iter().any(|other| is_same(file, other)))
        };
        for run_state in self.unfinished.iter().filter(shares_manifest) {
            let directory = run_state.directory.path().display();
            let resume = format!("zpa-bulk resume {}", shell_word(&directory));
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
                    "{resume} goes on with the run; --yes starts a new one in its place, which sends only rows that \
                     are new, changed or unfinished"
                )));
            }
            self.superseded.push(run_state.directory.clone());
        }
        Ok(())
    }

    /// Reads live state. If calls of other runs may still change it for the planned items, waits for them first.
    ///
    /// # Errors
    /// `unread` if live state cannot be read, [`ErrorKind::Run`] if another process is about to do the same work.
    pub(super) async fn live_without_conflict(
        &self,
        input: &dyn PlanInput,
        unread: ErrorKind,
        tenant: &mut Tenant,
        session: &Session<'_>,
    ) -> Result<Snapshot, Error> {
        let mut live = tenant.snapshot(input.scopes(), unread).await?;
        if self.may_still_change(&live, input, tenant)? {
            self.wait(tenant, session).await?;
            live = tenant.snapshot(input.scopes(), unread).await?;
        }
        self.refuse_claimed(|see| each_planned(&live, input, tenant, see))?;
        Ok(live)
    }

    /// Tells whether a call of another run may still change an object of the plan.
    fn may_still_change(
        &self,
        live: &Snapshot,
        input: &dyn PlanInput,
        tenant: &Tenant,
    ) -> Result<bool, Error> {
        if self.unreadable_may_change(tenant) {
            return Ok(true);
        }
        let live_check = LiveCheck::new(live);
        let in_doubt = self.in_doubt(|item| live_check.mismatch(item, None).is_some())?;
        meets(&in_doubt, |see| each_planned(live, input, tenant, see))
    }

    /// Waits for the settle time if a call of these runs may still change an object that `run` is about to change.
    pub(super) async fn wait_for_conflicts(
        &self,
        run: &Run,
        tenant: &Tenant,
        session: &Session<'_>,
    ) -> Result<(), Error> {
        if self.unreadable_may_change(tenant)
            || meets(&self.in_doubt(|_| true)?, |see| each_left(run, see))?
        {
            self.wait(tenant, session).await?;
        }
        Ok(())
    }

    /// Tells whether a run that cannot be read was at work so recently that its calls may still arrive.
    fn unreadable_may_change(&self, tenant: &Tenant) -> bool {
        let settled = SystemTime::from(wall()).checked_sub(tenant.engine_settings.settle);
        let mut written = self
            .unreadable
            .iter()
            .filter_map(RunDirectory::last_written);
        written.any(|written| settled.is_none_or(|settled| written > settled))
    }

    async fn wait(&self, tenant: &Tenant, session: &Session<'_>) -> Result<(), Error> {
        let until = self.read_at + self.settle(tenant)?;
        let left = until.saturating_duration_since(monotonic());
        session.observer.say(&format!(
            "calls of an unfinished run may still arrive: waiting {} before the rows are compared (--settle)",
            rounded(left)
        ));
        session.wait_until(until).await
    }

    /// Returns the longest settle time of these runs and the new one.
    fn settle(&self, tenant: &Tenant) -> Result<Duration, Error> {
        let mut longest = tenant.engine_settings.settle;
        for run_state in self.unfinished.iter().chain(&self.replaced) {
            longest = longest.max(recorded(&run_state.header)?.settle());
        }
        Ok(longest)
    }

    /// Returns the marks of items in doubt that the tenant does not show by now (`unseen`). An item that was sent more
    /// than once counts even if the tenant shows it, since another of its calls may still arrive.
    fn in_doubt(&self, unseen: impl Fn(&Item<'_>) -> bool) -> Result<HashSet<Mark>, Error> {
        let mut found = HashSet::new();
        for run_state in self.unfinished.iter().chain(&self.replaced) {
            let items = run_state.items(|_, state| state == State::InDoubt)?;
            let sent_again = |item: &Item<'_>| run_state.ledger.attempts(item.item) > 1;
            // An object that a process is changing is claimed, and nobody else changes it meanwhile.
            let claimed =
                |item: &Item<'_>| run_state.active && !EXCLUSIVE.contains(&Operation::of(item));
            let items = items.iter().filter(|item| !claimed(item));
            let items = items.filter(|item| sent_again(item) || unseen(item));
            found.extend(items.flat_map(marks));
        }
        Ok(found)
    }

    /// Refuses to resume a run if the rest of its work shares an object or a list with the work of another process.
    pub(super) fn refuse_shared_in(&self, run: &Run) -> Result<(), Error> {
        self.refuse_claimed(|see| each_left(run, see))
    }

    /// Refuses work that shares an object or a list with that of another process (see [`OtherRuns::claimed`]).
    fn refuse_claimed(
        &self,
        each: impl FnOnce(Visitor<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let claimed = self.claimed()?;
        let mut refused = Ok(());
        if !claimed.is_empty() {
            each(&mut |item| {
                if refused.is_ok() {
                    refused = refuse_claimed(item, &claimed);
                }
            })?;
        }
        refused
    }

    /// Returns the work that other processes have still to do, and that nobody may do besides them. Each comes with its
    /// run.
    fn claimed(&self) -> Result<HashMap<(Operation, Mark), &RunState>, Error> {
        let mut claimed = HashMap::new();
        for run in self.unfinished.iter().filter(|run| run.active) {
            let mut claim =
                |item: &Item<'_>| claimed.extend(exclusive(item).map(|mark| (mark, run)));
            run.plan.each_open(&run.ledger, &ALL, &mut claim)?;
        }
        Ok(claimed)
    }

    /// Returns the live objects that were created by the run that is retried, and by the runs that the new run
    /// replaces.
    pub(super) fn created(
        &self,
        retried: Option<&RunState>,
        live: &Snapshot,
    ) -> Result<HashSet<Id>, Error> {
        let is_superseded = |run_state: &&RunState| self.superseded.contains(&run_state.directory);
        let mut ids = HashSet::new();
        for run_state in self.unfinished.iter().filter(is_superseded).chain(retried) {
            ids.extend(created(run_state, live)?);
        }
        Ok(ids)
    }

    /// Returns the directories of the runs that the new run replaces.
    pub(super) fn superseded(&self) -> Vec<&RunDirectory> {
        self.superseded.iter().collect()
    }

    /// Returns the times of the last writes of these runs and of `previous`, oldest first. They count against the
    /// quota.
    pub(super) fn sent(&self, previous: Option<&RunState>) -> Vec<Timestamp> {
        let runs = self.unfinished.iter().chain(previous);
        let mut sent: Vec<Timestamp> = runs.flat_map(|run| &run.sent).copied().collect();
        sent.sort_unstable();
        sent
    }
}

/// Tells whether both names mean the same file; `one` is relative to `base`. Standard input is never the same.
fn is_same_file(base: &Path, one: &str, other: &str) -> bool {
    // A file that is gone is still known by its path.
    let place = |path: &Path| path.canonicalize().or_else(|_| absolute(path)).ok();
    one != "-" && place(&base.join(one)) == place(Path::new(other))
}

/// Takes the items of a plan, one by one.
type Visitor<'v> = &'v mut (dyn FnMut(&Item<'_>) + Send);

/// Visits the items that are planned now.
fn each_planned(
    live: &Snapshot,
    input: &dyn PlanInput,
    tenant: &Tenant,
    visit: Visitor<'_>,
) -> Result<(), Error> {
    input.plan(live, tenant, &mut |item, _| {
        visit(item);
        Ok(())
    })?;
    Ok(())
}

/// Visits the items of a run that have not ended.
fn each_left(run: &Run, visit: Visitor<'_>) -> Result<(), Error> {
    Ok(run.plan.each_open(&run.workload.ledger, &ALL, visit)?)
}

/// Tells whether one of the items has one of these marks.
fn meets(
    wanted: &HashSet<Mark>,
    each: impl FnOnce(Visitor<'_>) -> Result<(), Error>,
) -> Result<bool, Error> {
    let mut met = false;
    if !wanted.is_empty() {
        each(&mut |item| met |= marks(item).any(|mark| wanted.contains(&mark)))?;
    }
    Ok(met)
}

fn refuse_claimed(
    item: &Item<'_>,
    claimed: &HashMap<(Operation, Mark), &RunState>,
) -> Result<(), Error> {
    let Some(run) = exclusive(item).find_map(|mark| claimed.get(&mark)) else {
        return Ok(());
    };
    let (noun, key) = (item.resource.noun(), &item.key);
    let what = match Operation::of(item) {
        Operation::Merge => format!("change the list that the {noun} {key:?} is in"),
        Operation::Update => format!("use the new name of the {noun} {key:?}"),
        _ => format!("create the {noun} {key:?}"),
    };
    let directory = run.directory.path().display();
    let message = format!("a process is working on {directory}, a run that is to {what} too");
    Err(Error::new(ErrorKind::Run, message).hint("wait for it, or stop it, and try again"))
}

/// Returns the marks of work that two processes must not do at once: creating an object, giving a name to one, and changing
/// a list. Both would create the object. Both would write the whole list, each without the other's changes.
fn exclusive(item: &Item<'_>) -> impl Iterator<Item = (Operation, Mark)> + use<> {
    let operation = match Operation::of(item) {
        Operation::Update if new_name(item).is_some() => Some(Operation::Create),
        operation => Some(operation).filter(|operation| EXCLUSIVE.contains(operation)),
    };
    let marks = operation.map(|operation| marks(item).map(move |mark| (operation, mark)));
    marks.into_iter().flatten()
}

/// Returns the name that an update gives to its object, if it gives one.
fn new_name<'i>(item: &'i Item<'_>) -> Option<&'i str> {
    match &item.change {
        Change::Update { set, .. } => set.text(item.resource.key_field()),
        _ => None,
    }
}

/// Returns the marks of an item: the names and the id of its object, or the list of which the object is an element. A
/// list is written as a whole.
fn marks(item: &Item<'_>) -> impl Iterator<Item = Mark> + use<> {
    let kind = item.resource;
    // A row that names no microtenant means the Default one, whose id is 0.
    let home = item.microtenant.clone().filter(|id| id.as_str() != "0");
    let names = match kind.shape() {
        Shape::List => vec![item.part.as_ref().map_or("", Part::as_str).to_owned()],
        Shape::Collection | Shape::Single => {
            let names = [Some(item.key.as_ref()), new_name(item)]
                .into_iter()
                .flatten();
            let keys = names.map(|name| format!("key {}", kind.comparable_key(name.into())));
            keys.chain(item.change.id().map(|id| format!("id {id}")))
                .collect()
        }
    };
    names
        .into_iter()
        .map(move |name| (kind, home.clone(), name))
}

/// Returns the live objects that a run has created: those that its journal names, and exact copies of items whose calls
/// may have been carried out.
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
            State::InDoubt | State::Finished(Status::Failed | Status::Stale)
                if run_state.ledger.attempts(number) > 0 =>
            {
                let item = run_state.plan.load(number);
                live_check.copy_of(&item.map_err(|e| run_state.directory.unreadable(e))?)
            }
            _ => None,
        };
        created.extend(id.filter(|id| there.contains(id)));
    }
    Ok(created)
}
