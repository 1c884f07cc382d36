//! The SHA-256 of a file while it is read or written.

use std::fmt;
use std::io::{self, Read, Write};

use ring::digest::{Context, SHA256};

/// A reader or writer that sums up all bytes that pass through it.
pub(crate) struct Digested<T> {
    inner: T,
    hash: Context,
}

impl<T: fmt::Debug> fmt::Debug for Digested<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Digested").field(&self.inner).finish()
    }
}

impl<T> Digested<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            hash: Context::new(&SHA256),
        }
    }

    /// Returns the inner reader or writer, and the SHA-256 of all bytes, in hexadecimal.
    pub(crate) fn finish(self) -> (T, String) {
        (self.inner, hex(self.hash))
    }
}

impl<T: Read> Read for Digested<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}

impl<T: Write> Write for Digested<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..length).unwrap_or_default());
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Returns the SHA-256 of these bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut hash = Context::new(&SHA256);
    hash.update(bytes);
    hex(hash)
}

fn hex(hash: Context) -> String {
    let hash = hash.finish();
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
