//! The checks of `doctor`: each judges what was found, and says what to do next. Replies and times are passed in.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::cli::ui::exit;
use crate::coordination::Fact;
use crate::engine::check_listing;
use crate::ops::Error;
use crate::pacer::{Learned, Pace, QuotaScope};
use crate::resource::{Kind, Scope, Shape};
use crate::wire::{Answer, Reply};
use crate::zpa::{Connection, SignInError};

/// The largest skew of a clock that counts as right: an answer's `Date` is in whole seconds, and answers take time.
const SMALL_SKEW: SignedDuration = SignedDuration::from_secs(30);

/// The skew from which on a signed sign-in is not reliable: half of the ten minutes for which an assertion is good.
const LARGE_SKEW: SignedDuration = SignedDuration::from_secs(300);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// All is well.
    Ok,
    /// Something may not work.
    Warn,
    /// Nothing works until this is mended.
    Fail,
}

#[derive(Debug, Serialize)]
pub(super) struct Check {
    #[serde(rename = "check")]
    what: String,
    pub(super) status: Status,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// The exit code if the check failed.
    #[serde(skip)]
    code: u8,
}

impl Check {
    fn new(what: impl Into<String>, status: Status, found: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            status,
            found: found.into(),
            next: None,
            code: exit::UNEXPECTED,
        }
    }

    fn ok(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(what, Status::Ok, found)
    }

    fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    fn code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    pub(super) fn failed(&self) -> bool {
        self.status == Status::Fail
    }

    /// Returns the check as one line: its result, what was found, and the next step.
    pub(super) fn line(&self) -> String {
        let status = match self.status {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        };
        let next = self.next.as_ref();
        let next = next.map_or_else(String::new, |next| format!("; next: {next}"));
        format!("{status:<5} {:<18} {}{next}", self.what, self.found)
    }
}

/// Returns 0 if nothing failed, else the code of the most important failure: credentials, then settings, then the
/// first.
pub(super) fn exit_code(checks: &[Check]) -> u8 {
    let failed: Vec<u8> = checks
        .iter()
        .filter(|c| c.failed())
        .map(|c| c.code)
        .collect();
    let important = [exit::CREDENTIALS, exit::USAGE];
    important
        .into_iter()
        .find(|code| failed.contains(code))
        .or(failed.first().copied())
        .unwrap_or(exit::SUCCESS)
}

pub(super) fn settings_refused(error: &Error) -> Check {
    let check = Check::new("settings", Status::Fail, error.messages.join("; "))
        .code(exit::code(error.kind));
    match &error.hint {
        Some(hint) => check.next(hint),
        None => check,
    }
}

pub(super) fn settings_accepted(connection: &Connection) -> Check {
    let Connection {
        style,
        base_url,
        customer,
        ..
    } = connection;
    Check::ok(
        "settings",
        format!("{style} sign-in, tenant {customer} at {base_url}"),
    )
}

/// Judges whether a host answered. `proxy` is the variable that names the proxy on the way.
pub(super) fn reached(root: &str, reply: &Reply, proxy: Option<&str>) -> Check {
    let way = proxy.map_or_else(String::new, |name| format!(" (proxy of {name})"));
    let why = match reply {
        Reply::Answer(_) | Reply::TooLarge(_) => {
            return Check::ok("reach", format!("{root} answers{way}"));
        }
        Reply::NotSent(why) | Reply::Lost(why) | Reply::Withheld(why) => why,
    };
    let next = if why.contains("certificate") {
        "--ca-cert FILE adds a certificate to trust; --base-url and --token-url give other addresses"
    } else if why.contains("lookup") || why.contains("dns") {
        "check the cloud, the vanity domain and the name server"
    } else if proxy.is_some() {
        "check the proxy; NO_PROXY names hosts that need no proxy"
    } else {
        "check the address and the firewall; HTTPS_PROXY names a proxy"
    };
    Check::new("reach", Status::Fail, format!("{root}{way}: {why}")).next(next)
}

/// The server's time, and this machine's time around it.
#[derive(Debug)]
pub(super) struct Clock {
    /// The `Date` of an answer.
    pub(super) date: Option<String>,
    /// The time when the request was sent.
    pub(super) before: Timestamp,
    /// The time when the answer had come.
    pub(super) after: Timestamp,
    /// True if the sign-in carries the time of this machine.
    pub(super) signs: bool,
}

impl Clock {
    /// Returns the time by which this machine's clock is ahead of the server's; negative if it is behind. `Date` is cut
    /// to whole seconds, so a difference within the call and that second is no skew.
    fn skew(&self) -> Option<SignedDuration> {
        let date = jiff::fmt::rfc2822::parse(self.date.as_deref()?).ok()?;
        let date = date.timestamp();
        let latest = date + SignedDuration::from_secs(1);
        Some(if self.before > latest {
            self.before.duration_since(latest)
        } else if self.after < date {
            self.after.duration_since(date)
        } else {
            SignedDuration::ZERO
        })
    }
}

pub(super) fn clock(clock: &Clock) -> Check {
    let Some(skew) = clock.skew() else {
        return Check::new("clock", Status::Warn, "the server does not tell its time")
            .next("check that this machine's clock is right");
    };
    let seconds = skew.abs().as_secs();
    if skew.abs() <= SMALL_SKEW {
        return Check::ok(
            "clock",
            format!("within {} s of the server's", seconds.max(1)),
        );
    }
    let direction = if skew.is_negative() {
        "behind"
    } else {
        "ahead"
    };
    let found = format!("{seconds} s {direction} of the server's");
    let next = "set this machine's clock (NTP)";
    if clock.signs && skew.abs() >= LARGE_SKEW {
        let found = format!("{found}: a signed sign-in is good for ten minutes only");
        return Check::new("clock", Status::Fail, found).next(next);
    }
    Check::new("clock", Status::Warn, found).next(next)
}

pub(super) fn signed_in(result: &Result<Duration, SignInError>) -> Check {
    match result {
        Ok(lifetime) => Check::ok(
            "sign-in",
            format!("the token holds for {} s", lifetime.as_secs()),
        ),
        Err(error @ SignInError::Refused(_)) => {
            Check::new("sign-in", Status::Fail, error.to_string())
                .code(exit::CREDENTIALS)
                .next("check the client id, its secret or key, the cloud and the vanity domain")
        }
        Err(error) => Check::new("sign-in", Status::Fail, error.to_string())
            .next("try again later; -vv shows every call"),
    }
}

/// Judges whether the objects of a scope can be read.
pub(super) fn permission(scope: Scope, reply: &Reply, now: Instant) -> Check {
    let kind = scope.kind;
    let name = kind.name();
    let answer = match reply {
        Reply::Answer(answer) => answer,
        Reply::NotSent(why) | Reply::Lost(why) | Reply::Withheld(why) | Reply::TooLarge(why) => {
            return Check::new(name, Status::Fail, why).next("try again");
        }
    };
    let error = answer.error();
    match (answer.status, error.error_id.as_deref()) {
        (200..=299, _) => match check_listing(scope, answer, now) {
            Ok(()) => Check::ok(name, format!("can be read{}", count(answer))),
            Err(why) => Check::new(name, Status::Fail, format!("cannot be read: {why}")).next(
                "check the address and the proxy: something other than the API seems to answer",
            ),
        },
        (400 | 404, Some("resource.not.found")) if kind.shape() == Shape::Single => {
            Check::ok(name, "can be read; there is none")
        }
        (401, Some("authz.featureflag.permission.denied")) => Check::new(
            name,
            Status::Warn,
            format!("switched off for this tenant: {error}"),
        )
        .next("have Zscaler switch the feature on, if you need it")
        .code(exit::CREDENTIALS),
        (401 | 403, _) => Check::new(name, Status::Warn, format!("cannot be read: {error}"))
            .next(
                "give the API client's role this permission, if you need it; check the customer id",
            )
            .code(exit::CREDENTIALS),
        (429, _) => {
            let wait = answer.retry_after.as_deref().unwrap_or("a while");
            let found =
                format!("the quota is used up by somebody else; the server asks to wait {wait}");
            Check::new(name, Status::Warn, found)
                .next("find out what else calls from this address, or lower --read-quota")
        }
        (500..=599, _) => Check::new(name, Status::Fail, format!("the server failed: {error}"))
            .next("try again later"),
        _ => Check::new(name, Status::Fail, format!("cannot be read: {error}"))
            .next("check the customer id, the microtenant and the address"),
    }
}

/// Returns the check of a kind that was not read, since the server refused an earlier read for its rate.
pub(super) fn not_read(kind: Kind) -> Check {
    let found = "not checked: the read quota is used up";
    Check::new(kind.name(), Status::Warn, found).next("run doctor again later")
}

/// Returns the number of objects in words, if the answer names it.
fn count(answer: &Answer) -> String {
    let total = answer
        .json()
        .and_then(|body| match body.get("totalCount")? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        });
    total.map_or_else(String::new, |total| format!(", {total} there"))
}

/// Turns warnings into failures if the client may read no kind at all. A client that may read some kinds may be meant
/// so.
pub(super) fn judged_together(mut permissions: Vec<Check>) -> Vec<Check> {
    let barred = |check: &Check| check.status == Status::Warn && check.code == exit::CREDENTIALS;
    if permissions.iter().all(barred) {
        for check in &mut permissions {
            check.status = Status::Fail;
        }
    }
    permissions
}

/// The quotas, and the calls of all checks before.
#[derive(Debug)]
pub(super) struct Quotas {
    pub(super) read: Pace,
    pub(super) write: Pace,
    /// The number of reads that the checks took.
    pub(super) read_calls: u32,
    /// True if the last read was refused for its rate.
    pub(super) refused: bool,
    /// The gateway's own limit: limit, remaining, reset.
    pub(super) gateway: Option<[String; 3]>,
}

/// Judges the quotas by the calls that were sent and refused. The API does not tell how much of a quota is left.
pub(super) fn quota(quotas: &Quotas) -> Check {
    let pace = |class: &str, pace: Pace| match pace {
        Pace::At(quota) => format!("{class} {quota}"),
        Pace::Unlimited => format!("{class}: no quota set"),
    };
    let refused = if quotas.refused {
        "the last one refused"
    } else {
        "none refused"
    };
    let mut found = format!(
        "{}, {} sent here, {refused}; {}, none sent here",
        pace("read", quotas.read),
        quotas.read_calls,
        pace("write", quotas.write),
    );
    if let Some([limit, remaining, reset]) = &quotas.gateway {
        found.push_str(&format!(
            "; the gateway's own limit, not used for pacing: {remaining} left of {limit}, reset in {reset} s"
        ));
    }
    match (quotas.read, quotas.write) {
        (Pace::At(_), Pace::At(_)) if quotas.refused => Check::new("quota", Status::Warn, found)
            .next("find out what else calls from this address, or lower --read-quota"),
        (Pace::At(_), Pace::At(_)) => Check::ok("quota", found),
        _ => Check::new("quota", Status::Warn, found)
            .next("set --read-quota and --write-quota, or the server will refuse calls"),
    }
}

/// Tells what runs have learned of the tenant's limits.
pub(super) fn learned(facts: &[Fact]) -> Check {
    if facts.is_empty() {
        return Check::ok("learned", "nothing of this tenant's limits");
    }
    let told: Vec<String> = facts.iter().map(told).collect();
    Check::ok("learned", told.join("; ")).next("to try it anew: zpa-bulk doctor --forget")
}

fn told(fact: &Fact) -> String {
    let what = match fact.learned {
        Learned::Scope(QuotaScope::Endpoint) => "each path has a limit of its own".to_owned(),
        Learned::Scope(_) => "the limits count all paths together".to_owned(),
        Learned::Shape(class, _) => {
            format!("{class} calls are refused when several go at once, so they go smoothly")
        }
        Learned::Limit(class, calls) => {
            format!("a window has room for about {calls} {class} calls of ours")
        }
    };
    let at = Timestamp::from_nanosecond(fact.at.into());
    let when = at.map(|at| at.strftime(" (%Y-%m-%d %H:%M UTC)").to_string());
    what + &when.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "Sat, 21 Nov 2026 12:00:00 GMT";

    fn answer(status: u16, body: &str) -> Reply {
        Reply::Answer(Answer {
            status,
            retry_after: Some("4s".to_owned()),
            date: None,
            body: body.as_bytes().to_vec(),
        })
    }

    fn examined(kind: Kind, reply: &Reply) -> Check {
        permission(Scope::of(kind, None), reply, Instant::now())
    }

    fn clock_at(ours: &str, signs: bool) -> Check {
        let at: Timestamp = ours.parse().unwrap();
        clock(&Clock {
            date: Some(NOON.to_owned()),
            before: at,
            after: at,
            signs,
        })
    }

    #[test]
    fn a_skewed_clock_fails_only_a_signed_sign_in() {
        let status = |ours, signs| clock_at(ours, signs).status;
        assert_eq!(status("2026-11-21T12:00:00.9Z", true), Status::Ok);
        assert_eq!(status("2026-11-21T12:00:31Z", true), Status::Ok);
        assert_eq!(status("2026-11-21T11:59:29Z", true), Status::Warn);
        assert_eq!(status("2026-11-21T12:05:02Z", true), Status::Fail);
        assert_eq!(status("2026-11-21T12:05:02Z", false), Status::Warn);
        assert!(
            clock_at("2026-11-21T11:55:00Z", true)
                .line()
                .contains("300 s behind")
        );
        let unknown = Clock {
            date: Some("noon".to_owned()),
            before: Timestamp::UNIX_EPOCH,
            after: Timestamp::UNIX_EPOCH,
            signs: true,
        };
        assert_eq!(clock(&unknown).status, Status::Warn);
    }

    #[test]
    fn permissions_are_told_apart_by_status_and_error_id() {
        let kind = Kind::portal_link();
        let check = |status, body| examined(kind, &answer(status, body));
        let readable = check(200, r#"{"totalCount":"7"}"#);
        assert_eq!(readable.status, Status::Ok);
        assert!(readable.line().contains("7 there"));
        let off = check(
            401,
            r#"{"id":"authz.featureflag.permission.denied","reason":"no"}"#,
        );
        assert!(off.line().contains("switched off"), "{}", off.line());
        let forbidden = check(403, r#"{"id":"forbidden","reason":"no"}"#);
        assert_eq!(forbidden.status, Status::Warn);
        assert_eq!(check(429, "").status, Status::Warn);
        assert_eq!(check(500, "").status, Status::Fail);
        assert_eq!(check(404, "").status, Status::Fail);
    }

    #[test]
    fn a_single_object_may_be_absent() {
        let absent = answer(404, r#"{"id":"resource.not.found","reason":"none"}"#);
        let schedule = Kind::from_name("connector-schedule").unwrap();
        assert_eq!(examined(schedule, &absent).status, Status::Ok);
        assert_eq!(examined(Kind::portal_link(), &absent).status, Status::Fail);
    }

    #[test]
    fn an_answer_that_is_no_listing_is_a_failure() {
        for kind in Kind::all() {
            for body in ["<html>sign in</html>", "\"<html>sign in</html>\"", "7"] {
                let check = examined(kind, &answer(200, body));
                assert_eq!(check.status, Status::Fail, "{kind:?}: {body}");
                let line = check.line();
                assert!(line.contains("cannot be read: the answer is not"), "{line}");
                assert_eq!(exit_code(&[check]), exit::UNEXPECTED);
            }
        }
    }

    #[test]
    fn a_client_that_may_read_nothing_is_refused() {
        let kind = Kind::portal_link();
        let forbidden = || examined(kind, &answer(403, ""));
        let readable = || examined(kind, &answer(200, r#"{"totalPages":"0","totalCount":"0"}"#));
        let code = |checks| exit_code(&judged_together(checks));
        assert_eq!(code(vec![forbidden(), readable()]), exit::SUCCESS);
        assert_eq!(code(vec![forbidden(), forbidden()]), exit::CREDENTIALS);
    }

    #[test]
    fn the_most_important_failure_sets_the_exit_code() {
        let failed = |code| Check::new("x", Status::Fail, "").code(code);
        assert_eq!(exit_code(&[]), exit::SUCCESS);
        assert_eq!(exit_code(&[failed(1), failed(2)]), exit::USAGE);
        assert_eq!(exit_code(&[failed(2), failed(6)]), exit::CREDENTIALS);
        assert_eq!(exit_code(&[failed(1)]), exit::UNEXPECTED);
        let warned = Check::new("x", Status::Warn, "").code(6);
        assert_eq!(exit_code(&[warned]), exit::SUCCESS);
    }

    #[test]
    fn the_quota_check_tells_sent_and_refused_calls() {
        let mut quotas = Quotas {
            read: "20/10s".parse().unwrap(),
            write: "10/10s".parse().unwrap(),
            read_calls: 3,
            refused: false,
            gateway: Some(["5000, 5000;w=60", "4932", "48"].map(str::to_owned)),
        };
        let line = quota(&quotas).line();
        assert!(line.contains("3 sent here, none refused"), "{line}");
        assert!(line.contains("write 10/10s, none sent here"), "{line}");
        assert!(line.contains("4932 left of 5000, 5000;w=60"), "{line}");
        quotas.refused = true;
        let check = quota(&quotas);
        assert_eq!(check.status, Status::Warn);
        assert!(
            check.line().contains("3 sent here, the last one refused"),
            "{}",
            check.line()
        );
        quotas.refused = false;
        quotas.write = "off".parse().unwrap();
        assert_eq!(quota(&quotas).status, Status::Warn);
    }

    #[test]
    fn the_next_step_follows_from_why_no_host_answered() {
        let line = |why: &str, proxy| {
            reached("https://a.example/", &Reply::NotSent(why.to_owned()), proxy).line()
        };
        assert!(line("the server's certificate is not trusted", None).contains("--ca-cert"));
        assert!(line("failed to lookup address information", None).contains("vanity domain"));
        assert!(line("Connection refused", None).contains("HTTPS_PROXY names a proxy"));
        assert!(line("tunnel error", Some("HTTPS_PROXY")).contains("check the proxy"));
    }
}
