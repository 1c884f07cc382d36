//! The reading on which an item of a saved plan was reviewed.

use serde::{Deserialize, Serialize};

use crate::wire::Fields;

/// The object of an item as it was when the plan was saved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviewed<'r> {
    /// The fields of the object that a manifest can say; `None` if there was no object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Fields<'r>>,
}

impl Reviewed<'_> {
    /// Returns a copy that borrows nothing.
    #[must_use]
    pub fn to_owned_reviewed(&self) -> Reviewed<'static> {
        Reviewed {
            object: self.object.as_ref().map(Fields::to_owned_fields),
        }
    }
}
