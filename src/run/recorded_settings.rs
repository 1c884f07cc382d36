//! Settings as a run records them in its journal's header.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::journal::Header;
use crate::pacer::parse_duration;

/// The settle time of a run that recorded neither it nor a timeout.
const DEFAULT_SETTLE: Duration = Duration::from_secs(60);

/// The settings with which a run was started. Nothing that proves who the client is is among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedSettings {
    /// True if the tenant was an embedded simulated one, which ended with its command.
    pub simulated: bool,
    /// The settings, by the names that settings files give them.
    #[serde(flatten)]
    pub settings: Map<String, Value>,
}

impl RecordedSettings {
    /// Reads the settings that a run recorded.
    ///
    /// # Errors
    /// When the header holds something else.
    pub fn read(header: &Header) -> serde_json::Result<Self> {
        Self::deserialize(&header.settings)
    }

    /// The time for which a call of that run without an answer may still be carried out.
    #[must_use]
    pub fn settle(&self) -> Duration {
        let duration = |name| parse_duration(self.settings.get(name)?.as_str()?);
        duration("settle")
            .or_else(|| Some(duration("timeout")? * 2))
            .unwrap_or(DEFAULT_SETTLE)
    }
}
