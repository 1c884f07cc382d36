//! Items as they stand in a plan, read back.
//!
//! By hand, where a derived reading would first take every line apart into a tree: it is done for each item that is
//! carried out.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::{Change, Failure, FieldChange, FieldValue, Fields, Id, Item, ItemNumber, Undo};
use crate::resource::Kind;

/// Every member that an item may have, whatever is to be done for it.
#[derive(Deserialize)]
pub(super) struct Written {
    item: ItemNumber,
    file: u16,
    row: u32,
    resource: Kind,
    key: String,
    part: Option<String>,
    microtenant: Option<Id>,
    group: Option<u32>,
    op: Op,
    body: Option<Fields<'static>>,
    id: Option<Id>,
    set: Option<Fields<'static>>,
    changes: Option<Vec<FieldChange>>,
    condition: Option<String>,
    failure: Option<Failure>,
    undo: Option<Box<Undo<'static>>>,
}

/// Which of the [`Change`]s a plan names.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Op {
    Create,
    Update,
    Delete,
    Spared,
    Unchanged,
    Error,
}

/// What an item lacks that is to be carried out as it says.
#[derive(Debug, thiserror::Error)]
#[error("the item has no {0:?}")]
pub(super) struct Lacking(&'static str);

impl TryFrom<Written> for Item<'_> {
    type Error = Lacking;

    fn try_from(written: Written) -> Result<Self, Lacking> {
        let Written {
            op,
            body,
            id,
            set,
            changes,
            condition,
            failure,
            ..
        } = written;
        let change = match op {
            Op::Create => Change::Create {
                body: body.ok_or(Lacking("body"))?,
            },
            Op::Update => Change::Update {
                id: id.ok_or(Lacking("id"))?,
                set: set.ok_or(Lacking("set"))?,
                changes: changes.ok_or(Lacking("changes"))?,
            },
            Op::Delete => Change::Delete {
                id: id.ok_or(Lacking("id"))?,
                condition: condition.map(Cow::Owned),
            },
            Op::Spared => Change::Spared {
                id: id.ok_or(Lacking("id"))?,
                failure: failure.ok_or(Lacking("failure"))?,
            },
            Op::Unchanged => Change::Unchanged { id },
            Op::Error => Change::Error {
                failure: failure.ok_or(Lacking("failure"))?,
            },
        };
        Ok(Self {
            item: written.item,
            file: written.file,
            row: written.row,
            resource: written.resource,
            key: Cow::Owned(written.key),
            part: written.part.map(Cow::Owned),
            microtenant: written.microtenant,
            group: written.group,
            change,
            undo: written.undo,
        })
    }
}

impl<'de> Deserialize<'de> for Fields<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

/// Reads an object without losing the order of its members.
struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Fields<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of wire fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, FieldValue<'static>>()? {
            fields.push((Cow::Owned(name), value));
        }
        Ok(Fields(fields))
    }
}

impl<'de> Deserialize<'de> for FieldValue<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

/// Reads a value of whatever kind it is.
struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = FieldValue<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a flag, a text or references")
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(FieldValue::Flag(flag))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(FieldValue::Text(Cow::Owned(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, refs: A) -> Result<Self::Value, A::Error> {
        let refs = Vec::deserialize(SeqAccessDeserializer::new(refs))?;
        Ok(FieldValue::Refs(refs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What came back of an item, as text.
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
            r#""part":"P","op":"spared","id":"1","failure":{"message":"why"}}"#,
            r#""op":"unchanged"}"#,
            r#""op":"error","failure":{"message":"why"},"undo":{"old_id":"4","expected":{"name":"x"},"left":["link"]}}"#,
        ] {
            let line = format!("{common}{rest}");
            assert_eq!(back(&line).as_deref(), Ok(line.as_str()));
        }
    }

    #[test]
    fn an_item_that_lacks_what_it_is_to_do_is_refused() {
        let common = r#"{"item":7,"file":0,"row":9,"resource":"portal-link","key":"Wiki","#;
        for (rest, lacking) in [
            (r#""op":"create"}"#, r#"the item has no "body""#),
            (
                r#""op":"update","set":{},"changes":[]}"#,
                r#"the item has no "id""#,
            ),
            (r#""op":"error"}"#, r#"the item has no "failure""#),
            (r#""body":{}}"#, "missing field `op`"),
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
