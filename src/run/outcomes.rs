//! Outcomes in the journals of runs.

use std::collections::HashSet;
use std::path::Path;

use super::directory::{RunDirectory, list};
use super::error::RunError;
use super::plan_file::PlanFile;
use crate::item::{Event, ItemNumber, Operation, Outcome, Status};
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

/// Returns the ids of the objects that a run has created or adopted.
///
/// # Errors
/// [`RunError`] if the plan or the journal is damaged or cannot be read.
pub fn created(directory: &Path) -> Result<Vec<Id>, RunError> {
    let plan = PlanFile::open(directory)?;
    let creates = plan
        .entries()
        .filter(|(_, entry)| entry.operation == Operation::Create);
    let creates: HashSet<ItemNumber> = creates.map(|(number, _)| number).collect();
    let mut ids = Vec::new();
    outcomes(directory, |outcome| {
        let is_own = match outcome.status {
            Status::Created => true,
            // An update that was recovered changed an object of somebody else.
            Status::Recovered => creates.contains(&outcome.item),
            _ => false,
        };
        ids.extend(outcome.id.filter(|_| is_own));
    })?;
    Ok(ids)
}

/// Returns how the items of other runs of the same directory ended that are about the `wanted` objects of the same tenant.
/// A run that cannot be read has none.
///
/// # Errors
/// [`RunError::Io`] if the runs cannot be listed.
pub fn ends_in_others(
    directory: &RunDirectory,
    header: &Header,
    wanted: impl Fn(&Id) -> bool,
) -> Result<HashSet<(Id, Status)>, RunError> {
    let mut ends = HashSet::new();
    for other in list(directory.runs_dir())? {
        if other.name() == directory.name() {
            continue;
        }
        let mut of_run = Vec::new();
        let replayed = outcomes(other.path(), |outcome| {
            let id = outcome.id.filter(|id| wanted(id));
            of_run.extend(id.map(|id| (id, outcome.status)));
        });
        match replayed {
            Ok(replayed) if replayed.header.tenant == header.tenant => ends.extend(of_run),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(run = %other.name(), %error, "the run cannot be read and is ignored");
            }
        }
    }
    Ok(ends)
}
