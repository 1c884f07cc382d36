//! The actions that a row may ask for.

use serde::{Deserialize, Serialize};

/// What a row asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Create if absent, update if different, else leave alone.
    #[default]
    Ensure,
    /// Create; fail if it exists.
    Create,
    /// Update; fail if it does not exist.
    Update,
    /// Delete; fine if already gone.
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

    /// The action of that name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, action)| *action)
    }
}
