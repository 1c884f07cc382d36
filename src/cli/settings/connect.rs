//! The connection to a tenant, made from the settings: a real tenant, or the embedded simulated one.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::watch;

use super::environment::{
    FromVariable, first_of, names_a_client, user_directory, variable, with_environment,
};
use super::layer::Settings;
use super::resolved::Resolved;
use super::scenario::{embedded, simulated};
use super::{secret, vendor_file};
use crate::coordination::{Coordination, Now};
use crate::engine::{Bounds, Engine};
use crate::ops::{Connect, Error, ErrorKind, Evidence, Later, Sharing, Tenant};
use crate::plan::Share;
use crate::report::EventStream;
use crate::run::{Addresses, RecordedSettings, Sealer};
use crate::sim::Server;
use crate::zpa::{AnyApi, Connection, Credentials, HttpApi, Proof, Style, Transport};

/// All layers of settings, merged, and the proxy of the environment.
#[derive(Debug)]
pub(crate) struct Gathered {
    /// The merged settings.
    pub(crate) settings: Settings,
    /// The proxy that the environment names.
    pub(crate) proxy: Option<FromVariable>,
    no_proxy: Option<FromVariable>,
}

impl Gathered {
    /// Merges the layers. `given` holds the flags, the settings file and the settings that a run recorded.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) for settings that contradict each other, or a vendor file
    /// that cannot be read.
    fn new(given: Settings) -> Result<Self, Error> {
        let settings = if names_a_client(&given, &variable) {
            given
        } else {
            given.over(vendor_file::read(std::env::home_dir().as_deref())?)
        };
        Ok(Self {
            settings: with_environment(settings, variable)?,
            proxy: first_of(["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]),
            no_proxy: first_of(["NO_PROXY", "no_proxy"]),
        })
    }

    /// Reads the credentials from their places, and returns the API.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) if credentials, certificates or the proxy are missing or
    /// cannot be used.
    pub(crate) async fn api(&self, resolved: &Resolved) -> Result<HttpApi, Error> {
        let connection = &resolved.connection;
        let credentials = credentials(&self.settings, connection.style).await?;
        let transport = self.through_proxy(resolved.transport(self.settings.ca_cert.as_deref())?);
        Ok(HttpApi::new(connection.clone(), credentials, &transport)?)
    }

    fn through_proxy(&self, transport: Transport) -> Transport {
        let value = |variable: &Option<FromVariable>| variable.as_ref().map(|v| v.value.clone());
        Transport {
            proxy: value(&self.proxy).map(SecretString::from),
            no_proxy: value(&self.no_proxy),
            ..transport
        }
    }

    /// Returns the name of the variable whose proxy calls to that address go through.
    pub(crate) fn proxy_to(&self, address: &str) -> Option<&'static str> {
        let transport = self.through_proxy(Transport::default());
        let proxy = self
            .proxy
            .as_ref()
            .filter(|_| transport.is_proxied(address))?;
        Some(proxy.name)
    }
}

/// An embedded simulated tenant.
#[derive(Clone, Debug)]
pub(crate) struct Simulation {
    /// The file that describes the tenant's behaviour. Default: the default scenario.
    pub(crate) scenario: Option<PathBuf>,
}

/// The way to a tenant, by the user's settings.
#[derive(Debug)]
pub(crate) struct Connector {
    given: Settings,
    simulation: Option<Simulation>,
    bounds: Bounds,
    max_deletes: Option<Share>,
    sealer: Option<Sealer>,
    trusts_run: bool,
    events: Option<EventStream>,
    /// The simulated tenant, which lives as long as this value.
    simulator: Option<Server>,
}

impl Connector {
    /// Returns the way that flags and the settings file describe.
    pub(crate) fn new(flags: Settings, file: Settings, simulation: Option<Simulation>) -> Self {
        Self {
            given: flags.without_empty_texts().over(file),
            simulation,
            bounds: Bounds::default(),
            max_deletes: None,
            sealer: None,
            trusts_run: false,
            events: None,
            simulator: None,
        }
    }

    /// Returns the same way with the bounds at which a run stops early.
    pub(crate) fn within(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// Returns the same way with the most deletes that a plan may hold.
    pub(crate) fn max_deletes(self, max_deletes: Option<Share>) -> Self {
        Self {
            max_deletes,
            ..self
        }
    }

    /// Returns the same way with the user's seal, which a simulated tenant does not need.
    pub(crate) fn sealing(self) -> Self {
        let sealer = if self.simulates() { None } else { sealer() };
        Self { sealer, ..self }
    }

    /// Returns the same way. If `trusts_run`, it is good for a run that comes from elsewhere too.
    pub(crate) fn trusting(self, trusts_run: bool) -> Self {
        Self { trusts_run, ..self }
    }

    /// Returns the same way, with the stream that is told of all calls.
    pub(crate) fn telling(self, events: Option<EventStream>) -> Self {
        Self { events, ..self }
    }

    /// Merges all layers, and starts the simulated tenant if one is asked for.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) for settings that contradict each other, or a scenario that
    /// cannot be read.
    pub(crate) async fn gather(
        &mut self,
        recorded: Option<&RecordedSettings>,
    ) -> Result<Gathered, Error> {
        let given = match recorded {
            None => self.given.clone(),
            Some(recorded) => {
                let recorded = Settings::recorded(recorded.carried()).map_err(|error| {
                    Error::unexpected("the run's settings cannot be read", &error)
                })?;
                self.given.clone().over(recorded)
            }
        };
        let Some(simulation) = &self.simulation else {
            return Gathered::new(given);
        };
        let server = embedded(simulation.scenario.as_deref()).await?;
        let settings = simulated(given, server.url());
        self.simulator = Some(server);
        Ok(Gathered {
            settings,
            proxy: None,
            no_proxy: None,
        })
    }

    /// Ends the simulated tenant, if there is one.
    pub(crate) async fn close(self) {
        if let Some(simulator) = self.simulator {
            simulator.stop().await;
        }
    }

    async fn tenant(
        &mut self,
        recorded: Option<&RecordedSettings>,
        stop: watch::Receiver<bool>,
    ) -> Result<Tenant, Error> {
        let is_simulated = self.simulates();
        let gathered = self.gather(recorded).await?;
        let resolved = Resolved::of(&gathered.settings)?;
        if let Some(recorded) = recorded {
            refuse_other_addresses(&recorded.addresses, &resolved.connection)?;
        }
        let api = gathered.api(&resolved).await?;
        let recorded = resolved.recorded(&gathered.settings, is_simulated)?;
        let guards = resolved.guards(self.max_deletes);
        // No other process works on an embedded simulated tenant.
        let sharing = if is_simulated || !resolved.shares_state {
            Sharing::None
        } else {
            share(&resolved.connection.customer)
        };
        let (engine_settings, table) = match &sharing {
            Sharing::Table(table) => {
                let facts = table.learned(Now::read())?.into_iter();
                let settings = resolved.engine.knowing(facts.map(|fact| fact.learned));
                (settings, Some(table.clone()))
            }
            Sharing::None | Sharing::Unusable(_) => (resolved.engine, None),
        };
        let mut engine = Engine::new(AnyApi::new(api), engine_settings.clone(), stop);
        if let Some(table) = table {
            engine.share(table)?;
        }
        engine.stop_at(self.bounds);
        let evidence = Evidence::new(self.events.clone());
        engine.observe(Arc::new(evidence.clone()));
        Ok(Tenant {
            engine,
            engine_settings,
            connection: resolved.connection,
            microtenant: resolved.microtenant,
            rules: resolved.rules,
            guards,
            recorded,
            sharing,
            sealer: self.sealer.clone(),
            evidence,
        })
    }
}

impl Connect for Connector {
    fn customer(&self) -> Option<&str> {
        self.given.customer_id.as_deref()
    }

    fn simulates(&self) -> bool {
        self.simulation.is_some()
    }

    fn sealer(&self) -> Option<&Sealer> {
        self.sealer.as_ref()
    }

    fn trusts_run(&self) -> bool {
        self.trusts_run
    }

    fn connect<'c>(
        &'c mut self,
        recorded: Option<&'c RecordedSettings>,
        stop: watch::Receiver<bool>,
    ) -> Later<'c, Result<Tenant, Error>> {
        Box::pin(self.tenant(recorded, stop))
    }
}

/// Refuses to go on with a run at other addresses than those where it began.
fn refuse_other_addresses(recorded: &Addresses, own: &Connection) -> Result<(), Error> {
    let pairs = [
        ("customer_id", &recorded.customer_id, &own.customer),
        ("base_url", &recorded.base_url, &own.base_url),
        ("token_url", &recorded.token_url, &own.token_url),
    ];
    for (name, recorded, own) in pairs {
        if let Some(recorded) = recorded.as_ref().filter(|recorded| *recorded != own) {
            let message =
                format!("this was planned with {name} {recorded:?}, and your settings say {own:?}");
            return Err(Error::new(ErrorKind::Run, message).hint(
                "nothing was sent; a plan is carried out at the addresses of your settings alone: give the same flags, \
                 variables and profile as when it began",
            ));
        }
    }
    Ok(())
}

/// Opens the user's seal. If that is impossible, warns and goes on.
pub(crate) fn sealer() -> Option<Sealer> {
    let dir = state_dir()?.join("zpa-bulk");
    Sealer::open(&dir)
        .inspect_err(|error| {
            let dir = dir.display();
            tracing::warn!("{dir}: {error}: runs cannot be told from those of others; resuming one needs --trust-run");
        })
        .ok()
}

/// Opens the table by which the processes that drive the tenant know of each other.
pub(crate) fn share(customer: &str) -> Sharing {
    let Some(dir) = state_dir() else {
        let reason = "neither XDG_STATE_HOME nor HOME names a directory";
        return Sharing::Unusable(reason.to_owned());
    };
    match Coordination::open(&dir.join("zpa-bulk/tenants"), customer, Now::read()) {
        Ok(table) => Sharing::Table(table),
        Err(error) => Sharing::Unusable(error.to_string()),
    }
}

/// Returns the user's directory for the state of programs.
fn state_dir() -> Option<PathBuf> {
    user_directory("XDG_STATE_HOME", "LOCALAPPDATA", ".local/state")
}

async fn credentials(settings: &Settings, style: Style) -> Result<Credentials, Error> {
    let [id, secret] = match style {
        Style::Legacy => ["ZPA_CLIENT_ID", "ZPA_CLIENT_SECRET"],
        Style::OneApi => [
            "ZSCALER_CLIENT_ID",
            "ZSCALER_CLIENT_SECRET or ZSCALER_PRIVATE_KEY",
        ],
    };
    let missing = |name: &str| {
        Error::usage(format!("there are no credentials: {name} is not set")).hint(format!(
            "set {id} and {secret}, or name a settings file with --config; or try --simulate"
        ))
    };
    let client_id = settings.client_id.as_deref().ok_or_else(|| missing(id))?;
    let client_id = secret::trimmed(
        "client id",
        settings.source("client_id").unwrap_or(id),
        client_id,
    );
    if style == Style::Legacy && settings.has_key() {
        return Err(Error::usage(
            "the settings hold a private key, which signs in to OneAPI, but the style is legacy",
        )
        .hint(
            "give the client's secret instead, or set ZPA_BULK_STYLE=oneapi for a client of OneAPI",
        ));
    }
    let proof: Option<Proof> = secret::proof(settings).await?;
    Ok(Credentials {
        client_id: client_id.to_owned(),
        proof: proof.ok_or_else(|| missing(secret))?,
    })
}
