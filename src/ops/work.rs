//! The work of a new run, and the options with which it is started.

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

/// The work of a new run: the source of its plan, and how a person agrees to it.
pub(super) trait Work: Send + Sync {
    /// The manifests that it comes from. A new run takes the place of an unfinished one of the same manifest.
    fn manifests(&self) -> Vec<String> {
        Vec::new()
    }

    /// The run whose failed rows it retries.
    fn retries(&self) -> Option<&RunState> {
        None
    }

    /// Checks again, under the planning lock, what another process may have changed.
    ///
    /// # Errors
    /// The reason why there is to be no new run.
    fn recheck(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The scopes that have to be listed to plan it.
    fn scopes(&self) -> Vec<Scope>;

    /// Takes live state, and the objects that earlier runs of the same rows created. Returns whether there is
    /// anything to be planned.
    ///
    /// # Errors
    /// The reason why there is to be no new run.
    fn decide(&mut self, live: &Snapshot, created_before: HashSet<Id>) -> Result<bool, Error>;

    /// The origin of the plan's rows.
    fn origin(&self) -> Origin;

    /// Plans it against live state; each item goes to `sink`.
    ///
    /// # Errors
    /// Everything for which there is no plan, and errors of `sink`.
    fn plan(
        &self,
        live: &Snapshot,
        tenant: &Tenant,
        sink: ItemSink<'_>,
    ) -> Result<PlanSummary, PlanError>;

    /// Shows the plan and asks, as far as it has to be asked for.
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

/// The options of a new run, besides its work.
#[derive(Clone, Copy, Debug)]
pub(super) struct StartOptions<'o> {
    /// The directory of all runs.
    pub(super) runs: &'o Path,
    /// The run that this one retries or undoes.
    pub(super) previous: Option<&'o RunState>,
    /// Whether an unfinished run of the same manifest is replaced without a question.
    pub(super) yes: bool,
    /// Whether the preview holds every item.
    pub(super) full: bool,
    /// The kind of the error when live state cannot be read.
    pub(super) unread: ErrorKind,
}
