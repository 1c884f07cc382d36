//! Requests and replies as the rest of the program sees them: without host, customer, token and quota.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::failure::{Failure, cut};
use super::id::Id;
use super::path::Path;

/// The two kinds of calls that the tenant's rate limit counts separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuotaClass {
    /// `GET`.
    Read,
    /// `POST`, `PUT` and `DELETE` together.
    Write,
}

impl fmt::Display for QuotaClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// The HTTP methods that the API uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads an object or a list. Repeating the call does no harm.
    Get,
    /// Creates objects. If the answer is lost, nobody knows whether the call was carried out.
    Post,
    /// Replaces an object. Repeating the call does no harm.
    Put,
    /// Deletes an object. Repeating the call does no harm.
    Delete,
}

impl Method {
    /// The quota class that a call with this method counts against.
    #[must_use]
    pub fn class(self) -> QuotaClass {
        match self {
            Self::Get => QuotaClass::Read,
            Self::Post | Self::Put | Self::Delete => QuotaClass::Write,
        }
    }

    /// Says whether sending a call twice has the same effect as sending it once: true for all but `POST`.
    #[must_use]
    pub fn idempotent(self) -> bool {
        self != Self::Post
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        })
    }
}

/// The two versions of the management API's paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `/mgmtconfig/v1/…`
    V1,
    /// `/mgmtconfig/v2/…`
    V2,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
}

/// The number of objects that the answer to a request may hold. An answer about one object may be less large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// At most one object.
    One,
    /// A page of a listing, a list, or all objects of a bulk call.
    Many,
}

/// One request to the API, before host, prefix, customer and token are added.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The version in the path.
    pub version: Version,
    /// The path after `…/customers/{customerId}/`.
    pub path: Path,
    /// The query parameters, without the microtenant.
    pub query: Vec<(&'static str, String)>,
    /// The microtenant, sent as `microtenantId`. Without one, the API means the Default microtenant.
    pub microtenant: Option<Id>,
    /// The JSON body.
    pub body: Option<Value>,
    /// The member of the body that must hold the customer id. Only the layer that sends the request knows that id.
    pub customer_member: Option<&'static str>,
    /// The number of objects that the answer may hold.
    pub extent: Extent,
}

impl Request {
    /// Makes a request of [`Version::V1`] about one object, with neither query nor body.
    pub fn new(method: Method, path: impl Into<Path>, microtenant: Option<Id>) -> Self {
        Self {
            method,
            version: Version::V1,
            path: path.into(),
            query: Vec::new(),
            microtenant,
            body: None,
            customer_member: None,
            extent: Extent::One,
        }
    }

    /// Returns the version and the path, which together identify an endpoint. Host, customer and query are left out.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("{}/{}", self.version, self.path)
    }

    /// Returns the body as it is sent for `customer`: with the customer id in [`Request::customer_member`].
    #[must_use]
    pub fn body_for(&self, customer: &str) -> Option<Cow<'_, Value>> {
        let body = self.body.as_ref()?;
        let (Some(member), Value::Object(object)) = (self.customer_member, body) else {
            return Some(Cow::Borrowed(body));
        };
        let mut object = object.clone();
        object.insert(member.to_owned(), Value::String(customer.to_owned()));
        Some(Cow::Owned(Value::Object(object)))
    }

    /// Returns the same request with an answer about many objects.
    #[must_use]
    pub fn about_many(self) -> Self {
        let extent = Extent::Many;
        Self { extent, ..self }
    }

    /// Returns the same request with `body` as its body.
    #[must_use]
    pub fn with_body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// The result of sending one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The server answered, with success or an error.
    Answer(Answer),
    /// The request was never sent: the name, the connection or TLS failed. It was not executed. The text says why.
    NotSent(String),
    /// The request was sent, but no complete answer came back. It may have been executed. The text says why.
    Lost(String),
    /// The request was not sent, and will not be however often it is tried. The text says why.
    Withheld(String),
    /// The server answered with success, so the request was executed, but the answer is larger than is read. The text
    /// says so.
    TooLarge(String),
}

/// A complete HTTP answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The `Retry-After` header, unparsed.
    pub retry_after: Option<String>,
    /// The `Date` header, unparsed. An HTTP date in `Retry-After` is relative to it.
    pub date: Option<String>,
    /// The body, unparsed.
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the server's time when it answered. Returns `None` when it does not tell.
    #[must_use]
    pub fn server_time(&self) -> Option<Timestamp> {
        let date = jiff::fmt::rfc2822::parse(self.date.as_deref()?).ok()?;
        Some(date.timestamp())
    }

    /// Parses the body as JSON. Returns `None` when it is not JSON.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Reads the error from the body.
    ///
    /// The body has the API's own form `{id, reason}`, the gateway's `{detail, title}`, or `{error}` of an OAuth answer.
    /// If the body is not a JSON object, its first 200 characters become the message.
    #[must_use]
    pub fn error(&self) -> Failure {
        let Some(Value::Object(object)) = self.json() else {
            return self.text_error();
        };
        let text = |key: &str| {
            let value = object.get(key).and_then(Value::as_str)?;
            (!value.is_empty()).then(|| cut(value.to_owned()))
        };
        let message = text("reason")
            .or_else(|| text("detail"))
            .or_else(|| text("error_description"))
            .or_else(|| text("title"));
        let error_id = text("id")
            .or_else(|| text("exception"))
            .or_else(|| text("error"));
        Failure {
            message: message
                .or_else(|| error_id.clone())
                .unwrap_or_else(|| format!("the server answered {}", self.status)),
            error_id,
            status: Some(self.status),
        }
    }

    fn text_error(&self) -> Failure {
        const SHOWN: usize = 200;
        let text = String::from_utf8_lossy(&self.body);
        let mut shown: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((cut, _)) = shown.char_indices().nth(SHOWN) {
            shown.truncate(cut);
            shown.push('…');
        }
        let message = match shown.as_str() {
            "" => format!("the server answered {} with an empty body", self.status),
            shown => format!("the server answered {}: {shown}", self.status),
        };
        Failure {
            error_id: None,
            message,
            status: Some(self.status),
        }
    }
}
