//! App connectors: those of a new tenant, listings, changes and deletions.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::api::{Reply, text};
use crate::support::served::{BULK_DELETE, CONNECTORS, Offline, Tenant, tenant};

const DAY: i64 = 24 * 3600;

/// The live state of the connectors, past the API.
fn stored(tenant: &Tenant) -> Vec<Value> {
    tenant.stored("connectors").as_array().unwrap().clone()
}

fn seconds(object: &Value, field: &str) -> i64 {
    text(object, field).parse().unwrap()
}

fn now() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// The connectors whose name begins so.
fn named<'a>(connectors: &'a [Value], prefix: &str) -> Vec<&'a Value> {
    let all = connectors.iter();
    all.filter(|one| text(one, "name").starts_with(prefix))
        .collect()
}

async fn all(tenant: &Tenant) -> Vec<Value> {
    let reply = tenant.get(&format!("{CONNECTORS}?pagesize=500")).await;
    reply.rows().to_vec()
}

fn one(name: &str, connectors: &[Value]) -> String {
    let found = connectors.iter().find(|one| one["name"] == name);
    format!("{CONNECTORS}/{}", text(found.unwrap(), "id"))
}

fn ids(connectors: &[&Value]) -> Vec<String> {
    let ids = connectors.iter().map(|one| text(one, "id").to_owned());
    ids.collect()
}

#[tokio::test]
async fn a_tenant_starts_with_connectors_of_every_kind() {
    let tenant = tenant("").await;
    let connectors = all(&tenant).await;
    let counts = ["live", "stale", "never", "managed"].map(|kind| named(&connectors, kind).len());
    assert_eq!(counts, [6, 10, 2, 1]);
    assert_eq!(stored(&tenant), connectors);
    let groups: BTreeSet<&str> = connectors
        .iter()
        .map(|one| text(one, "appConnectorGroupName"))
        .collect();
    let expected = [
        "Connector Group 1",
        "Connector Group 2",
        "Connector Group 3",
    ];
    assert!(groups.into_iter().eq(expected));
    for field in ["id", "appConnectorGroupId", "provisioningKeyId"] {
        assert!(connectors.iter().all(|one| text(one, field).len() == 18));
    }
}

#[tokio::test]
async fn stale_connectors_left_31_to_400_days_ago() {
    let tenant = tenant("connectors = { stale = 40 }").await;
    let (connectors, now) = (all(&tenant).await, now());
    let mut oldest = 0;
    for one in named(&connectors, "stale") {
        assert_eq!(one["controlChannelStatus"], "ZPN_STATUS_DISCONNECTED");
        let age = now - seconds(one, "lastBrokerDisconnectTime");
        assert!((31 * DAY..=400 * DAY + 60).contains(&age), "{age}");
        let connected = seconds(one, "lastBrokerConnectTime");
        assert!(connected < seconds(one, "lastBrokerDisconnectTime"));
        assert!(seconds(one, "creationTime") <= connected);
        oldest = oldest.max(age);
    }
    assert!(oldest > 390 * DAY, "the ages spread: {oldest}");
}

#[tokio::test]
async fn live_connectors_have_an_older_disconnection() {
    let tenant = tenant("").await;
    let (connectors, now) = (all(&tenant).await, now());
    let live = named(&connectors, "live");
    for one in &live {
        assert_eq!(one["controlChannelStatus"], "ZPN_STATUS_AUTHENTICATED");
        assert!(seconds(one, "lastBrokerDisconnectTime") < seconds(one, "lastBrokerConnectTime"));
    }
    let old = |one: &&&Value| now - seconds(one, "lastBrokerDisconnectTime") > 30 * DAY;
    assert!(live.iter().filter(old).count() >= 4);
}

#[tokio::test]
async fn connectors_never_connected_have_no_times() {
    let tenant = tenant("connectors = { never_connected = 4 }").await;
    let (connectors, now) = (all(&tenant).await, now());
    let never = named(&connectors, "never");
    let fields = [
        "controlChannelStatus",
        "lastBrokerConnectTime",
        "lastBrokerDisconnectTime",
    ];
    for one in &never {
        assert!(fields.iter().all(|field| one.get(field).is_none()));
    }
    let old = never
        .iter()
        .map(|one| now - seconds(one, "creationTime") > 30 * DAY);
    assert_eq!(old.collect::<Vec<bool>>(), [true, false, true, false]);
}

#[tokio::test]
async fn only_dark_groups_have_nothing_connected() {
    let tenant = tenant("connectors = { groups = 2, dark_groups = 2 }").await;
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let connectors = all(&tenant).await;
    for one in &connectors {
        let status = one["controlChannelStatus"].as_str().unwrap_or("");
        let group = text(one, "appConnectorGroupName").to_owned();
        groups.entry(group).or_default().insert(status.to_owned());
    }
    let live = |name: &str| groups[name].contains("ZPN_STATUS_AUTHENTICATED");
    assert!(live("Connector Group 1") && live("Connector Group 2"));
    for dark in ["Dark Group 1", "Dark Group 2"] {
        assert!(groups[dark].iter().eq(["ZPN_STATUS_DISCONNECTED"]));
    }
    assert_eq!(named(&connectors, "stale").len(), 10);
}

#[tokio::test]
async fn the_listing_is_paged_with_counts_as_strings() {
    let tenant = tenant("connectors = { live = 45, stale = 0 }").await;
    let first = tenant.get(CONNECTORS).await;
    let counts = (&first.body["totalPages"], &first.body["totalCount"]);
    assert_eq!(counts, (&json!("3"), &json!("48")));
    assert_eq!(first.rows().len(), 20);
    let last = tenant
        .get(&format!("{CONNECTORS}?page=3&pagesize=20"))
        .await;
    assert_eq!(last.rows().len(), 8);
    let large = tenant.get(&format!("{CONNECTORS}?pagesize=501")).await;
    assert_eq!(large.status, 400);
}

#[tokio::test]
async fn the_listing_is_searched_and_sorted_over_all_pages() {
    let tenant =
        tenant("connectors = { live = 2, stale = 3, never_connected = 1, read_only = 0 }").await;
    let stale = "search=controlChannelStatus%2BEQ%2BZPN_STATUS_DISCONNECTED";
    let names = async |query: &str| {
        let reply = tenant.get(&format!("{CONNECTORS}?{query}")).await;
        let names = reply.names().into_iter().map(str::to_owned);
        names.collect::<Vec<String>>()
    };
    let escaped = "stale-01 &#x2a;old&#x2a;";
    assert_eq!(names(stale).await, [escaped, "stale-02", "stale-03"]);
    assert_eq!(names("search=name+EQ+stale-01+*old*").await, [escaped]);
    let down = names(&format!("{stale}&sortBy=name&sortDir=DESC&pagesize=2")).await;
    assert_eq!(down, ["stale-03", "stale-02"]);
    let page = names(&format!(
        "{stale}&sortBy=name&sortDir=desc&pagesize=2&page=2"
    ))
    .await;
    assert_eq!(page, [escaped]);
    let reply = tenant
        .get(&format!(
            "{CONNECTORS}?sortBy=lastBrokerDisconnectTime&sortDir=ASC"
        ))
        .await;
    let times: Vec<Option<i64>> = reply
        .rows()
        .iter()
        .map(|one| one["lastBrokerDisconnectTime"].as_str()?.parse().ok())
        .collect();
    assert_eq!(
        times.first(),
        Some(&None),
        "those without the field come first"
    );
    assert!(times.is_sorted() && times.len() == 6);
    let wrong = tenant
        .get(&format!("{CONNECTORS}?sortBy=name&sortDir=up"))
        .await;
    assert_eq!(wrong.refusal(), (400, "invalid.query.parameter"));
}

#[tokio::test]
async fn those_that_come_back_are_live_when_read_again() {
    let scenario = "connectors = { live = 0, stale = 10, never_connected = 0, read_only = 0, come_back = 0.5 }";
    let status = |one: &Value| text(one, "controlChannelStatus").to_owned();
    let live = |statuses: &[String]| {
        let live = statuses.iter();
        live.filter(|status| *status == "ZPN_STATUS_AUTHENTICATED")
            .count()
    };
    let listed = tenant(scenario).await;
    let first: Vec<String> = all(&listed).await.iter().map(status).collect();
    assert_eq!(live(&first), 0);
    let connectors = all(&listed).await;
    let second: Vec<String> = connectors.iter().map(status).collect();
    assert_eq!(live(&second), 5);
    let back = connectors
        .iter()
        .find(|one| status(one) == "ZPN_STATUS_AUTHENTICATED")
        .unwrap();
    assert!(now() - seconds(back, "lastBrokerConnectTime") < DAY);
    assert!(now() - seconds(back, "lastBrokerDisconnectTime") > 30 * DAY);

    let read = tenant(scenario).await;
    let paths: Vec<String> = all_ids(&second, &connectors);
    let mut chosen = Vec::new();
    for path in paths {
        assert_eq!(
            status(&read.get(&path).await.body),
            "ZPN_STATUS_DISCONNECTED"
        );
        chosen.push(status(&read.get(&path).await.body));
    }
    assert_eq!(chosen, second, "the seed decides which");
}

fn all_ids(statuses: &[String], connectors: &[Value]) -> Vec<String> {
    assert_eq!(statuses.len(), connectors.len());
    let ids = connectors.iter().map(|one| text(one, "id"));
    ids.map(|id| format!("{CONNECTORS}/{id}")).collect()
}

#[tokio::test]
async fn a_put_keeps_what_a_client_may_not_write() {
    let tenant = tenant("").await;
    let path = one("live-01", &all(&tenant).await);
    let before = tenant.get(&path).await.body;
    assert!(before.get("description").is_some() && before.get("ipAcl").is_some());
    let body = json!({
        "name": "renamed * 1", "description": "", "enabled": false, "fingerprint": "mine", "id": "5",
    });
    let changed = tenant.put(&path, body).await;
    assert_eq!((changed.status, changed.body), (204, Value::Null));
    let after = tenant.get(&path).await.body;
    assert_eq!(after["name"], "renamed &#x2a; 1");
    assert_eq!(after["enabled"], false);
    assert!(after.get("description").is_none() && after.get("ipAcl").is_none());
    let server_side = |object: &Value| {
        let mut object = object.as_object().unwrap().clone();
        for field in ["name", "description", "enabled", "ipAcl", "modifiedTime"] {
            object.remove(field);
        }
        object
    };
    assert_eq!(server_side(&after), server_side(&before));
    assert_eq!(tenant.put(&path, before.clone()).await.status, 204);
    let restored = tenant.get(&path).await.body;
    assert_eq!(restored["ipAcl"], before["ipAcl"]);
    assert_eq!(restored["description"], before["description"]);
}

#[tokio::test]
async fn a_wrong_change_is_refused() {
    let tenant = tenant("").await;
    let path = one("live-01", &all(&tenant).await);
    for body in [
        json!({"enabled": true}),
        json!({"name": "a", "enabled": true}),
        json!({"name": "a", "description": ""}),
        json!({"name": "", "description": "", "enabled": true}),
        json!({"name": "a", "description": "", "enabled": "yes"}),
        json!({"name": "a", "description": "", "enabled": true, "ipAcl": "10.0.0.0/8"}),
        json!([]),
    ] {
        assert_eq!(tenant.put(&path, body.clone()).await.status, 400, "{body}");
    }
    assert_eq!(tenant.get(&path).await.body["name"], "live-01");
}

#[tokio::test]
async fn locked_connectors_cannot_be_changed_or_deleted() {
    let tenant = tenant("connectors = { read_only = 2 }").await;
    let connectors = all(&tenant).await;
    for (name, lock) in [("managed-01", "readOnly"), ("managed-02", "zscalerManaged")] {
        let path = one(name, &connectors);
        assert_eq!(tenant.get(&path).await.body[lock], true);
        let put = tenant
            .put(&path, json!({"name": "a", "enabled": true}))
            .await;
        assert_eq!(put.refusal(), (400, "resource.read.only"));
        let delete = tenant.delete(&path).await;
        assert_eq!(delete.refusal(), (400, "resource.read.only"));
    }
    assert_eq!(stored(&tenant), connectors);
}

#[tokio::test]
async fn deleted_connectors_are_gone_and_none_is_created() {
    let tenant = tenant("").await;
    let path = one("stale-02", &all(&tenant).await);
    assert_eq!(tenant.delete(&path).await.status, 204);
    for reply in [
        tenant.get(&path).await,
        tenant.delete(&path).await,
        tenant.put(&path, json!({"name": "a"})).await,
    ] {
        assert_eq!(reply.refusal(), (404, "resource.not.found"));
    }
    let created = tenant.post(CONNECTORS, json!({"name": "a"})).await;
    assert_eq!(created.refusal(), (405, "method.not.allowed"));
    assert_eq!(stored(&tenant).len(), 18);
}

// Deleting many

async fn delete_bulk(tenant: &Tenant, ids: &[String]) -> Reply {
    tenant.post(BULK_DELETE, json!({"ids": ids})).await
}

#[tokio::test]
async fn a_bulk_call_takes_ids_as_text_or_number() {
    let tenant = tenant("").await;
    let connectors = all(&tenant).await;
    let ids = ids(&named(&connectors, "stale"));
    let number: u64 = ids[0].parse().unwrap();
    let mut named: Vec<Value> = ids.iter().map(|id| json!(id)).collect();
    named[0] = json!(number);
    let reply = tenant.post(BULK_DELETE, json!({"ids": named})).await;
    assert_eq!((reply.status, reply.body), (200, Value::Null));
    let left = stored(&tenant);
    assert_eq!(left.len(), 9);
    assert!(
        left.iter()
            .all(|one| !ids.contains(&text(one, "id").to_owned()))
    );
}

#[tokio::test]
async fn a_bulk_call_of_another_form_is_refused() {
    let tenant = tenant("").await;
    for body in [
        json!({}),
        json!({"ids": []}),
        json!({"ids": "5"}),
        json!({"ids": [true]}),
        json!(["5"]),
    ] {
        assert_eq!(
            tenant.post(BULK_DELETE, body.clone()).await.status,
            400,
            "{body}"
        );
    }
    let wrong = tenant.call(Method::DELETE, BULK_DELETE, None).await;
    assert_eq!(wrong.status, 404);
}

#[tokio::test]
async fn odd_ids_are_ignored_or_refused_as_configured() {
    // The key, the id of the refusal, and what its default is.
    let keys = [
        ("unknown_ids", "resource.not.found", "ignore"),
        ("repeated_ids", "duplicate.id", "ignore"),
        ("read_only", "resource.read.only", "refuse"),
    ];
    for (key, refusal, default) in keys {
        for setting in ["ignore", "refuse", ""] {
            let table = match setting {
                "" => String::new(),
                setting => format!("bulk_delete = {{ {key} = \"{setting}\" }}"),
            };
            let tenant = tenant(&table).await;
            let connectors = all(&tenant).await;
            let good = ids(&named(&connectors, "stale-02"));
            let odd = match key {
                "unknown_ids" => "5".to_owned(),
                "repeated_ids" => good[0].clone(),
                _ => ids(&named(&connectors, "managed"))[0].clone(),
            };
            let reply = delete_bulk(&tenant, &[good[0].clone(), odd.clone()]).await;
            let effective = if setting.is_empty() { default } else { setting };
            let left = stored(&tenant).len();
            if effective == "refuse" {
                assert_eq!(reply.refusal(), (400, refusal), "{key}");
                assert_eq!((&reply.body["params"], left), (&json!([odd]), 19), "{key}");
            } else {
                assert_eq!((reply.status, left), (200, 18), "{key} {setting}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pages_hold_every_connector_once_and_in_order(
        seed: u64,
        size in 1_usize..30,
        field in prop_oneof![Just("name"), Just("id"), Just("creationTime"), Just("lastBrokerConnectTime")],
        descending: bool,
    ) {
        let mut tenant = Offline::new("", seed);
        let direction = if descending { "DESC" } else { "ASC" };
        let mut rows = Vec::new();
        for page in 1.. {
            let path = format!("{CONNECTORS}?page={page}&pagesize={size}&sortBy={field}&sortDir={direction}");
            let (_, body) = tenant.call("GET", &path, None);
            rows.extend(body["list"].as_array().unwrap().clone());
            if text(&body, "totalPages").parse() == Ok(page) {
                break;
            }
        }
        let ids: BTreeSet<&str> = rows.iter().map(|row| text(row, "id")).collect();
        prop_assert_eq!((ids.len(), rows.len()), (19, 19));
        // Times and ids of one length are in the order of their text; what is missing comes first.
        let mut keys: Vec<&str> = rows.iter().map(|row| row[field].as_str().unwrap_or("")).collect();
        if descending {
            keys.reverse();
        }
        prop_assert!(keys.is_sorted(), "{:?}", keys);
    }
}
