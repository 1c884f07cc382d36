//! The settings of what stands between a client and a tenant: rate limits, the network, and bad weather.

use std::num::NonZeroU32;
use std::time::Duration;

use toml::Value;

use super::error::ScenarioError;
use super::section::{
    DURATION_FORM, FLAG_FORM, MOMENT_FORM, RETRY_AFTER_FORM, SHARE_FORM, Section, choice, duration,
    latency, moment, retry_after, share,
};

const QUOTA_FORM: &str =
    "\"off\", or at least one call in a duration above zero, such as \"20/10s\"";
const WINDOW_FORM: &str = "\"fixed\", \"first-call\", \"sliding-log\", \"sliding-counter\", \"token-bucket\" or \"small-bucket\"";
const SCOPE_FORM: &str = "\"tenant\" or \"endpoint\"";
const CO_TENANT_FORM: &str =
    "calls in a duration above zero, at most one a millisecond, such as \"3/10s\"";
const STATUSES_FORM: &str = "a list of 429, 503 or both";

/// The rate limits of each tenant; the defaults are the published ones (ZPA API documentation,
/// Understanding Rate Limiting).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaRules {
    /// For `GET`; 20 per 10 s unless told otherwise.
    pub read: Quota,
    /// For `POST`, `PUT` and `DELETE` together; 10 per 10 s unless told otherwise.
    pub write: Quota,
    /// What kind of limiter both use.
    pub window: Window,
    /// Whether a refused call counts like an admitted one; it does not unless told otherwise.
    pub counts_refused: bool,
    /// What a limit is on.
    pub scope: Scope,
    /// How many calls of a tenant the gateway in front of the API passes, reads and writes on all paths
    /// together, in windows that lie end to end; 5000 per 60 s unless told otherwise.
    pub gateway: Quota,
    /// How much longer than needed a refusal tells a client to wait, up to 1 h; nothing unless told otherwise.
    pub retry_after_padding: Duration,
    /// What another client of the tenant uses; nothing unless told otherwise.
    pub co_tenant: CoTenant,
}

impl Default for QuotaRules {
    fn default() -> Self {
        Self {
            read: limited(20, 10),
            write: limited(10, 10),
            window: Window::default(),
            counts_refused: false,
            scope: Scope::default(),
            gateway: limited(5000, 60),
            retry_after_padding: Duration::ZERO,
            co_tenant: CoTenant::default(),
        }
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
    /// Every call is admitted.
    Off,
    /// So many calls in a window.
    Limited {
        /// The number of calls a window admits.
        calls: NonZeroU32,
        /// The length of the window, above zero.
        per: Duration,
    },
}

/// How a quota of N calls in a window counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Window {
    /// `fixed`: windows lie end to end from the simulator's start.
    Fixed,
    /// `first-call`: a window begins with the first call while none is open, as documented.
    #[default]
    FirstCall,
    /// `sliding-log`: no trailing window of the length holds more than N.
    SlidingLog,
    /// `sliding-counter`: what a trailing window holds is estimated from two counters of fixed windows, as if
    /// the calls of the earlier one had been spread evenly. A call passes while the estimate is below N.
    SlidingCounter,
    /// `token-bucket`: every call takes a token of a bucket that holds N, is full at first, and is refilled
    /// evenly with N in a window.
    TokenBucket,
    /// `small-bucket`: the same with a bucket that holds a fifth of N, rounded up.
    SmallBucket,
}

/// What a limit is on. The documentation says both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// `tenant`: all calls of a tenant, whatever their path.
    #[default]
    Tenant,
    /// `endpoint`: the calls on one exact path; each path has a read and a write quota of its own.
    Endpoint,
}

/// Another client of the same tenant that uses part of every quota: steadily, as many reads as writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoTenant {
    /// How many calls it makes on every quota; none unless told otherwise.
    pub calls: u32,
    /// In which time, evenly spread from the simulator's start on; above zero.
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

/// How long a request is on its way, and how long after its arrival it is answered. Each is uniform from a
/// shortest time to that time and a jitter, every one of them up to 1 h.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    /// The shortest time to an answer; 80 ms unless told otherwise.
    pub base: Duration,
    /// How much longer an answer may take; 40 ms unless told otherwise.
    pub jitter: Duration,
    /// The shortest time that a request needs to arrive; none unless told otherwise.
    pub travel: Duration,
    /// How much longer it may need, so that requests arrive otherwise spaced than they were sent, or even in
    /// another order; none unless told otherwise.
    pub travel_jitter: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(80),
            jitter: Duration::from_millis(40),
            travel: Duration::ZERO,
            travel_jitter: Duration::ZERO,
        }
    }
}

/// When calls are refused whatever the quotas say. Such a call is not carried out, and counts for the gateway alone.
#[derive(Debug, Clone, PartialEq)]
pub struct StormRules {
    /// The statuses with which calls are refused, 429 and 503; the seed decides which where there are both.
    /// 503 unless told otherwise.
    pub statuses: Vec<u16>,
    /// When the storm begins, after the simulator's start, up to 1000 h; at once unless told otherwise.
    pub from: Duration,
    /// When it is over, up to 1000 h. It is 0 unless told otherwise: there is no storm.
    pub until: Duration,
    /// After how long it begins again, counted from the simulator's start, up to 1000 h; never when it is zero, as
    /// it is unless told otherwise.
    pub every: Duration,
    /// The share of the calls that are refused meanwhile, 0 to 1; the seed decides which. All unless told otherwise.
    pub share: f64,
    /// What `retry-after` says then, in whatever form; no such header when it is empty. `10s` unless told otherwise.
    pub retry_after: String,
}

impl Default for StormRules {
    fn default() -> Self {
        Self {
            statuses: vec![503],
            from: Duration::ZERO,
            until: Duration::ZERO,
            every: Duration::ZERO,
            share: 1.0,
            retry_after: "10s".to_owned(),
        }
    }
}

impl QuotaRules {
    pub(super) fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        section.value("read", &mut self.read, QUOTA_FORM, quota)?;
        section.value("write", &mut self.write, QUOTA_FORM, quota)?;
        section.value("window", &mut self.window, WINDOW_FORM, window)?;
        let counts_refused = &mut self.counts_refused;
        section.value("counts_refused", counts_refused, FLAG_FORM, Value::as_bool)?;
        section.value("scope", &mut self.scope, SCOPE_FORM, scope)?;
        section.value("gateway", &mut self.gateway, QUOTA_FORM, quota)?;
        let padding = &mut self.retry_after_padding;
        section.value("retry_after_padding", padding, DURATION_FORM, latency)?;
        section.value("co_tenant", &mut self.co_tenant, CO_TENANT_FORM, co_tenant)
    }
}

impl Latency {
    pub(super) fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        section.value("base", &mut self.base, DURATION_FORM, latency)?;
        section.value("jitter", &mut self.jitter, DURATION_FORM, latency)?;
        section.value("travel", &mut self.travel, DURATION_FORM, latency)?;
        let jitter = &mut self.travel_jitter;
        section.value("travel_jitter", jitter, DURATION_FORM, latency)
    }
}

impl StormRules {
    pub(super) fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        section.value("statuses", &mut self.statuses, STATUSES_FORM, statuses)?;
        section.value("from", &mut self.from, MOMENT_FORM, moment)?;
        section.value("until", &mut self.until, MOMENT_FORM, moment)?;
        section.value("every", &mut self.every, MOMENT_FORM, moment)?;
        section.value("share", &mut self.share, SHARE_FORM, share)?;
        let text = &mut self.retry_after;
        section.value("retry_after", text, RETRY_AFTER_FORM, retry_after)
    }
}

fn quota(value: &Value) -> Option<Quota> {
    let text = value.as_str()?;
    if text == "off" {
        return Some(Quota::Off);
    }
    let (calls, per) = rate(text)?;
    Some(Quota::Limited {
        calls: NonZeroU32::new(calls)?,
        per,
    })
}

fn co_tenant(value: &Value) -> Option<CoTenant> {
    let (calls, per) = rate(value.as_str()?)?;
    let bearable = u128::from(calls) <= per.as_millis();
    bearable.then_some(CoTenant { calls, per })
}

/// `N/DURATION`, the duration above zero.
fn rate(text: &str) -> Option<(u32, Duration)> {
    let (calls, per) = text.split_once('/')?;
    let per = duration(per).filter(|per| !per.is_zero())?;
    Some((calls.parse().ok()?, per))
}

fn window(value: &Value) -> Option<Window> {
    let choices = [
        ("fixed", Window::Fixed),
        ("first-call", Window::FirstCall),
        ("sliding-log", Window::SlidingLog),
        ("sliding-counter", Window::SlidingCounter),
        ("token-bucket", Window::TokenBucket),
        ("small-bucket", Window::SmallBucket),
    ];
    choice(value, choices)
}

fn scope(value: &Value) -> Option<Scope> {
    choice(
        value,
        [("tenant", Scope::Tenant), ("endpoint", Scope::Endpoint)],
    )
}

fn statuses(value: &Value) -> Option<Vec<u16>> {
    let listed = value.as_array().filter(|list| !list.is_empty())?;
    let status = |value: &Value| {
        let number = u16::try_from(value.as_integer()?).ok()?;
        matches!(number, 429 | 503).then_some(number)
    };
    listed.iter().map(status).collect()
}
