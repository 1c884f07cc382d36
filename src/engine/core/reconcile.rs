//! What becomes of items in doubt: looking at the tenant, adopting what is there, sending again what is not.

use std::time::Instant;

use super::super::call::{CallId, Purpose};
use super::super::listing::ListingReader;
use super::super::outcomes::{failed, outcome};
use super::super::unresolved::{Lookup, Match, Reason, Unresolved};
use super::Core;
use crate::item::{Event, Item, Status};
use crate::plan::conflict;
use crate::resource::Scope;
use crate::wire::{Failure, Id};

impl Core {
    /// One look a scope at a time; it answers every doubt that was due when it began.
    pub(super) fn begin_looks(&mut self, now: Instant) {
        if self.end.is_some() {
            return;
        }
        let mut wanted: Vec<Scope> = Vec::new();
        for scope in self
            .unresolved
            .iter()
            .filter(|d| d.due <= now)
            .filter_map(Unresolved::scope)
        {
            let mut calls = self.dispatcher.calls();
            if !wanted.contains(&scope) && !calls.any(|call| call.lists(&scope)) {
                wanted.push(scope);
            }
        }
        for scope in wanted {
            self.begin_listing(Purpose::Lookup, ListingReader::new(scope, now));
        }
    }

    /// Settles the doubts that this listing answers.
    pub(super) fn looked(&mut self, listing: &ListingReader, now: Instant) {
        let look = Lookup::new(listing.scope.kind, &listing.objects);
        let scope = Some(&listing.scope);
        let unresolved = std::mem::take(&mut self.unresolved);
        for unresolved in unresolved {
            if unresolved.scope().as_ref() == scope && unresolved.due <= listing.begun {
                if unresolved.reason.is_removal() {
                    self.resolve_removal(unresolved, &look, now);
                } else {
                    self.resolve(unresolved, &look, listing.begun);
                }
            } else {
                self.unresolved.push(unresolved);
            }
        }
    }

    fn resolve(&mut self, unresolved: Unresolved, look: &Lookup<'_>, seen: Instant) {
        let mut absent = Vec::new();
        let mut outcomes = Vec::new();
        let mut reason = unresolved.reason;
        for item in unresolved.items {
            let (id, alike) = match look.find(&item) {
                Match::Found(id) => (id, false),
                Match::Alike(id) if !self.is_anothers(&item, &id, &reason) => (id, true),
                Match::Alike(id) | Match::Conflict(id) => {
                    outcomes.push(failed(&item, conflict(&item, &id)));
                    continue;
                }
                Match::Absent => {
                    absent.push(item);
                    continue;
                }
            };
            self.keeps_names = true;
            if let Reason::Unconfirmed { in_part, .. } = &mut reason {
                *in_part = true;
            }
            let status = self.found_status(&item, &id, &reason);
            let mut found = outcome(&item, status, Some(id));
            if status == Status::Recovered {
                found.failure = self.unproven(&item, &reason, alike);
            }
            outcomes.push(found);
        }
        self.append_outcomes(outcomes);
        if !absent.is_empty() {
            let renamed = !self.keeps_names && absent.iter().any(|item| look.may_hold(item));
            self.absent(unresolved.call, absent, reason, seen, renamed);
        }
    }

    /// What is there though the only call that could have created it was refused may be another's, who was quicker; so
    /// may what is not in all as it was sent.
    fn unproven(&self, item: &Item<'_>, reason: &Reason, alike: bool) -> Option<Failure> {
        let refused = matches!(reason, Reason::Rejected(_) | Reason::Refused(_));
        let only = self.ledger.attempts(item.item) <= 1;
        if refused && only {
            let reason = "it is there though its call was refused; another may have created it";
            return Some(Failure::new(reason));
        }
        if self.ledger.is_presumed(item.item) {
            let reason = "it is there and the journal, which lost records, knows of no call for it; another may have created it";
            return Some(Failure::new(reason));
        }
        alike.then(|| {
            Failure::new(
                "it is there with other values than were sent; another may have created or changed it",
            )
        })
    }

    /// What another run has created is not this one's, nor what is there when the server says so to the first attempt.
    fn is_anothers(&self, item: &Item<'_>, id: &Id, reason: &Reason) -> bool {
        let first = self.ledger.attempts(item.item) <= 1;
        self.created_by_others.contains(id) || (first && matches!(reason, Reason::Exists(_)))
    }

    fn found_status(&self, item: &Item<'_>, id: &Id, reason: &Reason) -> Status {
        match reason {
            _ if self.is_anothers(item, id, reason) => Status::Unchanged,
            Reason::Unconfirmed { .. } => Status::Created,
            _ => Status::Recovered,
        }
    }

    /// Goes on with items of whose names there is nothing; some may be there under others if `renamed`.
    fn absent(
        &mut self,
        call: CallId,
        items: Vec<Item<'static>>,
        reason: Reason,
        seen: Instant,
        renamed: bool,
    ) {
        match reason {
            Reason::Lost(_, until) | Reason::Unconfirmed { until, .. } if seen < until => {
                self.unresolved.push(Unresolved {
                    call,
                    items,
                    reason,
                    due: until,
                });
            }
            Reason::Lost(failure, _) => self.send_again(items, &failure),
            Reason::Unconfirmed { in_part, .. } => {
                let failure = Failure::new(
                    "the server reported success, and nothing of this name is there; look at the \
                     tenant before applying it again",
                );
                if renamed {
                    self.fail_all(&items, &failure);
                } else {
                    self.send_left_out(items, in_part, &failure);
                }
            }
            Reason::Exists(failure) | Reason::Refused(failure) => self.fail_all(&items, &failure),
            Reason::Rejected(_) => {
                let numbers = items.iter().map(|item| item.item).collect();
                self.append(Event::Void {
                    call,
                    items: numbers,
                });
                self.send_parts(items);
            }
            // Settled by their own rules.
            Reason::Due
            | Reason::Removed
            | Reason::RemovalLost(_)
            | Reason::RemovalRejected(_)
            | Reason::RemovalRefused(_) => {}
        }
    }
}
