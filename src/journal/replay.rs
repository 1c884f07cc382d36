//! The reading of a journal, as far as it is sound.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use jiff::Timestamp;

use super::error::JournalError;
use super::frame::{Chain, Damage};
use super::header::{FILE_NAME, FORMAT, Header, INTENTS_KEPT, JournalEnd};
use super::synced_offset::SyncedOffset;
use crate::files::{self, next_line};
use crate::item::Event;

/// The number of bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// The findings of reading a journal, besides its events.
#[derive(Debug)]
pub struct Replayed {
    /// The header.
    pub header: Header,
    /// True if the last line was not whole.
    pub torn: bool,
    /// True if records at the end, which were on disk once, are gone or damaged. Intents may be among them.
    pub lost: bool,
    /// The time of the last whole record.
    pub last: Timestamp,
    last_intents: VecDeque<Timestamp>,
    pub(super) chain: Chain,
    pub(super) end: u64,
}

impl Replayed {
    /// Returns the end of the journal, without a torn last line.
    #[must_use]
    pub fn journal_end(&self) -> JournalEnd {
        self.chain.journal_end()
    }

    /// Returns the times of the last intents, oldest first, as many as a quota may count.
    #[must_use]
    pub fn last_intents(&self) -> Vec<Timestamp> {
        self.last_intents.iter().copied().collect()
    }
}

/// Reads the journal in `dir` without locking or changing it, and hands its events to `visit` in order.
///
/// # Errors
/// [`JournalError::Unreadable`], [`JournalError::Damaged`] and [`JournalError::Newer`].
pub fn replay(dir: &Path, visit: impl FnMut(Event)) -> Result<Replayed, JournalError> {
    let path = dir.join(FILE_NAME);
    let file = files::open(&path).map_err(|source| JournalError::of_reading(&path, source))?;
    read(dir, &file, visit)?.sound(&path)
}

/// The sound part of a journal, and the flaw at its end.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) replayed: Replayed,
    pub(super) flaw: Option<Flaw>,
}

/// The place where a journal stops being sound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flaw {
    /// The first line that is not sound, from 1.
    pub(super) line: u64,
    pub(super) damage: Damage,
    /// True if sound records may follow.
    within: bool,
}

impl Reading {
    /// Returns the sound part, if nothing but the end is missing.
    pub(super) fn sound(self, path: &Path) -> Result<Replayed, JournalError> {
        match self.flaw {
            Some(flaw) if flaw.within => Err(damaged(path, flaw.line, flaw.damage)),
            _ => Ok(self.replayed),
        }
    }

    /// Returns the sound part, if nothing that was on disk is missing.
    pub(super) fn whole(self, path: &Path) -> Result<Replayed, JournalError> {
        match self.flaw {
            Some(flaw) if self.replayed.lost && !flaw.within => Err(JournalError::Lost {
                path: path.to_owned(),
                line: flaw.line,
                damage: flaw.damage,
            }),
            _ => self.sound(path),
        }
    }
}

/// Reads the journal in `dir`, which is `file`, and hands the events of its sound part to `visit`.
pub(super) fn read(
    dir: &Path,
    file: &File,
    mut visit: impl FnMut(Event),
) -> Result<Reading, JournalError> {
    let path = dir.join(FILE_NAME);
    let failed = |source| JournalError::of_reading(&path, source);
    // Before the journal, which another process may be writing.
    let synced = SyncedOffset::read(dir).map_err(failed)?;
    let mut lines = BufReader::with_capacity(CHUNK, file);
    let mut text = Vec::new();
    next_line(&mut lines, &mut text).map_err(failed)?;
    let mut found = start(&path, &text)?;
    let mut flaw = None;
    let mut line = 1;
    while next_line(&mut lines, &mut text).map_err(failed)? > 0 {
        line += 1;
        match found.take(&text, &mut visit) {
            Ok(()) => {}
            Err(damage) => {
                let last = lines.fill_buf().map_err(failed)?.is_empty();
                // Behind the synced offset, a crash of the machine may leave anything, such as zeros. An older journal has
                // no such offset, and a sound record that says nothing known was written by a program that knew more.
                let was_synced = found.end < synced || synced == 0;
                let within = (!last && was_synced) || damage == Damage::Content;
                found.torn = last && !within;
                found.lost = !last && !within;
                flaw = Some(Flaw {
                    line,
                    damage,
                    within,
                });
                break;
            }
        }
    }
    found.lost |= found.end < synced;
    if found.lost && flaw.is_none() {
        flaw = Some(Flaw {
            line: line + 1,
            damage: Damage::Missing,
            within: false,
        });
    }
    Ok(Reading {
        replayed: found,
        flaw,
    })
}

/// Reads the header of the journal in `dir`.
///
/// # Errors
/// The same as for [`replay`].
pub fn read_header(dir: &Path) -> Result<Header, JournalError> {
    let path = dir.join(FILE_NAME);
    let mut line = Vec::new();
    files::open(&path)
        .and_then(|file| next_line(&mut BufReader::new(file), &mut line))
        .map_err(|source| JournalError::of_reading(&path, source))?;
    Ok(start(&path, &line)?.header)
}

/// Returns the findings behind the first line of a journal.
fn start(path: &Path, line: &[u8]) -> Result<Replayed, JournalError> {
    let damaged = |damage| damaged(path, 1, damage);
    let mut chain = Chain::default();
    let no_header = || damaged(Damage::NoHeader);
    if line.is_empty() {
        return Err(no_header());
    }
    let record = chain.check(line).map_err(damaged)?;
    let last = record.at().ok_or_else(no_header)?;
    let format = record.format().ok_or_else(no_header)?;
    if format > FORMAT {
        return Err(JournalError::Newer {
            path: path.to_owned(),
            format,
        });
    }
    let header = record.header().ok_or_else(no_header)?;
    chain.pass(&record);
    Ok(Replayed {
        header,
        torn: false,
        lost: false,
        last,
        last_intents: VecDeque::new(),
        chain,
        end: line.len() as u64,
    })
}

impl Replayed {
    /// Takes the next line in. A line with damage changes nothing.
    fn take(&mut self, line: &[u8], visit: &mut impl FnMut(Event)) -> Result<(), Damage> {
        let mut record = self.chain.check(line)?;
        let at = record.at().ok_or(Damage::Form)?;
        let event = record.event.take().ok_or(Damage::Content)?;
        self.chain.pass(&record);
        self.end += line.len() as u64;
        self.last = at;
        if matches!(event, Event::Intent { .. }) {
            self.note_intent(at);
        }
        visit(event);
        Ok(())
    }

    fn note_intent(&mut self, at: Timestamp) {
        if self.last_intents.len() == INTENTS_KEPT {
            self.last_intents.pop_front();
        }
        self.last_intents.push_back(at);
    }
}

fn damaged(path: &Path, line: u64, damage: Damage) -> JournalError {
    JournalError::Damaged {
        path: path.to_owned(),
        line,
        damage,
    }
}
