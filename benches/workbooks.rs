//! Reading a workbook of 200,000 rows as a manifest, next to a bare walk over its cells with calamine.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark has nobody to answer errors to, and its output is its purpose"
)]

mod common;

use std::fs;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;

use calamine::{DataRef, Reader as _, Xlsx};
use rust_xlsxwriter::Workbook;
use zpa_bulk::item::Problems;
use zpa_bulk::manifest::{LARGEST_MANIFEST, Manifest, ManifestError};

use self::common::{Comparison, sized, time};

/// Set in the child process that reads once and tells its peak memory; its value is what it does.
const PEAK: &str = "ZPA_BULK_BENCH_PEAK";

/// Set to the workbook in that process.
const WORKBOOK: &str = "ZPA_BULK_BENCH_WORKBOOK";

const ROWS: u32 = 200_000;

const TITLES: [&str; 9] = [
    "resource",
    "action",
    "id",
    "name",
    "url",
    "user_portals",
    "description",
    "enabled",
    "application_id",
];

fn main() {
    if let Ok(what) = std::env::var(PEAK) {
        return tell_peak(&what, &PathBuf::from(std::env::var(WORKBOOK).unwrap()));
    }
    let dir = tempfile::tempdir().unwrap();
    let workbook = dir.path().join("links.xlsx");
    write_workbook(&workbook, sized(ROWS));
    let comparison = Comparison {
        name: "read a workbook",
        yardstick: "a bare walk over the cells with calamine",
        aim: 1.0 / 3.0,
    };
    let line = comparison.measure(|| time(|| walk(&workbook)), || time(|| read(&workbook)));
    println!("\n{line}");
    let peaks = ["shared strings", "rows"].map(|what| peak(what, &workbook));
    match peaks {
        [Some(strings), Some(rows)] => println!(
            "PEAK read a workbook: {:.1} MiB beyond the {:.1} MiB of a process with the shared strings (aim: below 30)",
            (rows - strings) / 1024.0,
            strings / 1024.0
        ),
        _ => println!("PEAK read a workbook: this system does not tell"),
    }
}

/// The yardstick. The sum keeps the compiler from leaving the cells out.
fn walk(workbook: &Path) -> usize {
    let mut book = open(workbook);
    let sheet = book.sheet_names().remove(0);
    let mut cells = book.worksheet_cells_reader(&sheet).unwrap();
    let mut sum = 0;
    while let Some(cell) = cells.next_cell().unwrap() {
        sum += match cell.get_value() {
            DataRef::SharedString(text) => text.len(),
            DataRef::String(text) => text.len(),
            _ => 1,
        };
    }
    sum
}

/// Opens the workbook, which reads its shared strings.
fn open(workbook: &Path) -> Xlsx<BufReader<File>> {
    Xlsx::new(BufReader::new(File::open(workbook).unwrap())).unwrap()
}

/// Opens the workbook as a manifest and reads its rows once.
fn read(workbook: &Path) -> usize {
    let mut problems = Problems::default();
    let manifest = Manifest::open(workbook, 0, LARGEST_MANIFEST, &mut problems).unwrap();
    let mut sum = 0;
    let rows = manifest.for_each_row(&mut problems, |row, _| {
        sum += (0..TITLES.len())
            .map(|at| row.cells.raw(at).len())
            .sum::<usize>();
        Ok::<(), ManifestError>(())
    });
    rows.unwrap();
    assert_eq!(problems.count(), 0);
    sum
}

/// Reads in a process of its own, so that nothing else counts. Returns the peak of its memory in KiB.
fn peak(what: &str, workbook: &Path) -> Option<f64> {
    let output = Command::new(std::env::current_exe().unwrap())
        .env(PEAK, what)
        .env(WORKBOOK, workbook)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    told.trim().parse().ok()
}

fn tell_peak(what: &str, workbook: &Path) {
    if what == "rows" {
        read(workbook);
    } else {
        drop(open(workbook));
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("{}", peak.unwrap_or_default().trim_end_matches("kB").trim());
}

fn write_workbook(path: &Path, rows: u32) {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (column, title) in (0..).zip(TITLES) {
        sheet.write(0, column, title).unwrap();
    }
    for row in 1..=rows {
        let site = row % 311;
        let cells = [
            "portal-link".to_owned(),
            "ensure".to_owned(),
            format!("1452839947{row:08}"),
            format!("Expense Reporting {row:07}"),
            format!(
                "https://app-{:04}.emea.corp.example.com/apps/{row}/home",
                row % 5000
            ),
            "Employee Portal;Contractor Portal".to_owned(),
            format!("Owned by team {site}, reviewed every quarter"),
            (row % 10 != 0).to_string(),
            format!("1452839948{:08}", row % 1000),
        ];
        for (column, cell) in (0..).zip(cells) {
            sheet.write(row, column, cell).unwrap();
        }
    }
    workbook.save(path).unwrap();
}
