use serde_json::json;

use super::*;
use crate::plan::Listing;

const PORTAL: &str = "900";

fn snapshot(links: &[serde_json::Value]) -> Snapshot {
    let object = |value: &serde_json::Value| value.as_object().unwrap().clone();
    let listing = |kind, objects| Listing {
        scope: Scope::of(kind, None),
        objects,
    };
    let portals = [
        json!({"id": PORTAL, "name": "Staff"}),
        json!({"id": "901", "name": "Guests"}),
    ];
    Snapshot {
        listings: vec![
            listing(Kind::portal_link(), links.iter().map(object).collect()),
            listing(Kind::user_portal(), portals.iter().map(object).collect()),
        ],
        ..Snapshot::default()
    }
}

fn wiki() -> serde_json::Value {
    json!({
        "id": "1", "name": "Wiki &amp; Docs", "protocol": "https://", "link": "wiki.example",
        "description": "keep", "enabled": true, "userPortals": [{"id": PORTAL, "name": "Staff"}],
    })
}

fn draft(action: Action, key: &'static str, host: &'static str) -> Draft<'static> {
    let mut values = vec![(Cow::Borrowed("name"), FieldValue::Text(key.into()))];
    if !host.is_empty() {
        values.push((Cow::Borrowed("link"), FieldValue::Text(host.into())));
    }
    Draft {
        file: 0,
        row: 2,
        kind: Kind::portal_link(),
        action,
        id: None,
        part: None,
        microtenant: None,
        condition: None,
        key,
        values: Fields(values),
        unresolved_refs: Vec::new(),
    }
}

fn on(portals: &str) -> UnresolvedRef<'_> {
    UnresolvedRef {
        wire: "userPortals",
        target: Kind::user_portal(),
        title: "portals",
        text: portals,
    }
}

fn op(links: &[serde_json::Value], draft: Draft<'static>) -> Change<'static> {
    let snapshot = snapshot(links);
    let mut planner = Planner::new(&snapshot, TenantRules::default());
    planner.plan(draft).unwrap().to_owned_item().change
}

#[test]
fn each_action_has_its_change_for_present_and_absent() {
    use Action::{Create, Delete, Ensure, Update};
    let change = |action, host| op(&[wiki()], draft(action, "Wiki & Docs", host));
    let unchanged = Change::Unchanged {
        id: Some(Id::from(1)),
    };
    assert_eq!(change(Ensure, "WIKI.example"), unchanged);
    assert_eq!(change(Update, "wiki.example"), unchanged);
    assert!(matches!(
        change(Ensure, "new.example"),
        Change::Update { .. }
    ));
    assert!(matches!(
        change(Create, "wiki.example"),
        Change::Error { .. }
    ));
    let (id, condition) = (Id::from(1), None);
    assert_eq!(change(Delete, ""), Change::Delete { id, condition });
    let absent = |action| op(&[wiki()], draft(action, "Other", "other.example"));
    assert!(matches!(absent(Ensure), Change::Create { .. }));
    assert!(matches!(absent(Create), Change::Create { .. }));
    assert!(matches!(absent(Update), Change::Error { .. }));
    assert_eq!(absent(Delete), Change::Unchanged { id: None });
}

#[test]
fn an_update_names_only_the_fields_that_differ() {
    let Change::Update { id, set, changes } = op(
        &[wiki()],
        draft(Action::Ensure, "Wiki & Docs", "new.example"),
    ) else {
        panic!("no update");
    };
    assert_eq!(id, Id::from(1));
    assert_eq!(
        set.to_object(),
        *json!({"link": "new.example"}).as_object().unwrap()
    );
    let expected = FieldChange {
        field: "link".to_owned(),
        old: "wiki.example".to_owned(),
        new: "new.example".to_owned(),
    };
    assert_eq!(changes, [expected]);
}

#[test]
fn a_new_object_gets_defaults_for_missing_fields() {
    let Change::Create { body, .. } = op(&[], draft(Action::Ensure, "New", "new.example")) else {
        panic!("no create");
    };
    let expected = json!({
        "name": "New", "link": "new.example", "protocol": "https://", "enabled": true,
    });
    assert_eq!(body.to_object(), *expected.as_object().unwrap());
}

#[test]
fn a_name_of_several_live_objects_is_an_error() {
    let mut twin = wiki();
    twin["id"] = json!("2");
    let Change::Error { failure } = op(
        &[wiki(), twin.clone()],
        draft(Action::Ensure, "Wiki & Docs", "x.example"),
    ) else {
        panic!("no error");
    };
    assert!(failure.message.contains("1, 2"), "{failure}");
    let mut by_id = draft(Action::Ensure, "Wiki & Docs", "x.example");
    by_id.id = Some("2");
    assert!(matches!(op(&[wiki(), twin], by_id), Change::Update { .. }));
}

#[test]
fn a_taken_name_is_neither_reused_nor_created_again() {
    let mut other = wiki();
    other["id"] = json!("2");
    other["name"] = json!("Other");
    let mut rename = draft(Action::Update, "Wiki & Docs", "");
    rename.id = Some("2");
    let Change::Error { failure } = op(&[wiki(), other.clone()], rename) else {
        panic!("renamed");
    };
    assert!(failure.message.contains("(1)"), "{failure}");
    let mut stale = draft(Action::Create, "Other", "x.example");
    stale.id = Some("99");
    assert!(matches!(op(&[other], stale), Change::Error { .. }));
}

#[test]
fn two_rows_about_one_live_object_are_refused() {
    let snapshot = snapshot(&[wiki()]);
    let mut planner = Planner::new(&snapshot, TenantRules::default());
    planner
        .plan(draft(Action::Ensure, "Wiki & Docs", ""))
        .unwrap();
    let mut again = draft(Action::Delete, "", "");
    again.id = Some("1");
    let problem = planner.plan(again).unwrap_err();
    assert!(
        problem.message.contains("another row is about the same"),
        "{problem:?}"
    );
}

#[test]
fn rows_with_the_same_portals_share_a_group() {
    let snapshot = snapshot(&[]);
    let mut planner = Planner::new(&snapshot, TenantRules::default());
    let mut groups = Vec::new();
    let rows = [
        ("a", "Staff;Guests"),
        ("b", "901; Staff"),
        ("c", "Staff"),
        ("d", "Guests;Staff"),
    ];
    for (key, portals) in rows {
        let mut row = draft(Action::Ensure, key, "x.example");
        row.unresolved_refs.push(on(portals));
        groups.push(planner.plan(row).unwrap().group);
    }
    assert_eq!(groups, [Some(0), Some(0), Some(1), Some(0)]);
    let writes = |batch_size, place| planner.calls(batch_size, place).write;
    assert_eq!(writes(150, BulkPortals::Call), 2);
    assert_eq!(writes(1, BulkPortals::Call), 4);
    assert_eq!(writes(150, BulkPortals::Item), 1);
}

#[test]
fn limits_count_live_new_and_deleted_links() {
    let snapshot = snapshot(&[wiki()]);
    let rules = TenantRules {
        links: 2,
        links_per_portal: 1,
        ..TenantRules::default()
    };
    let mut planner = Planner::new(&snapshot, rules);
    let mut on_staff = |key| {
        let mut row = draft(Action::Ensure, key, "x.example");
        row.unresolved_refs.push(on("Staff"));
        planner.plan(row).unwrap();
        planner.exceeded()
    };
    let exceeded = on_staff("a");
    assert_eq!(exceeded.len(), 1, "{exceeded:?}");
    assert!(
        exceeded[0].contains("portal \"Staff\" (900) would have 2 links"),
        "{exceeded:?}"
    );
    assert_eq!(on_staff("b").len(), 2);
    planner
        .plan(draft(Action::Delete, "Wiki & Docs", ""))
        .unwrap();
    assert_eq!(
        planner.exceeded().len(),
        1,
        "the organization is within its limit again"
    );
}
