//! What becomes of items that are updated: read, merged and written; and the last look at what was updated or
//! deleted before it is reported as failed.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::End;
use super::super::job::{Job, failure_of, given_up, replacement, target};
use super::Core;
use crate::model::{Answer, Change, Failure, Item, Status};
use crate::retry::Verdict;

impl Core {
    /// What is to be updated was read.
    pub(super) fn read_judged(
        &mut self,
        item: Item<'static>,
        verdict: Verdict,
        answer: Option<&Answer>,
        now: Instant,
    ) {
        self.open_updates -= 1;
        let Change::Update { id, set, .. } = &item.change else {
            return;
        };
        let live = match verdict {
            Verdict::Success => answer.and_then(Answer::json),
            Verdict::Absent(failure) => return self.fail(&item, failure),
            verdict => return self.unread(&item, failure_of(verdict)),
        };
        let Some(Value::Object(live)) = live else {
            let why = "the object that was read is not one; nothing was written";
            return self.unread(&item, Failure::new(why));
        };
        match replacement(&item, id, set, &live) {
            Ok(None) if self.ledger.attempts(item.item) > 0 => {
                self.settle(&item, Status::Recovered, target(&item));
            }
            Ok(None) => self.settle(&item, Status::Unchanged, target(&item)),
            Ok(Some(_)) if self.is_spent(&item) => {
                let why = Failure::new("the object is as it was");
                let failure = given_up(self.settings.max_attempts.get(), &why);
                self.check_later(item, failure, now);
            }
            Ok(Some(request)) => {
                self.open_updates += 1;
                self.submit(Job::Put(item, Box::new(request)), false);
            }
            Err(failure) if self.in_doubt(&item) => self.check_later(item, failure, now),
            Err(failure) => self.fail(&item, failure),
        }
    }

    pub(super) fn put_judged(&mut self, item: Item<'static>, verdict: Verdict, now: Instant) {
        self.open_updates -= 1;
        match verdict {
            Verdict::Success => self.settle(&item, Status::Updated, target(&item)),
            verdict => self.fail_if_so(item, failure_of(verdict), now),
        }
    }

    /// A write that may be repeated: it begins with the reading.
    pub(super) fn put_again(
        &mut self,
        item: Item<'static>,
        wait: Duration,
        failure: &Failure,
        now: Instant,
    ) {
        if self.is_spent(&item) {
            self.open_updates -= 1;
            let failure = given_up(self.settings.max_attempts.get(), failure);
            self.check_later(item, failure, now);
        } else {
            self.submit_delayed(Job::Read(item), wait, now);
        }
    }

    /// Of an item that was refused, an earlier attempt may be under way that was never answered.
    pub(super) fn fail_if_so(&mut self, item: Item<'static>, failure: Failure, now: Instant) {
        if self.ledger.attempts(item.item) > 1 {
            self.check_later(item, failure, now);
        } else {
            self.fail(&item, failure);
        }
    }

    /// Reads what is to be reported as failed, once nothing that was sent for it can still be under way.
    pub(super) fn check_later(&mut self, item: Item<'static>, failure: Failure, now: Instant) {
        let settle = self.settings.settle;
        self.submit_delayed(Job::Check(item, failure), settle, now);
    }

    /// The last look: the item has failed unless it is as asked after all.
    pub(super) fn checked(
        &mut self,
        item: &Item<'static>,
        failure: &Failure,
        verdict: Verdict,
        answer: Option<&Answer>,
    ) {
        let status = match (&item.change, verdict) {
            (Change::Delete { .. }, Verdict::Absent(_)) => Some(Status::Deleted),
            (Change::Update { id, set, .. }, Verdict::Success) => {
                let Some(Value::Object(live)) = answer.and_then(Answer::json) else {
                    let why = "the object that was read is not one";
                    return self.unread(item, Failure::new(why));
                };
                let as_asked = replacement(item, id, set, &live) == Ok(None);
                as_asked.then_some(Status::Recovered)
            }
            (_, Verdict::Success | Verdict::Absent(_)) => None,
            (_, verdict) => return self.unread(item, failure_of(verdict)),
        };
        match status {
            Some(status) => self.settle(item, status, target(item)),
            None => self.fail(item, failure.clone()),
        }
    }

    /// It could not be read. If a write of it is in doubt, nobody can say what became of it: the run ends here, and
    /// whoever resumes it looks again.
    fn unread(&mut self, item: &Item<'static>, failure: Failure) {
        if self.in_doubt(item) {
            self.stop(End::Unreadable(item.resource, failure));
        } else {
            self.fail(item, failure);
        }
    }
}
