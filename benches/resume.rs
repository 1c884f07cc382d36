//! Going on with a run of a million items, in time and memory, next to a bare read of its files.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark has nobody to answer errors to, and its output is its purpose"
)]

mod common;
#[path = "common/planned.rs"]
mod planned;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use zpa_bulk::item::{Event, ItemNumber, Outcome, Status};
use zpa_bulk::ledger::Tally;
use zpa_bulk::manifest::LARGEST_MANIFEST;
use zpa_bulk::plan::{Defaults, Listing, Snapshot};
use zpa_bulk::report::{self, Summary};
use zpa_bulk::resource::{Kind, Scope};
use zpa_bulk::run::{self, RunDirectory};
use zpa_bulk::wire::Id;

use self::common::{Comparison, sized, time};

/// Set in the child process that does one thing and tells its time and peak memory; its value is the thing and the run.
const PEAK: &str = "ZPA_BULK_BENCH_PEAK";

const ITEMS: u32 = 1_000_000;

/// The items of one call.
const BATCHES: [u32; 2] = [1, 150];

/// The most seconds for resuming.
const MOST_SECONDS: f64 = 3.0;

/// The most memory for resuming, above that of a bare read.
const MOST_BYTES_AN_ITEM: f64 = 40.0;

fn main() {
    if let Ok(task) = std::env::var(PEAK) {
        return tell_peak(&task);
    }
    let mut lines = Vec::new();
    let dir = tempfile::tempdir().unwrap();
    for batch in BATCHES {
        let runs = dir.path().join(batch.to_string());
        let run = settled_run(&runs, sized(ITEMS), batch);
        lines.push(resuming(batch, &run));
        lines.extend(peaks(batch, &run));
    }
    println!();
    for line in lines {
        println!("{line}");
    }
}

/// Makes a run below `runs` of so many creates, `batch` in a call, of which all but the last have ended. Returns its
/// directory.
fn settled_run(runs: &Path, items: u32, batch: u32) -> PathBuf {
    fs::create_dir_all(runs).unwrap();
    let manifest = runs.join("links.csv");
    write_manifest(&manifest, items);
    let rows = run::check(&[manifest], LARGEST_MANIFEST, Defaults::default()).unwrap();
    let mut run = planned::planned(&rows, &nothing_there(), "145283994705985536", runs);
    let journal = &mut run.workload.journal;
    let mut append = |event: &Event| journal.append(event, Timestamp::now()).unwrap();
    for (call, first) in (0..items - 1).step_by(batch as usize).enumerate() {
        let items: Vec<ItemNumber> = (first..(first + batch).min(items - 1)).collect();
        let call = u32::try_from(call).unwrap();
        append(&Event::Intent {
            call,
            items: items.clone(),
        });
        append(&Event::Outcomes(items.into_iter().map(created).collect()));
    }
    run.workload.journal.commit().unwrap();
    run.directory.path().to_owned()
}

fn created(item: ItemNumber) -> Outcome {
    Outcome {
        item,
        status: Status::Created,
        id: Id::parse(&format!("1452839947{item:08}")),
        failure: None,
    }
}

fn resuming(batch: u32, run: &Path) -> String {
    let comparison = Comparison {
        name: match batch {
            1 => "resume, 1 item a call",
            _ => "resume, 150 items a call",
        },
        yardstick: "reading the lines of journal and plan and summing them up",
        aim: 0.1,
    };
    comparison.measure(|| time(|| read_bare(run)), || time(|| resume_run(run)))
}

/// The yardstick: every line of both files, with its checksum.
fn read_bare(run: &Path) -> u32 {
    let mut sum = 0;
    for name in ["plan.jsonl", "journal.jsonl"] {
        let mut file = BufReader::new(File::open(run.join(name)).unwrap());
        let mut line = Vec::new();
        while file.read_until(b'\n', &mut line).unwrap() > 0 {
            sum ^= crc32fast::hash(&line);
            line.clear();
        }
    }
    sum
}

fn resume_run(run: &Path) -> run::Run {
    let resumed = run::resume(RunDirectory::open(run).unwrap()).unwrap();
    assert_eq!(resumed.workload.ledger.tally().waiting, 1);
    resumed
}

fn report_on(run: &Path) {
    let resumed = resume_run(run);
    let ledger = resumed.workload.ledger;
    let summary = summary(ledger.tally(), run);
    report::write(run, &resumed.plan, &resumed.header, &ledger, summary).unwrap();
}

fn summary(tally: Tally, run: &Path) -> Summary {
    Summary {
        end: "stopped",
        tally,
        read_calls: 0,
        write_calls: 0,
        throttled: 0,
        unavailable: 0,
        read_room: None,
        write_room: None,
        elapsed_ms: 0,
        run_dir: run.to_owned(),
    }
}

/// Measures time and peak memory of each step in a process of its own, so that nothing else counts.
fn peaks(batch: u32, run: &Path) -> Vec<String> {
    let read = peak("read", run);
    let resume = peak("resume", run);
    let report = peak("report", run);
    let item = if batch == 1 { "item" } else { "items" };
    let mebibytes = |peak: &Peak| peak.bytes / 1_048_576.0;
    let bytes_an_item = (resume.bytes - read.bytes) / f64::from(sized(ITEMS));
    vec![
        format!(
            "PEAK read, {batch} {item} a call: {:.1} MiB",
            mebibytes(&read)
        ),
        format!(
            "PEAK resume, {batch} {item} a call: {:.1} MiB; that is {bytes_an_item:.1} bytes an item above the read (aim: \
             at most {MOST_BYTES_AN_ITEM}), in {:.2} s (aim: at most {MOST_SECONDS})",
            mebibytes(&resume),
            resume.seconds,
        ),
        format!(
            "PEAK report, {batch} {item} a call: {:.1} MiB",
            mebibytes(&report)
        ),
    ]
}

/// The needs of one step.
struct Peak {
    seconds: f64,
    /// Not a number where the system does not tell.
    bytes: f64,
}

fn peak(what: &str, run: &Path) -> Peak {
    let output = Command::new(std::env::current_exe().unwrap())
        .env(PEAK, format!("{what}\n{}", run.display()))
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let mut told = told.split_whitespace().map(str::parse);
    let mut next = || told.next().and_then(Result::ok).unwrap_or(f64::NAN);
    Peak {
        seconds: next(),
        bytes: next() * 1024.0,
    }
}

fn tell_peak(task: &str) {
    let (what, run) = task.split_once('\n').unwrap();
    let run = Path::new(run);
    let taken = match what {
        "read" => time(|| read_bare(run)),
        "resume" => time(|| resume_run(run)),
        _ => time(|| report_on(run)),
    };
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = peak.unwrap_or_default().trim_end_matches("kB").trim();
    println!("{} {kibibytes}", taken.as_secs_f64());
}

fn write_manifest(path: &Path, rows: u32) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    writeln!(file, "name,url").unwrap();
    for row in 0..rows {
        let host = row % 5000;
        writeln!(
            file,
            "Expense Reporting {row:07},https://app-{host:04}.emea.corp.example.com/apps/{row}"
        )
        .unwrap();
    }
    file.flush().unwrap();
}

fn nothing_there() -> Snapshot {
    let listing = |kind| Listing {
        scope: Scope::of(kind, None),
        objects: Vec::new(),
    };
    let kinds = [Kind::from_name("user-portal").unwrap(), Kind::portal_link()];
    Snapshot {
        listings: kinds.map(listing).to_vec(),
        ..Snapshot::default()
    }
}
