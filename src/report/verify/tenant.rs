//! Verification of the rows of a run against the tenant.
//!
//! - A change that the run claims must be there.
//! - Nothing must have come of a row that failed, or whose object was spared.
//! - A name must not be there twice, and one object must not stand for two rows.
//!
//! A later run may have carried out what failed in this one, or deleted what this one spared. Such rows are as they are
//! said to be.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;

use super::{Findings, Verification};
use crate::item::{Change, ItemNumber, Status};
use crate::ledger::State;
use crate::plan::{Appearance, LiveCheck, Snapshot};
use crate::resource::{Kind, Scope, Shape};
use crate::run::{self, Lineage, PlanLine, RunError};
use crate::wire::Id;

/// A row that, by the run, changed nothing, and whose change the tenant shows.
struct Contradiction {
    number: ItemNumber,
    status: Status,
    shown: Appearance,
    /// The ends of items in other runs that explain it.
    explained_by: &'static [Status],
}

impl Contradiction {
    /// Returns true if an item of another run ended so that the tenant shows what it shows.
    fn is_explained_by(&self, ends: &HashSet<(Id, Status)>) -> bool {
        let mut explained_by = self.explained_by.iter();
        let id = self.shown.id.as_ref();
        id.is_some_and(|id| explained_by.any(|status| ends.contains(&(id.clone(), *status))))
    }
}

/// The ends of items in other runs after which an object is there.
const MADE: [Status; 2] = [Status::Created, Status::Recovered];

/// The ends of items in other runs after which an object may have other values.
const UPDATED: [Status; 2] = [Status::Updated, Status::Recovered];

/// The ends of items in other runs after which an object is gone.
const DELETED: [Status; 1] = [Status::Deleted];

impl Verification<'_> {
    /// Returns the scopes to list in order to check the rows of the run.
    ///
    /// # Errors
    /// An [`io::Error`] if the plan cannot be read.
    pub fn scopes(&self) -> io::Result<BTreeSet<Scope>> {
        let mut scopes = BTreeSet::new();
        self.each_ended(|_, line, _| {
            if is_about_object(&line.item.change) {
                scopes.insert(line.item.scope());
            }
        })?;
        Ok(scopes)
    }

    /// Compares the rows of the run with the tenant, and returns the number of claims that hold.
    ///
    /// # Errors
    /// [`RunError`] if the plan or the other runs cannot be read.
    pub fn claims(&self, snapshot: &Snapshot, findings: &mut Findings) -> Result<u64, RunError> {
        let live_check = LiveCheck::new(snapshot);
        let (mut confirmed, mut objects, mut contradictions) = (0, Vec::new(), Vec::new());
        let visited = self.each_ended(|number, line, status| {
            confirmed += u64::from(self.claim(number, line, status, &live_check, findings));
            self.note_namesakes(line, status, &live_check, findings);
            objects.extend(self.object(number, line, status));
            contradictions.extend(self.contradiction(number, line, status, &live_check));
        });
        let unreadable = |source| self.run_state.directory.unreadable(source);
        visited.map_err(unreadable)?;
        self.note_doubled(objects, findings).map_err(unreadable)?;
        self.note_contradictions(&contradictions, findings)?;
        Ok(confirmed)
    }

    /// Checks the claim of a row that succeeded. Returns true if the tenant confirms it.
    fn claim(
        &self,
        number: ItemNumber,
        line: &PlanLine,
        status: Status,
        live_check: &LiveCheck<'_>,
        findings: &mut Findings,
    ) -> bool {
        if !is_success(status) {
            return false;
        }
        let id = self.outcomes.id(number);
        // The failure of an undo names the fields that it left alone. It claims nothing about these.
        let partly = line.item.undo.is_some() && self.outcomes.failure(number).is_some();
        let found = live_check.mismatch(&line.item, id.as_ref());
        let Some(found) = found.filter(|_| !partly) else {
            return true;
        };
        let claimed = claimed(status, id.as_ref());
        findings.add_of_row("tenant", (&self.results(), line), claimed, found);
        false
    }

    /// Notes a name that several live objects have.
    fn note_namesakes(
        &self,
        line: &PlanLine,
        status: Status,
        live_check: &LiveCheck<'_>,
        findings: &mut Findings,
    ) {
        let stays = match &line.item.change {
            Change::Create { .. } | Change::Update { .. } => is_success(status),
            Change::Unchanged { id } => id.is_some(),
            _ => false,
        };
        let namesakes = live_check.namesakes(&line.item);
        if stays && !namesakes.is_empty() {
            let ids: Vec<&str> = namesakes.iter().map(Id::as_str).collect();
            let noun = line.item.resource.noun();
            let found = format!("{} {noun}s have this name: {}", ids.len(), ids.join(", "));
            findings.add_of_row(
                "tenant",
                (&self.results(), line),
                status.name().to_owned(),
                found,
            );
        }
    }

    /// Returns a number that stands for the object that a row changed, and the row.
    fn object(
        &self,
        number: ItemNumber,
        line: &PlanLine,
        status: Status,
    ) -> Option<(u64, ItemNumber)> {
        let kind = line.item.resource;
        let has_own_id = kind.shape() == Shape::Collection && is_success(status);
        let id = self.outcomes.id(number).filter(|_| has_own_id)?;
        Some((fingerprint(kind, &id), number))
    }

    /// Notes an object that, by the run, two rows created or changed.
    fn note_doubled(
        &self,
        mut objects: Vec<(u64, ItemNumber)>,
        findings: &mut Findings,
    ) -> io::Result<()> {
        objects.sort_unstable();
        for pair in objects.windows(2) {
            if let [(one, first), (other, second)] = pair
                && one == other
            {
                self.note_doubled_in(*first, *second, findings)?;
            }
        }
        Ok(())
    }

    fn note_doubled_in(
        &self,
        first: ItemNumber,
        second: ItemNumber,
        findings: &mut Findings,
    ) -> io::Result<()> {
        let plan = &self.run_state.plan;
        let (first_line, line) = (plan.line(first)?, plan.line(second)?);
        let (first_id, id) = (self.outcomes.id(first), self.outcomes.id(second));
        let State::Finished(status) = self.run_state.ledger.state(second) else {
            return Ok(());
        };
        if first_id == id && first_line.item.resource == line.item.resource {
            let results = self.results();
            let place = format!("{}:{}", results.file(&first_line), first_line.item.row);
            let found = format!("it is also the id of {place}");
            findings.add_of_row(
                "tenant",
                (&results, &line),
                claimed(status, id.as_ref()),
                found,
            );
        }
        Ok(())
    }

    /// Notes the rows whose change the tenant shows although the run did not make it, unless another run made it.
    fn note_contradictions(
        &self,
        contradictions: &[Contradiction],
        findings: &mut Findings,
    ) -> Result<(), RunError> {
        if contradictions.is_empty() {
            return Ok(());
        }
        let run_state = self.run_state;
        let ids = contradictions
            .iter()
            .filter_map(|one| one.shown.id.as_ref());
        let ids: HashSet<&Id> = ids.collect();
        let (directory, header) = (&run_state.directory, &run_state.header);
        let ends = run::ends_in_others(directory, header, |id| ids.contains(id))?;
        let name = directory.name().to_string();
        // A retry has taken over every row that failed.
        let was_retried = Lineage::around(directory)?.retried_by(&name).is_some();
        for contradiction in contradictions {
            let is_failure = contradiction.status == Status::Failed;
            let is_explained = (is_failure && was_retried) || contradiction.is_explained_by(&ends);
            if !is_explained {
                let line = run_state.plan.line(contradiction.number);
                let line = line.map_err(|source| directory.unreadable(source))?;
                let claimed = contradiction.status.name().to_owned();
                let found = contradiction.shown.found.clone();
                findings.add_of_row("tenant", (&self.results(), &line), claimed, found);
            }
        }
        Ok(())
    }

    /// Returns the contradiction between a row that changed nothing and the tenant.
    fn contradiction(
        &self,
        number: ItemNumber,
        line: &PlanLine,
        status: Status,
        live_check: &LiveCheck<'_>,
    ) -> Option<Contradiction> {
        // The plan of an undo may spare an object that is gone already.
        let is_undo = self.run_state.plan.origin().undoes.is_some();
        let explained_by: &[Status] = match (status, &line.item.change) {
            (Status::Failed, Change::Create { .. }) => &MADE,
            (Status::Failed, Change::Update { .. }) => &UPDATED,
            (Status::Failed | Status::Spared, Change::Delete { .. }) => &DELETED,
            (_, Change::Spared { .. }) if !is_undo => &DELETED,
            _ => return None,
        };
        Some(Contradiction {
            number,
            status,
            shown: live_check.appearance(&line.item)?,
            explained_by,
        })
    }

    fn each_ended(&self, mut visit: impl FnMut(ItemNumber, &PlanLine, Status)) -> io::Result<()> {
        for number in 0..self.run_state.plan.len() {
            if let State::Finished(status) = self.run_state.ledger.state(number) {
                let mut line = self.run_state.plan.line(number)?;
                // An item that succeeded refers to no object that failed to come back.
                let _ = self.run_state.id_remap.rename(&mut line.item);
                visit(number, &line, status);
            }
        }
        Ok(())
    }
}

fn is_success(status: Status) -> bool {
    match status {
        Status::Created | Status::Updated | Status::Deleted | Status::Recovered => true,
        Status::Unchanged | Status::Spared | Status::Stale | Status::Failed => false,
    }
}

/// Tells whether a change is about an object that can be looked for.
fn is_about_object(change: &Change<'_>) -> bool {
    match change {
        Change::Unchanged { id } => id.is_some(),
        Change::Error { .. } => false,
        _ => true,
    }
}

fn claimed(status: Status, id: Option<&Id>) -> String {
    match id {
        Some(id) => format!("{} with the id {id}", status.name()),
        None => status.name().to_owned(),
    }
}

/// Returns a number that stands for an object.
fn fingerprint(kind: Kind, id: &Id) -> u64 {
    let mut hasher = DefaultHasher::new();
    (kind, id).hash(&mut hasher);
    hasher.finish()
}
