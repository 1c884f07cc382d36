//! References of single objects in a bulk create: nobody says whether the server honours them, so the run finds out.
//!
//! Pure. A create is mixed if its objects have different references. The first mixed create has two objects, and no other goes
//! out before its answer is compared with what was sent. A server that ignored them gets the objects apart from then on.

use std::collections::HashSet;

use super::call::Batch;
use crate::item::{Change, Item, ItemNumber};
use crate::wire::{Failure, FieldValue, Id, Object};

/// The knowledge of whether the server honours such references, and what waits for it.
#[derive(Debug, Default)]
pub(super) struct OwnRefs {
    honoured: Option<bool>,
    /// The items of mixed creates that have not ended.
    under_way: HashSet<ItemNumber>,
    held: Vec<Batch>,
}

impl OwnRefs {
    /// Returns the creates in which these items go out now. The others are held.
    pub(super) fn parts(&mut self, mut items: Batch) -> Vec<Batch> {
        for item in &items {
            self.under_way.remove(&item.item);
        }
        let Some(other) = other_refs(&items) else {
            return vec![items];
        };
        match self.honoured {
            Some(true) => {}
            Some(false) => return apart(items),
            None if self.is_trying() => {
                self.held.push(items);
                return Vec::new();
            }
            None => {
                items.swap(1, other);
                let rest = items.split_off(2);
                self.held.extend(Some(rest).filter(|rest| !rest.is_empty()));
            }
        }
        self.under_way.extend(items.iter().map(|item| item.item));
        vec![items]
    }

    /// Returns true while the first mixed create has not ended.
    pub(super) fn is_trying(&self) -> bool {
        self.honoured.is_none() && !self.under_way.is_empty()
    }

    pub(super) fn holds_none(&self) -> bool {
        self.held.is_empty()
    }

    /// Returns the items that were held, if they need not wait any longer.
    pub(super) fn release(&mut self) -> Vec<Batch> {
        if self.is_trying() {
            return Vec::new();
        }
        std::mem::take(&mut self.held)
    }

    /// Compares an object in the answer to a create with what was sent for it, if the create was mixed. Returns `None` if the
    /// object does not show its references, and the failure of the item if they are others.
    pub(super) fn confirm(
        &mut self,
        item: &Item<'_>,
        live: &Object,
    ) -> Option<Result<(), Failure>> {
        let is_shown = shared(item).is_none_or(|(wire, _)| live.contains_key(wire));
        let is_settled = is_shown || !self.under_way.contains(&item.item);
        is_settled.then(|| self.compare(item, live))
    }

    /// Does the same with an object in a listing, where an object that shows no references has none.
    pub(super) fn compare(&mut self, item: &Item<'_>, live: &Object) -> Result<(), Failure> {
        let asked = shared(item).filter(|_| self.under_way.contains(&item.item));
        let Some((wire, asked)) = asked else {
            return Ok(());
        };
        let honoured = item.resource.has_value(wire, live, asked);
        self.honoured = Some(honoured && self.honoured != Some(false));
        if honoured {
            return Ok(());
        }
        let (noun, id) = (item.resource.noun(), Id::of(live));
        let id = id.map_or_else(String::new, |id| format!(" with the id {id}"));
        Err(Failure::new(format!(
            "the tenant created the {noun}{id}, but not on the portals of its row: it ignores the portals of single {noun}s \
             in a bulk create. Use --bulk-portals call, and apply this row with the action ensure"
        )))
    }

    /// Notes that the item has ended.
    pub(super) fn ended(&mut self, item: ItemNumber) {
        self.under_way.remove(&item);
    }
}

/// Returns the position of the first item whose references are not those of the items before it.
fn other_refs(items: &[Item<'_>]) -> Option<usize> {
    let first = items.first().map(shared)?;
    items.iter().position(|item| shared(item) != first)
}

/// Returns the items in parts that have the same references each.
fn apart(items: Batch) -> Vec<Batch> {
    let mut parts: Vec<Batch> = Vec::new();
    for item in items {
        let same = |part: &&mut Batch| part.first().map(shared) == Some(shared(&item));
        match parts.iter_mut().find(same) {
            Some(part) => part.push(item),
            None => parts.push(vec![item]),
        }
    }
    parts
}

/// The references of the object that a bulk create can say once for all objects.
fn shared<'i>(item: &'i Item<'_>) -> Option<(&'static str, &'i FieldValue<'i>)> {
    let Change::Create { body } = &item.change else {
        return None;
    };
    let wire = item.resource.bulk()?.shared;
    Some((wire, body.find(wire)?))
}
