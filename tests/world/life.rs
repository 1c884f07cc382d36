//! The life of a plan: all processes at once, kills, what the disk forgets, and the resumes at the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use zpa_bulk::clock;
use zpa_bulk::engine::Items as _;
use zpa_bulk::item::{Item, Outcome};
use zpa_bulk::journal;
use zpa_bulk::manifest::Reading;
use zpa_bulk::ops::prune::prune;
use zpa_bulk::ops::select_run::{is_reported, newest_unfinished};
use zpa_bulk::ops::{
    self, ApplyOptions, Conclusion, Error, Manifests, RunEnd, Session, Tenant, UndoOptions,
};
use zpa_bulk::plan::prune::Criteria;
use zpa_bulk::resource::Action;
use zpa_bulk::run::{self, RecordedSettings, RunDirectory, RunState};

use crate::administrator;
use crate::cast::{Plan, Process, Step, Verb, WriteQuota, first_state};
use crate::model::Violation;
use crate::process::{Agreeable, Desk, Line, Quiet, address};
use crate::support::desk::{lose, released};
use crate::support::in_memory::InMemory;
use crate::support::random::Random;
use crate::support::rows::{self, Row};
use crate::support::scenarios::LATEST_SECONDS;
use crate::support::trace::{Client, Traced};
use crate::support::wire::CUSTOMER;

/// The client of the administrator, and of the first look.
pub(crate) const HAND: Client = 0;

/// The most commands that the end of a history may need for each run.
const MOST_RESUMES: u32 = 40;

/// The longest time that one command may take.
const LONGEST: Duration = Duration::from_secs(20_000);

/// A command that a process has carried out.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) process: usize,
    pub(crate) what: String,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    /// The run that it started or resumed.
    pub(crate) run: Option<PathBuf>,
    pub(crate) result: String,
    /// The rows that it applied.
    pub(crate) rows: Vec<Row>,
}

/// A run at the end of the history.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) path: PathBuf,
    pub(crate) items: Vec<Item<'static>>,
    pub(crate) outcomes: BTreeMap<u32, Vec<Outcome>>,
    pub(crate) finished: bool,
    /// The commands that worked on it, the first one first.
    pub(crate) clients: Vec<Client>,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
}

/// A history at its end.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) before: Value,
    pub(crate) after: Value,
    pub(crate) trace: Vec<Traced>,
    pub(crate) commands: Vec<Command>,
    pub(crate) runs: Vec<Run>,
    /// Violations that showed on the way.
    pub(crate) found: Vec<Violation>,
    pub(crate) freshness: Duration,
    pub(crate) lag: Duration,
    pub(crate) write_quota: WriteQuota,
}

/// Lives a plan to its end.
pub(crate) async fn lived(plan: &Plan) -> History {
    let stage = Arc::new(Stage::new(plan));
    let before = first_state(&stage.tenant).await;
    let set = SetClock::default();
    let mut tasks = JoinSet::new();
    for number in 0..plan.processes.len() {
        tasks.spawn(stage.clone().process(number));
    }
    let (acts, hand) = (plan.acts.clone(), stage.tenant.client(HAND));
    tasks.spawn(async move { administrator::work(&acts, hand).await });
    let steps = plan.clock.clone();
    let total = set.0.clone();
    tasks.spawn(async move { step_clock(&steps, &total).await });
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            std::panic::resume_unwind(error.into_panic());
        }
    }
    stage.finish().await;
    sleep(Duration::from_secs(2 * LATEST_SECONDS)).await;
    stage.history(before)
}

/// The steps of the wall clock so far, which are taken back in the end.
#[derive(Default)]
struct SetClock(Arc<Mutex<SignedDuration>>);

impl Drop for SetClock {
    fn drop(&mut self) {
        let total = self.0.lock().map(|total| *total);
        clock::set_wall(-total.unwrap_or_default());
    }
}

async fn step_clock(steps: &[(Duration, SignedDuration)], total: &Mutex<SignedDuration>) {
    for (wait, by) in steps {
        sleep(*wait).await;
        clock::set_wall(*by);
        *total.lock().unwrap() += *by;
    }
}

/// What all processes share.
struct Stage {
    plan: Plan,
    home: tempfile::TempDir,
    tenant: InMemory,
    desks: Vec<Desk>,
    commands: Mutex<Vec<Command>>,
    /// The last manifest of each process.
    manifests: Mutex<BTreeMap<usize, PathBuf>>,
    found: Mutex<Vec<Violation>>,
}

impl Stage {
    fn new(plan: &Plan) -> Self {
        let home = crate::support::scratch();
        let desk =
            |(number, process): (usize, &Process)| Desk::new(home.path(), number, plan, process);
        Self {
            desks: plan.processes.iter().enumerate().map(desk).collect(),
            plan: plan.clone(),
            tenant: plan.tenant(),
            home,
            commands: Mutex::default(),
            manifests: Mutex::default(),
            found: Mutex::default(),
        }
    }

    /// Carries out the steps of a process, one after the other.
    async fn process(self: Arc<Self>, number: usize) {
        let steps = self.plan.processes[number].steps.clone();
        for step in steps {
            sleep(step.wait).await;
            self.command(number, &step).await;
        }
    }

    /// Carries a command of a process out.
    async fn command(&self, number: usize, step: &Step) {
        let run = about(&self.desks[number], &step.verb);
        self.carry_out(number, &step.verb, step.killed, run).await;
    }

    /// Carries a command out, or kills its process after that time.
    async fn carry_out(
        &self,
        process: usize,
        verb: &Verb,
        killed: Option<Duration>,
        run: Option<PathBuf>,
    ) {
        let desk = &self.desks[process];
        let resumed = run.clone().filter(|_| matches!(verb, Verb::Resume));
        let client = self.begin(process, verb, resumed);
        let line = desk.line(&self.tenant, client, self.seed_of(client));
        let work = self.use_case(verb, desk, line, run.as_deref(), client);
        // The future is large.
        let ended = timeout(killed.unwrap_or(LONGEST), Box::pin(work)).await;
        match ended {
            Ok(Ok(text)) => self.end(client, text),
            Ok(Err(error)) => self.end(client, format!("error: {error}")),
            Err(_) if killed.is_some() => {
                self.end(client, "killed".to_owned());
                self.forget(client);
            }
            Err(_) => {
                self.end(client, "hangs".to_owned());
                self.find(Violation::new(
                    "hangs",
                    format!("command {client} never ends"),
                ));
            }
        }
    }

    fn seed_of(&self, client: Client) -> u64 {
        self.plan.seed ^ client as u64
    }

    fn begin(&self, process: usize, verb: &Verb, run: Option<PathBuf>) -> Client {
        let mut commands = self.commands.lock().unwrap();
        let rows = match verb {
            Verb::Apply { rows, .. } => rows.clone(),
            _ => Vec::new(),
        };
        commands.push(Command {
            process,
            what: verb.name().to_owned(),
            began: self.tenant.now(),
            ended: Duration::MAX,
            run,
            result: "never ended".to_owned(),
            rows,
        });
        commands.len()
    }

    fn end(&self, client: Client, result: String) {
        let run = self.started_by(client);
        let mut commands = self.commands.lock().unwrap();
        let command = &mut commands[client - 1];
        command.run = command.run.take().or(run);
        command.ended = self.tenant.now();
        command.result = result;
    }

    fn find(&self, violation: Violation) {
        self.found.lock().unwrap().push(violation);
    }

    /// The run that a command has started.
    fn started_by(&self, client: Client) -> Option<PathBuf> {
        let is_its = |directory: &RunDirectory| {
            let header = journal::read_header(directory.path()).ok();
            let recorded = header.and_then(|header| RecordedSettings::read(&header).ok());
            recorded.is_some_and(|it| it.addresses.base_url == Some(address(client)))
        };
        let found = self.directories().into_iter().find(is_its)?;
        Some(found.path().to_owned())
    }

    /// Waits until the last write of a killed process has ended. Then the disk loses what was never synced.
    fn forget(&self, client: Client) {
        let run = self.commands.lock().unwrap()[client - 1].run.clone();
        if let Some(path) = run {
            // Another process may have refused to share the run with this one.
            if self.is_held_by_another(client, &path) {
                return;
            }
            released(&path);
            lose(&mut Random(self.seed_of(client)), &path);
        }
    }

    /// True if a living process works on the run, or is about to.
    fn is_held_by_another(&self, client: Client, path: &Path) -> bool {
        let commands = self.commands.lock().unwrap().clone();
        let living = (1..)
            .zip(commands)
            .filter(|(number, command)| *number != client && command.ended == Duration::MAX);
        let run =
            |(number, command): (Client, Command)| command.run.or_else(|| self.started_by(number));
        living.filter_map(run).any(|run| run == path)
    }

    async fn use_case(
        &self,
        verb: &Verb,
        desk: &Desk,
        mut line: Line,
        run: Option<&Path>,
        client: Client,
    ) -> Result<String, Error> {
        // The sender lives as long as the command: without one, nobody could ever stop it.
        let (_sender, stop) = watch::channel(false);
        let observer = Quiet::default();
        let session = Session {
            started: clock::monotonic(),
            stop: stop.clone(),
            observer: &observer,
            prompt: &Agreeable,
        };
        let name = run.map(|run| run.display().to_string());
        let (runs, name) = (&*desk.runs, name.as_deref());
        match (verb, name) {
            (Verb::Resume | Verb::Undo(_), None) => Ok("there is no such run".to_owned()),
            (Verb::Apply { rows, json }, _) => {
                let manifests = self.manifests(rows, *json, desk, client);
                apply(&manifests, runs, &mut line.tenant(stop)?, &session).await
            }
            (Verb::ApplyAgain, _) => {
                let Some(manifests) = self.last_manifest(desk) else {
                    return Ok("there is no manifest".to_owned());
                };
                apply(&manifests, runs, &mut line.tenant(stop)?, &session).await
            }
            (Verb::Resume, name) => {
                Ok(match ops::resume(runs, name, &mut line, &session).await? {
                    Conclusion::NothingLeft { .. } => "nothing left".to_owned(),
                    Conclusion::Ended(end) => shown(Some(&end)),
                })
            }
            (Verb::Retry, _) => {
                let end = ops::retry(runs, None, true, &mut line, &session).await?;
                Ok(shown(end.as_ref()))
            }
            (Verb::Undo(_), Some(name)) => {
                let options = UndoOptions {
                    runs,
                    name,
                    full: false,
                    yes: true,
                };
                let end = ops::undo(options, &mut line, &session).await?;
                Ok(shown(end.as_ref()))
            }
            (Verb::Prune, _) => {
                let confirm = Some(CUSTOMER.to_owned());
                let mut tenant = line.tenant(stop)?;
                let end = prune(runs, criteria(), confirm, &mut tenant, &session).await?;
                Ok(shown(end.as_ref()))
            }
            (Verb::Verify, _) => {
                let verified = ops::verify(runs, None, &mut line, &session).await?;
                Ok(format!("holds: {}", verified.holds))
            }
        }
    }

    /// Writes a manifest, which is the last one of its process from then on.
    fn manifests(&self, rows: &[Row], json: bool, desk: &Desk, client: Client) -> Manifests {
        let ending = if json { "jsonl" } else { "csv" };
        let path = self.home.path().join(format!("m-{client}.{ending}"));
        std::fs::write(&path, rows::text(rows, json)).unwrap();
        let mut last = self.manifests.lock().unwrap();
        last.insert(desk.number, path.clone());
        manifest_at(path)
    }

    fn last_manifest(&self, desk: &Desk) -> Option<Manifests> {
        let last = self.manifests.lock().unwrap();
        last.get(&desk.number).cloned().map(manifest_at)
    }

    fn directories(&self) -> Vec<RunDirectory> {
        let mut places: Vec<&Path> = self.desks.iter().map(|desk| &*desk.runs).collect();
        places.dedup();
        places
            .iter()
            .flat_map(|place| run::list(place).unwrap())
            .collect()
    }

    /// Resumes every run until it has finished.
    async fn finish(&self) {
        for _ in 0..MOST_RESUMES {
            let open = self.open();
            if open.is_empty() {
                return;
            }
            for path in open {
                self.resume(&path).await;
                sleep(Duration::from_secs(7)).await;
            }
        }
        for path in self.open() {
            let commands = self.commands.lock().unwrap();
            let last = commands
                .iter()
                .rev()
                .find(|command| command.run.as_ref() == Some(&path));
            let last = last.map_or("", |command| &command.result);
            let text = format!("{} never finishes: {last}", path.display());
            self.find(Violation::new("never finishes", text));
        }
    }

    /// The runs that can be resumed.
    fn open(&self) -> Vec<PathBuf> {
        let mut open = Vec::new();
        for directory in self.directories() {
            let path = directory.path().to_owned();
            match RunState::read(directory) {
                Ok(state) if state.is_finished() && is_reported(&state) => {}
                Ok(_) if self.is_replaced(&path) => {}
                Ok(_) => open.push(path),
                Err(error) => self.find(Violation::new(
                    "unreadable",
                    format!("{}: {error}", path.display()),
                )),
            }
        }
        open
    }

    /// True if a resume has said that another run has taken the place of this one.
    fn is_replaced(&self, path: &Path) -> bool {
        let commands = self.commands.lock().unwrap();
        let refused = |command: &Command| {
            command.run.as_deref() == Some(path)
                && command
                    .result
                    .contains("was started in the place of this run")
        };
        commands.iter().any(refused)
    }

    async fn resume(&self, path: &Path) {
        let process = self
            .desks
            .iter()
            .position(|desk| path.starts_with(&desk.runs));
        let run = Some(path.to_owned());
        self.carry_out(process.unwrap(), &Verb::Resume, None, run)
            .await;
    }

    fn history(&self, before: Value) -> History {
        let runs = self.directories();
        let runs = runs.into_iter().filter_map(|run| self.run(run)).collect();
        let commands = self.commands.lock().unwrap().clone();
        History {
            before,
            after: self.tenant.state()["tenants"][CUSTOMER].take(),
            trace: self.tenant.trace(),
            commands,
            runs,
            found: self.found.lock().unwrap().clone(),
            freshness: self.desks[0].settings.freshness,
            lag: self.plan.lag,
            write_quota: self.plan.write_quota,
        }
    }

    fn run(&self, directory: RunDirectory) -> Option<Run> {
        let path = directory.path().to_owned();
        let state = RunState::read(directory).ok()?;
        let mut outcomes: BTreeMap<u32, Vec<Outcome>> = BTreeMap::new();
        let add = |outcome: Outcome| outcomes.entry(outcome.item).or_default().push(outcome);
        run::outcomes(&path, add).ok()?;
        let commands = self.commands.lock().unwrap().clone();
        let its = (1..)
            .zip(commands.iter())
            .filter(|(_, command)| command.run.as_ref() == Some(&path));
        let its: Vec<(Client, &Command)> = its.collect();
        let items = 0..state.plan.len();
        Some(Run {
            items: items
                .map(|number| state.plan.load(number).unwrap())
                .collect(),
            outcomes,
            finished: state.is_finished(),
            began: its
                .iter()
                .map(|(_, command)| command.began)
                .min()
                .unwrap_or_default(),
            ended: its
                .iter()
                .map(|(_, command)| command.ended)
                .max()
                .unwrap_or_default(),
            clients: its.iter().map(|(client, _)| *client).collect(),
            path,
        })
    }
}

impl Verb {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Apply { .. } => "apply",
            Self::ApplyAgain => "apply again",
            Self::Resume => "resume",
            Self::Retry => "retry",
            Self::Undo(_) => "undo",
            Self::Prune => "prune",
            Self::Verify => "verify",
        }
    }
}

fn shown(end: Option<&RunEnd>) -> String {
    match end {
        None => "nothing to do".to_owned(),
        Some(end) => format!("{:?}", end.end),
    }
}

/// The run that a command is about.
fn about(desk: &Desk, verb: &Verb) -> Option<PathBuf> {
    let directory = match verb {
        Verb::Resume => {
            newest_unfinished(&desk.runs, &Quiet::default())
                .ok()?
                .directory
        }
        Verb::Undo(back) => run::list(&desk.runs)
            .unwrap()
            .into_iter()
            .rev()
            .nth(*back)?,
        _ => return None,
    };
    Some(directory.path().to_owned())
}

async fn apply(
    manifests: &Manifests,
    runs: &Path,
    tenant: &mut Tenant,
    session: &Session<'_>,
) -> Result<String, Error> {
    let options = ApplyOptions {
        manifests,
        runs,
        yes: true,
    };
    let end = ops::apply(options, tenant, session).await?;
    Ok(shown(end.as_ref()))
}

fn manifest_at(path: PathBuf) -> Manifests {
    Manifests {
        paths: vec![path],
        reading: Reading::default(),
        resource: None,
        action: Action::Ensure,
    }
}

/// Chooses every connector that is out of contact, but for the last one of a group.
fn criteria() -> Criteria {
    Criteria {
        disconnected_for: Some(SignedDuration::from_hours(1)),
        never_connected_for: Some(SignedDuration::from_hours(1)),
        include_dark_groups: true,
        keep_per_group: 1,
        ..Criteria::default()
    }
}
