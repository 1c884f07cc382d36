//! Changes that a plan makes to objects.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::wire::{Failure, Fields, Id};

/// One field that an update changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The wire name of the field.
    pub field: String,
    /// What it is on the tenant, as a person reads it.
    pub old: String,
    /// What it becomes.
    pub new: String,
}

/// What is to happen to an item's object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Change<'r> {
    /// Create it.
    Create {
        /// The whole object.
        body: Fields<'r>,
    },
    /// Read it, put the named fields into what was read, write it back.
    Update {
        /// Its id.
        id: Id,
        /// The fields that the manifest names and that differ.
        set: Fields<'r>,
        /// The same as a person reads it.
        changes: Vec<FieldChange>,
    },
    /// Delete it.
    Delete {
        /// Its id; empty for the one element of a list that has its key.
        id: Id,
        /// What must still hold of it by then, in the words of its resource.
        #[serde(skip_serializing_if = "Option::is_none")]
        condition: Option<Cow<'r, str>>,
    },
    /// Nothing: something that must hold of it no longer does.
    Spared {
        /// Its id.
        id: Id,
        /// What has become of it.
        failure: Failure,
    },
    /// Nothing: it is as asked.
    Unchanged {
        /// Its id; none when what is to be deleted is already gone.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id>,
    },
    /// Nothing: the row cannot be carried out on the tenant as it is.
    Error {
        /// Why.
        failure: Failure,
    },
}

impl Change<'_> {
    /// The id of the live object that it is about, where it has one.
    #[must_use]
    pub fn id(&self) -> Option<&Id> {
        match self {
            Self::Update { id, .. } | Self::Delete { id, .. } | Self::Spared { id, .. } => Some(id),
            Self::Unchanged { id } => id.as_ref(),
            Self::Create { .. } | Self::Error { .. } => None,
        }
    }
}
