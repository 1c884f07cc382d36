//! `zpa-bulk verify`: it believes nothing that a run says of itself, and finds every change made by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::command::{Ran, assert_contains, rows};
use crate::support::tenant::{CUSTOMER, OPEN, TWINS, Tenant};

const LINKS: &str = "name,url,user_portals\n\
                     Wiki,https://wiki.example,Employee Portal\n\
                     Docs,https://docs.example,Employee Portal\n\
                     \"Odd, \"\"=name\"\"\",https://odd.example,\n\
                     Mail,https://mail.example,Partner Portal\n";

/// Applies a manifest as another user, whose runs are elsewhere.
fn behind_its_back(tenant: &Tenant, manifest: &str) {
    tenant.write("theirs.csv", manifest);
    tenant
        .run(&["apply", "theirs.csv", "--yes", "--runs-dir", "theirs"])
        .expect(0);
}

fn applied(tenant: &Tenant, manifest: &str, code: i32) -> PathBuf {
    tenant.apply("mine.csv", manifest).expect(code);
    tenant.run_dir()
}

fn verify(tenant: &Tenant, run: &Path) -> Ran {
    tenant.run(&["verify", run.to_str().unwrap(), "--json"])
}

/// The findings, as one line each.
fn findings(ran: &Ran) -> Vec<String> {
    let document = ran.json();
    assert_eq!(document["holds"], false);
    let found = document["findings"].as_array().unwrap();
    let text = |finding: &Value, member: &str| finding[member].as_str().unwrap_or("-").to_owned();
    let line = |finding: &Value| {
        ["at", "row", "name", "claimed", "found"]
            .map(|member| text(finding, member))
            .join(" | ")
    };
    found.iter().map(line).collect()
}

/// Changes a file of the run and has it verified; then puts the file back.
fn with(tenant: &Tenant, run: &Path, file: &str, change: impl Fn(&str) -> String) -> Ran {
    let path = run.join(file);
    let before = fs::read_to_string(&path).unwrap();
    let changed = change(&before);
    assert_ne!(changed, before, "{file}");
    fs::write(&path, changed).unwrap();
    let ran = verify(tenant, run);
    fs::write(&path, before).unwrap();
    ran
}

#[test]
fn a_run_of_every_resource_takes_one_listing_each() {
    let tenant = Tenant::start(&format!(
        "{OPEN}tenant = {{ links = 3 }}\nmicrotenants = {{ names = [\"North\"] }}\n\
         domains = {{ seed = [\"old.example\", \"stays.example\"] }}\n"
    ))
    .unpaced();
    let north = tenant.microtenants().remove(0);
    let manifest = format!(
        "resource,microtenant,name,action,url,user_portals,domain,frequency_interval,description,ext_label,ext_domain\n\
         portal-link,,Wiki,,https://wiki.example,Employee Portal,,,,,\n\
         portal-link,{north},Wiki,,https://wiki.example,Employee Portal,,,,,\n\
         portal-link,,Seeded Link 0001,update,,,,,Changed & kept,,\n\
         portal-link,,Seeded Link 0002,delete,,,,,,,\n\
         portal-link,,Never there,delete,,,,,,,\n\
         user-portal,,Field Portal,,,,,,,field-1,acme.com\n\
         domain,,,,,,New.Example,,,,\n\
         domain,,,delete,,,old.example,,,,\n\
         connector-schedule,,,,,,,30,,,\n\
         connector,,stale-02,delete,,,,,,,\n\
         connector,,stale-03,update,,,,,Old,,\n"
    );
    let run = applied(&tenant, &manifest, 0);
    let reads = || tenant.log_of("read").len();
    let before = reads();
    let document = verify(&tenant, &run).expect(0).json();
    assert_eq!(document["holds"], true);
    assert_eq!(document["confirmed"], 10);
    let rows = serde_json::json!({
        "rows_in": 11, "succeeded": 10, "failed": 0, "stale": 0, "skipped": 1, "unknown": 0,
    });
    assert_eq!(document["rows"], rows);
    // Links of two microtenants, portals, domains, the schedule and connectors; and of each collection the object that was
    // changed last, by its id.
    assert_eq!(reads() - before, 6 + 4);
    let text = tenant
        .run(&["verify", run.to_str().unwrap()])
        .expect(0)
        .stdout;
    assert_eq!(
        text,
        "11 rows in; out: 10 succeeded, 0 failed, 1 skipped, 0 unknown\n\
         10 successes confirmed on the tenant\n\
         everything is as the run says\n"
    );
}

#[test]
fn changes_behind_its_back_are_named() {
    let tenant = Tenant::start(&format!("{OPEN}tenant = {{ links = 3 }}\n")).unpaced();
    let run = applied(
        &tenant,
        &format!(
            "resource,action,domain,{LINKS}portal-link,delete,,Seeded Link 0001,,\ndomain,,new.example,,,\n"
        )
        .replace("\nWiki", "\nportal-link,,,Wiki")
        .replace("\nDocs", "\nportal-link,,,Docs")
        .replace("\n\"Odd", "\nportal-link,,,\"Odd")
        .replace("\nMail", "\nportal-link,,,Mail"),
        0,
    );
    verify(&tenant, &run).expect(0);
    let id = |name: &str| tenant.id("portal_links", name);
    let (wiki, docs, mail) = (id("Wiki"), id("Docs"), id("Mail"));
    behind_its_back(
        &tenant,
        "resource,action,name,url,user_portals,domain\n\
         portal-link,delete,Wiki,,,\n\
         portal-link,update,Docs,https://other.example,,\n\
         portal-link,delete,Mail,,,\n\
         domain,delete,,,,new.example\n",
    );
    behind_its_back(
        &tenant,
        "name,url\nMail,https://mail.example\nSeeded Link 0001,https://again.example\n",
    );
    let found = findings(&verify(&tenant, &run).expect(4));
    let again = id("Mail");
    let expected = [
        format!(
            "tenant | mine.csv:2 | Wiki | created with the id {wiki} | there is no portal link with the id {wiki}"
        ),
        format!(
            "tenant | mine.csv:3 | Docs | created with the id {docs} | its link is \"other.example\", not \"docs.example\""
        ),
        format!(
            "tenant | mine.csv:5 | Mail | created with the id {mail} | no portal link has that id; one of that name has the id {again}"
        ),
    ];
    assert_eq!(found[..3], expected);
    assert!(
        found[3].starts_with("tenant | mine.csv:7 | new.example | created"),
        "{}",
        found[3]
    );
    assert_eq!(found.len(), 4, "{found:#?}");
    let text = tenant
        .run(&["verify", run.to_str().unwrap()])
        .expect(4)
        .stdout;
    assert_contains(
        &text,
        "tenant: mine.csv:2 \"Wiki\": claimed: created with the id",
    );
}

/// A file of a run, a change of its text, and a part of the first finding.
type ByHand = (&'static str, fn(&str) -> String, &'static str);

const BY_HAND: [ByHand; 10] = [
    (
        "success.csv",
        |text| text.replacen("created", "deleted", 1),
        "success.csv | mine.csv:2 | Wiki | _status is \"deleted\" | by plan and journal it is \"created\"",
    ),
    (
        "success.csv",
        |text| text.replacen("docs.example", "docs.evil", 1),
        "mine.csv:3 | Docs | url is \"https://docs.evil\"",
    ),
    (
        "success.csv",
        |text| drop_line(text, 2),
        "success.csv | mine.csv:3 | Docs | created, by plan and journal | the row is not in this file",
    ),
    (
        "success.csv",
        |text| format!("{text},Ghost,https://g.example,,7,created,5,,,1\n"),
        "success.csv | mine.csv:7 | - | created | by plan and journal this row does not belong here",
    ),
    (
        "errors.csv",
        |text| drop_line(text, 1),
        "errors.csv | mine.csv:7 | Gone | failed",
    ),
    (
        "success.csv",
        |text| format!("{text}\"{}", "x".repeat(17 << 20)),
        "success.csv | - | - | its SHA-256 was",
    ),
    // The rows say the same, but it is not the file that was written.
    (
        "success.csv",
        |text| text.replace(",Docs,", ",\"Docs\","),
        "success.csv | - | - | its SHA-256 was",
    ),
    (
        "report.json",
        |text| text.replacen("\"created\": 5", "\"created\": 6", 1),
        "report.json | - | - | the numbers are",
    ),
    (
        "report.json",
        |text| text.replacen("there is no", "there was no", 1),
        "report.json | mine.csv:7 | Gone",
    ),
    (
        "report.json",
        |text| text[..text.len() / 2].to_owned(),
        "report.json | - | - | it is the report",
    ),
];

#[test]
fn a_result_that_was_changed_by_hand_is_named() {
    let tenant = Tenant::start(OPEN).unpaced();
    let manifest =
        format!("action,{LINKS}create,Staff,https://a.example,\nupdate,Gone,https://b.example,\n")
            .replace("\nWiki", "\n,Wiki")
            .replace("\nDocs", "\n,Docs")
            .replace("\n\"Odd", "\n,\"Odd")
            .replace("\nMail", "\n,Mail");
    let run = applied(&tenant, &manifest, 4);
    let document = verify(&tenant, &run).expect(0).json();
    assert_eq!(document["rows"]["failed"], 1);
    for (file, change, expected) in BY_HAND {
        let found = findings(&with(&tenant, &run, file, change).expect(4));
        assert_contains(&found[0], expected);
    }
    let found = with(&tenant, &run, "success.csv", |text| drop_line(text, 2));
    let found = findings(&found.expect(4)).join("\n");
    assert_contains(&found, "there are 6 rows");
    fs::remove_file(run.join("skipped.csv")).unwrap();
    let found = findings(&verify(&tenant, &run).expect(4));
    assert_eq!(
        found,
        ["skipped.csv | - | - | it was written | it is missing"]
    );
}

fn drop_line(text: &str, number: usize) -> String {
    let lines = text.split_inclusive('\n').enumerate();
    lines
        .filter(|(at, _)| *at != number)
        .map(|(_, line)| line)
        .collect()
}

#[test]
fn a_cut_journal_is_found_wherever_it_was_cut() {
    let tenant = Tenant::start(OPEN).unpaced();
    let run = applied(&tenant, LINKS, 0);
    let text = fs::read_to_string(run.join("journal.jsonl")).unwrap();
    let lines = text.lines().count();
    assert!(lines > 2, "{text}");
    for kept in 1..lines {
        let cut: String = text.split_inclusive('\n').take(kept).collect();
        let found = findings(&with(&tenant, &run, "journal.jsonl", |_| cut.clone()).expect(4));
        let expected = format!("it has {kept}: records were cut off or changed");
        assert!(found[0].starts_with("journal.jsonl | "), "{found:?}");
        assert!(found[0].ends_with(&expected), "{found:?}");
    }
    let found = with(&tenant, &run, "journal.jsonl", |text| {
        text[..text.len() - 9].to_owned()
    });
    let found = findings(&found.expect(4));
    assert!(found[0].starts_with("journal.jsonl | "), "{found:?}");
    // All of what it said is there, and something behind it.
    let found = with(&tenant, &run, "journal.jsonl", |text| {
        format!("{text}{{\"seq\":")
    });
    let found = findings(&found.expect(4));
    assert!(
        found[0].ends_with("its last line is not whole"),
        "{found:?}"
    );
}

#[test]
fn a_cut_journal_is_found_without_results() {
    let tenant = Tenant::start(OPEN).unpaced();
    let run = applied(&tenant, LINKS, 0);
    // As a run that was killed leaves it.
    fs::remove_file(run.join("report.json")).unwrap();
    verify(&tenant, &run).expect(5);
    let text = fs::read_to_string(run.join("journal.jsonl")).unwrap();
    let header: String = text.split_inclusive('\n').take(1).collect();
    let found = findings(&with(&tenant, &run, "journal.jsonl", |_| header.clone()).expect(4));
    assert_eq!(
        found,
        [
            "journal.jsonl | - | - | it had more records | it ends after record 1: the rest was cut off"
        ]
    );
    fs::write(run.join("journal.jsonl"), header).unwrap();
    let shown = tenant.run(&["verify", run.to_str().unwrap()]).expect(4);
    assert_contains(
        &shown.stdout,
        "not everything is as the run says\nthe run is unfinished: 0 of ",
    );
}

#[test]
fn a_changed_plan_header_or_record_is_refused() {
    let tenant = Tenant::start(OPEN).unpaced();
    let run = applied(&tenant, LINKS, 0);
    for (file, old, new, said) in [
        (
            "plan.jsonl",
            "docs.example",
            "docs.evil",
            "the plan is not the one",
        ),
        (
            "journal.jsonl",
            "\"tool\":",
            "\"Tool\":",
            "line 1 is damaged",
        ),
        (
            "journal.jsonl",
            "\"created\"",
            "\"updated\"",
            "is damaged: its checksum",
        ),
    ] {
        let ran = with(&tenant, &run, file, |text| text.replacen(old, new, 1)).expect(7);
        assert_contains(&ran.stderr, said);
    }
    verify(&tenant, &run).expect(0);
}

#[test]
fn an_unfinished_run_is_called_so() {
    let tenant = Tenant::start(OPEN).unpaced();
    tenant.write("mine.csv", LINKS);
    let parked = [
        "--batch-size",
        "1",
        "--write-quota",
        "1/1s",
        "--max-duration",
        "500ms",
    ];
    let mut apply = tenant.command(&["apply", "mine.csv", "--yes"]);
    Ran::of(apply.args(parked)).expect(5);
    let run = tenant.run_dir();
    let ran = verify(&tenant, &run).expect(5);
    assert_contains(&ran.stderr, "to go on: zpa-bulk resume ");
    let shown = tenant.run(&["verify"]).expect(5).stdout;
    assert_contains(
        &shown,
        "all rows that have ended are as the run says\nthe run is unfinished",
    );
    let document = ran.json();
    assert_eq!(
        (&document["finished"], &document["holds"]),
        (&false.into(), &false.into())
    );
    assert_eq!(document["findings"], serde_json::json!([]));
    assert!(
        document["rows"]["unknown"].as_u64().unwrap() > 0,
        "{document}"
    );
    assert_eq!(document["confirmed"], document["rows"]["succeeded"]);
    let early = fs::read_to_string(run.join("report.json")).unwrap();
    tenant.run(&["resume", "--write-quota", "off"]).expect(0);
    verify(&tenant, &run).expect(0);
    // Results that are older than the journal are not held against it, and are written again.
    fs::write(run.join("report.json"), early).unwrap();
    let document = verify(&tenant, &run).expect(5).json();
    assert_eq!(document["findings"], serde_json::json!([]));
    tenant.run(&["resume", run.to_str().unwrap()]).expect(0);
    verify(&tenant, &run).expect(0);
}

/// Refuses the next such call, for good.
fn refused(call: &str) -> String {
    format!("[[fault]]\nkind = \"status\"\nmatch = \"{call}\"\nstatus = 403\ntimes = 1\n")
}

const THREE: &str =
    "name,url,description\nA,https://a.example,\nB,https://b.example,\nC,https://c.example,\n";

/// A run that is to create D, to update A and to delete B.
const REFUSED: &str =
    "action,name,url,description\n,D,https://d.example,\nupdate,A,,new\ndelete,B,,\n";

/// Applies [`REFUSED`] on a tenant that refuses all of it once.
fn all_refused() -> (Tenant, PathBuf) {
    let calls = ["POST */userPortalLink", "PUT *", "DELETE *"];
    let faults: String = calls.into_iter().map(refused).collect();
    let tenant = Tenant::start(&format!("{OPEN}{faults}")).unpaced();
    behind_its_back(&tenant, THREE);
    let run = applied(&tenant, REFUSED, 4);
    verify(&tenant, &run).expect(0);
    (tenant, run)
}

#[test]
fn failures_that_are_done_after_all_are_named() {
    let (tenant, run) = all_refused();
    behind_its_back(&tenant, REFUSED);
    let id = tenant.id("portal_links", "D");
    let found = findings(&verify(&tenant, &run).expect(4));
    let created = format!("it is there as the row asks, with the id {id}");
    assert_eq!(
        found,
        [
            format!("tenant | mine.csv:2 | D | failed | {created}"),
            "tenant | mine.csv:3 | A | failed | it is as the row asks".to_owned(),
            "tenant | mine.csv:4 | B | failed | it is gone".to_owned(),
        ]
    );
}

#[test]
fn failures_that_a_later_run_made_good_are_no_findings() {
    let (tenant, run) = all_refused();
    let retry = ["retry", run.to_str().unwrap(), "--yes"];
    tenant.run(&retry).expect(0);
    verify(&tenant, &run).expect(0);
    verify(&tenant, &tenant.newest_run()).expect(0);
    let (tenant, run) = all_refused();
    tenant.apply("again.csv", REFUSED).expect(0);
    verify(&tenant, &run).expect(0);
    // A retry that finds all of it done takes the rows over too.
    let (tenant, run) = all_refused();
    behind_its_back(&tenant, REFUSED);
    tenant
        .run(&["retry", run.to_str().unwrap(), "--yes"])
        .expect(0);
    verify(&tenant, &run).expect(0);
}

#[test]
fn another_change_than_the_failed_one_is_no_finding() {
    let (tenant, run) = all_refused();
    behind_its_back(
        &tenant,
        "name,url,description\nD,https://other.example,\nA,https://a.example,other\n",
    );
    verify(&tenant, &run).expect(0);
}

#[test]
fn a_spared_object_that_is_gone_is_named() {
    let connectors = "connectors = { stale = 3, live = 2, come_back = 1.0 }\n";
    let tenant = Tenant::start(&format!("{OPEN}{connectors}")).unpaced();
    let confirm = format!("--confirm={CUSTOMER}");
    let prune = [
        "prune",
        "connectors",
        "--disconnected-for=30d",
        "--max-deletes=100%",
        &confirm,
    ];
    tenant.run(&prune).expect(0);
    let run = tenant.newest_run();
    verify(&tenant, &run).expect(0);
    let spared = rows(&run.join("skipped.csv"));
    let deleted = |id: &str, more: &[&str]| {
        let manifest = format!("resource,action,id\nconnector,delete,{id}\n");
        tenant.write("delete.csv", &manifest);
        let guards = ["--max-deletes=5", "--keep-per-group=0"];
        let mut apply = tenant.command(&["apply", "delete.csv", "--yes"]);
        Ran::of(apply.args(guards).args(more)).expect(0);
    };
    // This run has nothing but objects that its plan spares.
    fs::copy(run.join("skipped.csv"), tenant.path("again.csv")).unwrap();
    let ran = tenant.run(&["apply", "again.csv", "--yes", "--json"]);
    assert_eq!(ran.summary()["spared"], 2);
    let planned = tenant.newest_run();
    // The later run tells that it deleted this one.
    deleted(&spared[0]["_id"], &[]);
    verify(&tenant, &run).expect(0);
    deleted(&spared[1]["_id"], &["--runs-dir", "theirs"]);
    let found = findings(&verify(&tenant, &run).expect(4));
    let name = &spared[1]["name"];
    assert_eq!(
        found,
        [format!(
            "tenant | prune connectors:3 | {name} | spared | it is gone"
        )]
    );
    let found = findings(&verify(&tenant, &planned).expect(4));
    assert_eq!(
        found,
        [format!(
            "tenant | again.csv:3 | {name} | spared | it is gone"
        )]
    );
}

#[test]
fn a_link_that_is_there_twice_is_named() {
    let late = "[[fault]]\nkind = \"late-commit\"\nmatch = \"POST */userPortalLink\"\ntimes = 1\n\
                delay = \"3s\"\n";
    let tenant = Tenant::start(&format!("{OPEN}{TWINS}{late}"))
        .unpaced()
        .with("ZPA_BULK_SETTLE", "1ms");
    let manifest = "name,url\nR&D,https://rd.example\n";
    tenant.write("mine.csv", manifest);
    tenant.killed_after(1, &mut tenant.command(&["apply", "mine.csv", "--yes"]));
    tenant.apply("mine.csv", manifest).expect(0);
    let run = tenant.newest_run();
    verify(&tenant, &run).expect(0);
    thread::sleep(Duration::from_secs(3));
    let links = tenant.objects("portal_links");
    let ids = links.iter().map(|link| link["id"].as_str().unwrap());
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    let found = findings(&verify(&tenant, &run).expect(4));
    let twice = format!("2 portal links have this name: {}", ids.join(", "));
    assert_eq!(
        found,
        [format!("tenant | mine.csv:2 | R&D | created | {twice}")]
    );
}

/// Computes the checksums of a journal anew.
fn with_checksums(text: &str) -> String {
    let mut hasher = crc32fast::Hasher::new();
    let line = |line: &str| {
        let (body, _) = line.rsplit_once(",\"crc\"").unwrap();
        hasher.update(body.as_bytes());
        let crc = hasher.clone().finalize();
        format!("{body},\"crc\":\"{crc:08x}\"}}\n")
    };
    text.lines().map(line).collect()
}

#[test]
fn an_object_that_stands_for_two_rows_is_named() {
    let tenant = Tenant::start(OPEN).unpaced();
    let run = applied(&tenant, LINKS, 0);
    let id = |name: &str| tenant.id("portal_links", name);
    let (wiki, docs) = (id("Wiki"), id("Docs"));
    let ran = with(&tenant, &run, "journal.jsonl", |text| {
        with_checksums(&text.replace(&docs, &wiki))
    });
    let found = findings(&ran.expect(4));
    let expected = format!(
        "tenant | mine.csv:3 | Docs | created with the id {wiki} | it is also the id of mine.csv:2"
    );
    assert!(found.contains(&expected), "{found:#?}");
}
