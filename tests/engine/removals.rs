//! Connectors that are deleted together.

use zpa_bulk::engine::End;
use zpa_bulk::item::Status;
use zpa_bulk::resource::Kind;
use zpa_bulk::sim::Class;
use zpa_bulk::wire::{Id, Method, Request};
use zpa_bulk::zpa::Api as _;

use crate::support::desk::{Applied, Desk, carry_out};
use crate::support::wire::{Fault, Wire, then};

const TENANT: &str = "connectors = { live = 6, stale = 9, read_only = 0, groups = 3 }";

fn stale(wire: &Wire) -> usize {
    let connectors = wire.objects("connectors").into_iter();
    let name = |one: &serde_json::Value| one["name"].as_str().unwrap().starts_with("stale");
    connectors.filter(name).count()
}

/// Deletes the nine stale connectors but for the first, whose name is escaped.
fn manifest() -> String {
    let rows: Vec<String> = (2..10)
        .map(|n| format!("connector,delete,stale-{n:02}\n"))
        .collect();
    format!("resource,action,name\n{}", rows.concat())
}

async fn delete(
    fault: impl Fn(&Request, usize) -> Option<Fault> + Send + Sync + 'static,
) -> (Wire, Applied) {
    let wire = Wire::with_faults(TENANT, fault);
    let applied = Desk::new().apply(&wire, &manifest()).await;
    assert_eq!(applied.end, End::Finished);
    (wire, applied)
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_looked_up_and_not_repeated() {
    let (wire, applied) = delete(|_, write| (write == 0).then_some(Fault::LoseAnswer)).await;
    assert_eq!((stale(&wire), applied.ledger.tally().deleted), (1, 8));
    assert_eq!(wire.log(Class::Write).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_a_gateway_calls_unavailable_is_looked_up() {
    let (wire, applied) = delete(|_, write| (write == 0).then_some(Fault::Unavailable)).await;
    assert_eq!((stale(&wire), applied.ledger.tally().deleted), (1, 8));
    assert_eq!(wire.log(Class::Write).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_is_sent_again() {
    let (wire, applied) = delete(|_, write| (write == 0).then_some(Fault::LoseRequest)).await;
    assert_eq!((stale(&wire), applied.ledger.tally().deleted), (1, 8));
    assert!(
        applied
            .outcomes
            .values()
            .all(|outcome| outcome.status == Status::Deleted)
    );
}

#[tokio::test(start_paused = true)]
async fn success_that_deleted_nothing_is_not_believed() {
    let (wire, applied) = delete(|_, write| (write == 0).then_some(Fault::Refuse(200))).await;
    assert_eq!((stale(&wire), applied.ledger.tally().deleted), (1, 8));
    assert_eq!(wire.log(Class::Write).len(), 8, "each alone");
    let (wire, applied) = delete(|_, _| Some(Fault::Refuse(204))).await;
    assert_eq!((stale(&wire), applied.ledger.tally().failed), (9, 8));
    assert!(
        applied.failures()[0]
            .1
            .message
            .contains("it is still there")
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_the_server_does_not_let_go_fails_alone() {
    let wire = Wire::new(TENANT);
    // The state is there once something was asked.
    Desk::new()
        .apply(&wire, "resource,action,name\nconnector,delete,none\n")
        .await;
    let bad = wire
        .objects("connectors")
        .into_iter()
        .find(|one| one["name"] == "stale-05");
    let bad = bad.unwrap()["id"].as_str().unwrap().to_owned();
    let (wire, applied) = delete(move |request, _| {
        let alone = request.method == Method::Delete && request.path.to_string().ends_with(&bad);
        let among = request
            .body
            .as_ref()
            .is_some_and(|body| body.to_string().contains(&bad));
        (alone || among).then_some(Fault::Refuse(400))
    })
    .await;
    assert_eq!((stale(&wire), applied.ledger.tally().deleted), (2, 7));
    let failures = applied.failures();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].1.message, "The server does not like it.");
    assert!(
        wire.log(Class::Write).len() <= 4,
        "three halves and the bad one's were refused unseen"
    );
}

#[tokio::test(start_paused = true)]
async fn a_permanent_refusal_fails_those_still_there() {
    let (wire, applied) = delete(|_, _| Some(Fault::Refuse(403))).await;
    assert_eq!((stale(&wire), applied.ledger.tally().failed), (9, 8));
    assert_eq!(applied.failures()[0].1.status, Some(403));
    let (wire, applied) = delete(|_, _| Some(Fault::Answer(403))).await;
    assert_eq!((stale(&wire), applied.ledger.tally().deleted), (1, 8));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up_in_the_end() {
    let (wire, applied) = delete(|_, _| Some(Fault::LoseRequest)).await;
    assert_eq!((stale(&wire), applied.ledger.tally().failed), (9, 8));
    assert!(
        applied.failures()[0]
            .1
            .message
            .starts_with("given up after 8 attempts")
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_cut_off_is_finished_from_its_directory() {
    for cut in 0..8 {
        let desk = Desk::new().batch_size(3);
        let wire = Wire::new(TENANT);
        let moment = std::time::Duration::from_millis(40 * cut);
        let directory = desk.cut_off(&wire, &manifest(), moment).await;
        let applied = desk.resume(&wire, directory).await;
        assert_eq!(applied.ledger.tally().deleted, 8, "cut after {moment:?}");
        assert_eq!(applied.outcomes.len(), 8);
        assert_eq!(stale(&wire), 1);
    }
}

/// Connector `name` is connected again from the answer to that call on.
fn comes_back(wire: &mut Wire, name: &'static str, from: usize) {
    wire.rewords = Some(std::sync::Arc::new(move |_, call, body| {
        let Ok(mut answer) = serde_json::from_str::<serde_json::Value>(&body) else {
            return body;
        };
        let listed = answer["list"].as_array_mut().into_iter().flatten();
        for one in listed.filter(|one| call >= from && one["name"] == name) {
            one["controlChannelStatus"] = "ZPN_STATUS_AUTHENTICATED".into();
        }
        answer.to_string()
    }));
}

#[tokio::test(start_paused = true)]
async fn a_connector_back_between_two_attempts_is_spared() {
    let rows: Vec<String> = (2..10)
        .map(|n| format!("connector,delete,stale-{n:02},2026-11-22T00:00:00Z\n"))
        .collect();
    let manifest = format!("resource,action,name,disconnected_since\n{}", rows.concat());
    // The first attempt: refused as a whole, taken and not carried out, throttled, in conflict, lost.
    for first in [
        Fault::Refuse(400),
        Fault::Refuse(200),
        Fault::Refuse(429),
        Fault::Refuse(503),
        Fault::LoseRequest,
    ] {
        let mut wire = Wire::with_faults(TENANT, move |_, write| (write == 0).then_some(first));
        // Calls 0 and 1 are the plan's reading and the one before the first attempt, which is call 2.
        comes_back(&mut wire, "stale-05", 3);
        let applied = Desk::new().apply(&wire, &manifest).await;
        assert_eq!(applied.end, End::Finished);
        let tally = applied.ledger.tally();
        assert_eq!(
            (tally.deleted, tally.spared),
            (7, 1),
            "{first:?}: {tally:?}"
        );
        assert_eq!(stale(&wire), 2, "{first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_keeps_its_last_connector_when_others_go() {
    let wire = Wire::new(
        "connectors = { live = 1, stale = 3, read_only = 0, never_connected = 0, groups = 1 }",
    );
    let mut desk = Desk::new();
    desk.settings.keep_per_group = 1;
    let mut engine = desk.engine(wire.clone());
    let manifest = "resource,action,name\nconnector,delete,stale-02\nconnector,delete,stale-03\n";
    let run = desk.start(&mut engine, manifest).await;
    // Another administrator deletes the other two after the plan.
    let others =
        "resource,action,name\nconnector,delete,live-01\nconnector,delete,stale-01 *old*\n";
    Desk::new().apply(&wire, others).await;
    let applied = carry_out(&mut engine, run).await;
    let tally = applied.ledger.tally();
    assert_eq!((tally.deleted, tally.spared), (1, 1), "{tally:?}");
    assert_eq!(wire.objects("connectors").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn spared_is_not_said_while_a_delete_may_still_land() {
    let late = "[[fault]]\nkind = \"late-commit\"\nmatch = \"POST */bulkDelete\"\ntimes = 1\ndelay = \"3s\"\n";
    let tenant =
        "connectors = { live = 1, stale = 3, read_only = 0, never_connected = 0, groups = 1 }\n";
    let mut wire = Wire::new(&format!("{tenant}{late}"));
    // The tenant begins with its first call.
    wire.tenant.sign_in().await.unwrap();
    let listing = Request::new(Method::Get, "connector", None);
    wire.tenant.send(listing).await;
    let rest = wire.objects("connectors").into_iter();
    let rest: Vec<Id> = rest
        .filter(|one| {
            let name = one["name"].as_str().unwrap();
            name.starts_with("live-01") || name.starts_with("stale-01")
        })
        .map(|one| Id::parse(one["id"].as_str().unwrap()).unwrap())
        .collect();
    // Another administrator deletes the rest of the group just after our call was lost.
    let theirs = Kind::connector().delete_all(&rest, None).unwrap();
    wire.other = then(|request| request.method != Method::Get, theirs);
    let mut desk = Desk::new();
    desk.settings.keep_per_group = 1;
    let manifest = "resource,action,name\nconnector,delete,stale-02\nconnector,delete,stale-03\n";
    let applied = desk.apply(&wire, manifest).await;
    assert_eq!(rest.len(), 2);
    assert!(wire.objects("connectors").is_empty());
    assert_eq!(applied.ledger.tally().deleted, 2);
}

#[tokio::test(start_paused = true)]
async fn one_by_one_a_group_keeps_its_last_connector_too() {
    let tenant =
        "connectors = { live = 1, stale = 3, read_only = 0, never_connected = 0, groups = 1 }";
    let mut wire = Wire::new(tenant);
    wire.tenant.sign_in().await.unwrap();
    let listing = Request::new(Method::Get, "connector", None);
    wire.tenant.send(listing).await;
    let connectors = wire.objects("connectors");
    let live = connectors.iter().find(|one| one["name"] == "live-01");
    let live = Id::parse(live.unwrap()["id"].as_str().unwrap()).unwrap();
    let theirs = Kind::connector().delete(&live, None);
    wire.other = then(|request| request.method == Method::Delete, theirs);
    let mut desk = Desk::new().batch_size(1);
    desk.settings.keep_per_group = 1;
    let manifest = "resource,action,name\nconnector,delete,stale-01*\nconnector,delete,stale-02\nconnector,delete,stale-03\n";
    let manifest = manifest.replace("stale-01*", "stale-01 *old*");
    let applied = desk.apply(&wire, &manifest).await;
    let tally = applied.ledger.tally();
    assert_eq!((tally.deleted, tally.spared), (2, 1), "{tally:?}");
    assert_eq!(wire.objects("connectors").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_a_listing_still_shows_is_gone_all_the_same() {
    for batch_size in [1, 150] {
        let wire = Wire::new(&format!("{TENANT}\nlisting = {{ lag = \"3s\" }}\n"));
        let desk = Desk::new().batch_size(batch_size);
        let applied = desk.apply(&wire, &manifest()).await;
        assert_eq!(applied.ledger.tally().deleted, 8, "{batch_size}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_a_listing_still_shows_does_not_count_in_its_group() {
    let tenant = "connectors = { live = 0, stale = 9, read_only = 0, never_connected = 0, groups = 1 }\nlatency = { base = \"200ms\" }";
    let wire = Wire::new(&format!("{tenant}\nlisting = {{ lag = \"3s\" }}\n"));
    let mut desk = Desk::new().batch_size(1);
    desk.settings.keep_per_group = 4;
    let applied = desk.apply(&wire, &manifest()).await;
    let tally = applied.ledger.tally();
    assert_eq!((tally.deleted, tally.spared), (5, 3), "{tally:?}");
    assert_eq!(wire.objects("connectors").len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_the_server_confirmed_has_not_failed() {
    let hidden = "[[fault]]\nkind = \"status\"\nmatch = \"GET */connector/*\"\nstatus = 400\nid = \"not.now\"\ntimes = 1\n";
    let wire = Wire::new(&format!("{TENANT}\nlisting = {{ lag = \"3s\" }}\n{hidden}"));
    let desk = Desk::new().batch_size(1);
    let (applied, directory) = desk.applied_in(&wire, &manifest()).await;
    let end = &applied.end;
    assert!(matches!(end, End::Unreadable(..)), "{end:?}");
    assert!(applied.failures().is_empty(), "{:?}", applied.failures());
    let resumed = desk.resume(&wire, directory).await;
    assert_eq!(resumed.ledger.tally().deleted, 8);
}
