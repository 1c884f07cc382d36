//! Lists that are read and written as a whole: what is to be written, and what came of it.
//!
//! Pure. Nobody says whether the server adds what it is sent to the list or replaces the list by it, so what
//! is written is the union of what was just read and what is asked for, and it is read again afterwards.

use std::borrow::Cow;
use std::time::Instant;

use crate::item::{Change, Item, Status};
use crate::resource::Kind;
use crate::wire::{Failure, FieldValue, Fields, Id, Object};

/// Items that are being merged into the list that they belong to.
#[derive(Debug)]
pub(super) struct Merge {
    /// Those that are under way.
    pub(super) items: Vec<Item<'static>>,
    /// Those that come after them. A list is written by one call at a time.
    pub(super) rest: Vec<Vec<Item<'static>>>,
    /// What was written last, until the list is read again.
    pub(super) written: Option<Written>,
    /// How many writes of these items the server said that it has taken.
    pub(super) taken: u32,
    /// What was written and is missing since: to be put back, whatever becomes of the items.
    pub(super) owed: Vec<Object>,
    /// Whether the list was read and empty, which is believed the second time.
    pub(super) seen_empty: bool,
    /// Whether the server said of any write of these items, with others or without, that it has taken it.
    pub(super) landed: bool,
    /// Why the last write was refused, though one before it was taken: the list tells what there is of that.
    pub(super) refused: Option<Refused>,
}

/// A write that was refused.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) failure: Failure,
    /// Whether all others will be too.
    pub(super) for_good: bool,
}

/// A list that was sent.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// Its elements.
    pub(super) list: Vec<Object>,
    /// Whether the server said that it has taken it.
    pub(super) confirmed: bool,
    /// Until when it may still be taken, if its answer was lost.
    pub(super) until: Instant,
}

impl Merge {
    pub(super) fn new(items: Vec<Item<'static>>) -> Self {
        Self {
            items,
            rest: Vec::new(),
            written: None,
            taken: 0,
            owed: Vec::new(),
            seen_empty: false,
            landed: false,
            refused: None,
        }
    }

    /// Until when the last write may still be carried out, if nobody knows whether it was.
    pub(super) fn withheld(&self, now: Instant) -> Option<Instant> {
        let written = self.written.as_ref()?;
        Some(written.until).filter(|until| !written.confirmed && now < *until)
    }

    /// Compares what was written with what is there: what is missing, apart from the items' own, is owed from now
    /// on, and what is there again no longer. Of a write that nobody confirmed and that shows no trace nothing is
    /// missing: it was not carried out.
    pub(super) fn settle_up(&mut self, kind: Kind, live: &[Object]) {
        if let Some(written) = self.written.take() {
            let landed = written.confirmed || self.items.iter().any(|item| is_done(item, live));
            let own = |object: &Object| self.items.iter().any(|item| is_about(item, object));
            let missing = written
                .list
                .into_iter()
                .filter(|object| landed && !own(object));
            let missing: Vec<Object> = missing.filter(|object| is_known(kind, object)).collect();
            self.owed.extend(missing);
        }
        self.owed
            .retain(|object| !live.iter().any(|other| alike(kind, other, object)));
        let mut kept: Vec<Object> = Vec::new();
        for object in self.owed.drain(..) {
            if !kept.iter().any(|other| alike(kind, other, &object)) {
                kept.push(object);
            }
        }
        self.owed = kept;
    }

    /// The list that is to be written: what is there and what is owed, with what the items ask for.
    pub(super) fn list(&self, kind: Kind, live: &[Object]) -> Vec<Object> {
        let about = |object: &Object| self.items.iter().find(|item| is_about(item, object));
        let there = live.iter().filter_map(|object| match about(object) {
            None => Some(kind.merge(object, &Fields::default())),
            Some(item) => Some(kind.merge(object, wanted(item)?)),
        });
        let owed = self.owed.iter().filter(|object| about(object).is_none());
        let mut union: Vec<Object> = there.chain(owed.cloned()).collect();
        for item in &self.items {
            if !live.iter().any(|object| is_about(item, object)) {
                union.extend(new_element(item));
            }
        }
        union
    }
}

/// Whether the list is as the item asks.
pub(super) fn is_done(item: &Item<'_>, live: &[Object]) -> bool {
    match (wanted(item), element(item, live)) {
        (None, there) => there.is_none(),
        (Some(_), None) => false,
        (Some(fields), Some(there)) => {
            let differing = item.resource.differing(there, fields.to_owned_fields());
            differing.0.is_empty()
        }
    }
}

/// The element that the item is about.
pub(super) fn element<'l>(item: &Item<'_>, live: &'l [Object]) -> Option<&'l Object> {
    live.iter().find(|object| is_about(item, object))
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

fn new_element(item: &Item<'_>) -> Option<Object> {
    let fields = wanted(item)?;
    let key = FieldValue::Text(Cow::Owned(item.key.to_string()));
    let key_field = item.resource.key_field();
    let mut object = Fields(vec![(Cow::Borrowed(key_field), key)]).to_object();
    object.extend(fields.to_object());
    Some(object)
}

/// Where two elements have one name, a delete has an id, and means that one and no other.
fn is_about(item: &Item<'_>, object: &Object) -> bool {
    if let Change::Delete { id, .. } = &item.change
        && let Some(other) = Id::of(object)
        && !id.as_str().is_empty()
    {
        return *id == other;
    }
    let key = item.resource.comparable_key(Cow::Borrowed(&item.key));
    item.resource.keys_of(object).contains(&key)
}

/// Whether an element can be told from others at all.
fn is_known(kind: Kind, object: &Object) -> bool {
    Id::of(object).is_some() || !kind.keys_of(object).is_empty()
}

fn alike(kind: Kind, one: &Object, other: &Object) -> bool {
    let (keys, others) = (kind.keys_of(one), kind.keys_of(other));
    if keys.is_empty() || others.is_empty() {
        return Id::of(one).is_some() && Id::of(one) == Id::of(other);
    }
    keys.iter().any(|key| others.contains(key))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::wire::Id;

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
            undo: None,
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
            json!({"id": "2", "domain": "Old.example", "capture": true, "creationTime": "5"}),
            json!({"id": "1", "domain": "gone.example"}),
        ]);
        let merge = Merge::new(vec![create("new.example"), delete("GONE.example")]);
        let list = merge.list(kind(), &live);
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
        let list = merge.list(kind(), &live);
        assert_eq!(
            Value::Object(list[0].clone()),
            json!({"id": "1", "domain": "a.example", "name": "A", "capture": false})
        );
    }

    fn kind() -> Kind {
        Kind::from_name("domain").unwrap()
    }

    fn written(list: &[Value], confirmed: bool) -> Written {
        Written {
            list: objects(list),
            confirmed,
            until: Instant::now(),
        }
    }

    #[test]
    fn what_was_written_and_is_missing_is_owed_until_it_is_seen_again() {
        let list = [
            json!({"domain": "kept.example"}),
            json!({"domain": "lost.example"}),
            json!({"domain": "new.example"}),
        ];
        let mut merge = Merge::new(vec![create("new.example")]);
        merge.settle_up(kind(), &[]);
        assert!(merge.owed.is_empty());
        let live = objects(&[json!({"domain": "KEPT.example"})]);
        merge.written = Some(written(&list, true));
        merge.settle_up(kind(), &live);
        assert_eq!(names(&merge.owed), ["lost.example"]);
        merge.settle_up(kind(), &live);
        assert_eq!(
            names(&merge.owed),
            ["lost.example"],
            "however often it is read"
        );
        let union = merge.list(kind(), &live);
        assert_eq!(
            names(&union),
            ["KEPT.example", "lost.example", "new.example"]
        );
        merge.settle_up(kind(), &objects(&[json!({"domain": "lost.example"})]));
        assert!(merge.owed.is_empty());
    }

    #[test]
    fn of_a_write_that_left_no_trace_nothing_is_missing() {
        let list = [
            json!({"domain": "a.example"}),
            json!({"domain": "new.example"}),
        ];
        let mut merge = Merge::new(vec![create("new.example")]);
        merge.written = Some(written(&list, false));
        merge.settle_up(kind(), &[]);
        assert!(merge.owed.is_empty());
    }

    #[test]
    fn elements_without_a_name_are_told_by_their_ids_and_never_doubled() {
        let live = objects(&[
            json!({"id": "3", "name": "no domain"}),
            json!({"note": "neither"}),
            json!({"id": "1", "domain": "a.example"}),
            json!({"id": "2", "domain": "A.example."}),
        ]);
        let mut merge = Merge::new(vec![delete("a.example")]);
        let union = merge.list(kind(), &live);
        assert_eq!(
            union.len(),
            3,
            "one of the two of that name went: {union:?}"
        );
        assert_eq!(union[2]["id"], "2");
        merge.written = Some(Written {
            list: union.clone(),
            confirmed: true,
            until: Instant::now(),
        });
        merge.settle_up(kind(), &union);
        assert!(merge.owed.is_empty());
    }

    #[test]
    fn what_nobody_asked_to_change_is_not_escaped_again() {
        let live = objects(&[
            json!({"id": "1", "domain": "a.example", "name": "R&amp;D", "modifiedBy": "7"}),
        ]);
        let union = Merge::new(vec![create("b.example")]).list(kind(), &live);
        assert_eq!(
            Value::Object(union[0].clone()),
            json!({"id": "1", "domain": "a.example", "name": "R&D"})
        );
    }
}
