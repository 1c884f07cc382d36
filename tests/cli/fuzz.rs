//! Input from outside, mutated without end: manifests, journals, answers and their headers. Nothing makes the program
//! panic, and nothing that is damaged is taken for whole.
//!
//! Every target begins with good input, mutates it, and keeps some of the results to mutate them further. A short hunt
//! runs with all tests. `ZPA_BULK_FUZZ=600 cargo test --test cli fuzz` hunts for ten minutes on each target, and
//! `ZPA_BULK_SEED=7` begins with another seed. A failure is shown with its seed and its input.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use zpa_bulk::engine::check_listing;
use zpa_bulk::item::{Event, Outcome, Status};
use zpa_bulk::journal::{self, FORMAT, Header, Journal};
use zpa_bulk::manifest::{CsvReader, CsvWriter};
use zpa_bulk::resource::{Kind, Scope};
use zpa_bulk::retry::{self, Call, Verdict};
use zpa_bulk::wire::{Answer, Failure, Id, Method, Reply};

use crate::support::manifests::items_planned;
use crate::support::random::{Random, variable};
use crate::support::scratch;

/// The time for each target, unless another is given.
const SHORT: Duration = Duration::from_secs(3);

/// The number of inputs that are kept to be mutated further.
const KEPT: usize = 200;

/// The longest input: long enough to cross the readers' smaller buffers.
const LONGEST: usize = 20_000;

/// Words of the formats.
const WORDS: [&[u8]; 28] = [
    b",",
    b"\"",
    b"\"\"",
    b"\n",
    b"\r\n",
    b"\xef\xbb\xbf",
    b"\0",
    b"\xff\xfe",
    b";",
    b"'",
    b"=",
    b"{",
    b"}",
    b"[]",
    b"null",
    b"1e400",
    b"-1",
    b"18446744073709551616",
    b"\\ud800",
    b"\"id\":",
    b"\"list\":",
    b"\"totalPages\":\"2\"",
    b"\"crc\":\"",
    b"\"outcomes\":[",
    b"action,delete",
    b"https://[::1]:0/",
    b"1m30s",
    b"Sun, 01 Mar 2026 12:00:20 GMT",
];

/// Hands mutations of `corpus` to `check` until the time is up.
fn hunt(name: &str, corpus: &[Vec<u8>], mut check: impl FnMut(&[u8])) {
    let seed = variable("ZPA_BULK_SEED").unwrap_or(1);
    let span = variable("ZPA_BULK_FUZZ").map_or(SHORT, Duration::from_secs);
    let mut random = Random(seed);
    let mut kept = corpus.to_vec();
    let began = Instant::now();
    let mut count = 0_u64;
    while began.elapsed() < span {
        let mut input = random.one(&kept).clone();
        for _ in 0..=random.below(4) {
            mutate(&mut random, &mut input, corpus);
        }
        input.truncate(LONGEST);
        let held = catch_unwind(AssertUnwindSafe(|| check(&input)));
        assert!(
            held.is_ok(),
            "{name}, ZPA_BULK_SEED={seed}, number {count}: {:?}",
            String::from_utf8_lossy(&input)
        );
        count += 1;
        if random.percent(5) {
            if kept.len() < KEPT {
                kept.push(input);
            } else {
                let place = corpus.len() + random.index(KEPT - corpus.len());
                kept[place] = input;
            }
        }
    }
    println!("{name}: {count} inputs in {:.1?}", began.elapsed());
}

fn mutate(random: &mut Random, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let at = random.index(input.len() + 1);
    let end = at + random.index((input.len() - at).min(64) + 1);
    match random.below(8) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 => drop(input.drain(at..end)),
        2 => {
            let again: Vec<u8> = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        3 => drop(input.splice(at..end, random.one(&WORDS).iter().copied())),
        4 => input.truncate(at),
        5 => {
            let other = random.one(corpus);
            let from = random.index(other.len() + 1);
            let piece = other[from..].iter().take(300).copied();
            input.splice(at..end, piece);
        }
        6 => {
            let mut lines: Vec<Vec<u8>> = input
                .split_inclusive(|b| *b == b'\n')
                .map(<[u8]>::to_vec)
                .collect();
            random.shuffle(&mut lines);
            *input = lines.concat();
        }
        _ => drop(input.splice(at..at, std::iter::repeat_n(b'a', random.index(300)))),
    }
}

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(name);
    std::fs::read(path).unwrap()
}

/// The beginning of a sample, cut behind a line.
fn head(name: &str, lines: usize) -> Vec<u8> {
    let text = sample(name);
    text.split_inclusive(|b| *b == b'\n')
        .take(lines)
        .flatten()
        .copied()
        .collect()
}

fn hunt_manifests(ending: &str, corpus: &[Vec<u8>]) {
    let dir = scratch();
    let path = dir.path().join(format!("m.{ending}"));
    hunt(ending, corpus, |input| {
        std::fs::write(&path, input).unwrap();
        // A refusal is as good as a plan.
        let _ = items_planned(&path);
    });
}

#[test]
fn no_spreadsheet_makes_the_reader_panic() {
    let corpus = [
        head("portal-links.csv", 12),
        head("broken.csv", 20),
        sample("resources.csv"),
        sample("broken-columns.csv"),
    ];
    hunt_manifests("csv", &corpus);
}

#[test]
fn no_json_lines_make_the_reader_panic() {
    hunt_manifests("jsonl", &[head("portal-links.jsonl", 12)]);
}

#[test]
fn every_cell_that_is_written_is_read_back() {
    let corpus = ["'=1;'=2", "x;\"=1\",\"", "a\r\n-1|+2\t@3", "\u{ff1d}1,''"];
    let corpus = corpus.map(|cell| cell.as_bytes().to_vec());
    hunt("cells", &corpus, |input| {
        let text = String::from_utf8_lossy(input);
        let cells: Vec<&str> = text.splitn(3, 'a').chain(["end"]).collect();
        let mut writer = CsvWriter::new(Vec::new());
        writer.row(cells.iter().map(|_| "title")).unwrap();
        writer.row(cells.iter().copied()).unwrap();
        let written = writer.finish().unwrap();
        let mut reader = CsvReader::new(written.as_slice());
        reader.row().unwrap().unwrap();
        assert_eq!(reader.row().unwrap().unwrap(), cells);
        assert_eq!(reader.row().unwrap(), None);
    });
}

/// A journal with every kind of record.
fn journal(dir: &Path) -> Vec<u8> {
    let header = Header {
        format: FORMAT,
        tool: "fuzz".to_owned(),
        run: "run".to_owned(),
        tenant: "7".to_owned(),
        plan_sha256: String::new(),
        settings: Value::Null,
        seal: None,
    };
    let now = Timestamp::UNIX_EPOCH;
    let mut journal = Journal::create(dir, &header, now).unwrap();
    let outcome = |item, status, id: Option<&str>, failure| {
        Event::Outcomes(vec![Outcome {
            item,
            status,
            id: id.and_then(Id::parse),
            failure,
        }])
    };
    let events = [
        Event::Intent {
            call: 1,
            items: vec![0, 1, 2],
        },
        outcome(0, Status::Created, Some("145283994705985536"), None),
        outcome(
            1,
            Status::Failed,
            None,
            Some(Failure::new("not \"liked\" \u{1f980}")),
        ),
        Event::Void {
            call: 1,
            items: vec![2],
        },
        Event::Intent {
            call: 2,
            items: vec![2],
        },
        outcome(2, Status::Recovered, Some("a-b"), None),
    ];
    for event in &events {
        journal.append(event, now).unwrap();
    }
    journal.commit().unwrap();
    std::fs::read(dir.join(journal::FILE_NAME)).unwrap()
}

/// The events of a journal; nothing if it is refused.
fn said(dir: &Path) -> Option<Vec<String>> {
    let mut said = Vec::new();
    let replayed = journal::replay(dir, |event: Event| said.push(format!("{event:?}")));
    replayed.is_ok().then_some(said)
}

#[test]
fn a_damaged_journal_never_says_anything_else() {
    let dir = scratch();
    let whole = journal(dir.path());
    let path = dir.path().join(journal::FILE_NAME);
    let truth = said(dir.path()).unwrap();
    hunt("journal", &[whole], |input| {
        std::fs::write(&path, input).unwrap();
        if let Some(said) = said(dir.path()) {
            assert!(truth.starts_with(&said), "{said:?}");
        }
    });
}

#[test]
fn no_retry_after_panics_or_waits_for_ever() {
    let forms = [
        "13",
        "13s",
        "13 seconds",
        "0 seconds",
        "1m30s",
        "0.5",
        "Sun, 01 Mar 2026 12:00:20 GMT",
    ];
    let corpus = forms.map(|form| form.as_bytes().to_vec());
    hunt("retry-after", &corpus, |input| {
        let text = String::from_utf8_lossy(input);
        let (one, two) = text.split_at(text.floor_char_boundary(text.len() / 2));
        for (header, date) in [(&*text, None), (one, Some(two))] {
            let wait = retry::retry_after(header, date, Timestamp::UNIX_EPOCH);
            assert!(wait.is_none_or(|wait| wait <= Duration::from_secs(7 * 86_400)));
        }
    });
}

fn answer(status: u16, body: &[u8]) -> Answer {
    Answer {
        status,
        retry_after: None,
        date: None,
        body: body.to_vec(),
    }
}

#[test]
fn half_an_answer_never_passes_for_a_listing() {
    let corpus = [
        &br#"{"totalPages":"1","totalCount":"2","list":[{"id":"145283994705985536","name":"A &#x2a; B","enabled":true,"userPortals":[{"id":7}]},{"id":2,"name":"b"}]}"#[..],
        br#"{"userPortalLinks":[{"id":"1","name":"a","link":"b.c"}],"userPortals":[{"id":"2"}]}"#,
        br#"[{"id":"1","domain":"a.example","capture":false}]"#,
        br#"{"id":"1","frequencyInterval":"5","enabled":true}"#,
        br#"{"id":"resource.already.exist","reason":"exists","params":["a"],"exception":"x"}"#,
        br#"{"detail":"unauthorized","type":"","title":"","status":""}"#,
        b"<!DOCTYPE html><html><body>wait</body></html>",
    ];
    let kinds = [
        "portal-link",
        "user-portal",
        "connector",
        "domain",
        "connector-schedule",
    ];
    let kinds = kinds.map(|name| Kind::from_name(name).unwrap());
    let now = Instant::now();
    hunt("answers", &corpus.map(<[u8]>::to_vec), |input| {
        let is_json = serde_json::from_slice::<Value>(input).is_ok();
        for kind in kinds {
            let listed = check_listing(Scope::of(kind, None), &answer(200, input), now).is_ok();
            assert!(!listed || is_json || input.trim_ascii().is_empty());
            let created = kind.created_objects(answer(201, input).json());
            assert!(is_json || created.is_empty());
        }
        for status in [200, 201, 204, 400, 401, 404, 409, 429, 500, 503] {
            for method in [Method::Get, Method::Post, Method::Put, Method::Delete] {
                let call = Call {
                    method,
                    attempt: 1,
                    refusals: 1,
                };
                let reply = Reply::Answer(answer(status, input));
                let verdict = retry::judge(call, &reply, Timestamp::UNIX_EPOCH, 0.5);
                assert!(verdict != Verdict::Success || status < 300);
            }
        }
    });
}
