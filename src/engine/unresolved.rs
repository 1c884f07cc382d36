//! Unresolved items: only a listing tells what has become of them. Finding it out is their reconciliation.
//!
//! Such items may have been created or deleted although nobody said so, or are listed before they are deleted
//! together.

use std::time::{Duration, Instant};

use super::call::{Batch, CallId, group_of, object_of};
use super::listing::ListingReader;
use super::witness::Witness;
use crate::item::Item;
use crate::resource::Scope;
use crate::wire::Failure;

/// The reason why items of one call are unresolved.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reason {
    Create(CreateReason),
    Delete(DeleteReason),
    /// The call that changes the one object of the item was sent and not answered.
    Change,
    /// Their objects are to be updated. This update shows how old the listing is.
    Read(Box<Witness>),
}

/// The reason why nobody knows whether items were created.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CreateReason {
    /// Their call was sent and no answer came. Until that instant it may still be carried out.
    Lost(Failure, Instant),
    /// Their call was answered at that instant with an error after which it may be repeated.
    Answered(Failure, Instant),
    /// The server reported success and did not mention them. They are sent again only if the server is known to keep
    /// names, or if no object there might be one of them under another name.
    Unconfirmed {
        /// The instant until which they may still appear. They are looked up once more then.
        until: Instant,
        /// True if any item of their call is known to have been created.
        in_part: bool,
    },
    /// Their call was refused as a whole because of some of them.
    Rejected(Failure),
    /// Their call was refused for the time being, perhaps by a gateway after it was carried out.
    Unavailable,
    /// Their call was refused for good at that instant. Some may have been created before that.
    Refused(Failure, Instant),
    /// The server said at that instant that the object exists.
    Exists(Failure, Instant),
}

impl CreateReason {
    /// The instant until which objects that are not there may still appear.
    pub(super) fn may_appear_until(&self) -> Option<Instant> {
        match self {
            Self::Lost(_, until) | Self::Unconfirmed { until, .. } => Some(*until),
            Self::Answered(..)
            | Self::Rejected(_)
            | Self::Unavailable
            | Self::Refused(..)
            | Self::Exists(..) => None,
        }
    }
}

/// The reason why items that are deleted together are listed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum DeleteReason {
    /// Their objects are to be deleted, if these still are as they were when that was decided.
    Due,
    /// The server said at that instant that it deleted them, of which there were several.
    Deleted(Instant),
    /// The server said that it deleted it, alone.
    DeletedAlone,
    /// Their call was sent and no answer came.
    Lost(Failure),
    /// Their call was refused as a whole because of some of them.
    Rejected(Failure),
    /// Their call was refused for the time being, perhaps by a gateway after it was carried out.
    Unavailable,
    /// Their call was refused for good. Some may have been deleted before that.
    Refused(Failure),
}

/// Items of one call that wait for a listing.
#[derive(Debug)]
pub(super) struct Unresolved {
    pub(super) call: CallId,
    pub(super) items: Batch,
    pub(super) reason: Reason,
    /// The listing must not begin before this instant, or it proves nothing.
    pub(super) due: Instant,
}

impl Unresolved {
    pub(super) fn scope(&self) -> Option<Scope> {
        self.items.first().map(Item::scope)
    }

    /// Returns true if a listing that is behind would mislead.
    fn depends_on_lag(&self) -> bool {
        match self.reason {
            Reason::Create(_) => true,
            Reason::Delete(ref reason) => *reason != DeleteReason::Due,
            // The object itself is read before the call is sent again, or the listing tells whether it is behind.
            Reason::Change | Reason::Read(_) => false,
        }
    }

    fn objects(&self) -> Vec<String> {
        match self.reason {
            Reason::Create(_) => Vec::new(),
            Reason::Delete(_) => group_of(&self.items).into_iter().collect(),
            Reason::Change | Reason::Read(_) => self.items.iter().filter_map(object_of).collect(),
        }
    }

    /// Waits so much longer for a listing, if one that is behind would mislead.
    pub(super) fn put_off(&mut self, wait: Duration) {
        if self.depends_on_lag() {
            self.due += wait;
        }
    }

    pub(super) fn is_answered_by(&self, listing: &ListingReader) -> bool {
        self.due <= listing.begun && self.scope().is_some_and(|scope| scope == listing.scope)
    }
}

/// The unresolved items of a run. One listing answers for all items of its scope that were due when it began.
#[derive(Debug, Default)]
pub(super) struct Reconciliation(Vec<Unresolved>);

impl Reconciliation {
    pub(super) fn keep(&mut self, unresolved: Unresolved) {
        self.0.push(unresolved);
    }

    /// Waits so much longer for the listings of all of them that one that is behind would mislead.
    pub(super) fn put_off(&mut self, wait: Duration) {
        for unresolved in &mut self.0 {
            unresolved.put_off(wait);
        }
    }

    /// The objects that may still be changed by calls of these items, or are listed before they are deleted.
    pub(super) fn objects(&self) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(Unresolved::objects)
    }

    /// Hands all of them out, for a listing.
    pub(super) fn take_all(&mut self) -> Vec<Unresolved> {
        std::mem::take(&mut self.0)
    }

    /// Returns the scopes to list at `now`, unless they are being listed already.
    pub(super) fn scopes(&self, now: Instant, is_listed: impl Fn(&Scope) -> bool) -> Vec<Scope> {
        let due = self.0.iter().filter(|unresolved| unresolved.due <= now);
        let mut scopes: Vec<Scope> = Vec::new();
        for scope in due.filter_map(Unresolved::scope) {
            if !scopes.contains(&scope) && !is_listed(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of updates whose objects are being listed.
    pub(super) fn reading(&self) -> usize {
        let is_read = |unresolved: &&Unresolved| matches!(unresolved.reason, Reason::Read(_));
        let read = self.0.iter().filter(is_read);
        read.map(|unresolved| unresolved.items.len()).sum()
    }

    /// The instants at which listings are due.
    pub(super) fn due(&self) -> impl Iterator<Item = Instant> {
        self.0.iter().map(|unresolved| unresolved.due)
    }

    /// Returns true if items are unresolved that may have freed room or a name.
    pub(super) fn may_free(&self) -> bool {
        let is_create = |unresolved: &Unresolved| matches!(unresolved.reason, Reason::Create(_));
        !self.0.iter().all(is_create)
    }

    pub(super) fn awaits_deletes(&self) -> bool {
        let is_delete = |unresolved: &Unresolved| matches!(unresolved.reason, Reason::Delete(_));
        self.0.iter().any(is_delete)
    }
}
