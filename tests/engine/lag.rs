//! Listings that lag behind: for some seconds they show the state before a change.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use zpa_bulk::item::Status;
use zpa_bulk::sim::Class;

use crate::support::desk::{Desk, carry_out};
use crate::support::manifests::{expected, manifest};
use crate::support::wire::{Fault, ROOMY, Wire};

const DOMAINS: &str =
    "domains = { post = \"replace\", seed = [\"old.example\", \"kept.example\"] }\n";

fn lagging(scenario: &str) -> String {
    format!("listing = {{ lag = \"6s\" }}\n{scenario}\n")
}

fn domains(wire: &Wire) -> Vec<String> {
    let name = |one: Value| one["domain"].as_str().unwrap().to_owned();
    let mut domains: Vec<String> = wire.objects("domains").into_iter().map(name).collect();
    domains.sort();
    domains
}

#[tokio::test(start_paused = true)]
async fn a_list_that_does_not_show_a_write_is_not_written_again() {
    let wire = Wire::new(&lagging(DOMAINS));
    let rows = "resource,domain,action\ndomain,new.example,\ndomain,old.example,delete\n";
    let applied = Desk::new().apply(&wire, rows).await;
    let tally = applied.ledger.tally();
    assert_eq!((tally.created, tally.deleted), (1, 1), "{tally:?}");
    assert_eq!(domains(&wire), ["kept.example", "new.example"]);
    assert_eq!(wire.log(Class::Write).len(), 1);
    assert!(wire.log(Class::Read).len() <= 7, "each twice as late");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_shows_a_write_at_once_is_read_once() {
    let (wire, begun) = (Wire::new(DOMAINS), Instant::now());
    let rows = "resource,domain\ndomain,new.example\n";
    let applied = Desk::new().apply(&wire, rows).await;
    assert_eq!(applied.ledger.tally().created, 1);
    assert_eq!(wire.log(Class::Read).len(), 3, "planned, read and seen");
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn the_next_list_is_made_from_one_that_shows_the_last() {
    let wire = Wire::new(&lagging(DOMAINS));
    for domain in ["one.example", "two.example", "three.example"] {
        let rows = format!("resource,domain\ndomain,{domain}\n");
        let applied = Desk::new().apply(&wire, &rows).await;
        assert_eq!(applied.ledger.tally().created, 1, "{domain}");
    }
    assert_eq!(
        domains(&wire),
        [
            "kept.example",
            "old.example",
            "one.example",
            "three.example",
            "two.example"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_refused_after_it_was_taken_does_not_fail() {
    // The first write shows that the tenant lags behind.
    let wire = Wire::with_faults(&lagging(DOMAINS), |_, write| {
        (write == 1).then_some(Fault::Answer(403))
    });
    let desk = Desk::new();
    let mut engine = desk.engine(wire.clone());
    for (domain, status) in [
        ("one.example", Status::Created),
        ("two.example", Status::Recovered),
    ] {
        let run = desk
            .start(&mut engine, &format!("resource,domain\ndomain,{domain}\n"))
            .await;
        let applied = carry_out(&mut engine, run).await;
        assert_eq!(
            applied.outcomes[&0].status, status,
            "{:?}",
            applied.outcomes
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_the_server_knows_is_looked_for_until_it_shows() {
    let busy = "[[fault]]\nkind = \"status-after-commit\"\nmatch = \"POST *\"\nafter = \"50ms\"\ntimes = 1\n\
                status = 409\nid = \"api.concurrent.access.error\"";
    let wire = Wire::new(&lagging(busy));
    let applied = Desk::new().apply(&wire, &manifest(1)).await;
    assert_eq!(wire.links(), expected(1));
    assert_eq!(applied.outcomes[&0].status, Status::Recovered);
    assert_eq!(wire.log(Class::Write).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_second_attempt_is_believed_only_after_the_lag() {
    let busy = "[[fault]]\nkind = \"status-after-commit\"\nmatch = \"POST *\"\nafter = \"50ms\"\ntimes = 1\n\
                status = 409\nid = \"api.concurrent.access.error\"";
    let wire = Wire::with_faults(&lagging(busy), |_, write| {
        (write == 1).then_some(Fault::Answer(400))
    });
    let applied = Desk::new().apply(&wire, &manifest(1)).await;
    assert_eq!(wire.links(), expected(1));
    assert_eq!(applied.outcomes[&0].status, Status::Recovered);
    assert_eq!(wire.log(Class::Write).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_is_looked_for_until_the_lag_is_over() {
    let busy = "[[fault]]\nkind = \"status-after-commit\"\nmatch = \"POST *\"\nafter = \"50ms\"\n\
                status = 409\nid = \"api.concurrent.access.error\"";
    let wire = Wire::new(&lagging(busy));
    let mut desk = Desk::new();
    desk.settings.max_attempts = NonZeroU32::MIN;
    let applied = desk.apply(&wire, &manifest(1)).await;
    assert_eq!(wire.links(), expected(1));
    assert_eq!(applied.outcomes[&0].status, Status::Recovered);
}

#[tokio::test(start_paused = true)]
async fn a_refused_create_is_believed_only_after_the_lag() {
    for last in [Fault::Answer(403), Fault::Answer(400), Fault::Unavailable] {
        let wire = Wire::with_faults(&lagging(ROOMY), move |_, write| {
            (write == 2).then_some(last)
        });
        let mut desk = Desk::new().batch_size(1);
        desk.settings.jobs = NonZeroUsize::new(1);
        // The listing for the last link lacks the others, which were confirmed.
        let applied = desk.apply(&wire, &manifest(3)).await;
        assert_eq!(wire.links(), expected(3), "{last:?}");
        let statuses = applied.outcomes.values().map(|outcome| outcome.status);
        let ended = [Status::Created, Status::Created, Status::Recovered];
        assert!(statuses.eq(ended), "{last:?}: {:?}", applied.outcomes);
        assert_eq!(wire.log(Class::Write).len(), 3, "{last:?}");
    }
}

const CONNECTORS: &str =
    "connectors = { live = 1, stale = 5, read_only = 0, never_connected = 0, groups = 1 }";

const DELETE: &str = "resource,action,name,disconnected_since\n\
     connector,delete,stale-02,2026-11-22T00:00:00Z\n\
     connector,delete,stale-03,2026-11-22T00:00:00Z\n";

/// Lets listings say that a connector is connected again, from the answer to that call on.
fn comes_back(wire: &mut Wire, name: &'static str, from: usize) {
    wire.rewords = Some(Arc::new(move |_, call, body| {
        let Ok(mut answer) = serde_json::from_str::<Value>(&body) else {
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
async fn connectors_that_a_listing_still_shows_are_not_deleted_again() {
    let wire = Wire::new(&lagging(CONNECTORS));
    let applied = Desk::new().apply(&wire, DELETE).await;
    assert_eq!(applied.ledger.tally().deleted, 2);
    assert_eq!(wire.log(Class::Write).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_back_before_its_delete_is_not_spared_after_it() {
    let alone = DELETE.replace("connector,delete,stale-02,2026-11-22T00:00:00Z\n", "");
    for rows in [DELETE, &alone] {
        let mut wire = Wire::new(&lagging(CONNECTORS));
        // Calls 0 and 1 are the plan's reading and the one before the delete.
        comes_back(&mut wire, "stale-03", 3);
        let applied = Desk::new().apply(&wire, rows).await;
        let tally = applied.ledger.tally();
        assert_eq!((tally.deleted, tally.spared), (tally.items, 0), "{rows}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_resumed_run_spares_only_what_no_late_delete_can_reach() {
    let late =
        "[[fault]]\nkind = \"late-commit\"\nmatch = \"POST */bulkDelete\"\ndelay = \"40s\"\n";
    let (desk, mut wire) = (Desk::new(), Wire::new(&format!("{CONNECTORS}\n{late}")));
    let directory = desk.cut_off(&wire, DELETE, Duration::from_secs(1)).await;
    comes_back(&mut wire, "stale-03", 0);
    let applied = desk.resume(&wire, directory).await;
    assert_eq!(applied.ledger.tally().deleted, 2, "{:?}", applied.outcomes);
    assert_eq!(wire.objects("connectors").len(), 4);
}
