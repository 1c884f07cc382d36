//! Lookups: a listing by id and by natural key, in which items find their objects.
//!
//! Pure. An object that goes by the name of an item is not yet the item's: its fields must be as the item asks.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::item::{Change, Item};
use crate::resource::Kind;
use crate::wire::{Id, Object};

/// The object that an item finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// An object as the item was to create it.
    Found(Id),
    /// An object that may be the item's. It has the name and the essential fields that were asked for, and other
    /// values in other fields.
    Alike(Id),
    /// Another object of the item's name.
    Conflict(Id),
    /// None.
    Absent,
}

/// A listing, to look items up in.
#[derive(Debug)]
pub(super) struct Lookup<'l> {
    kind: Kind,
    pub(super) by_id: HashMap<Id, &'l Object>,
    by_key: HashMap<Cow<'l, str>, Vec<&'l Object>>,
}

impl<'l> Lookup<'l> {
    pub(super) fn new(kind: Kind, objects: &'l [Object]) -> Self {
        let mut by_key: HashMap<Cow<'l, str>, Vec<&'l Object>> = HashMap::new();
        for object in objects {
            for key in kind.keys_of(object) {
                by_key.entry(key).or_default().push(object);
            }
        }
        let with_id = objects
            .iter()
            .filter_map(|object| Some((Id::of(object)?, object)));
        Self {
            kind,
            by_id: with_id.collect(),
            by_key,
        }
    }

    pub(super) fn groups(&self) -> HashMap<String, u32> {
        let mut groups = HashMap::new();
        for object in self.by_id.values() {
            if let Some(group) = self.kind.group(object) {
                *groups.entry(group.to_owned()).or_default() += 1;
            }
        }
        groups
    }

    /// Finds the object that creating the item would have made. The plan creates an item only if no object went by
    /// its name, so an object of that name has come since.
    pub(super) fn find(&self, item: &Item<'_>) -> Match {
        let namesakes = self.namesakes(item);
        let Change::Create { body, .. } = &item.change else {
            return Match::Absent;
        };
        let as_asked = |live: &&Object| self.kind.contradicting(live, body).0.is_empty();
        let first = |wanted: &dyn Fn(&&Object) -> bool| {
            let mut found = namesakes.iter().copied().filter(|live| wanted(live));
            found.find_map(Id::of)
        };
        let found = first(&as_asked).map(Match::Found);
        found
            .or_else(|| first(&|live| self.kind.is_copy(live, body)).map(Match::Alike))
            .or_else(|| {
                let other = namesakes.iter().find_map(|other| Id::of(other))?;
                Some(Match::Conflict(other))
            })
            .unwrap_or(Match::Absent)
    }

    /// Returns true if any object might be the one that creating the item made, whatever its name.
    pub(super) fn may_hold(&self, item: &Item<'_>) -> bool {
        let Change::Create { body, .. } = &item.change else {
            return true;
        };
        let mut objects = self.by_id.values();
        objects.any(|live| self.kind.is_copy(live, body))
    }

    fn namesakes(&self, item: &Item<'_>) -> &[&'l Object] {
        let key = self.kind.comparable_key(Cow::Borrowed(&item.key));
        self.by_key
            .get(&*key)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }
}

/// Matches the objects that a success answers to the items of its call: by name and, where a name came back changed,
/// by position. Positions count if there are as many objects as items and no name contradicts their order. Returns
/// the ids in the order of the items, and whether any item was matched by its name.
pub(super) fn confirm(
    kind: Kind,
    items: &[Item<'_>],
    objects: &[Object],
) -> (Vec<Option<Id>>, bool) {
    let lookup = Lookup::new(kind, objects);
    let named: Vec<Option<Id>> = items
        .iter()
        .map(|item| {
            lookup
                .namesakes(item)
                .iter()
                .find_map(|object| Id::of(object))
        })
        .collect();
    let keeps_names = named.iter().any(Option::is_some);
    let placed = || named.iter().zip(objects);
    let in_order = items.len() == objects.len()
        && placed().all(|(named, object)| named.is_none() || *named == Id::of(object));
    if !in_order {
        return (named, keeps_names);
    }
    let by_position = placed().map(|(named, object)| named.clone().or_else(|| Id::of(object)));
    (by_position.collect(), keeps_names)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_error_that_names_an_item_confirms_nothing() {
        let item: Item<'static> = serde_json::from_value(json!({
            "item": 0, "file": 0, "row": 2, "resource": "portal-link", "key": "Wiki",
            "op": "create", "body": {"name": "Wiki", "link": "wiki.example"},
        }))
        .unwrap();
        let confirmed = |object: Value| {
            let object = object.as_object().unwrap().clone();
            confirm(Kind::portal_link(), std::slice::from_ref(&item), &[object])
        };
        let created = json!({"name": "Wiki", "id": "7"});
        assert_eq!(confirmed(created), (vec![Some(Id::from(7))], true));
        let error = json!({"name": "Wiki", "id": "resource.already.exist"});
        assert_eq!(confirmed(error), (vec![None], false));
    }
}
