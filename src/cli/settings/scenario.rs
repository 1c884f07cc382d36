//! The embedded simulated tenant.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use secrecy::SecretString;

use super::file::LARGEST;
use super::layer::Settings;
use crate::files::read_text_within;
use crate::ops::Error;
use crate::sim::{Scenario, Server, ServerOptions};
use crate::zpa::Style;

/// The customer id of the embedded simulated tenant.
const SIMULATED_CUSTOMER: &str = "145283994705985536";

/// Reads a scenario, or returns the default one.
pub(crate) fn scenario(path: Option<&Path>) -> Result<Scenario, Error> {
    let Some(path) = path else {
        return Ok(Scenario::default());
    };
    let shown = path.display();
    let text = File::open(path).and_then(|file| read_text_within(file, LARGEST));
    let text = text.map_err(|error| Error::usage(format!("{shown}: {error}")))?;
    Scenario::parse(&text).map_err(|error| {
        let line = error
            .line()
            .map(|line| format!("{line}:"))
            .unwrap_or_default();
        Error::usage(format!("{shown}:{line} {error}"))
            .hint("samples/scenario-default.toml has every setting")
    })
}

pub(super) async fn embedded(path: Option<&Path>) -> Result<Server, Error> {
    let options = ServerOptions {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        scenario: scenario(path)?,
        seed: 1,
        log: None,
    };
    Server::start(options)
        .await
        .map_err(|error| Error::unexpected("the simulated tenant cannot be started", &error))
}

/// Returns the settings with the simulated tenant in place of the one that they name.
pub(super) fn simulated(settings: Settings, url: String) -> Settings {
    let simulated = Settings {
        style: Some(Style::Legacy),
        customer_id: Some(SIMULATED_CUSTOMER.to_owned()),
        client_id: Some("simulated".to_owned()),
        client_secret: Some(SecretString::from("simulated")),
        base_url: Some(url),
        ..Settings::default()
    };
    let others = Settings {
        cloud: None,
        vanity_domain: None,
        token_url: None,
        ..settings
    };
    simulated.found_in("--simulate").over(others)
}
