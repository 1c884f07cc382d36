//! What an object was before it was changed stands in the journal, no later than the call that changes it.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use zpa_bulk::engine::End;
use zpa_bulk::journal::{self, ItemEvent};
use zpa_bulk::run::{self, RunDirectory};

use crate::harness::{Applied, Desk, Fault, Wire, carry_out};

/// What a journal says, as `before NAME`, `intent` and so on.
fn said(directory: &Path) -> Vec<String> {
    let mut said = Vec::new();
    journal::replay(directory, |event| {
        said.push(match event {
            ItemEvent::Intent(_) => "intent".to_owned(),
            ItemEvent::Presumed(_) => "presumed".to_owned(),
            ItemEvent::Void(_) => "void".to_owned(),
            ItemEvent::Refused(_) => "refused".to_owned(),
            ItemEvent::BatchSize(size) => format!("batch size {size}"),
            ItemEvent::Outcome(outcome) => outcome.status.name().to_owned(),
            ItemEvent::Before(before) => {
                let object: Value = serde_json::from_slice(before.object).unwrap();
                let name = object["domain"].as_str().or(object["name"].as_str());
                format!("before {}", name.unwrap())
            }
        });
    })
    .unwrap();
    said
}

async fn applied(wire: &Wire, manifest: &str) -> (Applied, Vec<String>) {
    let desk = Desk::new();
    let mut engine = desk.engine(wire.clone());
    let run = desk.start(&mut engine, manifest).await;
    let directory = run.directory.path().to_owned();
    let applied = carry_out(&mut engine, run).await;
    assert_eq!(applied.end, End::Finished);
    (applied, said(&directory))
}

const LINKS: &str = "name,url,description\nA,https://a.example/,first\nB,https://b.example/,\n";

#[tokio::test(start_paused = true)]
async fn what_is_updated_or_deleted_alone_is_written_down_as_it_was_and_what_is_created_is_not() {
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
async fn what_is_deleted_together_and_the_elements_of_a_list_are_written_down_as_they_were() {
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
async fn a_delete_that_was_refused_is_written_down_anew_and_one_that_may_have_landed_is_not() {
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
async fn deletes_go_as_fast_as_the_quota_lets_them_though_each_is_read_before() {
    let wire = Wire::new("limits = { links = 1000, links_per_portal = 1000 }");
    let rows = |extra: &str| -> String {
        let row = |n: u32| format!("portal-link,Link {n:03},https://l{n}.example/,{extra}\n");
        let rows: Vec<String> = (0..60).map(row).collect();
        format!("resource,name,url,action\n{}", rows.concat())
    };
    applied(&wire, &rows("")).await;
    // So that these writes are not counted with the deletes.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let start = wire.log(zpa_bulk::sim::Class::Write).len();
    let (deleted, _) = applied(&wire, &rows("delete")).await;
    assert_eq!(deleted.ledger.tally().deleted, 60);
    let log = wire.log(zpa_bulk::sim::Class::Write);
    let writes = &log[start..];
    let at = |entry: Option<&zpa_bulk::sim::LogEntry>| entry.unwrap().at.as_secs_f64();
    let took = at(writes.last()) - at(writes.first());
    assert!(took < 59.0 * 1.02 + 0.1, "{took}");
    assert!(writes.iter().all(|entry| entry.status == 204));
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_crash_stands_in_the_journal_when_the_run_is_gone_on_with() {
    let lost = |request: &zpa_bulk::wire::Request, _| {
        let deletes = request.method == zpa_bulk::wire::Method::Delete;
        deletes.then_some(Fault::LoseRequest)
    };
    let mut wire = Wire::with_faults("", lost);
    let desk = Desk::new();
    desk.apply(&wire, LINKS).await;
    let mut engine = desk.engine(wire.clone());
    let delete = "resource,name,action\nportal-link,A,delete\n";
    let run = desk.start(&mut engine, delete).await;
    let path = run.directory.path().to_owned();
    let moment = Duration::from_secs(20);
    let cut = tokio::time::timeout(moment, carry_out(&mut engine, run)).await;
    assert!(cut.is_err());
    drop(engine);
    assert_eq!(said(&path), ["before A", "intent"]);
    wire.fault = std::sync::Arc::new(|_, _| None);
    let directory = RunDirectory::find(desk.dir.path(), path.to_str().unwrap()).unwrap();
    let run = run::resume(directory).unwrap();
    carry_out(&mut desk.engine(wire), run).await;
    assert_eq!(said(&path), ["before A", "intent", "intent", "deleted"]);
}
