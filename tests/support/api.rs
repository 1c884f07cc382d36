//! Raw calls on a tenant: nothing here knows the client of this crate.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

/// A client that is signed in to a tenant.
pub(crate) struct Caller {
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) token: String,
}

impl Caller {
    pub(crate) async fn sign_in(url: String) -> Self {
        let mut caller = Self {
            client: http(),
            url,
            token: String::new(),
        };
        let form = [("client_id", "me"), ("client_secret", "s")];
        let answer = caller.form("/signin", &form).await;
        text(&answer.body, "access_token").clone_into(&mut caller.token);
        caller
    }

    /// A request with the token, to be completed and sent.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.url);
        self.client.request(method, url).bearer_auth(&self.token)
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let mut request = self.request(method, path);
        if let Some(body) = &body {
            request = request.json(body);
        }
        Reply::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn form(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        let url = format!("{}{path}", self.url);
        Reply::of(self.client.post(url).form(form).send().await.unwrap()).await
    }
}

pub(crate) fn http() -> Client {
    // The client wants a TLS provider even where only plain HTTP is spoken; a second install is no harm.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap()
}

/// Status, `retry-after` and body (null when there is none) of one answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    /// True if the gateway let the call through, by its headers.
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
        text(&self.body, "id").to_owned()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.rows().iter().map(|row| text(row, "name")).collect()
    }

    /// The rows of a listing.
    pub(crate) fn rows(&self) -> &[Value] {
        self.body["list"].as_array().unwrap()
    }
}

/// A field that is text.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap()
}
