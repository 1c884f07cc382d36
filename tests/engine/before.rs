//! The old state of an object stands in the journal before the call that changes it is sent.

use std::path::Path;
use std::time::Duration;

use zpa_bulk::engine::End;
use zpa_bulk::item::{Event, PRESUMED};
use zpa_bulk::journal;
use zpa_bulk::pacer::QuotaScope;
use zpa_bulk::sim::Class;
use zpa_bulk::wire::{Method, Request};

use crate::support::desk::{Applied, Desk};
use crate::support::wire::{Fault, Wire};

/// The events of a journal, as `before NAME`, `intent` and so on.
fn said(directory: &Path) -> Vec<String> {
    let mut said = Vec::new();
    let mut each = |word: &str, items: usize| said.extend(vec![word.to_owned(); items]);
    journal::replay(directory, |event| match event {
        Event::Intent { call, items } if call == PRESUMED => each("presumed", items.len()),
        Event::Intent { items, .. } => each("intent", items.len()),
        Event::Void { items, .. } => each("void", items.len()),
        Event::Refused { items, .. } => each("refused", items.len()),
        Event::BatchSize(size) => each(&format!("batch size {size}"), 1),
        Event::Outcomes(outcomes) => {
            for outcome in outcomes {
                each(outcome.status.name(), 1);
            }
        }
        Event::Before { object, .. } => {
            let name = object.get("domain").or(object.get("name")).unwrap();
            each(&format!("before {}", name.as_str().unwrap()), 1);
        }
    })
    .unwrap();
    said
}

async fn applied(wire: &Wire, manifest: &str) -> (Applied, Vec<String>) {
    let desk = Desk::new();
    let (applied, directory) = desk.applied_in(wire, manifest).await;
    assert_eq!(applied.end, End::Finished);
    (applied, said(directory.path()))
}

const LINKS: &str = "name,url,description\nA,https://a.example/,first\nB,https://b.example/,\n";

#[tokio::test(start_paused = true)]
async fn single_updates_and_deletes_record_the_old_state() {
    let wire = Wire::new("");
    let (_, said) = applied(&wire, LINKS).await;
    assert_eq!(said, ["intent", "intent", "created", "created"]);
    let update = "resource,name,description,action\nportal-link,A,second,update\n";
    let (_, said) = applied(&wire, update).await;
    assert_eq!(said, ["before A", "intent", "updated"]);
    let delete = "resource,name,action\nportal-link,B,delete\n";
    let (_, said) = applied(&wire, delete).await;
    assert_eq!(said, ["before B", "intent", "deleted"]);
}

#[tokio::test(start_paused = true)]
async fn bulk_deletes_and_lists_record_the_old_state() {
    let wire = Wire::new("connectors = { live = 6, stale = 3, read_only = 0, groups = 3 }");
    let delete = "resource,action,name\nconnector,delete,stale-02\nconnector,delete,stale-03\n";
    let (_, said) = applied(&wire, delete).await;
    assert_eq!(said[..2], ["before stale-02", "before stale-03"]);
    let add = "resource,domain,name\ndomain,old.example,Old\n";
    let (_, said) = applied(&wire, add).await;
    assert_eq!(said, ["intent", "created"]);
    let change = "resource,domain,name\ndomain,old.example,New\ndomain,new.example,New\n";
    let (_, said) = applied(&wire, change).await;
    assert_eq!(said[..3], ["before old.example", "intent", "intent"]);
}

#[tokio::test(start_paused = true)]
async fn only_a_refused_delete_records_its_state_again() {
    let delete = "resource,name,action\nportal-link,A,delete\n";
    for (fault, expected) in [
        (
            Fault::Refuse(429),
            vec![
                "before A", "intent", "void", "before A", "intent", "deleted",
            ],
        ),
        (
            Fault::LoseRequest,
            vec!["before A", "intent", "intent", "deleted"],
        ),
        (Fault::LoseAnswer, vec!["before A", "intent", "deleted"]),
    ] {
        // The first write makes the links.
        let wire = Wire::with_faults("", move |_, write| (write == 1).then_some(fault));
        applied(&wire, LINKS).await;
        let (_, said) = applied(&wire, delete).await;
        assert_eq!(said, expected, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn reading_before_each_delete_costs_no_time() {
    let wire = Wire::new("limits = { links = 1000, links_per_portal = 1000 }");
    let rows = |extra: &str| -> String {
        let row = |n: u32| format!("portal-link,Link {n:03},https://l{n}.example/,{extra}\n");
        let rows: Vec<String> = (0..60).map(row).collect();
        format!("resource,name,url,action\n{}", rows.concat())
    };
    applied(&wire, &rows("")).await;
    // So that these writes are not counted with the deletes.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let start = wire.times(Class::Write).len();
    let mut desk = Desk::new();
    desk.settings.quota_scope = QuotaScope::Tenant;
    let deleted = desk.apply(&wire, &rows("delete")).await;
    assert_eq!(deleted.ledger.tally().deleted, 60);
    let writes = wire.log(Class::Write).split_off(start);
    let took = writes[59].at.saturating_sub(writes[0].at).as_secs_f64();
    assert!(took < 51.0 + 0.2, "{took}");
    assert!(writes.iter().all(|entry| entry.status == 204));
}

#[tokio::test(start_paused = true)]
async fn a_resumed_run_keeps_the_state_read_before() {
    let lost =
        |request: &Request, _| (request.method == Method::Delete).then_some(Fault::LoseRequest);
    let mut wire = Wire::with_faults("", lost);
    let desk = Desk::new();
    desk.apply(&wire, LINKS).await;
    let delete = "resource,name,action\nportal-link,A,delete\n";
    let directory = desk.cut_off(&wire, delete, Duration::from_secs(20)).await;
    let path = directory.path().to_owned();
    assert_eq!(said(&path), ["before A", "intent"]);
    wire.fault = std::sync::Arc::new(|_, _| None);
    desk.resume(&wire, directory).await;
    assert_eq!(said(&path), ["before A", "intent", "intent", "deleted"]);
}
