//! The pace of a run, against the least time that the tenant's limits allow, and against a server that fails.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use zpa_bulk::engine::{End, Engine};
use zpa_bulk::pacer::{Pace, Quota};
use zpa_bulk::sim::{Class, LogEntry};
use zpa_bulk::wire::{Method, Reply, Request};
use zpa_bulk::zpa::{Api, SignInError};

use crate::support::desk::Desk;
use crate::support::manifests::{expected, manifest};
use crate::support::wire::{Fault, ROOMY, Wire};

/// The writes that passed.
fn passed(wire: &Wire) -> Vec<LogEntry> {
    let log = wire.log(Class::Write).into_iter();
    log.filter(|entry| entry.status < 300).collect()
}

fn lasted(log: &[LogEntry]) -> Duration {
    let (first, last) = (log.first().unwrap(), log.last().unwrap());
    last.at.saturating_sub(first.at)
}

#[tokio::test(start_paused = true)]
async fn slow_answers_do_not_leave_the_quota_unused() {
    let slow = "latency = { base = \"9s\", jitter = \"3s\" }";
    let wire = Wire::new(&format!("{ROOMY}\n{slow}"));
    let applied = Desk::new().batch_size(1).apply(&wire, &manifest(100)).await;
    assert_eq!(applied.end, End::Finished);
    assert_eq!(wire.links(), expected(100));
    let (lasted, least) = (lasted(&passed(&wire)), Duration::from_secs(90));
    assert!(lasted <= least.mul_f64(1.13), "{lasted:?}");
    assert_eq!(wire.refusals(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failing_server_gets_few_repetitions() {
    let failed = Mutex::new(HashSet::new());
    let wire = Wire::with_faults(ROOMY, move |request, _| {
        let first = failed.lock().unwrap().insert(request.path.clone());
        (request.method == Method::Delete && first).then_some(Fault::Refuse(500))
    });
    let mut desk = Desk::new();
    desk.apply(&wire, &manifest(60)).await;
    let mut deletes = "resource,action,name\n".to_owned();
    for name in wire.names() {
        writeln!(deletes, "portal-link,delete,{name}").unwrap();
    }
    desk.settings.write_quota = Pace::Unlimited;
    let started = wire.tenant.log().last().unwrap().at;
    let applied = desk.apply(&wire, &deletes).await;
    assert_eq!(
        (applied.ledger.tally().deleted, wire.links().len()),
        (60, 0)
    );
    // What the wire refused never arrived, so each delete in the log is a repetition.
    let repetitions: Vec<LogEntry> = passed(&wire)
        .into_iter()
        .filter(|entry| entry.method == "DELETE")
        .collect();
    assert_eq!(repetitions.len(), 60);
    for (number, entry) in (1_u64..).zip(&repetitions) {
        let minutes = entry.at.saturating_sub(started).as_secs() / 60;
        // Each is read before it is deleted.
        let earned = 8 + 2 * 60 / 10 + 1 + minutes;
        assert!(number <= earned, "{number} after {minutes} minutes");
    }
}

#[tokio::test(start_paused = true)]
async fn the_real_limit_is_found_higher_or_lower() {
    for (limit, count, at_least) in [(26, 1400, 0.85), (6, 400, 0.9)] {
        let wire = Wire::new(&format!("{ROOMY}\n[quota]\nwrite = \"{limit}/10s\""));
        let mut desk = Desk::new().batch_size(1);
        let searching = Pace::At(Quota::WRITE).searching(NonZeroU32::new(5).unwrap());
        desk.settings.write_quota = searching;
        let applied = desk.apply(&wire, &manifest(count)).await;
        assert_eq!(applied.end, End::Finished);
        assert_eq!(wire.links(), expected(count));
        let passed = passed(&wire);
        let from = passed[0].at + Duration::from_secs(180);
        let late: Vec<&LogEntry> = passed.iter().filter(|e| e.at >= from).collect();
        let windows = late.last().unwrap().at.saturating_sub(from).as_secs_f64() / 10.0;
        let used = f64::from(u32::try_from(late.len()).unwrap()) / (windows * f64::from(limit));
        assert!(used >= at_least, "{used:.3} of {limit}");
        let refused = wire.refusals();
        // The first window is refused in part.
        assert!(refused * 1000 < 25 * count, "{refused} refused at {limit}");
    }
}

/// Carries out `count` single creates. Answers the time left, as the run told it and as it was, for every ten seconds
/// from the thirtieth on.
async fn times_left(quota: &str, count: usize) -> Vec<[f64; 2]> {
    let wire = Wire::new(&format!("{ROOMY}\n[quota]\n{quota}"));
    let desk = Desk::new().batch_size(1);
    let mut engine = desk.engine(wire.clone());
    let run = desk.start(&mut engine, &manifest(count)).await;
    let (progress, started) = (engine.progress(), Instant::now());
    let said = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&said);
    let watching = tokio::spawn(async move {
        sleep(Duration::from_secs(30)).await;
        loop {
            let ends_at = progress.borrow().unwrap().ends_at;
            let left = ends_at.saturating_duration_since(Instant::now().into_std());
            notes.lock().unwrap().push((started.elapsed(), left));
            sleep(Duration::from_secs(10)).await;
        }
    });
    let (end, _) = engine.carry_out(run.workload, &run.plan).await.unwrap();
    watching.abort();
    assert_eq!(end, End::Finished);
    let took = started.elapsed();
    let said = std::mem::take(&mut *said.lock().unwrap());
    said.into_iter()
        .map(|(at, left)| [left.as_secs_f64(), took.saturating_sub(at).as_secs_f64()])
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_time_left_is_true() {
    for count in [60, 200, 1000] {
        for [said, was] in times_left("", count).await {
            let near = (said - was).abs() <= f64::max(0.01 * was, 1.0);
            assert!(
                near,
                "{said:.1} s were said and {was:.1} s were left: {count}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_left_is_true_where_the_limit_is_another() {
    // A run needs some windows to find the limit.
    const FOUND_AFTER: usize = 7;
    for quota in [
        "write = \"6/10s\"",
        "write = \"6/10s\"\nwindow = \"sliding-log\"\nretry_after_padding = \"3s\"",
        "write = \"4/10s\"\nwindow = \"token-bucket\"\nretry_after_padding = \"2s\"",
    ] {
        let times = times_left(quota, 150).await;
        assert!(times.len() >= 10, "{times:?}");
        for [said, was] in times.into_iter().skip(FOUND_AFTER) {
            let near = (said - was).abs() <= f64::max(0.1 * was, 10.0);
            assert!(
                near,
                "{said:.1} s were said and {was:.1} s were left: {quota}"
            );
        }
    }
}

/// A tenant to which the first calls on each connection take their time.
#[derive(Clone)]
struct FarAway {
    wire: Wire,
    connections: Arc<Mutex<[usize; 2]>>,
}

impl Api for FarAway {
    async fn send(&self, request: Request) -> Reply {
        const HANDSHAKE: Duration = Duration::from_millis(450);
        let is_new = {
            let mut connections = self.connections.lock().unwrap();
            let [open, busy] = &mut *connections;
            *busy += 1;
            let is_new = *busy > *open;
            *open = (*open).max(*busy);
            is_new
        };
        if is_new {
            sleep(HANDSHAKE).await;
        }
        let reply = self.wire.send(request).await;
        self.connections.lock().unwrap()[1] -= 1;
        reply
    }

    async fn sign_in(&self) -> Result<Duration, SignInError> {
        self.wire.sign_in().await
    }
}

#[tokio::test(start_paused = true)]
async fn new_connections_bring_no_window_over_the_limit() {
    let wire = Wire::new(&format!("{ROOMY}\n[quota]\nwindow = \"sliding-log\""));
    let far = FarAway {
        wire: wire.clone(),
        connections: Arc::default(),
    };
    let desk = Desk::new().batch_size(1);
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let mut engine = Engine::new(far, desk.settings.clone(), stopped);
    let run = desk.start(&mut engine, &manifest(40)).await;
    let (end, _) = engine.carry_out(run.workload, &run.plan).await.unwrap();
    assert_eq!(end, End::Finished);
    assert_eq!(wire.refusals(), 0);
}
