//! The gateway in front of the API, with its own limit on all calls of one tenant.
//!
//! The limit is far above the tenant's quotas. The `x-ratelimit-*` headers describe this limit only, even
//! on a 429 of the tenant's quota. A client that waits for `x-ratelimit-reset` instead of `retry-after`
//! therefore waits for the wrong limit.

use std::time::Duration;

use super::http::Answer;
use super::limiter::{Algorithm, WindowCounter};
use super::scenario::Quota;

/// The limit of the gateway, if it has one. Its windows lie end to end from time zero.
#[derive(Debug)]
pub(super) struct Gateway(Option<WindowCounter>);

impl Gateway {
    pub(super) fn new(quota: Quota) -> Self {
        Self(match quota {
            Quota::Off => None,
            Quota::Limited { calls, per } => Some(WindowCounter::aligned(calls, per)),
        })
    }

    /// Admits a call at `now`.
    ///
    /// # Errors
    /// The time until the next call is admitted.
    pub(super) fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        let Some(counter) = &mut self.0 else {
            return Ok(());
        };
        let wait = counter.wait(now);
        if !wait.is_zero() {
            return Err(wait);
        }
        counter.count(now);
        Ok(())
    }

    /// Adds the headers about the limit to the answer of the call that was just admitted or refused.
    pub(super) fn add_headers(&self, now: Duration, answer: Answer) -> Answer {
        let Some(counter) = &self.0 else {
            return answer;
        };
        let (calls, window) = (counter.calls, whole_seconds(counter.per));
        let reset = whole_seconds(counter.end.saturating_sub(now));
        answer
            .with_header("x-ratelimit-limit", format!("{calls}, {calls};w={window}"))
            .with_header("x-ratelimit-remaining", counter.remaining().to_string())
            .with_header("x-ratelimit-reset", reset.to_string())
    }
}

/// Whole seconds, rounded up.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::super::scenario::QuotaRules;
    use super::*;

    #[test]
    fn headers_show_calls_and_seconds_left_in_the_minute() {
        let mut gateway = Gateway::new(QuotaRules::default().gateway);
        let mut at = |millis| {
            let now = Duration::from_millis(millis);
            gateway.admit(now).unwrap();
            let headers = gateway.add_headers(now, Answer::empty(204)).headers;
            headers
                .into_iter()
                .map(|(_, value)| value)
                .collect::<Vec<_>>()
        };
        assert_eq!(at(0), ["5000, 5000;w=60", "4999", "60"]);
        assert_eq!(at(12_000), ["5000, 5000;w=60", "4998", "48"]);
        assert_eq!(at(59_999), ["5000, 5000;w=60", "4997", "1"]);
        assert_eq!(at(60_000), ["5000, 5000;w=60", "4999", "60"]);
    }

    #[test]
    fn without_a_limit_all_passes_without_headers() {
        let mut gateway = Gateway::new(Quota::Off);
        assert!((0..10_000).all(|_| gateway.admit(Duration::ZERO).is_ok()));
        assert!(
            gateway
                .add_headers(Duration::ZERO, Answer::empty(204))
                .headers
                .is_empty()
        );
    }
}
