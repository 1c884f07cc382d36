//! Appending to a journal, with group commit.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::error::{JournalError, io_error};
use super::frame::Chain;
use super::header::{FILE_NAME, Header};
use super::lock::Lock;
use super::replay::{self, Replayed};
use super::synced_offset::SyncedOffset;
use crate::files;
use crate::item::Event;
use crate::platform::sync_dir;

/// A journal open for appending, locked against other processes.
#[derive(Debug)]
pub struct Journal {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// Its length, without the text in the buffer.
    pub(super) length: u64,
    pub(super) chain: Chain,
    pub(super) buffer: Vec<u8>,
    pub(super) sync: fn(&File) -> io::Result<()>,
    pub(super) synced: SyncedOffset,
    pub(super) broken: bool,
    pub(super) _lock: Lock,
}

impl Journal {
    /// Starts a journal in the run directory `dir` with its header, on disk.
    ///
    /// # Errors
    /// [`JournalError::Io`] when it exists already or cannot be written, [`JournalError::Locked`].
    pub fn create(dir: &Path, header: &Header, now: Timestamp) -> Result<Self, JournalError> {
        let lock = Lock::take(dir)?;
        let path = dir.join(FILE_NAME);
        let failed = |source| io_error(&path, "created", source);
        let file = files::create(&path).map_err(failed)?;
        let synced = SyncedOffset::open(dir).map_err(failed)?;
        let mut journal = Self::at(path.clone(), file, 0, Chain::default(), synced, lock);
        journal.push("header", header, now)?;
        journal.commit()?;
        journal.synced.sync().map_err(failed)?;
        sync_dir(dir).map_err(failed)?;
        Ok(journal)
    }

    /// Takes note of the new name of its directory.
    pub fn moved(&mut self, dir: &Path) {
        self.path = dir.join(FILE_NAME);
    }

    /// Opens the journal in `dir` to go on with it. Hands its events to `visit` in order, and cuts a torn last line off.
    ///
    /// # Errors
    /// All kinds of [`JournalError`].
    pub fn open(dir: &Path, visit: impl FnMut(Event)) -> Result<(Self, Replayed), JournalError> {
        let lock = Lock::take(dir)?;
        let path = dir.join(FILE_NAME);
        let failed = |source| io_error(&path, "opened", source);
        let file = files::open_to_change(&path)
            .map_err(|source| JournalError::of_reading(&path, source))?;
        let replayed = replay::read(dir, &file, visit)?.whole(&path)?;
        let synced = SyncedOffset::open(dir).map_err(failed)?;
        let end = replayed.end;
        let mut journal = Self::at(
            path.clone(),
            file,
            end,
            replayed.chain.clone(),
            synced,
            lock,
        );
        journal.cut_to_length(replayed.torn).map_err(failed)?;
        Ok((journal, replayed))
    }

    /// Returns the journal that `file` holds up to `length`.
    pub(super) fn at(
        path: PathBuf,
        file: File,
        length: u64,
        chain: Chain,
        synced: SyncedOffset,
        lock: Lock,
    ) -> Self {
        Self {
            path,
            file,
            length,
            chain,
            buffer: Vec::new(),
            sync: File::sync_data,
            synced,
            broken: false,
            _lock: lock,
        }
    }

    /// Goes to the end of the journal, and cuts off the rest of the file if there is `more`.
    pub(super) fn cut_to_length(&mut self, more: bool) -> io::Result<()> {
        if more {
            self.file.set_len(self.length)?;
            self.file.sync_all()?;
        }
        self.file.seek(SeekFrom::Start(self.length))?;
        Ok(())
    }

    /// Returns the same journal on a disk that cannot sync any more.
    #[cfg(test)]
    pub(crate) fn on_a_failing_disk(mut self) -> Self {
        self.sync = |_| Err(io::Error::other("the disk is gone"));
        self
    }

    /// Adds an event, which the next [`Journal::commit`] puts on disk.
    ///
    /// # Errors
    /// [`JournalError::Io`] after an earlier failure.
    pub fn append(&mut self, event: &Event, now: Timestamp) -> Result<(), JournalError> {
        self.push("event", event, now)
    }

    /// Puts all appended events on disk with one write and one `fdatasync`.
    ///
    /// # Errors
    /// [`JournalError::Io`]; the journal takes nothing after that.
    pub fn commit(&mut self) -> Result<(), JournalError> {
        self.write_out(true)
    }

    /// Hands all appended events to the system: they outlive this process, but not yet the machine. Outcomes need no
    /// more, since the next [`Journal::commit`] syncs them too.
    ///
    /// # Errors
    /// [`JournalError::Io`]; the journal takes nothing after that.
    pub fn write(&mut self) -> Result<(), JournalError> {
        self.write_out(false)
    }

    pub(super) fn write_out(&mut self, to_disk: bool) -> Result<(), JournalError> {
        self.refuse_broken()?;
        let written = self.try_to_write(to_disk);
        self.buffer.clear();
        written.map_err(|source| {
            self.broken = true;
            io_error(&self.path, "written", source)
        })
    }

    pub(super) fn try_to_write(&mut self, to_disk: bool) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.length += self.buffer.len() as u64;
        if to_disk {
            (self.sync)(&self.file)?;
            self.synced.set(self.length)?;
        }
        Ok(())
    }

    pub(super) fn push(
        &mut self,
        kind: &str,
        record: &impl Serialize,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        self.refuse_broken()?;
        self.chain
            .write(&mut self.buffer, kind, record, now)
            .map_err(|source| {
                self.broken = true;
                io_error(&self.path, "written", source)
            })
    }

    pub(super) fn refuse_broken(&self) -> Result<(), JournalError> {
        if self.broken {
            let source = io::Error::other("an earlier write failed");
            return Err(io_error(&self.path, "written", source));
        }
        Ok(())
    }
}
