//! The edges of HTTP, the simulator's own paths and files, and the sample scenarios.

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zpa_bulk::sim::{Class, QuotaScope, Scenario, ScenarioError, Server, ServerOptions};

use crate::support::api::{Reply, http};
use crate::support::served::{CONNECTORS, LINKS, PORTALS, SCHEDULE, SUFFIXES, link, start, tenant};

// The edges of HTTP

#[tokio::test]
async fn a_slash_a_prefix_or_an_empty_body_is_tolerated() {
    let tenant = tenant("").await;
    assert_eq!(tenant.get(&format!("{LINKS}/?page=1")).await.status, 200);
    assert_eq!(tenant.get(&format!("/zpa{PORTALS}")).await.status, 200);
    assert_eq!(
        tenant
            .call(Method::GET, LINKS, Some(json!({})))
            .await
            .status,
        200
    );
    let id = tenant.post(LINKS, link("a")).await.id();
    assert_eq!(
        tenant
            .call(Method::DELETE, &format!("{LINKS}/{id}"), Some(json!({})))
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn wrong_methods_paths_and_bodies_are_answered() {
    let tenant = tenant("").await;
    assert_eq!(
        tenant
            .call(Method::PATCH, LINKS, Some(link("a")))
            .await
            .status,
        405
    );
    assert_eq!(tenant.get("/signin").await.status, 405);
    let unknown = tenant
        .get("/mgmtconfig/v1/admin/customers/72/nothing")
        .await;
    assert_eq!(unknown.refusal(), (404, "invalid.path"));
    let raw = |content_type: &'static str, body: &'static str| {
        let request = tenant.caller.request(Method::POST, LINKS);
        let request = request.header("content-type", content_type).body(body);
        async move { Reply::of(request.send().await.unwrap()).await }
    };
    assert_eq!(
        raw("application/json", "{oops").await.refusal(),
        (400, "invalid.json")
    );
    assert_eq!(
        raw("application/json; charset=utf-8", "[]").await.refusal(),
        (400, "invalid.json")
    );
    assert_eq!(raw("text/plain", "{}").await.status, 415);
}

// What does not work

#[tokio::test]
async fn only_a_resource_that_is_off_is_refused() {
    let paths = [
        ("portal-link", LINKS),
        ("user-portal", PORTALS),
        ("connector", CONNECTORS),
        ("connector-schedule", SCHEDULE),
        ("domain", SUFFIXES),
    ];
    for (off, _) in paths {
        let tenant = tenant(&format!("features = {{ off = [\"{off}\"] }}")).await;
        for (name, path) in paths {
            let reply = tenant.get(path).await;
            let refused = reply.refusal() == (401, "authz.featureflag.permission.denied");
            assert_eq!(refused, name == off, "{name} where {off} is off");
        }
    }
}

#[tokio::test]
async fn a_feature_that_is_off_is_refused_past_the_gateway() {
    let tenant = tenant("features = { off = [\"connector\"] }").await;
    let reply = tenant.get(&format!("/zpa{CONNECTORS}")).await;
    assert_eq!(
        reply.refusal(),
        (401, "authz.featureflag.permission.denied")
    );
    assert!(reply.through_gateway);
}

#[tokio::test]
async fn a_page_fails_only_on_the_named_paths() {
    let scenario = "connectors = { live = 30 }\ntenant = { links = 40 }\nfaults = { fail_page = 2, fail_paths = [\"connector\"] }";
    let tenant = tenant(scenario).await;
    for _ in 0..3 {
        let reply = tenant.get(&format!("{CONNECTORS}?page=2")).await;
        assert_eq!(reply.refusal(), (500, "internal.server.error"));
    }
    for page in ["", "?page=1", "?page=3"] {
        assert_eq!(tenant.get(&format!("{CONNECTORS}{page}")).await.status, 200);
    }
    assert_eq!(tenant.get(&format!("{LINKS}?page=2")).await.status, 200);
}

#[tokio::test]
async fn a_page_fails_everywhere_without_named_paths() {
    let tenant = tenant("faults = { fail_page = 1 }").await;
    for path in [LINKS, PORTALS, CONNECTORS] {
        assert_eq!(tenant.get(path).await.status, 500, "{path}");
    }
    assert_eq!(tenant.post(LINKS, link("a")).await.status, 201);
}

// The simulator itself

/// The status of the answer to a request with this target and these lines in its head.
async fn status(server: &Server, target: &str, head: &str) -> String {
    let address = server.url().replace("http://", "");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\n{head}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn requests_for_other_hosts_are_misdirected() {
    let tenant = tenant("").await;
    let state = "/__sim/state";
    for host in [
        "localhost",
        "LocalHost:8700",
        "localhost.",
        "app.localhost:1",
        "127.0.0.1",
        "127.9.8.7:80",
        "[::1]:8700",
    ] {
        let head = format!("Host: {host}\r\n");
        assert_eq!(status(&tenant.server, state, &head).await, "200", "{host}");
    }
    for head in [
        "",
        "Host: \r\n",
        "Host: evil.example\r\n",
        "Host: evil.example:8700\r\n",
        "Host: localhost.evil.example\r\n",
        "Host: evillocalhost\r\n",
        "Host: 127.0.0.1.evil.example\r\n",
        "Host: localhost@evil.example\r\n",
        "Host: 0.0.0.0\r\n",
        "Host: 10.0.0.1\r\n",
        "Host: [::]\r\n",
        "Host: localhost\r\nHost: evil.example\r\n",
    ] {
        assert_eq!(status(&tenant.server, state, head).await, "421", "{head}");
    }
    let target = "http://evil.example/__sim/state";
    let head = "Host: localhost\r\n";
    assert_eq!(status(&tenant.server, target, head).await, "421");
}

#[cfg(unix)]
#[tokio::test]
async fn the_log_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let (new, old) = (directory.path().join("new"), directory.path().join("old"));
    std::fs::write(&old, "").unwrap();
    std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o666)).unwrap();
    for file in [new, old] {
        start(Scenario::default(), Some(&file)).await;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    let options = ServerOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        scenario: Scenario::default(),
        seed: 1,
        log: Some(directory.path().join("missing/log")),
    };
    let refused = Server::start(options).await.unwrap_err().to_string();
    assert!(refused.contains("missing/log: No such file"), "{refused}");
}

#[tokio::test]
async fn requests_are_logged_in_order_with_their_status() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("requests.jsonl");
    let mut scenario = Scenario::default();
    (scenario.latency.base, scenario.latency.jitter) = (Duration::ZERO, Duration::ZERO);
    let tenant = start(scenario, Some(&file)).await;
    tenant.get(&format!("{LINKS}?page=1")).await;
    tenant.post(LINKS, link("a")).await;
    tenant.get("/__sim/state").await;
    tenant.delete("/zpa/elsewhere").await;
    let seen: Vec<_> = tenant
        .server
        .log()
        .into_iter()
        .map(|e| (e.class, e.tenant, e.method, e.path, e.status))
        .collect();
    let row = |class, tenant: &str, method: &str, path: &str, status| {
        (
            class,
            tenant.to_owned(),
            method.to_owned(),
            path.to_owned(),
            status,
        )
    };
    let expected = [
        row(Class::Auth, "", "POST", "/signin", 200),
        row(Class::Read, "72", "GET", LINKS, 200),
        row(Class::Write, "72", "POST", LINKS, 201),
        row(Class::Write, "", "DELETE", "/zpa/elsewhere", 404),
    ];
    assert_eq!(seen, expected);
    let lines = std::fs::read_to_string(&file).unwrap();
    let entries: Vec<Value> = tenant
        .server
        .log()
        .iter()
        .map(|entry| serde_json::to_value(entry).unwrap())
        .collect();
    assert_eq!(
        lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .collect::<Vec<_>>(),
        entries
    );
    assert_eq!(entries[2]["class"], "write");
    assert!(entries[2]["at_ms"].is_u64() && entries[2].get("at").is_none());
}

#[tokio::test]
async fn the_state_is_served_without_token_or_quota() {
    let tenant = tenant("quota = { read = \"1/1h\" }\ntenant = { links = 2 }").await;
    tenant.get(LINKS).await;
    for _ in 0..3 {
        let url = format!("{}/__sim/state", tenant.server.url());
        let reply = Reply::of(http().get(url).send().await.unwrap()).await;
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.body["tenants"]["72"]["portal_links"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        assert_eq!(
            reply.body["tenants"]["72"]["user_portals"]
                .as_array()
                .unwrap()
                .len(),
            4
        );
    }
}

#[tokio::test]
async fn an_address_others_can_reach_is_refused() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let options = ServerOptions {
            listen: listen.parse().unwrap(),
            scenario: Scenario::default(),
            seed: 1,
            log: None,
        };
        let error = Server::start(options).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
}

#[tokio::test]
async fn a_stopped_server_takes_no_more_calls() {
    let tenant = tenant("").await;
    let url = tenant.server.url();
    tenant.server.stop().await;
    assert!(http().get(url).send().await.unwrap_err().is_connect());
}

#[tokio::test]
async fn the_state_changes_when_a_request_arrives() {
    let scenario = Scenario::parse("latency = { base = \"300ms\", jitter = \"0ms\" }").unwrap();
    let tenant = std::sync::Arc::new(start(scenario, None).await);
    let posting = tokio::spawn({
        let tenant = std::sync::Arc::clone(&tenant);
        async move { tenant.post(LINKS, link("a")).await.status }
    });
    while tenant.stored_links().is_empty() {
        assert!(!posting.is_finished(), "the answer came before the change");
        tokio::task::yield_now().await;
    }
    assert_eq!(posting.await.unwrap(), StatusCode::CREATED.as_u16());
}

// The sample scenarios

fn sample(name: &str) -> Result<Scenario, ScenarioError> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(name);
    Scenario::parse(&std::fs::read_to_string(path).unwrap())
}

#[test]
fn the_default_sample_shows_every_default() {
    assert_eq!(
        sample("scenario-default.toml").unwrap(),
        Scenario::default()
    );
    let text = include_str!("../../samples/scenario-default.toml");
    let keys = [
        "read links base jitter lifetime portals links max atomic unique_names",
        "links_per_portal domains names delete_with_links live stale never_connected read_only",
        "groups dark_groups come_back unknown_ids repeated_ids post seed intruder intruder_after",
        "absent numbers off fail_page fail_paths write window counts_refused scope gateway",
        "retry_after_padding co_tenant travel travel_jitter statuses from until every share retry_after",
        "bad_items answer order lag churn churn_of churn_rows",
    ];
    for key in keys.iter().flat_map(|line| line.split(' ')) {
        assert!(text.contains(&format!("\n{key} = ")), "{key}");
    }
}

#[test]
fn the_other_samples_differ_where_they_say() {
    let strict = sample("scenario-strict.toml").unwrap();
    assert!(!strict.bulk.atomic && strict.bulk.max < Scenario::default().bulk.max);
    assert!(strict.connectors.come_back > 0.0 && strict.domains.intruder.is_some());
    let divided = sample("scenario-microtenants.toml").unwrap();
    assert_eq!(divided.microtenants.names, ["North", "South"]);
    let busy = sample("scenario-busy.toml").unwrap();
    assert_eq!(busy.tenant.links, 200);
    assert!(busy.latency.base > Scenario::default().latency.base);
    assert_eq!(
        sample("scenario-endpoint.toml").unwrap().quota.scope,
        QuotaScope::Endpoint
    );
    let faults = sample("scenario-faults.toml").unwrap().faults;
    let kinds: std::collections::BTreeSet<&str> =
        faults.iter().map(|fault| fault.kind.name()).collect();
    assert_eq!(kinds.len(), 12, "one of every kind: {kinds:?}");
    let rough = sample("scenario-rough.toml").unwrap();
    assert!(rough.quota.counts_refused && rough.quota.co_tenant.calls > 0);
    assert!(rough.storm.until > rough.storm.from && !rough.latency.travel_jitter.is_zero());
}
