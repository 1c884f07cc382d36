//! Trust in settings: files that others can change, values in error texts, passwords in addresses, and the variables of
//! commands that print a secret.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::command::{Ran, assert_contains};
use crate::support::tenant::{QUICK, Tenant};

const PLAN: [&str; 2] = ["plan", "links.csv"];

fn start() -> Tenant {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", "name,url\nWiki,https://wiki.example\n");
    tenant
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The command with that settings file and no other credentials than those in it.
fn with_file(tenant: &Tenant, file: &str) -> Command {
    let mut command = tenant.stranger(&PLAN);
    command.args(["--config", file]);
    command
}

/// A settings file whose command leaves a trace.
const RUNS: &str =
    "client_id = \"me\"\nclient_secret_command = [\"sh\", \"-c\", \"touch executed; echo s\"]\n";

#[track_caller]
fn assert_refused(tenant: &Tenant, command: &mut Command, why: &str) {
    let ran = Ran::of(command).expect(2);
    assert_contains(&ran.stderr, why);
    assert_contains(&ran.stderr, "chmod go-w");
    assert!(!tenant.path("executed").exists());
    assert!(tenant.log().is_empty());
}

#[test]
fn settings_that_others_can_change_are_refused() {
    let tenant = start();
    let file = tenant.write("settings.toml", RUNS);
    for mode in [0o660, 0o602, 0o666] {
        set_mode(&file, mode);
        let why = "names client_secret_command, and others can change it";
        assert_refused(&tenant, &mut with_file(&tenant, "settings.toml"), why);
    }
    for setting in [
        "base_url = \"http://127.0.0.1:1\"",
        "token_url = \"http://127.0.0.1:1\"",
        "cloud = \"beta\"",
        "vanity_domain = \"acme\"",
        "client_secret_file = \"secret\"",
        "private_key_file = \"key\"",
        "private_key_command = [\"touch\", \"executed\"]",
        "ca_cert = \"ca.pem\"",
        "runs_dir = \"elsewhere\"",
        "[profiles.other]\nbase_url = \"http://127.0.0.1:1\"",
    ] {
        tenant.write("settings.toml", setting);
        set_mode(&file, 0o646);
        let why = "and others can change it";
        assert_refused(&tenant, &mut with_file(&tenant, "settings.toml"), why);
    }
}

#[test]
fn a_pace_that_others_can_change_is_taken() {
    let tenant = start();
    set_mode(&tenant.write("settings.toml", "jobs = 4\n"), 0o666);
    let mut command = tenant.command(&PLAN);
    Ran::of(command.args(["--config", "settings.toml"])).expect(0);
}

#[test]
fn a_directory_that_others_can_change_is_refused() {
    let tenant = start();
    fs::create_dir_all(tenant.path("open/inner")).unwrap();
    let open = tenant.path("open");
    tenant.write("open/inner/settings.toml", RUNS);
    tenant.write("safe.toml", RUNS);
    symlink(tenant.path("safe.toml"), open.join("link.toml")).unwrap();
    symlink(open.join("inner/settings.toml"), tenant.path("link.toml")).unwrap();
    for mode in [0o777, 0o775] {
        set_mode(&open, mode);
        for file in ["open/inner/settings.toml", "open/link.toml", "link.toml"] {
            let why = "names client_secret_command, and others can replace it in ";
            assert_refused(&tenant, &mut with_file(&tenant, file), why);
        }
    }
    for mode in [0o1777, 0o755] {
        set_mode(&open, mode);
        Ran::of(&mut with_file(&tenant, "open/inner/settings.toml")).expect(0);
        fs::remove_file(tenant.path("executed")).unwrap();
    }
}

#[test]
fn settings_of_another_user_are_refused() {
    let tenant = start();
    let file = tenant.write("settings.toml", RUNS);
    // Only root can give a file away.
    if chown(&file, Some(12345), None).is_ok() {
        let why = "others can change it";
        assert_refused(&tenant, &mut with_file(&tenant, "settings.toml"), why);
    }
}

#[test]
fn files_that_decide_whom_to_trust_are_private() {
    let tenant = start();
    fs::create_dir_all(tenant.path("home/.zscaler")).unwrap();
    let vendor = "zscaler:\n  client:\n    vanityDomain: evil\n    cloud: beta\n";
    set_mode(&tenant.write("home/.zscaler/zscaler.yaml", vendor), 0o666);
    let mut command = tenant.stranger(&PLAN);
    let why = "names cloud, and others can change it";
    assert_refused(&tenant, command.env("HOME", tenant.path("home")), why);

    set_mode(&tenant.write("ca.pem", ""), 0o666);
    let mut command = tenant.command(&PLAN);
    let why = "ca.pem says whom to trust, and others can change it";
    assert_refused(&tenant, command.args(["--ca-cert", "ca.pem"]), why);
}

#[test]
fn a_type_error_keeps_the_value() {
    let tenant = start();
    for settings in [
        "client_secret = 123454321",
        "client_secret = [\"123454321\"]",
        "client_secret_command = \"123454321\"",
        "jobs = \"123454321\"",
        "read_quota = \"123454321\"",
        "style = \"123454321\"",
    ] {
        tenant.write_private("settings.toml", settings);
        let ran = Ran::of(&mut with_file(&tenant, "settings.toml")).expect(2);
        assert_contains(&ran.stderr, "settings.toml:1: ");
        assert!(!ran.stderr.contains("12345"), "{}", ran.stderr);
    }
}

#[test]
fn an_endless_settings_file_is_refused() {
    let tenant = start();
    let ran = Ran::of(&mut with_file(&tenant, "/dev/zero")).expect(2);
    assert_contains(&ran.stderr, "/dev/zero: it is larger than 1 MiB");
}

#[test]
fn a_password_in_an_address_is_never_shown() {
    let tenant = start();
    for address in [
        "https://me:hunter2@host.example",
        "https://me:hunter2@ho st.example",
        "http://me:hunter2@host.example",
        "https://hunter2@host.example",
        "https://me:p@hunter2@host.example",
        "ftp://me:hunter2@host.example",
        "me:hunter2@host.example",
        "https://me:hunter2@",
    ] {
        for args in [
            &["doctor"][..],
            &["doctor", "--json"],
            &PLAN,
            &["plan", "--help"],
        ] {
            for name in ["ZPA_BULK_BASE_URL", "ZPA_BULK_TOKEN_URL"] {
                let mut command = tenant.command(args);
                let ran = Ran::of(command.arg("-vvv").env(name, address));
                let shown = format!("{}{}", ran.stdout, ran.stderr);
                assert!(!shown.contains("hunter2"), "{args:?} {address}: {shown}");
            }
        }
    }
    let mut doctor = tenant.command(&["doctor"]);
    let ran = Ran::of(doctor.args(["--base-url", "https://me:hunter2@host.example"])).expect(2);
    assert_contains(&ran.stdout, "base_url = https://host.example (--base-url)");
    assert_contains(&ran.stdout, "must not hold a user name or password");
}

#[test]
fn a_secrets_command_gets_no_other_secret() {
    let tenant = start();
    let settings = "client_id = \"me\"\nclient_secret_command = [\"sh\", \"-c\", \"env > variables; echo s\"]\n";
    tenant.write(
        "settings.toml",
        &format!("{settings}secret_command_env = [\"VAULT_TOKEN\"]\n"),
    );
    let mut command = with_file(&tenant, "settings.toml");
    for name in [
        "ZSCALER_CLIENT_SECRET",
        "ZSCALER_PRIVATE_KEY",
        "ZPA_BULK_LOG",
        "zpa_other",
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "ALL_PROXY",
        "LD_LIBRARY_PATH",
    ] {
        command.env(name, "hunter2");
    }
    command.envs([
        ("LC_ALL", "C"),
        ("XDG_RUNTIME_DIR", "/run"),
        ("VAULT_TOKEN", "passed"),
    ]);
    command
        .env("NO_PROXY", "127.0.0.1")
        .env("ZPA_BULK_STYLE", "legacy");
    Ran::of(&mut command).expect(0);
    let variables = fs::read_to_string(tenant.path("variables")).unwrap();
    for passed in [
        "PATH=",
        "HOME=",
        "LC_ALL=C",
        "XDG_RUNTIME_DIR=/run",
        "VAULT_TOKEN=passed",
    ] {
        assert_contains(&variables, passed);
    }
    for kept in ["hunter2", "ZPA_", "ZSCALER_", "PROXY"] {
        assert!(!variables.contains(kept), "{kept}: {variables}");
    }
    tenant.write(
        "settings.toml",
        &format!("{settings}secret_command_env = [\"ZPA_CLIENT_ID\"]\n"),
    );
    let ran = Ran::of(&mut with_file(&tenant, "settings.toml")).expect(2);
    assert_contains(&ran.stderr, "secret_command_env names \"ZPA_CLIENT_ID\"");
}

#[test]
fn a_secrets_command_that_prints_too_much_is_refused() {
    let tenant = start();
    for command in ["[\"yes\"]", "[\"head\", \"-c\", \"65537\", \"/dev/zero\"]"] {
        tenant.write(
            "settings.toml",
            &format!("client_id = \"me\"\nclient_secret_command = {command}\n"),
        );
        let ran = Ran::of(&mut with_file(&tenant, "settings.toml")).expect(2);
        assert_contains(&ran.stderr, "printed more than 64 KiB");
    }
    assert!(tenant.log().is_empty());
}

#[test]
fn white_space_around_credentials_is_left_out_and_told() {
    let tenant = start();
    let mut command = tenant.command(&PLAN);
    let ran = Ran::of(command.env("ZPA_CLIENT_SECRET", "hush-hush\r")).expect(0);
    assert_contains(
        &ran.stderr,
        "ZPA_CLIENT_SECRET: the white space around the secret is left out",
    );
    let file = tenant.write_private("secret", "hush-hush \n");
    let settings = format!("client_id = \" me\"\nclient_secret_file = {file:?}\n");
    tenant.write_private("settings.toml", &settings);
    let ran = Ran::of(&mut with_file(&tenant, "settings.toml")).expect(0);
    assert_contains(&ran.stderr, "secret: the white space around");
    assert_contains(&ran.stderr, "the white space around the client id");
    assert!(!ran.stderr.contains("hush-hush"), "{}", ran.stderr);
}

#[test]
fn shells_and_manuals_know_every_command() {
    let tenant = start();
    let verbs = ["apply", "prune", "resume", "doctor"];
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = tenant.run(&["completions", shell]).expect(0).stdout;
        for verb in verbs {
            assert_contains(&script, verb);
        }
    }
    tenant.run(&["man", "pages"]).expect(0);
    for verb in verbs {
        let page = tenant.path(&format!("pages/zpa-bulk-{verb}.1"));
        assert_contains(&fs::read_to_string(page).unwrap(), ".TH");
    }
    tenant.write("file", "");
    let ran = tenant.run(&["man", "file"]).expect(2);
    assert_contains(&ran.stderr, "no manual page can be written there");
}
