//! Saved plans that are carried out while others change the same objects, answers are lost and processes die.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use zpa_bulk::engine::End;
use zpa_bulk::item::Status;
use zpa_bulk::sim::Class;
use zpa_bulk::wire::{Id, Method, Path, Request};
use zpa_bulk::zpa::Api as _;

use crate::support::desk::{Applied, Desk, die};
use crate::support::wire::{Fault, Wire, meddles};

const LINKS: &str = "name,url\nA,https://a.example/\nB,https://b.example/\nC,https://c.example/\n";

/// Updates A, deletes B, leaves C as it is, and creates D.
const CHANGES: &str = "name,url,action\nA,https://new.example/,update\nB,,delete\n\
                       C,https://c.example/,ensure\nD,https://d.example/,create\n";

fn link(wire: &Wire, name: &str) -> Value {
    let mut links = wire.objects("portal_links").into_iter();
    links.find(|link| link["name"] == name).unwrap_or_default()
}

fn id(object: &Value) -> Id {
    Id::parse(object["id"].as_str().unwrap()).unwrap()
}

/// The link of that name as another administrator leaves it.
fn theirs(name: &str) -> Value {
    json!({"name": name, "link": "theirs.example", "protocol": "https://", "enabled": true})
}

async fn put(wire: &Wire, id: &Id, body: Value) {
    let path = Path::from("userPortalLink").id(id);
    let request = Request::new(Method::Put, path, None).with_body(body);
    wire.tenant.send(request).await;
}

#[track_caller]
fn assert_ended(applied: &Applied, expected: &[Status]) {
    assert_eq!(applied.end, End::Finished);
    let ended = applied.outcomes.values().map(|outcome| outcome.status);
    assert_eq!(
        ended.collect::<Vec<_>>(),
        expected,
        "{:?}",
        applied.outcomes
    );
}

/// A tenant with the three links, and the saved plan of the changes.
async fn reviewed(desk: &Desk) -> (Wire, zpa_bulk::run::SavedPlan) {
    let wire = Wire::new("");
    desk.applied(&wire, LINKS).await;
    let saved = desk.save(&wire, CHANGES).await;
    (wire, saved)
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_carried_out_as_it_was_reviewed() {
    let desk = Desk::new();
    let (wire, saved) = reviewed(&desk).await;
    // Nobody reviewed this one.
    let other = "name,url\nE,https://e.example/\n";
    Desk::new().applied(&wire, other).await;
    let applied = desk.apply_saved(&wire, &saved).await;
    assert_eq!(applied.ledger.tally().stale, 0);
    assert_eq!(wire.names(), ["A", "C", "D", "E"]);
    assert_eq!(link(&wire, "A")["link"], "new.example");
}

#[tokio::test(start_paused = true)]
async fn what_changed_before_the_start_is_not_written() {
    let desk = Desk::new();
    let (wire, saved) = reviewed(&desk).await;
    for name in ["A", "B", "C"] {
        put(&wire, &id(&link(&wire, name)), theirs(name)).await;
    }
    Desk::new()
        .applied(&wire, "name,url\nD,https://theirs.example/\n")
        .await;
    let writes = wire.log(Class::Write).len();
    let applied = desk.apply_saved(&wire, &saved).await;
    let tally = applied.ledger.tally();
    assert_eq!((tally.items, tally.stale), (4, 4));
    assert_eq!(wire.log(Class::Write).len(), writes);
}

#[tokio::test(start_paused = true)]
async fn what_is_there_already_is_unchanged() {
    let desk = Desk::new();
    let (wire, saved) = reviewed(&desk).await;
    desk.apply_saved(&wire, &saved).await;
    let applied = desk.apply_saved(&wire, &saved).await;
    let tally = applied.ledger.tally();
    assert_eq!((tally.items, tally.unchanged), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn what_changes_before_its_write_is_not_written() {
    for name in ["A", "B"] {
        let desk = Desk::new();
        let (mut wire, saved) = reviewed(&desk).await;
        let id = link(&wire, name)["id"].as_str().unwrap().to_owned();
        meddles(&mut wire, Method::Get, &id, theirs(name));
        let applied = desk.apply_saved(&wire, &saved).await;
        assert_eq!(applied.ledger.tally().stale, 1, "{:?}", applied.outcomes);
        assert_eq!(link(&wire, name)["link"], "theirs.example");
        let why = applied
            .outcomes
            .values()
            .find_map(|one| one.failure.clone());
        let why = why.unwrap().message;
        assert!(why.contains("is \"theirs.example\""), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_during_a_lost_answer_is_not_overwritten() {
    let desk = Desk::new();
    let (mut wire, saved) = reviewed(&desk).await;
    let id = link(&wire, "A")["id"].as_str().unwrap().to_owned();
    meddles(&mut wire, Method::Put, &id, theirs("A"));
    wire.fault =
        Arc::new(|request, _| (request.method == Method::Put).then_some(Fault::LoseRequest));
    let applied = desk.apply_saved(&wire, &saved).await;
    assert_eq!(applied.ledger.tally().stale, 1, "{:?}", applied.outcomes);
    assert_eq!(link(&wire, "A")["link"], "theirs.example");
}

#[tokio::test(start_paused = true)]
async fn its_own_write_makes_no_item_stale() {
    let desk = Desk::new();
    let (mut wire, saved) = reviewed(&desk).await;
    let writes = *wire.writes.lock().unwrap();
    wire.fault = Arc::new(move |_, write| (write < writes + 4).then_some(Fault::LoseAnswer));
    let applied = desk.apply_saved(&wire, &saved).await;
    assert_eq!(applied.ledger.tally().stale, 0, "{:?}", applied.outcomes);
    assert_eq!(wire.names(), ["A", "C", "D"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_meanwhile_makes_a_create_stale() {
    let desk = Desk::new();
    let (mut wire, saved) = reviewed(&desk).await;
    wire.other = Arc::new(|request, _| {
        let theirs_too = Request::new(Method::Post, "userPortalLink", None).with_body(theirs("D"));
        (request.method == Method::Post).then_some(theirs_too)
    });
    let applied = desk.apply_saved(&wire, &saved).await;
    assert_eq!(applied.ledger.tally().stale, 1, "{:?}", applied.outcomes);
    assert_eq!(link(&wire, "D")["link"], "theirs.example");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_killed_judges_by_what_was_reviewed() {
    let desk = Desk::new().batch_size(1);
    let (wire, saved) = reviewed(&desk).await;
    let mut engine = desk.engine(wire.clone());
    let run = desk.start_saved(&mut engine, &saved).await;
    let directory = die(engine, run, Duration::ZERO).await;
    put(&wire, &id(&link(&wire, "B")), theirs("B")).await;
    let applied = desk.resume(&wire, directory).await;
    assert_eq!(applied.ledger.tally().stale, 1, "{:?}", applied.outcomes);
    assert_eq!(wire.names(), ["A", "B", "C", "D"]);
    assert_eq!(link(&wire, "A")["link"], "new.example");
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_changed_is_not_deleted_with_the_others() {
    let desk = Desk::new();
    let wire = Wire::new("connectors = { live = 6, stale = 9, read_only = 0, groups = 3 }");
    let manifest = "resource,action,name\nconnector,delete,stale-02\nconnector,delete,stale-03\n";
    let saved = desk.save(&wire, manifest).await;
    let connector = |name: &str| {
        let mut connectors = wire.objects("connectors").into_iter();
        connectors
            .find(|one| one["name"] == name)
            .unwrap_or_default()
    };
    let mut renamed = connector("stale-02");
    renamed["description"] = json!("spare part");
    let path = Path::from("connector").id(&id(&renamed));
    let request = Request::new(Method::Put, path, None).with_body(renamed);
    let mut engine = desk.engine(wire.clone());
    let run = desk.start_saved(&mut engine, &saved).await;
    wire.tenant.send(request).await;
    let applied = crate::support::desk::carry_out(&mut engine, run).await;
    assert_ended(&applied, &[Status::Stale, Status::Deleted]);
    assert_eq!(connector("stale-02")["description"], "spare part");
    assert_eq!(connector("stale-03"), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn an_element_that_changed_is_left_in_its_list() {
    let desk = Desk::new();
    let mut wire =
        Wire::new("domains = { post = \"replace\", seed = [\"old.example\", \"kept.example\"] }");
    let manifest = "resource,action,domain\ndomain,delete,old.example\ndomain,ensure,one.example\n";
    let saved = desk.save(&wire, manifest).await;
    let is_done = std::sync::atomic::AtomicBool::new(false);
    let listings = std::sync::atomic::AtomicUsize::new(0);
    // The list is read once for the plan of the run, and again before it is written.
    wire.other = Arc::new(move |request, _| {
        use std::sync::atomic::Ordering;
        let reads = request.method == Method::Get && request.path.to_string().contains("domains");
        if !reads || listings.fetch_add(1, Ordering::Relaxed) == 0 {
            return None;
        }
        let list = json!([{"domain": "old.example", "name": "old.example", "capture": false},
            {"domain": "kept.example", "name": "kept.example", "capture": true}]);
        let request = Request::new(Method::Post, request.path.clone(), None);
        (!is_done.swap(true, Ordering::Relaxed)).then(|| request.with_body(list))
    });
    let applied = desk.apply_saved(&wire, &saved).await;
    assert_ended(&applied, &[Status::Stale, Status::Created]);
    let text = |one: Value| one["domain"].as_str().unwrap().to_owned();
    let mut domains: Vec<String> = wire.objects("domains").into_iter().map(text).collect();
    domains.sort();
    assert_eq!(domains, ["kept.example", "old.example", "one.example"]);
}

#[tokio::test(start_paused = true)]
async fn a_link_is_not_created_on_a_portal_that_is_gone() {
    let desk = Desk::new();
    let wire = Wire::new("");
    desk.applied(
        &wire,
        "resource,name,ext_label,ext_domain\nuser-portal,Extra,extra-1,acme.com\n",
    )
    .await;
    let manifest = "name,url,user_portals\nA,https://a.example/,Extra\nB,https://b.example/,\n";
    let saved = desk.save(&wire, manifest).await;
    desk.applied(&wire, "resource,name,action\nuser-portal,Extra,delete\n")
        .await;
    desk.applied(
        &wire,
        "resource,name,ext_label,ext_domain\nuser-portal,Extra,extra-1,acme.com\n",
    )
    .await;
    let applied = desk.apply_saved(&wire, &saved).await;
    let tally = applied.ledger.tally();
    assert_eq!((tally.stale, tally.created), (1, 1));
    assert_eq!(wire.names(), ["B"]);
}
