//! Whether what was to be done for an item shows on the tenant.

use std::borrow::Cow;

use foldhash::{HashMap, HashMapExt};

use super::Snapshot;
use super::known::{Known, id_of};
use crate::item::{Change, Item, Outcome, Status};
use crate::resource::Scope;
use crate::wire::{Failure, Fields, Id, Object};

/// What a tenant holds, to hold items against it.
#[derive(Debug)]
pub struct Evidence<'s> {
    known: HashMap<&'s Scope, Known<'s>>,
}

impl<'s> Evidence<'s> {
    /// The evidence of those listings.
    #[must_use]
    pub fn new(snapshot: &'s Snapshot) -> Self {
        let mut known: HashMap<&'s Scope, Known<'s>> = HashMap::new();
        for listing in &snapshot.listings {
            let scope = &listing.scope;
            let known = known.entry(scope).or_insert_with(|| Known::new(scope));
            listing.objects.iter().for_each(|object| known.add(object));
        }
        Self { known }
    }

    /// What speaks against the item having been carried out, in words; nothing when the tenant shows it: a created
    /// object is there and as its row asks, an updated one has the fields that were to be changed, a deleted one is
    /// gone. `id` is that of the object, where its outcome has one.
    #[must_use]
    pub fn against(&self, item: &Item<'_>, id: Option<&Id>) -> Option<String> {
        let noun = item.resource.noun();
        let Some(known) = self.known.get(&item.scope()) else {
            return Some(format!("the {noun}s of its microtenant were not read"));
        };
        match &item.change {
            Change::Create { body } => shows(known, item, id, body),
            Change::Update { id, set, .. } => shows(known, item, Some(id), set),
            Change::Delete { id, .. } => still_there(known, item, id),
            Change::Spared { .. } | Change::Unchanged { .. } | Change::Error { .. } => None,
        }
    }
}

impl Evidence<'_> {
    /// The live object that creating the item has made, if it shows: one of its name that is as the item says.
    #[must_use]
    pub fn copy_of(&self, item: &Item<'_>) -> Option<Id> {
        let Change::Create { body } = &item.change else {
            return None;
        };
        let mut namesakes = namesakes(self.known.get(&item.scope())?, item).iter();
        let copy = namesakes.find(|live| item.resource.contradicting(live, body).0.is_empty());
        copy.and_then(|live| Id::of(live))
    }

    /// How an item that is still to be created has ended, if somebody else has created it meanwhile, or something
    /// else of its name.
    #[must_use]
    pub fn forestalled(&self, item: &Item<'_>) -> Option<Outcome> {
        let ended = |status, id, failure| Outcome {
            item: item.item,
            status,
            id,
            failure,
        };
        if let Some(id) = self.copy_of(item) {
            return Some(ended(Status::Unchanged, Some(id), None));
        }
        let mut namesakes = namesakes(self.known.get(&item.scope())?, item).iter();
        let other = namesakes.find_map(|live| Id::of(live))?;
        Some(ended(Status::Failed, None, Some(conflict(item, &other))))
    }
}

/// Why an item is not created: something else has got its name since it was planned.
#[must_use]
pub fn conflict(item: &Item<'_>, other: &Id) -> Failure {
    let noun = item.resource.noun();
    Failure::new(format!(
        "another {noun} of this name has appeared meanwhile ({other}); plan again"
    ))
}

/// What is wrong with the object that is to have these fields.
fn shows(
    known: &Known<'_>,
    item: &Item<'_>,
    id: Option<&Id>,
    wanted: &Fields<'_>,
) -> Option<String> {
    let kind = item.resource;
    let by_id = id.filter(|id| !id.as_str().is_empty());
    let found: Vec<&Object> = match by_id {
        Some(id) => known.by_id.get(id.as_str()).copied().into_iter().collect(),
        None => namesakes(known, item).to_vec(),
    };
    let Some(first) = found.first() else {
        return Some(absent(known, item, by_id));
    };
    let as_asked = found
        .iter()
        .any(|live| kind.contradicting(live, wanted).0.is_empty());
    (!as_asked).then(|| {
        let fields = kind.contradicting(first, wanted).0;
        let fields = fields.iter().map(|(wire, value)| {
            let live = kind.show(wire, first);
            format!("its {wire} is {live:?}, not {:?}", value.show())
        });
        fields.collect::<Vec<_>>().join(", ")
    })
}

fn absent(known: &Known<'_>, item: &Item<'_>, id: Option<&Id>) -> String {
    let noun = item.resource.noun();
    let Some(id) = id else {
        return format!("there is no {noun} of that name");
    };
    let namesake = namesakes(known, item).iter().find_map(|live| id_of(live));
    match namesake {
        Some(other) => format!("no {noun} has that id; one of that name has the id {other}"),
        None => format!("there is no {noun} with the id {id}"),
    }
}

fn still_there(known: &Known<'_>, item: &Item<'_>, id: &Id) -> Option<String> {
    let there = match id.as_str() {
        "" => !namesakes(known, item).is_empty(),
        id => known.by_id.contains_key(id),
    };
    there.then(|| "it is still there".to_owned())
}

fn namesakes<'k, 's>(known: &'k Known<'s>, item: &Item<'_>) -> &'k [&'s Object] {
    let key = item.resource.comparable_key(Cow::Borrowed(&item.key));
    let namesakes = known.by_key.get(&*key).map(Vec::as_slice);
    namesakes.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::Listing;

    fn against(kind: &str, live: &[Value], change: Value, id: Option<&str>) -> Option<String> {
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
        };
        Evidence::new(&snapshot).against(&item, id.map(Id::new).as_ref())
    }

    fn create(link: &str) -> Value {
        json!({"op": "create", "body": {"name": "Wiki", "link": link, "enabled": true}})
    }

    #[test]
    fn a_created_object_is_there_by_its_id_and_as_its_row_asks() {
        let live = json!({"id": "7", "name": "Wiki", "link": "wiki.example", "enabled": true});
        let link = |change, id| against("portal-link", std::slice::from_ref(&live), change, id);
        assert_eq!(link(create("WIKI.example"), Some("7")), None);
        assert_eq!(link(create("wiki.example"), None), None);
        let found = link(create("new.example"), Some("7")).unwrap();
        assert_eq!(found, "its link is \"wiki.example\", not \"new.example\"");
        let found = link(create("wiki.example"), Some("8")).unwrap();
        assert_eq!(
            found,
            "no portal link has that id; one of that name has the id 7"
        );
        let found = against("portal-link", &[], create("wiki.example"), Some("8")).unwrap();
        assert_eq!(found, "there is no portal link with the id 8");
    }

    #[test]
    fn a_flag_that_the_answer_leaves_out_says_nothing_against_it() {
        let untold = json!({"id": "7", "name": "Wiki", "link": "wiki.example"});
        let found = against("portal-link", &[untold], create("wiki.example"), Some("7"));
        assert_eq!(found, None);
        let off = json!({"id": "7", "name": "Wiki", "link": "wiki.example", "enabled": false});
        assert!(against("portal-link", &[off], create("wiki.example"), Some("7")).is_some());
    }

    #[test]
    fn an_updated_object_has_the_changed_fields_whatever_it_is_called_now() {
        let update = json!({"op": "update", "id": "7", "set": {"name": "Docs"}, "changes": []});
        let named = |name| {
            let live = json!({"id": "7", "name": name});
            against("portal-link", &[live], update.clone(), Some("7"))
        };
        assert_eq!(named("Docs"), None);
        assert_eq!(named("Wiki").unwrap(), "its name is \"Wiki\", not \"Docs\"");
    }

    #[test]
    fn a_deleted_object_is_gone_by_its_id_or_where_it_has_none_by_its_name() {
        let wiki = json!({"id": "7", "name": "Wiki"});
        let by_id = |id| {
            let change = json!({"op": "delete", "id": id});
            against("portal-link", std::slice::from_ref(&wiki), change, Some(id))
        };
        assert_eq!(by_id("8"), None, "another of that name has come since");
        assert_eq!(by_id("7").unwrap(), "it is still there");
        let domain = |name: &str| {
            let live = json!({"domain": name});
            against("domain", &[live], json!({"op": "delete", "id": ""}), None)
        };
        assert_eq!(domain("wiki").unwrap(), "it is still there");
        assert_eq!(domain("docs"), None);
    }
}
