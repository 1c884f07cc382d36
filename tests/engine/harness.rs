//! The simulated tenant behind a wire that breaks, and a desk from which runs are started.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use zpa_bulk::engine::{End, Engine, Settings};
use zpa_bulk::item::{Item, Outcome, Status};
use zpa_bulk::journal::{self, FORMAT, Header};
use zpa_bulk::ledger::Ledger;
use zpa_bulk::plan::{Defaults, Limits};
use zpa_bulk::run::{
    self, Origin, PlanError, PlanWriter, Run, RunDirectory, RunEffects, RunName, Sums,
};
use zpa_bulk::sim::{Class, InMemory, LogEntry, Scenario};
use zpa_bulk::wire::{Answer, Failure, Method, Reply, Request};
use zpa_bulk::zpa::{Api, SignInError};

pub(crate) const CUSTOMER: &str = "7";

/// What happens to a call on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The request never arrives; the client waits in vain.
    LoseRequest,
    /// It arrives and is carried out; the answer is lost.
    LoseAnswer,
    /// It is carried out, and the answer is this status with an empty body.
    Answer(u16),
    /// It is not carried out, and the answer is this status with an error's body.
    Refuse(u16),
}

pub(crate) type Faults = dyn Fn(&Request, usize) -> Option<Fault> + Send + Sync;

/// Asked for every call, with the number of calls before it.
pub(crate) type Other = dyn Fn(&Request, usize) -> Option<Request> + Send + Sync;

/// Given every answer, with the number of calls before it.
pub(crate) type Rewording = dyn Fn(usize, String) -> String + Send + Sync;

/// The tenant behind a wire on which the test may break calls.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) tenant: InMemory,
    pub(crate) fault: Arc<Faults>,
    pub(crate) writes: Arc<Mutex<usize>>,
    /// What another administrator does just before a call arrives.
    pub(crate) other: Arc<Other>,
    pub(crate) calls: Arc<Mutex<usize>>,
    /// What the tenant's answers say instead.
    pub(crate) rewords: Option<Arc<Rewording>>,
}

impl Wire {
    pub(crate) fn new(scenario: &str) -> Self {
        Self::with_faults(scenario, |_, _| None)
    }

    /// `fault` is asked for every write, with the number of writes before it.
    pub(crate) fn with_faults(
        scenario: &str,
        fault: impl Fn(&Request, usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        Self {
            tenant: InMemory::new(Scenario::parse(scenario).unwrap(), 1, CUSTOMER),
            fault: Arc::new(fault),
            writes: Arc::default(),
            other: Arc::new(|_, _| None),
            calls: Arc::default(),
            rewords: None,
        }
    }

    fn next_fault(&self, request: &Request) -> Option<Fault> {
        if request.method == Method::Get {
            return None;
        }
        let mut writes = self.writes.lock().unwrap();
        *writes += 1;
        (self.fault)(request, *writes - 1)
    }

    fn reworded(&self, mut reply: Reply) -> Reply {
        if let (Some(reword), Reply::Answer(answer)) = (&self.rewords, &mut reply) {
            let body = String::from_utf8(std::mem::take(&mut answer.body)).unwrap();
            let calls = *self.calls.lock().unwrap();
            answer.body = reword(calls - 1, body).into_bytes();
        }
        reply
    }

    fn next_of_another(&self, request: &Request) -> Option<Request> {
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        (self.other)(request, *calls - 1)
    }

    /// What the tenant's state says of that resource.
    pub(crate) fn objects(&self, of: &str) -> Vec<Value> {
        let state = self.tenant.state();
        let objects = state["tenants"][CUSTOMER][of].as_array();
        objects.cloned().unwrap_or_default()
    }

    pub(crate) fn log(&self, class: Class) -> Vec<LogEntry> {
        self.tenant
            .log()
            .into_iter()
            .filter(|entry| entry.class == class)
            .collect()
    }

    /// The names of all links, each with the names of its portals.
    pub(crate) fn links(&self) -> Vec<(String, Vec<String>)> {
        let state = self.tenant.state();
        let name = |object: &Value| object["name"].as_str().unwrap().to_owned();
        let mut links: Vec<(String, Vec<String>)> = state["tenants"][CUSTOMER]["portal_links"]
            .as_array()
            .unwrap()
            .iter()
            .map(|link| {
                let portals = link["userPortals"].as_array().into_iter().flatten();
                (name(link), portals.map(name).collect())
            })
            .collect();
        links.sort();
        links
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.links().into_iter().map(|(name, _)| name).collect()
    }
}

impl Api for Wire {
    async fn send(&self, request: Request) -> Reply {
        if let Some(request) = self.next_of_another(&request) {
            self.tenant.send(request).await;
        }
        let fault = self.next_fault(&request);
        if matches!(fault, Some(Fault::LoseRequest)) {
            tokio::time::sleep(Duration::from_secs(30)).await;
            return Reply::Lost("timed out".to_owned());
        }
        if let Some(Fault::Refuse(status)) = fault {
            return Reply::Answer(Answer {
                status,
                retry_after: None,
                date: None,
                body: br#"{"id":"not.liked","reason":"The server does not like it."}"#.to_vec(),
            });
        }
        let reply = self.reworded(self.tenant.send(request).await);
        match (fault, reply) {
            (Some(Fault::LoseAnswer), _) => Reply::Lost("connection reset".to_owned()),
            (Some(Fault::Answer(status)), Reply::Answer(mut answer)) => {
                answer.status = status;
                answer.body.clear();
                Reply::Answer(answer)
            }
            (_, reply) => reply,
        }
    }

    async fn sign_in(&self) -> Result<Duration, SignInError> {
        self.tenant.sign_in().await
    }
}

type Keep<'k> = &'k mut (dyn FnMut(&Item<'_>, &[&str]) -> Result<(), PlanError> + Send);

/// Nobody's limits are tested here.
const ROOM: Limits = Limits {
    links: 100_000,
    links_per_portal: 100_000,
};

/// A user's files and settings.
pub(crate) struct Desk {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) settings: Settings,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            settings: Settings::default(),
        }
    }

    /// The same on a disk of memory, where there is one: for what syncs often and is never looked at again.
    pub(crate) fn in_memory() -> Self {
        match tempfile::tempdir_in("/dev/shm") {
            Ok(dir) => Self { dir, ..Self::new() },
            Err(_) => Self::new(),
        }
    }

    pub(crate) fn batch_size(mut self, size: u32) -> Self {
        self.settings.batch_size = size.try_into().unwrap();
        self
    }

    pub(crate) fn engine<A: Api>(&self, api: A) -> Engine<A> {
        Engine::new(api, self.settings.clone(), watch::channel(false).1)
    }

    /// Plans the manifest and starts the run, as `apply` does.
    pub(crate) async fn start<A: Api>(&self, engine: &mut Engine<A>, manifest: &str) -> Run {
        let path = self.dir.path().join("links.csv");
        std::fs::write(&path, manifest).unwrap();
        started(self.dir.path(), engine, &path).await.unwrap()
    }

    /// Plans the undo of the run in `past` and starts it, as `undo` does.
    pub(crate) async fn start_undo<A: Api>(&self, engine: &mut Engine<A>, past: &Path) -> Run {
        let deeds = RunEffects::read(&RunDirectory::open(past).unwrap()).unwrap();
        let snapshot = engine.snapshot(deeds.scopes()).await.unwrap();
        begin(self.dir.path(), &deeds.origin(), |keep| {
            deeds.plan(&snapshot, ROOM, keep).unwrap();
        })
    }

    pub(crate) async fn apply(&self, wire: &Wire, manifest: &str) -> Applied {
        let mut engine = self.engine(wire.clone());
        let run = self.start(&mut engine, manifest).await;
        carry_out(&mut engine, run).await
    }
}

/// Plans the manifest and starts a run in `home`; or says why nothing could be read.
pub(crate) async fn started<A: Api>(
    home: &Path,
    engine: &mut Engine<A>,
    manifest: &Path,
) -> Result<Run, End> {
    let rows = run::check(&[manifest.to_owned()], Defaults::default()).unwrap();
    let snapshot = engine.snapshot(rows.scopes()).await?;
    Ok(begin(home, &rows.origin(), |keep| {
        run::plan(&rows, &snapshot, ROOM, keep).unwrap();
    }))
}

/// Starts a run in `home` with what `plan` hands out.
fn begin(home: &Path, origin: &Origin, plan: impl FnOnce(Keep<'_>)) -> Run {
    let now = Timestamp::now();
    let directory = RunDirectory::create(home, RunName::new(now)).unwrap();
    let mut writer = PlanWriter::create(directory.path(), origin).unwrap();
    plan(&mut |item, cells| writer.push(item, cells).map_err(PlanError::from));
    let Sums { sha256, crc } = writer.finish().unwrap();
    let header = Header {
        format: FORMAT,
        tool: String::new(),
        run: directory.name().to_string(),
        tenant: CUSTOMER.to_owned(),
        plan_sha256: sha256,
        plan_crc: Some(crc),
        settings: Value::Null,
    };
    run::start(directory, header, now).unwrap()
}

/// A run that has come to its end.
pub(crate) struct Applied {
    pub(crate) end: End,
    pub(crate) ledger: Ledger,
    pub(crate) outcomes: BTreeMap<u32, Outcome>,
}

impl Applied {
    pub(crate) fn failures(&self) -> Vec<(u32, &Failure)> {
        let failed = self
            .outcomes
            .values()
            .filter(|o| o.status == Status::Failed);
        failed
            .map(|o| (o.item, o.failure.as_ref().unwrap()))
            .collect()
    }
}

pub(crate) async fn carry_out<A: Api>(engine: &mut Engine<A>, run: Run) -> Applied {
    let directory = run.directory.path().to_owned();
    let (end, ledger) = engine.carry_out(run.workload, &run.plan).await.unwrap();
    Applied {
        end,
        ledger,
        outcomes: outcomes(&directory),
    }
}

pub(crate) fn outcomes(directory: &Path) -> BTreeMap<u32, Outcome> {
    let mut outcomes = BTreeMap::new();
    run::outcomes(directory, |outcome| {
        let before = outcomes.insert(outcome.item, outcome);
        assert!(before.is_none(), "two outcomes: {before:?}");
    })
    .unwrap();
    outcomes
}

pub(crate) const PORTALS: [&str; 3] =
    ["Employee Portal", "Engineering Portal", "Contractor Portal"];

/// `count` links, in turn on one of three portals.
pub(crate) fn manifest(count: usize) -> String {
    let mut text = "name,url,user_portals\n".to_owned();
    for (number, portal) in (0..count).zip(PORTALS.iter().cycle()) {
        writeln!(
            text,
            "Link {number:05},https://app{number}.corp.example.com/,{portal}"
        )
        .unwrap();
    }
    text
}

pub(crate) fn expected(count: usize) -> Vec<(String, Vec<String>)> {
    (0..count)
        .zip(PORTALS.iter().cycle())
        .map(|(number, portal)| (format!("Link {number:05}"), vec![(*portal).to_owned()]))
        .collect()
}

pub(crate) const ROOMY: &str = "limits = { links = 100000, links_per_portal = 100000 }";

pub(crate) fn most_in_ten_seconds(log: &[LogEntry]) -> usize {
    let window = Duration::from_secs(10);
    let in_window = |from: Duration| {
        log.iter()
            .filter(|e| e.at >= from && e.at < from + window)
            .count()
    };
    log.iter()
        .map(|entry| in_window(entry.at))
        .max()
        .unwrap_or(0)
}

pub(crate) fn refusals(wire: &Wire) -> usize {
    wire.tenant
        .log()
        .iter()
        .filter(|entry| entry.status == 429)
        .count()
}

/// Waits until the dropped engine's last write has ended, which the system would do for a killed process.
pub(crate) fn released(directory: &Path) {
    while journal::is_locked(directory) {
        std::thread::yield_now();
    }
}
