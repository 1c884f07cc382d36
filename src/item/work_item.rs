//! Items: rows that were checked and compared with the tenant.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::change::Change;
use super::reviewed::Reviewed;
use super::undo::Undo;
use crate::resource::{Kind, Part, Scope};
use crate::wire::Id;

/// The number of an item in its run, from 0, in the order of the rows.
pub type ItemNumber = u32;

/// Converts the number of an item, or any other count, to an index.
#[must_use]
pub fn index(number: ItemNumber) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// One row, checked and compared with the tenant, with the change that it needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item<'r> {
    /// The number of the item in the run.
    pub item: ItemNumber,
    /// The number of its manifest.
    pub file: u16,
    /// The row of the manifest.
    pub row: u32,
    /// The kind of its object.
    pub resource: Kind,
    /// The object's natural key, as a person knows it.
    pub key: Cow<'r, str>,
    /// The part of its kind to which it belongs, for a kind that has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// The microtenant to which it belongs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub microtenant: Option<Id>,
    /// The group of items with which it may share a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
    /// The change to its object.
    #[serde(flatten)]
    pub change: Change<'r>,
    /// The change that it takes back, if it belongs to the undo of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<Box<Undo<'r>>>,
    /// The reading on which it was reviewed, if it belongs to a saved plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reviewed: Option<Box<Reviewed<'r>>>,
}

impl Item<'_> {
    /// Returns a copy that borrows nothing.
    #[must_use]
    pub fn to_owned_item(&self) -> Item<'static> {
        let change = match &self.change {
            Change::Create { body } => Change::Create {
                body: body.to_owned_fields(),
            },
            Change::Update { id, set, changes } => Change::Update {
                id: id.clone(),
                set: set.to_owned_fields(),
                changes: changes.clone(),
            },
            Change::Delete { id, condition } => Change::Delete {
                id: id.clone(),
                condition: condition.as_deref().map(|text| Cow::Owned(text.to_owned())),
            },
            Change::Spared { id, failure } => Change::Spared {
                id: id.clone(),
                failure: failure.clone(),
            },
            Change::Stale { id, failure } => Change::Stale {
                id: id.clone(),
                failure: failure.clone(),
            },
            Change::Unchanged { id } => Change::Unchanged { id: id.clone() },
            Change::Error { failure } => Change::Error {
                failure: failure.clone(),
            },
        };
        Item {
            item: self.item,
            file: self.file,
            row: self.row,
            resource: self.resource,
            key: Cow::Owned(self.key.to_string()),
            part: self.part.clone(),
            microtenant: self.microtenant.clone(),
            group: self.group,
            change,
            undo: (self.undo.as_ref()).map(|undo| Box::new(undo.to_owned_undo())),
            reviewed: (self.reviewed.as_ref())
                .map(|reviewed| Box::new(reviewed.to_owned_reviewed())),
        }
    }

    /// Returns the listing that has the object.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope {
            kind: self.resource,
            part: self.part.clone(),
            microtenant: self.microtenant.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an item, and returns its text as it is written again.
    fn back(line: &str) -> Result<String, String> {
        let read: Item<'static> = serde_json::from_str(line).map_err(|e| e.to_string())?;
        serde_json::to_string(&read).map_err(|e| e.to_string())
    }

    #[test]
    fn an_item_is_read_back_as_it_was_written() {
        let common = r#"{"item":7,"file":0,"row":9,"resource":"portal-link","key":"Wiki","#;
        for rest in [
            r#""group":3,"op":"create","body":{"name":"Wiki","enabled":true,"userPortals":[{"id":"1"}]}}"#,
            r#""microtenant":"5","op":"update","id":"1","set":{"link":"a.example"},"changes":[{"field":"link","old":"b","new":"a"}]}"#,
            r#""op":"delete","id":"1","condition":"idle"}"#,
            r#""op":"delete","id":"1"}"#,
            r#""part":"SHARED","op":"spared","id":"1","failure":{"message":"why"}}"#,
            r#""op":"stale","id":"1","failure":{"message":"why"}}"#,
            r#""op":"stale","failure":{"message":"why"},"reviewed":{}}"#,
            r#""op":"unchanged","id":"1","reviewed":{"object":{"name":"x"}}}"#,
            r#""op":"unchanged"}"#,
            r#""op":"error","failure":{"message":"why"},"undo":{"old_id":"4","expected":{"name":"x"},"left":["link"]}}"#,
        ] {
            let line = format!("{common}{rest}");
            assert_eq!(back(&line).as_deref(), Ok(line.as_str()));
        }
    }

    #[test]
    fn an_item_that_lacks_a_member_is_refused() {
        let common = r#"{"item":7,"file":0,"row":9,"resource":"portal-link","key":"Wiki","#;
        for (rest, lacking) in [
            (r#""op":"create"}"#, "missing field `body`"),
            (
                r#""op":"update","set":{},"changes":[]}"#,
                "missing field `id`",
            ),
            (r#""op":"error"}"#, "missing field `failure`"),
            (r#""body":{}}"#, "missing field `op`"),
            (
                r#""part":"../x","op":"unchanged"}"#,
                "no kind has this part",
            ),
            (r#""op":"delete","id":"1/../2"}"#, "must be 1 to 20 digits"),
            (
                r#""microtenant":"x","op":"unchanged"}"#,
                "must be 1 to 20 digits",
            ),
            (
                r#""op":"create","body":{"name":7}}"#,
                "a flag, a text or references",
            ),
        ] {
            let refused = back(&format!("{common}{rest}")).unwrap_err();
            assert!(refused.contains(lacking), "{refused}");
        }
    }
}
