//! HTTP, with reqwest. Its own retries and redirects are switched off: every attempt is the engine's.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect;
use rustls::crypto::CryptoProvider;
use rustls_platform_verifier::BuilderVerifierExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::{Api, Connection, SignInError, Style};
use crate::model::{Answer, Failure, Method, Reply, Request};

/// How long setting up a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Shorter than the idle timeouts of common gateways, so that a call seldom meets a connection that the other
/// side is just closing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The lifetime of a token whose answer does not tell it: the shortest that the documentation allows.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(60);

/// Who signs in.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The client id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
}

/// A tenant's API over HTTP.
#[derive(Debug)]
pub struct HttpApi {
    client: reqwest::Client,
    connection: Connection,
    credentials: Credentials,
    token: RwLock<Option<HeaderValue>>,
}

impl HttpApi {
    /// A client for that tenant. `timeout` bounds one request from its start to the last byte of its answer.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(
        connection: Connection,
        credentials: Credentials,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let plain = connection.is_plain_loopback();
        let tls = tls_config(plain)
            .map_err(|error| Failure::new(format!("cannot set up TLS: {error}")))?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(!connection.base_url.starts_with("http://") && !plain)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("zpa-bulk/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tcp_nodelay(true)
            .timeout(timeout);
        if plain {
            builder = builder.no_proxy();
        }
        let client = builder
            .build()
            .map_err(|error| Failure::new(format!("cannot set up HTTP: {}", describe(&error))))?;
        Ok(Self {
            client,
            connection,
            credentials,
            token: RwLock::new(None),
        })
    }

    async fn exchange(&self, request: &Request) -> Reply {
        let url = match self.connection.url_of(request) {
            Ok(url) => url,
            Err(error) => return Reply::NotSent(error.to_string()),
        };
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut builder = self.client.request(method, url);
        if let Some(token) = self.token() {
            builder = builder.header(AUTHORIZATION, token);
        }
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        reply(builder).await
    }

    fn token(&self) -> Option<HeaderValue> {
        self.token
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn keep(&self, token: &str) -> Result<(), SignInError> {
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut bearer =
            bearer.map_err(|_| unusable("the token has characters that no header takes"))?;
        bearer.set_sensitive(true);
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = Some(bearer);
        Ok(())
    }

    fn sign_in_form(&self) -> Vec<(&'static str, &str)> {
        let mut form = vec![
            ("client_id", self.credentials.client_id.as_str()),
            (
                "client_secret",
                self.credentials.client_secret.expose_secret(),
            ),
        ];
        if self.connection.style == Style::OneApi {
            form.push(("grant_type", "client_credentials"));
            form.push(("audience", "https://api.zscaler.com"));
        }
        form
    }
}

impl Api for HttpApi {
    async fn send(&self, request: Request) -> Reply {
        let started = Instant::now();
        let reply = self.exchange(&request).await;
        let outcome = match &reply {
            Reply::Answer(answer) => answer.status.to_string(),
            Reply::NotSent(why) => format!("not sent: {why}"),
            Reply::Lost(why) => format!("lost: {why}"),
        };
        tracing::debug!(call = %request, outcome, elapsed_ms = started.elapsed().as_millis(), "reply");
        reply
    }

    async fn sign_in(&self) -> Result<Duration, SignInError> {
        let request = self
            .client
            .post(&self.connection.token_url)
            .form(&self.sign_in_form());
        let answer = match reply(request).await {
            Reply::Answer(answer) => answer,
            Reply::NotSent(why) | Reply::Lost(why) => {
                return Err(SignInError::Unavailable(Failure::new(why)));
            }
        };
        match answer.status {
            200..=299 => {}
            400..=499 if !matches!(answer.status, 408 | 429) => {
                return Err(SignInError::Refused(answer.error()));
            }
            _ => return Err(SignInError::Unavailable(answer.error())),
        }
        let token: TokenAnswer = serde_json::from_slice(&answer.body)
            .map_err(|_| unusable("the answer has no access_token; is the token address right?"))?;
        self.keep(&token.access_token)?;
        let lifetime = token.lifetime();
        tracing::debug!(lifetime_s = lifetime.as_secs(), "signed in");
        Ok(lifetime)
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    expires_in: Value,
}

impl TokenAnswer {
    /// `expires_in` is a string of seconds in one style and a number in the other.
    fn lifetime(&self) -> Duration {
        let seconds = match &self.expires_in {
            Value::String(text) => text.trim().parse().ok(),
            Value::Number(number) => number.as_u64(),
            _ => None,
        };
        let seconds = seconds.filter(|seconds| *seconds > 0);
        seconds.map_or(SHORTEST_LIFETIME, Duration::from_secs)
    }
}

fn unusable(why: &str) -> SignInError {
    SignInError::Refused(Failure::new(why))
}

/// Sends, and reads the whole answer. An answer that breaks off counts as lost only where its content
/// decides: the status of a refusal says enough.
async fn reply(request: reqwest::RequestBuilder) -> Reply {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_connect() || error.is_builder() => {
            return Reply::NotSent(describe(&error));
        }
        Err(error) => return Reply::Lost(describe(&error)),
    };
    let status = response.status();
    let retry_after = header(response.headers(), "retry-after");
    let date = header(response.headers(), "date");
    let body = match response.bytes().await {
        Ok(body) => body.to_vec(),
        Err(error) if status.is_success() => return Reply::Lost(describe(&error)),
        Err(_) => Vec::new(),
    };
    Reply::Answer(Answer {
        status: status.as_u16(),
        retry_after,
        date,
        body,
    })
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// The innermost reasons of an error, without the address: it stands beside it already.
fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    let mut reasons = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        reasons.push(inner.to_string());
        source = inner.source();
    }
    reasons.dedup();
    match reasons.as_slice() {
        [] => "the request could not be made".to_owned(),
        [.., last] => last.clone(),
    }
}

/// TLS by rustls with the certificates that the system trusts. For loopback alone none are needed, and
/// none are read.
fn tls_config(plain: bool) -> Result<rustls::ClientConfig, rustls::Error> {
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?;
    let mut config = if plain {
        builder
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth()
    } else {
        builder.with_platform_verifier()?.with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
