//! Calls: the subject of each, and the request that carries it out.
//!
//! A call that changes something knows its items, so that its intent can be written down before it is sent. Nothing
//! here decides when a call goes or what its answer means.

use std::slice::from_ref;
use std::sync::Arc;

use super::listing::ListingReader;
use super::merge::Merge;
pub(super) use crate::item::CallId;
use crate::item::{Change, Event, Item, ItemNumber, Outcome};
use crate::resource::Scope;
use crate::wire::{Fields, Id, Method, Request};

/// The beginning of the name of all objects among which some are deleted together.
const ALL: &str = "all ";

pub(super) type Batch = Vec<Item<'static>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To plan a run.
    Snapshot,
    /// To find out what has become of items.
    Lookup,
    /// To find the objects that refer to the one that this item deletes.
    Referrers(ItemNumber),
}

#[derive(Debug)]
pub(super) enum Call {
    /// Creates these together.
    Create(Batch),
    /// Reads the object that this item changes.
    Read(Item<'static>),
    /// Writes the object that was read, with the item's fields in it. There is no request until it was read.
    Put(Item<'static>, Option<Box<Request>>),
    /// Reads the object of an item once more. Unless the object is as asked, this is the item's outcome.
    Check(Item<'static>, Outcome),
    /// Deletes the object that was read.
    DeleteOne(Item<'static>),
    /// Deletes these together. They were listed before and are looked up afterwards.
    Delete(Batch),
    /// Reads the list that these items belong to.
    ReadList(Box<Merge>),
    /// Writes that list. There is no request until it was read.
    WriteList(Box<Merge>, Option<Box<Request>>),
    /// Reads the next page of a listing.
    Page(Purpose, Box<ListingReader>),
}

impl Call {
    pub(super) fn method(&self) -> Method {
        match self {
            Self::Create(_) | Self::WriteList(..) => Method::Post,
            Self::Read(_) | Self::Check(..) | Self::Page(..) | Self::ReadList(_) => Method::Get,
            Self::Put(..) => Method::Put,
            Self::Delete(items) if items.len() > 1 => Method::Post,
            Self::Delete(_) | Self::DeleteOne(_) => Method::Delete,
        }
    }

    /// The items that the call changes; none for a call that only reads.
    pub(super) fn items(&self) -> Vec<ItemNumber> {
        match self {
            Self::Create(items) | Self::Delete(items) => numbers(items),
            Self::WriteList(merge, _) => numbers(merge.items()),
            Self::Put(item, _) | Self::DeleteOne(item) => vec![item.item],
            Self::Read(_) | Self::Check(..) | Self::Page(..) | Self::ReadList(_) => Vec::new(),
        }
    }

    /// The object or list that the call reads or changes, by the name that all runs give it. Objects that are deleted
    /// together have one name, since a group of them keeps some. `None` if the call depends on no reading.
    pub(super) fn object(&self) -> Option<String> {
        match self {
            Self::Delete(items) => group_of(items),
            Self::Check(item, _) if is_of_group(item) => group_of(from_ref(item)),
            Self::Read(item)
            | Self::Check(item, _)
            | Self::Put(item, _)
            | Self::DeleteOne(item) => object_of(item),
            Self::ReadList(merge) | Self::WriteList(merge, _) => Some(format!(
                "list {}",
                merge.items().first()?.scope().shared_name()
            )),
            Self::Create(_) | Self::Page(..) => None,
        }
    }

    /// The event that the call was certainly not executed; none for a call that only reads.
    pub(super) fn void(&self, id: CallId) -> Option<Event> {
        let items = self.items();
        (!items.is_empty()).then_some(Event::Void { call: id, items })
    }

    /// Returns true if the call reads what another call is to change or has changed.
    pub(super) fn is_reading(&self) -> bool {
        matches!(self, Self::Read(_) | Self::ReadList(_))
    }

    /// Returns true if the call depends on a reading, which has to be fresh when the call is sent.
    pub(super) fn is_read_first(&self) -> bool {
        matches!(
            self,
            Self::Put(..) | Self::DeleteOne(_) | Self::Delete(_) | Self::WriteList(..)
        )
    }

    /// Returns the same call without what was read for it.
    pub(super) fn unread(self) -> Self {
        match self {
            Self::Put(item, _) => Self::Put(item, None),
            Self::WriteList(mut merge, _) => {
                merge.forget_write();
                Self::WriteList(merge, None)
            }
            other => other,
        }
    }

    /// Returns true if the call may free room under the tenant's limits, or a name.
    pub(super) fn may_free(&self) -> bool {
        matches!(
            self,
            Self::Read(_)
                | Self::Put(..)
                | Self::DeleteOne(_)
                | Self::Check(..)
                | Self::Delete(_)
                | Self::Page(Purpose::Referrers(_), _)
        )
    }

    /// Returns true if the call overwrites or deletes objects that exist.
    pub(super) fn changes_objects(&self) -> bool {
        matches!(self, Self::Put(..) | Self::DeleteOne(_) | Self::Delete(_))
    }

    /// Returns true if the call deletes objects of which a group keeps some, or reads one that was deleted and that a
    /// listing may still show.
    pub(super) fn deletes_from_groups(&self) -> bool {
        match self {
            Self::Delete(_) => true,
            Self::Check(item, _) => is_of_group(item),
            _ => false,
        }
    }

    pub(super) fn creates(&self) -> bool {
        matches!(self, Self::Create(_))
    }

    pub(super) fn creates_more_than(&self, most: usize) -> bool {
        matches!(self, Self::Create(items) if items.len() > most)
    }

    pub(super) fn lists(&self, scope: &Scope) -> bool {
        matches!(self, Self::Page(_, reader) if reader.scope == *scope)
    }

    /// Returns true if writes would move the rows that the call is to read from one page to another.
    pub(super) fn is_moved_by_writes(&self) -> bool {
        matches!(self, Self::Page(Purpose::Lookup, reader) if reader.spans_pages())
    }

    pub(super) fn request(&self) -> Option<Request> {
        self.request_for(usize::MAX)
    }

    /// The endpoint of the call. A request for two of its items shows it at less cost than the whole.
    pub(super) fn endpoint(&self) -> Arc<str> {
        let request = self.request_for(2);
        request.map_or_else(Arc::default, |request| request.endpoint().into())
    }

    fn request_for(&self, most: usize) -> Option<Request> {
        match self {
            Self::Create(items) => {
                let first = items.first()?;
                let bodies = items.iter().take(most).filter_map(body_of);
                let bodies: Vec<&Fields<'_>> = bodies.collect();
                Some(first.resource.create(&bodies, first.microtenant.clone()))
            }
            // The same path, which is all that the endpoint needs.
            Self::Read(item) | Self::Check(item, _) | Self::Put(item, None) => {
                Some(item.resource.read(&target(item)?, item.microtenant.clone()))
            }
            Self::Put(_, Some(request)) | Self::WriteList(_, Some(request)) => {
                Some((**request).clone())
            }
            Self::WriteList(merge, None) => {
                Some(merge.items().first()?.scope().write_list(Vec::new()))
            }
            Self::DeleteOne(item) => delete(from_ref(item)),
            Self::Delete(items) => delete(items.get(..items.len().min(most))?),
            Self::ReadList(merge) => Some(merge.items().first()?.scope().list_page(1)),
            Self::Page(_, reader) => Some(reader.request()),
        }
    }
}

pub(super) fn numbers(items: &[Item<'_>]) -> Vec<ItemNumber> {
    items.iter().map(|item| item.item).collect()
}

/// The object of an item, by the name that all runs give it.
pub(super) fn object_of(item: &Item<'_>) -> Option<String> {
    Some(format!("{} {}", item.resource.name(), target(item)?))
}

/// Tells whether the item deletes an object of which a group keeps some.
pub(super) fn is_of_group(item: &Item<'_>) -> bool {
    item.resource.bulk_delete().is_some() && matches!(item.change, Change::Delete { .. })
}

/// All objects among which some are deleted together, by the name that all runs give them.
pub(super) fn group_of(items: &[Item<'_>]) -> Option<String> {
    Some(format!("{ALL}{}", items.first()?.scope().shared_name()))
}

/// Tells whether a name is that of all objects among which some are deleted together.
pub(super) fn is_group(name: &str) -> bool {
    name.starts_with(ALL)
}

fn delete(items: &[Item<'_>]) -> Option<Request> {
    let first = items.first()?;
    let (kind, microtenant) = (first.resource, first.microtenant.clone());
    match items {
        [item] => Some(kind.delete(&target(item)?, microtenant)),
        items => {
            let ids: Vec<Id> = items.iter().filter_map(target).collect();
            kind.delete_all(&ids, microtenant)
        }
    }
}

fn body_of<'i>(item: &'i Item<'static>) -> Option<&'i Fields<'static>> {
    match &item.change {
        Change::Create { body, .. } => Some(body),
        _ => None,
    }
}

/// The id of the object that the item changes, for an object that exists.
pub(super) fn target(item: &Item<'_>) -> Option<Id> {
    match &item.change {
        Change::Update { id, .. } | Change::Delete { id, .. } => {
            Some(id.clone()).filter(|id| !id.is_none())
        }
        _ => None,
    }
}
