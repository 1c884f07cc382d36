//! Settings in layers: flags over environment over settings file over, on resume, what the run recorded.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::args::{EngineArgs, TenantArgs};
use super::error::CliError;
use super::terminal::Terminal;
use crate::engine::Settings;
use crate::pacer::{Pace, parse_duration};
use crate::plan::Limits;
use crate::zpa::Style;

/// One layer: the settings file, or what a run recorded. The secret is never written.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) style: Option<Style>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cloud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vanity_domain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) microtenant_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_id: Option<String>,
    #[serde(skip_serializing)]
    pub(super) client_secret: Option<SecretString>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) read_quota: Option<Text<Pace>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) write_quota: Option<Text<Pace>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jobs: Option<NonZeroUsize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) batch_size: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_attempts: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timeout: Option<Text<Duration>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) settle: Option<Text<Duration>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) links_limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) links_per_portal_limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) runs_dir: Option<PathBuf>,
}

/// A value that files write as text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<T>(pub(super) T);

/// The longest a request may take.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

impl Config {
    /// Reads the settings file, if there is one.
    pub(super) fn read(path: Option<&Path>, terminal: &Terminal) -> Result<Self, CliError> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| CliError::usage(format!("{shown}: {error}")))?;
        let config: Self = toml::from_str(&text).map_err(|error| {
            // The text of the error would repeat the line, which may hold the secret.
            let place = error.span().map(|span| line_of(&text, span.start));
            let place = place.map_or_else(String::new, |line| format!(":{line}"));
            CliError::usage(format!("{shown}{place}: {}", error.message()))
                .hint("samples/zpa-bulk.toml has every setting")
        })?;
        if config.client_secret.is_some() && is_open_to_others(path) {
            terminal.warn(&format!(
                "{shown} holds a secret and others can read it; chmod 600 {shown}"
            ));
        }
        Ok(config)
    }

    /// These settings where they are given, else those of `lower`.
    pub(super) fn over(self, lower: Self) -> Self {
        Self {
            style: self.style.or(lower.style),
            cloud: self.cloud.or(lower.cloud),
            vanity_domain: self.vanity_domain.or(lower.vanity_domain),
            customer_id: self.customer_id.or(lower.customer_id),
            microtenant_id: self.microtenant_id.or(lower.microtenant_id),
            client_id: self.client_id.or(lower.client_id),
            client_secret: self.client_secret.or(lower.client_secret),
            base_url: self.base_url.or(lower.base_url),
            token_url: self.token_url.or(lower.token_url),
            read_quota: self.read_quota.or(lower.read_quota),
            write_quota: self.write_quota.or(lower.write_quota),
            jobs: self.jobs.or(lower.jobs),
            batch_size: self.batch_size.or(lower.batch_size),
            max_attempts: self.max_attempts.or(lower.max_attempts),
            timeout: self.timeout.or(lower.timeout),
            settle: self.settle.or(lower.settle),
            links_limit: self.links_limit.or(lower.links_limit),
            links_per_portal_limit: self.links_per_portal_limit.or(lower.links_per_portal_limit),
            runs_dir: self.runs_dir.or(lower.runs_dir),
        }
    }

    /// The layer that the flags make.
    pub(super) fn of_flags(tenant: &TenantArgs, engine: &EngineArgs) -> Self {
        Self {
            customer_id: tenant.customer_id.clone(),
            microtenant_id: tenant.microtenant.clone(),
            base_url: tenant.base_url.clone(),
            token_url: tenant.token_url.clone(),
            timeout: tenant.timeout.map(Text),
            read_quota: engine.read_quota.map(Text),
            write_quota: engine.write_quota.map(Text),
            jobs: engine.jobs,
            batch_size: engine.batch_size,
            max_attempts: engine.max_attempts,
            settle: engine.settle.map(Text),
            links_limit: engine.links_limit,
            links_per_portal_limit: engine.links_per_portal_limit,
            ..Self::default()
        }
    }

    /// How long a request may take.
    pub(super) fn timeout(&self) -> Result<Duration, CliError> {
        let timeout = self.timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.0);
        within(
            "timeout",
            &timeout,
            &Duration::from_secs(1),
            &LONGEST_TIMEOUT,
        )?;
        Ok(timeout)
    }

    /// How the engine works.
    pub(super) fn engine(&self) -> Result<Settings, CliError> {
        let default = Settings::default();
        let settings = Settings {
            read_quota: self.read_quota.map_or(default.read_quota, |quota| quota.0),
            write_quota: self
                .write_quota
                .map_or(default.write_quota, |quota| quota.0),
            jobs: self.jobs.unwrap_or(default.jobs),
            batch_size: self.batch_size.unwrap_or(default.batch_size),
            max_attempts: self.max_attempts.unwrap_or(default.max_attempts),
            settle: self.settle.map_or(self.timeout()? * 2, |settle| settle.0),
        };
        within("jobs", &settings.jobs.get(), &1, &1024)?;
        within("batch_size", &settings.batch_size.get(), &1, &500)?;
        within("max_attempts", &settings.max_attempts.get(), &1, &100)?;
        within(
            "settle",
            &settings.settle,
            &Duration::ZERO,
            &Duration::from_secs(3600),
        )?;
        Ok(settings)
    }

    /// The limits of the tenant.
    pub(super) fn limits(&self) -> Limits {
        let default = Limits::default();
        Limits {
            links: self.links_limit.unwrap_or(default.links),
            links_per_portal: self
                .links_per_portal_limit
                .unwrap_or(default.links_per_portal),
        }
    }

    /// Where the run directories are.
    pub(super) fn runs_dir(&self, flag: Option<&Path>) -> PathBuf {
        let given = flag.or(self.runs_dir.as_deref());
        given.unwrap_or(Path::new("zpa-bulk-runs")).to_owned()
    }
}

fn within<T: PartialOrd + std::fmt::Debug>(
    name: &str,
    value: &T,
    least: &T,
    most: &T,
) -> Result<(), CliError> {
    if value < least || value > most {
        let message = format!("{name} is {value:?}; it must be from {least:?} to {most:?}");
        return Err(CliError::usage(message));
    }
    Ok(())
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).split('\n').count()
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

impl<'de> Deserialize<'de> for Text<Duration> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_duration(&text).map(Text).ok_or_else(|| {
            serde::de::Error::custom("not a duration: a whole number with ms, s, m or h")
        })
    }
}

impl Serialize for Text<Duration> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}ms", self.0.as_millis()))
    }
}

impl<'de> Deserialize<'de> for Text<Pace> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Text).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Text<Pace> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
