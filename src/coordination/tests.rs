use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::pacer::{Learned, Quota, QuotaScope, Shape, Slot, SlotRequest, Terms};
use crate::wire::QuotaClass;

const SECOND: i64 = 1_000_000_000;

const START: Now = Now {
    boot: "first",
    uptime: 1000 * SECOND,
    wall: 1_790_000_000 * SECOND,
};

fn after(millis: i64) -> Now {
    let passed = millis * 1_000_000;
    Now {
        uptime: START.uptime + passed,
        wall: START.wall + passed,
        ..START
    }
}

fn uptime(millis: i64) -> i64 {
    after(millis).uptime
}

fn open(dir: &TempDir) -> Coordination {
    Coordination::open(&dir.path().join("tenants"), "145", START).unwrap()
}

fn request(quota: Quota, spacing: Option<Duration>) -> SlotRequest {
    SlotRequest {
        class: QuotaClass::Write,
        path: Arc::default(),
        by_path: None,
        by_class: Some(Terms { quota, spacing }),
        by_all: None,
        earliest: Instant::now(),
        unused: Vec::new(),
    }
}

fn steady() -> SlotRequest {
    request(Quota::WRITE, Some(Duration::from_millis(1020)))
}

/// Takes a slot at that time, from then on.
fn take(table: &Coordination, request: &SlotRequest, now: Now) -> i64 {
    table
        .change(now, |table| {
            table.take_slot(request, now.uptime, None, |_| true)
        })
        .unwrap()
        .at
}

#[test]
fn processes_that_take_turns_go_one_interval_apart() {
    let dir = tempfile::tempdir().unwrap();
    let both = [open(&dir), open(&dir)];
    let taken: Vec<i64> = (0..8)
        .map(|n| take(&both[n % 2], &steady(), START))
        .collect();
    let expected: Vec<i64> = (0..8).map(|n| uptime(1020 * n)).collect();
    assert_eq!(taken, expected);
    assert_eq!(take(&both[0], &steady(), after(500)), uptime(8 * 1020));
}

#[test]
fn a_burst_counts_what_others_have_sent() {
    let dir = tempfile::tempdir().unwrap();
    let table = open(&dir);
    let burst = request(Quota::WRITE, None);
    for _ in 0..7 {
        take(&table, &burst, START);
    }
    let now = uptime(2000);
    let taken: Vec<i64> = (0..5).map(|_| take(&table, &burst, after(2000))).collect();
    let opens = uptime(10_200);
    assert_eq!(taken, [now, now, now, opens, opens]);
}

#[test]
fn each_path_has_a_quota_below_that_of_the_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let table = open(&dir);
    let gateway = Terms {
        quota: Quota::GATEWAY,
        spacing: Some(Duration::from_millis(12)),
    };
    let on = |path: &str| SlotRequest {
        by_path: steady().by_class,
        by_class: None,
        by_all: Some(gateway),
        path: path.into(),
        ..steady()
    };
    assert_eq!(take(&table, &on("1"), START), START.uptime);
    assert_eq!(take(&table, &on("2"), START), uptime(12));
    assert_eq!(take(&table, &on("1"), START), uptime(1020));
}

#[test]
fn a_long_pause_and_a_long_window_are_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let (table, other) = (open(&dir), open(&dir));
    let two = NonZeroU32::MIN.saturating_add(1);
    let hourly = request(Quota::new(two, Duration::from_secs(3600)), None);
    let first = take(&table, &hourly, START);
    take(&other, &steady(), after(600_000));
    let third = take(&other, &hourly, after(660_000));
    assert!(third >= first + 3600 * SECOND);
    let pause = |table: &Table<'_>| table.pause(QuotaClass::Write, uptime(7_200_000));
    table.change(after(660_000), pause).unwrap();
    assert!(take(&other, &steady(), after(700_000)) >= uptime(7_200_000));
}

#[test]
fn a_wall_clock_that_is_set_moves_no_slot() {
    for step in [-3600, 3600] {
        let dir = tempfile::tempdir().unwrap();
        let table = open(&dir);
        take(&table, &steady(), START);
        let set = Now {
            wall: START.wall + step * SECOND,
            ..after(100)
        };
        assert_eq!(take(&table, &steady(), set), uptime(1020));
    }
}

#[test]
fn slots_survive_a_restart_of_the_machine() {
    let dir = tempfile::tempdir().unwrap();
    let burst = request(Quota::WRITE, None);
    let table = open(&dir);
    for _ in 0..10 {
        take(&table, &burst, START);
    }
    let restarted = Now {
        boot: "second",
        uptime: 2 * SECOND,
        wall: START.wall + 4 * SECOND,
    };
    // Sent four seconds ago, which was before the restart.
    assert_eq!(
        take(&table, &burst, restarted),
        -2 * SECOND + 10_200_000_000
    );
}

fn damaged(spoil: impl Fn(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let table = open(&dir);
    table
        .change(START, |table| {
            table.begin("/runs/one", "one", Duration::ZERO)
        })
        .unwrap();
    drop(table);
    let files: Vec<_> = fs::read_dir(dir.path().join("tenants")).unwrap().collect();
    for file in files {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "db") {
            spoil(&path);
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    let table = open(&dir);
    let burst = request(Quota::WRITE, None);
    assert_eq!(
        take(&table, &burst, after(1)),
        uptime(10_200),
        "calls before are not known"
    );
    let aside = fs::read_dir(dir.path().join("tenants"))
        .unwrap()
        .filter(|file| {
            let name = file.as_ref().unwrap().file_name();
            name.to_str().unwrap().contains("damaged")
        });
    assert_eq!(aside.count(), 1);
}

#[test]
fn a_damaged_file_is_moved_aside() {
    damaged(|path| {
        fs::write(
            path,
            "something else, and long enough to be no header of a table",
        )
        .unwrap();
    });
    damaged(|path| {
        let mut bytes = fs::read(path).unwrap();
        bytes[100..4000].fill(0x55);
        fs::write(path, bytes).unwrap();
    });
    damaged(|path| {
        let mut bytes = fs::read(path).unwrap();
        bytes.truncate(5000);
        fs::write(path, bytes).unwrap();
    });
}

/// A run that takes part, and a second one.
fn two_runs(table: &Coordination) -> [RunId; 2] {
    ["/runs/one", "/runs/two"].map(|directory| {
        let name = directory.trim_start_matches("/runs/");
        let begin = |table: &Table<'_>| table.begin(directory, name, Duration::from_secs(60));
        table.change(START, begin).unwrap()
    })
}

#[test]
fn one_run_at_a_time_holds_an_object() {
    let dir = tempfile::tempdir().unwrap();
    let table = open(&dir);
    let [one, two] = two_runs(&table);
    let claim = |run, now| {
        let holder = table.change(now, |table| table.claim("link 7", run, |_| true));
        holder
            .unwrap()
            .map(|holder| holder.directory.display().to_string())
    };
    assert_eq!(claim(one, START), None);
    assert_eq!(claim(one, START), None, "its own");
    assert_eq!(claim(two, START).as_deref(), Some("/runs/one"));
    table
        .change(START, |table| table.release("link 7", two))
        .unwrap();
    assert_eq!(
        claim(two, START).as_deref(),
        Some("/runs/one"),
        "not two's to release"
    );
    table
        .change(START, |table| table.release("link 7", one))
        .unwrap();
    assert_eq!(claim(two, START), None);
}

#[test]
fn a_dead_runs_claims_last_until_its_write_has_settled() {
    let dir = tempfile::tempdir().unwrap();
    let table = open(&dir);
    let [one, two] = two_runs(&table);
    let claim = |run, now, is_active| {
        let holder = table.change(now, |table| table.claim("link 7", run, |_| is_active));
        holder.unwrap().is_none()
    };
    assert!(claim(one, START, true));
    table
        .change(START, |table| {
            table.take_slot(&steady(), START.uptime, Some(one), |_| true)
        })
        .unwrap();
    assert!(!claim(two, after(59_000), false));
    assert!(!claim(two, after(61_000), true), "it is at work");
    // A new process of the run, which has not claimed the object again.
    let again = |table: &Table<'_>| table.begin("/runs/one", "one", Duration::from_secs(60));
    assert_eq!(table.change(after(30_000), again).unwrap(), one);
    assert!(!claim(two, after(59_000), true));
    assert!(claim(two, after(61_000), true));
    assert!(!claim(one, after(61_000), true));
}

#[test]
fn slots_to_come_of_a_dead_run_are_free_again() {
    let dir = tempfile::tempdir().unwrap();
    let table = open(&dir);
    let [one, two] = two_runs(&table);
    let take = |run, now: Now, is_active: fn(&Path) -> bool| {
        let slot = table.change(now, |table| {
            table.take_slot(&steady(), now.uptime, Some(run), is_active)
        });
        slot.unwrap().at
    };
    let slots = [one, one, two].map(|run| take(run, START, |_| true));
    assert_eq!(slots, [START.uptime, uptime(1020), uptime(2040)]);
    let is_not_one = |directory: &Path| directory != Path::new("/runs/one");
    // The first slot of the dead run has come: its call may have been sent.
    assert_eq!(take(two, after(500), is_not_one), uptime(3060));
    let window = request(
        Quota::new(NonZeroU32::new(4).unwrap(), Duration::from_secs(10)),
        None,
    );
    let taken = |now: Now| {
        let take = |table: &Table<'_>| table.take_slot(&window, now.uptime, Some(two), is_not_one);
        table.change(now, take).unwrap().at
    };
    assert_eq!(taken(after(500)), uptime(500), "the fourth of this window");
    assert_eq!(taken(after(500)), uptime(10_200));
    // A new process of the run knows that nothing was sent in the slots to come.
    let last = take(one, after(500), |_| true);
    let again = |table: &Table<'_>| table.begin("/runs/one", "one", Duration::from_secs(60));
    table.change(after(600), again).unwrap();
    assert_eq!(take(two, after(600), |_| true), last);
}

#[test]
fn a_slot_that_is_given_back_is_free_again() {
    let dir = tempfile::tempdir().unwrap();
    let table = open(&dir);
    let burst = request(Quota::WRITE, None);
    let take = |request: &SlotRequest, now: Now| {
        let slot = table.change(now, |table| {
            table.take_slot(request, now.uptime, None, |_| true)
        });
        slot.unwrap()
    };
    let slots: Vec<Slot> = (0..10).map(|_| take(&burst, START)).collect();
    let instead = SlotRequest {
        unused: vec![slots[4]],
        ..burst.clone()
    };
    assert_eq!(take(&instead, after(300)).at, uptime(300));
    assert_eq!(take(&burst, after(300)).at, uptime(10_200));
    // By now the table has forgotten the slots, and others have their numbers.
    let later = after(200_000);
    let after_all = take(&burst, later);
    let number = after_all.number;
    let old = SlotRequest {
        unused: slots.iter().map(|slot| Slot { number, ..*slot }).collect(),
        ..request(Quota::WRITE, Some(Duration::from_secs(1)))
    };
    assert_eq!(
        take(&old, later).at,
        uptime(201_000),
        "no slot of another is lost"
    );
}

#[test]
fn an_object_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let table = open(&dir);
    let own = |object: &'static str, run: &'static str| {
        table.change(START, |table| table.own(object, run)).unwrap();
    };
    own("1", "one");
    own("1", "two");
    own("2", "two");
    let owners = table.owners(START).unwrap();
    let owners: Vec<(&str, &str)> = owners.iter().map(|(id, run)| (&**id, &**run)).collect();
    assert_eq!(owners, [("1", "one"), ("2", "two")]);
}

#[test]
fn a_removed_run_is_forgotten_once_it_has_settled() {
    let dir = tempfile::tempdir().unwrap();
    let table = open(&dir);
    let [one, _] = two_runs(&table);
    table
        .change(START, |table| {
            table.take_slot(&steady(), START.uptime, Some(one), |_| true)
        })
        .unwrap();
    let forget = |now| {
        table
            .change(now, |table| table.forget("/runs/one"))
            .unwrap()
    };
    assert!(!forget(after(59_000)));
    assert!(forget(after(60_000)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn no_window_holds_more_calls_than_the_quota(
        calls in 1_u32..12,
        claims in prop::collection::vec((any::<bool>(), 0_i64..4000, 0_i64..3000), 1..60),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let table = open(&dir);
        let window = Duration::from_secs(10);
        let quota = Quota::new(calls.try_into().unwrap(), window);
        let (mut passed, mut taken) = (0, Vec::new());
        for (at_once, pause, ahead) in claims {
            passed += pause;
            let earliest = uptime(passed + ahead);
            let spacing = (!at_once).then_some(window * 51 / 50 / calls);
            let request = request(quota, spacing);
            let slot = table.change(after(passed), |table| table.take_slot(&request, earliest, None, |_| true)).unwrap().at;
            prop_assert!(slot >= earliest);
            taken.push(slot);
        }
        for from in &taken {
            let within = |at: &&i64| from <= *at && **at < *from + 10 * SECOND;
            let most = taken.iter().filter(within).count();
            prop_assert!(most <= usize::try_from(calls).unwrap());
        }
    }
}

#[test]
fn calls_count_for_their_path_and_for_their_class() {
    let dir = tempfile::tempdir().unwrap();
    let table = open(&dir);
    let one = NonZeroU32::MIN;
    let one = Some(Terms {
        quota: Quota::new(one, Duration::from_secs(10)),
        spacing: None,
    });
    let of = |path: &str, by_path, by_class| SlotRequest {
        by_path,
        by_class,
        path: path.into(),
        ..steady()
    };
    assert_eq!(take(&table, &of("1", one, None), START), START.uptime);
    assert_eq!(take(&table, &of("2", one, None), START), START.uptime);
    assert_eq!(take(&table, &of("1", one, None), START), uptime(10_200));
    // Whoever counts all paths counts these as well.
    assert_eq!(take(&table, &of("3", None, one), START), uptime(20_400));
}

#[test]
fn what_was_learned_is_remembered_until_it_is_old_or_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let table = open(&dir);
    let facts = |now: Now| -> Vec<Learned> {
        let facts = open(&dir).learned(now).unwrap();
        facts.into_iter().map(|fact| fact.learned).collect()
    };
    assert_eq!(facts(START), []);
    let scope = Learned::Scope(QuotaScope::Endpoint);
    let shape = |shape| Learned::Shape(QuotaClass::Write, shape);
    for learned in [
        Learned::Scope(QuotaScope::Tenant),
        scope,
        shape(Shape::Smooth),
    ] {
        table.change(START, |table| table.learn(learned)).unwrap();
    }
    assert_eq!(facts(START), [scope, shape(Shape::Smooth)]);
    // It was wrong.
    let wrong = shape(Shape::Auto);
    table.change(START, |table| table.learn(wrong)).unwrap();
    assert_eq!(facts(START), [scope]);
    assert_eq!(facts(after(31 * 24 * 3_600_000)), []);
    table.forget_learned(START).unwrap();
    assert_eq!(facts(START), []);
}

fn file_of_table(dir: &TempDir) -> PathBuf {
    let files = fs::read_dir(dir.path().join("tenants")).unwrap();
    let mut paths = files.map(|entry| entry.unwrap().path());
    let file = paths.find(|path| path.extension().is_some_and(|end| end == "db"));
    file.unwrap()
}

#[test]
fn a_table_of_the_first_version_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let table = open(&dir);
    table
        .change(START, |table| table.own("7", "a run"))
        .unwrap();
    drop(table);
    let old = rusqlite::Connection::open(file_of_table(&dir)).unwrap();
    old.execute_batch(
        "DROP TABLE slots; DROP TABLE classes; DROP TABLE learned;
         CREATE TABLE slots (pool TEXT, path TEXT, at INTEGER); CREATE TABLE pools (pool TEXT);
         PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(old);
    let table = open(&dir);
    assert_eq!(table.owners(START).unwrap().len(), 1);
    // The calls before are not known.
    assert_eq!(take(&table, &steady(), START), uptime(10_200));
}

#[test]
fn a_table_whose_slots_name_no_run_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let table = open(&dir);
    take(&table, &steady(), START);
    drop(table);
    let old = rusqlite::Connection::open(file_of_table(&dir)).unwrap();
    old.execute_batch("ALTER TABLE slots DROP COLUMN run; PRAGMA user_version = 2;")
        .unwrap();
    drop(old);
    assert_eq!(take(&open(&dir), &steady(), START), uptime(1020));
}
