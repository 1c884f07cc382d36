//! Runs that work on one tenant at the same time: they take turns, object by object, and what each says is so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Child;

use serde_json::Value;

use crate::support::command::{Ran, assert_contains, kill, spawn};
use crate::support::tenant::{OPEN, QUICK, TWINS, Tenant};

const LINKS: usize = 20;

/// A tenant that takes its time and counts no calls.
fn start(latency: &str, more: &str) -> Tenant {
    let scenario = format!(
        "latency = {{ base = \"{latency}\", jitter = \"30ms\" }}\nquota = {{ read = \"off\", write = \"off\" }}\n"
    );
    Tenant::start(&format!("{scenario}{more}")).unpaced()
}

/// A manifest with a row for each link, which asks for that field.
fn manifest(tenant: &Tenant, action: &str, field: &str, value: impl Fn(usize) -> String) -> String {
    let mut text = format!("resource,action,name,{field}\n");
    let mut numbers: Vec<usize> = (0..LINKS).collect();
    if field == "description" {
        // In the other order, so that the runs meet.
        numbers.reverse();
    }
    for number in numbers {
        writeln!(
            text,
            "portal-link,{action},Link {number:02},{}",
            value(number)
        )
        .unwrap();
    }
    let name = format!("{field}.csv");
    tenant.write(&name, &text);
    name
}

/// Applies a manifest in a process of its own.
fn applying(tenant: &Tenant, manifest: &str) -> Child {
    spawn(&mut tenant.command(&["apply", manifest, "--yes", "--json", "--jobs", "4"]))
}

fn ended(child: Child) -> Value {
    Ran::from(child.wait_with_output().unwrap())
        .expect(0)
        .summary()
}

fn values(tenant: &Tenant, field: &str) -> Vec<String> {
    let links = tenant.objects("portal_links").into_iter();
    links
        .map(|link| link[field].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn updates_of_other_fields_are_not_lost() {
    let tenant = start("200ms", "");
    let links = manifest(&tenant, "create", "url", |number| {
        format!("https://old-{number}.example")
    });
    tenant.run(&["apply", &links, "--yes"]).expect(0);
    let urls = manifest(&tenant, "update", "url", |number| {
        format!("https://new-{number}.example")
    });
    let texts = manifest(&tenant, "update", "description", |number| {
        format!("text {number}")
    });
    let icons = manifest(&tenant, "update", "enabled", |_| "no".to_owned());
    let children = [urls, texts, icons].map(|name| applying(&tenant, &name));
    for summary in children.map(ended) {
        assert_eq!(summary["updated"], LINKS);
    }
    assert!(
        values(&tenant, "link")
            .iter()
            .all(|link| link.starts_with("new-"))
    );
    assert!(
        values(&tenant, "description")
            .iter()
            .all(|text| text.starts_with("text "))
    );
    assert!(
        tenant
            .objects("portal_links")
            .iter()
            .all(|link| link["enabled"] == false)
    );
}

/// The number of connectors in each group.
fn groups(tenant: &Tenant) -> BTreeMap<String, usize> {
    let mut groups = BTreeMap::new();
    for connector in tenant.objects("connectors") {
        let group = connector["appConnectorGroupName"]
            .as_str()
            .unwrap()
            .to_owned();
        *groups.entry(group).or_insert(0) += 1;
    }
    groups
}

#[test]
fn two_runs_leave_every_group_its_last_connector() {
    for (batch, lag) in [("1", "0s"), ("150", "5s")] {
        // The second plans before the first has deleted anything.
        let call = if batch == "1" {
            "DELETE *"
        } else {
            "POST */bulkDelete"
        };
        let paused = format!(
            "[[fault]]\nkind = \"status\"\nmatch = \"{call}\"\ntimes = 1\nstatus = 429\nretry_after = \"2s\"\n"
        );
        let tenant = start(
            "200ms",
            &format!(
                "connectors = {{ live = 0, stale = 24, never_connected = 0, read_only = 0, dark_groups = 6 }}\nlisting = {{ lag = \"{lag}\" }}\n{paused}"
            ),
        );
        tenant.wake();
        let mut halves: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for connector in tenant.objects("connectors") {
            let group = connector["appConnectorGroupName"]
                .as_str()
                .unwrap()
                .to_owned();
            let id = connector["id"].as_str().unwrap().to_owned();
            halves.entry(group).or_default().push(id);
        }
        let before = groups(&tenant);
        halves.retain(|_, ids| ids.len() > 1);
        assert!(halves.len() > 3);
        let children = [0, 1].map(|half| {
            let mut text = "resource,action,id\n".to_owned();
            for ids in halves.values().filter_map(|ids| ids.get(half)) {
                writeln!(text, "connector,delete,{ids}").unwrap();
            }
            let name = format!("half-{half}.csv");
            tenant.write(&name, &text);
            let args = [
                "apply",
                &name,
                "--yes",
                "--max-deletes=100%",
                "--jobs",
                "1",
                "--keep-per-group",
                "1",
                "--batch-size",
                batch,
            ];
            spawn(&mut tenant.command(&args))
        });
        for child in children {
            let ran = Ran::from(child.wait_with_output().unwrap());
            assert!([Some(0), Some(4)].contains(&ran.code), "{}", ran.stderr);
        }
        assert_eq!(
            groups(&tenant).len(),
            before.len(),
            "{batch} {lag}: {:?}",
            groups(&tenant)
        );
    }
}

#[test]
fn a_run_of_another_directory_is_known() {
    let late = "[[fault]]\nkind = \"late-commit\"\nmatch = \"POST */userPortalLink\"\ntimes = 1\ndelay = \"2s\"\n";
    let tenant = Tenant::start(&format!("{QUICK}quota = {{ read = \"off\", write = \"off\" }}\nbulk = {{ unique_names = false }}\n{late}"))
        .unpaced()
        .with("ZPA_BULK_SETTLE", "3s");
    let row = "name,url\nX,https://x.example\n";
    for place in ["one", "two"] {
        fs::create_dir(tenant.path(place)).unwrap();
        tenant.write(&format!("{place}/links.csv"), row);
    }
    let apply = |place: &str| {
        let mut command = tenant.command(&["apply", "links.csv", "--yes", "--json"]);
        command.current_dir(tenant.path(place));
        command
    };
    let mut child = tenant.met_after(1, &mut apply("one"));
    kill(&mut child);
    let ran = Ran::of(&mut apply("two")).expect(0);
    assert_contains(&ran.stderr, "may still arrive");
    assert_eq!(ran.summary()["unchanged"], 1);
    assert_eq!(tenant.names("portal_links"), ["X"]);
}

#[test]
fn an_object_belongs_to_one_run() {
    let lost = "[[fault]]\nkind = \"reset-before\"\nmatch = \"POST */userPortalLink\"\ntimes = 1\n";
    let tenant = Tenant::start(&format!(
        "{QUICK}quota = {{ read = \"off\", write = \"off\" }}\n{lost}"
    ))
    .unpaced()
    .with("ZPA_BULK_SETTLE", "1s");
    tenant.write("links.csv", "name,url\nX,https://x.example\n");
    tenant.write("other.csv", "name,url\nX,https://x.example\n");
    let in_place = |verb: &[&str], place: &str| {
        let mut command = tenant.command(verb);
        command.args(["--json", "--runs-dir", place]);
        command
    };
    let mut child = tenant.met_after(1, &mut in_place(&["apply", "links.csv", "--yes"], "one"));
    kill(&mut child);
    let other = Ran::of(&mut in_place(&["apply", "other.csv", "--yes"], "two")).expect(0);
    assert_eq!(other.summary()["created"], 1);
    let first = Ran::of(&mut in_place(&["resume"], "one")).expect(0).json();
    assert_eq!(
        first["summary"]["unchanged"], 1,
        "it belongs to the other run"
    );
    let undo = ["undo", first["run"].as_str().unwrap(), "--yes"];
    Ran::of(&mut in_place(&undo, "one")).expect(0);
    assert_eq!(tenant.names("portal_links"), ["X"]);
}

#[test]
fn a_name_that_a_run_is_to_create_is_not_given_to_another() {
    let paused = "[[fault]]\nkind = \"status\"\nmatch = \"POST */userPortalLink\"\ntimes = 1\nstatus = 429\nretry_after = \"2s\"\n";
    let tenant = start("1ms", &format!("tenant = {{ links = 1 }}\n{paused}"));
    tenant.wake();
    let id = tenant.id("portal_links", "Seeded Link 0001");
    tenant.write(
        "new.csv",
        "name,url\nS,https://s.example\nT,https://t.example\nU,https://u.example\nV,https://v.example\nX,https://x.example\n",
    );
    let rename = format!("resource,action,id,name\nportal-link,update,{id},X\n");
    let one_by_one = [
        "apply",
        "new.csv",
        "--yes",
        "--batch-size",
        "1",
        "--jobs",
        "1",
    ];
    let mut creating = tenant.met_after(1, &mut tenant.command(&one_by_one));
    let ran = tenant.apply("rename.csv", &rename).expect(7);
    assert_contains(&ran.stderr, "a process is working on");
    assert!(creating.wait().unwrap().success());
    assert_eq!(
        tenant.names("portal_links"),
        ["S", "Seeded Link 0001", "T", "U", "V", "X"]
    );
}

#[test]
fn a_listing_that_lags_behind_is_read_again() {
    let scenario = format!("{OPEN}{TWINS}listing = {{ lag = \"3s\" }}\n");
    let tenant = Tenant::start(&scenario).unpaced();
    let row = |text: &str| format!("name,url,description\nX,https://x.example,{text}\n");
    tenant.apply("one.csv", &row("first")).expect(0);
    assert_eq!(
        tenant.apply("two.csv", &row("first")).summary()["unchanged"],
        1
    );
    tenant.apply("three.csv", &row("second")).expect(0);
    assert_eq!(
        tenant.apply("four.csv", &row("first")).summary()["updated"],
        1
    );
    let gone = "resource,action,name\nportal-link,delete,X\n";
    tenant.apply("gone.csv", gone).expect(0);
    assert_eq!(
        tenant.apply("again.csv", &row("first")).summary()["created"],
        1
    );
    assert_eq!(tenant.names("portal_links"), ["X"]);
}
