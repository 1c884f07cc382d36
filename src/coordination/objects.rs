//! Single objects in the table: the run that is about to change one (its claim), the run that one belongs to (its owner), and
//! the objects that were changed and deleted lately.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::OptionalExtension as _;

use super::error::CoordinationError;
use super::now::{Now, nanos};
use super::runs::RunId;
use super::store::{Coordination, Table};

/// The run that holds an object which another run wants to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The directory of the run.
    pub directory: PathBuf,
}

/// The longest time for which a listing is taken to lag behind.
const LAG: Duration = Duration::from_secs(600);

/// A claim as the table has it.
struct Claim {
    run: RunId,
    /// The end of a claim that an earlier process of the run has left.
    until: Option<i64>,
    directory: String,
    /// The instant until which the last write of the run may still be carried out.
    settled: i64,
}

impl Coordination {
    /// Returns the object of each scope that a run has changed last, if that was within ten minutes.
    ///
    /// # Errors
    /// [`CoordinationError`] if the table cannot be read.
    pub fn latest(&self, now: Now) -> Result<HashMap<String, String>, CoordinationError> {
        self.change(now, |table| {
            let since = now.uptime.saturating_sub(nanos(LAG));
            let mut statement = table
                .transaction
                .prepare("SELECT scope, object FROM latest WHERE at >= ?1")?;
            let rows = statement.query_map([since], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
    }

    /// Returns every object that belongs to a run, with the name of the run.
    ///
    /// # Errors
    /// [`CoordinationError`] if the table cannot be read.
    pub fn owners(&self, now: Now) -> Result<Vec<(String, String)>, CoordinationError> {
        self.change(now, |table| {
            let mut statement = table
                .transaction
                .prepare("SELECT object, run FROM owners")?;
            let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
    }
}

impl Table<'_> {
    /// Claims an object for a run, until the run releases it or ends. If another run holds it, returns that run. A run
    /// holds what it has claimed while a process works on it (`is_active` of its directory), and until its last write has
    /// settled.
    ///
    /// # Errors
    /// A [`rusqlite::Error`] if the table cannot be read or written.
    pub fn claim(
        &self,
        object: &str,
        run: RunId,
        is_active: impl FnOnce(&Path) -> bool,
    ) -> rusqlite::Result<Option<Holder>> {
        let holder = self.claim_on(object)?.filter(|claim| claim.run != run);
        if let Some(claim) = holder {
            let directory = PathBuf::from(claim.directory);
            let is_held = match claim.until {
                Some(until) => until > self.now.uptime,
                None => claim.settled > self.now.uptime || is_active(&directory),
            };
            if is_held {
                return Ok(Some(Holder { directory }));
            }
        }
        self.transaction.execute(
            "INSERT OR REPLACE INTO claims VALUES (?1, ?2, NULL)",
            (object, run),
        )?;
        Ok(None)
    }

    /// Releases an object, if the run holds it.
    ///
    /// # Errors
    /// A [`rusqlite::Error`] if the table cannot be written.
    pub fn release(&self, object: &str, run: RunId) -> rusqlite::Result<()> {
        self.transaction.execute(
            "DELETE FROM claims WHERE object = ?1 AND run = ?2",
            (object, run),
        )?;
        Ok(())
    }

    /// Notes that the run has created or adopted an object, unless it belongs to another run.
    ///
    /// # Errors
    /// A [`rusqlite::Error`] if the table cannot be written.
    pub fn own(&self, object: &str, run: &str) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT OR IGNORE INTO owners VALUES (?1, ?2)",
            (object, run),
        )?;
        Ok(())
    }

    /// Notes that an object was deleted.
    ///
    /// # Errors
    /// A [`rusqlite::Error`] if the table cannot be written.
    pub fn delete(&self, object: &str) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT OR REPLACE INTO deleted VALUES (?1, ?2)",
            (object, self.now.uptime),
        )?;
        Ok(())
    }

    /// Notes the object of a scope that was created, changed or deleted last.
    ///
    /// # Errors
    /// A [`rusqlite::Error`] if the table cannot be written.
    pub fn touch(&self, scope: &str, object: &str) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT OR REPLACE INTO latest VALUES (?1, ?2, ?3)",
            (scope, object, self.now.uptime),
        )?;
        Ok(())
    }

    /// Returns the objects that were deleted within ten minutes: a listing that lags behind may still show them. Forgets
    /// the others.
    ///
    /// # Errors
    /// A [`rusqlite::Error`] if the table cannot be read or written.
    pub fn deleted(&self) -> rusqlite::Result<Vec<String>> {
        let forgotten = self.now.uptime.saturating_sub(nanos(LAG));
        self.transaction
            .execute("DELETE FROM deleted WHERE at < ?1", [forgotten])?;
        let mut statement = self.transaction.prepare("SELECT object FROM deleted")?;
        let rows = statement.query_map((), |row| row.get(0))?;
        rows.collect()
    }

    fn claim_on(&self, object: &str) -> rusqlite::Result<Option<Claim>> {
        const CLAIM: &str = "SELECT run, until, directory, sent + settle
            FROM claims JOIN runs ON runs.id = claims.run WHERE object = ?1";
        let claim = self.transaction.query_row(CLAIM, [object], |row| {
            Ok(Claim {
                run: row.get(0)?,
                until: row.get(1)?,
                directory: row.get(2)?,
                settled: row.get(3)?,
            })
        });
        claim.optional()
    }
}
