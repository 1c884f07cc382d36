//! The part of an item that stays in memory.

use serde::Deserialize;

use crate::item::Operation;
use crate::resource::Kind;

/// An item of a plan, in twelve bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanEntry {
    /// The operation that carries it out.
    pub operation: Operation,
    /// The group of items with which it may share a call.
    pub group: Option<u32>,
    /// True for an item that deletes an object to which others may refer.
    pub(super) deferred: bool,
}

impl PlanEntry {
    /// Reads the entry of the item in a line of a plan.
    ///
    /// # Errors
    /// When the line is no JSON object, or lacks a member that the entry needs.
    pub(super) fn read(line: &[u8]) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            op: Operation,
            resource: Kind,
            group: Option<u32>,
        }
        let Head {
            op,
            resource,
            group,
        } = serde_json::from_slice(line)?;
        let operation = op.on(resource);
        Ok(Self {
            operation,
            group,
            deferred: operation == Operation::Delete && resource.is_referred_to(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::item::{Change, Item};
    use crate::resource::Part;
    use crate::wire::{Failure, Fields, Id};

    fn changes() -> [Change<'static>; 7] {
        let id = || Id::from(7);
        // A text that looks like a member of the line.
        let failure = || Failure::new("\"op\":\"delete\"".to_owned());
        [
            Change::Create {
                body: Fields::default(),
            },
            Change::Update {
                id: id(),
                set: Fields::default(),
                changes: Vec::new(),
            },
            Change::Delete {
                id: id(),
                condition: None,
            },
            Change::Spared {
                id: id(),
                failure: failure(),
            },
            Change::Stale {
                id: None,
                failure: failure(),
            },
            Change::Unchanged { id: None },
            Change::Error { failure: failure() },
        ]
    }

    #[test]
    fn an_entry_agrees_with_its_item() {
        for (resource, change) in Kind::all().flat_map(|kind| changes().map(|c| (kind, c))) {
            for group in [None, Some(3)] {
                let item = Item {
                    item: 5,
                    file: 0,
                    row: 7,
                    resource,
                    key: Cow::Borrowed("\"op\":\"delete\", \\ é"),
                    part: resource.parts().first().map(|part| Part::Named(part)),
                    microtenant: None,
                    group,
                    change: change.clone(),
                    undo: None,
                    reviewed: None,
                };
                let entry = PlanEntry::read(&serde_json::to_vec(&item).unwrap()).unwrap();
                assert_eq!(entry.operation, Operation::of(&item));
                assert_eq!(entry.group, group);
                let deletes = entry.operation == Operation::Delete;
                assert_eq!(entry.deferred, deletes && resource.is_referred_to());
            }
        }
    }

    #[test]
    fn a_line_that_is_no_item_is_refused() {
        for line in [
            r#"{"resource":"portal-link","op":"paint","x":0}"#,
            r#"{"resource":"portal-link","op":"merge"}"#,
            "{",
            "",
            "[]",
        ] {
            assert!(PlanEntry::read(line.as_bytes()).is_err(), "{line}");
        }
    }
}
