//! The plan of a history: the tenant, the processes with their steps, the administrator, and who sets the clock.
//!
//! A plan is data, so that a history can be lived again with a part of it.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use zpa_bulk::engine::UpdateReads;
use zpa_bulk::sim::Scenario;
use zpa_bulk::wire::{Method, Request};
use zpa_bulk::zpa::Api as _;

use crate::administrator::{self, Act};
use crate::support::in_memory::InMemory;
use crate::support::random::{Random, variable};
use crate::support::rows::{self, Row};
use crate::support::scenarios::{self, LATEST_SECONDS};
use crate::support::wire::CUSTOMER;

/// The number of writes that each process sends in a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriteQuota {
    pub(crate) limit: usize,
    pub(crate) window: Duration,
}

/// With the last one, a process is at work for long, and others start meanwhile.
const WRITE_QUOTAS: [WriteQuota; 4] = [
    WriteQuota::new(10, 10),
    WriteQuota::new(10, 10),
    WriteQuota::new(10, 1),
    WriteQuota::new(1, 5),
];

/// A history that is to be lived.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// The scenario without its faults.
    pub(crate) scenario: String,
    pub(crate) faults: Vec<String>,
    /// The time by which every late commit comes after its call.
    pub(crate) late: Duration,
    /// The time by which listings are behind.
    pub(crate) lag: Duration,
    pub(crate) write_quota: WriteQuota,
    /// True if all processes have their runs in one directory.
    pub(crate) shares_runs: bool,
    pub(crate) update_reads: UpdateReads,
    pub(crate) processes: Vec<Process>,
    pub(crate) acts: Vec<Act>,
    /// The steps of the wall clock, each with the wait before it.
    pub(crate) clock: Vec<(Duration, SignedDuration)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) batch_size: u32,
    pub(crate) jobs: usize,
    pub(crate) max_attempts: u32,
    pub(crate) steps: Vec<Step>,
}

/// One command of a process.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The time since the end of the command before.
    pub(crate) wait: Duration,
    pub(crate) verb: Verb,
    /// The time after which the process is killed, unless the command has ended by then.
    pub(crate) killed: Option<Duration>,
}

#[derive(Clone, Debug)]
pub(crate) enum Verb {
    Apply {
        rows: Vec<Row>,
        json: bool,
    },
    /// Applies the last manifest of the process once more.
    ApplyAgain,
    Resume,
    Retry,
    /// Undoes a run, counted from the newest.
    Undo(usize),
    Prune,
    Verify,
}

impl WriteQuota {
    const fn new(limit: usize, seconds: u64) -> Self {
        Self {
            limit,
            window: Duration::from_secs(seconds),
        }
    }

    /// The quota as a setting.
    pub(crate) fn setting(&self) -> String {
        format!("{}/{}s", self.limit, self.window.as_secs())
    }
}

impl Plan {
    pub(crate) fn text(&self) -> String {
        let faults = self
            .faults
            .iter()
            .map(|fault| format!("[[fault]]\n{fault}"));
        format!("{}\n{}", self.scenario, faults.collect::<String>())
    }

    pub(crate) fn tenant(&self) -> InMemory {
        let scenario = Scenario::parse(&self.text()).unwrap();
        InMemory::traced(scenario, self.seed, CUSTOMER, self.late)
    }
}

/// Generates the history of a seed.
pub(crate) async fn plan(seed: u64) -> Plan {
    let mut random = Random(seed);
    let (mut plan, tenant) = empty(seed, &mut random);
    let before = first_state(&tenant).await;
    for _ in 0..2 + random.below(2) {
        plan.processes.push(process(&mut random, &before));
    }
    if plan.update_reads == UpdateReads::Listing {
        // A wave needs several updates.
        for (number, process) in plan.processes.iter_mut().enumerate() {
            for step in &mut process.steps {
                if let Verb::Apply { rows, .. } = &mut step.verb {
                    rows::describe_all(rows, &before, &format!("by process {number}"));
                }
            }
        }
    }
    if random.percent(60) {
        plan.acts = administrator::acts(&mut random);
    }
    if random.percent(20) {
        plan.clock = clock(&mut random);
    }
    plan
}

fn empty(seed: u64, random: &mut Random) -> (Plan, InMemory) {
    let late = Duration::from_secs(1 + random.below(LATEST_SECONDS));
    let server = scenarios::server(random);
    let mut parts = server.scenario.split("[[fault]]\n");
    let (scenario, lag) = with_more(random, parts.next().unwrap_or_default());
    // The settle time has to cover both.
    let late = late.min(Duration::from_secs(LATEST_SECONDS).saturating_sub(lag));
    let mut plan = Plan {
        seed,
        scenario,
        lag,
        faults: parts.map(|fault| with_delay(fault, late)).collect(),
        late,
        write_quota: WRITE_QUOTAS[random.index(WRITE_QUOTAS.len())],
        shares_runs: random.percent(50),
        update_reads: match seed % 8 {
            1 => UpdateReads::Listing,
            _ => UpdateReads::Object,
        },
        processes: Vec::new(),
        acts: Vec::new(),
        clock: Vec::new(),
    };
    if random.percent(30) {
        plan.faults.push(status_after_commit(random));
        if !lag.is_zero() {
            // Nothing at all would tell that a refused create was carried out.
            let told = "unique_names = true";
            plan.scenario = plan.scenario.replace("unique_names = false", told);
        }
    }
    let tenant = plan.tenant();
    (plan, tenant)
}

/// Adds behaviour that makes a difference only in company. Returns the lag of listings too.
fn with_more(random: &mut Random, scenario: &str) -> (String, Duration) {
    let connectors = format!(
        "groups = {}, come_back = {}",
        1 + random.below(3),
        random.one(&["0.0", "0.5"])
    );
    let mut text = scenario.replace("read_only = 1", &format!("read_only = 1, {connectors}"));
    let (lags, lag) = (random.percent(20), 1 + random.below(8));
    let lags = lags || variable("ZPA_BULK_LAG").is_some();
    let lag = if lags { lag } else { 0 };
    let churn = if random.percent(15) { "0.3" } else { "0.0" };
    text.push_str(&format!(
        "listing = {{ lag = \"{lag}s\", churn = {churn} }}\n"
    ));
    (text, Duration::from_secs(lag))
}

fn status_after_commit(random: &mut Random) -> String {
    let calls = random.one(&["POST /mgmt*", "PUT *", "DELETE *"]);
    let status = random.one(&[
        "status = 500",
        "status = 503\nretry_after = \"3s\"",
        "status = 504",
        "status = 409\nid = \"api.concurrent.access.error\"",
        "status = 400\nid = \"not.liked\"",
        "status = 403\nid = \"not.allowed\"",
    ]);
    let times = 1 + random.below(5);
    format!(
        "kind = \"status-after-commit\"\nmatch = \"{calls}\"\nafter = \"5s\"\ntimes = {times}\nprobability = 0.4\n{status}\n"
    )
}

/// Sets the delay of a late commit, so that the trace knows when each lands.
fn with_delay(fault: &str, late: Duration) -> String {
    if !fault.contains("late-commit") {
        return fault.to_owned();
    }
    let lines = fault.lines().filter(|line| !line.starts_with("delay"));
    let lines: String = lines.map(|line| format!("{line}\n")).collect();
    format!("{lines}delay = \"{}s\"\n", late.as_secs())
}

/// The state of the tenant from its first call on.
pub(crate) async fn first_state(tenant: &InMemory) -> Value {
    tenant.sign_in().await.unwrap();
    let request = Request::new(Method::Get, "connectorSchedule", None);
    tenant.send(request).await;
    tenant.state()["tenants"][CUSTOMER].clone()
}

fn process(random: &mut Random, before: &Value) -> Process {
    let steps = 1 + random.below(4);
    let mut process = Process {
        batch_size: *random.one(&[1, 2, 5, 150, 150]),
        jobs: *random.one(&[0, 1, 3, 32]),
        max_attempts: *random.one(&[2, 8, 8]),
        steps: Vec::new(),
    };
    for number in 0..steps {
        process.steps.push(step(random, before, number == 0));
    }
    process
}

fn step(random: &mut Random, before: &Value, is_first: bool) -> Step {
    let longest = *random.one(&[2_000, 20_000, 90_000]);
    let wait = Duration::from_millis(random.below(longest));
    let span = *random.one(&[1_000, 5_000, 60_000, 200_000]);
    let killed = Duration::from_millis(random.below(span));
    Step {
        wait,
        verb: verb(random, before, is_first),
        killed: random.percent(40).then_some(killed),
    }
}

fn verb(random: &mut Random, before: &Value, is_first: bool) -> Verb {
    if !is_first && random.percent(60) {
        return match random.below(9) {
            0..3 => Verb::Resume,
            3 => Verb::Retry,
            4 | 5 => Verb::Undo(random.index(3)),
            6 => Verb::Prune,
            7 => Verb::Verify,
            _ => Verb::ApplyAgain,
        };
    }
    if random.percent(8) {
        return Verb::Prune;
    }
    let mut rows = rows::rows(random, before);
    // Another administrator has these, and deletes and creates them all the time.
    rows.retain(|row| !row.key().starts_with("Churn"));
    rows.truncate(1 + random.index(8));
    Verb::Apply {
        rows,
        json: random.percent(50),
    }
}

fn clock(random: &mut Random) -> Vec<(Duration, SignedDuration)> {
    let mut step = |_| {
        let wait = Duration::from_secs(random.below(60));
        let by = *random.one(&[1_i64, 30, 3_600, 200_000]);
        let by = if random.percent(50) { by } else { -by };
        (wait, SignedDuration::from_secs(by))
    };
    (0..3).map(&mut step).collect()
}
