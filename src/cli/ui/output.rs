//! Files that a command writes to a path that the user gives.

use std::io::{self, Write as _};
use std::path::Path;

use crate::ops::Error;
use crate::platform;

/// Replaces the file at `path`, whole or not at all, by one that only its owner can read. If `path` is no regular file,
/// like a pipe, writes into it instead.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) if it cannot be written.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    replace(path, bytes).map_err(|error| failed(path, &error))
}

/// Does the same for a file that all users of the machine may read: a collector of metrics is another user.
///
/// # Errors
/// The same as for [`write`].
pub(crate) fn write_readable(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    put(path, bytes, true).map_err(|error| failed(path, &error))
}

/// Does the same as [`write`], with the bare error.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, false)
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::usage(format!("{}: {error}", path.display()))
}

fn put(path: &Path, bytes: &[u8], is_for_all: bool) -> io::Result<()> {
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if target.exists() && !target.is_file() {
        return std::fs::OpenOptions::new()
            .write(true)
            .open(target)?
            .write_all(bytes);
    }
    let parent = target.parent().filter(|parent| *parent != Path::new(""));
    let parent = parent.unwrap_or(Path::new("."));
    if !parent.is_dir() {
        let message = format!("there is no directory {}", parent.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    file.write_all(bytes)?;
    if is_for_all {
        platform::let_others_read(file.as_file())?;
    }
    file.as_file().sync_all()?;
    file.persist(target)?;
    Ok(())
}
