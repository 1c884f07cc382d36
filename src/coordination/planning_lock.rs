//! The planning lock: one process at a time plans changes to a tenant and starts a run.
//!
//! After a process has read the tenant, and before its run has started, no other process can know its plan. Two that
//! planned at once would both create the same missing objects. The lock is the operating system's: it ends with its
//! process, however the process ends.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::files;

/// The right to start or resume runs of a tenant, held as long as this value lives.
#[derive(Debug)]
pub struct PlanningLock {
    _file: File,
}

/// The process id of the lock's holder, as the lock's file names it. Empty if the file does not name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy(pub String);

impl PlanningLock {
    /// Takes the lock, unless another process holds it.
    pub(super) fn begin(path: &Path) -> io::Result<Result<Self, Busy>> {
        const LONGEST_OWNER: u64 = 64;
        let mut file = files::open_or_create(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // Only messages need the owner.
                let mut owner = String::new();
                let _ = file.take(LONGEST_OWNER).read_to_string(&mut owner);
                return Ok(Err(Busy(owner)));
            }
            Err(TryLockError::Error(source)) => return Err(source),
        }
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{}", std::process::id())?;
        Ok(Ok(Self { _file: file }))
    }
}
