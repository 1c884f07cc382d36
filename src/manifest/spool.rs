//! Copies of what can be read only once.

use std::fs::File;
use std::io::{self, Read};

/// Copies at most `largest` bytes to an unnamed temporary file.
pub(super) fn spool(from: impl Read, largest: u64) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    let length = io::copy(&mut from.take(largest.saturating_add(1)), &mut file)?;
    if length > largest {
        return Err(too_large(largest));
    }
    Ok(file)
}

/// Returns the error of a manifest with more than `largest` bytes.
pub(super) fn too_large(largest: u64) -> io::Error {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let whole = units
        .into_iter()
        .find(|(_, bytes)| largest.is_multiple_of(*bytes));
    let (unit, bytes) = whole.unwrap_or(("bytes", 1));
    let largest = largest / bytes;
    let message = format!("it is larger than {largest} {unit}; --max-manifest allows more");
    io::Error::new(io::ErrorKind::FileTooLarge, message)
}
