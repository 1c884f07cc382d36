//! Error answers, in the forms of the ZPA API documentation.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::http::Answer;

/// The body of an answer to a call over the quota (ZPA API documentation, Understanding Rate Limiting).
pub(super) const TOO_MANY_REQUESTS: &str = r#"{"exception":"invalid.toomanyrequests","id":"invalid.toomanyrequests","reason":"Exceeded the number of requests allowed."}"#;

/// The body of an answer from a busy service (same page).
pub(super) const UNAVAILABLE: &str =
    r#"{"id":"retryable.server.error","reason":"The service is busy. Try again later."}"#;

/// The body of an answer to a call over the limit of the `OneAPI` gateway itself.
const GATEWAY_TOO_MANY_REQUESTS: &str =
    r#"{"detail":"too many requests","type":"","title":"","status":""}"#;

/// The body of an answer of the `OneAPI` gateway to a token that is not valid.
const GATEWAY_UNAUTHORIZED: &str = r#"{"detail":"unauthorized","type":"","title":"","status":""}"#;

/// An error answer to a call that was not executed. One that names an item also has `params` and `exception`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    #[serde(skip)]
    status: u16,
    id: Cow<'static, str>,
    reason: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    params: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<Cow<'static, str>>,
}

impl Refusal {
    pub(super) fn new(
        status: u16,
        id: impl Into<Cow<'static, str>>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            status,
            id: id.into(),
            reason: reason.into(),
            params: Vec::new(),
            exception: None,
        }
    }

    /// 400: the request itself is wrong.
    pub(super) fn bad_request(id: &'static str, reason: impl Into<String>) -> Self {
        Self::new(400, id, reason)
    }

    pub(super) fn missing(field: &str) -> Self {
        let reason = format!("The field {field} is required.");
        Self::bad_request("required.field.missing", reason)
    }

    /// 400: a second object of the same name.
    pub(super) fn duplicate(name: &str) -> Self {
        let reason = "A resource of this name already exists.";
        Self::bad_request("resource.already.exist", reason).with_item(name)
    }

    /// 404: the id in the path is unknown.
    pub(super) fn not_found(id: &str) -> Self {
        let reason = format!("Resource not found: {id}.");
        Self::new(404, "resource.not.found", reason)
    }

    /// 404 with an error id of its own, so that clients do not mistake it for a deleted object.
    pub(super) fn unknown_path(path: &str) -> Self {
        Self::new(404, "invalid.path", format!("There is nothing at {path}."))
    }

    /// 405: the path exists, but not with this method.
    pub(super) fn wrong_method(method: &str) -> Self {
        let reason = format!("The method {method} is not allowed here.");
        Self::new(405, "method.not.allowed", reason)
    }

    /// 403: the call would exceed one of the organization's limits.
    pub(super) fn limit_exceeded(reason: impl Into<String>) -> Self {
        Self::new(403, "LIMIT_EXCEEDED", reason)
    }

    /// 400: a `poison` fault names the object.
    pub(super) fn poisoned(name: &str) -> Self {
        Self::bad_request("invalid.item", format!("{name} cannot be accepted.")).with_item(name)
    }

    /// Removes the name of the item at fault.
    pub(super) fn without_item(mut self) -> Self {
        self.params.clear();
        self.exception = None;
        self
    }

    /// Names the item at fault, unless one is named already.
    pub(super) fn with_item(mut self, item: &str) -> Self {
        if self.params.is_empty() && !item.is_empty() {
            self.params.push(item.to_owned());
            self.exception = Some(self.id.clone());
        }
        self
    }

    /// Names the posted object at fault, as far as it has a name, unless an item is named already.
    pub(super) fn with_name_of(self, object: &Map<String, Value>) -> Self {
        let name = object.get("name").and_then(Value::as_str);
        self.with_item(name.unwrap_or_default())
    }

    pub(super) fn into_answer(self) -> Answer {
        Answer::json(self.status, &self)
    }
}

/// The answer of a fault that names a status. Without an error id in the scenario it has the usual one of its status.
pub(super) fn injected(status: u16, id: Option<&str>, retry_after: Option<&str>) -> Answer {
    let usual = match status {
        401 => "access.denied",
        409 => "api.concurrent.access.error",
        429 => "invalid.toomanyrequests",
        503 => "retryable.server.error",
        _ => "injected.fault",
    };
    let id = id.map_or(Cow::Borrowed(usual), |id| Cow::Owned(id.to_owned()));
    let answer = Refusal::new(status, id, "The scenario says so.").into_answer();
    match retry_after {
        Some(text) => answer.with_header("retry-after", text.to_owned()),
        None => answer,
    }
}

/// 401: the token is missing, unknown or expired. The gateway uses another form than the API.
pub(super) fn unauthorized(through_gateway: bool) -> Answer {
    if through_gateway {
        return Answer::json_bytes(401, GATEWAY_UNAUTHORIZED);
    }
    let reason = "Access denied: the token is missing, unknown or expired.";
    Refusal::new(401, "access.denied", reason).into_answer()
}

/// 429: the quota admits the next call after `wait`.
pub(super) fn too_many_requests(wait: Duration) -> Answer {
    too_many(TOO_MANY_REQUESTS, wait)
}

/// 429: the gateway itself admits the next call after `wait`.
pub(super) fn gateway_too_many_requests(wait: Duration) -> Answer {
    too_many(GATEWAY_TOO_MANY_REQUESTS, wait)
}

/// A 429 whose `retry-after` is in whole seconds, rounded up, with a unit.
fn too_many(body: &'static str, wait: Duration) -> Answer {
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Answer::json_bytes(429, body).with_header("retry-after", format!("{}s", whole.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_in_whole_seconds_and_at_least_one() {
        let header = |wait| {
            let answer = too_many_requests(wait);
            answer
                .headers
                .into_iter()
                .find(|(name, _)| *name == "retry-after")
                .unwrap()
                .1
        };
        assert_eq!(header(Duration::from_millis(3001)), "4s");
        assert_eq!(header(Duration::from_secs(3)), "3s");
        assert_eq!(header(Duration::ZERO), "1s");
    }

    #[test]
    fn only_a_refusal_that_names_an_item_has_params() {
        let plain = Refusal::bad_request("x.y", "why").into_answer().body;
        assert_eq!(plain, br#"{"id":"x.y","reason":"why"}"#);
        let about = Refusal::bad_request("x.y", "why")
            .with_item("wiki")
            .into_answer()
            .body;
        assert_eq!(
            about,
            br#"{"id":"x.y","reason":"why","params":["wiki"],"exception":"x.y"}"#
        );
    }
}
