//! The start of runs: one sequence for every new run.
//!
//! 1. Lock: take the planning lock. One process at a time plans for the runs of a tenant.
//! 2. Other runs: ask whether to replace an unfinished run of the same manifest. Wait for calls of other runs that may
//!    still arrive.
//! 3. Plan: read live state, and write the plan into the new run's directory. The guards on deletes may refuse it.
//! 4. Ask: show the plan, and ask whether to carry it out.
//! 5. Start: put plan and journal on disk. From here on the run can be resumed. Release the lock.
//! 6. Carry out, and write the report.
//!
//! `apply`, `retry`, `undo` and `prune` differ only in their [`PlanInput`](super::plan_input::PlanInput).

use std::collections::HashSet;
use std::path::Path;

use super::carry_out::{RunEnd, carry_out};
use super::error::{Error, ErrorKind};
use super::other_runs::OtherRuns;
use super::plan::{ItemSink, Manifests, check, named_in, plan_rows};
use super::plan_input::{PlanInput, StartOptions};
use super::preview::{PlanSummary, Preview};
use super::session::{Later, Session};
use super::tenant::Tenant;
use super::{known_runs, lock};
use crate::clock::wall;
use crate::journal::{FORMAT, Header};
use crate::plan::Snapshot;
use crate::resource::Scope;
use crate::run::{self, Checked, Origin, PlanError, PlanWriter, RunDirectory, RunState};
use crate::wire::Id;

/// Starts a run and carries it out. Returns `None` if there is nothing to do.
///
/// # Errors
/// The errors of `input`, and those of runs that cannot be started or carried out. If the run has not started, nothing
/// was changed on the tenant, and no run is left behind.
pub(super) async fn start(
    input: &mut dyn PlanInput,
    options: StartOptions<'_>,
    tenant: &mut Tenant,
    session: &Session<'_>,
) -> Result<Option<RunEnd>, Error> {
    run::refuse_open_to_others(options.runs)?;
    let lock = lock::acquire(tenant.table()?, session).await?;
    input.recheck()?;
    let mut others = OtherRuns::find(options.runs, tenant, session)?;
    others
        .offer_to_replace(&input.manifests(), options.yes, session)
        .await?;
    let live = others
        .live_without_conflict(input, options.unread, tenant, session)
        .await?;
    let created_before = others.created(input.retries(), &live)?;
    if !input.decide(&live, created_before)? {
        return Ok(None);
    }
    let directory = RunDirectory::create(options.runs, wall())?;
    let planned = plan_into(
        &directory,
        input,
        &live,
        &others,
        options,
        (tenant, session),
    );
    let agreed = match planned {
        Ok((header, preview)) => {
            let approved = input.approve(&preview, tenant, session).await;
            approved.map(|()| header)
        }
        Err(error) => Err(error),
    };
    let header = match agreed {
        Ok(header) => header,
        Err(error) => {
            directory.discard();
            return Err(error);
        }
    };
    let mut run = run::start(directory, header, wall())?;
    known_runs::join(&run, &others.superseded(), tenant)?;
    drop(lock);
    run.workload.sent_before = others.sent(options.previous);
    Box::pin(carry_out(run, tenant, session)).await.map(Some)
}

/// Writes the plan into a run directory. Returns the journal's header and the preview of the plan.
fn plan_into<'s>(
    directory: &RunDirectory,
    input: &dyn PlanInput,
    live: &'s Snapshot,
    others: &OtherRuns,
    options: StartOptions<'_>,
    (tenant, session): (&Tenant, &Session<'_>),
) -> Result<(Header, Preview<'s>), Error> {
    let origin = Origin {
        supersedes: others
            .superseded()
            .iter()
            .map(|run| run.name().to_string())
            .collect(),
        ..input.origin()
    };
    let mut writer = PlanWriter::create(directory.path(), &origin)?;
    let mut preview = Preview::new(live, options.full);
    let summary = input.plan(live, tenant, &mut |item, cells| {
        preview.add(item);
        writer.push(item, cells).map_err(PlanError::from)
    })?;
    for note in &summary.notes {
        session.observer.warn(note);
    }
    Error::refused_by_guards(summary.objections.clone())?;
    let mut header = Header {
        format: FORMAT,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        run: directory.name().to_string(),
        tenant: tenant.connection.customer.clone(),
        plan_sha256: writer.finish()?,
        settings: serde_json::to_value(&tenant.recorded)
            .map_err(|error| Error::unexpected("the settings cannot be recorded", &error))?,
        seal: None,
    };
    if let Some(sealer) = &tenant.sealer {
        let sealed = sealer.sealed(header, directory);
        header = sealed.map_err(|source| directory.unreadable(source))?;
    }
    Ok((header, preview.with_summary(summary)))
}

/// The input of `apply` and `retry`: rows of manifests, or the failed rows of a run.
#[derive(Debug)]
pub(super) struct Rows<'r> {
    pub(super) checked: Checked,
    pub(super) retries: Option<&'r RunState>,
    pub(super) yes: bool,
}

impl PlanInput for Rows<'_> {
    fn manifests(&self) -> Vec<String> {
        self.checked.origin().files
    }

    fn retries(&self) -> Option<&RunState> {
        self.retries
    }

    fn scopes(&self) -> Vec<Scope> {
        self.checked.scopes()
    }

    fn decide(&mut self, _: &Snapshot, created_before: HashSet<Id>) -> Result<bool, Error> {
        self.checked.set_created_before(created_before);
        Ok(true)
    }

    fn origin(&self) -> Origin {
        let mut origin = self.checked.origin();
        if self.retries.is_some() {
            // The rows come from a run, and not from a file that a person keeps.
            origin.sha256.clear();
        }
        Origin {
            retries: self.retries.map(|run| run.directory.name().to_string()),
            named_in: named_in(),
            ..origin
        }
    }

    fn plan(
        &self,
        live: &Snapshot,
        tenant: &Tenant,
        sink: ItemSink<'_>,
    ) -> Result<PlanSummary, PlanError> {
        plan_rows(&self.checked, live, tenant, sink)
    }

    fn approve<'a>(
        &'a self,
        preview: &'a Preview<'a>,
        _: &'a Tenant,
        session: &'a Session<'a>,
    ) -> Later<'a, Result<(), Error>> {
        Box::pin(agreed(self.yes, preview, session))
    }
}

/// Shows a plan and asks, unless the answer is `yes` already.
pub(super) async fn agreed(
    yes: bool,
    preview: &Preview<'_>,
    session: &Session<'_>,
) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    session.observer.plan(preview);
    if session.confirm("Carry it out?").await {
        return Ok(());
    }
    Err(Error::usage("nothing was changed").hint("--yes carries the plan out without asking"))
}

/// The options of [`apply`].
#[derive(Clone, Debug)]
pub struct ApplyOptions<'o> {
    /// The manifests.
    pub manifests: &'o Manifests,
    /// The directory of all runs.
    pub runs: &'o Path,
    /// True to carry the plan out without a question.
    pub yes: bool,
}

/// Plans manifests, asks, and carries the plan out in a new run.
///
/// # Errors
/// - The errors of [`plan`](super::plan()).
/// - [`ErrorKind::Usage`] for a no.
/// - [`ErrorKind::Guard`] if a guard refuses the plan.
/// - [`ErrorKind::Run`] if another process is about to do the same work.
/// - [`ErrorKind::Stopped`] if the run stopped early and can be resumed.
pub async fn apply(
    options: ApplyOptions<'_>,
    tenant: &mut Tenant,
    session: &Session<'_>,
) -> Result<Option<RunEnd>, Error> {
    let mut input = Rows {
        checked: check(options.manifests, tenant)?,
        retries: None,
        yes: options.yes,
    };
    let start_options = StartOptions {
        runs: options.runs,
        previous: None,
        yes: options.yes,
        full: false,
        unread: ErrorKind::Unexpected,
    };
    start(&mut input, start_options, tenant, session).await
}
