//! What is kept in memory of every item of a plan.

use foldhash::{HashMap, HashMapExt};
use serde::Deserialize;

use crate::model::{ItemNumber, Status, index};
use crate::plan::Way;
use crate::resource::{Kind, Shape};

/// As much of an item as is kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(from = "Parsed")]
pub struct Brief {
    /// How it is carried out.
    pub way: Way,
    /// The group of items with which it may share a call.
    pub group: Option<u32>,
    /// How it has ended already, if nothing is to be done for it.
    pub ended: Option<Status>,
    /// Whether it deletes what others may refer to.
    pub(super) late: bool,
}

/// What a [`Brief`] is made from.
#[derive(Deserialize)]
struct Parsed {
    op: Op,
    resource: Kind,
    group: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Create,
    Update,
    Delete,
    Unchanged,
    Spared,
    Error,
}

impl From<Parsed> for Brief {
    fn from(parsed: Parsed) -> Self {
        let list = parsed.resource.shape() == Shape::List;
        let (way, ended) = match parsed.op {
            Op::Unchanged => (Way::Nothing, Some(Status::Unchanged)),
            Op::Spared => (Way::Nothing, Some(Status::Spared)),
            Op::Error => (Way::Nothing, Some(Status::Failed)),
            _ if list => (Way::Merge, None),
            Op::Create => (Way::Create, None),
            Op::Update => (Way::Update, None),
            Op::Delete => (Way::Delete, None),
        };
        Self {
            way,
            group: parsed.group,
            late: way == Way::Delete && parsed.resource.is_referred_to(),
            ended,
        }
    }
}

/// The briefs of all items: four bytes each, and each that differs from all others once.
#[derive(Debug)]
pub(super) struct Briefs {
    distinct: Vec<Brief>,
    places: HashMap<Brief, u32>,
    items: Vec<u32>,
}

impl Briefs {
    pub(super) fn new() -> Self {
        Self {
            distinct: Vec::new(),
            places: HashMap::new(),
            items: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, brief: Brief) {
        let next = u32::try_from(self.distinct.len()).unwrap_or(u32::MAX);
        let place = *self.places.entry(brief).or_insert(next);
        if place == next {
            self.distinct.push(brief);
        }
        self.items.push(place);
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn of(&self, item: ItemNumber) -> Option<Brief> {
        let place = self.items.get(index(item))?;
        self.distinct.get(index(*place)).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ItemNumber, Brief)> {
        let briefs = self.items.iter();
        (0..).zip(briefs.filter_map(|place| self.distinct.get(index(*place)).copied()))
    }
}
