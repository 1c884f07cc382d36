//! The settings of everything between a client and a tenant: rate limits, delays and storms.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::ValueEnum;
use toml::Value;

use super::error::ScenarioError;
use super::form::{DURATION, FLAG, Form, MOMENT, RETRY_AFTER, SHARE, duration};
use super::section::{Rules, Section, rules};

const QUOTA: Form<Quota> = Form::new(
    "\"off\", or at least one call in a duration above zero, such as \"20/10s\"",
    |value| match value.as_str()? {
        "off" => Some(Quota::Off),
        text => {
            let (calls, per) = rate(text)?;
            NonZeroU32::new(calls).map(|calls| Quota::Limited { calls, per })
        }
    },
);

const CO_TENANT: Form<CoTenant> = Form::new(
    "a number of calls in a duration above zero, at most one per millisecond, such as \"3/10s\"",
    |value| {
        let (calls, per) = rate(value.as_str()?)?;
        let bearable = u128::from(calls) <= per.as_millis();
        bearable.then_some(CoTenant { calls, per })
    },
);

const STATUSES: Form<Vec<u16>> = Form::new("a list of 429, 503 or both", |value| {
    let listed = value.as_array().filter(|list| !list.is_empty())?;
    let status = |value: &Value| {
        let number = u16::try_from(value.as_integer()?).ok()?;
        matches!(number, 429 | 503).then_some(number)
    };
    listed.iter().map(status).collect()
});

/// Reads `N/DURATION`, with a duration above zero.
fn rate(text: &str) -> Option<(u32, Duration)> {
    let (calls, per) = text.split_once('/')?;
    let per = duration(per).filter(|per| !per.is_zero())?;
    Some((calls.parse().ok()?, per))
}

rules! {
    /// The rate limits of each tenant; the defaults are the published ones (ZPA API documentation,
    /// Understanding Rate Limiting).
    QuotaRules {
        /// The limit for `GET`; 20 per 10 s by default.
        read: Quota = limited(20, 10), QUOTA;
        /// The limit for `POST`, `PUT` and `DELETE` together; 10 per 10 s by default.
        write: Quota = limited(10, 10), QUOTA;
        /// The kind of limiter for both.
        window: Window = Window::default(), Form::word();
        /// True if a refused call counts like an admitted one; false by default.
        counts_refused: bool = false, FLAG;
        /// The calls that share a limit.
        scope: QuotaScope = QuotaScope::default(), Form::word();
        /// The limit of the gateway in front of the API, for all calls of a tenant together; 5000 per 60 s by
        /// default. Its windows lie end to end.
        gateway: Quota = limited(5000, 60), QUOTA;
        /// The time that a refusal adds to the wait in `retry-after`, up to 1 h; none by default.
        retry_after_padding: Duration = Duration::ZERO, DURATION;
        /// The calls of another client of the tenant; none by default.
        co_tenant: CoTenant = CoTenant::default(), CO_TENANT;
    }
}

fn limited(calls: u32, seconds: u64) -> Quota {
    NonZeroU32::new(calls).map_or(Quota::Off, |calls| Quota::Limited {
        calls,
        per: Duration::from_secs(seconds),
    })
}

/// One rate limit, written `N/DURATION` (`20/10s`) or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// `off`: every call is admitted.
    Off,
    /// `N/DURATION`: so many calls in a window.
    Limited {
        /// The number of calls a window admits.
        calls: NonZeroU32,
        /// The length of the window, above zero.
        per: Duration,
    },
}

/// The kind of limiter behind a quota of N calls in a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Window {
    /// `fixed`: windows lie end to end from the simulator's start.
    Fixed,
    /// `first-call`: a window starts with the first call after the last window ended, as documented.
    #[default]
    FirstCall,
    /// `sliding-log`: no window of that length, wherever it starts, has more than N calls.
    SlidingLog,
    /// `sliding-counter`: the calls of the trailing window are estimated from the counts of two fixed
    /// windows, as if the calls of the earlier one were spread evenly. A call passes while the estimate is
    /// below N.
    SlidingCounter,
    /// `token-bucket`: every call takes a token from a bucket. The bucket holds N, is full at first, and
    /// gets N in a window, evenly spread.
    TokenBucket,
    /// `small-bucket`: a token bucket that holds only a fifth of N, rounded up.
    SmallBucket,
}

/// The calls that share a limit. The documentation says both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum QuotaScope {
    /// `tenant`: all calls of a tenant, on whatever path.
    #[default]
    Tenant,
    /// `endpoint`: the calls on one exact path. Each path has its own read and write quota.
    Endpoint,
}

/// Another client of the same tenant. It uses part of every quota steadily, with as many reads as writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoTenant {
    /// The number of its calls on every quota; none by default.
    pub calls: u32,
    /// The time over which these calls are evenly spread, again and again; above zero.
    pub per: Duration,
}

impl Default for CoTenant {
    fn default() -> Self {
        Self {
            calls: 0,
            per: Duration::from_secs(10),
        }
    }
}

rules! {
    /// The delays of requests and answers. Each is drawn evenly from a shortest time up to that time plus a
    /// jitter. All four are at most 1 h.
    Latency {
        /// The shortest time from the arrival of a request to its answer; 80 ms by default.
        base: Duration = Duration::from_millis(80), DURATION;
        /// The most that is added to `base`; 40 ms by default.
        jitter: Duration = Duration::from_millis(40), DURATION;
        /// The shortest time that a request needs to arrive; none by default.
        travel: Duration = Duration::ZERO, DURATION;
        /// The most that is added to `travel`; none by default. With it, requests arrive at other intervals
        /// than they were sent, or even in another order.
        travel_jitter: Duration = Duration::ZERO, DURATION;
    }
}

rules! {
    /// The times at which calls are refused whatever the quotas say. A refused call is not executed, and
    /// counts only for the gateway's limit.
    StormRules {
        /// The statuses of the refusals, 429 and 503; only 503 by default. If there are both, the seed decides.
        statuses: Vec<u16> = vec![503], STATUSES;
        /// The time from the simulator's start until a storm begins, up to 1000 h; zero by default.
        from: Duration = Duration::ZERO, MOMENT;
        /// The time from the simulator's start until the storm ends, up to 1000 h; zero, which means no storm,
        /// by default.
        until: Duration = Duration::ZERO, MOMENT;
        /// The period after which the storm comes back, counted from the simulator's start, up to 1000 h. If
        /// zero, as by default, there is only one storm.
        every: Duration = Duration::ZERO, MOMENT;
        /// The share of the calls that a storm refuses, 0 to 1; all by default. The seed decides which.
        share: f64 = 1.0, SHARE;
        /// The text of the header `retry-after`, in any form; `10s` by default. If empty, there is no such header.
        retry_after: String = "10s".to_owned(), RETRY_AFTER;
    }
}
