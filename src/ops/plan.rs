//! The use case `plan`: compares manifests with a tenant. Nothing is written anywhere.

use std::path::PathBuf;

use super::error::{Error, ErrorKind};
use super::preview::{PlanSummary, Preview};
use super::tenant::Tenant;
use crate::engine::EngineSettings;
use crate::item::Item;
use crate::manifest::Reading;
use crate::plan::{Defaults, Estimate, Planner, Snapshot, Way};
use crate::resource::{Action, Kind};
use crate::run::{self, Checked, PlanError};

/// A receiver for the items of a plan. Each item comes with the cells of its row.
pub(super) type ItemSink<'k> =
    &'k mut (dyn FnMut(&Item<'_>, &[&str]) -> Result<(), PlanError> + Send);

/// Manifests, with the defaults for rows that leave something out.
#[derive(Clone, Debug)]
pub struct Manifests {
    /// The files; `-` is standard input.
    pub paths: Vec<PathBuf>,
    /// The options for reading them.
    pub reading: Reading,
    /// The kind of object of rows without a `resource`. Default: inferred from the columns.
    pub resource: Option<Kind>,
    /// The action of rows without an `action`.
    pub action: Action,
}

impl PlanSummary {
    pub(super) fn of(planner: &Planner<'_>, tenant: &Tenant) -> Self {
        let settings = &tenant.engine_settings;
        let (batch_size, paces) = (settings.batch_size.get(), settings.paces());
        let usual = EngineSettings::default().batch_size.get();
        let calls = |batch_size, place| planner.calls(batch_size, place);
        let place = planner.place_of_portals();
        Self {
            totals: planner.totals(),
            estimate: Estimate::new(calls(batch_size, place), &paces),
            ways: Way::others(calls, (batch_size, place), usual, &paces),
            objections: planner.objections(tenant.guards),
            notes: Vec::new(),
        }
    }
}

/// Reads manifests and checks every row by itself.
///
/// # Errors
/// [`ErrorKind::Manifest`] with every problem of every row, [`ErrorKind::Usage`] for a file that cannot be read.
pub(super) fn check(manifests: &Manifests, tenant: &Tenant) -> Result<Checked, Error> {
    let defaults = Defaults {
        resource: manifests.resource,
        action: manifests.action,
        microtenant: tenant.microtenant.clone(),
    };
    let mut checked = run::check(&manifests.paths, manifests.reading.clone(), defaults)?;
    checked.set_bulk_portals(tenant.bulk_portals);
    Ok(checked)
}

/// Compares manifests with a tenant, and hands the preview to `show`. With `all`, the preview holds every item.
///
/// # Errors
/// - [`ErrorKind::Manifest`] with every problem of every row.
/// - [`ErrorKind::Usage`] for a file that cannot be read.
/// - The kinds of [`of_end`](super::of_end) if live state cannot be read.
pub async fn plan<T>(
    manifests: &Manifests,
    tenant: &mut Tenant,
    all: bool,
    show: impl FnOnce(&Preview<'_>, &Tenant) -> T,
) -> Result<T, Error> {
    let rows = check(manifests, tenant)?;
    let live = tenant
        .snapshot(rows.scopes(), ErrorKind::Unexpected)
        .await?;
    let mut preview = Preview::new(&live, all);
    let summary = plan_rows(&rows, &live, tenant, &mut |item, _| {
        preview.add(item);
        Ok(())
    })?;
    Ok(show(&preview.with_summary(summary), tenant))
}

/// Plans checked rows against live state. Each item goes to `sink`.
pub(super) fn plan_rows(
    rows: &Checked,
    live: &Snapshot,
    tenant: &Tenant,
    sink: ItemSink<'_>,
) -> Result<PlanSummary, PlanError> {
    let planner = run::plan(rows, live, tenant.limits, sink)?;
    let mut summary = PlanSummary::of(&planner, tenant);
    summary.notes.extend_from_slice(rows.notes());
    summary.notes.extend(rows.noted(planner.into_alike()));
    Ok(summary)
}
