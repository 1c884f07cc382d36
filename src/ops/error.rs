//! The errors of the use cases. Each says what happened, where, and what to do next.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use jiff::tz::TimeZone;

use crate::coordination::CoordinationError;
use crate::engine::{End, EngineError, Parked};
use crate::item::Located;
use crate::journal::JournalError;
use crate::run::{PlanError, RunError};
use crate::text::{chain, counted, rounded, shell_word};
use crate::zpa::{ConnectionError, SignInError, TransportError};

/// The kind of an [`Error`], with its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ErrorKind {
    /// Something happened that should not happen.
    Unexpected = 1,
    /// The usage or the settings are wrong.
    Usage = 2,
    /// A manifest is invalid; nothing was sent.
    Manifest = 3,
    /// A part of what was asked for is missing or did not work.
    FailedItems = 4,
    /// The work stopped early and can be resumed.
    Stopped = 5,
    /// The credentials were refused.
    Credentials = 6,
    /// The run was refused: its journal or its plan is locked, missing, unreadable, damaged, of a newer format or of
    /// another tenant.
    Run = 7,
    /// A guard stopped the work; nothing was deleted.
    Guard = 8,
}

/// An error of a use case, in the words that the user reads.
#[derive(Clone, Debug)]
pub struct Error {
    /// The lines that say what happened; the first one follows "error: ".
    pub messages: Vec<String>,
    /// The next step for the user.
    pub hint: Option<String>,
    /// The kind of the error.
    pub kind: ErrorKind,
    /// The mistakes of a manifest as data, up to 300,000 of them.
    pub problems: Vec<Located>,
    /// The number of all mistakes of a manifest.
    pub problem_count: u64,
    /// Facts that may explain the error.
    pub notes: Vec<String>,
}

/// The most mistakes of a manifest that are shown in full.
const SHOWN: usize = 100;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.messages.join("; "))
    }
}

impl StdError for Error {}

impl Error {
    /// Returns an error of that kind with one line.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            messages: vec![message.into()],
            hint: None,
            kind,
            problems: Vec::new(),
            problem_count: 0,
            notes: Vec::new(),
        }
    }

    /// Returns an error of usage or settings.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// Refuses a plan if the guards on deletes object to it.
    ///
    /// # Errors
    /// [`ErrorKind::Guard`] with every objection.
    pub fn refused_by_guards(objections: Vec<String>) -> Result<(), Self> {
        if objections.is_empty() {
            return Ok(());
        }
        Err(Self {
            messages: objections,
            hint: Some("nothing was deleted".to_owned()),
            kind: ErrorKind::Guard,
            problems: Vec::new(),
            problem_count: 0,
            notes: Vec::new(),
        })
    }

    /// Returns an error of the kind [`ErrorKind::Unexpected`] with its sources.
    #[must_use]
    pub fn unexpected(what: &str, error: &dyn StdError) -> Self {
        Self::new(ErrorKind::Unexpected, format!("{what}: {}", chain(error)))
    }

    /// Returns the same error with the name of a run before each line.
    #[must_use]
    pub fn of_run(mut self, name: &str) -> Self {
        for message in &mut self.messages {
            *message = format!("{name}: {message}");
        }
        self
    }

    /// Returns the same error with that hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Run(error) => error.into(),
            PlanError::Manifest(error) => Self::usage(chain(&error)),
            PlanError::Fixed { .. } => Self::usage(chain(&error)),
            PlanError::Problems {
                first,
                count,
                notes,
            } => {
                let all = counted(count, "problem", "problems");
                let shown: Vec<String> = first.iter().take(SHOWN).map(Located::to_string).collect();
                let listed = match shown.len() {
                    shown if shown as u64 == count => String::new(),
                    shown => format!(", of which {shown} are listed"),
                };
                Self {
                    messages: shown,
                    hint: Some(format!("{all}{listed}; nothing was changed")),
                    kind: ErrorKind::Manifest,
                    problems: first,
                    problem_count: count,
                    notes,
                }
            }
        }
    }
}

impl From<RunError> for Error {
    fn from(error: RunError) -> Self {
        let kind = match &error {
            // The directory of the runs is a setting.
            RunError::Io { source, .. } if is_wrong_place(source) => ErrorKind::Usage,
            RunError::Journal(JournalError::Io { .. }) | RunError::Io { .. } => {
                ErrorKind::Unexpected
            }
            RunError::Journal(_)
            | RunError::SavedPlan { .. }
            | RunError::Unreadable { .. }
            | RunError::PlanChanged { .. }
            | RunError::PlanDamaged { .. } => ErrorKind::Run,
            RunError::NotSaved { .. }
            | RunError::OpenToOthers { .. }
            | RunError::Unknown(_)
            | RunError::Ambiguous { .. } => ErrorKind::Usage,
        };
        let hint = hint_for(&error);
        Self {
            hint,
            ..Self::new(kind, chain(&error))
        }
    }
}

/// Returns the next step after a run that cannot be started, read or resumed.
fn hint_for(error: &RunError) -> Option<String> {
    const APPLY_AGAIN: &str =
        "apply the manifest again: objects that are already there are left alone";
    let hint = match error {
        RunError::Unreadable { source, .. }
        | RunError::Journal(JournalError::Unreadable { source, .. }) => {
            return Some(match source {
                None => format!(
                    "nothing was sent; put it back from a copy of the run, or {APPLY_AGAIN}"
                ),
                Some(_) => format!(
                    "nothing was sent; let this user read it, put it back from a copy of the run, or {APPLY_AGAIN}"
                ),
            });
        }
        RunError::Io { source, .. } | RunError::Journal(JournalError::Io { source, .. }) => {
            return hint_for_place(source).map(str::to_owned);
        }
        RunError::PlanDamaged { .. } => {
            return Some(format!(
                "nothing was sent; put it back from a copy of the run, or {APPLY_AGAIN}"
            ));
        }
        RunError::SavedPlan { .. } => {
            "nothing was sent; zpa-bulk plan MANIFEST -o PLAN saves a plan anew"
        }
        RunError::NotSaved { .. } => "nothing was changed; --output names another place",
        RunError::OpenToOthers { .. } => {
            "nothing was sent; runs belong into a directory that only you can write to: --runs-dir names another"
        }
        RunError::Unknown(_) | RunError::Ambiguous { .. } => "zpa-bulk runs lists the runs",
        RunError::Journal(JournalError::Locked { .. }) => "wait for it, or stop it, and try again",
        RunError::Journal(JournalError::Newer { .. }) => "use the newer zpa-bulk",
        // The first line is the header. Without it, the plan and the tenant of the run are not known.
        RunError::Journal(JournalError::Damaged { line: 1, .. }) | RunError::PlanChanged { .. } => {
            return Some(format!("nothing was sent; {APPLY_AGAIN}"));
        }
        RunError::Journal(JournalError::Damaged { path, .. } | JournalError::Lost { path, .. }) => {
            let directory = path.parent().unwrap_or(path);
            return Some(format!(
                "nothing was sent; zpa-bulk journal repair {} shows what can be saved",
                shell_word(directory.display())
            ));
        }
    };
    Some(hint.to_owned())
}

fn is_wrong_place(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, PermissionDenied, ReadOnlyFilesystem};
    let kind = error.kind();
    matches!(kind, NotADirectory | PermissionDenied | ReadOnlyFilesystem)
}

/// Returns the next step if the files of a run cannot be written, or runs cannot be listed.
fn hint_for_place(error: &io::Error) -> Option<&'static str> {
    use io::ErrorKind::{FileTooLarge, NotADirectory, QuotaExceeded, StorageFull};
    Some(match error.kind() {
        NotADirectory => "nothing was sent; --runs-dir must name a directory",
        StorageFull | FileTooLarge | QuotaExceeded => {
            "nothing was sent; make room, or name a directory on another disk with --runs-dir"
        }
        _ if is_wrong_place(error) => {
            "nothing was sent; let this user read and write there, or name another directory with --runs-dir"
        }
        _ => return None,
    })
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        // A call that could not be written into the journal was not sent, so the run can be resumed.
        let kind = match &error {
            EngineError::Journal(_) => ErrorKind::Stopped,
            EngineError::Plan(_) => ErrorKind::Unexpected,
        };
        Self::new(kind, chain(&error))
    }
}

impl From<CoordinationError> for Error {
    fn from(error: CoordinationError) -> Self {
        Self::usage(chain(&error)).hint(UNSHARED)
    }
}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<TransportError> for Error {
    fn from(error: TransportError) -> Self {
        let hint = match &error {
            TransportError::Proxy => {
                "check HTTPS_PROXY or ALL_PROXY; NO_PROXY names hosts that need no proxy"
            }
            TransportError::Roots => "check the file that --ca-cert or ca_cert names",
            TransportError::Tls(_) | TransportError::Http(_) => {
                return Self::new(ErrorKind::Unexpected, error.to_string());
            }
        };
        Self::usage(error.to_string()).hint(hint)
    }
}

/// The next step for a user whose table cannot be used.
pub(super) const UNSHARED: &str = "other runs are known by way of this file, so make it usable; --no-shared-state goes on \
                                   without it, if no other run works on the tenant";

/// The next step for a user whose tenant does not know a microtenant.
const MICROTENANT: &str = "nothing was changed; compare the id with the admin console: a spreadsheet keeps 15 digits of an \
                           id that stands in it as a number";

fn describe_parked(parked: &Parked) -> String {
    match parked {
        Parked::Throttled { wait, until } => {
            let until = until.to_zoned(TimeZone::system());
            format!(
                "the server asks to wait for {}, until {}; that is longer than --max-wait",
                rounded(*wait),
                until.strftime("%F %T %Z")
            )
        }
        Parked::TimeIsUp => "the time for this run is up".to_owned(),
        Parked::Failing(failed) => {
            let items = counted(*failed, "item has", "items have");
            format!("{items} failed (--halt-on-failures)")
        }
    }
}

/// Returns the error of live state that was not read.
pub(super) fn unread(end: &End, temporary: ErrorKind) -> Error {
    of_end(end, temporary).unwrap_or_else(|| Error::new(temporary, "nothing was read"))
}

/// Returns the error of a run that did not finish, or of live state that was not read. `temporary` is the kind for
/// failures that another attempt may not meet.
#[must_use]
pub fn of_end(end: &End, temporary: ErrorKind) -> Option<Error> {
    match end {
        End::Finished => None,
        End::Stopped => Some(Error::new(
            ErrorKind::Stopped,
            "stopped before anything was changed",
        )),
        End::Parked(parked) => Some(Error::new(ErrorKind::Stopped, describe_parked(parked))),
        End::SignIn(error @ SignInError::Refused(_)) => {
            Some(Error::new(ErrorKind::Credentials, error.to_string()).hint(
                "check the client id, its secret or key, and that they belong to this cloud and tenant; \
                 zpa-bulk doctor shows where each comes from",
            ))
        }
        End::SignIn(error) => Some(
            Error::new(temporary, error.to_string())
                .hint("check the address and the network; zpa-bulk doctor looks at both"),
        ),
        End::Uncoordinated(reason) => Some(Error::new(ErrorKind::Stopped, reason.clone()).hint(UNSHARED)),
        End::Unreadable(kind, failure) => {
            let message = format!(
                "the {}s of the tenant cannot be read: {failure}",
                kind.noun()
            );
            let kind = match failure.status {
                Some(401 | 403) => ErrorKind::Credentials,
                _ => temporary,
            };
            let error = Error::new(kind, message);
            let is_microtenant = failure.to_string().contains("microtenant");
            Some(if is_microtenant { error.hint(MICROTENANT) } else { error })
        }
    }
}
