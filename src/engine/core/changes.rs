//! What becomes of objects that are changed alone: read, written down as they were, changed; and the last look at what
//! was updated or deleted before it is reported as failed.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::call::{Call, target};
use super::super::outcomes::{done, failure_of, give_way, given_up, spared};
use super::super::settings::End;
use super::Core;
use super::removals::barred;
use crate::item::{Change, Event, Item, ItemNumber, Outcome, Status};
use crate::retry::Verdict;
use crate::wire::{Answer, Failure, Fields, Id, Object, Request};

/// What an object asks for that was read.
enum Next {
    /// To be written.
    Put(Request),
    /// To be deleted.
    Delete,
    /// Nothing: its item has ended.
    Ended(Outcome),
}

impl Core {
    /// Takes a loaded item on whose object is read before it is changed.
    pub(super) fn read_first(&mut self, item: Item<'static>) {
        self.open_changes += 1;
        self.submit(Call::Read(item), false);
    }

    /// What is to be changed was read.
    pub(super) fn read_judged(
        &mut self,
        item: Item<'static>,
        verdict: Verdict,
        answer: Option<&Answer>,
        now: Instant,
    ) {
        self.open_changes -= 1;
        let deletes = matches!(item.change, Change::Delete { .. });
        let live = match verdict {
            Verdict::Success => live_object(&item, answer),
            Verdict::Absent(_) if deletes => {
                let gone = self.gone(&item);
                return self.append_outcomes(vec![gone]);
            }
            Verdict::Absent(failure) => return self.fail(&item, failure),
            verdict => Err(failure_of(verdict)),
        };
        match live {
            Ok(live) => self.go_on(item, &live, now),
            Err(failure) => self.unread(&item, failure),
        }
    }

    /// Changes what was read, if there is anything to change.
    fn go_on(&mut self, mut item: Item<'static>, live: &Object, now: Instant) {
        if let Err(reason) = give_way(&mut item, live) {
            if self.in_doubt(&item) {
                return self.check_later(item, reason, now);
            }
            return self.append_outcomes(vec![spared(&item, reason)]);
        }
        match self.next(&item, live) {
            Ok(Next::Ended(ended)) => self.append_outcomes(vec![ended]),
            Ok(_) if self.is_spent(&item) => {
                let reason = Failure::new("the object is as it was");
                let failure = given_up(self.settings.max_attempts.get(), &reason);
                self.check_later(item, failure, now);
            }
            Ok(Next::Put(request)) => {
                self.change(item.item, live, Call::Put(item, Box::new(request)));
            }
            Ok(Next::Delete) => self.change(item.item, live, Call::DeleteOne(item)),
            Err(failure) if self.in_doubt(&item) => self.check_later(item, failure, now),
            Err(failure) => self.fail(&item, failure),
        }
    }

    fn next(&self, item: &Item<'static>, live: &Object) -> Result<Next, Failure> {
        let Change::Update { id, set, .. } = &item.change else {
            return Ok(barred(item, live).map_or(Next::Delete, Next::Ended));
        };
        let status = match self.ledger.attempts(item.item) {
            0 => Status::Unchanged,
            _ => Status::Recovered,
        };
        let request = replacement(item, id, set, live)?;
        let ended = || Next::Ended(done(item, status, target(item)));
        Ok(request.map_or_else(ended, Next::Put))
    }

    fn change(&mut self, item: ItemNumber, live: &Object, job: Call) {
        self.open_changes += 1;
        self.write_down(item, live);
        let is_retry = self.ledger.attempts(item) > 0;
        self.submit(job, is_retry);
    }

    /// Writes down what an object is that is about to be changed, unless it may have been changed already.
    pub(super) fn write_down(&mut self, item: ItemNumber, live: &Object) {
        if self.ledger.attempts(item) == 0 {
            let object = live.clone();
            self.append(Event::Before { item, object });
        }
    }

    pub(super) fn put_judged(&mut self, item: Item<'static>, verdict: Verdict, now: Instant) {
        self.open_changes -= 1;
        match verdict {
            Verdict::Success => self.finish(&item, Status::Updated, target(&item)),
            verdict => self.fail_if_so(item, failure_of(verdict), now),
        }
    }

    pub(super) fn delete_one_judged(
        &mut self,
        item: Item<'static>,
        verdict: Verdict,
        now: Instant,
    ) {
        self.open_changes -= 1;
        self.delete_ended(item, verdict, now);
    }

    /// A change that may be repeated: it begins with the reading.
    pub(super) fn change_again(
        &mut self,
        item: Item<'static>,
        wait: Duration,
        failure: &Failure,
        now: Instant,
    ) {
        if self.is_spent(&item) {
            self.open_changes -= 1;
            let failure = given_up(self.settings.max_attempts.get(), failure);
            self.check_later(item, failure, now);
        } else {
            self.submit_delayed(Call::Read(item), wait, now);
        }
    }

    /// A call that overwrites the object of this item was under way then and may still be carried out.
    pub(super) fn await_unanswered(&mut self, item: ItemNumber, then: Instant) {
        if self.unanswered.is_empty() {
            let settle_s = self.settings.settle.as_secs();
            tracing::warn!(
                settle_s,
                "an update was not answered and may be carried out late; its row does not end before"
            );
        }
        self.unanswered.insert(item, then + self.settings.settle);
    }

    /// Ends the items of which no call may be carried out any more.
    pub(super) fn release_unanswered(&mut self) {
        let outcomes = std::mem::take(&mut self.withheld);
        self.append_outcomes(outcomes);
    }

    /// Whether a call for the item may still be carried out: the only one that was sent was if the object shows it.
    pub(super) fn is_open(&self, outcome: &Outcome) -> bool {
        let seen = outcome.status == Status::Recovered && self.ledger.attempts(outcome.item) <= 1;
        !seen && self.open_until(outcome) > self.pumped
    }

    /// When the items end of which a call may still be carried out.
    pub(super) fn withheld_until(&self) -> impl Iterator<Item = Instant> {
        let withheld = self.withheld.iter();
        withheld.map(|outcome| self.open_until(outcome))
    }

    /// Until when a call for the item may still be carried out; the past if none may.
    fn open_until(&self, outcome: &Outcome) -> Instant {
        let until = self.unanswered.get(&outcome.item);
        until.copied().unwrap_or(self.begun)
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
        self.submit_delayed(Call::Check(item, failure), settle, now);
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
                    let reason = "the object that was read is not one";
                    return self.unread(item, Failure::new(reason));
                };
                if set.0.is_empty() {
                    // Nothing is left to be put back: others have changed all of it.
                    return self.append_outcomes(vec![spared(item, failure.clone())]);
                }
                let as_asked = replacement(item, id, set, &live) == Ok(None);
                as_asked.then_some(Status::Recovered)
            }
            (_, Verdict::Success | Verdict::Absent(_)) => None,
            (_, verdict) => return self.unread(item, failure_of(verdict)),
        };
        match status {
            Some(status) => self.finish(item, status, target(item)),
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

/// What was read, if it is the object that the item is about: whole, since what replaces it is made from it.
fn live_object(item: &Item<'_>, answer: Option<&Answer>) -> Result<Object, Failure> {
    let noun = item.resource.noun();
    match answer.and_then(Answer::json) {
        Some(Value::Object(live)) if Id::of(&live) == target(item) => Ok(live),
        Some(Value::Object(_)) => {
            let id = target(item).map_or_else(String::new, |id| format!(" {id}"));
            Err(Failure::new(format!(
                "what was read is not the {noun}{id}; nothing was written"
            )))
        }
        _ => Err(Failure::new(
            "the object that was read is not one; nothing was written",
        )),
    }
}

/// The write of an update, or none when the object is by now as asked.
fn replacement(
    item: &Item<'_>,
    id: &Id,
    set: &Fields<'_>,
    live: &Object,
) -> Result<Option<Request>, Failure> {
    let (kind, noun) = (item.resource, item.resource.noun());
    let left = kind.differing(live, set.to_owned_fields());
    if left.0.is_empty() {
        return Ok(None);
    }
    if let Some(why) = item.scope().barred(live) {
        return Err(Failure::new(format!("the {noun} cannot be changed: {why}")));
    }
    let untold = |wire: &&&str| !live.contains_key(**wire) && set.find(wire).is_none();
    if let Some(wire) = kind.kept_flags().iter().find(untold) {
        return Err(Failure::new(format!(
            "the tenant does not say whether the {noun} has {wire:?}, and a write would change it; say it in a column of that name"
        )));
    }
    Ok(Some(kind.replace(id, item.microtenant.clone(), live, set)))
}
