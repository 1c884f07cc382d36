//! Items of which only looking at the tenant tells what has become: what may have been created, though nobody
//! said so, and what is deleted together.

use std::borrow::Cow;
use std::time::Instant;

use foldhash::{HashMap, HashMapExt};

use crate::item::{Change, Item};
use crate::resource::{Kind, Scope};
use crate::wire::{Failure, Id, Object};

/// Why items are in doubt.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reason {
    /// Their call was sent and no answer came. Until that instant it may still be under way.
    Lost(Failure, Instant),
    /// The server reported success and did not mention them. They are sent again only if the server is known to keep
    /// names, or if nothing is there that might be one of them under another name.
    Unconfirmed {
        /// Until when they may still appear, and so when the second look is due.
        until: Instant,
        /// Whether anything of their call is known to have been created.
        in_part: bool,
    },
    /// Their call was refused as a whole, for the sake of some of them.
    Rejected(Failure),
    /// Their call was refused for good. Some may have been created before that.
    Refused(Failure),
    /// The server says that it exists.
    Exists(Failure),
    /// They are to be deleted, if they are still as they were when that was decided.
    Due,
    /// The server said that it deleted them.
    Removed,
    /// Their delete was sent and no answer came.
    RemovalLost(Failure),
    /// Their delete was refused as a whole, for the sake of some of them.
    RemovalRejected(Failure),
    /// Their delete was refused for good. Some may have been deleted before that.
    RemovalRefused(Failure),
}

impl Reason {
    /// Whether it is about deleting.
    pub(super) fn is_removal(&self) -> bool {
        matches!(
            self,
            Self::Due
                | Self::Removed
                | Self::RemovalLost(_)
                | Self::RemovalRejected(_)
                | Self::RemovalRefused(_)
        )
    }
}

/// Items of one call that are to be looked for.
#[derive(Debug)]
pub(super) struct Unresolved {
    pub(super) call: u32,
    pub(super) items: Vec<Item<'static>>,
    pub(super) reason: Reason,
    /// A listing that began before it proves nothing.
    pub(super) due: Instant,
}

impl Unresolved {
    /// What to list.
    pub(super) fn scope(&self) -> Option<Scope> {
        self.items.first().map(Item::scope)
    }
}

/// What a look says of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// It is there, as it was to be created.
    Found(Id),
    /// It may be there: what goes by its name has what an object of its kind cannot be without as it was to be created,
    /// and other fields have other values.
    Alike(Id),
    /// Something else goes by its name.
    Conflict(Id),
    /// It is not there.
    Absent,
}

/// A listing by natural key, to look items up in.
#[derive(Debug)]
pub(super) struct Lookup<'l> {
    kind: Kind,
    by_id: HashMap<Id, &'l Object>,
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

    /// How many objects are in each group.
    pub(super) fn groups(&self) -> HashMap<String, u32> {
        let mut groups = HashMap::new();
        for object in self.by_id.values() {
            if let Some(group) = self.kind.group(object) {
                *groups.entry(group.to_owned()).or_default() += 1;
            }
        }
        groups
    }

    /// The object with that id.
    pub(super) fn by_id(&self, id: &Id) -> Option<&'l Object> {
        self.by_id.get(id).copied()
    }

    /// Looks for what creating the item would have made. The plan creates only what had no namesake, so
    /// whatever goes by its name now has come since.
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
                let other = namesakes.first()?;
                Some(Match::Conflict(
                    Id::of(other).unwrap_or_else(|| Id::new("?")),
                ))
            })
            .unwrap_or(Match::Absent)
    }

    /// Whether anything there might be what creating the item made, whatever its name.
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

/// Matches the objects that a success answers to the items of its call: by name, and where a name came back
/// changed, by position, if there are as many objects as items and nothing speaks against their order. Answers the id
/// for each item, in the order of the items, and whether any was matched by its name.
pub(super) fn confirm(
    kind: Kind,
    items: &[Item<'_>],
    objects: &[Object],
) -> (Vec<Option<Id>>, bool) {
    let look = Lookup::new(kind, objects);
    let named: Vec<Option<Id>> = items
        .iter()
        .map(|item| {
            look.namesakes(item)
                .iter()
                .find_map(|object| new_id(object))
        })
        .collect();
    let keeps_names = named.iter().any(Option::is_some);
    let placed = || named.iter().zip(objects);
    let in_order = items.len() == objects.len()
        && placed().all(|(named, object)| named.is_none() || *named == new_id(object));
    if !in_order {
        return (named, keeps_names);
    }
    let by_position = placed().map(|(named, object)| named.clone().or_else(|| new_id(object)));
    (by_position.collect(), keeps_names)
}

/// The id of an object that was just created. An error's id, which is a word, is none.
fn new_id(object: &Object) -> Option<Id> {
    Id::of(object).filter(|id| id.as_str().bytes().all(|b| b.is_ascii_digit()))
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
        assert_eq!(confirmed(created), (vec![Some(Id::new("7"))], true));
        let error = json!({"name": "Wiki", "id": "resource.already.exist"});
        assert_eq!(confirmed(error), (vec![None], false));
    }
}
