//! The judgement of replies: one table says what a reply means for its call, and how long to wait before a repetition.
//!
//! The table follows the ZPA API's error codes and reads status and error id together. It answers three questions. Was
//! the call executed? May it be repeated? Is it over? The caller does the waiting; time and randomness are passed in.
//! `backoff` gives the sequence of intervals and nothing else.

mod budget;

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use jiff::{SignedDuration, Timestamp};
use serde::de::IgnoredAny;

pub use self::budget::RetryBudget;
use crate::wire::{Answer, Failure, Method, Reply};

/// The meaning of a reply for its call.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Executed.
    Success,
    /// Not executed, since the rate limit is used up or the server asks for a pause. The whole quota class waits.
    /// Throttling uses no attempt.
    Throttled(Duration),
    /// Perhaps executed, and not harmless to repeat: the server asks for a pause, and a gateway may have done so after the
    /// change was made. The whole quota class waits. Then look at the tenant.
    Unavailable(Duration, Failure),
    /// Not executed, since the token is not accepted. Renew the token once, and send the call again.
    Unauthorized(Failure),
    /// Not executed, or harmless to repeat. Send the call again after this wait, which uses an attempt.
    Retry(Duration, Failure),
    /// Perhaps executed, and not harmless to repeat. Look at the tenant first.
    Ambiguous(Failure),
    /// The object does not exist.
    Absent(Failure),
    /// The object exists already.
    Exists(Failure),
    /// Refused for its content. If the call carries several objects, some of them may be all right.
    Rejected(Failure),
    /// Refused for good. Every part of the call would be refused too.
    Permanent(Failure),
}

/// A call whose reply is to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The HTTP method.
    pub method: Method,
    /// The number of times the call was sent, this time included. Throttled times do not count.
    pub attempt: u32,
    /// The number of times in a row the call was throttled, this time included.
    pub refusals: u32,
}

/// Judges a reply that came at `now`. `random` is uniform in 0..1 and spreads the waits.
#[must_use]
pub fn judge(call: Call, reply: &Reply, now: Timestamp, random: f64) -> Verdict {
    match reply {
        Reply::Answer(answer) => judge_answer(call, answer, now, random),
        Reply::NotSent(why) => Verdict::Retry(
            interval(call.attempt, random),
            Failure::new(format!("could not reach the server: {why}")),
        ),
        Reply::Lost(why) => unknown(call, Failure::new(format!("no answer: {why}")), random),
        Reply::Withheld(why) => Verdict::Rejected(Failure::new(why)),
        // Another answer to the same question would be as large.
        Reply::TooLarge(why) if call.method == Method::Get => Verdict::Permanent(Failure::new(why)),
        Reply::TooLarge(why) => unknown(call, Failure::new(why), random),
    }
}

fn judge_answer(call: Call, answer: &Answer, now: Timestamp, random: f64) -> Verdict {
    if matches!(answer.status, 200..=299) {
        return judge_success(call, answer, random);
    }
    let failure = answer.error();
    let id = failure.error_id.as_deref().unwrap_or_default();
    match (answer.status, id) {
        (429, _) => Verdict::Throttled(demanded(call, answer, now, random)),
        (503, _) if answer.retry_after.is_some() || id == "retryable.server.error" => {
            let wait = demanded(call, answer, now, random);
            if call.method.idempotent() {
                Verdict::Throttled(wait)
            } else {
                Verdict::Unavailable(wait, failure)
            }
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
    let failure = Failure::new("the answer is not JSON, so it did not come from the API");
    Verdict::Retry(interval(call.attempt, random), failure)
}

/// Tells whether a body can come from the API. Half an answer is not JSON, nor is the page of a proxy. The answer to a
/// create is not judged here: a create may not be repeated, so the engine reads the answer by itself.
fn is_of_the_api(body: &[u8]) -> bool {
    body.trim_ascii().is_empty() || serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

/// Tells whether an error id says that another change was in progress. Such a call was not carried out, and a later one
/// will be.
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

/// Tells whether the call may still be carried out after this reply. This is so if the answer was lost, or if it came
/// from a gateway that gave up waiting.
#[must_use]
pub fn leaves_open(reply: &Reply) -> bool {
    match reply {
        Reply::Lost(_) => true,
        Reply::Answer(answer) => matches!(answer.status, 408 | 502..=504),
        Reply::NotSent(_) | Reply::Withheld(_) | Reply::TooLarge(_) => false,
    }
}

/// Judges a call of which nobody knows whether it was executed.
fn unknown(call: Call, failure: Failure, random: f64) -> Verdict {
    if call.method.idempotent() {
        Verdict::Retry(interval(call.attempt, random), failure)
    } else {
        Verdict::Ambiguous(failure)
    }
}

/// Returns the pause that the server asks for.
fn demanded(call: Call, answer: &Answer, now: Timestamp, random: f64) -> Duration {
    let demanded = answer
        .retry_after
        .as_deref()
        .and_then(|text| retry_after(text, answer.date.as_deref(), now));
    // "At once" is no answer to a class that nothing else slows down.
    let demanded = demanded.filter(|wait| !wait.is_zero());
    demanded.unwrap_or_else(|| interval(call.refusals, random))
}

/// Returns the wait before attempt `attempt + 1`: half a second, doubling to at most half a minute. A factor between
/// 0.5 and 1.5, picked by `random`, keeps clients that failed together from coming back together.
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

/// Reads the wait that a `Retry-After` header asks for, at most a week; `None` if it is unreadable.
///
/// The header holds seconds, with or without a unit (`13`, `13s`, `13 seconds`, `1m30s`), or an HTTP date (RFC 9110,
/// section 10.2.3). The wait until a date counts from `date`, the answer's `Date` header, else from `now`.
#[must_use]
pub fn retry_after(text: &str, date: Option<&str>, now: Timestamp) -> Option<Duration> {
    /// Nobody waits longer.
    const LONGEST: Duration = Duration::from_secs(7 * 86_400);
    let text = text.trim();
    let wait = seconds_with_units(text).or_else(|| until_date(text, date, now))?;
    Some(wait.min(LONGEST))
}

/// Reads seconds without a unit, or times with units one after another.
fn seconds_with_units(text: &str) -> Option<Duration> {
    let text = text.to_ascii_lowercase();
    let span: Result<SignedDuration, _> = text.parse().or_else(|_| format!("{text}s").parse());
    span.ok()?.try_into().ok()
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
        let retry: Is = |v| matches!(v, Verdict::Retry(..));
        let ambiguous: Is = |v| matches!(v, Verdict::Ambiguous(_));
        let absent: Is = |v| matches!(v, Verdict::Absent(_));
        let exists: Is = |v| matches!(v, Verdict::Exists(_));
        let rejected: Is = |v| matches!(v, Verdict::Rejected(_));
        let permanent: Is = |v| matches!(v, Verdict::Permanent(_));
        let unauthorized: Is = |v| matches!(v, Verdict::Unauthorized(_));
        let unavailable: Is = |v| matches!(v, Verdict::Unavailable(..));
        let throttled: Is = |v| matches!(v, Verdict::Throttled(_));
        for (method, status, id, is) in [
            (Post, 429, "invalid.toomanyrequests", throttled),
            (Post, 503, "retryable.server.error", unavailable),
            (Put, 503, "retryable.server.error", throttled),
            (Post, 503, "", ambiguous),
            (Get, 503, "", retry),
            (Post, 409, "api.concurrent.access.error", retry),
            (Post, 400, "db.simultaneous.request", retry),
            (Delete, 404, "resource.not.found", absent),
            (Delete, 400, "resource.not.found", absent),
            (Delete, 404, "", permanent),
            (Post, 400, "resource.already.exist", exists),
            (Post, 409, "resource.already.exist", exists),
            (Get, 401, "access.denied", unauthorized),
            (Get, 401, "authz.featureflag.permission.denied", permanent),
            (Post, 403, "LIMIT_EXCEEDED", permanent),
            (Post, 500, "", ambiguous),
            (Post, 502, "", ambiguous),
            (Post, 504, "", ambiguous),
            (Post, 408, "", ambiguous),
            (Put, 500, "", retry),
            (Delete, 504, "", retry),
            (Post, 400, "invalid.link", rejected),
            (Post, 415, "", permanent),
            (Post, 405, "", permanent),
            (Post, 302, "", permanent),
        ] {
            let verdict = verdict(method, &answer(status, id, None));
            assert!(is(&verdict), "{method} {status} {id:?}: {verdict:?}");
        }
        assert_eq!(verdict(Post, &answer(201, "145", None)), Verdict::Success);
        assert!(retry(&verdict(Post, &Reply::NotSent("refused".to_owned()))));
        assert!(ambiguous(&verdict(Post, &Reply::Lost("reset".to_owned()))));
        assert!(retry(&verdict(Put, &Reply::Lost("reset".to_owned()))));
        assert!(rejected(&verdict(Put, &Reply::Withheld("why".to_owned()))));
        let large = Reply::TooLarge("large".to_owned());
        assert!(permanent(&verdict(Get, &large)) && ambiguous(&verdict(Post, &large)));
        assert!(retry(&verdict(Put, &large)) && retry(&verdict(Delete, &large)));
    }

    #[test]
    fn backoff_counts_only_without_a_readable_retry_after() {
        let wait = |header| match verdict(Method::Get, &answer(429, "", header)) {
            Verdict::Throttled(wait) => wait,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(Some("4s")), Duration::from_secs(4));
        assert_eq!(wait(Some("0s")), Duration::from_millis(500));
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
        assert_eq!(read("99999999999"), Some(7 * 86_400_000));
        assert_eq!(read("Sun, 01 Mar 2026 12:00:20 GMT"), Some(20_000));
        assert_eq!(read("Sun, 01 Mar 2026 11:00:00 GMT"), Some(0));
        for garbage in ["", "soon", "-3", "4 parsecs", "s", "NaN", "1e9"] {
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
