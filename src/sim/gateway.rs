//! The gateway in front of the API, as far as answers show it.
//!
//! Its own limit is far above the tenant's and its headers speak of that one alone, also on a 429 of the
//! tenant's: a client that waits for `x-ratelimit-reset` instead of `retry-after` waits for the wrong thing.
//! It never refuses here.

use std::time::Duration;

use super::http::Answer;

/// Calls per window, and the length of a window in seconds.
const CALLS: u64 = 5000;
const WINDOW: u64 = 60;

/// What the gateway has let through in the current window; windows lie end to end from time zero.
#[derive(Debug, Default)]
pub(super) struct Gateway {
    window: u64,
    seen: u64,
}

impl Gateway {
    /// Counts a call at `now`, and adds to its answer what the gateway says about its limit.
    pub(super) fn pass(&mut self, now: Duration, answer: Answer) -> Answer {
        let (window, since) = (now.as_secs() / WINDOW, now.as_secs() % WINDOW);
        if window != self.window {
            *self = Self { window, seen: 0 };
        }
        self.seen += 1;
        answer
            .with_header("x-ratelimit-limit", format!("{CALLS}, {CALLS};w={WINDOW}"))
            .with_header(
                "x-ratelimit-remaining",
                CALLS.saturating_sub(self.seen).to_string(),
            )
            .with_header("x-ratelimit-reset", (WINDOW - since).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_count_the_calls_of_the_minute_and_the_seconds_left_of_it() {
        let mut gateway = Gateway::default();
        let mut at = |millis| {
            let answer = gateway.pass(Duration::from_millis(millis), Answer::empty(204));
            answer
                .headers
                .into_iter()
                .map(|(_, value)| value)
                .collect::<Vec<_>>()
        };
        assert_eq!(at(0), ["5000, 5000;w=60", "4999", "60"]);
        assert_eq!(at(12_000), ["5000, 5000;w=60", "4998", "48"]);
        assert_eq!(at(59_999), ["5000, 5000;w=60", "4997", "1"]);
        assert_eq!(at(60_000), ["5000, 5000;w=60", "4999", "60"]);
    }
}
