//! Planning a million rows, next to reading the same file with the csv crate into a struct.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark has nobody to answer errors to, and its output is its purpose"
)]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use zpa_bulk::manifest::LARGEST_MANIFEST;
use zpa_bulk::plan::{Defaults, Listing, Snapshot, TenantRules};
use zpa_bulk::resource::{Kind, Scope};
use zpa_bulk::run::{self, PlanError, PlanWriter};
use zpa_bulk::wire::Object;

use self::common::{Comparison, sized, time};

/// Set in the child process that plans once and tells its peak memory; its value is the manifest, or
/// the manifest and a directory for the plan.
const PEAK: &str = "ZPA_BULK_BENCH_PEAK";

const ROWS: u32 = 1_000_000;

/// The number of rows where the plan is written too: fewer, so that ten rounds do not take minutes.
const WRITTEN: u32 = 200_000;

const LIVE: u32 = 500;

const PORTALS: [(&str, &str); 4] = [
    ("145283994705985601", "Employee Portal"),
    ("145283994705985602", "Contractor Portal"),
    ("145283994705985603", "Partner Portal EMEA"),
    ("145283994705985604", "Partner Portal APAC"),
];

/// The portals that rows name: four sets.
const PORTAL_SETS: [&str; 4] = [
    "Employee Portal",
    "Contractor Portal;Employee Portal",
    "Partner Portal EMEA",
    "Partner Portal EMEA;Partner Portal APAC",
];

fn main() {
    if let Ok(paths) = std::env::var(PEAK) {
        return tell_peak(&paths);
    }
    let dir = tempfile::tempdir().unwrap();
    let manifest = dir.path().join("links.csv");
    write_manifest(&manifest, sized(ROWS));
    let shorter = dir.path().join("fewer-links.csv");
    write_manifest(&shorter, sized(WRITTEN));
    let snapshot = snapshot();
    let lines = [
        counting(&manifest, &snapshot),
        writing(&shorter, &snapshot, dir.path()),
    ];
    println!();
    for line in lines {
        println!("{line}");
    }
    let plain = manifest.display().to_string();
    println!("PEAK {}", peak("check and plan", &plain));
    let writing = format!("{plain}\n{}", dir.path().display());
    println!("PEAK {}", peak("check, plan and write the plan", &writing));
}

fn counting(manifest: &Path, snapshot: &Snapshot) -> String {
    let comparison = Comparison {
        name: "check and plan",
        yardstick: "a typed read with the csv crate",
        aim: 0.15,
    };
    comparison.measure(
        || time(|| read_typed(manifest)),
        || time(|| plan_counting(manifest, snapshot)),
    )
}

fn writing(manifest: &Path, snapshot: &Snapshot, dir: &Path) -> String {
    let comparison = Comparison {
        name: "check, plan and write the plan",
        yardstick: "a typed read with the csv crate",
        aim: 0.08,
    };
    comparison.measure(
        || time(|| read_typed(manifest)),
        || plan_writing(manifest, snapshot, dir),
    )
}

/// A row as anyone would read it who only wants its values.
#[derive(Deserialize)]
struct Typed {
    name: String,
    url: String,
    user_portals: String,
    description: Option<String>,
    enabled: bool,
}

/// The yardstick. The sum keeps the compiler from leaving the fields out.
fn read_typed(manifest: &Path) -> usize {
    let mut reader = csv::Reader::from_path(manifest).unwrap();
    let mut sum = 0;
    for row in reader.deserialize() {
        let row: Typed = row.unwrap();
        sum += row.name.len() + row.url.len() + row.user_portals.len();
        sum += row.description.map_or(0, |text| text.len()) + usize::from(row.enabled);
    }
    sum
}

fn plan_counting(manifest: &Path, snapshot: &Snapshot) -> u32 {
    let rows = run::check(
        &[manifest.to_owned()],
        LARGEST_MANIFEST,
        Defaults::default(),
    )
    .unwrap();
    let mut kept = 0;
    let planner = run::plan(&rows, snapshot, unlimited(), |_, _| {
        kept += 1;
        Ok(())
    });
    let totals = planner.unwrap().totals();
    assert_eq!((kept, u64::from(kept)), (totals.items, rows.rows()));
    kept
}

fn plan_writing(manifest: &Path, snapshot: &Snapshot, dir: &Path) -> Duration {
    let run = tempfile::tempdir_in(dir).unwrap();
    time(|| {
        let rows = run::check(
            &[manifest.to_owned()],
            LARGEST_MANIFEST,
            Defaults::default(),
        )
        .unwrap();
        let mut writer = PlanWriter::create(run.path(), &rows.origin()).unwrap();
        run::plan(&rows, snapshot, unlimited(), |item, cells| {
            writer.push(item, cells).map_err(PlanError::from)
        })
        .unwrap();
        writer.finish().unwrap()
    })
}

fn unlimited() -> TenantRules {
    TenantRules {
        links: u32::MAX,
        links_per_portal: u32::MAX,
        ..TenantRules::default()
    }
}

/// Plans in a process of its own, so that nothing else counts.
fn peak(name: &str, paths: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .env(PEAK, paths)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    match told.trim().parse::<u32>() {
        Ok(kib) => format!(
            "{name}: {} MB (aim: below 150)",
            u64::from(kib) * 1024 / 1_000_000
        ),
        Err(_) => format!("{name}: this system does not tell"),
    }
}

fn tell_peak(paths: &str) {
    let mut paths = paths.lines().map(PathBuf::from);
    let manifest = paths.next().unwrap();
    let snapshot = snapshot();
    match paths.next() {
        Some(dir) => drop(plan_writing(&manifest, &snapshot, &dir)),
        None => drop(plan_counting(&manifest, &snapshot)),
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("{}", peak.unwrap_or_default().trim_end_matches("kB").trim());
}

fn write_manifest(path: &Path, rows: u32) {
    let mut file = BufWriter::new(fs::File::create(path).unwrap());
    writeln!(file, "name,url,user_portals,description,enabled").unwrap();
    let mut line = String::new();
    for (row, portals) in (0..rows).zip(PORTAL_SETS.iter().cycle()) {
        line.clear();
        let (site, enabled) = (row % 311, row % 10 != 0);
        writeln!(
            line,
            "{},https://{},{portals},\"Owned by team {site}, reviewed every quarter\",{enabled}",
            name(row),
            address(row)
        )
        .unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
    file.flush().unwrap();
}

fn name(row: u32) -> String {
    format!("Expense Reporting {row:07}")
}

fn address(row: u32) -> String {
    format!("{}/apps/expenses/{row}/home", host(row))
}

fn host(row: u32) -> String {
    format!("app-{:04}.emea.corp.example.com", row % 5000)
}

/// Four portals, and links of which every second is in the manifest.
fn snapshot() -> Snapshot {
    let portals = PORTALS.map(|(id, name)| object(&json!({"id": id, "name": name})));
    Snapshot {
        listings: vec![
            Listing {
                scope: Scope::of(Kind::from_name("user-portal").unwrap(), None),
                objects: portals.to_vec(),
            },
            Listing {
                scope: Scope::of(Kind::portal_link(), None),
                objects: (0..LIVE).map(live_link).collect(),
            },
        ],
        ..Snapshot::default()
    }
}

fn live_link(number: u32) -> Object {
    let row = number * 20;
    let name = if number.is_multiple_of(2) {
        name(row)
    } else {
        format!("Legacy Link {number:04}")
    };
    object(&json!({
        "id": format!("1452839947060{number:05}"),
        "name": name,
        "link": host(row),
        "linkPath": format!("/apps/expenses/{row}/home"),
        "protocol": "https://",
        "enabled": true,
        "description": "As it was set up by hand",
        "creationTime": "1724112000",
        "modifiedBy": "145283994705985000",
        "userPortals": [{"id": "145283994705985601", "name": "Employee Portal", "enabled": true}],
    }))
}

fn object(value: &serde_json::Value) -> Object {
    value.as_object().unwrap().clone()
}
