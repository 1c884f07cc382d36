//! The settings of an engine, and the ways in which a phase of a run ends.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::pacer::{Pace, Paces, Quota, QuotaScope};
use crate::plan::Share;
use crate::resource::Kind;
use crate::wire::Failure;
use crate::zpa::SignInError;

/// How the engine works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// What reads are paced by. Default 20 per 10 s.
    pub read_quota: Pace,
    /// What writes are paced by. Default 10 per 10 s.
    pub write_quota: Pace,
    /// What both quotas are on. Default `tenant`. With `endpoint`, which is many times faster where objects are
    /// changed one by one, a tenant that counts all paths together refuses some calls before that is noticed.
    pub quota_scope: QuotaScope,
    /// What all calls together are paced by with the scope `endpoint`. Default 5000 per 60 s.
    pub gateway_quota: Pace,
    /// The most calls in flight. Default: what the quotas need, their rate times the time that calls last, and
    /// one (32 where they are off). Fewer may leave the quota unused, more gain nothing.
    pub jobs: Option<NonZeroUsize>,
    /// The most objects in one bulk create. Default 150, the console's limit. Smaller ones take more
    /// calls, larger ones may be refused; a server that takes fewer gets fewer once that is known.
    pub batch_size: NonZeroU32,
    /// How often an item is sent before it fails; throttled times do not count. Default 8.
    pub max_attempts: NonZeroU32,
    /// How long a call whose answer was lost may still be carried out by the server, and so how long a create
    /// is not sent again and a repeated update has not ended. Default twice the request timeout.
    pub settle: Duration,
    /// How many objects must stay in a group when others of it are deleted. Default 0: any number.
    pub keep_per_group: u32,
    /// When a run is parked before it has come to its end.
    pub bounds: Bounds,
}

/// What parks a run before it has come to its end. Nothing does unless it is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The longest pause that a server may ask for; a longer one is not waited for. Shorter ones hand the
    /// waiting to whoever resumes the run.
    pub max_wait: Option<Duration>,
    /// Nothing is started from this instant on.
    pub deadline: Option<Instant>,
    /// So many failed items of this process stop the run: a count, or a share of all items of the run.
    pub halt_on_failures: Option<Share>,
}

/// What parked a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parked {
    /// The server asked for a pause until then, which is longer than [`Bounds::max_wait`].
    Throttled(Timestamp),
    /// [`Bounds::deadline`] came.
    TimeIsUp,
    /// So many items failed, as many as [`Bounds::halt_on_failures`] allows.
    Failing(u64),
}

impl EngineSettings {
    /// What calls are paced by.
    #[must_use]
    pub fn paces(&self) -> Paces {
        Paces {
            read: self.read_quota,
            write: self.write_quota,
            scope: self.quota_scope,
            gateway: self.gateway_quota,
        }
    }
}

impl Default for EngineSettings {
    fn default() -> Self {
        const BATCH_SIZE: NonZeroU32 = NonZeroU32::MIN.saturating_add(149);
        const MAX_ATTEMPTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(7);
        Self {
            read_quota: Pace::At(Quota::READ),
            write_quota: Pace::At(Quota::WRITE),
            quota_scope: QuotaScope::default(),
            gateway_quota: Pace::At(Quota::GATEWAY),
            jobs: None,
            batch_size: BATCH_SIZE,
            max_attempts: MAX_ATTEMPTS,
            settle: Duration::from_secs(60),
            keep_per_group: 0,
            bounds: Bounds::default(),
        }
    }
}

/// How a phase of a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// Nothing is left to do.
    Finished,
    /// It was told to stop; what was under way has landed.
    Stopped,
    /// It reached one of its [`Bounds`]; what was under way has landed.
    Parked(Parked),
    /// There is no token.
    SignIn(SignInError),
    /// Live state could not be read.
    Unreadable(Kind, Failure),
}
