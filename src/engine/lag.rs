//! Lag: for some seconds after a change, the listings of a tenant may still show the state before it.
//!
//! Read after write was seen to work at once, so nothing waits by default. A listing that contradicts what the server
//! has confirmed is read again. Once a listing was behind, all listings of the run get the longest lag as their time.
//!
//! Pure: time comes in.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use super::listing::ListingReader;
use crate::resource::Scope;
use crate::wire::Id;

/// The longest time for which a listing is taken to lag behind.
pub(super) const LONGEST: Duration = Duration::from_secs(10);

/// The time after which a listing is read again the first time. Each later reading is made at twice the age.
const FIRST: Duration = Duration::from_secs(1);

/// Returns when to read again what was confirmed at `confirmed` and is not in a listing that began at `read`. `None` once
/// no listing can be so far behind.
pub(super) fn read_again_at(confirmed: Instant, read: Instant) -> Option<Instant> {
    let age = read.saturating_duration_since(confirmed);
    let next = (2 * age).clamp(FIRST, LONGEST);
    (age < LONGEST).then(|| confirmed + next)
}

/// An object of which the server has confirmed at that instant that it is there.
#[derive(Debug)]
struct Confirmed(Instant, Scope, Id);

/// The lag of a tenant's listings, as far as this run has seen it.
#[derive(Debug, Default)]
pub(super) struct Lag {
    /// Objects of which listings can tell that they are behind.
    confirmed: VecDeque<Confirmed>,
    was_seen: bool,
}

impl Lag {
    /// Returns the time for which a listing may be behind, as far as is known.
    pub(super) fn longest(&self) -> Duration {
        if self.was_seen {
            LONGEST
        } else {
            Duration::ZERO
        }
    }

    /// Notes an object of which the server says that it was created.
    pub(super) fn confirm(&mut self, scope: Scope, id: Id, now: Instant) {
        let is_old = |Confirmed(at, ..): &Confirmed| now.saturating_duration_since(*at) > LONGEST;
        while self.confirmed.front().is_some_and(is_old) {
            self.confirmed.pop_front();
        }
        self.confirmed.push_back(Confirmed(now, scope, id));
    }

    /// Notes that a listing was behind. Returns true the first time.
    pub(super) fn see(&mut self) -> bool {
        if !self.was_seen {
            tracing::warn!(
                "a listing of this tenant was behind; listings are read again after some seconds before they are believed"
            );
        }
        !std::mem::replace(&mut self.was_seen, true)
    }

    /// Returns true if the listing lacks an object that was confirmed before it began, and that is not one of `deleted`.
    pub(super) fn is_behind(&self, listing: &ListingReader, deleted: &HashSet<Id>) -> bool {
        let tells = |Confirmed(at, scope, id): &&Confirmed| {
            *at <= listing.begun && *scope == listing.scope && !deleted.contains(id)
        };
        let last = self.confirmed.iter().rev().find(tells);
        let has = |id: &Id| {
            listing
                .objects
                .iter()
                .any(|object| Id::of(object).as_ref() == Some(id))
        };
        last.is_some_and(|Confirmed(_, _, id)| !has(id))
    }
}
