//! HTTP with reqwest. Its own retries and redirects are switched off, so that the engine decides on every attempt.

use std::io;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use rustls::CertificateError;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::api::{Api, SignInError};
use super::body::{self, Body};
use super::connection::{Connection, Style};
use super::key::AUDIENCE;
use super::key::PrivateKey;
use super::redact::{MARK, Redactor};
use super::transport::{Transport, TransportError};
use crate::clock::{monotonic, random_bits, wall};
use crate::retry::{is_concurrent, retry_after};
use crate::wire::{Answer, Failure, Method, Reply, Request};

/// The lifetime of a token if the answer does not name one: the shortest that the documentation allows.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(60);

/// The type of an assertion in a token request (RFC 7523, section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The credentials of the API client that signs in.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The client id.
    pub client_id: String,
    /// The proof of the client's identity.
    pub proof: Proof,
}

/// The proof of a client's identity.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The client's secret.
    Secret(SecretString),
    /// The client's private key; for [`Style::OneApi`] alone.
    Key(PrivateKey),
}

/// A tenant's API over HTTP. No reply holds a secret: not the credentials, nor a token, nor the proxy's password.
#[derive(Debug)]
pub struct HttpApi {
    client: reqwest::Client,
    connection: Connection,
    credentials: Credentials,
    token: RwLock<Option<HeaderValue>>,
    redactor: Redactor,
    /// The turn of reading a large body.
    large: Semaphore,
}

/// A reply with the gateway's headers.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The reply to the request.
    pub reply: Reply,
    /// The values of the gateway's `x-ratelimit` headers `limit`, `remaining` and `reset`, as they came. They tell the
    /// gateway's own limit, which is not ZPA's. They are shown, and never used for pacing (zpa-api.md, section 5).
    pub gateway: Option<[String; 3]>,
}

impl HttpApi {
    /// Returns a client for that tenant.
    ///
    /// # Errors
    /// [`TransportError`] if the proxy or a certificate cannot be used, or the system's certificates cannot be read.
    pub fn new(
        connection: Connection,
        credentials: Credentials,
        transport: &Transport,
    ) -> Result<Self, TransportError> {
        let redactor = Redactor::default();
        if let Proof::Secret(secret) = &credentials.proof {
            redactor.learn(secret.expose_secret().as_bytes());
        }
        if let Some(password) = transport.proxy_password() {
            redactor.learn(&password);
        }
        Ok(Self {
            client: transport.client(&connection)?,
            redactor,
            connection,
            credentials,
            token: RwLock::new(None),
            large: Semaphore::new(1),
        })
    }

    /// Sends a `GET` to `address` without a token. Any answer shows that the host can be reached.
    pub async fn knock(&self, address: &str) -> Reply {
        let (reply, _) = self.exchange(self.client.get(address), body::SMALL).await;
        let reply = self.redacted(reply);
        tracing::debug!(address, outcome = outcome(&reply), "knock");
        reply
    }

    /// Sends the request once like [`Api::send`], and returns the gateway's headers with the reply.
    pub async fn probe(&self, request: &Request) -> Probe {
        let started = monotonic();
        let (reply, headers) = match self.prepare(request) {
            Ok(builder) => self.exchange(builder, body::most(request.extent)).await,
            Err(reply) => (reply, HeaderMap::new()),
        };
        let reply = self.redacted(reply);
        tracing::debug!(
            call = %request,
            outcome = outcome(&reply),
            elapsed_ms = monotonic().duration_since(started).as_millis(),
            "reply"
        );
        let reply = match reply {
            Reply::TooLarge(why) => Reply::TooLarge(format!("{request}: {why}")),
            reply => reply,
        };
        let gateway = ["limit", "remaining", "reset"]
            .map(|name| header(&headers, &format!("x-ratelimit-{name}")))
            .map(|value| value.map(|value| self.redactor.text(value)));
        Probe {
            reply,
            gateway: match gateway {
                [Some(limit), Some(remaining), Some(reset)] => Some([limit, remaining, reset]),
                _ => None,
            },
        }
    }

    /// Returns the request as it is sent, or the reply to one that must not be sent.
    fn prepare(&self, request: &Request) -> Result<reqwest::RequestBuilder, Reply> {
        if !request.path.is_whole() {
            let why = format!("not sent: {request} lacks the id of its object");
            return Err(Reply::Withheld(why));
        }
        let url = self.connection.url_of(request);
        let url = url.map_err(|error| Reply::NotSent(error.to_string()))?;
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
        let Some(body) = request.body_for(&self.connection.customer) else {
            return Ok(builder);
        };
        let body = body.to_string();
        if body.contains(MARK) {
            return Err(Reply::Withheld(format!(
                "not sent: it would write {MARK:?}, which stands for a secret of this API client; \
                 remove the secret from the object in the admin console first"
            )));
        }
        let json = HeaderValue::from_static("application/json");
        Ok(builder.header(CONTENT_TYPE, json).body(body))
    }

    /// Returns the reply without secrets.
    fn redacted(&self, reply: Reply) -> Reply {
        let text = |text| self.redactor.text(text);
        match reply {
            Reply::Answer(answer) => Reply::Answer(Answer {
                status: answer.status,
                retry_after: answer.retry_after.map(text),
                date: answer.date.map(text),
                body: self.redactor.bytes(answer.body),
            }),
            Reply::NotSent(why) => Reply::NotSent(text(why)),
            Reply::Lost(why) => Reply::Lost(text(why)),
            Reply::Withheld(_) | Reply::TooLarge(_) => reply,
        }
    }

    /// Sends the request and reads the answer, of a success at most that many bytes. A success that breaks off counts as
    /// lost. A refusal that breaks off or is too long still counts, since its status says enough.
    async fn exchange(&self, request: reqwest::RequestBuilder, most: usize) -> (Reply, HeaderMap) {
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() || error.is_builder() => {
                return (Reply::NotSent(describe(&error)), HeaderMap::new());
            }
            Err(error) => return (Reply::Lost(describe(&error)), HeaderMap::new()),
        };
        let status = response.status();
        let most = if status.is_success() {
            most
        } else {
            body::SMALL
        };
        let read = body::read(&mut response, most, &self.large).await;
        let headers = std::mem::take(response.headers_mut());
        let body = match read {
            Ok(Body { whole: false, .. }) if status.is_success() => {
                let why = format!("the answer is larger than {}", body::shown(most));
                return (Reply::TooLarge(why), headers);
            }
            Ok(body) if status.is_success() && body::has_too_many_values(&body.bytes) => {
                let why = "the answer has more than 50,000 objects or 250,000 values".to_owned();
                return (Reply::TooLarge(why), headers);
            }
            Ok(body) => body.bytes,
            Err(error) if status.is_success() => return (Reply::Lost(describe(&error)), headers),
            Err(_) => Vec::new(),
        };
        let answer = Answer {
            status: status.as_u16(),
            retry_after: header(&headers, "retry-after"),
            date: header(&headers, "date"),
            body,
        };
        (Reply::Answer(answer), headers)
    }

    fn token(&self) -> Option<HeaderValue> {
        self.token
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn keep(&self, token: &str) -> Result<(), SignInError> {
        self.redactor.learn_passing(token.as_bytes());
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut bearer = bearer
            .map_err(|_| unusable("the token has characters that no HTTP header can hold"))?;
        bearer.set_sensitive(true);
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = Some(bearer);
        Ok(())
    }

    /// Reads the token from the body of an answer, and returns its lifetime.
    fn take_token(&self, body: &[u8]) -> Result<Duration, SignInError> {
        let token: TokenAnswer = serde_json::from_slice(body)
            .map_err(|_| unusable("the answer has no access_token; is the token address right?"))?;
        self.keep(&token.access_token)?;
        let lifetime = token.lifetime();
        tracing::debug!(lifetime_s = lifetime.as_secs(), "signed in");
        Ok(lifetime)
    }

    /// Returns the form that asks for a token. A key signs a new assertion each time, since an assertion is good for
    /// minutes and a run may last for hours.
    fn sign_in_form(&self) -> Result<Vec<(&'static str, String)>, SignInError> {
        let client = &self.credentials.client_id;
        let mut form = vec![("client_id", client.clone())];
        match &self.credentials.proof {
            Proof::Secret(secret) => form.push(("client_secret", secret.expose_secret().into())),
            Proof::Key(key) => {
                let now = SystemTime::from(wall()).duration_since(UNIX_EPOCH);
                let unique = random_bits();
                let assertion = key
                    .assertion(client, now.unwrap_or_default(), unique)
                    .map_err(|error| unusable(&error.to_string()))?;
                form.push(("client_assertion_type", ASSERTION_TYPE.to_owned()));
                self.redactor.learn_passing(assertion.as_bytes());
                form.push(("client_assertion", assertion));
            }
        }
        if self.connection.style == Style::OneApi {
            form.push(("grant_type", "client_credentials".to_owned()));
            form.push(("audience", AUDIENCE.to_owned()));
        }
        Ok(form)
    }
}

impl Api for HttpApi {
    async fn send(&self, request: Request) -> Reply {
        self.probe(&request).await.reply
    }

    async fn sign_in(&self) -> Result<Duration, SignInError> {
        let form = self.sign_in_form()?;
        let request = self.client.post(&self.connection.token_url).form(&form);
        let (reply, _) = self.exchange(request, body::SMALL).await;
        if let Reply::Answer(answer) = &reply
            && matches!(answer.status, 200..=299)
        {
            return self.take_token(&answer.body);
        }
        let answer = match self.redacted(reply) {
            Reply::Answer(answer) => answer,
            Reply::TooLarge(why) => {
                let token_url = &self.connection.token_url;
                return Err(unusable(&format!(
                    "{why}; is {token_url} the right token address?"
                )));
            }
            Reply::NotSent(why) | Reply::Lost(why) | Reply::Withheld(why) => {
                return Err(SignInError::Unavailable(Failure::new(why)));
            }
        };
        Err(refusal(&answer))
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    expires_in: Value,
}

impl TokenAnswer {
    /// Returns the lifetime. `expires_in` is a number of seconds, written as a text in one style.
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

/// Returns the meaning of a sign-in that was refused.
fn refusal(answer: &Answer) -> SignInError {
    let failure = answer.error();
    if let Some(wait) = pause(answer) {
        return SignInError::Throttled { wait, failure };
    }
    let temporary = failure.error_id.as_deref().is_some_and(is_concurrent);
    match answer.status {
        400..=499 if !temporary && !matches!(answer.status, 408 | 429) => {
            SignInError::Refused(failure)
        }
        _ => SignInError::Unavailable(failure),
    }
}

/// Returns the pause that an answer asks for, if it says that there are too many calls.
fn pause(answer: &Answer) -> Option<Duration> {
    let asks = matches!(answer.status, 429 | 503);
    let text = answer.retry_after.as_deref().filter(|_| asks)?;
    retry_after(text, answer.date.as_deref(), wall())
}

fn unusable(why: &str) -> SignInError {
    SignInError::Refused(Failure::new(why))
}

fn outcome(reply: &Reply) -> String {
    match reply {
        Reply::Answer(answer) => answer.status.to_string(),
        Reply::NotSent(why) => format!("not sent: {why}"),
        Reply::Lost(why) => format!("lost: {why}"),
        Reply::Withheld(why) | Reply::TooLarge(why) => why.clone(),
    }
}

/// Returns the text of a header. One that is longer than any that is meant here counts as missing.
fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    const LONGEST: usize = 256;
    let text = headers.get(name)?.to_str().ok()?;
    (text.len() <= LONGEST).then(|| text.to_owned())
}

/// Returns the innermost reason of an error, without the address, which messages name already.
fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    let mut innermost = "the request could not be made".to_owned();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(reason) = certificate_error(inner) {
            return reason;
        }
        innermost = inner.to_string();
        source = inner.source();
    }
    innermost
}

/// Finds the TLS error that an error is or carries. An `io::Error` does not return its inner error as its source.
fn tls_error<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let inner = error.downcast_ref::<io::Error>()?.get_ref()?;
    tls_error(inner)
}

/// Describes the fault of the server's certificate and what to do about it. Returns `None` for other errors.
fn certificate_error(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let rustls::Error::InvalidCertificate(error) = tls_error(error)? else {
        return None;
    };
    Some(match error {
        CertificateError::UnknownIssuer => "the server's certificate is not trusted: this system does not know its \
             issuer. If a proxy of your company opens TLS connections, name its certificate with --ca-cert"
            .to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another name than the host of the address".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired, or this machine's clock is wrong".to_owned()
        }
        other => format!("the server's certificate is not accepted: {other}"),
    })
}
