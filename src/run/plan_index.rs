//! What is kept in memory of every item of a plan.

use foldhash::{HashMap, HashMapExt};
use memchr::{memchr, memchr2};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{self, StrDeserializer};

use crate::item::{ItemNumber, Op, Status, index};
use crate::plan::Operation;
use crate::resource::{Kind, Shape};

/// As much of an item as is kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlanEntry {
    /// How it is carried out.
    pub operation: Operation,
    /// The group of items with which it may share a call.
    pub group: Option<u32>,
    /// How it has ended already, if nothing is to be done for it.
    pub ended: Option<Status>,
    /// Whether it deletes what others may refer to.
    pub(super) deferred: bool,
}

/// What a [`PlanEntry`] is made from.
#[derive(Deserialize)]
struct Parsed {
    op: Op,
    resource: Kind,
    group: Option<u32>,
}

impl PlanEntry {
    /// That of the item in a line of a plan.
    ///
    /// # Errors
    /// When the line does not stand as an item is written.
    pub(super) fn read(line: &[u8]) -> serde_json::Result<Self> {
        let parsed = Parsed::at_front(line).map_or_else(|| serde_json::from_slice(line), Ok);
        parsed.map(Self::from)
    }
}

impl Parsed {
    /// Reads the members of an item up to `op`, as far as they stand as this program writes them. What stands behind
    /// it, which is nearly all of a line, is left to the checksum of the plan.
    fn at_front(line: &[u8]) -> Option<Self> {
        let (mut resource, mut group) = (None, None);
        let mut rest = line.strip_prefix(b"{\"")?;
        loop {
            let (name, behind) = rest.split_at_checked(memchr(b'"', rest)?)?;
            let value = behind.strip_prefix(b"\":")?;
            let (value, behind) = match value.strip_prefix(b"\"") {
                Some(text) => {
                    let end = memchr2(b'"', b'\\', text)?;
                    let (text, behind) = text.split_at_checked(end)?;
                    (text, behind.strip_prefix(b"\"")?)
                }
                None => value.split_at_checked(memchr(b',', value)?)?,
            };
            match name {
                b"resource" => resource = Kind::from_name(str::from_utf8(value).ok()?),
                b"group" => group = Some(str::from_utf8(value).ok()?.parse().ok()?),
                b"op" => {
                    return Some(Self {
                        op: Op::deserialize(named(value)?).ok()?,
                        resource: resource?,
                        group,
                    });
                }
                _ => {}
            }
            rest = behind.strip_prefix(b",\"")?;
        }
    }
}

fn named(value: &[u8]) -> Option<StrDeserializer<'_, value::Error>> {
    Some(str::from_utf8(value).ok()?.into_deserializer())
}

impl From<Parsed> for PlanEntry {
    fn from(parsed: Parsed) -> Self {
        let list = parsed.resource.shape() == Shape::List;
        let (operation, ended) = match parsed.op {
            Op::Unchanged => (Operation::Nothing, Some(Status::Unchanged)),
            Op::Spared => (Operation::Nothing, Some(Status::Spared)),
            Op::Error => (Operation::Nothing, Some(Status::Failed)),
            _ if list => (Operation::Merge, None),
            Op::Create => (Operation::Create, None),
            Op::Update => (Operation::Update, None),
            Op::Delete => (Operation::Delete, None),
        };
        Self {
            operation,
            group: parsed.group,
            deferred: operation == Operation::Delete && parsed.resource.is_referred_to(),
            ended,
        }
    }
}

/// The briefs of all items: four bytes each, and each that differs from all others once.
#[derive(Debug)]
pub(super) struct PlanIndex {
    distinct: Vec<PlanEntry>,
    places: HashMap<PlanEntry, u32>,
    items: Vec<u32>,
}

impl PlanIndex {
    pub(super) fn new() -> Self {
        Self {
            distinct: Vec::new(),
            places: HashMap::new(),
            items: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, entry: PlanEntry) {
        let next = u32::try_from(self.distinct.len()).unwrap_or(u32::MAX);
        let place = *self.places.entry(entry).or_insert(next);
        if place == next {
            self.distinct.push(entry);
        }
        self.items.push(place);
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn of(&self, item: ItemNumber) -> Option<PlanEntry> {
        let place = self.items.get(index(item))?;
        self.distinct.get(index(*place)).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ItemNumber, PlanEntry)> {
        let entries = self.items.iter();
        (0..).zip(entries.filter_map(|place| self.distinct.get(index(*place)).copied()))
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;
    use crate::item::{Change, Item};
    use crate::wire::{Failure, Fields, Id};

    fn change() -> impl Strategy<Value = Change<'static>> {
        let id = || Id::new("7");
        let failure = || Failure::new("\"op\":\"delete\"".to_owned());
        prop::sample::select(vec![
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
            Change::Unchanged { id: None },
            Change::Error { failure: failure() },
        ])
    }

    proptest! {
        #[test]
        fn the_front_of_a_line_says_what_the_whole_line_says(
            key in "[a-z ,:{}]{0,9}|[\"\\\\a\u{1}é]{0,5}",
            kind in prop::sample::select(Kind::all().collect::<Vec<_>>()),
            microtenant in prop::option::of("[0-9]{1,3}"),
            group in prop::option::of(any::<u32>()),
            change in change(),
        ) {
            let item = Item {
                item: 5,
                file: 0,
                row: 7,
                resource: kind,
                key: Cow::Owned(key.clone()),
                part: kind.parts().first().map(|part| Cow::Borrowed(*part)),
                microtenant: microtenant.map(Id::new),
                group,
                change,
                undo: None,
            };
            let line = serde_json::to_vec(&item).unwrap();
            let whole: Parsed = serde_json::from_slice(&line).unwrap();
            let front = Parsed::at_front(&line);
            // Only a text with something escaped in it is left to a general parser.
            prop_assert_eq!(front.is_none(), key.contains(['"', '\\', '\u{1}']));
            prop_assert_eq!(PlanEntry::read(&line).unwrap(), PlanEntry::from(whole));
        }
    }

    #[test]
    fn a_line_that_is_no_item_has_no_brief() {
        for line in [
            r#"{"resource":"portal-link","op":"paint","x":0}"#,
            "{",
            "",
            "[]",
        ] {
            assert!(PlanEntry::read(line.as_bytes()).is_err(), "{line}");
        }
    }
}
