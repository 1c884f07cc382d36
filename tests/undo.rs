//! Undoing runs as a user does it, against a simulated tenant in another process. What counts is what the tenant's
//! own log and state say.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use self::common::{Ran, Tenant, rows};

/// Nobody waits for a quota here: what is undone is what counts.
const QUICK: &str =
    "latency = { base = \"1ms\", jitter = \"1ms\" }\nquota = { read = \"off\", write = \"off\" }\n";

fn start(scenario: &str) -> Tenant {
    Tenant::start(&format!("{QUICK}{scenario}"))
}

fn command(tenant: &Tenant, args: &[&str]) -> Command {
    let mut command = tenant.command(args);
    command
        .env("ZPA_BULK_READ_QUOTA", "off")
        .env("ZPA_BULK_WRITE_QUOTA", "off")
        .env("ZPA_BULK_SETTLE", "200ms");
    command
}

fn run(tenant: &Tenant, args: &[&str]) -> Ran {
    Ran::of(&mut command(tenant, args))
}

/// Applies a manifest, of which nothing fails, and answers the name of the run.
fn apply(tenant: &Tenant, manifest: &str) -> String {
    tenant.write("manifest.csv", manifest);
    let ran = run(tenant, &["apply", "manifest.csv", "--yes", "--json"]).expect(0);
    ran.json()["run"].as_str().unwrap().to_owned()
}

/// Undoes a run with that exit code and answers the summary and the name of the undo.
fn undo(tenant: &Tenant, of: &str, code: i32) -> (Value, String) {
    let ran = run(tenant, &["undo", of, "--yes", "--json"]).expect(code);
    let report = ran.json();
    (
        report["summary"].clone(),
        report["run"].as_str().unwrap().to_owned(),
    )
}

fn results(tenant: &Tenant, run: &str, file: &str) -> Vec<HashMap<String, String>> {
    rows(&tenant.path("zpa-bulk-runs").join(run).join(file))
}

fn objects(tenant: &Tenant, of: &str) -> Vec<Value> {
    tenant.state()[of].as_array().cloned().unwrap_or_default()
}

fn named(tenant: &Tenant, of: &str, name: &str) -> Value {
    let mut objects = objects(tenant, of).into_iter();
    objects.find(|one| one["name"] == name).unwrap_or_default()
}

fn names(tenant: &Tenant, of: &str) -> Vec<String> {
    let objects = objects(tenant, of).into_iter();
    let mut names: Vec<String> = objects
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

const LINKS: &str = "name,url,user_portals,description\n\
                     A,https://a.example/x,Employee Portal,first\n\
                     B,https://b.example,Employee Portal;Partner Portal,\n\
                     C,https://c.example,,third\n";

#[test]
fn what_a_run_created_is_deleted_and_there_is_nothing_to_do_the_second_time() {
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
    let writes = tenant.log_of("write").len();
    let (summary, _) = undo(&tenant, &first, 0);
    assert_eq!(summary["unchanged"], 3);
    assert_eq!(tenant.log_of("write").len(), writes);
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
    let ran = run(&tenant, &["undo", &first, "--yes", "--json"]).expect(0);
    let report = ran.json();
    let summary = &report["summary"];
    assert_eq!(
        (&summary["spared"], &summary["unchanged"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(names(&tenant, "portal_links"), ["A", "B"]);
    let skipped = results(&tenant, report["run"].as_str().unwrap(), "skipped.csv");
    let a = skipped.iter().find(|row| row["name"] == "A").unwrap();
    assert!(
        a["_error"].ends_with("left alone: description"),
        "{}",
        a["_error"]
    );
    assert!(
        ran.stderr
            .contains("\"A\" is spared: it was changed after the run"),
        "{}",
        ran.stderr
    );
}

#[test]
fn fields_get_their_former_values_unless_another_hand_has_changed_them() {
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
    let a = named(&tenant, "portal_links", "A");
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
        named(&tenant, "portal_links", "B")["description"],
        json!(null)
    );
    let success = results(&tenant, &undone, "success.csv");
    let a = success.iter().find(|row| row["name"] == "A").unwrap();
    assert!(
        a["_error"].ends_with("left alone: description"),
        "{}",
        a["_error"]
    );
    run(&tenant, &["verify", &undone]).expect(0);
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
fn what_was_deleted_comes_back_under_new_ids_and_links_find_their_portals_by_them() {
    let tenant = start("");
    let (past, before) = clearance(&tenant);
    assert!(tenant.links().is_empty());
    let (summary, undone) = undo(&tenant, &past, 0);
    assert_eq!(summary["created"], 4);
    assert_eq!(tenant.links(), before);
    run(&tenant, &["verify", &undone]).expect(0);
    let portal = named(&tenant, "user_portals", "Field");
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
    let writes = tenant.log_of("write").len();
    let (summary, _) = undo(&tenant, &past, 0);
    assert_eq!(summary["unchanged"], 4);
    assert_eq!(tenant.log_of("write").len(), writes);
}

#[test]
fn an_undo_can_be_undone_also_where_a_portal_goes_only_without_links() {
    for portals in ["refuse", "detach"] {
        let tenant = start(&format!(
            "user_portals = {{ delete_with_links = \"{portals}\" }}"
        ));
        let (run, before) = clearance(&tenant);
        let (_, undone) = undo(&tenant, &run, 0);
        let (summary, again) = undo(&tenant, &undone, 0);
        assert_eq!(summary["deleted"], 4, "{summary}");
        assert!(tenant.links().is_empty());
        assert_eq!(named(&tenant, "user_portals", "Field"), Value::Null);
        undo(&tenant, &again, 0);
        assert_eq!(tenant.links(), before);
    }
}

#[test]
fn domains_are_taken_out_put_back_and_changed_back_and_others_stay() {
    let tenant = start("domains = { seed = [\"kept.example\", \"old.example\"] }");
    apply(
        &tenant,
        "resource,domain,name\ndomain,old.example,Old\ndomain,kept.example,Kept\n",
    );
    let domains = |tenant: &Tenant| -> Vec<(String, Value)> {
        let state = tenant.state();
        let lists = state["domains"].to_string();
        assert!(lists.contains("kept.example"), "{lists}");
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
    // A simulated tenant comes into being with the first call on it.
    apply(&tenant, "resource,action,name\nportal-link,delete,none\n");
    let args = [
        "prune",
        "connectors",
        "--disconnected-for=30d",
        "--max-deletes=10",
        "--confirm=145283994705985536",
        "--json",
    ];
    let pruned = run(&tenant, &args).expect(0).json();
    let count = pruned["summary"]["deleted"].as_u64().unwrap();
    assert!(count > 2);
    let left = names(&tenant, "connectors");
    // Nothing is asked where nothing can be done.
    let ran = run(
        &tenant,
        &["undo", pruned["run"].as_str().unwrap(), "--json"],
    )
    .expect(4);
    let report = ran.json();
    assert_eq!(report["summary"]["failed"], count);
    let why = report["errors"][0]["error"].as_str().unwrap();
    assert!(why.contains("enrols itself"), "{why}");
    assert!(ran.stderr.contains("enrols itself"), "{}", ran.stderr);
    assert_eq!(names(&tenant, "connectors"), left);
}

#[test]
fn a_connector_and_the_schedule_get_their_former_values_and_a_new_schedule_stays() {
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
    assert_eq!(named(&tenant, "connectors", "live-01")["enabled"], false);
    let (summary, _) = undo(&tenant, &changed, 0);
    assert_eq!(summary["updated"], 2);
    let connector = named(&tenant, "connectors", "live-01");
    assert_eq!(connector["enabled"], true);
    let description = connector["description"].as_str().unwrap();
    assert!(description.starts_with("Connector of"), "{description}");
    let schedule = tenant.state()["connector_schedule"].to_string();
    assert!(schedule.contains("30"), "{schedule}");
    let ran = run(&tenant, &["undo", &made, "--json"]).expect(4);
    let report = ran.json();
    let why = report["errors"][0]["error"].as_str().unwrap();
    assert_eq!(why, "a connector schedule cannot be deleted; it stays");
}

#[test]
fn a_portal_that_others_have_put_links_on_stays() {
    let tenant = start("");
    let portal = "resource,name,ext_label,ext_domain\nuser-portal,Field,field-1,acme.com\n";
    let made = apply(&tenant, portal);
    apply(
        &tenant,
        "name,url,user_portals\nTheirs,https://t.example,Field\n",
    );
    let (summary, undone) = undo(&tenant, &made, 0);
    assert_eq!(summary["spared"], 1);
    let skipped = results(&tenant, &undone, "skipped.csv");
    assert!(
        skipped[0]["_error"].starts_with("1 others that this run did not create refer to it"),
        "{}",
        skipped[0]["_error"]
    );
    assert_eq!(tenant.links()[0].1, ["Field"]);
}

#[test]
fn what_has_taken_the_place_of_something_deleted_is_left_alone() {
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
    assert_eq!(named(&tenant, "portal_links", "A")["link"], "other.example");
    let skipped = results(&tenant, &undone, "skipped.csv");
    assert!(
        skipped[0]["_error"].starts_with("another portal link has its name, and differs"),
        "{}",
        skipped[0]["_error"]
    );
}

#[test]
fn nothing_is_taken_back_without_a_yes_or_of_a_run_that_is_not_finished() {
    let tenant = start("");
    let first = apply(&tenant, LINKS);
    let ran = run(&tenant, &["undo", &first]).expect(2);
    assert!(ran.stderr.contains("- \"A\""), "{}", ran.stderr);
    assert!(ran.stderr.contains("--yes takes it back"), "{}", ran.stderr);
    assert_eq!(tenant.links().len(), 3);
    let runs = fs::read_dir(tenant.path("zpa-bulk-runs")).unwrap().count();
    assert_eq!(runs, 1, "no run came of it");
    run(&tenant, &["undo", &first, "--yes", "--max-deletes", "2"]).expect(8);
    run(&tenant, &["undo", &first, "--yes", "--customer-id", "9"]).expect(7);
    run(&tenant, &["undo", "20200101", "--yes"]).expect(2);
    assert_eq!(tenant.links().len(), 3);
    let more: String = (0..200)
        .map(|n| format!("L{n},https://l{n}.example\n"))
        .collect();
    tenant.write("more.csv", &format!("name,url\n{more}"));
    run(
        &tenant,
        &[
            "apply",
            "more.csv",
            "--yes",
            "--batch-size=1",
            "--write-quota=5/1s",
            "--max-duration=300ms",
        ],
    )
    .expect(5);
    let unfinished = newest_run(&tenant);
    let ran = run(&tenant, &["undo", unfinished.to_str().unwrap(), "--yes"]).expect(2);
    assert!(ran.stderr.contains("zpa-bulk resume"), "{}", ran.stderr);
}

/// Kills the command when the tenant has had so many more writes, and answers where its run is.
fn killed_after(tenant: &Tenant, writes: usize, args: &[&str]) -> PathBuf {
    tenant.killed_after(writes, &mut command(tenant, args));
    newest_run(tenant)
}

fn newest_run(tenant: &Tenant) -> PathBuf {
    tenant.run_dirs().pop().unwrap()
}

#[test]
fn an_undo_that_was_cut_off_is_gone_on_with_and_no_second_one_is_begun_beside_it() {
    let tenant = Tenant::start(&QUICK.replacen("1ms", "100ms", 1));
    apply(&tenant, LINKS);
    let deleted = apply(
        &tenant,
        "resource,action,name\nportal-link,delete,A\nportal-link,delete,B\nportal-link,delete,C\n",
    );
    let args = ["undo", &deleted, "--yes", "--batch-size=1", "--jobs=1"];
    let undone = killed_after(&tenant, 1, &args);
    let ran = run(&tenant, &["undo", &deleted, "--yes"]).expect(2);
    assert!(ran.stderr.contains("zpa-bulk resume"), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains(undone.file_name().unwrap().to_str().unwrap()),
        "{}",
        ran.stderr
    );
    // It is no run of the manifest, so applying that does not take its place.
    tenant.write(
        "manifest.csv",
        "resource,action,name\nportal-link,delete,none\n",
    );
    let ran = run(&tenant, &["apply", "manifest.csv", "--yes"]).expect(0);
    assert!(!ran.stderr.contains("unfinished"), "{}", ran.stderr);
    run(&tenant, &["resume", undone.to_str().unwrap()]).expect(0);
    assert_eq!(names(&tenant, "portal_links"), ["A", "B", "C"]);
    let status = run(&tenant, &["status", &deleted, "--json"])
        .expect(0)
        .json();
    assert_eq!(
        status["undone_by"].as_str(),
        undone.file_name().unwrap().to_str()
    );
}

#[test]
fn a_resumed_undo_knows_the_new_ids_also_where_another_run_has_created_something_meanwhile() {
    let tenant = Tenant::start(&QUICK.replacen("1ms", "100ms", 1));
    apply(
        &tenant,
        "resource,name,ext_label,ext_domain\nuser-portal,Field,field-1,acme.com\n",
    );
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
    run(&tenant, &["resume", undone.to_str().unwrap()]).expect(0);
    assert_eq!(tenant.links(), before);
}

/// A run that deleted a portal and the two links on it, of a tenant that starts so.
fn cleared(scenario: &str) -> (Tenant, Vec<(String, Vec<String>)>, String) {
    let tenant = start(scenario);
    apply(&tenant, FIELD);
    apply(
        &tenant,
        "name,url,user_portals\nA,https://a.example,Field\nB,https://b.example,Field\n",
    );
    let before = tenant.links();
    let deleted = apply(
        &tenant,
        "resource,action,name\nportal-link,delete,A\nportal-link,delete,B\nuser-portal,delete,Field\n",
    );
    (tenant, before, deleted)
}

const FIELD: &str = "resource,name,ext_label,ext_domain\nuser-portal,Field,field-1,acme.com\n";

#[test]
fn links_find_their_portal_also_where_another_run_has_created_it_meanwhile() {
    let throttled = "[[fault]]\nkind = \"status\"\nmatch = \"POST */userPortal\"\nstatus = 429\n\
                     retry_after = \"3s\"\nafter = \"2s\"\ntimes = 1\n";
    let (tenant, before, deleted) = cleared(throttled);
    std::thread::sleep(std::time::Duration::from_secs(2));
    let args = ["undo", &deleted, "--yes", "--max-wait", "1s"];
    run(&tenant, &args).expect(5);
    let undone = newest_run(&tenant);
    apply(&tenant, FIELD);
    let args = ["resume", undone.to_str().unwrap(), "--json"];
    let report = run(&tenant, &args).expect(0).json();
    assert_eq!(report["summary"]["unchanged"], 1, "{report}");
    assert_eq!(tenant.links(), before);
}

#[test]
fn an_undo_that_has_forgotten_what_it_did_finds_all_of_it() {
    let (tenant, before, deleted) = cleared("");
    let (_, undone) = undo(&tenant, &deleted, 0);
    let undone = tenant.path("zpa-bulk-runs").join(undone);
    let journal = undone.join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let start: Vec<&str> = text.split_inclusive('\n').take(2).collect();
    std::fs::write(&journal, start.concat()).unwrap();
    let args = ["resume", undone.to_str().unwrap(), "--json"];
    let report = run(&tenant, &args).expect(0).json();
    assert_eq!(report["summary"]["recovered"], 3, "{report}");
    assert_eq!(tenant.links(), before);
}

#[test]
fn what_an_undo_could_not_take_back_is_tried_again_by_undoing_again() {
    let tenant = start("");
    apply(&tenant, "resource,action,name\nportal-link,delete,none\n");
    let made = apply(
        &tenant,
        "resource,frequency_interval\nconnector-schedule,30\n",
    );
    let (_, undone) = undo(&tenant, &made, 4);
    let ran = run(&tenant, &["retry", &undone, "--yes"]).expect(2);
    assert!(
        ran.stderr.contains(&format!("zpa-bulk undo {made}")),
        "{}",
        ran.stderr
    );
    run(&tenant, &["retry", "--yes"]).expect(2);
}

#[test]
fn each_microtenant_gets_its_own_back() {
    let tenant = start("microtenants = { names = [\"North\", \"South\"] }");
    let ids: Vec<String> = {
        apply(&tenant, "resource,action,name\nportal-link,delete,none\n");
        let state: Value = serde_json::from_str(&tenant.get("/__sim/state")).unwrap();
        let all = state["microtenants"].as_array().unwrap();
        all.iter()
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let (north, south) = (&ids[0], &ids[1]);
    let made = apply(
        &tenant,
        &format!(
            "name,url,microtenant\nHere,https://h.example,\nThere,https://t.example,{north}\n\
             Yonder,https://y.example,{south}\n"
        ),
    );
    assert_eq!(names(&tenant, "portal_links").len(), 3);
    let (_, gone) = undo(&tenant, &made, 0);
    assert!(names(&tenant, "portal_links").is_empty());
    undo(&tenant, &gone, 0);
    let there = named(&tenant, "portal_links", "There");
    assert_eq!(there["microtenantId"].as_str(), Some(north.as_str()));
    assert_eq!(names(&tenant, "portal_links").len(), 3);
}

#[test]
fn all_that_an_undo_would_do_can_be_seen_before_the_yes() {
    let tenant = start("limits = { links = 1000, links_per_portal = 1000 }");
    let rows = (0..60).map(|n| format!("L{n:02},https://l{n}.example\n"));
    let made = apply(&tenant, &format!("name,url\n{}", rows.collect::<String>()));
    let some = run(&tenant, &["undo", &made]).expect(2);
    assert!(
        some.stderr.contains("--full shows them all"),
        "{}",
        some.stderr
    );
    let all = run(&tenant, &["undo", &made, "--full"]).expect(2);
    assert_eq!(all.stderr.matches("- \"L").count(), 60, "{}", all.stderr);
    assert_eq!(tenant.links().len(), 60);
}

#[test]
fn an_undo_that_is_killed_in_the_middle_is_gone_on_with() {
    let tenant = start("limits = { links = 1000, links_per_portal = 1000 }");
    let rows = |extra: &str| -> String {
        let row = |n: u32| format!("portal-link,L{n:02},https://l{n}.example,{extra}\n");
        (0..40).map(row).collect()
    };
    let header = "resource,name,url,user_portals,action\n";
    apply(
        &tenant,
        "resource,name,ext_label,ext_domain\nuser-portal,Field,field-1,acme.com\n",
    );
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
        run(&tenant, &["resume", undone.to_str().unwrap()]).expect(0);
        assert_eq!(tenant.links(), before, "killed after {writes} writes");
        assert_eq!(names(&tenant, "user_portals").len(), 5);
        let name = undone.file_name().unwrap().to_str().unwrap();
        assert_eq!(results(&tenant, name, "success.csv").len(), 41);
    }
}
