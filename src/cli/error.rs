//! What the user is told when a command does not succeed, and the exit codes.

use std::error::Error;
use std::io;

use jiff::tz::TimeZone;

use crate::engine::{End, EngineError, Parked};
use crate::journal::JournalError;
use crate::run::{PlanError, RunError};
use crate::zpa::{ConnectionError, SignInError, TransportError};

/// The exit codes. They are part of the command's interface.
pub mod exit {
    /// Everything settled.
    pub const SUCCESS: u8 = 0;
    /// Something that should not happen.
    pub const UNEXPECTED: u8 = 1;
    /// Usage or settings.
    pub const USAGE: u8 = 2;
    /// The manifest is invalid; nothing was sent.
    pub const MANIFEST: u8 = 3;
    /// Finished, and some items failed; or something is not as a run says.
    pub const FAILED_ITEMS: u8 = 4;
    /// Stopped early; can be resumed.
    pub const STOPPED: u8 = 5;
    /// The credentials were refused.
    pub const CREDENTIALS: u8 = 6;
    /// The run was refused: its journal or its plan is locked, missing, unreadable, damaged, of a newer format or of
    /// another tenant.
    pub const JOURNAL: u8 = 7;
    /// Stopped by a guard; nothing was deleted.
    pub const GUARD: u8 = 8;
    /// Interrupted twice.
    pub const INTERRUPTED: u8 = 130;
}

/// An error on its way to the user.
#[derive(Debug)]
pub(super) struct CliError {
    /// What happened; the first line stands behind "error: ".
    pub(super) messages: Vec<String>,
    /// What to do next.
    pub(super) hint: Option<String>,
    /// The exit code.
    pub(super) code: u8,
}

impl CliError {
    pub(super) fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            messages: vec![message.into()],
            hint: None,
            code,
        }
    }

    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(exit::USAGE, message)
    }

    /// What the guards have against a plan, if anything.
    pub(super) fn refused_by_guards(objections: Vec<String>) -> Result<(), Self> {
        if objections.is_empty() {
            return Ok(());
        }
        Err(Self {
            messages: objections,
            hint: Some("nothing was deleted".to_owned()),
            code: exit::GUARD,
        })
    }

    pub(super) fn unexpected(what: &str, error: &dyn Error) -> Self {
        Self::new(exit::UNEXPECTED, format!("{what}: {}", chain(error)))
    }

    /// The same about that run.
    pub(super) fn of_run(mut self, name: &str) -> Self {
        for message in &mut self.messages {
            *message = format!("{name}: {message}");
        }
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A number with the word for what it counts.
pub(super) fn counted(count: u64, one: &str, more: &str) -> String {
    let what = if count == 1 { one } else { more };
    format!("{count} {what}")
}

/// An error with its sources, each once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

impl From<PlanError> for CliError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Run(error) => error.into(),
            PlanError::Manifest(error) => Self::usage(chain(&error)),
            PlanError::Problems(problems) => {
                let count = counted(problems.len() as u64, "problem", "problems");
                Self {
                    messages: problems,
                    hint: Some(format!("{count}; nothing was changed")),
                    code: exit::MANIFEST,
                }
            }
        }
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> Self {
        let code = match &error {
            // Where runs are to be is a setting.
            RunError::Io { source, .. } if is_wrong_place(source) => exit::USAGE,
            RunError::Journal(JournalError::Io { .. }) | RunError::Io { .. } => exit::UNEXPECTED,
            RunError::Journal(_)
            | RunError::Unreadable { .. }
            | RunError::PlanChanged { .. }
            | RunError::PlanDamaged { .. } => exit::JOURNAL,
            RunError::Unknown(_) | RunError::Ambiguous { .. } => exit::USAGE,
        };
        let hint = hint_for(&error);
        Self {
            hint,
            ..Self::new(code, chain(&error))
        }
    }
}

/// What to do about a run that cannot be started, read or gone on with.
fn hint_for(error: &RunError) -> Option<String> {
    const ANEW: &str = "apply the manifest anew: what is already there is left alone";
    let hint = match error {
        RunError::Unreadable { source, .. }
        | RunError::Journal(JournalError::Unreadable { source, .. }) => {
            return Some(match source {
                None => format!("nothing was sent; put it back from a copy of the run, or {ANEW}"),
                Some(_) => format!(
                    "nothing was sent; let this user read it, put it back from a copy of the run, or {ANEW}"
                ),
            });
        }
        RunError::Io { source, .. } | RunError::Journal(JournalError::Io { source, .. }) => {
            return hint_for_place(source).map(str::to_owned);
        }
        RunError::PlanDamaged { .. } => {
            return Some(format!(
                "nothing was sent; put it back from a copy of the run, or {ANEW}"
            ));
        }
        RunError::Unknown(_) | RunError::Ambiguous { .. } => "zpa-bulk runs lists the runs",
        RunError::Journal(JournalError::Locked { .. }) => "wait for it, or stop it, and try again",
        RunError::Journal(JournalError::Newer { .. }) => "use the newer zpa-bulk",
        // Without its header, nothing says which plan and tenant it is of.
        RunError::Journal(JournalError::Damaged { line: 1, .. }) | RunError::PlanChanged { .. } => {
            return Some(format!("nothing was sent; {ANEW}"));
        }
        RunError::Journal(JournalError::Damaged { path, .. } | JournalError::Lost { path, .. }) => {
            let directory = path.parent().unwrap_or(path);
            return Some(format!(
                "nothing was sent; zpa-bulk journal repair {} shows what can be saved",
                directory.display()
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

/// What to do where the files of a run cannot be written, or runs cannot be listed.
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

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        // What could not be written down was not sent: the run can be gone on with.
        let code = match &error {
            EngineError::Journal(_) => exit::STOPPED,
            EngineError::Plan(_) => exit::UNEXPECTED,
        };
        Self::new(code, chain(&error))
    }
}

impl From<ConnectionError> for CliError {
    fn from(error: ConnectionError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<TransportError> for CliError {
    fn from(error: TransportError) -> Self {
        let hint = match &error {
            TransportError::Proxy => {
                "check HTTPS_PROXY or ALL_PROXY; NO_PROXY names hosts that need no proxy"
            }
            TransportError::Roots => "check the file that --ca-cert or ca_cert names",
            TransportError::Tls(_) | TransportError::Http(_) => {
                return Self::new(exit::UNEXPECTED, error.to_string());
            }
        };
        Self::usage(error.to_string()).hint(hint)
    }
}

fn describe_parked(parked: &Parked) -> String {
    match parked {
        Parked::Throttled(until) => {
            let until = until.to_zoned(TimeZone::system());
            format!(
                "parked: the server asks to wait until {}, longer than --max-wait",
                until.strftime("%F %T %Z")
            )
        }
        Parked::TimeIsUp => "parked: the time for this run is up".to_owned(),
        Parked::Failing(failed) => {
            let items = counted(*failed, "item has", "items have");
            format!("parked: {items} failed (--halt-on-failures)")
        }
    }
}

/// Why live state was not read, or a run did not settle. `passing` is the exit code for what may be better
/// another time.
pub(super) fn of_end(end: &End, passing: u8) -> Option<CliError> {
    match end {
        End::Finished => None,
        End::Stopped => Some(CliError::new(
            exit::STOPPED,
            "stopped before anything was changed",
        )),
        End::Parked(parked) => Some(CliError::new(exit::STOPPED, describe_parked(parked))),
        End::SignIn(error @ SignInError::Refused(_)) => {
            Some(CliError::new(exit::CREDENTIALS, error.to_string()).hint(
                "check the client id, its secret or key, and that they belong to this cloud and tenant; \
                 zpa-bulk doctor shows where each comes from",
            ))
        }
        End::SignIn(error) => Some(
            CliError::new(passing, error.to_string())
                .hint("check the address and the network; zpa-bulk doctor looks at both"),
        ),
        End::Unreadable(kind, failure) => {
            let message = format!(
                "the {}s of the tenant cannot be read: {failure}",
                kind.noun()
            );
            let barred = matches!(failure.status, Some(401 | 403));
            Some(CliError::new(
                if barred { exit::CREDENTIALS } else { passing },
                message,
            ))
        }
    }
}
