//! Runs that are about the same objects. A call of a run that was killed may still be carried out, and whatever is
//! started or resumed meanwhile knows of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::command::{Ran, assert_contains, kill, rows};
use crate::support::tenant::{OPEN, TWINS, Tenant};

/// The time after which a late call is carried out.
const LATE: Duration = Duration::from_secs(2);

/// The settle time of the runs: longer than anything is late, and short enough to be waited out.
const SETTLE: &str = "3s";

/// A fault that strikes the next such call.
fn once(kind: &str, call: &str, more: &str) -> String {
    format!("[[fault]]\nkind = \"{kind}\"\nmatch = \"{call}\"\ntimes = 1\n{more}\n")
}

fn late(call: &str) -> String {
    once("late-commit", call, "delay = \"2s\"")
}

/// The server asks the next such call to wait, for longer than [`PARKED`] lets it.
fn throttled(call: &str) -> String {
    once(
        "status",
        call,
        "status = 429\nid = \"rate.limit\"\nretry_after = \"3s\"",
    )
}

const PARKED: [&str; 2] = ["--max-wait", "1s"];

/// A tenant on which nobody waits for a quota, and where a link can be there twice.
fn start(scenario: &str) -> Tenant {
    Tenant::start(&format!("{OPEN}{TWINS}{scenario}")).with("ZPA_BULK_SETTLE", SETTLE)
}

/// Applies that in a process that is killed when its next write is on its way. Answers where its run is.
fn killed(tenant: &Tenant, manifest: &str, text: &str) -> PathBuf {
    tenant.write(manifest, text);
    tenant.killed_after(1, &mut tenant.command(&["apply", manifest, "--yes"]))
}

/// Applies that in a run that is parked, since the server asks for too long a wait.
fn parked(tenant: &Tenant, manifest: &str, text: &str) -> PathBuf {
    tenant.write(manifest, text);
    let mut apply = tenant.command(&["apply", manifest, "--yes"]);
    Ran::of(apply.args(PARKED)).expect(5);
    tenant.newest_run()
}

fn resume(tenant: &Tenant, run_dir: &Path) -> Ran {
    tenant.run(&["resume", run_dir.to_str().unwrap(), "--json"])
}

/// Waits until a late call has been carried out that had arrived by then.
fn wait_for_late(arrived: Instant) {
    thread::sleep((arrived + LATE).saturating_duration_since(Instant::now()));
}

#[test]
fn resume_waits_for_anothers_unanswered_create() {
    let (throttled, late) = (
        throttled("POST */userPortalLink"),
        late("POST */userPortalLink"),
    );
    let tenant = start(&format!("{throttled}{late}"));
    let old = parked(&tenant, "one.csv", "name,url\nX,https://x.example\n");
    let other = killed(&tenant, "two.csv", "name,url\nX,https://x.example\n");
    let arrived = Instant::now();
    let ran = resume(&tenant, &old);
    assert_contains(&ran.stderr, "may still arrive");
    assert_eq!(ran.summary()["unchanged"], 1);
    assert_eq!(resume(&tenant, &other).summary()["recovered"], 1);
    wait_for_late(arrived);
    assert_eq!(tenant.names("portal_links"), ["X"]);
}

#[test]
fn a_damaged_runs_calls_are_waited_for() {
    for file in ["plan.jsonl", "journal.jsonl"] {
        let tenant = start(&late("POST */userPortalLink"));
        let damaged = killed(&tenant, "one.csv", "name,url\nX,https://x.example\n");
        let arrived = Instant::now();
        let path = damaged.join(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen('"', "?", 3)).unwrap();
        let ran = tenant.apply("two.csv", "name,url\nX,https://x.example\n");
        assert_contains(&ran.stderr, "may still arrive");
        ran.expect(0);
        wait_for_late(arrived);
        assert_eq!(tenant.names("portal_links"), ["X"], "{file}");
    }
}

#[test]
fn a_list_waits_for_anothers_unanswered_write() {
    let seeded = "domains = { post = \"replace\", seed = [\"old.example\"] }\n";
    let (throttled, late) = (throttled("POST */domains"), late("POST */domains"));
    let tenant = start(&format!("{seeded}{throttled}{late}"));
    let domain = |name: &str| format!("resource,domain\ndomain,{name}.example\n");
    let old = parked(&tenant, "one.csv", &domain("one"));
    killed(&tenant, "two.csv", &domain("two"));
    let arrived = Instant::now();
    assert_eq!(resume(&tenant, &old).summary()["created"], 1);
    wait_for_late(arrived);
    tenant.run(&["verify", old.to_str().unwrap()]).expect(0);
    assert_eq!(tenant.objects("domains").len(), 3);
}

#[test]
fn undo_waits_for_anothers_unanswered_create() {
    let tenant = start(&late("POST */userPortalLink"));
    let two = "name,url\nX,https://x.example\nY,https://y.example\n";
    tenant.apply("two.csv", two).expect(0);
    let gone = "resource,action,name\nportal-link,delete,X\n";
    tenant.apply("gone.csv", gone).expect(0);
    let deleted = tenant.newest_run();
    killed(&tenant, "one.csv", "name,url\nX,https://x.example\n");
    let arrived = Instant::now();
    tenant
        .run(&["undo", deleted.to_str().unwrap(), "--yes"])
        .expect(0);
    wait_for_late(arrived);
    assert_eq!(tenant.names("portal_links"), ["X", "Y"]);
}

#[test]
fn undo_leaves_a_list_that_a_process_is_changing() {
    let seeded = "domains = { post = \"replace\", seed = [\"old.example\"] }\n";
    let slow = "[[fault]]\nkind = \"timeout\"\nmatch = \"POST */domains\"\nafter = \"1s\"\n";
    let tenant = start(&format!("{seeded}{slow}"));
    let slow_from = Instant::now() + Duration::from_secs(1);
    tenant
        .apply("one.csv", "resource,domain\ndomain,one.example\n")
        .expect(0);
    let done = tenant.newest_run();
    thread::sleep(slow_from.saturating_duration_since(Instant::now()));
    tenant.write("two.csv", "resource,domain\ndomain,two.example\n");
    let mut child = tenant.met_after(1, &mut tenant.command(&["apply", "two.csv", "--yes"]));
    let ran = tenant
        .run(&["undo", done.to_str().unwrap(), "--yes"])
        .expect(7);
    assert_contains(&ran.stderr, "is to change the list");
    kill(&mut child);
}

#[test]
fn a_new_run_waits_for_a_replaced_runs_create() {
    let tenant = start(&late("POST */userPortalLink"));
    killed(&tenant, "links.csv", "name,url\nX,https://x.example\n");
    let arrived = Instant::now();
    let edited = "name,url\nY,https://y.example\n";
    assert_eq!(tenant.apply("links.csv", edited).summary()["created"], 1);
    let both = "name,url\nX,https://x.example\nY,https://y.example\n";
    let ran = tenant.apply("links.csv", both);
    assert_contains(&ran.stderr, "may still arrive");
    assert_eq!(ran.summary()["unchanged"], 2);
    wait_for_late(arrived);
    assert_eq!(tenant.names("portal_links"), ["X", "Y"]);
}

#[test]
fn an_update_landing_late_does_not_win() {
    let tenant = start(&format!(
        "{}{}",
        late("PUT */userPortalLink/*"),
        throttled("PUT */userPortalLink/*")
    ));
    let row = |host: &str| format!("name,url\nX,https://{host}.example\n");
    tenant.apply("links.csv", &row("a")).expect(0);
    // The first attempt is late, the second is told to wait.
    parked(&tenant, "links.csv", &row("b"));
    let arrived = Instant::now();
    let edited = tenant.apply("links.csv", &row("c")).summary();
    assert_eq!(edited["updated"], 1);
    wait_for_late(arrived);
    let link = &tenant.state()["portal_links"][0]["link"];
    assert_eq!(link, "c.example");
    tenant.run(&["verify"]).expect(0);
}

#[test]
fn a_copy_of_a_run_does_nothing_twice() {
    let tenant = start(&throttled("POST */userPortalLink"));
    let old = parked(&tenant, "links.csv", "name,url\nX,https://x.example\n");
    let copy = old.with_extension("copy");
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(&old).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    assert_eq!(resume(&tenant, &old).summary()["created"], 1);
    assert_contains(&resume(&tenant, &copy).expect(7).stderr, "not trusted");
    let resume = ["resume", copy.to_str().unwrap(), "--trust-run", "--json"];
    assert_eq!(tenant.run(&resume).summary()["unchanged"], 1);
    assert_eq!(tenant.names("portal_links"), ["X"]);
}

#[test]
fn manifests_in_other_directories_are_others() {
    let tenant = start(&throttled("POST */userPortalLink"));
    let runs = tenant.path("zpa-bulk-runs");
    let in_dir = |dir: &str, row: &str| {
        fs::create_dir(tenant.path(dir)).unwrap();
        tenant.write(&format!("{dir}/links.csv"), &format!("name,url\n{row}\n"));
        let mut apply = tenant.command(&["apply", "links.csv", "--yes", "--runs-dir"]);
        apply.arg(&runs).args(PARKED).current_dir(tenant.path(dir));
        Ran::of(&mut apply)
    };
    in_dir("p", "P,https://p.example").expect(5);
    let old = tenant.newest_run();
    let ran = in_dir("q", "Q,https://q.example").expect(0);
    assert!(!ran.stderr.contains("unfinished"), "{}", ran.stderr);
    assert_eq!(resume(&tenant, &old).summary()["created"], 1);
    assert_eq!(tenant.names("portal_links"), ["P", "Q"]);
}

#[test]
fn one_manifest_is_known_from_any_directory() {
    let tenant = start(&throttled("POST */userPortalLink"));
    tenant.write("links.csv", "name,url\nX,https://x.example\n");
    let from = |dir: &str| {
        fs::create_dir(tenant.path(dir)).unwrap();
        let mut apply = tenant.command(&["apply", "../links.csv", "--yes"]);
        apply.args(PARKED).current_dir(tenant.path(dir));
        Ran::of(&mut apply)
    };
    from("p").expect(5);
    assert_contains(
        &from("q").expect(0).stderr,
        "a run of this manifest is unfinished",
    );
}

#[test]
fn an_object_with_other_values_is_left_alone() {
    let tenant = start(&throttled("POST */userPortalLink"));
    let header = "name,url,description,action\n";
    let mine = format!("{header}X,https://x.example,mine,create\n");
    let theirs = format!("{header}X,https://x.example,theirs,\n");
    let old = parked(&tenant, "one.csv", &mine);
    tenant.apply("two.csv", &theirs).expect(0);
    let report = resume(&tenant, &old).expect(4).json();
    let error = report["errors"][0]["error"].as_str().unwrap();
    assert_contains(error, "has appeared meanwhile");
    tenant.run(&["retry", "--yes"]).expect(4);
    let links = &tenant.state()["portal_links"];
    assert_eq!(links[0]["description"], "theirs");
    assert_eq!(links.as_array().unwrap().len(), 1);
}

#[test]
fn a_link_of_uncertain_origin_survives_the_undo() {
    let tenant = start(&throttled("POST */userPortalLink"));
    let text = "name,url\nX,https://x.example\n";
    let old = parked(&tenant, "one.csv", text);
    let apply = ["apply", "one.csv", "--yes", "--runs-dir", "elsewhere"];
    let mut apply = tenant.command(&apply);
    apply.env("XDG_STATE_HOME", tenant.path("another machine"));
    Ran::of(&mut apply).expect(0);
    let journal = old.join("journal.jsonl");
    let whole = fs::read_to_string(&journal).unwrap();
    let header = whole.split_inclusive('\n').next().unwrap();
    fs::write(&journal, header).unwrap();
    assert_eq!(resume(&tenant, &old).summary()["recovered"], 1);
    let note = &rows(&old.join("success.csv"))[0]["_error"];
    assert_contains(note, "another may have created it");
    tenant
        .run(&["undo", old.to_str().unwrap(), "--yes"])
        .expect(0);
    assert_eq!(tenant.names("portal_links"), ["X"]);
}

#[test]
fn an_older_runs_new_link_is_not_recovered() {
    let never = once("reset-before", "POST */userPortalLink", "");
    let tenant = start(&format!("{}{never}", throttled("POST */userPortalLink")));
    let row = "name,url\nX,https://x.example\n";
    let old = parked(&tenant, "one.csv", row);
    let other = killed(&tenant, "two.csv", row);
    assert_eq!(resume(&tenant, &old).summary()["created"], 1);
    assert_eq!(resume(&tenant, &other).summary()["unchanged"], 1);
    tenant
        .run(&["undo", other.to_str().unwrap(), "--yes"])
        .expect(0);
    assert_eq!(tenant.names("portal_links"), ["X"]);
}

#[test]
fn resuming_writes_what_a_killed_process_did_not() {
    let tenant = Tenant::start(OPEN);
    let links = "name,url\nX,https://x.example\n";
    tenant.apply("links.csv", links).expect(0);
    let run_dir = tenant.newest_run();
    for file in ["success.csv", "errors.csv", "skipped.csv", "report.json"] {
        fs::remove_file(run_dir.join(file)).unwrap();
    }
    let status = tenant.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["state"], "unfinished");
    tenant.run(&["resume"]).expect(0);
    assert_eq!(rows(&run_dir.join("success.csv"))[0]["name"], "X");
    let status = tenant.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["state"], "finished");
}
