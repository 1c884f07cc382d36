//! Portal links: created in bulk, updated, deleted, looked for.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use zpa_bulk::engine::{End, Engine};
use zpa_bulk::item::Status;
use zpa_bulk::manifest::LARGEST_MANIFEST;
use zpa_bulk::pacer::Pace;
use zpa_bulk::plan::{BulkPortals, Defaults};
use zpa_bulk::run;
use zpa_bulk::sim::{Class, Scenario};
use zpa_bulk::wire::{Method, Request};
use zpa_bulk::zpa::Api as _;

use crate::support::desk::{Applied, Desk, carry_out, die};
use crate::support::in_memory::InMemory;
use crate::support::manifests::{PORTALS, expected, manifest};
use crate::support::random::Random;
use crate::support::state::most_in_any_window;
use crate::support::wire::{CUSTOMER, Fault, ROOMY, Wire, then};

#[tokio::test(start_paused = true)]
async fn five_hundred_links_take_six_writes_and_no_refusal() {
    let wire = Wire::new("");
    let applied = Desk::new().apply(&wire, &manifest(500)).await;
    assert_eq!(applied.end, End::Finished);
    assert_eq!(applied.ledger.tally().created, 500);
    assert_eq!(wire.links(), expected(500));
    assert_eq!(wire.log(Class::Write).len(), 6);
    assert_eq!(wire.refusals(), 0);
}

/// Applies a manifest of links on three portals to a tenant, with the portals with each link.
async fn apply_with_own_portals(wire: &Wire, links: usize) -> Applied {
    let mut desk = Desk::new();
    desk.rules.bulk_portals = BulkPortals::Item;
    desk.apply(wire, &manifest(links)).await
}

#[tokio::test(start_paused = true)]
async fn links_on_many_portals_share_a_call() {
    for answer in ["wrapper", "list", "empty"] {
        let bulk = format!("bulk = {{ item_portals = \"honoured\", answer = \"{answer}\" }}");
        let wire = Wire::new(&bulk);
        let applied = apply_with_own_portals(&wire, 500).await;
        assert_eq!(applied.ledger.tally().created, 500, "{answer}");
        assert_eq!(wire.links(), expected(500), "{answer}");
        assert_eq!(wire.log(Class::Write).len(), 5, "two links, then the rest");
    }
}

#[tokio::test(start_paused = true)]
async fn links_of_a_saved_plan_share_a_call_too() {
    let wire = Wire::new("bulk = { item_portals = \"honoured\" }");
    let mut desk = Desk::new();
    desk.rules.bulk_portals = BulkPortals::Item;
    let saved = desk.save(&wire, &manifest(100)).await;
    desk.apply_saved(&wire, &saved).await;
    assert_eq!(wire.links(), expected(100));
    assert_eq!(wire.log(Class::Write).len(), 2, "two links, then the rest");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_leaves_no_link_twice_or_elsewhere() {
    for lost in 0..2 {
        for fault in [Fault::LoseAnswer, Fault::LoseRequest] {
            let bulk = "bulk = { item_portals = \"honoured\", unique_names = false }";
            let wire = Wire::with_faults(bulk, move |_, write| (write == lost).then_some(fault));
            let applied = apply_with_own_portals(&wire, 200).await;
            let tally = applied.ledger.tally();
            assert_eq!(tally.created + tally.recovered, 200, "{lost} {fault:?}");
            assert_eq!(wire.links(), expected(200), "{lost} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_ignores_them_gets_the_links_apart() {
    for answer in ["wrapper", "list", "empty"] {
        let wire = Wire::new(&format!("bulk = {{ answer = \"{answer}\" }}"));
        let applied = apply_with_own_portals(&wire, 200).await;
        let tally = applied.ledger.tally();
        assert_eq!((tally.created, tally.failed), (198, 2), "{answer}");
        let elsewhere = wire
            .links()
            .into_iter()
            .filter(|link| !expected(200).contains(link));
        let nowhere = ["Link 00000", "Link 00001"].map(|name| (name.to_owned(), vec![]));
        assert_eq!(elsewhere.collect::<Vec<_>>(), nowhere, "{answer}");
        for number in 0..2 {
            let failure = applied.outcomes[&number].failure.as_ref().unwrap();
            assert!(failure.message.contains("--bulk-portals call"), "{failure}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_run_fills_every_window_and_no_more() {
    let wire = Wire::new(ROOMY);
    Desk::new()
        .batch_size(1)
        .apply(&wire, &manifest(1000))
        .await;
    let (writes, reads) = (wire.times(Class::Write), wire.times(Class::Read));
    assert_eq!(writes.len(), 1000);
    let window = Duration::from_secs(10);
    assert!(most_in_any_window(&writes, window) <= 10);
    assert!(most_in_any_window(&reads, window) <= 20);
    assert_eq!(wire.refusals(), 0);
    let took = writes[999].saturating_sub(writes[0]);
    let least = window * 99;
    assert!(took <= least.mul_f64(1.03), "{took:?} against {least:?}");
}

#[tokio::test(start_paused = true)]
async fn applying_again_sends_no_write() {
    let wire = Wire::new("");
    let desk = Desk::new();
    desk.apply(&wire, &manifest(50)).await;
    let writes = wire.log(Class::Write).len();
    let again = desk.apply(&wire, &manifest(50)).await;
    assert_eq!(again.ledger.tally().unchanged, 50);
    assert_eq!(wire.log(Class::Write).len(), writes);
}

#[tokio::test(start_paused = true)]
async fn updates_keep_the_fields_that_no_column_names() {
    let wire = Wire::new("");
    let desk = Desk::new();
    let head = "name,url,user_portals,description,action\n";
    let first = "A,https://a.example/x,Employee Portal,old,\nB,https://b.example,,,\nC*,https://c.example,,keep,\n";
    desk.apply(&wire, &format!("{head}{first}")).await;
    let second = "A,https://a.example/y,,,\nB,,,,delete\nC*,https://C.example/,,,\nD,,,,delete\n";
    let applied = desk.apply(&wire, &format!("{head}{second}")).await;
    let tally = applied.ledger.tally();
    assert_eq!((tally.updated, tally.deleted, tally.unchanged), (1, 1, 2));
    let links = wire.objects("portal_links");
    assert_eq!(links.len(), 2);
    assert_eq!(links[0]["linkPath"], "/y");
    assert_eq!(links[0]["description"], "old");
    assert_eq!(links[0]["userPortals"][0]["name"], "Employee Portal");
}

#[tokio::test(start_paused = true)]
async fn a_create_that_a_gateway_calls_unavailable_is_not_repeated() {
    for (size, recovered) in [(1, 1), (10, 4)] {
        let wire = Wire::with_faults("bulk = { unique_names = false }", |_, write| {
            (write == 0).then_some(Fault::Unavailable)
        });
        let applied = Desk::new()
            .batch_size(size)
            .apply(&wire, &manifest(12))
            .await;
        assert_eq!(applied.end, End::Finished);
        assert_eq!(wire.links(), expected(12));
        assert_eq!(applied.ledger.tally().recovered, recovered);
        // The tenant is looked at when the pause is over, not before.
        let writes = wire.times(Class::Write);
        let looked = wire.times(Class::Read).into_iter().max().unwrap();
        assert!(looked >= writes[0] + Duration::from_secs(20), "{looked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_create_may_still_land_beside_a_namesake() {
    let late = "[[fault]]\nkind = \"late-commit\"\nmatch = \"POST */userPortalLink*\"\ntimes = 1\ndelay = \"3s\"\n";
    let mut wire = Wire::new(&format!("bulk = {{ unique_names = false }}\n{late}"));
    let body =
        json!({"name": "A", "link": "theirs.example", "protocol": "https://", "enabled": true});
    let theirs = Request::new(Method::Post, "userPortalLink", None).with_body(body);
    wire.other = then(|request| request.method == Method::Post, theirs);
    let manifest = "name,url\nA,https://ours.example\n";
    let applied = Desk::new().apply(&wire, manifest).await;
    assert_eq!(wire.names(), ["A", "A"]);
    assert_eq!(applied.ledger.tally().recovered, 1);
}

#[tokio::test(start_paused = true)]
async fn unavailable_creates_are_sent_after_the_pause() {
    let wire = Wire::new(
        "[[fault]]\nkind = \"status\"\nmatch = \"POST */userPortalLink*\"\nretry_after = \"20s\"\ntimes = 12\n",
    );
    let applied = Desk::new().apply(&wire, &manifest(3)).await;
    // More refusals than attempts: none of them counts as one.
    assert_eq!(applied.ledger.tally().created, 3);
    assert_eq!(wire.links(), expected(3));
}

#[tokio::test(start_paused = true)]
async fn lost_answers_lead_to_nothing_twice() {
    for fault in [
        Fault::LoseAnswer,
        Fault::Answer(500),
        Fault::Answer(504),
        Fault::Answer(408),
    ] {
        let wire = Wire::with_faults(ROOMY, move |_, n| (n < 4).then_some(fault));
        let applied = Desk::new()
            .batch_size(20)
            .apply(&wire, &manifest(100))
            .await;
        assert_eq!(wire.links(), expected(100), "{fault:?}");
        let tally = applied.ledger.tally();
        assert_eq!(
            (tally.created, tally.recovered),
            (100 - 67, 67),
            "{fault:?}"
        );
        assert_eq!(wire.log(Class::Write).len(), 6, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_201_is_looked_up_and_believed_only_then() {
    let wire = Wire::with_faults(ROOMY, |_, n| (n == 0).then_some(Fault::Answer(201)));
    let applied = Desk::new().apply(&wire, &manifest(30)).await;
    assert_eq!(applied.ledger.tally().created, 30);
    assert_eq!(wire.links(), expected(30));
    assert_eq!(wire.log(Class::Write).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_is_repeated_after_the_settle_time() {
    let wire = Wire::with_faults(ROOMY, |_, n| (n == 0).then_some(Fault::LoseRequest));
    let applied = Desk::new().apply(&wire, &manifest(3)).await;
    assert_eq!(applied.ledger.tally().created, 3);
    assert_eq!(wire.links(), expected(3));
    let writes = wire.log(Class::Write);
    let again = writes.last().unwrap().at;
    // Lost after 30 s, settled 60 s later.
    assert!(again >= Duration::from_secs(90), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn one_bad_item_fails_alone_with_the_servers_words() {
    for atomic in [true, false] {
        let scenario = format!("{ROOMY}\nbulk = {{ atomic = {atomic} }}");
        let wire = Wire::new(&scenario);
        let desk = Desk::new();
        let mut engine = desk.engine(wire.clone());
        let run = desk.start(&mut engine, &manifest(120)).await;
        // Somebody else takes two of the names while the plan is being read.
        for number in [17, 100] {
            let body =
                serde_json::json!({"name": format!("Link {number:05}"), "link": "else.example"});
            let request = Request::new(Method::Post, "userPortalLink", None).with_body(body);
            wire.tenant.send(request).await;
        }
        let applied = carry_out(&mut engine, run).await;
        let failed: Vec<u32> = applied.failures().iter().map(|(item, _)| *item).collect();
        assert_eq!(failed, [17, 100], "atomic {atomic}");
        assert_eq!(applied.ledger.tally().failed, 2);
        assert_eq!(wire.names().len(), 120, "atomic {atomic}");
        // At most about 2 k log2 n, for k bad ones of n = 40 in each of three calls.
        let writes = wire.log(Class::Write).len();
        assert!(
            writes <= 2 + 3 + 2 * 2 * 6,
            "atomic {atomic}: {writes} writes"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_returned_changed_is_not_created_again() {
    for count in [1, 6] {
        let mut wire = Wire::new(ROOMY);
        wire.rewords = Some(std::sync::Arc::new(|_, _, body| {
            body.replace("\"Link 00000\"", "\"Link  00000\"")
        }));
        let applied = Desk::new().apply(&wire, &manifest(count)).await;
        assert_eq!(applied.ledger.tally().created, count as u64);
        assert_eq!(wire.log(Class::Write).len(), count.min(3));
    }
}

#[tokio::test(start_paused = true)]
async fn a_traceless_success_is_repeated_only_when_safe() {
    let nothing = |_: &Request, n| (n < 2).then_some(Fault::Refuse(201));
    let wire = Wire::with_faults(ROOMY, nothing);
    let applied = Desk::new().apply(&wire, &manifest(1)).await;
    assert_eq!(applied.ledger.tally().created, 1);
    assert_eq!(wire.links(), expected(1));

    let mut wire = Wire::with_faults(ROOMY, |_, _| Some(Fault::Answer(201)));
    wire.rewords = Some(std::sync::Arc::new(|_, _, body| {
        body.replace("\"Link 00000\"", "\"Link  00000\"")
    }));
    let applied = Desk::new().apply(&wire, &manifest(1)).await;
    let (_, failure) = applied.failures()[0];
    assert!(
        failure.message.contains("look at the tenant"),
        "{failure:?}"
    );
    assert_eq!(wire.log(Class::Write).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unmentioned_link_with_other_values_is_remarked_on() {
    // The server says that it has created the link, and does not. Another creates one of that name and address.
    let mut wire = Wire::with_faults(ROOMY, |_, n| (n == 0).then_some(Fault::Refuse(201)));
    let theirs = json!({"name": "Wiki", "link": "wiki.example", "protocol": "https://", "description": "theirs"});
    let theirs = Request::new(Method::Post, "userPortalLink", None).with_body(theirs);
    wire.other = then(|request| request.method == Method::Post, theirs);
    let rows = "name,url,description\nWiki,https://wiki.example,ours\n";
    let applied = Desk::new().apply(&wire, rows).await;
    let outcome = &applied.outcomes[&0];
    assert_eq!(outcome.status, Status::Recovered);
    let remark = &outcome.failure.as_ref().unwrap().message;
    assert!(remark.contains("another may have created"), "{remark}");
}

#[tokio::test(start_paused = true)]
async fn a_name_like_an_entity_is_recognized_again() {
    let wire = Wire::new(&format!("{ROOMY}\nbulk = {{ unique_names = false }}"));
    let text = "name,url\nR&amp;D,https://rd.example\nA * B,https://ab.example\n";
    let desk = Desk::new();
    assert_eq!(desk.apply(&wire, text).await.ledger.tally().created, 2);
    assert_eq!(desk.apply(&wire, text).await.ledger.tally().unchanged, 2);
    assert_eq!(wire.log(Class::Write).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn links_created_by_a_refused_batch_do_not_fail() {
    for status in [403, 404, 415] {
        let wire = Wire::with_faults(ROOMY, move |_, n| (n == 0).then_some(Fault::Answer(status)));
        let applied = Desk::new().apply(&wire, &manifest(30)).await;
        let tally = applied.ledger.tally();
        assert_eq!((tally.created, tally.recovered), (20, 10), "{status}");
        assert_eq!(wire.links(), expected(30), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lookup_over_many_pages_ends_during_the_run() {
    // Without quotas there is no moment between two pages in which nothing is created, unless creating waits.
    let quotas = r#"quota = { read = "off", write = "off" }"#;
    let scenario = format!("{ROOMY}\ntenant = {{ links = 1600 }}\n{quotas}");
    let wire = Wire::with_faults(&scenario, |_, n| {
        (n % 300 == 150).then_some(Fault::LoseAnswer)
    });
    let mut desk = Desk::new().batch_size(1);
    desk.settings.read_quota = "off".parse().unwrap();
    desk.settings.write_quota = "off".parse().unwrap();
    let applied = desk.apply(&wire, &manifest(900)).await;
    assert_eq!(applied.end, End::Finished);
    let tally = applied.ledger.tally();
    assert_eq!((tally.created, tally.recovered), (897, 3));
    assert_eq!(wire.names().len(), 2500);
}

#[tokio::test(start_paused = true)]
async fn creates_wait_for_the_room_that_deletes_make() {
    // Nine links take three calls, so the next write is the first delete: it is sent again after half a minute.
    let wire = Wire::with_faults("limits = { links = 9 }", |_, n| {
        (n == 3).then_some(Fault::LoseRequest)
    });
    let desk = Desk::new();
    desk.apply(&wire, &manifest(9)).await;
    let mut text = "name,url,action\n".to_owned();
    for number in 0..9 {
        writeln!(text, "Link {number:05},,delete").unwrap();
        writeln!(text, "New {number},https://new{number}.example,").unwrap();
    }
    let applied = desk.apply(&wire, &text).await;
    let tally = applied.ledger.tally();
    assert_eq!((tally.deleted, tally.created, tally.failed), (9, 9, 0));
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_delete_is_read_before_it_fails() {
    let deletes =
        |request: &Request, _| (request.method == Method::Delete).then_some(Fault::Answer(504));
    let wire = Wire::with_faults(ROOMY, deletes);
    let mut desk = Desk::new();
    desk.settings.max_attempts = 1.try_into().unwrap();
    desk.apply(&wire, &manifest(1)).await;
    let applied = desk
        .apply(
            &wire,
            "resource,name,action\nportal-link,Link 00000,delete\n",
        )
        .await;
    assert_eq!(applied.ledger.tally().deleted, 1);
    assert_eq!(wire.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_smaller_batches_gets_them() {
    let wire = Wire::new(&format!("{ROOMY}\nbulk = {{ max = 10 }}"));
    let applied = Desk::new().apply(&wire, &manifest(200)).await;
    assert_eq!(applied.ledger.tally().created, 200);
    assert_eq!(wire.links(), expected(200));
}

#[tokio::test(start_paused = true)]
async fn a_stricter_server_costs_no_attempts() {
    let scenario = format!("{ROOMY}\nquota = {{ write = \"3/10s\" }}");
    let wire = Wire::new(&scenario);
    let mut desk = Desk::new().batch_size(1);
    desk.settings.max_attempts = 2.try_into().unwrap();
    let applied = desk.apply(&wire, &manifest(60)).await;
    assert_eq!(applied.ledger.tally().created, 60);
    assert_eq!(wire.links(), expected(60));
    assert!(wire.refusals() > 0);
    assert!((0..60).all(|item| applied.ledger.attempts(item) == 1));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expires_often_is_renewed_once_for_all() {
    let scenario = format!("{ROOMY}\ntoken = {{ lifetime = \"10s\" }}");
    let wire = Wire::new(&scenario);
    let applied = Desk::new().batch_size(1).apply(&wire, &manifest(100)).await;
    assert_eq!(applied.ledger.tally().created, 100);
    let refused = wire
        .tenant
        .log()
        .iter()
        .filter(|entry| entry.status == 401)
        .count();
    assert_eq!(refused, 0);
    let sign_ins = wire.log(Class::Auth).len();
    assert!(sign_ins <= 14, "{sign_ins} sign-ins for 102 s");
}

#[tokio::test(start_paused = true)]
async fn an_item_is_given_up_after_its_attempts() {
    let wire = Wire::with_faults(ROOMY, |_, _| Some(Fault::LoseRequest));
    let mut desk = Desk::new();
    desk.settings.max_attempts = 3.try_into().unwrap();
    let applied = desk.apply(&wire, &manifest(2)).await;
    assert_eq!(applied.end, End::Finished);
    let failures = applied.failures();
    assert_eq!(failures.len(), 2);
    assert!(
        failures[0].1.message.contains("given up after 3 attempts"),
        "{:?}",
        failures[0]
    );
    assert_eq!(*wire.writes.lock().unwrap(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lands_what_is_under_way() {
    let wire = Wire::new(ROOMY);
    let desk = Desk::new().batch_size(1);
    let (stop, stopped) = watch::channel(false);
    let mut engine = Engine::new(wire.clone(), desk.settings.clone(), stopped);
    let run = desk.start(&mut engine, &manifest(100)).await;
    let directory = run.directory.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(20)).await;
        stop.send_replace(true);
        std::future::pending::<()>().await;
    });
    let applied = carry_out(&mut engine, run).await;
    assert_eq!(applied.end, End::Stopped);
    let tally = applied.ledger.tally();
    assert_eq!(tally.unknown, 0);
    assert_eq!(tally.created, wire.names().len() as u64);
    assert_eq!(tally.waiting, 100 - tally.created);
    drop(engine);
    let resumed = desk.resume(&wire, directory).await;
    assert_eq!(resumed.ledger.tally().created, 100);
    assert_eq!(wire.links(), expected(100));
}

/// Lives one history: a run that dies at some instants and is resumed each time. A crash is the end of everything that
/// was not on disk; calls on their way arrive or not, as they happen to.
async fn crashed_and_resumed(seed: u64) {
    const COUNT: usize = 40;
    let mut random = Random(seed);
    let is_lossy = random.percent(33);
    let scenario = format!("{ROOMY}\nquota = {{ write = \"10/1s\" }}");
    let wire = Wire {
        tenant: InMemory::new(Scenario::parse(&scenario).unwrap(), seed, CUSTOMER),
        ..Wire::with_faults(ROOMY, move |_, n| {
            (is_lossy && n % 3 == 1).then_some(Fault::LoseAnswer)
        })
    };
    let mut desk = Desk::new().batch_size(*random.one(&[1, 4, 150]));
    desk.settings.write_quota = "10/1s".parse::<Pace>().unwrap();
    desk.settings.settle = Duration::from_secs(5);
    let moment = |random: &mut Random| Duration::from_micros(random.below(2_500_000));
    let mut directory = desk
        .cut_off(&wire, &manifest(COUNT), moment(&mut random))
        .await;
    for _ in 0..5 {
        let run = run::resume(directory).unwrap();
        directory = die(desk.engine(wire.clone()), run, moment(&mut random)).await;
    }
    let applied = desk.resume(&wire, directory).await;
    assert_eq!(applied.end, End::Finished, "seed {seed:#x}");
    assert_eq!(wire.links(), expected(COUNT), "seed {seed:#x}");
    let succeeded = applied.outcomes.values().filter(|o| o.id.is_some()).count();
    assert_eq!(succeeded, COUNT, "seed {seed:#x}");
}

#[tokio::test(start_paused = true)]
async fn after_any_crash_every_link_exists_once() {
    for seed in 0..60 {
        crashed_and_resumed(0x5eed + seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_not_read_whole_is_not_overwritten() {
    type Reword = fn(String) -> String;
    let cases: [(Reword, &str); 3] = [
        (|_| "{}".to_owned(), "what was read is not the portal link"),
        (
            |body| body.replace("\"enabled\":true,", ""),
            "does not say whether the portal link has \"enabled\"",
        ),
        (
            |body| body.replace("\"id\":\"1", "\"id\":\"9"),
            "what was read is not the portal link",
        ),
    ];
    for (reword, why) in cases {
        let mut wire = Wire::new("");
        let desk = Desk::new();
        desk.apply(&wire, "name,url,description\nA,https://a.example,old\n")
            .await;
        // The next two calls list links and portals; the one after them reads the link.
        let calls = *wire.calls.lock().unwrap();
        wire.rewords = Some(std::sync::Arc::new(move |_, call, body| {
            if call > calls { reword(body) } else { body }
        }));
        let applied = desk
            .apply(&wire, "name,url,description\nA,https://a.example,new\n")
            .await;
        assert_eq!(applied.ledger.tally().failed, 1, "{why}");
        let message = &applied.failures()[0].1.message;
        assert!(message.contains(why), "{message}");
        assert_eq!(wire.objects("portal_links")[0]["description"], "old");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_not_the_apis_is_no_empty_listing() {
    for (manifest, body) in [
        ("frequency_interval\n30\n", "<html>sign in</html>"),
        ("name,url\nA,https://a.example\n", "<html>sign in</html>"),
        ("name,url\nA,https://a.example\n", "{\"error\": \"x\"}"),
        ("resource,domain\ndomain,a.example\n", "{\"error\": \"x\"}"),
    ] {
        let mut wire = Wire::new("connector_schedule = { absent = \"empty\" }");
        wire.rewords = Some(std::sync::Arc::new(move |_, _, _| body.to_owned()));
        let desk = Desk::new();
        let path = desk.dir.path().join("m.csv");
        std::fs::write(&path, manifest).unwrap();
        let rows = run::check(&[path], LARGEST_MANIFEST, Defaults::default()).unwrap();
        let end = desk.engine(wire).snapshot(rows.scopes()).await.unwrap_err();
        assert!(matches!(end, End::Unreadable(..)), "{manifest}: {end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_portal_is_deleted_after_its_links() {
    let wire = Wire::new("user_portals = { delete_with_links = \"refuse\" }");
    let desk = Desk::new();
    desk.apply(&wire, &manifest(30)).await;
    let rows: Vec<String> = (0..30)
        .map(|n| format!("portal-link,Link {n:05},delete\n"))
        .collect();
    let first = format!("user-portal,{},delete\n", PORTALS[0]);
    let text = format!("resource,name,action\n{first}{}", rows.concat());
    let applied = desk.apply(&wire, &text).await;
    assert_eq!(applied.ledger.tally().deleted, 31);
    assert!(wire.names().is_empty());
    let last = wire.log(Class::Write).pop().unwrap();
    assert!(last.path.contains("/userPortal/"), "{}", last.path);
}

#[tokio::test(start_paused = true)]
async fn portals_are_created_one_by_one_without_a_wait() {
    let wire = Wire::new("");
    let manifest = "resource,name,ext_label,ext_domain\n\
        user-portal,North,north,acme.com\nuser-portal,South,south,acme.com\nuser-portal,West,west,acme.com\n";
    let applied = Desk::new().apply(&wire, manifest).await;
    assert_eq!(applied.ledger.tally().created, 3);
    let writes = wire.times(Class::Write);
    assert_eq!(writes.len(), 3);
    // An object that no answer confirms would be waited for.
    let took = writes[2].saturating_sub(writes[0]);
    assert!(took < Duration::from_secs(1), "{writes:?}");
}
