//! From settings to a tenant that can be worked with: the real one, or the embedded simulated one.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use tokio::sync::watch;

use super::args::{EngineArgs, TenantArgs};
use super::config::Config;
use super::error::CliError;
use super::{secret, vendor_file};
use crate::engine::Engine;
use crate::shared_quota::SharedQuota;
use crate::sim::{Scenario, Server, ServerOptions};
use crate::wire::Id;
use crate::zpa::{Connection, Credentials, HttpApi, Proof, Style, Transport};

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
    microtenant: Option<Id>,
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
        let settings = Settings::gather(tenant, engine, lower).await?;
        let connection = settings.connection()?;
        let api = settings.api(&connection).await?;
        let Settings {
            config, simulator, ..
        } = settings;
        let mut engine = Engine::new(api, config.engine()?, stop);
        // An embedded tenant is this process's alone.
        if simulator.is_none() && !config.no_shared_quota.unwrap_or(false) {
            share(&mut engine, &connection);
        }
        Ok(Self {
            engine,
            connection,
            microtenant: config.microtenant()?,
            config,
            simulator,
        })
    }

    /// The microtenant of rows that name none.
    pub(super) fn microtenant(&self) -> Option<Id> {
        self.microtenant.clone()
    }
}

/// Shares the quotas with the other processes that drive this tenant. A machine where that cannot be is used all the
/// same: most of them run one process at a time.
fn share(engine: &mut Engine<HttpApi>, connection: &Connection) {
    const UNSHARED: &str =
        "the quota cannot be shared with other processes; --no-shared-quota does without";
    let Some(dir) = state_dir() else {
        tracing::warn!("neither XDG_STATE_HOME nor HOME names a directory: {UNSHARED}");
        return;
    };
    let dir = dir.join("zpa-bulk").join("quota");
    let shared = SharedQuota::open(&dir, &connection.tenant());
    if let Err(error) = shared.and_then(|budget| engine.share(budget)) {
        tracing::warn!("{}: {error}: {UNSHARED}", dir.display());
    }
}

/// Where programs keep what is worth keeping but no setting (XDG Base Directory Specification).
fn state_dir() -> Option<PathBuf> {
    let given = |name| std::env::var_os(name).map(PathBuf::from);
    let absolute = |path: &PathBuf| path.is_absolute();
    given("XDG_STATE_HOME")
        .or_else(|| given("LOCALAPPDATA"))
        .filter(absolute)
        .or_else(|| Some(given("HOME").filter(absolute)?.join(".local/state")))
}

/// All layers of settings put together.
#[derive(Debug)]
pub(super) struct Settings {
    /// What they say.
    pub(super) config: Config,
    /// The simulated tenant, where one was asked for.
    pub(super) simulator: Option<Server>,
    /// The proxy and the exceptions from it, as the environment names them.
    pub(super) proxy: Option<FromVariable>,
    no_proxy: Option<FromVariable>,
}

impl Settings {
    /// Puts the layers together, and starts the simulated tenant if one is asked for. `lower` is the settings file
    /// and what lies below it.
    pub(super) async fn gather(
        tenant: &TenantArgs,
        engine: &EngineArgs,
        lower: Config,
    ) -> Result<Self, CliError> {
        let config = Config::of_flags(tenant, engine).over(lower);
        if tenant.simulate {
            let server = embedded(tenant.scenario.as_deref()).await?;
            return Ok(Self {
                config: simulated(config, server.url()),
                simulator: Some(server),
                proxy: None,
                no_proxy: None,
            });
        }
        let config = if names_a_client(&config, &variable) {
            config
        } else {
            config.over(vendor_file::read(std::env::home_dir().as_deref())?)
        };
        Ok(Self {
            config: with_environment(config, variable)?,
            simulator: None,
            proxy: first_of(["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]),
            no_proxy: first_of(["NO_PROXY", "no_proxy"]),
        })
    }

    /// Where the tenant is.
    pub(super) fn connection(&self) -> Result<Connection, CliError> {
        connection(&self.config)
    }

    /// Its API, with the credentials read from where they are.
    pub(super) async fn api(&self, connection: &Connection) -> Result<HttpApi, CliError> {
        let credentials = credentials(&self.config, connection.style).await?;
        let value = |variable: &Option<FromVariable>| variable.as_ref().map(|v| v.value.clone());
        let transport = Transport {
            proxy: value(&self.proxy).map(SecretString::from),
            no_proxy: value(&self.no_proxy),
            ..self.config.transport()?
        };
        Ok(HttpApi::new(connection.clone(), credentials, &transport)?)
    }
}

/// A value with the name of the variable that it comes from. The value may be a secret.
#[derive(Clone)]
pub(super) struct FromVariable {
    pub(super) name: &'static str,
    value: String,
}

impl std::fmt::Debug for FromVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

fn first_of<const N: usize>(names: [&'static str; N]) -> Option<FromVariable> {
    let mut given = names.into_iter().filter_map(|name| {
        let value = variable(name)?;
        Some(FromVariable { name, value })
    });
    given.next()
}

/// A variable of the environment; an empty one counts as none.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
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
        let line = error
            .line()
            .map(|line| format!("{line}:"))
            .unwrap_or_default();
        CliError::usage(format!("{shown}:{line} {error}"))
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
    let simulated = Config {
        style: Some(Style::Legacy),
        customer_id: Some(SIMULATED_CUSTOMER.to_owned()),
        client_id: Some("simulated".to_owned()),
        client_secret: Some(SecretString::from("simulated")),
        base_url: Some(url),
        ..Config::default()
    };
    let others = Config {
        cloud: None,
        vanity_domain: None,
        token_url: None,
        ..config
    };
    simulated.found_in("--simulate").over(others)
}

/// Whether anything but the vendor's file says who signs in.
fn names_a_client(config: &Config, variable: &impl Fn(&str) -> Option<String>) -> bool {
    let variables = ["ZPA_CLIENT_ID", "ZSCALER_CLIENT_ID"];
    config.client_id.is_some() || variables.iter().any(|name| variable(name).is_some())
}

/// The variables that hold credentials, by setting. Their names depend on the style.
fn credential_variables(style: Style) -> &'static [(&'static str, &'static str)] {
    match style {
        Style::Legacy => &[
            ("client_id", "ZPA_CLIENT_ID"),
            ("client_secret", "ZPA_CLIENT_SECRET"),
            ("cloud", "ZPA_CLOUD"),
        ],
        Style::OneApi => &[
            ("client_id", "ZSCALER_CLIENT_ID"),
            ("client_secret", "ZSCALER_CLIENT_SECRET"),
            ("private_key", "ZSCALER_PRIVATE_KEY"),
            ("cloud", "ZSCALER_CLOUD"),
            ("vanity_domain", "ZSCALER_VANITY_DOMAIN"),
        ],
    }
}

/// The environment's credentials over those of the settings file.
fn with_environment(
    config: Config,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Config, CliError> {
    let (style, found) = style(&config, &variable)?;
    let names: BTreeMap<&str, &str> = credential_variables(style).iter().copied().collect();
    let value = |setting: &str| names.get(setting).and_then(|name| variable(name));
    let private_key = value("private_key").map(SecretString::from);
    // Where both are, the vendor's tools sign in with the key.
    let client_secret = value("client_secret").filter(|_| private_key.is_none());
    let environment = Config {
        client_id: value("client_id"),
        client_secret: client_secret.map(SecretString::from),
        private_key,
        cloud: value("cloud"),
        vanity_domain: value("vanity_domain"),
        ..Config::default()
    };
    let environment = environment.found_at(|setting| names.get(setting).map(|&n| n.to_owned()));
    let style = Config {
        style: Some(style),
        ..Config::default()
    };
    let source = found.or_else(|| config.source("style").map(str::to_owned));
    let style = style.found_in(source.as_deref().unwrap_or("follows from the credentials"));
    Ok(style.over(environment).over(config))
}

/// What is said, else what there are credentials for; and the variable that says so, if one does.
fn style(
    config: &Config,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<(Style, Option<String>), CliError> {
    let by = |style, name: &str| Ok((style, Some(name.to_owned())));
    match variable("ZPA_BULK_STYLE").as_deref() {
        Some("legacy") => return by(Style::Legacy, "ZPA_BULK_STYLE"),
        Some("oneapi") => return by(Style::OneApi, "ZPA_BULK_STYLE"),
        Some(other) => {
            let message = format!("ZPA_BULK_STYLE is {other:?}; it must be oneapi or legacy");
            return Err(CliError::usage(message));
        }
        None => {}
    }
    let legacy = variable("ZSCALER_USE_LEGACY_CLIENT").map(|text| text.to_lowercase());
    let one_api = config.vanity_domain.is_some()
        || config.has_key()
        || variable("ZSCALER_VANITY_DOMAIN").is_some()
        || variable("ZSCALER_CLIENT_ID").is_some();
    match (config.style, legacy.as_deref()) {
        (_, Some("true" | "1" | "yes" | "on")) => by(Style::Legacy, "ZSCALER_USE_LEGACY_CLIENT"),
        (_, Some(other)) if !matches!(other, "false" | "0" | "no" | "off") => {
            let message =
                format!("ZSCALER_USE_LEGACY_CLIENT is {other:?}; it must be true or false");
            Err(CliError::usage(message))
        }
        (Some(style), _) => Ok((style, None)),
        (None, _) if one_api => Ok((Style::OneApi, None)),
        (None, _) => Ok((Style::Legacy, None)),
    }
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

async fn credentials(config: &Config, style: Style) -> Result<Credentials, CliError> {
    let [id, secret] = match style {
        Style::Legacy => ["ZPA_CLIENT_ID", "ZPA_CLIENT_SECRET"],
        Style::OneApi => [
            "ZSCALER_CLIENT_ID",
            "ZSCALER_CLIENT_SECRET or ZSCALER_PRIVATE_KEY",
        ],
    };
    let missing = |name: &str| {
        CliError::usage(format!("there are no credentials: {name} is not set")).hint(format!(
            "set {id} and {secret}, or name a settings file with --config; or try --simulate"
        ))
    };
    let client_id = config.client_id.clone().ok_or_else(|| missing(id))?;
    if style == Style::Legacy && config.has_key() {
        return Err(CliError::usage(
            "a private key signs in to OneAPI, and this sign-in is legacy",
        )
        .hint(
            "give the client's secret instead, or set ZPA_BULK_STYLE=oneapi for a client of OneAPI",
        ));
    }
    let proof: Option<Proof> = secret::proof(config).await?;
    Ok(Credentials {
        client_id,
        proof: proof.ok_or_else(|| missing(secret))?,
    })
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
