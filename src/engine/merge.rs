//! Lists that are read and written as a whole: what is to be written, and what came of it.
//!
//! Pure. Nobody says whether the server adds what it is sent to the list or replaces the list by it, so what
//! is written is the union of what was just read and what is asked for, and it is read again afterwards.

use std::borrow::Cow;

use crate::model::{Change, FieldValue, Fields, Item, Object, Status};
use crate::resource::Kind;

/// Items that are being merged into the list that they belong to.
#[derive(Debug)]
pub(super) struct Merge {
    /// Those that are under way.
    pub(super) items: Vec<Item<'static>>,
    /// Those that come after them. A list is written by one call at a time.
    pub(super) rest: Vec<Vec<Item<'static>>>,
    /// What was written before the list is read again.
    pub(super) written: Option<Written>,
}

/// A list that was sent.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// Its elements.
    pub(super) list: Vec<Object>,
    /// Whether the server said that it has taken it.
    pub(super) confirmed: bool,
}

impl Merge {
    pub(super) fn new(items: Vec<Item<'static>>) -> Self {
        Self {
            items,
            rest: Vec::new(),
            written: None,
        }
    }

    /// The elements that were written and are not there, apart from the items' own.
    pub(super) fn lost(&self, live: &[Object]) -> Vec<Object> {
        let Some(kind) = self.items.first().map(|item| item.resource) else {
            return Vec::new();
        };
        let written = self.written.iter().flat_map(|written| &written.list);
        let mine = |object: &Object| self.items.iter().any(|item| is_about(item, object));
        let there = |object: &Object| live.iter().any(|other| alike(kind, other, object));
        written
            .filter(|object| !mine(object) && !there(object))
            .cloned()
            .collect()
    }

    /// The list that is to be written: what is there, what was `lost`, and what the items ask for.
    pub(super) fn list(&self, live: &[Object], lost: &[Object]) -> Vec<Object> {
        let mut union: Vec<Object> = live.iter().chain(lost).cloned().collect();
        for item in &self.items {
            apply(item, &mut union);
        }
        union
    }
}

/// Whether the list is as the item asks.
pub(super) fn is_done(item: &Item<'_>, live: &[Object]) -> bool {
    let there = live.iter().find(|object| is_about(item, object));
    match (wanted(item), there) {
        (None, there) => there.is_none(),
        (Some(_), None) => false,
        (Some(fields), Some(there)) => {
            let differing = item.resource.differing(there, fields.to_owned_fields());
            differing.0.is_empty()
        }
    }
}

/// What an item has become when the list is as it asks after a confirmed write.
pub(super) fn status(item: &Item<'_>) -> Status {
    match item.change {
        Change::Create { .. } => Status::Created,
        Change::Delete { .. } => Status::Deleted,
        _ => Status::Updated,
    }
}

/// Whether it takes something out of the list.
pub(super) fn takes_out(item: &Item<'_>) -> bool {
    matches!(item.change, Change::Delete { .. })
}

/// The fields that the item's element is to have; none when it is not to be there.
fn wanted<'i, 'r>(item: &'i Item<'r>) -> Option<&'i Fields<'r>> {
    match &item.change {
        Change::Create { body } => Some(body),
        Change::Update { set, .. } => Some(set),
        _ => None,
    }
}

fn apply(item: &Item<'static>, list: &mut Vec<Object>) {
    let kind = item.resource;
    let at = list.iter().position(|object| is_about(item, object));
    match (wanted(item), at.and_then(|at| list.get_mut(at))) {
        (None, _) => list.retain(|object| !is_about(item, object)),
        (Some(fields), Some(there)) => *there = kind.merge(there, fields),
        (Some(fields), None) => {
            let key = FieldValue::Text(Cow::Owned(item.key.to_string()));
            let mut object = Fields(vec![(Cow::Borrowed(kind.key_field()), key)]).to_object();
            object.extend(fields.to_object());
            list.push(object);
        }
    }
}

fn is_about(item: &Item<'_>, object: &Object) -> bool {
    let key = item.resource.comparable_key(Cow::Borrowed(&item.key));
    item.resource.keys_of(object).contains(&key)
}

fn alike(kind: Kind, one: &Object, other: &Object) -> bool {
    let keys = kind.keys_of(other);
    kind.keys_of(one).iter().any(|key| keys.contains(key))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::Id;

    fn objects(values: &[Value]) -> Vec<Object> {
        let objects = values
            .iter()
            .map(|value| value.as_object().unwrap().clone());
        objects.collect()
    }

    fn item(key: &'static str, change: Change<'static>) -> Item<'static> {
        Item {
            item: 0,
            file: 0,
            row: 2,
            resource: Kind::from_name("domain").unwrap(),
            key: key.into(),
            part: Some("SEARCH_SUFFIX".into()),
            microtenant: None,
            group: Some(0),
            change,
        }
    }

    fn create(key: &'static str) -> Item<'static> {
        let text = FieldValue::Text(key.into());
        let body = Fields(vec![("domain".into(), text)]);
        item(key, Change::Create { body })
    }

    fn delete(key: &'static str) -> Item<'static> {
        let id = Id::new("1");
        item(
            key,
            Change::Delete {
                id,
                condition: None,
            },
        )
    }

    fn names(list: &[Object]) -> Vec<&str> {
        list.iter()
            .map(|object| object["domain"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn what_is_written_is_what_is_there_with_what_is_asked_for() {
        let live = objects(&[
            json!({"id": "1", "domain": "Old.example", "capture": true, "creationTime": "5"}),
            json!({"id": "2", "domain": "gone.example"}),
        ]);
        let merge = Merge::new(vec![create("new.example"), delete("GONE.example")]);
        let list = merge.list(&live, &[]);
        assert_eq!(names(&list), ["Old.example", "new.example"]);
        assert_eq!(list[0]["capture"], json!(true));
        assert!(is_done(&merge.items[0], &list) && is_done(&merge.items[1], &list));
        assert!(!is_done(&merge.items[0], &live) && !is_done(&merge.items[1], &live));
    }

    #[test]
    fn a_change_keeps_the_fields_that_it_does_not_name() {
        let live =
            objects(&[json!({"id": "1", "domain": "a.example", "name": "A", "capture": true})]);
        let set = Fields(vec![("capture".into(), FieldValue::Flag(false))]);
        let changes = Vec::new();
        let id = Id::new("1");
        let merge = Merge::new(vec![item("a.example", Change::Update { id, set, changes })]);
        let list = merge.list(&live, &[]);
        assert_eq!(
            Value::Object(list[0].clone()),
            json!({"id": "1", "domain": "a.example", "name": "A", "capture": false})
        );
    }

    #[test]
    fn what_was_written_and_is_not_there_is_lost_unless_it_is_the_items_own() {
        let written = objects(&[
            json!({"domain": "kept.example"}),
            json!({"domain": "lost.example"}),
            json!({"domain": "new.example"}),
        ]);
        let mut merge = Merge::new(vec![create("new.example")]);
        assert!(merge.lost(&[]).is_empty());
        merge.written = Some(Written {
            list: written,
            confirmed: true,
        });
        let live = objects(&[json!({"domain": "KEPT.example"})]);
        assert_eq!(names(&merge.lost(&live)), ["lost.example"]);
        let list = merge.list(&live, &merge.lost(&live));
        assert_eq!(
            names(&list),
            ["KEPT.example", "lost.example", "new.example"]
        );
    }
}
