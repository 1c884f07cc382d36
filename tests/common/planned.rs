//! A manifest planned without a tenant.

use std::path::Path;

use zpa_bulk::plan::{Defaults, Limits, Listing, Snapshot};
use zpa_bulk::run::{self, PlanError};

/// Reads, checks and plans it against an empty tenant without limits; answers the number of items.
pub(crate) fn items_planned(path: &Path) -> Result<u32, PlanError> {
    let rows = run::check(&[path.to_owned()], Defaults::default())?;
    let empty = |scope| Listing {
        scope,
        objects: Vec::new(),
    };
    let snapshot = Snapshot {
        listings: rows.scopes().into_iter().map(empty).collect(),
    };
    let limits = Limits {
        links: u32::MAX,
        links_per_portal: u32::MAX,
    };
    let planner = run::plan(&rows, &snapshot, limits, |_, _| Ok(()))?;
    Ok(planner.totals().items)
}
