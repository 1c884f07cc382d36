//! Readings for the deletes of an undo: the object, and the listings of what refers to it.
//!
//! An undo deletes an object only while nothing refers to it. The readings are made at the same time, so that all are
//! fresh when the delete goes. The age of the oldest one counts.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::super::call::{Call, Purpose, target};
use super::super::listing::{ListingReader, PageRead};
use super::pages;
use super::step::{Judged, Steps};
use crate::item::{Change, Item, ItemNumber, Referrer, referred_to};
use crate::resource::Scope;
use crate::wire::{Failure, Id, Object};

/// The number of times in a row that the readings may be too old when the last of them comes in. A read quota of a few
/// calls in a long time never lets both be fresh.
const LATE_ROUNDS: u32 = 8;

/// The readings of objects that others may refer to.
#[derive(Debug)]
pub(super) struct Referrers {
    freshness: Duration,
    under_way: HashMap<ItemNumber, Round>,
    /// The number of rounds in a row that were too late.
    late: HashMap<ItemNumber, u32>,
}

/// The readings for one delete.
#[derive(Debug)]
struct Round {
    id: Id,
    /// The object that is to be deleted, by the name that all runs give it.
    name: Option<String>,
    object: Option<(Item<'static>, Object)>,
    /// The number of listings that are not complete.
    listings: usize,
    found: Vec<Referrer>,
    failure: Option<Failure>,
    /// The instant from which on the age of the oldest reading counts.
    read_at: Option<Instant>,
}

/// An item and all that was read for its change.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) item: Item<'static>,
    pub(super) live: Object,
    /// The instant from which on the age of the oldest reading counts.
    pub(super) read_at: Instant,
    /// The reason to leave the object alone, if other objects refer to it.
    pub(super) kept: Option<Failure>,
    /// The reason why nobody knows what refers to the object.
    pub(super) unknown: Option<Failure>,
}

impl Referrers {
    pub(super) fn new(freshness: Duration) -> Self {
        Self {
            freshness,
            under_way: HashMap::new(),
            late: HashMap::new(),
        }
    }

    /// Begins the listings for a delete whose object is about to be read.
    pub(super) fn begin(&mut self, call: &Call, now: Instant) -> Steps {
        let Call::DeleteOne(item) = call else {
            return Vec::new();
        };
        let Some(id) = guarded(item) else {
            return Vec::new();
        };
        let scopes = Scope::referring_to(item.resource, &id, item.microtenant.as_ref());
        if scopes.is_empty() {
            return Vec::new();
        }
        let round = Round {
            id,
            name: call.object(),
            object: None,
            listings: scopes.len(),
            found: Vec::new(),
            failure: None,
            read_at: None,
        };
        self.under_way.insert(item.item, round);
        let listing = |scope| {
            let reader = ListingReader::new(scope, now);
            pages::begin(Purpose::Referrers(item.item), reader)
        };
        scopes.into_iter().map(listing).collect()
    }

    /// Returns the objects for which is being read.
    pub(super) fn objects(&self) -> impl Iterator<Item = String> {
        self.under_way
            .values()
            .filter_map(|round| round.name.clone())
    }

    /// Forgets what was read for an item whose object could not be.
    pub(super) fn forget(&mut self, item: &Item<'_>) {
        self.under_way.remove(&item.item);
    }

    /// Takes in the object that an item changes. Returns what was seen, once all was read.
    pub(super) fn object(
        &mut self,
        item: Item<'static>,
        live: Object,
        read_at: Instant,
        now: Instant,
    ) -> Option<Seen> {
        let number = item.item;
        let Some(round) = self.under_way.get_mut(&number) else {
            return Some(Seen {
                item,
                live,
                read_at,
                kept: None,
                unknown: None,
            });
        };
        round.object = Some((item, live));
        round.read(read_at);
        self.complete(number, now)
    }

    /// Takes in a page of a listing. Returns what was seen, once all was read. The listing may still show `deleted` objects.
    ///
    /// # Errors
    /// The listing, if another page of it is to be read.
    pub(super) fn page(
        &mut self,
        number: ItemNumber,
        mut reader: Box<ListingReader>,
        judged: Judged<'_>,
        deleted: &HashSet<Id>,
    ) -> Result<Option<Seen>, Box<ListingReader>> {
        let (now, read_at) = (judged.now, judged.read_at);
        // The age of a listing of several pages is that of the first.
        let read_at = if reader.spans_pages() {
            read_at.min(reader.begun)
        } else {
            read_at
        };
        let taken = pages::take(&mut reader, judged);
        if let Ok(PageRead::More(_)) = taken {
            return Err(reader);
        }
        if let Some(round) = self.under_way.get_mut(&number) {
            round.listings = round.listings.saturating_sub(1);
            round.read(read_at);
            match taken {
                Ok(_) => {
                    reader.leave_out(deleted);
                    round.note(&reader);
                }
                Err(failure) => round.failure = Some(failure),
            }
        }
        Ok(self.complete(number, now))
    }

    fn complete(&mut self, number: ItemNumber, now: Instant) -> Option<Seen> {
        let round = self.under_way.get(&number)?;
        if round.listings > 0 || round.object.is_none() {
            return None;
        }
        let round = self.under_way.remove(&number)?;
        let (item, live) = round.object?;
        let read_at = round.read_at.unwrap_or(now);
        let late = self.is_late(number, now.saturating_duration_since(read_at));
        Some(Seen {
            item,
            live,
            read_at,
            kept: referred_to(&round.found),
            unknown: round.failure.or(late),
        })
    }

    /// Counts rounds that are too old already, or nearly. Returns the reason to give up, if there were too many in a row.
    fn is_late(&mut self, number: ItemNumber, age: Duration) -> Option<Failure> {
        if age <= self.freshness / 10 * 9 {
            self.late.remove(&number);
            return None;
        }
        let late = self.late.entry(number).or_default();
        *late += 1;
        (*late >= LATE_ROUNDS).then(|| {
            Failure::new(
                "the object and what refers to it could not both be read within --freshness; it is left alone",
            )
        })
    }
}

impl Round {
    fn read(&mut self, read_at: Instant) {
        self.read_at = Some(self.read_at.map_or(read_at, |other| other.min(read_at)));
    }

    /// Notes the objects of a listing that refer to the one to be deleted.
    fn note(&mut self, listing: &ListingReader) {
        let scope = &listing.scope;
        let objects = listing.objects.iter();
        let referring = objects.filter(|object| scope.refers_to(object, &self.id));
        self.found
            .extend(referring.map(|object| Referrer::of(scope.kind, object)));
    }
}

/// Returns the id of an object that is deleted only if nothing refers to it.
fn guarded(item: &Item<'_>) -> Option<Id> {
    let deletes = matches!(item.change, Change::Delete { .. });
    target(item).filter(|_| deletes && item.undo.is_some())
}
