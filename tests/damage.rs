//! Runs whose journal or disk is damaged: refused, repaired, gone on with, and nothing twice. What counts is what the
//! simulated tenant's own log and state say.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use self::common::{Ran, Tenant, rows};

/// Without quotas, and taking two links of one name: what is created twice shows.
const SCENARIO: &str = "quota = { read = \"off\", write = \"off\" }\nlatency = { base = \"10ms\", jitter = \"0s\" }\n\
    bulk = { unique_names = false }\n";
const LINKS: usize = 12;
const ALONE: [&str; 6] = [
    "--batch-size",
    "1",
    "--write-quota",
    "10/500ms",
    "--settle",
    "50ms",
];

fn name(number: usize) -> String {
    format!("App {number:02}")
}

fn start() -> Tenant {
    let tenant = Tenant::start(SCENARIO);
    let mut text = "name,url\n".to_owned();
    for number in 0..LINKS {
        writeln!(
            text,
            "{},https://app{number}.corp.example.com",
            name(number)
        )
        .unwrap();
    }
    tenant.write("links.csv", &text);
    tenant
}

/// A tenant with a run of single creates that was killed after some of them, and the run's directory.
fn killed() -> (Tenant, PathBuf) {
    let tenant = start();
    let mut apply = tenant.command(&["apply", "links.csv", "--yes"]);
    tenant.killed_after(4, apply.args(ALONE));
    let run = tenant.run_dir();
    (tenant, run)
}

fn resume(tenant: &Tenant, run: &Path) -> Ran {
    Ran::of(
        tenant
            .command(&["resume", run.to_str().unwrap()])
            .args(ALONE),
    )
}

fn repair(tenant: &Tenant, run: &Path, more: &[&str]) -> Ran {
    Ran::of(
        tenant
            .command(&["journal", "repair", run.to_str().unwrap()])
            .args(more),
    )
}

/// The newest run, by the path that messages name it by.
fn newest_run(tenant: &Tenant) -> PathBuf {
    let newest = tenant.run_dirs().pop().unwrap();
    newest.strip_prefix(tenant.path("")).unwrap().to_owned()
}

fn lines(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("journal.jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn write_lines(run: &Path, lines: &[String]) {
    fs::write(run.join("journal.jsonl"), lines.join("\n") + "\n").unwrap();
}

/// Every link is there once, and the run says so with its id.
fn assert_each_once(tenant: &Tenant, run: &Path) {
    let names: Vec<String> = tenant.links().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, (0..LINKS).map(name).collect::<Vec<_>>());
    let state = tenant.state();
    let success = rows(&run.join("success.csv"));
    assert_eq!(success.len(), LINKS);
    for row in success {
        let mut live = state["portal_links"].as_array().unwrap().iter();
        let live = live.find(|link| link["name"] == *row["name"]).unwrap();
        assert_eq!(live["id"], *row["_id"]);
    }
}

#[test]
fn damaged_in_any_way_a_run_is_refused_and_after_a_repair_finished_with_nothing_twice() {
    type Harm = fn(&mut Vec<String>);
    let harms: [(&str, Harm); 3] = [
        ("flipped bit", |lines| {
            lines[2] = lines[2].replacen("\"at\":\"2", "\"at\":\"3", 1);
        }),
        ("missing record", |lines| drop(lines.remove(2))),
        ("swapped records", |lines| lines.swap(2, 3)),
    ];
    for (what, harm) in harms {
        let (tenant, run) = killed();
        let mut damaged = lines(&run);
        harm(&mut damaged);
        write_lines(&run, &damaged);
        let writes = tenant.log_of("write").len();
        let name = run.file_name().unwrap().to_str().unwrap();
        let hint = format!("{name} shows what can be saved");
        for args in [
            &["resume"][..],
            &["resume", run.to_str().unwrap()],
            &["status"],
        ] {
            let refused = tenant.run(args).expect(7);
            assert!(
                refused.stderr.contains("line 3 is damaged"),
                "{what}: {}",
                refused.stderr
            );
            assert!(
                refused.stderr.contains("zpa-bulk journal repair ")
                    && refused.stderr.contains(&hint),
                "{what}: {}",
                refused.stderr
            );
        }

        let shown = repair(&tenant, &run, &[]).expect(2);
        assert!(
            shown.stdout.contains("line 3 is damaged"),
            "{}",
            shown.stdout
        );
        assert!(
            shown.stdout.contains("to keep: lines 1 to 2"),
            "{}",
            shown.stdout
        );
        assert!(shown.stderr.contains("--yes"), "{}", shown.stderr);
        assert_eq!(lines(&run), damaged, "{what}: shown only");

        let repaired = tenant
            .run(&["journal", "repair", "--yes", "--json"])
            .expect(0)
            .json();
        assert_eq!(repaired["line"], 3);
        let kept = fs::read_to_string(tenant.path(repaired["kept_in"].as_str().unwrap())).unwrap();
        assert_eq!(kept.lines().collect::<Vec<_>>(), damaged[2..], "{what}");
        assert_eq!(lines(&run)[..2], damaged[..2], "{what}");
        let status = tenant.run(&["status", "--json"]).expect(0).json();
        assert_eq!(
            status["unknown"].as_u64(),
            Some(LINKS as u64),
            "{what}: {status}"
        );
        assert_eq!(
            tenant.log_of("write").len(),
            writes,
            "{what}: nothing was sent"
        );

        resume(&tenant, &run).expect(0);
        assert_each_once(&tenant, &run);
        let nothing = repair(&tenant, &run, &[]).expect(0);
        assert!(
            nothing.stderr.contains("nothing is to be repaired"),
            "{}",
            nothing.stderr
        );
    }
}

#[test]
fn a_journal_that_was_cut_short_is_gone_on_with_and_nothing_is_created_twice() {
    // At the end of a record, and within one.
    for torn in [0, 30] {
        let (tenant, run) = killed();
        let whole = lines(&run).join("\n") + "\n";
        let kept: usize = lines(&run)[..2].iter().map(|line| line.len() + 1).sum();
        fs::write(run.join("journal.jsonl"), &whole[..kept + torn]).unwrap();
        let created = tenant.links().len();
        assert!(created >= 3);
        let resumed = resume(&tenant, &run).expect(0);
        assert!(
            resumed.stderr.contains("the end of the journal is lost"),
            "{}",
            resumed.stderr
        );
        assert_each_once(&tenant, &run);
        let success = rows(&run.join("success.csv"));
        let recovered = success.iter().filter(|row| row["_status"] == "recovered");
        assert_eq!(recovered.count(), created);
    }
}

#[test]
fn the_last_line_torn_by_a_crash_needs_no_repair() {
    let (tenant, run) = killed();
    let mut text = fs::read_to_string(run.join("journal.jsonl")).unwrap();
    text.push_str("{\"seq\":99,\"at\":\"2026-");
    fs::write(run.join("journal.jsonl"), text).unwrap();
    repair(&tenant, &run, &["--yes"]).expect(0);
    assert!(!run.join("journal.cut-1.jsonl").exists());
    let resumed = resume(&tenant, &run).expect(0);
    assert_eq!(resumed.stderr, "");
    assert_each_once(&tenant, &run);
}

#[test]
fn a_finished_run_whose_outcomes_are_cut_is_finished_again_without_a_write() {
    let tenant = start();
    tenant.run(&["apply", "links.csv", "--yes"]).expect(0);
    let run = tenant.run_dir();
    let mut damaged = lines(&run);
    damaged[1] = damaged[1].replacen("\"call\":", "\"Call\":", 1);
    write_lines(&run, &damaged);
    let writes = tenant.log_of("write").len();
    repair(&tenant, &run, &["--yes"]).expect(0);
    resume(&tenant, &run).expect(0);
    assert_eq!(tenant.log_of("write").len(), writes);
    assert_each_once(&tenant, &run);
}

/// Takes a file away, or puts something in its place that cannot be read.
fn spoil(file: &Path, missing: bool) {
    fs::remove_file(file).unwrap();
    if !missing {
        fs::create_dir(file).unwrap();
    }
}

#[test]
fn without_its_plan_or_journal_a_run_is_refused_by_name_and_the_others_are_listed() {
    let (tenant, whole) = killed();
    resume(&tenant, &whole).expect(0);
    for (file, what) in [("plan.jsonl", "plan"), ("journal.jsonl", "journal")] {
        for missing in [true, false] {
            tenant.write("links.csv", "name,url\nOther,https://other.example\n");
            tenant.run(&["apply", "links.csv", "--yes"]).expect(0);
            let run = newest_run(&tenant);
            let run_dir = run.to_str().unwrap();
            spoil(&tenant.path("").join(&run).join(file), missing);
            let fate = if missing {
                "is missing"
            } else {
                "cannot be read: Is a directory"
            };
            let said = format!("{run_dir}/{file}: the {what} {fate}");
            let requests = tenant.log().len();
            for args in [
                &["status", run_dir][..],
                &["resume", run_dir],
                &["verify", run_dir],
                &["verify"],
                &["retry", run_dir, "--yes"],
                &["undo", run_dir, "--yes"],
                &["journal", "repair", run_dir, "--yes"],
                &["resume"],
                &["retry", "--yes"],
            ] {
                let ran = tenant.run(args).expect(7);
                for text in [&said, "hint:  nothing was sent; ", "from a copy of the run"] {
                    assert!(ran.stderr.contains(text), "{args:?}: {}", ran.stderr);
                }
            }
            assert_eq!(
                tenant.log().len(),
                requests,
                "nothing is asked of the tenant"
            );

            for args in [&["status"][..], &["runs"], &["journal", "repair"]] {
                let ran = tenant.run(args).expect(0);
                assert!(ran.stderr.contains(&said), "{args:?}: {}", ran.stderr);
                assert!(ran.stderr.contains("hint: "), "{args:?}: {}", ran.stderr);
            }
            let name = |run: &Path| run.file_name().unwrap().to_str().unwrap().to_owned();
            let status = tenant.run(&["status", "--json"]).expect(0).json();
            assert_eq!(status["run"], name(&whole));
            let listed = tenant.run(&["runs", "--json"]).expect(0).json();
            assert_eq!(listed["runs"].as_array().unwrap().len(), 1);
            assert_eq!(listed["runs"][0]["run"], name(&whole));
            assert_eq!(listed["refused"][0]["run"], name(&run));
            assert_eq!(listed["refused"][0]["error"], said_in_full(&said, missing));
            fs::remove_dir_all(tenant.path("").join(run)).unwrap();
        }
    }
}

/// With the system's number of the error.
fn said_in_full(said: &str, missing: bool) -> String {
    let number = if missing { "" } else { " (os error 21)" };
    format!("{said}{number}")
}

#[test]
fn a_run_of_which_nothing_but_the_directory_is_left_is_no_stranger() {
    let tenant = start();
    let run = tenant.path("zpa-bulk-runs/20260101T000000.000Z-0a1f");
    fs::create_dir_all(&run).unwrap();
    fs::create_dir(tenant.path("zpa-bulk-runs/notes")).unwrap();
    let ran = tenant.run(&["runs"]).expect(0);
    assert_eq!(ran.stderr.matches("warning:").count(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("-0a1f/plan.jsonl: the plan is missing"),
        "{}",
        ran.stderr
    );
}

/// A header as a program of that format would write it.
fn header(format: u64, header: &Value) -> String {
    let mut header = header.clone();
    header["header"]["format"] = format.into();
    header.as_object_mut().unwrap().remove("crc");
    let (at, content) = (header["at"].as_str().unwrap(), &header["header"]);
    let body = format!("{{\"seq\":0,\"at\":\"{at}\",\"header\":{content}");
    let crc = crc32fast::hash(body.as_bytes());
    format!("{body},\"crc\":\"{crc:08x}\"}}\n")
}

#[test]
fn a_journal_of_a_newer_format_is_refused_and_not_repaired() {
    let (tenant, run) = killed();
    let first: Value = serde_json::from_str(&lines(&run)[0]).unwrap();
    let format = first["header"]["format"].as_u64().unwrap();
    let writes = tenant.log_of("write").len();
    let newer = header(format + 1, &first);
    fs::write(run.join("journal.jsonl"), &newer).unwrap();
    for ran in [resume(&tenant, &run), repair(&tenant, &run, &["--yes"])] {
        let refused = ran.expect(7);
        assert!(
            refused.stderr.contains("use the newer zpa-bulk"),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(
        fs::read_to_string(run.join("journal.jsonl")).unwrap(),
        newer
    );
    assert_eq!(tenant.log_of("write").len(), writes);
}

#[test]
fn a_journal_of_another_run_or_tenant_is_refused() {
    let (tenant, run) = killed();
    let (other, others) = killed();
    let writes = tenant.log_of("write").len();
    let resumed = Ran::of(
        tenant
            .command(&["resume", run.to_str().unwrap()])
            .env("ZPA_CUSTOMER_ID", "99"),
    );
    let refused = resumed.expect(7);
    assert!(refused.stderr.contains("not of 99"), "{}", refused.stderr);
    fs::copy(others.join("journal.jsonl"), run.join("journal.jsonl")).unwrap();
    let plan = fs::read_to_string(others.join("plan.jsonl")).unwrap();
    fs::write(run.join("plan.jsonl"), plan.replacen("App 00", "App 99", 1)).unwrap();
    for ran in [resume(&tenant, &run), repair(&tenant, &run, &["--yes"])] {
        let refused = ran.expect(7);
        assert!(
            refused.stderr.contains("the plan is not the one"),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(tenant.log_of("write").len(), writes);
    drop(other);
}

#[test]
fn a_journal_that_is_being_written_is_not_repaired() {
    let (tenant, run) = killed();
    let mut damaged = lines(&run);
    damaged.swap(1, 2);
    write_lines(&run, &damaged);
    let lock = fs::File::options()
        .write(true)
        .open(run.join("lock"))
        .unwrap();
    lock.lock().unwrap();
    fs::write(run.join("lock"), "4711").unwrap();
    let refused = repair(&tenant, &run, &["--yes"]).expect(7);
    assert!(refused.stderr.contains("(pid 4711)"), "{}", refused.stderr);
    assert_eq!(lines(&run), damaged);
}

/// The same command, with no file allowed to grow beyond so many blocks of 512 bytes.
fn on_a_full_disk(command: &Command, blocks: u64) -> Command {
    let mut full = Command::new("sh");
    full.arg("-c")
        .arg(format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""
        ))
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap())
        .stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => full.env(name, value),
            None => full.env_remove(name),
        };
    }
    full
}

#[test]
fn a_full_disk_stops_the_run_before_a_call_whose_intent_cannot_be_written() {
    let (tenant, run) = killed();
    let length = fs::metadata(run.join("journal.jsonl")).unwrap().len();
    let before = tenant.log_of("write").len();
    let mut command = tenant.command(&["resume", run.to_str().unwrap()]);
    // Room for some intents and outcomes, few of which are written at once, and then for none.
    let command = command.args(ALONE).args(["--jobs", "1"]);
    let ran = Ran::of(&mut on_a_full_disk(command, length / 512 + 2)).expect(5);
    assert!(ran.stderr.contains("cannot be written"), "{}", ran.stderr);
    assert!(ran.stderr.contains("zpa-bulk resume"), "{}", ran.stderr);
    let sent = tenant.log_of("write").len();
    assert!(
        sent > before && sent < LINKS,
        "{before} before and {sent} in all"
    );
    let whole_intent = |line: &&String| line.contains("\"intent\":") && line.ends_with("\"}");
    let intents = lines(&run).iter().filter(whole_intent).count();
    assert!(sent <= intents, "{sent} writes, {intents} intents");
    resume(&tenant, &run).expect(0);
    assert_each_once(&tenant, &run);
}

#[test]
fn a_full_disk_before_the_run_is_there_changes_nothing() {
    let tenant = start();
    let apply = tenant.command(&["apply", "links.csv", "--yes"]);
    for (blocks, where_) in [
        (0, "zpa-bulk-runs: no run can be started"),
        (1, "plan.jsonl: the plan cannot"),
    ] {
        let ran = Ran::of(&mut on_a_full_disk(&apply, blocks)).expect(1);
        for text in [where_, "hint:  nothing was sent; make room, or name"] {
            assert!(ran.stderr.contains(text), "{text}: {}", ran.stderr);
        }
        assert!(tenant.log_of("write").is_empty());
        assert!(!tenant.path("zpa-bulk-runs").exists());
    }
}

#[test]
fn results_that_cannot_be_written_are_written_by_resuming() {
    let (tenant, run) = killed();
    let in_the_way = run.join("success.csv");
    fs::create_dir(&in_the_way).unwrap();
    let ran = resume(&tenant, &run).expect(5);
    let hint = format!("zpa-bulk resume {} writes the results", run.display());
    for text in ["the results cannot be written", &hint] {
        assert!(ran.stderr.contains(text), "{text}: {}", ran.stderr);
    }
    let writes = tenant.log_of("write").len();
    fs::remove_dir(in_the_way).unwrap();
    resume(&tenant, &run).expect(0);
    assert_eq!(tenant.log_of("write").len(), writes);
    assert_each_once(&tenant, &run);
}

#[test]
fn where_runs_are_to_be_is_a_directory() {
    let tenant = start();
    let file = tenant.write("file", "");
    for runs in ["file", "file/below"] {
        for args in [
            &["apply", "links.csv", "--yes"][..],
            &["apply", "links.csv", "--yes", "--simulate"],
            &["resume"],
            &["retry", "--yes"],
            &["undo", "2026", "--yes"],
            &["verify"],
            &["status"],
            &["runs"],
            &["journal", "repair"],
        ] {
            let ran = Ran::of(tenant.command(args).args(["--runs-dir", runs])).expect(2);
            for text in [
                &format!("error: {runs}: "),
                "hint:  nothing was sent; --runs-dir must name a directory",
            ] {
                assert!(ran.stderr.contains(text), "{args:?} {text}: {}", ran.stderr);
            }
        }
    }
    assert_eq!(tenant.log().len(), 0);
    assert_eq!(fs::read_to_string(file).unwrap(), "");
}

/// The command as somebody whom file permissions bind. Whoever that is need not get at where the binary was built, so
/// it is run from a copy in `home`.
fn as_anybody(command: &mut Command, home: &Path, owned: &[&Path]) -> Ran {
    const NOBODY: u32 = 65534;
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Ran::of(command);
    }
    for path in owned {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let program = home.join("zpa-bulk");
    fs::copy(command.get_program(), &program).unwrap();
    let mut copy = Command::new(program);
    copy.args(command.get_args()).current_dir(home);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(name, value),
            None => copy.env_remove(name),
        };
    }
    copy.env("HOME", home).uid(NOBODY).gid(NOBODY);
    Ran::of(&mut copy)
}

#[test]
fn in_a_read_only_directory_nothing_is_sent() {
    let (tenant, run) = killed();
    let before = lines(&run);
    let writes = tenant.log_of("write").len();
    let files: Vec<PathBuf> = fs::read_dir(&run)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    for (path, mode) in files
        .iter()
        .map(|file| (file.as_path(), 0o400))
        .chain([(run.as_path(), 0o500)])
    {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let home = tenant.path("");
    let runs = run.parent().unwrap();
    let owned: Vec<&Path> = [home.as_path(), runs, &run]
        .into_iter()
        .chain(files.iter().map(PathBuf::as_path))
        .collect();
    let mut resume = tenant.command(&["resume", run.to_str().unwrap()]);
    let ran = as_anybody(&mut resume, &home, &owned).expect(1);
    assert!(
        ran.stderr.contains("lock: the journal cannot be locked")
            && ran.stderr.contains("let this user"),
        "{}",
        ran.stderr
    );
    fs::set_permissions(runs, fs::Permissions::from_mode(0o500)).unwrap();
    let mut apply = tenant.command(&["apply", "links.csv", "--yes"]);
    let ran = as_anybody(&mut apply, &home, &[]).expect(2);
    for text in [
        "zpa-bulk-runs: no run can be started in this directory: Permission denied",
        "hint:  nothing was sent; let this user read and write there, or name another directory",
    ] {
        assert!(ran.stderr.contains(text), "{text}: {}", ran.stderr);
    }
    assert_eq!(tenant.log_of("write").len(), writes);
    assert_eq!(lines(&run), before);
}
