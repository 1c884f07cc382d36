//! The simulator's request log: the proof of how fast a client really was.

use std::time::Duration;

use serde::Serialize;

/// The class of a request, by the quota that it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A `GET` or `HEAD`.
    Read,
    /// Any other method: `POST`, `PUT` and `DELETE` share one quota.
    Write,
    /// A sign-in, a sign-out or a token request: no quota.
    Auth,
}

impl Class {
    /// The quota class of an API call.
    pub(super) fn of_method(method: &str) -> Self {
        match method {
            "GET" | "HEAD" => Self::Read,
            _ => Self::Write,
        }
    }
}

/// One request and its answer. It serialises as one line of the request log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// The exact time of arrival since the simulator's start.
    #[serde(skip)]
    pub at: Duration,
    /// The time of arrival in whole milliseconds, rounded down.
    pub at_ms: u64,
    /// The customer id in the path; empty if the path has none, as at sign-in.
    pub tenant: String,
    /// The class of the request.
    pub class: Class,
    /// The method.
    pub method: String,
    /// The path as sent, without the query.
    pub path: String,
    /// The query as sent, without the `?`; left out if there was none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// The status of the answer, even if a fault kept it from leaving; 0 if there was no answer.
    pub status: u16,
    /// The kind of the first fault that acted on the call; left out if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
}
