//! The effects of a run: the changes it made, read from its directory, and the plan that undoes them.
//!
//! A run may have taken the place of others that were not finished. What those changed is undone with it, newest first.
//!
//! Every row of a run that changed something becomes one item, under its own file and row. Its result row has the
//! cells of a manifest that does the same. There, `id` is the id that the run left, or that a deleted object had. `_id`
//! beside it is the new id, if the undo creates the object again.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::error::RunError;
use super::past_run::PastRun;
use super::planning::within_limits;
use super::shared_objects::{self, At};
use super::{Lineage, Origin, PlanError, RunDirectory};
use crate::item::{Change, Item};
use crate::plan::composite::Share;
use crate::plan::inverse::{InversePlanner, Stage, scopes};
use crate::plan::{PastChange, Planner, Snapshot, TenantRules};
use crate::resource::{Action, Column, Form, Kind, Part, Scope};
use crate::wire::{FieldValue, Fields, Id};

/// The columns before those of the resources.
const COMMON_COLUMNS: [&str; 4] = ["resource", "action", "id", "microtenant"];

/// The changes that a run made, and those of the unfinished runs whose place it took.
#[derive(Debug)]
pub struct RunEffects {
    /// The newest run first.
    runs: Vec<PastRun>,
    files: Vec<String>,
    /// The items in the order in which they are undone.
    order: Vec<(Stage, At)>,
    /// The objects that belong to other runs.
    others: HashSet<Id>,
    /// The objects that runs are known to have created, if calls of these runs were not answered.
    owned: HashSet<Id>,
    /// True if the run was undone before.
    undone_before: bool,
    scopes: BTreeSet<Scope>,
    columns: Vec<&'static str>,
}

impl RunEffects {
    /// Reads the changes that the run in `directory` made, and those of the unfinished runs `replaced`, newest first. The
    /// objects `others` belong to other runs, and are left alone.
    ///
    /// # Errors
    /// [`RunError`] if a plan or a journal cannot be read or used.
    pub fn read(
        directory: &RunDirectory,
        replaced: &[RunDirectory],
        others: HashSet<Id>,
    ) -> Result<Self, RunError> {
        let mut runs = vec![PastRun::read(directory)?];
        for other in replaced {
            runs.push(PastRun::read_unfinished(other)?);
        }
        let mut files = Vec::new();
        for run in &mut runs {
            run.number_files(&mut files);
        }
        let mut effects = Self {
            runs,
            files,
            order: Vec::new(),
            others,
            owned: HashSet::new(),
            undone_before: false,
            scopes: BTreeSet::new(),
            columns: Vec::new(),
        };
        effects.sort()?;
        if effects.runs.iter().any(PastRun::has_doubts) {
            effects.find_owned(directory)?;
        }
        Ok(effects)
    }

    /// Returns the scopes to list before the changes can be undone.
    #[must_use]
    pub fn scopes(&self) -> Vec<Scope> {
        self.scopes.iter().cloned().collect()
    }

    /// Returns the origin of the undo's rows: manifests, columns, and the runs that are undone.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let columns = COMMON_COLUMNS.iter().chain(&self.columns);
        let mut names = self.runs.iter().map(|run| run.header.run.clone());
        Origin {
            files: self.files.clone(),
            columns: columns.map(|name| (*name).to_owned()).collect(),
            undoes: names.next(),
            undoes_replaced: names.collect(),
            ..Origin::default()
        }
    }

    /// Plans the undo against the live state in `snapshot`. Hands each item to `keep`, with the cells of its row in the
    /// order of [`RunEffects::origin`]'s columns.
    ///
    /// # Errors
    /// [`PlanError::Problems`] with every limit of the tenant that would be exceeded, [`PlanError::Run`] if a run
    /// cannot be read, and the errors of `keep`.
    pub fn plan<'s>(
        &self,
        snapshot: &'s Snapshot,
        rules: TenantRules,
        mut keep: impl FnMut(&Item<'_>, &[&str]) -> Result<(), PlanError>,
    ) -> Result<Planner<'s>, PlanError> {
        let mut inverse = InversePlanner::new(snapshot, rules);
        let shares = self.shares(&inverse)?;
        for (_, at) in &self.order {
            let past = self.past(*at)?;
            let item = match shares.get(at) {
                None => inverse.plan(&past),
                Some(Some(share)) => inverse.plan_share(&past, share),
                Some(None) => continue,
            };
            let cells = self.cells(&past, &item);
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            keep(&item, &cells)?;
        }
        within_limits(inverse.into_planner())
    }

    /// Returns the shares of the changes that are not taken back each by itself. A change without a share needs no row.
    fn shares(&self, inverse: &InversePlanner<'_>) -> Result<HashMap<At, Option<Share>>, RunError> {
        if self.runs.len() == 1 {
            return Ok(HashMap::new());
        }
        let changes = self.order.iter().map(|(_, at)| *at).collect();
        let known = shared_objects::Known {
            owned: &self.owned,
            undone_before: self.undone_before,
        };
        shared_objects::shares(&self.runs, changes, inverse, &known)
    }

    /// Finds the objects that runs are known to have created.
    fn find_owned(&mut self, directory: &RunDirectory) -> Result<(), RunError> {
        self.owned.clone_from(&self.others);
        self.owned
            .extend(self.runs.iter().flat_map(PastRun::created));
        let name = directory.name().to_string();
        self.undone_before = Lineage::around(directory)?.undone_by(&name).is_some();
        Ok(())
    }

    fn sort(&mut self) -> Result<(), RunError> {
        let mut kinds = BTreeSet::new();
        for (rank, run) in self.runs.iter().enumerate() {
            for number in run.changes() {
                let item = run.item(number)?;
                self.order.push((Stage::of(&item), (rank, Reverse(number))));
                self.scopes.extend(scopes(&item));
                kinds.insert(item.resource);
            }
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

    fn past(&self, (rank, Reverse(number)): At) -> Result<PastChange, RunError> {
        let past = shared_objects::past(&self.runs, (rank, Reverse(number)))?;
        let is_others = past.id.as_ref().is_some_and(|id| self.others.contains(id));
        let creates = matches!(past.item.change, Change::Create { .. });
        Ok(PastChange {
            proven: past.proven && !(creates && is_others),
            ..past
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
            Change::Stale { .. } | Change::Unchanged { .. } | Change::Error { .. } => {
                (past.id.clone(), None)
            }
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
