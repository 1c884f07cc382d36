//! What becomes of items that are created together: confirmed, looked for, or refused.

use std::time::Instant;

use super::super::dispatch::CallId;
use super::super::doubt::{Doubt, Why, confirm};
use super::super::job::{failure_of, outcome};
use super::Core;
use crate::model::{Answer, Item, Status};
use crate::retry::Verdict;

impl Core {
    pub(super) fn create_judged(
        &mut self,
        call: CallId,
        items: Vec<Item<'static>>,
        verdict: Verdict,
        answer: Option<&Answer>,
        now: Instant,
    ) {
        let alone = items.len() == 1;
        let why = match verdict {
            Verdict::Success => return self.created(call, items, answer, now),
            Verdict::Ambiguous(failure) => Why::Lost(failure, now + self.settings.settle),
            Verdict::Exists(failure) if alone => Why::Exists(failure),
            Verdict::Rejected(failure) | Verdict::Absent(failure) | Verdict::Exists(failure)
                if !alone =>
            {
                Why::Rejected(failure)
            }
            verdict if alone => return self.fail_all(&items, &failure_of(verdict)),
            verdict => Why::Refused(failure_of(verdict)),
        };
        self.doubts.push(Doubt {
            call,
            items,
            why,
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
        let mut outcomes = Vec::with_capacity(items.len());
        let mut unconfirmed = Vec::new();
        for (item, id) in items.into_iter().zip(ids) {
            match id {
                Some(id) => outcomes.push(outcome(&item, Status::Created, Some(id))),
                None => unconfirmed.push(item),
            }
        }
        self.append_outcomes(outcomes);
        if !unconfirmed.is_empty() {
            self.doubts.push(Doubt {
                call,
                items: unconfirmed,
                why: Why::Unconfirmed {
                    until: now + self.settings.settle,
                    keeps_names,
                },
                due: now,
            });
        }
    }
}
