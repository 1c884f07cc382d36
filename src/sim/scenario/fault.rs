//! What goes wrong with calls: the `[[fault]]` tables of a scenario.
//!
//! They are looked through in their order, and the first that applies to a call acts on it. A table that cannot act, or
//! has a key that its kind does not look at, is refused.

use std::num::NonZeroU32;
use std::time::Duration;

use toml::Value;
use wildmatch::WildMatch;

use super::error::ScenarioError;
use super::section::{
    DURATION_FORM, MOMENT_FORM, POSITIVE_FORM, RETRY_AFTER_FORM, SHARE_FORM, Section, latency,
    moment, positive, retry_after, share,
};

const KIND_FORM: &str = "\"reset-before\", \"drop-after-commit\", \"late-commit\", \"timeout\", \"status\", \"html\", \"truncated\", \"partial-batch\", \"expire-token\", \"signin-down\" or \"poison\"";
const PATTERN_FORM: &str = "a method and a path such as \"POST */userPortalLink/bulk\", where * stands for any text and ? for one character";
const STATUS_FORM: &str = "a status from 400 to 599";
const TEXT_FORM: &str = "text that is not empty";

/// How late a change is made, unless told otherwise.
const LATENESS: Duration = Duration::from_secs(5);

/// The status of a refusal, unless told otherwise.
const STATUS: u16 = 503;

/// One way in which calls go wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// Which calls it may happen to; to every call unless told otherwise.
    pub calls: CallPattern,
    /// How likely it happens to each of them, 0 to 1; the seed decides. Always unless told otherwise.
    pub probability: f64,
    /// From when on, after the simulator's start, up to 1000 h; at once unless told otherwise.
    pub after: Duration,
    /// For how long from then on, above zero, up to 1000 h; without end unless told otherwise.
    pub lasting: Option<Duration>,
    /// How often at the most; without bound unless told otherwise.
    pub times: Option<NonZeroU32>,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// `reset-before`: the connection breaks, and the call is not carried out.
    ResetBefore,
    /// `drop-after-commit`: the call is carried out, and the connection breaks before its answer leaves.
    DropAfterCommit,
    /// `late-commit`: the connection breaks, and the call is carried out later. What the token or a quota refuses is
    /// refused at once.
    LateCommit {
        /// How long after its arrival, up to 1 h; 5 s unless told otherwise.
        delay: Duration,
    },
    /// `timeout`: the call is carried out, and its answer comes late or never.
    Timeout {
        /// How much later than otherwise, up to 1 h; never unless told otherwise.
        delay: Option<Duration>,
    },
    /// `status`: the call is refused, and not carried out.
    Status {
        /// The status, 400 to 599; 503 unless told otherwise.
        status: u16,
        /// What `retry-after` says, in whatever form; no such header unless told otherwise.
        retry_after: Option<String>,
        /// The error's id; that which the status usually has unless told otherwise.
        id: Option<String>,
    },
    /// `html`: the call is carried out, and the answer's body is a web page.
    Html,
    /// `truncated`: the call is carried out, and the connection breaks in the middle of the answer's body, or before
    /// the answer if it has none.
    Truncated,
    /// `partial-batch`: a part of a batch (a bulk create, a `bulkDelete`) of at least two is carried out, and answered
    /// as if that part were the call. The seed decides which part.
    PartialBatch,
    /// `expire-token`: the token that the call carries is no longer good, for this call or any other.
    ExpireToken,
    /// `signin-down`: a sign-in is answered with 503.
    SigninDown,
    /// `poison`: an object of that name is refused with 400, alone and in any batch, when it is created or updated. It
    /// is a property of the object and not of the call, so every such table that applies acts.
    Poison {
        /// The object's name, or the domain.
        name: String,
    },
}

/// Which calls a fault is for: globs of the method and the path.
#[derive(Debug, Clone, PartialEq)]
pub struct CallPattern {
    method: WildMatch,
    path: WildMatch,
}

impl CallPattern {
    /// Every call.
    fn any() -> Self {
        Self {
            method: WildMatch::new("*"),
            path: WildMatch::new("*"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (method, path) = text.split_once(' ')?;
        let is_method = |c: char| c.is_ascii_uppercase() || c == '*' || c == '?';
        let begins = path.starts_with(['/', '*', '?']) && !path.contains(char::is_whitespace);
        let fits = !method.is_empty() && method.chars().all(is_method) && begins;
        fits.then(|| Self {
            method: WildMatch::new(method),
            path: WildMatch::new(path),
        })
    }

    /// Whether a call with this method and path, without its query, is one of them.
    #[must_use]
    pub fn takes(&self, method: &str, path: &str) -> bool {
        self.method.matches(method) && self.path.matches(path)
    }
}

impl FaultKind {
    /// What it is called in a scenario.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ResetBefore => "reset-before",
            Self::DropAfterCommit => "drop-after-commit",
            Self::LateCommit { .. } => "late-commit",
            Self::Timeout { .. } => "timeout",
            Self::Status { .. } => "status",
            Self::Html => "html",
            Self::Truncated => "truncated",
            Self::PartialBatch => "partial-batch",
            Self::ExpireToken => "expire-token",
            Self::SigninDown => "signin-down",
            Self::Poison { .. } => "poison",
        }
    }
}

/// What only some kinds look at.
#[derive(Default)]
struct Details {
    status: Option<u16>,
    retry_after: Option<String>,
    id: Option<String>,
    delay: Option<Duration>,
    name: Option<String>,
}

impl Fault {
    pub(super) fn read(section: &mut Section) -> Result<Self, ScenarioError> {
        let mut fault = Self {
            kind: FaultKind::Html,
            calls: CallPattern::any(),
            probability: 1.0,
            after: Duration::ZERO,
            lasting: None,
            times: None,
        };
        let mut kind: Option<String> = None;
        section.value("kind", &mut kind, KIND_FORM, |value| text(value).map(Some))?;
        section.value("match", &mut fault.calls, PATTERN_FORM, |value| {
            CallPattern::parse(value.as_str()?)
        })?;
        section.value("probability", &mut fault.probability, SHARE_FORM, share)?;
        section.value("after", &mut fault.after, MOMENT_FORM, moment)?;
        section.value("for", &mut fault.lasting, MOMENT_FORM, |value| {
            moment(value).filter(|time| !time.is_zero()).map(Some)
        })?;
        section.value("times", &mut fault.times, POSITIVE_FORM, |value| {
            positive(value).map(Some)
        })?;
        let details = Details::read(section)?;
        let kind = kind.ok_or_else(|| section.lacks("kind", KIND_FORM))?;
        fault.kind = details.of_kind(&kind, section)?;
        Ok(fault)
    }
}

impl Details {
    fn read(section: &mut Section) -> Result<Self, ScenarioError> {
        let mut details = Self::default();
        section.value("status", &mut details.status, STATUS_FORM, |value| {
            let status = u16::try_from(value.as_integer()?).ok()?;
            (400..=599).contains(&status).then_some(Some(status))
        })?;
        let target = &mut details.retry_after;
        section.value("retry_after", target, RETRY_AFTER_FORM, |value| {
            retry_after(value).map(Some)
        })?;
        section.value("id", &mut details.id, TEXT_FORM, |value| {
            text(value).map(Some)
        })?;
        section.value("delay", &mut details.delay, DURATION_FORM, |value| {
            latency(value).map(Some)
        })?;
        section.value("name", &mut details.name, TEXT_FORM, |value| {
            text(value).map(Some)
        })?;
        Ok(details)
    }

    /// The kind of that name with its details, when there are all that it needs and no others.
    fn of_kind(mut self, kind: &str, section: &Section) -> Result<FaultKind, ScenarioError> {
        let made = match kind {
            "reset-before" => FaultKind::ResetBefore,
            "drop-after-commit" => FaultKind::DropAfterCommit,
            "late-commit" => FaultKind::LateCommit {
                delay: self.delay.take().unwrap_or(LATENESS),
            },
            "timeout" => FaultKind::Timeout {
                delay: self.delay.take(),
            },
            "status" => FaultKind::Status {
                status: self.status.take().unwrap_or(STATUS),
                retry_after: self.retry_after.take(),
                id: self.id.take(),
            },
            "html" => FaultKind::Html,
            "truncated" => FaultKind::Truncated,
            "partial-batch" => FaultKind::PartialBatch,
            "expire-token" => FaultKind::ExpireToken,
            "signin-down" => FaultKind::SigninDown,
            "poison" => FaultKind::Poison {
                name: self
                    .name
                    .take()
                    .ok_or_else(|| section.lacks("name", TEXT_FORM))?,
            },
            _ => return Err(section.wrong("kind", format!("{kind:?}"), KIND_FORM)),
        };
        match self.left() {
            None => Ok(made),
            Some((key, kinds)) => Err(section.senseless(
                key,
                format!("means nothing for the kind {kind:?}; it is for {kinds}"),
            )),
        }
    }

    /// A key that was not taken, and what it is for.
    fn left(&self) -> Option<(&'static str, &'static str)> {
        let left = [
            (self.status.is_some(), "status", "\"status\""),
            (self.retry_after.is_some(), "retry_after", "\"status\""),
            (self.id.is_some(), "id", "\"status\""),
            (
                self.delay.is_some(),
                "delay",
                "\"late-commit\" and \"timeout\"",
            ),
            (self.name.is_some(), "name", "\"poison\""),
        ];
        let mut left = left.into_iter().filter(|(is_left, ..)| *is_left);
        left.next().map(|(_, key, kinds)| (key, kinds))
    }
}

fn text(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| !text.trim().is_empty())?;
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Fault>, ScenarioError> {
        Section::parse(text)?.tables("fault", Fault::read)
    }

    fn refused(table: &str) -> (Option<usize>, String) {
        let error = parse(&format!("\n\n[[fault]]\n{table}")).unwrap_err();
        (error.line(), error.to_string())
    }

    fn read(table: &str) -> Fault {
        parse(&format!("[[fault]]\n{table}")).unwrap().remove(0)
    }

    #[test]
    fn a_table_is_read_with_all_of_its_keys() {
        let text = r#"
            kind = "status"
            match = "POST */userPortalLink/bulk"
            probability = 0.25
            after = "1m"
            for = "60s"
            times = 5
            status = 409
            retry_after = "2s"
            id = "api.concurrent.access.error"
        "#;
        let expected = Fault {
            kind: FaultKind::Status {
                status: 409,
                retry_after: Some("2s".to_owned()),
                id: Some("api.concurrent.access.error".to_owned()),
            },
            calls: CallPattern::parse("POST */userPortalLink/bulk").unwrap(),
            probability: 0.25,
            after: Duration::from_secs(60),
            lasting: Some(Duration::from_secs(60)),
            times: NonZeroU32::new(5),
        };
        assert_eq!(read(text), expected);
    }

    #[test]
    fn every_kind_can_do_with_what_it_needs() {
        for (table, kind) in [
            ("kind = \"reset-before\"", FaultKind::ResetBefore),
            ("kind = \"drop-after-commit\"", FaultKind::DropAfterCommit),
            (
                "kind = \"late-commit\"",
                FaultKind::LateCommit { delay: LATENESS },
            ),
            ("kind = \"timeout\"", FaultKind::Timeout { delay: None }),
            ("kind = \"html\"", FaultKind::Html),
            ("kind = \"truncated\"", FaultKind::Truncated),
            ("kind = \"partial-batch\"", FaultKind::PartialBatch),
            ("kind = \"expire-token\"", FaultKind::ExpireToken),
            ("kind = \"signin-down\"", FaultKind::SigninDown),
            (
                "kind = \"poison\"\nname = \"a\"",
                FaultKind::Poison {
                    name: "a".to_owned(),
                },
            ),
        ] {
            let fault = read(table);
            assert_eq!(fault.kind, kind);
            assert!(fault.calls.takes("PATCH", "/any"), "{table}");
            assert_eq!((fault.probability, fault.times), (1.0, None));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_line() {
        for (table, line, message) in [
            ("times = 2", 3, "`fault.kind` is missing"),
            ("kind = \"storm\"", 4, "`fault.kind` cannot be \"storm\""),
            ("kind = \"html\"\nkid = 1", 5, "unknown key `fault.kid`"),
            ("kind = \"poison\"", 3, "`fault.name` is missing"),
            (
                "kind = \"html\"\n\nstatus = 500",
                6,
                "`fault.status` means nothing for the kind \"html\"; it is for \"status\"",
            ),
            (
                "delay = \"1s\"\nkind = \"truncated\"",
                4,
                "`fault.delay` means nothing",
            ),
            (
                "kind = \"status\"\nname = \"a\"",
                5,
                "`fault.name` means nothing",
            ),
            (
                "kind = \"status\"\nstatus = 200",
                5,
                "`fault.status` cannot be 200",
            ),
            ("kind = \"html\"\nfor = \"0s\"", 5, "`fault.for` cannot be"),
            ("kind = \"html\"\ntimes = 0", 5, "`fault.times` cannot be"),
            (
                "kind = \"html\"\nprobability = 2.0",
                5,
                "`fault.probability` cannot be",
            ),
            (
                "kind = \"html\"\nmatch = \"post /x\"",
                5,
                "`fault.match` cannot be",
            ),
            (
                "kind = \"html\"\nmatch = \"POST\"",
                5,
                "`fault.match` cannot be",
            ),
            (
                "kind = \"poison\"\nname = \" \"",
                5,
                "`fault.name` cannot be",
            ),
        ] {
            let (at, said) = refused(table);
            assert!(said.starts_with(message), "{table}: {said}");
            assert_eq!(at, Some(line), "{table}: {said}");
        }
    }

    #[test]
    fn a_fault_is_a_table_of_its_own_and_the_second_is_found_by_its_line() {
        let (_, said) = refused("kind = \"html\"\n[fault.more]");
        assert!(said.starts_with("unknown key `fault.more`"), "{said}");
        let (line, _) = refused("kind = \"html\"\n[[fault]]\nkind = \"htm\"");
        assert_eq!(line, Some(6));
        let single = parse("fault = { kind = \"html\" }").unwrap_err();
        assert!(single.to_string().contains("[[…]]"), "{single}");
    }
}
