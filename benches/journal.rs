//! Writing and reading the journal, next to the bare file operations that neither can do without.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark has nobody to answer errors to, and its output is its purpose"
)]

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use zpa_bulk::item::{Event, Outcome, Status};
use zpa_bulk::journal::{self, FILE_NAME, FORMAT, Header, Journal};
use zpa_bulk::wire::Id;

use self::common::{Comparison, sized, time};

/// Appending: within one and a half times the yardstick's time.
const APPENDING: f64 = 1.0 / 1.5;

/// Replaying: so near to the yardstick that a run of a million items is resumed within its three seconds.
const REPLAYING: f64 = 0.05;

/// Records that are synced one by one.
const SYNCED: u32 = 500;

/// Records that share a sync where they are grouped.
const GROUP: usize = 100;

/// Records that are replayed.
const REPLAYED: u32 = 200_000;

/// The items of one call in a run of batches.
const BATCH: u32 = 150;

fn main() {
    let synced = sized(SYNCED);
    let lines = [
        appending("append, one by one", synced, 1),
        appending("append, grouped", sized(SYNCED * 100), GROUP),
        replaying("replay, 1 item a record", sized(REPLAYED), 1),
        replaying("replay, 150 items a record", sized(REPLAYED / BATCH), BATCH),
    ];
    println!();
    for line in lines {
        println!("{line}");
    }
}

/// Appends records, each `group` of them with one sync.
fn appending(name: &'static str, records: u32, group: usize) -> String {
    let comparison = Comparison {
        name,
        yardstick: "write_all and sync_data",
        aim: APPENDING,
    };
    let events = events(records, 1);
    let written = tempfile::tempdir().unwrap();
    write_journal(written.path(), &events, group);
    let bytes = fs::read(written.path().join(FILE_NAME)).unwrap();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').skip(1).collect();
    assert_eq!(lines.len(), events.len());
    comparison.measure(
        || write_bare(&lines, group),
        || {
            let dir = tempfile::tempdir().unwrap();
            write_journal(dir.path(), &events, group)
        },
    )
}

/// The yardstick of writing: the same bytes, as often written and synced.
fn write_bare(lines: &[&[u8]], group: usize) -> Duration {
    let dir = tempfile::tempdir().unwrap();
    let mut file = File::create(dir.path().join(FILE_NAME)).unwrap();
    file.sync_all().unwrap();
    time(|| {
        for lines in lines.chunks(group) {
            file.write_all(&lines.concat()).unwrap();
            file.sync_data().unwrap();
        }
    })
}

fn write_journal(dir: &Path, events: &[Event], group: usize) -> Duration {
    let mut journal = Journal::create(dir, &header(), Timestamp::now()).unwrap();
    time(|| {
        for events in events.chunks(group) {
            for event in events {
                journal.append(event, Timestamp::now()).unwrap();
            }
            journal.commit().unwrap();
        }
    })
}

fn replaying(name: &'static str, records: u32, items: u32) -> String {
    let comparison = Comparison {
        name,
        yardstick: "reading the lines and summing them up",
        aim: REPLAYING,
    };
    let dir = tempfile::tempdir().unwrap();
    write_journal(dir.path(), &events(records, items), 10_000);
    comparison.measure(
        || time(|| read_bare(&dir.path().join(FILE_NAME))),
        || {
            time(|| {
                let mut read = 0;
                let replayed = journal::replay(dir.path(), |event| {
                    read += match event {
                        Event::Intent { items, .. } => items.len(),
                        Event::Outcomes(outcomes) => outcomes.len(),
                        _ => 0,
                    };
                });
                replayed.unwrap();
                assert_eq!(read, (records * items) as usize);
            })
        },
    )
}

/// The yardstick of reading: every line with its checksum.
fn read_bare(path: &Path) -> u32 {
    let mut file = BufReader::new(File::open(path).unwrap());
    let mut line = Vec::new();
    let mut sum = 0;
    while file.read_until(b'\n', &mut line).unwrap() > 0 {
        sum ^= crc32fast::hash(&line);
        line.clear();
    }
    sum
}

/// Returns intents and their outcomes alternately, as a run without trouble writes them.
fn events(records: u32, items: u32) -> Vec<Event> {
    (0..records)
        .map(|record| {
            let call = record / 2;
            let items = call * items..(call + 1) * items;
            if record % 2 == 0 {
                return Event::Intent {
                    call,
                    items: items.collect(),
                };
            }
            Event::Outcomes(items.map(created).collect())
        })
        .collect()
}

fn created(item: u32) -> Outcome {
    Outcome {
        item,
        status: Status::Created,
        id: Id::parse(&format!("1452839947{item:08}")),
        failure: None,
    }
}

fn header() -> Header {
    Header {
        format: FORMAT,
        tool: "0.1.0".to_owned(),
        run: "20260301T120000Z-12ab".to_owned(),
        tenant: "145283994705985536".to_owned(),
        plan_sha256: "0".repeat(64),
        settings: serde_json::json!({}),
        seal: None,
    }
}
