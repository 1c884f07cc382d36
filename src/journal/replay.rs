//! Reading a journal back, as far as it is sound.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;

use jiff::Timestamp;

use super::event::ItemEvent;
use super::frame::{At, Chain, Damage};
use super::lines::Lines;
use super::synced_offset::SyncedOffset;
use super::{FILE_NAME, FORMAT, Header, JournalEnd, JournalError};

/// What reading a journal found, besides its events.
#[derive(Debug)]
pub struct Replayed {
    /// The header.
    pub header: Header,
    /// Whether the last line was not whole.
    pub torn: bool,
    /// Whether records at the end, which were on disk once, are gone or damaged: intents may be among them.
    pub lost: bool,
    last: At,
    last_intents: LastIntents,
    pub(super) chain: Chain,
    pub(super) end: u64,
}

impl Replayed {
    /// Where the journal ends, a torn last line apart.
    #[must_use]
    pub fn journal_end(&self) -> JournalEnd {
        self.chain.journal_end()
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

/// Reads the journal in `dir` without locking or changing it. What it says is handed to `visit` in order, item by item.
///
/// # Errors
/// [`JournalError::Unreadable`], [`JournalError::Damaged`] and [`JournalError::Newer`].
pub fn replay(dir: &Path, visit: impl FnMut(ItemEvent<'_>)) -> Result<Replayed, JournalError> {
    let path = dir.join(FILE_NAME);
    let file = File::open(&path).map_err(|source| JournalError::of_reading(&path, source))?;
    read(dir, &file, visit)?.sound(&path)
}

/// What was read of a journal, up to where it stops being sound.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) replayed: Replayed,
    pub(super) flaw: Option<Flaw>,
}

/// Where a journal stops being sound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flaw {
    /// The first line that is not sound, from 1.
    pub(super) line: u64,
    pub(super) damage: Damage,
    /// Whether sound records may stand behind it.
    within: bool,
}

impl Reading {
    /// What was read, if nothing but its end is missing.
    pub(super) fn sound(self, path: &Path) -> Result<Replayed, JournalError> {
        match self.flaw {
            Some(flaw) if flaw.within => Err(damaged(path, flaw.line, flaw.damage)),
            _ => Ok(self.replayed),
        }
    }

    /// What was read, if nothing that was on disk is missing.
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

/// Reads the journal in `dir`, which is `file`. What it says is handed to `visit` up to where it stops being sound.
pub(super) fn read(
    dir: &Path,
    file: &File,
    mut visit: impl FnMut(ItemEvent<'_>),
) -> Result<Reading, JournalError> {
    let path = dir.join(FILE_NAME);
    let failed = |source| JournalError::of_reading(&path, source);
    // Before the journal, which another process may be writing.
    let synced = SyncedOffset::read(dir).map_err(failed)?;
    let mut lines = Lines::new(file);
    let first = lines.next().map_err(failed)?.unwrap_or_default();
    let mut found = start(&path, first)?;
    let mut flaw = None;
    let mut line = 1;
    while let Some(text) = lines.next().map_err(failed)? {
        line += 1;
        match found.take(text, &mut visit) {
            Ok(()) => {}
            Err(damage) => {
                let last = lines.is_at_end().map_err(failed)?;
                // A sound record that says nothing known was written by a program that knew more.
                let within = !last || damage == Damage::Content;
                found.torn = !within;
                flaw = Some(Flaw {
                    line,
                    damage,
                    within,
                });
                break;
            }
        }
    }
    found.lost = found.end < synced;
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
        lost: false,
        last: record.at,
        last_intents: LastIntents::default(),
        chain,
        end: line.len() as u64,
    })
}

impl Replayed {
    /// Takes the next line in.
    #[inline]
    fn take<'l>(
        &mut self,
        line: &'l [u8],
        visit: &mut impl FnMut(ItemEvent<'l>),
    ) -> Result<(), Damage> {
        let record = self.chain.check(line)?;
        let is_intent = record.visit(&mut self.chain.usual, visit)?;
        self.end += line.len() as u64;
        self.last = record.at;
        if is_intent {
            self.last_intents.note(record.at);
        }
        Ok(())
    }
}

/// When the last intents were written.
#[derive(Debug, Default)]
struct LastIntents(VecDeque<At>);

impl LastIntents {
    fn note(&mut self, at: At) {
        if self.0.len() == super::INTENTS_KEPT {
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
