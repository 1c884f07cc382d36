//! The exit codes. They are part of the command's interface.

use crate::ops::ErrorKind;

/// Everything is done.
pub const SUCCESS: u8 = 0;
/// Something happened that should not happen.
pub const UNEXPECTED: u8 = 1;
/// The usage or the settings are wrong.
pub const USAGE: u8 = 2;
/// The manifest is invalid; nothing was sent.
pub const MANIFEST: u8 = 3;
/// The work is finished, but some items failed, or a claim of a run does not hold.
pub const FAILED_ITEMS: u8 = 4;
/// The work stopped early and can be resumed.
pub const STOPPED: u8 = 5;
/// The credentials were refused.
pub const CREDENTIALS: u8 = 6;
/// The run was refused: its journal or its plan is locked, missing, unreadable, damaged, of a newer format or of
/// another tenant.
pub const RUN: u8 = 7;
/// A guard stopped the work; nothing was deleted.
pub const GUARD: u8 = 8;
/// The user interrupted the command twice.
pub const INTERRUPTED: u8 = 130;

/// Returns the exit code for an error of that kind.
pub(crate) fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Unexpected => UNEXPECTED,
        ErrorKind::Usage => USAGE,
        ErrorKind::Manifest => MANIFEST,
        ErrorKind::FailedItems => FAILED_ITEMS,
        ErrorKind::Stopped => STOPPED,
        ErrorKind::Credentials => CREDENTIALS,
        ErrorKind::Run => RUN,
        ErrorKind::Guard => GUARD,
    }
}
