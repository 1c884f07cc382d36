//! Lookups: one listing of a scope tells what has become of all unresolved items that were due when it began.

use std::time::Instant;

use super::super::call::Purpose;
use super::super::listing::ListingReader;
use super::super::lookup::Lookup;
use super::super::unresolved::{Reason, Unresolved};
use super::step::Steps;
use super::{Core, changes, pages, removals, waves};
use crate::resource::Scope;

impl Core {
    /// Lists every scope of which items are unresolved, one listing a scope at a time.
    pub(super) fn begin_lookups(&mut self, now: Instant) {
        if self.end.is_some() {
            return;
        }
        let is_listed = |scope: &Scope| self.dispatcher.calls().any(|call| call.lists(scope));
        for scope in self.reconciliation.scopes(now, is_listed) {
            let reader = ListingReader::new(scope, now);
            self.carry(pages::begin(Purpose::Lookup, reader), now);
        }
    }

    /// Takes in that listings lag behind. All lookups that are due begin later.
    pub(super) fn lags(&mut self) {
        if self.lag.see() {
            self.reconciliation.put_off(self.lag.longest());
        }
    }

    /// Resolves the items for which this listing answers.
    pub(super) fn looked_up(&mut self, mut listing: ListingReader, read_at: Instant, now: Instant) {
        if self.lag.is_behind(&listing, &self.deleted) {
            self.lags();
        }
        listing.leave_out(&self.deleted);
        let lookup = Lookup::new(listing.scope.kind, &listing.objects);
        for unresolved in self.reconciliation.take_all() {
            if unresolved.is_answered_by(&listing) {
                if listing.spans_pages() && matches!(unresolved.reason, Reason::Read(_)) {
                    self.dispatcher.read_each("the listing has several pages");
                }
                let steps = self.resolve(unresolved, &lookup, listing.begun, read_at);
                self.carry_all(steps, now);
            } else {
                self.reconciliation.keep(unresolved);
            }
        }
    }

    fn resolve(
        &mut self,
        unresolved: Unresolved,
        lookup: &Lookup<'_>,
        seen: Instant,
        read_at: Instant,
    ) -> Steps {
        let Unresolved { call, items, .. } = unresolved;
        let (keep, attempts) = (self.settings.keep_per_group, &self.attempts);
        match unresolved.reason {
            Reason::Create(reason) => self
                .creates
                .resolve(call, items, reason, lookup, seen, attempts),
            Reason::Change => changes::resolve(items, lookup, attempts),
            Reason::Read(witness) => {
                let steps = changes::listed(items, &witness, lookup, attempts);
                steps.unwrap_or_else(|items| {
                    let why = "a listing does not show what was just written";
                    self.dispatcher.read_each(why);
                    waves::read_each(items)
                })
            }
            Reason::Delete(reason) => {
                let seen = removals::Seen {
                    lookup,
                    begun: seen,
                    read_at,
                    keep_per_group: keep,
                    unanswered: &self.unanswered,
                };
                removals::resolve(call, items, reason, &seen, attempts)
            }
        }
    }
}
