//! Simulated tenants in this process, over HTTP and without.

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use zpa_bulk::sim::{Request, Scenario, Server, ServerOptions, Sim};
use zpa_bulk::zpa::Api as _;

use super::api::{Caller, Reply, text};
use super::in_memory::InMemory;
use super::state;

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

/// A running simulator and a client that is signed in to it.
pub(crate) struct Tenant {
    pub(crate) server: Server,
    pub(crate) caller: Caller,
}

/// Starts a tenant with the settings of `extra` on top of no quotas and no latency.
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
    let caller = Caller::sign_in(server.url()).await;
    Tenant { server, caller }
}

impl Tenant {
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        self.caller.call(method, path, body).await
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
        self.caller.form(path, form).await
    }

    /// The ids of the portals, in order of creation.
    pub(crate) async fn portals(&self) -> Vec<String> {
        let reply = self.get(&format!("{PORTALS}?pagesize=500")).await;
        let ids = reply.rows().iter().map(|row| text(row, "id").to_owned());
        ids.collect()
    }

    /// The part of the state of the tenant under this key, past the API.
    pub(crate) fn stored(&self, key: &str) -> Value {
        self.server.state()["tenants"]["72"][key].clone()
    }

    pub(crate) fn stored_links(&self) -> Vec<Value> {
        state::objects(&self.server.state()["tenants"]["72"], "portal_links")
    }

    /// The ids of the named microtenants, in the order of the scenario.
    pub(crate) fn microtenants(&self) -> Vec<String> {
        state::microtenants(&self.server.state())
    }
}

pub(crate) fn link(name: &str) -> Value {
    json!({"name": name, "link": "wiki.example.com", "protocol": "https://", "enabled": true})
}

pub(crate) fn links(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| link(name)).collect()
}

/// A tenant in memory, signed in to.
pub(crate) async fn in_memory(scenario: &str) -> InMemory {
    let tenant = InMemory::new(Scenario::parse(scenario).unwrap(), 1, "72");
    tenant.sign_in().await.unwrap();
    tenant
}

/// A simulator without sockets, for tests of many calls.
pub(crate) struct Offline {
    sim: Sim,
    token: String,
    now: Duration,
}

impl Offline {
    pub(crate) fn new(scenario: &str, seed: u64) -> Self {
        let quota = "quota = { read = \"off\", write = \"off\", gateway = \"off\" }\n";
        let scenario = Scenario::parse(&format!("{quota}{scenario}")).unwrap();
        let mut offline = Self {
            sim: Sim::new(scenario, seed, 1_700_000_000),
            token: String::new(),
            now: Duration::ZERO,
        };
        let form = Some("client_id=me&client_secret=s");
        let answer = offline.send("POST", "/signin", "application/x-www-form-urlencoded", form);
        text(&answer.1, "access_token").clone_into(&mut offline.token);
        offline
    }

    /// Moves the clock on.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// The body of an answer with status 200.
    pub(crate) fn get(&mut self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, None);
        assert_eq!(status, 200, "{path}");
        body
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
        let response = self.sim.handle(self.now, &request);
        let body = serde_json::from_slice(&response.body).unwrap_or_default();
        (response.status, body)
    }
}
