//! How much of a journal was on disk: what tells a write that was cut off from records that have gone.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::Path;

use super::private;

const FILE_NAME: &str = "journal.synced";

/// The number of bytes of the journal that are known to be on disk, kept in a file beside it. The file itself is not
/// synced each time: after a crash of the machine it may say less than is true, and never more.
#[derive(Debug)]
pub(super) struct SyncedOffset {
    file: File,
}

impl SyncedOffset {
    /// Everything may have been on disk, as far as is known.
    const UNKNOWN: u64 = u64::MAX;

    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let file = private().create(true).open(dir.join(FILE_NAME))?;
        Ok(Self { file })
    }

    pub(super) fn set(&mut self, bytes: u64) -> io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(format!("{bytes:020}\n").as_bytes())
    }

    /// Says, and syncs, that nothing is known: what follows changes the journal other than by appending.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.set(Self::UNKNOWN)?;
        self.sync()
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// What the mark in `dir` says. Nothing was on disk where there is none, as older programs kept none; one that
    /// cannot be understood may have said anything.
    pub(super) fn read(dir: &Path) -> io::Result<u64> {
        match fs::read(dir.join(FILE_NAME)) {
            Ok(text) => Ok(understood(&text).unwrap_or(Self::UNKNOWN)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }
}

fn understood(text: &[u8]) -> Option<u64> {
    str::from_utf8(text).ok()?.trim_end().parse().ok()
}
