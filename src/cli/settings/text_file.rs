//! Files that the user names: their size is bounded, since a name may be mistyped or stand for a device.

use std::io::{self, Read};

/// The most bytes of a settings file, a scenario, a list of names or a file of certificates.
pub(crate) const LARGEST: u64 = 1 << 20;

/// Reads a file of at most `most` bytes.
pub(crate) fn read_bytes(file: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let (size, unit) = match most >> 20 {
            0 => (most >> 10, "KiB"),
            size => (size, "MiB"),
        };
        let message = format!("it is larger than {size} {unit}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Reads a file of UTF-8 of at most `most` bytes.
pub(crate) fn read_text(file: impl Read, most: u64) -> io::Result<String> {
    let text = String::from_utf8(read_bytes(file, most)?);
    text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8"))
}
