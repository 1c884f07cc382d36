//! The time that clients need for a thousand writes on every kind of rate limiter, and the refusals that they draw.
//!
//! On tokio's paused clock, against the simulated tenant in memory: hours of waiting take seconds, and the figures come
//! from the tenant's own request log. A run fails if this engine is refused once, or takes more than 1.03 of the
//! least possible time, on any limiter that it does not share with another client.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark has nobody to answer errors to, and its output is its purpose"
)]

#[path = "../tests/support/in_memory.rs"]
#[allow(dead_code, reason = "tests use all of it")]
mod in_memory;
#[path = "common/planned.rs"]
mod planned;
#[path = "../tests/support/trace.rs"]
#[allow(
    dead_code,
    clippy::indexing_slicing,
    reason = "tests use all of it, and fail by panicking"
)]
mod trace;

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, slice};

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{self, sleep};
use zpa_bulk::engine::{End, Engine, EngineSettings};
use zpa_bulk::manifest::LARGEST_MANIFEST;
use zpa_bulk::plan::Defaults;
use zpa_bulk::run::{self, Checked};
use zpa_bulk::sim::{Class, LogEntry, Scenario};
use zpa_bulk::wire::{Method, Reply, Request};
use zpa_bulk::zpa::Api;

use self::in_memory::InMemory;
use self::planned::planned;

const CUSTOMER: &str = "7";

/// n: how many writes there are to make, one a call.
const CALLS: u32 = 1000;

const BARE_CALLS: u32 = 10_000;

/// L and W: what the simulated tenant allows, and what all clients believe.
const LIMIT: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
const WINDOW: Duration = Duration::from_secs(10);

/// The most that this engine may take, as a multiple of the least possible time.
const MOST: f64 = 1.03;

/// The time by which the tenant has a refused client wait longer than needed, as recorded on a real one.
const PADDING: &str = "3s";

/// The time after which a client is given up: ten times the least possible one.
const PATIENCE: Duration = Duration::from_secs(9_900);

/// A file system in memory: the journal's syncs take no time that matters here.
const MEMORY: &str = "/dev/shm";

/// A kind of limiter: its name in the table, and the keys of the scenario that make it.
struct Kind {
    name: &'static str,
    quota: &'static str,
    /// True where another client uses part of the quota: then nobody can keep the bounds.
    shared: bool,
}

const fn kind(name: &'static str, quota: &'static str) -> Kind {
    Kind {
        name,
        quota,
        shared: false,
    }
}

const KINDS: [Kind; 8] = [
    kind("fixed", r#"window = "fixed""#),
    kind("first call", r#"window = "first-call""#),
    kind("log", r#"window = "sliding-log""#),
    kind("counter", r#"window = "sliding-counter""#),
    kind("bucket 10", r#"window = "token-bucket""#),
    kind("bucket 2", r#"window = "small-bucket""#),
    kind(
        "log, refused count",
        "window = \"sliding-log\"\ncounts_refused = true",
    ),
    Kind {
        shared: true,
        ..kind(
            "log, co-tenant 3/10s",
            "window = \"sliding-log\"\nco_tenant = \"3/10s\"",
        )
    },
];

/// The longest delay of a request on its way: none, or nearly as long as the margin (2 % of the window)
/// allows for.
const JITTERS: [(&str, &str); 2] = [
    ("Requests arrive as they were sent", "0ms"),
    ("Requests arrive up to 199 ms late", "199ms"),
];

/// The client that makes the calls.
enum Client {
    /// The engine of this crate, with these settings.
    Engine(fn() -> EngineSettings),
    /// So many workers that share one gate. Each makes one call at a time, and one that is refused waits as long as
    /// its own Retry-After says.
    Workers(u32, fn() -> Gate),
}

/// A row of the table.
struct Row {
    name: &'static str,
    client: Client,
    /// True for a client that promises to keep the bounds.
    promises: bool,
}

const ROWS: [Row; 6] = [
    Row {
        name: "this engine",
        client: Client::Engine(single_creates),
        promises: true,
    },
    Row {
        name: "this engine, adaptive",
        client: Client::Engine(adaptive),
        promises: false,
    },
    yardstick("governor, burst 10, 32 waiters", 32, governor),
    yardstick("no limiter, 8 workers", 8, || Gate::Open),
    yardstick("no limiter, 32 workers", 32, || Gate::Open),
    yardstick("a vendor SDK's way, 8 callers", 8, || {
        Gate::SendTimes(Mutex::default())
    }),
];

const fn yardstick(name: &'static str, workers: u32, gate: fn() -> Gate) -> Row {
    Row {
        name,
        client: Client::Workers(workers, gate),
        promises: false,
    }
}

fn single_creates() -> EngineSettings {
    EngineSettings {
        batch_size: NonZeroU32::MIN,
        ..EngineSettings::default()
    }
}

fn adaptive() -> EngineSettings {
    let ceiling = NonZeroU32::new(5);
    let settings = single_creates();
    EngineSettings {
        read_quota: settings.read_quota.searching(ceiling),
        write_quota: settings.write_quota.searching(ceiling),
        ..settings
    }
}

fn main() -> ExitCode {
    let begun = Instant::now();
    let bench = Bench::new();
    println!("makespan / least possible time, 429s per {CALLS} calls\n");
    let broken: Vec<String> = JITTERS
        .iter()
        .flat_map(|(title, jitter)| bench.table(title, jitter))
        .collect();
    println!("This took {:.0} s.", begun.elapsed().as_secs_f64());
    println!(
        "{BARE_CALLS} bare calls on the simulated tenant take {:.2} s.",
        bare_calls().as_secs_f64()
    );
    for promise in &broken {
        println!("BROKEN: {promise}; promised: at most {MOST}, and no 429");
    }
    if broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The parts that all measurements share.
struct Bench {
    runs: TempDir,
    rows: Checked,
}

impl Bench {
    fn new() -> Self {
        let runs = tempfile::tempdir_in(MEMORY).or_else(|_| tempfile::tempdir());
        let runs = runs.unwrap();
        let manifest = write_manifest(runs.path());
        let rows = run::check(
            slice::from_ref(&manifest),
            LARGEST_MANIFEST,
            Defaults::default(),
        )
        .unwrap();
        Self { runs, rows }
    }

    /// Prints a table as it comes to be. Answers the promises that were broken.
    fn table(&self, title: &str, jitter: &str) -> Vec<String> {
        let names = KINDS.map(|kind| kind.name).join(" | ");
        println!("| {title} | {names} |\n|---{}|", "|---".repeat(KINDS.len()));
        let mut broken = Vec::new();
        for row in &ROWS {
            print!("| {}", row.name);
            for kind in &KINDS {
                let figures = self.measure(&row.client, kind, jitter);
                print!(" | {figures}");
                if row.promises && !kind.shared && !figures.keep_the_promise() {
                    broken.push(format!(
                        "{} had {figures} on {} ({title})",
                        row.name, kind.name
                    ));
                }
            }
            println!(" |");
        }
        println!();
        broken
    }

    fn measure(&self, client: &Client, kind: &Kind, jitter: &str) -> Figures {
        let scenario = format!(
            "limits = {{ links = 1000000, links_per_portal = 1000000 }}\n\
             token = {{ lifetime = \"24h\" }}\n\
             [latency]\ntravel_jitter = \"{jitter}\"\n[quota]\nretry_after_padding = \"{PADDING}\"\n{}",
            kind.quota
        );
        let scenario = Scenario::parse(&scenario).unwrap();
        paused().block_on(async {
            let tenant = InMemory::new(scenario, 1, CUSTOMER);
            match client {
                Client::Engine(settings) => self.carry_out(tenant.clone(), settings()).await,
                Client::Workers(workers, gate) => {
                    let working = work(&tenant, *workers, gate());
                    // Whoever is not done by then is shut out for good.
                    let _ = time::timeout(PATIENCE, working).await;
                }
            }
            Figures::of(&tenant.log())
        })
    }

    async fn carry_out(&self, tenant: InMemory, settings: EngineSettings) {
        let (_stop, stopped) = watch::channel(false);
        let mut engine = Engine::new(tenant, settings, stopped);
        let snapshot = engine.snapshot(self.rows.scopes()).await.unwrap();
        let run = planned(&self.rows, &snapshot, CUSTOMER, self.runs.path());
        let (end, _) = engine.carry_out(run.workload, &run.plan).await.unwrap();
        assert_eq!(end, End::Finished);
    }
}

/// The figures of one client, from the tenant's log.
#[derive(Clone, Copy)]
struct Figures {
    /// The time from the first call to the last one that passed, by the least possible; none when some never did.
    ratio: Option<f64>,
    refused: usize,
}

impl Figures {
    fn of(log: &[LogEntry]) -> Self {
        let writes = || log.iter().filter(|entry| entry.class == Class::Write);
        let passed = || writes().filter(|entry| entry.status == 201);
        let first = writes().map(|entry| entry.at).min().unwrap();
        let last = passed().map(|entry| entry.at).max().unwrap();
        let shortest = WINDOW * (CALLS.div_ceil(LIMIT.get()) - 1);
        let ratio = last.saturating_sub(first).as_secs_f64() / shortest.as_secs_f64();
        let done = passed().count() == usize::try_from(CALLS).unwrap();
        Self {
            ratio: done.then_some(ratio),
            refused: log.iter().filter(|entry| entry.status == 429).count(),
        }
    }

    fn keep_the_promise(self) -> bool {
        self.ratio.is_some_and(|ratio| ratio <= MOST) && self.refused == 0
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ratio {
            Some(ratio) => write!(f, "{ratio:.3}, {}", self.refused),
            None => write!(f, "never, {}", self.refused),
        }
    }
}

/// The gate that a worker passes before each call.
enum Gate {
    Open,
    Governor(RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Instant>>),
    /// The instants at which the calls of the last window were sent.
    SendTimes(Mutex<VecDeque<time::Instant>>),
}

/// A full window's burst, refilled evenly: what the limiter's documentation leads to.
fn governor() -> Gate {
    let quota = Quota::with_period(WINDOW / LIMIT.get()).unwrap();
    Gate::Governor(RateLimiter::direct_with_clock(
        quota.allow_burst(LIMIT),
        TokioClock,
    ))
}

impl Gate {
    async fn pass(&self) {
        match self {
            Self::Open => {}
            Self::Governor(limiter) => {
                while let Err(not_until) = limiter.check() {
                    sleep(not_until.wait_time_from(TokioClock.now())).await;
                }
            }
            Self::SendTimes(sent) => {
                let full_until = note_or_refuse(&mut sent.lock().unwrap());
                if let Some(instant) = full_until {
                    time::sleep_until(instant).await;
                }
            }
        }
    }
}

/// Notes a call that goes now, or answers when the oldest one leaves the window. Whoever has to wait for that then goes
/// without asking again, and without being noted: that is the mistake.
fn note_or_refuse(sent: &mut VecDeque<time::Instant>) -> Option<time::Instant> {
    let now = time::Instant::now();
    while sent.front().is_some_and(|at| *at + WINDOW <= now) {
        sent.pop_front();
    }
    if sent.len() >= usize::try_from(LIMIT.get()).unwrap() {
        return sent.front().map(|oldest| *oldest + WINDOW);
    }
    sent.push_back(now);
    None
}

/// tokio's clock, which stands still while somebody works.
#[derive(Clone, Debug)]
struct TokioClock;

impl Clock for TokioClock {
    type Instant = Instant;

    fn now(&self) -> Self::Instant {
        time::Instant::now().into_std()
    }
}

/// Makes all calls with that many workers.
async fn work(tenant: &InMemory, workers: u32, gate: Gate) {
    tenant.sign_in().await.unwrap();
    let (gate, next) = (Arc::new(gate), Arc::new(AtomicU32::new(0)));
    let mut working = JoinSet::new();
    for _ in 0..workers {
        let (tenant, gate, next) = (tenant.clone(), Arc::clone(&gate), Arc::clone(&next));
        working.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= CALLS {
                    return;
                }
                create(&tenant, &gate, number).await;
            }
        });
    }
    working.join_all().await;
}

/// Makes a call until it is not refused.
async fn create(tenant: &InMemory, gate: &Gate, number: u32) {
    loop {
        gate.pass().await;
        match tenant.send(link(number)).await {
            Reply::Answer(answer) if answer.status == 429 => {
                let seconds = answer.retry_after.unwrap();
                let seconds = seconds.trim_end_matches('s').parse().unwrap();
                sleep(Duration::from_secs(seconds)).await;
            }
            reply => return drop(reply),
        }
    }
}

fn link(number: u32) -> Request {
    let name = format!("Link {number:05}");
    let body = json!({"name": name, "link": "wiki.example.com", "protocol": "https://"});
    Request {
        body: Some(body),
        ..Request::new(Method::Post, "userPortalLink", None)
    }
}

/// Measures ten thousand calls without any limit in real time.
fn bare_calls() -> Duration {
    let scenario = "quota = { read = \"off\", write = \"off\", gateway = \"off\" }\n\
                    limits = { links = 1000000, links_per_portal = 1000000 }";
    let scenario = Scenario::parse(scenario).unwrap();
    paused().block_on(async {
        let tenant = InMemory::new(scenario, 1, CUSTOMER);
        tenant.sign_in().await.unwrap();
        let begun = Instant::now();
        for number in 0..BARE_CALLS {
            tenant.send(link(number)).await;
        }
        begun.elapsed()
    })
}

/// A runtime whose clock goes on only when nobody has anything to do.
fn paused() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

fn write_manifest(dir: &Path) -> PathBuf {
    let path = dir.join("links.csv");
    let mut text = "name,url,user_portals\n".to_owned();
    for number in 0..CALLS {
        writeln!(
            text,
            "Link {number:05},https://app{number}.corp.example.com/,Employee Portal"
        )
        .unwrap();
    }
    fs::write(&path, text).unwrap();
    path
}
