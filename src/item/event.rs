//! Outcomes of items, and the events of a run that the journal records.

use serde::{Deserialize, Serialize};

use super::number::ItemNumber;
use crate::wire::{Failure, Id, Object};

/// How an item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Created by this run, confirmed by the server's answer.
    Created,
    /// Updated by this run.
    Updated,
    /// Deleted by this run.
    Deleted,
    /// Carried out by a call of this run whose answer was lost; found on the tenant afterwards.
    Recovered,
    /// There was nothing to do.
    Unchanged,
    /// Left alone after all: something that had to hold of it no longer did.
    Spared,
    /// Not carried out.
    Failed,
}

impl Status {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Recovered => "recovered",
            Self::Unchanged => "unchanged",
            Self::Spared => "spared",
            Self::Failed => "failed",
        }
    }
}

/// The one true end of an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which item.
    pub item: ItemNumber,
    /// How it ended.
    pub status: Status,
    /// The object's id, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// The call of intents that nobody remembers: a journal lost records, and these items may have been in them.
pub const PRESUMED: u32 = u32::MAX;

/// What is written down of a run as it happens. The ledger is the fold of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// A call that changes these items is about to be sent.
    Intent {
        /// The number of the call, or [`PRESUMED`].
        call: u32,
        /// The items it carries.
        items: Vec<ItemNumber>,
    },
    /// That call was certainly not carried out: refused, or never sent.
    Void {
        /// The number of the call.
        call: u32,
        /// The items it carried.
        items: Vec<ItemNumber>,
    },
    /// That call, which was to create them together, was refused. Some may have been created before that.
    Refused {
        /// The number of the call.
        call: u32,
        /// The items it carried.
        items: Vec<ItemNumber>,
    },
    /// Items have ended.
    Outcomes(Vec<Outcome>),
    /// What an object was just before this run changed it.
    Before {
        /// The item that changes it.
        item: ItemNumber,
        /// The whole of it, as the API answered it.
        object: Object,
    },
    /// The server takes so many objects in one create, fewer than it was sent.
    #[serde(rename = "batch_size")]
    BatchSize(u32),
}
