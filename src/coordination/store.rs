//! The file of the table: opening, transactions, the clock, and what becomes of a damaged file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use ring::digest::{SHA256, digest};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::{CoordinationError, Reason};
use super::now::{Now, nanos};
use super::planning_lock::{Busy, PlanningLock};
use crate::files;
use crate::platform;

/// The version of the tables.
const VERSION: i64 = 3;

/// The tables of the quota, which changed with version 2.
const QUOTA_SCHEMA: &str = "
    CREATE TABLE classes (class TEXT PRIMARY KEY, paused_until INTEGER NOT NULL, longest INTEGER NOT NULL) STRICT;
    CREATE TABLE slots (class TEXT NOT NULL, path TEXT NOT NULL, at INTEGER NOT NULL, run INTEGER) STRICT;
    CREATE INDEX slots_by_time ON slots (at);
    CREATE INDEX slots_by_class ON slots (class, at);
    CREATE INDEX slots_by_path ON slots (class, path, at);
    CREATE TABLE learned (fact TEXT PRIMARY KEY, value TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
    PRAGMA user_version = 3;
";

/// The change of version 3: a slot tells which run has taken it.
const SLOTS_OF_RUNS: &str = "ALTER TABLE slots ADD COLUMN run INTEGER; PRAGMA user_version = 3;";

const SCHEMA: &str = "
    CREATE TABLE clock (boot TEXT NOT NULL, ahead INTEGER NOT NULL, unknown_before INTEGER);
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        directory TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        settle INTEGER NOT NULL,
        sent INTEGER NOT NULL,
        finished INTEGER NOT NULL,
        replaced_by TEXT
    ) STRICT;
    CREATE TABLE claims (object TEXT PRIMARY KEY, run INTEGER NOT NULL, until INTEGER) STRICT;
    CREATE TABLE latest (scope TEXT PRIMARY KEY, object TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
    CREATE TABLE deleted (object TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT;
    CREATE TABLE owners (object TEXT PRIMARY KEY, run TEXT NOT NULL) STRICT;
";

/// The time after which a change gives up that waits for another process. Processes hold the table for microseconds, but
/// the machine may be busy, or the process may be stopped for a while.
const PATIENCE: Duration = Duration::from_secs(10);

/// The furthest that a pause may lie in the future after a restart of the machine, which is told by the wall clock.
const FURTHEST: Duration = Duration::from_secs(7200);

/// The table of one tenant. Clones share one connection.
#[derive(Clone, Debug)]
pub struct Coordination {
    connection: Arc<Mutex<Connection>>,
    path: PathBuf,
}

impl Coordination {
    /// Opens the table of a customer, in a file below `dir`. Makes both if needed. A damaged file is moved aside, and what
    /// it tells of runs is kept as far as it can be read.
    ///
    /// # Errors
    /// [`CoordinationError`] if the file cannot be used, or if others can change what is in `dir`.
    pub fn open(dir: &Path, customer: &str, now: Now) -> Result<Self, CoordinationError> {
        let path = dir.join(format!("{}.db", file_name(customer)));
        let dir = private(dir).map_err(|reason| reason.at(dir))?;
        let opened = open_or_replace(&dir, &path, now);
        let (connection, path) = opened.map_err(|reason| reason.at(&path))?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            path,
        })
    }

    /// Takes the planning lock, unless another process holds it.
    ///
    /// # Errors
    /// [`CoordinationError`] if the lock's file cannot be made or locked.
    pub fn lock_planning(&self) -> Result<Result<PlanningLock, Busy>, CoordinationError> {
        let path = self.path.with_extension("planning");
        PlanningLock::begin(&path).map_err(|error| Reason::from(error).at(&path))
    }

    /// Changes the table in one transaction.
    ///
    /// # Errors
    /// [`CoordinationError`] if another process holds the table for ten seconds, or it cannot be read or written. Then
    /// nothing was changed.
    pub fn change<T>(
        &self,
        now: Now,
        change: impl FnOnce(&Table<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, CoordinationError> {
        self.with_connection(|connection| change_within(connection, now, change))
    }

    /// Changes the table in one transaction that is on disk afterwards. Other changes may be lost with the machine, and
    /// their processes with them.
    ///
    /// # Errors
    /// The same as for [`Coordination::change`].
    pub fn change_durably<T>(
        &self,
        now: Now,
        change: impl FnOnce(&Table<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, CoordinationError> {
        self.with_connection(|connection| {
            synchronous(connection, "FULL")?;
            let changed = change_within(connection, now, change);
            synchronous(connection, "NORMAL")?;
            changed
        })
    }

    fn with_connection<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, CoordinationError> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        work(&mut connection).map_err(|error| Reason::from(error).at(&self.path))
    }
}

/// The table within a transaction.
#[derive(Debug)]
pub struct Table<'t> {
    pub(super) transaction: Transaction<'t>,
    pub(super) now: Now,
}

impl Table<'_> {
    /// Converts all times of another start of the machine to the clock of this one.
    fn rebase(&self) -> rusqlite::Result<()> {
        const TELLING: i64 = 1_000_000_000;
        let now = self.now;
        let ahead = now.wall.saturating_sub(now.uptime);
        let (boot, before): (String, i64) =
            self.transaction
                .query_row("SELECT boot, ahead FROM clock", (), |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
        if boot == now.boot && before.abs_diff(ahead) < TELLING.unsigned_abs() {
            return Ok(());
        }
        if boot != now.boot {
            let later = before.saturating_sub(ahead);
            let furthest = now.uptime.saturating_add(nanos(FURTHEST));
            for (times, latest) in [
                ("slots SET at = min(at + ?1, ?2)", now.uptime),
                ("runs SET sent = min(sent + ?1, ?2)", now.uptime),
                ("claims SET until = min(until + ?1, ?2)", furthest),
                (
                    "classes SET paused_until = min(paused_until + ?1, ?2)",
                    furthest,
                ),
                ("latest SET at = min(at + ?1, ?2)", now.uptime),
                ("deleted SET at = min(at + ?1, ?2)", now.uptime),
                (
                    "clock SET unknown_before = min(unknown_before + ?1, ?2)",
                    now.uptime,
                ),
            ] {
                self.transaction
                    .execute(&format!("UPDATE {times}"), (later, latest))?;
            }
        }
        self.transaction
            .execute("UPDATE clock SET boot = ?1, ahead = ?2", (now.boot, ahead))?;
        Ok(())
    }
}

fn change_within<T>(
    connection: &mut Connection,
    now: Now,
    change: impl FnOnce(&Table<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let table = Table {
        transaction: connection.transaction_with_behavior(TransactionBehavior::Immediate)?,
        now,
    };
    table.rebase()?;
    let changed = change(&table)?;
    table.transaction.commit()?;
    Ok(changed)
}

/// Makes the directory if needed, and returns its path without links.
fn private(dir: &Path) -> Result<PathBuf, Reason> {
    platform::private_dirs(dir)?;
    if let Some(how) = platform::changeable_by_others(&fs::symlink_metadata(dir)?) {
        return Err(io::Error::other(how).into());
    }
    if let Some(kind) = platform::network_filesystem(dir) {
        let dir = dir.display();
        tracing::warn!(
            "{dir} is on a network file system ({kind}): processes on other machines may not be seen there, so let one machine work on a tenant at a time"
        );
    }
    Ok(dir.canonicalize()?)
}

fn open_or_replace(dir: &Path, path: &Path, now: Now) -> Result<(Connection, PathBuf), Reason> {
    let path = dir.join(path.file_name().unwrap_or_default());
    match open(&path, now) {
        Err(reason) if reason.is_damage() => {}
        opened => return Ok((opened?, path)),
    }
    // One process at a time: another may have put a new file in its place by now.
    let lock = files::open_or_create(&path.with_extension("lock"))?;
    lock.lock()?;
    let damage = match open(&path, now) {
        Err(reason) if reason.is_damage() => reason,
        opened => return Ok((opened?, path)),
    };
    let connection = replace(&path, &damage, now)?;
    Ok((connection, path))
}

/// Moves a damaged file aside and makes a new one.
fn replace(path: &Path, damage: &Reason, now: Now) -> Result<Connection, Reason> {
    let known = known_directories(path);
    let aside = path.with_extension(format!("damaged-{}", now.wall / 1_000_000));
    for suffix in ["", "-wal", "-shm"] {
        let with = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        match fs::rename(with(path), with(&aside)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    tracing::warn!(
        "{}: {damage}: it is moved aside to {}, and a new one takes its place; unfinished runs that it tells of: {}",
        path.display(),
        aside.display(),
        known.len()
    );
    let mut connection = open(path, now)?;
    change_within(&mut connection, now, |table| {
        // The calls that were sent before are not known.
        let unknown = "UPDATE clock SET unknown_before = ?1";
        table.transaction.execute(unknown, [now.uptime])?;
        known
            .iter()
            .try_for_each(|(directory, name)| table.note(directory, name))
    })?;
    Ok(connection)
}

/// Opens the file, again and again if another process makes it or closes it at the same moment: the library does not wait for
/// that by itself.
fn open(path: &Path, now: Now) -> Result<Connection, Reason> {
    const TRIES: u32 = 10;
    const PAUSE: Duration = Duration::from_millis(100);
    for _ in 1..TRIES {
        match open_once(path, PATIENCE / TRIES, now) {
            Err(Reason::Busy) => sleep(PAUSE),
            opened => return opened,
        }
    }
    open_once(path, PATIENCE / TRIES, now)
}

fn open_once(path: &Path, patience: Duration, now: Now) -> Result<Connection, Reason> {
    // Made here, so that it is its owner's alone and no link.
    drop(files::open_or_create(path)?);
    let mut connection = connect(path, patience)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        0..VERSION => create(&mut connection, now)?,
        VERSION => {}
        _ => return Err(Reason::Newer),
    }
    let sound: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    if sound != "ok" {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return Err(rusqlite::Error::SqliteFailure(code, Some(sound)).into());
    }
    change_within(&mut connection, now, |_| Ok(()))?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

fn connect(path: &Path, patience: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(patience)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    synchronous(&connection, "NORMAL")?;
    Ok(connection)
}

fn synchronous(connection: &Connection, how: &str) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", how)
}

fn create(connection: &mut Connection, now: Now) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // Another process may have made the tables meanwhile.
    if version == 0 {
        transaction.execute_batch(SCHEMA)?;
        let ahead = now.wall.saturating_sub(now.uptime);
        transaction.execute("INSERT INTO clock VALUES (?1, ?2, NULL)", (now.boot, ahead))?;
    }
    if version == 1 {
        transaction.execute_batch("DROP TABLE slots; DROP TABLE pools;")?;
        // The calls that were sent before are not known any more.
        transaction.execute("UPDATE clock SET unknown_before = ?1", [now.uptime])?;
    }
    match version {
        0 | 1 => transaction.execute_batch(QUOTA_SCHEMA)?,
        2 => transaction.execute_batch(SLOTS_OF_RUNS)?,
        _ => {}
    }
    transaction.commit()
}

/// Returns the directories and names of runs, as far as a damaged file still tells of any.
fn known_directories(path: &Path) -> Vec<(String, String)> {
    let read = || -> rusqlite::Result<Vec<(String, String)>> {
        let connection = connect(path, PATIENCE)?;
        let mut statement =
            connection.prepare("SELECT directory, name FROM runs WHERE NOT finished")?;
        let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.map_while(Result::ok).collect())
    };
    read().unwrap_or_default()
}

/// Returns a name for the file of a customer: the same in every process and version.
fn file_name(customer: &str) -> String {
    let digest = digest(&SHA256, customer.as_bytes());
    let first = digest.as_ref().iter().take(8);
    first.map(|byte| format!("{byte:02x}")).collect()
}
