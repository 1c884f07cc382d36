//! Texts from outside on the terminal and in the log. Whoever writes a name, an error text, a file or an argument
//! cannot move the cursor, colour a word, turn the reading direction or begin a line.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::support::command::{
    assert_contains, in_place_of, run_dirs, sealed, write_private, zpa_bulk,
};
use crate::support::scratch;
use crate::support::scripted::{self, NONE, TOKEN, now, server, server_at};

/// Every control but NUL, every bidirectional mark, other characters that cannot be seen, and a forged line.
static EVIL: LazyLock<String> = LazyLock::new(|| {
    let mut evil: String = hidden().filter(|c| *c != '\0').collect();
    evil.push_str("\nwarning: forged\u{1b}]0;title\u{7}");
    evil
});

fn hidden() -> impl Iterator<Item = char> {
    ('\0'..='\u{1f}')
        .chain('\u{7f}'..='\u{9f}')
        .chain(['\u{61c}', '\u{feff}', '\u{e0001}', '\u{2028}', '\u{2029}'])
        .chain('\u{200b}'..='\u{200f}')
        .chain('\u{202a}'..='\u{202e}')
        .chain('\u{2060}'..='\u{2064}')
        .chain('\u{2066}'..='\u{2069}')
}

/// A JSON document that lives as long as the tests.
fn leaked(document: &Value) -> &'static str {
    document.to_string().leak()
}

fn listing(objects: &Value) -> &'static str {
    leaked(&json!({"totalPages": "1", "totalCount": "1", "list": objects}))
}

/// The answers of a tenant whose every text is [`EVIL`].
fn answer(method: &str, path: &str) -> (u16, &'static str) {
    let evil = &*EVIL;
    let gone = json!({"id": "1", "name": format!("gone {evil}"), "appConnectorGroupId": "9",
        "appConnectorGroupName": evil, "currentVersion": evil, "controlChannelStatus": "ZPN_STATUS_DISCONNECTED",
        "lastBrokerDisconnectTime": "1600000000", "creationTime": "1500000000"});
    let there = json!({"id": "2", "name": format!("there {evil}"), "appConnectorGroupId": "9",
        "appConnectorGroupName": evil, "controlChannelStatus": "ZPN_STATUS_AUTHENTICATED",
        "lastBrokerConnectTime": "1790000000", "creationTime": "1500000000"});
    let wiki = json!({"id": "6", "name": "Wiki", "protocol": "https://", "link": evil, "description": evil,
        "enabled": true, "userPortals": [{"id": "7"}]});
    let mut named = wiki.clone();
    named["id"] = "5".into();
    named["name"] = evil.as_str().into();
    let portal = json!({"id": "7", "name": evil, "enabled": true});
    let read = |path: &str| match path {
        _ if path.ends_with("/userPortalLink/5") => leaked(&named),
        _ if path.ends_with("/userPortalLink/6") => leaked(&wiki),
        _ if path.ends_with("/connector/1") => leaked(&gone),
        _ if path.contains("userPortalLink") => listing(&json!([named, wiki])),
        _ if path.contains("userPortal") => listing(&json!([portal])),
        _ if path.contains("/connector?") => listing(&json!([gone, there])),
        _ => NONE,
    };
    match method {
        _ if path == "/signin" => (200, TOKEN),
        "GET" => (200, read(path)),
        _ => (
            400,
            leaked(&json!({"id": evil, "reason": evil, "params": [evil]})),
        ),
    }
}

/// A directory, and the address of a tenant whose texts are evil.
struct Place {
    dir: tempfile::TempDir,
    url: String,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            dir: scratch(),
            url: server(answer).0,
        };
        let evil = &*EVIL;
        let cell = evil.replace('"', "\"\"");
        place.write("good.csv", "name,url,portals\nNew,https://new.example,7\n");
        place.write("wiki.csv", "name,url,portals\nWiki,https://wiki.example,\n");
        place.write(
            "cells.csv",
            &format!("name,url,portals\n\"{cell}\",\"{cell}\",\"{cell}\"\n"),
        );
        place.write("titles.csv", &format!("name,\"{cell}\"\na,b\n"));
        place.write(
            "cells.jsonl",
            &format!("{}\n", json!({"name": evil, "url": evil, "x\u{1b}": evil})),
        );
        place.write(
            "scenario.toml",
            &format!("latency = {}\n", Value::from(evil.as_str())),
        );
        place.write(
            "protect.txt",
            &format!("{}\n", evil.replace(['\n', '\r'], "")),
        );
        place.write("ca.pem", &format!("-----BEGIN CERTIFICATE-----\n{evil}\n"));
        place
    }

    fn write(&self, name: &str, text: &str) {
        write_private(&self.dir.path().join(name), text);
    }

    /// The command on the evil tenant, with every line of the log.
    fn command(&self, args: &[&str]) -> Command {
        self.at(&self.url, args)
    }

    fn at(&self, url: &str, args: &[&str]) -> Command {
        let mut command = scripted::command(url, args);
        command
            .arg("-vvv")
            .env("ZPA_BULK_LOG", "trace")
            .env("ZPA_BULK_READ_QUOTA", "off")
            .env("ZPA_BULK_WRITE_QUOTA", "off")
            .env("ZPA_BULK_MAX_ATTEMPTS", "1")
            .env("ZPA_BULK_MAX_DURATION", "2s")
            .env("ZPA_BULK_TIMEOUT", "1s")
            .current_dir(self.dir.path());
        command
    }

    /// The command with a settings file.
    fn settings(&self, text: &str, args: &[&str]) -> Command {
        self.write("settings.toml", text);
        let mut command = self.command(args);
        command.args(["--config", "settings.toml"]);
        command
    }

    /// The command on a server with these bytes in the head of its answers.
    fn with_header(&self, status: u16, header: &str) -> Command {
        let evil: String = EVIL
            .chars()
            .filter(|c| *c == '\t' || *c > '\u{7f}')
            .collect();
        let header = format!("{}\r\n{header}: {evil}", now());
        let (url, _) = server_at(header, move |_, path| match path {
            "/signin" => (200, TOKEN),
            _ => (status, "{}"),
        });
        self.at(&url, &["doctor"])
    }

    /// A run whose header names an evil tenant.
    fn run_of_evil(&self) {
        let args = ["apply", "good.csv", "--simulate", "--yes"];
        let good = "name,url\nNew,https://new.example\n";
        self.write("good.csv", good);
        assert!(self.command(&args).output().unwrap().status.success());
        let journal = run_dirs(self.dir.path())[0].join("journal.jsonl");
        let text = fs::read_to_string(&journal).unwrap();
        let mut line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        line["header"]["tenant"] = EVIL.as_str().into();
        line["header"]["tool"] = EVIL.as_str().into();
        write_private(&journal, &sealed(&line));
    }

    /// A runs directory whose name, and one of whose runs' names, is evil.
    fn evil_runs(&self) {
        let runs = self.dir.path().join(format!("runs{}", *EVIL));
        fs::create_dir_all(runs.join("20260101T000000.000Z-0a1f")).unwrap();
        fs::create_dir_all(runs.join(format!("20260101T000000.000Z-{}", *EVIL))).unwrap();
    }
}

/// Fails if an output has a raw character that must not be shown, or a forged line.
#[track_caller]
fn assert_safe(what: &str, command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    let raw = text
        .chars()
        .find(|c| *c != '\n' && hidden().any(|one| one == *c));
    assert_eq!(raw, None, "{what}: {text}");
    assert!(
        !text.lines().any(|line| line.starts_with("warning: forged")),
        "{what}: {text}"
    );
    text
}

/// The same for an output that shows the evil text.
#[track_caller]
fn assert_escaped(what: &str, command: &mut Command) {
    let text = assert_safe(what, command);
    let escaped = ["\\u{1b}", "\\u001b"]
        .iter()
        .any(|escape| text.contains(escape));
    assert!(escaped, "{what} is not shown: {text}");
    assert!(
        text.contains("\\u{202e}") || text.contains("\\u202e"),
        "{what}: {text}"
    );
}

#[test]
fn texts_of_the_tenant_are_escaped() {
    let place = Place::new();
    let cases: [(&str, &[&str]); 8] = [
        (
            "reason and id of a refusal",
            &["apply", "good.csv", "--yes"],
        ),
        (
            "a refusal in the report",
            &["apply", "good.csv", "--yes", "--json"],
        ),
        ("names of portals", &["plan", "good.csv"]),
        ("addresses of links", &["plan", "wiki.csv"]),
        ("old values as data", &["plan", "wiki.csv", "--json"]),
        (
            "names and groups of connectors",
            &["prune", "connectors", "--disconnected-for", "1d"],
        ),
        (
            "the choice as data",
            &["prune", "connectors", "--disconnected-for", "1d", "--json"],
        ),
        ("an object", &["show", "portal-link", "Wiki"]),
    ];
    for (what, args) in cases {
        assert_escaped(what, &mut place.command(args));
    }
    let mut absent = place.command(&["show", "portal-link", "Wikk"]);
    assert_safe("a name that is not there", &mut absent);
}

#[test]
fn refusals_and_heads_of_answers_are_escaped() {
    let place = Place::new();
    let evil = &*EVIL;
    let body =
        leaked(&json!({"id": evil, "reason": evil, "error": evil, "error_description": evil}));
    for status in [401, 403, 400, 500] {
        let (url, _) = server(move |_, path| match path {
            "/signin" if status == 401 => (401, body),
            "/signin" => (200, TOKEN),
            _ => (status, body),
        });
        assert_escaped(
            &format!("an error {status}"),
            &mut place.at(&url, &["doctor"]),
        );
    }
    let token = leaked(&json!({"access_token": evil, "expires_in": evil}));
    let (url, _) = server(move |_, _| (200, token));
    assert_safe("a token", &mut place.at(&url, &["plan", "good.csv"]));
    let (url, _) = server(|_, path| match path {
        "/signin" => (200, TOKEN),
        _ => (200, format!("<html>{}", *EVIL).leak()),
    });
    assert_safe("a page", &mut place.at(&url, &["plan", "good.csv"]));
    for (status, header) in [
        (429, "retry-after"),
        (302, "location"),
        (200, "x-zscaler-request-id"),
        (200, "date"),
    ] {
        assert_safe(header, &mut place.with_header(status, header));
    }
}

#[test]
fn manifests_and_names_of_files_are_escaped() {
    let place = Place::new();
    for manifest in ["cells.csv", "cells.jsonl", "titles.csv"] {
        assert_escaped(manifest, &mut place.command(&["plan", manifest]));
    }
    let evil = &*EVIL;
    for args in [
        &["plan", &format!("{evil}.csv")][..],
        &["plan", "good.csv", "--ca-cert", evil],
        &["plan", "good.csv", "--config", evil],
        &["export", "connector", "-o", &format!("{evil}/x")],
        &["export", "connector", "-o", evil, "--where", "name=x"],
        &["simulate", "--scenario", evil],
        &["simulate", "--log", &format!("{evil}/log")],
    ] {
        let what = args.join(" ");
        assert_escaped(&what, &mut place.command(args));
    }
    place.write(&format!("{evil}.csv"), "name\na,b\n");
    assert_escaped(
        "a manifest",
        &mut place.command(&["plan", &format!("{evil}.csv")]),
    );
    assert_escaped(
        "a scenario",
        &mut place.command(&["simulate", "--scenario", "scenario.toml"]),
    );
    assert_safe(
        "certificates",
        &mut place.command(&["plan", "good.csv", "--ca-cert", "ca.pem"]),
    );
    let protect = [
        "prune",
        "connectors",
        "--disconnected-for",
        "1d",
        "--protect",
        "protect.txt",
    ];
    assert_escaped("a file of names", &mut place.command(&protect));
}

#[test]
fn runs_of_others_are_escaped() {
    let place = Place::new();
    place.run_of_evil();
    for args in [
        &["status"][..],
        &["runs"],
        &["status", "--json"],
        &["resume"],
        &["undo", "2", "--yes"],
    ] {
        assert_escaped(&args.join(" "), &mut place.command(args));
    }
    place.evil_runs();
    let runs = format!("runs{}", *EVIL);
    for args in [
        &["runs"][..],
        &["status"],
        &["resume"],
        &["journal", "repair"],
        &["status", &EVIL],
    ] {
        let mut command = place.command(args);
        assert_escaped(&args.join(" "), command.args(["--runs-dir", &runs]));
    }
}

#[test]
fn settings_and_variables_are_escaped() {
    let place = Place::new();
    let evil = &*EVIL;
    let text = Value::from(evil.as_str())
        .to_string()
        .replace('\u{7f}', "\\u007f");
    for setting in [
        "customer_id",
        "cloud",
        "vanity_domain",
        "style",
        "microtenant_id",
        "base_url",
        "token_url",
        "timeout",
        "read_quota",
        "ca_cert",
        "client_secret_file",
        "runs_dir",
        "unknown\\u001b",
    ] {
        let settings = format!("\"{setting}\" = {text}\n");
        let mut command = place.settings(&settings, &["doctor"]);
        command
            .env_remove("ZPA_CUSTOMER_ID")
            .env_remove("ZPA_BULK_BASE_URL")
            .env_remove("ZPA_CLIENT_SECRET");
        assert_safe(setting, &mut command);
    }
    let mut profile = place.settings(
        &format!("[profiles.{text}]\n"),
        &["doctor", "--profile", "x"],
    );
    assert_escaped("names of profiles", &mut profile);
    assert_escaped(
        "a profile",
        &mut place.settings("", &["doctor", "--profile", evil]),
    );
    let program = format!("client_secret_command = [{text}]\n");
    let mut command = place.settings(&program, &["doctor"]);
    assert_escaped("a program", command.env_remove("ZPA_CLIENT_SECRET"));
    for variable in [
        "ZPA_BULK_STYLE",
        "ZSCALER_USE_LEGACY_CLIENT",
        "ZPA_CLOUD",
        "ZPA_CUSTOMER_ID",
        "ZPA_MICROTENANT_ID",
        "ZPA_BULK_BASE_URL",
        "ZPA_BULK_TOKEN_URL",
        "ZPA_BULK_JOBS",
        "ZPA_BULK_RESOURCE",
        "ZPA_BULK_CONFIG",
    ] {
        let mut command = place.command(&["plan", "good.csv"]);
        if variable == "ZPA_CLOUD" {
            command.env_remove("ZPA_BULK_BASE_URL");
        }
        assert_escaped(variable, command.env(variable, evil));
    }
    for variable in [
        "ZPA_CLIENT_ID",
        "ZPA_CLIENT_SECRET",
        "HTTPS_PROXY",
        "ZPA_BULK_LOG",
        "HOME",
    ] {
        assert_safe(variable, place.command(&["doctor"]).env(variable, evil));
    }
}

#[test]
fn arguments_are_escaped() {
    let place = Place::new();
    let evil = &*EVIL;
    let (flag, word) = (format!("--x{evil}"), format!("x{evil}"));
    for args in [
        &[flag.as_str()][..],
        &[&word],
        &["plan", &flag],
        &["plan", "good.csv", "--jobs", evil],
        &["plan", "good.csv", "--resource", evil],
        &["plan", "good.csv", "--action", evil],
        &["export", "connector", "--where", evil],
        &["export", "connector", "--columns", &word],
        &["export", "portal-link", "--portal", evil],
        &["show", "portal-link", evil],
        &[
            "prune",
            "connectors",
            "--disconnected-for",
            "1d",
            "--group",
            evil,
        ],
        &[
            "prune",
            "connectors",
            "--disconnected-for",
            "1d",
            "--confirm",
            evil,
        ],
        &["simulate", "--listen", evil],
        &["doctor", "--base-url", evil],
    ] {
        assert_escaped(&args.join(" "), &mut place.command(args));
    }
    let mut command = zpa_bulk();
    command.arg0(OsString::from(evil)).arg("plan");
    assert_safe("the program's name", &mut command);
}

#[test]
fn texts_on_a_real_terminal_are_escaped() {
    let place = Place::new();
    let commands = [
        "apply good.csv --yes",
        "apply good.csv",
        "prune connectors --disconnected-for 1d --include-dark-groups --keep-per-group 0",
        "export portal-link",
        "plan $EVIL",
        "--x$EVIL",
    ];
    for args in commands {
        let plain = place.command(&[]);
        let program = plain.get_program().to_str().unwrap();
        let mut command = in_place_of(&plain, "script");
        let typed = format!("{program} -vvv {}", args.replace("$EVIL", "\"$EVIL\""));
        command.args(["-qec", &typed, "/dev/null"]);
        command.env("EVIL", &*EVIL).env("TERM", "xterm");
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        // Own colours and the moves of progress bars are sequences that begin with ESC [.
        let rest = text.replace("\u{1b}[", "");
        let raw = rest
            .chars()
            .find(|c| !['\n', '\r'].contains(c) && hidden().any(|one| one == *c));
        assert_eq!(raw, None, "{args}: {text:?}");
        assert_contains(&text, "\\u{202e}");
        assert!(!text.contains("\nwarning: forged"), "{args}: {text:?}");
    }
}

#[test]
fn a_long_text_is_cut_in_the_middle() {
    let place = Place::new();
    let long = "a".repeat(100_000);
    for args in [
        &["plan", &long][..],
        &["plan", "good.csv", "--jobs", &long],
        &[&long],
    ] {
        let text = assert_safe("a long argument", &mut place.command(args));
        let longest = text.lines().map(str::len).max().unwrap();
        assert!(longest < 5000, "{longest}");
        assert_contains(&text, " bytes] … aaa");
    }
}
