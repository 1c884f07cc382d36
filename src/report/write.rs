//! Writing the results of a run.

use std::path::Path;

use super::document::{FILE_NAME, FORMAT, Report};
use super::outcomes::Outcomes;
use super::rows::Results;
use super::summary::Summary;
use crate::files::Replacement;
use crate::journal::Header;
use crate::ledger::Ledger;
use crate::run::{PlanFile, RunError};

/// Writes the result files of a run into its directory.
///
/// # Errors
/// [`RunError::Journal`] if the journal cannot be read, [`RunError::Io`] if the plan cannot be read or a file cannot be
/// written.
pub fn write(
    directory: &Path,
    plan: &PlanFile,
    header: &Header,
    ledger: &Ledger,
    summary: Summary,
) -> Result<Report, RunError> {
    let failed = RunError::io(directory, "the results cannot be written");
    let outcomes = Outcomes::read(directory, plan.len())?;
    let results = Results {
        plan,
        ledger,
        outcomes: &outcomes,
    };
    let (errors, sha256) = results.write(directory).map_err(failed)?;
    let report = Report {
        format: FORMAT,
        run: header.run.clone(),
        tenant: header.tenant.clone(),
        retries: plan.origin().retries.clone(),
        supersedes: plan.origin().supersedes.clone(),
        summary,
        journal: outcomes.journal_end,
        sha256,
        errors,
    };
    let mut file = Replacement::begin(&directory.join(FILE_NAME)).map_err(failed)?;
    serde_json::to_writer_pretty(&mut file, &report).map_err(|e| failed(e.into()))?;
    file.finish().map_err(failed)?;
    Ok(report)
}
