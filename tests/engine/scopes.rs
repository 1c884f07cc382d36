//! Many links deleted one by one, on tenants that limit each exact path and on others.

use std::time::Duration;

use tokio::time::sleep;
use zpa_bulk::clock;
use zpa_bulk::coordination::{Coordination, Fact, Now};
use zpa_bulk::engine::{End, EngineSettings, Member};
use zpa_bulk::pacer::{Learned, QuotaScope};
use zpa_bulk::sim::Class;

use crate::support::desk::{Desk, carry_out};
use crate::support::manifests::manifest;
use crate::support::wire::{CUSTOMER, ROOMY, Wire};

const LINKS: usize = 500;

/// Deletes every link of a tenant with that quota.
async fn delete_all(quota: &str, settings: impl FnOnce(&mut EngineSettings)) -> Wire {
    let wire = Wire::new(&format!("{ROOMY}\n[quota]\n{quota}"));
    let mut desk = Desk::new();
    desk.apply(&wire, &manifest(LINKS)).await;
    let deletes = deletes(&wire.names());
    sleep(Duration::from_secs(60)).await;
    settings(&mut desk.settings);
    let applied = desk.apply(&wire, &deletes).await;
    assert_eq!(applied.end, End::Finished);
    assert_eq!(applied.ledger.tally().deleted, LINKS as u64);
    assert!(wire.links().is_empty());
    wire
}

/// A manifest that deletes the links of these names.
fn deletes(names: &[String]) -> String {
    let rows = names
        .iter()
        .map(|name| format!("portal-link,delete,{name}\n"));
    format!("resource,action,name\n{}", rows.collect::<String>())
}

fn by_endpoint(settings: &mut EngineSettings) {
    settings.quota_scope = QuotaScope::Endpoint;
}

/// The time from the first delete to the last.
fn lasted(wire: &Wire) -> Duration {
    let log = wire.log(Class::Write);
    let deletes = || log.iter().filter(|entry| entry.method == "DELETE");
    let (first, last) = (deletes().next().unwrap(), deletes().next_back().unwrap());
    last.at.saturating_sub(first.at)
}

#[tokio::test(start_paused = true)]
async fn deletes_of_many_paths_take_seconds() {
    let wire = delete_all(r#"scope = "endpoint""#, by_endpoint).await;
    let lasted = lasted(&wire);
    assert!(lasted < Duration::from_secs(10), "{lasted:?}");
    assert_eq!(wire.refusals(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_gateway_is_kept_to_where_it_is_what_limits() {
    let quota = "scope = \"endpoint\"\ngateway = \"50/10s\"";
    let wire = delete_all(quota, |settings| {
        by_endpoint(settings);
        settings.gateway_quota = "50/10s".parse().unwrap();
    })
    .await;
    assert_eq!(wire.refusals(), 0);
    // Each is read before it is deleted, and a few are read before the first is.
    let (lasted, interval) = (lasted(&wire), Duration::from_millis(200));
    let (least, most) = (interval * 499, (interval * 999).mul_f64(1.03));
    assert!((least..most).contains(&lasted), "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_wide_limit_is_found_out_and_obeyed() {
    for quota in [
        "window = \"fixed\"",
        "window = \"sliding-log\"\ncounts_refused = true",
    ] {
        let wire = delete_all(quota, by_endpoint).await;
        let (refused, lasted) = (wire.refusals(), lasted(&wire));
        assert!((1..=PRICE).contains(&refused), "{refused} with {quota}");
        let most = Duration::from_secs(490).mul_f64(1.2);
        assert!(lasted < most, "{lasted:?} with {quota}");
    }
}

/// The most refusals that the trial of the scope may cost.
const PRICE: usize = 3;

fn auto(settings: &mut EngineSettings) {
    settings.quota_scope = QuotaScope::Auto;
}

#[tokio::test(start_paused = true)]
async fn a_limit_on_each_path_is_found_out() {
    for window in ["fixed", "first-call", "sliding-log"] {
        let quota = format!("scope = \"endpoint\"\nwindow = \"{window}\"");
        let wire = delete_all(&quota, auto).await;
        let lasted = lasted(&wire);
        assert!(lasted < Duration::from_secs(15), "{lasted:?} with {window}");
        assert_eq!(wire.refusals(), 0, "{window}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_answers_do_not_hide_a_limit_on_each_path() {
    let quota = "scope = \"endpoint\"\n[latency]\nbase = \"400ms\"";
    let wire = delete_all(quota, auto).await;
    let lasted = lasted(&wire);
    assert!(lasted < Duration::from_secs(40), "{lasted:?}");
    assert_eq!(wire.refusals(), 0);
}

#[tokio::test(start_paused = true)]
async fn two_processes_find_a_limit_on_each_path_out_together() {
    clock::tie();
    let wire = Wire::new(&format!("{ROOMY}\n[quota]\nscope = \"endpoint\""));
    let state = tempfile::tempdir().unwrap();
    let table = Coordination::open(state.path(), CUSTOMER, Now::read()).unwrap();
    Desk::new().apply(&wire, &manifest(LINKS)).await;
    sleep(Duration::from_secs(60)).await;
    let names = wire.names();
    let (one, other) = names.split_at(LINKS / 2);
    let delete = async |run: &str, names: &[String]| {
        let mut desk = Desk::new();
        auto(&mut desk.settings);
        let mut engine = desk.engine(wire.clone());
        engine.share(table.clone()).unwrap();
        let planned = desk.start(&mut engine, &deletes(names)).await;
        let settle = desk.settings.settle;
        let id = table.change(Now::read(), |table| table.begin(run, run, settle));
        let (id, name) = (id.unwrap(), run.to_owned());
        engine.join(Member { id, name });
        carry_out(&mut engine, planned).await
    };
    tokio::join!(delete("one", one), delete("other", other));
    assert!(wire.links().is_empty());
    assert_eq!(wire.refusals(), 0);
    let lasted = lasted(&wire);
    assert!(lasted < Duration::from_secs(10), "{lasted:?}");
    let learned = table.learned(Now::read()).unwrap();
    let is_found = |fact: &Fact| fact.learned == Learned::Scope(QuotaScope::Endpoint);
    assert!(learned.iter().any(is_found), "{learned:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_on_all_paths_costs_one_pause() {
    for window in ["fixed", "first-call", "sliding-log", "token-bucket"] {
        let quota = format!("window = \"{window}\"\nretry_after_padding = \"3s\"");
        let wire = delete_all(&quota, auto).await;
        let (refused, lasted) = (wire.refusals(), lasted(&wire));
        assert!((1..=PRICE).contains(&refused), "{refused} with {window}");
        let most = Duration::from_secs(490).mul_f64(1.02) + Duration::from_secs(16);
        assert!(lasted < most, "{lasted:?} with {window}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_on_all_paths_that_is_larger_than_published_is_taken_for_what_it_is() {
    for window in ["fixed", "first-call", "sliding-log"] {
        let quota = format!("window = \"{window}\"\nread = \"52/10s\"\nwrite = \"26/10s\"");
        let wire = delete_all(&quota, auto).await;
        let (refused, lasted) = (wire.refusals(), lasted(&wire));
        assert!((1..=PRICE).contains(&refused), "{refused} with {window}");
        let least = Duration::from_secs(450);
        assert!(lasted > least, "{lasted:?} with {window}");
    }
}
