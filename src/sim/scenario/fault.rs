//! The faults of a scenario: its `[[fault]]` tables.
//!
//! The first fault in order that applies to a call acts on it. A table that can never act, or has a key
//! that its kind does not use, is refused.

use std::num::NonZeroU32;
use std::time::Duration;

use wildmatch::WildMatch;

use super::error::ScenarioError;
use super::form::{
    DURATION, Form, MOMENT, PERIOD, POSITIVE, RETRY_AFTER, SHARE, TEXT, alternatives,
};
use super::section::Section;

const PATTERN: Form<CallPattern> = Form::new(
    "a method and a path such as \"POST */userPortalLink/bulk\", where * stands for any text and ? for one character",
    |value| CallPattern::parse(value.as_str()?),
);

const STATUS: Form<u16> = Form::new("a status from 400 to 599", |value| {
    let status = u16::try_from(value.as_integer()?).ok()?;
    (400..=599).contains(&status).then_some(status)
});

const STATUS_KINDS: &str = "\"status\" and \"status-after-commit\"";

/// The keys that only some kinds use, and these kinds.
const KEYS_OF_KINDS: [(&str, &str); 5] = [
    ("status", STATUS_KINDS),
    ("retry_after", STATUS_KINDS),
    ("id", STATUS_KINDS),
    ("delay", "\"late-commit\" and \"timeout\""),
    ("name", "\"poison\""),
];

/// The default delay of `late-commit`.
const COMMIT_DELAY: Duration = Duration::from_secs(5);

const DEFAULT_STATUS: u16 = 503;

/// One fault: the effect, and the calls on which it acts.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The effect on a call.
    pub kind: FaultKind,
    /// The calls that may be affected; all by default.
    pub calls: CallPattern,
    /// The probability, 0 to 1, that such a call is affected; 1 by default. The seed decides.
    pub probability: f64,
    /// The time from the simulator's start until the fault begins, up to 1000 h; zero by default.
    pub after: Duration,
    /// The duration of the fault, above zero, up to 1000 h; without end by default.
    pub duration: Option<Duration>,
    /// The most calls that are affected; without limit by default.
    pub times: Option<NonZeroU32>,
}

/// The effect of a fault on a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// `reset-before`: the connection breaks, and the call is not executed.
    ResetBefore,
    /// `drop-after-commit`: the call is executed, and the connection breaks before its answer leaves.
    DropAfterCommit,
    /// `late-commit`: the connection breaks, and the call is executed later. Token and quotas are checked
    /// at its arrival.
    LateCommit {
        /// The time from its arrival until it is executed, up to 1 h; 5 s by default.
        delay: Duration,
    },
    /// `timeout`: the call is executed, and its answer comes later or never.
    Timeout {
        /// The additional delay of the answer, up to 1 h. Without it, as by default, no answer comes.
        delay: Option<Duration>,
    },
    /// `status`: the call is refused, and not executed.
    Status {
        /// The status, 400 to 599; 503 by default.
        status: u16,
        /// The text of the header `retry-after`, in any form; no such header by default.
        retry_after: Option<String>,
        /// The error id; the usual one of the status by default.
        id: Option<String>,
    },
    /// `status-after-commit`: the call is executed, and answered as if it had been refused. A call that is
    /// refused anyway keeps its own answer.
    StatusAfterCommit {
        /// The status, 400 to 599; 503 by default.
        status: u16,
        /// The text of the header `retry-after`, in any form; no such header by default.
        retry_after: Option<String>,
        /// The error id; the usual one of the status by default.
        id: Option<String>,
    },
    /// `html`: the call is executed, and the body of its answer is a web page.
    Html,
    /// `truncated`: the call is executed, and the connection breaks in the middle of the answer's body, or
    /// before an answer that has none.
    Truncated,
    /// `partial-batch`: only some items of a bulk create or `bulkDelete` are executed, and the answer shows
    /// only these. A batch has at least two items. The seed decides which are executed.
    PartialBatch,
    /// `expire-token`: the token of the call is no longer valid, for this call or any other.
    ExpireToken,
    /// `signin-down`: a sign-in is answered with 503.
    SigninDown,
    /// `poison`: creating or updating an object of this name is refused with 400, alone and in any batch.
    /// The fault belongs to the object, not to the call, so all `poison` faults that apply act together.
    Poison {
        /// The object's name, or the domain.
        name: String,
    },
}

/// The calls that a fault may affect: globs of the method and the path.
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

    /// Returns true if the pattern matches a call with this method and path, without its query.
    #[must_use]
    pub fn matches(&self, method: &str, path: &str) -> bool {
        self.method.matches(method) && self.path.matches(path)
    }
}

impl FaultKind {
    /// The name of the kind in a scenario.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ResetBefore => "reset-before",
            Self::DropAfterCommit => "drop-after-commit",
            Self::LateCommit { .. } => "late-commit",
            Self::Timeout { .. } => "timeout",
            Self::Status { .. } => "status",
            Self::StatusAfterCommit { .. } => "status-after-commit",
            Self::Html => "html",
            Self::Truncated => "truncated",
            Self::PartialBatch => "partial-batch",
            Self::ExpireToken => "expire-token",
            Self::SigninDown => "signin-down",
            Self::Poison { .. } => "poison",
        }
    }
}

impl Fault {
    pub(super) fn read(section: &mut Section) -> Result<Self, ScenarioError> {
        let mut fault = Self {
            kind: FaultKind::read(section)?,
            calls: CallPattern::any(),
            probability: 1.0,
            after: Duration::ZERO,
            duration: None,
            times: None,
        };
        section.value("match", &mut fault.calls, &PATTERN)?;
        section.value("probability", &mut fault.probability, &SHARE)?;
        section.value("after", &mut fault.after, &MOMENT)?;
        fault.duration = section.optional("for", &PERIOD)?;
        fault.times = section.optional("times", &POSITIVE)?;
        let unused = KEYS_OF_KINDS.into_iter().find(|(key, _)| section.has(key));
        let Some((key, kinds)) = unused else {
            return Ok(fault);
        };
        let kind = fault.kind.name();
        let what = format!("does not apply to the kind {kind:?}, only to {kinds}");
        Err(section.conflict(key, &what))
    }
}

impl FaultKind {
    /// Every kind, with its default settings.
    fn all() -> [Self; 12] {
        [
            Self::ResetBefore,
            Self::DropAfterCommit,
            Self::LateCommit {
                delay: COMMIT_DELAY,
            },
            Self::Timeout { delay: None },
            Self::Status {
                status: DEFAULT_STATUS,
                retry_after: None,
                id: None,
            },
            Self::StatusAfterCommit {
                status: DEFAULT_STATUS,
                retry_after: None,
                id: None,
            },
            Self::Html,
            Self::Truncated,
            Self::PartialBatch,
            Self::ExpireToken,
            Self::SigninDown,
            Self::Poison {
                name: String::new(),
            },
        ]
    }

    /// Reads the kind, with the keys that only this kind uses.
    fn read(section: &mut Section) -> Result<Self, ScenarioError> {
        let kinds = Form {
            allowed: alternatives(Self::all().iter().map(Self::name)).into(),
            read: |value| {
                let mut kinds = Self::all().into_iter();
                kinds.find(|kind| value.as_str() == Some(kind.name()))
            },
        };
        let mut kind = section.required("kind", &kinds)?;
        match &mut kind {
            Self::LateCommit { delay } => section.value("delay", delay, &DURATION)?,
            Self::Timeout { delay } => *delay = section.optional("delay", &DURATION)?,
            Self::Status {
                status,
                retry_after,
                id,
            }
            | Self::StatusAfterCommit {
                status,
                retry_after,
                id,
            } => {
                section.value("status", status, &STATUS)?;
                *retry_after = section.optional("retry_after", &RETRY_AFTER)?;
                *id = section.optional("id", &TEXT)?;
            }
            Self::Poison { name } => *name = section.required("name", &TEXT)?,
            _ => {}
        }
        Ok(kind)
    }
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
        let text = |kind: &str| {
            let keys = r#"
            match = "POST */userPortalLink/bulk"
            probability = 0.25
            after = "1m"
            for = "60s"
            times = 5
            status = 409
            retry_after = "2s"
            id = "api.concurrent.access.error"
            "#;
            format!("kind = \"{kind}\"\n{keys}")
        };
        let (status, retry_after) = (409, Some("2s".to_owned()));
        let id = Some("api.concurrent.access.error".to_owned());
        let mut expected = Fault {
            kind: FaultKind::Status {
                status,
                retry_after: retry_after.clone(),
                id: id.clone(),
            },
            calls: CallPattern::parse("POST */userPortalLink/bulk").unwrap(),
            probability: 0.25,
            after: Duration::from_secs(60),
            duration: Some(Duration::from_secs(60)),
            times: NonZeroU32::new(5),
        };
        assert_eq!(read(&text("status")), expected);
        expected.kind = FaultKind::StatusAfterCommit {
            status,
            retry_after,
            id,
        };
        assert_eq!(read(&text("status-after-commit")), expected);
    }

    #[test]
    fn every_kind_needs_only_its_required_keys() {
        for (table, kind) in [
            ("kind = \"reset-before\"", FaultKind::ResetBefore),
            ("kind = \"drop-after-commit\"", FaultKind::DropAfterCommit),
            (
                "kind = \"late-commit\"",
                FaultKind::LateCommit {
                    delay: COMMIT_DELAY,
                },
            ),
            ("kind = \"timeout\"", FaultKind::Timeout { delay: None }),
            (
                "kind = \"status-after-commit\"",
                FaultKind::StatusAfterCommit {
                    status: 503,
                    retry_after: None,
                    id: None,
                },
            ),
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
            assert!(fault.calls.matches("PATCH", "/any"), "{table}");
            assert_eq!((fault.probability, fault.times), (1.0, None));
        }
    }

    #[test]
    fn senseless_tables_are_refused_with_their_line() {
        for (table, line, message) in [
            ("times = 2", 3, "`fault.kind` is missing"),
            ("kind = \"storm\"", 4, "`fault.kind` cannot be \"storm\""),
            ("kind = \"html\"\nkid = 1", 5, "unknown key `fault.kid`"),
            ("kind = \"poison\"", 3, "`fault.name` is missing"),
            (
                "kind = \"html\"\n\nstatus = 500",
                6,
                "`fault.status` does not apply to the kind \"html\", only to \"status\"",
            ),
            (
                "delay = \"1s\"\nkind = \"truncated\"",
                4,
                "`fault.delay` does not apply",
            ),
            (
                "kind = \"status\"\nname = \"a\"",
                5,
                "`fault.name` does not apply",
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
    fn a_faulty_table_is_found_by_its_line() {
        let (_, said) = refused("kind = \"html\"\n[fault.more]");
        assert!(said.starts_with("unknown key `fault.more`"), "{said}");
        let (line, _) = refused("kind = \"html\"\n[[fault]]\nkind = \"htm\"");
        assert_eq!(line, Some(6));
        let single = parse("fault = { kind = \"html\" }").unwrap_err();
        assert!(single.to_string().contains("[[…]]"), "{single}");
    }
}
