//! Settings in layers: flags over environment over settings file over, on resume, what the run recorded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::args::{EngineArgs, TenantArgs};
use super::error::CliError;
use super::secret::{expanded, refuse_if_open_to_others};
use crate::engine::Settings;
use crate::pacer::{Burst, Margin, Pace, QuotaScope, parse_duration};
use crate::plan::{Guards, Limits, Share};
use crate::wire::Id;
use crate::zpa::{Style, Transport};

/// One layer: the settings file, or what a run recorded. What proves who the client is is never written.
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
    #[serde(skip_serializing)]
    pub(super) client_secret_file: Option<PathBuf>,
    #[serde(skip_serializing)]
    pub(super) client_secret_command: Option<Vec<String>>,
    /// In PEM or as a path; from the environment or the vendor's file alone.
    #[serde(skip)]
    pub(super) private_key: Option<SecretString>,
    #[serde(skip_serializing)]
    pub(super) private_key_file: Option<PathBuf>,
    #[serde(skip_serializing)]
    pub(super) private_key_command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ca_cert: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) read_quota: Option<Text<Pace>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) write_quota: Option<Text<Pace>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quota_scope: Option<Text<QuotaScope>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gateway_quota: Option<Text<Pace>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) adaptive: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quota_ceiling: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) no_shared_quota: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) guard: Option<Text<Margin>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) burst: Option<Text<Burst>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jobs: Option<NonZeroUsize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) batch_size: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_attempts: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timeout: Option<Text<Duration>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connect_timeout: Option<Text<Duration>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) settle: Option<Text<Duration>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keep_per_group: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) links_limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) links_per_portal_limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) runs_dir: Option<PathBuf>,
    /// The tables `[profiles.NAME]` of a settings file; empty once one was chosen.
    #[serde(skip_serializing)]
    pub(super) profiles: BTreeMap<String, Self>,
    /// Where each setting was found.
    #[serde(skip)]
    pub(super) sources: BTreeMap<String, String>,
}

/// A value that files write as text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<T>(pub(super) T);

/// How many times the quotas `--adaptive` goes at most.
const DEFAULT_CEILING: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);

/// The longest a request may take.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);

impl Config {
    /// Reads the settings file, if there is one: the profile of that name over what stands outside all profiles.
    pub(super) fn read(path: Option<&Path>, profile: Option<&str>) -> Result<Self, CliError> {
        let Some(path) = path else {
            return match profile {
                Some(name) => Err(CliError::usage(format!(
                    "the profile {name:?} is in no settings file: none is given"
                ))
                .hint("name the file with --config or ZPA_BULK_CONFIG")),
                None => Ok(Self::default()),
            };
        };
        let shown = path.display().to_string();
        let failed = |error: std::io::Error| CliError::usage(format!("{shown}: {error}"));
        let mut file = File::open(path).map_err(failed)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        let mut config = Self::parse(&text, &shown)?;
        let profiles = std::mem::take(&mut config.profiles);
        let all = || profiles.values().chain([&config]);
        all().try_for_each(|table| table.refuse_two_proofs(&shown))?;
        if all().any(|table| table.client_secret.is_some()) {
            refuse_if_open_to_others(path, &file)?;
        }
        let chosen = profile.map(|name| Self::profile(profiles, name, &shown));
        let config = config.found_in(&shown);
        Ok(match chosen.transpose()? {
            Some(profile) => profile.over(config),
            None => config,
        })
    }

    fn parse(text: &str, shown: &str) -> Result<Self, CliError> {
        toml::from_str(text).map_err(|error| {
            // The text of the error would repeat the line, which may hold the secret.
            let place = error.span().map(|span| line_of(text, span.start));
            let place = place.map_or_else(String::new, |line| format!(":{line}"));
            CliError::usage(format!("{shown}{place}: {}", error.message()))
                .hint("samples/zpa-bulk.toml has every setting")
        })
    }

    fn profile(
        mut profiles: BTreeMap<String, Self>,
        name: &str,
        shown: &str,
    ) -> Result<Self, CliError> {
        let Some(profile) = profiles.remove(name) else {
            let known: Vec<String> = profiles.into_keys().collect();
            let known = match known.as_slice() {
                [] => "it has none".to_owned(),
                names => format!("it has {}", names.join(", ")),
            };
            let message = format!("{shown} has no profile {name:?}; {known}");
            return Err(CliError::usage(message).hint(
                "a profile is a table [profiles.NAME]; --profile or ZPA_BULK_PROFILE names it",
            ));
        };
        if !profile.profiles.is_empty() {
            let message = format!("{shown}: the profile {name:?} has profiles of its own");
            return Err(CliError::usage(message));
        }
        Ok(profile.found_in(&format!("{shown}, profile {name}")))
    }

    fn refuse_two_proofs(&self, shown: &str) -> Result<(), CliError> {
        match self.proofs().as_slice() {
            [(one, _), (other, _), ..] => Err(CliError::usage(format!(
                "{shown}: both {one} and {other} say how to sign in"
            ))
            .hint("keep one of them")),
            _ => Ok(()),
        }
    }

    /// The settings that prove who the client is, as far as they may be shown.
    fn proofs(&self) -> Vec<(&'static str, String)> {
        let hidden = |secret: &Option<SecretString>| secret.as_ref().map(|_| "(hidden)".to_owned());
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        // Arguments may be secrets.
        let program = |command: &Option<Vec<String>>| command.as_ref()?.first().cloned();
        let all = [
            ("private_key", hidden(&self.private_key)),
            ("private_key_file", path(&self.private_key_file)),
            ("private_key_command", program(&self.private_key_command)),
            ("client_secret", hidden(&self.client_secret)),
            ("client_secret_file", path(&self.client_secret_file)),
            (
                "client_secret_command",
                program(&self.client_secret_command),
            ),
        ];
        let given = all.into_iter();
        given
            .filter_map(|(name, shown)| Some((name, shown?)))
            .collect()
    }

    /// Whether it says what proves who the client is.
    pub(super) fn has_proof(&self) -> bool {
        !self.proofs().is_empty()
    }

    /// Whether the proof is a private key.
    pub(super) fn has_key(&self) -> bool {
        let named = |(name, _): &(&str, String)| name.starts_with("private_key");
        self.proofs().first().is_some_and(named)
    }

    /// Every setting that is given, with its value where that is no secret.
    pub(super) fn shown(&self) -> Vec<(String, String)> {
        let plain = match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(plain)) => plain,
            _ => serde_json::Map::new(),
        };
        let plain = plain.into_iter().map(|(name, value)| match value {
            serde_json::Value::String(text) => (name, text),
            other => (name, other.to_string()),
        });
        let proofs = self.proofs().into_iter();
        plain
            .chain(proofs.map(|(name, shown)| (name.to_owned(), shown)))
            .collect()
    }

    /// The same settings, all of them found at that place.
    pub(super) fn found_in(self, place: &str) -> Self {
        self.found_at(|_| Some(place.to_owned()))
    }

    /// The same settings, each found where `place` says.
    pub(super) fn found_at(mut self, place: impl Fn(&str) -> Option<String>) -> Self {
        for (name, _) in self.shown() {
            if let Some(place) = place(&name) {
                self.sources.insert(name, place);
            }
        }
        self
    }

    /// Where a setting was found.
    pub(super) fn source(&self, name: &str) -> Option<&str> {
        self.sources.get(name).map(String::as_str)
    }

    /// Without what proves who the client is.
    fn without_proof(self) -> Self {
        Self {
            client_secret: None,
            client_secret_file: None,
            client_secret_command: None,
            private_key: None,
            private_key_file: None,
            private_key_command: None,
            ..self
        }
    }

    /// These settings where they are given, else those of `lower`. There are several kinds of proof of who the client
    /// is, and any of these goes over any of `lower`.
    pub(super) fn over(self, lower: Self) -> Self {
        let mut lower = if self.has_proof() {
            lower.without_proof()
        } else {
            lower
        };
        lower.sources.extend(self.sources);
        Self {
            style: self.style.or(lower.style),
            cloud: self.cloud.or(lower.cloud),
            vanity_domain: self.vanity_domain.or(lower.vanity_domain),
            customer_id: self.customer_id.or(lower.customer_id),
            microtenant_id: self.microtenant_id.or(lower.microtenant_id),
            client_id: self.client_id.or(lower.client_id),
            client_secret: self.client_secret.or(lower.client_secret),
            client_secret_file: self.client_secret_file.or(lower.client_secret_file),
            client_secret_command: self.client_secret_command.or(lower.client_secret_command),
            private_key: self.private_key.or(lower.private_key),
            private_key_file: self.private_key_file.or(lower.private_key_file),
            private_key_command: self.private_key_command.or(lower.private_key_command),
            base_url: self.base_url.or(lower.base_url),
            token_url: self.token_url.or(lower.token_url),
            ca_cert: self.ca_cert.or(lower.ca_cert),
            read_quota: self.read_quota.or(lower.read_quota),
            write_quota: self.write_quota.or(lower.write_quota),
            quota_scope: self.quota_scope.or(lower.quota_scope),
            gateway_quota: self.gateway_quota.or(lower.gateway_quota),
            adaptive: self.adaptive.or(lower.adaptive),
            quota_ceiling: self.quota_ceiling.or(lower.quota_ceiling),
            no_shared_quota: self.no_shared_quota.or(lower.no_shared_quota),
            guard: self.guard.or(lower.guard),
            burst: self.burst.or(lower.burst),
            jobs: self.jobs.or(lower.jobs),
            batch_size: self.batch_size.or(lower.batch_size),
            max_attempts: self.max_attempts.or(lower.max_attempts),
            timeout: self.timeout.or(lower.timeout),
            connect_timeout: self.connect_timeout.or(lower.connect_timeout),
            settle: self.settle.or(lower.settle),
            keep_per_group: self.keep_per_group.or(lower.keep_per_group),
            links_limit: self.links_limit.or(lower.links_limit),
            links_per_portal_limit: self.links_per_portal_limit.or(lower.links_per_portal_limit),
            runs_dir: self.runs_dir.or(lower.runs_dir),
            profiles: BTreeMap::new(),
            sources: lower.sources,
        }
    }

    /// The microtenant of rows that name none.
    pub(super) fn microtenant(&self) -> Result<Option<Id>, CliError> {
        match self.microtenant_id.as_deref() {
            Some(text) if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) => {
                let message = format!("{text:?} is not a microtenant id: it is all digits");
                Err(CliError::usage(message)
                    .hint("check ZPA_MICROTENANT_ID, --microtenant and the settings file"))
            }
            id => Ok(id.map(Id::new)),
        }
    }

    /// The layer that the flags make.
    pub(super) fn of_flags(tenant: &TenantArgs, engine: &EngineArgs) -> Self {
        Self {
            customer_id: given(tenant.customer_id.as_ref()),
            microtenant_id: given(tenant.microtenant.as_ref()),
            base_url: given(tenant.base_url.as_ref()),
            token_url: given(tenant.token_url.as_ref()),
            ca_cert: tenant.ca_cert.clone(),
            timeout: tenant.timeout.map(Text),
            connect_timeout: tenant.connect_timeout.map(Text),
            read_quota: engine.read_quota.map(Text),
            write_quota: engine.write_quota.map(Text),
            quota_scope: engine.quota_scope.map(Text),
            gateway_quota: engine.gateway_quota.map(Text),
            adaptive: engine.adaptive,
            quota_ceiling: engine.quota_ceiling,
            no_shared_quota: engine.no_shared_quota,
            guard: engine.guard.map(Text),
            burst: engine.burst.map(Text),
            jobs: engine.jobs,
            batch_size: engine.batch_size,
            max_attempts: engine.max_attempts,
            settle: engine.settle.map(Text),
            keep_per_group: engine.keep_per_group,
            links_limit: engine.links_limit,
            links_per_portal_limit: engine.links_per_portal_limit,
            ..Self::default()
        }
    }

    /// How long a request may take.
    pub(super) fn timeout(&self) -> Result<Duration, CliError> {
        bounded("timeout", self.timeout, Transport::default().timeout)
    }

    /// How calls get to the tenant, but for the proxy.
    pub(super) fn transport(&self) -> Result<Transport, CliError> {
        let default = Transport::default();
        let extra_roots = self.ca_cert.as_deref().map(|path| {
            let path = expanded(path);
            let failed = |error| CliError::usage(format!("{}: {error}", path.display()));
            std::fs::read(&path).map_err(failed)
        });
        Ok(Transport {
            timeout: self.timeout()?,
            connect_timeout: bounded(
                "connect_timeout",
                self.connect_timeout,
                default.connect_timeout,
            )?,
            extra_roots: extra_roots.transpose()?,
            ..default
        })
    }

    /// How the engine works.
    pub(super) fn engine(&self) -> Result<Settings, CliError> {
        let default = Settings::default();
        let guard = self.guard.map_or_else(Margin::default, |guard| guard.0);
        let burst = self.burst.map_or_else(Burst::default, |burst| burst.0);
        let ceiling = self.quota_ceiling.unwrap_or(DEFAULT_CEILING);
        within("quota_ceiling", &ceiling.get(), &1, &1000)?;
        let ceiling = self.adaptive.unwrap_or(false).then_some(ceiling);
        let pace = |given: Option<Text<Pace>>, default: Pace| {
            given.map_or(default, |pace| pace.0).with(guard, burst)
        };
        let settings = Settings {
            read_quota: pace(self.read_quota, default.read_quota).searching(ceiling),
            write_quota: pace(self.write_quota, default.write_quota).searching(ceiling),
            quota_scope: self
                .quota_scope
                .map_or(default.quota_scope, |scope| scope.0),
            gateway_quota: pace(self.gateway_quota, default.gateway_quota),
            jobs: self.jobs,
            batch_size: self.batch_size.unwrap_or(default.batch_size),
            max_attempts: self.max_attempts.unwrap_or(default.max_attempts),
            settle: self.settle.map_or(self.timeout()? * 2, |settle| settle.0),
            keep_per_group: self.guards(None).keep_per_group,
            ..default
        };
        let jobs = self.jobs.unwrap_or(NonZeroUsize::MIN);
        within("jobs", &jobs.get(), &1, &1024)?;
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

    /// The guards on deletes.
    pub(super) fn guards(&self, max_deletes: Option<Share>) -> Guards {
        let default = Guards::default();
        Guards {
            max_deletes,
            keep_per_group: self.keep_per_group.unwrap_or(default.keep_per_group),
        }
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

/// A setting that came from an empty variable is none.
fn given(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

/// A time that a call may take, within what is allowed.
fn bounded(
    name: &str,
    given: Option<Text<Duration>>,
    default: Duration,
) -> Result<Duration, CliError> {
    let time = given.map_or(default, |given| given.0);
    within(name, &time, &Duration::from_secs(1), &LONGEST_TIMEOUT)?;
    Ok(time)
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

/// What may be written with quotes or, where it is a number, without.
#[derive(Deserialize)]
#[serde(untagged, expecting = "neither a text nor a number")]
enum Typed {
    Text(String),
    Number(u64),
}

impl Typed {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

/// Settings that are written as they are typed.
macro_rules! as_typed {
    ($($type:ty),+) => {$(
        impl<'de> Deserialize<'de> for Text<$type> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let typed = Typed::deserialize(deserializer)?;
                typed.text().parse().map(Text).map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for Text<$type> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }
    )+};
}

as_typed!(Pace, Margin, Burst, QuotaScope);
