//! Pruning connectors as a user does it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;
use zpa_bulk::coordination::{Coordination, Now};

use crate::support::command::{Ran, assert_contains, rows};
use crate::support::scripted::{NONE, TOKEN, command, server_at};
use crate::support::tenant::{CUSTOMER, QUICK, Tenant};

fn start(scenario: &str) -> Tenant {
    let tenant = Tenant::start(&format!("{QUICK}{scenario}"));
    tenant.wake();
    tenant
}

fn stale(tenant: &Tenant) -> usize {
    let names = tenant.names("connectors");
    names
        .iter()
        .filter(|name| name.starts_with("stale"))
        .count()
}

fn bulk_deletes(tenant: &Tenant) -> Vec<Value> {
    let writes = tenant.log_of("write").into_iter();
    writes
        .filter(|entry| {
            entry["path"]
                .as_str()
                .unwrap()
                .ends_with("/connector/bulkDelete")
        })
        .collect()
}

fn prune<'a>(extra: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["prune", "connectors", "--disconnected-for", "30d"];
    args.extend(extra);
    args
}

/// Applies a reviewed choice.
const APPLY: [&str; 5] = [
    "apply",
    "chosen.csv",
    "--yes",
    "--json",
    "--max-deletes=100%",
];

const CONFIRM: &str = "--confirm=145283994705985536";

#[test]
fn stale_connectors_go_in_one_call_between_listings() {
    let tenant = start("");
    let (before, left) = (tenant.names("connectors"), 9);
    let ran = tenant
        .run(&prune(&["--max-deletes=10", CONFIRM, "--json"]))
        .expect(0);
    assert_eq!(ran.json()["summary"]["deleted"], 10);
    assert_eq!(
        (before.len(), tenant.names("connectors").len()),
        (left + 10, left)
    );
    assert_eq!(stale(&tenant), 0);
    let calls: Vec<(String, String)> = tenant
        .log()
        .iter()
        .filter(|entry| entry["class"] != "auth")
        .skip(1)
        .map(|entry| {
            let path = entry["path"].as_str().unwrap().rsplit('/').next().unwrap();
            (
                entry["method"].as_str().unwrap().to_owned(),
                path.to_owned(),
            )
        })
        .collect();
    let expected = [
        ("GET", "connector"),
        ("GET", "connector"),
        ("POST", "bulkDelete"),
        ("GET", "connector"),
    ];
    assert_eq!(calls, expected.map(|(m, p)| (m.to_owned(), p.to_owned())));
    assert_contains(&ran.stderr, "must be enrolled again");
    assert_contains(&ran.stderr, "is spared: it is read-only");
}

#[test]
fn nothing_is_deleted_unless_the_tenant_is_named() {
    let tenant = start("");
    let before = tenant.names("connectors");
    for (args, code) in [
        (prune(&["--max-deletes=10"]), 2),
        (prune(&["--max-deletes=10", "--confirm=1"]), 2),
        (prune(&["--max-deletes=10", "--confirm="]), 2),
        (vec!["prune", "connectors", CONFIRM], 2),
    ] {
        tenant.run(&args).expect(code);
    }
    assert_eq!(tenant.names("connectors"), before);
    assert!(tenant.log_of("write").is_empty());
    assert!(
        !tenant.path("zpa-bulk-runs").exists()
            || std::fs::read_dir(tenant.path("zpa-bulk-runs"))
                .unwrap()
                .next()
                .is_none()
    );
}

#[test]
fn more_than_a_tenth_stops_the_command_by_default() {
    let tenant = start("");
    let ran = tenant.run(&prune(&[CONFIRM])).expect(8);
    assert_contains(
        &ran.stderr,
        "10 app connectors would be deleted; at most 1 may be",
    );
    tenant
        .run(&prune(&[CONFIRM, "--max-deletes=50%"]))
        .expect(8);
    assert!(tenant.log_of("write").is_empty());
    tenant
        .run(&prune(&[CONFIRM, "--max-deletes=60%"]))
        .expect(0);
    assert_eq!(stale(&tenant), 0);
}

#[test]
fn connectors_that_come_back_are_spared() {
    let tenant = start("connectors = { stale = 40, live = 40, come_back = 0.5 }");
    let ran = tenant
        .run(&prune(&["--max-deletes=100%", CONFIRM, "--json"]))
        .expect(0);
    let summary = &ran.json()["summary"];
    let spared = summary["spared"].as_u64().unwrap();
    assert!((5..=35).contains(&spared), "{spared}");
    assert_eq!(summary["deleted"], 40 - spared);
    let connectors = tenant.objects("connectors").into_iter();
    let back = connectors.filter(|one| {
        one["name"].as_str().unwrap().starts_with("stale")
            && one["controlChannelStatus"] == "ZPN_STATUS_AUTHENTICATED"
    });
    assert_eq!(back.count() as u64, spared);
    assert_eq!(stale(&tenant) as u64, spared);
    let skipped = rows(&tenant.run_dir().join("skipped.csv"));
    assert_eq!(skipped.len() as u64, spared);
    assert!(
        skipped
            .iter()
            .all(|row| row["_status"] == "spared" && row["_error"] == "it is connected again")
    );
}

#[test]
fn a_listing_that_breaks_off_deletes_nothing() {
    let tenant = start(
        "connectors = { live = 1000, stale = 400 }\nfaults = { fail_page = 3 }\nquota = { read = \"500/10s\" }",
    );
    let ran = tenant
        .run(&prune(&[
            CONFIRM,
            "--max-deletes=100%",
            "--max-attempts=2",
            "--read-quota=off",
        ]))
        .expect(8);
    assert_contains(&ran.stderr, "cannot be read");
    assert!(tenant.log_of("write").is_empty());
    assert_eq!(stale(&tenant), 400);
}

#[test]
fn a_dark_group_is_spared_and_one_stays_in_each() {
    let tenant = start(
        "connectors = { live = 4, stale = 9, groups = 2, dark_groups = 1, never_connected = 0 }",
    );
    let dark = |tenant: &Tenant| {
        let mut groups: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for one in tenant.objects("connectors") {
            let name = one["appConnectorGroupName"].as_str().unwrap().to_owned();
            let group = groups.entry(name).or_default();
            group.0 += 1;
            group.1 += usize::from(one["controlChannelStatus"] == "ZPN_STATUS_AUTHENTICATED");
        }
        groups
            .values()
            .find(|(_, live)| *live == 0)
            .map_or(0, |(all, _)| *all)
    };
    let all = dark(&tenant);
    assert!(all > 1);
    let ran = tenant
        .run(&prune(&[CONFIRM, "--max-deletes=100%"]))
        .expect(0);
    assert_contains(&ran.stderr, "looks like an outage (--include-dark-groups)");
    assert_eq!(dark(&tenant), all);
    let ran = tenant
        .run(&prune(&[
            CONFIRM,
            "--max-deletes=100%",
            "--include-dark-groups",
        ]))
        .expect(0);
    assert_contains(&ran.stderr, "its group keeps 1 (--keep-per-group)");
    assert_eq!(dark(&tenant), 1);
}

#[test]
fn a_reviewed_choice_is_applied_with_the_same_checks() {
    let tenant = start("connectors = { stale = 20, live = 20, come_back = 0.5 }");
    tenant.run(&prune(&["-o", "chosen.csv"])).expect(0);
    assert_eq!(rows(&tenant.path("chosen.csv")).len(), 20);
    assert!(tenant.log_of("write").is_empty());
    let ran = tenant
        .run(&["apply", "chosen.csv", "--yes", "--max-deletes=3"])
        .expect(8);
    assert_contains(&ran.stderr, "at most 3 may be");
    assert!(tenant.log_of("write").is_empty());
    let summary = tenant.run(&APPLY).summary();
    assert!(summary["spared"].as_u64().unwrap() > 0);
    assert_eq!(stale(&tenant) as u64, summary["spared"].as_u64().unwrap());
}

#[test]
fn a_manifest_that_would_empty_a_group_is_stopped() {
    let tenant = start(
        "connectors = { live = 2, stale = 2, groups = 2, never_connected = 0, read_only = 0 }",
    );
    let mut manifest = "resource,action,id\n".to_owned();
    for one in tenant.objects("connectors") {
        if one["appConnectorGroupName"] == "Connector Group 1" {
            manifest += &format!("connector,delete,{}\n", one["id"].as_str().unwrap());
        }
    }
    tenant.write("group.csv", &manifest);
    let args = ["apply", "group.csv", "--yes", "--max-deletes=100%"];
    let ran = tenant.run(&args).expect(8);
    assert_contains(&ran.stderr, "it must keep 1 (--keep-per-group)");
    assert!(tenant.log_of("write").is_empty());
    let mut told = args.to_vec();
    told.push("--keep-per-group=0");
    tenant.run(&told).expect(0);
    assert_eq!(tenant.names("connectors").len(), 2);
}

#[test]
fn a_connector_left_out_is_tried_alone_and_reported() {
    let tenant = start(
        "connectors = { stale = 4, live = 6, read_only = 0 }\nbulk_delete = { unknown_ids = \"refuse\" }",
    );
    tenant.run(&prune(&["-o", "chosen.csv"])).expect(0);
    // Somebody else deletes one between the choice and its application.
    let gone = rows(&tenant.path("chosen.csv"))[0]["id"].clone();
    tenant.write(
        "other.csv",
        &format!("resource,action,id\nconnector,delete,{gone}\n"),
    );
    tenant.run(&["apply", "other.csv", "--yes"]).expect(0);
    let summary = tenant.run(&APPLY).summary();
    assert_eq!(
        (&summary["deleted"], &summary["unchanged"]),
        (&3.into(), &1.into())
    );
    assert_eq!(stale(&tenant), 0);
}

#[test]
fn microtenants_are_never_mixed_in_one_call() {
    let tenant =
        start("microtenants = { names = [\"North\", \"South\"] }\nconnectors = { stale = 5 }");
    let ids = tenant.microtenants();
    let mut manifests = Vec::new();
    for (n, id) in ["0", &ids[0], &ids[1]].into_iter().enumerate() {
        let file = format!("chosen{n}.csv");
        tenant
            .run(&prune(&["--microtenant", id, "-o", &file]))
            .expect(0);
        manifests.push(file);
    }
    let mut args = vec!["apply", "--yes", "--json", "--max-deletes=100%"];
    args.extend(manifests.iter().map(String::as_str));
    let ran = tenant.run(&args).expect(0);
    assert_eq!(ran.json()["summary"]["deleted"], 15);
    assert_eq!(stale(&tenant), 0);
    let queries: Vec<String> = bulk_deletes(&tenant)
        .iter()
        .map(|entry| entry["query"].as_str().unwrap_or_default().to_owned())
        .collect();
    let mut expected = vec!["microtenantId=0".to_owned()];
    expected.extend(ids.iter().map(|id| format!("microtenantId={id}")));
    let mut sorted = queries.clone();
    sorted.sort();
    expected.sort();
    assert_eq!(sorted, expected);
}

#[test]
fn an_unknown_name_or_group_stops_the_command() {
    let tenant = start("");
    for args in [
        ["--protect", "./keep-list-that-is-not-there.txt"],
        ["--group", "No such group"],
    ] {
        let mut args = args.to_vec();
        args.extend([CONFIRM, "--max-deletes=100%"]);
        let ran = tenant.run(&prune(&args)).expect(2);
        assert_contains(&ran.stderr, "there is no connector");
    }
    assert!(tenant.log_of("write").is_empty());
    tenant.write("keep.txt", "# ours\nSTALE-04\nstale-05\n");
    let ran = tenant
        .run(&prune(&[
            "--protect",
            "keep.txt",
            CONFIRM,
            "--max-deletes=100%",
            "--json",
        ]))
        .expect(0);
    assert_eq!(ran.json()["summary"]["deleted"], 8);
    assert_eq!(stale(&tenant), 2);
}

#[test]
fn a_connector_enrolled_anew_is_another() {
    let tenant = start("connectors = { live = 30, stale = 2 }");
    // One row as prune writes it, one as a person does.
    let row = |condition: &str| {
        format!(
            "resource,action,id,name,disconnected_since\nconnector,delete,123456789012345678,stale-02,{condition}\n"
        )
    };
    tenant.write("chosen.csv", &row("2026-01-01T00:00:00Z"));
    let ran = tenant
        .run(&["apply", "chosen.csv", "--yes", "--json"])
        .expect(0);
    assert_eq!(ran.json()["summary"]["unchanged"], 1);
    tenant.write("by-hand.csv", &row(""));
    tenant.run(&["apply", "by-hand.csv", "--yes"]).expect(4);
    assert!(tenant.log_of("write").is_empty());
}

#[test]
fn it_waits_while_another_process_plans() {
    let tenant = start("");
    let state = tenant.path("state/zpa-bulk/tenants");
    let table = Coordination::open(&state, CUSTOMER, Now::read()).unwrap();
    let other = table.lock_planning().unwrap().unwrap();
    let mut child = tenant
        .command(&prune(&["--max-deletes=10", CONFIRM]))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let waits = said.any(|line| line.unwrap().starts_with("waiting for process"));
    assert!(waits);
    assert_eq!((stale(&tenant), tenant.writes()), (10, 0));
    drop(other);
    said.for_each(drop);
    assert!(child.wait().unwrap().success());
    assert_eq!(stale(&tenant), 0);
}

#[test]
fn connectors_are_not_older_than_by_the_servers_clock() {
    // By the server's clock the connector is disconnected for a day, and by this machine's for years.
    let disconnected = "946598400";
    let date = "Sat, 01 Jan 2000 00:00:00 GMT".to_owned();
    let one = |id: u8, status: &str, gone: &str| {
        format!(
            r#"{{"id":"{id}","name":"c{id}","appConnectorGroupId":"1","creationTime":"900000000","controlChannelStatus":"ZPN_STATUS_{status}","lastBrokerConnectTime":"940000000","lastBrokerDisconnectTime":"{gone}","currentVersion":"1"}}"#
        )
    };
    let list = [
        one(7, "DISCONNECTED", disconnected),
        one(8, "AUTHENTICATED", "930000000"),
    ]
    .join(",");
    let connector = format!(r#"{{"totalPages":"1","totalCount":"2","list":[{list}]}}"#);
    let connector: &'static str = connector.leak();
    for (age, chosen) in [("30d", 0), ("12h", 1)] {
        let (url, _) = server_at(date.clone(), move |_, path| match path {
            "/signin" => (200, TOKEN),
            path if path.contains("/connector") => (200, connector),
            _ => (200, NONE),
        });
        let args = [
            "prune",
            "connectors",
            "--disconnected-for",
            age,
            "--keep-per-group",
            "0",
            "-o",
            "-",
        ];
        let ran = Ran::of(&mut command(&url, &args)).expect(0);
        assert_eq!(
            ran.stdout.matches("delete,7,").count(),
            chosen,
            "{age}: {}",
            ran.stdout
        );
    }
}
