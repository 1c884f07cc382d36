//! The progress of a run, for whoever shows it.

use std::num::NonZeroU32;
use std::time::Instant;

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
    /// The instant at which the last of the calls that are left goes, if none of them fails. If a call without an answer
    /// may still be carried out after that, the instant from which on it no longer can be.
    pub ends_at: Instant,
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
    /// The instant before which nothing is sent, because the server refused a call.
    pub paused_until: Option<Instant>,
    /// The calls for which a window has room, if refusals have shown that these are fewer than the quota has: another
    /// program uses the rest, or the tenant's limit is smaller.
    pub room_found: Option<NonZeroU32>,
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
        let class = |class, quota, sent, waiting: u64| ClassProgress {
            quota,
            sent,
            left: waiting + u64::try_from(lanes.queued(class)).unwrap_or(u64::MAX),
            paused_until: lanes.paused_until(class, now),
            room_found: lanes.room_found(class),
        };
        let (read, write) = (QuotaClass::Read, QuotaClass::Write);
        let times = [
            lanes.time_for(read, waiting, now),
            lanes.time_for(write, waiting, now),
            dispatcher.time_to_repeat(now),
        ];
        let all_sent = now + times.into_iter().max().unwrap_or_default();
        let sent = counts.sent;
        Self {
            tally,
            read: class(read, settings.read_quota, sent.read, waiting.read),
            write: class(write, settings.write_quota, sent.write, waiting.write),
            throttled: counts.throttled,
            unavailable: counts.unavailable,
            in_flight: dispatcher.in_flight(),
            ends_at: open_until.map_or(all_sent, |open| all_sent.max(open)),
        }
    }
}
