//! What is read page by page: the tenant before a run is planned, and the looks at what is in doubt.

use std::time::Instant;

use super::super::job::{Job, failure_of};
use super::super::listing::{ListingReader, Step};
use super::super::settings::End;
use super::{Core, Purpose};
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
        let number = self.next_listing;
        self.next_listing += 1;
        self.listings.insert(number, (purpose, listing));
        self.submit(Job::Page(number), purpose == Purpose::Lookup);
    }

    pub(super) fn page_judged(
        &mut self,
        number: u32,
        verdict: Verdict,
        answer: Option<&Answer>,
        now: Instant,
    ) {
        let Some((purpose, mut listing)) = self.listings.remove(&number) else {
            return;
        };
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
                self.listings.insert(number, (purpose, listing));
                self.submit(Job::Page(number), true);
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
