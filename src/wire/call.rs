//! What goes over the wire: requests and replies, before host, token and quota have their say.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::failure::Failure;
use super::id::Id;

/// Whom the rate limit counts a call against.
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
    /// Reads; free to repeat.
    Get,
    /// Creates; a lost answer leaves it unknown whether it was carried out.
    Post,
    /// Replaces; free to repeat.
    Put,
    /// Deletes; free to repeat.
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

    /// Whether sending it twice does the same as sending it once.
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

/// One request to the API, before host, prefix, customer and token are added.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The version in the path.
    pub version: Version,
    /// What follows `…/customers/{customerId}/`, with no slash before or behind it.
    pub path: String,
    /// Query parameters besides the microtenant.
    pub query: Vec<(&'static str, String)>,
    /// Sent as `microtenantId`; left out, the API means the Default microtenant.
    pub microtenant: Option<Id>,
    /// The JSON body.
    pub body: Option<Value>,
    /// The member of the body that is to hold the customer id, which only the edge knows.
    pub customer_member: Option<&'static str>,
}

impl Request {
    /// A request with neither query nor body.
    pub fn new(method: Method, path: impl Into<String>, microtenant: Option<Id>) -> Self {
        Self {
            method,
            version: Version::V1,
            path: path.into(),
            query: Vec::new(),
            microtenant,
            body: None,
            customer_member: None,
        }
    }

    /// What an endpoint is told by: the version and the path, without host, customer and query.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("{}/{}", self.version, self.path)
    }

    /// The body as it is sent for that customer.
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

    /// The same request carrying `body`.
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

/// What came of one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The server answered, whatever it said.
    Answer(Answer),
    /// The request never left: nobody listened, no name, no TLS. It was not executed.
    NotSent(String),
    /// The request went out and no whole answer came back. It may have been executed.
    Lost(String),
}

/// A whole HTTP answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The `Retry-After` header as it came.
    pub retry_after: Option<String>,
    /// The `Date` header as it came; an HTTP date in `Retry-After` is relative to it.
    pub date: Option<String>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON, when it is JSON.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// What the body says went wrong: the API's own form `{id, reason}`, the gateway's
    /// `{detail, title}`, an OAuth answer's `{error}`, or the beginning of whatever text it is.
    #[must_use]
    pub fn error(&self) -> Failure {
        let Some(Value::Object(object)) = self.json() else {
            return self.text_error();
        };
        let text = |key: &str| {
            let value = object.get(key).and_then(Value::as_str)?;
            (!value.is_empty()).then(|| value.to_owned())
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
