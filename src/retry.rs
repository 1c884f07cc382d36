//! One table: what does a reply mean, and when may the call go again?
//!
//! The table is that of the ZPA API's error codes, read by status and error id together: was the call
//! executed, may it be repeated, is it over? Waiting is the caller's business; time and randomness are
//! passed in. `backoff` gives the interval sequence and nothing else.

mod budget;

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use jiff::Timestamp;
use serde::de::IgnoredAny;

pub use self::budget::RetryBudget;
use crate::wire::{Answer, Failure, Method, Reply};

/// What a reply means for the call.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Executed.
    Success,
    /// Not executed: the rate limit is used up or the server asks for a pause. Uses no attempt; the whole
    /// quota class waits.
    Throttled(Duration),
    /// Not executed: the token is not accepted. Renew it once and repeat.
    Unauthorized(Failure),
    /// Not executed, or free to repeat: send it again after this wait. Uses an attempt.
    Retry(Duration, Failure),
    /// Perhaps executed, and not free to repeat: look at the tenant first.
    Ambiguous(Failure),
    /// The object does not exist.
    Absent(Failure),
    /// The object exists already.
    Exists(Failure),
    /// Refused for its content. Of a call with several objects, some may be all right.
    Rejected(Failure),
    /// Refused for good; so would be every part of it.
    Permanent(Failure),
}

/// What is known of a call when its reply is judged.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// How often it was sent, this time included, throttled times not.
    pub attempt: u32,
    /// How often in a row it was throttled, this time included if it was.
    pub refusals: u32,
}

/// Judges a reply. `now` is when it came; `random` is uniform in 0..1 and spreads the waits.
#[must_use]
pub fn judge(call: Call, reply: &Reply, now: Timestamp, random: f64) -> Verdict {
    match reply {
        Reply::Answer(answer) => judge_answer(call, answer, now, random),
        Reply::NotSent(why) => Verdict::Retry(
            interval(call.attempt, random),
            Failure::new(format!("could not reach the server: {why}")),
        ),
        Reply::Lost(why) => unknown(call, Failure::new(format!("no answer: {why}")), random),
    }
}

fn judge_answer(call: Call, answer: &Answer, now: Timestamp, random: f64) -> Verdict {
    if matches!(answer.status, 200..=299) {
        return judge_success(call, answer, random);
    }
    let failure = answer.error();
    let id = failure.error_id.as_deref().unwrap_or_default();
    match (answer.status, id) {
        (429, _) => throttled(call, answer, now, random),
        (503, _) if answer.retry_after.is_some() || id == "retryable.server.error" => {
            throttled(call, answer, now, random)
        }
        (400 | 409, id) if is_concurrent(id) => {
            Verdict::Retry(interval(call.attempt, random), failure)
        }
        (400 | 404, "resource.not.found") => Verdict::Absent(failure),
        (400 | 409, id) if is_duplicate(id) => Verdict::Exists(failure),
        (401, "authz.featureflag.permission.denied") => Verdict::Permanent(failure),
        (401, _) => Verdict::Unauthorized(failure),
        (408 | 500..=599, _) => unknown(call, failure, random),
        (400 | 409 | 413 | 422, _) => Verdict::Rejected(failure),
        _ => Verdict::Permanent(failure),
    }
}

fn judge_success(call: Call, answer: &Answer, random: f64) -> Verdict {
    if !call.method.idempotent() || is_of_the_api(&answer.body) {
        return Verdict::Success;
    }
    let failure = Failure::new("the answer is not JSON, so it is not the API's");
    Verdict::Retry(interval(call.attempt, random), failure)
}

/// Whether a body can be the API's: a page of something on the way to it is not JSON, nor is half an answer. What creates
/// is looked at by itself, since it may not be repeated.
fn is_of_the_api(body: &[u8]) -> bool {
    body.trim_ascii().is_empty() || serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

/// Whether that error id says that another change was under way: nothing was carried out, and it passes.
#[must_use]
pub fn is_concurrent(id: &str) -> bool {
    matches!(
        id,
        "api.concurrent.access.error" | "db.simultaneous.request"
    )
}

fn is_duplicate(id: &str) -> bool {
    id == "resource.already.exist" || id.starts_with("duplicate.") || id.contains(".already.exist")
}

/// Whether the call may still be carried out after this reply: it says nothing of that, or speaks for something on the way
/// that has given up waiting.
#[must_use]
pub fn leaves_open(reply: &Reply) -> bool {
    match reply {
        Reply::Lost(_) => true,
        Reply::Answer(answer) => matches!(answer.status, 408 | 502..=504),
        Reply::NotSent(_) => false,
    }
}

/// Nobody knows whether it was executed.
fn unknown(call: Call, failure: Failure, random: f64) -> Verdict {
    if call.method.idempotent() {
        Verdict::Retry(interval(call.attempt, random), failure)
    } else {
        Verdict::Ambiguous(failure)
    }
}

fn throttled(call: Call, answer: &Answer, now: Timestamp, random: f64) -> Verdict {
    let demanded = answer
        .retry_after
        .as_deref()
        .and_then(|text| retry_after(text, answer.date.as_deref(), now));
    Verdict::Throttled(demanded.unwrap_or_else(|| interval(call.refusals, random)))
}

/// The wait before attempt `attempt + 1`: half a second, doubling to at most half a minute, times a
/// factor between 0.5 and 1.5 that `random` picks, so that clients that failed together do not return
/// together.
#[must_use]
pub fn interval(attempt: u32, random: f64) -> Duration {
    let mut sequence = ExponentialBackoff {
        initial_interval: Duration::from_millis(500),
        current_interval: Duration::from_millis(500),
        multiplier: 2.0,
        max_interval: Duration::from_secs(30),
        randomization_factor: 0.0,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    let mut interval = Duration::from_millis(500);
    for _ in 0..attempt.clamp(1, 16) {
        interval = sequence.next_backoff().unwrap_or(interval);
    }
    interval.mul_f64(0.5 + random.clamp(0.0, 1.0))
}

/// The wait that a `Retry-After` header asks for: seconds with or without a unit (`13`, `13s`,
/// `13 seconds`, `1m30s`) or an HTTP date (RFC 9110, section 10.2.3), which counts from the answer's `Date` if there
/// is one, else from `now`. `None` when it is unreadable.
#[must_use]
pub fn retry_after(text: &str, date: Option<&str>, now: Timestamp) -> Option<Duration> {
    /// No limiter asks for more; a larger number is garbage.
    const LONGEST: Duration = Duration::from_secs(7 * 86_400);
    let text = text.trim();
    let wait = spelt_out(text).or_else(|| until_date(text, date, now))?;
    (wait <= LONGEST).then_some(wait)
}

fn spelt_out(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0_f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        total += number.parse::<f64>().ok()? * seconds_in(unit.trim())?;
        rest = tail;
    }
    Duration::try_from_secs_f64(total).ok()
}

fn seconds_in(unit: &str) -> Option<f64> {
    match unit.to_ascii_lowercase().as_str() {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => Some(1.0),
        "ms" => Some(0.001),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(60.0),
        "h" | "hour" | "hours" => Some(3600.0),
        _ => None,
    }
}

fn until_date(text: &str, date: Option<&str>, now: Timestamp) -> Option<Duration> {
    let parse = |text: &str| {
        let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
        Some(zoned.timestamp())
    };
    let until = parse(text)?;
    let from = date.and_then(parse).unwrap_or(now);
    let wait = until.duration_since(from);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(status: u16, id: &str, retry_after: Option<&str>) -> Reply {
        Reply::Answer(Answer {
            status,
            retry_after: retry_after.map(str::to_owned),
            date: None,
            body: format!(r#"{{"id":"{id}","reason":"why"}}"#).into_bytes(),
        })
    }

    fn verdict(method: Method, reply: &Reply) -> Verdict {
        let call = Call {
            method,
            attempt: 1,
            refusals: 1,
        };
        judge(call, reply, Timestamp::UNIX_EPOCH, 0.5)
    }

    #[test]
    fn the_table_of_replies() {
        use Method::{Delete, Get, Post, Put};
        type Is = fn(&Verdict) -> bool;
        let again: Is = |v| matches!(v, Verdict::Retry(..));
        let ambiguous: Is = |v| matches!(v, Verdict::Ambiguous(_));
        let absent: Is = |v| matches!(v, Verdict::Absent(_));
        let exists: Is = |v| matches!(v, Verdict::Exists(_));
        let rejected: Is = |v| matches!(v, Verdict::Rejected(_));
        let over: Is = |v| matches!(v, Verdict::Permanent(_));
        let unauthorized: Is = |v| matches!(v, Verdict::Unauthorized(_));
        let throttled: Is = |v| matches!(v, Verdict::Throttled(_));
        for (method, status, id, is) in [
            (Post, 429, "invalid.toomanyrequests", throttled),
            (Post, 503, "retryable.server.error", throttled),
            (Post, 503, "", ambiguous),
            (Get, 503, "", again),
            (Post, 409, "api.concurrent.access.error", again),
            (Post, 400, "db.simultaneous.request", again),
            (Delete, 404, "resource.not.found", absent),
            (Delete, 400, "resource.not.found", absent),
            (Delete, 404, "", over),
            (Post, 400, "resource.already.exist", exists),
            (Post, 409, "resource.already.exist", exists),
            (Get, 401, "access.denied", unauthorized),
            (Get, 401, "authz.featureflag.permission.denied", over),
            (Post, 403, "LIMIT_EXCEEDED", over),
            (Post, 500, "", ambiguous),
            (Post, 502, "", ambiguous),
            (Post, 504, "", ambiguous),
            (Post, 408, "", ambiguous),
            (Put, 500, "", again),
            (Delete, 504, "", again),
            (Post, 400, "invalid.link", rejected),
            (Post, 415, "", over),
            (Post, 405, "", over),
            (Post, 302, "", over),
        ] {
            let verdict = verdict(method, &answer(status, id, None));
            assert!(is(&verdict), "{method} {status} {id:?}: {verdict:?}");
        }
        assert_eq!(verdict(Post, &answer(201, "145", None)), Verdict::Success);
        assert!(again(&verdict(Post, &Reply::NotSent("refused".to_owned()))));
        assert!(ambiguous(&verdict(Post, &Reply::Lost("reset".to_owned()))));
        assert!(again(&verdict(Put, &Reply::Lost("reset".to_owned()))));
    }

    #[test]
    fn the_server_says_how_long_to_wait_and_backoff_only_where_it_does_not() {
        let wait = |header| match verdict(Method::Get, &answer(429, "", header)) {
            Verdict::Throttled(wait) => wait,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(Some("4s")), Duration::from_secs(4));
        assert_eq!(wait(Some("soon")), Duration::from_millis(500));
        assert_eq!(wait(None), Duration::from_millis(500));
    }

    #[test]
    fn every_form_of_retry_after_is_read() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let read = |text| retry_after(text, None, now).map(|wait| wait.as_millis());
        assert_eq!(read("13"), Some(13_000));
        assert_eq!(read("13s"), Some(13_000));
        assert_eq!(read(" 13 seconds "), Some(13_000));
        assert_eq!(read("0 seconds"), Some(0));
        assert_eq!(read("1m30s"), Some(90_000));
        assert_eq!(read("0.5"), Some(500));
        assert_eq!(read("Sun, 01 Mar 2026 12:00:20 GMT"), Some(20_000));
        assert_eq!(read("Sun, 01 Mar 2026 11:00:00 GMT"), Some(0));
        for garbage in [
            "",
            "soon",
            "-3",
            "4 parsecs",
            "s",
            "99999999999",
            "NaN",
            "1e9",
        ] {
            assert_eq!(read(garbage), None, "{garbage:?}");
        }
    }

    #[test]
    fn a_date_counts_from_the_servers_clock_not_from_ours() {
        let now: Timestamp = "2026-03-01T12:05:00Z".parse().unwrap();
        let wait = retry_after(
            "Sun, 01 Mar 2026 12:00:20 GMT",
            Some("Sun, 01 Mar 2026 12:00:10 GMT"),
            now,
        );
        assert_eq!(wait, Some(Duration::from_secs(10)));
    }

    #[test]
    fn intervals_double_up_to_half_a_minute() {
        let millis: Vec<u128> = (1..=8).map(|n| interval(n, 0.5).as_millis()).collect();
        assert_eq!(
            millis,
            [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]
        );
    }

    proptest! {
        #[test]
        fn no_retry_after_makes_the_parser_fail(text in ".{0,40}", date in proptest::option::of(".{0,40}")) {
            let wait = retry_after(&text, date.as_deref(), Timestamp::UNIX_EPOCH);
            prop_assert!(wait.is_none_or(|wait| wait <= Duration::from_secs(7 * 86_400)));
        }
    }
}
