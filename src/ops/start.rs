//! Starting runs: the one sequence by which every new run comes about.
//!
//! 1. The planning lock: one process at a time decides for the runs of a directory.
//! 2. Other runs: an unfinished run of the same manifest is replaced or gone on with, and calls that another run has
//!    under way are given time to arrive.
//! 3. The plan, on the tenant's live state, into the new run's directory. The guards may refuse it.
//! 4. The question whether it is to be carried out.
//! 5. The start: plan and journal are on disk, and the run can be resumed from here on. The lock is released.
//! 6. Carrying out, and the report.
//!
//! `apply`, `retry`, `undo` and `prune` differ in their [`Work`](super::work::Work) alone.

use std::collections::HashSet;
use std::env;
use std::path::Path;

use super::carry_out::{RunEnd, carry_out};
use super::error::{Error, ErrorKind};
use super::lock;
use super::other_runs::OtherRuns;
use super::plan::{ItemSink, Manifests, check, plan_rows};
use super::preview::{PlanSummary, Preview};
use super::session::{Later, Session};
use super::tenant::Tenant;
use super::work::{StartOptions, Work};
use crate::clock::wall;
use crate::journal::{FORMAT, Header};
use crate::plan::Snapshot;
use crate::resource::Scope;
use crate::run::{self, Checked, Origin, PlanError, PlanWriter, RunDirectory, RunName, RunState};
use crate::wire::Id;

/// Starts a run and carries it out. Returns `None` when the work turns out to be nothing.
///
/// # Errors
/// [`Error`]; up to the start nothing has been sent, and no run is left behind.
pub(super) async fn start(
    work: &mut dyn Work,
    options: StartOptions<'_>,
    tenant: &mut Tenant,
    session: &Session<'_>,
) -> Result<Option<RunEnd>, Error> {
    // An embedded tenant is this process's alone.
    let lock = if tenant.is_simulated() {
        None
    } else {
        Some(lock::acquire(options.runs, session).await?)
    };
    work.recheck()?;
    let mut others = match &lock {
        None => OtherRuns::none(),
        Some(_) => OtherRuns::find(options.runs, &tenant.connection.customer, session)?,
    };
    others
        .offer_to_replace(&work.manifests(), options.yes, session)
        .await?;
    let live = others
        .live_without_conflict(work, options.unread, tenant, session)
        .await?;
    let created_before = others.created(work.retries(), &live)?;
    if !work.decide(&live, created_before)? {
        return Ok(None);
    }
    let directory = RunDirectory::create(options.runs, RunName::new(wall()))?;
    let planned = plan_into(&directory, work, &live, &others, options, tenant);
    let agreed = match planned {
        Ok((header, preview)) => {
            let approved = work.approve(&preview, tenant, session).await;
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
    drop(lock);
    run.workload.sent_before = others.sent(options.previous);
    carry_out(run, tenant, session).await.map(Some)
}

/// Plans into a run directory. Returns the journal's header, and the preview of the plan.
fn plan_into<'s>(
    directory: &RunDirectory,
    work: &dyn Work,
    live: &'s Snapshot,
    others: &OtherRuns,
    options: StartOptions<'_>,
    tenant: &Tenant,
) -> Result<(Header, Preview<'s>), Error> {
    let origin = Origin {
        supersedes: others.superseded(),
        ..work.origin()
    };
    let mut writer = PlanWriter::create(directory.path(), &origin)?;
    let mut preview = Preview::new(live, options.full);
    let summary = work.plan(live, tenant, &mut |item, cells| {
        preview.add(item);
        writer.push(item, cells).map_err(PlanError::from)
    })?;
    Error::refused_by_guards(summary.objections.clone())?;
    let header = Header {
        format: FORMAT,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        run: directory.name().to_string(),
        tenant: tenant.connection.customer.clone(),
        plan_sha256: writer.finish()?,
        settings: serde_json::to_value(&tenant.recorded)
            .map_err(|error| Error::unexpected("the settings cannot be recorded", &error))?,
    };
    Ok((header, preview.with_summary(summary)))
}

/// Rows of manifests, or failed rows of a run.
#[derive(Debug)]
pub(super) struct Rows<'r> {
    pub(super) checked: Checked,
    pub(super) retries: Option<&'r RunState>,
    pub(super) yes: bool,
}

impl Work for Rows<'_> {
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
        Origin {
            retries: self.retries.map(|run| run.directory.name().to_string()),
            named_in: named_in(),
            ..self.checked.origin()
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
        Box::pin(async {
            if self.yes {
                return Ok(());
            }
            session.observer.plan(preview);
            if session.confirm("Carry it out?").await {
                return Ok(());
            }
            Err(Error::usage("nothing was changed")
                .hint("--yes carries the plan out without asking"))
        })
    }
}

/// The directory to which the names of manifests are relative.
fn named_in() -> Option<String> {
    let directory = env::current_dir().ok()?;
    directory.to_str().map(str::to_owned)
}

/// The options of [`apply`].
#[derive(Clone, Debug)]
pub struct ApplyOptions<'o> {
    /// The manifests.
    pub manifests: &'o Manifests,
    /// The directory of all runs.
    pub runs: &'o Path,
    /// Whether the plan is carried out without a question.
    pub yes: bool,
}

/// Plans manifests, asks, and carries the plan out in a new run.
///
/// # Errors
/// Those of [`plan`](super::plan()), and of runs that cannot be started.
pub async fn apply(
    options: ApplyOptions<'_>,
    tenant: &mut Tenant,
    session: &Session<'_>,
) -> Result<Option<RunEnd>, Error> {
    let mut work = Rows {
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
    start(&mut work, start_options, tenant, session).await
}
