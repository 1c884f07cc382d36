//! What becomes of items in doubt: looking at the tenant, adopting what is there, sending again what is not.

use std::time::Instant;

use super::super::dispatch::CallId;
use super::super::doubt::{Doubt, Look, Sight, Why};
use super::super::job::{failed, outcome};
use super::super::listing::Listing;
use super::{Core, Purpose};
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
            .doubts
            .iter()
            .filter(|d| d.due <= now)
            .filter_map(Doubt::scope)
        {
            let mut running = self.listings.values().map(|(_, listing)| &listing.scope);
            if !wanted.contains(&scope) && !running.any(|other| *other == scope) {
                wanted.push(scope);
            }
        }
        for scope in wanted {
            self.begin_listing(Purpose::Look, Listing::new(scope, now));
        }
    }

    /// Settles the doubts that this listing answers.
    pub(super) fn looked(&mut self, listing: &Listing, now: Instant) {
        let look = Look::new(listing.scope.kind, &listing.objects);
        let scope = Some(&listing.scope);
        let doubts = std::mem::take(&mut self.doubts);
        for doubt in doubts {
            if doubt.scope().as_ref() == scope && doubt.due <= listing.begun {
                if doubt.why.is_removal() {
                    self.resolve_removal(doubt, &look, now);
                } else {
                    self.resolve(doubt, &look, listing.begun);
                }
            } else {
                self.doubts.push(doubt);
            }
        }
    }

    fn resolve(&mut self, doubt: Doubt, look: &Look<'_>, seen: Instant) {
        let mut absent = Vec::new();
        let mut outcomes = Vec::new();
        let mut why = doubt.why;
        for item in doubt.items {
            let (id, alike) = match look.find(&item) {
                Sight::Found(id) => (id, false),
                Sight::Alike(id) if !self.is_anothers(&item, &id, &why) => (id, true),
                Sight::Alike(id) | Sight::Conflict(id) => {
                    outcomes.push(failed(&item, conflict(&item, &id)));
                    continue;
                }
                Sight::Absent => {
                    absent.push(item);
                    continue;
                }
            };
            self.keeps_names = true;
            if let Why::Unconfirmed { in_part, .. } = &mut why {
                *in_part = true;
            }
            let status = self.found_status(&item, &id, &why);
            let mut found = outcome(&item, status, Some(id));
            if status == Status::Recovered {
                found.failure = self.unproven(&item, &why, alike);
            }
            outcomes.push(found);
        }
        self.append_outcomes(outcomes);
        if !absent.is_empty() {
            let renamed = !self.keeps_names && absent.iter().any(|item| look.may_hold(item));
            self.absent(doubt.call, absent, why, seen, renamed);
        }
    }

    /// What is there though the only call that could have created it was refused may be another's, who was quicker; so
    /// may what is not in all as it was sent.
    fn unproven(&self, item: &Item<'_>, why: &Why, alike: bool) -> Option<Failure> {
        let refused = matches!(why, Why::Rejected(_) | Why::Refused(_));
        let only = self.ledger.attempts(item.item) <= 1;
        if refused && only {
            let why = "it is there though its call was refused; another may have created it";
            return Some(Failure::new(why));
        }
        if self.ledger.is_presumed(item.item) {
            let why = "it is there and the journal, which lost records, knows of no call for it; another may have created it";
            return Some(Failure::new(why));
        }
        alike.then(|| {
            Failure::new(
                "it is there with other values than were sent; another may have created or changed it",
            )
        })
    }

    /// What another run has created is not this one's, nor what is there when the server says so to the first attempt.
    fn is_anothers(&self, item: &Item<'_>, id: &Id, why: &Why) -> bool {
        let first = self.ledger.attempts(item.item) <= 1;
        self.foreign.contains(id) || (first && matches!(why, Why::Exists(_)))
    }

    fn found_status(&self, item: &Item<'_>, id: &Id, why: &Why) -> Status {
        match why {
            _ if self.is_anothers(item, id, why) => Status::Unchanged,
            Why::Unconfirmed { .. } => Status::Created,
            _ => Status::Recovered,
        }
    }

    /// Goes on with items of whose names there is nothing; some may be there under others if `renamed`.
    fn absent(
        &mut self,
        call: CallId,
        items: Vec<Item<'static>>,
        why: Why,
        seen: Instant,
        renamed: bool,
    ) {
        match why {
            Why::Lost(_, until) | Why::Unconfirmed { until, .. } if seen < until => {
                self.doubts.push(Doubt {
                    call,
                    items,
                    why,
                    due: until,
                });
            }
            Why::Lost(failure, _) => self.send_again(items, &failure),
            Why::Unconfirmed { in_part, .. } => {
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
            Why::Exists(failure) | Why::Refused(failure) => self.fail_all(&items, &failure),
            Why::Rejected(_) => {
                let numbers = items.iter().map(|item| item.item).collect();
                self.append(Event::Void {
                    call,
                    items: numbers,
                });
                self.send_parts(items);
            }
            // Settled by their own rules.
            Why::Due
            | Why::Removed
            | Why::RemovalLost(_)
            | Why::RemovalRejected(_)
            | Why::RemovalRefused(_) => {}
        }
    }
}
