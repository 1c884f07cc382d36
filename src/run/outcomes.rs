//! Outcomes in the journals of runs.

use std::path::Path;

use crate::item::{Event, Outcome, Status};
use crate::journal::{self, JournalError, Replayed};
use crate::wire::Id;

/// Visits every outcome in the journal of the run in `directory`, in the order in which they were written.
///
/// # Errors
/// [`JournalError`] if the journal is damaged or cannot be read.
pub fn outcomes(
    directory: &Path,
    mut visit: impl FnMut(Outcome),
) -> Result<Replayed, JournalError> {
    journal::replay(directory, |event| {
        if let Event::Outcomes(outcomes) = event {
            outcomes.into_iter().for_each(&mut visit);
        }
    })
}

/// Returns the ids of the objects that a run has created or adopted.
///
/// # Errors
/// [`JournalError`] if the journal is damaged or cannot be read.
pub fn created(directory: &Path) -> Result<Vec<Id>, JournalError> {
    let mut ids = Vec::new();
    outcomes(directory, |outcome| {
        let is_own = matches!(outcome.status, Status::Created | Status::Recovered);
        ids.extend(outcome.id.filter(|_| is_own));
    })?;
    Ok(ids)
}
