//! The repair of a run with a damaged journal. The part that cannot be read is cut off. Items that may have been sent
//! without a record are put in doubt, so that they are looked up before anything is sent again.

use std::path::PathBuf;

use jiff::Timestamp;

use super::error::RunError;
use super::state::{doubt_undecided, finished_by_plan};
use super::{PlanFile, RunDirectory};
use crate::item::{Event, PRESUMED};
use crate::journal::{self, Cut, INTENTS_KEPT, Journal};

/// The effect that a repair would have.
#[derive(Debug)]
pub struct Finding {
    /// The part of the journal that it would cut off.
    pub cut: Cut,
    /// The number of items of the run.
    pub items: u64,
    /// The number of items with an outcome in the part that stays.
    pub settled: u64,
}

/// The effect of a repair.
#[derive(Debug)]
pub struct Repaired {
    /// The file that keeps the part that was cut off, if there was one.
    pub aside: Option<PathBuf>,
}

/// Examines the journal of a run. Returns none if resuming mends all damage by itself.
///
/// # Errors
/// [`RunError`] when the run cannot be repaired, since nothing of the journal is sound, or the plan is not.
pub fn examine(directory: &RunDirectory) -> Result<Option<Finding>, RunError> {
    let plan = PlanFile::open(directory.path())?;
    let mut ledger = finished_by_plan(&plan);
    let visit = |event| ledger.apply(&event);
    let (found, cut) = journal::examine(directory.path(), visit)?;
    plan.verify(&found.header)?;
    let tally = ledger.tally();
    Ok(cut.map(|cut| Finding {
        cut,
        items: tally.items,
        settled: tally.finished(),
    }))
}

/// Cuts the journal of a run where it stops being sound, keeps the rest beside it, and writes an intent for every item
/// without outcome. Returns none if the journal has no damage.
///
/// # Errors
/// [`RunError`], as of [`examine`], and when the journal cannot be locked or written. The next repair completes one that
/// was interrupted.
pub fn repair(directory: &RunDirectory, now: Timestamp) -> Result<Option<Repaired>, RunError> {
    // Before anything is cut, the plan has to be the one that the items are of.
    if examine(directory)?.is_none() {
        return Ok(None);
    }
    let plan = PlanFile::open(directory.path())?;
    let mut ledger = finished_by_plan(&plan);
    let visit = |event| ledger.apply(&event);
    let (mut journal, aside) = Journal::cut(directory.path(), visit)?;
    let undecided = doubt_undecided(&mut ledger);
    // As many intents as a quota may count, since nothing tells when the lost ones were sent.
    let share = undecided.len().div_ceil(INTENTS_KEPT).max(1);
    for items in undecided.chunks(share) {
        let (call, items) = (PRESUMED, items.to_vec());
        journal.append(&Event::Intent { call, items }, now)?;
    }
    journal.commit()?;
    Ok(Some(Repaired { aside }))
}
