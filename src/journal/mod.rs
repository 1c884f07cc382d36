//! The journal of a run: what was about to be sent, and what came of it, on disk before it counts.
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
//! - The first line's kind is `header` ([`Header`]): the format's version, the program's, the run, the
//!   tenant, the SHA-256 of `plan.jsonl` and the settings. All others are `event`s ([`Event`]), without any
//!   space between the words of JSON, their members in this order:
//!
//! ```text
//! {"intent":{"call":N,"items":[N,…]}}
//! {"void":{"call":N,"items":[N,…]}}
//! {"outcomes":[{"item":N,"status":"created","id":"…"},{"item":N,"status":"failed","failure":{…}},…]}
//! {"before":{"item":N,"object":{…}}}
//! ```
//!
//! - `before` stands no later than the intent of the call that changes the object, and so is on disk with it. An item
//!   has several if its calls were refused; the last one counts. Version 1 does not have it, and is else the same.
//!
//! # What holds
//!
//! - An intent is on disk (`fdatasync`) before its call is sent. Outcomes are handed to the system at
//!   once and synced with the next intent or at the end of the run: one that is lost with the machine
//!   leaves its intent without outcome, which is looked up on resume.
//! - Records that arrive while a sync is under way share the next one (group commit).
//! - A last line that is not whole is torn: a crash cut the write off, nothing was sent for it. It is cut when the
//!   journal is opened. A bad line with lines behind it is damage, and the journal is refused.
//! - One process at a time: `lock` in the run directory is held exclusively and names its owner.
//! - After a failed write or sync nothing more is written: what the disk holds is then unknown.

mod cursor;
mod event;
mod frame;
mod lines;
mod lock;

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::event::{BeforeRef, ItemEvent, OutcomeRef};
pub use self::frame::Damage;
use self::frame::{At, Chain};
use self::lines::Lines;
use self::lock::Lock;
use crate::model::Event;

/// The version of the format that this program writes, and the newest that it reads.
pub const FORMAT: u32 = 2;

/// The journal's file in the run directory.
pub const FILE_NAME: &str = "journal.jsonl";

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
    /// What resuming needs to know and is no secret.
    pub settings: serde_json::Value,
}

/// Why a journal is refused.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Reading or writing failed.
    #[error("{}: the journal cannot be {doing}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Another process works on the run.
    #[error("{}: another process is working on this run{}", path.display(), owner.as_deref().map(|o| format!(" (pid {o})")).unwrap_or_default())]
    Locked {
        /// The run directory.
        path: PathBuf,
        /// The other process, as far as it said.
        owner: Option<String>,
    },
    /// A line is not as it was written.
    #[error("{}: line {line} is damaged: {damage}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        damage: Damage,
    },
    /// A newer program wrote it.
    #[error("{}: the journal has format {format}; this program reads up to {FORMAT}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
}

/// A journal open for appending, locked against other processes.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    chain: Chain,
    buffer: Vec<u8>,
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
        let mut journal = Self {
            path: path.clone(),
            file,
            chain: Chain::default(),
            buffer: Vec::new(),
            broken: false,
            _lock: lock,
        };
        journal.push("header", header, now)?;
        journal.commit()?;
        sync_dir(dir).map_err(failed)?;
        Ok(journal)
    }

    /// Opens the journal in `dir` to go on with it. What it says is handed to `visit` in order, item by item; a torn last line
    /// is cut off.
    ///
    /// # Errors
    /// All kinds of [`JournalError`].
    pub fn open(
        dir: &Path,
        visit: impl FnMut(ItemEvent<'_>),
    ) -> Result<(Self, Replayed), JournalError> {
        let lock = Lock::take(dir)?;
        let path = dir.join(FILE_NAME);
        let failed = |source| io_error(&path, "opened", source);
        let mut file = private().open(&path).map_err(failed)?;
        let replayed = replay_file(&path, &file, visit)?;
        if replayed.torn {
            file.set_len(replayed.end).map_err(failed)?;
            file.sync_all().map_err(failed)?;
        }
        file.seek(SeekFrom::Start(replayed.end)).map_err(failed)?;
        let journal = Self {
            path,
            file,
            chain: replayed.chain.clone(),
            buffer: Vec::new(),
            broken: false,
            _lock: lock,
        };
        Ok((journal, replayed))
    }

    /// Adds an event to what the next [`Journal::commit`] puts on disk.
    ///
    /// # Errors
    /// [`JournalError::Io`] after an earlier failure.
    pub fn append(&mut self, event: &Event, now: Timestamp) -> Result<(), JournalError> {
        self.push("event", event, now)
    }

    /// Puts everything appended on disk: one write, one `fdatasync`.
    ///
    /// # Errors
    /// [`JournalError::Io`]; the journal takes nothing more after that.
    pub fn commit(&mut self) -> Result<(), JournalError> {
        self.write_out(File::sync_data)
    }

    /// Hands everything appended to the system: it outlives this process, but not yet the machine. Enough
    /// for outcomes, which the next [`Journal::commit`] takes along.
    ///
    /// # Errors
    /// [`JournalError::Io`]; the journal takes nothing more after that.
    pub fn write(&mut self) -> Result<(), JournalError> {
        self.write_out(|_| Ok(()))
    }

    fn write_out(
        &mut self,
        sync: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<(), JournalError> {
        self.refuse_broken()?;
        let written = self
            .file
            .write_all(&self.buffer)
            .and_then(|()| sync(&self.file));
        self.buffer.clear();
        written.map_err(|source| {
            self.broken = true;
            io_error(&self.path, "written", source)
        })
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

/// What reading a journal found, besides its events.
#[derive(Debug)]
pub struct Replayed {
    /// The header.
    pub header: Header,
    /// Whether the last line was not whole.
    pub torn: bool,
    last: At,
    last_intents: LastIntents,
    chain: Chain,
    end: u64,
}

impl Replayed {
    /// Where the journal ends, a torn last line apart.
    #[must_use]
    pub fn extent(&self) -> Extent {
        self.chain.extent()
    }

    /// When the last whole record was written.
    #[must_use]
    pub fn last(&self) -> Timestamp {
        self.last.timestamp().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// When the last intents were written, oldest first, as many as a quota may count.
    #[must_use]
    pub fn last_intents(&self) -> Vec<Timestamp> {
        let intents = self.last_intents.0.iter();
        intents.filter_map(At::timestamp).collect()
    }
}

/// Where a journal ends. A journal that was cut, even between two records, ends elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// How many whole records it has, the header included.
    pub records: u64,
    /// The checksum of all of them, as the last one holds it.
    pub crc: u32,
}

/// Reads the journal in `dir` without locking or changing it. What it says is handed to `visit` in order, item by item.
///
/// # Errors
/// [`JournalError::Io`], [`JournalError::Damaged`] and [`JournalError::Newer`].
pub fn replay(dir: &Path, visit: impl FnMut(ItemEvent<'_>)) -> Result<Replayed, JournalError> {
    let path = dir.join(FILE_NAME);
    let file = File::open(&path).map_err(|source| io_error(&path, "opened", source))?;
    replay_file(&path, &file, visit)
}

/// Whether a process works on the run in `dir` right now.
#[must_use]
pub fn is_locked(dir: &Path) -> bool {
    lock::is_taken(dir)
}

fn replay_file(
    path: &Path,
    file: &File,
    mut visit: impl FnMut(ItemEvent<'_>),
) -> Result<Replayed, JournalError> {
    let failed = |source| io_error(path, "read", source);
    let mut lines = Lines::new(file);
    let first = lines.next().map_err(failed)?.unwrap_or_default();
    let mut found = start(path, first)?;
    let mut number = 1;
    while let Some(line) = lines.next().map_err(failed)? {
        number += 1;
        let damaged = |damage| damaged(path, number, damage);
        let length = line.len() as u64;
        match found.chain.check(line) {
            Ok(record) => {
                let is_intent = record.visit(&mut visit).map_err(damaged)?;
                found.end += length;
                found.last = record.at;
                if is_intent {
                    found.last_intents.note(record.at);
                }
            }
            Err(damage) => {
                found.torn = lines.is_at_end().map_err(failed)?;
                if !found.torn {
                    return Err(damaged(damage));
                }
            }
        }
    }
    Ok(found)
}

/// What is found in a journal that begins with that line.
fn start(path: &Path, line: &[u8]) -> Result<Replayed, JournalError> {
    let damaged = |damage| damaged(path, 1, damage);
    let mut chain = Chain::default();
    let no_header = || damaged(Damage::NoHeader);
    if line.is_empty() {
        return Err(no_header());
    }
    let record = chain.check(line).map_err(damaged)?;
    let format = record.format().ok_or_else(no_header)?;
    if format > FORMAT {
        return Err(JournalError::Newer {
            path: path.to_owned(),
            format,
        });
    }
    Ok(Replayed {
        header: record.header().ok_or_else(no_header)?,
        torn: false,
        last: record.at,
        last_intents: LastIntents::default(),
        chain,
        end: line.len() as u64,
    })
}

/// When the last intents were written.
#[derive(Debug, Default)]
struct LastIntents(VecDeque<At>);

impl LastIntents {
    /// More than any tenant's quota counts in a window.
    const KEPT: usize = 1000;

    fn note(&mut self, at: At) {
        if self.0.len() == Self::KEPT {
            self.0.pop_front();
        }
        self.0.push_back(at);
    }
}

fn damaged(path: &Path, line: u64, damage: Damage) -> JournalError {
    JournalError::Damaged {
        path: path.to_owned(),
        line,
        damage,
    }
}

fn io_error(path: &Path, doing: &'static str, source: io::Error) -> JournalError {
    JournalError::Io {
        path: path.to_owned(),
        doing,
        source,
    }
}

/// Files of a run are their owner's alone.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes the names of new files in `dir` last.
fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
