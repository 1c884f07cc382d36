//! The lock of a run: one process at a time. The operating system keeps it, so it ends with its process, however that
//! ends.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use super::error::{JournalError, io_error};
use crate::files;

const FILE_NAME: &str = "lock";

/// The exclusive lock, held as long as this value lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join(FILE_NAME);
        let failed = |source| io_error(&path, "locked", source);
        let mut file = files::open_or_create(&path).map_err(failed)?;
        match patiently(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Locked {
                    path: dir.to_owned(),
                    owner: owner(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // Told for the sake of messages only; the lock holds without it.
        let told = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()));
        told.map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Tries for a while: a process that only asks if the run is locked holds the lock for an instant.
fn patiently(file: &File) -> Result<(), TryLockError> {
    const TRIES: u32 = 10;
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            result => return result,
        }
    }
    file.try_lock()
}

fn owner(file: &mut File) -> Option<String> {
    let mut owner = String::new();
    file.read_to_string(&mut owner).ok()?;
    let is_pid = !owner.is_empty() && owner.bytes().all(|b| b.is_ascii_digit());
    is_pid.then_some(owner)
}

/// Returns true while a process works on the run in `dir`.
#[must_use]
pub fn is_locked(dir: &Path) -> bool {
    let file = files::open(&dir.join(FILE_NAME));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
