//! The progress of a run, for whoever shows it.

use std::time::{Duration, Instant};

use super::dispatch::Dispatcher;
use super::settings::EngineSettings;
use crate::ledger::Tally;
use crate::pacer::Pace;
use crate::plan::CallCounts;
use crate::wire::QuotaClass;

/// The progress of a run.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The number of items in each state.
    pub tally: Tally,
    /// The reads.
    pub read: ClassProgress,
    /// The writes.
    pub write: ClassProgress,
    /// The number of calls that were answered 429.
    pub throttled: u64,
    /// The number of calls that were answered with a 503 that asks for a pause, which paused their class as a 429
    /// does.
    pub unavailable: u64,
    /// The number of calls under way.
    pub in_flight: usize,
    /// The time that the calls that are left need at the quota, if none of them fails. If a call without an answer
    /// may still be carried out after that, the time until it no longer can be.
    pub time_left: Duration,
}

/// The progress of the calls of one quota class.
#[derive(Clone, Copy, Debug)]
pub struct ClassProgress {
    /// The pace of the calls.
    pub quota: Pace,
    /// The number of calls that were sent.
    pub sent: u64,
    /// The number of calls that are known to be left.
    pub left: u64,
    /// The time for which nothing is sent, because the server refused a call.
    pub paused_for: Option<Duration>,
}

impl Progress {
    /// The progress at `now`, with calls that are `waiting` to be loaded. Calls without an answer may be carried out
    /// until `open_until`.
    pub(super) fn new(
        dispatcher: &Dispatcher,
        tally: Tally,
        waiting: CallCounts,
        settings: &EngineSettings,
        open_until: Option<Instant>,
        now: Instant,
    ) -> Self {
        let (lanes, counts) = (dispatcher.lanes(), dispatcher.counts());
        let until = |instant: Instant| instant.saturating_duration_since(now);
        let class = |class, quota, sent, waiting: u64| ClassProgress {
            quota,
            sent,
            left: waiting + u64::try_from(lanes.queued(class)).unwrap_or(u64::MAX),
            paused_for: lanes.paused_until(class, now).map(until),
        };
        let (read, write) = (QuotaClass::Read, QuotaClass::Write);
        let times = [
            lanes.time_for(read, waiting, now),
            lanes.time_for(write, waiting, now),
            open_until.map(until).unwrap_or_default(),
            dispatcher.time_to_repeat(now),
        ];
        let sent = counts.sent;
        Self {
            tally,
            read: class(read, settings.read_quota, sent.read, waiting.read),
            write: class(write, settings.write_quota, sent.write, waiting.write),
            throttled: counts.throttled,
            unavailable: counts.unavailable,
            in_flight: dispatcher.in_flight(),
            time_left: times.into_iter().max().unwrap_or_default(),
        }
    }
}
