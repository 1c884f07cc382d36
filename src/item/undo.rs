//! What the items of an undo know besides.

use serde::{Deserialize, Serialize};

use crate::wire::{Failure, Fields, Id};

/// What an item knows of what it takes back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Undo<'r> {
    /// The id that an object had before it was deleted, which is now created again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_id: Option<Id>,
    /// What the run that is undone wrote. An update leaves every field alone that is no longer so; a delete spares
    /// an object that is in any way another.
    #[serde(default)]
    pub expected: Fields<'r>,
    /// The fields that another hand has changed since, so that they are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

impl Undo<'_> {
    /// The same, borrowing nothing.
    #[must_use]
    pub fn to_owned_undo(&self) -> Undo<'static> {
        Undo {
            old_id: self.old_id.clone(),
            expected: self.expected.to_owned_fields(),
            left: self.left.clone(),
        }
    }

    /// In words, what was left alone, if anything was.
    #[must_use]
    pub fn left_alone(&self) -> Option<Failure> {
        (!self.left.is_empty()).then(|| changed_since(&self.left))
    }
}

/// Why something is left alone of which those fields were changed.
#[must_use]
pub fn changed_since(fields: &[String]) -> Failure {
    let fields = fields.join(", ");
    Failure::new(format!(
        "it was changed after the run that is undone, and that is left alone: {fields}"
    ))
}
