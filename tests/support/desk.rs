//! A desk from which an engine is run on a stopped clock, as the command runs it.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;
use zpa_bulk::engine::{End, Engine, EngineSettings};
use zpa_bulk::item::{Item, Outcome, Status};
use zpa_bulk::journal::{self, FORMAT, Header};
use zpa_bulk::ledger::Ledger;
use zpa_bulk::manifest::LARGEST_MANIFEST;
use zpa_bulk::plan::{BulkPortals, Defaults, LiveCheck, TenantRules};
use zpa_bulk::run::{
    self, Origin, PLAN_FORMAT, PlanError, PlanWriter, Replaced, Run, RunDirectory, RunEffects,
    SavedHead, SavedPlan, SavedPlanWriter,
};
use zpa_bulk::wire::Failure;
use zpa_bulk::zpa::Api;

use super::random::Random;
use super::scratch;
use super::wire::{CUSTOMER, Wire};

type Keep<'k> = &'k mut (dyn FnMut(&Item<'_>, &[&str]) -> Result<(), PlanError> + Send);

/// Limits that no test of the engine reaches.
const ROOM: TenantRules = TenantRules {
    links: 100_000,
    links_per_portal: 100_000,
    bulk_portals: BulkPortals::Call,
};

/// A user's files and settings.
pub(crate) struct Desk {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) settings: EngineSettings,
    pub(crate) rules: TenantRules,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            dir: scratch(),
            settings: EngineSettings::default(),
            rules: ROOM,
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
        started(self.dir.path(), engine, &path, self.rules)
            .await
            .unwrap()
    }

    /// Plans the undo of the run in `past` and starts it, as `undo` does.
    pub(crate) async fn start_undo<A: Api>(&self, engine: &mut Engine<A>, past: &Path) -> Run {
        let deeds = effects(past);
        let snapshot = engine.snapshot(deeds.scopes()).await.unwrap();
        begin(self.dir.path(), &deeds.origin(), |keep| {
            deeds.plan(&snapshot, self.rules, keep).unwrap();
        })
    }

    /// Saves the plan of the manifest, as `plan -o` does.
    pub(crate) async fn save(&self, wire: &Wire, manifest: &str) -> SavedPlan {
        let mut engine = self.engine(wire.clone());
        let (path, saved) = (
            self.dir.path().join("links.csv"),
            self.dir.path().join("links.plan"),
        );
        std::fs::write(&path, manifest).unwrap();
        let rows = run::check(&[path], LARGEST_MANIFEST, Defaults::default()).unwrap();
        let snapshot = engine.snapshot(rows.scopes()).await.unwrap();
        let live = LiveCheck::new(&snapshot);
        let mut writer = SavedPlanWriter::create(&saved, &head(rows.origin())).unwrap();
        run::plan(&rows, &snapshot, self.rules, |item, cells| {
            let mut item = item.to_owned_item();
            item.reviewed = live.reading(&item).map(Box::new);
            writer.push(&item, cells).map_err(PlanError::from)
        })
        .unwrap();
        writer.finish(None).unwrap();
        SavedPlan::open(&saved, LARGEST_MANIFEST).unwrap()
    }

    /// Starts a run of a saved plan, as `apply` does.
    pub(crate) async fn start_saved<A: Api>(
        &self,
        engine: &mut Engine<A>,
        saved: &SavedPlan,
    ) -> Run {
        let snapshot = engine.snapshot(saved.scopes()).await.unwrap();
        begin(self.dir.path(), &saved.head().origin, |keep| {
            saved.plan(&snapshot, self.rules, keep).unwrap();
        })
    }

    /// Carries a saved plan out.
    pub(crate) async fn apply_saved(&self, wire: &Wire, saved: &SavedPlan) -> Applied {
        let mut engine = self.engine(wire.clone());
        let run = self.start_saved(&mut engine, saved).await;
        carry_out(&mut engine, run).await
    }

    pub(crate) async fn apply(&self, wire: &Wire, manifest: &str) -> Applied {
        self.applied_in(wire, manifest).await.0
    }

    /// Applies the manifest. Returns how the run ended and where it is.
    pub(crate) async fn applied_in(&self, wire: &Wire, manifest: &str) -> (Applied, RunDirectory) {
        let mut engine = self.engine(wire.clone());
        let run = self.start(&mut engine, manifest).await;
        let directory = run.directory.clone();
        (carry_out(&mut engine, run).await, directory)
    }

    /// Applies the manifest without a failure. Returns where the run is.
    pub(crate) async fn applied(&self, wire: &Wire, manifest: &str) -> PathBuf {
        let (applied, directory) = self.applied_in(wire, manifest).await;
        assert_eq!(applied.end, End::Finished);
        assert_eq!(applied.failures(), []);
        directory.path().to_owned()
    }

    /// Undoes the run in `past`.
    pub(crate) async fn undone(&self, wire: &Wire, past: &Path) -> Applied {
        let mut engine = self.engine(wire.clone());
        let run = self.start_undo(&mut engine, past).await;
        carry_out(&mut engine, run).await
    }

    /// Starts a run of the manifest that dies after that time, if it has not ended.
    pub(crate) async fn cut_off(
        &self,
        wire: &Wire,
        manifest: &str,
        after: Duration,
    ) -> RunDirectory {
        let mut engine = self.engine(wire.clone());
        let run = self.start(&mut engine, manifest).await;
        die(engine, run, after).await
    }

    /// Goes on with the run in that directory.
    pub(crate) async fn resume(&self, wire: &Wire, directory: RunDirectory) -> Applied {
        let run = run::resume(directory).unwrap();
        carry_out(&mut self.engine(wire.clone()), run).await
    }
}

/// The first line of a saved plan of these rows.
pub(crate) fn head(origin: Origin) -> SavedHead {
    SavedHead {
        format: PLAN_FORMAT,
        tool: String::new(),
        saved: String::new(),
        tenant: CUSTOMER.to_owned(),
        settings: Value::Null,
        reading: serde_json::Map::new(),
        manifests: Vec::new(),
        origin,
    }
}

/// Reads the changes of the run in `past`, and of those whose place it took.
fn effects(past: &Path) -> RunEffects {
    let past = RunDirectory::open(past).unwrap();
    let replaced = Replaced::by(&past).unwrap();
    RunEffects::read(&past, &replaced.found, HashSet::new()).unwrap()
}

/// Carries the run out until that time, if it has not ended. Whatever is under way then is dropped, as it is when a
/// process is killed.
pub(crate) async fn die<A: Api>(mut engine: Engine<A>, run: Run, after: Duration) -> RunDirectory {
    let directory = run.directory.clone();
    let _ = timeout(after, Box::pin(carry_out(&mut engine, run))).await;
    drop(engine);
    released(directory.path());
    directory
}

/// Plans the manifest and starts a run in `home`; or says why nothing could be read.
pub(crate) async fn started<A: Api>(
    home: &Path,
    engine: &mut Engine<A>,
    manifest: &Path,
    rules: TenantRules,
) -> Result<Run, End> {
    let rows = run::check(
        &[manifest.to_owned()],
        LARGEST_MANIFEST,
        Defaults::default(),
    )
    .unwrap();
    let snapshot = engine.snapshot(rows.scopes()).await?;
    Ok(begin(home, &rows.origin(), |keep| {
        run::plan(&rows, &snapshot, rules, keep).unwrap();
    }))
}

/// Starts a run in `home` with what `plan` hands out.
fn begin(home: &Path, origin: &Origin, plan: impl FnOnce(Keep<'_>)) -> Run {
    let now = Timestamp::now();
    let directory = RunDirectory::create(home, now).unwrap();
    let mut writer = PlanWriter::create(directory.path(), origin).unwrap();
    plan(&mut |item, cells| writer.push(item, cells).map_err(PlanError::from));
    let header = Header {
        format: FORMAT,
        tool: String::new(),
        run: directory.name().to_string(),
        tenant: CUSTOMER.to_owned(),
        plan_sha256: writer.finish().unwrap(),
        settings: Value::Null,
        seal: None,
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

/// Waits until the last write of a dropped engine has ended, as the system does for a killed process.
pub(crate) fn released(directory: &Path) {
    while journal::is_locked(directory) {
        std::thread::yield_now();
    }
}

/// Takes records from the journal that were never synced, as a crash may. The rest may end in the middle of one.
pub(crate) fn lose(random: &mut Random, directory: &Path) {
    let path = directory.join("journal.jsonl");
    let journal = std::fs::read(&path).unwrap();
    let mark = std::fs::read_to_string(directory.join("journal.synced")).unwrap();
    let synced: usize = mark.trim_end().parse().unwrap();
    let kept = match random.below(3) {
        0 => journal.len(),
        1 => synced + random.index(journal.len() - synced + 1),
        _ => synced,
    };
    let mut left = journal[..kept].to_vec();
    if random.percent(20) {
        left.extend_from_slice(&journal[..random.index(synced.min(40))]);
    }
    std::fs::write(&path, left).unwrap();
}
