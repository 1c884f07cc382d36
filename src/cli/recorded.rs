//! What a run records of its settings, so that its tenant is found again from its directory alone.

use super::args::TenantArgs;
use super::config::{Config, Text};
use super::error::{CliError, exit};
use super::tenant::Tenant;
use crate::journal::Header;

/// How a run was started.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct RecordedSettings {
    /// Whether on an embedded simulated tenant, which went with the command.
    pub(super) simulated: bool,
    /// Its settings; what proves who the client is is not among them.
    #[serde(flatten)]
    pub(super) config: Config,
}

impl RecordedSettings {
    /// What is recorded of a run on that tenant.
    pub(super) fn of(tenant: &Tenant) -> Self {
        let (config, connection) = (&tenant.config, &tenant.connection);
        let settle = || Some(Text(config.timeout().ok()? * 2));
        Self {
            simulated: tenant.simulator.is_some(),
            config: Config {
                style: Some(connection.style),
                customer_id: Some(connection.customer.clone()),
                base_url: Some(connection.base_url.clone()),
                token_url: Some(connection.token_url.clone()),
                settle: config.settle.or_else(settle),
                runs_dir: None,
                client_id: None,
                ..config.clone()
            },
        }
    }

    /// What the run with that header recorded.
    pub(super) fn read(header: &Header) -> Result<Self, CliError> {
        serde_json::from_value(header.settings.clone())
            .map_err(|error| CliError::unexpected("the run's settings cannot be read", &error))
    }
}

/// The settings of the run with that header, if its tenant is still there.
pub(super) fn settings(header: &Header) -> Result<Config, CliError> {
    let recorded = RecordedSettings::read(header)?;
    if recorded.simulated {
        let message = "this run was a rehearsal on an embedded simulated tenant, which is gone";
        return Err(CliError::usage(message).hint("apply the manifest to go on"));
    }
    Ok(recorded.config)
}

/// Refuses an embedded simulated tenant where a run is to be found on it.
pub(super) fn refuse_simulated(tenant: &TenantArgs, verb: &str) -> Result<(), CliError> {
    if !tenant.simulate {
        return Ok(());
    }
    let message = format!("an embedded simulated tenant starts afresh and has no run to {verb}");
    Err(CliError::usage(message)
        .hint("run zpa-bulk simulate in a second terminal and name its --base-url"))
}

/// Refuses a run of another tenant than the one that is given.
pub(super) fn refuse_other_tenant(given: Option<&str>, own: &str) -> Result<(), CliError> {
    match given {
        Some(other) if other != own => Err(CliError::new(
            exit::JOURNAL,
            format!("this run is of tenant {own}, not of {other}"),
        )
        .hint("check ZPA_CUSTOMER_ID, --customer-id and the settings file")),
        _ => Ok(()),
    }
}
