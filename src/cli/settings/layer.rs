//! The settings: one struct for every layer, be it flags, a settings file, variables or a run's record.
//!
//! Each setting is written once, in the table below. Its field has the name that settings files use. Its attributes are
//! the flag, the variable and the help. Merging, recording and showing follow from the table.

use std::collections::{BTreeMap, HashMap};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::typed::{self, duration};
use crate::engine::UpdateReads;
use crate::pacer::{Margin, Pace, QuotaScope, Shape};
use crate::plan::BulkPortals;
use crate::zpa::Style;

const TENANT: &str = "Tenant";
const ENGINE: &str = "Engine";

/// The maps and sets of one kind of spreadsheet.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SheetLayout {
    /// Titles and the columns that they stand for, as `TITLE=COLUMN`.
    pub(crate) map: Vec<String>,
    /// Columns and their values for rows that say nothing there, as `COLUMN=VALUE`.
    pub(crate) set: Vec<String>,
}

macro_rules! settings {
    ($($(#[$attribute:meta])* $name:ident: $type:ty,)+) => {
        /// One layer of settings. A setting that is `None` comes from the layers below.
        #[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct Settings {
            $(
                $(#[$attribute])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub(crate) $name: Option<$type>,
            )+
            /// The tables `[profiles.NAME]` of a settings file; empty once a profile is chosen.
            #[arg(skip)]
            #[serde(skip_serializing)]
            pub(crate) profiles: BTreeMap<String, Self>,
            /// The tables `[layouts.NAME]` of a settings file.
            #[arg(skip)]
            #[serde(skip_serializing)]
            pub(crate) layouts: BTreeMap<String, SheetLayout>,
            /// The place where each setting was found.
            #[arg(skip)]
            #[serde(skip)]
            pub(super) sources: HashMap<&'static str, String>,
        }

        impl Settings {
            /// The name of every setting.
            const NAMES: &[&str] = &[$(stringify!($name)),+];

            /// Merges two layers: each setting comes from here if it is given, else from `lower`. If this layer has a
            /// proof of the client's identity, of whatever kind, no proof comes from `lower`.
            pub(crate) fn over(self, lower: Self) -> Self {
                let mut lower = if self.has_proof() { lower.without_proof() } else { lower };
                lower.sources.extend(self.sources);
                lower.layouts.extend(self.layouts);
                Self {
                    $($name: self.$name.or(lower.$name),)+
                    profiles: BTreeMap::new(),
                    layouts: lower.layouts,
                    sources: lower.sources,
                }
            }

            /// Returns the names of the settings that are given.
            fn given(&self) -> impl Iterator<Item = &'static str> + use<> {
                let all = [$((stringify!($name), self.$name.is_some()),)+];
                all.into_iter().filter_map(|(name, given)| given.then_some(name))
            }
        }
    };
}

settings! {
    #[arg(skip)]
    style: Style,
    #[arg(skip)]
    cloud: String,
    #[arg(skip)]
    vanity_domain: String,
    /// Customer id of the tenant
    #[arg(long, value_name = "ID", env = "ZPA_CUSTOMER_ID", help_heading = TENANT)]
    customer_id: String,
    /// Microtenant of rows that name none; 0 is the Default microtenant
    #[arg(long = "microtenant", value_name = "ID", env = "ZPA_MICROTENANT_ID", help_heading = TENANT)]
    microtenant_id: String,
    #[arg(skip)]
    client_id: String,
    #[arg(skip)]
    #[serde(skip_serializing)]
    client_secret: SecretString,
    #[arg(skip)]
    #[serde(skip_serializing)]
    client_secret_file: PathBuf,
    #[arg(skip)]
    #[serde(skip_serializing)]
    client_secret_command: Vec<String>,
    /// A private key in PEM, or the path of one. Only the environment and the vendor's file can give it.
    #[arg(skip)]
    #[serde(skip)]
    private_key: SecretString,
    #[arg(skip)]
    #[serde(skip_serializing)]
    private_key_file: PathBuf,
    #[arg(skip)]
    #[serde(skip_serializing)]
    private_key_command: Vec<String>,
    /// The variables that a command which prints a secret gets besides the usual ones.
    #[arg(skip)]
    #[serde(skip_serializing)]
    secret_command_env: Vec<String>,
    /// Address of the API, in place of the cloud's
    #[arg(long, value_name = "URL", env = "ZPA_BULK_BASE_URL", help_heading = TENANT)]
    base_url: String,
    /// Address of the sign-in, in place of the cloud's
    #[arg(long, value_name = "URL", env = "ZPA_BULK_TOKEN_URL", help_heading = TENANT)]
    token_url: String,
    /// Longest time for one request: 1s to 10m [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "ZPA_BULK_TIMEOUT", help_heading = TENANT)]
    #[serde(with = "typed::duration")]
    timeout: Duration,
    /// Longest time to set up a connection: 1s to 10m, never longer than the timeout [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "ZPA_BULK_CONNECT_TIMEOUT", help_heading = TENANT)]
    #[serde(with = "typed::duration")]
    connect_timeout: Duration,
    /// PEM file of certificates to trust besides the system's, such as the certificate of your company's proxy
    #[arg(long, value_name = "FILE", env = "ZPA_BULK_CA_CERT", help_heading = TENANT)]
    ca_cert: PathBuf,
    /// Quota for reads, calls/duration, or `off` [default: 20/10s]
    #[arg(long, value_name = "N/DURATION", env = "ZPA_BULK_READ_QUOTA", help_heading = ENGINE)]
    #[serde(with = "typed")]
    read_quota: Pace,
    /// Quota for writes, calls/duration, or `off` [default: 10/10s]
    #[arg(long, value_name = "N/DURATION", env = "ZPA_BULK_WRITE_QUOTA", help_heading = ENGINE)]
    #[serde(with = "typed")]
    write_quota: Pace,
    /// Scope of both quotas: `tenant`, `endpoint` or `auto`. With `endpoint` every exact path has its own quota, which is
    /// many times faster for objects that are changed one by one. With `auto`, a job of many such objects tries once which
    /// is true, which costs up to three refused calls, and the answer is remembered [default: auto]
    #[arg(long, value_name = "SCOPE", env = "ZPA_BULK_QUOTA_SCOPE", help_heading = ENGINE)]
    #[serde(with = "typed")]
    quota_scope: QuotaScope,
    /// Quota for all calls together unless the scope is `tenant`, calls/duration, or `off` [default: 5000/60s]
    #[arg(long, value_name = "N/DURATION", env = "ZPA_BULK_GATEWAY_QUOTA", help_heading = ENGINE)]
    #[serde(with = "typed")]
    gateway_quota: Pace,
    /// Find the real limit: start at the quotas, raise them while no call is refused, lower them when a call is refused
    #[arg(long, env = "ZPA_BULK_ADAPTIVE", default_missing_value = "true", num_args = 0..=1, require_equals = true,
          value_name = "BOOL", help_heading = ENGINE)]
    adaptive: bool,
    /// Highest multiple of the quotas that --adaptive tries, 1 to 1000. Smaller means fewer refusals during the search,
    /// larger finds higher limits [default: 5]
    #[arg(long, value_name = "TIMES", env = "ZPA_BULK_QUOTA_CEILING", help_heading = ENGINE)]
    quota_ceiling: NonZeroU32,
    /// Do not share quotas and knowledge of runs with other zpa-bulk processes of this user: no other run may work on the
    /// tenant meanwhile
    #[arg(long, env = "ZPA_BULK_NO_SHARED_STATE", default_missing_value = "true", num_args = 0..=1,
          require_equals = true, value_name = "BOOL", help_heading = ENGINE)]
    no_shared_state: bool,
    /// Share by which each quota's window is lengthened, since calls may bunch up on their way: 0% to 50%. Smaller is
    /// faster and risks refusals [default: 2%]
    #[arg(long, value_name = "PERCENT", env = "ZPA_BULK_WINDOW_MARGIN", help_heading = ENGINE)]
    #[serde(rename = "guard", alias = "window_margin", with = "typed")]
    window_margin: Margin,
    /// Spread calls by `window` (as soon as the last window has room), `smooth` (one every window / calls), or `auto`: by
    /// window until the tenant refuses that [default: auto]
    #[arg(long, value_name = "SHAPE", env = "ZPA_BULK_PACE", help_heading = ENGINE)]
    #[serde(with = "typed")]
    pace: Shape,
    /// Most calls in flight, 1 to 1024 [default: as many as the quotas need at the measured latency]
    #[arg(long, value_name = "N", env = "ZPA_BULK_JOBS", help_heading = ENGINE)]
    jobs: NonZeroUsize,
    /// Most links in one bulk call, 1 to 500 [default: 150]
    #[arg(long, value_name = "N", env = "ZPA_BULK_BATCH_SIZE", help_heading = ENGINE)]
    batch_size: NonZeroU32,
    /// Place of the portals in a bulk create: once for the `call`, or with each `item`. With `item`, links on different
    /// portals share a call, and the first answer tells whether the tenant honours that [default: call]
    #[arg(long, value_name = "PLACE", env = "ZPA_BULK_BULK_PORTALS", help_heading = ENGINE)]
    #[serde(with = "typed")]
    bulk_portals: BulkPortals,
    /// Attempts before an item fails, 1 to 100; throttled attempts do not count [default: 8]
    #[arg(long, value_name = "N", env = "ZPA_BULK_MAX_ATTEMPTS", help_heading = ENGINE)]
    max_attempts: NonZeroU32,
    /// Time to wait before treating a request without a response as not executed [default: twice the timeout]
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "ZPA_BULK_SETTLE", help_heading = ENGINE)]
    #[serde(with = "typed::duration")]
    settle: Duration,
    /// Greatest age of what was read for a change when the change is sent; older is read again: 200ms to 1m [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "ZPA_BULK_FRESHNESS", help_heading = ENGINE)]
    #[serde(with = "typed::duration")]
    freshness: Duration,
    /// Reading before an update is written: each `object` by its id, or one `listing` for those that go together. A listing
    /// takes fewer reads, so more of the read quota is left to others [default: object]
    #[arg(long, value_name = "WHAT", env = "ZPA_BULK_UPDATE_READS", help_heading = ENGINE)]
    #[serde(with = "typed")]
    update_reads: UpdateReads,
    /// Connectors that must stay in each group, whatever their state, when others of the group are deleted [default: 1]
    #[arg(long, value_name = "N", env = "ZPA_BULK_KEEP_PER_GROUP", help_heading = ENGINE)]
    keep_per_group: u32,
    /// Most links that the organization takes [default: 500]
    #[arg(long, value_name = "N", env = "ZPA_BULK_LINKS_LIMIT", help_heading = ENGINE)]
    links_limit: u32,
    /// Most links that one portal takes [default: 500]
    #[arg(long, value_name = "N", env = "ZPA_BULK_LINKS_PER_PORTAL_LIMIT", help_heading = ENGINE)]
    links_per_portal_limit: u32,
    #[arg(skip)]
    runs_dir: PathBuf,
}

impl Settings {
    /// Returns the name of a setting in files and records.
    fn written(name: &'static str) -> &'static str {
        match name {
            "window_margin" => "guard",
            other => other,
        }
    }

    /// Reads the layer that a run recorded. Ignores settings that this program does not know.
    ///
    /// # Errors
    /// A [`serde_json::Error`] if a setting has a value that it cannot have.
    pub(super) fn recorded(
        recorded: &serde_json::Map<String, serde_json::Value>,
    ) -> serde_json::Result<Self> {
        let known = Self::NAMES.iter().copied().map(Self::written);
        let known = known.filter_map(|name| Some((name.to_owned(), recorded.get(name)?.clone())));
        serde_json::from_value(serde_json::Value::Object(known.collect()))
    }

    /// Returns the settings that prove the client's identity, with texts that may be shown.
    fn proofs(&self) -> Vec<(&'static str, String)> {
        let hidden = |secret: &Option<SecretString>| secret.as_ref().map(|_| "(hidden)".to_owned());
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        // The arguments of a command may be secrets.
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

    /// Tells whether a setting proves the client's identity.
    pub(crate) fn has_proof(&self) -> bool {
        !self.proofs().is_empty()
    }

    /// Returns the names of the settings that prove the client's identity.
    pub(super) fn proof_names(&self) -> Vec<&'static str> {
        self.proofs().into_iter().map(|(name, _)| name).collect()
    }

    /// Returns a given setting that says where to connect, whom to believe, what to run, or which file to read or write.
    pub(super) fn reaching_out(&self) -> Option<&'static str> {
        let reaching_out = [
            "cloud",
            "vanity_domain",
            "client_secret_file",
            "client_secret_command",
            "private_key",
            "private_key_file",
            "private_key_command",
            "secret_command_env",
            "base_url",
            "token_url",
            "ca_cert",
            "runs_dir",
        ];
        self.given().find(|name| reaching_out.contains(name))
    }

    /// Tells whether the proof is a private key.
    pub(crate) fn has_key(&self) -> bool {
        let first = self.proof_names().into_iter().next();
        first.is_some_and(|name| name.starts_with("private_key"))
    }

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

    /// Returns every setting that is given, with its value. A secret is shown as `(hidden)`, a command by its program, an
    /// address without its user.
    pub(crate) fn shown(&self) -> Vec<(&'static str, String)> {
        let plain = serde_json::to_value(self).unwrap_or_default();
        let proofs: HashMap<&str, String> = self.proofs().into_iter().collect();
        let value = |name: &'static str| match plain.get(Self::written(name)) {
            Some(serde_json::Value::String(text)) if name.ends_with("_url") => {
                Some(without_user(text))
            }
            Some(serde_json::Value::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
            None if name == "secret_command_env" => {
                Some(self.secret_command_env.as_ref()?.join(" "))
            }
            None => proofs.get(name).cloned(),
        };
        self.given()
            .filter_map(|name| Some((name, value(name)?)))
            .collect()
    }

    /// Returns the same settings, all of them found at that place.
    pub(super) fn found_in(self, place: &str) -> Self {
        self.found_at(|_| Some(place.to_owned()))
    }

    /// Returns the same settings, each found where `place` says.
    pub(crate) fn found_at(mut self, place: impl Fn(&str) -> Option<String>) -> Self {
        let found = self.given().filter_map(|name| Some((name, place(name)?)));
        self.sources.extend(found);
        self
    }

    /// Returns the place where a setting was found.
    pub(crate) fn source(&self, name: &str) -> Option<&str> {
        self.sources.get(name).map(String::as_str)
    }

    /// Returns the same settings without texts that came from empty variables.
    pub(crate) fn without_empty_texts(mut self) -> Self {
        let texts = [
            &mut self.customer_id,
            &mut self.microtenant_id,
            &mut self.base_url,
            &mut self.token_url,
        ];
        for text in texts {
            text.take_if(|text| text.is_empty());
        }
        self
    }
}

/// Returns an address without the user name and the password before its host.
fn without_user(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        (_, None) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_layer_overrides_a_lower_one() {
        let upper = settings("batch_size = 10\nguard = \"3%\"").found_in("upper");
        let lower = settings("batch_size = 20\njobs = 4").found_in("lower");
        let both = upper.over(lower);
        let shown = both.shown();
        let named = |name: &str| {
            let value = shown.iter().find(|(known, _)| *known == name);
            (value.map(|(_, value)| value.as_str()), both.source(name))
        };
        assert_eq!(named("batch_size"), (Some("10"), Some("upper")));
        assert_eq!(named("jobs"), (Some("4"), Some("lower")));
        assert_eq!(named("window_margin"), (Some("3%"), Some("upper")));
    }

    #[test]
    fn the_window_margin_has_its_old_name_too() {
        let new = settings("window_margin = \"3%\"");
        assert_eq!(new.window_margin, settings("guard = \"3%\"").window_margin);
        let recorded = serde_json::to_value(&new).unwrap();
        assert_eq!(recorded, serde_json::json!({ "guard": "3%" }));
    }
}
