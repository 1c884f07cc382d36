//! Processes that drive the same tenant at once, or one after the other, and share its quota.
//!
//! `ZPA_BULK_SHARED_WRITES=60 cargo test --test cli sharing` has each of the eight processes write more, for longer than a
//! minute in all.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

use crate::support::command::{Ran, assert_contains, kill, spawn};
use crate::support::state::most_in_any_window;
use crate::support::tenant::{Tenant, at};

const PROCESSES: usize = 8;

/// The number of calls that the tenant allows in any window.
const LIMIT: usize = 20;
const WINDOW: Duration = Duration::from_secs(3);

fn scenario() -> String {
    let names: Vec<String> = (1..PROCESSES).map(|n| format!("\"Part {n}\"")).collect();
    format!(
        "quota = {{ read = \"off\", write = \"20/3s\", window = \"sliding-log\" }}\n\
         microtenants = {{ names = [{}] }}",
        names.join(", ")
    )
}

fn writes_each() -> usize {
    let told = std::env::var("ZPA_BULK_SHARED_WRITES").ok();
    told.map_or(6, |told| told.parse().unwrap())
}

/// A tenant, and a microtenant for each process: by its id the log tells the processes apart.
fn start() -> (Tenant, Vec<String>) {
    let tenant = Tenant::start(&scenario())
        .with("ZPA_BULK_READ_QUOTA", "off")
        .with("ZPA_BULK_WRITE_QUOTA", "20/3s")
        .with("ZPA_BULK_BATCH_SIZE", "1");
    let mut ids = tenant.microtenants();
    ids.insert(0, "0".to_owned());
    (tenant, ids)
}

/// Applies that many links in a microtenant, one a call.
fn apply(tenant: &Tenant, microtenant: &str, links: usize) -> Command {
    let mut text = "name,url,portal\n".to_owned();
    for number in 0..links {
        let name = format!("Link {microtenant} {number:03}");
        writeln!(text, "{name},https://app.example.com/,Employee Portal").unwrap();
    }
    let file = tenant.write(&format!("{microtenant}.csv"), &text);
    let runs = format!("runs-{microtenant}");
    let args = ["apply", "--yes", "--microtenant", microtenant];
    let mut command = tenant.command(&args);
    command.arg(file).args(["--runs-dir", &runs]);
    command
}

/// The same with its calls spread evenly: by window, all would go at once.
fn smoothly(mut command: Command) -> Command {
    command.env("ZPA_BULK_PACE", "smooth");
    command
}

fn wait(child: Child, code: i32) {
    Ran::from(child.wait_with_output().unwrap()).expect(code);
}

/// The times of the writes of each process, by its microtenant.
fn writes(tenant: &Tenant) -> BTreeMap<String, Vec<Duration>> {
    let mut writes: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    for entry in tenant.log_of("write") {
        assert_eq!(entry["status"], 201, "{entry}");
        let query = entry["query"].as_str().unwrap_or_default().to_owned();
        writes.entry(query).or_default().push(at(&entry));
    }
    writes
}

fn all(writes: &BTreeMap<String, Vec<Duration>>) -> Vec<Duration> {
    let mut all: Vec<Duration> = writes.values().flatten().copied().collect();
    all.sort_unstable();
    all
}

#[test]
fn eight_processes_share_one_window_fairly() {
    let (tenant, microtenants) = start();
    let each = writes_each();
    let processes: Vec<Child> = microtenants
        .iter()
        .map(|id| spawn(&mut apply(&tenant, id, each)))
        .collect();
    for process in processes {
        wait(process, 0);
    }
    assert_eq!(tenant.links().len(), PROCESSES * each);
    let writes = writes(&tenant);
    assert!(most_in_any_window(&all(&writes), WINDOW) <= LIMIT);
    // While all of them had something to send, each got at least half of its share.
    let from = writes.values().map(|at| at[0]).max().unwrap();
    let until = writes.values().map(|at| at[at.len() - 1]).min().unwrap();
    let counts: Vec<usize> = writes
        .values()
        .map(|at| at.iter().filter(|at| (from..=until).contains(*at)).count())
        .collect();
    let fair = counts.iter().sum::<usize>() / PROCESSES;
    assert!(counts.iter().all(|count| count * 2 >= fair), "{counts:?}");
}

#[test]
fn a_killed_process_is_resumed_inside_the_quota() {
    let (tenant, microtenants) = start();
    let each = writes_each();
    let mut processes: Vec<Child> = microtenants
        .iter()
        .map(|id| spawn(&mut apply(&tenant, id, each)))
        .collect();
    let millis = 1000 + u64::from(std::process::id()) % 2500;
    sleep(Duration::from_millis(millis));
    let victim = usize::try_from(millis).unwrap() % PROCESSES;
    let mut killed = processes.remove(victim);
    kill(&mut killed);
    for process in processes {
        wait(process, 0);
    }
    let runs = format!("runs-{}", microtenants[victim]);
    let resume = ["resume", "--settle", "1s", "--runs-dir", &runs];
    if tenant.run(&resume).code != Some(0) {
        // It was killed before it began.
        Ran::of(&mut apply(&tenant, &microtenants[victim], each)).expect(0);
    }
    assert_eq!(
        tenant.links().len(),
        PROCESSES * each,
        "killed after {millis} ms"
    );
    assert!(most_in_any_window(&all(&writes(&tenant)), WINDOW) <= LIMIT);
}

#[test]
fn the_next_process_counts_what_the_last_one_sent() {
    let (tenant, microtenants) = start();
    for id in &microtenants[..2] {
        // Fifteen fit into one window and go at once; thirty do not.
        Ran::of(&mut apply(&tenant, id, 15)).expect(0);
    }
    let writes = writes(&tenant);
    assert_eq!(all(&writes).len(), 30);
    assert!(most_in_any_window(&all(&writes), WINDOW) <= LIMIT);
}

#[test]
fn spellings_of_an_address_share_one_quota() {
    let (tenant, microtenants) = start();
    let port = tenant.url.rsplit(':').next().unwrap().to_owned();
    let spelled = [
        format!("http://127.0.0.1:{port}"),
        format!("HTTP://LocalHost:{port}/"),
        format!("http://127.0.0.1:{port}/zpa"),
    ];
    for (url, id) in spelled.iter().zip(&microtenants) {
        // All three together do not fit into one window.
        let mut one = apply(&tenant, id, 8);
        one.env("ZPA_BULK_BASE_URL", url);
        one.env("ZPA_BULK_TOKEN_URL", format!("{}/signin", tenant.url));
        Ran::of(&mut one).expect(0);
    }
    let writes = writes(&tenant);
    assert_eq!(all(&writes).len(), 24);
    assert!(most_in_any_window(&all(&writes), WINDOW) <= LIMIT);
}

fn tables(tenant: &Tenant) -> Vec<PathBuf> {
    let files = fs::read_dir(tenant.path("state/zpa-bulk/tenants"));
    let files = files.into_iter().flatten();
    let paths = files.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "db"))
        .collect()
}

#[test]
fn a_damaged_table_is_replaced_with_a_warning() {
    let (tenant, microtenants) = start();
    Ran::of(&mut apply(&tenant, &microtenants[0], 1)).expect(0);
    let files = tables(&tenant);
    assert_eq!(files.len(), 1, "{files:?}");
    let mode = fs::metadata(&files[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "private to its owner");
    fs::write(&files[0], "something else").unwrap();
    let ran = Ran::of(&mut apply(&tenant, &microtenants[1], 1)).expect(0);
    assert_contains(&ran.stderr, "it is moved aside");
    let ran = Ran::of(&mut apply(&tenant, &microtenants[1], 2)).expect(0);
    assert!(!ran.stderr.contains("moved aside"), "{}", ran.stderr);
}

#[test]
fn nothing_is_sent_while_another_process_holds_the_table() {
    let (tenant, microtenants) = start();
    let mut apply = smoothly(apply(&tenant, &microtenants[0], 12));
    let child = tenant.met_after(2, &mut apply);
    let table = rusqlite::Connection::open(&tables(&tenant)[0]).unwrap();
    // As by a process that was stopped in the middle of a change.
    table.execute_batch("BEGIN IMMEDIATE").unwrap();
    sleep(Duration::from_millis(500));
    let before = tenant.writes();
    sleep(Duration::from_secs(3));
    assert_eq!(tenant.writes(), before);
    table.execute_batch("ROLLBACK").unwrap();
    wait(child, 0);
    assert_eq!(tenant.links().len(), 12);
    assert!(most_in_any_window(&all(&writes(&tenant)), WINDOW) <= LIMIT);
}

#[test]
fn a_run_stops_where_the_table_is_lost() {
    let (tenant, microtenants) = start();
    let mut apply = smoothly(apply(&tenant, &microtenants[0], 12));
    let child = tenant.met_after(2, &mut apply);
    let path = tables(&tenant).remove(0);
    let table = rusqlite::Connection::open(&path).unwrap();
    table.execute_batch("DROP TABLE slots").unwrap();
    let before = tenant.writes();
    let ran = Ran::from(child.wait_with_output().unwrap()).expect(5);
    assert_contains(&ran.stderr, "to go on: zpa-bulk resume");
    // One slot may have been taken before.
    assert!(tenant.writes() <= before + 1);
    drop(table);
    fs::remove_file(path).unwrap();
    let runs = format!("runs-{}", microtenants[0]);
    tenant
        .run(&["resume", "--settle", "1s", "--runs-dir", &runs])
        .expect(0);
    assert_eq!(tenant.links().len(), 12);
}

#[test]
fn a_state_that_is_not_shared_leaves_no_file() {
    let (tenant, microtenants) = start();
    let mut alone = apply(&tenant, &microtenants[0], 1);
    Ran::of(alone.arg("--no-shared-state")).expect(0);
    assert_eq!(tables(&tenant), Vec::<PathBuf>::new());
}

#[test]
fn nothing_is_changed_without_a_usable_state() {
    let (tenant, microtenants) = start();
    let file = tenant.write("a file", "");
    let nowhere = || {
        let mut apply = apply(&tenant, &microtenants[0], 1);
        apply.env("XDG_STATE_HOME", &file);
        apply
    };
    let ran = Ran::of(&mut nowhere()).expect(2);
    assert_contains(&ran.stderr, "a file/zpa-bulk/tenants");
    assert_contains(&ran.stderr, "Not a directory");
    assert_contains(&ran.stderr, "--no-shared-state");
    assert_eq!(tenant.log_of("write").len(), 0);
    Ran::of(nowhere().arg("--no-shared-state")).expect(0);
    let mut plan = nowhere();
    Ran::of(plan.env("ZPA_BULK_NO_SHARED_STATE", "false")).expect(2);
}

#[test]
fn a_check_takes_its_slots_from_the_shared_quota_too() {
    let tenant = Tenant::start("quota = { read = \"6/3s\", window = \"sliding-log\" }")
        .with("ZPA_BULK_READ_QUOTA", "6/3s")
        .with("ZPA_BULK_WINDOW_MARGIN", "10%");
    for _ in 0..2 {
        tenant.run(&["doctor"]).expect(0);
    }
    let reads = tenant.log_of("read");
    assert!(reads.len() > 6, "more than fit into one window");
    assert!(reads.iter().all(|read| read["status"] != 429), "{reads:?}");
}
