//! Undoing a run that took the place of others, which were killed: all of them are taken back.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::command::{Ran, assert_contains, rows, run_name};
use crate::support::tenant::{OPEN, Tenant};

/// A tenant that answers so slowly that a run can be met on its way.
fn start() -> Tenant {
    start_with("")
}

fn start_with(scenario: &str) -> Tenant {
    Tenant::start(&format!("{}{scenario}", OPEN.replacen("1ms", "60ms", 1)))
        .unpaced()
        .with("ZPA_BULK_SETTLE", "200ms")
}

/// Applies a manifest one row a call, and kills the run after that many writes.
fn killed(tenant: &Tenant, writes: usize, manifest: &str) -> PathBuf {
    tenant.write("links.csv", manifest);
    let args = ["apply", "links.csv", "--yes", "--batch-size=1", "--jobs=1"];
    let runs = tenant.run_dirs().len();
    let run = tenant.killed_after(writes, &mut tenant.command(&args));
    assert_eq!(tenant.run_dirs().len(), runs + 1, "it did not start");
    run
}

/// Applies the manifest of that name, and answers the run.
fn applied(tenant: &Tenant, manifest: &str) -> PathBuf {
    tenant.apply("links.csv", manifest).expect(0);
    tenant.newest_run()
}

/// Undoes a run, and answers the summary and the run of the undo.
fn undone(tenant: &Tenant, of: &Path) -> (Value, PathBuf) {
    let ran = tenant.run(&["undo", of.to_str().unwrap(), "--yes", "--json"]);
    (ran.summary(), tenant.newest_run())
}

/// All links and portals, with all their fields but ids and times.
fn objects(tenant: &Tenant) -> Vec<Value> {
    let mut all = tenant.objects("portal_links");
    all.extend(tenant.objects("user_portals"));
    for one in &mut all {
        let fields = one.as_object_mut().unwrap();
        fields.retain(|name, _| !["id", "creationTime", "modifiedTime"].contains(&&**name));
        fields.remove("userPortals");
    }
    all.sort_by_key(|one| one["name"].to_string());
    all
}

fn links(names: std::ops::Range<u32>) -> String {
    let row = |n: u32| format!("L{n:02},https://l{n}.example,Employee Portal\n");
    let rows: String = names.map(row).collect();
    format!("name,url,user_portals\n{rows}")
}

fn results(run: &Path, file: &str) -> Vec<HashMap<String, String>> {
    rows(&run.join(file))
}

#[test]
fn a_run_and_the_one_it_replaced_are_taken_back() {
    let tenant = start();
    let first = killed(&tenant, 6, &links(0..12));
    let second = applied(&tenant, &links(0..12));
    assert_eq!(tenant.links().len(), 12);
    let refused = tenant
        .run(&["undo", first.to_str().unwrap(), "--yes"])
        .expect(2);
    assert_contains(&refused.stderr, "was started in its place");
    assert_contains(
        &refused.stderr,
        format!("zpa-bulk undo {}", second.display()),
    );
    let preview = tenant.run(&["undo", second.to_str().unwrap()]).expect(2);
    assert_contains(
        &preview.stderr,
        format!("took the place of {}", run_name(&first)),
    );
    assert_eq!(
        preview.stderr.matches("- \"L").count(),
        12,
        "{}",
        preview.stderr
    );
    let (summary, undo) = undone(&tenant, &second);
    assert_eq!(
        (&summary["items"], &summary["deleted"]),
        (&json!(12), &json!(12))
    );
    assert!(tenant.links().is_empty());
    let success = results(&undo, "success.csv");
    let mut from: Vec<u32> = success
        .iter()
        .map(|row| row["_row"].parse().unwrap())
        .collect();
    from.sort_unstable();
    assert_eq!(from, (2..14).collect::<Vec<u32>>(), "under their own rows");
    for run in [&first, &second] {
        let status = tenant.run(&["status", run_name(run), "--json"]).json();
        assert_eq!(status["undone_by"], run_name(&undo));
    }
    tenant.run(&["verify", undo.to_str().unwrap()]).expect(0);
    let writes = tenant.writes();
    let (summary, _) = undone(&tenant, &second);
    assert_eq!(
        (summary["unchanged"].as_u64(), tenant.writes()),
        (Some(12), writes)
    );
    undone(&tenant, &undo);
    assert_eq!(tenant.links().len(), 12, "the undo can be undone");
}

#[test]
fn all_runs_of_a_long_story_are_taken_back() {
    let tenant = start();
    for _ in 0..3 {
        killed(&tenant, 3, &links(0..14));
    }
    let last = applied(&tenant, &links(0..14));
    let (summary, _) = undone(&tenant, &last);
    assert_eq!(summary["deleted"], 14, "{summary}");
    assert!(tenant.links().is_empty());
}

const COLUMNS: &str = "action,name,url,description\n";

#[test]
fn changes_of_the_same_objects_are_taken_back_together() {
    let manifest = |rows: &str| format!("{COLUMNS}{rows}");
    let seeded = ",A,https://a.example,first\n,B,https://b.example,\n,C,https://c.example,third\n";
    // Updates go before creates, so this is also the order of the calls.
    let first = ",A,https://a2.example,\n,B,https://b2.example,more\nupdate,C,,late\n,D,https://d.example,\n\
                 ,E,https://e.example,\n,F,https://f.example,\n";
    let second = ",A,https://a3.example,third\ndelete,B,,\n,C,https://c2.example,late\n\
                  ,D,https://d2.example,new\ndelete,E,,\n";
    for writes in 1..=6 {
        let tenant = start();
        applied(&tenant, &manifest(seeded));
        let before = objects(&tenant);
        killed(&tenant, writes, &manifest(first));
        let replacing = applied(&tenant, &manifest(second));
        let (_, undo) = undone(&tenant, &replacing);
        assert_eq!(objects(&tenant), before, "killed after {writes} writes");
        tenant.run(&["verify", undo.to_str().unwrap()]).expect(0);
        undone(&tenant, &undo);
        let names = tenant.names("portal_links");
        let expected = if writes == 6 { "ACDF" } else { "ACD" };
        assert_eq!(names.concat(), expected, "killed after {writes} writes");
    }
}

#[test]
fn a_link_in_doubt_is_taken_back_once() {
    // It was carried out, and the new run finds it.
    let tenant = start();
    let both = "action,name,url\ncreate,A,https://a.example\ncreate,B,https://b.example\n";
    killed(&tenant, 2, both);
    let second = applied(&tenant, both);
    assert_eq!(results(&second, "skipped.csv").len(), 2, "both were found");
    let (summary, _) = undone(&tenant, &second);
    assert_eq!(
        (&summary["items"], &summary["deleted"]),
        (&json!(2), &json!(2))
    );
    assert!(tenant.links().is_empty());
}

#[test]
fn a_link_that_only_the_new_run_created_is_taken_back_once() {
    let never = "[[fault]]\nkind = \"timeout\"\nmatch = \"POST */userPortalLink\"\ntimes = 1\n";
    let tenant = start_with(never);
    killed(&tenant, 1, A);
    let second = applied(&tenant, A);
    let (summary, _) = undone(&tenant, &second);
    assert_eq!(
        (&summary["items"], &summary["deleted"]),
        (&json!(1), &json!(1))
    );
    assert!(tenant.links().is_empty());
}

const A: &str = "name,url\nA,https://a.example\n";
const B: &str = "name,url\nB,https://b.example\n";

/// Applies a manifest as another user, whose runs are elsewhere.
fn behind_its_back(tenant: &Tenant, manifest: &str) {
    tenant.write("theirs.csv", manifest);
    let mut apply = tenant.command(&["apply", "theirs.csv", "--yes", "--runs-dir", "theirs"]);
    Ran::of(apply.env("XDG_STATE_HOME", tenant.path("their state"))).expect(0);
}

#[test]
fn a_link_in_doubt_that_the_new_run_does_not_name_goes_too() {
    let tenant = start();
    killed(&tenant, 1, A);
    let second = applied(&tenant, B);
    undone(&tenant, &second);
    assert!(tenant.links().is_empty());
    // Whoever creates it now is somebody else.
    behind_its_back(&tenant, A);
    let (summary, undo) = undone(&tenant, &second);
    assert_eq!(
        (&summary["spared"], &summary["unchanged"]),
        (&json!(1), &json!(1))
    );
    assert_contains(&results(&undo, "skipped.csv")[1]["_error"], "undone before");
    assert_eq!(tenant.names("portal_links"), ["A"]);
}

#[test]
fn a_link_in_doubt_that_is_not_as_it_was_sent_stays() {
    let tenant = start();
    killed(&tenant, 1, A);
    behind_its_back(
        &tenant,
        "name,url,description\nA,https://a.example,theirs\n",
    );
    let second = applied(&tenant, B);
    let (summary, undo) = undone(&tenant, &second);
    assert_eq!(
        (&summary["spared"], &summary["deleted"]),
        (&json!(1), &json!(1))
    );
    let why = &results(&undo, "skipped.csv")[0]["_error"];
    assert_contains(why, "differs from what was sent in description");
    assert_eq!(tenant.names("portal_links"), ["A"]);
}

#[test]
fn a_link_of_a_run_without_its_journal_stays() {
    let tenant = start();
    let first = killed(&tenant, 1, A);
    let second = applied(&tenant, B);
    let journal = first.join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.split_inclusive('\n').next().unwrap()).unwrap();
    let (summary, undo) = undone(&tenant, &second);
    assert_eq!(
        (&summary["spared"], &summary["deleted"]),
        (&json!(1), &json!(1))
    );
    let why = &results(&undo, "skipped.csv")[0]["_error"];
    assert_contains(why, "the journal does not prove");
    assert_eq!(tenant.names("portal_links"), ["A"]);
}

#[test]
fn a_late_call_of_the_replaced_run_is_waited_for() {
    let late = "[[fault]]\nkind = \"late-commit\"\nmatch = \"POST */userPortalLink\"\ntimes = 1\ndelay = \"3s\"\n";
    let tenant = start_with(late).with("ZPA_BULK_SETTLE", "4s");
    killed(&tenant, 1, A);
    let second = applied(&tenant, B);
    let ran = tenant.run(&["undo", second.to_str().unwrap(), "--yes", "--json"]);
    assert_contains(&ran.stderr, "may still arrive");
    assert_eq!(ran.summary()["deleted"], 2);
    thread::sleep(Duration::from_secs(3));
    assert!(tenant.links().is_empty());
}

#[test]
fn an_undo_goes_on_without_a_replaced_run_that_was_removed() {
    let tenant = start();
    let first = killed(&tenant, 3, &links(0..6));
    let second = applied(&tenant, &links(0..6));
    fs::remove_dir_all(&first).unwrap();
    let ran = tenant.run(&["undo", second.to_str().unwrap(), "--yes", "--json"]);
    assert_contains(&ran.stderr, "which is not there any more");
    let left = tenant.links().len();
    assert!((2..4).contains(&left), "{left}");
    assert_eq!(ran.summary()["deleted"], 6 - left);
}

#[test]
fn a_portal_of_the_replaced_run_goes_after_its_links() {
    let tenant = start();
    tenant.wake();
    let portal = "resource,name,ext_label,ext_domain,url\nuser-portal,Field,field-1,acme.com,\n\
                  portal-link,X,,,https://x.example\nportal-link,Y,,,https://y.example\n";
    let before = objects(&tenant);
    killed(&tenant, 2, portal);
    assert_eq!(tenant.object("user_portals", "Field")["name"], "Field");
    let second = applied(
        &tenant,
        "resource,name,url,user_portals\nportal-link,Z,https://z.example,Field\n",
    );
    let (summary, _) = undone(&tenant, &second);
    assert_eq!(summary["spared"], 0, "{summary}");
    assert_eq!(objects(&tenant), before);
}

#[test]
fn domains_of_both_runs_are_put_back() {
    let domains = "domains = { seed = [\"kept.example\", \"old.example\"] }\n";
    let throttled = "[[fault]]\nkind = \"status\"\nmatch = \"POST */userPortalLink\"\nstatus = 429\n\
                     retry_after = \"9s\"\ntimes = 1\n";
    let tenant = start_with(&format!("{domains}{throttled}"));
    let header = "resource,action,domain,name,url\n";
    tenant.wake();
    let mut before = tenant.objects("domains");
    tenant.write(
        "links.csv",
        &format!("{header}domain,,new.example,New,\ndomain,delete,old.example,,\nportal-link,,,L,https://l.example\n"),
    );
    let args = ["apply", "links.csv", "--yes", "--max-wait", "1s"];
    tenant.run(&args).expect(5);
    let second = applied(
        &tenant,
        &format!("{header}domain,,new.example,Newer,\ndomain,,old.example,Again,\n"),
    );
    let (summary, _) = undone(&tenant, &second);
    assert_eq!(summary["failed"], 0, "{summary}");
    let mut after = tenant.objects("domains");
    for list in [&mut before, &mut after] {
        for one in list.iter_mut() {
            let fields = one.as_object_mut().unwrap();
            fields.retain(|name, _| ["domain", "name"].contains(&&**name));
        }
        list.sort_by_key(|one| one["domain"].to_string());
    }
    assert_eq!(after, before);
}
