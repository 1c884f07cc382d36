//! Updates that go together are read from one listing, if it shows what was just written.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;
use zpa_bulk::engine::UpdateReads;
use zpa_bulk::pacer::QuotaScope;
use zpa_bulk::sim::Class;
use zpa_bulk::wire::{Id, Method, Path, Request};

use crate::support::desk::Desk;
use crate::support::manifests::manifest;
use crate::support::wire::{Fault, ROOMY, Wire};

const LINKS: usize = 30;

const LATENCY: &str = "latency = { base = \"80ms\", jitter = \"0s\" }";

/// Creates links, and updates each of them by way of listings. Returns the paths that were read for the updates.
async fn updated(wire: &mut Wire, prepare: impl FnOnce(&mut Wire)) -> Vec<String> {
    let mut desk = Desk::new();
    desk.settings.quota_scope = QuotaScope::Tenant;
    desk.settings.update_reads = UpdateReads::Listing;
    desk.apply(wire, &manifest(LINKS)).await;
    // The next engine does not know what this one has sent.
    sleep(Duration::from_secs(60)).await;
    prepare(wire);
    let before = wire.tenant.log().len();
    let mut updates = "name,url,action\n".to_owned();
    for name in wire.names() {
        writeln!(updates, "{name},https://new.example/,update").unwrap();
    }
    let applied = desk.apply(wire, &updates).await;
    let tally = applied.ledger.tally();
    assert_eq!(tally.updated + tally.recovered, LINKS as u64);
    let links = wire.objects("portal_links");
    assert!(links.iter().all(|link| link["link"] == "new.example"));
    assert_eq!(wire.refusals(), 0);
    let log = wire.tenant.log().split_off(before);
    let reads = log.into_iter().filter(|entry| entry.method == "GET");
    reads.map(|entry| entry.path).collect()
}

/// Counts the readings of single links, and the others.
fn counts(reads: &[String]) -> (usize, usize) {
    let single = reads
        .iter()
        .filter(|path| path.contains("/userPortalLink/"));
    let single = single.count();
    (single, reads.len() - single)
}

#[tokio::test(start_paused = true)]
async fn a_wave_takes_two_reads_and_no_more_time() {
    for latency in ["80ms", "300ms"] {
        let latency = format!("latency = {{ base = \"{latency}\", jitter = \"0s\" }}");
        let mut wire = Wire::new(&format!("{ROOMY}\n{latency}"));
        let reads = updated(&mut wire, |_| {}).await;
        // One listing is that of the plan.
        assert_eq!(counts(&reads), (3, 1 + 3), "{reads:?}");
        let log = wire.log(Class::Write);
        let mut puts = log.iter().filter(|entry| entry.method == "PUT");
        let (first, last) = (puts.next().unwrap(), puts.next_back().unwrap());
        let lasted = last.at.saturating_sub(first.at);
        // The last ones go after their witness and its listing.
        let most = Duration::from_millis(20_400 + 3 * 300 + 200);
        assert!(lasted < most, "{lasted:?} with {latency}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_listing_does_not_show_yet_is_kept() {
    let lag = "listing = { lag = \"6s\" }\nquota = { write = \"off\" }";
    let mut wire = Wire::new(&format!("{ROOMY}\n{lag}\n{LATENCY}"));
    let mut theirs = Id::from(0);
    let reads = updated(&mut wire, |wire| {
        let mut link = wire.objects("portal_links")[LINKS - 1].clone();
        theirs = Id::parse(link["id"].as_str().unwrap()).unwrap();
        link["description"] = json!("theirs");
        let path = Path::from("userPortalLink").id(&theirs);
        let change = Request::new(Method::Put, path, None).with_body(link);
        // They change one of the last links once the first is read for its update.
        let is_done = AtomicBool::new(false);
        wire.other = Arc::new(move |request, _| {
            let reads_one = request.method == Method::Get && !request.endpoint().ends_with("Link");
            let is_due = reads_one && !is_done.swap(true, Ordering::Relaxed);
            is_due.then(|| change.clone())
        });
    })
    .await;
    let is_theirs = |link: &Value| link["id"] == theirs.as_str();
    let links = wire.objects("portal_links");
    let link = links.into_iter().find(is_theirs).unwrap();
    assert_eq!(link["description"], "theirs");
    let (single, _) = counts(&reads);
    assert_eq!(single, LINKS, "no listing is believed");
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_does_not_show_the_witness_as_written_is_not_believed() {
    let earlier = |row: &mut Value| row["modifiedTime"] = json!("1");
    let of_another = |row: &mut Value| row["link"] = json!("theirs.example");
    let cut_down = |row: &mut Value| drop(row.as_object_mut().unwrap().remove("enabled"));
    let ways: [fn(&mut Value); 3] = [earlier, of_another, cut_down];
    for (number, way) in ways.into_iter().enumerate() {
        let mut wire = Wire::new(&format!("{ROOMY}\n{LATENCY}"));
        let reads = updated(&mut wire, |wire| {
            let (writes, planned) = (Arc::clone(&wire.writes), *wire.writes.lock().unwrap());
            wire.rewords = Some(Arc::new(move |path, _, body| {
                if !path.ends_with("userPortalLink") || *writes.lock().unwrap() == planned {
                    return body;
                }
                let mut answer: Value = serde_json::from_str(&body).unwrap();
                answer["list"]
                    .as_array_mut()
                    .into_iter()
                    .flatten()
                    .for_each(way);
                answer.to_string()
            }));
        })
        .await;
        let (single, lists) = counts(&reads);
        assert_eq!((single, lists), (LINKS, 2), "{number}: {reads:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_witness_that_is_not_answered_holds_nothing_up() {
    for fault in [Fault::LoseAnswer, Fault::LoseRequest, Fault::Answer(500)] {
        let mut wire = Wire::new(&format!("{ROOMY}\n{LATENCY}"));
        updated(&mut wire, |wire| {
            let writes = *wire.writes.lock().unwrap();
            wire.fault = Arc::new(move |_, write| (write == writes).then_some(fault));
        })
        .await;
    }
}
