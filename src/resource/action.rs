//! The actions that a row may ask for.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The action that a row asks for. `--help` shows these descriptions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Create if absent, update if different, else leave alone
    #[default]
    Ensure,
    /// Create; fail if it exists
    Create,
    /// Update; fail if it does not exist
    Update,
    /// Delete; succeed if it is gone already
    Delete,
}

impl Action {
    /// Every action with its name.
    pub const ALL: [(&'static str, Self); 4] = [
        ("ensure", Self::Ensure),
        ("create", Self::Create),
        ("update", Self::Update),
        ("delete", Self::Delete),
    ];

    /// Returns the name of the action in manifests and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, action)| *action == self)
            .map_or("", |(name, _)| name)
    }

    /// Returns the action called `name`, in upper or lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::from_str(name, true).ok()
    }
}
