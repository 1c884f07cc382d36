//! Admissions and refusals of calls.

use std::time::{Duration, Instant};

/// The answer to "may a call go now?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The call may go now.
    Admitted,
    /// The call may go at this instant, unless the class is paused by then.
    NotBefore(Instant),
}

/// The rhythm of the calls of a class while no pause holds them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The time between two calls.
    pub interval: Duration,
    /// The number of calls that may go at once.
    pub burst: usize,
}

/// The refusal of a call by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The instant at which the refusal arrived.
    pub at: Instant,
    /// The instant at which the call was sent.
    pub sent: Instant,
    /// The end of the pause that the server asks for.
    pub until: Instant,
    /// True if the quota is used up; false if the server has troubles of its own.
    pub by_quota: bool,
}
