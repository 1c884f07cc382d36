//! The answers that say no, in the shapes of the ZPA API documentation.

use std::time::Duration;

use serde::Serialize;

use super::http::Answer;

/// The body of a call refused by the quota (ZPA API documentation, Understanding Rate Limiting).
pub(super) const TOO_MANY_REQUESTS: &str = r#"{"exception":"invalid.toomanyrequests","id":"invalid.toomanyrequests","reason":"Exceeded the number of requests allowed."}"#;

/// The body of a call that the service has no time for (same page).
pub(super) const UNAVAILABLE: &str =
    r#"{"id":"retryable.server.error","reason":"The service is busy. Try again later."}"#;

/// The body of a call that exceeds the `OneAPI` gateway's own limit.
const GATEWAY_TOO_MANY_REQUESTS: &str =
    r#"{"detail":"too many requests","type":"","title":"","status":""}"#;

/// The body with which the `OneAPI` gateway refuses a token.
const GATEWAY_UNAUTHORIZED: &str = r#"{"detail":"unauthorized","type":"","title":"","status":""}"#;

/// A call that was understood and not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    id: &'static str,
    reason: String,
    params: Vec<String>,
}

/// How a [`Refusal`] reads on the wire.
#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    params: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<&'a str>,
}

impl Refusal {
    /// A refusal with any status and id.
    pub(super) fn new(status: u16, id: &'static str, reason: impl Into<String>) -> Self {
        Self {
            status,
            id,
            reason: reason.into(),
            params: Vec::new(),
        }
    }

    /// 400: the request itself is wrong.
    pub(super) fn bad(id: &'static str, reason: impl Into<String>) -> Self {
        Self::new(400, id, reason)
    }

    /// 400: a required field is missing or empty.
    pub(super) fn missing(field: &str) -> Self {
        Self::bad(
            "required.field.missing",
            format!("The field {field} is required."),
        )
    }

    /// 400: a second object of the same name.
    pub(super) fn duplicate(name: &str) -> Self {
        Self::bad(
            "resource.already.exist",
            "A resource of this name already exists.",
        )
        .about(name)
    }

    /// 404: the id in the path is unknown.
    pub(super) fn not_found(id: &str) -> Self {
        Self::new(
            404,
            "resource.not.found",
            format!("Resource not found: {id}."),
        )
    }

    /// 404, with an id of its own: a client must not take it for an object that is gone.
    pub(super) fn unknown_path(path: &str) -> Self {
        Self::new(404, "invalid.path", format!("There is nothing at {path}."))
    }

    /// 405.
    pub(super) fn wrong_method(method: &str) -> Self {
        let reason = format!("The method {method} is not allowed here.");
        Self::new(405, "method.not.allowed", reason)
    }

    /// 403: the call would exceed one of the organization's limits.
    pub(super) fn limit_exceeded(reason: impl Into<String>) -> Self {
        Self::new(403, "LIMIT_EXCEEDED", reason)
    }

    /// 400: an object that the scenario never takes.
    pub(super) fn poisoned(name: &str) -> Self {
        Self::bad("invalid.item", format!("{name} cannot be accepted.")).about(name)
    }

    /// Says no longer which item it is about.
    pub(super) fn of_nothing(mut self) -> Self {
        self.params.clear();
        self
    }

    /// Names the item the refusal is about, unless one is named already.
    pub(super) fn about(mut self, item: &str) -> Self {
        if self.params.is_empty() && !item.is_empty() {
            self.params.push(item.to_owned());
        }
        self
    }

    /// The answer to send. Refusals that are about an item carry `params` and `exception` as well.
    pub(super) fn into_answer(self) -> Answer {
        let exception = (!self.params.is_empty()).then_some(self.id);
        let body = Body {
            id: self.id,
            reason: &self.reason,
            params: &self.params,
            exception,
        };
        Answer::json(self.status, &body)
    }
}

/// A refusal that the scenario injects: with the error id that the status usually has, unless it says another.
pub(super) fn injected(status: u16, id: Option<&str>, retry_after: Option<&str>) -> Answer {
    let usual = match status {
        401 => "access.denied",
        409 => "api.concurrent.access.error",
        429 => "invalid.toomanyrequests",
        503 => "retryable.server.error",
        _ => "injected.fault",
    };
    let body = Body {
        id: id.unwrap_or(usual),
        reason: "The scenario says so.",
        params: &[],
        exception: None,
    };
    let answer = Answer::json(status, &body);
    match retry_after {
        Some(text) => answer.with_header("retry-after", text.to_owned()),
        None => answer,
    }
}

/// 401: the token is missing, unknown or expired. The gateway in front of the API has a shape of its own.
pub(super) fn unauthorized(through_gateway: bool) -> Answer {
    if through_gateway {
        Answer::json_bytes(401, GATEWAY_UNAUTHORIZED)
    } else {
        Refusal::new(
            401,
            "access.denied",
            "Access denied: the token is missing, unknown or expired.",
        )
        .into_answer()
    }
}

/// 429: the quota is used up for `wait` more.
pub(super) fn too_many_requests(wait: Duration) -> Answer {
    throttled(TOO_MANY_REQUESTS, wait)
}

/// 429: the gateway's own limit is used up for `wait` more.
pub(super) fn gateway_too_many_requests(wait: Duration) -> Answer {
    throttled(GATEWAY_TOO_MANY_REQUESTS, wait)
}

/// The header counts whole seconds, rounded up, and has a unit.
fn throttled(body: &'static str, wait: Duration) -> Answer {
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Answer::json_bytes(429, body).with_header("retry-after", format!("{}s", whole.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_rounded_up_to_whole_seconds_and_never_below_one() {
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
    fn only_a_refusal_about_an_item_carries_params_and_exception() {
        let plain = Refusal::bad("x.y", "why").into_answer().body;
        assert_eq!(plain, br#"{"id":"x.y","reason":"why"}"#);
        let about = Refusal::bad("x.y", "why").about("wiki").into_answer().body;
        assert_eq!(
            about,
            br#"{"id":"x.y","reason":"why","params":["wiki"],"exception":"x.y"}"#
        );
    }
}
