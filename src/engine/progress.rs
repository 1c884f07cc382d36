//! How far a run is, for whoever shows it.

use std::time::{Duration, Instant};

use super::dispatch::Dispatcher;
use super::settings::EngineSettings;
use crate::ledger::Tally;
use crate::pacer::Pace;
use crate::plan::CallCounts;
use crate::wire::QuotaClass;

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// How many items stand where.
    pub tally: Tally,
    /// The reads.
    pub read: ClassProgress,
    /// The writes.
    pub write: ClassProgress,
    /// How many calls were answered 429.
    pub throttled: u64,
    /// How many calls were answered with a 503 that asks to come back later, and paused their class as a 429 does.
    pub unavailable: u64,
    /// How many calls are under way.
    pub in_flight: usize,
    /// What the calls that are left need at the quota, if none of them fails, or how long a call without answer may
    /// still be carried out, if that is longer.
    pub time_left: Duration,
}

/// How far the calls of one quota class are.
#[derive(Clone, Copy, Debug)]
pub struct ClassProgress {
    /// What they are paced by.
    pub quota: Pace,
    /// How many were sent.
    pub sent: u64,
    /// How many are known to be left.
    pub left: u64,
    /// How much longer nothing is sent because the server refused a call.
    pub paused_for: Option<Duration>,
}

impl Progress {
    pub(super) fn new(
        dispatcher: &Dispatcher,
        tally: Tally,
        waiting: CallCounts,
        settings: &EngineSettings,
        settled_by: Option<Instant>,
        now: Instant,
    ) -> Self {
        let (lanes, counts) = (dispatcher.lanes(), dispatcher.counts());
        let class = |class, quota, sent, waiting: u64| {
            let queued = u64::try_from(lanes.queued(class)).unwrap_or(u64::MAX);
            let paused = lanes.paused_until(class, now);
            ClassProgress {
                quota,
                sent,
                left: waiting + queued,
                paused_for: paused.map(|until| until.saturating_duration_since(now)),
            }
        };
        let time = |class| lanes.time_for(class, waiting, now);
        let calls = time(QuotaClass::Read).max(time(QuotaClass::Write));
        let withheld_until =
            settled_by.map_or(Duration::ZERO, |by| by.saturating_duration_since(now));
        Self {
            tally,
            read: class(
                QuotaClass::Read,
                settings.read_quota,
                counts.sent.read,
                waiting.read,
            ),
            write: class(
                QuotaClass::Write,
                settings.write_quota,
                counts.sent.write,
                waiting.write,
            ),
            throttled: counts.throttled,
            unavailable: counts.unavailable,
            in_flight: dispatcher.in_flight(),
            time_left: calls
                .max(withheld_until)
                .max(dispatcher.time_to_repeat(now)),
        }
    }
}
