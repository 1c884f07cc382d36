//! Outcomes of items, and the events of a run that the journal records.

use serde::{Deserialize, Serialize};

use super::work_item::ItemNumber;
use crate::wire::{Failure, Id, Object};

/// The final state of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Created by this run and confirmed by the server's answer.
    Created,
    /// Updated by this run.
    Updated,
    /// Deleted by this run.
    Deleted,
    /// Carried out by a call of this run whose answer was lost, and then found on the tenant.
    Recovered,
    /// Already as the row asks, so nothing was sent.
    Unchanged,
    /// Left alone, because a condition of the change no longer held.
    Spared,
    /// Left alone, because the object had changed since the plan was saved.
    Stale,
    /// Not carried out.
    Failed,
}

impl Status {
    /// Returns the status as reports write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Recovered => "recovered",
            Self::Unchanged => "unchanged",
            Self::Spared => "spared",
            Self::Stale => "stale",
            Self::Failed => "failed",
        }
    }
}

/// The end of an item. An item has at most one outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The number of the item.
    pub item: ItemNumber,
    /// The state in which the item ended.
    pub status: Status,
    /// The object's id, if the object has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The reason why the item failed or was spared, or a remark on an item that was carried out only in part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// The number of a call in its run, in the order in which calls were submitted.
pub type CallId = u32;

/// The call number of intents that a repair of the journal writes: a lost record may have named their items.
pub const PRESUMED: CallId = CallId::MAX;

/// Something that happened in a run, as the journal records it. The ledger results from applying all events in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// A call that carries out these items is about to be sent.
    Intent {
        /// The number of the call, or [`PRESUMED`].
        call: CallId,
        /// The items it carries.
        items: Vec<ItemNumber>,
    },
    /// A call was certainly not carried out: the server refused it, or it was never sent.
    Void {
        /// The number of the call.
        call: CallId,
        /// The items it carried.
        items: Vec<ItemNumber>,
    },
    /// A call that was to create several objects was refused. The server may have created some of them all the same.
    Refused {
        /// The number of the call.
        call: CallId,
        /// The items it carried.
        items: Vec<ItemNumber>,
    },
    /// Items have ended.
    Outcomes(Vec<Outcome>),
    /// The state of an object just before this run changed it.
    Before {
        /// The item that changes it.
        item: ItemNumber,
        /// The whole object, as the API answered it.
        object: Object,
    },
    /// The number of objects that the server accepts in one create call, after it refused a call with more.
    #[serde(rename = "batch_size")]
    BatchSize(u32),
}
