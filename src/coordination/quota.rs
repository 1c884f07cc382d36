//! The quota of a tenant: slots that were taken, and pauses that the server asked for.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{OptionalExtension as _, params};

use super::now::nanos;
use super::runs::RunId;
use super::store::Table;
use crate::pacer::{Slot, SlotRequest, Terms};
use crate::wire::QuotaClass;

/// The end of a pause that never was. Far from the least number, so that times can be converted.
const NEVER: i64 = i64::MIN / 2;

/// The least time for which slots are kept: other processes may have a longer window than this one.
const KEPT: Duration = Duration::from_secs(60);

impl Table<'_> {
    /// Takes the next free slot for a call that cannot go before `earliest`. Returns the slot. If `run` sends a write, its
    /// last write is noted. Slots to come are free again if no process works on their run any more (`is_active` of its
    /// directory).
    ///
    /// # Errors
    /// A [`rusqlite::Error`] if the table cannot be read or written.
    pub fn take_slot(
        &self,
        request: &SlotRequest,
        earliest: i64,
        run: Option<RunId>,
        is_active: impl Fn(&Path) -> bool,
    ) -> rusqlite::Result<Slot> {
        let class = request.class.to_string();
        let path = request.path.as_ref();
        self.forget_before_window(&class, request.window())?;
        self.free_slots_to_come(run, is_active)?;
        for slot in &request.unused {
            let free = "DELETE FROM slots WHERE rowid = ?1 AND at = ?2";
            self.transaction.execute(free, (slot.number, slot.at))?;
        }
        let free = |terms: Option<Terms>, class: Option<&str>, path: Option<&str>| {
            let taken = |n| self.taken(class, path, n);
            terms.map_or(Ok(None), |terms| terms.free_at(taken))
        };
        let at = [
            free(request.by_path, Some(&class), Some(path))?,
            free(request.by_class, Some(&class), None)?,
            free(request.by_all, None, None)?,
            self.known_from(request.window())?,
            Some(self.paused_until(&class)?),
            Some(self.now.uptime),
        ];
        let at = at.into_iter().flatten().fold(earliest, i64::max);
        self.transaction.execute(
            "INSERT INTO slots VALUES (?1, ?2, ?3, ?4)",
            params![class, path, at, run],
        )?;
        let number = self.transaction.last_insert_rowid();
        if let Some(run) = run.filter(|_| request.class == QuotaClass::Write) {
            self.sends_at(run, at)?;
        }
        Ok(Slot { number, at })
    }

    /// Frees the slots to come of all other runs on which no process works. Nothing was sent in them, and nothing will be.
    fn free_slots_to_come(
        &self,
        run: Option<RunId>,
        is_active: impl Fn(&Path) -> bool,
    ) -> rusqlite::Result<()> {
        const OWNERS: &str = "SELECT DISTINCT runs.id, runs.directory
            FROM slots JOIN runs ON runs.id = slots.run WHERE slots.at > ?1 AND runs.id IS NOT ?2";
        let mut statement = self.transaction.prepare(OWNERS)?;
        let owners =
            statement.query_map((self.now.uptime, run), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let owners: Vec<(RunId, String)> = owners.collect::<rusqlite::Result<_>>()?;
        for (owner, directory) in owners {
            if !is_active(Path::new(&directory)) {
                self.drop_slots_to_come(owner)?;
            }
        }
        Ok(())
    }

    pub(super) fn drop_slots_to_come(&self, run: RunId) -> rusqlite::Result<()> {
        self.transaction.execute(
            "DELETE FROM slots WHERE run = ?1 AND at > ?2",
            (run, self.now.uptime),
        )?;
        Ok(())
    }

    /// Keeps every process from taking a slot of the class before `until`.
    ///
    /// # Errors
    /// A [`rusqlite::Error`] if the table cannot be written.
    pub fn pause(&self, class: QuotaClass, until: i64) -> rusqlite::Result<()> {
        const PAUSE: &str = "INSERT INTO classes VALUES (?1, ?2, 0)
            ON CONFLICT DO UPDATE SET paused_until = max(paused_until, excluded.paused_until)";
        self.transaction
            .execute(PAUSE, (class.to_string(), until))?;
        Ok(())
    }

    /// Returns the instants and paths of the calls of the class that may still count, oldest first.
    ///
    /// # Errors
    /// A [`rusqlite::Error`] if the table cannot be read.
    pub fn recent(&self, class: QuotaClass) -> rusqlite::Result<Vec<(i64, Arc<str>)>> {
        const RECENT: &str = "SELECT at, path FROM slots WHERE class = ?1 AND at <= ?2 ORDER BY at";
        let mut statement = self.transaction.prepare(RECENT)?;
        let rows = statement.query_map((class.to_string(), self.now.uptime), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        rows.collect()
    }

    /// Forgets the slots that count in no window, neither in this one nor in the longest that a process has named.
    fn forget_before_window(&self, class: &str, window: Duration) -> rusqlite::Result<()> {
        const NOTE: &str = "INSERT INTO classes VALUES (?1, ?2, ?3)
            ON CONFLICT DO UPDATE SET longest = max(longest, excluded.longest) RETURNING longest";
        let note = (class, NEVER, nanos(window));
        let longest: i64 = self.transaction.query_row(NOTE, note, |row| row.get(0))?;
        let kept = longest.saturating_mul(2).max(nanos(KEPT));
        let forgotten = self.now.uptime.saturating_sub(kept);
        self.transaction.execute(
            "DELETE FROM slots WHERE class = ?1 AND at < ?2",
            (class, forgotten),
        )?;
        Ok(())
    }

    /// Returns the end of the pause that the server asked for.
    fn paused_until(&self, class: &str) -> rusqlite::Result<i64> {
        let until = "SELECT paused_until FROM classes WHERE class = ?1";
        self.transaction.query_row(until, [class], |row| row.get(0))
    }

    /// Returns the slot that was taken before `n` others, of those of the class and the path, if any are named.
    fn taken(
        &self,
        class: Option<&str>,
        path: Option<&str>,
        n: u32,
    ) -> rusqlite::Result<Option<i64>> {
        const LATEST: &str = "ORDER BY at DESC LIMIT 1 OFFSET";
        let row = |row: &rusqlite::Row<'_>| row.get(0);
        let table = &self.transaction;
        let slot = match (class, path) {
            (Some(class), Some(path)) => table.query_row(
                &format!("SELECT at FROM slots WHERE class = ?1 AND path = ?2 {LATEST} ?3"),
                (class, path, n),
                row,
            ),
            (Some(class), None) => table.query_row(
                &format!("SELECT at FROM slots WHERE class = ?1 {LATEST} ?2"),
                (class, n),
                row,
            ),
            (None, _) => table.query_row(&format!("SELECT at FROM slots {LATEST} ?1"), [n], row),
        };
        slot.optional()
    }

    /// Returns the instant from which on all calls are known that count in the window, if calls before are not known.
    fn known_from(&self, window: Duration) -> rusqlite::Result<Option<i64>> {
        let unknown: Option<i64> =
            self.transaction
                .query_row("SELECT unknown_before FROM clock", (), |row| row.get(0))?;
        Ok(unknown.map(|before| before.saturating_add(nanos(window))))
    }
}
