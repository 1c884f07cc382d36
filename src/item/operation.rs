//! Operations of items.

use serde::Deserialize;

use super::change::Change;
use super::event::Status;
use super::work_item::Item;
use crate::resource::{Kind, Shape};

/// The operation that carries out an item. A plan names it as `op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// A create, together with other items of its group.
    Create,
    /// An update: its object is read, merged and written.
    Update,
    /// A delete. An item with a group is deleted together with others of it, one without is read before.
    Delete,
    /// A write of the whole list that the item belongs to. A plan names the change to the list instead.
    #[serde(skip_deserializing)]
    Merge,
    /// None: a condition of the item no longer holds.
    Spared,
    /// None: the object has changed since the plan was saved.
    Stale,
    /// None: the object is as the row asks.
    Unchanged,
    /// None: the row cannot be carried out.
    Error,
}

impl Operation {
    /// Returns the operation of an item.
    #[must_use]
    pub fn of(item: &Item<'_>) -> Self {
        let operation = match item.change {
            Change::Create { .. } => Self::Create,
            Change::Update { .. } => Self::Update,
            Change::Delete { .. } => Self::Delete,
            Change::Spared { .. } => Self::Spared,
            Change::Stale { .. } => Self::Stale,
            Change::Unchanged { .. } => Self::Unchanged,
            Change::Error { .. } => Self::Error,
        };
        operation.on(item.resource)
    }

    /// Returns the operation that carries this one out on an object of `kind`: an element of a list is never written alone.
    #[must_use]
    pub fn on(self, kind: Kind) -> Self {
        match self {
            Self::Create | Self::Update | Self::Delete if kind.shape() == Shape::List => {
                Self::Merge
            }
            operation => operation,
        }
    }

    /// Returns the status of an item that the plan has ended already.
    #[must_use]
    pub fn ended(self) -> Option<Status> {
        match self {
            Self::Spared => Some(Status::Spared),
            Self::Stale => Some(Status::Stale),
            Self::Unchanged => Some(Status::Unchanged),
            Self::Error => Some(Status::Failed),
            Self::Create | Self::Update | Self::Delete | Self::Merge => None,
        }
    }
}
