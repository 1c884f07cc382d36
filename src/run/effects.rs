//! Undoing a run: what it did, read from its directory, and the plan of what takes that back.
//!
//! Every row of the run that changed something becomes one item, under its own file and row. The cells of its result
//! rows are those of a manifest that does the same: `id` is the id that the run left or that a deleted object had, so
//! that beside `_id` it tells which new id has come in place of which.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::{Origin, PlanError, PlanFile, RunDirectory, RunError, learn};
use crate::engine::IdRemap;
use crate::item::{Change, Event, Item, ItemNumber, Outcome, Status};
use crate::journal::{self, Header};
use crate::plan::inverse::{InversePlanner, PastChange, Stage, scopes};
use crate::plan::{Limits, Planner, Snapshot};
use crate::resource::Action;
use crate::resource::{Column, Form, Kind, Scope};
use crate::wire::{FieldValue, Fields, Id};

/// What stands before the columns of the resources.
const FIRST: [&str; 4] = ["resource", "action", "id", "microtenant"];

/// What a run did, read from its directory.
#[derive(Debug)]
pub struct RunEffects {
    plan: PlanFile,
    header: Header,
    id_remap: IdRemap,
    ends: HashMap<ItemNumber, End>,
    /// The objects as they were, as JSON text: a tenth of the memory.
    before: HashMap<ItemNumber, String>,
    /// The items in the order in which they are taken back.
    order: Vec<(Stage, Reverse<ItemNumber>)>,
    scopes: BTreeSet<Scope>,
    columns: Vec<&'static str>,
}

impl RunEffects {
    /// Reads what the run in `directory` did.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn read(directory: &RunDirectory) -> Result<Self, RunError> {
        let plan = PlanFile::open(directory.path())?;
        let mut id_remap = plan.id_remap().clone();
        let mut ends = HashMap::new();
        let mut before = HashMap::new();
        let replayed = journal::replay(directory.path(), |event| {
            learn(&mut id_remap, &event);
            match event {
                Event::Outcomes(outcomes) => {
                    for outcome in outcomes.into_iter().filter(|o| changed(o.status)) {
                        ends.entry(outcome.item).or_insert(End::from(outcome));
                    }
                }
                Event::Before { item, object } => {
                    before.insert(item, Value::Object(object).to_string());
                }
                _ => {}
            }
        })?;
        plan.verify(&replayed.header)?;
        before.retain(|item, _| ends.contains_key(item));
        let mut effects = Self {
            plan,
            header: replayed.header,
            id_remap,
            ends,
            before,
            order: Vec::new(),
            scopes: BTreeSet::new(),
            columns: Vec::new(),
        };
        effects.sort().map_err(|source| RunError::Io {
            path: directory.path().to_owned(),
            doing: "the plan cannot be read",
            source,
        })?;
        Ok(effects)
    }

    /// How many rows changed something.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether it changed nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// What has to be listed to take it back.
    #[must_use]
    pub fn scopes(&self) -> Vec<Scope> {
        self.scopes.iter().cloned().collect()
    }

    /// Where the rows of the undo come from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let columns = FIRST.iter().chain(&self.columns);
        Origin {
            files: self.plan.origin().files.clone(),
            columns: columns.map(|name| (*name).to_owned()).collect(),
            undoes: Some(self.header.run.clone()),
            ..Origin::default()
        }
    }

    /// Plans what takes it back against what the tenant holds. Each item is handed to `keep` with the cells of its
    /// row, in the order of [`RunEffects::origin`]'s columns.
    ///
    /// # Errors
    /// [`PlanError::Problems`] with every limit of the tenant that would be exceeded, [`PlanError::Run`] when the run
    /// cannot be read, and from `keep`.
    pub fn plan<'s>(
        &self,
        snapshot: &'s Snapshot,
        limits: Limits,
        mut keep: impl FnMut(&Item<'_>, &[&str]) -> Result<(), PlanError>,
    ) -> Result<Planner<'s>, PlanError> {
        let mut undoer = InversePlanner::new(snapshot, limits);
        for (_, Reverse(number)) in &self.order {
            let past = self.past(*number)?;
            let item = undoer.plan(&past);
            let cells = self.cells(&past, &item);
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            keep(&item, &cells)?;
        }
        let planner = undoer.into_planner();
        let exceeded = planner.exceeded();
        if exceeded.is_empty() {
            Ok(planner)
        } else {
            Err(PlanError::Problems(exceeded))
        }
    }

    fn sort(&mut self) -> std::io::Result<()> {
        let mut kinds = BTreeSet::new();
        for number in self.ends.keys().copied() {
            let item = self.plan.line(number)?.item;
            self.order.push((Stage::of(&item), Reverse(number)));
            self.scopes.extend(scopes(&item));
            kinds.insert(item.resource);
        }
        self.order.sort_unstable();
        let columns = kinds.into_iter().flat_map(sendable);
        for column in columns {
            if !self.columns.contains(&column.name) {
                self.columns.push(column.name);
            }
        }
        Ok(())
    }

    fn past(&self, number: ItemNumber) -> Result<PastChange, RunError> {
        let failed = |source| RunError::Io {
            path: self.plan.path().to_owned(),
            doing: "the plan cannot be read",
            source,
        };
        let mut item = self.plan.line(number).map_err(failed)?.item;
        // What was created under the run's own new ids is compared under these.
        if let Err(why) = self.id_remap.rename(&mut item) {
            tracing::debug!(number, %why, "a reference stays as it was planned");
        }
        let before = self.before.get(&number);
        let end = self.ends.get(&number);
        Ok(PastChange {
            item,
            id: end.and_then(|end| end.id.clone()),
            proven: end.is_some_and(|end| end.proven),
            before: before.and_then(|text| serde_json::from_str(text).ok()),
        })
    }

    /// The row of a manifest that does what the item does.
    fn cells(&self, past: &PastChange, item: &Item<'_>) -> Vec<String> {
        let kind = item.resource;
        let (id, fields) = match &item.change {
            Change::Create { body } => {
                let undo = item.undo.as_ref();
                (undo.and_then(|undo| undo.old_id.clone()), Some(body))
            }
            Change::Update { id, set, .. } => (Some(id.clone()), Some(set)),
            Change::Delete { id, .. } | Change::Spared { id, .. } => (Some(id.clone()), None),
            Change::Unchanged { .. } | Change::Error { .. } => (past.id.clone(), None),
        };
        let id = id.map_or_else(String::new, |id| id.to_string());
        let microtenant = item.microtenant.as_ref();
        let first = [
            kind.name().to_owned(),
            inverse(&past.item).to_owned(),
            id,
            microtenant.map_or_else(String::new, ToString::to_string),
        ];
        let own = self.columns.iter().map(|name| {
            let mut columns = sendable(kind);
            let column = columns.find(|column| column.name == *name);
            column.map_or_else(String::new, |column| cell(column, item, fields))
        });
        first.into_iter().chain(own).collect()
    }
}

/// How an item ended that changed something.
#[derive(Debug)]
struct End {
    id: Option<Id>,
    /// Whether it is known that the run changed it.
    proven: bool,
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        Self {
            proven: outcome.status != Status::Recovered || outcome.failure.is_none(),
            id: outcome.id,
        }
    }
}

/// Whether an item that ended so has changed something.
fn changed(status: Status) -> bool {
    matches!(
        status,
        Status::Created | Status::Updated | Status::Deleted | Status::Recovered
    )
}

/// What a row asks for that takes this item back.
fn inverse(item: &Item<'_>) -> &'static str {
    let action = match item.change {
        Change::Create { .. } => Action::Delete,
        Change::Delete { .. } => Action::Create,
        _ => Action::Update,
    };
    let possible = item.resource.actions().contains(&action);
    let action = if possible { action } else { Action::Ensure };
    let mut names = Action::ALL.iter();
    let name = names.find(|(_, known)| *known == action);
    name.map_or("ensure", |(name, _)| *name)
}

fn sendable(kind: Kind) -> impl Iterator<Item = &'static Column> {
    let columns = kind.columns().iter();
    columns.filter(|column| {
        matches!(
            column.form,
            Form::Text(_) | Form::Flag | Form::Refs(_) | Form::Part
        )
    })
}

fn cell(column: &Column, item: &Item<'_>, fields: Option<&Fields<'_>>) -> String {
    if matches!(column.form, Form::Part) {
        return item.part.as_deref().unwrap_or_default().to_owned();
    }
    match fields.and_then(|fields| fields.find(column.wire)) {
        Some(FieldValue::Flag(flag)) => flag.to_string(),
        Some(FieldValue::Text(text)) => text.to_string(),
        Some(FieldValue::Refs(refs)) => {
            let ids: Vec<&str> = refs.iter().map(|one| &*one.id).collect();
            ids.join(";")
        }
        None if column.wire == item.resource.key_field() => item.key.to_string(),
        None => String::new(),
    }
}
