//! Servers that send back what they were sent. No secret gets further than the wire.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::pack::unpacked;
use crate::support::command::{Ran, assert_contains, rows, run_dirs, run_name};
use crate::support::scripted::{Asked, Hostile, NONE, write_answer};

const SECRET: &str = "s3cr3t/of+the=tenant&more";
const ACCESS: &str = "eyJhbGciOiJub25lIn0.token-of-the-tenant.c2lnbmVk";
const MARK: &str = "[redacted by zpa-bulk]";

/// A directory with a manifest of one link, and a server.
struct Echo(Hostile);

impl Echo {
    fn start(
        answer: impl Fn(&Asked, &TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self(Hostile::start(
            "name,url,enabled\nWiki,https://wiki.example,no\n",
            answer,
        ))
    }

    /// The command that says as much as it can.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.0.command(args);
        command
            .env("ZPA_CLIENT_SECRET", SECRET)
            .env("ZPA_BULK_LOG", "trace");
        command
    }

    /// Runs the command, and fails if a secret is on its output or in its files.
    #[track_caller]
    fn run(&self, args: &[&str]) -> Ran {
        let ran = Ran::of(&mut self.command(args));
        self.assert_discreet(&ran, &[SECRET, ACCESS]);
        ran
    }

    /// Packs the newest run, and fails if a secret is in a member of the pack.
    #[track_caller]
    fn assert_discreet_pack(&self) {
        self.run(&["report", "--pack", "run.zip"]).expect(0);
        self.run(&["verify", "run.zip"]).expect(0);
        for (name, content) in unpacked(&self.0.dir.path().join("run.zip")) {
            let text = String::from_utf8_lossy(&content);
            for secret in [SECRET, ACCESS].map(forms).concat() {
                assert!(!text.contains(&secret), "{secret:?} is in {name}");
            }
        }
    }

    #[track_caller]
    fn assert_discreet(&self, ran: &Ran, secrets: &[&str]) {
        let mut texts = vec![ran.stdout.clone(), ran.stderr.clone()];
        collect(self.0.dir.path(), &mut texts);
        for secret in secrets.iter().flat_map(|secret| forms(secret)) {
            for text in &texts {
                assert!(!text.contains(&secret), "{secret:?} is in:\n{text}");
            }
        }
    }
}

/// The texts of all files in a directory and below.
fn collect(dir: &Path, texts: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, texts);
        } else {
            let bytes = fs::read(path).unwrap();
            texts.push(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

/// The forms in which a server may send a secret back.
fn forms(secret: &str) -> [String; 4] {
    let encoded = |one: char| match one {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' => one.to_string(),
        other => format!("%{:02X}", u32::from(other)),
    };
    let escaped = |one: char| match one {
        '=' | '&' | '+' => format!("\\u{:04x}", u32::from(one)),
        '/' => "\\/".to_owned(),
        other => other.to_string(),
    };
    [
        secret.to_owned(),
        secret.chars().map(encoded).collect(),
        secret.chars().map(escaped).collect(),
        STANDARD.encode(secret).trim_end_matches('=').to_owned(),
    ]
}

/// The request as the text of an answer that repeats it, in every form.
fn repeated(asked: &Asked) -> String {
    let all = [SECRET, ACCESS].map(forms).concat().join(" ");
    let headers = asked.headers.join(" ").replace('"', "'");
    format!("{headers} {} {all}", asked.body.replace('"', "'"))
}

fn answer(stream: &TcpStream, status: u16, body: &str) -> io::Result<()> {
    let headers = [
        &*format!("x-echo: {ACCESS} {SECRET}"),
        "x-ratelimit-limit: 1",
    ];
    let limits = [
        &*format!("x-ratelimit-remaining: {ACCESS}"),
        &*format!("x-ratelimit-reset: {SECRET}"),
    ];
    write_answer(stream, status, &[headers, limits].concat(), body)
}

fn sign_in(stream: &TcpStream) -> io::Result<()> {
    let token = json!({"access_token": ACCESS, "expires_in": "3600", "echo": SECRET});
    answer(stream, 200, &token.to_string())
}

#[test]
fn refusals_that_repeat_the_request_are_redacted() {
    let bodies: [fn(&str) -> String; 2] = [
        |text| format!(r#"{{"id":"{text}","reason":"{text}"}}"#),
        |text| format!("<html>{text}</html>"),
    ];
    for body in bodies {
        let echo = Echo::start(move |asked, stream| match &*asked.method {
            _ if asked.signs_in() => sign_in(stream),
            "POST" => answer(stream, 400, &body(&repeated(asked))),
            _ => answer(stream, 200, NONE),
        });
        let ran = echo.run(&["apply", "links.csv", "--yes"]).expect(4);
        assert_contains(&ran.stderr, "reply");
        let error = rows(&run_dirs(echo.0.dir.path())[0].join("errors.csv"))[0]["_error"].clone();
        assert_contains(&error, MARK);
        for args in [
            &["retry"][..],
            &["verify"],
            &["show", "portal-link", "Wiki"],
            &["doctor"],
        ] {
            echo.run(args);
        }
        echo.assert_discreet_pack();
    }
}

#[test]
fn a_sign_in_that_is_repeated_is_redacted() {
    for status in [400, 401, 500] {
        let echo = Echo::start(move |asked, stream| answer(stream, status, &repeated(asked)));
        for args in [&["doctor"][..], &["plan", "links.csv"]] {
            if status != 500 || args == ["doctor"] {
                let ran = echo.run(args);
                assert_contains(&(ran.stdout + &ran.stderr), MARK);
            }
        }
    }
}

#[test]
fn an_assertion_that_is_repeated_is_redacted() {
    let echo = Echo::start(|asked, stream| {
        answer(stream, 401, &json!({"reason": asked.body}).to_string())
    });
    let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/pkcs8.pem");
    let key = fs::read_to_string(key).unwrap();
    let mut command = echo.command(&["doctor"]);
    for name in ["ZPA_CLIENT_ID", "ZPA_CLIENT_SECRET"] {
        command.env_remove(name);
    }
    command
        .env("ZSCALER_CLIENT_ID", "me")
        .env("ZSCALER_PRIVATE_KEY", key);
    let ran = Ran::of(&mut command).expect(6);
    let seen = echo.0.seen.lock().unwrap().join("\n");
    let (_, assertion) = seen.split_once("client_assertion=").unwrap();
    let assertion = assertion.split('&').next().unwrap();
    assert_contains(&ran.stdout, MARK);
    let signature = assertion.rsplit('.').next().unwrap();
    echo.assert_discreet(&ran, &[assertion, signature]);
}

/// A server with one link whose description is a secret, until it is deleted.
fn secretive(description: &'static str) -> Echo {
    let deleted = AtomicBool::new(false);
    let link = json!({"id": "7", "name": "Wiki", "link": "wiki.example", "protocol": "https://",
        "enabled": true, "description": description});
    Echo::start(move |asked, stream| match (&*asked.method, &*asked.path) {
        (_, "/signin") => sign_in(stream),
        ("DELETE", _) => {
            deleted.store(true, Ordering::Relaxed);
            answer(stream, 204, "")
        }
        ("GET", _) if deleted.load(Ordering::Relaxed) => answer(stream, 200, NONE),
        ("GET", path) if path.contains("/userPortalLink?") => {
            let page = json!({"totalPages": "1", "totalCount": "1", "list": [link]});
            answer(stream, 200, &page.to_string())
        }
        ("GET", path) if path.ends_with("/userPortalLink/7") => {
            answer(stream, 200, &link.to_string())
        }
        ("GET", _) => answer(stream, 200, NONE),
        _ => answer(stream, 200, r#"{"id":"8","name":"Wiki"}"#),
    })
}

#[test]
fn an_object_with_a_secret_is_shown_without_it() {
    for secret in [SECRET, ACCESS] {
        let echo = secretive(secret);
        for args in [
            &["export", "portal-link"][..],
            &["show", "portal-link", "Wiki"],
        ] {
            assert_contains(&echo.run(args).expect(0).stdout, MARK);
        }
    }
}

#[test]
fn an_object_with_a_secret_is_never_written_back() {
    for secret in [SECRET, ACCESS] {
        let echo = secretive(secret);
        let ran = echo.run(&["apply", "links.csv", "--yes"]).expect(4);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        let errors = rows(&run_dirs(echo.0.dir.path())[0].join("errors.csv"));
        assert_contains(&errors[0]["_error"], "remove the secret from the object");
        assert_eq!(echo.0.asked("redacted"), 0);
        assert_eq!(echo.0.asked("\"name\":\"Wiki\""), 0, "sent");
    }
}

#[test]
fn a_deleted_object_with_a_secret_is_not_recreated() {
    let echo = secretive(SECRET);
    let manifest = "name,url,action\nWiki,https://wiki.example,delete\n";
    fs::write(echo.0.dir.path().join("delete.csv"), manifest).unwrap();
    echo.run(&["apply", "delete.csv", "--yes"]).expect(0);
    let run = run_name(&run_dirs(echo.0.dir.path())[0]).to_owned();
    echo.run(&["undo", &run, "--yes"]).expect(4);
    assert_eq!(echo.0.asked("\"name\":\"Wiki\""), 0, "sent");
}

#[test]
fn a_row_with_the_mark_fails_alone() {
    let sent = Mutex::new(Vec::new());
    let echo = Echo::start(move |asked, stream| match (&*asked.method, &*asked.path) {
        (_, "/signin") => sign_in(stream),
        ("POST", _) => {
            let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
            let listed = body["userPortalLinks"].as_array().cloned();
            let mut links = listed.unwrap_or_else(|| vec![body]);
            let mut sent = sent.lock().unwrap();
            for link in &mut links {
                link["id"] = json!((sent.len() + 7).to_string());
                sent.push(link.clone());
            }
            let made = json!({ "userPortalLinks": links });
            answer(
                stream,
                201,
                &if links.len() == 1 { &links[0] } else { &made }.to_string(),
            )
        }
        ("GET", path) if path.contains("/userPortalLink?") => {
            let sent = sent.lock().unwrap();
            let page = json!({"totalPages": "1", "totalCount": sent.len(), "list": *sent});
            answer(stream, 200, &page.to_string())
        }
        _ => answer(stream, 200, NONE),
    });
    let manifest = format!(
        "name,url,description\nA,https://a.example,a\nB,https://b.example,{MARK}\nC,https://c.example,c\n"
    );
    fs::write(echo.0.dir.path().join("links.csv"), manifest).unwrap();
    echo.run(&["apply", "links.csv", "--yes"]).expect(4);
    let errors = rows(&run_dirs(echo.0.dir.path())[0].join("errors.csv"));
    assert_eq!((errors.len(), &*errors[0]["name"]), (1, "B"));
    assert_eq!(echo.0.asked("redacted"), 0);
}
