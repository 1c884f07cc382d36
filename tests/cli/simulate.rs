//! The simulated tenant as a process, and its request log on a disk that cannot take it.

use std::process::Stdio;

use crate::support::command::{Ran, assert_contains, zpa_bulk};
use crate::support::tenant::QUICK;

#[test]
fn a_log_that_cannot_be_opened_ends_the_simulator_at_once() {
    let directory = crate::support::scratch();
    for log in ["missing/requests.jsonl", "."] {
        let mut command = zpa_bulk();
        command.current_dir(directory.path());
        command.args(["simulate", "--listen", "127.0.0.1:0", "--log", log]);
        let ran = Ran::of(&mut command).expect(2);
        assert_contains(&ran.stderr, format!("error: {log}: "));
        assert_eq!(ran.stdout, "");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_on_a_full_disk_ends_the_simulator_with_the_reason() {
    use std::io::{BufRead as _, BufReader};
    let directory = crate::support::scratch();
    std::fs::write(directory.path().join("scenario.toml"), QUICK).unwrap();
    let mut simulate = zpa_bulk();
    simulate.current_dir(directory.path()).args([
        "simulate",
        "--quiet",
        "--listen",
        "127.0.0.1:0",
        "--scenario",
        "scenario.toml",
        "--log",
        "/dev/full",
    ]);
    let mut simulator = simulate
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    let mut output = BufReader::new(simulator.stdout.take().unwrap());
    output.read_line(&mut ready).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let mut command = zpa_bulk();
    command
        .current_dir(directory.path())
        .env("ZPA_BULK_BASE_URL", ready["listening"].as_str().unwrap())
        .envs([
            ("ZPA_CLIENT_ID", "client"),
            ("ZPA_CLIENT_SECRET", "secret-of-it"),
        ])
        .args(["doctor", "--customer-id", "1"]);
    Ran::of(&mut command);
    let ran = Ran::from(simulator.wait_with_output().unwrap()).expect(1);
    assert_contains(
        &ran.stderr,
        "error: /dev/full: a request could not be logged: No space left",
    );
}
