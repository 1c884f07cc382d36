//! The exit codes. They are part of the command's interface.

use crate::ops::ErrorKind;

/// Everything is done.
pub const SUCCESS: u8 = 0;
/// Something happened that should not happen.
pub const UNEXPECTED: u8 = code(ErrorKind::Unexpected);
/// The usage or the settings are wrong.
pub const USAGE: u8 = code(ErrorKind::Usage);
/// The work is finished, but some items failed, or a claim of a run does not hold.
pub const FAILED_ITEMS: u8 = code(ErrorKind::FailedItems);
/// The work stopped early and can be resumed.
pub const STOPPED: u8 = code(ErrorKind::Stopped);
/// The credentials were refused.
pub const CREDENTIALS: u8 = code(ErrorKind::Credentials);
/// The user interrupted the command twice.
pub const INTERRUPTED: u8 = 130;

/// Returns the exit code for an error of that kind.
pub(crate) const fn code(kind: ErrorKind) -> u8 {
    kind as u8
}
