//! The settings of an engine, and the ways in which a phase of a run ends.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::pacer::{Learned, Pace, Paces, Quota, QuotaScope};
use crate::plan::Share;
use crate::resource::Kind;
use crate::wire::{Failure, QuotaClass};
use crate::zpa::SignInError;

/// The settings of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// The pace of reads. Default 20 per 10 s.
    pub read_quota: Pace,
    /// The pace of writes. Default 10 per 10 s.
    pub write_quota: Pace,
    /// The scope of both quotas. Default `auto`. With `endpoint`, objects that are changed one by one go many times
    /// faster. But a tenant that counts all paths together refuses some calls before that is noticed.
    pub quota_scope: QuotaScope,
    /// The pace of all calls together, unless the scope is `tenant`. Default 5000 per 60 s.
    pub gateway_quota: Pace,
    /// The most calls in flight. Default: as many as the quotas need, their rate times the time that calls last, and
    /// one (32 without quotas). Fewer may leave the quota unused, more gain nothing.
    pub jobs: Option<NonZeroUsize>,
    /// The most objects in one bulk create. Default 150, the console's limit. Fewer take more calls, more may be
    /// refused. A server that takes fewer gets fewer once that is known.
    pub batch_size: NonZeroU32,
    /// The most attempts at an item before it fails. Throttled ones do not count. Default 8.
    pub max_attempts: NonZeroU32,
    /// The time for which the server may still carry out a call whose answer was lost. Until then a create is not
    /// sent again, and an item does not end whose update may land. Default twice the request timeout.
    pub settle: Duration,
    /// The greatest age of what was read for a change when the change is sent. An older reading is made anew. Default
    /// 2 s.
    pub freshness: Duration,
    /// The way in which updates read their objects. Default: each by its id.
    pub update_reads: UpdateReads,
    /// The number of objects that must stay in a group when others of it are deleted. Default 0.
    pub keep_per_group: u32,
    /// The bounds at which a run is parked before its end.
    pub bounds: Bounds,
}

/// The way in which updates read their objects just before they are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpdateReads {
    /// `object`: each by its id, which is always up to date.
    #[default]
    Object,
    /// `listing`: those that go together from one page of a listing, if it shows what was just written. Fewer reads, and more
    /// of the read quota for others; not faster.
    Listing,
}

impl FromStr for UpdateReads {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "object" => Ok(Self::Object),
            "listing" => Ok(Self::Listing),
            _ => Err(format!("{text:?} is neither object nor listing")),
        }
    }
}

impl fmt::Display for UpdateReads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Object => "object",
            Self::Listing => "listing",
        })
    }
}

/// The bounds at which a run is parked before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The longest pause that a server may ask for. A longer one is left to whoever resumes the run. Default 1 h.
    pub max_wait: Duration,
    /// Nothing is started from this instant on.
    pub deadline: Option<Instant>,
    /// Nothing is started from this time on, by the wall clock: it may be set meanwhile, or go on while the machine sleeps.
    pub window_end: Option<Timestamp>,
    /// The number of items that may fail in this process: a count, or a share of all items of the run.
    pub halt_on_failures: Option<Share>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_secs(3600),
            deadline: None,
            window_end: None,
            halt_on_failures: None,
        }
    }
}

/// The bound that parked a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parked {
    /// The server asked for a pause that is longer than [`Bounds::max_wait`].
    Throttled {
        /// The length of the pause.
        wait: Duration,
        /// The end of the pause.
        until: Timestamp,
    },
    /// [`Bounds::deadline`] or [`Bounds::window_end`] came.
    TimeIsUp,
    /// So many items failed, as many as [`Bounds::halt_on_failures`] allows.
    Failing(u64),
}

impl EngineSettings {
    /// Returns the same settings with what was learned of the tenant, where they leave that open.
    #[must_use]
    pub fn knowing(mut self, learned: impl IntoIterator<Item = Learned>) -> Self {
        for learned in learned {
            match learned {
                Learned::Scope(scope) if self.quota_scope == QuotaScope::Auto => {
                    self.quota_scope = scope;
                }
                Learned::Scope(_) => {}
                Learned::Shape(class, shape) => {
                    let quota = self.quota_mut(class);
                    *quota = quota.knowing(shape);
                }
                Learned::Limit(class, calls) => {
                    let quota = self.quota_mut(class);
                    *quota = quota.finding(calls);
                }
            }
        }
        self
    }

    fn quota_mut(&mut self, class: QuotaClass) -> &mut Pace {
        match class {
            QuotaClass::Read => &mut self.read_quota,
            QuotaClass::Write => &mut self.write_quota,
        }
    }

    /// The paces of calls.
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
            freshness: Duration::from_secs(2),
            update_reads: UpdateReads::default(),
            keep_per_group: 0,
            bounds: Bounds::default(),
        }
    }
}

/// The end of a phase of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// Nothing is left to do.
    Finished,
    /// The user stopped the run, and the calls under way have landed.
    Stopped,
    /// The run reached one of its [`Bounds`], and the calls under way have landed.
    Parked(Parked),
    /// There is no token.
    SignIn(SignInError),
    /// Live state could not be read.
    Unreadable(Kind, Failure),
    /// The table that processes share could not be used any more, for this reason.
    Uncoordinated(String),
}
