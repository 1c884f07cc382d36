//! The use case `plan`: compares manifests with a tenant. Nothing is written anywhere.

use std::env;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::error::{Error, ErrorKind};
use super::preview::{PlanSummary, Preview};
use super::saving::Saving;
use super::tenant::Tenant;
use crate::clock::wall;
use crate::engine::{EngineSettings, UpdateReads};
use crate::item::Item;
use crate::manifest::{Assignment, Reading};
use crate::plan::{Defaults, Estimate, Planner, Snapshot, Way};
use crate::resource::{Action, Kind};
use crate::run::{self, Checked, Origin, PLAN_FORMAT, PlanError, SavedHead};

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
        // Listings of several pages are not read for updates.
        let updates = if planner.fits_one_page() {
            u64::from(planner.totals().update)
        } else {
            0
        };
        let lists = settings.update_reads == UpdateReads::Listing;
        let calls = |batch_size, place| {
            let calls = planner.calls(batch_size, place);
            let fewer = calls.listing_updates(updates, paces.write);
            if lists { fewer } else { calls }
        };
        let place = planner.place_of_portals();
        let chosen = calls(batch_size, place);
        let mut ways = Way::others(calls, (batch_size, place), usual, &paces);
        ways.extend(Way::listing_updates(chosen, updates, &paces).filter(|_| !lists));
        Self {
            totals: planner.totals(),
            estimate: Estimate::new(chosen, &paces),
            ways,
            objections: planner.objections(tenant.guards),
            notes: Vec::new(),
            manifests: Vec::new(),
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
    Ok(run::check(
        &manifests.paths,
        manifests.reading.clone(),
        defaults,
    )?)
}

/// The options of [`plan()`].
#[derive(Clone, Debug)]
pub struct PlanOptions<'o> {
    /// The manifests.
    pub manifests: &'o Manifests,
    /// True for a preview of every item.
    pub all: bool,
    /// The file for the plan, to be carried out later. A plan to which the guards object is not saved.
    pub save: Option<&'o Path>,
}

/// Compares manifests with a tenant, and hands the preview to `show`.
///
/// # Errors
/// - [`ErrorKind::Manifest`] with every problem of every row.
/// - [`ErrorKind::Usage`] for a file that cannot be read, and for a plan that cannot be saved.
/// - The kinds of [`of_end`](super::of_end) if live state cannot be read.
pub async fn plan<T>(
    options: PlanOptions<'_>,
    tenant: &mut Tenant,
    show: impl FnOnce(&Preview<'_>, &Tenant) -> T,
) -> Result<T, Error> {
    let rows = check(options.manifests, tenant)?;
    let live = tenant
        .snapshot(rows.scopes(), ErrorKind::Unexpected)
        .await?;
    let mut preview = Preview::new(&live, options.all);
    let mut saving = match options.save {
        Some(path) => {
            let head = head(options.manifests, &rows, tenant)?;
            Some(Saving::begin(path, &head, &live)?)
        }
        None => None,
    };
    let summary = plan_rows(&rows, &live, tenant, &mut |item, cells| {
        preview.add(item);
        saving
            .as_mut()
            .map_or(Ok(()), |saving| saving.add(item, cells))
    })?;
    if let Some(saving) = saving.filter(|_| summary.objections.is_empty()) {
        saving.finish(tenant.sealer.as_ref())?;
    }
    Ok(show(&preview.with_summary(summary), tenant))
}

/// Returns the first line of the saved plan of these rows.
fn head(manifests: &Manifests, rows: &Checked, tenant: &Tenant) -> Result<SavedHead, Error> {
    let settings = serde_json::to_value(&tenant.recorded)
        .map_err(|error| Error::unexpected("the settings cannot be recorded", &error))?;
    Ok(SavedHead {
        format: PLAN_FORMAT,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        saved: wall().to_string(),
        tenant: tenant.connection.customer.clone(),
        settings,
        reading: reading_of(manifests),
        manifests: rows.sums(),
        origin: Origin {
            named_in: named_in(),
            ..rows.origin()
        },
    })
}

/// Returns the options with which manifests are read, as far as they say something about the rows.
fn reading_of(manifests: &Manifests) -> Map<String, Value> {
    let reading = &manifests.reading;
    let assigned = |all: &[Assignment]| -> Value {
        let all = all.iter().map(|one| format!("{}={}", one.name, one.value));
        all.collect()
    };
    let options = [
        ("action", json!(manifests.action.name())),
        ("resource", json!(manifests.resource)),
        ("map", assigned(&reading.map)),
        ("set", assigned(&reading.set)),
        ("fix", json!(reading.fix)),
        ("sheet", json!(reading.sheet)),
        ("include_hidden", json!(reading.include_hidden)),
    ];
    let options = options.into_iter();
    options
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Returns the directory to which the names of manifests are relative.
pub(super) fn named_in() -> Option<String> {
    let directory = env::current_dir().ok()?;
    directory.to_str().map(str::to_owned)
}

/// Plans checked rows against live state. Each item goes to `sink`.
pub(super) fn plan_rows(
    rows: &Checked,
    live: &Snapshot,
    tenant: &Tenant,
    sink: ItemSink<'_>,
) -> Result<PlanSummary, PlanError> {
    let planner = run::plan(rows, live, tenant.rules, sink)?;
    let mut summary = PlanSummary::of(&planner, tenant);
    summary.notes.extend_from_slice(rows.notes());
    let origin = rows.origin();
    summary.manifests = origin.files.into_iter().zip(origin.sha256).collect();
    summary.notes.extend(rows.noted(planner.into_alike()));
    Ok(summary)
}
