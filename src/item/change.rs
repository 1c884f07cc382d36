//! Changes that a plan makes to the objects of a tenant.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::wire::{Failure, Fields, Id};

/// One field that an update changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The wire name of the field.
    pub field: String,
    /// The value on the tenant, formatted for people.
    pub old: String,
    /// The new value, formatted for people.
    pub new: String,
}

/// The change that an item makes to its object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Change<'r> {
    /// Create the object.
    Create {
        /// All fields of the new object.
        body: Fields<'r>,
    },
    /// Read the object, set the fields of `set` and write the object back.
    Update {
        /// The object's id.
        id: Id,
        /// The fields that the manifest names and whose values differ on the tenant.
        set: Fields<'r>,
        /// The same fields with their old and new values, formatted for people.
        changes: Vec<FieldChange>,
    },
    /// Delete the object.
    Delete {
        /// The object's id. Empty for an element of a list that is the only one with its key.
        id: Id,
        /// The condition that must still hold when the object is deleted, in the form of its manifest column.
        #[serde(skip_serializing_if = "Option::is_none")]
        condition: Option<Cow<'r, str>>,
    },
    /// Do nothing, because a condition of the change no longer holds.
    Spared {
        /// The object's id.
        id: Id,
        /// The reason why the object is left alone.
        failure: Failure,
    },
    /// Do nothing, because the object has changed since the plan was saved.
    Stale {
        /// The object's id, if there is an object.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id>,
        /// The words for what has changed.
        failure: Failure,
    },
    /// Do nothing, because the object is already as the row asks.
    Unchanged {
        /// The object's id. `None` if the object was to be deleted and is already gone.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id>,
    },
    /// Do nothing, because the row cannot be carried out on the tenant as the tenant is.
    Error {
        /// The reason why the row cannot be carried out.
        failure: Failure,
    },
}

impl Change<'_> {
    /// Returns the word for the change, as plans write it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Update { .. } => "update",
            Self::Delete { .. } => "delete",
            Self::Spared { .. } => "spared",
            Self::Stale { .. } => "stale",
            Self::Unchanged { .. } => "unchanged",
            Self::Error { .. } => "error",
        }
    }

    /// Returns the id of the live object that the change is about. Creates and errors have none.
    #[must_use]
    pub fn id(&self) -> Option<&Id> {
        match self {
            Self::Update { id, .. } | Self::Delete { id, .. } | Self::Spared { id, .. } => Some(id),
            Self::Unchanged { id } | Self::Stale { id, .. } => id.as_ref(),
            Self::Create { .. } | Self::Error { .. } => None,
        }
    }
}
