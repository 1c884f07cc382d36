//! The repair of a journal: it is cut where it stops being sound, and the rest is kept beside it.

use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::error::{JournalError, io_error};
use super::frame::{Damage, Record};
use super::header::FILE_NAME;
use super::lock::Lock;
use super::replay::{self, Flaw, Replayed};
use super::synced_offset::SyncedOffset;
use super::writer::Journal;
use crate::files::{self, next_line};
use crate::item::Event;
use crate::platform::sync_dir;

/// The rest of a journal behind its last sound record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The first line that is not sound, from 1.
    pub line: u64,
    /// The damage to that line.
    pub damage: Damage,
    /// The number of lines from that one on.
    pub lines: u64,
    /// The number of their bytes.
    pub bytes: u64,
    /// The number of lines that cannot be read.
    pub unreadable: u64,
    /// The number of intents of single items in the other lines.
    pub intents: u64,
    /// The number of outcomes in the other lines.
    pub outcomes: u64,
}

/// Reads the journal in `dir` as far as it is sound, without locking or changing it, and hands its events to `visit`.
/// Returns the rest too, if anything was lost there. A torn last line alone is no loss.
///
/// # Errors
/// [`JournalError`] when the journal cannot be read, or not even its header is sound.
pub fn examine(
    dir: &Path,
    visit: impl FnMut(Event),
) -> Result<(Replayed, Option<Cut>), JournalError> {
    let path = dir.join(FILE_NAME);
    let failed = |source| JournalError::of_reading(&path, source);
    let file = files::open(&path).map_err(failed)?;
    let reading = replay::read(dir, &file, visit)?;
    let (found, flaw) = (reading.replayed, reading.flaw);
    let Some(flaw) = flaw.filter(|_| found.lost || !found.torn) else {
        return Ok((found, None));
    };
    let cut = counted(flaw, &file, found.end).map_err(failed)?;
    Ok((found, Some(cut)))
}

impl Journal {
    /// Opens the journal in `dir` like [`Journal::open`], after cutting off all that is not sound. Returns the name of the
    /// new file that keeps the rest. Until the next [`Journal::commit`] the journal counts as one whose end was lost.
    ///
    /// # Errors
    /// [`JournalError`] when the journal cannot be read, locked or written, or not even its header is sound.
    pub fn cut(
        dir: &Path,
        visit: impl FnMut(Event),
    ) -> Result<(Self, Option<PathBuf>), JournalError> {
        let lock = Lock::take(dir)?;
        let path = dir.join(FILE_NAME);
        let failed = |source| io_error(&path, "repaired", source);
        let file = files::open_to_change(&path).map_err(failed)?;
        let found = replay::read(dir, &file, visit)?.replayed;
        let mut synced = SyncedOffset::open(dir).map_err(failed)?;
        synced.forget().map_err(failed)?;
        let aside = set_aside(dir, &file, found.end).map_err(failed)?;
        let mut journal = Self::at(path.clone(), file, found.end, found.chain, synced, lock);
        journal.cut_to_length(true).map_err(failed)?;
        Ok((journal, aside))
    }
}

/// Counts the lines from byte `start` on, and their content as far as it can be read.
fn counted(flaw: Flaw, mut file: &File, start: u64) -> io::Result<Cut> {
    let mut cut = Cut {
        line: flaw.line,
        damage: flaw.damage,
        lines: 0,
        bytes: 0,
        unreadable: 0,
        intents: 0,
        outcomes: 0,
    };
    file.seek(SeekFrom::Start(start))?;
    let mut lines = BufReader::new(file);
    let mut line = Vec::new();
    while next_line(&mut lines, &mut line)? > 0 {
        cut.lines += 1;
        cut.bytes += line.len() as u64;
        match Record::unchecked(&line)
            .ok()
            .and_then(|record| record.event)
        {
            Some(Event::Intent { items, .. }) => cut.intents += items.len() as u64,
            Some(Event::Outcomes(outcomes)) => cut.outcomes += outcomes.len() as u64,
            Some(_) => {}
            None => cut.unreadable += 1,
        }
    }
    Ok(cut)
}

/// Copies the journal from byte `start` on to a new file beside it, on disk. Returns none if nothing is there.
fn set_aside(dir: &Path, mut journal: &File, start: u64) -> io::Result<Option<PathBuf>> {
    if journal.metadata()?.len() <= start {
        return Ok(None);
    }
    journal.seek(SeekFrom::Start(start))?;
    let (path, mut aside) = unused(dir)?;
    io::copy(&mut journal, &mut aside)?;
    aside.sync_all()?;
    sync_dir(dir)?;
    Ok(Some(path))
}

/// Creates a file for the rest of the journal, which may be cut several times.
fn unused(dir: &Path) -> io::Result<(PathBuf, File)> {
    let mut number = 1;
    loop {
        let path = dir.join(format!("journal.cut-{number}.jsonl"));
        match files::create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            created => return created.map(|file| (path, file)),
        }
    }
}
