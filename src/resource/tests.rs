//! Tests of kinds: requests, comparison and merging.

use serde_json::{Value, json};

use super::Kind;
use super::requests::into_object;
use crate::wire::{FieldValue, Fields, Id, Object, Reference, Version};

fn object(value: Value) -> Object {
    into_object(value).unwrap()
}

fn link(name: &'static str) -> Fields<'static> {
    Fields(vec![
        ("name".into(), FieldValue::Text(name.into())),
        (
            "userPortals".into(),
            FieldValue::Refs(vec![Reference { id: "7".into() }]),
        ),
    ])
}

#[test]
fn a_replacement_keeps_all_but_the_servers_own_fields() {
    let live = object(json!({
        "id": "1", "name": "a&#x2a;b", "description": "old", "creationTime": "5",
        "userPortals": [{"id": "7", "name": "P"}], "novel": {"kept": true},
    }));
    let set = Fields(vec![("link".into(), FieldValue::Text("wiki".into()))]);
    let request = Kind::portal_link().replace(&Id::from(1), None, &live, &set);
    assert_eq!(
        request.body,
        Some(json!({
            "id": "1", "name": "a*b", "description": "old", "link": "wiki",
            "userPortals": [{"id": "7"}], "novel": {"kept": true},
        }))
    );
}

#[test]
fn a_link_as_recorded_equals_its_row() {
    let live = object(json!({
        "id": "1", "name": "wiki", "microtenantName": "Default", "creationTime": "5",
        "userPortals": [{"id": "7", "name": "P", "extLabel": "p", "domain": "p-acme-com.p.zscalerportal.net",
            "extDomainTranslation": "acme.com", "enabled": true}],
    }));
    let kind = Kind::portal_link();
    assert_eq!(kind.changed_fields(&live, &link("wiki")), [""; 0]);
    let set = Fields(vec![("link".into(), FieldValue::Text("wiki".into()))]);
    let body = kind.replace(&Id::from(1), None, &live, &set).body.unwrap();
    assert!(body.get("microtenantName").is_none());
}

#[test]
fn several_bodies_go_out_as_one_bulk_call() {
    let (a, b) = (link("a"), link("b"));
    let request = Kind::portal_link().create(&[&a, &b], None);
    assert_eq!(request.version, Version::V2);
    assert_eq!(request.path.to_string(), "userPortalLink/bulk");
    assert_eq!(
        request.body,
        Some(json!({
            "userPortalLinks": [{"name": "a"}, {"name": "b"}],
            "userPortals": [{"id": "7"}],
        }))
    );
}

#[test]
fn a_lone_body_goes_to_the_plain_endpoint() {
    let request = Kind::portal_link().create(&[&link("a")], None);
    assert_eq!(request.version, Version::V1);
    assert_eq!(request.path.to_string(), "userPortalLink");
    assert_eq!(
        request.body,
        Some(json!({"name": "a", "userPortals": [{"id": "7"}]}))
    );
}

#[test]
fn nouns_have_their_articles() {
    let with_article = |name| Kind::from_name(name).unwrap().indefinite();
    assert_eq!(with_article("connector"), "an app connector");
    assert_eq!(with_article("user-portal"), "a user portal");
}

#[test]
fn only_a_new_schedule_names_its_customer() {
    let kind = Kind::from_name("connector-schedule").unwrap();
    let body = Fields(vec![(
        "frequencyInterval".into(),
        FieldValue::Text("30".into()),
    )]);
    let sent = kind.create(&[&body], None);
    assert_eq!(
        sent.body_for("145").as_deref(),
        Some(&json!({"frequencyInterval": "30", "customerId": "145"}))
    );
    let sent = Kind::portal_link().create(&[&link("a")], None);
    assert_eq!(sent.body_for("145").as_deref(), sent.body.as_ref());
}

#[test]
fn a_bulk_answer_is_read_with_or_without_wrapper() {
    let kind = Kind::portal_link();
    let wrapped = json!({"userPortalLinks": [{"id": "1"}], "userPortals": []});
    assert_eq!(kind.created_objects(Some(wrapped)).len(), 1);
    assert_eq!(
        kind.created_objects(Some(json!([{"id": "1"}, {"id": "2"}])))
            .len(),
        2
    );
    assert_eq!(kind.created_objects(Some(json!({"id": "1"}))).len(), 1);
    assert!(kind.created_objects(None).is_empty());
}

#[test]
fn column_names_match_in_any_spelling() {
    for name in ["Link Path", "linkPath", "link_path", "LINK-PATH"] {
        let column = Kind::portal_link().column(name).unwrap();
        assert_eq!(column.wire, "linkPath");
    }
}
