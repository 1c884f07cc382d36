//! What each finding means and what to do about it. Decides only: replies and times are passed in.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::cli::ui::exit;
use crate::engine::check_listing;
use crate::ops::Error;
use crate::pacer::Pace;
use crate::resource::{Kind, Scope, Shape};
use crate::wire::{Answer, Reply};
use crate::zpa::{Connection, SignInError};

/// A clock that is off by less is as good as right: an answer's `Date` is whole seconds, and takes its way.
const SMALL_SKEW: SignedDuration = SignedDuration::from_secs(30);

/// A signed assertion is good for ten minutes; from half of that on it comes too late or too early to rely on.
const LARGE_SKEW: SignedDuration = SignedDuration::from_secs(300);

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// As it should be.
    Ok,
    /// Worth knowing; some things may not work.
    Warn,
    /// Nothing will work before it is mended.
    Fail,
}

/// What one check found.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    /// What was checked.
    #[serde(rename = "check")]
    what: String,
    pub(super) status: Status,
    found: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// The exit code if it failed.
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

    /// One line; what to do stands behind what was found.
    pub(super) fn line(&self) -> String {
        let status = match self.status {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        };
        let next = self.next.as_ref();
        let next = next.map_or_else(String::new, |next| format!("; next: {next}"));
        format!("{status:<5} {:<18} {}{next}\n", self.what, self.found)
    }
}

/// 0 when nothing failed, else the code of the failure that says most: credentials, then settings, then the rest.
pub(super) fn exit_code(checks: &[Check]) -> u8 {
    let failed: Vec<u8> = checks
        .iter()
        .filter(|c| c.failed())
        .map(|c| c.code)
        .collect();
    let telling = [exit::CREDENTIALS, exit::USAGE];
    telling
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

/// Whether a host answered; `proxy` is the variable that names the proxy on the way.
pub(super) fn reached(root: &str, reply: &Reply, proxy: Option<&str>) -> Check {
    let way = proxy.map_or_else(String::new, |name| format!(" (proxy of {name})"));
    let why = match reply {
        Reply::Answer(_) => return Check::ok("reach", format!("{root} answers{way}")),
        Reply::NotSent(why) | Reply::Lost(why) => why,
    };
    let next = if why.contains("certificate") {
        "see above; --ca-cert FILE adds a certificate, --base-url and --token-url another address"
    } else if why.contains("lookup") || why.contains("dns") {
        "check the cloud, the vanity domain and the name server"
    } else if proxy.is_some() {
        "check the proxy; NO_PROXY names hosts that need none"
    } else {
        "check the address and the firewall; HTTPS_PROXY names a proxy"
    };
    Check::new("reach", Status::Fail, format!("{root}{way}: {why}")).next(next)
}

/// The server's time beside ours.
#[derive(Debug)]
pub(super) struct Clock {
    /// The `Date` of an answer.
    pub(super) date: Option<String>,
    /// When the request for it went out.
    pub(super) before: Timestamp,
    /// When the answer had come.
    pub(super) after: Timestamp,
    /// Whether the sign-in carries the time of this machine.
    pub(super) signs: bool,
}

impl Clock {
    /// How far this machine's clock is ahead of the server's; negative when it is behind. `Date` is cut to whole seconds,
    /// so anything within the call and that second is no skew.
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
            .next("see that this machine's clock is right");
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

/// Whether the objects of a scope can be read.
pub(super) fn permission(scope: Scope, reply: &Reply, now: Instant) -> Check {
    let kind = scope.kind;
    let name = kind.name();
    let answer = match reply {
        Reply::Answer(answer) => answer,
        Reply::NotSent(why) | Reply::Lost(why) => {
            return Check::new(name, Status::Fail, why).next("try again");
        }
    };
    let error = answer.error();
    match (answer.status, error.error_id.as_deref()) {
        (200..=299, _) => match check_listing(scope, answer, now) {
            Ok(()) => Check::ok(name, format!("can be read{}", count(answer))),
            Err(why) => Check::new(name, Status::Fail, format!("cannot be read: {why}")).next(
                "check the address and the proxy: something else than the API seems to answer there",
            ),
        },
        (400 | 404, Some("resource.not.found")) if kind.shape() == Shape::Single => {
            Check::ok(name, "can be read, none there")
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
                format!("the quota is used up by somebody else; the server asks for {wait}");
            Check::new(name, Status::Warn, found)
                .next("find out what else calls from this address, or lower --read-quota")
        }
        (500..=599, _) => Check::new(name, Status::Fail, format!("the server failed: {error}"))
            .next("try again later"),
        _ => Check::new(name, Status::Fail, format!("cannot be read: {error}"))
            .next("check the customer id, the microtenant and the address"),
    }
}

/// A kind that was not looked at, since a read before it was refused for its rate.
pub(super) fn not_read(kind: Kind) -> Check {
    let found = "not checked: the read quota is used up";
    Check::new(kind.name(), Status::Warn, found).next("run doctor again later")
}

/// How many there are, where the answer says so.
fn count(answer: &Answer) -> String {
    let total = answer
        .json()
        .and_then(|body| match body.get("totalCount")? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        });
    total.map_or_else(String::new, |total| format!(", {total} there"))
}

/// A client that may read some kinds was perhaps meant to; one that may read none is of no use.
pub(super) fn judged_together(mut permissions: Vec<Check>) -> Vec<Check> {
    let barred = |check: &Check| check.status == Status::Warn && check.code == exit::CREDENTIALS;
    if permissions.iter().all(barred) {
        for check in &mut permissions {
            check.status = Status::Fail;
        }
    }
    permissions
}

/// What was seen of the quotas once all else is done.
#[derive(Debug)]
pub(super) struct Quotas {
    /// What reads are paced by.
    pub(super) read: Pace,
    /// What writes are paced by.
    pub(super) write: Pace,
    /// How many reads this check took.
    pub(super) read_calls: u32,
    /// Whether the last of them was refused for its rate.
    pub(super) refused: bool,
    /// What the gateway says of its own limit: limit, remaining, reset.
    pub(super) gateway: Option<[String; 3]>,
}

/// Nobody says how much of a quota is left, and others may use it too: what is told is what was sent and refused.
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
            "; the gateway's own, by which nothing is paced: {remaining} left of {limit}, reset in {reset} s"
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
    fn a_skewed_clock_is_a_failure_only_where_the_sign_in_carries_the_time() {
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
    fn an_object_of_which_there_is_one_may_be_absent() {
        let absent = answer(404, r#"{"id":"resource.not.found","reason":"none"}"#);
        let schedule = Kind::from_name("connector-schedule").unwrap();
        assert_eq!(examined(schedule, &absent).status, Status::Ok);
        assert_eq!(examined(Kind::portal_link(), &absent).status, Status::Fail);
    }

    #[test]
    fn an_answer_that_is_not_the_kinds_own_is_a_failure_that_says_so() {
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
    fn a_client_that_may_read_nothing_fails_with_the_code_of_refused_credentials() {
        let kind = Kind::portal_link();
        let forbidden = || examined(kind, &answer(403, ""));
        let readable = || examined(kind, &answer(200, r#"{"totalPages":"0","totalCount":"0"}"#));
        let code = |checks| exit_code(&judged_together(checks));
        assert_eq!(code(vec![forbidden(), readable()]), exit::SUCCESS);
        assert_eq!(code(vec![forbidden(), forbidden()]), exit::CREDENTIALS);
    }

    #[test]
    fn the_most_telling_failure_decides_the_exit_code() {
        let failed = |code| Check::new("x", Status::Fail, "").code(code);
        assert_eq!(exit_code(&[]), exit::SUCCESS);
        assert_eq!(exit_code(&[failed(1), failed(2)]), exit::USAGE);
        assert_eq!(exit_code(&[failed(2), failed(6)]), exit::CREDENTIALS);
        assert_eq!(exit_code(&[failed(1)]), exit::UNEXPECTED);
        let warned = Check::new("x", Status::Warn, "").code(6);
        assert_eq!(exit_code(&[warned]), exit::SUCCESS);
    }

    #[test]
    fn of_the_quotas_it_is_told_what_was_sent_and_refused_and_the_gateways_is_only_shown() {
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
    fn what_keeps_a_host_from_answering_decides_what_to_do() {
        let line = |why: &str, proxy| {
            reached("https://a.example/", &Reply::NotSent(why.to_owned()), proxy).line()
        };
        assert!(line("the server's certificate is not trusted", None).contains("--ca-cert"));
        assert!(line("failed to lookup address information", None).contains("vanity domain"));
        assert!(line("Connection refused", None).contains("HTTPS_PROXY names a proxy"));
        assert!(line("tunnel error", Some("HTTPS_PROXY")).contains("check the proxy"));
    }
}
