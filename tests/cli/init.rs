//! The first minutes: a profile is written from flags, is checked, and serves the next command.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::command::{Ran, assert_contains, spawn};
use crate::support::tenant::{CUSTOMER, OPEN, Tenant};

const SECRET: &str = "s3cr3t-of-the-tenant";

/// A user with a home of their own and no settings in the environment.
fn command(tenant: &Tenant, args: &[&str]) -> Command {
    let mut command = tenant.command(args);
    for name in [
        "ZPA_CUSTOMER_ID",
        "ZPA_BULK_BASE_URL",
        "ZPA_CLIENT_ID",
        "ZPA_CLIENT_SECRET",
    ] {
        command.env_remove(name);
    }
    command.env("XDG_CONFIG_HOME", tenant.path("config"));
    command
}

fn init<'a>(tenant: &'a Tenant, more: &[&'a str]) -> Command {
    let known = [
        "init",
        "--base-url",
        &tenant.url,
        "--customer-id",
        CUSTOMER,
        "--client-id",
        "me",
    ];
    command(tenant, &[&known, more].concat())
}

/// Runs a command with that text on standard input.
fn with_input(command: &mut Command, text: &str) -> Ran {
    use std::io::Write as _;
    let mut child = spawn(command.stdin(Stdio::piped()));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    Ran::from(child.wait_with_output().unwrap())
}

fn settings(tenant: &Tenant) -> PathBuf {
    tenant.path("config/zpa-bulk/settings.toml")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_profile_is_written_checked_and_used_by_the_next_command() {
    let tenant = Tenant::start(OPEN);
    let ran = with_input(
        &mut init(&tenant, &["--secret-from-stdin"]),
        &format!("{SECRET}\r\n"),
    )
    .expect(0);
    assert_contains(&ran.stdout, "sign-in");
    assert_contains(&ran.stderr, "next: zpa-bulk export portal-link\n");
    let (file, secret) = (
        settings(&tenant),
        tenant.path("config/zpa-bulk/default.secret"),
    );
    assert_eq!([mode(&file), mode(&secret)], [0o600; 2]);
    assert_eq!(mode(&tenant.path("config/zpa-bulk")), 0o700);
    assert_eq!(fs::read_to_string(&secret).unwrap(), format!("{SECRET}\n"));
    let texts = [fs::read_to_string(&file).unwrap(), ran.stdout, ran.stderr];
    assert!(texts.iter().all(|text| !text.contains(SECRET)), "{texts:?}");
    Ran::of(&mut command(&tenant, &["export", "portal-link"])).expect(0);
    // The simulated tenant hands out tokens for the secret that it was first told.
    assert!(
        tenant
            .log_of("auth")
            .iter()
            .all(|call| call["status"] == 200)
    );
}

#[test]
fn missing_flags_are_named_and_nothing_is_written() {
    let tenant = Tenant::start(OPEN);
    let ran = Ran::of(&mut command(
        &tenant,
        &["init", "--style", "oneapi", "--customer-id", "17"],
    ))
    .expect(2);
    for flag in [
        "--client-id",
        "--vanity-domain",
        "--client-secret-file",
        "--secret-from-environment",
    ] {
        assert_contains(&ran.stderr, flag);
    }
    assert!(!ran.stderr.contains("--customer-id"), "{}", ran.stderr);
    tenant.write("open.txt", SECRET);
    let wrong = [
        (
            vec!["--client-secret-file", "open.txt"],
            "others can read it",
        ),
        (
            vec!["--client-secret-file", "absent"],
            "absent: No such file",
        ),
        (
            vec!["--private-key-file", "open.txt", "--style", "legacy"],
            "signs in to OneAPI",
        ),
        (
            vec!["--secret-from-environment", "--base-url", "ftp://x"],
            "is not an address",
        ),
        (
            vec!["--secret-from-environment", "--profile", "../x"],
            "is not a name for a profile",
        ),
    ];
    for (flags, why) in wrong {
        let known = ["init", "--customer-id", "17", "--client-id", "me"];
        let ran = Ran::of(&mut command(&tenant, &[&known[..], &flags].concat())).expect(2);
        assert_contains(&ran.stderr, why);
        assert!(!ran.stderr.contains(SECRET));
    }
    assert!(!tenant.path("config").exists());
    assert!(tenant.log().is_empty());
}

#[test]
fn a_profile_is_replaced_only_with_a_yes_and_keeps_what_is_around_it() {
    let tenant = Tenant::start(OPEN);
    let text = "# Ours.\njobs = 4\n\n[profiles.acme] # the first\nclient_id = \"old\" # by hand\nbatch_size = 9\n";
    fs::create_dir_all(settings(&tenant).parent().unwrap()).unwrap();
    fs::write(settings(&tenant), text).unwrap();
    let flags = [
        "--profile",
        "acme",
        "--client-secret-command",
        "echo 'of many words'",
        "--no-doctor",
    ];
    let ran = Ran::of(&mut init(&tenant, &flags)).expect(2);
    assert_contains(&ran.stderr, "- client_id = old\n");
    assert_contains(&ran.stderr, "+ client_id = me\n");
    assert_contains(&ran.stderr, "--yes");
    assert_eq!(fs::read_to_string(settings(&tenant)).unwrap(), text);

    let yes = [&flags[..], &["--yes"]].concat();
    let ran = Ran::of(&mut init(&tenant, &yes)).expect(0);
    assert_contains(&ran.stderr, "next: zpa-bulk doctor --profile acme");
    let after = fs::read_to_string(settings(&tenant)).unwrap();
    let kept = "# Ours.\njobs = 4\n\n[profiles.acme] # the first\nclient_id = \"me\" # by hand\nbatch_size = 9\n";
    assert!(after.starts_with(kept), "{after}");
    assert_contains(
        &after,
        "client_secret_command = [\"echo\", \"of many words\"]",
    );
    let ran = Ran::of(&mut init(&tenant, &flags)).expect(0);
    assert_contains(&ran.stderr, "says so already");
    assert_eq!(fs::read_to_string(settings(&tenant)).unwrap(), after);
    Ran::of(&mut command(&tenant, &["doctor", "--profile", "acme"])).expect(0);
}
