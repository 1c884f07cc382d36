//! What becomes of items whose list is read and written as a whole.
//!
//! Read, merge, write, read again: an item has ended when the list is seen to be as it asks. What was written
//! and is missing afterwards, because another administrator wrote at the same time, is put back.

use std::time::{Duration, Instant};

use super::super::call::{Call, CallId, target};
use super::super::listing::elements;
use super::super::merge::{Merge, Refused, Written, element, is_done, status, takes_out};
use super::super::outcomes::{done, failed, failure_of, give_way, given_up, spared};
use super::super::settings::End;
use super::Core;
use crate::item::{Change, Event, Item, Outcome, Status};
use crate::resource::Kind;
use crate::retry::Verdict;
use crate::wire::{Answer, Failure, Id, Object};

/// How often a list is written that the server says it has taken and that is not as written.
const FRUITLESS_WRITES: u32 = 2;

impl Core {
    /// Takes loaded items on that belong to one list.
    pub(super) fn merge(&mut self, items: Vec<Item<'static>>, now: Instant) {
        // What a process before this one sent may still be carried out.
        let written = items
            .iter()
            .any(|item| self.in_doubt(item))
            .then(|| Written {
                list: Vec::new(),
                confirmed: false,
                until: now + self.settings.settle,
            });
        let merge = Merge {
            written,
            ..Merge::new(items)
        };
        self.submit(Call::ReadList(Box::new(merge)), false);
    }

    /// The list was read: before it is written, or after.
    pub(super) fn list_read(
        &mut self,
        merge: Merge,
        verdict: Verdict,
        answer: Option<&Answer>,
        now: Instant,
    ) {
        let live = match verdict {
            Verdict::Success => elements(answer.and_then(Answer::json))
                .ok_or_else(|| Failure::new("what was read is not a list; nothing was written")),
            verdict => Err(failure_of(verdict)),
        };
        match live {
            Ok(live) if live.is_empty() && !merge.seen_empty => {
                // To believe it wrongly would empty the list.
                let merge = Merge {
                    seen_empty: true,
                    ..merge
                };
                self.submit(Call::ReadList(Box::new(merge)), true);
            }
            Ok(live) => self.compare(merge, &live, now),
            // Nobody can say what became of a write that was not answered.
            Err(failure) if merge.items.iter().any(|item| self.in_doubt(item)) => {
                if let Some(item) = merge.items.first() {
                    self.stop(End::Unreadable(item.resource, failure));
                }
            }
            Err(failure) => self.fail_merge(&merge, &failure),
        }
    }

    fn compare(&mut self, mut merge: Merge, live: &[Object], now: Instant) {
        let Some(kind) = merge.items.first().map(|item| item.resource) else {
            return;
        };
        if let Some(refused) = merge.refused.take() {
            return self.end_refused(merge, &refused, kind, live);
        }
        let done = merge.items.iter().all(|item| is_done(item, live));
        if let Some(until) = merge.withheld(now).filter(|_| !done) {
            return self.submit_delayed(Call::ReadList(Box::new(merge)), until - now, now);
        }
        merge.settle_up(kind, live);
        let spent = merge.items.iter().all(|item| self.is_spent(item));
        if merge.owed.is_empty() || spent {
            warn_of_lost(kind, &merge.owed);
            self.end_of_items(&mut merge, live);
        } else {
            let what = names(kind, &merge.owed);
            tracing::warn!(
                what,
                "lost from the list while it was written; it is put back"
            );
        }
        let Some(scope) = merge.items.first().map(Item::scope) else {
            return self.next_of(merge);
        };
        for item in &merge.items {
            if let Some(there) = element(item, live) {
                self.write_down(item.item, there);
            }
        }
        let union = merge.list(kind, live);
        let request = scope.write_list(union.clone());
        merge.written = Some(Written {
            list: union,
            confirmed: false,
            until: now,
        });
        self.submit(Call::WriteList(Box::new(merge), Box::new(request)), false);
    }

    /// Settles those of the items that have ended.
    fn end_of_items(&mut self, merge: &mut Merge, live: &[Object]) {
        let mut outcomes = Vec::new();
        for mut item in std::mem::take(&mut merge.items) {
            if let Some(reason) = self.gives_way(&mut item, live) {
                outcomes.push(spared(&item, reason));
                continue;
            }
            match self.list_end(&item, merge.taken, live) {
                Some(ended) => outcomes.push(ended),
                None => merge.items.push(item),
            }
        }
        self.append_outcomes(outcomes);
    }

    /// Why the item leaves its element alone, unless a write of it was sent already.
    fn gives_way(&self, item: &mut Item<'static>, live: &[Object]) -> Option<Failure> {
        if item.undo.is_none() || self.ledger.attempts(item.item) > 0 {
            return None;
        }
        match element(item, live) {
            Some(there) => give_way(item, there).err(),
            None => matches!(item.change, Change::Update { .. })
                .then(|| Failure::new("it is no longer there; another hand has deleted it")),
        }
    }

    /// How the item has ended, if it has. `taken` is how many writes with it the server says it has taken.
    fn list_end(&self, item: &Item<'static>, taken: u32, live: &[Object]) -> Option<Outcome> {
        if is_done(item, live) {
            let status = match self.ledger.attempts(item.item) {
                0 => Status::Unchanged,
                _ if taken > 0 => status(item),
                _ => Status::Recovered,
            };
            let id = element(item, live).and_then(Id::of);
            return Some(done(item, status, id.or_else(|| target(item))));
        }
        let noun = item.resource.noun();
        let message = if taken < FRUITLESS_WRITES {
            return self.is_spent(item).then(|| {
                let reason = Failure::new("the list was never as it was written");
                failed(item, given_up(self.settings.max_attempts.get(), &reason))
            });
        } else if takes_out(item) {
            format!(
                "the server took a list without the {noun} twice and kept it: this tenant only ever adds; remove it in the admin console"
            )
        } else {
            format!("the server took a list with the {noun} twice and does not show it so")
        };
        Some(failed(item, Failure::new(message)))
    }

    pub(super) fn list_written(
        &mut self,
        call: CallId,
        mut merge: Merge,
        verdict: Verdict,
        now: Instant,
    ) {
        if let Some(written) = &mut merge.written {
            written.confirmed = verdict == Verdict::Success;
            written.until = now + self.settings.settle;
            merge.taken += u32::from(written.confirmed);
            merge.landed |= written.confirmed;
        }
        match verdict {
            Verdict::Success | Verdict::Ambiguous(_) => {
                self.submit(Call::ReadList(Box::new(merge)), true);
            }
            Verdict::Rejected(failure) | Verdict::Exists(failure) | Verdict::Absent(failure) => {
                self.list_rejected(call, merge, &failure);
            }
            verdict => self.list_refused(
                merge,
                Refused {
                    failure: failure_of(verdict),
                    for_good: true,
                },
            ),
        }
    }

    /// The list was refused, and halving does not help. What an earlier write of it has done is looked up before the
    /// items have failed.
    fn list_refused(&mut self, mut merge: Merge, refused: Refused) {
        merge.written = None;
        if merge.landed {
            merge.refused = Some(refused);
            self.submit(Call::ReadList(Box::new(merge)), true);
        } else if refused.for_good {
            self.fail_merge(&merge, &refused.failure);
        } else {
            self.fail_all(&merge.items, &refused.failure);
            self.next_of(merge);
        }
    }

    fn end_refused(&mut self, mut merge: Merge, refused: &Refused, kind: Kind, live: &[Object]) {
        merge.settle_up(kind, live);
        let (there, failed): (Vec<_>, Vec<_>) = std::mem::take(&mut merge.items)
            .into_iter()
            .partition(|item| is_done(item, live));
        let there = there.iter().map(|item| {
            let id = element(item, live).and_then(Id::of);
            done(item, status(item), id.or_else(|| target(item)))
        });
        self.append_outcomes(there.collect());
        self.fail_all(&failed, &refused.failure);
        if refused.for_good {
            warn_of_lost(kind, &merge.owed);
            self.fail_merge(&merge, &refused.failure);
        } else {
            self.next_of(merge);
        }
    }

    /// The list was refused, for the sake of some of its items: they go on by halves.
    fn list_rejected(&mut self, call: CallId, mut merge: Merge, failure: &Failure) {
        if merge.items.len() == 1 {
            let refused = Refused {
                failure: failure.clone(),
                for_good: false,
            };
            return self.list_refused(merge, refused);
        }
        merge.written = None;
        merge.taken = 0;
        let items = merge.items.iter().map(|item| item.item).collect();
        self.append(Event::Void { call, items });
        let half = merge.items.split_off(merge.items.len().div_ceil(2));
        merge.rest.push(half);
        self.submit(Call::ReadList(Box::new(merge)), true);
    }

    /// Begins with the items that waited for these.
    fn next_of(&mut self, mut merge: Merge) {
        if let Some(items) = merge.rest.pop() {
            let merge = Merge {
                rest: merge.rest,
                owed: merge.owed,
                landed: merge.landed,
                ..Merge::new(items)
            };
            self.submit(Call::ReadList(Box::new(merge)), true);
        }
    }

    fn fail_merge(&mut self, merge: &Merge, failure: &Failure) {
        self.fail_all(&merge.items, failure);
        for items in &merge.rest {
            self.fail_all(items, failure);
        }
    }

    /// The write of a list has to wait: by then the list may be another.
    pub(super) fn read_list_again(&mut self, mut merge: Merge, wait: Duration, now: Instant) {
        merge.written = None;
        self.submit_delayed(Call::ReadList(Box::new(merge)), wait, now);
    }
}

fn warn_of_lost(kind: Kind, owed: &[Object]) {
    if !owed.is_empty() {
        let what = names(kind, owed);
        tracing::warn!(what, "lost from the list, and could not be put back");
    }
}

/// The natural keys of elements, for messages.
fn names(kind: Kind, objects: &[Object]) -> String {
    let keys = objects.iter().filter_map(|object| kind.key_of(object));
    keys.collect::<Vec<_>>().join(", ")
}
