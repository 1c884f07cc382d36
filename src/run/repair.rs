//! Repairing a run whose journal is damaged: what cannot be read is cut off, and what may have been sent without the
//! journal knowing is put in doubt, so that it is looked for before anything is sent again.

use std::path::PathBuf;

use jiff::Timestamp;

use super::error::RunError;
use super::state::{doubt_undecided, finished_by_plan};
use super::{PlanFile, RunDirectory};
use crate::item::{Event, PRESUMED};
use crate::journal::{self, Cut, INTENTS_KEPT, Journal};

/// What repairing a run would do.
#[derive(Debug)]
pub struct Finding {
    /// What it would cut off the journal.
    pub cut: Cut,
    /// How many items the run has.
    pub items: u64,
    /// How many of them have an outcome in what stays.
    pub settled: u64,
}

/// What repairing a run did.
#[derive(Debug)]
pub struct Repaired {
    /// Where what was cut is kept, if anything was there.
    pub aside: Option<PathBuf>,
    /// How many items are in doubt now.
    pub in_doubt: u64,
}

/// Reads what is wrong with the journal of a run; none if nothing is that resuming does not mend by itself.
///
/// # Errors
/// [`RunError`] when it cannot be repaired: nothing of the journal is sound, or the plan is not.
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

/// Cuts the journal of a run where it stops being sound, keeps what is cut beside it, and writes an intent for every item
/// without outcome. None if nothing is wrong with it.
///
/// # Errors
/// [`RunError`], as of [`examine`], and when the journal cannot be locked or written. A repair that was cut off half-way is
/// completed by the next one.
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
        let items = items.to_vec();
        journal.append(
            &Event::Intent {
                call: PRESUMED,
                items,
            },
            now,
        )?;
    }
    journal.commit()?;
    Ok(Some(Repaired {
        aside,
        in_doubt: undecided.len() as u64,
    }))
}
