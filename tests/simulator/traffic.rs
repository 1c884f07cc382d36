//! Limits by path, the gateway's limit, a co-tenant, storms, and the way of a request.

use std::time::Duration;

use tokio::time::Instant;
use zpa_bulk::sim::{LogEntry, Scenario};
use zpa_bulk::wire::{Id, Method, Path, Reply, Request};
use zpa_bulk::zpa::Api;

use crate::support::in_memory::InMemory;
use crate::support::served::{LINKS, PORTALS, in_memory, link, tenant};

async fn call(tenant: &InMemory, method: Method, path: impl Into<Path>) -> (u16, Option<String>) {
    match tenant.send(Request::new(method, path, None)).await {
        Reply::Answer(answer) => (answer.status, answer.retry_after),
        other => unreachable!("{other:?}"),
    }
}

async fn read(tenant: &InMemory, path: &'static str) -> (u16, Option<String>) {
    call(tenant, Method::Get, path).await
}

/// The calls after the sign-in.
fn calls(tenant: &InMemory) -> Vec<LogEntry> {
    tenant.log().split_off(1)
}

#[tokio::test]
async fn by_endpoint_each_exact_path_has_its_quota() {
    let tenant = tenant("quota = { read = \"1/1h\", scope = \"endpoint\" }").await;
    assert_eq!(tenant.get(LINKS).await.status, 200);
    assert_eq!(tenant.get(&format!("{LINKS}?page=2")).await.status, 429);
    assert_eq!(tenant.get(&format!("{LINKS}/")).await.status, 429);
    assert_eq!(tenant.get(&format!("/zpa{LINKS}")).await.status, 429);
    assert_eq!(tenant.get(PORTALS).await.status, 200);
    for id in 0..20 {
        assert_eq!(tenant.delete(&format!("{LINKS}/{id}")).await.status, 404);
    }
}

#[tokio::test]
async fn the_gateway_limits_all_paths_together() {
    let scenario =
        "quota = { read = \"off\", write = \"off\", gateway = \"3/1h\", scope = \"endpoint\" }";
    let tenant = tenant(scenario).await;
    assert_eq!(tenant.get(LINKS).await.status, 200);
    assert_eq!(tenant.post(LINKS, link("a")).await.status, 201);
    assert_eq!(tenant.get(&format!("/zpa{PORTALS}")).await.status, 200);
    for path in [LINKS, PORTALS] {
        let refused = tenant.post(path, link("b")).await;
        assert_eq!((refused.status, refused.through_gateway), (429, false));
        assert_eq!(refused.body["detail"], "too many requests");
        assert!(refused.retry_after.unwrap().ends_with('s'));
    }
    assert!(tenant.get(&format!("/zpa{LINKS}")).await.through_gateway);
    assert_eq!(tenant.stored_links().len(), 1);
    let other = "/mgmtconfig/v1/admin/customers/73/userPortalLink";
    assert_eq!(tenant.get(other).await.status, 200, "of another tenant");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_asks_for_the_configured_extra_time() {
    let scenario = "quota = { read = \"1/10s\", retry_after_padding = \"2500ms\" }";
    let tenant = in_memory(&format!(
        "{scenario}\nlatency = {{ base = \"0ms\", jitter = \"0ms\" }}"
    ))
    .await;
    assert_eq!(read(&tenant, "connector").await.0, 200);
    let refused = read(&tenant, "connector").await;
    assert_eq!(refused, (429, Some("13s".to_owned())));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(
        read(&tenant, "connector").await.0,
        200,
        "the quota itself is not padded"
    );
}

#[tokio::test(start_paused = true)]
async fn a_co_tenant_uses_quota_and_leaves_no_trace() {
    let tenant = in_memory("quota = { window = \"sliding-log\", co_tenant = \"4/10s\" }\nlatency = { base = \"0ms\", jitter = \"0ms\" }").await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    for (method, left) in [(Method::Get, 16), (Method::Delete, 6)] {
        let mut passed = 0;
        while call(&tenant, method, "connector/1").await.0 != 429 {
            passed += 1;
        }
        assert_eq!(passed, left, "{method}");
    }
    assert_eq!(calls(&tenant).len(), 16 + 6 + 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_hit_by_a_storm_uses_no_quota() {
    let scenario = "quota = { write = \"1/1h\" }\nstorm = { from = \"5s\", until = \"8s\", retry_after = \"3\" }\ntenant = { links = 1 }";
    let tenant = in_memory(scenario).await;
    let state = tenant.state();
    let id = state["tenants"]["72"]["portal_links"][0]["id"].as_str();
    assert!(
        id.is_none(),
        "the tenant is not touched before the first call"
    );
    assert_eq!(read(&tenant, "userPortalLink").await.0, 200);
    let state = tenant.state();
    let link = &state["tenants"]["72"]["portal_links"][0]["id"];
    let id = Id::from_value(link).unwrap();
    let path = || Path::from("userPortalLink").id(&id);
    tokio::time::sleep(Duration::from_secs(6)).await;
    for _ in 0..5 {
        let hit = call(&tenant, Method::Delete, path()).await;
        assert_eq!(hit, (503, Some("3".to_owned())));
    }
    assert_eq!(tenant.state(), state);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(call(&tenant, Method::Delete, path()).await.0, 204);
    assert_eq!(call(&tenant, Method::Delete, path()).await.0, 429);
}

#[tokio::test(start_paused = true)]
async fn requests_overtake_each_other_on_their_way() {
    let scenario = "quota = { read = \"off\" }\nlatency = { base = \"0ms\", jitter = \"0ms\", travel = \"30ms\", travel_jitter = \"150ms\" }";
    let tenant = in_memory(scenario).await;
    let start = Instant::now();
    let mut under_way = tokio::task::JoinSet::new();
    for number in 0..200 {
        let tenant = tenant.clone();
        under_way.spawn(async move {
            call(
                &tenant,
                Method::Get,
                Path::from("connector").id(&Id::from(number)),
            )
            .await
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    under_way.join_all().await;
    assert!(start.elapsed() < Duration::from_millis(200 * 100 + 200));
    let log = calls(&tenant);
    let sign_in = tenant.log()[0].at;
    let mut overtaken = 0;
    for (place, entry) in log.iter().enumerate() {
        let number: u32 = entry.path.rsplit('/').next().unwrap().parse().unwrap();
        let travel = entry
            .at
            .checked_sub(Duration::from_millis(100) * number)
            .unwrap();
        // The sign-in had to travel before the first of them was sent.
        let travel = travel.saturating_sub(sign_in).as_millis();
        assert!((30..=182).contains(&travel), "{travel} ms");
        overtaken += usize::from(number as usize != place);
    }
    assert!(overtaken > 10, "{overtaken}");
}

#[tokio::test]
async fn over_http_requests_travel_too() {
    let tenant = tenant("quota = { read = \"off\" }").await;
    let travelling = "latency = { base = \"0ms\", jitter = \"0ms\", travel = \"40ms\" }";
    let slow = crate::support::served::start(Scenario::parse(travelling).unwrap(), None).await;
    slow.get(LINKS).await;
    slow.get("/__sim/state").await;
    let log = slow.server.log();
    assert!(log[0].at >= Duration::from_millis(40));
    assert!(log[1].at >= log[0].at + Duration::from_millis(40));
    assert_eq!(log.len(), 2);
    tenant.get(LINKS).await;
    assert_eq!(tenant.server.log().len(), 2);
}

/// A client that waits exactly as long as it is told, and calls as soon as it may.
async fn patient(scenario: &str, calls: usize) -> InMemory {
    let tenant = in_memory(scenario).await;
    for _ in 0..calls {
        while let (429, Some(wait)) = read(&tenant, "connector/1").await {
            let seconds = wait.trim_end_matches('s').parse().unwrap();
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    }
    tenant
}

#[tokio::test(start_paused = true)]
async fn a_patient_client_gets_the_full_rate_of_any_limiter() {
    for (window, counts_refused) in [
        ("fixed", false),
        ("first-call", false),
        ("sliding-log", false),
        ("sliding-counter", false),
        ("token-bucket", false),
        ("small-bucket", false),
        ("sliding-log", true),
    ] {
        let scenario = format!(
            "quota = {{ read = \"100/10s\", window = \"{window}\", counts_refused = {counts_refused} }}\n\
             latency = {{ base = \"0ms\", jitter = \"0ms\" }}"
        );
        let tenant = patient(&scenario, 2_000).await;
        let log = calls(&tenant);
        let passed: Vec<Duration> = log
            .iter()
            .filter(|e| e.status != 429)
            .map(|e| e.at)
            .collect();
        assert_eq!(passed.len(), 2_000);
        let taken = passed.last().unwrap().checked_sub(passed[0]).unwrap();
        // 190 s is the least; the wait is counted in whole seconds, and what a bucket cannot hold is lost meanwhile.
        let range = Duration::from_secs(180)..Duration::from_secs(230);
        assert!(range.contains(&taken), "{window}: {taken:?}");
    }
}
