//! Runs that are about the same objects: what another one had under way when it was killed may land late, and whatever
//! is started or gone on with knows of it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use self::common::{Ran, Tenant, rows};

/// Nobody waits for a quota here, and nothing keeps a second link of the same name out.
const OPEN: &str = "latency = { base = \"1ms\", jitter = \"1ms\" }\nquota = { read = \"off\", write = \"off\" }\n\
                    bulk = { unique_names = false }\n";

/// How late the late ones are.
const LATE: Duration = Duration::from_secs(2);

/// A fault that strikes the next such call.
fn once(kind: &str, call: &str, more: &str) -> String {
    format!("[[fault]]\nkind = \"{kind}\"\nmatch = \"{call}\"\ntimes = 1\n{more}\n")
}

fn late(call: &str) -> String {
    once("late-commit", call, "delay = \"2s\"")
}

/// The server asks the next such call to wait, longer than [`PARKED`] lets it.
fn throttled(call: &str) -> String {
    once(
        "status",
        call,
        "status = 429\nid = \"rate.limit\"\nretry_after = \"3s\"",
    )
}

const PARKED: [&str; 2] = ["--max-wait", "1s"];

/// Longer than anything is late, and short enough to be waited out.
fn command(tenant: &Tenant, args: &[&str]) -> Command {
    let mut command = tenant.command(args);
    command.env("ZPA_BULK_SETTLE", "3s");
    command
}

fn run(tenant: &Tenant, args: &[&str]) -> Ran {
    Ran::of(&mut command(tenant, args))
}

fn apply(tenant: &Tenant, manifest: &str, text: &str) -> Ran {
    tenant.write(manifest, text);
    run(tenant, &["apply", manifest, "--yes", "--json"])
}

fn summary(ran: Ran) -> Value {
    ran.expect(0).json()["summary"].clone()
}

/// Applies that, and is killed when its next write is on its way.
fn killed(tenant: &Tenant, manifest: &str, text: &str) -> PathBuf {
    tenant.write(manifest, text);
    tenant.killed_after(1, &mut command(tenant, &["apply", manifest, "--yes"]));
    newest(tenant)
}

/// Applies that, and is told to wait longer than it is to.
fn parked(tenant: &Tenant, manifest: &str, text: &str) -> PathBuf {
    tenant.write(manifest, text);
    let mut apply = command(tenant, &["apply", manifest, "--yes"]);
    Ran::of(apply.args(PARKED)).expect(5);
    newest(tenant)
}

fn newest(tenant: &Tenant) -> PathBuf {
    tenant.run_dirs().pop().unwrap()
}

fn resume(tenant: &Tenant, run_dir: &Path) -> Ran {
    run(tenant, &["resume", run_dir.to_str().unwrap(), "--json"])
}

fn links(tenant: &Tenant) -> Vec<String> {
    let links = tenant.links().into_iter();
    links.map(|(name, _)| name).collect()
}

/// The same once whatever is late has landed.
fn links_at_last(tenant: &Tenant) -> Vec<String> {
    thread::sleep(LATE);
    links(tenant)
}

#[test]
fn a_resumed_run_gives_what_another_one_had_under_way_time_to_land() {
    let (throttled, late) = (
        throttled("POST */userPortalLink"),
        late("POST */userPortalLink"),
    );
    let tenant = Tenant::start(&format!("{OPEN}{throttled}{late}"));
    let old = parked(&tenant, "one.csv", "name,url\nX,https://x.example\n");
    let other = killed(&tenant, "two.csv", "name,url\nX,https://x.example\n");
    let ran = resume(&tenant, &old);
    assert!(ran.stderr.contains("may still arrive"), "{}", ran.stderr);
    assert_eq!(summary(ran)["unchanged"], 1);
    assert_eq!(summary(resume(&tenant, &other))["recovered"], 1);
    assert_eq!(links_at_last(&tenant), ["X"]);
}

#[test]
fn a_list_is_not_written_while_another_write_of_it_may_still_land() {
    let seeded = "domains = { post = \"replace\", seed = [\"old.example\"] }\n";
    let (throttled, late) = (throttled("POST */domains"), late("POST */domains"));
    let tenant = Tenant::start(&format!("{OPEN}{seeded}{throttled}{late}"));
    let domain = |name: &str| format!("resource,domain\ndomain,{name}.example\n");
    let old = parked(&tenant, "one.csv", &domain("one"));
    killed(&tenant, "two.csv", &domain("two"));
    assert_eq!(summary(resume(&tenant, &old))["created"], 1);
    thread::sleep(LATE);
    run(&tenant, &["verify", old.to_str().unwrap()]).expect(0);
    assert_eq!(tenant.state()["domains"].as_array().unwrap().len(), 3);
}

#[test]
fn an_undo_gives_what_another_run_had_under_way_time_to_land() {
    let tenant = Tenant::start(&format!("{OPEN}{}", late("POST */userPortalLink")));
    let two = "name,url\nX,https://x.example\nY,https://y.example\n";
    summary(apply(&tenant, "two.csv", two));
    summary(apply(
        &tenant,
        "gone.csv",
        "resource,action,name\nportal-link,delete,X\n",
    ));
    let deleted = newest(&tenant);
    killed(&tenant, "one.csv", "name,url\nX,https://x.example\n");
    run(&tenant, &["undo", deleted.to_str().unwrap(), "--yes"]).expect(0);
    assert_eq!(links_at_last(&tenant), ["X", "Y"]);
}

#[test]
fn an_undo_leaves_a_list_alone_that_a_process_is_changing() {
    let seeded = "domains = { post = \"replace\", seed = [\"old.example\"] }\n";
    let slow = "[[fault]]\nkind = \"timeout\"\nmatch = \"POST */domains\"\nafter = \"1s\"\n";
    let tenant = Tenant::start(&format!("{OPEN}{seeded}{slow}"));
    summary(apply(
        &tenant,
        "one.csv",
        "resource,domain\ndomain,one.example\n",
    ));
    let done = newest(&tenant);
    thread::sleep(Duration::from_secs(1));
    tenant.write("two.csv", "resource,domain\ndomain,two.example\n");
    let mut child = tenant.met_after(1, &mut command(&tenant, &["apply", "two.csv", "--yes"]));
    let ran = run(&tenant, &["undo", done.to_str().unwrap(), "--yes"]).expect(7);
    assert!(
        ran.stderr.contains("is to change the list"),
        "{}",
        ran.stderr
    );
    common::kill(&mut child);
}

#[test]
fn what_a_replaced_run_had_under_way_is_waited_for_too() {
    let tenant = Tenant::start(&format!("{OPEN}{}", late("POST */userPortalLink")));
    killed(&tenant, "links.csv", "name,url\nX,https://x.example\n");
    let edited = "name,url\nY,https://y.example\n";
    assert_eq!(summary(apply(&tenant, "links.csv", edited))["created"], 1);
    let both = "name,url\nX,https://x.example\nY,https://y.example\n";
    let ran = apply(&tenant, "links.csv", both);
    assert!(ran.stderr.contains("may still arrive"), "{}", ran.stderr);
    assert_eq!(summary(ran)["unchanged"], 2);
    assert_eq!(links_at_last(&tenant), ["X", "Y"]);
}

#[test]
fn an_update_that_may_land_late_does_not_overwrite_what_a_new_run_writes() {
    let tenant = Tenant::start(&format!(
        "{OPEN}{}{}",
        late("PUT */userPortalLink/*"),
        throttled("PUT */userPortalLink/*")
    ));
    let row = |host: &str| format!("name,url\nX,https://{host}.example\n");
    summary(apply(&tenant, "links.csv", &row("a")));
    // The first attempt is late, the second is told to wait.
    parked(&tenant, "links.csv", &row("b"));
    assert_eq!(
        summary(apply(&tenant, "links.csv", &row("c")))["updated"],
        1
    );
    thread::sleep(LATE);
    let link = &tenant.state()["portal_links"][0]["link"];
    assert_eq!(link, "c.example");
    run(&tenant, &["verify"]).expect(0);
}

#[test]
fn a_copy_of_a_run_that_is_gone_on_with_too_does_nothing_twice() {
    let tenant = Tenant::start(&format!("{OPEN}{}", throttled("POST */userPortalLink")));
    let old = parked(&tenant, "links.csv", "name,url\nX,https://x.example\n");
    let copy = old.with_extension("copy");
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(&old).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    assert_eq!(summary(resume(&tenant, &old))["created"], 1);
    assert_eq!(summary(resume(&tenant, &copy))["unchanged"], 1);
    assert_eq!(links(&tenant), ["X"]);
}

#[test]
fn manifests_of_the_same_name_in_other_directories_are_others() {
    let tenant = Tenant::start(&format!("{OPEN}{}", throttled("POST */userPortalLink")));
    let runs = tenant.path("zpa-bulk-runs");
    let in_dir = |dir: &str, row: &str| {
        fs::create_dir(tenant.path(dir)).unwrap();
        tenant.write(&format!("{dir}/links.csv"), &format!("name,url\n{row}\n"));
        let mut apply = command(&tenant, &["apply", "links.csv", "--yes", "--runs-dir"]);
        apply.arg(&runs).args(PARKED).current_dir(tenant.path(dir));
        Ran::of(&mut apply)
    };
    in_dir("p", "P,https://p.example").expect(5);
    let old = newest(&tenant);
    let ran = in_dir("q", "Q,https://q.example").expect(0);
    assert!(!ran.stderr.contains("unfinished"), "{}", ran.stderr);
    assert_eq!(summary(resume(&tenant, &old))["created"], 1);
    assert_eq!(links(&tenant), ["P", "Q"]);
}

#[test]
fn what_has_appeared_with_other_values_is_neither_taken_for_done_nor_overwritten() {
    let tenant = Tenant::start(&format!("{OPEN}{}", throttled("POST */userPortalLink")));
    let header = "name,url,description,action\n";
    let mine = format!("{header}X,https://x.example,mine,create\n");
    let theirs = format!("{header}X,https://x.example,theirs,\n");
    let old = parked(&tenant, "one.csv", &mine);
    summary(apply(&tenant, "two.csv", &theirs));
    let report = resume(&tenant, &old).expect(4).json();
    let error = report["errors"][0]["error"].as_str().unwrap();
    assert!(error.contains("has appeared meanwhile"), "{error}");
    run(&tenant, &["retry", "--yes"]).expect(4);
    let links = &tenant.state()["portal_links"];
    assert_eq!(links[0]["description"], "theirs");
    assert_eq!(links.as_array().unwrap().len(), 1);
}

#[test]
fn what_a_journal_that_lost_its_end_knows_nothing_of_may_be_anothers() {
    let tenant = Tenant::start(&format!("{OPEN}{}", throttled("POST */userPortalLink")));
    let text = "name,url\nX,https://x.example\n";
    let old = parked(&tenant, "one.csv", text);
    let apply = ["apply", "one.csv", "--yes", "--runs-dir", "elsewhere"];
    run(&tenant, &apply).expect(0);
    let journal = old.join("journal.jsonl");
    let whole = fs::read_to_string(&journal).unwrap();
    let header = whole.split_inclusive('\n').next().unwrap();
    fs::write(&journal, header).unwrap();
    assert_eq!(summary(resume(&tenant, &old))["recovered"], 1);
    let note = &rows(&old.join("success.csv"))[0]["_error"];
    assert!(note.contains("another may have created it"), "{note}");
    run(&tenant, &["undo", old.to_str().unwrap(), "--yes"]).expect(0);
    assert_eq!(links(&tenant), ["X"]);
}

#[test]
fn what_an_older_run_has_created_since_is_not_taken_for_what_was_in_doubt() {
    let never = once("reset-before", "POST */userPortalLink", "");
    let tenant = Tenant::start(&format!(
        "{OPEN}{}{never}",
        throttled("POST */userPortalLink")
    ));
    let row = "name,url\nX,https://x.example\n";
    let old = parked(&tenant, "one.csv", row);
    let other = killed(&tenant, "two.csv", row);
    assert_eq!(summary(resume(&tenant, &old))["created"], 1);
    assert_eq!(summary(resume(&tenant, &other))["unchanged"], 1);
    run(&tenant, &["undo", other.to_str().unwrap(), "--yes"]).expect(0);
    assert_eq!(links(&tenant), ["X"]);
}

#[test]
fn results_that_a_killed_process_did_not_write_are_written_by_resuming() {
    let tenant = Tenant::start(OPEN);
    summary(apply(
        &tenant,
        "links.csv",
        "name,url\nX,https://x.example\n",
    ));
    let run_dir = newest(&tenant);
    for file in ["success.csv", "errors.csv", "skipped.csv", "report.json"] {
        fs::remove_file(run_dir.join(file)).unwrap();
    }
    let status = run(&tenant, &["status", "--json"]).expect(0).json();
    assert_eq!(status["state"], "unfinished");
    run(&tenant, &["resume"]).expect(0);
    assert_eq!(rows(&run_dir.join("success.csv"))[0]["name"], "X");
    let status = run(&tenant, &["status", "--json"]).expect(0).json();
    assert_eq!(status["state"], "finished");
}
