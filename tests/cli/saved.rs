//! Plans that are saved, and carried out later.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::command::{Ran, assert_contains, rows};
use crate::support::tenant::{OPEN, Tenant};
use ring::digest::{SHA256, digest};

const LINKS: &str = "name,url\nA,https://a.example\nB,https://b.example\n";

/// Updates A, leaves B as it is, and creates C.
const CHANGES: &str = "name,url\nA,https://new.example\nB,https://b.example\nC,https://c.example\n";

/// A tenant with two links, and a plan of changes that was saved for it.
fn reviewed() -> Tenant {
    let tenant = Tenant::start(OPEN).unpaced();
    tenant.apply("links.csv", LINKS).expect(0);
    tenant.write("changes.csv", CHANGES);
    let ran = tenant.run(&["plan", "changes.csv", "-o", "links.plan"]);
    assert_contains(&ran.expect(0).stderr, "zpa-bulk apply links.plan");
    tenant
}

fn apply(tenant: &Tenant, args: &[&str]) -> Ran {
    let args = [&["apply"], args, &["--yes"]].concat();
    tenant.run(&args)
}

#[test]
fn a_saved_plan_leaves_alone_what_has_changed_since() {
    let tenant = reviewed();
    let mode = fs::metadata(tenant.path("links.plan")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    tenant
        .apply("other.csv", "name,url,enabled\nA,https://a.example,no\n")
        .expect(0);
    tenant
        .apply("another.csv", "name,url\nD,https://d.example\n")
        .expect(0);
    let shown = tenant.run(&["apply", "links.plan"]).expect(2);
    assert_contains(&shown.stderr, "\"A\" is stale: the portal link was changed");
    assert_contains(&shown.stderr, "1 to create, 1 unchanged, 1 stale");
    let ran = apply(&tenant, &["links.plan", "--json"]).expect(4);
    let summary = &ran.json()["summary"];
    let counts = ["stale", "created", "unchanged", "failed"].map(|name| summary[name].clone());
    assert_eq!(counts, [1, 1, 1, 0].map(Value::from));
    let run = tenant.newest_run();
    let stale = rows(&run.join("errors.csv"));
    assert_eq!((stale.len(), stale[0]["_status"].as_str()), (1, "stale"));
    assert_contains(
        &stale[0]["_error"],
        "its enabled was \"true\" and is \"false\"",
    );
    assert_eq!(tenant.object("portal_links", "A")["link"], "a.example");
    let verified = tenant.run(&["verify"]).expect(0);
    assert_contains(&verified.stdout, "0 failed, 1 stale, 1 skipped");
    tenant.run(&["retry", "--yes"]).expect(0);
    assert_eq!(tenant.object("portal_links", "A")["link"], "new.example");
}

#[test]
fn programs_are_told_of_a_stale_row_as_of_one_not_done() {
    let tenant = reviewed();
    tenant
        .apply("other.csv", "name,url,enabled\nA,https://a.example,no\n")
        .expect(0);
    let told = [
        "--junit",
        "j.xml",
        "--metrics",
        "m.prom",
        "--events",
        "e.jsonl",
    ];
    apply(&tenant, &[&["links.plan"], &told[..]].concat()).expect(4);
    let read = |name: &str| fs::read_to_string(tenant.path(name)).unwrap();
    assert_contains(&read("j.xml"), "failures=\"1\"");
    let metrics = read("m.prom");
    assert_contains(&metrics, "state=\"stale\"} 1");
    assert!(!metrics.contains("zpa_bulk_last_success_timestamp_seconds{"));
    assert_contains(&read("e.jsonl"), "\"status\":\"stale\"");
}

#[test]
fn a_refreshed_plan_is_made_anew_from_the_saved_rows() {
    let tenant = reviewed();
    tenant
        .apply("other.csv", "name,url,enabled\nA,https://a.example,no\n")
        .expect(0);
    fs::remove_file(tenant.path("changes.csv")).unwrap();
    apply(&tenant, &["links.plan", "--refresh"]).expect(0);
    let link = tenant.object("portal_links", "A");
    assert_eq!(
        (&link["link"], &link["enabled"]),
        (&json!("new.example"), &json!(false))
    );
}

/// A change of one byte of the plan, with the checksum that anyone can make.
fn forged(text: &str) -> String {
    let (lines, _) = text.trim_end().rsplit_once('\n').unwrap();
    let lines = format!("{}\n", lines.replace("new.example", "bad.example"));
    let mut end: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let sum = digest(&SHA256, lines.as_bytes());
    let sum: String = sum.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    end["end"]["sha256"] = json!(sum);
    format!("{lines}{end}\n")
}

#[test]
fn a_plan_that_is_not_the_users_own_is_refused() {
    let tenant = reviewed();
    let text = fs::read_to_string(tenant.path("links.plan")).unwrap();
    tenant.write_private("cut.plan", &text[..text.len() / 2]);
    let shorter: Vec<&str> = text.lines().take(3).collect();
    tenant.write_private("shorter.plan", &(shorter.join("\n") + "\n"));
    tenant.write_private("altered.plan", &text.replace("new.example", "bad.example"));
    tenant.write_private("forged.plan", &forged(&text));
    tenant.write_private(
        "newer.plan",
        &text.replace("{\"zpa_bulk_plan\":1", "{\"zpa_bulk_plan\":2"),
    );
    let before = tenant.log().len();
    for (name, why) in [
        ("cut.plan", "cut off"),
        ("shorter.plan", "cut off"),
        ("altered.plan", "its checksum does not fit"),
        ("forged.plan", "not trusted"),
        ("newer.plan", "has format 2"),
    ] {
        let ran = apply(&tenant, &[name]).expect(7);
        assert_contains(&ran.stderr, why);
        apply(&tenant, &[name, "--refresh"]).expect(7);
    }
    let mut elsewhere: Command = tenant.command(&["apply", "links.plan", "--yes"]);
    let ran = Ran::of(elsewhere.env("ZPA_CUSTOMER_ID", "72")).expect(7);
    assert_contains(&ran.stderr, "this plan is of tenant");
    let ran = apply(&tenant, &["links.plan", "--set", "enabled=no"]).expect(2);
    assert_contains(&ran.stderr, "--set is for manifests");
    let ran = apply(&tenant, &["links.csv", "links.plan"]).expect(3);
    assert_contains(&ran.stderr, "links.plan:1: the file is a saved plan");
    assert_eq!(tenant.log().len(), before, "nothing was sent");
    apply(&tenant, &["forged.plan", "--trust-plan"]).expect(0);
    assert_eq!(tenant.object("portal_links", "A")["link"], "bad.example");
}

#[test]
fn a_killed_run_of_a_saved_plan_is_resumed() {
    let tenant = reviewed();
    let links: String = (0..12)
        .map(|n| format!("N{n},https://n{n}.example\n"))
        .collect();
    tenant.write(
        "many.csv",
        &format!("name,url\nA,https://new.example\n{links}"),
    );
    let plan = ["plan", "many.csv", "-o", "many.plan", "--batch-size", "1"];
    tenant.run(&plan).expect(0);
    let mut apply = tenant.command(&["apply", "many.plan", "--yes", "--jobs", "1"]);
    let run = tenant.killed_after(3, apply.args(["--write-quota", "1/100ms"]));
    let left = tenant.object("portal_links", "A")["link"] == "a.example";
    tenant
        .apply(
            "other.csv",
            "name,url,description\nA,https://theirs.example,theirs\n",
        )
        .expect(0);
    let resumed = tenant.run(&["resume", run.to_str().unwrap(), "--json"]);
    let summary = resumed.json()["summary"].clone();
    assert_eq!(summary["end"], "finished");
    assert_eq!(summary["failed"], 0);
    assert_eq!(summary["stale"], u64::from(left));
    assert_eq!(tenant.names("portal_links").len(), 14);
}

#[test]
fn a_name_that_stands_for_another_file_is_refused() {
    let tenant = reviewed();
    let before = tenant.log().len();
    for name in ["links.csv", "plan.xlsx", "plan.json", "-"] {
        let ran = tenant.run(&["plan", "changes.csv", "-o", name]).expect(2);
        assert_contains(&ran.stderr, "name it like links.plan");
    }
    assert_eq!(tenant.log().len(), before);
    tenant.write("notes", "mine\n");
    let ran = tenant
        .run(&["plan", "changes.csv", "-o", "notes"])
        .expect(2);
    assert_contains(&ran.stderr, "something else than a saved plan is there");
    let broken = tenant.write("broken.csv", "name,url\nA,nowhere\n");
    let broken = broken.to_str().unwrap();
    tenant.run(&["plan", broken, "-o", "links.plan"]).expect(3);
    apply(&tenant, &["links.plan"]).expect(0);
}

#[test]
fn a_rehearsed_plan_is_for_no_real_tenant() {
    let tenant = reviewed();
    let plan = ["plan", "links.csv", "--simulate", "-o", "rehearsed.plan"];
    tenant.run(&plan).expect(0);
    apply(&tenant, &["rehearsed.plan", "--simulate"]).expect(0);
    apply(&tenant, &["rehearsed.plan"]).expect(2);
    apply(&tenant, &["links.plan", "--simulate"]).expect(2);
}
