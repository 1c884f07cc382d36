//! A process: the use cases of the library on the tenant of the history, with a person who says yes to everything.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Map;
use tokio::sync::watch;
use zpa_bulk::coordination::{Coordination, Now};
use zpa_bulk::engine::{Engine, EngineSettings, Progress};
use zpa_bulk::ops::{Connect, Error, Evidence, Later, Observer, Preview, Prompt, Sharing, Tenant};
use zpa_bulk::pacer::QuotaScope;
use zpa_bulk::plan::prune::Choice;
use zpa_bulk::plan::{BulkPortals, Guards, TenantRules};
use zpa_bulk::run::{Addresses, RecordedSettings, Sealer};
use zpa_bulk::wire::{Reply, Request};
use zpa_bulk::zpa::{AnyApi, Api, Connection, SignInError, Style};

use crate::cast::{Plan, Process};
use crate::support::in_memory::InMemory;
use crate::support::random::Random;
use crate::support::trace::Client;
use crate::support::wire::CUSTOMER;

/// The user's files and settings of one command.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    /// The number of the process.
    pub(crate) number: usize,
    pub(crate) state: PathBuf,
    pub(crate) runs: PathBuf,
    pub(crate) settings: EngineSettings,
    sealer: Sealer,
}

impl Desk {
    pub(crate) fn new(home: &Path, number: usize, plan: &Plan, process: &Process) -> Self {
        let runs = if plan.shares_runs { 0 } else { number };
        let state = home.join("state");
        let settings = EngineSettings {
            write_quota: plan.write_quota.setting().parse().unwrap(),
            // Nothing goes beyond the quota of all paths, since every window is checked.
            quota_scope: QuotaScope::Tenant,
            batch_size: process.batch_size.try_into().unwrap(),
            jobs: NonZeroUsize::new(process.jobs),
            max_attempts: process.max_attempts.try_into().unwrap(),
            keep_per_group: 1,
            update_reads: plan.update_reads,
            ..EngineSettings::default()
        };
        Self {
            number,
            sealer: Sealer::open(&state).unwrap(),
            state,
            runs: home.join(format!("runs-{runs}")),
            settings,
        }
    }

    /// The way to the tenant for the command of that number.
    pub(crate) fn line(&self, tenant: &InMemory, client: Client, seed: u64) -> Line {
        Line {
            desk: self.clone(),
            wire: tenant.client(client),
            client,
            seed,
        }
    }
}

/// The way of a command to the tenant.
#[derive(Debug)]
pub(crate) struct Line {
    desk: Desk,
    wire: InMemory,
    client: Client,
    seed: u64,
}

impl Line {
    pub(crate) fn tenant(&self, stop: watch::Receiver<bool>) -> Result<Tenant, Error> {
        let wire = Wire {
            inner: self.wire.clone(),
            random: Mutex::new(Random(self.seed)),
        };
        let settings = self.desk.settings.clone();
        let mut engine = Engine::new(AnyApi::new(wire), settings.clone(), stop);
        let table = Coordination::open(&self.desk.state.join("tenants"), CUSTOMER, Now::read())?;
        engine.share(table.clone())?;
        let evidence = Evidence::default();
        engine.observe(Arc::new(evidence.clone()));
        Ok(Tenant {
            engine,
            engine_settings: settings,
            connection: connection(self.client),
            microtenant: None,
            rules: TenantRules {
                links: 100_000,
                links_per_portal: 100_000,
                bulk_portals: BulkPortals::Call,
            },
            guards: Guards {
                max_deletes: Some("100%".parse().unwrap()),
                keep_per_group: 1,
            },
            recorded: recorded(self.client),
            sharing: Sharing::Table(table),
            sealer: Some(self.desk.sealer.clone()),
            evidence,
        })
    }
}

fn connection(client: Client) -> Connection {
    Connection {
        style: Style::Legacy,
        base_url: address(client),
        token_url: format!("{}/signin", address(client)),
        customer: CUSTOMER.to_owned(),
    }
}

/// An address that tells the runs of each command apart.
pub(crate) fn address(client: Client) -> String {
    format!("https://command-{client}.example")
}

fn recorded(client: Client) -> RecordedSettings {
    let addresses = Addresses {
        customer_id: Some(CUSTOMER.to_owned()),
        base_url: Some(address(client)),
        token_url: None,
    };
    RecordedSettings::new(false, addresses, Map::new())
}

impl Connect for Line {
    fn customer(&self) -> Option<&str> {
        Some(CUSTOMER)
    }

    fn simulates(&self) -> bool {
        false
    }

    fn sealer(&self) -> Option<&Sealer> {
        Some(&self.desk.sealer)
    }

    fn trusts_run(&self) -> bool {
        false
    }

    fn connect<'c>(
        &'c mut self,
        _: Option<&'c RecordedSettings>,
        stop: watch::Receiver<bool>,
    ) -> Later<'c, Result<Tenant, Error>> {
        Box::pin(async move { self.tenant(stop) })
    }
}

/// A wire on which some calls still arrive after their process was killed.
#[derive(Debug)]
struct Wire {
    inner: InMemory,
    random: Mutex<Random>,
}

impl Api for Wire {
    async fn send(&self, request: Request) -> Reply {
        let outlives = self.random.lock().unwrap().percent(50);
        if !outlives {
            return self.inner.send(request).await;
        }
        let inner = self.inner.clone();
        let sent = tokio::spawn(async move { inner.send(request).await });
        sent.await.unwrap()
    }

    async fn sign_in(&self) -> Result<std::time::Duration, SignInError> {
        self.inner.sign_in().await
    }
}

/// A person who says yes.
#[derive(Debug)]
pub(crate) struct Agreeable;

impl Prompt for Agreeable {
    fn confirm<'q>(&'q self, _: &'q str) -> Later<'q, bool> {
        Box::pin(async { true })
    }

    fn text<'q>(&'q self, _: &'q str) -> Later<'q, Option<String>> {
        Box::pin(async { Some(CUSTOMER.to_owned()) })
    }
}

/// An observer that keeps what it is told.
#[derive(Debug, Default)]
pub(crate) struct Quiet(pub(crate) Mutex<Vec<String>>);

impl Quiet {
    fn keep(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

impl Observer for Quiet {
    fn say(&self, text: &str) {
        self.keep(text.to_owned());
    }

    fn warn(&self, text: &str) {
        self.keep(format!("warning: {text}"));
    }

    fn warn_of(&self, error: &Error) {
        self.keep(format!("warning: {error}"));
    }

    fn plan(&self, _: &Preview<'_>) {}

    fn choice(&self, _: &Choice<'_>, _: usize) {}

    fn progress(&self, _: watch::Receiver<Option<Progress>>) -> Box<dyn Send> {
        Box::new(())
    }
}
