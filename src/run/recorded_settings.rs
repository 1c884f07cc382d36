//! Settings as a run records them in its journal's header.
//!
//! A run directory may come from elsewhere. So a record never says where to connect, whom to believe, what to run or
//! which file to read. It names the tenant's addresses only to be compared with those of the user's settings.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::journal::Header;
use crate::pacer::{Pace, Quota, parse_duration};

/// The settings that a run carries on when it is resumed, by the names that settings files give them.
const CARRIED: [&str; 21] = [
    "microtenant_id",
    "timeout",
    "connect_timeout",
    "read_quota",
    "write_quota",
    "quota_scope",
    "gateway_quota",
    "adaptive",
    "quota_ceiling",
    "guard",
    "pace",
    "jobs",
    "batch_size",
    "bulk_portals",
    "max_attempts",
    "settle",
    "freshness",
    "update_reads",
    "keep_per_group",
    "links_limit",
    "links_per_portal_limit",
];

/// The settle time of a run that recorded neither it nor a timeout.
const DEFAULT_SETTLE: Duration = Duration::from_secs(60);

/// The longest settle time that settings can ask for.
const LONGEST_SETTLE: Duration = Duration::from_secs(3600);

/// The settings with which a run was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedSettings {
    /// True if the tenant was an embedded simulated one, which ended with its command.
    pub simulated: bool,
    /// The addresses of the tenant.
    #[serde(flatten)]
    pub addresses: Addresses,
    #[serde(flatten)]
    carried: Map<String, Value>,
}

/// The addresses of the tenant of a run, and its id. Nothing is ever sent to these; they are compared with the user's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Addresses {
    /// The tenant's customer id.
    pub customer_id: Option<String>,
    /// The address of the API.
    pub base_url: Option<String>,
    /// The address of the sign-in.
    pub token_url: Option<String>,
}

impl RecordedSettings {
    /// Returns the record of these settings. Settings that a run does not carry on are left out.
    #[must_use]
    pub fn new(simulated: bool, addresses: Addresses, mut settings: Map<String, Value>) -> Self {
        settings.retain(|name, _| CARRIED.contains(&name.as_str()));
        Self {
            simulated,
            addresses,
            carried: settings,
        }
    }

    /// Reads the settings that a run recorded. Anything else in the header is left out.
    ///
    /// # Errors
    /// When the header holds something else.
    pub fn read(header: &Header) -> serde_json::Result<Self> {
        Self::of_value(&header.settings)
    }

    /// Reads the settings that a run or a saved plan recorded. Anything else is left out.
    ///
    /// # Errors
    /// When the value holds something else.
    pub fn of_value(recorded: &Value) -> serde_json::Result<Self> {
        let read = Self::deserialize(recorded)?;
        Ok(Self::new(read.simulated, read.addresses, read.carried))
    }

    /// The settings that the run carries on, by the names that settings files give them.
    #[must_use]
    pub fn carried(&self) -> &Map<String, Value> {
        &self.carried
    }

    /// Returns the settings of a run that is not trusted: those that make it slower than the defaults do.
    #[must_use]
    pub fn of_stranger(mut self) -> Self {
        self.carried.retain(|name, value| {
            let value = value.as_str().unwrap_or_default();
            let slower_than = |quota| {
                let pace = value.parse().unwrap_or(Pace::Unlimited);
                pace.least_time(1000) > Pace::At(quota).least_time(1000)
            };
            match name.as_str() {
                "read_quota" => slower_than(Quota::READ),
                "write_quota" => slower_than(Quota::WRITE),
                "settle" => parse_duration(value).is_some_and(|settle| settle > DEFAULT_SETTLE),
                _ => false,
            }
        });
        self
    }

    /// The time for which a call of that run without an answer may still be carried out, an hour at most.
    #[must_use]
    pub fn settle(&self) -> Duration {
        let duration = |name| parse_duration(self.carried.get(name)?.as_str()?);
        duration("settle")
            .or_else(|| Some(duration("timeout")? * 2))
            .unwrap_or(DEFAULT_SETTLE)
            .min(LONGEST_SETTLE)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(settings: Value) -> Value {
        let header = Header {
            format: 1,
            tool: String::new(),
            run: String::new(),
            tenant: String::new(),
            plan_sha256: String::new(),
            settings,
            seal: None,
        };
        serde_json::to_value(RecordedSettings::read(&header).unwrap().carried()).unwrap()
    }

    #[test]
    fn nothing_of_a_record_leads_elsewhere() {
        let settings = json!({
            "simulated": false, "base_url": "https://a", "client_secret_command": ["sh"], "ca_cert": "/x",
            "client_secret_file": "/etc/passwd", "runs_dir": "/", "style": "legacy", "jobs": 3,
        });
        assert_eq!(read(settings), json!({ "jobs": 3 }));
    }

    #[test]
    fn a_stranger_can_only_slow_a_run_down() {
        let of_stranger = |carried: Value| {
            let carried = carried.as_object().unwrap().clone();
            let settings = RecordedSettings::new(false, Addresses::default(), carried);
            Value::Object(settings.of_stranger().carried)
        };
        let faster = json!({
            "read_quota": "off", "write_quota": "11/10s", "settle": "0s", "jobs": 9, "no_shared_state": true,
        });
        assert_eq!(of_stranger(faster), json!({}));
        let slower = json!({ "read_quota": "1/10s", "write_quota": "5/10s", "settle": "5m" });
        assert_eq!(of_stranger(slower.clone()), slower);
    }
}
