//! The comparison of a saved plan with the tenant as it is by now.
//!
//! An item is carried out as it was reviewed, or not at all: if its object has changed since, or an object to which it
//! refers is gone, the item is stale. What others did to other objects makes no difference.

use super::compare::error;
use super::live_index::{LiveIndex, LiveObject};
use super::snapshot::Snapshot;
use super::{Planner, TenantRules};
use crate::item::{Change, Item, Reviewed};
use crate::resource::{Scope, Shape};
use crate::wire::{Failure, FieldValue, Fields, Id, quoted};

/// Plans the items of a saved plan, one at a time.
#[derive(Debug)]
pub struct ReviewPlanner<'s>(Planner<'s>);

impl<'s> ReviewPlanner<'s> {
    /// Makes a planner that compares items with the live objects of a tenant.
    #[must_use]
    pub fn new(snapshot: &'s Snapshot, rules: TenantRules) -> Self {
        Self(Planner::new(snapshot, rules))
    }

    /// Returns the item as it is to be carried out.
    pub fn plan(&mut self, item: Item<'static>) -> Item<'static> {
        let scope = item.scope();
        let change = self.change(&item, &scope);
        let mut item = Item {
            change,
            group: None,
            ..item
        };
        item.group = self.0.group(&item, &scope);
        self.0.count(&item);
        item
    }

    /// Returns the planner that holds all planned items.
    #[must_use]
    pub fn into_planner(self) -> Planner<'s> {
        self.0
    }

    fn change(&mut self, item: &Item<'static>, scope: &Scope) -> Change<'static> {
        if item.reviewed.is_none() {
            return item.change.clone();
        }
        let Some(index) = self.0.indexes.get(scope) else {
            return error(format!("the {}s were not read", item.resource.noun()));
        };
        let live = match found(index, item) {
            Ok(live) => live,
            Err(failure) => return stale(item, None, failure),
        };
        if let Some(failure) = item.stale(live.map(|live| live.object)) {
            return stale(item, live, failure);
        }
        match (&item.change, live) {
            (Change::Create { body }, None) => match self.lost_reference(item, body) {
                Some(failure) => stale(item, None, failure),
                None => item.change.clone(),
            },
            (Change::Create { .. }, Some(live)) => unchanged(Some(live)),
            (Change::Update { set, .. }, Some(live)) => self.update(item, set, live),
            (Change::Delete { condition, .. }, Some(live)) => {
                match Planner::undeletable(live, condition.as_deref()) {
                    Some(change) => change,
                    None => Change::Delete {
                        id: self.0.remove(live),
                        condition: condition.clone(),
                    },
                }
            }
            (Change::Delete { .. }, None) => unchanged(None),
            _ => item.change.clone(),
        }
    }

    fn update(
        &mut self,
        item: &Item<'static>,
        set: &Fields<'static>,
        live: LiveObject<'s>,
    ) -> Change<'static> {
        let kind = item.resource;
        let set = kind.differing(live.object, set.clone());
        if set.0.is_empty() {
            return unchanged(Some(live));
        }
        if let Some(other) = self.0.namesake(live.scope, &set, live.id) {
            let noun = kind.noun();
            let message =
                format!("another {noun} has got the new name after the plan was saved ({other})");
            return stale(item, Some(live), Failure::new(message));
        }
        if let Some(failure) = self.lost_reference(item, &set) {
            return stale(item, Some(live), failure);
        }
        self.0.set(live, set)
    }

    /// Says which object is gone to which the item refers.
    fn lost_reference(&self, item: &Item<'_>, fields: &Fields<'_>) -> Option<Failure> {
        let fields = fields.0.iter();
        let mut lost = fields.filter_map(|(wire, value)| {
            let mut columns = item.resource.columns().iter();
            let target = columns.find(|column| column.wire == *wire)?.target()?;
            let FieldValue::Refs(refs) = value else {
                return None;
            };
            let index = self
                .0
                .indexes
                .get(&Scope::of(target, item.microtenant.clone()));
            let is_there = |id: &str| index.is_some_and(|index| index.by_id.contains_key(id));
            let lost = refs.iter().find(|one| !is_there(&one.id))?;
            Some((target.noun(), lost.id.clone()))
        });
        let (noun, id) = lost.next()?;
        Some(Failure::new(format!(
            "the {noun} {id}, to which it refers, was deleted after the plan was saved"
        )))
    }
}

/// Returns the reading on which an item is reviewed. An item that does nothing whatever the tenant has needs none.
pub(super) fn reading(index: &LiveIndex<'_>, item: &Item<'_>) -> Option<Reviewed<'static>> {
    if matches!(item.change, Change::Error { .. } | Change::Spared { .. }) {
        return None;
    }
    let live = found(index, item).ok()?;
    Some(Reviewed {
        object: live.map(|live| item.resource.content(live.object)),
    })
}

/// Finds the object of an item: by its id, or by its name.
///
/// Fails if several objects have the name, or if another has the name of one that is to be deleted and is gone.
fn found<'s>(index: &LiveIndex<'s>, item: &Item<'_>) -> Result<Option<LiveObject<'s>>, Failure> {
    let is_list = item.resource.shape() == Shape::List;
    let by_id = item.change.id().filter(|id| !id.is_none() && !is_list);
    let Some(id) = by_id else {
        return index.named(&item.key);
    };
    if let Some((id, object)) = index.by_id.get_key_value(id.as_str()) {
        return Ok(Some(index.live(id, object)));
    }
    match (&item.change, index.named(&item.key)?) {
        (Change::Delete { .. }, Some(other)) => Err(Failure::new(format!(
            "it is gone, and another {} called {} has appeared after the plan was saved ({})",
            item.resource.noun(),
            quoted(&item.key),
            other.id
        ))),
        _ => Ok(None),
    }
}

fn unchanged(live: Option<LiveObject<'_>>) -> Change<'static> {
    Change::Unchanged {
        id: live.map(LiveObject::id),
    }
}

fn stale(item: &Item<'_>, live: Option<LiveObject<'_>>, failure: Failure) -> Change<'static> {
    let id = live
        .map(LiveObject::id)
        .or_else(|| item.change.id().cloned());
    Change::Stale {
        id: id.filter(|id: &Id| !id.is_none()),
        failure,
    }
}
