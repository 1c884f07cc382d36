//! The planning lock: one process at a time plans changes and starts a run.
//!
//! After a process has read the tenant, and before its run has started, no other process can know its plan. Two that
//! planned at once would both create the same missing objects. The lock is the operating system's: it ends with its
//! process, however the process ends.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::directory::cannot_start;
use super::error::RunError;
use crate::files;
use crate::platform::{is_at, private_dirs};

const FILE_NAME: &str = ".planning";

/// The right to start or resume runs of one directory, held as long as this value lives.
#[derive(Debug)]
pub struct PlanningLock {
    file: File,
    path: PathBuf,
    /// True if the directory of all runs was made for the lock.
    made_runs_dir: bool,
}

/// The process id of the lock's holder, as the lock's file names it. Empty if the file does not name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy(pub String);

impl PlanningLock {
    /// Takes the lock for the runs below `runs`, unless another process holds it.
    ///
    /// # Errors
    /// [`RunError::Io`] if the file cannot be made or locked.
    pub fn begin(runs: &Path) -> Result<Result<Self, Busy>, RunError> {
        let path = runs.join(FILE_NAME);
        let failed = cannot_start(runs);
        loop {
            let made_runs_dir = private_dirs(runs).map_err(failed)?;
            let mut file = files::open_or_create(&path).map_err(|error| {
                if made_runs_dir {
                    let _ = fs::remove_dir(runs);
                }
                failed(error)
            })?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut owner = String::new();
                    // Only messages need the owner.
                    let _ = file.read_to_string(&mut owner);
                    return Ok(Err(Busy(owner)));
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
            // The holder before may have removed the file after it was opened here.
            if is_at(&file, &path) {
                let mut lock = Self {
                    file,
                    path,
                    made_runs_dir,
                };
                lock.write_owner().map_err(failed)?;
                return Ok(Ok(lock));
            }
        }
    }

    fn write_owner(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        write!(self.file, "{}", std::process::id())
    }
}

impl Drop for PlanningLock {
    fn drop(&mut self) {
        // A file that stays behind does no harm.
        let _ = fs::remove_file(&self.path);
        if let Some(runs) = self.path.parent().filter(|_| self.made_runs_dir) {
            let _ = fs::remove_dir(runs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_holds_it_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let runs = dir.path().join("runs");
        let first = PlanningLock::begin(&runs).unwrap().unwrap();
        let owner = PlanningLock::begin(&runs).unwrap().unwrap_err();
        assert_eq!(owner, Busy(std::process::id().to_string()));
        drop(first);
        assert!(!runs.exists());
        PlanningLock::begin(&runs).unwrap().unwrap();
    }
}
