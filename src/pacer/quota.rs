//! Quotas, and the settings that go with them: the margin on the window, the shape, the quota scope.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::cells::times;

const LONGEST_WINDOW: Duration = Duration::from_secs(3600);
const MOST_CALLS: NonZeroU32 = NonZeroU32::MIN.saturating_add(999_999);

/// A rate limit: at most `calls` calls in any window of the length `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// L, the calls.
    pub calls: NonZeroU32,
    /// W, the window.
    pub window: Duration,
    /// The share of the window that is added to it.
    pub margin: Margin,
    /// The way in which calls are spread over the window.
    pub shape: Shape,
    /// The calls in a window for which an earlier run has found room. The search begins there.
    pub found: Option<NonZeroU32>,
    /// The most that a search for the real limit may reach, as a multiple of this quota. Default: 1, so that calls only
    /// become fewer, where another program uses a part of the limit.
    pub ceiling: NonZeroU32,
}

/// The share of the window that is added to it, since calls may bunch up on their way: 0 % to 50 %, by default 2 %.
/// With 2 % a run takes 1.02 of the least possible time. Smaller is faster and risks refusals; larger is slower and
/// safer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Margin {
    /// In hundredths of a percent.
    pub(super) hundredths: u32,
}

impl Default for Margin {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Margin {
    const DEFAULT: Self = Self { hundredths: 200 };
    const MOST: u32 = 5000;

    pub(super) fn over(self, window: Duration) -> Duration {
        let nanos = window.as_nanos() * u128::from(self.hundredths);
        window + Duration::from_nanos(u64::try_from(nanos.div_ceil(10_000)).unwrap_or(u64::MAX))
    }
}

impl FromStr for Margin {
    type Err = String;

    /// Reads a percentage with at most two decimals, like `2%` or `0.5%`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            || format!("{text:?} is not a margin; write a percentage from 0% to 50%, like 2%");
        let percent = text.trim().strip_suffix('%').ok_or_else(wrong)?;
        let (whole, decimals) = percent.split_once('.').unwrap_or((percent, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || decimals.len() > 2 || !digits(whole) || !digits(decimals) {
            return Err(wrong());
        }
        let hundredths = format!("{whole}{decimals:0<2}")
            .parse()
            .map_err(|_| wrong())?;
        if hundredths > Self::MOST {
            return Err(wrong());
        }
        Ok(Self { hundredths })
    }
}

impl fmt::Display for Margin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.hundredths / 100, self.hundredths % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, decimals) => write!(f, "{whole}.{decimals:02}%"),
        }
    }
}

/// The way in which the calls of a class are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// By windows, until a refusal shows that the server does not count windows; then smoothly.
    #[default]
    Auto,
    /// By windows: a call goes whenever fewer than L calls went in the last window. This ends soonest.
    Window,
    /// Smoothly: one call every W / L. This suits servers that count otherwise, such as small token buckets.
    Smooth,
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "window" => Ok(Self::Window),
            "smooth" => Ok(Self::Smooth),
            _ => Err(format!("{text:?} is neither auto nor window nor smooth")),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Window => "window",
            Self::Smooth => "smooth",
        })
    }
}

/// The calls that a tenant's limit counts together. The ZPA API's documentation names both ways in different places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuotaScope {
    /// As `tenant`, until a job of many single calls makes it worthwhile to try which is true. The answer is remembered for
    /// the tenant.
    #[default]
    Auto,
    /// All calls of a class together, whatever their paths: safe under both readings.
    Tenant,
    /// The calls of a class on each exact path, with the gateway's quota over all of them.
    Endpoint,
}

impl FromStr for QuotaScope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "tenant" => Ok(Self::Tenant),
            "endpoint" => Ok(Self::Endpoint),
            _ => Err(format!("{text:?} is neither auto nor tenant nor endpoint")),
        }
    }
}

impl fmt::Display for QuotaScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Tenant => "tenant",
            Self::Endpoint => "endpoint",
        })
    }
}

/// The paces of a tenant's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paces {
    /// The pace of reads.
    pub read: Pace,
    /// The pace of writes.
    pub write: Pace,
    /// The calls that each of both paces counts together.
    pub scope: QuotaScope,
    /// The pace of all calls together. Counts unless the scope is `tenant`.
    pub gateway: Pace,
}

impl Quota {
    /// Returns a quota of `calls` calls in any window of that length, with the default margin and shape.
    #[must_use]
    pub const fn new(calls: NonZeroU32, window: Duration) -> Self {
        Self {
            calls,
            window,
            margin: Margin::DEFAULT,
            shape: Shape::Auto,
            found: None,
            ceiling: NonZeroU32::MIN,
        }
    }

    pub(super) fn with_margin(self) -> Duration {
        self.margin.over(self.window)
    }

    /// Returns the time between two calls that are spread smoothly, rounded up: with a nanosecond less, one more call
    /// fits into the window.
    pub(super) fn spacing(self) -> Duration {
        let nanos = self
            .with_margin()
            .as_nanos()
            .div_ceil(self.calls.get().into());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The published limit for reads: 20 per 10 s (ZPA API documentation, Understanding Rate Limiting).
    pub const READ: Self = Self::per_seconds(20, 10);
    /// The published limit for writes: 10 per 10 s.
    pub const WRITE: Self = Self::per_seconds(10, 10);
    /// The limit that the gateway in front of the API names in `x-ratelimit-limit`: 5000 per 60 s.
    pub const GATEWAY: Self = Self::per_seconds(5000, 60);

    const fn per_seconds(calls: u32, seconds: u64) -> Self {
        Self::new(
            NonZeroU32::MIN.saturating_add(calls - 1),
            Duration::from_secs(seconds),
        )
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (calls, window) = (self.calls, self.window);
        if window.subsec_nanos() == 0 {
            write!(f, "{calls}/{}s", window.as_secs())
        } else {
            write!(f, "{calls}/{}ms", window.as_millis())
        }
    }
}

/// A quota that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a quota: write calls/duration, like 20/10s (at most 1000000 calls and 1h), or off"
)]
pub struct QuotaError(String);

/// A quota or none: the value of `--read-quota` and `--write-quota`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Paced by this quota.
    At(Quota),
    /// Not paced at all (`off`).
    Unlimited,
}

impl FromStr for Pace {
    type Err = QuotaError;

    fn from_str(text: &str) -> Result<Self, QuotaError> {
        let failed = || QuotaError(text.to_owned());
        if text.eq_ignore_ascii_case("off") {
            return Ok(Self::Unlimited);
        }
        let (calls, window) = text.split_once('/').ok_or_else(failed)?;
        let window = parse_duration(window).ok_or_else(failed)?;
        let calls: NonZeroU32 = calls.trim().parse().map_err(|_| failed())?;
        // Far beyond any limiter, and small enough that no sum of intervals overflows.
        if window.is_zero() || window > LONGEST_WINDOW || calls > MOST_CALLS {
            return Err(failed());
        }
        Ok(Self::At(Quota::new(calls, window)))
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(quota) => quota.fmt(f),
            Self::Unlimited => f.write_str("off"),
        }
    }
}

impl Pace {
    /// Returns the least time from the first to the last of `calls` calls.
    #[must_use]
    pub fn least_time(self, calls: u64) -> Duration {
        let Self::At(quota) = self else {
            return Duration::ZERO;
        };
        let waits = calls.saturating_sub(1);
        match quota.shape {
            Shape::Smooth => times(quota.spacing(), waits),
            Shape::Auto | Shape::Window => {
                times(quota.with_margin(), waits / u64::from(quota.calls.get()))
            }
        }
    }

    /// Returns the same pace with that margin and shape.
    #[must_use]
    pub fn with(self, margin: Margin, shape: Shape) -> Self {
        match self {
            Self::At(quota) => Self::At(Quota {
                margin,
                shape,
                ..quota
            }),
            Self::Unlimited => Self::Unlimited,
        }
    }

    /// Returns the same pace with that shape.
    #[must_use]
    pub fn shaped(self, shape: Shape) -> Self {
        match self {
            Self::At(quota) => Self::At(Quota { shape, ..quota }),
            Self::Unlimited => Self::Unlimited,
        }
    }

    /// Tells whether calls are spread smoothly.
    #[must_use]
    pub fn is_smooth(&self) -> bool {
        matches!(self, Self::At(quota) if quota.shape == Shape::Smooth)
    }

    /// Returns the same pace with that shape, if it leaves the shape open.
    #[must_use]
    pub fn knowing(self, shape: Shape) -> Self {
        match self {
            Self::At(quota) if quota.shape == Shape::Auto => self.shaped(shape),
            known => known,
        }
    }

    /// Returns the same pace as the start of a search at the limit that an earlier run has found.
    #[must_use]
    pub fn finding(self, calls: NonZeroU32) -> Self {
        match self {
            Self::At(quota) => Self::At(Quota {
                found: Some(calls),
                ..quota
            }),
            Self::Unlimited => Self::Unlimited,
        }
    }

    /// Returns the same pace as the start of a search for the real limit. The search goes up to `ceiling` times the
    /// quota.
    #[must_use]
    pub fn searching(self, ceiling: NonZeroU32) -> Self {
        match self {
            Self::At(quota) => Self::At(Quota { ceiling, ..quota }),
            Self::Unlimited => Self::Unlimited,
        }
    }
}

/// Reads a duration as flags and files write it: a whole number with `ms`, `s`, `m`, `h`, `d` or `w`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit.trim() {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        "d" => number.checked_mul(86_400).map(Duration::from_secs),
        "w" => number.checked_mul(7 * 86_400).map(Duration::from_secs),
        _ => None,
    }
}
