//! Facts that only the items of an undo have.

use serde::{Deserialize, Serialize};

use crate::wire::{Failure, Fields, Id};

/// The facts about the change that an item of an undo takes back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Undo<'r> {
    /// The former id of an object that was deleted and is now created again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_id: Option<Id>,
    /// The values that the run being undone wrote. An update leaves a field alone if its value has changed since. A
    /// delete spares the whole object if any field has changed since.
    #[serde(default)]
    pub expected: Fields<'r>,
    /// The fields that somebody else has changed since. They are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

impl Undo<'_> {
    /// Returns a copy that borrows nothing.
    #[must_use]
    pub fn to_owned_undo(&self) -> Undo<'static> {
        Undo {
            old_id: self.old_id.clone(),
            expected: self.expected.to_owned_fields(),
            left: self.left.clone(),
        }
    }

    /// Returns the message that names the fields left alone, if there are any.
    #[must_use]
    pub fn left_alone(&self) -> Option<Failure> {
        (!self.left.is_empty()).then(|| changed_since(&self.left))
    }
}

/// Makes the message that says that `fields` were changed after the run being undone and are left alone.
#[must_use]
pub fn changed_since(fields: &[String]) -> Failure {
    let fields = fields.join(", ");
    Failure::new(format!(
        "it was changed after the run that is undone; these fields are left alone: {fields}"
    ))
}
