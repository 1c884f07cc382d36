//! Every change goes out on a fresh reading, whatever delays it. The tenant's log says how old each reading was.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::time::sleep;
use zpa_bulk::engine::End;
use zpa_bulk::pacer::QuotaScope;
use zpa_bulk::sim::LogEntry;

use crate::support::desk::{Applied, Desk};
use crate::support::manifests::manifest;
use crate::support::wire::{ROOMY, Wire};

/// The bound on the age, and the way of both calls to the tenant.
const BOUND: Duration = Duration::from_millis(2100);

/// The age of what was read for each change: the time since the last reading of the same object, or of all objects for a
/// change of several.
fn ages(wire: &Wire) -> Vec<Duration> {
    let log = wire.tenant.log();
    let is_change = |entry: &&LogEntry| {
        matches!(&*entry.method, "PUT" | "DELETE") || entry.path.ends_with("/bulkDelete")
    };
    let age = |change: &LogEntry| {
        let path = change.path.trim_end_matches("/bulkDelete");
        let lists = |entry: &LogEntry| {
            path.rsplit_once('/')
                .is_some_and(|(all, _)| entry.path == all)
        };
        let mut before = log.iter().filter(|entry| entry.at <= change.at);
        let read =
            before.rfind(|entry| entry.method == "GET" && (entry.path == path || lists(entry)));
        change.at.saturating_sub(read.unwrap().at)
    };
    log.iter().filter(is_change).map(age).collect()
}

/// Applies a manifest of links, and then another with a new address for each of them.
async fn update(desk: &Desk, wire: &Wire, links: usize) -> Applied {
    desk.apply(wire, &manifest(links)).await;
    let mut updates = "name,url,action\n".to_owned();
    for name in wire.names() {
        writeln!(updates, "{name},https://new.example/,update").unwrap();
    }
    // The next engine does not know what this one has sent.
    sleep(Duration::from_secs(60)).await;
    let applied = desk.apply(wire, &updates).await;
    assert_eq!(applied.end, End::Finished);
    assert_eq!(applied.ledger.tally().updated, links as u64);
    applied
}

#[tokio::test(start_paused = true)]
async fn updates_at_the_quota_are_read_just_before() {
    let wire = Wire::new("latency = { base = \"80ms\", jitter = \"0s\" }");
    let mut desk = Desk::new();
    desk.settings.quota_scope = QuotaScope::Tenant;
    update(&desk, &wire, 60).await;
    let mut ages = ages(&wire);
    ages.sort();
    assert_eq!(ages.len(), 60);
    assert!(ages[59] <= BOUND, "{ages:?}");
    assert!(ages[30] <= Duration::from_millis(300), "{ages:?}");
    assert_eq!(wire.refusals(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_pause_makes_every_reading_be_made_anew() {
    for scope in [QuotaScope::Tenant, QuotaScope::Endpoint] {
        let fault = "[[fault]]\nkind = \"status\"\nstatus = 429\nmatch = \"PUT *\"\nretry_after = \"20s\"\ntimes = 3\n";
        let wire = Wire::new(&format!("{ROOMY}\n{fault}"));
        let mut desk = Desk::new();
        desk.settings.quota_scope = scope;
        update(&desk, &wire, 40).await;
        let oldest = ages(&wire).into_iter().max().unwrap();
        assert!(oldest <= BOUND, "{oldest:?} with {scope}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bulk_delete_is_listed_again_after_a_pause() {
    let fault = "[[fault]]\nkind = \"status\"\nstatus = 429\nmatch = \"POST */bulkDelete\"\nretry_after = \"20s\"\ntimes = 1\n";
    let wire = Wire::new(&format!(
        "connectors = {{ live = 2, stale = 9, groups = 1 }}\n{fault}"
    ));
    let rows: String = (1..6)
        .map(|n| format!("connector,delete,stale-{n:02}\n"))
        .collect();
    let manifest = format!("resource,action,name\n{rows}");
    let applied = Desk::new().apply(&wire, &manifest).await;
    assert_eq!(applied.end, End::Finished);
    let ages = ages(&wire);
    assert_eq!(ages.len(), 2, "the refused one and the other");
    assert!(ages.iter().all(|age| *age <= BOUND), "{ages:?}");
}

#[tokio::test(start_paused = true)]
async fn slow_answers_are_no_reason_to_read_for_ever() {
    let wire = Wire::new("latency = { base = \"5s\", jitter = \"0s\" }");
    update(&Desk::new(), &wire, 5).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_late_for_once_is_read_again() {
    // As it happens to a process that is stopped while it waits for the answer.
    let late = "[[fault]]\nkind = \"timeout\"\nmatch = \"GET */userPortalLink/*\"\ntimes = 1\ndelay = \"20s\"\n";
    let wire = Wire::new(&format!("{ROOMY}\n{late}"));
    update(&Desk::new(), &wire, 3).await;
    let ages = ages(&wire);
    assert_eq!(ages.len(), 3);
    assert!(ages.iter().all(|age| *age <= BOUND), "{ages:?}");
}
