//! The evidence that a run leaves of its calls, against the simulator's own log.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::support::command::{Ran, assert_contains};
use crate::support::manifests::manifest;
use crate::support::tenant::{OPEN, Tenant};

/// The lines of a file of a run, as data.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let parsed = text.lines().map(|line| serde_json::from_str(line).unwrap());
    parsed.collect()
}

/// How often each class, method, path and status was called.
fn counted<'c>(
    calls: impl Iterator<Item = (&'c Value, String)>,
) -> BTreeMap<(String, String, String, u64), usize> {
    let mut counts = BTreeMap::new();
    for (call, path) in calls {
        let text = |name: &str| call[name].as_str().unwrap().to_owned();
        let key = (
            text("class"),
            text("method"),
            path,
            call["status"].as_u64().unwrap_or(200),
        );
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

/// The calls that the tenant has logged, and those in the logs of the run, counted.
#[track_caller]
fn assert_logged(tenant: &Tenant, run: &Path) {
    let log = tenant.log();
    let arrived = counted(log.iter().map(|entry| {
        let path = entry["path"].as_str().unwrap();
        let inner = path.split("/mgmtconfig/").nth(1);
        let path = inner.map_or("sign-in".to_owned(), |inner| {
            let (version, rest) = inner.split_once("/admin/customers/").unwrap();
            format!("{version}/{}", rest.split_once('/').unwrap().1)
        });
        (entry, path)
    }));
    let events = lines(&run.join("calls.jsonl"));
    let calls = events.iter().filter(|event| event["event"] == "call");
    let told = counted(calls.map(|call| (call, call["path"].as_str().unwrap().to_owned())));
    assert_eq!(told, arrived);
}

#[test]
fn every_call_of_a_run_and_its_resumption_is_logged_for_its_owner() {
    let tenant = Tenant::start(OPEN).unpaced();
    tenant.write("links.csv", &manifest(12));
    let slowly = ["--batch-size", "1", "--write-quota", "1/1s"];
    let mut apply = tenant.command(&["apply", "links.csv", "--yes"]);
    let stopped = apply.args(slowly).args(["--max-duration", "500ms"]);
    Ran::of(stopped).expect(5);
    let run = tenant.run_dir();
    assert_logged(&tenant, &run);
    // The write quota of the first part is carried on; a flag says otherwise.
    let quick = ["resume", "--write-quota", "off"];
    tenant.run(&quick).expect(0);
    assert_logged(&tenant, &run);
    let log = run.join("calls.jsonl");
    let sessions = lines(&log)
        .iter()
        .filter(|event| event["event"] == "session")
        .count();
    assert_eq!(sessions, 2);
    let mode = fs::metadata(&log).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_log_that_cannot_be_written_does_not_keep_a_run_from_its_end() {
    let tenant = Tenant::start(OPEN).unpaced();
    tenant.write("links.csv", &manifest(3));
    let mut apply = tenant.command(&["apply", "links.csv", "--yes", "--batch-size", "1"]);
    let stopped = apply.args(["--write-quota", "1/1s", "--max-duration", "500ms"]);
    Ran::of(stopped).expect(5);
    let run = tenant.run_dir();
    fs::remove_file(run.join("calls.jsonl")).unwrap();
    std::os::unix::fs::symlink("/dev/full", run.join("calls.jsonl")).unwrap();
    let ran = tenant.run(&["resume", "--write-quota", "off"]).expect(0);
    assert_contains(&ran.stderr, "the log of the calls is not whole");
    tenant.assert_each_once(3, &run);
}

const EVIL: [&str; 5] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>",
    "javascript:alert(3)",
    "</style></script><base href=//evil.example>",
    "' onclick='alert(4)",
];

/// The text of a page from one mark to the next.
fn between<'p>(page: &'p str, from: &str, until: &str) -> &'p str {
    let (_, rest) = page.split_once(from).unwrap();
    rest.split_once(until).unwrap().0
}

/// The numbers in the column of calls of the chart of a class.
fn charted(page: &str, class: &str) -> Vec<usize> {
    let table = between(page, &format!("<table data-class=\"{class}\">"), "</table>");
    let rows = table.split("<tr>").skip(2);
    let cell = |row: &str| row.split("<td class=\"num\">").nth(2).unwrap().to_owned();
    rows.map(|row| cell(row).split('<').next().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn every_run_has_a_page_in_which_hostile_names_stay_texts() {
    let tenant = Tenant::start(OPEN).unpaced();
    let quoted = |name: &str| name.replace('"', "\"\"");
    let mut text = "Name,URL,Description,Action\n".to_owned();
    for (number, evil) in EVIL.iter().enumerate() {
        let name = quoted(evil);
        text.push_str(&format!(
            "\"{name}\",https://a{number}.example,\"{name}\",create\n"
        ));
        text.push_str(&format!("\"{name} gone\",,\"{name}\",update\n"));
    }
    tenant.write("evil.csv", &text);
    tenant
        .run(&["apply", "evil.csv", "--yes", "--batch-size", "1"])
        .expect(4);
    let run = tenant.run_dir();
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    // Its own script is the only one, and its own style the only style.
    let [scripts, styles] = ["<script", "<style"].map(|tag| page.matches(tag).count());
    assert_eq!((scripts, styles), (1, 1));
    for tag in ["<img", "<base", "<link", "<iframe", " style=\""] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert_contains(&page, "&lt;script&gt;alert(1)&lt;/script&gt;");
    assert_contains(&page, "Content-Security-Policy");
    let policy = between(&page, "content=\"default-src 'none';", "\"");
    assert!(
        !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    let addresses = page.matches("href=\"").count();
    assert_eq!(
        addresses,
        page.matches("href=\"#").count(),
        "all within the page"
    );
    assert!(!page.contains("s3cr3t-of-the-tenant"));
    assert_eq!(
        charted(&page, "write").iter().sum::<usize>(),
        tenant.writes()
    );
    assert_eq!(
        charted(&page, "read").iter().sum::<usize>(),
        tenant.log_of("read").len()
    );

    let again = tenant.path("again.html");
    tenant.run(&["report", "-o", "again.html"]).expect(0);
    assert_eq!(page.len(), fs::read_to_string(&again).unwrap().len());
    let mode = fs::metadata(&again).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_page_of_a_run_is_small_and_names_what_to_do_next() {
    let tenant = Tenant::start(OPEN).unpaced();
    tenant.write("links.csv", &manifest(500));
    tenant.run(&["apply", "links.csv", "--yes"]).expect(0);
    let run = tenant.run_dir();
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    let name = run.file_name().unwrap().to_str().unwrap();
    for next in ["verify", "undo"] {
        assert_contains(&page, format!("zpa-bulk {next} zpa-bulk-runs/{name}"));
    }
    let sha256 = ring::digest::digest(&ring::digest::SHA256, manifest(500).as_bytes());
    let sha256: String = sha256
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_contains(&page, sha256);
}

#[test]
fn a_plan_is_written_as_a_page_for_those_who_approve_it() {
    let tenant = Tenant::start(OPEN).unpaced();
    tenant
        .apply("links.csv", "name,url\nWiki,https://wiki.example\n")
        .expect(0);
    let text = format!(
        "name,url,action\nWiki,https://new.example,update\n\"{}\",https://e.example,create\n",
        EVIL[0]
    );
    tenant.write("next.csv", &text);
    let before = tenant.writes();
    tenant
        .run(&["plan", "next.csv", "-o", "plan.html", "-o", "next.plan"])
        .expect(0);
    assert!(tenant.path("next.plan").exists());
    assert_eq!(tenant.writes(), before);
    let page = fs::read_to_string(tenant.path("plan.html")).unwrap();
    assert_contains(&page, "wiki.example</bdi></span> → <bdi>new.example");
    assert_contains(&page, "&lt;script&gt;alert(1)");
    assert_eq!(page.matches("<script").count(), 1);
    let refused = tenant
        .run(&["plan", "next.csv", "-o", "plan.htm"])
        .expect(2);
    assert_contains(&refused.stderr, "like plan.html for a page");
}
