use std::fs;

use serde_json::json;

use super::*;
use crate::model::{Id, Outcome, Status};

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
            id: Some(Id::new(format!("14528399470598{item:04}"))),
            failure: None,
        };
        events.push(Event::Outcomes(items.into_iter().map(outcome).collect()));
    }
    events
}

fn journal() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(dir.path(), &header(), now()).unwrap();
    for event in events() {
        journal.append(&event, now()).unwrap();
        journal.commit().unwrap();
    }
    dir
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
    assert_eq!(replayed.last_intents, [now(); 4]);
}

#[test]
fn a_journal_cut_at_any_byte_keeps_every_whole_record_and_can_be_continued() {
    let dir = journal();
    let path = dir.path().join(FILE_NAME);
    let whole = fs::read(&path).unwrap();
    let header_end = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
    for cut in header_end..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let lines = whole[header_end..cut].split(|b| *b == b'\n').count() - 1;
        let mut found = Vec::new();
        let (mut journal, _) = Journal::open(dir.path(), |event| found.push(event)).unwrap();
        assert_eq!(found, events()[..lines], "cut at {cut}");
        journal.append(&events()[0], now()).unwrap();
        journal.commit().unwrap();
        drop(journal);
        assert_eq!(read(dir.path()).unwrap().len(), lines + 1, "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_anywhere_before_the_last_record_is_refused() {
    let dir = journal();
    let path = dir.path().join(FILE_NAME);
    let whole = fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1]
        .iter()
        .rposition(|b| *b == b'\n')
        .unwrap();
    for at in 0..last {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        fs::write(&path, &changed).unwrap();
        assert!(read(dir.path()).is_err(), "bit {} of byte {at}", at % 8);
    }
}

#[test]
fn missing_swapped_and_doubled_records_are_refused_by_line() {
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
fn an_empty_journal_and_one_without_header_are_refused() {
    let error = damage(|lines| drop(lines.remove(0)));
    assert!(
        matches!(error, JournalError::Damaged { line: 1, .. }),
        "{error}"
    );
    let dir = tempfile::tempdir().unwrap();
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
    let dir = tempfile::tempdir().unwrap();
    let mut line = Vec::new();
    let newer = json!({"format": FORMAT + 1, "novel": true});
    Chain::default()
        .write(&mut line, "header", &newer, now())
        .unwrap();
    fs::write(dir.path().join(FILE_NAME), line).unwrap();
    let error = read(dir.path()).unwrap_err();
    assert!(
        matches!(error, JournalError::Newer { format: 2, .. }),
        "{error}"
    );
}

#[test]
fn a_second_process_is_refused_and_told_who_works_there() {
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
