//! What becomes of items that are deleted together: read again just before, so that what has come back is
//! spared, and looked for afterwards, since the answer does not say which of them are gone.

use std::time::Instant;

use foldhash::HashMap;

use super::super::call::{Call, CallId, target};
use super::super::outcomes::{failed, failure_of, given_up, outcome, spared};
use super::super::unresolved::{Lookup, Reason, Unresolved};
use super::Core;
use crate::item::{Change, Event, Item, Outcome, Status};
use crate::retry::Verdict;
use crate::wire::{Failure, Object};

impl Core {
    /// Takes loaded items on that are to be deleted.
    pub(super) fn remove(&mut self, items: Vec<Item<'static>>, now: Instant) {
        if items.first().is_some_and(is_listed) {
            return self.look_before_deleting(items, now);
        }
        for item in items {
            self.read_first(item);
        }
    }

    /// Whether items that are deleted together are under way: the next ones are not read before these are gone.
    pub(super) fn is_removing(&self) -> bool {
        self.dispatcher.calls().any(Call::deletes_together)
            || self
                .unresolved
                .iter()
                .any(|unresolved| unresolved.reason.is_removal())
    }

    pub(super) fn delete_judged(
        &mut self,
        call: CallId,
        items: Vec<Item<'static>>,
        verdict: Verdict,
        now: Instant,
    ) {
        let reason = match verdict {
            Verdict::Success => Reason::Removed,
            verdict if items.len() == 1 => {
                for item in items {
                    self.delete_ended(item, verdict.clone(), now);
                }
                return;
            }
            Verdict::Ambiguous(failure) => Reason::RemovalLost(failure),
            Verdict::Rejected(failure) | Verdict::Absent(failure) | Verdict::Exists(failure) => {
                Reason::RemovalRejected(failure)
            }
            verdict => Reason::RemovalRefused(failure_of(verdict)),
        };
        self.doubt_removal(call, items, reason, now);
    }

    /// How the delete of one object has ended.
    pub(super) fn delete_ended(&mut self, item: Item<'static>, verdict: Verdict, now: Instant) {
        match verdict {
            // Gone before the first attempt: somebody else did it.
            Verdict::Absent(_) if self.ledger.attempts(item.item) <= 1 => {
                self.finish(&item, Status::Unchanged, target(&item));
            }
            Verdict::Success | Verdict::Absent(_) => {
                self.finish(&item, Status::Deleted, target(&item));
            }
            verdict => self.fail_if_so(item, failure_of(verdict), now),
        }
    }

    fn doubt_removal(
        &mut self,
        call: CallId,
        items: Vec<Item<'static>>,
        reason: Reason,
        due: Instant,
    ) {
        self.unresolved.push(Unresolved {
            call,
            items,
            reason,
            due,
        });
    }

    /// Settles what a look shows to be gone or to have come back, and goes on with the others.
    pub(super) fn resolve_removal(
        &mut self,
        unresolved: Unresolved,
        look: &Lookup<'_>,
        now: Instant,
    ) {
        let alone = unresolved.items.len() == 1;
        let mut groups = look.groups();
        let mut left = Vec::new();
        let mut outcomes = Vec::new();
        for item in unresolved.items {
            let Some(live) = target(&item).and_then(|id| look.by_id(&id)) else {
                outcomes.push(self.gone(&item));
                continue;
            };
            let barred = barred(&item, live);
            if let Some(ended) = barred.or_else(|| self.keeps_group(&item, live, &mut groups)) {
                outcomes.push(ended);
            } else {
                self.write_down(item.item, live);
                left.push(item);
            }
        }
        self.append_outcomes(outcomes);
        if left.is_empty() {
            return;
        }
        match unresolved.reason {
            Reason::Removed if alone => {
                let failure =
                    Failure::new("the server reported that it deleted it, and it is still there");
                self.fail_each(left, &failure, now);
            }
            // The server took the others and left these: each on its own says why.
            Reason::Removed => left
                .into_iter()
                .for_each(|item| self.submit(Call::Delete(vec![item]), true)),
            Reason::RemovalRefused(failure) => self.fail_each(left, &failure, now),
            Reason::RemovalLost(failure) => self.delete_again(left, &failure, now),
            Reason::RemovalRejected(_) => {
                let items = left.iter().map(|item| item.item).collect();
                let call = unresolved.call;
                self.append(Event::Void { call, items });
                let half = left.split_off(left.len().div_ceil(2));
                for items in [left, half] {
                    if !items.is_empty() {
                        self.submit(Call::Delete(items), true);
                    }
                }
            }
            _ => {
                let reason = Failure::new("it was never deleted");
                self.delete_again(left, &reason, now);
            }
        }
    }

    fn fail_each(&mut self, items: Vec<Item<'static>>, failure: &Failure, now: Instant) {
        for item in items {
            self.fail_if_so(item, failure.clone(), now);
        }
    }

    /// A delete that was not carried out and has to wait: by then the object may be another.
    pub(super) fn look_before_deleting(&mut self, items: Vec<Item<'static>>, due: Instant) {
        self.doubt_removal(0, items, Reason::Due, due);
    }

    /// Takes the item out of its group, or spares it where the group would keep too few.
    fn keeps_group(
        &self,
        item: &Item<'_>,
        live: &Object,
        groups: &mut HashMap<String, u32>,
    ) -> Option<Outcome> {
        let keep = self.settings.keep_per_group;
        let left = groups.get_mut(item.resource.group(live)?)?;
        if *left > keep {
            *left -= 1;
            return None;
        }
        let reason = format!("its group has only {left} left by now (--keep-per-group {keep})");
        Some(spared(item, Failure::new(reason)))
    }

    pub(super) fn gone(&self, item: &Item<'_>) -> Outcome {
        let status = match self.ledger.attempts(item.item) {
            0 => Status::Unchanged,
            _ => Status::Deleted,
        };
        outcome(item, status, target(item))
    }

    fn delete_again(&mut self, items: Vec<Item<'static>>, reason: &Failure, now: Instant) {
        let (over, left): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| self.is_spent(item));
        let failure = given_up(self.settings.max_attempts.get(), reason);
        for item in over {
            self.check_later(item, failure.clone(), now);
        }
        if !left.is_empty() {
            self.submit(Call::Delete(left), true);
        }
    }
}

/// Whether the item is of a kind that is listed again before it is deleted, and looked for afterwards.
fn is_listed(item: &Item<'_>) -> bool {
    item.resource.bulk_delete().is_some()
}

/// Why a live object is not to be deleted, if it is not.
pub(super) fn barred(item: &Item<'_>, live: &Object) -> Option<Outcome> {
    let kind = item.resource;
    if let Some(reason) = item.scope().barred(live) {
        let message = format!("the {} cannot be deleted: {reason}", kind.noun());
        return Some(failed(item, Failure::new(message)));
    }
    let Change::Delete {
        condition: Some(condition),
        ..
    } = &item.change
    else {
        return None;
    };
    let held = kind.condition_holds(live, condition);
    held.err().map(|reason| spared(item, Failure::new(reason)))
}
