//! The actions that a row may ask for.

use serde::{Deserialize, Serialize};

/// The action that a row asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Create the object if it is absent, update it if it differs, and else leave it alone.
    #[default]
    Ensure,
    /// Create the object. The row fails if the object exists.
    Create,
    /// Update the object. The row fails if the object does not exist.
    Update,
    /// Delete the object. The row succeeds if the object is already gone.
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
        Self::ALL
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, action)| *action)
    }
}
