//! The simulator's record of what it was asked: the proof of how fast a client really went.

use std::time::Duration;

use serde::Serialize;

/// What a request counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A `GET` or `HEAD`.
    Read,
    /// Any other method: `POST`, `PUT` and `DELETE` share one quota.
    Write,
    /// A sign-in, a sign-out or a token request; no quota.
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

/// One request and how it was answered. It serialises as one line of the request log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// When the request arrived, exactly, since the simulator's start.
    #[serde(skip)]
    pub at: Duration,
    /// The same in whole milliseconds, rounded down.
    pub at_ms: u64,
    /// The customer id in the path; empty for sign-ins and paths that name none.
    pub tenant: String,
    /// What the request counts as.
    pub class: Class,
    /// The method.
    pub method: String,
    /// The path as it was sent, without the query.
    pub path: String,
    /// What followed the `?`; left out when there was none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// The status of the answer, whether it left or not; 0 where there was none to leave.
    pub status: u16,
    /// The kind of the fault that acted on the call; left out when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
}
