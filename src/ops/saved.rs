//! The use case `apply` for a saved plan: carries out exactly what was reviewed.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use super::carry_out::RunEnd;
use super::error::{Error, ErrorKind};
use super::plan::ItemSink;
use super::plan_input::{PlanInput, StartOptions};
use super::preview::{PlanSummary, Preview};
use super::recorded::refuse_other_tenant;
use super::retry::checked_rows;
use super::session::{Later, Session};
use super::start::{Rows, agreed, start};
use super::tenant::{Connect, Tenant};
use crate::plan::Snapshot;
use crate::report;
use crate::resource::Scope;
use crate::run::{Addresses, Checked, Origin, PlanError, RecordedSettings, RunError, SavedPlan};
use crate::text::counted;
use crate::wire::Id;

/// The options of [`apply_saved`].
#[derive(Clone, Copy, Debug)]
pub struct SavedOptions<'o> {
    /// The saved plan.
    pub plan: &'o Path,
    /// The most bytes of the saved plan.
    pub largest: u64,
    /// The directory of all runs.
    pub runs: &'o Path,
    /// True to carry the plan out without a question.
    pub yes: bool,
    /// True to plan the rows of the saved plan anew.
    pub refresh: bool,
}

/// Carries out a saved plan in a new run. An item whose object has changed since the plan was saved ends as stale.
///
/// # Errors
/// - [`ErrorKind::Run`] for a saved plan that is damaged, of another tenant, or not trusted.
/// - The errors of [`apply`](super::apply).
pub async fn apply_saved(
    options: SavedOptions<'_>,
    connect: &mut dyn Connect,
    session: &Session<'_>,
) -> Result<Option<RunEnd>, Error> {
    let saved = SavedPlan::open(options.plan, options.largest)?;
    let recorded = believed(&saved, connect)?;
    let mut tenant = connect
        .connect(Some(&recorded), session.stop.clone())
        .await?;
    refuse_other_tenant(
        "plan",
        Some(&tenant.connection.customer),
        &saved.head().tenant,
    )?;
    let start_options = StartOptions {
        runs: options.runs,
        previous: None,
        yes: options.yes,
        full: false,
        unread: ErrorKind::Unexpected,
    };
    let yes = options.yes;
    if options.refresh {
        let checked = rows_of(&saved, options.plan)?;
        let mut input = Rows {
            checked,
            retries: None,
            yes,
        };
        return start(&mut input, start_options, &mut tenant, session).await;
    }
    let mut input = Reviewed { saved, yes };
    start(&mut input, start_options, &mut tenant, session).await
}

/// Returns the settings of a saved plan. Of one that is not trusted, takes only those that slow its run down.
fn believed(saved: &SavedPlan, connect: &dyn Connect) -> Result<RecordedSettings, Error> {
    let head = saved.head();
    let mut recorded = RecordedSettings::of_value(&head.settings)
        .map_err(|error| Error::unexpected("the settings of the plan cannot be read", &error))?;
    for other in [
        connect.customer().filter(|_| !connect.simulates()),
        recorded.addresses.customer_id.as_deref(),
    ] {
        refuse_other_tenant("plan", other, &head.tenant)?;
    }
    match (recorded.simulated, connect.simulates()) {
        (true, true) => {
            // An embedded tenant is new each time, at another address, with the same objects.
            recorded.addresses = Addresses::default();
            return Ok(recorded);
        }
        (true, false) => {
            let message = "this plan was made with --simulate, and is for no real tenant";
            return Err(Error::usage(message).hint("plan the manifest anew without --simulate"));
        }
        (false, true) => {
            let message = "this plan is for a real tenant, and --simulate is for another";
            return Err(Error::usage(message));
        }
        (false, false) => {}
    }
    let Some(reason) = saved.distrust(connect.sealer())? else {
        return Ok(recorded);
    };
    if connect.trusts_run() {
        return Ok(recorded.of_stranger());
    }
    let message = format!("this plan is not trusted: {reason}");
    Err(Error::new(ErrorKind::Run, message)
        .hint("nothing was sent; give --trust-plan if you trust the one who saved it"))
}

/// Returns the rows of a saved plan, to be planned anew. Messages name them by their lines in the saved plan.
fn rows_of(saved: &SavedPlan, path: &Path) -> Result<Checked, Error> {
    checked_rows(path, |to| {
        to.write_all(b"\n")?;
        let columns = &saved.head().origin.columns;
        let written = saved.each(|line| {
            let written = report::write_row(columns, &line, &mut *to);
            written.map_err(RunError::io(path, "its rows cannot be written down"))
        });
        written.map_err(io::Error::other)
    })
}

/// The input of `apply` for a saved plan.
#[derive(Debug)]
struct Reviewed {
    saved: SavedPlan,
    yes: bool,
}

impl PlanInput for Reviewed {
    fn manifests(&self) -> Vec<String> {
        self.saved.head().origin.files.clone()
    }

    fn scopes(&self) -> Vec<Scope> {
        self.saved.scopes()
    }

    fn decide(&mut self, _: &Snapshot, _: HashSet<Id>) -> Result<bool, Error> {
        Ok(true)
    }

    fn origin(&self) -> Origin {
        let saved = &self.saved.head().origin;
        // Nothing else is taken from a file that comes from outside.
        Origin {
            files: saved.files.clone(),
            named_in: saved.named_in.clone(),
            columns: saved.columns.clone(),
            saved_plan: Some(self.saved.sha256().to_owned()),
            ..Origin::default()
        }
    }

    fn plan(
        &self,
        live: &Snapshot,
        tenant: &Tenant,
        sink: ItemSink<'_>,
    ) -> Result<PlanSummary, PlanError> {
        let planner = self.saved.plan(live, tenant.rules, sink)?;
        let mut summary = PlanSummary::of(&planner, tenant);
        if summary.totals.stale > 0 {
            let stale = u64::from(summary.totals.stale);
            summary.notes.push(format!(
                "{} not carried out, since objects have changed after the plan was saved; --refresh plans all rows anew",
                counted(stale, "row is", "rows are"),
            ));
        }
        Ok(summary)
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
