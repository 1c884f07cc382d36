//! What becomes of items whose list is read and written as a whole.
//!
//! Read, merge, write, read again: an item has ended when the list is seen to be as it asks. What was written
//! and is missing afterwards, because another administrator wrote at the same time, is put back.

use std::time::{Duration, Instant};

use super::super::dispatch::CallId;
use super::super::job::{Job, failed, failure_of, given_up, outcome};
use super::super::listing::elements;
use super::super::merge::{Merge, Written, is_done, status, takes_out};
use super::Core;
use crate::model::{Answer, Event, Failure, Id, Item, Object, Outcome, Status};
use crate::resource::Kind;
use crate::retry::Verdict;

/// How often a list is written that the server says it has taken and that is not as written.
const FRUITLESS_WRITES: u32 = 2;

impl Core {
    /// Takes loaded items on that belong to one list.
    pub(super) fn merge(&mut self, items: Vec<Item<'static>>) {
        self.submit(Job::ReadList(Box::new(Merge::new(items))), false);
    }

    /// The list was read: before it is written, or after.
    pub(super) fn list_read(&mut self, merge: Merge, verdict: Verdict, answer: Option<&Answer>) {
        let live = match verdict {
            Verdict::Success => elements(answer.and_then(Answer::json))
                .ok_or_else(|| Failure::new("what was read is not a list; nothing was written")),
            verdict => Err(failure_of(verdict)),
        };
        match live {
            Ok(live) => self.compare(merge, &live),
            Err(failure) => self.fail_merge(&merge, &failure),
        }
    }

    fn compare(&mut self, mut merge: Merge, live: &[Object]) {
        let Some(kind) = merge.items.first().map(|item| item.resource) else {
            return;
        };
        let lost = merge.lost(live);
        let mut outcomes = Vec::new();
        let mut left = Vec::new();
        for item in std::mem::take(&mut merge.items) {
            match self.list_end(&item, merge.written.as_ref(), live) {
                Some(ended) if ended.status == Status::Failed || lost.is_empty() => {
                    outcomes.push(ended);
                }
                Some(ended) if self.is_spent(&item) => {
                    tracing::warn!(
                        what = names(kind, &lost),
                        "lost from the list, and could not be put back"
                    );
                    outcomes.push(ended);
                }
                _ => left.push(item),
            }
        }
        self.append_outcomes(outcomes);
        merge.items = left;
        if merge.items.is_empty() {
            return self.next_of(merge);
        }
        if !lost.is_empty() {
            tracing::warn!(
                what = names(kind, &lost),
                "lost from the list while it was written; they are put back"
            );
        }
        let union = merge.list(live, &lost);
        if let Some(request) = merge
            .items
            .first()
            .map(|i| i.scope().write_list(union.clone()))
        {
            merge.written = Some(Written {
                list: union,
                confirmed: false,
            });
            self.submit(Job::WriteList(Box::new(merge), Box::new(request)), false);
        }
    }

    /// How the item has ended, if it has.
    fn list_end(
        &self,
        item: &Item<'static>,
        written: Option<&Written>,
        live: &[Object],
    ) -> Option<Outcome> {
        let confirmed = written.is_some_and(|written| written.confirmed);
        let attempts = self.ledger.attempts(item.item);
        if is_done(item, live) {
            let status = match attempts {
                0 => Status::Unchanged,
                _ if confirmed => status(item),
                _ => Status::Recovered,
            };
            let there = live.iter().find(|object| {
                let keys = item.resource.keys_of(object);
                keys.contains(&item.resource.comparable_key(item.key.clone()))
            });
            return Some(outcome(item, status, there.and_then(Id::of)));
        }
        let noun = item.resource.noun();
        if confirmed && takes_out(item) {
            let message = format!(
                "the server took a list without the {noun} and kept it: this tenant only ever adds; remove it in the admin console"
            );
            return Some(failed(item, Failure::new(message)));
        }
        if confirmed && attempts >= FRUITLESS_WRITES {
            let message =
                format!("the server took a list with the {noun} twice and does not show it so");
            return Some(failed(item, Failure::new(message)));
        }
        self.is_spent(item).then(|| {
            let why = Failure::new("the list was never as it was written");
            failed(item, given_up(self.settings.max_attempts.get(), &why))
        })
    }

    fn is_spent(&self, item: &Item<'_>) -> bool {
        self.ledger.attempts(item.item) >= self.settings.max_attempts.get()
    }

    pub(super) fn list_written(&mut self, call: CallId, mut merge: Merge, verdict: Verdict) {
        match verdict {
            Verdict::Success => {
                if let Some(written) = &mut merge.written {
                    written.confirmed = true;
                }
                self.submit(Job::ReadList(Box::new(merge)), true);
            }
            Verdict::Ambiguous(_) => self.submit(Job::ReadList(Box::new(merge)), true),
            Verdict::Rejected(failure) | Verdict::Exists(failure) | Verdict::Absent(failure) => {
                self.list_rejected(call, merge, &failure);
            }
            verdict => self.fail_merge(&merge, &failure_of(verdict)),
        }
    }

    /// The list was refused, for the sake of some of its items: they go on by halves.
    fn list_rejected(&mut self, call: CallId, mut merge: Merge, failure: &Failure) {
        merge.written = None;
        if merge.items.len() == 1 {
            self.fail_all(&merge.items, failure);
            return self.next_of(merge);
        }
        let items = merge.items.iter().map(|item| item.item).collect();
        self.append(Event::Void { call, items });
        let half = merge.items.split_off(merge.items.len().div_ceil(2));
        merge.rest.push(half);
        self.submit(Job::ReadList(Box::new(merge)), true);
    }

    /// Begins with the items that waited for these.
    fn next_of(&mut self, mut merge: Merge) {
        if let Some(items) = merge.rest.pop() {
            let rest = merge.rest;
            let merge = Merge {
                rest,
                ..Merge::new(items)
            };
            self.submit(Job::ReadList(Box::new(merge)), true);
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
        self.submit_delayed(Job::ReadList(Box::new(merge)), wait, now);
    }
}

/// The natural keys of elements, for messages.
fn names(kind: Kind, objects: &[Object]) -> String {
    let keys = objects.iter().filter_map(|object| kind.key_of(object));
    keys.collect::<Vec<_>>().join(", ")
}
