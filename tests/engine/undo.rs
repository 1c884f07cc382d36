//! Undoing runs while others change the same objects, answers are lost and processes die.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use zpa_bulk::item::{Event, Item};
use zpa_bulk::journal::{Header, Journal};
use zpa_bulk::plan::{Snapshot, TenantRules};
use zpa_bulk::run::{RunDirectory, RunEffects, RunState};
use zpa_bulk::wire::{Method, Request};

use crate::support::desk::{Desk, carry_out, die, outcomes};
use crate::support::manifests::PORTALS;
use crate::support::wire::{Fault, Wire, meddles};

fn link(wire: &Wire, name: &str) -> Value {
    let links = wire.objects("portal_links").into_iter();
    let found: Vec<Value> = links.filter(|link| link["name"] == name).collect();
    assert!(found.len() < 2, "{found:?}");
    found.into_iter().next().unwrap_or_default()
}

const LINKS: &str = "name,url,description\nA,https://a.example/,first\nB,https://b.example/,\n";

#[tokio::test(start_paused = true)]
async fn an_object_changed_after_the_plan_is_left_alone() {
    let (desk, mut wire) = (Desk::new(), Wire::new(""));
    let past = desk.applied(&wire, LINKS).await;
    let id = link(&wire, "A")["id"].as_str().unwrap().to_owned();
    let theirs = json!({"name": "A", "link": "a.example", "protocol": "https://",
        "linkPath": "/", "enabled": true, "description": "theirs"});
    meddles(&mut wire, Method::Get, &id, theirs);
    let ended = desk.undone(&wire, &past).await;
    let tally = ended.ledger.tally();
    assert_eq!((tally.deleted, tally.spared), (1, 1));
    assert_eq!(wire.names(), ["A"]);
    let why = ended.outcomes.values().find_map(|o| o.failure.clone());
    assert!(why.unwrap().message.ends_with("left alone: description"));
}

#[tokio::test(start_paused = true)]
async fn a_change_during_a_lost_answer_is_left_alone() {
    let (desk, mut wire) = (Desk::new(), Wire::new(""));
    desk.applied(&wire, LINKS).await;
    let changed = "name,url\nA,https://changed.example/\n";
    let past = desk.applied(&wire, changed).await;
    let id = link(&wire, "A")["id"].as_str().unwrap().to_owned();
    let fields =
        json!({"name": "A", "link": "theirs.example", "protocol": "https://", "enabled": true});
    meddles(&mut wire, Method::Put, &id, fields);
    let writes = *wire.writes.lock().unwrap();
    wire.fault = Arc::new(move |_, write| (write == writes).then_some(Fault::LoseRequest));
    let ended = desk.undone(&wire, &past).await;
    assert_eq!(ended.ledger.tally().spared, 1, "{:?}", ended.outcomes);
    assert_eq!(link(&wire, "A")["link"], "theirs.example");
}

#[tokio::test(start_paused = true)]
async fn only_a_field_changed_after_the_plan_is_left_alone() {
    let (desk, mut wire) = (Desk::new(), Wire::new(""));
    desk.applied(&wire, LINKS).await;
    let update = "resource,action,name,url,description\n\
                  portal-link,update,A,https://new.example/,second\n";
    let past = desk.applied(&wire, update).await;
    let id = link(&wire, "A")["id"].as_str().unwrap().to_owned();
    let theirs = json!({"name": "A", "link": "new.example", "protocol": "https://",
        "linkPath": "/", "enabled": true, "description": "theirs"});
    meddles(&mut wire, Method::Get, &id, theirs);
    let ended = desk.undone(&wire, &past).await;
    assert_eq!(ended.ledger.tally().updated, 1);
    let now = link(&wire, "A");
    assert_eq!(
        (&now["link"], &now["description"]),
        (&json!("a.example"), &json!("theirs"))
    );
    let why = ended.outcomes[&0].failure.clone().unwrap();
    assert!(why.message.ends_with("left alone: description"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn what_was_recovered_is_undone_like_what_was_created() {
    let desk = Desk::new();
    let wire = Wire::with_faults("", |_, write| (write == 0).then_some(Fault::LoseAnswer));
    let past = desk.applied(&wire, LINKS).await;
    let ended = desk.undone(&wire, &past).await;
    assert_eq!(ended.ledger.tally().deleted, 2);
    assert!(wire.names().is_empty());
}

/// Another administrator creates the first of the links just before the call that creates both arrives.
fn forestalled() -> Wire {
    let mut wire = Wire::new("");
    wire.other = Arc::new(|request, _| {
        let ours = request.path.to_string() == "userPortalLink/bulk";
        let body = json!({"name": "A", "description": "first", "link": "a.example", "protocol": "https://", "enabled": true});
        ours.then(|| Request {
            body: Some(body),
            ..Request::new(Method::Post, "userPortalLink", None)
        })
    });
    wire
}

#[tokio::test(start_paused = true)]
async fn a_link_created_by_another_meanwhile_is_left_alone() {
    let (desk, mut wire) = (Desk::new(), forestalled());
    let past = desk.applied(&wire, LINKS).await;
    wire.other = Arc::new(|_, _| None);
    desk.undone(&wire, &past).await;
    assert_eq!(wire.names(), ["A"], "it is not the run's");
}

#[tokio::test(start_paused = true)]
async fn a_resumed_run_knows_that_a_batch_was_refused() {
    let (desk, mut wire) = (Desk::new(), forestalled());
    let mut engine = desk.engine(wire.clone());
    let run = desk.start(&mut engine, LINKS).await;
    let past = run.directory.path().to_owned();
    let refused = async {
        let journal = past.join("journal.jsonl");
        while !std::fs::read_to_string(&journal)
            .unwrap()
            .contains("refused")
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        _ = carry_out(&mut engine, run) => panic!("it was not cut off"),
        () = refused => {}
    }
    drop(engine);
    wire.other = Arc::new(|_, _| None);
    let ended = desk.resume(&wire, RunDirectory::open(&past).unwrap()).await;
    assert_eq!(ended.ledger.tally().recovered, 1);
    desk.undone(&wire, &past).await;
    assert_eq!(wire.names(), ["A"], "it is not the run's");
}

/// Changes one link, deletes another, and a portal with a third one on it.
const CHANGES: &str = "resource,action,name,url,description\n\
    portal-link,update,A,https://new.example/,second\nportal-link,delete,B,,\n\
    portal-link,delete,C,,\nuser-portal,delete,Field,,\n";

async fn before_changes(desk: &Desk, wire: &Wire) -> Vec<(String, Vec<String>, String)> {
    let portal = "resource,name,ext_label,ext_domain\nuser-portal,Field,field-1,acme.com\n";
    desk.applied(wire, portal).await;
    let links = format!(
        "name,url,user_portals,description\nA,https://a.example/,{},first\n\
         B,https://b.example/,,\nC,https://c.example/,Field,third\n",
        PORTALS[0]
    );
    desk.applied(wire, &links).await;
    described(wire)
}

fn described(wire: &Wire) -> Vec<(String, Vec<String>, String)> {
    let links = wire.links().into_iter();
    links
        .map(|(name, portals)| {
            let fields = link(wire, &name);
            let told = format!("{} {}", fields["link"], fields["description"]);
            (name, portals, told)
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn lost_answers_leave_nothing_twice_and_nothing_out() {
    for fault in [Fault::LoseAnswer, Fault::LoseRequest, Fault::Answer(500)] {
        for nth in 0..5 {
            let (desk, mut wire) = (Desk::new(), Wire::new(""));
            let before = before_changes(&desk, &wire).await;
            let past = desk.applied(&wire, CHANGES).await;
            let writes = *wire.writes.lock().unwrap();
            wire.fault = Arc::new(move |_, write| (write == writes + nth).then_some(fault));
            let ended = desk.undone(&wire, &past).await;
            assert_eq!(ended.failures(), [], "{fault:?} at {nth}");
            assert_eq!(described(&wire), before, "{fault:?} at {nth}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_undo_cut_off_is_finished_from_its_directory() {
    for cut in 0..40 {
        let (desk, wire) = (Desk::new().batch_size(1), Wire::new(""));
        let before = before_changes(&desk, &wire).await;
        let past = desk.applied(&wire, CHANGES).await;
        let mut engine = desk.engine(wire.clone());
        let run = desk.start_undo(&mut engine, &past).await;
        let moment = Duration::from_millis(25 * cut);
        let directory = die(engine, run, moment).await;
        let ended = desk.resume(&wire, directory).await;
        assert_eq!(ended.failures(), [], "cut after {moment:?}");
        assert_eq!(ended.outcomes.len(), 4, "cut after {moment:?}");
        assert_eq!(described(&wire), before, "cut after {moment:?}");
        let portals = wire.objects("user_portals").len();
        assert_eq!(portals, 5, "cut after {moment:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_without_its_portal_is_not_put_elsewhere() {
    let (desk, mut wire) = (Desk::new(), Wire::new(""));
    before_changes(&desk, &wire).await;
    let past = desk.applied(&wire, CHANGES).await;
    wire.fault = Arc::new(|request, _| {
        let portal = request.method == Method::Post && request.path.to_string() == "userPortal";
        portal.then_some(Fault::Refuse(400))
    });
    let ended = desk.undone(&wire, &past).await;
    let failures = ended.failures();
    assert_eq!(failures.len(), 2, "{failures:?}");
    let why = &failures[1].1.message;
    assert!(why.ends_with("was not created again"), "{why}");
    assert_eq!(wire.names(), ["A", "B"]);
    wire.fault = Arc::new(|_, _| None);
    let ended = desk.undone(&wire, &past).await;
    let tally = ended.ledger.tally();
    assert_eq!((tally.created, tally.unchanged), (2, 2), "the rest of it");
}

#[tokio::test(start_paused = true)]
async fn a_journal_without_old_states_undoes_what_it_can() {
    let (desk, wire) = (Desk::new(), Wire::new(""));
    before_changes(&desk, &wire).await;
    let past = desk.applied(&wire, CHANGES).await;
    let old = desk.dir.path().join("20200101T000000.000Z-0000");
    std::fs::create_dir(&old).unwrap();
    std::fs::copy(past.join("plan.jsonl"), old.join("plan.jsonl")).unwrap();
    let run_state = RunState::read(RunDirectory::open(&past).unwrap()).unwrap();
    let header = Header {
        format: 1,
        ..run_state.header
    };
    let mut journal = Journal::create(&old, &header, Timestamp::now()).unwrap();
    let outcomes = outcomes(&past);
    let outcomes = Event::Outcomes(outcomes.into_values().collect());
    journal.append(&outcomes, Timestamp::now()).unwrap();
    journal.commit().unwrap();
    drop(journal);
    let ended = desk.undone(&wire, &old).await;
    assert_eq!(ended.ledger.tally().failed, 4);
    assert_eq!(wire.names(), ["A"]);
}

#[tokio::test(start_paused = true)]
async fn an_undo_lists_its_objects_and_their_references() {
    let (desk, wire) = (Desk::new(), Wire::new(""));
    let past = desk.applied(&wire, LINKS).await;
    let deeds = RunEffects::read(&RunDirectory::open(&past).unwrap(), &[], HashSet::new()).unwrap();
    let kinds: Vec<String> = deeds.scopes().iter().map(|s| s.kind.to_string()).collect();
    assert_eq!(kinds, ["portal-link", "user-portal"]);
    let mut planned = 0;
    let count = |_: &Item<'_>, _: &[&str]| {
        planned += 1;
        Ok(())
    };
    deeds
        .plan(&Snapshot::default(), TenantRules::default(), count)
        .unwrap();
    assert_eq!(planned, 2);
}
