//! Runs that are ready to be carried out.

use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;
use zpa_bulk::journal::{FORMAT, Header};
use zpa_bulk::plan::{Snapshot, TenantRules};
use zpa_bulk::run::{self, Checked, PlanError, PlanWriter, Run, RunDirectory};

/// A run of `tenant` below `runs` that is planned and has not sent anything yet.
pub(crate) fn planned(rows: &Checked, snapshot: &Snapshot, tenant: &str, runs: &Path) -> Run {
    let now = Timestamp::now();
    let directory = RunDirectory::create(runs, now).unwrap();
    let mut writer = PlanWriter::create(directory.path(), &rows.origin()).unwrap();
    run::plan(rows, snapshot, no_limits(), |item, cells| {
        writer.push(item, cells).map_err(PlanError::from)
    })
    .unwrap();
    let header = Header {
        format: FORMAT,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        run: directory.name().to_string(),
        tenant: tenant.to_owned(),
        plan_sha256: writer.finish().unwrap(),
        settings: Value::Null,
        seal: None,
    };
    run::start(directory, header, now).unwrap()
}

/// For tenants that hold as much as anybody likes.
pub(crate) fn no_limits() -> TenantRules {
    TenantRules {
        links: u32::MAX,
        links_per_portal: u32::MAX,
        ..TenantRules::default()
    }
}
