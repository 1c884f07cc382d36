//! The observer of an engine: takes in every call that was sent, every pause and wait, and every outcome.
//!
//! Nothing depends on an observer. The engine calls it between events and so waits for it: it must not block.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::item::Outcome;
use crate::pacer::{Pace, Paces, QuotaScope};
use crate::wire::{QuotaClass, Reply, Request};
use crate::zpa::SignInError;

/// The receiver of everything that an engine does.
pub trait EngineObserver: fmt::Debug + Send + Sync {
    /// Takes in a call, a pause, a wait or a finding.
    fn observe(&self, event: &CallEvent);

    /// Takes in items that ended at that time.
    fn ended(&self, outcomes: &[Outcome], at: Timestamp);
}

/// Something that happened to the calls of an engine. Times are those of the wall clock when the engine was made, and
/// go on by a clock that nobody sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum CallEvent {
    /// An engine was made, and nothing was sent by it before.
    Session(CallSession),
    /// A call was sent and is over.
    Call(SentCall),
    /// The server refused a call, and asked for a pause of its class, or for more of one. These spans do not overlap.
    Pause(Span),
    /// Calls waited for their slots, and none of the class was sent.
    Wait(Span),
    /// The tenant has shown which calls its limits count together.
    Scope {
        /// The time at which that was found out.
        at: Timestamp,
        /// `tenant` or `endpoint`.
        scope: String,
    },
    /// Events before this one are missing, since they found no room.
    Dropped {
        /// The number of the missing events.
        count: u64,
    },
}

/// The beginning of an engine, and the limits that it keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSession {
    /// The time of the beginning.
    pub at: Timestamp,
    /// The version of the program.
    pub tool: String,
    /// The limit of reads; `None` if they are not paced.
    pub read: Option<CallLimit>,
    /// The limit of writes; `None` if they are not paced.
    pub write: Option<CallLimit>,
    /// The calls that each limit counts together: `auto`, `tenant` or `endpoint`.
    pub scope: String,
}

/// The most calls of a class in any window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallLimit {
    /// The calls.
    pub calls: u32,
    /// The length of the window.
    pub window_ms: u64,
    /// The most calls that a search for the real limit may try.
    pub ceiling: u32,
}

impl CallLimit {
    fn of(pace: Pace) -> Option<Self> {
        let Pace::At(quota) = pace else {
            return None;
        };
        Some(Self {
            calls: quota.calls.get(),
            window_ms: millis(quota.window),
            ceiling: quota.calls.saturating_mul(quota.ceiling).get(),
        })
    }
}

/// Returns the beginning of an engine with those paces.
pub(super) fn session(paces: &Paces, at: Timestamp) -> CallEvent {
    CallEvent::Session(CallSession {
        at,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        read: CallLimit::of(paces.read),
        write: CallLimit::of(paces.write),
        scope: paces.scope.to_string(),
    })
}

/// A class of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallClass {
    /// `GET`.
    Read,
    /// `POST`, `PUT` and `DELETE` together.
    Write,
    /// A sign-in, which no quota counts.
    Auth,
}

impl CallClass {
    /// Returns the word for the class.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Auth => "auth",
        }
    }
}

impl From<QuotaClass> for CallClass {
    fn from(class: QuotaClass) -> Self {
        match class {
            QuotaClass::Read => Self::Read,
            QuotaClass::Write => Self::Write,
        }
    }
}

/// A call that was sent and is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentCall {
    /// The time at which it was sent.
    pub at: Timestamp,
    /// Its class.
    pub class: CallClass,
    /// The HTTP method.
    pub method: String,
    /// The version and the path after the customer, without the query; `sign-in` for a sign-in.
    pub path: String,
    /// The HTTP status, if the server answered. A sign-in that worked has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The kind of the failure, if there was no whole answer: `not_sent`, `lost`, `withheld`, `too_large`, or `sign_in`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The wait that the server asked for, as it wrote it: at most 64 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
    /// The time until the call was over.
    pub ms: u64,
}

/// A span of time in which no call of a class was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its beginning.
    pub at: Timestamp,
    /// The class.
    pub class: CallClass,
    /// Its length.
    pub ms: u64,
}

/// The most characters of a `Retry-After` that are kept.
const LONGEST_WAIT: usize = 64;

/// A call that is under way.
#[derive(Clone, Debug)]
pub(super) struct Sending {
    at: Timestamp,
    class: CallClass,
    method: String,
    path: String,
}

impl Sending {
    pub(super) fn of(request: &Request, at: Timestamp) -> Self {
        Self {
            at,
            class: request.method.class().into(),
            method: request.method.to_string(),
            path: request.endpoint(),
        }
    }

    pub(super) fn sign_in(at: Timestamp) -> Self {
        Self {
            at,
            class: CallClass::Auth,
            method: "POST".to_owned(),
            path: "sign-in".to_owned(),
        }
    }

    /// Returns the call with its reply, which came after `took`.
    pub(super) fn replied(self, reply: &Reply, took: Duration) -> CallEvent {
        let (status, failure) = match reply {
            Reply::Answer(answer) => (Some(answer.status), None),
            Reply::NotSent(_) => (None, Some("not_sent")),
            Reply::Lost(_) => (None, Some("lost")),
            Reply::Withheld(_) => (None, Some("withheld")),
            Reply::TooLarge(_) => (None, Some("too_large")),
        };
        let retry_after = match reply {
            Reply::Answer(answer) => answer.retry_after.as_deref(),
            _ => None,
        };
        self.over(status, failure, retry_after, took)
    }

    /// Returns the sign-in with its result, which came after `took`.
    pub(super) fn signed_in(
        self,
        result: &Result<Duration, SignInError>,
        took: Duration,
    ) -> CallEvent {
        let failure = match result {
            Ok(_) => return self.over(None, None, None, took),
            Err(
                SignInError::Refused(failure)
                | SignInError::Unavailable(failure)
                | SignInError::Throttled { failure, .. },
            ) => failure,
        };
        self.over(failure.status, Some("sign_in"), None, took)
    }

    fn over(
        self,
        status: Option<u16>,
        failure: Option<&str>,
        retry_after: Option<&str>,
        took: Duration,
    ) -> CallEvent {
        CallEvent::Call(SentCall {
            at: self.at,
            class: self.class,
            method: self.method,
            path: self.path,
            status,
            failure: failure.map(str::to_owned),
            retry_after: retry_after.map(|text| text.chars().take(LONGEST_WAIT).collect()),
            ms: millis(took),
        })
    }
}

/// Returns the finding as an event, if it is about what limits count together.
pub(super) fn scope_found(scope: QuotaScope, at: Timestamp) -> CallEvent {
    CallEvent::Scope {
        at,
        scope: scope.to_string(),
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
