//! Customer domains: lists that are read and written as a whole.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use zpa_bulk::engine::End;
use zpa_bulk::item::Status;
use zpa_bulk::sim::Class;
use zpa_bulk::wire::{Method, Request};

use crate::support::desk::{Applied, Desk};
use crate::support::wire::{Fault, Wire};

const TENANT: &str = "domains = { post = \"replace\", seed = [\"old.example\", \"kept.example\"] }";

const MANIFEST: &str = "resource,domain\ndomain,one.example\ndomain,two.example\n";

const ALL: [&str; 4] = ["kept.example", "old.example", "one.example", "two.example"];

/// The same, with the domain that another administrator has added.
const ALL_AND_LATE: [&str; 5] = [
    "kept.example",
    "late.example",
    "old.example",
    "one.example",
    "two.example",
];

fn domains(wire: &Wire) -> Vec<String> {
    let text = |one: Value| one["domain"].as_str().unwrap().to_owned();
    let mut domains: Vec<String> = wire.objects("domains").into_iter().map(text).collect();
    domains.sort();
    domains
}

async fn ensure(
    fault: impl Fn(&Request, usize) -> Option<Fault> + Send + Sync + 'static,
) -> (Wire, Applied) {
    let wire = Wire::with_faults(TENANT, fault);
    let applied = Desk::new().apply(&wire, MANIFEST).await;
    assert_eq!(applied.end, End::Finished);
    (wire, applied)
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_read_and_not_written_again() {
    let (wire, applied) = ensure(|_, write| (write == 0).then_some(Fault::LoseAnswer)).await;
    assert_eq!(domains(&wire), ALL);
    assert_eq!(applied.ledger.tally().recovered, 2);
    assert_eq!(wire.log(Class::Write).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_was_lost_is_written_again() {
    for fault in [
        Fault::LoseRequest,
        Fault::Refuse(500),
        Fault::Refuse(503),
        Fault::Refuse(429),
    ] {
        let (wire, applied) = ensure(move |_, write| (write == 0).then_some(fault)).await;
        assert_eq!(domains(&wire), ALL, "{fault:?}");
        assert_eq!(applied.ledger.tally().created, 2, "{fault:?}");
        assert_eq!(wire.log(Class::Write).len(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_domain_that_the_server_refuses_fails_alone() {
    let (wire, applied) = ensure(|request, _| {
        let body = request
            .body
            .as_ref()
            .map(Value::to_string)
            .unwrap_or_default();
        body.contains("two.example").then_some(Fault::Refuse(400))
    })
    .await;
    assert_eq!(
        domains(&wire),
        ["kept.example", "old.example", "one.example"]
    );
    let failures = applied.failures();
    assert_eq!(failures.len(), 1);
    assert_eq!(
        (failures[0].0, failures[0].1.message.as_str()),
        (1, "The server does not like it.")
    );
    assert_eq!(applied.ledger.tally().created, 1);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_was_not_kept_is_a_failure() {
    let (wire, applied) = ensure(|_, _| Some(Fault::Refuse(204))).await;
    assert_eq!(domains(&wire), ["kept.example", "old.example"]);
    assert_eq!(applied.ledger.tally().failed, 2);
    assert!(
        applied.failures()[0]
            .1
            .message
            .contains("does not show it so")
    );
}

/// Another administrator writes that list just before our call of that number arrives.
fn written_by_another(at: usize, list: &'static [&'static str]) -> Wire {
    let mut wire = Wire::new(TENANT);
    wire.other = Arc::new(move |request, call| {
        let elements: Vec<Value> = list
            .iter()
            .map(|domain| json!({ "domain": domain }))
            .collect();
        let other = Request::new(Method::Post, request.path.clone(), None);
        (call == at).then(|| other.with_body(Value::Array(elements)))
    });
    wire
}

#[tokio::test(start_paused = true)]
async fn what_another_wrote_before_is_kept() {
    // The plan's reading is call 0, the one before the write call 1.
    let wire = written_by_another(1, &["old.example", "kept.example", "late.example"]);
    let applied = Desk::new().apply(&wire, MANIFEST).await;
    assert_eq!(applied.ledger.tally().created, 2);
    assert_eq!(domains(&wire), ALL_AND_LATE);
}

#[tokio::test(start_paused = true)]
async fn a_row_whose_element_is_there_does_not_fail() {
    for status in [400, 403] {
        // Theirs has the first of ours, and the write that is to put the others back is refused.
        let mut wire = written_by_another(3, &["old.example", "one.example"]);
        wire.fault = Arc::new(move |_, write| (write > 0).then_some(Fault::Refuse(status)));
        let applied = Desk::new().apply(&wire, MANIFEST).await;
        assert_eq!(applied.outcomes[&0].status, Status::Created, "{status}");
        let failures = applied.failures();
        assert_eq!(failures.len(), 1, "{status}: {failures:?}");
        assert_eq!(failures[0].1.message, "The server does not like it.");
        assert_eq!(domains(&wire), ["old.example", "one.example"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_overwritten_list_is_written_again_with_both() {
    // Theirs comes between our write and the reading after it, made from a list without ours and without one
    // that was there.
    let wire = written_by_another(3, &["old.example", "late.example"]);
    let applied = Desk::new().apply(&wire, MANIFEST).await;
    assert_eq!(applied.ledger.tally().created, 2);
    assert_eq!(domains(&wire), ALL_AND_LATE);
    assert!(
        applied
            .outcomes
            .values()
            .all(|outcome| outcome.id.is_some())
    );
}

#[tokio::test(start_paused = true)]
async fn what_another_deleted_before_stays_deleted() {
    let wire = written_by_another(1, &["old.example"]);
    Desk::new().apply(&wire, MANIFEST).await;
    assert_eq!(
        domains(&wire),
        ["old.example", "one.example", "two.example"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_cut_off_is_finished_from_its_directory() {
    let manifest = "resource,domain,action\ndomain,one.example,\ndomain,old.example,delete\n";
    for cut in 0..8 {
        let (desk, wire) = (Desk::new(), Wire::new(TENANT));
        let moment = Duration::from_millis(30 * cut);
        let directory = desk.cut_off(&wire, manifest, moment).await;
        let applied = desk.resume(&wire, directory).await;
        assert_eq!(applied.end, End::Finished);
        assert_eq!(
            domains(&wire),
            ["kept.example", "one.example"],
            "cut after {moment:?}"
        );
        let done = |outcome: &zpa_bulk::item::Outcome| {
            !matches!(outcome.status, Status::Failed | Status::Unchanged)
        };
        assert_eq!(applied.outcomes.len(), 2);
        assert!(
            applied.outcomes.values().all(done),
            "cut after {moment:?}: {:?}",
            applied.outcomes
        );
    }
}

#[tokio::test(start_paused = true)]
async fn lost_elements_are_remembered_over_a_refusal() {
    for second in [
        Fault::Refuse(429),
        Fault::Refuse(409),
        Fault::Refuse(503),
        Fault::Refuse(400),
    ] {
        let mut wire = written_by_another(3, &["old.example", "late.example"]);
        wire.fault = Arc::new(move |_, write| (write == 1).then_some(second));
        let applied = Desk::new().apply(&wire, MANIFEST).await;
        assert_eq!(domains(&wire), ALL_AND_LATE, "{second:?}");
        assert_eq!(applied.ledger.tally().failed, 0, "{second:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn elements_lost_beside_a_delete_are_put_back() {
    // They save the list that they had read before: with the domain that we deleted, and without another.
    let wire = written_by_another(3, &["old.example", "late.example"]);
    let manifest = "resource,domain,action\ndomain,old.example,delete\n";
    let applied = Desk::new().apply(&wire, manifest).await;
    assert_eq!(domains(&wire), ["kept.example", "late.example"]);
    assert_eq!(applied.ledger.tally().deleted, 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_was_lost_has_its_settle_time() {
    let (wire, applied) = ensure(|_, write| (write == 0).then_some(Fault::LoseRequest)).await;
    assert_eq!(applied.ledger.tally().created, 2);
    let written = wire.log(Class::Write)[0].at;
    assert!(written >= Duration::from_secs(30 + 60), "{written:?}");
}
