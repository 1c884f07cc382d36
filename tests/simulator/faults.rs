//! Faults, as a client sees them over real HTTP and in memory, and their effect on its call.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use zpa_bulk::sim::{LogEntry, Scenario};
use zpa_bulk::wire;
use zpa_bulk::wire::{Answer, Reply};
use zpa_bulk::zpa::{Api as _, SignInError};

use crate::support::api::text;
use crate::support::in_memory::InMemory;
use crate::support::served::{
    BULK, BULK_DELETE, CONNECTORS, LINKS, PORTALS, SCHEDULE, SUFFIXES, Tenant, in_memory, link,
    links, tenant,
};
use crate::support::state::{names, objects};

const QUIET: &str =
    "quota = { read = \"off\", write = \"off\" }\nlatency = { base = \"0ms\", jitter = \"0ms\" }\n";

/// One fault on the first bulk create.
fn on_bulk(kind: &str) -> String {
    format!("[[fault]]\nkind = \"{kind}\"\nmatch = \"POST */userPortalLink/bulk\"\ntimes = 1\n")
}

fn batch(names: &[&str]) -> Value {
    json!({ "userPortalLinks": links(names) })
}

/// The status and the body that a client sees, or nothing.
async fn seen(tenant: &Tenant, path: &str, body: Value) -> Option<(u16, String)> {
    let request = tenant.caller.request(Method::POST, path).json(&body);
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.text().await.ok()?))
}

/// The names of the links that there are.
fn stored(tenant: &Tenant) -> Vec<String> {
    names(&tenant.stored_links())
}

/// Status and fault of the last call.
fn last(log: &[LogEntry]) -> (u16, Option<&'static str>) {
    let entry = log.last().unwrap();
    (entry.status, entry.fault)
}

#[tokio::test]
async fn over_http_a_broken_connection_keeps_what_was_done() {
    for (kind, status, names) in [
        ("reset-before", 0, &[][..]),
        ("drop-after-commit", 201, &["a", "b"][..]),
        ("truncated", 201, &["a", "b"][..]),
    ] {
        let tenant = tenant(&on_bulk(kind)).await;
        assert_eq!(
            seen(&tenant, BULK, batch(&["a", "b"])).await,
            None,
            "{kind}"
        );
        assert_eq!(stored(&tenant), names, "{kind}");
        assert_eq!(last(&tenant.server.log()), (status, Some(kind)));
        let next = seen(&tenant, BULK, batch(&["c"])).await.unwrap();
        assert_eq!(next.0, 201, "{kind}: the next call goes through");
        assert_eq!(last(&tenant.server.log()), (201, None));
    }
}

#[tokio::test]
async fn over_http_a_truncated_answer_breaks_in_its_body() {
    let tenant = tenant(&on_bulk("truncated")).await;
    let request = tenant.caller.request(Method::POST, BULK);
    let mut answer = request.json(&batch(&["a"])).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    let mut body = Vec::new();
    let broken = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(
        broken && body.starts_with(b"{\"userPortalLinks\""),
        "{body:?}"
    );
}

#[tokio::test]
async fn over_http_a_timeout_leaves_the_change() {
    let tenant = tenant(&on_bulk("timeout")).await;
    let request = tenant.caller.request(Method::POST, BULK);
    let answer = request
        .timeout(Duration::from_millis(200))
        .json(&batch(&["a"]))
        .send();
    assert!(answer.await.unwrap_err().is_timeout());
    assert_eq!(stored(&tenant), ["a"]);
    tenant.server.stop().await;
}

#[tokio::test]
async fn over_http_a_late_change_appears_after_the_break() {
    let late = format!("{}delay = \"150ms\"", on_bulk("late-commit"));
    let tenant = tenant(&late).await;
    assert_eq!(seen(&tenant, BULK, batch(&["a"])).await, None);
    let broke = tenant.server.log().last().unwrap().at;
    while stored(&tenant).is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tenant.get(LINKS).await;
    let listed = tenant.server.log().last().unwrap().at;
    assert!(listed >= broke + Duration::from_millis(150));
}

#[tokio::test]
async fn a_status_is_answered_and_nothing_is_done() {
    let words = "status = 409\nretry_after = \"2s\"\nid = \"db.simultaneous.request\"\n";
    let tenant = tenant(&format!("{}{words}", on_bulk("status"))).await;
    let answer = tenant.post(BULK, batch(&["a"])).await;
    assert_eq!(answer.refusal(), (409, "db.simultaneous.request"));
    assert_eq!(answer.retry_after.as_deref(), Some("2s"));
    assert_eq!(stored(&tenant), [""; 0]);
}

#[tokio::test]
async fn a_status_has_its_usual_id_unless_told_otherwise() {
    for (status, id) in [
        (401, "access.denied"),
        (409, "api.concurrent.access.error"),
        (429, "invalid.toomanyrequests"),
        (503, "retryable.server.error"),
        (500, "injected.fault"),
    ] {
        let tenant = tenant(&format!("{}status = {status}", on_bulk("status"))).await;
        let answer = tenant.post(BULK, batch(&["a"])).await;
        assert_eq!(answer.refusal(), (status, id));
        assert_eq!(answer.retry_after, None);
    }
}

/// Every call is carried out and answered as a failure.
const UNSAID: &str = "[[fault]]\nkind = \"status-after-commit\"\nmatch = \"* /mgmt*\"\n";

#[tokio::test]
async fn a_status_after_commit_hides_what_was_done() {
    let words = "status = 409\nretry_after = \"2s\"\nid = \"db.simultaneous.request\"\n";
    let tenant = tenant(&format!("{}{words}", on_bulk("status-after-commit"))).await;
    let answer = tenant.post(BULK, batch(&["a"])).await;
    assert_eq!(answer.refusal(), (409, "db.simultaneous.request"));
    assert_eq!(answer.retry_after.as_deref(), Some("2s"));
    assert_eq!(stored(&tenant), ["a"]);
    assert_eq!(
        last(&tenant.server.log()),
        (409, Some("status-after-commit"))
    );
    assert_eq!(tenant.post(BULK, batch(&["b"])).await.status, 201);
}

#[tokio::test]
async fn every_write_may_fail_after_its_commit() {
    let tenant = tenant(UNSAID).await;
    let hidden = (503, "retryable.server.error");
    let portal = json!({"name": "p", "extLabel": "abc", "extDomain": "example.com"});
    let schedule = json!({"frequency": "days", "frequencyInterval": 7});
    for (path, body) in [
        (LINKS, link("a")),
        (BULK, batch(&["b", "c"])),
        (PORTALS, portal),
        (SUFFIXES, json!([{"domain": "a.example.com"}])),
        (SCHEDULE, schedule.clone()),
    ] {
        assert_eq!(tenant.post(path, body).await.refusal(), hidden, "{path}");
    }
    let first = |of: &str| text(&tenant.stored(of)[0], "id").to_owned();
    let update = json!({"name": "d", "description": "", "enabled": true, "link": "b.c"});
    let link = format!("{LINKS}/{}", first("portal_links"));
    let connector = format!("{CONNECTORS}/{}", first("connectors"));
    for path in [&link, &connector] {
        assert_eq!(tenant.put(path, update.clone()).await.refusal(), hidden);
    }
    let id = tenant.stored("connector_schedule")["id"].clone();
    let path = format!("{SCHEDULE}/{}", id.as_str().unwrap());
    assert_eq!(tenant.put(&path, schedule).await.refusal(), hidden);
    assert_eq!(stored(&tenant), ["b", "c", "d"]);
    assert_eq!(tenant.stored("user_portals")[4]["name"], "p");
    assert_eq!(tenant.stored("domains")[0]["domain"], "a.example.com");
    assert_eq!(tenant.stored("connectors")[0]["name"], "d");

    assert_eq!(tenant.delete(&link).await.refusal(), hidden);
    let ids = json!({ "ids": [first("connectors")] });
    assert_eq!(tenant.post(BULK_DELETE, ids).await.refusal(), hidden);
    assert_eq!(stored(&tenant), ["b", "c"]);
    assert_ne!(tenant.stored("connectors")[0]["name"], "d");
}

#[tokio::test]
async fn a_refused_call_keeps_its_own_refusal() {
    let tenant = tenant(UNSAID).await;
    let refused = tenant.post(LINKS, json!({"name": "b"})).await;
    assert_eq!(refused.refusal(), (400, "required.field.missing"));
    let limited = in_memory(&format!("quota = {{ write = \"1/1h\" }}\n{UNSAID}")).await;
    for status in [503, 429] {
        assert!(matches!(
            create(&limited, &["a"]).await,
            Reply::Answer(answer) if answer.status == status
        ));
    }
}

#[tokio::test]
async fn an_html_page_replaces_the_answer() {
    let tenant = tenant("[[fault]]\nkind = \"html\"\nmatch = \"POST /mgmt*\"").await;
    for (path, body, status) in [
        (BULK, batch(&["a"]), 201),
        (LINKS, json!({"name": "b"}), 400),
        (SUFFIXES, json!([{"domain": "a.example.com"}]), 200),
    ] {
        let (seen, page) = seen(&tenant, path, body).await.unwrap();
        assert!(
            seen == status && page.starts_with("<!DOCTYPE html>"),
            "{seen}: {page}"
        );
    }
    assert_eq!(stored(&tenant), ["a"]);
    assert_eq!(tenant.stored("domains").as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_partial_batch_answers_with_its_part_alone() {
    let tenant = tenant(&on_bulk("partial-batch")).await;
    let names = ["a", "b", "c", "d", "e"];
    let answer = tenant.post(BULK, batch(&names)).await;
    assert_eq!(answer.status, 201);
    let shown = answer.body["userPortalLinks"].as_array().unwrap();
    let shown: Vec<&str> = shown.iter().map(|link| text(link, "name")).collect();
    assert_eq!(shown, stored(&tenant));
    assert!((1..5).contains(&shown.len()));
}

#[tokio::test]
async fn a_part_of_a_bulk_delete_is_deleted() {
    let tenant = tenant("[[fault]]\nkind = \"partial-batch\"").await;
    let count = || tenant.stored("connectors").as_array().unwrap().len();
    let listed = tenant
        .get("/mgmtconfig/v1/admin/customers/72/connector")
        .await;
    let stale = |row: &&Value| row["controlChannelStatus"] == "ZPN_STATUS_DISCONNECTED";
    let changeable = |row: &&Value| row["readOnly"] != true && row["zscalerManaged"] != true;
    let rows = listed.rows().iter().filter(stale).filter(changeable);
    let ids: Vec<&Value> = rows.map(|row| &row["id"]).collect();
    let before = count();
    let answer = tenant.post(BULK_DELETE, json!({ "ids": ids })).await;
    assert_eq!(answer.status, 200);
    assert!(count() < before && count() > before - ids.len());
}

#[tokio::test]
async fn an_expired_token_is_refused_and_a_new_one_is_good() {
    let mut tenant =
        tenant("[[fault]]\nkind = \"expire-token\"\nmatch = \"* */userPortal\"\ntimes = 1").await;
    assert_eq!(tenant.get(LINKS).await.status, 200);
    assert_eq!(tenant.get(PORTALS).await.refusal(), (401, "access.denied"));
    assert_eq!(tenant.get(LINKS).await.status, 401);
    let form = [("client_id", "me"), ("client_secret", "s")];
    let signed_in = tenant.form("/signin", &form).await;
    tenant.caller.token = signed_in.body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(tenant.get(PORTALS).await.status, 200);
}

#[tokio::test]
async fn a_sign_in_that_is_down_answers_503_for_a_while() {
    let tenant =
        tenant("[[fault]]\nkind = \"signin-down\"\nmatch = \"POST /oauth2/*\"\ntimes = 2").await;
    let client = [("client_id", "me"), ("client_secret", "s")];
    let form = [("grant_type", "client_credentials"), client[0], client[1]];
    assert_eq!(tenant.form("/signin", &client).await.status, 200);
    assert_eq!(tenant.form("/oauth2/v1/token", &form).await.status, 503);
    assert_eq!(tenant.form("/oauth2/v1/token", &form).await.status, 503);
    assert_eq!(tenant.get(LINKS).await.status, 200);
    assert_eq!(tenant.form("/oauth2/v1/token", &form).await.status, 200);
}

#[tokio::test]
async fn a_poisoned_item_spoils_its_batch() {
    let poison =
        "[[fault]]\nkind = \"poison\"\nname = \"b\"\n[[fault]]\nkind = \"poison\"\nname = \"d\"\n";
    let names = ["a", "b", "c", "d"];
    let atomic = tenant(poison).await;
    assert_eq!(
        atomic.post(LINKS, link("b")).await.refusal(),
        (400, "invalid.item")
    );
    let refused = atomic.post(BULK, batch(&names)).await;
    assert_eq!(
        (refused.status, &refused.body["params"]),
        (400, &json!(["b"]))
    );
    assert_eq!(stored(&atomic), [""; 0]);
    let loose = tenant(&format!("bulk = {{ atomic = false }}\n{poison}")).await;
    assert_eq!(loose.post(BULK, batch(&names)).await.status, 400);
    assert_eq!(stored(&loose), ["a", "c"]);
}

#[tokio::test]
async fn objects_of_every_kind_can_be_poisoned() {
    let poison = "[[fault]]\nkind = \"poison\"\nname = \"a.example.com\"\n";
    let tenant = tenant(poison).await;
    let portal = json!({"name": "a.example.com", "extLabel": "abc", "extDomain": "example.com"});
    assert_eq!(
        tenant.post(PORTALS, portal).await.refusal().1,
        "invalid.item"
    );
    let listed = tenant
        .get("/mgmtconfig/v1/admin/customers/72/connector")
        .await;
    let path = format!(
        "/mgmtconfig/v1/admin/customers/72/connector/{}",
        listed.rows()[0]["id"].as_str().unwrap()
    );
    let update = json!({"name": "a.example.com", "description": "", "enabled": true});
    assert_eq!(tenant.put(&path, update).await.refusal().1, "invalid.item");
    let domains = json!([{"domain": "a.example.com"}]);
    assert_eq!(
        tenant.post(SUFFIXES, domains).await.refusal().1,
        "invalid.item"
    );
}

#[tokio::test]
async fn a_batch_is_answered_as_the_scenario_says() {
    let names = ["a", "b", "c"];
    let shown = |rows: &Value| -> Vec<String> {
        let rows = rows.as_array().unwrap();
        rows.iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let empty = tenant("bulk = { answer = \"empty\" }").await;
    assert_eq!(
        seen(&empty, BULK, batch(&names)).await,
        Some((201, String::new()))
    );
    assert_eq!(stored(&empty), names);
    let list = tenant("bulk = { answer = \"list\", order = \"reversed\" }").await;
    let answer = list.post(BULK, batch(&names)).await;
    assert_eq!(shown(&answer.body), ["c", "b", "a"]);
    let silent = tenant("bulk = { bad_items = \"unnamed\" }").await;
    let refused = silent.post(BULK, batch(&["a", "a"])).await;
    assert_eq!(refused.refusal(), (400, "resource.already.exist"));
    assert!(refused.body.get("params").is_none());
    let quiet = tenant("bulk = { atomic = false, bad_items = \"unsaid\" }").await;
    let answer = quiet.post(BULK, batch(&["a", "b", "a"])).await;
    assert_eq!(answer.status, 201);
    assert_eq!(shown(&answer.body["userPortalLinks"]), ["a", "b"]);
}

// In memory, on a stopped clock

async fn quiet(faults: &str) -> InMemory {
    in_memory(&format!("{QUIET}{faults}")).await
}

async fn create(tenant: &InMemory, names: &[&str]) -> Reply {
    let mut request = wire::Request::new(wire::Method::Post, "userPortalLink/bulk", None);
    request.version = wire::Version::V2;
    request.body = Some(batch(names));
    tenant.send(request).await
}

/// The names of the links that there are.
fn held(tenant: &InMemory) -> Vec<String> {
    names(&objects(&tenant.state()["tenants"]["72"], "portal_links"))
}

#[tokio::test(start_paused = true)]
async fn in_memory_calls_are_lost_as_they_are_over_http() {
    for (kind, count) in [
        ("reset-before", 0),
        ("drop-after-commit", 2),
        ("truncated", 2),
        ("timeout", 2),
    ] {
        let tenant = quiet(&on_bulk(kind)).await;
        let start = tokio::time::Instant::now();
        assert!(
            matches!(create(&tenant, &["a", "b"]).await, Reply::Lost(_)),
            "{kind}"
        );
        let waited = if kind == "timeout" { 30 } else { 0 };
        assert_eq!(start.elapsed(), Duration::from_secs(waited), "{kind}");
        assert_eq!(held(&tenant).len(), count, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn in_memory_a_late_answer_meets_the_patience() {
    let late = format!("{}delay = \"20s\"", on_bulk("timeout"));
    let tenant = quiet(&late).await;
    let start = tokio::time::Instant::now();
    assert!(matches!(
        create(&tenant, &["a"]).await,
        Reply::Answer(Answer { status: 201, .. })
    ));
    assert_eq!(start.elapsed(), Duration::from_secs(20));
    let impatient = quiet(&late).await.with_patience(Duration::from_secs(19));
    assert_eq!(
        create(&impatient, &["a"]).await,
        Reply::Lost("timed out".to_owned())
    );
    assert_eq!(held(&impatient), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn in_memory_a_late_change_appears_when_it_is_due() {
    let tenant = quiet(&on_bulk("late-commit")).await;
    assert!(matches!(create(&tenant, &["a"]).await, Reply::Lost(_)));
    tokio::time::sleep(Duration::from_millis(4999)).await;
    assert_eq!(held(&tenant), [""; 0]);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(held(&tenant), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_quota_is_never_late() {
    let faults = "[[fault]]\nkind = \"late-commit\"";
    let tenant = in_memory(&format!("quota = {{ write = \"1/1h\" }}\n{faults}")).await;
    assert!(matches!(create(&tenant, &["a"]).await, Reply::Lost(_)));
    assert!(matches!(
        create(&tenant, &["b"]).await,
        Reply::Answer(Answer { status: 429, .. })
    ));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(held(&tenant), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn in_memory_a_lost_sign_in_may_be_tried_again() {
    for fault in ["signin-down", "drop-after-commit"] {
        let scenario = format!("{QUIET}[[fault]]\nkind = \"{fault}\"\ntimes = 1");
        let tenant = InMemory::new(Scenario::parse(&scenario).unwrap(), 1, "72");
        let failed = tenant.sign_in().await.unwrap_err();
        assert!(matches!(failed, SignInError::Unavailable(_)), "{failed:?}");
        tenant.sign_in().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run() {
    let faults = "[[fault]]\nkind = \"partial-batch\"\nprobability = 0.5\n[[fault]]\nkind = \"drop-after-commit\"\nprobability = 0.3\n";
    let run = async |seed: u64| {
        let scenario = Scenario::parse(&format!("{QUIET}{faults}")).unwrap();
        let tenant = InMemory::new(scenario, seed, "72");
        while tenant.sign_in().await.is_err() {}
        let mut replies = Vec::new();
        for batch in [["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"], ["i", "j"]] {
            replies.push(create(&tenant, &batch).await);
        }
        (replies, tenant.state().to_string())
    };
    assert_eq!(run(1).await, run(1).await);
    assert_ne!(run(1).await, run(2).await);
}

#[tokio::test]
async fn the_simulators_own_paths_never_fail() {
    let tenant = tenant("[[fault]]\nkind = \"reset-before\"\nmatch = \"GET *\"").await;
    let state = tenant.call(Method::GET, "/__sim/state", None).await;
    assert_eq!(state.status, 200);
    assert_eq!(tenant.server.log().len(), 1, "the sign-in alone");
}
