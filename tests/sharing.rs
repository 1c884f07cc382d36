//! Processes that drive the same tenant at once, or one after the other, and share its quota.
//!
//! `ZPA_BULK_SHARED_WRITES=60 cargo test --test sharing` has each of the eight processes write more, for longer than a minute
//! in all.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use self::common::{Ran, Tenant};

const PROCESSES: usize = 8;

/// What the tenant allows: L calls in any window of so many milliseconds.
const LIMIT: usize = 20;
const WINDOW_MS: u64 = 3000;

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

/// A tenant, and the ids of the microtenants, one for each process: by them the log tells the processes apart.
fn start() -> (Tenant, Vec<String>) {
    let tenant = Tenant::start(&scenario());
    let state: Value = serde_json::from_str(&tenant.get("/__sim/state")).unwrap();
    let mut ids = vec!["0".to_owned()];
    for microtenant in state["microtenants"].as_array().unwrap() {
        ids.push(microtenant["id"].as_str().unwrap().to_owned());
    }
    (tenant, ids)
}

fn command(tenant: &Tenant, args: &[&str]) -> Command {
    let mut command = tenant.command(args);
    command.env_remove("ZPA_BULK_NO_SHARED_QUOTA");
    command.env("XDG_STATE_HOME", tenant.path("state"));
    command.env("ZPA_BULK_READ_QUOTA", "off");
    command.env("ZPA_BULK_WRITE_QUOTA", "20/3s");
    command.env("ZPA_BULK_BATCH_SIZE", "1");
    command
}

/// Applies so many links in that microtenant, one a call.
fn apply(tenant: &Tenant, microtenant: &str, links: usize) -> Command {
    let mut text = "name,url,portal\n".to_owned();
    for number in 0..links {
        let name = format!("Link {microtenant} {number:03}");
        writeln!(text, "{name},https://app.example.com/,Employee Portal").unwrap();
    }
    let file = tenant.write(&format!("{microtenant}.csv"), &text);
    let runs = format!("runs-{microtenant}");
    let args = ["apply", "--yes", "--microtenant", microtenant];
    let mut command = command(tenant, &args);
    command.arg(file).args(["--runs-dir", &runs]);
    command
}

/// What fits into one window would go at once.
fn one_by_one(mut command: Command) -> Command {
    command.env("ZPA_BULK_BURST", "1");
    command
}

fn spawn(mut command: Command) -> Child {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn wait(child: Child, code: i32) {
    Ran::from(child.wait_with_output().unwrap()).expect(code);
}

/// When each process wrote, by its microtenant.
fn writes(tenant: &Tenant) -> BTreeMap<String, Vec<u64>> {
    let mut writes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for entry in tenant.log_of("write") {
        assert_eq!(entry["status"], 201, "{entry}");
        let query = entry["query"].as_str().unwrap_or_default().to_owned();
        writes
            .entry(query)
            .or_default()
            .push(entry["at_ms"].as_u64().unwrap());
    }
    writes
}

fn most_in_any_window(at: &[u64]) -> usize {
    let within = |from: u64| {
        let window = from..from + WINDOW_MS;
        at.iter().filter(|at| window.contains(at)).count()
    };
    at.iter().map(|from| within(*from)).max().unwrap()
}

fn all(writes: &BTreeMap<String, Vec<u64>>) -> Vec<u64> {
    let mut all: Vec<u64> = writes.values().flatten().copied().collect();
    all.sort_unstable();
    all
}

#[test]
fn eight_processes_stay_inside_one_window_and_take_turns() {
    let (tenant, microtenants) = start();
    let each = writes_each();
    let processes: Vec<Child> = microtenants
        .iter()
        .map(|id| spawn(one_by_one(apply(&tenant, id, each))))
        .collect();
    for process in processes {
        wait(process, 0);
    }
    assert_eq!(tenant.links().len(), PROCESSES * each);
    let writes = writes(&tenant);
    assert!(most_in_any_window(&all(&writes)) <= LIMIT);
    // While all of them had something to send, each got at least half of its share.
    let from = writes.values().map(|at| at[0]).max().unwrap();
    let until = writes.values().map(|at| at[at.len() - 1]).min().unwrap();
    let counts: Vec<usize> = writes
        .values()
        .map(|at| at.iter().filter(|at| (from..=until).contains(at)).count())
        .collect();
    let fair = counts.iter().sum::<usize>() / PROCESSES;
    assert!(counts.iter().all(|count| count * 2 >= fair), "{counts:?}");
}

#[test]
fn a_process_that_is_killed_costs_the_others_one_slot_and_is_resumed_inside_the_quota() {
    let (tenant, microtenants) = start();
    let each = writes_each();
    let mut processes: Vec<Child> = microtenants
        .iter()
        .map(|id| spawn(one_by_one(apply(&tenant, id, each))))
        .collect();
    let millis = 1000 + u64::from(std::process::id()) % 2500;
    sleep(Duration::from_millis(millis));
    let victim = usize::try_from(millis).unwrap() % PROCESSES;
    let mut killed = processes.remove(victim);
    killed.kill().unwrap();
    killed.wait().unwrap();
    for process in processes {
        wait(process, 0);
    }
    let runs = format!("runs-{}", microtenants[victim]);
    let resume = ["resume", "--settle", "1s", "--runs-dir", &runs];
    if Ran::of(&mut command(&tenant, &resume)).code != Some(0) {
        // It was killed before it began.
        Ran::of(&mut apply(&tenant, &microtenants[victim], each)).expect(0);
    }
    assert_eq!(
        tenant.links().len(),
        PROCESSES * each,
        "killed after {millis} ms"
    );
    assert!(most_in_any_window(&all(&writes(&tenant))) <= LIMIT);
}

#[test]
fn the_next_process_counts_what_the_last_one_sent() {
    let (tenant, microtenants) = start();
    for id in &microtenants[..2] {
        // Fifteen fit into one window and go at once; thirty do not.
        wait(spawn(apply(&tenant, id, 15)), 0);
    }
    let writes = writes(&tenant);
    assert_eq!(all(&writes).len(), 30);
    assert!(most_in_any_window(&all(&writes)) <= LIMIT);
}

#[test]
fn one_tenant_has_one_budget_however_its_address_is_spelled() {
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
        wait(spawn(one), 0);
    }
    let writes = writes(&tenant);
    assert_eq!(all(&writes).len(), 24);
    assert!(most_in_any_window(&all(&writes)) <= LIMIT);
}

fn quota_files(tenant: &Tenant) -> Vec<PathBuf> {
    let files = fs::read_dir(tenant.path("state/zpa-bulk/quota"));
    let files = files.into_iter().flatten();
    files.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_file_that_is_not_to_be_trusted_is_replaced_with_a_warning() {
    let (tenant, microtenants) = start();
    wait(spawn(apply(&tenant, &microtenants[0], 1)), 0);
    let files = quota_files(&tenant);
    assert_eq!(files.len(), 1, "reads are not paced here: {files:?}");
    let mode = fs::metadata(&files[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "private to its owner");
    let good = fs::read(&files[0]).unwrap();
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for (id, bytes, said) in [
        (1, damaged, "damaged"),
        (2, b"something else".to_vec(), "damaged"),
    ] {
        fs::write(&files[0], bytes).unwrap();
        let ran = Ran::of(&mut apply(&tenant, &microtenants[id], 1)).expect(0);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        assert!(ran.stderr.contains("it is replaced"), "{}", ran.stderr);
        let ran = Ran::of(&mut apply(&tenant, &microtenants[id], 2)).expect(0);
        assert!(!ran.stderr.contains("replaced"), "{}", ran.stderr);
    }
}

#[test]
fn a_quota_that_is_not_shared_leaves_no_file_and_one_that_cannot_be_is_said() {
    let (tenant, microtenants) = start();
    let mut alone = apply(&tenant, &microtenants[0], 1);
    Ran::of(alone.arg("--no-shared-quota")).expect(0);
    assert_eq!(quota_files(&tenant), Vec::<PathBuf>::new());
    let file = tenant.write("a file", "");
    let mut nowhere = apply(&tenant, &microtenants[1], 1);
    let ran = Ran::of(nowhere.env("XDG_STATE_HOME", file)).expect(0);
    let said = "a file/zpa-bulk/quota: Not a directory (os error 20): the quota cannot be shared";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}
