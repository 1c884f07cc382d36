//! The effects of a run: the changes it made, read from its directory, and the plan that undoes them.
//!
//! Every row of the run that changed something becomes one item, under its own file and row. Its result row has the
//! cells of a manifest that does the same. There, `id` is the id that the run left, or that a deleted object had. `_id`
//! beside it is the new id, if the undo creates the object again.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::error::RunError;
use super::planning::within_limits;
use super::state::learn;
use super::{Origin, PlanError, PlanFile, RunDirectory};
use crate::engine::IdRemap;
use crate::item::{Change, Event, Item, ItemNumber, Outcome, Status};
use crate::journal::{self, Header};
use crate::plan::inverse::{InversePlanner, PastChange, Stage, scopes};
use crate::plan::{Limits, Planner, Snapshot};
use crate::resource::{Action, Column, Form, Kind, Part, Scope};
use crate::wire::{FieldValue, Fields, Id};

/// The columns before those of the resources.
const COMMON_COLUMNS: [&str; 4] = ["resource", "action", "id", "microtenant"];

const UNREADABLE: &str = "the plan cannot be read";

/// The changes that a run made.
#[derive(Debug)]
pub struct RunEffects {
    plan: PlanFile,
    header: Header,
    id_remap: IdRemap,
    ends: HashMap<ItemNumber, End>,
    /// The objects as they were, as JSON text: a tenth of the memory.
    before: HashMap<ItemNumber, String>,
    /// The items in the order in which they are undone.
    order: Vec<(Stage, Reverse<ItemNumber>)>,
    scopes: BTreeSet<Scope>,
    columns: Vec<&'static str>,
}

impl RunEffects {
    /// Reads the changes that the run in `directory` made.
    ///
    /// # Errors
    /// [`RunError`] if the plan or the journal cannot be read or used.
    pub fn read(directory: &RunDirectory) -> Result<Self, RunError> {
        let plan = PlanFile::open(directory.path())?;
        let mut id_remap = plan.id_remap().clone();
        let mut ends = HashMap::new();
        let mut before = HashMap::new();
        let replayed = journal::replay(directory.path(), |event| {
            learn(&mut id_remap, &event);
            match event {
                Event::Outcomes(outcomes) => {
                    for outcome in outcomes.into_iter().filter(|o| is_change(o.status)) {
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
        let failed = RunError::io(directory.path(), UNREADABLE);
        effects.sort().map_err(failed)?;
        Ok(effects)
    }

    /// Returns the scopes to list before the changes can be undone.
    #[must_use]
    pub fn scopes(&self) -> Vec<Scope> {
        self.scopes.iter().cloned().collect()
    }

    /// Returns the origin of the undo's rows: manifests, columns, and the run that is undone.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let columns = COMMON_COLUMNS.iter().chain(&self.columns);
        Origin {
            files: self.plan.origin().files.clone(),
            columns: columns.map(|name| (*name).to_owned()).collect(),
            undoes: Some(self.header.run.clone()),
            ..Origin::default()
        }
    }

    /// Plans the undo against the live state in `snapshot`. Hands each item to `keep`, with the cells of its row in the
    /// order of [`RunEffects::origin`]'s columns.
    ///
    /// # Errors
    /// [`PlanError::Problems`] with every limit of the tenant that would be exceeded, [`PlanError::Run`] if the run
    /// cannot be read, and the errors of `keep`.
    pub fn plan<'s>(
        &self,
        snapshot: &'s Snapshot,
        limits: Limits,
        mut keep: impl FnMut(&Item<'_>, &[&str]) -> Result<(), PlanError>,
    ) -> Result<Planner<'s>, PlanError> {
        let mut inverse = InversePlanner::new(snapshot, limits);
        for (_, Reverse(number)) in &self.order {
            let past = self.past(*number)?;
            let item = inverse.plan(&past);
            let cells = self.cells(&past, &item);
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            keep(&item, &cells)?;
        }
        within_limits(inverse.into_planner())
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
        let failed = RunError::io(self.plan.path(), UNREADABLE);
        let mut item = self.plan.line(number).map_err(failed)?.item;
        // References to objects that the run created again are compared under their new ids.
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

    /// Returns the cells of a manifest row that does the same as the item.
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
            inverse_action(&past.item).to_owned(),
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

/// The end of an item that changed something.
#[derive(Debug)]
struct End {
    id: Option<Id>,
    /// True if it is certain that the run changed the object.
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

/// Tells whether an item that ended with this status changed something.
fn is_change(status: Status) -> bool {
    matches!(
        status,
        Status::Created | Status::Updated | Status::Deleted | Status::Recovered
    )
}

/// Returns the action of a manifest row that undoes this item.
fn inverse_action(item: &Item<'_>) -> &'static str {
    let action = match item.change {
        Change::Create { .. } => Action::Delete,
        Change::Delete { .. } => Action::Create,
        _ => Action::Update,
    };
    let possible = item.resource.actions().contains(&action);
    let action = if possible { action } else { Action::Ensure };
    action.name()
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
        return item.part.as_ref().map_or("", Part::as_str).to_owned();
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
