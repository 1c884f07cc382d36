use std::fs::{self, File};
use std::path::Path;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::frame::Chain;
use super::synced_offset::SyncedOffset;
use super::*;
use crate::item::{Event, Outcome, PRESUMED, Status};
use crate::wire::{Failure, Id, Object};

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn header() -> Header {
    Header {
        format: FORMAT,
        tool: "0".to_owned(),
        run: "r".to_owned(),
        tenant: "1".to_owned(),
        plan_sha256: "0".to_owned(),
        settings: json!({}),
        seal: None,
    }
}

fn events() -> Vec<Event> {
    let mut events = Vec::new();
    for call in 0..4 {
        let items = vec![call * 2, call * 2 + 1];
        events.push(Event::Intent {
            call,
            items: items.clone(),
        });
        let outcome = |item| Outcome {
            item,
            status: Status::Created,
            id: Id::parse(&format!("14528399470598{item:04}")),
            failure: None,
        };
        events.push(Event::Outcomes(items.into_iter().map(outcome).collect()));
    }
    events
}

/// A directory in memory where there is one: thousands of small files are written and synced here.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// A journal with all events, each on disk.
fn journal() -> tempfile::TempDir {
    journal_with(Journal::commit)
}

/// A journal with all events, each put away like that.
fn journal_with(
    mut put: impl FnMut(&mut Journal) -> Result<(), JournalError>,
) -> tempfile::TempDir {
    let dir = scratch();
    let mut journal = Journal::create(dir.path(), &header(), now()).unwrap();
    for event in events() {
        journal.append(&event, now()).unwrap();
        put(&mut journal).unwrap();
    }
    dir
}

/// Opens a journal whose bytes `change` has changed.
fn opened(dir: &Path, whole: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Result<(), JournalError> {
    let mut bytes = whole.to_owned();
    change(&mut bytes);
    fs::write(dir.join(FILE_NAME), &bytes).unwrap();
    Journal::open(dir, |_| ()).map(drop)
}

/// The length of the first line.
fn header_end(whole: &[u8]) -> usize {
    whole.iter().position(|b| *b == b'\n').unwrap() + 1
}

fn read(dir: &Path) -> Result<Vec<Event>, JournalError> {
    let mut found = Vec::new();
    replay(dir, |event| found.push(event))?;
    Ok(found)
}

/// Changes the lines of a journal and answers how reading it fails.
fn damage(change: impl FnOnce(&mut Vec<String>)) -> JournalError {
    let dir = journal();
    let path = dir.path().join(FILE_NAME);
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    read(dir.path()).unwrap_err()
}

#[test]
fn what_was_appended_is_read_back_in_order() {
    let dir = journal();
    assert_eq!(read(dir.path()).unwrap(), events());
    let replayed = replay(dir.path(), |_| ()).unwrap();
    assert_eq!(replayed.header, header());
    assert_eq!(replayed.last, now());
    assert_eq!(replayed.last_intents(), [now(); 4]);
}

#[test]
fn a_write_cut_off_anywhere_keeps_whole_records() {
    let dir = journal_with(Journal::write);
    let path = dir.path().join(FILE_NAME);
    let synced = dir.path().join("journal.synced");
    let (whole, offset) = (fs::read(&path).unwrap(), fs::read(&synced).unwrap());
    let header_end = header_end(&whole);
    for cut in header_end..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        fs::write(&synced, &offset).unwrap();
        let lines = whole[header_end..cut].split(|b| *b == b'\n').count() - 1;
        let mut found = Vec::new();
        let opened = Journal::open(dir.path(), |event| found.push(event));
        let (mut journal, replayed) = opened.unwrap();
        assert_eq!(found, events()[..lines], "cut at {cut}");
        assert_eq!(replayed.last, now(), "cut at {cut}");
        journal.append(&events()[0], now()).unwrap();
        journal.commit().unwrap();
        drop(journal);
        let whole = [&events()[..lines], &events()[..1]].concat();
        assert_eq!(read(dir.path()).unwrap(), whole, "cut at {cut}");
    }
}

#[test]
fn a_journal_that_lost_its_end_is_read_not_resumed() {
    let dir = journal();
    let whole = fs::read(dir.path().join(FILE_NAME)).unwrap();
    for cut in header_end(&whole)..whole.len() {
        let error = opened(dir.path(), &whole, |bytes| bytes.truncate(cut)).unwrap_err();
        let line = whole[..cut].split(|b| *b == b'\n').count() as u64;
        let lost = matches!(&error, JournalError::Lost { line: found, .. } if *found == line);
        assert!(lost, "cut at {cut}: {error}");
        let mut found = Vec::new();
        let replayed = replay(dir.path(), |event| found.push(event)).unwrap();
        assert!(replayed.lost, "cut at {cut}");
        let lines = usize::try_from(line).unwrap() - 2;
        assert_eq!(found, events()[..lines], "cut at {cut}");
    }
}

#[test]
fn zeros_that_were_never_synced_are_a_lost_end() {
    let dir = journal_with(Journal::write);
    let path = dir.path().join(FILE_NAME);
    let mut bytes = fs::read(&path).unwrap();
    let ends: Vec<usize> = bytes
        .iter()
        .enumerate()
        .filter(|(_, b)| **b == b'\n')
        .map(|(at, _)| at)
        .collect();
    bytes[ends[2] + 1..ends[4]].fill(0);
    fs::write(&path, &bytes).unwrap();
    let mut found = Vec::new();
    let replayed = replay(dir.path(), |event| found.push(event)).unwrap();
    assert!(replayed.lost && !replayed.torn);
    assert_eq!(found, events()[..2]);
    let error = Journal::open(dir.path(), |_| ()).unwrap_err();
    assert!(
        matches!(error, JournalError::Lost { line: 4, .. }),
        "{error}"
    );

    bytes[ends[2] + 1..].fill(0);
    fs::write(&path, &bytes).unwrap();
    let replayed = replay(dir.path(), |_| ()).unwrap();
    assert!(replayed.torn && !replayed.lost);
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let dir = journal();
    let whole = fs::read(dir.path().join(FILE_NAME)).unwrap();
    opened(dir.path(), &whole, |_| ()).unwrap();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let opened = opened(dir.path(), &whole, |bytes| bytes[at] ^= 1 << bit);
            assert!(opened.is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn missing_swapped_or_doubled_records_are_refused() {
    for (name, error) in [
        ("missing", damage(|lines| drop(lines.remove(3)))),
        ("swapped", damage(|lines| lines.swap(3, 4))),
        ("doubled", damage(|lines| lines.insert(4, lines[3].clone()))),
    ] {
        let JournalError::Damaged { line, damage, .. } = error else {
            panic!("{name}: {error}");
        };
        let expected = if name == "doubled" { 5 } else { 4 };
        assert_eq!((line, damage), (expected, Damage::Checksum), "{name}");
    }
}

#[test]
fn records_that_are_cut_off_are_named_and_kept() {
    let dir = journal();
    let path = dir.path().join(FILE_NAME);
    let whole = fs::read(&path).unwrap();
    let end: usize = whole
        .split_inclusive(|b| *b == b'\n')
        .take(3)
        .map(<[u8]>::len)
        .sum();
    let mut damaged = whole.clone();
    damaged[end + 20] ^= 1;
    for number in 1..3 {
        fs::write(&path, &damaged).unwrap();
        let (_, cut) = examine(dir.path(), |_| ()).unwrap();
        let cut = cut.unwrap();
        assert_eq!((cut.line, cut.lines, cut.damage), (4, 6, Damage::Checksum));
        assert_eq!(cut.bytes, (whole.len() - end) as u64);
        // Three calls of two items each; the damaged line is still legible.
        assert_eq!((cut.intents, cut.outcomes, cut.unreadable), (6, 6, 0));
        assert_eq!(fs::read(&path).unwrap(), damaged, "looking changes nothing");

        let mut found = Vec::new();
        let (mut journal, aside) = Journal::cut(dir.path(), |event| found.push(event)).unwrap();
        assert_eq!(found, events()[..2]);
        let aside = aside.unwrap();
        assert_eq!(
            aside,
            dir.path().join(format!("journal.cut-{number}.jsonl"))
        );
        assert_eq!(fs::read(aside).unwrap(), damaged[end..]);
        assert_eq!(fs::read(&path).unwrap(), whole[..end]);
        assert!(
            replay(dir.path(), |_| ()).unwrap().lost,
            "until something is committed"
        );
        journal.append(&events()[0], now()).unwrap();
        journal.commit().unwrap();
        drop(journal);
        assert!(examine(dir.path(), |_| ()).unwrap().1.is_none());
        let expected = [&events()[..2], &events()[..1]].concat();
        assert_eq!(read(dir.path()).unwrap(), expected);
    }
}

#[test]
fn an_illegible_synced_offset_means_a_lost_end() {
    let dir = journal();
    let synced = dir.path().join("journal.synced");
    fs::write(&synced, "0000000000000000\u{fffd}").unwrap();
    let error = Journal::open(dir.path(), |_| ()).unwrap_err();
    assert!(
        matches!(error, JournalError::Lost { line: 10, .. }),
        "{error}"
    );
    // As older programs left it.
    fs::remove_file(&synced).unwrap();
    Journal::open(dir.path(), |_| ()).unwrap();
}

#[test]
fn after_a_failed_sync_or_write_nothing_more_is_taken() {
    fn on_a_full_disk(mut journal: Journal) -> Journal {
        journal.file = File::options().write(true).open("/dev/full").unwrap();
        journal
    }
    for failing in [on_a_full_disk, Journal::on_a_failing_disk] {
        let dir = scratch();
        let journal = Journal::create(dir.path(), &header(), now()).unwrap();
        let length = fs::metadata(dir.path().join(FILE_NAME)).unwrap().len();
        let mut journal = failing(journal);
        journal.append(&events()[0], now()).unwrap();
        let error = journal.commit().unwrap_err();
        assert!(matches!(error, JournalError::Io { .. }), "{error}");
        assert!(journal.append(&events()[1], now()).is_err());
        assert!(journal.commit().is_err() && journal.write().is_err());
        drop(journal);
        assert_eq!(SyncedOffset::read(dir.path()).unwrap(), length);
    }
}

#[test]
fn a_journal_without_header_is_refused() {
    let error = damage(|lines| drop(lines.remove(0)));
    assert!(
        matches!(error, JournalError::Damaged { line: 1, .. }),
        "{error}"
    );
    let dir = scratch();
    fs::write(dir.path().join(FILE_NAME), "").unwrap();
    let error = read(dir.path()).unwrap_err();
    assert!(
        matches!(
            error,
            JournalError::Damaged {
                damage: Damage::NoHeader,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_newer_format_is_refused_whatever_else_it_says() {
    let dir = scratch();
    let mut line = Vec::new();
    let newer = json!({"format": FORMAT + 1, "novel": true});
    Chain::default()
        .write(&mut line, "header", &newer, now())
        .unwrap();
    fs::write(dir.path().join(FILE_NAME), line).unwrap();
    let error = read(dir.path()).unwrap_err();
    assert!(
        matches!(error, JournalError::Newer { format, .. } if format == FORMAT + 1),
        "{error}"
    );
}

#[test]
fn a_header_of_an_older_program_is_read() {
    let dir = scratch();
    let mut older = serde_json::to_value(header()).unwrap();
    older["plan_crc"] = json!(305_419_896);
    let mut line = Vec::new();
    Chain::default()
        .write(&mut line, "header", &older, now())
        .unwrap();
    fs::write(dir.path().join(FILE_NAME), line).unwrap();
    assert_eq!(replay(dir.path(), |_| ()).unwrap().header, header());
}

#[test]
fn a_journal_of_the_first_format_is_continued() {
    let dir = tempfile::tempdir().unwrap();
    let first = Header {
        format: 1,
        ..header()
    };
    drop(Journal::create(dir.path(), &first, now()).unwrap());
    let (mut journal, replayed) = Journal::open(dir.path(), |_| ()).unwrap();
    assert_eq!(replayed.header, first);
    for event in events() {
        journal.append(&event, now()).unwrap();
    }
    journal.commit().unwrap();
    assert_eq!(read(dir.path()).unwrap(), events());
}

#[test]
fn a_second_process_is_refused_by_name() {
    let dir = journal();
    let (first, _) = Journal::open(dir.path(), |_| ()).unwrap();
    assert!(is_locked(dir.path()));
    let error = Journal::open(dir.path(), |_| ()).unwrap_err();
    let pid = std::process::id().to_string();
    assert!(error.to_string().contains(&pid), "{error}");
    drop(first);
    assert!(!is_locked(dir.path()));
    Journal::open(dir.path(), |_| ()).unwrap();
}

#[cfg(unix)]
#[test]
fn the_journal_is_private_to_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let dir = journal();
    let mode = fs::metadata(dir.path().join(FILE_NAME))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_sound_record_of_unknown_kind_is_refused() {
    let dir = journal();
    let path = dir.path().join(FILE_NAME);
    let chain = Journal::open(dir.path(), |_| ()).unwrap().0.chain.clone();
    let whole = fs::read(&path).unwrap();
    let mut changed = whole.clone();
    for (kind, content) in [("novel", "{}"), ("event", "{\"novel\":{}}"), ("event", "7")] {
        let content: serde_json::Value = serde_json::from_str(content).unwrap();
        changed.truncate(whole.len());
        let mut chain = chain.clone();
        chain.write(&mut changed, kind, &content, now()).unwrap();
        fs::write(&path, &changed).unwrap();
        let error = Journal::open(dir.path(), |_| ()).unwrap_err();
        let unknown = matches!(
            error,
            JournalError::Damaged {
                line: 10,
                damage: Damage::Content,
                ..
            }
        );
        assert!(unknown, "{error}");
        assert_eq!(fs::read(&path).unwrap(), changed);
    }
}

#[test]
fn a_record_of_unknown_content_can_be_cut_off() {
    let dir = journal();
    let path = dir.path().join(FILE_NAME);
    let mut chain = Journal::open(dir.path(), |_| ()).unwrap().0.chain.clone();
    let mut bytes = fs::read(&path).unwrap();
    chain.write(&mut bytes, "novel", &7, now()).unwrap();
    fs::write(&path, &bytes).unwrap();
    let (mut journal, _) = Journal::cut(dir.path(), |_| ()).unwrap();
    journal.append(&events()[0], now()).unwrap();
    journal.commit().unwrap();
    drop(journal);
    let expected = [&events()[..], &events()[..1]].concat();
    assert_eq!(read(dir.path()).unwrap(), expected);
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let status = prop::sample::select(vec![Status::Created, Status::Spared, Status::Failed]);
    let id = prop::option::of("[0-9]{0,30}|\\PC{0,9}");
    let failure = prop::option::of("\\PC{0,9}");
    (any::<u32>(), status, id, failure).prop_map(|(item, status, id, failure)| Outcome {
        item,
        status,
        id: id.and_then(|id| Id::parse(&id)),
        failure: failure.map(Failure::new),
    })
}

fn object() -> impl Strategy<Value = Object> {
    prop::collection::vec(("\\PC{0,5}", "\\PC{0,9}|[{}\"\n]{0,4}"), 0..4)
        .prop_map(|members| members.into_iter().map(|(n, t)| (n, t.into())).collect())
}

fn event() -> impl Strategy<Value = Event> {
    let call = || prop_oneof![any::<u32>(), Just(PRESUMED)];
    let items = || (call(), prop::collection::vec(any::<u32>(), 0..5));
    prop_oneof![
        items().prop_map(|(call, items)| Event::Intent { call, items }),
        items().prop_map(|(call, items)| Event::Void { call, items }),
        items().prop_map(|(call, items)| Event::Refused { call, items }),
        prop::collection::vec(outcome(), 0..5).prop_map(Event::Outcomes),
        (any::<u32>(), object()).prop_map(|(item, object)| Event::Before { item, object }),
        any::<u32>().prop_map(Event::BatchSize),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_follows_the_header_is_torn_or_refused(noise in prop::collection::vec(any::<u8>(), 1..300)) {
        let dir = scratch();
        drop(Journal::create(dir.path(), &header(), now()).unwrap());
        let path = dir.path().join(FILE_NAME);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend(noise);
        fs::write(&path, &bytes).unwrap();
        match replay(dir.path(), |event| panic!("{event:?}")) {
            Ok(found) => prop_assert!(found.torn || found.lost),
            Err(JournalError::Damaged { line, .. }) => prop_assert!(line > 1),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn whatever_is_written_is_read_back(events in prop::collection::vec(event(), 0..9)) {
        let dir = scratch();
        let mut journal = Journal::create(dir.path(), &header(), now()).unwrap();
        for event in &events {
            journal.append(event, now()).unwrap();
        }
        journal.commit().unwrap();
        prop_assert_eq!(read(dir.path()).unwrap(), events);
    }
}
