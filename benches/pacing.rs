//! The time that clients need for their writes on every kind of rate limiter, and the refusals that they draw.
//!
//! On tokio's paused clock, against the simulated tenant in memory: hours of waiting take seconds. The refusals come
//! from the tenant's own request log; the time is that from the first call to the last one that passed, without the
//! way of the last one. A run fails if this engine is refused once, or takes more than 1.03 of the least possible time,
//! for any number of calls, on any limiter that counts windows and that it has to itself. It fails as well if it takes
//! more than its share of a limit that another client uses.

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
use zpa_bulk::pacer::{Margin, Shape};
use zpa_bulk::plan::Defaults;
use zpa_bulk::run;
use zpa_bulk::sim::Scenario;
use zpa_bulk::wire::{Method, Reply, Request};
use zpa_bulk::zpa::{Api, SignInError};

use self::in_memory::InMemory;
use self::planned::planned;

const CUSTOMER: &str = "7";

/// n: how many writes there are to make, one a call.
const SIZES: [u32; 8] = [5, 11, 20, 60, 100, 500, 1000, 10_000];

/// The number of writes of all clients but this engine with its defaults.
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

/// The most that this engine may take of a limit that it shares, and the share of its calls that may be refused.
const MOST_SHARED: (f64, f64) = (1.6, 0.01);

/// A kind of limiter: its name in the table, and the keys of the scenario that make it.
struct Kind {
    name: &'static str,
    quota: &'static str,
    counts: Counts,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    Windows,
    /// In another way, which costs a refusal.
    Otherwise,
    /// Another client's calls too.
    Others,
}

const fn kind(name: &'static str, quota: &'static str) -> Kind {
    Kind {
        name,
        quota,
        counts: Counts::Windows,
    }
}

const fn other(name: &'static str, quota: &'static str) -> Kind {
    Kind {
        counts: Counts::Otherwise,
        ..kind(name, quota)
    }
}

const KINDS: [Kind; 8] = [
    kind("fixed", r#"window = "fixed""#),
    kind("first call", r#"window = "first-call""#),
    kind("log", r#"window = "sliding-log""#),
    other("counter", r#"window = "sliding-counter""#),
    kind("bucket 10", r#"window = "token-bucket""#),
    other("bucket 2", r#"window = "small-bucket""#),
    kind(
        "log, refused count",
        "window = \"sliding-log\"\ncounts_refused = true",
    ),
    Kind {
        counts: Counts::Others,
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
    calls: u32,
    /// True for a client that promises to keep the bounds.
    promises: bool,
}

/// This engine with its defaults, for any number of calls.
fn defaults() -> impl Iterator<Item = Row> {
    SIZES.into_iter().map(|calls| Row {
        name: "this engine",
        client: Client::Engine(single_creates),
        calls,
        promises: true,
    })
}

/// The other rows.
const OTHERS: [Row; 6] = [
    row("this engine, smooth", Client::Engine(smooth)),
    row("this engine, adaptive", Client::Engine(adaptive)),
    yardstick("governor, burst 10, 32 waiters", 32, governor),
    yardstick("no limiter, 8 workers", 8, || Gate::Open),
    yardstick("no limiter, 32 workers", 32, || Gate::Open),
    yardstick("a vendor SDK's way, 8 callers", 8, || {
        Gate::SendTimes(Mutex::default())
    }),
];

const fn row(name: &'static str, client: Client) -> Row {
    Row {
        name,
        client,
        calls: CALLS,
        promises: false,
    }
}

const fn yardstick(name: &'static str, workers: u32, gate: fn() -> Gate) -> Row {
    row(name, Client::Workers(workers, gate))
}

fn single_creates() -> EngineSettings {
    EngineSettings {
        batch_size: NonZeroU32::MIN,
        ..EngineSettings::default()
    }
}

/// As on a tenant of which is known that it does not count windows.
fn smooth() -> EngineSettings {
    let settings = single_creates();
    EngineSettings {
        write_quota: settings.write_quota.with(Margin::default(), Shape::Smooth),
        ..settings
    }
}

fn adaptive() -> EngineSettings {
    let ceiling = NonZeroU32::new(5).unwrap();
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
    println!("makespan / least possible time, 429s\n");
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
        println!("BROKEN: {promise}");
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
}

impl Bench {
    fn new() -> Self {
        let runs = tempfile::tempdir_in(MEMORY).or_else(|_| tempfile::tempdir());
        Self {
            runs: runs.unwrap(),
        }
    }

    /// Prints a table as it comes to be. Answers the promises that were broken.
    fn table(&self, title: &str, jitter: &str) -> Vec<String> {
        let names = KINDS.map(|kind| kind.name).join(" | ");
        println!(
            "| {title} | Calls | {names} |\n|---|---{}|",
            "|---".repeat(KINDS.len())
        );
        let mut broken = Vec::new();
        for row in defaults().chain(OTHERS) {
            print!("| {} | {}", row.name, row.calls);
            for kind in &KINDS {
                let figures = self.measure(&row, kind, jitter);
                print!(" | {figures}");
                if row.promises && !figures.keep_the_promise(kind.counts) {
                    broken.push(format!(
                        "{} calls had {figures} on {} ({title})",
                        row.calls, kind.name
                    ));
                }
            }
            println!(" |");
        }
        println!();
        broken
    }

    fn measure(&self, row: &Row, kind: &Kind, jitter: &str) -> Figures {
        let scenario = format!(
            "limits = {{ links = 1000000, links_per_portal = 1000000 }}\n\
             token = {{ lifetime = \"24h\" }}\n\
             [latency]\ntravel_jitter = \"{jitter}\"\n[quota]\nretry_after_padding = \"{PADDING}\"\n{}",
            kind.quota
        );
        let scenario = Scenario::parse(&scenario).unwrap();
        paused().block_on(async {
            let tenant = Noted {
                tenant: InMemory::new(scenario, 1, CUSTOMER),
                writes: Arc::default(),
            };
            match row.client {
                Client::Engine(settings) => {
                    self.carry_out(tenant.clone(), settings(), row.calls).await;
                }
                Client::Workers(workers, gate) => {
                    let working = work(&tenant, workers, gate());
                    // Whoever is not done by then is shut out for good.
                    let _ = time::timeout(PATIENCE, working).await;
                }
            }
            Figures::of(&tenant, row.calls)
        })
    }

    async fn carry_out(&self, tenant: Noted, settings: EngineSettings, calls: u32) {
        let (_stop, stopped) = watch::channel(false);
        let mut engine = Engine::new(tenant, settings, stopped);
        let manifest = write_manifest(self.runs.path(), calls);
        let manifest = slice::from_ref(&manifest);
        let rows = run::check(manifest, LARGEST_MANIFEST, Defaults::default()).unwrap();
        let snapshot = engine.snapshot(rows.scopes()).await.unwrap();
        let run = planned(&rows, &snapshot, CUSTOMER, self.runs.path());
        let (end, _) = engine.carry_out(run.workload, &run.plan).await.unwrap();
        assert_eq!(end, End::Finished);
    }
}

/// The tenant, with the instants at which writes were sent to it.
#[derive(Clone)]
struct Noted {
    tenant: InMemory,
    /// With whether the write passed.
    writes: Arc<Mutex<Vec<(time::Instant, bool)>>>,
}

impl Api for Noted {
    async fn send(&self, request: Request) -> Reply {
        let (sent, is_write) = (time::Instant::now(), request.method != Method::Get);
        let reply = self.tenant.send(request).await;
        if is_write {
            let passed = matches!(&reply, Reply::Answer(answer) if answer.status == 201);
            self.writes.lock().unwrap().push((sent, passed));
        }
        reply
    }

    async fn sign_in(&self) -> Result<Duration, SignInError> {
        self.tenant.sign_in().await
    }
}

/// The figures of one client.
#[derive(Clone, Copy)]
struct Figures {
    calls: u32,
    /// The time from the first call to the last one that passed; none when some never did.
    took: Option<Duration>,
    /// By the tenant's own log.
    refused: usize,
}

impl Figures {
    fn of(tenant: &Noted, calls: u32) -> Self {
        let writes = tenant.writes.lock().unwrap();
        let first = writes.iter().map(|(sent, _)| *sent).min().unwrap();
        let passed = || writes.iter().filter(|(_, passed)| *passed);
        let last = passed().map(|(sent, _)| *sent).max();
        let done = passed().count() == usize::try_from(calls).unwrap();
        let log = tenant.tenant.log();
        Self {
            calls,
            took: last.filter(|_| done).map(|last| last - first),
            refused: log.iter().filter(|entry| entry.status == 429).count(),
        }
    }

    /// The least possible time.
    fn least(self) -> Duration {
        WINDOW * (self.calls.div_ceil(LIMIT.get()) - 1)
    }

    fn keep_the_promise(self, counts: Counts) -> bool {
        let Some(took) = self.took else {
            return false;
        };
        match counts {
            // What fits into one window takes no time but that of intents on their way to the disk.
            Counts::Windows => {
                self.refused == 0 && took <= self.least().mul_f64(MOST).max(WINDOW / 100)
            }
            Counts::Otherwise => true,
            Counts::Others => {
                let (most, refused) = MOST_SHARED;
                let enough = self.calls >= CALLS;
                let few = f64::from(u32::try_from(self.refused).unwrap())
                    < refused * f64::from(self.calls);
                !enough || (took <= self.least().mul_f64(most) && few)
            }
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, refused) = (self.least().as_secs_f64(), self.refused);
        match self.took.map(|took| took.as_secs_f64()) {
            None => write!(f, "never, {refused}"),
            Some(took) if least == 0.0 => write!(f, "{took:.1} s, {refused}"),
            Some(took) => write!(f, "{:.3}, {refused}", took / least),
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
async fn work(tenant: &Noted, workers: u32, gate: Gate) {
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
async fn create(tenant: &Noted, gate: &Gate, number: u32) {
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

fn write_manifest(dir: &Path, calls: u32) -> PathBuf {
    let path = dir.join("links.csv");
    let mut text = "name,url,user_portals\n".to_owned();
    for number in 0..calls {
        writeln!(
            text,
            "Link {number:05},https://app{number}.corp.example.com/,Employee Portal"
        )
        .unwrap();
    }
    fs::write(&path, text).unwrap();
    path
}
