//! Every command of the README, run as it stands there.

mod common;

use std::path::Path;

use self::common::{Ran, Tenant};

/// The lines of all `sh` blocks of the README.
fn commands() -> Vec<String> {
    let text = include_str!("../README.md");
    let mut commands = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => commands.push(line.to_owned()),
            _ => {}
        }
    }
    commands
}

/// How the README says that a command ends; all others end well.
fn exit_code(command: &str) -> i32 {
    match command {
        "zpa-bulk plan samples/broken.csv" => 3,
        _ => 0,
    }
}

#[test]
fn the_readme_opens_with_two_commands_that_do_all_the_set_up() {
    let commands = commands();
    let first: Vec<&str> = commands.iter().take(2).map(String::as_str).collect();
    assert_eq!(
        first,
        [
            "cargo run --release -- apply samples/portal-links.csv --simulate --yes",
            "cargo test"
        ]
    );
}

#[test]
fn every_command_of_the_readme_does_what_it_says() {
    let tenant = Tenant::start(
        "latency = { base = \"1ms\", jitter = \"0s\" }\nquota = { read = \"500/10s\", write = \"500/10s\" }",
    );
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    std::os::unix::fs::symlink(samples, tenant.path("samples")).unwrap();
    let mut customer = common::CUSTOMER.to_owned();
    let mut ran = 0;
    for line in commands() {
        let words = line.replacen("cargo run --release --", "zpa-bulk", 1);
        let words: Vec<&str> = words.split_whitespace().collect();
        match words.as_slice() {
            ["cargo", "test"] => {}
            // The tenant of this test stands for the one that the README starts.
            ["zpa-bulk", "simulate", ..] => {
                assert!(Ran::of(common::zpa_bulk().args(["simulate", "--help"])).code == Some(0));
            }
            ["export", variables @ ..] => {
                let id = variables
                    .iter()
                    .find_map(|v| v.strip_prefix("ZPA_CUSTOMER_ID="));
                id.unwrap().clone_into(&mut customer);
            }
            ["zpa-bulk", "retry", ..] => {
                // Nothing failed in any of them.
                let none = tenant.run(&["retry", "--yes"]).expect(2);
                assert!(
                    none.stderr.contains("no run with failures"),
                    "{}",
                    none.stderr
                );
                ran += 1;
            }
            ["zpa-bulk", "resume"] => {
                // Nothing is left to go on with, since every run before it has ended.
                let ended = tenant.run(&["resume"]).expect(2);
                assert!(
                    ended.stderr.contains("no unfinished run"),
                    "{}",
                    ended.stderr
                );
                ran += 1;
            }
            ["zpa-bulk", args @ ..] => {
                let mut command = tenant.command(args);
                command.env("ZPA_CUSTOMER_ID", &customer);
                command.env("ZPA_BULK_READ_QUOTA", "500/10s");
                command.env("ZPA_BULK_WRITE_QUOTA", "500/10s");
                Ran::of(&mut command).expect(exit_code(&line));
                ran += 1;
            }
            other => unreachable!("{other:?} is not a command that this test knows"),
        }
    }
    assert!(ran >= 10, "{ran} commands");
}
