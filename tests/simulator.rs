//! The simulated tenant over real HTTP: what a client sees of it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the functions beside the tests may fail a test as the tests themselves may"
)]

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use zpa_bulk::sim::{Class, Scenario, ScenarioError, Server, ServerOptions};

const LINKS: &str = "/mgmtconfig/v1/admin/customers/72/userPortalLink";
const PORTALS: &str = "/mgmtconfig/v1/admin/customers/72/userPortal";
const BULK: &str = "/mgmtconfig/v2/admin/customers/72/userPortalLink/bulk";

/// A running simulator and a client signed in to it.
struct Tenant {
    server: Server,
    client: Client,
    token: String,
}

/// Status, `retry-after` and body (null when there is none) of one answer.
struct Reply {
    status: u16,
    retry_after: Option<String>,
    body: Value,
}

impl Reply {
    async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap().to_owned());
        let body = response.bytes().await.unwrap();
        Self {
            status,
            retry_after,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    /// Status and error id.
    fn refusal(&self) -> (u16, &str) {
        (self.status, self.body["id"].as_str().unwrap_or_default())
    }

    fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }

    fn names(&self) -> Vec<&str> {
        self.body["list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].as_str().unwrap())
            .collect()
    }
}

fn http() -> Client {
    // The client wants a TLS provider even where only plain HTTP is spoken; a second install is no harm.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap()
}

/// The settings of `extra` on top of no quotas and no latency.
async fn tenant(extra: &str) -> Tenant {
    let quick = "latency = { base = \"0ms\", jitter = \"0ms\" }\n";
    let quota = if extra.contains("quota") {
        ""
    } else {
        "quota = { read = \"off\", write = \"off\" }\n"
    };
    let scenario = Scenario::parse(&format!("{quick}{quota}{extra}")).unwrap();
    start(scenario, None).await
}

async fn start(scenario: Scenario, log: Option<&Path>) -> Tenant {
    let listen = "127.0.0.1:0".parse().unwrap();
    let options = ServerOptions {
        listen,
        scenario,
        seed: 1,
        log: log.map(Path::to_owned),
    };
    let server = Server::start(options).await.unwrap();
    let client = http();
    let form = [("client_id", "me"), ("client_secret", "s")];
    let answer = client
        .post(format!("{}/signin", server.url()))
        .form(&form)
        .send()
        .await
        .unwrap();
    let token = Reply::of(answer).await.body["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    Tenant {
        server,
        client,
        token,
    }
}

impl Tenant {
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let request = self
            .client
            .request(method, format!("{}{path}", self.server.url()))
            .bearer_auth(&self.token);
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        Reply::of(request.send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn put(&self, path: &str, body: Value) -> Reply {
        self.call(Method::PUT, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> Reply {
        self.call(Method::DELETE, path, None).await
    }

    async fn form(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        let url = format!("{}{path}", self.server.url());
        Reply::of(self.client.post(url).form(form).send().await.unwrap()).await
    }

    /// The ids of the portals, in order of creation.
    async fn portals(&self) -> Vec<String> {
        let reply = self.get(&format!("{PORTALS}?pagesize=500")).await;
        reply.body["list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The links the simulator holds for the tenant, past the API.
    fn stored_links(&self) -> Vec<Value> {
        self.server.state()["tenants"]["72"]["portal_links"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }
}

fn link(name: &str) -> Value {
    json!({"name": name, "link": "wiki.example.com", "protocol": "https://", "enabled": true})
}

fn links(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| link(name)).collect()
}

// Access

#[tokio::test]
async fn a_legacy_sign_in_answers_a_bearer_token_whose_lifetime_is_a_string() {
    let tenant = tenant("token = { lifetime = \"2m\" }").await;
    let reply = tenant
        .form("/signin", &[("client_id", "me"), ("client_secret", "s")])
        .await;
    assert_eq!(
        (reply.status, &reply.body["token_type"]),
        (200, &json!("Bearer"))
    );
    assert_eq!(reply.body["expires_in"], json!("120"));
    assert_eq!(
        reply.body["access_token"]
            .as_str()
            .unwrap()
            .split('.')
            .count(),
        3
    );
}

#[tokio::test]
async fn a_token_request_with_a_secret_or_an_assertion_answers_a_number_of_seconds() {
    let tenant = tenant("").await;
    for proof in [("client_secret", "s"), ("client_assertion", "a.b.c")] {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "me"),
            proof,
            ("audience", "https://api.zscaler.com"),
        ];
        let reply = tenant.form("/oauth2/v1/token", &form).await;
        assert_eq!(
            (reply.status, &reply.body["expires_in"]),
            (200, &json!(3600))
        );
    }
    let reply = tenant
        .form(
            "/oauth2/v1/token",
            &[("client_id", "me"), ("client_secret", "s")],
        )
        .await;
    assert_eq!(reply.refusal(), (400, "unsupported_grant_type"));
}

#[tokio::test]
async fn wrong_credentials_are_refused_at_both_sign_ins() {
    let tenant = tenant("").await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "me"),
        ("client_secret", "wrong"),
    ];
    for path in ["/signin", "/oauth2/v1/token", "/zpa/signin"] {
        assert_eq!(
            tenant.form(path, &form).await.refusal(),
            (401, "invalid_client")
        );
    }
}

#[tokio::test]
async fn a_call_without_a_valid_token_gets_the_401_of_the_way_it_came() {
    let mut tenant = tenant("").await;
    tenant.token = "unknown".to_owned();
    assert_eq!(tenant.get(LINKS).await.refusal(), (401, "access.denied"));
    let gateway = tenant.get(&format!("/zpa{LINKS}")).await;
    assert_eq!(gateway.status, 401);
    assert_eq!(
        gateway.body,
        json!({"detail": "unauthorized", "type": "", "title": "", "status": ""})
    );
    assert_eq!(tenant.server.state(), json!({"tenants": {}}));
}

#[tokio::test]
async fn signing_out_ends_the_token() {
    let tenant = tenant("").await;
    assert_eq!(tenant.get(LINKS).await.status, 200);
    assert_eq!(
        tenant.call(Method::POST, "/signout", None).await.status,
        200
    );
    assert_eq!(tenant.get(LINKS).await.status, 401);
}

// Quotas

#[tokio::test]
async fn a_call_over_the_quota_gets_the_documented_429_and_is_not_carried_out() {
    let tenant = tenant("quota = { read = \"off\", write = \"2/1h\" }").await;
    for name in ["a", "b"] {
        assert_eq!(tenant.post(LINKS, link(name)).await.status, 201);
    }
    let refused = tenant.post(LINKS, link("c")).await;
    assert_eq!(refused.status, 429);
    assert_eq!(
        refused.body,
        json!({"exception": "invalid.toomanyrequests", "id": "invalid.toomanyrequests",
               "reason": "Exceeded the number of requests allowed."})
    );
    let seconds: u64 = refused
        .retry_after
        .unwrap()
        .strip_suffix('s')
        .unwrap()
        .parse()
        .unwrap();
    assert!((3500..=3600).contains(&seconds), "{seconds}");
    assert_eq!(tenant.stored_links().len(), 2);
}

#[tokio::test]
async fn reads_and_writes_and_tenants_have_quotas_of_their_own() {
    let tenant = tenant("quota = { read = \"1/1h\", write = \"1/1h\" }").await;
    assert_eq!(tenant.get(LINKS).await.status, 200);
    assert_eq!(tenant.get(LINKS).await.status, 429);
    assert_eq!(tenant.delete(&format!("{LINKS}/1")).await.status, 404);
    assert_eq!(tenant.post(LINKS, link("a")).await.status, 429);
    assert_eq!(
        tenant
            .get("/mgmtconfig/v1/admin/customers/73/userPortalLink")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn the_gateway_speaks_of_its_own_limit_also_on_a_refusal_of_the_tenants() {
    let tenant = tenant("quota = { read = \"1/1h\" }").await;
    let headers = async |path: &str| {
        let url = format!("{}{path}", tenant.server.url());
        let call = tenant.client.get(url).bearer_auth(&tenant.token);
        let answer = call.send().await.unwrap();
        let value = |name: &str| Some(answer.headers().get(name)?.to_str().unwrap().to_owned());
        let names = ["limit", "remaining", "reset"];
        let values = names.map(|name| value(&format!("x-ratelimit-{name}")));
        (answer.status().as_u16(), values)
    };
    for (status, remaining) in [(200, "4999"), (429, "4998")] {
        let (answered, [limit, left, reset]) = headers(&format!("/zpa{LINKS}")).await;
        assert_eq!(answered, status);
        assert_eq!(limit.unwrap(), "5000, 5000;w=60");
        assert_eq!(left.unwrap(), remaining);
        assert!((1..=60).contains(&reset.unwrap().parse::<u8>().unwrap()));
    }
    assert_eq!(headers(LINKS).await, (429, [None, None, None]));
}

#[tokio::test]
async fn a_call_with_a_bad_token_is_not_counted() {
    let mut tenant = tenant("quota = { read = \"1/1h\" }").await;
    let good = std::mem::replace(&mut tenant.token, "bad".to_owned());
    assert_eq!(tenant.get(LINKS).await.status, 401);
    tenant.token = good;
    assert_eq!(tenant.get(LINKS).await.status, 200);
}

// Links

#[tokio::test]
async fn a_created_link_comes_back_with_server_fields_and_short_portals_and_is_read_with_full_ones()
{
    let tenant = tenant("").await;
    let portal = tenant.portals().await.remove(1);
    let body = json!({"name": " Wiki * ", "description": "a*b", "link": "10.0.0.1", "linkPath": "/x", "iconText": "",
        "applicationId": 5, "unheardOf": 1, "userPortals": [{"id": portal}]});
    let created = tenant.post(LINKS, body).await;
    assert_eq!(created.status, 201);
    let object = created.body.as_object().unwrap();
    assert_eq!(
        (&object["name"], &object["nameWithoutTrim"]),
        (&json!("Wiki &#x2a;"), &json!(" Wiki * "))
    );
    assert_eq!(
        (&object["description"], &object["applicationId"]),
        (&json!("a&#x2a;b"), &json!("5"))
    );
    assert_eq!(
        object["userPortals"],
        json!([{"id": portal, "enabled": true}])
    );
    assert!(
        ["iconText", "enabled", "unheardOf", "microtenantId"]
            .iter()
            .all(|field| !object.contains_key(*field))
    );
    let digits = |field: &str| object[field].as_str().unwrap().parse::<u64>().is_ok();
    assert!(
        ["id", "creationTime", "modifiedTime", "modifiedBy"]
            .iter()
            .all(|field| digits(field))
    );
    let read = tenant.get(&format!("{LINKS}/{}", created.id())).await;
    assert_eq!(read.body["userPortals"][0]["name"], "Engineering Portal");
    assert_eq!(tenant.stored_links(), [read.body]);
}

#[tokio::test]
async fn portal_ids_may_be_numbers_and_a_single_one_a_field_of_its_own() {
    let tenant = tenant("").await;
    let portals = tenant.portals().await;
    let number: u64 = portals[0].parse().unwrap();
    let mut body = link("a");
    body["userPortals"] = json!([{"id": number}, {"id": portals[0]}]);
    assert_eq!(
        tenant.post(LINKS, body).await.body["userPortals"],
        json!([{"id": portals[0], "enabled": true}])
    );
    let mut body = link("b");
    body["userPortalId"] = json!(portals[1]);
    assert_eq!(
        tenant.post(LINKS, body).await.body["userPortals"][0]["id"],
        json!(portals[1])
    );
}

#[tokio::test]
async fn a_wrong_link_is_refused_by_name_and_nothing_is_created() {
    let tenant = tenant("").await;
    let cases = [
        (json!({"link": "a.b"}), "required.field.missing"),
        (json!({"name": "x"}), "required.field.missing"),
        (
            json!({"name": "  ", "link": "a.b"}),
            "required.field.missing",
        ),
        (json!({"name": "x", "link": "https://a.b"}), "invalid.link"),
        (json!({"name": "x", "link": "a.b/c"}), "invalid.link"),
        (
            json!({"name": "x", "link": "a.b", "protocol": "https"}),
            "invalid.protocol",
        ),
        (
            json!({"name": "x", "link": "a.b", "enabled": "yes"}),
            "invalid.json",
        ),
        (
            json!({"name": "x", "link": "a.b", "userPortals": [{"id": "5"}]}),
            "resource.not.found",
        ),
    ];
    for (body, id) in cases {
        let reply = tenant.post(LINKS, body.clone()).await;
        assert_eq!(reply.refusal(), (400, id), "{body}");
        let named = body["name"].as_str().is_some_and(|name| !name.is_empty());
        assert_eq!(
            reply.body["params"] == json!([body["name"]]),
            named,
            "{body}"
        );
    }
    assert!(tenant.stored_links().is_empty());
}

#[tokio::test]
async fn a_put_replaces_the_whole_link_and_keeps_id_and_creation_time() {
    let tenant = tenant("").await;
    let portal = tenant.portals().await.remove(0);
    let mut body = link("a");
    body["description"] = json!("old");
    body["userPortals"] = json!([{"id": portal}]);
    let created = tenant.post(LINKS, body).await;
    let path = format!("{LINKS}/{}", created.id());
    let replaced = tenant
        .put(&path, json!({"name": "b", "link": "new.example.com"}))
        .await;
    assert_eq!((replaced.status, replaced.body), (204, Value::Null));
    let read = tenant.get(&path).await.body;
    assert_eq!(
        (&read["name"], &read["link"]),
        (&json!("b"), &json!("new.example.com"))
    );
    assert_eq!(
        (&read["id"], &read["creationTime"]),
        (&created.body["id"], &created.body["creationTime"])
    );
    assert!(
        ["description", "protocol", "enabled", "userPortals"]
            .iter()
            .all(|field| read.get(field).is_none())
    );
    assert_eq!(
        tenant
            .get(&format!("{LINKS}/userPortal/{portal}"))
            .await
            .body["totalCount"],
        "0"
    );
}

#[tokio::test]
async fn a_deleted_link_is_gone_and_an_unknown_id_is_not_found() {
    let tenant = tenant("").await;
    let path = format!("{LINKS}/{}", tenant.post(LINKS, link("a")).await.id());
    assert_eq!(tenant.delete(&path).await.status, 204);
    for reply in [
        tenant.delete(&path).await,
        tenant.get(&path).await,
        tenant.put(&path, link("a")).await,
    ] {
        assert_eq!(reply.refusal(), (404, "resource.not.found"));
    }
    assert_eq!(
        tenant.post(LINKS, link("a")).await.status,
        201,
        "the name is free again"
    );
}

#[tokio::test]
async fn a_second_link_of_a_name_is_refused_only_where_names_are_unique() {
    let unique = tenant("").await;
    let first = unique.post(LINKS, link("a")).await.id();
    assert_eq!(
        unique.post(LINKS, link("a ")).await.refusal(),
        (400, "resource.already.exist")
    );
    assert_eq!(
        unique
            .put(&format!("{LINKS}/{first}"), link("a"))
            .await
            .status,
        204,
        "its own name is no obstacle"
    );
    let other = unique.post(LINKS, link("b")).await.id();
    assert_eq!(
        unique
            .put(&format!("{LINKS}/{other}"), link("a"))
            .await
            .refusal()
            .1,
        "resource.already.exist"
    );
    let free = tenant("bulk = { unique_names = false }").await;
    free.post(LINKS, link("a")).await;
    assert_eq!(free.post(LINKS, link("a")).await.status, 201);
    assert_eq!(
        free.post(BULK, json!({"userPortalLinks": links(&["a", "a"])}))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn what_would_exceed_a_limit_is_forbidden_and_creates_nothing() {
    let tenant = tenant("limits = { links = 3, links_per_portal = 1 }").await;
    let portal = tenant.portals().await.remove(0);
    let mut body = link("a");
    body["userPortalId"] = json!(portal);
    assert_eq!(tenant.post(LINKS, body.clone()).await.status, 201);
    body["name"] = json!("b");
    assert_eq!(
        tenant.post(LINKS, body.clone()).await.refusal(),
        (403, "LIMIT_EXCEEDED")
    );
    let loose = tenant.post(LINKS, link("b")).await.id();
    assert_eq!(
        tenant
            .put(&format!("{LINKS}/{loose}"), body)
            .await
            .refusal(),
        (403, "LIMIT_EXCEEDED")
    );
    let batch = json!({"userPortalLinks": links(&["c", "d"])});
    assert_eq!(
        tenant.post(BULK, batch).await.refusal(),
        (403, "LIMIT_EXCEEDED")
    );
    assert_eq!(tenant.stored_links().len(), 2);
}

// Listings

#[tokio::test]
async fn a_listing_is_paged_in_order_of_creation_with_counts_as_strings() {
    let tenant = tenant("tenant = { links = 45 }").await;
    let first = tenant.get(LINKS).await;
    assert_eq!(
        (&first.body["totalPages"], &first.body["totalCount"]),
        (&json!("3"), &json!("45"))
    );
    assert_eq!(
        (first.names().len(), first.names()[0]),
        (20, "Seeded Link 0001")
    );
    let last = tenant.get(&format!("{LINKS}?page=3&pagesize=20")).await;
    assert_eq!(
        last.names(),
        (41..=45)
            .map(|n| format!("Seeded Link {n:04}"))
            .collect::<Vec<_>>()
    );
    assert!(
        tenant
            .get(&format!("{LINKS}?page=4"))
            .await
            .names()
            .is_empty()
    );
    assert_eq!(
        tenant
            .get(&format!("{LINKS}?pagesize=500"))
            .await
            .names()
            .len(),
        45
    );
    assert_eq!(
        tenant.get(&format!("{LINKS}?pagesize=501")).await.status,
        400
    );
}

#[tokio::test]
async fn seeded_links_are_spread_over_the_portals_and_listed_by_portal() {
    let tenant = tenant("tenant = { portals = 2, links = 5 }").await;
    let portals = tenant.portals().await;
    let reply = tenant
        .get(&format!("{LINKS}/userPortal/{}", portals[0]))
        .await;
    assert_eq!(
        reply.names(),
        ["Seeded Link 0001", "Seeded Link 0003", "Seeded Link 0005"]
    );
    assert_eq!(
        tenant.get(&format!("{LINKS}/userPortal/5")).await.refusal(),
        (404, "resource.not.found")
    );
}

#[tokio::test]
async fn a_search_finds_a_name_in_either_encoding() {
    let tenant = tenant("").await;
    tenant.post(LINKS, link("Service Edge")).await;
    tenant.post(LINKS, link("a*b")).await;
    for search in [
        "name%2BEQ%2BService+Edge",
        "name+EQ+Service+Edge+AND+enabled+EQ+true",
    ] {
        assert_eq!(
            tenant
                .get(&format!("{LINKS}?search={search}"))
                .await
                .names(),
            ["Service Edge"]
        );
    }
    let escaped = tenant.get(&format!("{LINKS}?search=name+EQ+a*b")).await;
    assert_eq!(
        (escaped.names(), &escaped.body["totalCount"]),
        (vec!["a&#x2a;b"], &json!("1"))
    );
    assert_eq!(
        tenant
            .get(&format!("{LINKS}?search=name+LIKE+a"))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_search_takes_every_documented_operator_in_either_encoding() {
    let tenant = tenant("tenant = { links = 3 }").await;
    let listed = tenant.get(LINKS).await;
    let ids: Vec<&str> = listed.body["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| link["id"].as_str().unwrap())
        .collect();
    let seeded = |numbers: &[u8]| -> Vec<String> {
        numbers
            .iter()
            .map(|number| format!("Seeded Link {number:04}"))
            .collect()
    };
    let expected = [
        ("GT", seeded(&[3])),
        ("LT", seeded(&[1])),
        ("GTEQ", seeded(&[2, 3])),
        ("LTEQ", seeded(&[1, 2])),
        ("EQ", seeded(&[2])),
    ];
    for (operator, names) in expected {
        for plus in ["+", "%2B"] {
            let search = format!("id{plus}{operator}{plus}{}", ids[1]);
            let reply = tenant.get(&format!("{LINKS}?search={search}")).await;
            assert_eq!(reply.names(), names, "{search}");
        }
    }
    let both = format!("id%2BGT%2B{}%2BAND%2Bid%2BLT%2B{}", ids[0], ids[2]);
    let reply = tenant.get(&format!("{LINKS}?search={both}")).await;
    assert_eq!(reply.names(), seeded(&[2]));
}

#[tokio::test]
async fn a_microtenant_sees_its_own_objects_only() {
    let tenant = tenant("").await;
    let portal = tenant.portals().await.remove(0);
    let created = tenant
        .post(&format!("{LINKS}?microtenantId=9"), link("a"))
        .await;
    assert_eq!(
        (&created.body["microtenantId"], &created.body["name"]),
        (&json!("9"), &json!("a"))
    );
    assert_eq!(
        tenant
            .post(&format!("{LINKS}?microtenantId=0"), link("a"))
            .await
            .status,
        201
    );
    assert_eq!(tenant.get(LINKS).await.body["totalCount"], "1");
    assert_eq!(
        tenant.get(&format!("{LINKS}?microtenantId=9")).await.body["totalCount"],
        "1"
    );
    assert_eq!(
        tenant
            .get(&format!("{LINKS}/{}", created.id()))
            .await
            .status,
        404
    );
    assert_eq!(
        tenant
            .get(&format!("{PORTALS}/{portal}?microtenantId=9"))
            .await
            .status,
        404
    );
    assert_eq!(tenant.stored_links().len(), 2);
}

// Bulk

#[tokio::test]
async fn a_bulk_call_answers_its_wrapper_with_ids_and_hangs_every_link_on_every_portal() {
    let tenant = tenant("").await;
    let portals = tenant.portals().await;
    let body = json!({"userPortalLinks": links(&["a", "b"]), "userPortals": [{"id": portals[0]}, {"id": portals[1]}]});
    let reply = tenant.post(BULK, body).await;
    assert_eq!(reply.status, 201);
    let created = reply.body["userPortalLinks"].as_array().unwrap();
    assert_eq!(
        created
            .iter()
            .map(|link| link["name"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(reply.body["userPortals"][1]["id"], json!(portals[1]));
    for link in created {
        let read = tenant
            .get(&format!("{LINKS}/{}", link["id"].as_str().unwrap()))
            .await;
        assert_eq!(read.body["userPortals"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn an_atomic_batch_with_a_bad_link_creates_nothing_and_names_the_first_bad_one() {
    let tenant = tenant("").await;
    tenant.post(LINKS, link("taken")).await;
    let mut items = links(&["a", "bad", "taken"]);
    items[1]["link"] = json!("https://x");
    let reply = tenant.post(BULK, json!({"userPortalLinks": items})).await;
    assert_eq!(reply.refusal(), (400, "invalid.link"));
    assert_eq!(
        (&reply.body["params"], &reply.body["exception"]),
        (&json!(["bad"]), &json!("invalid.link"))
    );
    assert_eq!(tenant.stored_links().len(), 1);
}

#[tokio::test]
async fn a_batch_that_is_not_atomic_creates_its_good_links_and_still_answers_400() {
    let tenant = tenant("bulk = { atomic = false }").await;
    let reply = tenant
        .post(
            BULK,
            json!({"userPortalLinks": links(&["a", "b", "a", "c"])}),
        )
        .await;
    assert_eq!(reply.refusal(), (400, "resource.already.exist"));
    let stored = tenant.stored_links();
    assert_eq!(
        stored
            .iter()
            .map(|link| link["name"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
}

#[tokio::test]
async fn a_batch_that_is_empty_too_large_or_for_an_unknown_portal_is_refused() {
    let tenant = tenant("bulk = { max = 2, atomic = false }").await;
    let refusal = |body: Value| async { tenant.post(BULK, body).await.refusal().0 };
    assert_eq!(refusal(json!({"userPortalLinks": []})).await, 400);
    assert_eq!(refusal(json!({})).await, 400);
    assert_eq!(
        refusal(json!({"userPortalLinks": links(&["a", "b", "c"])})).await,
        400
    );
    assert_eq!(
        refusal(json!({"userPortalLinks": links(&["a"]), "userPortals": [{"id": "5"}]})).await,
        400
    );
    assert!(tenant.stored_links().is_empty());
    assert_eq!(
        refusal(json!({"userPortalLinks": links(&["a", "b"])})).await,
        201
    );
}

// Portals

#[tokio::test]
async fn a_new_tenant_has_the_named_portals_and_numbered_ones_after_them() {
    let tenant = tenant("tenant = { portals = 5 }").await;
    let expected = [
        "Employee Portal",
        "Engineering Portal",
        "Contractor Portal",
        "Partner Portal",
        "Portal 5",
    ];
    assert_eq!(tenant.get(PORTALS).await.names(), expected);
}

#[tokio::test]
async fn a_managed_portal_gets_its_domain_from_the_server_and_can_be_sent_back_as_it_was_read() {
    let tenant = tenant("").await;
    let body = json!({"name": "New", "managedByZs": true, "extLabel": "new", "extDomain": "corp.com", "enabled": false});
    let created = tenant.post(PORTALS, body).await;
    assert_eq!(
        (created.status, &created.body["domain"]),
        (201, &json!("new-corp-com.p.zscalerportal.net"))
    );
    assert!(created.body.get("managedByZs").is_none());
    let path = format!("{PORTALS}/{}", created.id());
    let mut read = tenant.get(&path).await.body;
    assert_eq!(
        (&read["extDomainName"], &read["scopeName"]),
        (&json!("corp-com.p.zscalerportal.net"), &json!("Default"))
    );
    read["description"] = json!("changed");
    assert_eq!(tenant.put(&path, read.clone()).await.status, 204);
    let again = tenant.get(&path).await.body;
    assert_eq!(
        (&again["description"], &again["domain"]),
        (&json!("changed"), &read["domain"])
    );
}

#[tokio::test]
async fn a_portal_with_links_cannot_be_deleted() {
    let tenant = tenant("").await;
    let portal = tenant.portals().await.remove(0);
    let mut body = link("a");
    body["userPortalId"] = json!(portal);
    let link = tenant.post(LINKS, body).await.id();
    let path = format!("{PORTALS}/{portal}");
    assert_eq!(
        tenant.delete(&path).await.refusal(),
        (400, "resource.in.use")
    );
    tenant.delete(&format!("{LINKS}/{link}")).await;
    assert_eq!(tenant.delete(&path).await.status, 204);
    assert_eq!(
        tenant.get(&path).await.refusal(),
        (404, "resource.not.found")
    );
}

#[tokio::test]
async fn a_portal_of_a_wrong_or_taken_name_is_refused() {
    let tenant = tenant("").await;
    let body = |name: &str| json!({"name": name, "extLabel": "abc", "extDomain": "corp.com"});
    assert_eq!(
        tenant.post(PORTALS, body("a*b")).await.refusal(),
        (400, "invalid.name")
    );
    assert_eq!(
        tenant.post(PORTALS, body("Partner Portal")).await.refusal(),
        (400, "resource.already.exist")
    );
}

// The edges of HTTP

#[tokio::test]
async fn a_trailing_slash_the_gateway_prefix_and_an_empty_object_as_body_are_tolerated() {
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
async fn wrong_methods_paths_and_bodies_have_their_own_answers() {
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
        let request = tenant
            .client
            .post(format!("{}{LINKS}", tenant.server.url()))
            .bearer_auth(&tenant.token);
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

// The simulator itself

#[tokio::test]
async fn every_request_is_logged_in_order_with_its_class_and_status_also_in_the_file() {
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
async fn the_state_changes_when_a_request_arrives_not_when_its_answer_leaves() {
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
fn the_default_sample_shows_the_defaults_and_every_key_of_them() {
    assert_eq!(
        sample("scenario-default.toml").unwrap(),
        Scenario::default()
    );
    let text = include_str!("../samples/scenario-default.toml");
    let keys = [
        "read", "write", "window", "base", "jitter", "lifetime", "portals", "links", "max",
        "atomic",
    ];
    for key in keys.iter().chain(&["unique_names", "links_per_portal"]) {
        assert!(text.contains(&format!("\n{key} = ")), "{key}");
    }
}

#[test]
fn the_strict_and_the_busy_sample_differ_from_the_defaults_where_they_say() {
    let strict = sample("scenario-strict.toml").unwrap();
    assert!(!strict.bulk.atomic && strict.bulk.max < Scenario::default().bulk.max);
    let busy = sample("scenario-busy.toml").unwrap();
    assert_eq!(busy.tenant.links, 200);
    assert!(busy.latency.base > Scenario::default().latency.base);
}
