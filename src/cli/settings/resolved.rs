//! Resolved settings: defaults filled in, and ranges checked. A command resolves its settings once and passes them on.

use std::fs::File;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::file::{LARGEST, refuse_if_others_can_change};
use super::layer::Settings;
use super::secret::expanded;
use crate::engine::EngineSettings;
use crate::files::read_within;
use crate::ops::Error;
use crate::pacer::Pace;
use crate::plan::{Guards, Share, TenantRules};
use crate::run::{Addresses, RecordedSettings};
use crate::wire::Id;
use crate::zpa::{Connection, Style, Transport};

/// The highest multiple of the quotas that `--adaptive` tries by default.
const DEFAULT_CEILING: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);

/// The longest timeout of a request.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);

/// The resolved settings of one command on one tenant.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) connection: Connection,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) engine: EngineSettings,
    pub(crate) keep_per_group: u32,
    pub(crate) rules: TenantRules,
    pub(crate) microtenant: Option<Id>,
    pub(crate) shares_state: bool,
}

impl Resolved {
    /// Resolves the merged settings.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) for a setting that is missing or out of its range.
    pub(crate) fn of(settings: &Settings) -> Result<Self, Error> {
        let transport = Transport::default();
        let timeout = settings.timeout.unwrap_or(transport.timeout);
        let connect_timeout = settings
            .connect_timeout
            .unwrap_or(transport.connect_timeout);
        for (name, time) in [("timeout", timeout), ("connect_timeout", connect_timeout)] {
            within(name, &time, &Duration::from_secs(1), &LONGEST_TIMEOUT)?;
        }
        let guards = Guards::default();
        let rules = TenantRules::default();
        let keep_per_group = settings.keep_per_group.unwrap_or(guards.keep_per_group);
        Ok(Self {
            connection: connection(settings)?,
            timeout,
            connect_timeout,
            engine: engine(settings, timeout, keep_per_group)?,
            keep_per_group,
            rules: TenantRules {
                links: settings.links_limit.unwrap_or(rules.links),
                links_per_portal: settings
                    .links_per_portal_limit
                    .unwrap_or(rules.links_per_portal),
                bulk_portals: settings.bulk_portals.unwrap_or(rules.bulk_portals),
            },
            microtenant: microtenant(settings)?,
            shares_state: !settings.no_shared_state.unwrap_or(false),
        })
    }

    /// Returns the guards on deletes.
    pub(crate) fn guards(&self, max_deletes: Option<Share>) -> Guards {
        Guards {
            max_deletes,
            keep_per_group: self.keep_per_group,
        }
    }

    /// Returns the transport to the tenant, without a proxy.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) if the file of certificates cannot be read, or
    /// others can change it.
    pub(super) fn transport(&self, ca_cert: Option<&Path>) -> Result<Transport, Error> {
        let extra_roots = ca_cert.map(|path| certificates(&expanded(path)));
        Ok(Transport {
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            extra_roots: extra_roots.transpose()?,
            ..Transport::default()
        })
    }

    /// Returns the settings that a run records: those that it carries on, and the addresses for comparison.
    ///
    /// # Errors
    /// [`ErrorKind::Unexpected`](crate::ops::ErrorKind::Unexpected) if the settings cannot be written as JSON.
    pub(super) fn recorded(
        &self,
        settings: &Settings,
        simulated: bool,
    ) -> Result<RecordedSettings, Error> {
        let connection = self.connection.clone();
        let addresses = Addresses {
            customer_id: Some(connection.customer),
            base_url: Some(connection.base_url),
            token_url: Some(connection.token_url),
        };
        let carried = Settings {
            settle: Some(self.engine.settle),
            ..settings.clone()
        };
        let carried = serde_json::to_value(carried)
            .map_err(|error| Error::unexpected("the settings cannot be recorded", &error))?;
        let carried = carried.as_object().cloned().unwrap_or_default();
        Ok(RecordedSettings::new(simulated, addresses, carried))
    }
}

/// Returns the directory of all runs: that of the flag, else of the settings file, else `zpa-bulk-runs`.
pub(crate) fn runs_dir(flag: Option<&Path>, settings: &Settings) -> PathBuf {
    let given = flag.or(settings.runs_dir.as_deref());
    given.unwrap_or(Path::new("zpa-bulk-runs")).to_owned()
}

/// Reads a file of certificates that others cannot change.
fn certificates(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error| Error::usage(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(failed)?;
    refuse_if_others_can_change(path, &file, "says whom to trust")?;
    read_within(&file, LARGEST).map_err(failed)
}

fn connection(settings: &Settings) -> Result<Connection, Error> {
    let customer = settings.customer_id.as_deref().ok_or_else(|| {
        Error::usage("the tenant's customer id is not set")
            .hint("set ZPA_CUSTOMER_ID or --customer-id; or try --simulate, which needs no tenant")
    })?;
    let connection = Connection::new(
        settings.style.unwrap_or(Style::Legacy),
        settings.cloud.as_deref().unwrap_or_default(),
        settings.vanity_domain.as_deref(),
        settings.base_url.as_deref(),
        settings.token_url.as_deref(),
        customer,
    );
    Ok(connection?)
}

fn engine(
    settings: &Settings,
    timeout: Duration,
    keep_per_group: u32,
) -> Result<EngineSettings, Error> {
    let default = EngineSettings::default();
    let margin = settings.window_margin.unwrap_or_default();
    let shape = settings.pace.unwrap_or_default();
    let ceiling = settings.quota_ceiling.unwrap_or(DEFAULT_CEILING);
    within("quota_ceiling", &ceiling.get(), &1, &1000)?;
    let ceiling = match settings.adaptive {
        Some(true) => ceiling,
        _ => NonZeroU32::MIN,
    };
    let pace = |given: Option<Pace>, default: Pace| given.unwrap_or(default).with(margin, shape);
    let resolved = EngineSettings {
        read_quota: pace(settings.read_quota, default.read_quota).searching(ceiling),
        write_quota: pace(settings.write_quota, default.write_quota).searching(ceiling),
        quota_scope: settings.quota_scope.unwrap_or(default.quota_scope),
        gateway_quota: pace(settings.gateway_quota, default.gateway_quota),
        jobs: settings.jobs,
        batch_size: settings.batch_size.unwrap_or(default.batch_size),
        max_attempts: settings.max_attempts.unwrap_or(default.max_attempts),
        settle: settings.settle.unwrap_or(timeout * 2),
        freshness: settings.freshness.unwrap_or(default.freshness),
        update_reads: settings.update_reads.unwrap_or(default.update_reads),
        keep_per_group,
        ..default
    };
    let jobs = settings.jobs.unwrap_or(NonZeroUsize::MIN);
    within("jobs", &jobs.get(), &1, &1024)?;
    within("batch_size", &resolved.batch_size.get(), &1, &500)?;
    within("max_attempts", &resolved.max_attempts.get(), &1, &100)?;
    let freshest = Duration::from_millis(200);
    within(
        "freshness",
        &resolved.freshness,
        &freshest,
        &Duration::from_secs(60),
    )?;
    let hour = Duration::from_secs(3600);
    within("settle", &resolved.settle, &Duration::ZERO, &hour)?;
    Ok(resolved)
}

fn microtenant(settings: &Settings) -> Result<Option<Id>, Error> {
    match settings.microtenant_id.as_deref() {
        None => Ok(None),
        Some(text) => Id::parse(text).map(Some).ok_or_else(|| {
            let message = format!("{text:?} is not a microtenant id; it must be 1 to 20 digits");
            Error::usage(message)
                .hint("check ZPA_MICROTENANT_ID, --microtenant and the settings file")
        }),
    }
}

fn within<T: PartialOrd + std::fmt::Debug>(
    name: &str,
    value: &T,
    least: &T,
    most: &T,
) -> Result<(), Error> {
    if value < least || value > most {
        let message = format!("{name} is {value:?}; it must be from {least:?} to {most:?}");
        return Err(Error::usage(message));
    }
    Ok(())
}
