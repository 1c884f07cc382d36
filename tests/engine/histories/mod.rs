//! Whole lives of runs, generated from a seed: the manifest, the server, its faults, and the deaths of the process. In
//! the end an independent account of the tenant judges: every row has ended once and as it says, and nothing else has
//! changed.
//!
//! Histories are lived for some seconds. `ZPA_BULK_HISTORIES=10000` lives that many, `ZPA_BULK_SEED=7` begins with another
//! seed. With `--release` five times as many are lived in the same time; `.ci/run` does so with thousands.

mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{sleep, timeout};
use zpa_bulk::engine::{End, Engine};
use zpa_bulk::item::Outcome;
use zpa_bulk::ledger::Ledger;
use zpa_bulk::pacer::Pace;
use zpa_bulk::run::{self, Run};
use zpa_bulk::sim::Scenario;
use zpa_bulk::wire::{Method, Request};
use zpa_bulk::zpa::Api as _;

use self::model::{History, violations};
use crate::support::desk::{Desk, lose, outcomes, released, started};
use crate::support::hunt::{Hunt, hunt};
use crate::support::in_memory::InMemory;
use crate::support::random::Random;
use crate::support::rows::{self, Row};
use crate::support::scenarios::{self, LATEST_SECONDS};
use crate::support::wire::CUSTOMER;

/// The time for histories, unless their number is given.
const SPAN: Duration = Duration::from_secs(5);

/// The most times that a run may stop before its end: no fault lasts that long.
const MOST_RESUMES: u32 = 60;

#[test]
fn every_row_ends_once_and_as_it_says() {
    let Hunt {
        lived,
        took,
        failed,
    } = hunt("ZPA_BULK_HISTORIES", SPAN, live);
    println!("{lived} histories lived in {took:.1?}");
    if let Some((seed, wrong)) = failed.first_key_value() {
        for (seed, wrong) in &failed {
            println!("seed {seed}: {}", wrong[0]);
        }
        panic!(
            "{} of {lived} histories went wrong. ZPA_BULK_SEED={seed} ZPA_BULK_HISTORIES=1 shows the first again:\n{}",
            failed.len(),
            wrong.join("\n")
        );
    }
}

/// A bulk delete that the server took in part, whose listing was read again: what is left is not what was alone.
#[test]
fn what_a_bulk_delete_left_is_sent_again() {
    for seed in [3657, 4525, 5916] {
        assert_eq!(live(seed), Vec::<String>::new(), "{seed}");
    }
}

/// Lives the history of that seed on a stopped clock of its own. Answers the violations.
fn live(seed: u64) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(history(seed))
}

async fn history(seed: u64) -> Vec<String> {
    let mut random = Random(seed);
    let server = scenarios::server(&mut random);
    // What the tenant holds depends on the seed, and rows are about that: so it is asked first.
    let before = state(&InMemory::new(
        Scenario::parse(&server.scenario).unwrap(),
        seed,
        CUSTOMER,
    ))
    .await;
    let rows = rows::rows(&mut random, &before);
    let (scenario, poisoned) = poison(&mut random, &rows, &server.scenario);
    let tenant = InMemory::new(Scenario::parse(&scenario).unwrap(), seed, CUSTOMER);
    assert_eq!(state(&tenant).await, before);
    let mut life = Life::new(random, tenant, &rows);
    let (ledger, outcomes) = match life.lived().await {
        Ok(end) => end,
        Err(why) => return vec![why, scenario],
    };
    // Whatever is under way on the server lands.
    sleep(Duration::from_secs(2 * LATEST_SECONDS)).await;
    let after = life.tenant.state()["tenants"][CUSTOMER].clone();
    let mut wrong = violations(&History {
        rows: &rows,
        before: &before,
        after: &after,
        ledger: &ledger,
        outcomes: &outcomes,
        poisoned: &poisoned,
        domains_go: server.domains_go,
    });
    if !wrong.is_empty() {
        wrong.push(scenario);
        wrong.extend(life.story);
        wrong.extend(life.tenant.log().iter().map(|entry| {
            format!(
                "{:.3?} {} {} {} {:?}",
                entry.at, entry.method, entry.path, entry.status, entry.fault
            )
        }));
    }
    wrong
}

/// The state of the tenant from its first call on.
async fn state(tenant: &InMemory) -> Value {
    tenant.sign_in().await.unwrap();
    tenant
        .send(Request::new(Method::Get, "connectorSchedule", None))
        .await;
    tenant.state()["tenants"][CUSTOMER].clone()
}

/// Makes the server refuse some of the objects that are to be written.
fn poison(random: &mut Random, rows: &[Row], scenario: &str) -> (String, BTreeSet<String>) {
    let mut text = scenario.to_owned();
    let mut poisoned = BTreeSet::new();
    // A list that holds what the server refuses cannot be written at all.
    let stays = |row: &Row| row.resource == "domain" && row.key() == "corp.example";
    let written = rows
        .iter()
        .filter(|row| row.action != "delete" && !row.key().is_empty() && !stays(row));
    let rate = *random.one(&[0, 0, 3, 20]);
    for row in written.filter(|_| random.percent(rate)) {
        if poisoned.insert(row.key().to_owned()) {
            let name = Value::from(row.key());
            writeln!(text, "[[fault]]\nkind = \"poison\"\nname = {name}").unwrap();
        }
    }
    (text, poisoned)
}

/// A run from its plan to its end, over crashes.
struct Life {
    random: Random,
    tenant: InMemory,
    desk: Desk,
    manifest: PathBuf,
    crashes_left: u64,
    story: Vec<String>,
}

impl Life {
    fn new(mut random: Random, tenant: InMemory, rows: &[Row]) -> Self {
        let mut desk = Desk::new();
        let (ending, text) = rows::manifest(&mut random, rows);
        let manifest = desk.dir.path().join(format!("m.{ending}"));
        std::fs::write(&manifest, text).unwrap();
        let quota = *random.one(&["off", "10/10s", "10/1s"]);
        desk.settings.write_quota = quota.parse::<Pace>().unwrap();
        desk.settings.jobs = NonZeroUsize::new(*random.one(&[0, 1, 3, 32]));
        desk.settings.max_attempts = (*random.one(&[2_u32, 8, 8])).try_into().unwrap();
        let crashes_left = random.below(5);
        let mut life = Self {
            random,
            tenant,
            desk,
            manifest,
            crashes_left,
            story: Vec::new(),
        };
        life.choose_batch_size();
        life
    }

    fn choose_batch_size(&mut self) {
        let size = *self.random.one(&[1_u32, 2, 5, 150, 150]);
        self.desk.settings.batch_size = size.try_into().unwrap();
    }

    /// Lives to the end of the run. Answers its outcomes, or the reason why it never ended.
    async fn lived(&mut self) -> Result<(Ledger, BTreeMap<u32, Outcome>), String> {
        let (mut engine, mut run) = self.begun().await?;
        let directory = run.directory.clone();
        for _ in 0..MOST_RESUMES {
            let crashes = self.crashes_left > 0;
            let span = *self
                .random
                .one(&[200_000, 3_000_000, 60_000_000, 200_000_000]);
            let patience = if crashes {
                Duration::from_micros(self.random.below(span))
            } else {
                Duration::from_secs(1_000_000)
            };
            let carried = timeout(patience, engine.carry_out(run.workload, &run.plan)).await;
            drop(engine);
            released(directory.path());
            match carried {
                Ok(Ok((End::Finished, ledger))) => {
                    return Ok((ledger, outcomes(directory.path())));
                }
                Ok(Ok((end, _))) => self.story.push(format!("ended: {end:?}")),
                Ok(Err(error)) => return Err(format!("the run broke: {error}")),
                Err(_) if crashes => {
                    self.crashes_left -= 1;
                    self.story.push(format!("crashed after {patience:?}"));
                    lose(&mut self.random, directory.path());
                }
                Err(_) => return Err("the run hangs".to_owned()),
            }
            sleep(Duration::from_secs(self.random.below(60))).await;
            self.choose_batch_size();
            engine = self.desk.engine(self.tenant.clone());
            run = run::resume(directory.clone()).map_err(|error| format!("{error}"))?;
        }
        Err(format!("it never ends: {:?}", self.story))
    }

    /// Plans and starts the run, with as many attempts as that takes.
    async fn begun(&mut self) -> Result<(Engine<InMemory>, Run), String> {
        sleep(Duration::from_secs(self.random.below(40))).await;
        for _ in 0..MOST_RESUMES {
            let mut engine = self.desk.engine(self.tenant.clone());
            match started(
                self.desk.dir.path(),
                &mut engine,
                &self.manifest,
                self.desk.rules,
            )
            .await
            {
                Ok(run) => return Ok((engine, run)),
                Err(end) => self.story.push(format!("no plan: {end:?}")),
            }
            sleep(Duration::from_secs(self.random.below(60))).await;
        }
        Err(format!("it is never planned: {:?}", self.story))
    }
}
