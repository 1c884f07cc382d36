//! The whole engine with quotas off and the journal on, next to a bare loop that posts the same bodies.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark has nobody to answer errors to, and its output is its purpose"
)]

mod common;
#[path = "common/planned.rs"]
mod planned;

use std::cell::Cell;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, slice};

use reqwest::{Client, StatusCode, redirect};
use rustls::{ClientConfig, RootCertStore};
use secrecy::SecretString;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use zpa_bulk::engine::{End, Engine, EngineSettings};
use zpa_bulk::item::Change;
use zpa_bulk::manifest::LARGEST_MANIFEST;
use zpa_bulk::pacer::Pace;
use zpa_bulk::plan::{Defaults, Snapshot};
use zpa_bulk::run::{self, Checked};
use zpa_bulk::sim::{Scenario, Server, ServerOptions};
use zpa_bulk::zpa::{Connection, Credentials, HttpApi, Proof, Style, Transport};

use self::common::{Comparison, sized, time};
use self::planned::{no_limits, planned};

/// The number of links, each created with a call of its own.
const LINKS: u32 = 3_000;

const JOBS: usize = 32;

const TIMEOUT: Duration = Duration::from_secs(30);

const SCENARIO: &str = r#"
quota = { read = "off", write = "off", gateway = "off" }
latency = { base = "0ms", jitter = "0ms" }
limits = { links = 1000000, links_per_portal = 1000000 }
"#;

/// A file system in memory, where a sync costs nothing: what is left is the engine's own work.
const MEMORY: &str = "/dev/shm";

fn main() {
    let disk = tempfile::tempdir().unwrap();
    let memory = tempfile::tempdir_in(MEMORY).ok();
    let runtime = Runtime::new().unwrap();
    let links = sized(LINKS);
    let bench = Bench {
        manifest: write_manifest(disk.path(), links),
        server: runtime.block_on(start()),
        runtime,
        customers: Cell::new(145_283_994_705_985_536),
        links: usize::try_from(links).unwrap(),
    };
    let mut results = vec![compare(
        "creating links, journal on disk",
        &bench,
        disk.path(),
    )];
    if let Some(memory) = memory {
        let name = "creating links, journal in memory";
        results.push(compare(name, &bench, memory.path()));
    }
    println!();
    for line in results {
        println!("{line}");
    }
    bench.runtime.block_on(bench.server.stop());
}

fn compare(name: &'static str, bench: &Bench, runs: &Path) -> String {
    let comparison = Comparison {
        name,
        yardstick: "a bare loop of POSTs",
        aim: 0.6,
    };
    comparison.measure(|| bench.post(), || bench.carry_out(runs))
}

async fn start() -> Server {
    let options = ServerOptions {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        scenario: Scenario::parse(SCENARIO).unwrap(),
        seed: 1,
        log: None,
    };
    Server::start(options).await.unwrap()
}

/// The parts that all rounds share.
struct Bench {
    manifest: PathBuf,
    runtime: Runtime,
    server: Server,
    customers: Cell<u64>,
    links: usize,
}

/// A tenant that holds no link yet, with an engine that has read it.
struct Tenant {
    connection: Connection,
    engine: Engine<HttpApi>,
    rows: Checked,
    snapshot: Snapshot,
}

impl Bench {
    async fn tenant(&self) -> Tenant {
        let customer = self.customers.replace(self.customers.get() + 1).to_string();
        let url = self.server.url();
        let connection =
            Connection::new(Style::Legacy, "", None, Some(&url), None, &customer).unwrap();
        let credentials = Credentials {
            client_id: "bench".to_owned(),
            proof: Proof::Secret(SecretString::from("bench")),
        };
        let api = HttpApi::new(connection.clone(), credentials, &Transport::default()).unwrap();
        let (_stop, stopped) = watch::channel(false);
        let mut engine = Engine::new(api, settings(), stopped);
        let rows = run::check(
            slice::from_ref(&self.manifest),
            LARGEST_MANIFEST,
            Defaults::default(),
        )
        .unwrap();
        let snapshot = engine.snapshot(rows.scopes()).await.unwrap();
        Tenant {
            connection,
            engine,
            rows,
            snapshot,
        }
    }

    /// Carries a run out; only that is timed, not its planning.
    fn carry_out(&self, runs: &Path) -> Duration {
        let mut tenant = self.runtime.block_on(self.tenant());
        let customer = &tenant.connection.customer;
        let run = planned(&tenant.rows, &tenant.snapshot, customer, runs);
        time(|| {
            let carried = tenant.engine.carry_out(run.workload, &run.plan);
            let (end, ledger) = self.runtime.block_on(carried).unwrap();
            assert_eq!(end, End::Finished);
            assert_eq!(ledger.tally().created, self.links as u64);
        })
    }

    /// The yardstick: as many POSTs of the same bodies, as many at once, and nothing else.
    fn post(&self) -> Duration {
        let tenant = self.runtime.block_on(self.tenant());
        let bodies = bodies(&tenant);
        assert_eq!(bodies.len(), self.links);
        let client = client();
        let token = self.runtime.block_on(sign_in(&client, &tenant.connection));
        let (url, customer) = (self.server.url(), &tenant.connection.customer);
        let url = format!("{url}/mgmtconfig/v1/admin/customers/{customer}/userPortalLink");
        time(|| {
            let statuses = self
                .runtime
                .block_on(post_all(&client, &url, &token, bodies));
            assert!(statuses.iter().all(StatusCode::is_success));
        })
    }
}

async fn post_all(client: &Client, url: &str, token: &str, bodies: Vec<Value>) -> Vec<StatusCode> {
    let permits = Arc::new(Semaphore::new(JOBS));
    let mut calls = JoinSet::new();
    for body in bodies {
        let permit = Arc::clone(&permits).acquire_owned().await.unwrap();
        let request = client.post(url).bearer_auth(token).json(&body);
        calls.spawn(async move {
            let answer = request.send().await.unwrap();
            let status = answer.status();
            answer.bytes().await.unwrap();
            drop(permit);
            status
        });
    }
    calls.join_all().await
}

/// The body that the engine sends for each row.
fn bodies(tenant: &Tenant) -> Vec<Value> {
    let mut bodies = Vec::new();
    run::plan(&tenant.rows, &tenant.snapshot, no_limits(), |item, _| {
        if let Change::Create { body, .. } = &item.change {
            bodies.extend(item.resource.create(&[body], None).body);
        }
        Ok(())
    })
    .unwrap();
    bodies
}

/// A client that is set up like the engine's own.
fn client() -> Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
        .timeout(TIMEOUT)
        .no_proxy()
        .build()
        .unwrap()
}

async fn sign_in(client: &Client, connection: &Connection) -> String {
    let form = [("client_id", "bench"), ("client_secret", "bench")];
    let request = client.post(&connection.token_url).form(&form);
    let answer = request.send().await.unwrap().bytes().await.unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let token = answer.get("access_token").and_then(Value::as_str);
    token.unwrap().to_owned()
}

fn settings() -> EngineSettings {
    EngineSettings {
        read_quota: Pace::Unlimited,
        write_quota: Pace::Unlimited,
        jobs: NonZeroUsize::new(JOBS),
        batch_size: NonZeroU32::MIN,
        ..EngineSettings::default()
    }
}

fn write_manifest(dir: &Path, links: u32) -> PathBuf {
    let path = dir.join("links.csv");
    let mut text = "name,url,user_portals,description\n".to_owned();
    for link in 0..links {
        writeln!(
            text,
            "Expense Reporting {link:05},https://app-{link:05}.emea.corp.example.com/apps/home,\
             Employee Portal,\"Owned by team {link}, reviewed every quarter\""
        )
        .unwrap();
    }
    fs::write(&path, text).unwrap();
    path
}
