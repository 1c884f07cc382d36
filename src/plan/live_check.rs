//! Checks of items against the live objects of a tenant.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::live_index::LiveIndex;
use super::review::reading;
use super::snapshot::Snapshot;
use crate::item::{Change, Item, Outcome, Reviewed, Status};
use crate::resource::{Scope, unescape};
use crate::wire::{Failure, Fields, Id, Object};

/// The live objects of a tenant, against which items are checked.
#[derive(Debug)]
pub struct LiveCheck<'s> {
    indexes: HashMap<&'s Scope, LiveIndex<'s>>,
}

impl<'s> LiveCheck<'s> {
    /// Makes a check against the listings of a snapshot.
    #[must_use]
    pub fn new(snapshot: &'s Snapshot) -> Self {
        let mut indexes: HashMap<&'s Scope, LiveIndex<'s>> = HashMap::new();
        for listing in &snapshot.listings {
            let scope = &listing.scope;
            let index = indexes
                .entry(scope)
                .or_insert_with(|| LiveIndex::new(scope));
            listing.objects.iter().for_each(|object| index.add(object));
        }
        Self { indexes }
    }

    /// Says how the tenant differs from an item that was carried out, or returns `None` if the tenant shows the change.
    ///
    /// A created object must exist with the fields of the item. An updated object must have the changed fields, and a
    /// deleted object must be gone. `id` is the object's id from the item's outcome, if the outcome has one.
    #[must_use]
    pub fn mismatch(&self, item: &Item<'_>, id: Option<&Id>) -> Option<String> {
        let Some(index) = self.indexes.get(&item.scope()) else {
            let noun = item.resource.noun();
            return Some(format!("the {noun}s of its microtenant were not read"));
        };
        match &item.change {
            Change::Create { body } => differing(index, item, id, body),
            Change::Update { id, set, .. } => differing(index, item, Some(id), set),
            Change::Delete { id, .. } => {
                is_there(index, item, id).then(|| "it is still there".to_owned())
            }
            Change::Spared { .. }
            | Change::Stale { .. }
            | Change::Unchanged { .. }
            | Change::Error { .. } => None,
        }
    }
}

impl LiveCheck<'_> {
    /// Returns the reading on which an item of a saved plan is reviewed: its object as the tenant has it. An item that does
    /// nothing whatever the tenant has needs none.
    #[must_use]
    pub fn reading(&self, item: &Item<'_>) -> Option<Reviewed<'static>> {
        reading(self.indexes.get(&item.scope())?, item)
    }

    /// Finds the live object that the create of `item` may have made: one with its name and its fields.
    #[must_use]
    pub fn copy_of(&self, item: &Item<'_>) -> Option<Id> {
        let Change::Create { body } = &item.change else {
            return None;
        };
        let mut namesakes = namesakes(self.indexes.get(&item.scope())?, item).iter();
        let copy = namesakes.find(|live| item.resource.contradicting(live, body).0.is_empty());
        copy.and_then(|live| Id::of(live))
    }

    /// Returns the outcome of an item to be created if an object of its name exists by now.
    ///
    /// The item is unchanged if that object has the item's fields. If not, it has failed, or is stale if its plan was saved.
    #[must_use]
    pub fn forestalled(&self, item: &Item<'_>) -> Option<Outcome> {
        if let Some(id) = self.copy_of(item) {
            return Some(Outcome {
                item: item.item,
                status: Status::Unchanged,
                id: Some(id),
                failure: None,
            });
        }
        let mut namesakes = namesakes(self.indexes.get(&item.scope())?, item).iter();
        let other = namesakes.find_map(|live| Id::of(live))?;
        Some(conflict(item, &other))
    }
}

/// The trace of a change on the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appearance {
    /// The id of the object, if it has one.
    pub id: Option<Id>,
    /// The words for what the tenant shows.
    pub found: String,
}

impl LiveCheck<'_> {
    /// Says how the tenant shows the change of an item that was not carried out, or returns `None` if it does not. For a
    /// spared object, the change is its delete.
    ///
    /// A flag that the answer leaves out shows nothing.
    #[must_use]
    pub fn appearance(&self, item: &Item<'_>) -> Option<Appearance> {
        let index = self.indexes.get(&item.scope())?;
        let id = item.change.id().filter(|id| !id.is_none()).cloned();
        let shown = match &item.change {
            Change::Create { .. } => return self.copy_of(item).map(created),
            Change::Update { set, .. } => {
                let live = object_of(index, item, id.as_ref())?;
                let left = item.resource.differing(live, set.to_owned_fields());
                left.0.is_empty().then_some("it is as the row asks")
            }
            Change::Delete { id, .. } | Change::Spared { id, .. } => {
                (!is_there(index, item, id)).then_some("it is gone")
            }
            Change::Stale { .. } | Change::Unchanged { .. } | Change::Error { .. } => None,
        };
        shown.map(|found| Appearance {
            id,
            found: found.to_owned(),
        })
    }

    /// Returns the ids of the live objects that have the item's name, if there are several. The name counts as the
    /// tenant answers it, and unescaped.
    #[must_use]
    pub fn namesakes(&self, item: &Item<'_>) -> Vec<Id> {
        if item.key.is_empty() || item.resource.key().is_none() {
            return Vec::new();
        }
        let Some(index) = self.indexes.get(&item.scope()) else {
            return Vec::new();
        };
        let unescaped = item.resource.comparable_key(unescape(&item.key));
        let as_unescaped = index.by_key.get(&*unescaped).into_iter().flatten();
        let all = namesakes(index, item).iter().chain(as_unescaped);
        let ids: BTreeSet<Id> = all.filter_map(|live| Id::of(live)).collect();
        if ids.len() > 1 {
            ids.into_iter().collect()
        } else {
            Vec::new()
        }
    }
}

fn created(id: Id) -> Appearance {
    Appearance {
        found: format!("it is there as the row asks, with the id {id}"),
        id: Some(id),
    }
}

fn object_of<'s>(index: &LiveIndex<'s>, item: &Item<'_>, id: Option<&Id>) -> Option<&'s Object> {
    match id {
        Some(id) => index.by_id.get(id.as_str()).copied(),
        None => namesakes(index, item).first().copied(),
    }
}

/// Returns the outcome of an item whose name another object has got since the item was planned.
#[must_use]
pub fn conflict(item: &Item<'_>, other: &Id) -> Outcome {
    let noun = item.resource.noun();
    let message =
        format!("another {noun} of this name has appeared meanwhile ({other}); plan again");
    Outcome {
        item: item.item,
        status: match item.reviewed {
            Some(_) => Status::Stale,
            None => Status::Failed,
        },
        id: None,
        failure: Some(Failure::new(message)),
    }
}

/// Says how the tenant differs from an object that must have the fields of `wanted`.
fn differing(
    index: &LiveIndex<'_>,
    item: &Item<'_>,
    id: Option<&Id>,
    wanted: &Fields<'_>,
) -> Option<String> {
    let kind = item.resource;
    let by_id = id.filter(|id| !id.as_str().is_empty());
    let found: Vec<&Object> = match by_id {
        Some(id) => index.by_id.get(id.as_str()).copied().into_iter().collect(),
        None => namesakes(index, item).to_vec(),
    };
    let Some(first) = found.first() else {
        return Some(absent(index, item, by_id));
    };
    let mut contradictions = found.iter().map(|live| kind.contradicting(live, wanted).0);
    if contradictions.any(|fields| fields.is_empty()) {
        return None;
    }
    let fields = kind.contradicting(first, wanted).0.into_iter();
    let fields = fields.map(|(wire, value)| {
        let (live, wanted) = (kind.show(&wire, first), value.show());
        format!("its {wire} is {live:?}, not {wanted:?}")
    });
    Some(fields.collect::<Vec<_>>().join(", "))
}

fn absent(index: &LiveIndex<'_>, item: &Item<'_>, id: Option<&Id>) -> String {
    let noun = item.resource.noun();
    let namesake = namesakes(index, item).iter().find_map(|live| Id::of(live));
    match (id, namesake) {
        (None, _) => format!("there is no {noun} of that name"),
        (Some(id), None) => format!("there is no {noun} with the id {id}"),
        (Some(_), Some(other)) => {
            format!("no {noun} has that id; one of that name has the id {other}")
        }
    }
}

fn is_there(index: &LiveIndex<'_>, item: &Item<'_>, id: &Id) -> bool {
    match id.as_str() {
        "" => !namesakes(index, item).is_empty(),
        id => index.by_id.contains_key(id),
    }
}

fn namesakes<'k, 's>(index: &'k LiveIndex<'s>, item: &Item<'_>) -> &'k [&'s Object] {
    let key = item.resource.comparable_key(Cow::Borrowed(&item.key));
    let namesakes = index.by_key.get(&*key).map(Vec::as_slice);
    namesakes.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::Listing;

    fn mismatch(kind: &str, live: &[Value], change: Value, id: Option<&str>) -> Option<String> {
        let mut item = json!({
            "item": 0, "file": 0, "row": 2, "resource": kind, "key": "Wiki",
        });
        let Value::Object(change) = change else {
            unreachable!()
        };
        item.as_object_mut().unwrap().extend(change);
        let item: Item<'static> = serde_json::from_value(item).unwrap();
        let snapshot = Snapshot {
            listings: vec![Listing {
                scope: item.scope(),
                objects: live
                    .iter()
                    .map(|o| o.as_object().unwrap().clone())
                    .collect(),
            }],
            ..Snapshot::default()
        };
        LiveCheck::new(&snapshot).mismatch(&item, id.and_then(Id::parse).as_ref())
    }

    fn create(link: &str) -> Value {
        json!({"op": "create", "body": {"name": "Wiki", "link": link, "enabled": true}})
    }

    #[test]
    fn a_created_object_has_its_id_and_its_fields() {
        let live = json!({"id": "7", "name": "Wiki", "link": "wiki.example", "enabled": true});
        let link = |change, id| mismatch("portal-link", std::slice::from_ref(&live), change, id);
        assert_eq!(link(create("WIKI.example"), Some("7")), None);
        assert_eq!(link(create("wiki.example"), None), None);
        let found = link(create("new.example"), Some("7")).unwrap();
        assert_eq!(found, "its link is \"wiki.example\", not \"new.example\"");
        let found = link(create("wiki.example"), Some("8")).unwrap();
        assert_eq!(
            found,
            "no portal link has that id; one of that name has the id 7"
        );
        let found = mismatch("portal-link", &[], create("wiki.example"), Some("8")).unwrap();
        assert_eq!(found, "there is no portal link with the id 8");
    }

    #[test]
    fn a_flag_missing_from_the_answer_is_no_mismatch() {
        let without = json!({"id": "7", "name": "Wiki", "link": "wiki.example"});
        let found = mismatch("portal-link", &[without], create("wiki.example"), Some("7"));
        assert_eq!(found, None);
        let off = json!({"id": "7", "name": "Wiki", "link": "wiki.example", "enabled": false});
        assert!(mismatch("portal-link", &[off], create("wiki.example"), Some("7")).is_some());
    }

    #[test]
    fn an_updated_object_has_the_changed_fields() {
        let update = json!({"op": "update", "id": "7", "set": {"name": "Docs"}, "changes": []});
        let named = |name| {
            let live = json!({"id": "7", "name": name});
            mismatch("portal-link", &[live], update.clone(), Some("7"))
        };
        assert_eq!(named("Docs"), None);
        assert_eq!(named("Wiki").unwrap(), "its name is \"Wiki\", not \"Docs\"");
    }

    /// Returns the ids of several live links of the name `key`. The links have these ids and names.
    fn namesakes_of(key: &str, live: &[(&str, &str)]) -> Vec<String> {
        let item: Item<'static> = serde_json::from_value(json!({
            "item": 0, "file": 0, "row": 2, "resource": "portal-link", "key": key,
            "op": "create", "body": {},
        }))
        .unwrap();
        let object = |(id, name): &(&str, &str)| {
            let object = json!({"id": id, "name": name});
            object.as_object().unwrap().clone()
        };
        let snapshot = Snapshot {
            listings: vec![Listing {
                scope: item.scope(),
                objects: live.iter().map(object).collect(),
            }],
            ..Snapshot::default()
        };
        let ids = LiveCheck::new(&snapshot).namesakes(&item);
        ids.iter().map(Id::to_string).collect()
    }

    #[test]
    fn names_are_the_same_as_answered_and_unescaped() {
        let both = [("1", "R&D"), ("2", "R&amp;D"), ("3", "Other")];
        for key in ["R&D", "R&amp;D", " R&D "] {
            assert_eq!(namesakes_of(key, &both), ["1", "2"], "{key}");
        }
        assert!(namesakes_of("Other", &both).is_empty());
        // One object has both names.
        assert!(namesakes_of("R&D", &both[1..]).is_empty());
        assert!(namesakes_of("", &[("1", ""), ("2", "")]).is_empty());
    }

    #[test]
    fn a_flag_missing_from_the_answer_shows_no_update() {
        let item = |set: Value| -> Item<'static> {
            serde_json::from_value(json!({
                "item": 0, "file": 0, "row": 2, "resource": "portal-link", "key": "Wiki",
                "op": "update", "id": "7", "set": set, "changes": [],
            }))
            .unwrap()
        };
        let live = json!({"id": "7", "name": "Wiki", "link": "wiki.example"});
        let snapshot = Snapshot {
            listings: vec![Listing {
                scope: item(json!({})).scope(),
                objects: vec![live.as_object().unwrap().clone()],
            }],
            ..Snapshot::default()
        };
        let live_check = LiveCheck::new(&snapshot);
        let shown = |set| live_check.appearance(&item(set)).map(|shown| shown.found);
        assert_eq!(shown(json!({"enabled": true})), None);
        assert_eq!(shown(json!({"link": "new.example"})), None);
        let as_asked = shown(json!({"link": "wiki.example"}));
        assert_eq!(as_asked.as_deref(), Some("it is as the row asks"));
    }

    #[test]
    fn a_deleted_object_is_gone_by_id_or_else_by_name() {
        let wiki = json!({"id": "7", "name": "Wiki"});
        let by_id = |id| {
            let change = json!({"op": "delete", "id": id});
            mismatch("portal-link", std::slice::from_ref(&wiki), change, Some(id))
        };
        assert_eq!(by_id("8"), None, "another object has that name since");
        assert_eq!(by_id("7").unwrap(), "it is still there");
        let domain = |name: &str| {
            let live = json!({"domain": name});
            mismatch("domain", &[live], json!({"op": "delete", "id": ""}), None)
        };
        assert_eq!(domain("wiki").unwrap(), "it is still there");
        assert_eq!(domain("docs"), None);
    }
}
