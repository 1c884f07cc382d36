//! The faults of a tenant, one by one; `histories` generates whole histories of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use zpa_bulk::engine::End;
use zpa_bulk::item::Status;
use zpa_bulk::resource::{Kind, Scope};
use zpa_bulk::sim::Class;
use zpa_bulk::wire::{Id, Method, Path, Request};

use crate::support::desk::{Desk, outcomes};
use crate::support::manifests::{expected, manifest};
use crate::support::wire::{Fault, ROOMY, Wire, then};

fn fault(kind: &str, calls: &str, more: &str) -> String {
    format!("[[fault]]\nkind = \"{kind}\"\nmatch = \"{calls}\"\n{more}\n")
}

/// A tenant with one link, and a scenario from the tenth second on.
async fn with_a_link(faults: &str) -> (Wire, Desk) {
    let wire = Wire::new(&format!("tenant = {{ links = 1 }}\n{faults}"));
    let desk = Desk::new();
    desk.apply(&wire, "name,url\nSeeded Link 0001,https://a.example\n")
        .await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    (wire, desk)
}

const CHANGE: &str = "name,url\nSeeded Link 0001,https://b.example\n";
const CHANGE_AGAIN: &str = "name,url\nSeeded Link 0001,https://c.example\n";
const DELETE: &str = "resource,name,action\nportal-link,Seeded Link 0001,delete\n";

#[tokio::test(start_paused = true)]
async fn a_minute_without_answers_creates_all_once() {
    for calls in ["* *", "* /mgmt*", "POST */userPortalLink*"] {
        for batch_size in [1, 20] {
            let drop = fault("drop-after-commit", calls, "for = \"60s\"");
            let wire = Wire::new(&format!("{ROOMY}\n{drop}"));
            let applied = Desk::new()
                .batch_size(batch_size)
                .apply(&wire, &manifest(60))
                .await;
            assert_eq!(applied.end, End::Finished, "{calls}");
            assert_eq!(wire.links(), expected(60), "{calls}");
            let tally = applied.ledger.tally();
            assert_eq!(tally.created + tally.recovered, 60, "{calls}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_does_not_fail_while_one_may_still_land() {
    let late = fault(
        "late-commit",
        "PUT *",
        "after = \"30s\"\ntimes = 1\ndelay = \"20s\"",
    );
    let refused = fault("status", "PUT *", "after = \"30s\"\nstatus = 400");
    let (wire, desk) = with_a_link(&format!("{late}{refused}")).await;
    let applied = desk.apply(&wire, CHANGE).await;
    assert_eq!(applied.outcomes[&0].status, Status::Recovered);
    assert_eq!(wire.objects("portal_links")[0]["link"], "b.example");
}

/// A fault that carries the first change out so late that the next run would have ended.
fn first_comes_late(calls: &str) -> String {
    fault(
        "late-commit",
        calls,
        "after = \"30s\"\ntimes = 1\ndelay = \"40s\"",
    )
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_late_change_does_not_win() {
    let (wire, desk) = with_a_link(&first_comes_late("PUT *")).await;
    desk.apply(&wire, CHANGE).await;
    desk.apply(&wire, CHANGE_AGAIN).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(wire.objects("portal_links")[0]["link"], "c.example");
}

/// Kills a run after its first change, and resumes it at once.
async fn killed_and_resumed(wire: &Wire, desk: &Desk, manifest: &str) {
    let after = Duration::from_millis(5_500);
    let directory = desk.cut_off(wire, manifest, after).await;
    assert!(outcomes(directory.path()).is_empty());
    let resumed = desk.resume(wire, directory).await;
    let tally = resumed.ledger.tally();
    assert_eq!(tally.finished() - tally.failed, tally.items);
}

#[tokio::test(start_paused = true)]
async fn a_killed_runs_late_change_does_not_win() {
    let (wire, desk) = with_a_link(&first_comes_late("PUT *")).await;
    killed_and_resumed(&wire, &desk, CHANGE).await;
    desk.apply(&wire, CHANGE_AGAIN).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(wire.objects("portal_links")[0]["link"], "c.example");
}

#[tokio::test(start_paused = true)]
async fn a_killed_runs_late_list_does_not_win() {
    let replaced = "domains = { post = \"replace\" }\n".to_owned();
    let late = first_comes_late("POST */domains");
    let wire = Wire::new(&(replaced + &late));
    let desk = Desk::new();
    tokio::time::sleep(Duration::from_secs(60)).await;
    killed_and_resumed(&wire, &desk, "resource,domain\ndomain,a.example\n").await;
    desk.apply(&wire, "resource,domain\ndomain,b.example\n")
        .await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(wire.objects("domains").len(), 2);
}

/// A pause that is asked for in answer to these calls after the thirtieth second, and what the server does first.
fn pause(kind: &str, calls: &str, times: u32) -> String {
    let more = format!("after = \"30s\"\ntimes = {times}\nstatus = 503\nretry_after = \"5s\"");
    fault(kind, calls, &more)
}

#[tokio::test(start_paused = true)]
async fn a_change_that_a_pause_answered_is_ours() {
    for (calls, change, status) in [
        ("PUT *", CHANGE, Status::Recovered),
        ("DELETE *", DELETE, Status::Deleted),
    ] {
        let (wire, desk) = with_a_link(&pause("status-after-commit", calls, 1)).await;
        let applied = desk.apply(&wire, change).await;
        assert_eq!(applied.outcomes[&0].status, status, "{calls}");
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_use_no_attempts_of_an_update() {
    let (wire, desk) = with_a_link(&pause("status", "PUT *", 12)).await;
    let applied = desk.apply(&wire, CHANGE).await;
    assert_eq!(applied.outcomes[&0].status, Status::Updated);
    assert_eq!(wire.objects("portal_links")[0]["link"], "b.example");
}

#[tokio::test(start_paused = true)]
async fn a_list_is_not_given_up_while_it_lags() {
    let concurrent = fault(
        "status-after-commit",
        "POST */domains",
        "times = 8\nstatus = 409\nid = \"api.concurrent.access.error\"",
    );
    let wire = Wire::new(&format!("listing = {{ lag = \"6s\" }}\n{concurrent}"));
    let mut desk = Desk::new();
    desk.settings.max_attempts = 2.try_into().unwrap();
    let applied = desk
        .apply(&wire, "resource,domain\ndomain,a.example\n")
        .await;
    assert_eq!(applied.ledger.tally().recovered, 1);
}

#[tokio::test(start_paused = true)]
async fn a_delete_without_a_check_has_not_failed() {
    let after_a_while = "after = \"30s\"\nstatus = 400";
    let refused = fault("status-after-commit", "DELETE *", after_a_while);
    let (wire, desk) = with_a_link(&refused).await;
    desk.apply(&wire, DELETE).await;
    let deleted = wire.log(Class::Write).last().unwrap().at.as_millis();
    let after = format!("after = \"{}ms\"\nstatus = 408", deleted + 1);
    let late = fault("status", "GET */userPortalLink/*", &after);
    let (wire, desk) = with_a_link(&format!("{late}{refused}")).await;
    let applied = desk.apply(&wire, DELETE).await;
    assert!(wire.names().is_empty());
    assert!(
        matches!(applied.end, End::Unreadable(..)),
        "{:?}",
        applied.end
    );
    assert!(applied.outcomes.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_refused_list_that_lags_is_not_taken_out_again() {
    let refused = fault(
        "status-after-commit",
        "POST */domains",
        "times = 1\nstatus = 400",
    );
    let wire = Wire::new(&format!(
        "domains = {{ post = \"replace\" }}\nlisting = {{ lag = \"4s\" }}\n{refused}"
    ));
    let rows = "resource,domain\ndomain,a.example\ndomain,b.example\n";
    let applied = Desk::new().apply(&wire, rows).await;
    assert_eq!(applied.ledger.tally().recovered, 2);
    assert_eq!(wire.log(Class::Write).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_change_that_shows_is_not_waited_for() {
    let lost = fault("drop-after-commit", "PUT *", "after = \"30s\"\ntimes = 1");
    let (wire, desk) = with_a_link(&lost).await;
    let begun = tokio::time::Instant::now();
    let applied = desk.apply(&wire, CHANGE).await;
    assert_eq!(applied.outcomes[&0].status, Status::Recovered);
    assert!(begun.elapsed() < desk.settings.settle);
}

#[tokio::test(start_paused = true)]
async fn a_delete_does_not_fail_while_one_may_still_land() {
    let late = fault(
        "late-commit",
        "DELETE *",
        "after = \"30s\"\ntimes = 1\ndelay = \"20s\"",
    );
    let refused = fault("status", "DELETE *", "after = \"30s\"\nstatus = 403");
    let (wire, desk) = with_a_link(&format!("{late}{refused}")).await;
    let applied = desk.apply(&wire, DELETE).await;
    assert_eq!(applied.outcomes[&0].status, Status::Deleted);
    assert!(wire.links().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_update_stays_unknown_until_resumed() {
    let lost = fault("timeout", "PUT *", "after = \"30s\"\ntimes = 1");
    let down = fault(
        "status",
        "GET */userPortalLink*",
        "after = \"80s\"\nfor = \"20m\"\nstatus = 500",
    );
    let (wire, mut desk) = with_a_link(&format!("{lost}{down}")).await;
    desk.settings.max_attempts = 2.try_into().unwrap();
    let (parked, directory) = desk.applied_in(&wire, CHANGE).await;
    assert!(
        matches!(parked.end, End::Unreadable(..)),
        "{:?}",
        parked.end
    );
    assert_eq!(
        (parked.ledger.tally().unknown, parked.outcomes.len()),
        (1, 0)
    );
    tokio::time::sleep(Duration::from_secs(1200)).await;
    let resumed = desk.resume(&wire, directory).await;
    assert_eq!(resumed.outcomes[&0].status, Status::Recovered);
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_list_stays_unknown() {
    let lost = fault("timeout", "POST */domains", "times = 1");
    let down = fault(
        "status",
        "GET */domains",
        "after = \"10s\"\nfor = \"20m\"\nstatus = 500",
    );
    let wire = Wire::new(&format!("{lost}{down}"));
    let mut desk = Desk::new();
    desk.settings.max_attempts = 2.try_into().unwrap();
    let applied = desk
        .apply(&wire, "resource,domain\ndomain,a.example\n")
        .await;
    assert!(
        matches!(applied.end, End::Unreadable(..)),
        "{:?}",
        applied.end
    );
    assert_eq!(applied.ledger.tally().unknown, 1);
}

#[tokio::test(start_paused = true)]
async fn a_web_page_in_place_of_an_answer_is_no_answer() {
    let (wire, desk) = with_a_link(&fault("html", "* /mgmt*", "after = \"30s\"\ntimes = 4")).await;
    let applied = desk.apply(&wire, CHANGE).await;
    assert_eq!(applied.end, End::Finished);
    assert_eq!(applied.ledger.tally().updated, 1);
    let (wire, desk) = with_a_link(&fault("html", "PUT *", "after = \"30s\"")).await;
    let applied = desk.apply(&wire, CHANGE).await;
    assert_eq!(applied.outcomes[&0].status, Status::Recovered);
}

// Batches

/// A manifest of links, and faults that poison those with the numbers of `bad`.
fn spoilt(count: usize, bad: &[usize]) -> (String, String) {
    let mut text = "name,url\n".to_owned();
    let mut poison = String::new();
    for number in 0..count {
        text.push_str(&format!("L{number:04},https://l{number}.example\n"));
    }
    for number in bad {
        poison.push_str(&format!(
            "[[fault]]\nkind = \"poison\"\nname = \"L{number:04}\"\n"
        ));
    }
    (text, poison)
}

/// Applies `count` links to a server that answers batches as `bulk` says. Answers the number of writes.
async fn calls_for(bulk: &str, count: usize, batch_size: u32, bad: &[usize]) -> usize {
    let (text, poison) = spoilt(count, bad);
    let wire = Wire::new(&format!("{ROOMY}\nbulk = {{ {bulk} }}\n{poison}"));
    let desk = Desk::new().batch_size(batch_size);
    let applied = desk.apply(&wire, &text).await;
    assert_eq!(applied.end, End::Finished, "{bulk}");
    let failures: BTreeMap<u32, String> = applied
        .failures()
        .into_iter()
        .map(|(item, failure)| (item, failure.message.clone()))
        .collect();
    let expected: BTreeMap<u32, String> = bad
        .iter()
        .map(|n| {
            (
                u32::try_from(*n).unwrap(),
                format!("L{n:04} cannot be accepted."),
            )
        })
        .collect();
    assert_eq!(failures, expected, "{bulk}");
    let good: Vec<String> = (0..count)
        .filter(|number| !bad.contains(number))
        .map(|number| format!("L{number:04}"))
        .collect();
    assert_eq!(wire.names(), good, "{bulk}");
    let log = wire.tenant.log();
    log.iter()
        .filter(|entry| entry.method == "POST" && entry.path != "/signin")
        .count()
}

#[tokio::test(start_paused = true)]
async fn bad_items_of_a_batch_fail_alone_at_a_bounded_cost() {
    let (count, batch_size) = (120, 30);
    let settings = [
        ("atomic = true", "named"),
        ("atomic = true", "unnamed"),
        ("atomic = false", "named"),
        ("atomic = false", "unnamed"),
        ("atomic = false", "unsaid"),
    ];
    let bad_ones: [&[usize]; 4] = [&[], &[7], &[0, 119], &[10, 11, 12, 60, 89, 90]];
    for (atomic, bad_items) in settings {
        for answer in ["wrapper", "list", "empty"] {
            for (order, unique) in [("posted", true), ("reversed", false)] {
                let bulk = format!(
                    "{atomic}, bad_items = \"{bad_items}\", answer = \"{answer}\", order = \"{order}\", unique_names = {unique}"
                );
                for bad in bad_ones {
                    let calls = calls_for(&bulk, count, batch_size, bad).await;
                    let levels = batch_size.next_power_of_two().ilog2() as usize;
                    let most = 2 * bad.len() * levels + count / 30;
                    assert!(calls <= most, "{bulk}, {bad:?}: {calls} calls, not {most}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_largest_batch_is_learned_for_the_whole_run() {
    for (max, most) in [(1, 640), (2, 340), (10, 100), (70, 30), (149, 20)] {
        let calls = calls_for(&format!("max = {max}"), 600, 150, &[]).await;
        assert!(
            calls <= most,
            "at most {max} in a batch: {calls} calls, not {most}"
        );
        let bad = calls_for(&format!("max = {max}"), 600, 150, &[5, 300, 599]).await;
        assert!(bad <= most + 60, "at most {max} in a batch: {bad} calls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_resumed_run_knows_the_learned_batch_size() {
    let posts = |wire: &Wire| {
        let log = wire.tenant.log();
        let posts = log.iter().filter(|e| e.path.ends_with("/bulk"));
        posts.map(|entry| entry.status).collect::<Vec<_>>()
    };
    let wire = Wire::new(&format!("{ROOMY}\nbulk = {{ max = 40 }}"));
    let mut desk = Desk::new().batch_size(150);
    desk.settings.write_quota = "10/60s".parse().unwrap();
    let after = Duration::from_secs(100);
    let directory = desk.cut_off(&wire, &spoilt(900, &[]).0, after).await;
    assert!(outcomes(directory.path()).len() < 900);
    let before = posts(&wire);
    assert!(
        before.contains(&400) && before.ends_with(&[201]),
        "{before:?}"
    );
    let resumed = desk.resume(&wire, directory).await;
    assert_eq!(resumed.ledger.tally().finished(), 900);
    let after = posts(&wire).split_off(before.len());
    assert!(after.len() > 5 && !after.contains(&400), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn an_item_that_breaks_the_server_fails_alone() {
    let breaks = |request: &Request, _| {
        let body = request.body.as_ref().map(ToString::to_string);
        let poisoned = body.is_some_and(|body| body.contains("L0077"));
        poisoned.then_some(Fault::Refuse(500))
    };
    let wire = Wire::with_faults(ROOMY, breaks);
    let applied = Desk::new().apply(&wire, &spoilt(150, &[]).0).await;
    let failures = applied.failures();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(failures[0].0, 77);
    assert_eq!(applied.ledger.tally().created, 149);
}

#[tokio::test(start_paused = true)]
async fn one_listing_settles_all_lost_deletes() {
    let mut lasted = Vec::new();
    for fault in [|_: usize| false, |write: usize| write.is_multiple_of(2)] {
        let wire = Wire::with_faults(ROOMY, move |request, write| {
            let lost = request.method == Method::Delete && fault(write);
            lost.then_some(Fault::LoseAnswer)
        });
        let desk = Desk::new();
        desk.apply(&wire, &manifest(300)).await;
        let names: String = wire
            .names()
            .iter()
            .map(|name| format!("portal-link,{name},delete\n"))
            .collect();
        let began = Instant::now();
        let applied = desk
            .apply(&wire, &format!("resource,name,action\n{names}"))
            .await;
        lasted.push(began.elapsed());
        assert_eq!(applied.end, End::Finished);
        assert_eq!(applied.ledger.tally().deleted, 300);
    }
    let most = lasted[0] * 2 + Duration::from_secs(60);
    assert!(lasted[1] <= most, "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_moves_to_a_page_that_was_read_is_seen() {
    let churn = "listing = { churn = 0.5, churn_of = [\"portal-link\"] }\n";
    let wire = Wire::new(&format!("{ROOMY}\ntenant = {{ links = 520 }}\n{churn}"));
    let links = Scope::of(Kind::portal_link(), None);
    for _ in 0..20 {
        let mut engine = Desk::new().engine(wire.clone());
        let live = engine.snapshot(vec![links.clone()]).await.unwrap();
        let names = live
            .objects(&links)
            .iter()
            .filter_map(|link| link["name"].as_str());
        let lasting = names.filter(|name| name.starts_with("Seeded"));
        assert_eq!(lasting.count(), 520);
    }
}

/// Statuses that a gateway may answer after the server has carried a call out.
const REFUSALS: [&str; 4] = [
    "status = 409\nid = \"api.concurrent.access.error\"",
    "status = 400\nid = \"db.simultaneous.request\"",
    "status = 400\nid = \"not.liked\"",
    "status = 403\nid = \"not.allowed\"",
];

#[tokio::test(start_paused = true)]
async fn a_create_that_is_refused_after_it_was_made_is_there_once() {
    for refusal in REFUSALS {
        for links in [1, 3] {
            let refused = fault("status-after-commit", "POST */userPortalLink*", refusal);
            let wire = Wire::new(&format!(
                "{ROOMY}\nbulk = {{ unique_names = false }}\n{refused}times = 1\n"
            ));
            let applied = Desk::new().apply(&wire, &manifest(links)).await;
            assert_eq!(wire.links(), expected(links), "{refusal}");
            let tally = applied.ledger.tally();
            assert!(tally.recovered > 0, "{refusal}: {tally:?}");
            assert_eq!(
                tally.recovered + tally.created,
                links as u64,
                "{refusal}: {tally:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_refused_after_it_was_made_has_not_failed() {
    for refusal in REFUSALS {
        for (calls, rows, end) in [
            ("PUT *", CHANGE, Status::Recovered),
            ("DELETE *", DELETE, Status::Deleted),
        ] {
            let late = format!("after = \"30s\"\ntimes = 1\n{refusal}");
            let (wire, desk) = with_a_link(&fault("status-after-commit", calls, &late)).await;
            let rows = rows.replace("a.example", "c.example");
            let applied = desk.apply(&wire, &rows).await;
            assert_eq!(applied.outcomes[&0].status, end, "{calls} {refusal}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_refused_after_it_was_written_has_not_failed() {
    for refusal in REFUSALS {
        let refused = fault("status-after-commit", "POST */domains", refusal);
        let wire = Wire::new(&format!("{refused}times = 1\n"));
        let row = "resource,domain\ndomain,new.example\n";
        let applied = Desk::new().apply(&wire, row).await;
        assert_eq!(applied.failures(), [], "{refusal}");
        assert_eq!(wire.objects("domains").len(), 1, "{refusal}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_delete_that_cannot_be_checked_stops_the_run() {
    let late = "after = \"30s\"\ntimes = 1\nstatus = 403\nid = \"not.allowed\"";
    let (mut wire, desk) = with_a_link(&fault("status-after-commit", "DELETE *", late)).await;
    // A page on the way answers in place of the API, once.
    let answered = AtomicBool::new(false);
    wire.rewords = Some(Arc::new(move |_, _, text| {
        let is_page =
            text.contains("resource.not.found") && !answered.swap(true, Ordering::Relaxed);
        if is_page { "<html>".to_owned() } else { text }
    }));
    let (applied, directory) = desk.applied_in(&wire, DELETE).await;
    assert!(
        matches!(applied.end, End::Unreadable(..)),
        "{:?}",
        applied.end
    );
    let resumed = desk.resume(&wire, directory).await;
    assert_eq!(resumed.outcomes[&0].status, Status::Deleted);
}

#[tokio::test(start_paused = true)]
async fn a_create_in_doubt_takes_no_object_of_another_row() {
    let never = fault(
        "reset-before",
        "POST */userPortalLink*",
        "after = \"30s\"\ntimes = 1",
    );
    let (mut wire, desk) = with_a_link(&never).await;
    let link = wire.objects("portal_links").remove(0);
    // A person gives the link of the second row the name that the first row asks for.
    let id = Id::parse(link["id"].as_str().unwrap()).unwrap();
    let path = Path::from("userPortalLink").id(&id);
    let mut renamed = link.clone();
    renamed["name"] = "New".into();
    let rename = Request::new(Method::Put, path, None).with_body(renamed);
    wire.other = then(|ours| ours.method == Method::Post, rename);
    let rows = "name,url,description,action\nNew,https://a.example,,create\nSeeded Link 0001,https://a.example,ours,update\n";
    let applied = desk.apply(&wire, rows).await;
    assert_eq!(applied.outcomes[&0].status, Status::Unchanged);
    assert_eq!(applied.outcomes[&1].status, Status::Updated);
}
