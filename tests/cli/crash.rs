//! Runs that are killed, interrupted and resumed, over real processes.
//!
//! `ZPA_BULK_KILLS=1000 cargo test --release --test cli crash` hunts longer; 50 is what CI does.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::support::command::{Ran, assert_contains, in_place_of, kill, rows, spawn};
use crate::support::manifests::manifest;
use crate::support::scratch;
use crate::support::scripted::{self, NONE, TOKEN, server};
use crate::support::tenant::Tenant;

const SCENARIO: &str = "quota = { read = \"off\", write = \"off\" }\nlatency = { base = \"15ms\", jitter = \"10ms\" }\n";
const LINKS: usize = 40;

fn quick(command: &mut Command) -> &mut Command {
    let settings = [
        "--settle",
        "200ms",
        "--write-quota",
        "4/100ms",
        "--read-quota",
        "off",
    ];
    command
        .args(settings)
        .args(["--jobs", "4", "--batch-size", "3"])
}

/// Starts the command and kills it after that time, unless it has ended.
fn kill_after(command: &mut Command, time: Duration) {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    thread::sleep(time);
    kill(&mut child);
}

/// Kills a run twice, at moments that the seed decides, and resumes it.
fn one_history(seed: u64) {
    let tenant = Tenant::start(SCENARIO);
    tenant.write("links.csv", &manifest(LINKS));
    let time = |salt: u64| {
        let random = seed
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(salt.wrapping_mul(0xd1b5_4a32_d192_ed03));
        Duration::from_micros((random >> 33) % 450_000)
    };
    kill_after(
        quick(&mut tenant.command(&["apply", "links.csv", "--yes"])),
        time(1),
    );
    if tenant.run(&["runs"]).stdout.is_empty() {
        // Killed before the run was there: nothing can have been sent.
        assert!(tenant.log_of("write").is_empty(), "seed {seed}");
        quick(&mut tenant.command(&["apply", "links.csv", "--yes"]))
            .output()
            .unwrap();
    } else {
        kill_after(quick(&mut tenant.command(&["resume"])), time(2));
    }
    let run_dir = tenant.run_dir();
    println!("seed {seed}: {}", run_dir.display());
    let run = run_dir.to_str().unwrap();
    Ran::of(quick(&mut tenant.command(&["resume", run]))).expect(0);
    tenant.assert_each_once(LINKS, &run_dir);
}

#[test]
fn killed_at_any_moment_every_link_exists_once() {
    let kills = std::env::var("ZPA_BULK_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(50);
    let first = RandomState::new().hash_one(0) >> 16;
    println!("seeds {first} to {}", first + kills - 1);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed) as u64;
                    if number >= kills {
                        return;
                    }
                    one_history(first + number);
                }
            });
        }
    });
}

const SLOW_APPLY: [&str; 7] = [
    "apply",
    "links.csv",
    "--yes",
    "--batch-size",
    "1",
    "--write-quota",
    "5/1s",
];

/// Starts a run that takes long enough to be met on its way, and waits for its first write.
fn under_way(tenant: &Tenant) -> Child {
    tenant.write("links.csv", &manifest(LINKS));
    tenant.met_after(3, &mut tenant.command(&SLOW_APPLY))
}

fn interrupt(child: &Child) {
    signal(child, "-INT");
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_closed_terminal_parks_the_run_like_sigterm() {
    for name in ["-HUP", "-TERM"] {
        let tenant = Tenant::start(SCENARIO);
        let mut child = under_way(&tenant);
        signal(&child, name);
        if name == "-HUP" {
            signal(&child, name);
        }
        assert_eq!(child.wait().unwrap().code(), Some(5), "{name}");
        tenant.run(&["resume", "--write-quota", "off"]).expect(0);
        tenant.assert_each_once(LINKS, &tenant.run_dir());
    }
}

#[test]
fn signals_that_the_parent_ignores_stay_ignored() {
    let tenant = Tenant::start(SCENARIO);
    tenant.write("links.csv", &manifest(LINKS));
    let command = tenant.command(&SLOW_APPLY);
    let mut shell = in_place_of(&command, "sh");
    shell
        .args(["-c", "trap '' INT HUP; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args());
    let mut child = tenant.met_after(3, &mut shell);
    signal(&child, "-INT");
    signal(&child, "-HUP");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    tenant.assert_each_once(LINKS, &tenant.run_dir());
}

fn text_of(mut pipe: impl Read) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_first_interrupt_lands_what_is_under_way() {
    let tenant = Tenant::start(SCENARIO);
    let mut child = under_way(&tenant);
    interrupt(&child);
    let said = text_of(child.stderr.take().unwrap());
    assert_eq!(child.wait().unwrap().code(), Some(5), "{said}");
    assert_contains(&said, "zpa-bulk resume zpa-bulk-runs/");
    let status = tenant.run(&["status", "--json"]).expect(0).json();
    assert_eq!(
        (status["state"].as_str(), status["unknown"].as_u64()),
        (Some("unfinished"), Some(0))
    );
    assert_eq!(
        status["created"].as_u64(),
        Some(tenant.links().len() as u64)
    );
    let run_dir = tenant.run_dir();
    let files = ["success.csv", "errors.csv", "skipped.csv"];
    assert_eq!(
        files
            .map(|file| rows(&run_dir.join(file)).len())
            .iter()
            .sum::<usize>(),
        LINKS
    );
    tenant.run(&["resume", "--write-quota", "off"]).expect(0);
    assert_eq!(tenant.links().len(), LINKS);
}

/// The command on the tenant at `url`, with a manifest of one new link.
fn one_link(dir: &Path, url: &str, args: &[&str]) -> Command {
    let manifest = "name,url\nWiki,https://wiki.example\n";
    fs::write(dir.join("link.csv"), manifest).unwrap();
    let mut command = scripted::command(url, args);
    command.current_dir(dir);
    command
}

#[test]
fn an_interrupt_at_the_last_answer_finishes_the_run() {
    let (posted, met) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let gate = Mutex::new((posted, released));
    let (url, _) = server(move |method, path| match (method, path) {
        (_, "/signin") => (200, TOKEN),
        ("POST", _) => {
            let gate = gate.lock().unwrap();
            gate.0.send(()).unwrap();
            gate.1.recv().unwrap();
            (201, r#"{"id":"7","name":"Wiki"}"#)
        }
        _ => (200, NONE),
    });
    let dir = scratch();
    let mut child = spawn(&mut one_link(
        dir.path(),
        &url,
        &["apply", "link.csv", "--yes"],
    ));
    met.recv().unwrap();
    interrupt(&child);
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.starts_with("stopping"), "{line}");
    release.send(()).unwrap();
    assert_eq!(text_of(said), "");
    let ran = Ran::from(child.wait_with_output().unwrap()).expect(0);
    assert!(
        ran.stdout.starts_with("1 row: 1 created\n"),
        "{}",
        ran.stdout
    );
    let runs = Ran::of(&mut one_link(dir.path(), &url, &["runs", "--json"])).json();
    assert_eq!(runs["runs"][0]["state"], "finished");
}

#[test]
fn a_run_that_lost_its_permission_says_how_to_go_on() {
    let posted = AtomicBool::new(false);
    let (url, _) = server(move |method, path| match (method, path) {
        (_, "/signin") => (200, TOKEN),
        ("POST", _) => {
            posted.store(true, Ordering::Relaxed);
            (500, "{}")
        }
        _ if posted.load(Ordering::Relaxed) => (
            403,
            r#"{"id":"forbidden","reason":"the role was taken away"}"#,
        ),
        _ => (200, NONE),
    });
    let dir = scratch();
    let apply = ["apply", "link.csv", "--yes", "--settle", "1ms"];
    let ran = Ran::of(&mut one_link(dir.path(), &url, &apply)).expect(5);
    for text in [
        "cannot be read: the role was taken away",
        "to go on: zpa-bulk resume zpa-bulk-runs/",
    ] {
        assert_contains(&ran.stderr, text);
    }
    // Before there is a run, there is nothing to go on with.
    let ran = Ran::of(&mut one_link(dir.path(), &url, &["plan", "link.csv"])).expect(6);
    assert!(!ran.stderr.contains("resume"), "{}", ran.stderr);
}

#[test]
fn the_second_interrupt_leaves_at_once() {
    let slow = "quota = { read = \"off\", write = \"off\" }\nlatency = { base = \"1s\", jitter = \"0s\" }\n";
    let tenant = Tenant::start(slow);
    let mut child = under_way(&tenant);
    interrupt(&child);
    let mut said = [0_u8; 8];
    child.stderr.take().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"stopping");
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_running_run_is_left_to_its_process() {
    let tenant = Tenant::start(SCENARIO);
    let mut child = under_way(&tenant);
    let refused = tenant.run(&["resume"]).expect(7);
    assert_contains(&refused.stderr, format!("pid {}", child.id()));
    let status = tenant.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["state"], "running");
    kill(&mut child);
    assert!(fs::metadata(tenant.run_dir().join("lock")).is_ok());
    tenant
        .run(&["resume", "--write-quota", "off", "--settle", "100ms"])
        .expect(0);
    assert_eq!(tenant.links().len(), LINKS);
}

#[test]
fn a_resumed_run_counts_what_the_killed_process_sent() {
    let tenant = Tenant::start(SCENARIO);
    tenant.write("links.csv", &manifest(8));
    let quota = [
        "--batch-size",
        "1",
        "--write-quota",
        "5/2s",
        // Calls that go out in time may arrive a little early or late on a busy machine.
        "--window-margin",
        "20%",
        "--settle",
        "100ms",
    ];
    let mut apply = tenant.command(&["apply", "links.csv", "--yes"]);
    tenant.killed_after(4, apply.args(quota));
    Ran::of(tenant.command(&["resume"]).args(quota)).expect(0);
    assert_eq!(tenant.links().len(), 8);
    tenant.assert_paced(5, Duration::from_secs(2));
}
