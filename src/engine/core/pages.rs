//! What is read page by page: the tenant before a run is planned, and the looks at what is in doubt.

use std::time::Instant;

use super::super::call::{Call, Purpose};
use super::super::listing::{ListingReader, Step};
use super::super::outcomes::failure_of;
use super::super::settings::End;
use super::Core;
use crate::plan::{self, Snapshot};
use crate::resource::Scope;
use crate::retry::Verdict;
use crate::wire::{Answer, Failure, Id};

impl Core {
    /// Begins to read all objects of that scope, for [`Core::take_snapshot`].
    pub(in super::super) fn list(&mut self, scope: Scope, now: Instant) {
        self.begin_listing(Purpose::Snapshot, ListingReader::new(scope, now));
    }

    /// Begins to read the object with that id, for [`Core::take_snapshot`].
    pub(in super::super) fn read(&mut self, scope: Scope, id: Id, now: Instant) {
        self.begin_listing(Purpose::Snapshot, ListingReader::of_one(scope, id, now));
    }

    /// What was read so far.
    pub(in super::super) fn take_snapshot(&mut self) -> Snapshot {
        std::mem::take(&mut self.snapshot)
    }

    pub(super) fn begin_listing(&mut self, purpose: Purpose, listing: ListingReader) {
        let call = Call::Page(purpose, Box::new(listing));
        self.submit(call, purpose == Purpose::Lookup);
    }

    pub(super) fn page_judged(
        &mut self,
        purpose: Purpose,
        mut listing: Box<ListingReader>,
        verdict: Verdict,
        answer: Option<&Answer>,
        now: Instant,
    ) {
        let step = match verdict {
            Verdict::Success => answer.map_or(Step::Unusable("there is no answer"), |answer| {
                listing.take_answer(answer, now)
            }),
            Verdict::Absent(_) if listing.may_be_absent() => Step::Complete,
            verdict => {
                let failure = failure_of(verdict);
                return self.stop(End::Unreadable(listing.scope.kind, failure));
            }
        };
        match step {
            Step::Next(_) => {
                self.submit(Call::Page(purpose, listing), true);
            }
            Step::Unusable(reason) => {
                self.stop(End::Unreadable(listing.scope.kind, Failure::new(reason)));
            }
            Step::Complete if purpose == Purpose::Snapshot => {
                self.snapshot.listings.push(plan::Listing {
                    scope: listing.scope,
                    objects: listing.objects,
                });
            }
            Step::Complete => self.looked(&listing, now),
        }
    }
}
