//! The events of runs, against their schema and against what the runs did.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use boon::{Compiler, Schemas};
use serde_json::Value;

use crate::support::command::{Ran, assert_contains};
use crate::support::manifests::manifest;
use crate::support::tenant::{OPEN, Tenant};

/// Slow enough to be stopped: a write a second.
const SLOWLY: [&str; 6] = [
    "--batch-size",
    "1",
    "--write-quota",
    "1/1s",
    "--max-duration",
    "500ms",
];

/// Reads a stream, and fails unless each line fits the schema in the repository and the first names the format.
#[track_caller]
fn checked(text: &str) -> Vec<Value> {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.schema.json");
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    let schema = compiler.compile(schema, &mut schemas).unwrap();
    let lines = text.lines().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        let valid = schemas.validate(&event, schema);
        assert!(valid.is_ok(), "{event}: {}", valid.unwrap_err());
        event
    });
    let events: Vec<Value> = lines.collect();
    assert_eq!(events[0]["event"], "format");
    assert_eq!(events[0]["format"], "zpa-bulk-events");
    events
}

fn of<'e>(events: &'e [Value], kind: &str) -> Vec<&'e Value> {
    events
        .iter()
        .filter(|event| event["event"] == kind)
        .collect()
}

/// How often each status ended a row. Fails if a row ended twice.
#[track_caller]
fn ends(events: &[Value]) -> BTreeMap<&str, usize> {
    let mut rows = Vec::new();
    let mut ends = BTreeMap::new();
    for item in of(events, "item") {
        assert!(!rows.contains(&item["item"]), "{item} ended twice");
        rows.push(item["item"].clone());
        *ends.entry(item["status"].as_str().unwrap()).or_insert(0) += 1;
    }
    ends
}

/// Runs a command with events to a file. Answers its exit code and its events.
fn followed(tenant: &Tenant, args: &[&str]) -> (i32, Vec<Value>) {
    let ran = tenant
        .command(args)
        .args(["--events", "events.jsonl"])
        .output()
        .unwrap();
    let text = fs::read_to_string(tenant.path("events.jsonl")).unwrap();
    (ran.status.code().unwrap(), checked(&text))
}

#[test]
fn a_run_a_resumption_and_an_undo_tell_the_end_of_each_row_once() {
    let tenant = Tenant::start(OPEN).unpaced();
    tenant.write(
        "links.csv",
        &(manifest(8) + "Link 00001,https://other.example,Nowhere\n"),
    );
    let refused = followed(&tenant, &["apply", "links.csv", "--yes"]);
    assert_eq!(refused.0, 3);
    assert_eq!(of(&refused.1, "error")[0]["exit_code"], 3);

    tenant.write("links.csv", &manifest(8));
    let mut apply = vec!["apply", "links.csv", "--yes"];
    apply.extend(SLOWLY);
    let (code, events) = followed(&tenant, &apply);
    assert_eq!(code, 5);
    let begun = ends(&events).get("created").copied().unwrap_or(0);
    assert!((1..8).contains(&begun), "{begun} rows");
    assert_eq!(of(&events, "summary")[0]["end"], "stopped");
    assert_eq!(of(&events, "call").len(), tenant.log().len());

    let before = tenant.log().len();
    let (code, events) = followed(&tenant, &["resume", "--write-quota", "off"]);
    assert_eq!(code, 0);
    assert_eq!(ends(&events), BTreeMap::from([("created", 8)]));
    let earlier = of(&events, "item")
        .into_iter()
        .filter(|item| item["earlier"] == true);
    assert_eq!(earlier.count(), begun);
    assert_eq!(of(&events, "call").len(), tenant.log().len() - before);
    let run = tenant.run_dir();
    let name = run.file_name().unwrap().to_str().unwrap();
    assert_eq!(of(&events, "summary")[0]["run"], name);

    let (code, events) = followed(&tenant, &["undo", name, "--yes", "--write-quota", "off"]);
    assert_eq!(code, 0);
    assert_eq!(ends(&events), BTreeMap::from([("deleted", 8)]));
    assert_eq!(of(&events, "plan")[0]["undoes"], name);
}

#[test]
fn failures_refusals_and_pauses_are_told() {
    let tenant = Tenant::start(
        "latency = { base = \"1ms\", jitter = \"0ms\" }\nquota = { read = \"off\", write = \"3/1s\" }\n",
    );
    tenant.write(
        "links.csv",
        "name,url,action\nA,https://a.example,create\nB,https://b.example,create\nC,https://c.example,create\n\
         D,https://d.example,create\nE,https://e.example,create\nGone,https://x.example,update\nNever,,delete\n",
    );
    let unpaced = [
        "--write-quota",
        "off",
        "--read-quota",
        "off",
        "--batch-size",
        "1",
    ];
    let mut apply = vec!["apply", "links.csv", "--yes"];
    apply.extend(unpaced);
    let (code, events) = followed(&tenant, &apply);
    assert_eq!(code, 4);
    let expected = BTreeMap::from([("created", 5), ("failed", 1), ("unchanged", 1)]);
    assert_eq!(ends(&events), expected);
    let failed = of(&events, "item")
        .into_iter()
        .find(|item| item["status"] == "failed");
    assert_eq!(failed.unwrap()["row"], 7);
    let refusals = tenant
        .log_of("write")
        .iter()
        .filter(|call| call["status"] == 429)
        .count();
    let told = of(&events, "call")
        .into_iter()
        .filter(|call| call["status"] == 429);
    assert_eq!(told.count(), refusals);
    assert!(refusals > 0 && !of(&events, "throttle").is_empty());
    let summary = of(&events, "summary")[0];
    assert_eq!(summary["throttled"], refusals);

    let (code, events) = followed(&tenant, &["retry", "--yes"]);
    assert_eq!((code, ends(&events)), (4, BTreeMap::from([("failed", 1)])));
    let (code, events) = followed(&tenant, &["apply", "links.csv", "--yes"]);
    let expected = BTreeMap::from([("failed", 6), ("unchanged", 1)]);
    assert_eq!((code, ends(&events)), (4, expected));
}

/// A command that applies a manifest with events to that target.
fn applied(tenant: &Tenant, target: &str) -> Command {
    let mut command = tenant.command(&["apply", "links.csv", "--yes", "--events"]);
    command.arg(target);
    command
}

#[test]
fn a_consumer_that_is_slow_gone_or_full_harms_no_run() {
    let tenant = Tenant::start(OPEN).unpaced();
    tenant.write("links.csv", &manifest(4));
    let full = Ran::of(&mut applied(&tenant, "/dev/full")).expect(0);
    assert_contains(
        &full.stderr,
        "not taken by the target of --events: No space left",
    );
    tenant.assert_each_once(4, &tenant.run_dir());
    let absent = Ran::of(&mut applied(&tenant, "no/such/file")).expect(2);
    assert_contains(&absent.stderr, "--events no/such/file");

    let mut gone = applied(&tenant, "-");
    let mut child = gone
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(0), "{said}");
    assert_contains(&said, "not taken by the target of --events");

    // A pipe that nobody reads.
    let pipe = tenant.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let again = Ran::of(&mut applied(&tenant, "pipe")).expect(0);
    assert_contains(&again.stderr, "not taken by the target of --events");
}

#[test]
fn standard_output_and_descriptors_hold_events_alone() {
    let tenant = Tenant::start(OPEN).unpaced();
    tenant.write("links.csv", &manifest(2));
    let ran = Ran::of(&mut applied(&tenant, "-")).expect(0);
    assert_eq!(
        ends(&checked(&ran.stdout)),
        BTreeMap::from([("created", 2)])
    );
    assert_contains(&ran.stderr, "2 rows: 2 created");
    // The shell opens what a descriptor stands for.
    let command = tenant.command(&[]);
    let shell = Command::new("sh")
        .args([
            "-c",
            "exec \"$0\" apply links.csv --yes --events fd:3 3>fd.jsonl",
        ])
        .arg(command.get_program())
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(command.get_current_dir().unwrap())
        .output()
        .unwrap();
    assert!(shell.status.success(), "{shell:?}");
    let events = fs::read_to_string(tenant.path("fd.jsonl")).unwrap();
    assert_eq!(ends(&checked(&events)), BTreeMap::from([("unchanged", 2)]));
    let both = Ran::of(applied(&tenant, "-").arg("--json")).expect(2);
    assert_contains(&both.stderr, "--json and --events both write");
}

#[test]
fn junit_and_metrics_say_what_the_run_did() {
    let tenant = Tenant::start(OPEN).unpaced();
    tenant.write(
        "links.csv",
        "name,url,action\n\"<A & \"\"B\"\">\",https://a.example,create\nGone,https://x.example,update\n",
    );
    let args = [
        "apply",
        "links.csv",
        "--yes",
        "--junit",
        "j.xml",
        "--metrics",
        "m.prom",
    ];
    tenant.run(&args).expect(4);
    let junit = fs::read_to_string(tenant.path("j.xml")).unwrap();
    assert_contains(&junit, "tests=\"2\"");
    assert_contains(&junit, "failures=\"1\"");
    assert_contains(&junit, "row 2: &lt;A &amp; &quot;B&quot;&gt;");
    assert_contains(&junit, "there is no portal link of that name");
    let metric = |name: &str| -> Option<String> {
        let text = fs::read_to_string(tenant.path("m.prom")).unwrap();
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.rsplit_once(' ').unwrap().1.to_owned())
    };
    let customer = crate::support::tenant::CUSTOMER;
    let labels = format!("{{tenant=\"{customer}\"");
    let writes = metric(&format!(
        "zpa_bulk_calls{labels},class=\"write\",status=\"201\"}}"
    ));
    assert_eq!(writes, Some(tenant.writes().to_string()));
    assert_eq!(
        metric(&format!("zpa_bulk_items{labels},state=\"failed\"}}")).as_deref(),
        Some("1")
    );
    assert_eq!(metric("zpa_bulk_last_success"), None, "a row failed");
    tenant.write("links.csv", "name,url\nWiki,https://w.example\n");
    tenant.run(&args).expect(0);
    let success = metric("zpa_bulk_last_success").unwrap();
    tenant.write(
        "links.csv",
        "name,url,action\nGone,https://x.example,update\n",
    );
    tenant.run(&args).expect(4);
    assert_eq!(metric("zpa_bulk_last_success"), Some(success), "it is kept");
    let mode = |name: &str| mode_of(&tenant.path(name));
    assert_eq!((mode("j.xml"), mode("m.prom")), (0o600, 0o644));
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
