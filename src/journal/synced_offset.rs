//! The part of a journal that is on disk. It tells a write that was cut off from records that are gone.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;

use crate::files;

const FILE_NAME: &str = "journal.synced";

/// More bytes than the file ever has.
const MOST: u64 = 64;

/// The number of bytes of the journal that are known to be on disk, kept in a file beside it. The file itself is not
/// synced each time: after a crash of the machine its number may be too small, and is never too large.
#[derive(Debug)]
pub(super) struct SyncedOffset {
    file: File,
}

impl SyncedOffset {
    /// The number where nothing is known: every byte may have been on disk.
    const UNKNOWN: u64 = u64::MAX;

    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let file = files::open_or_create(&dir.join(FILE_NAME))?;
        Ok(Self { file })
    }

    pub(super) fn set(&mut self, bytes: u64) -> io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(format!("{bytes:020}\n").as_bytes())
    }

    /// Writes, and syncs, that nothing is known. The journal is about to be changed other than by appending.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.set(Self::UNKNOWN)?;
        self.sync()
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Reads the number in `dir`. Without the file, which older programs did not keep, it is 0. A file that cannot be
    /// understood may have held any number.
    pub(super) fn read(dir: &Path) -> io::Result<u64> {
        match files::read(&dir.join(FILE_NAME), MOST) {
            Ok(text) => Ok(understood(&text).unwrap_or(Self::UNKNOWN)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }
}

fn understood(text: &[u8]) -> Option<u64> {
    str::from_utf8(text).ok()?.trim_end().parse().ok()
}
