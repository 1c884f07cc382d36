//! Undoing runs as a user does it.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::command::{Ran, assert_contains, rows, run_name};
use crate::support::tenant::{OPEN, Tenant};

fn start(scenario: &str) -> Tenant {
    Tenant::start(&format!("{OPEN}{scenario}"))
        .unpaced()
        .with("ZPA_BULK_SETTLE", "200ms")
}

/// A tenant that answers so slowly that a run can be met on its way.
fn start_slow() -> Tenant {
    Tenant::start(&OPEN.replacen("1ms", "100ms", 1))
        .unpaced()
        .with("ZPA_BULK_SETTLE", "200ms")
}

/// Applies a manifest without a failure, and answers the name of the run.
fn apply(tenant: &Tenant, manifest: &str) -> String {
    let ran = tenant.apply("manifest.csv", manifest).expect(0);
    ran.json()["run"].as_str().unwrap().to_owned()
}

/// Undoes a run with that exit code, and answers the summary and the name of the undo.
fn undo(tenant: &Tenant, of: &str, code: i32) -> (Value, String) {
    let ran = tenant.run(&["undo", of, "--yes", "--json"]).expect(code);
    let report = ran.json();
    (
        report["summary"].clone(),
        report["run"].as_str().unwrap().to_owned(),
    )
}

fn results(tenant: &Tenant, run: &str, file: &str) -> Vec<HashMap<String, String>> {
    rows(&tenant.path("zpa-bulk-runs").join(run).join(file))
}

const FIELD: &str = "resource,name,ext_label,ext_domain\nuser-portal,Field,field-1,acme.com\n";

const LINKS: &str = "name,url,user_portals,description\n\
                     A,https://a.example/x,Employee Portal,first\n\
                     B,https://b.example,Employee Portal;Partner Portal,\n\
                     C,https://c.example,,third\n";

#[test]
fn what_a_run_created_is_deleted_once() {
    let tenant = start("");
    let first = apply(&tenant, LINKS);
    let (summary, undone) = undo(&tenant, &first, 0);
    assert_eq!(
        (&summary["items"], &summary["deleted"]),
        (&json!(3), &json!(3))
    );
    assert!(tenant.links().is_empty());
    let success = results(&tenant, &undone, "success.csv");
    assert_eq!(success.len(), 3);
    let mut from: Vec<(&str, &str)> = success
        .iter()
        .map(|row| (row["_row"].as_str(), row["name"].as_str()))
        .collect();
    from.sort_unstable();
    assert_eq!(
        from,
        [("2", "A"), ("3", "B"), ("4", "C")],
        "under the rows of the run that is undone"
    );
    let writes = tenant.writes();
    let (summary, _) = undo(&tenant, &first, 0);
    assert_eq!(summary["unchanged"], 3);
    assert_eq!(tenant.writes(), writes);
}

#[test]
fn what_another_hand_has_changed_since_is_left_alone() {
    let tenant = start("");
    let first = apply(&tenant, LINKS);
    apply(
        &tenant,
        "resource,action,name,description\nportal-link,update,A,theirs\n",
    );
    apply(
        &tenant,
        "resource,action,name,description\nportal-link,update,B,theirs\n",
    );
    apply(&tenant, "resource,action,name\nportal-link,delete,C\n");
    let ran = tenant.run(&["undo", &first, "--yes", "--json"]).expect(0);
    let report = ran.json();
    let summary = &report["summary"];
    assert_eq!(
        (&summary["spared"], &summary["unchanged"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(tenant.names("portal_links"), ["A", "B"]);
    let skipped = results(&tenant, report["run"].as_str().unwrap(), "skipped.csv");
    let a = skipped.iter().find(|row| row["name"] == "A").unwrap();
    assert!(
        a["_error"].ends_with("left alone: description"),
        "{}",
        a["_error"]
    );
    assert_contains(&ran.stderr, "\"A\" is spared: it was changed after the run");
}

#[test]
fn fields_changed_by_others_keep_their_values() {
    let tenant = start("");
    apply(&tenant, LINKS);
    let second = apply(
        &tenant,
        "resource,action,name,url,description,enabled,user_portals\n\
         portal-link,update,A,https://new.example/y,second,no,Partner Portal\n\
         portal-link,update,B,,second,,\n",
    );
    apply(
        &tenant,
        "resource,action,name,description\nportal-link,update,A,theirs\n",
    );
    let (summary, undone) = undo(&tenant, &second, 0);
    assert_eq!(summary["updated"], 2);
    let a = tenant.object("portal_links", "A");
    assert_eq!(
        json!([
            a["link"],
            a["linkPath"],
            a["enabled"],
            a["description"],
            a["userPortals"][0]["name"]
        ]),
        json!(["a.example", "/x", true, "theirs", "Employee Portal"])
    );
    assert_eq!(
        tenant.object("portal_links", "B")["description"],
        json!(null)
    );
    let success = results(&tenant, &undone, "success.csv");
    let a = success.iter().find(|row| row["name"] == "A").unwrap();
    assert!(
        a["_error"].ends_with("left alone: description"),
        "{}",
        a["_error"]
    );
    tenant.run(&["verify", &undone]).expect(0);
    let (summary, _) = undo(&tenant, &second, 0);
    assert_eq!(
        (&summary["spared"], &summary["unchanged"]),
        (&json!(1), &json!(1))
    );
}

/// Deletes a portal with the links on it, and one link without.
fn clearance(tenant: &Tenant) -> (String, Vec<(String, Vec<String>)>) {
    apply(
        tenant,
        "resource,name,description,ext_label,ext_domain\nuser-portal,Field,For the field,field-1,acme.com\n",
    );
    apply(
        tenant,
        "name,url,user_portals,description\n\
         A,https://a.example/x,Field;Employee Portal,first\n\
         B,https://b.example,Field,\n\
         C,https://c.example,,third\n",
    );
    let before = tenant.links();
    let delete = "resource,action,name\nportal-link,delete,A\nportal-link,delete,B\n\
                  portal-link,delete,C\nuser-portal,delete,Field\n";
    (apply(tenant, delete), before)
}

#[test]
fn deleted_objects_come_back_and_links_find_portals() {
    let tenant = start("");
    let (past, before) = clearance(&tenant);
    assert!(tenant.links().is_empty());
    let (summary, undone) = undo(&tenant, &past, 0);
    assert_eq!(summary["created"], 4);
    assert_eq!(tenant.links(), before);
    tenant.run(&["verify", &undone]).expect(0);
    let portal = tenant.object("user_portals", "Field");
    assert_eq!(
        (&portal["description"], &portal["extLabel"]),
        (&json!("For the field"), &json!("field-1"))
    );
    let success = results(&tenant, &undone, "success.csv");
    let field = success.iter().find(|row| row["name"] == "Field").unwrap();
    assert_eq!(field["_id"], portal["id"].as_str().unwrap());
    let deleted = results(&tenant, &past, "success.csv");
    let old = deleted.iter().find(|row| row["name"] == "Field").unwrap();
    assert_eq!(
        field["id"], old["_id"],
        "the old id stands beside the new one"
    );
    assert_ne!(field["id"], field["_id"]);
    let writes = tenant.writes();
    let (summary, _) = undo(&tenant, &past, 0);
    assert_eq!(summary["unchanged"], 4);
    assert_eq!(tenant.writes(), writes);
}

#[test]
fn an_undo_can_be_undone() {
    for portals in ["refuse", "detach"] {
        let tenant = start(&format!(
            "user_portals = {{ delete_with_links = \"{portals}\" }}"
        ));
        let (run, before) = clearance(&tenant);
        let (_, undone) = undo(&tenant, &run, 0);
        let (summary, again) = undo(&tenant, &undone, 0);
        assert_eq!(summary["deleted"], 4, "{summary}");
        assert!(tenant.links().is_empty());
        assert_eq!(tenant.object("user_portals", "Field"), Value::Null);
        undo(&tenant, &again, 0);
        assert_eq!(tenant.links(), before);
    }
}

#[test]
fn domains_are_put_back_and_others_stay() {
    let tenant = start("domains = { seed = [\"kept.example\", \"old.example\"] }");
    apply(
        &tenant,
        "resource,domain,name\ndomain,old.example,Old\ndomain,kept.example,Kept\n",
    );
    let domains = |tenant: &Tenant| -> Vec<(String, Value)> {
        let state = tenant.state();
        let lists = state["domains"].to_string();
        assert_contains(&lists, "kept.example");
        let objects = find_domains(&state["domains"]);
        let mut found: Vec<(String, Value)> = objects
            .into_iter()
            .map(|one| {
                (
                    one["domain"].as_str().unwrap().to_owned(),
                    one["name"].clone(),
                )
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    };
    let before = domains(&tenant);
    let second = apply(
        &tenant,
        "resource,action,domain,name\ndomain,delete,old.example,\ndomain,,kept.example,Changed\n\
         domain,,new.example,New\n",
    );
    apply(
        &tenant,
        "resource,domain,name\ndomain,theirs.example,Theirs\n",
    );
    let (summary, _) = undo(&tenant, &second, 0);
    assert_eq!(
        (
            &summary["created"],
            &summary["updated"],
            &summary["deleted"]
        ),
        (&json!(1), &json!(1), &json!(1))
    );
    let mut expected = before;
    expected.push(("theirs.example".to_owned(), json!("Theirs")));
    assert_eq!(domains(&tenant), expected);
}

/// The elements of all lists of domains, however the state has them.
fn find_domains(state: &Value) -> Vec<Value> {
    match state {
        Value::Array(all) => all.iter().flat_map(find_domains).collect(),
        Value::Object(one) if one.contains_key("domain") => vec![state.clone()],
        Value::Object(all) => all.values().flat_map(find_domains).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn pruned_connectors_do_not_come_back_and_are_named() {
    let tenant = start("");
    tenant.wake();
    let args = [
        "prune",
        "connectors",
        "--disconnected-for=30d",
        "--max-deletes=10",
        "--confirm=145283994705985536",
        "--json",
    ];
    let pruned = tenant.run(&args).expect(0).json();
    let count = pruned["summary"]["deleted"].as_u64().unwrap();
    assert!(count > 2);
    let left = tenant.names("connectors");
    // Nothing is asked where nothing can be done.
    let ran = tenant
        .run(&["undo", pruned["run"].as_str().unwrap(), "--json"])
        .expect(4);
    let report = ran.json();
    assert_eq!(report["summary"]["failed"], count);
    let why = report["errors"][0]["error"].as_str().unwrap();
    assert_contains(why, "enrols itself");
    assert_contains(&ran.stderr, "enrols itself");
    assert_eq!(tenant.names("connectors"), left);
}

#[test]
fn connector_and_schedule_get_their_former_values() {
    let tenant = start("");
    let made = apply(
        &tenant,
        "resource,frequency_interval\nconnector-schedule,30\n",
    );
    let changed = apply(
        &tenant,
        "resource,name,frequency_interval,description,enabled\nconnector-schedule,,60,,\n\
         connector,live-01,,ours,no\n",
    );
    assert_eq!(tenant.object("connectors", "live-01")["enabled"], false);
    let (summary, _) = undo(&tenant, &changed, 0);
    assert_eq!(summary["updated"], 2);
    let connector = tenant.object("connectors", "live-01");
    assert_eq!(connector["enabled"], true);
    let description = connector["description"].as_str().unwrap();
    assert!(description.starts_with("Connector of"), "{description}");
    let schedule = tenant.state()["connector_schedule"].to_string();
    assert_contains(&schedule, "30");
    let ran = tenant.run(&["undo", &made, "--json"]).expect(4);
    let report = ran.json();
    let why = report["errors"][0]["error"].as_str().unwrap();
    assert_eq!(why, "a connector schedule cannot be deleted; it stays");
}

#[test]
fn a_portal_that_others_have_put_links_on_stays() {
    let tenant = start("");
    let made = apply(&tenant, FIELD);
    apply(
        &tenant,
        "name,url,user_portals\nTheirs,https://t.example,Field\n",
    );
    let (summary, undone) = undo(&tenant, &made, 0);
    assert_eq!(summary["spared"], 1);
    let skipped = results(&tenant, &undone, "skipped.csv");
    assert_names_theirs(&tenant, &skipped[0]["_error"]);
    assert_eq!(tenant.links()[0].1, ["Field"]);
}

/// Fails unless the reason names the link of that name.
#[track_caller]
fn assert_names_theirs(tenant: &Tenant, why: &str) {
    let id = tenant.id("portal_links", "Theirs");
    let expected = format!("the portal link \"Theirs\" ({id}) refers to it");
    assert!(why.starts_with(&expected), "{why}");
}

#[test]
fn a_link_put_on_a_portal_during_a_pause_saves_it() {
    let throttled = "[[fault]]\nkind = \"status\"\nmatch = \"DELETE */userPortal/*\"\nstatus = 429\n\
                     retry_after = \"4s\"\ntimes = 1\n";
    // This tenant would delete the portal and leave the link without it.
    let tenant = start(&format!(
        "user_portals = {{ delete_with_links = \"detach\" }}\n{throttled}"
    ));
    let made = apply(&tenant, FIELD);
    let mut undo = tenant.met_after(1, &mut tenant.command(&["undo", &made, "--yes"]));
    tenant.write(
        "theirs.csv",
        "name,url,user_portals\nTheirs,https://t.example,Field\n",
    );
    tenant
        .run(&["apply", "theirs.csv", "--yes", "--runs-dir", "theirs"])
        .expect(0);
    assert_eq!(undo.wait().unwrap().code(), Some(0));
    let undone = tenant.newest_run();
    let skipped = results(&tenant, run_name(&undone), "skipped.csv");
    assert_names_theirs(&tenant, &skipped[0]["_error"]);
    assert_eq!(tenant.links()[0].1, ["Field"]);
    assert_eq!(
        tenant.writes(),
        3,
        "the portal, the delete that was refused, the link"
    );
}

#[test]
fn a_namesake_of_a_deleted_link_is_left_alone() {
    let tenant = start("");
    apply(&tenant, LINKS);
    let deleted = apply(
        &tenant,
        "resource,action,name\nportal-link,delete,A\nportal-link,delete,B\n",
    );
    apply(&tenant, "name,url\nA,https://other.example\n");
    let (summary, undone) = undo(&tenant, &deleted, 0);
    assert_eq!(
        (&summary["created"], &summary["spared"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(tenant.object("portal_links", "A")["link"], "other.example");
    let skipped = results(&tenant, &undone, "skipped.csv");
    assert!(
        skipped[0]["_error"].starts_with("another portal link has its name, and differs"),
        "{}",
        skipped[0]["_error"]
    );
}

#[test]
fn nothing_is_undone_without_yes_or_of_a_parked_run() {
    let tenant = start("");
    let first = apply(&tenant, LINKS);
    let ran = tenant.run(&["undo", &first]).expect(2);
    assert_contains(&ran.stderr, "- \"A\"");
    assert_contains(&ran.stderr, "--yes undoes the run");
    assert_eq!(tenant.links().len(), 3);
    let runs = fs::read_dir(tenant.path("zpa-bulk-runs")).unwrap().count();
    assert_eq!(runs, 1, "no run came of it");
    tenant
        .run(&["undo", &first, "--yes", "--max-deletes", "2"])
        .expect(8);
    tenant
        .run(&["undo", &first, "--yes", "--customer-id", "9"])
        .expect(7);
    tenant.run(&["undo", "20200101", "--yes"]).expect(2);
    assert_eq!(tenant.links().len(), 3);
    let more: String = (0..200)
        .map(|n| format!("L{n},https://l{n}.example\n"))
        .collect();
    tenant.write("more.csv", &format!("name,url\n{more}"));
    tenant
        .run(&[
            "apply",
            "more.csv",
            "--yes",
            "--batch-size=1",
            "--write-quota=5/1s",
            "--max-duration=300ms",
        ])
        .expect(5);
    let unfinished = tenant.newest_run();
    let ran = tenant
        .run(&["undo", unfinished.to_str().unwrap(), "--yes"])
        .expect(2);
    assert_contains(&ran.stderr, "zpa-bulk resume");
}

/// Kills the command after that many writes, and answers where its run is.
fn killed_after(tenant: &Tenant, writes: usize, args: &[&str]) -> PathBuf {
    tenant.killed_after(writes, &mut tenant.command(args))
}

#[test]
fn an_undo_cut_off_is_resumed_and_not_begun_again() {
    let tenant = start_slow();
    apply(&tenant, LINKS);
    let deleted = apply(
        &tenant,
        "resource,action,name\nportal-link,delete,A\nportal-link,delete,B\nportal-link,delete,C\n",
    );
    let args = ["undo", &deleted, "--yes", "--batch-size=1", "--jobs=1"];
    let undone = killed_after(&tenant, 1, &args);
    let ran = tenant.run(&["undo", &deleted, "--yes"]).expect(2);
    assert_contains(&ran.stderr, "zpa-bulk resume");
    assert_contains(&ran.stderr, run_name(&undone));
    // It is no run of the manifest, so applying that does not take its place.
    tenant.write(
        "manifest.csv",
        "resource,action,name\nportal-link,delete,none\n",
    );
    let ran = tenant.run(&["apply", "manifest.csv", "--yes"]).expect(0);
    assert!(!ran.stderr.contains("unfinished"), "{}", ran.stderr);
    tenant.run(&["resume", undone.to_str().unwrap()]).expect(0);
    assert_eq!(tenant.names("portal_links"), ["A", "B", "C"]);
    let status = tenant.run(&["status", &deleted, "--json"]).expect(0).json();
    assert_eq!(
        status["undone_by"].as_str(),
        undone.file_name().unwrap().to_str()
    );
}

#[test]
fn a_resumed_undo_knows_the_new_ids() {
    let tenant = start_slow();
    apply(&tenant, FIELD);
    let links = |names: &[&str]| -> String {
        let row = |name: &&str| format!("{name},https://{name}.example,Field\n");
        let rows = names.iter().map(row);
        format!("name,url,user_portals\n{}", rows.collect::<String>())
    };
    apply(&tenant, &links(&["k", "l", "m"]));
    let before = tenant.links();
    let deleted = apply(
        &tenant,
        "resource,action,name\nportal-link,delete,k\nportal-link,delete,l\nportal-link,delete,m\n\
         user-portal,delete,Field\n",
    );
    // The portal is there again, one link is on its way, and two are still to come.
    let args = ["undo", &deleted, "--yes", "--batch-size=1", "--jobs=1"];
    let undone = killed_after(&tenant, 2, &args);
    apply(&tenant, &links(&["k"]));
    tenant.run(&["resume", undone.to_str().unwrap()]).expect(0);
    assert_eq!(tenant.links(), before);
}

/// A run that deleted a portal and the two links on it, of a tenant that starts so.
fn cleared(scenario: &str) -> (Tenant, Vec<(String, Vec<String>)>, String) {
    let tenant = start(scenario);
    let (before, deleted) = clear(&tenant);
    (tenant, before, deleted)
}

/// Creates a portal with two links, and deletes all three. Returns the links as they were, and the run that deleted them.
fn clear(tenant: &Tenant) -> (Vec<(String, Vec<String>)>, String) {
    apply(tenant, FIELD);
    apply(
        tenant,
        "name,url,user_portals\nA,https://a.example,Field\nB,https://b.example,Field\n",
    );
    let before = tenant.links();
    let deleted = apply(
        tenant,
        "resource,action,name\nportal-link,delete,A\nportal-link,delete,B\nuser-portal,delete,Field\n",
    );
    (before, deleted)
}

#[test]
fn links_find_a_portal_that_another_run_recreated() {
    let throttled = "[[fault]]\nkind = \"status\"\nmatch = \"POST */userPortal\"\nstatus = 429\n\
                     retry_after = \"3s\"\nafter = \"5s\"\ntimes = 1\n";
    let tenant = start(throttled);
    // The simulator's clock started before this instant.
    let throttled_from = Instant::now() + Duration::from_secs(5);
    let (before, deleted) = clear(&tenant);
    thread::sleep(throttled_from.saturating_duration_since(Instant::now()));
    let args = ["undo", &deleted, "--yes", "--max-wait", "1s"];
    tenant.run(&args).expect(5);
    let undone = tenant.newest_run();
    apply(&tenant, FIELD);
    let args = ["resume", undone.to_str().unwrap(), "--json"];
    let report = tenant.run(&args).expect(0).json();
    assert_eq!(report["summary"]["unchanged"], 1, "{report}");
    assert_eq!(tenant.links(), before);
}

#[test]
fn an_undo_without_its_journal_finds_all_it_did() {
    let (tenant, before, deleted) = cleared("");
    let (_, undone) = undo(&tenant, &deleted, 0);
    let undone = tenant.path("zpa-bulk-runs").join(undone);
    let journal = undone.join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let start: Vec<&str> = text.split_inclusive('\n').take(2).collect();
    std::fs::write(&journal, start.concat()).unwrap();
    let args = ["resume", undone.to_str().unwrap(), "--json"];
    let report = tenant.run(&args).expect(0).json();
    assert_eq!(report["summary"]["recovered"], 3, "{report}");
    assert_eq!(tenant.links(), before);
}

#[test]
fn a_failed_undo_is_tried_again_by_undo_not_by_retry() {
    let tenant = start("");
    apply(&tenant, "resource,action,name\nportal-link,delete,none\n");
    let made = apply(
        &tenant,
        "resource,frequency_interval\nconnector-schedule,30\n",
    );
    let (_, undone) = undo(&tenant, &made, 4);
    let ran = tenant.run(&["retry", &undone, "--yes"]).expect(2);
    assert_contains(&ran.stderr, format!("zpa-bulk undo {made}"));
    tenant.run(&["retry", "--yes"]).expect(2);
}

#[test]
fn each_microtenant_gets_its_own_back() {
    let tenant = start("microtenants = { names = [\"North\", \"South\"] }");
    let ids = tenant.microtenants();
    let (north, south) = (&ids[0], &ids[1]);
    let made = apply(
        &tenant,
        &format!(
            "name,url,microtenant\nHere,https://h.example,\nThere,https://t.example,{north}\n\
             Yonder,https://y.example,{south}\n"
        ),
    );
    assert_eq!(tenant.names("portal_links").len(), 3);
    let (_, gone) = undo(&tenant, &made, 0);
    assert!(tenant.names("portal_links").is_empty());
    undo(&tenant, &gone, 0);
    let there = tenant.object("portal_links", "There");
    assert_eq!(there["microtenantId"].as_str(), Some(north.as_str()));
    assert_eq!(tenant.names("portal_links").len(), 3);
}

#[test]
fn the_whole_preview_can_be_seen_before_yes() {
    let tenant = start("limits = { links = 1000, links_per_portal = 1000 }");
    let rows = (0..60).map(|n| format!("L{n:02},https://l{n}.example\n"));
    let made = apply(&tenant, &format!("name,url\n{}", rows.collect::<String>()));
    let some = tenant.run(&["undo", &made]).expect(2);
    assert_contains(&some.stderr, "--full shows them all");
    let all = tenant.run(&["undo", &made, "--full"]).expect(2);
    assert_eq!(all.stderr.matches("- \"L").count(), 60, "{}", all.stderr);
    assert_eq!(tenant.links().len(), 60);
}

#[test]
fn a_killed_undo_is_resumed() {
    let tenant = start("limits = { links = 1000, links_per_portal = 1000 }");
    let rows = |extra: &str| -> String {
        let row = |n: u32| format!("portal-link,L{n:02},https://l{n}.example,{extra}\n");
        (0..40).map(row).collect()
    };
    let header = "resource,name,url,user_portals,action\n";
    apply(&tenant, FIELD);
    apply(
        &tenant,
        &format!("{header}{}", rows("Field;Employee Portal,")),
    );
    let before = tenant.links();
    for writes in [1, 2, 5, 9, 14] {
        let delete = format!("{header}{}user-portal,Field,,,delete\n", rows(",delete"));
        let deleted = apply(&tenant, &delete);
        assert!(tenant.links().is_empty());
        // The portal is one write, forty links are fourteen.
        let args = ["undo", &deleted, "--yes", "--batch-size=3", "--jobs=1"];
        let undone = killed_after(&tenant, writes, &args);
        tenant.run(&["resume", undone.to_str().unwrap()]).expect(0);
        assert_eq!(tenant.links(), before, "killed after {writes} writes");
        assert_eq!(tenant.names("user_portals").len(), 5);
        let name = run_name(&undone);
        assert_eq!(results(&tenant, name, "success.csv").len(), 41);
    }
}

#[test]
fn an_undo_from_elsewhere_stands_beside_its_run() {
    let tenant = start("");
    tenant
        .apply("links.csv", "name,url\nA,https://a.example\n")
        .expect(0);
    let run = tenant.newest_run();
    let elsewhere = tenant.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let mut undo = tenant.command(&["undo", run.to_str().unwrap(), "--yes"]);
    Ran::of(undo.current_dir(&elsewhere)).expect(0);
    assert_eq!(tenant.run_dirs().len(), 2);
    assert!(fs::read_dir(&elsewhere).unwrap().next().is_none());
    assert!(tenant.links().is_empty());
}
