//! One process at a time decides what is to be done.
//!
//! Between reading the tenant and starting its run a process knows what nobody else does. Two that did so at once
//! would both create what neither saw. The lock is the operating system's: it ends with its process, however that
//! ends.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::RunError;
use super::directory::no_room;
use crate::platform::{self, is_at, private_dirs};

const FILE_NAME: &str = ".planning";

/// The right to start or go on with runs of one directory, held as long as this value lives.
#[derive(Debug)]
pub struct PlanningLock {
    file: File,
    path: PathBuf,
    /// Whether the directory of all runs was made for it.
    first: bool,
}

/// Who has that right, as far as it says: its process id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy(pub String);

impl PlanningLock {
    /// Takes the right for the runs below `runs`, unless another process has it.
    ///
    /// # Errors
    /// [`RunError::Io`] when the file cannot be made or locked.
    pub fn begin(runs: &Path) -> Result<Result<Self, Busy>, RunError> {
        let path = runs.join(FILE_NAME);
        let failed = |source| no_room(runs, source);
        loop {
            let first = private_dirs(runs).map_err(failed)?;
            let mut file = open(&path).map_err(|error| {
                if first {
                    let _ = fs::remove_dir(runs);
                }
                failed(error)
            })?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut owner = String::new();
                    // Told for the sake of messages only.
                    let _ = file.read_to_string(&mut owner);
                    return Ok(Err(Busy(owner)));
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
            // Whoever held it before may have removed it since it was opened.
            if is_at(&file, &path) {
                let mut planning = Self { file, path, first };
                planning.tell().map_err(failed)?;
                return Ok(Ok(planning));
            }
        }
    }

    /// Says who has it.
    fn tell(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        write!(self.file, "{}", std::process::id())
    }
}

impl Drop for PlanningLock {
    fn drop(&mut self) {
        // What stays behind does no harm.
        let _ = fs::remove_file(&self.path);
        if let Some(runs) = self.path.parent().filter(|_| self.first) {
            let _ = fs::remove_dir(runs);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = platform::private_file();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_right_and_leaves_nothing_behind() {
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
