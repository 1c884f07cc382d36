//! A running simulator, and raw calls on it: nothing here knows the client of this crate.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use zpa_bulk::sim::{Request, Scenario, Server, ServerOptions, Sim};

pub(crate) const LINKS: &str = "/mgmtconfig/v1/admin/customers/72/userPortalLink";
pub(crate) const PORTALS: &str = "/mgmtconfig/v1/admin/customers/72/userPortal";
pub(crate) const CONNECTORS: &str = "/mgmtconfig/v1/admin/customers/72/connector";
pub(crate) const BULK_DELETE: &str = "/mgmtconfig/v1/admin/customers/72/connector/bulkDelete";
pub(crate) const SCHEDULE: &str = "/mgmtconfig/v1/admin/customers/72/connectorSchedule";
pub(crate) const SUFFIXES: &str =
    "/mgmtconfig/v1/admin/customers/72/v2/associationtype/SEARCH_SUFFIX/domains";
pub(crate) const SHARED: &str =
    "/mgmtconfig/v1/admin/customers/72/v2/associationtype/SHARED/domains";
pub(crate) const BULK: &str = "/mgmtconfig/v2/admin/customers/72/userPortalLink/bulk";

/// A running simulator and a client signed in to it.
pub(crate) struct Tenant {
    pub(crate) server: Server,
    pub(crate) client: Client,
    pub(crate) token: String,
}

/// Status, `retry-after` and body (null when there is none) of one answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    /// Whether the gateway let the call through, by its headers.
    pub(crate) through_gateway: bool,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap().to_owned());
        let through_gateway = response.headers().contains_key("x-ratelimit-limit");
        let body = response.bytes().await.unwrap();
        Self {
            status,
            retry_after,
            through_gateway,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    /// Status and error id.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        (self.status, self.body["id"].as_str().unwrap_or_default())
    }

    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.rows().iter().map(|row| text(row, "name")).collect()
    }

    /// The rows of a listing.
    pub(crate) fn rows(&self) -> &[Value] {
        self.body["list"].as_array().unwrap()
    }
}

pub(crate) fn http() -> Client {
    // The client wants a TLS provider even where only plain HTTP is spoken; a second install is no harm.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap()
}

/// The settings of `extra` on top of no quotas and no latency.
pub(crate) async fn tenant(extra: &str) -> Tenant {
    let quick = "latency = { base = \"0ms\", jitter = \"0ms\" }\n";
    let quota = if extra.contains("quota") {
        ""
    } else {
        "quota = { read = \"off\", write = \"off\" }\n"
    };
    let scenario = Scenario::parse(&format!("{quick}{quota}{extra}")).unwrap();
    start(scenario, None).await
}

pub(crate) async fn start(scenario: Scenario, log: Option<&Path>) -> Tenant {
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
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
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

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.call(Method::DELETE, path, None).await
    }

    pub(crate) async fn form(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        let url = format!("{}{path}", self.server.url());
        Reply::of(self.client.post(url).form(form).send().await.unwrap()).await
    }

    /// The ids of the portals, in order of creation.
    pub(crate) async fn portals(&self) -> Vec<String> {
        let reply = self.get(&format!("{PORTALS}?pagesize=500")).await;
        reply.body["list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// What the simulator holds of the tenant under this key, past the API.
    pub(crate) fn stored(&self, key: &str) -> Value {
        self.server.state()["tenants"]["72"][key].clone()
    }

    pub(crate) fn stored_links(&self) -> Vec<Value> {
        let links = self.stored("portal_links");
        links.as_array().cloned().unwrap_or_default()
    }

    /// The ids of the named microtenants, in the order of the scenario.
    pub(crate) fn microtenants(&self) -> Vec<String> {
        let state = self.server.state();
        let named = state["microtenants"].as_array().unwrap();
        named.iter().map(|one| text(one, "id").to_owned()).collect()
    }
}

/// A field that is text.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap()
}

pub(crate) fn link(name: &str) -> Value {
    json!({"name": name, "link": "wiki.example.com", "protocol": "https://", "enabled": true})
}

pub(crate) fn links(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| link(name)).collect()
}

/// A simulator without sockets, for tests of many calls.
pub(crate) struct Offline {
    sim: Sim,
    token: String,
}

impl Offline {
    pub(crate) fn new(scenario: &str, seed: u64) -> Self {
        let quota = "quota = { read = \"off\", write = \"off\", gateway = \"off\" }\n";
        let scenario = Scenario::parse(&format!("{quota}{scenario}")).unwrap();
        let mut offline = Self {
            sim: Sim::new(scenario, seed, 1_700_000_000),
            token: String::new(),
        };
        let form = Some("client_id=me&client_secret=s");
        let answer = offline.send("POST", "/signin", "application/x-www-form-urlencoded", form);
        text(&answer.1, "access_token").clone_into(&mut offline.token);
        offline
    }

    /// Status and body (null when there is none).
    pub(crate) fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(Value::to_string);
        self.send(method, path, "application/json", body.as_deref())
    }

    fn send(
        &mut self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Option<&str>,
    ) -> (u16, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            authorization: Some(format!("Bearer {}", self.token)),
            content_type: Some(content_type.to_owned()),
            body: body.unwrap_or_default().into(),
        };
        let response = self.sim.handle(Duration::ZERO, &request);
        let body = serde_json::from_slice(&response.body).unwrap_or_default();
        (response.status, body)
    }
}
