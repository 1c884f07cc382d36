//! The auto-delete schedule of connectors.

use serde_json::{Value, json};

use crate::support::api::text;
use crate::support::served::{SCHEDULE, tenant};

/// A schedule of so many days, as text or as a number.
fn every(days: impl Into<Value>) -> Value {
    let days = days.into();
    json!({"frequency": "days", "frequencyInterval": days, "enabled": true, "deleteDisabled": false})
}

#[tokio::test]
async fn a_missing_schedule_reads_as_the_scenario_says() {
    let without = tenant("").await;
    assert_eq!(
        without.get(SCHEDULE).await.refusal(),
        (404, "resource.not.found")
    );
    let empty = tenant("connector_schedule = { absent = \"empty\" }").await;
    let reply = empty.get(SCHEDULE).await;
    assert_eq!((reply.status, reply.body), (200, json!({})));
    assert_eq!(empty.stored("connector_schedule"), Value::Null);
}

#[tokio::test]
async fn a_second_schedule_is_a_conflict() {
    let tenant = tenant("").await;
    let posted = tenant.post(SCHEDULE, every(30)).await;
    assert_eq!((posted.status, posted.body), (204, Value::Null));
    let read = tenant.get(SCHEDULE).await;
    let id = text(&read.body, "id");
    let expected = json!({"id": id, "customerId": "72", "frequency": "days", "frequencyInterval": "30",
        "enabled": true, "deleteDisabled": false});
    assert_eq!((read.status, &read.body), (200, &expected));
    assert_eq!(id.len(), 18);
    let second = tenant.post(SCHEDULE, every(7)).await;
    assert_eq!(second.refusal(), (400, "resource.already.exist"));
    assert_eq!(tenant.stored("connector_schedule"), expected);
}

#[tokio::test]
async fn a_put_replaces_the_schedule_of_its_id_alone() {
    let tenant = tenant("").await;
    tenant.post(SCHEDULE, every("5")).await;
    let id = tenant.get(SCHEDULE).await.id();
    let path = format!("{SCHEDULE}/{id}");
    let put = tenant
        .put(
            &path,
            json!({"frequency": "days", "frequencyInterval": "60", "enabled": false}),
        )
        .await;
    assert_eq!((put.status, put.body), (204, Value::Null));
    let read = tenant.get(SCHEDULE).await.body;
    assert_eq!(
        (text(&read, "id"), &read["frequencyInterval"]),
        (id.as_str(), &json!("60"))
    );
    assert_eq!(
        (&read["enabled"], read.get("deleteDisabled")),
        (&json!(false), None)
    );
    for other in ["5", "x"] {
        let reply = tenant.put(&format!("{SCHEDULE}/{other}"), every(7)).await;
        assert_eq!(reply.refusal(), (404, "resource.not.found"));
    }
    assert_eq!(tenant.delete(&path).await.status, 405);
}

#[tokio::test]
async fn only_whole_days_from_five_on_are_taken() {
    let tenant = tenant("").await;
    let cases = [
        (every(4), "invalid.frequency.interval"),
        (every("4"), "invalid.frequency.interval"),
        (every("30 days"), "invalid.frequency.interval"),
        (every(5.5), "invalid.json"),
        (every(Value::Null), "required.field.missing"),
        (json!({"frequencyInterval": 30}), "required.field.missing"),
        (
            json!({"frequency": "weeks", "frequencyInterval": 30}),
            "invalid.frequency",
        ),
        (
            json!({"frequency": "days", "frequencyInterval": 30, "enabled": 1}),
            "invalid.json",
        ),
        (json!([]), "invalid.json"),
    ];
    for (body, id) in cases {
        let reply = tenant.post(SCHEDULE, body.clone()).await;
        assert_eq!(reply.refusal(), (400, id), "{body}");
    }
    assert_eq!(tenant.post(SCHEDULE, every("5")).await.status, 204);
    let path = format!("{SCHEDULE}/{}", tenant.get(SCHEDULE).await.id());
    assert_eq!(tenant.put(&path, every(4)).await.status, 400);
    assert_eq!(tenant.get(SCHEDULE).await.body["frequencyInterval"], "5");
}

#[tokio::test]
async fn numbers_are_numbers_where_the_scenario_says_so() {
    let tenant = tenant("connector_schedule = { numbers = \"numbers\" }").await;
    tenant.post(SCHEDULE, every("30")).await;
    let read = tenant.get(SCHEDULE).await.body;
    assert_eq!(
        (&read["frequencyInterval"], &read["customerId"]),
        (&json!(30), &json!(72))
    );
    let id = read["id"].as_u64().unwrap();
    let put = tenant.put(&format!("{SCHEDULE}/{id}"), every(7)).await;
    assert_eq!(put.status, 204);
    assert_eq!(tenant.get(SCHEDULE).await.body["frequencyInterval"], 7);
}
