//! Files that commands write where the user says.

use std::io::{self, Write as _};
use std::path::Path;

/// Puts a file that only its owner can read in the place of the one at `path`, whole or not at all. What is
/// there and is no file, like a pipe, is written to.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if place.exists() && !place.is_file() {
        return std::fs::OpenOptions::new()
            .write(true)
            .open(place)?
            .write_all(bytes);
    }
    let parent = place.parent().filter(|parent| *parent != Path::new(""));
    let parent = parent.unwrap_or(Path::new("."));
    if !parent.is_dir() {
        let message = format!("there is no directory {}", parent.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(place)?;
    Ok(())
}
