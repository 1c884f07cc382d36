use serde_json::{Value, json};

use super::*;
use crate::resource::Part;
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
        part: Some(Part::Named("SEARCH_SUFFIX")),
        microtenant: None,
        group: Some(0),
        change,
        undo: None,
        reviewed: None,
    }
}

fn create(key: &'static str) -> Item<'static> {
    let text = FieldValue::Text(key.into());
    let body = Fields(vec![("domain".into(), text)]);
    item(key, Change::Create { body })
}

fn delete(key: &'static str) -> Item<'static> {
    let id = Id::from(1);
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
fn the_items_are_merged_into_the_list() {
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
    let live = objects(&[json!({"id": "1", "domain": "a.example", "name": "A", "capture": true})]);
    let set = Fields(vec![("capture".into(), FieldValue::Flag(false))]);
    let changes = Vec::new();
    let id = Id::from(1);
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
    let now = Instant::now();
    Written {
        list: objects(list),
        base: Some(Vec::new()),
        answer: if confirmed {
            WriteAnswer::Confirmed(now)
        } else {
            WriteAnswer::Open(now)
        },
    }
}

#[test]
fn a_lost_element_is_owed_until_it_is_seen_again() {
    let list = [
        json!({"domain": "kept.example"}),
        json!({"domain": "lost.example"}),
        json!({"domain": "new.example"}),
    ];
    let mut merge = Merge::new(vec![create("new.example")]);
    merge.compare(kind(), &[]);
    assert!(merge.owed.is_empty());
    let live = objects(&[json!({"domain": "KEPT.example"})]);
    merge.written = Some(written(&list, true));
    merge.compare(kind(), &live);
    assert_eq!(names(&merge.owed), ["lost.example"]);
    merge.compare(kind(), &live);
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
    merge.compare(kind(), &objects(&[json!({"domain": "lost.example"})]));
    assert!(merge.owed.is_empty());
}

#[test]
fn a_write_that_left_no_trace_owes_nothing() {
    let list = [
        json!({"domain": "a.example"}),
        json!({"domain": "new.example"}),
    ];
    let mut merge = Merge::new(vec![create("new.example")]);
    merge.written = Some(written(&list, false));
    merge.compare(kind(), &[]);
    assert!(merge.owed.is_empty());
}

#[test]
fn elements_without_a_name_are_told_by_their_ids() {
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
    merge.sent(union.clone(), live, Instant::now());
    merge.confirmed(Instant::now());
    merge.compare(kind(), &union);
    assert!(merge.owed.is_empty());
}

#[test]
fn an_untouched_element_is_not_escaped_again() {
    let live =
        objects(&[json!({"id": "1", "domain": "a.example", "name": "R&amp;D", "modifiedBy": "7"})]);
    let union = Merge::new(vec![create("b.example")]).list(kind(), &live);
    assert_eq!(
        Value::Object(union[0].clone()),
        json!({"id": "1", "domain": "a.example", "name": "R&D"})
    );
}
