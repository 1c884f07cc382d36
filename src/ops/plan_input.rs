//! The input of a new run, and the options to start it with.

use std::collections::HashSet;
use std::path::Path;

use super::error::{Error, ErrorKind};
use super::plan::ItemSink;
use super::preview::{PlanSummary, Preview};
use super::session::{Later, Session};
use super::tenant::Tenant;
use crate::plan::Snapshot;
use crate::resource::Scope;
use crate::run::{Origin, PlanError, RunState};
use crate::wire::Id;

/// The input of a new run: the source of its plan, and the way to ask a person for approval.
pub(super) trait PlanInput: Send + Sync {
    /// Returns the manifests of the rows. A new run may replace an unfinished run of the same manifest.
    fn manifests(&self) -> Vec<String> {
        Vec::new()
    }

    /// Returns the run whose failed rows are retried, if there is one.
    fn retries(&self) -> Option<&RunState> {
        None
    }

    /// Repeats, under the planning lock, the checks whose result another process may have changed.
    ///
    /// # Errors
    /// The reason why there is to be no new run.
    fn recheck(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Returns the scopes that must be listed for the plan.
    fn scopes(&self) -> Vec<Scope>;

    /// Takes live state, and the ids of the objects that earlier runs of the same rows created. Returns false if there
    /// is nothing to plan.
    ///
    /// # Errors
    /// The reason why there is to be no new run.
    fn decide(&mut self, live: &Snapshot, created_before: HashSet<Id>) -> Result<bool, Error>;

    /// Returns the origin of the plan's rows.
    fn origin(&self) -> Origin;

    /// Plans the rows against live state. Each item goes to `sink`.
    ///
    /// # Errors
    /// [`PlanError`] for the problems that prevent a plan, and the errors of `sink`.
    fn plan(
        &self,
        live: &Snapshot,
        tenant: &Tenant,
        sink: ItemSink<'_>,
    ) -> Result<PlanSummary, PlanError>;

    /// Shows the plan and asks for approval, if approval is needed.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a no.
    fn approve<'a>(
        &'a self,
        preview: &'a Preview<'a>,
        tenant: &'a Tenant,
        session: &'a Session<'a>,
    ) -> Later<'a, Result<(), Error>>;
}

/// The options of a new run, besides its input.
#[derive(Clone, Copy, Debug)]
pub(super) struct StartOptions<'o> {
    pub(super) runs: &'o Path,
    /// The run that this one retries or undoes.
    pub(super) previous: Option<&'o RunState>,
    /// True to replace an unfinished run of the same manifest without a question.
    pub(super) yes: bool,
    /// True to show every item in the preview.
    pub(super) full: bool,
    /// The kind of the error if live state cannot be read.
    pub(super) unread: ErrorKind,
}
