//! What becomes of items that are created together: confirmed, looked for, or refused.

use std::time::Instant;

use super::super::batch_limit::{BatchLimit, Parts};
use super::super::call::{Call, CallId};
use super::super::outcomes::{failure_of, given_up, outcome};
use super::super::unresolved::{Reason, Unresolved, confirm};
use super::Core;
use crate::item::{Event, Item, Outcome, Status, index};
use crate::retry::Verdict;
use crate::wire::{Answer, Failure};

/// Into how many parts a batch is cut whose answer was lost twice. With the default of 8 attempts, a batch of 150 is down
/// to single items with three attempts left for each.
const PARTS_OF_LOST: usize = 4;

impl Core {
    /// Looks for those whose call was cut off, and creates the others.
    pub(super) fn create(&mut self, items: Vec<Item<'static>>, now: Instant) {
        let (cut_off, waiting): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| self.in_doubt(item));
        let (refused, lost): (Vec<_>, Vec<_>) = cut_off
            .into_iter()
            .partition(|item| self.ledger.is_refused(item.item));
        let failure = Failure::new("the run was cut off before the answer came");
        let until = now + self.settings.settle;
        let unresolved = [
            (refused, Reason::Rejected(failure.clone())),
            (lost, Reason::Lost(failure, until)),
        ];
        for (items, reason) in unresolved {
            if !items.is_empty() {
                self.unresolved.push(Unresolved {
                    call: 0,
                    items,
                    reason,
                    due: now,
                });
            }
        }
        if !waiting.is_empty() {
            self.submit(Call::Create(waiting), false);
        }
    }

    pub(super) fn create_judged(
        &mut self,
        call: CallId,
        items: Vec<Item<'static>>,
        verdict: Verdict,
        answer: Option<&Answer>,
        now: Instant,
    ) {
        let alone = items.len() == 1;
        let reason = match verdict {
            Verdict::Success => return self.created(call, items, answer, now),
            Verdict::Ambiguous(failure) => {
                let settle_s = self.settings.settle.as_secs();
                tracing::warn!(%failure, settle_s, "it is not known whether a create was carried out; the tenant is looked at");
                Reason::Lost(failure, now + self.settings.settle)
            }
            Verdict::Exists(failure) if alone => {
                // Nobody who resumes this is to take what is there for what this call has made.
                if items
                    .iter()
                    .all(|item| self.ledger.attempts(item.item) <= 1)
                {
                    let items = items.iter().map(|item| item.item).collect();
                    self.append(Event::Void { call, items });
                }
                Reason::Exists(failure)
            }
            Verdict::Rejected(failure) | Verdict::Absent(failure) | Verdict::Exists(failure)
                if !alone =>
            {
                Reason::Rejected(failure)
            }
            verdict if alone => return self.fail_all(&items, &failure_of(verdict)),
            verdict => Reason::Refused(failure_of(verdict)),
        };
        if matches!(reason, Reason::Rejected(_) | Reason::Refused(_)) {
            let items = items.iter().map(|item| item.item).collect();
            self.append(Event::Refused { call, items });
        }
        self.unresolved.push(Unresolved {
            call,
            items,
            reason,
            due: now,
        });
    }

    /// A 2xx: what it confirms is created, what it does not confirm is looked for.
    fn created(
        &mut self,
        call: CallId,
        items: Vec<Item<'static>>,
        answer: Option<&Answer>,
        now: Instant,
    ) {
        let Some(kind) = items.first().map(|item| item.resource) else {
            return;
        };
        let objects = kind.created_objects(answer.and_then(Answer::json));
        let (ids, keeps_names) = confirm(kind, &items, &objects);
        self.keeps_names |= keeps_names;
        self.batch_limit.took(&items);
        let mut outcomes = Vec::with_capacity(items.len());
        let mut unconfirmed = Vec::new();
        for (item, id) in items.into_iter().zip(ids) {
            match id {
                Some(id) => outcomes.push(outcome(&item, Status::Created, Some(id))),
                None => unconfirmed.push(item),
            }
        }
        let in_part = !outcomes.is_empty();
        self.append_outcomes(outcomes);
        if !unconfirmed.is_empty() {
            self.unresolved.push(Unresolved {
                call,
                items: unconfirmed,
                reason: Reason::Unconfirmed {
                    until: now + self.settings.settle,
                    in_part,
                },
                due: now,
            });
        }
    }

    /// Sends items on that were refused together, of which none was created.
    pub(super) fn send_parts(&mut self, items: Vec<Item<'static>>) {
        match self.batch_limit.refused(&items) {
            Parts::Of(most) => self.send_in(most, items),
            Parts::Later => self.held.push(items),
        }
    }

    /// Sends those on that waited for others to come through, if they need not wait any longer.
    pub(super) fn release_held(&mut self) {
        for items in std::mem::take(&mut self.held) {
            self.send_parts(items);
        }
    }

    /// Sends items whose call may have been lost for the sake of one of them: as they were the second time, and from
    /// then on in ever smaller parts.
    pub(super) fn send_again(&mut self, items: Vec<Item<'static>>, reason: &Failure) {
        let limit = self.settings.max_attempts.get();
        let (over, left): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| self.is_spent(item));
        self.fail_all(&over, &given_up(limit, reason));
        let repeated = left.iter().any(|item| self.ledger.attempts(item.item) > 1);
        let parts = if repeated { PARTS_OF_LOST } else { 1 };
        self.send_in(left.len().div_ceil(parts), left);
    }

    /// Sends items that the server left out of a batch that it took. If it took nothing of the batch, it has something
    /// against them, which it says of each alone.
    pub(super) fn send_left_out(
        &mut self,
        items: Vec<Item<'static>>,
        in_part: bool,
        reason: &Failure,
    ) {
        if in_part || items.len() == 1 {
            self.send_again(items, reason);
        } else {
            self.send_in(1, items);
        }
    }

    fn send_in(&mut self, most: usize, mut items: Vec<Item<'static>>) {
        while !items.is_empty() {
            let rest = items.split_off(items.len().min(most.max(1)));
            self.submit(Call::Create(items), true);
            items = rest;
        }
    }

    /// Says how many objects the server was seen to take in one create.
    pub(in super::super) fn limit_batches(&mut self, most: Option<u32>) {
        let own = self.settings.batch_size.get();
        self.batch_limit = BatchLimit::new(index(most.map_or(own, |most| most.clamp(1, own))));
    }

    /// Tells what is known of the sizes of batches how an item has ended.
    pub(super) fn learn_size(&mut self, outcome: &Outcome) {
        let failed = outcome.status == Status::Failed;
        if !self.batch_limit.ended(outcome.item, failed) {
            return;
        }
        let most = self.batch_limit.most();
        tracing::info!(most, "the server takes batches of this size");
        self.append(Event::BatchSize(u32::try_from(most).unwrap_or(u32::MAX)));
        let too_large = |call: &Call| call.creates_more_than(most);
        for call in self.dispatcher.withdraw(too_large) {
            if let Call::Create(items) = call {
                self.send_in(most, items);
            }
        }
    }
}
