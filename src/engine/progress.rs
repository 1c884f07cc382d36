//! How far a run is, for whoever shows it.

use std::time::{Duration, Instant};

use super::Settings;
use super::dispatch::Dispatcher;
use crate::ledger::Tally;
use crate::model::QuotaClass;
use crate::pacer::Pace;
use crate::plan::CallCounts;

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
    /// How many calls are under way.
    pub in_flight: usize,
    /// What the calls that are left need at the quota, if none of them fails, or what is still to be waited
    /// for before a lost call may be sent again.
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
        backlog: CallCounts,
        settings: &Settings,
        last_look: Option<Instant>,
        now: Instant,
    ) -> Self {
        let class = |class, quota, waiting: u64| {
            let queued = u64::try_from(dispatcher.queued(class)).unwrap_or(u64::MAX);
            let paused = dispatcher.pacer(class).paused_until(now);
            ClassProgress {
                quota,
                sent: dispatcher.sent(class),
                left: waiting + queued,
                paused_for: paused.map(|until| until.saturating_duration_since(now)),
            }
        };
        let read = class(QuotaClass::Read, settings.read_quota, backlog.read);
        let write = class(QuotaClass::Write, settings.write_quota, backlog.write);
        let time = |class, left| dispatcher.pacer(class).time_for(left, now);
        let looks = last_look.map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
        let calls = time(QuotaClass::Read, read.left).max(time(QuotaClass::Write, write.left));
        Self {
            tally,
            read,
            write,
            throttled: dispatcher.throttled(),
            in_flight: dispatcher.in_flight(),
            time_left: calls.max(looks),
        }
    }
}
