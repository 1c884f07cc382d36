//! From settings to a tenant that can be worked with: the real one, or the embedded simulated one.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use secrecy::SecretString;
use tokio::sync::watch;

use super::args::{EngineArgs, TenantArgs};
use super::config::{Config, Text};
use super::error::{CliError, exit};
use crate::engine::Engine;
use crate::model::Id;
use crate::sim::{Scenario, Server, ServerOptions};
use crate::zpa::{Connection, Credentials, HttpApi, Style};

/// The customer id of the embedded simulated tenant.
const SIMULATED_CUSTOMER: &str = "145283994705985536";

/// A tenant, ready to be worked with.
#[derive(Debug)]
pub(super) struct Tenant {
    /// The engine that drives it.
    pub(super) engine: Engine<HttpApi>,
    /// Where it is.
    pub(super) connection: Connection,
    /// All settings together.
    pub(super) config: Config,
    /// The simulated tenant lives as long as this.
    pub(super) simulator: Option<Server>,
}

impl Tenant {
    /// Reads the settings and sets the connection up; nothing is sent yet.
    pub(super) async fn connect(
        tenant: &TenantArgs,
        engine: &EngineArgs,
        lower: Config,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, CliError> {
        let mut config = Config::of_flags(tenant, engine).over(lower);
        let mut simulator = None;
        if tenant.simulate {
            let server = embedded(tenant.scenario.as_deref()).await?;
            config = simulated(config, server.url());
            simulator = Some(server);
        }
        let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let connection = connection(&config, environment)?;
        let credentials = credentials(&config, connection.style, environment)?;
        let api = HttpApi::new(connection.clone(), credentials, config.timeout()?)
            .map_err(|failure| CliError::new(exit::UNEXPECTED, failure.to_string()))?;
        Ok(Self {
            engine: Engine::new(api, config.engine()?, stop),
            connection,
            config,
            simulator,
        })
    }

    /// The microtenant of rows that name none.
    pub(super) fn microtenant(&self) -> Option<Id> {
        self.config.microtenant_id.as_ref().map(Id::new)
    }
}

/// Reads a scenario, or answers the default one.
pub(super) fn scenario(path: Option<&Path>) -> Result<Scenario, CliError> {
    let Some(path) = path else {
        return Ok(Scenario::default());
    };
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| CliError::usage(format!("{shown}: {error}")))?;
    Scenario::parse(&text).map_err(|error| {
        CliError::usage(format!("{shown}: {error}"))
            .hint("samples/scenario-default.toml has every setting")
    })
}

async fn embedded(path: Option<&Path>) -> Result<Server, CliError> {
    let options = ServerOptions {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        scenario: scenario(path)?,
        seed: 1,
        log: None,
    };
    Server::start(options)
        .await
        .map_err(|error| CliError::unexpected("the simulated tenant cannot be started", &error))
}

/// Whatever tenant the settings name, a simulated run goes to the simulated one.
fn simulated(config: Config, url: String) -> Config {
    Config {
        style: Some(Style::Legacy),
        cloud: None,
        vanity_domain: None,
        customer_id: Some(SIMULATED_CUSTOMER.to_owned()),
        client_id: Some("simulated".to_owned()),
        client_secret: Some(SecretString::from("simulated")),
        base_url: Some(url),
        token_url: None,
        ..config
    }
}

fn connection(
    config: &Config,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Connection, CliError> {
    let style = style(config, &environment);
    let vanity = config
        .vanity_domain
        .clone()
        .or_else(|| environment("ZSCALER_VANITY_DOMAIN"));
    let cloud_name = match style {
        Style::Legacy => "ZPA_CLOUD",
        Style::OneApi => "ZSCALER_CLOUD",
    };
    let cloud = config
        .cloud
        .clone()
        .or_else(|| environment(cloud_name))
        .unwrap_or_default();
    let customer = config.customer_id.as_deref().ok_or_else(|| {
        CliError::usage("the tenant's customer id is not set")
            .hint("set ZPA_CUSTOMER_ID or --customer-id; or try --simulate, which needs no tenant")
    })?;
    let connection = Connection::new(
        style,
        &cloud,
        vanity.as_deref(),
        config.base_url.as_deref(),
        config.token_url.as_deref(),
        customer,
    );
    Ok(connection?)
}

/// What is said, else what the environment has credentials for.
fn style(config: &Config, environment: &impl Fn(&str) -> Option<String>) -> Style {
    let legacy = environment("ZSCALER_USE_LEGACY_CLIENT");
    match (config.style, legacy.as_deref()) {
        (Some(style), _) => style,
        (None, Some("true" | "TRUE" | "True" | "1")) => Style::Legacy,
        _ if config.vanity_domain.is_some() || environment("ZSCALER_CLIENT_ID").is_some() => {
            Style::OneApi
        }
        _ => Style::Legacy,
    }
}

fn credentials(
    config: &Config,
    style: Style,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Credentials, CliError> {
    let (id_name, secret_name) = match style {
        Style::Legacy => ("ZPA_CLIENT_ID", "ZPA_CLIENT_SECRET"),
        Style::OneApi => ("ZSCALER_CLIENT_ID", "ZSCALER_CLIENT_SECRET"),
    };
    let missing = |name: &str| {
        CliError::usage(format!("there are no credentials: {name} is not set")).hint(format!(
            "set {id_name} and {secret_name}, or name a settings file with --config; or try --simulate"
        ))
    };
    let client_id = config.client_id.clone().or_else(|| environment(id_name));
    let secret = config.client_secret.clone();
    let secret = secret.or_else(|| environment(secret_name).map(SecretString::from));
    Ok(Credentials {
        client_id: client_id.ok_or_else(|| missing(id_name))?,
        client_secret: secret.ok_or_else(|| missing(secret_name))?,
    })
}

/// What a run records of its settings, so that it can be resumed from its directory alone.
pub(super) fn recorded(config: &Config, connection: &Connection) -> Config {
    Config {
        style: Some(connection.style),
        customer_id: Some(connection.customer.clone()),
        base_url: Some(connection.base_url.clone()),
        token_url: Some(connection.token_url.clone()),
        settle: config
            .settle
            .or_else(|| Some(Text(config.timeout().ok()? * 2))),
        runs_dir: None,
        client_id: None,
        ..config.clone()
    }
}
