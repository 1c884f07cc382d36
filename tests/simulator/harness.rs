//! A running simulator, and raw calls on it: nothing here knows the client of this crate.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use zpa_bulk::sim::{Scenario, Server, ServerOptions};

pub(crate) const LINKS: &str = "/mgmtconfig/v1/admin/customers/72/userPortalLink";
pub(crate) const PORTALS: &str = "/mgmtconfig/v1/admin/customers/72/userPortal";
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
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
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
    pub(crate) fn refusal(&self) -> (u16, &str) {
        (self.status, self.body["id"].as_str().unwrap_or_default())
    }

    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.body["list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].as_str().unwrap())
            .collect()
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

    /// The links the simulator holds for the tenant, past the API.
    pub(crate) fn stored_links(&self) -> Vec<Value> {
        self.server.state()["tenants"]["72"]["portal_links"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }
}

pub(crate) fn link(name: &str) -> Value {
    json!({"name": name, "link": "wiki.example.com", "protocol": "https://", "enabled": true})
}

pub(crate) fn links(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| link(name)).collect()
}
