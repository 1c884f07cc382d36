//! The runs of a tenant, wherever their directories are.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use super::error::CoordinationError;
use super::now::{Now, nanos};
use super::store::{Coordination, Table};

/// The settle time of a run of which only the directory is known.
const UNKNOWN_SETTLE: Duration = Duration::from_secs(60);

/// The number of a run in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunId(i64);

impl ToSql for RunId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl FromSql for RunId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self)
    }
}

/// A run that the table knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRun {
    /// The directory of the run.
    pub directory: PathBuf,
    /// The name of the run.
    pub name: String,
    /// True if every item of the run has ended.
    pub finished: bool,
    /// True if none of its writes can still be carried out, as far as the table knows of them.
    pub settled: bool,
    /// The name of the run that was started in its place.
    pub replaced_by: Option<String>,
}

impl Coordination {
    /// Returns all runs that are known, the oldest first.
    ///
    /// # Errors
    /// [`CoordinationError`] if the table cannot be read.
    pub fn runs(&self, now: Now) -> Result<Vec<KnownRun>, CoordinationError> {
        const RUNS: &str = "SELECT directory, name, finished, replaced_by, sent + settle <= ?1 FROM runs ORDER BY name";
        self.change(now, |table| {
            let mut statement = table.transaction.prepare(RUNS)?;
            let rows = statement.query_map([table.now.uptime], |row| {
                Ok(KnownRun {
                    directory: PathBuf::from(row.get::<_, String>(0)?),
                    name: row.get(1)?,
                    finished: row.get(2)?,
                    replaced_by: row.get(3)?,
                    settled: row.get(4)?,
                })
            })?;
            rows.collect()
        })
    }
}

impl Table<'_> {
    /// Takes a run in that begins or is resumed. What an earlier process of it has claimed stays claimed until its last write
    /// has settled. The slots that it has not used are free again.
    ///
    /// # Errors
    /// A [`rusqlite::Error`] if the table cannot be written.
    pub fn begin(&self, directory: &str, name: &str, settle: Duration) -> rusqlite::Result<RunId> {
        const BEGIN: &str =
            "INSERT INTO runs (directory, name, settle, sent, finished) VALUES (?1, ?2, ?3, ?4, 0)
            ON CONFLICT (directory) DO UPDATE SET name = excluded.name, settle = excluded.settle, finished = 0
            RETURNING id";
        const LEAVE: &str =
            "UPDATE claims SET until = (SELECT sent + settle FROM runs WHERE id = ?1)
            WHERE run = ?1 AND until IS NULL";
        let begin = (directory, name, nanos(settle), self.now.uptime);
        let run = self.transaction.query_row(BEGIN, begin, |row| row.get(0))?;
        self.transaction.execute(LEAVE, [run])?;
        self.drop_slots_to_come(run)?;
        Ok(run)
    }

    /// Notes a run of which no more is known, unless it is known already.
    ///
    /// # Errors
    /// A [`rusqlite::Error`] if the table cannot be written.
    pub fn note(&self, directory: &str, name: &str) -> rusqlite::Result<()> {
        const NOTE: &str = "INSERT OR IGNORE INTO runs (directory, name, settle, sent, finished) VALUES (?1, ?2, ?3, ?4, 0)";
        let note = (directory, name, nanos(UNKNOWN_SETTLE), self.now.uptime);
        self.transaction.execute(NOTE, note)?;
        Ok(())
    }

    /// Notes that a run has finished. It holds nothing any more.
    ///
    /// # Errors
    /// A [`rusqlite::Error`] if the table cannot be written.
    pub fn finish(&self, directory: &str, name: &str) -> rusqlite::Result<()> {
        self.note(directory, name)?;
        let [release, finish] = [
            "DELETE FROM claims WHERE run = (SELECT id FROM runs WHERE directory = ?1)",
            "UPDATE runs SET finished = 1 WHERE directory = ?1",
        ];
        self.transaction.execute(release, [directory])?;
        self.transaction.execute(finish, [directory])?;
        Ok(())
    }

    /// Notes that the run of the name `by` was started in the place of another.
    ///
    /// # Errors
    /// A [`rusqlite::Error`] if the table cannot be written.
    pub fn replace(&self, directory: &str, by: &str) -> rusqlite::Result<()> {
        let replace = "UPDATE runs SET replaced_by = ?2 WHERE directory = ?1";
        self.transaction.execute(replace, (directory, by))?;
        Ok(())
    }

    /// Forgets a run whose directory is gone, if its last write has settled. Returns whether it did.
    ///
    /// # Errors
    /// A [`rusqlite::Error`] if the table cannot be written.
    pub fn forget(&self, directory: &str) -> rusqlite::Result<bool> {
        const FORGET: &str = "DELETE FROM runs WHERE directory = ?1 AND sent + settle <= ?2";
        let forgotten = self
            .transaction
            .execute(FORGET, (directory, self.now.uptime))?;
        Ok(forgotten > 0)
    }

    /// Notes that a run sends a write now.
    ///
    /// # Errors
    /// A [`rusqlite::Error`] if the table cannot be written.
    pub fn sends(&self, run: RunId) -> rusqlite::Result<()> {
        self.sends_at(run, self.now.uptime)
    }

    pub(super) fn sends_at(&self, run: RunId, at: i64) -> rusqlite::Result<()> {
        let note = "UPDATE runs SET sent = max(sent, ?2) WHERE id = ?1";
        self.transaction.execute(note, (run, at))?;
        Ok(())
    }
}
