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
        let config = Config::of_flags(tenant, engine).over(lower);
        let (config, simulator) = if tenant.simulate {
            let server = embedded(tenant.scenario.as_deref()).await?;
            (simulated(config, server.url()), Some(server))
        } else {
            let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
            (with_environment(config, variable)?, None)
        };
        let connection = connection(&config)?;
        let credentials = credentials(&config, connection.style)?;
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

/// The environment's credentials over those of the settings file. Their names depend on the style.
fn with_environment(
    config: Config,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Config, CliError> {
    let style = style(&config, &variable)?;
    let [id, secret, cloud, vanity] = match style {
        Style::Legacy => ["ZPA_CLIENT_ID", "ZPA_CLIENT_SECRET", "ZPA_CLOUD", ""],
        Style::OneApi => [
            "ZSCALER_CLIENT_ID",
            "ZSCALER_CLIENT_SECRET",
            "ZSCALER_CLOUD",
            "ZSCALER_VANITY_DOMAIN",
        ],
    };
    let environment = Config {
        style: Some(style),
        client_id: variable(id),
        client_secret: variable(secret).map(SecretString::from),
        cloud: variable(cloud),
        vanity_domain: variable(vanity),
        ..Config::default()
    };
    Ok(environment.over(config))
}

/// What is said, else what there are credentials for.
fn style(config: &Config, variable: &impl Fn(&str) -> Option<String>) -> Result<Style, CliError> {
    match variable("ZPA_BULK_STYLE").as_deref() {
        Some("legacy") => return Ok(Style::Legacy),
        Some("oneapi") => return Ok(Style::OneApi),
        Some(other) => {
            let message = format!("ZPA_BULK_STYLE is {other:?}; it must be oneapi or legacy");
            return Err(CliError::usage(message));
        }
        None => {}
    }
    let legacy = variable("ZSCALER_USE_LEGACY_CLIENT").map(|text| text.to_lowercase());
    let one_api = config.vanity_domain.is_some()
        || variable("ZSCALER_VANITY_DOMAIN").is_some()
        || variable("ZSCALER_CLIENT_ID").is_some();
    Ok(match (config.style, legacy.as_deref()) {
        (_, Some("true" | "1" | "yes")) => Style::Legacy,
        (Some(style), _) => style,
        (None, _) if one_api => Style::OneApi,
        (None, _) => Style::Legacy,
    })
}

fn connection(config: &Config) -> Result<Connection, CliError> {
    let customer = config.customer_id.as_deref().ok_or_else(|| {
        CliError::usage("the tenant's customer id is not set")
            .hint("set ZPA_CUSTOMER_ID or --customer-id; or try --simulate, which needs no tenant")
    })?;
    let connection = Connection::new(
        config.style.unwrap_or(Style::Legacy),
        config.cloud.as_deref().unwrap_or_default(),
        config.vanity_domain.as_deref(),
        config.base_url.as_deref(),
        config.token_url.as_deref(),
        customer,
    );
    Ok(connection?)
}

fn credentials(config: &Config, style: Style) -> Result<Credentials, CliError> {
    let (id, secret) = match style {
        Style::Legacy => ("ZPA_CLIENT_ID", "ZPA_CLIENT_SECRET"),
        Style::OneApi => ("ZSCALER_CLIENT_ID", "ZSCALER_CLIENT_SECRET"),
    };
    let missing = |name: &str| {
        CliError::usage(format!("there are no credentials: {name} is not set")).hint(format!(
            "set {id} and {secret}, or name a settings file with --config; or try --simulate"
        ))
    };
    Ok(Credentials {
        client_id: config.client_id.clone().ok_or_else(|| missing(id))?,
        client_secret: config
            .client_secret
            .clone()
            .ok_or_else(|| missing(secret))?,
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

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn resolved(file: &str, variables: &[(&str, &str)]) -> Config {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        with_environment(toml::from_str(file).unwrap(), variable).unwrap()
    }

    #[test]
    fn the_environment_goes_over_the_settings_file() {
        let file = "style = \"legacy\"\nclient_id = \"file\"\nclient_secret = \"file\"";
        let config = resolved(
            file,
            &[("ZPA_CLIENT_ID", "env"), ("ZSCALER_CLIENT_SECRET", "other")],
        );
        assert_eq!(config.client_id.as_deref(), Some("env"));
        assert_eq!(config.client_secret.unwrap().expose_secret(), "file");
    }

    #[test]
    fn the_style_follows_from_what_is_there_unless_it_is_said() {
        let style = |file, variables: &[(&str, &str)]| resolved(file, variables).style.unwrap();
        assert_eq!(style("", &[("ZPA_CLIENT_ID", "a")]), Style::Legacy);
        assert_eq!(style("", &[("ZSCALER_CLIENT_ID", "a")]), Style::OneApi);
        assert_eq!(style("vanity_domain = \"acme\"", &[]), Style::OneApi);
        let both = [
            ("ZSCALER_CLIENT_ID", "a"),
            ("ZSCALER_USE_LEGACY_CLIENT", "true"),
        ];
        assert_eq!(style("", &both), Style::Legacy);
        assert_eq!(style("style = \"legacy\"", &both[..1]), Style::Legacy);
        assert_eq!(
            style("style = \"legacy\"", &[("ZPA_BULK_STYLE", "oneapi")]),
            Style::OneApi
        );
    }
}
