//! Manifests of links, and what they lead to.

use std::fmt::Write as _;
use std::path::Path;

use zpa_bulk::manifest::LARGEST_MANIFEST;
use zpa_bulk::plan::{Defaults, Listing, Snapshot, TenantRules};
use zpa_bulk::run::{self, PlanError};

pub(crate) const PORTALS: [&str; 3] =
    ["Employee Portal", "Engineering Portal", "Contractor Portal"];

/// A manifest of `count` links, in turn on one of three portals.
pub(crate) fn manifest(count: usize) -> String {
    let mut text = "Name,URL,User Portals\n".to_owned();
    for (number, (name, portals)) in expected(count).iter().enumerate() {
        let url = format!("https://app{number}.corp.example.com/start");
        writeln!(text, "{name},{url},{}", portals[0]).unwrap();
    }
    text
}

/// The links of [`manifest`], each with its portals.
pub(crate) fn expected(count: usize) -> Vec<(String, Vec<String>)> {
    (0..count)
        .zip(PORTALS.iter().cycle())
        .map(|(number, portal)| (format!("Link {number:05}"), vec![(*portal).to_owned()]))
        .collect()
}

/// Reads, checks and plans a manifest against an empty tenant without limits. Returns the number of items.
pub(crate) fn items_planned(path: &Path) -> Result<u32, PlanError> {
    let rows = run::check(&[path.to_owned()], LARGEST_MANIFEST, Defaults::default())?;
    let empty = |scope| Listing {
        scope,
        objects: Vec::new(),
    };
    let snapshot = Snapshot {
        listings: rows.scopes().into_iter().map(empty).collect(),
        ..Snapshot::default()
    };
    let limits = TenantRules {
        links: u32::MAX,
        links_per_portal: u32::MAX,
        ..TenantRules::default()
    };
    let planner = run::plan(&rows, &snapshot, limits, |_, _| Ok(()))?;
    Ok(planner.totals().items)
}
