//! Undoing the create of a portal while another puts links on it. The tenant would delete such a portal and leave the
//! links without it.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use zpa_bulk::clock;
use zpa_bulk::coordination::{Coordination, Now};
use zpa_bulk::engine::End;
use zpa_bulk::engine::Member;
use zpa_bulk::pacer::{Pace, Quota, QuotaScope};
use zpa_bulk::wire::{Method, Request};

use crate::support::desk::{Applied, Desk, carry_out, die};
use crate::support::wire::{CUSTOMER, Fault, Wire, then};

const DETACH: &str = "user_portals = { delete_with_links = \"detach\" }\n";

const FIELD: &str = "resource,name,ext_label,ext_domain\nuser-portal,Field,field-1,acme.com\n";

/// The bound on the age of a reading, and the way of the calls to the tenant.
const BOUND: Duration = Duration::from_millis(2100);

fn portal(wire: &Wire) -> Option<String> {
    let portals = wire.objects("user_portals").into_iter();
    let field = portals.into_iter().find(|one| one["name"] == "Field");
    field.map(|one| one["id"].as_str().unwrap().to_owned())
}

/// Another's create of a link on that portal.
fn theirs(portal: &str) -> Request {
    let body = json!({"name": "Theirs", "link": "theirs.example", "protocol": "https://", "enabled": true,
        "userPortals": [{"id": portal}]});
    Request::new(Method::Post, "userPortalLink", None).with_body(body)
}

fn is_of_portal(request: &Request, method: Method) -> bool {
    request.method == method && request.path.to_string().starts_with("userPortal/")
}

/// Fails unless the portal is there, and the undo says that it was spared because of the link.
#[track_caller]
fn assert_spared(wire: &Wire, ended: &Applied) {
    assert_eq!(ended.end, End::Finished);
    assert!(portal(wire).is_some(), "{:?}", ended.outcomes);
    assert_eq!(
        wire.links(),
        [("Theirs".to_owned(), vec!["Field".to_owned()])]
    );
    assert_eq!(ended.ledger.tally().spared, 1, "{:?}", ended.outcomes);
    let why = ended.outcomes.values().find_map(|o| o.failure.clone());
    let why = why.unwrap().message;
    assert!(why.starts_with("the portal link \"Theirs\" ("), "{why}");
}

/// The age of the older of the two readings, for each time that the portal was to be deleted.
fn ages(wire: &Wire, portal: &str) -> Vec<Duration> {
    let log = wire.tenant.log();
    let of = format!("/userPortal/{portal}");
    let deletes = log
        .iter()
        .filter(|e| e.method == "DELETE" && e.path.ends_with(&of));
    let age = |delete: &zpa_bulk::sim::LogEntry| {
        let last = |path: &str| {
            let mut before = log.iter().filter(|entry| entry.at <= delete.at);
            let read = before.rfind(|entry| entry.method == "GET" && entry.path.ends_with(path));
            delete.at.saturating_sub(read.unwrap().at)
        };
        last(&format!("s/7/userPortal/{portal}"))
            .max(last(&format!("userPortalLink/userPortal/{portal}")))
    };
    deletes.map(age).collect()
}

#[tokio::test(start_paused = true)]
async fn a_link_put_on_it_after_the_plan_saves_a_portal() {
    let (desk, mut wire) = (Desk::new(), Wire::new(DETACH));
    let past = desk.applied(&wire, FIELD).await;
    let request = theirs(&portal(&wire).unwrap());
    let done = AtomicBool::new(false);
    wire.other = Arc::new(move |ours, _| {
        let now = is_of_portal(ours, Method::Get) && !done.swap(true, Ordering::Relaxed);
        now.then(|| request.clone())
    });
    let ended = desk.undone(&wire, &past).await;
    assert_spared(&wire, &ended);
}

#[tokio::test(start_paused = true)]
async fn a_link_put_on_it_during_a_pause_saves_a_portal() {
    let throttled = "[[fault]]\nkind = \"status\"\nstatus = 429\nmatch = \"DELETE */userPortal/*\"\n\
                     retry_after = \"20s\"\ntimes = 1\n";
    for scope in [QuotaScope::Tenant, QuotaScope::Endpoint] {
        let mut wire = Wire::new(&format!("{DETACH}{throttled}"));
        let mut desk = Desk::new();
        desk.settings.quota_scope = scope;
        let past = desk.applied(&wire, FIELD).await;
        let request = theirs(&portal(&wire).unwrap());
        wire.other = then(|ours| is_of_portal(ours, Method::Delete), request);
        let ended = desk.undone(&wire, &past).await;
        assert_spared(&wire, &ended);
    }
}

#[tokio::test(start_paused = true)]
async fn both_readings_are_fresh_after_every_pause() {
    let throttled = "[[fault]]\nkind = \"status\"\nstatus = 429\nmatch = \"DELETE */userPortal/*\"\n\
                     retry_after = \"20s\"\ntimes = 3\n";
    for base in ["80ms", "800ms"] {
        let latency = format!("latency = {{ base = \"{base}\", jitter = \"0s\" }}\n");
        let wire = Wire::new(&format!("{latency}{throttled}"));
        let desk = Desk::new();
        let past = desk.applied(&wire, FIELD).await;
        let id = portal(&wire).unwrap();
        let ended = desk.undone(&wire, &past).await;
        assert_eq!(ended.ledger.tally().deleted, 1);
        let ages = ages(&wire, &id);
        assert_eq!(ages.len(), 4);
        assert!(ages.iter().all(|age| *age <= BOUND), "{ages:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slot_does_not_pass_while_both_are_read() {
    clock::tie();
    let (mut desk, wire) = (Desk::new(), Wire::new(""));
    let past = desk.applied(&wire, FIELD).await;
    // The two readings come half a second apart, and the slots for the delete longer than a reading is fresh.
    desk.settings.read_quota = "1/500ms".parse().unwrap();
    desk.settings.write_quota = "1/5s".parse().unwrap();
    let state = desk.dir.path().join("state");
    let table = Coordination::open(&state, CUSTOMER, Now::read()).unwrap();
    let mut engine = desk.engine(wire.clone());
    engine.share(table.clone()).unwrap();
    let run = desk.start_undo(&mut engine, &past).await;
    let settle = desk.settings.settle;
    let id = table.change(Now::read(), |table| table.begin("run", "run", settle));
    let (id, name) = (id.unwrap(), "run".to_owned());
    engine.join(Member { id, name });
    let ended = timeout(Duration::from_secs(60), carry_out(&mut engine, run)).await;
    assert_eq!(ended.unwrap().ledger.tally().deleted, 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_delete_is_not_repeated_once_a_link_is_there() {
    let (desk, mut wire) = (Desk::new(), Wire::new(DETACH));
    let past = desk.applied(&wire, FIELD).await;
    let request = theirs(&portal(&wire).unwrap());
    wire.other = then(|ours| is_of_portal(ours, Method::Delete), request);
    let writes = *wire.writes.lock().unwrap();
    wire.fault = Arc::new(move |_, write| (write == writes).then_some(Fault::LoseRequest));
    let ended = desk.undone(&wire, &past).await;
    assert_spared(&wire, &ended);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_leaves_no_portal_behind() {
    for fault in [Fault::LoseAnswer, Fault::LoseRequest, Fault::Answer(502)] {
        let (desk, mut wire) = (Desk::new(), Wire::new(DETACH));
        let past = desk.applied(&wire, FIELD).await;
        let writes = *wire.writes.lock().unwrap();
        wire.fault = Arc::new(move |_, write| (write == writes).then_some(fault));
        let ended = desk.undone(&wire, &past).await;
        assert_eq!(
            ended.ledger.tally().deleted,
            1,
            "{fault:?}: {:?}",
            ended.outcomes
        );
        assert_eq!(portal(&wire), None, "{fault:?}");
    }
}

/// Deletes a portal with a link on it and undoes that: a run whose undo deletes both.
async fn recreated(desk: &Desk, wire: &Wire) -> PathBuf {
    desk.applied(wire, FIELD).await;
    let ours = "name,url,user_portals\nOurs,https://ours.example,Field\n";
    desk.applied(wire, ours).await;
    let clear = "resource,action,name\nportal-link,delete,Ours\nuser-portal,delete,Field\n";
    let cleared = desk.applied(wire, clear).await;
    let mut engine = desk.engine(wire.clone());
    let run = desk.start_undo(&mut engine, &cleared).await;
    let undone = run.directory.path().to_owned();
    assert_eq!(carry_out(&mut engine, run).await.ledger.tally().created, 2);
    undone
}

/// Lets the listing of the portal's links show the link that was there first, whatever has become of it since.
fn lag(wire: &mut Wire) {
    let link = wire.objects("portal_links").remove(0);
    wire.rewords = Some(Arc::new(move |path, _, body| {
        if !path.starts_with("userPortalLink/userPortal/") {
            return body;
        }
        let body: Value = json!({"totalPages": "1", "totalCount": "1", "list": [link]});
        body.to_string()
    }));
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_lags_behind_spares_no_portal() {
    let (desk, mut wire) = (Desk::new(), Wire::new(DETACH));
    let past = Box::pin(recreated(&desk, &wire)).await;
    lag(&mut wire);
    let ended = desk.undone(&wire, &past).await;
    assert_eq!(ended.ledger.tally().deleted, 2, "{:?}", ended.outcomes);
    assert_eq!(portal(&wire), None);
}

#[tokio::test(start_paused = true)]
async fn a_resumed_undo_knows_what_it_has_deleted() {
    for cut in 0..12 {
        let (desk, mut wire) = (Desk::new(), Wire::new(DETACH));
        let past = Box::pin(recreated(&desk, &wire)).await;
        lag(&mut wire);
        let mut engine = desk.engine(wire.clone());
        let run = desk.start_undo(&mut engine, &past).await;
        let moment = Duration::from_millis(50 * cut);
        let directory = die(engine, run, moment).await;
        let ended = desk.resume(&wire, directory).await;
        assert_eq!(
            ended.ledger.tally().deleted,
            2,
            "{moment:?}: {:?}",
            ended.outcomes
        );
        assert_eq!(portal(&wire), None);
    }
}

#[tokio::test(start_paused = true)]
async fn links_that_cannot_be_listed_save_a_portal() {
    let missing = "[[fault]]\nkind = \"status\"\nstatus = 404\nmatch = \"GET */userPortalLink/userPortal/*\"\n\
                   id = \"resource.not.found\"\n";
    let (desk, wire) = (Desk::new(), Wire::new(&format!("{DETACH}{missing}")));
    let past = desk.applied(&wire, FIELD).await;
    let ended = desk.undone(&wire, &past).await;
    assert_eq!(ended.ledger.tally().failed, 1, "{:?}", ended.outcomes);
    assert!(portal(&wire).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_quota_too_small_for_two_fresh_readings_ends() {
    let (mut desk, wire) = (Desk::new(), Wire::new(DETACH));
    let past = desk.applied(&wire, FIELD).await;
    desk.settings.read_quota = Pace::At(Quota::new(NonZeroU32::MIN, Duration::from_secs(10)));
    let ended = desk.undone(&wire, &past).await;
    let failures = ended.failures();
    assert!(
        failures[0].1.message.contains("--freshness"),
        "{failures:?}"
    );
    assert!(portal(&wire).is_some());
}

#[tokio::test(start_paused = true)]
async fn slow_answers_still_let_a_portal_be_deleted() {
    let (desk, wire) = (
        Desk::new(),
        Wire::new("latency = { base = \"5s\", jitter = \"0s\" }"),
    );
    let past = desk.applied(&wire, FIELD).await;
    let ended = desk.undone(&wire, &past).await;
    assert_eq!(ended.ledger.tally().deleted, 1, "{:?}", ended.outcomes);
}

#[tokio::test(start_paused = true)]
async fn a_portal_is_not_called_spared_and_deleted_late() {
    let late = "[[fault]]\nkind = \"late-commit\"\nmatch = \"DELETE */userPortal/*\"\ntimes = 1\n\
                delay = \"40s\"\n";
    let (desk, mut wire) = (Desk::new(), Wire::new(&format!("{DETACH}{late}")));
    let past = desk.applied(&wire, FIELD).await;
    let request = theirs(&portal(&wire).unwrap());
    wire.other = then(|ours| is_of_portal(ours, Method::Delete), request);
    let ended = desk.undone(&wire, &past).await;
    assert_eq!(ended.ledger.tally().deleted, 1, "{:?}", ended.outcomes);
    assert_eq!(portal(&wire), None);
}
