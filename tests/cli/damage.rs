//! Runs whose journal or disk is damaged: refused, repaired, resumed, and nothing twice.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::command::{Ran, assert_contains, in_place_of, rows, run_name, sealed};
use crate::support::manifests::manifest;
use crate::support::tenant::Tenant;

/// A tenant without quotas where a link can be there twice, so that a repeated create shows.
const SCENARIO: &str = "quota = { read = \"off\", write = \"off\" }\nlatency = { base = \"10ms\", jitter = \"0s\" }\n\
    bulk = { unique_names = false }\n";
const LINKS: usize = 12;
const ALONE: [&str; 8] = [
    "--pace",
    "smooth",
    "--batch-size",
    "1",
    "--write-quota",
    "10/500ms",
    "--settle",
    "50ms",
];

fn start() -> Tenant {
    let tenant = Tenant::start(SCENARIO);
    tenant.write("links.csv", &manifest(LINKS));
    tenant
}

/// A tenant with a run of single creates that was killed after some of them, and the run's directory.
fn killed() -> (Tenant, PathBuf) {
    killed_on(start())
}

fn killed_on(tenant: Tenant) -> (Tenant, PathBuf) {
    let mut apply = tenant.command(&["apply", "links.csv", "--yes"]);
    let run = tenant.killed_after(4, apply.args(ALONE));
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
    let newest = tenant.newest_run();
    newest.strip_prefix(tenant.path("")).unwrap().to_owned()
}

fn lines(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("journal.jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn write_lines(run: &Path, lines: &[String]) {
    fs::write(run.join("journal.jsonl"), lines.join("\n") + "\n").unwrap();
}

/// Harms the lines of a journal from the third on, and has the run refused, repaired and finished.
fn refused_repaired_and_finished(harm: impl FnOnce(&mut Vec<String>)) {
    let (tenant, run) = killed();
    let mut damaged = lines(&run);
    harm(&mut damaged);
    write_lines(&run, &damaged);
    let writes = tenant.writes();
    refused(&tenant, &run);

    let shown = repair(&tenant, &run, &[]).expect(2);
    assert_contains(&shown.stdout, "line 3 is damaged");
    assert_contains(&shown.stdout, "to keep: lines 1 to 2");
    assert_contains(&shown.stderr, "--yes");
    assert_eq!(lines(&run), damaged, "shown only");

    let repaired = tenant
        .run(&["journal", "repair", "--yes", "--json"])
        .expect(0)
        .json();
    assert_eq!(repaired["line"], 3);
    let kept = fs::read_to_string(tenant.path(repaired["kept_in"].as_str().unwrap())).unwrap();
    assert_eq!(kept.lines().collect::<Vec<_>>(), damaged[2..]);
    assert_eq!(lines(&run)[..2], damaged[..2]);
    let status = tenant.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["unknown"].as_u64(), Some(LINKS as u64), "{status}");
    assert_eq!(tenant.writes(), writes, "nothing was sent");

    resume(&tenant, &run).expect(0);
    tenant.assert_each_once(LINKS, &run);
    let nothing = repair(&tenant, &run, &[]).expect(0);
    assert_contains(&nothing.stderr, "there is nothing to repair");
}

/// Fails unless every command on the run says where it is damaged, and what to do.
fn refused(tenant: &Tenant, run: &Path) {
    for args in [
        &["resume"][..],
        &["resume", run.to_str().unwrap()],
        &["status"],
    ] {
        let refused = tenant.run(args).expect(7);
        assert_contains(&refused.stderr, "line 3 is damaged");
        assert_contains(&refused.stderr, "zpa-bulk journal repair ");
        let hint = format!("{} shows what can be saved", run_name(run));
        assert_contains(&refused.stderr, hint);
    }
}

#[test]
fn a_flipped_bit_is_refused_and_repaired() {
    refused_repaired_and_finished(|lines| {
        lines[2] = lines[2].replacen("\"at\":\"2", "\"at\":\"3", 1);
    });
}

#[test]
fn a_missing_record_is_refused_and_repaired() {
    refused_repaired_and_finished(|lines| drop(lines.remove(2)));
}

#[test]
fn swapped_records_are_refused_and_repaired() {
    refused_repaired_and_finished(|lines| lines.swap(2, 3));
}

/// Cuts a journal that many bytes behind its second record, and has the run finished.
fn cut_short_and_finished(torn: usize) {
    let (tenant, run) = killed();
    let whole = lines(&run).join("\n") + "\n";
    let kept: usize = lines(&run)[..2].iter().map(|line| line.len() + 1).sum();
    fs::write(run.join("journal.jsonl"), &whole[..kept + torn]).unwrap();
    let created = tenant.links().len();
    assert!(created >= 3);
    let resumed = resume(&tenant, &run).expect(0);
    assert_contains(&resumed.stderr, "the end of the journal is lost");
    tenant.assert_each_once(LINKS, &run);
    let success = rows(&run.join("success.csv"));
    let recovered = success.iter().filter(|row| row["_status"] == "recovered");
    assert_eq!(recovered.count(), created);
}

#[test]
fn a_journal_cut_between_records_repeats_nothing() {
    cut_short_and_finished(0);
}

#[test]
fn a_journal_cut_within_a_record_repeats_nothing() {
    cut_short_and_finished(30);
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
    tenant.assert_each_once(LINKS, &run);
}

#[test]
fn lost_outcomes_are_recovered_without_a_write() {
    let tenant = start();
    tenant.run(&["apply", "links.csv", "--yes"]).expect(0);
    let run = tenant.run_dir();
    let mut damaged = lines(&run);
    damaged[1] = damaged[1].replacen("\"call\":", "\"Call\":", 1);
    write_lines(&run, &damaged);
    let writes = tenant.writes();
    repair(&tenant, &run, &["--yes"]).expect(0);
    resume(&tenant, &run).expect(0);
    assert_eq!(tenant.writes(), writes);
    tenant.assert_each_once(LINKS, &run);
}

/// Takes a file away, or puts something in its place that cannot be read.
fn spoil(file: &Path, missing: bool) {
    fs::remove_file(file).unwrap();
    if !missing {
        fs::create_dir(file).unwrap();
    }
}

#[test]
fn a_run_without_plan_or_journal_is_refused_by_name() {
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
                "cannot be read: it is not a regular file"
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
            let status = tenant.run(&["status", "--json"]).expect(0).json();
            assert_eq!(status["run"], run_name(&whole));
            let listed = tenant.run(&["runs", "--json"]).expect(0).json();
            assert_eq!(listed["runs"].as_array().unwrap().len(), 1);
            assert_eq!(listed["runs"][0]["run"], run_name(&whole));
            assert_eq!(listed["refused"][0]["run"], run_name(&run));
            assert_eq!(listed["refused"][0]["error"], said);
            fs::remove_dir_all(tenant.path("").join(run)).unwrap();
        }
    }
}

#[test]
fn an_empty_run_directory_is_reported() {
    let tenant = start();
    let run = tenant.path("zpa-bulk-runs/20260101T000000.000Z-0a1f");
    fs::create_dir_all(&run).unwrap();
    fs::create_dir(tenant.path("zpa-bulk-runs/notes")).unwrap();
    let ran = tenant.run(&["runs"]).expect(0);
    assert_eq!(ran.stderr.matches("warning:").count(), 1, "{}", ran.stderr);
    assert_contains(&ran.stderr, "-0a1f/plan.jsonl: the plan is missing");
}

/// A header as a program of that format would write it.
fn header(format: u64, header: &Value) -> String {
    let mut header = header.clone();
    header["header"]["format"] = format.into();
    sealed(&header)
}

#[test]
fn a_newer_journal_is_refused_and_not_repaired() {
    let (tenant, run) = killed();
    let first: Value = serde_json::from_str(&lines(&run)[0]).unwrap();
    let format = first["header"]["format"].as_u64().unwrap();
    let writes = tenant.writes();
    let newer = header(format + 1, &first);
    fs::write(run.join("journal.jsonl"), &newer).unwrap();
    let resume = ["resume", run.to_str().unwrap()];
    tenant.run(&resume).expect(7);
    let resumed = Ran::of(tenant.command(&resume).arg("--trust-run"));
    for ran in [resumed, repair(&tenant, &run, &["--yes"])] {
        let refused = ran.expect(7);
        assert_contains(&refused.stderr, "use the newer zpa-bulk");
    }
    assert_eq!(
        fs::read_to_string(run.join("journal.jsonl")).unwrap(),
        newer
    );
    assert_eq!(tenant.writes(), writes);
}

#[test]
fn a_journal_of_another_run_or_tenant_is_refused() {
    let (tenant, run) = killed();
    let (other, others) = killed();
    let writes = tenant.writes();
    let resumed = Ran::of(
        tenant
            .command(&["resume", run.to_str().unwrap()])
            .env("ZPA_CUSTOMER_ID", "99"),
    );
    let refused = resumed.expect(7);
    assert_contains(&refused.stderr, "not of 99");
    fs::copy(others.join("journal.jsonl"), run.join("journal.jsonl")).unwrap();
    let plan = fs::read_to_string(others.join("plan.jsonl")).unwrap();
    fs::write(
        run.join("plan.jsonl"),
        plan.replacen("Link 00000", "Link 99999", 1),
    )
    .unwrap();
    let resume = ["resume", run.to_str().unwrap()];
    tenant.run(&resume).expect(7);
    let resumed = Ran::of(tenant.command(&resume).arg("--trust-run"));
    for ran in [resumed, repair(&tenant, &run, &["--yes"])] {
        let refused = ran.expect(7);
        assert_contains(&refused.stderr, "the plan is not the one");
    }
    assert_eq!(tenant.writes(), writes);
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
    assert_contains(&refused.stderr, "(pid 4711)");
    assert_eq!(lines(&run), damaged);
}

#[test]
fn zeros_at_the_never_synced_end_need_no_repair() {
    let (tenant, run) = killed();
    let path = run.join("journal.jsonl");
    let synced = fs::read_to_string(run.join("journal.synced")).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(synced.trim().parse().unwrap());
    bytes.extend([0; 5000]);
    bytes.extend(b"\n{\"seq\":99}\n");
    fs::write(&path, &bytes).unwrap();
    resume(&tenant, &run).expect(0);
    tenant.assert_each_once(LINKS, &run);
}

/// The same command, with no file allowed to grow beyond that many blocks of 512 bytes.
fn on_a_full_disk(command: &Command, blocks: u64) -> Command {
    let mut full = in_place_of(command, "sh");
    // What runs know of each other would be on another disk.
    full.env("ZPA_BULK_NO_SHARED_STATE", "true");
    full.arg("-c")
        .arg(format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""
        ))
        .arg(command.get_program())
        .args(command.get_args());
    full
}

#[test]
fn a_full_disk_stops_before_a_call_without_intent() {
    let (tenant, run) = killed();
    let length = fs::metadata(run.join("journal.jsonl")).unwrap().len();
    let before = tenant.writes();
    let mut command = tenant.command(&["resume", run.to_str().unwrap()]);
    // Room for some intents and outcomes, few of which are written at once, and then for none.
    let command = command.args(ALONE).args(["--jobs", "1"]);
    let ran = Ran::of(&mut on_a_full_disk(command, length / 512 + 2)).expect(5);
    assert_contains(&ran.stderr, "cannot be written");
    assert_contains(&ran.stderr, "zpa-bulk resume");
    let sent = tenant.writes();
    assert!(
        sent > before && sent < LINKS,
        "{before} before and {sent} in all"
    );
    let whole_intent = |line: &&String| line.contains("\"intent\":") && line.ends_with("\"}");
    let intents = lines(&run).iter().filter(whole_intent).count();
    assert!(sent <= intents, "{sent} writes, {intents} intents");
    resume(&tenant, &run).expect(0);
    tenant.assert_each_once(LINKS, &run);
}

#[test]
fn a_full_disk_before_the_run_changes_nothing() {
    let tenant = start();
    let apply = tenant.command(&["apply", "links.csv", "--yes"]);
    for blocks in [0, 1] {
        let ran = Ran::of(&mut on_a_full_disk(&apply, blocks)).expect(1);
        for text in [
            "plan.jsonl: the plan cannot",
            "hint:  nothing was sent; make room, or name",
        ] {
            assert_contains(&ran.stderr, text);
        }
        assert!(tenant.log_of("write").is_empty());
        assert!(!tenant.path("zpa-bulk-runs").exists());
    }
}

#[test]
fn resuming_writes_the_missing_results() {
    let (tenant, run) = killed();
    let in_the_way = run.join("success.csv");
    fs::create_dir(&in_the_way).unwrap();
    let ran = resume(&tenant, &run).expect(5);
    let hint = format!("zpa-bulk resume {} writes the results", run.display());
    for text in ["the results cannot be written", &hint] {
        assert_contains(&ran.stderr, text);
    }
    let writes = tenant.writes();
    fs::remove_dir(in_the_way).unwrap();
    resume(&tenant, &run).expect(0);
    assert_eq!(tenant.writes(), writes);
    tenant.assert_each_once(LINKS, &run);
}

#[test]
fn the_place_of_runs_must_be_a_directory() {
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

/// Runs the command as a user whom file permissions bind. That user may have no access to the directory of the build, so
/// the program is copied.
fn as_anybody(command: &mut Command, owned: &[&Path]) -> Ran {
    const NOBODY: u32 = 65534;
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Ran::of(command);
    }
    let place = tempfile::tempdir().unwrap();
    for path in owned.iter().chain([&place.path()]) {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let program = place.path().join("zpa-bulk");
    // Not by this process: what another thread starts meanwhile would hold the file open for writing, and nothing could
    // run it then.
    let copied = Command::new("cp")
        .arg(command.get_program())
        .arg(&program)
        .status()
        .unwrap();
    assert!(copied.success());
    let mut copy = in_place_of(command, program);
    copy.args(command.get_args())
        .env("HOME", place.path())
        .uid(NOBODY)
        .gid(NOBODY);
    Ran::of(&mut copy)
}

#[test]
fn in_a_read_only_directory_nothing_is_sent() {
    let (tenant, run) = killed_on(start().with("ZPA_BULK_SETTLE", "1s"));
    let before = lines(&run);
    let writes = tenant.writes();
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
    // The other user has another seal.
    let mut resume = tenant.command(&["resume", run.to_str().unwrap(), "--trust-run"]);
    resume.env("ZPA_BULK_NO_SHARED_STATE", "true");
    let ran = as_anybody(&mut resume, &owned).expect(1);
    assert!(
        ran.stderr.contains("lock: the journal cannot be locked")
            && ran.stderr.contains("let this user"),
        "{}",
        ran.stderr
    );
    fs::set_permissions(runs, fs::Permissions::from_mode(0o500)).unwrap();
    let mut apply = tenant.command(&["apply", "links.csv", "--yes"]);
    apply.env("ZPA_BULK_NO_SHARED_STATE", "true");
    let ran = as_anybody(&mut apply, &[]).expect(2);
    for text in [
        "zpa-bulk-runs: no run can be started in this directory: Permission denied",
        "hint:  nothing was sent; let this user read and write there, or name another directory",
    ] {
        assert_contains(&ran.stderr, text);
    }
    assert_eq!(tenant.writes(), writes);
    assert_eq!(lines(&run), before);
}
