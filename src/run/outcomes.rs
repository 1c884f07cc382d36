//! Outcomes in the journals of runs.

use std::collections::HashSet;
use std::path::Path;

use super::directory::{RunDirectory, list};
use super::error::RunError;
use crate::item::{Event, Outcome, Status};
use crate::journal::{self, Header, JournalError, Replayed};
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

/// Returns the ids of objects that other runs of the same directory have created on the same tenant. Older runs count
/// too, since they may have been resumed later. A run that cannot be read adds no ids.
///
/// # Errors
/// [`RunError::Io`] if the runs cannot be listed.
pub fn created_by_others(
    directory: &RunDirectory,
    header: &Header,
) -> Result<HashSet<Id>, RunError> {
    let mut created = HashSet::new();
    for other in list(directory.runs_dir())? {
        if other.name() == directory.name() {
            continue;
        }
        let mut ids = Vec::new();
        let replayed = outcomes(other.path(), |outcome| {
            ids.extend(outcome.id.filter(|_| outcome.status == Status::Created));
        });
        match replayed {
            Ok(replayed) if replayed.header.tenant == header.tenant => created.extend(ids),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(run = %other.name(), %error, "the run cannot be read and is ignored");
            }
        }
    }
    Ok(created)
}
