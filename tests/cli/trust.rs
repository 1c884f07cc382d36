//! Run directories that come from elsewhere. Nothing in one says where to connect, what to run, or which file to read or
//! write.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use zpa_bulk::item::{Event, Outcome, Status};
use zpa_bulk::journal::{self, Header, Journal};
use zpa_bulk::wire::Id;

use crate::support::command::{Ran, assert_contains, in_place_of};
use crate::support::manifests::manifest;
use crate::support::random::{Random, variable};
use crate::support::scratch;
use crate::support::tenant::{OPEN, TWINS, Tenant};

/// The verbs that send calls for an earlier run.
const VERBS: [&[&str]; 4] = [
    &["resume"],
    &["retry", "--yes"],
    &["undo", "--yes"],
    &["verify"],
];

/// A tenant, a run that has ended with one failure, and one that is unfinished.
struct Prey {
    tenant: Tenant,
    finished: PathBuf,
    unfinished: PathBuf,
}

impl Prey {
    fn new() -> Self {
        let fault = "[[fault]]\nkind = \"status\"\nstatus = 400\nmatch = \"POST */userPortalLink\"\ntimes = 1\n";
        let tenant =
            Tenant::start(&format!("{OPEN}{TWINS}{fault}")).with("ZPA_BULK_READ_QUOTA", "off");
        let args = ["apply", "links.csv", "--yes", "--batch-size", "1"];
        tenant.write(
            "links.csv",
            "name,url\nA,https://a.example\nB,https://b.example\n",
        );
        tenant.run(&args).expect(4);
        let finished = tenant.newest_run();
        tenant.write(
            "more.csv",
            "name,url\nC,https://c.example\nD,https://d.example\nE,https://e.example\n",
        );
        let mut apply = tenant.command(&["apply", "more.csv", "--yes", "--batch-size", "1"]);
        let unfinished =
            tenant.killed_after(1, apply.args(["--jobs", "1", "--write-quota", "1/2s"]));
        Self {
            tenant,
            finished,
            unfinished,
        }
    }

    fn runs(&self) -> [&Path; 2] {
        [&self.finished, &self.unfinished]
    }

    /// Every verb with each run, with and without `--trust-run`.
    fn each_command(&self, mut visit: impl FnMut(&mut Command)) {
        for verb in VERBS {
            for run in self.runs() {
                for trust in [&[][..], &["--trust-run"]] {
                    let mut command = self.tenant.command(verb);
                    visit(command.arg(run).args(trust).args(["--write-quota", "off"]));
                }
            }
        }
    }
}

/// Writes the header of a run anew, with checksums that fit.
fn reseal(run: &Path, change: impl FnOnce(&mut Header)) {
    reseal_with(run, Vec::new(), change);
}

/// The same, with more events at the end.
fn reseal_with(run: &Path, more: Vec<Event>, change: impl FnOnce(&mut Header)) {
    let mut events = Vec::new();
    let mut header = journal::replay(run, |event| events.push(event))
        .unwrap()
        .header;
    events.extend(more);
    change(&mut header);
    let dir = scratch();
    let now = Timestamp::now();
    let mut journal = Journal::create(dir.path(), &header, now).unwrap();
    for event in &events {
        journal.append(event, now).unwrap();
    }
    journal.commit().unwrap();
    drop(journal);
    for file in [journal::FILE_NAME, "journal.synced"] {
        fs::copy(dir.path().join(file), run.join(file)).unwrap();
    }
}

/// A server to which nobody should connect, and the number of connections.
fn trap() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let met = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&met);
    thread::spawn(move || {
        for _ in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (url, met)
}

/// A named pipe. Whoever opens it waits for ever.
fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// The same command, which is ended after some seconds if it waits.
fn patiently(command: &Command) -> Ran {
    let mut bounded = in_place_of(command, "timeout");
    bounded.arg("30").arg(command.get_program());
    Ran::of(bounded.args(command.get_args()))
}

#[test]
fn a_header_neither_connects_nor_runs_nor_reads() {
    let prey = Prey::new();
    let (url, met) = trap();
    let marker = prey.tenant.path("executed");
    let secret = prey.tenant.path("secret-pipe");
    pipe(&secret);
    let command = json!(["touch", marker]);
    let evil = [
        json!({ "client_secret_command": command }),
        json!({ "private_key_command": command }),
        json!({ "client_secret_file": secret }),
        json!({ "private_key_file": secret }),
        json!({ "ca_cert": secret }),
        json!({ "token_url": format!("{url}/signin") }),
        json!({ "base_url": url }),
        json!({ "runs_dir": "/", "profiles": { "x": { "base_url": url } } }),
    ];
    for settings in &evil {
        for run in prey.runs() {
            reseal(run, |header| merge(&mut header.settings, settings));
        }
        prey.each_command(|command| {
            // Without a secret, so that one from the record would be used.
            command.env_remove("ZPA_CLIENT_SECRET");
            let ran = patiently(command);
            assert!(
                matches!(ran.code, Some(2 | 5 | 7)),
                "{settings}: {command:?}: {:?} {}",
                ran.code,
                ran.stderr
            );
        });
    }
    assert_eq!(met.load(Ordering::SeqCst), 0);
    assert!(!marker.exists());
    assert_eq!(prey.tenant.log_of("write").len(), 3);
}

fn merge(settings: &mut Value, more: &Value) {
    let more = more.as_object().unwrap().clone();
    settings.as_object_mut().unwrap().extend(more);
}

#[test]
fn other_addresses_are_refused_with_both_values() {
    let prey = Prey::new();
    let requests = prey.tenant.log().len();
    for (name, other) in [
        ("base_url", "https://other.example"),
        ("token_url", "https://other.example/signin"),
    ] {
        let run = &prey.finished;
        let honest = fs::read(run.join("journal.jsonl")).unwrap();
        reseal(run, |header| header.settings[name] = json!(other));
        let undo = ["undo", run.to_str().unwrap(), "--yes", "--trust-run"];
        let ran = prey.tenant.run(&undo).expect(7);
        assert_contains(&ran.stderr, format!("{name} \"{other}\""));
        assert_contains(&ran.stderr, &prey.tenant.url);
        fs::write(run.join("journal.jsonl"), honest).unwrap();
    }
    reseal(&prey.finished, |header| {
        header.settings["customer_id"] = json!("7");
    });
    let ran = prey
        .tenant
        .run(&["verify", prey.finished.to_str().unwrap(), "--trust-run"]);
    assert_contains(&ran.expect(7).stderr, "not of 7");
    assert_eq!(prey.tenant.log().len(), requests);
}

#[test]
fn a_changed_header_needs_trust_and_stays_paced() {
    let tenant = Tenant::start(OPEN);
    tenant.write("links.csv", &manifest(14));
    let mut apply = tenant.command(&["apply", "links.csv", "--yes", "--batch-size", "1"]);
    let run = tenant.killed_after(1, apply.args(["--jobs", "1", "--write-quota", "1/5s"]));
    reseal(&run, |header| {
        let fast = json!({ "write_quota": "off", "guard": "0%", "pace": "window", "jobs": 64 });
        merge(&mut header.settings, &fast);
    });
    let resume = ["resume", run.to_str().unwrap(), "--batch-size", "1"];
    let refused = tenant.run(&resume).expect(7);
    assert_contains(&refused.stderr, "this run is not trusted");
    assert_contains(&refused.stderr, "--trust-run");
    Ran::of(tenant.command(&resume).arg("--trust-run")).expect(0);
    tenant.assert_each_once(14, &run);
    tenant.assert_paced(10, Duration::from_secs(10));
}

#[test]
fn no_file_of_a_run_is_written_through_a_link() {
    let prey = Prey::new();
    let outside = scratch();
    let victim = outside.path().join("victim");
    let run = &prey.unfinished;
    for name in [
        "lock",
        "journal.synced",
        ".success.csv.new",
        ".errors.csv.new",
        ".skipped.csv.new",
        ".report.json.new",
        "success.csv",
        "report.json",
    ] {
        for link in [
            |from: &Path, to: &Path| symlink(from, to),
            |from: &Path, to: &Path| fs::hard_link(from, to),
        ] {
            fs::write(&victim, "precious").unwrap();
            let path = run.join(name);
            let before = fs::read(&path).ok();
            let _ = fs::remove_file(&path);
            link(&victim, &path).unwrap();
            for verb in VERBS {
                patiently(prey.tenant.command(verb).arg(run));
            }
            assert_eq!(fs::read_to_string(&victim).unwrap(), "precious", "{name}");
            let _ = fs::remove_file(&path);
            if let Some(before) = before {
                fs::write(&path, before).unwrap();
            }
        }
    }
}

#[test]
fn the_shared_state_is_not_written_through_a_link() {
    let tenant = Tenant::start(OPEN);
    tenant.write("links.csv", "name,url\nA,https://a.example\n");
    let victim = tenant.write("victim", "precious");
    tenant.run(&["plan", "links.csv"]).expect(0);
    let table = fs::read_dir(tenant.path("state/zpa-bulk/tenants"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|path| path.extension().is_some_and(|ending| ending == "db"))
        .unwrap();
    for ending in ["planning", "db"] {
        let path = table.with_extension(ending);
        let _ = fs::remove_file(&path);
        symlink(&victim, &path).unwrap();
        let ran = tenant.run(&["apply", "links.csv", "--yes"]);
        assert_ne!(ran.code, Some(0));
        assert_contains(&ran.stderr, "symbolic link");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(tenant.log_of("write").is_empty());
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn pipes_in_a_run_are_not_waited_for() {
    let prey = Prey::new();
    let run = &prey.finished;
    let files: Vec<PathBuf> = fs::read_dir(run)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    for file in files {
        let before = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        pipe(&file);
        let local: [&[&str]; 3] = [&["status"], &["runs"], &["journal", "repair"]];
        for verb in VERBS.iter().chain(&local) {
            let mut command = prey.tenant.command(verb);
            if verb != &["runs"] {
                command.arg(run);
            }
            let ran = patiently(&command);
            assert_ne!(ran.code, Some(124), "{verb:?} waits for {}", file.display());
        }
        fs::remove_file(&file).unwrap();
        fs::write(&file, before).unwrap();
    }
}

#[test]
fn a_directory_that_others_can_change_is_refused() {
    let prey = Prey::new();
    let runs = prey.tenant.path("zpa-bulk-runs");
    let requests = prey.tenant.log().len();
    for open in [&runs, &prey.finished] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o777)).unwrap();
        for verb in VERBS {
            let ran = Ran::of(prey.tenant.command(verb).arg(&prey.finished)).expect(7);
            assert_contains(&ran.stderr, "others can write to it (mode 0777)");
        }
        if open == &runs {
            let ran = prey.tenant.run(&["apply", "links.csv", "--yes"]).expect(2);
            assert_contains(&ran.stderr, "others can write to it (mode 0777)");
        }
        fs::set_permissions(open, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let moved = prey.tenant.path("moved");
    fs::rename(&runs, &moved).unwrap();
    symlink(&moved, &runs).unwrap();
    let ran = prey.tenant.run(&["apply", "links.csv", "--yes"]).expect(2);
    assert_contains(&ran.stderr, "it is a symbolic link");
    assert_eq!(prey.tenant.log().len(), requests);
}

/// A value that a hostile header may hold under that name.
fn hostile(random: &mut Random, name: &str, url: &str, marker: &Path, pipe: &Path) -> Value {
    let fitting = match name {
        _ if name.ends_with("_url") => 0,
        _ if name.ends_with("_file") || name == "ca_cert" => 1,
        _ if name.ends_with("_command") => 2,
        _ => 3,
    };
    let choice = if random.percent(70) {
        fitting
    } else {
        random.below(8)
    };
    match choice {
        0 => json!(url),
        1 => json!(pipe),
        2 => json!(["touch", marker]),
        3 => json!("off"),
        4 => json!(true),
        5 => json!(u64::MAX),
        6 => json!({ "base_url": url, "client_secret_command": ["touch", marker] }),
        _ => Value::Null,
    }
}

/// The seed and the rounds of a hunt, a short one unless told. `ZPA_BULK_FUZZ=600 cargo test --test cli trust` hunts for ten
/// minutes on each target, and `ZPA_BULK_SEED=7` begins with another seed.
fn hunt() -> (u64, u64) {
    const A_SECOND: u64 = 20;
    let seconds = variable("ZPA_BULK_FUZZ");
    (
        variable("ZPA_BULK_SEED").unwrap_or(1),
        seconds.map_or(24, |seconds| seconds * A_SECOND),
    )
}

#[test]
fn no_mutated_header_reaches_outside() {
    const NAMES: [&str; 16] = [
        "base_url",
        "token_url",
        "customer_id",
        "client_id",
        "client_secret",
        "client_secret_file",
        "client_secret_command",
        "private_key_file",
        "private_key_command",
        "ca_cert",
        "runs_dir",
        "profiles",
        "cloud",
        "vanity_domain",
        "style",
        "write_quota",
    ];
    let (seed, count) = hunt();
    let mut random = Random(seed);
    let prey = Prey::new();
    let (url, met) = trap();
    let marker = prey.tenant.path("executed");
    let secret = prey.tenant.path("secret-pipe");
    pipe(&secret);
    let honest = fs::read(prey.finished.join("journal.jsonl")).unwrap();
    for round in 0..count {
        fs::write(prey.finished.join("journal.jsonl"), &honest).unwrap();
        reseal(&prey.finished, |header| {
            for _ in 0..=random.below(4) {
                let name = *random.one(&NAMES);
                header.settings[name] = hostile(&mut random, name, &url, &marker, &secret);
            }
        });
        let verb = VERBS[random.index(VERBS.len())];
        let mut command = prey.tenant.command(verb);
        command.arg(&prey.finished);
        if random.percent(70) {
            command.arg("--trust-run");
        }
        if random.percent(50) {
            command.env_remove("ZPA_CLIENT_SECRET");
        }
        let ran = patiently(&command);
        let case = format!("ZPA_BULK_SEED={seed}, round {round}: {command:?}");
        assert_ne!(ran.code, Some(124), "{case}");
        assert_ne!(ran.code, Some(101), "{case}: {}", ran.stderr);
        assert_eq!(met.load(Ordering::SeqCst), 0, "{case}");
        assert!(!marker.exists(), "{case}");
    }
}

/// Writes a value that no honest plan holds over one of the values of the plan.
fn spoil_plan(random: &mut Random, run: &Path) {
    const VALUES: [&str; 9] = [
        "\"../../../signin\"",
        "\"..%2f..%2f\"",
        "\"1/../2\"",
        "\"\\u001b[31m\"",
        "18446744073709551615",
        "-1",
        "null",
        "[]",
        "{\"id\":\"../x\"}",
    ];
    let path = run.join("plan.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let line = random.index(lines.len());
    let starts: Vec<usize> = lines[line]
        .match_indices("\":")
        .map(|(at, _)| at + 2)
        .collect();
    let start = *random.one(&starts);
    let old = serde_json::Deserializer::from_str(&lines[line][start..]).into_iter::<Value>();
    let mut old = old;
    old.next().unwrap().unwrap();
    let end = start + old.byte_offset();
    lines[line].replace_range(start..end, VALUES[random.index(VALUES.len())]);
    fs::write(&path, lines.join("\n") + "\n").unwrap();
}

/// An event that no honest journal holds.
fn odd_event(random: &mut Random) -> Event {
    let mut item = || *random.one(&[0, 1, 2, 7, u32::MAX]);
    let (one, two) = (item(), item());
    // No event holds another id than of digits, so only a plan is spoilt with one.
    let ids = ["0", "00000000000000000001", "145283994705985536"];
    match random.below(5) {
        0 => Event::Intent {
            call: one,
            items: vec![one, two, one],
        },
        1 => Event::Void {
            call: one,
            items: vec![two],
        },
        2 => Event::BatchSize(one),
        _ => Event::Outcomes(vec![Outcome {
            item: one,
            status: *random.one(&[
                Status::Created,
                Status::Deleted,
                Status::Failed,
                Status::Recovered,
            ]),
            id: ids
                .get(random.index(ids.len()))
                .and_then(|id| Id::parse(id)),
            failure: None,
        }]),
    }
}

#[test]
fn no_spoilt_run_panics_or_strays() {
    let (seed, count) = hunt();
    let mut random = Random(seed);
    let prey = Prey::new();
    let honest =
        |run: &Path| ["journal.jsonl", "plan.jsonl"].map(|name| fs::read(run.join(name)).unwrap());
    let saved = prey.runs().map(honest);
    for round in 0..count {
        let which = random.index(2);
        let run = prey.runs()[which];
        for (name, bytes) in ["journal.jsonl", "plan.jsonl"].iter().zip(&saved[which]) {
            fs::write(run.join(name), bytes).unwrap();
        }
        if random.percent(70) {
            spoil_plan(&mut random, run);
        }
        let plan = digest(&SHA256, &fs::read(run.join("plan.jsonl")).unwrap());
        let odd: Vec<Event> = (0..random.below(3))
            .map(|_| odd_event(&mut random))
            .collect();
        reseal_with(run, odd, |header| {
            header.plan_sha256 = plan
                .as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
        });
        let verb = VERBS[random.index(VERBS.len())];
        let mut command = prey.tenant.command(verb);
        command.arg(run).args([
            "--trust-run",
            "--settle",
            "0s",
            "--write-quota",
            "off",
            "--max-attempts",
            "2",
        ]);
        let ran = patiently(&command);
        let case = format!("ZPA_BULK_SEED={seed}, round {round}: {command:?}");
        assert!(
            !matches!(ran.code, None | Some(101 | 124)),
            "{case}: {:?} {}",
            ran.code,
            ran.stderr
        );
        for entry in prey.tenant.log() {
            let path = entry["path"].as_str().unwrap();
            let odd = path.contains("..") || path.contains('%') || path.contains('\u{1b}');
            assert!(!odd, "{case}: {path}");
        }
    }
}
