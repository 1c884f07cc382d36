//! Hostile answers: without an end, or too large. Each server here is written for one such answer.

use std::collections::HashMap;
use std::io;
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::{fs, thread};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::command::{Ran, assert_contains, rows as rows_of, run_dirs, spawn};
use crate::support::scripted::{Asked, Hostile, NONE, TOKEN, write_answer, write_flood};

const GIBIBYTE: u64 = 1024 * 1024 * 1024;

/// The listing with the one link of the manifest.
const LISTED: &str = r#"{"totalPages":"1","totalCount":"1","list":[
    {"id":"7","name":"Wiki","link":"wiki.example","protocol":"https://","enabled":true}]}"#;

/// A directory with a manifest of one link, and a server.
fn start(answer: impl Fn(&Asked, &TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Hostile {
    Hostile::start("name,url\nWiki,https://wiki.example\n", answer)
}

fn json(stream: &TcpStream, status: u16, body: &str) -> io::Result<()> {
    write_answer(stream, status, &[], body)
}

/// Runs the command, and returns with it the most memory that it had, in MiB.
fn measured(command: &mut Command) -> (Ran, u64) {
    let child = spawn(command);
    let status = format!("/proc/{}/status", child.id());
    let ran = thread::spawn(move || Ran::from(child.wait_with_output().unwrap()));
    let mut most = 0;
    while !ran.is_finished() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok());
        most = most.max(kib.unwrap_or(0));
        thread::yield_now();
    }
    (ran.join().unwrap(), most / 1024)
}

#[test]
fn a_body_of_a_gibibyte_ends_at_its_bound() {
    for (floods, status, code, says) in [
        ("/signin", 200, 6, "the answer is larger than 64 KiB"),
        ("/signin", 403, 6, "the server answered 403"),
        (
            "/userPortalLink",
            200,
            1,
            "GET userPortalLink: the answer is larger than 32 MiB",
        ),
        ("/userPortalLink", 403, 6, "the server answered 403"),
    ] {
        let hostile = start(move |asked, stream| {
            if asked.path.contains(floods) {
                write_flood(stream, status, GIBIBYTE)
            } else {
                json(stream, 200, TOKEN)
            }
        });
        let (ran, memory) = measured(&mut hostile.command(&["plan", "links.csv"]));
        assert_contains(&ran.expect(code).stderr, says);
        assert!(memory < 100, "{floods} {status}: {memory} MiB");
        assert_eq!(hostile.asked(floods), 1, "{floods} {status}");
    }
}

#[test]
fn a_body_of_many_tiny_values_is_refused() {
    let ids: Vec<String> = (1_000_000..2_500_000)
        .map(|id| format!("{{\"id\":{id}}}"))
        .collect();
    for list in [ids.join(","), vec!["[]"; 10 << 20].join(",")] {
        let body = format!(r#"{{"totalPages":"1","totalCount":"1","list":[{list}]}}"#);
        let hostile = start(move |asked, stream| match &*asked.path {
            "/signin" => json(stream, 200, TOKEN),
            _ => json(stream, 200, &body),
        });
        let (ran, memory) = measured(&mut hostile.command(&["plan", "links.csv"]));
        let says = "the answer has more than 50,000 objects or 250,000 values";
        assert_contains(&ran.expect(1).stderr, says);
        assert!(memory < 100, "{memory} MiB");
    }
}

#[test]
fn several_large_bodies_are_read_one_by_one() {
    let hostile = start(|asked, stream| match &*asked.path {
        "/signin" => json(stream, 200, TOKEN),
        _ => write_flood(stream, 200, GIBIBYTE),
    });
    let manifest = "name,url,user_portals\nWiki,https://wiki.example,Staff\n";
    fs::write(hostile.dir.path().join("links.csv"), manifest).unwrap();
    fs::write(
        hostile.dir.path().join("a.csv"),
        "domain,association_type\na.example,SHARED\n",
    )
    .unwrap();
    let args = ["plan", "links.csv", "a.csv"];
    let (ran, memory) = measured(&mut hostile.command(&args));
    assert_contains(&ran.expect(1).stderr, "larger than 32 MiB");
    assert!(memory < 100, "{memory} MiB");
}

#[test]
fn a_create_with_too_large_an_answer_is_looked_up() {
    let created = AtomicBool::new(false);
    let hostile = start(move |asked, stream| match (&*asked.method, &*asked.path) {
        (_, "/signin") => json(stream, 200, TOKEN),
        ("POST", _) => {
            created.store(true, Ordering::Relaxed);
            write_flood(stream, 201, GIBIBYTE)
        }
        _ if created.load(Ordering::Relaxed) => json(stream, 200, LISTED),
        _ => json(stream, 200, NONE),
    });
    let args = ["apply", "links.csv", "--yes", "--json"];
    let (ran, memory) = measured(&mut hostile.command(&args));
    assert_eq!(ran.summary()["recovered"], 1);
    assert!(memory < 100, "{memory} MiB");
    assert_eq!(hostile.asked("\"name\":\"Wiki\""), 1, "sent twice");
}

/// A refusal with a reason of that many bytes.
fn refusal(reason: usize) -> String {
    let reason = "é".repeat(reason / 2);
    format!(r#"{{"id":"invalid.link","reason":"{reason}"}}"#)
}

#[test]
fn a_long_reason_is_cut_wherever_it_is_written() {
    for (reason, says) in [
        (60_000, "é… [cut from 60000 bytes]"),
        (1 << 20, "the server answered 400"),
    ] {
        let hostile = start(move |asked, stream| match (&*asked.method, &*asked.path) {
            (_, "/signin") => json(stream, 200, TOKEN),
            ("POST", _) => json(stream, 400, &refusal(reason)),
            _ => json(stream, 200, NONE),
        });
        let rows: String = (0..150)
            .map(|row| format!("App {row},https://a{row}.example\n"))
            .collect();
        let manifest = format!("name,url\n{rows}");
        fs::write(hostile.dir.path().join("links.csv"), manifest).unwrap();
        let mut command = hostile.command(&["apply", "links.csv", "--yes"]);
        let ran = Ran::of(command.env("ZPA_BULK_WRITE_QUOTA", "off")).expect(4);
        let run = &run_dirs(hostile.dir.path())[0];
        let errors = rows_of(&run.join("errors.csv"));
        assert_eq!(errors.len(), 150);
        let cut =
            |row: &HashMap<_, String>| row["_error"].contains(says) && row["_error"].len() < 2200;
        assert!(errors.iter().all(cut), "{:?}", errors[0]);
        let files = fs::read_dir(run)
            .unwrap()
            .map(|file| file.unwrap().metadata().unwrap().len());
        assert!(files.sum::<u64>() < 4 << 20);
        assert!(ran.stdout.len() + ran.stderr.len() < 1 << 20);
    }
}

#[test]
fn pages_without_an_end_are_refused() {
    let page = |asked: &Asked| {
        let (_, rest) = asked.path.split_once("page=").unwrap();
        rest.split('&').next().unwrap().parse::<u32>().unwrap()
    };
    let endless = start(move |asked, stream| {
        if asked.signs_in() {
            return json(stream, 200, TOKEN);
        }
        let page = page(asked);
        let rows: Vec<String> = (0..500)
            .map(|row| format!(r#"{{"id":"{page}{row:03}"}}"#))
            .collect();
        let rows = rows.join(",");
        json(
            stream,
            200,
            &format!(r#"{{"totalCount":"0","list":[{rows}]}}"#),
        )
    });
    for (args, path) in [
        (["plan", "links.csv"], "userPortalLink"),
        (["export", "user-portal"], "userPortal"),
    ] {
        endless.seen.lock().unwrap().clear();
        let (ran, memory) = measured(&mut endless.command(&args));
        let says = format!("GET {path}: the listing has more than 100 pages");
        assert_contains(&ran.expect(1).stderr, says);
        assert_eq!(endless.asked(&format!("/{path}?")), 100);
        assert!(memory < 100, "{memory} MiB");
    }
    let promising = start(|asked, stream| {
        let page = r#"{"totalCount":"0","totalPages":"999999999","list":[{"id":"1"}]}"#;
        json(stream, 200, if asked.signs_in() { TOKEN } else { page })
    });
    Ran::of(&mut promising.command(&["plan", "links.csv"])).expect(1);
    assert_eq!(promising.asked("/userPortalLink"), 1);
}

const BUSY: &str = r#"{"id":"invalid.toomanyrequests","reason":"busy"}"#;

/// Starts a server that answers `method` on `path` with that pause, as often as `times`.
fn busy(method: &'static str, path: &'static str, pause: &'static str, times: usize) -> Hostile {
    let left = AtomicUsize::new(times);
    let take = |left: usize| left.checked_sub(1);
    start(move |asked, stream| {
        let meant = asked.method == method && asked.path.contains(path);
        if meant
            && left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_ok()
        {
            return write_answer(stream, 429, &[pause], BUSY);
        }
        match &*asked.path {
            "/signin" => json(stream, 200, TOKEN),
            _ if asked.method == "POST" => json(stream, 201, r#"{"id":"7","name":"Wiki"}"#),
            _ => json(stream, 200, NONE),
        }
    })
}

#[test]
fn a_pause_of_a_week_is_not_waited_for() {
    let week = "the server asks to wait for 168h 00m, until";
    for pause in ["retry-after: 604800", "retry-after: 99999999"] {
        for (method, path) in [("POST", "/signin"), ("GET", "/userPortal")] {
            let busy = busy(method, path, pause, usize::MAX);
            for args in [&["plan", "links.csv"][..], &["export", "portal-link"]] {
                let ran = Ran::of(&mut busy.command(args)).expect(5);
                assert_contains(&ran.stderr, week);
                assert_contains(&ran.stderr, "longer than --max-wait");
            }
        }
    }
}

#[test]
fn a_pause_of_a_week_parks_a_run() {
    let busy = busy("POST", "/userPortalLink", "retry-after: 604800", 1);
    let ran = Ran::of(&mut busy.command(&["apply", "links.csv", "--yes"])).expect(5);
    assert_contains(&ran.stderr, "parked: the server asks to wait for 168h 00m");
    Ran::of(&mut busy.command(&["resume"])).expect(0);
    assert_eq!(busy.asked("\"name\":\"Wiki\""), 2);
}

#[test]
fn a_pause_before_the_sign_in_is_kept() {
    let busy = busy("POST", "/signin", "retry-after: 2", 2);
    let too_long = ["plan", "links.csv", "--max-wait", "1s"];
    let ran = Ran::of(&mut busy.command(&too_long)).expect(5);
    assert_contains(&ran.stderr, "the server asks to wait for 2s");
    Ran::of(&mut busy.command(&["plan", "links.csv"])).expect(0);
    assert_eq!(busy.asked("/signin"), 3);
}

#[test]
fn a_full_page_of_links_with_icons_is_read() {
    const HEAD: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x20\0\0\0\x20";
    let pixels: Vec<u8> = (0..8448_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let icon = format!(
        "data:image/png;base64,{}",
        STANDARD.encode([HEAD, &pixels].concat())
    );
    let rows: Vec<String> = (1..=500)
        .map(|id| {
            format!(
                r#"{{"id":"{id}","name":"App {id}","link":"a{id}.example","iconText":"{icon}"}}"#
            )
        })
        .collect();
    let page = format!(
        r#"{{"totalPages":"1","totalCount":"500","list":[{}]}}"#,
        rows.join(",")
    );
    let tenant = start(move |asked, stream| match &*asked.path {
        "/signin" => json(stream, 200, TOKEN),
        path if path.contains("/userPortalLink?") => json(stream, 200, &page),
        _ => json(stream, 200, NONE),
    });
    let secret = "s3cr3t-of-the-tenant";
    let mut command = tenant.command(&["export", "portal-link"]);
    let ran = Ran::of(command.env("ZPA_CLIENT_SECRET", secret)).expect(0);
    assert_eq!(ran.stdout.matches(&icon).count(), 500);
}

#[test]
fn an_id_that_is_a_path_leads_nowhere() {
    let listing = LISTED.replace(r#""id":"7""#, r#""id":"7/../../userPortal/8""#);
    let hostile = start(move |asked, stream| match &*asked.path {
        "/signin" => json(stream, 200, TOKEN),
        _ => json(stream, 200, &listing),
    });
    for (action, args) in [
        ("update", &["apply", "links.csv", "--yes"][..]),
        ("delete", &["apply", "links.csv", "--yes"]),
        ("ensure", &["export", "portal-link", "--portal", "Wiki"]),
        ("ensure", &["show", "portal-link", "Wiki"]),
    ] {
        let manifest = format!("name,url,action\nWiki,https://new.example,{action}\n");
        fs::write(hostile.dir.path().join("links.csv"), manifest).unwrap();
        let ran = Ran::of(&mut hostile.command(args));
        assert!(ran.code != Some(0), "{}", ran.stdout);
        assert_contains(&ran.stderr, "no id, or one that is not 1 to 20 digits");
    }
    let seen = hostile.seen.lock().unwrap();
    let listed = |line: &&String| !line.contains("?page=1&") && !line.contains("/signin");
    assert_eq!(seen.iter().filter(listed).count(), 0, "{seen:?}");
}

#[test]
fn a_create_answered_with_a_path_is_looked_up() {
    let created = AtomicBool::new(false);
    let hostile = start(move |asked, stream| match (&*asked.method, &*asked.path) {
        (_, "/signin") => json(stream, 200, TOKEN),
        ("POST", _) => {
            created.store(true, Ordering::Relaxed);
            json(stream, 201, r#"{"id":"../8","name":"Wiki"}"#)
        }
        _ if created.load(Ordering::Relaxed) => json(stream, 200, LISTED),
        _ => json(stream, 200, NONE),
    });
    Ran::of(&mut hostile.command(&["apply", "links.csv", "--yes"])).expect(0);
    let success = rows_of(&run_dirs(hostile.dir.path())[0].join("success.csv"));
    assert_eq!(success[0]["_id"], "7");
}
