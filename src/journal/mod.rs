//! The journal of a run: each call before it is sent, and each outcome, on disk before it counts.
//!
//! # Format, version 2
//!
//! `journal.jsonl` in the run directory: JSON lines, appended and never changed. Every line has the form
//!
//! ```text
//! {"seq":N,"at":"<RFC 3339, UTC>","<kind>":…,"crc":"<8 hexadecimal digits>"}
//! ```
//!
//! - `seq` counts from 0 without a gap.
//! - `at` has milliseconds: 24 characters.
//! - `crc` is the CRC-32 (ISO 3309, as in zlib) of all lines so far, this one included, each up to the comma
//!   before its `"crc"`. So a line that is changed, missing, doubled or moved breaks the chain.
//! - The first line has the kind `header` ([`Header`]). It holds the version of the format and of the program, the run,
//!   the tenant, the SHA-256 of `plan.jsonl` and the settings. Older programs wrote a `plan_crc` too; it is not read.
//! - All other lines have the kind `event` ([`Event`]):
//!
//! ```text
//! {"intent":{"call":N,"items":[N,…]}}
//! {"void":{"call":N,"items":[N,…]}}
//! {"refused":{"call":N,"items":[N,…]}}
//! {"outcomes":[{"item":N,"status":"created","id":"…"},{"item":N,"status":"failed","failure":{…}},…]}
//! {"before":{"item":N,"object":{…}}}
//! {"batch_size":N}
//! ```
//!
//! - A `before` comes no later than the intent of the call that changes the object, and so is on disk with it. An item
//!   has several if its calls were refused; the last one counts.
//! - Version 1 has no `before`, no `refused` and no `batch_size`, and is the same otherwise.
//!
//! # What holds
//!
//! - An intent is on disk (`fdatasync`) before its call is sent. Outcomes are handed to the system at
//!   once and synced with the next intent or at the end of the run. An outcome that is lost with the machine
//!   leaves an intent without outcome, which is looked up on resume.
//! - Records that arrive while a sync is under way share the next one (group commit).
//! - `journal.synced`, beside the journal, holds the number of bytes that are known to be on disk, in twenty digits.
//! - A last line that is not whole is torn: a crash cut the write off, and nothing was sent for it. It is cut off when the
//!   journal is opened. If that line, or lines that are missing, were known to be on disk, intents may be lost with them.
//!   Such a journal can be read, and only [`Journal::cut`] opens it.
//! - A bad line with lines behind it is damage, and the journal is refused. [`Journal::cut`] cuts from there on, and keeps
//!   the lines in `journal.cut-N.jsonl`.
//! - Whoever cuts records off has to presume an intent for every item without outcome.
//! - One process at a time: `lock` in the run directory is held exclusively and names its owner.
//! - After a failed write or sync nothing more is written, since nobody knows what the disk holds.

mod frame;
mod lock;
mod repair;
mod replay;
mod synced_offset;

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::frame::Chain;
pub use self::frame::Damage;
use self::lock::Lock;
pub use self::repair::{Cut, examine};
pub use self::replay::{Replayed, replay};
use self::synced_offset::SyncedOffset;
use crate::item::Event;
use crate::platform::{self, sync_dir};

/// The version of the format that this program writes, and the newest that it reads.
pub const FORMAT: u32 = 2;

/// The journal's file in the run directory.
pub const FILE_NAME: &str = "journal.jsonl";

/// The number of intents, the last ones, whose times [`Replayed::last_intents`] returns: more than the quota of any tenant
/// counts in a window.
pub const INTENTS_KEPT: usize = 1000;

/// The first record of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format.
    pub format: u32,
    /// The version of the program.
    pub tool: String,
    /// The id of the run.
    pub run: String,
    /// The customer id of the tenant.
    pub tenant: String,
    /// The SHA-256 of `plan.jsonl`, in hexadecimal.
    pub plan_sha256: String,
    /// The settings that resuming needs, none of them secret.
    pub settings: serde_json::Value,
}

/// A journal that cannot be read, opened or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Reading or writing failed.
    #[error("{}: the journal cannot be {doing}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The step that failed.
        doing: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The file is missing or cannot be read.
    #[error("{}", unreadable("journal", path, source.as_ref()))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason; none for a file that is not there.
        #[source]
        source: Option<io::Error>,
    },
    /// Another process works on the run.
    #[error("{}: another process is working on this run{}", path.display(), owner.as_deref().map(|o| format!(" (pid {o})")).unwrap_or_default())]
    Locked {
        /// The run directory.
        path: PathBuf,
        /// The id of the other process, if it left one.
        owner: Option<String>,
    },
    /// A line differs from what was written.
    #[error("{}: line {line} is damaged: {damage}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The damage to the line.
        damage: Damage,
    },
    /// Records at the end, which were on disk, are gone or damaged. The journal may not know of calls that were sent.
    #[error("{}: the end of the journal, from line {line} on, was on disk and is gone: {damage}", path.display())]
    Lost {
        /// The file.
        path: PathBuf,
        /// The first line that is gone, from 1.
        line: u64,
        /// The damage to the line.
        damage: Damage,
    },
    /// A newer program wrote it.
    #[error("{}: the journal has format {format}; this program reads up to {FORMAT}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        format: u32,
    },
}

impl JournalError {
    fn of_reading(path: &Path, source: io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            source: Some(source).filter(is_there),
        }
    }
}

/// Returns true for any error but that of a file that is not there.
pub(crate) fn is_there(error: &io::Error) -> bool {
    error.kind() != io::ErrorKind::NotFound
}

/// Returns the message about a file, named as `what`, without which nothing can be done.
pub(crate) fn unreadable(what: &str, path: &Path, source: Option<&io::Error>) -> String {
    let fate = source.map_or("is missing", |_| "cannot be read");
    format!("{}: the {what} {fate}", path.display())
}

/// A journal open for appending, locked against other processes.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Its length, without the text in the buffer.
    length: u64,
    chain: Chain,
    buffer: Vec<u8>,
    sync: fn(&File) -> io::Result<()>,
    synced: SyncedOffset,
    broken: bool,
    _lock: Lock,
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
        let file = private().create_new(true).open(&path).map_err(failed)?;
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
        let file = private()
            .open(&path)
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
    fn at(
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
    fn cut_to_length(&mut self, more: bool) -> io::Result<()> {
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

    fn write_out(&mut self, to_disk: bool) -> Result<(), JournalError> {
        self.refuse_broken()?;
        let written = self.try_to_write(to_disk);
        self.buffer.clear();
        written.map_err(|source| {
            self.broken = true;
            io_error(&self.path, "written", source)
        })
    }

    fn try_to_write(&mut self, to_disk: bool) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.length += self.buffer.len() as u64;
        if to_disk {
            (self.sync)(&self.file)?;
            self.synced.set(self.length)?;
        }
        Ok(())
    }

    fn push(
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

    fn refuse_broken(&self) -> Result<(), JournalError> {
        if self.broken {
            let source = io::Error::other("an earlier write failed");
            return Err(io_error(&self.path, "written", source));
        }
        Ok(())
    }
}

/// The end of a journal. A journal that was cut, even between two records, has another end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEnd {
    /// The number of whole records, the header included.
    pub records: u64,
    /// The checksum of all records, as the last one holds it.
    pub crc: u32,
}

/// Returns true while a process works on the run in `dir`.
#[must_use]
pub fn is_locked(dir: &Path) -> bool {
    lock::is_taken(dir)
}

fn io_error(path: &Path, doing: &'static str, source: io::Error) -> JournalError {
    JournalError::Io {
        path: path.to_owned(),
        doing,
        source,
    }
}

/// Returns the options of files that only their owner may read.
fn private() -> OpenOptions {
    let mut options = platform::private_file();
    options.read(true).write(true);
    options
}

#[cfg(test)]
mod tests;
