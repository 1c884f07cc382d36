//! Decisions about objects that are changed alone: read, written down as they were, changed.
//!
//! An item that is to fail although an attempt at it may have been carried out is checked first: its object is read
//! once more after the settle time.

use std::collections::HashSet;

use serde_json::Value;

use super::super::call::{Batch, Call, Purpose, target};
use super::super::dispatch::Priority;
use super::super::listing::ListingReader;
use super::super::lookup::Lookup;
use super::super::outcomes::{barred, done, failed, failure_of, give_way, spared, stale};
use super::super::settings::End;
use super::super::witness::Witness;
use super::attempts::Attempts;
use super::referrers::{Referrers, Seen};
use super::step::{Judged, Step, Steps};
use crate::item::{Change, Event, Item, ItemNumber, Outcome, Status};
use crate::retry::Verdict;
use crate::wire::{Failure, Fields, Id, Object, Request};

enum Next {
    Put(Request),
    Delete,
    Finish(Outcome),
}

/// Begins with loaded items. Their objects are read when the slots of their writes are near.
pub(super) fn begin(items: Batch) -> Steps {
    let write = |item: Item<'static>| match item.change {
        Change::Delete { .. } => Step::submit(Call::DeleteOne(item)),
        _ => Step::submit(Call::Put(item, None)),
    };
    items.into_iter().map(write).collect()
}

/// Takes in the object that the item is to change. Goes on once all was read on which the change depends.
pub(super) fn read(
    item: Item<'static>,
    judged: Judged<'_>,
    referrers: &mut Referrers,
    attempts: &Attempts,
) -> Steps {
    let deletes = matches!(item.change, Change::Delete { .. });
    let (read_at, now) = (judged.read_at, judged.now);
    let ended = match judged.verdict {
        Verdict::Success => match live_object(&item, judged.json()) {
            Ok(live) => {
                let seen = referrers.object(item, live, read_at, now);
                return seen.map_or_else(Vec::new, |seen| change(seen, attempts));
            }
            Err(failure) => unread(&item, failure, attempts),
        },
        Verdict::Absent(_) if deletes => Step::finish(attempts.gone(&item)),
        Verdict::Absent(failure) => {
            stale(&item, None).map_or_else(|| Step::fail(&item, failure), Step::finish)
        }
        verdict => unread(&item, failure_of(verdict), attempts),
    };
    referrers.forget(&item);
    vec![ended]
}

/// Takes in a listing of objects that items are to update, if it shows what the witness has written.
///
/// # Errors
/// The items, if the listing is older than that.
pub(super) fn listed(
    items: Batch,
    witness: &Witness,
    lookup: &Lookup<'_>,
    attempts: &Attempts,
) -> Result<Steps, Batch> {
    let row = |item: &Item<'_>| target(item).and_then(|id| lookup.by_id.get(&id).copied());
    let is_shown = |row| witness.is_followed_by(row) && is_as_asked(&witness.item, row);
    if !row(&witness.item).is_some_and(is_shown) {
        return Err(items);
    }
    let mut steps = Vec::new();
    for item in items {
        match row(&item).cloned() {
            Some(live) => {
                let seen = Seen {
                    item,
                    live,
                    read_at: witness.written_at,
                    kept: None,
                    unknown: None,
                };
                steps.extend(change(seen, attempts));
            }
            // The object itself says what has become of it.
            None => steps.push(Step::retry(Call::Read(item))),
        }
    }
    Ok(steps)
}

/// Takes in a page of the listing of what refers to the object of an item.
pub(super) fn referrers_read(
    number: ItemNumber,
    reader: Box<ListingReader>,
    judged: Judged<'_>,
    referrers: &mut Referrers,
    deleted: &HashSet<Id>,
    attempts: &Attempts,
) -> Steps {
    match referrers.page(number, reader, judged, deleted) {
        Ok(Some(seen)) => change(seen, attempts),
        Ok(None) => Vec::new(),
        Err(reader) => vec![Step::retry(Call::Page(Purpose::Referrers(number), reader))],
    }
}

/// Changes the object that was read, if there is anything to change.
fn change(seen: Seen, attempts: &Attempts) -> Steps {
    let Seen {
        mut item,
        live,
        read_at,
        ..
    } = seen;
    let live = &live;
    if let Some(failure) = seen.unknown {
        return vec![unread(&item, failure, attempts)];
    }
    let in_doubt = attempts.in_doubt(&item);
    let referred_to = |item: &Item<'_>| {
        let kept = seen.kept.map(|reason| spared(item, reason));
        kept.map_or(Ok(()), Err)
    };
    let kept = give_way(&mut item, live).and_then(|()| referred_to(&item));
    let next = match kept {
        Ok(()) => next(&item, live, attempts),
        Err(end) => return vec![leave(item, end, attempts)],
    };
    let request = match next {
        // An earlier delete may still be carried out.
        Ok(Next::Finish(ended)) if in_doubt && ended.failure.is_some() => {
            return vec![check(item, ended, attempts)];
        }
        Ok(Next::Finish(ended)) => return vec![Step::finish(ended)],
        Ok(_) if attempts.is_spent(&item) => {
            let failure = attempts.given_up(&Failure::new("the object is as it was"));
            return vec![check_failed(item, failure, attempts)];
        }
        Ok(Next::Put(request)) => Some(request),
        Ok(Next::Delete) => None,
        Err(failure) if in_doubt => return vec![check_failed(item, failure, attempts)],
        Err(failure) => return vec![Step::fail(&item, failure)],
    };
    let mut steps = Vec::from_iter(before(&item, live, attempts));
    let priority = match attempts.of(&item) {
        0 => Priority::Fresh,
        _ => Priority::Retry,
    };
    let call = match request {
        Some(request) => Call::Put(item, Some(Box::new(request))),
        None => Call::DeleteOne(item),
    };
    steps.push(Step::Write(call, priority, read_at));
    steps
}

/// Ends items whose calls were not answered and whose objects are as asked, and begins with the others anew.
pub(super) fn resolve(items: Batch, lookup: &Lookup<'_>, attempts: &Attempts) -> Steps {
    let step = |item: Item<'static>| {
        let live = target(&item).and_then(|id| lookup.by_id.get(&id).copied());
        match (&item.change, live) {
            (Change::Delete { .. }, None) => Step::finish(attempts.gone(&item)),
            (Change::Delete { .. }, Some(_)) => Step::retry(Call::DeleteOne(item)),
            (Change::Update { .. }, Some(live)) if is_as_asked(&item, live) => {
                Step::finish(done(&item, Status::Recovered, target(&item)))
            }
            _ => Step::retry(Call::Put(item, None)),
        }
    };
    items.into_iter().map(step).collect()
}

fn next(item: &Item<'static>, live: &Object, attempts: &Attempts) -> Result<Next, Failure> {
    let Change::Update { id, set, .. } = &item.change else {
        return Ok(barred(item, live).map_or(Next::Delete, Next::Finish));
    };
    if let Some(request) = replacement(item, id, set, live)? {
        return Ok(Next::Put(request));
    }
    let status = match attempts.of(item) {
        0 => Status::Unchanged,
        _ => Status::Recovered,
    };
    Ok(Next::Finish(done(item, status, target(item))))
}

/// Writes down an object as it is before it is changed, unless it may have been changed already.
pub(super) fn before(item: &Item<'_>, live: &Object, attempts: &Attempts) -> Option<Step> {
    let (number, is_first) = (item.item, attempts.of(item) == 0);
    is_first.then(|| {
        Step::Append(Event::Before {
            item: number,
            object: live.clone(),
        })
    })
}

/// Takes in the end of a write.
pub(super) fn written(item: Item<'static>, verdict: Verdict, attempts: &Attempts) -> Step {
    match verdict {
        Verdict::Success => Step::finish(done(&item, Status::Updated, target(&item))),
        verdict => fail_or_check(item, failure_of(verdict), attempts),
    }
}

/// Takes in the end of the delete of one object.
pub(super) fn deleted(item: Item<'static>, verdict: Verdict, attempts: &Attempts) -> Step {
    let status = match verdict {
        // Gone before the first attempt: somebody else did it.
        Verdict::Absent(_) if attempts.of(&item) <= 1 => Status::Unchanged,
        Verdict::Success | Verdict::Absent(_) => Status::Deleted,
        verdict => return fail_or_check(item, failure_of(verdict), attempts),
    };
    Step::finish(done(&item, status, target(&item)))
}

/// Checks the object of an item whose call was refused: a gateway may refuse what the server has carried out. If an earlier
/// attempt may be under way that was never answered, the object is checked after the settle time.
pub(super) fn fail_or_check(item: Item<'static>, failure: Failure, attempts: &Attempts) -> Step {
    if attempts.of(&item) > 1 {
        check_failed(item, failure, attempts)
    } else {
        let end = failed(&item, failure);
        Step::retry(Call::Check(item, end))
    }
}

/// Ends an item that leaves its object alone. If a call for it may still be under way, the object is checked first.
fn leave(item: Item<'static>, end: Outcome, attempts: &Attempts) -> Step {
    if attempts.in_doubt(&item) {
        check(item, end, attempts)
    } else {
        Step::finish(end)
    }
}

/// Checks the object of an item that is to fail.
pub(super) fn check_failed(item: Item<'static>, failure: Failure, attempts: &Attempts) -> Step {
    let end = failed(&item, failure);
    check(item, end, attempts)
}

/// Reads the object of an item that is to end so, once no call for it can still be under way.
fn check(item: Item<'static>, end: Outcome, attempts: &Attempts) -> Step {
    let priority = Priority::RetryAfter(attempts.settle());
    Step::Submit(Call::Check(item, end), priority)
}

/// Takes in that reading. The item ends as it was to, unless its object is as asked after all.
pub(super) fn checked(
    item: &Item<'static>,
    end: Outcome,
    judged: Judged<'_>,
    attempts: &Attempts,
) -> Step {
    let body = judged.json();
    let status = match (&item.change, judged.verdict) {
        (Change::Delete { .. }, Verdict::Absent(_)) => Some(Status::Deleted),
        (Change::Update { set, .. }, Verdict::Success) => {
            let Some(Value::Object(live)) = body else {
                let reason = "the object that was read is not one";
                return unchecked(item, end, Failure::new(reason), attempts);
            };
            if set.0.is_empty() {
                // Nothing is left to be put back: others have changed all of it.
                return Step::finish(end);
            }
            is_as_asked(item, &live).then_some(Status::Recovered)
        }
        (Change::Delete { .. }, Verdict::Success) => {
            if let Some(Value::Object(live)) = &body
                && let Some(kept) = barred(item, live)
            {
                return Step::finish(kept);
            }
            None
        }
        (_, Verdict::Success | Verdict::Absent(_)) => None,
        (_, verdict) => return unchecked(item, end, failure_of(verdict), attempts),
    };
    match status {
        Some(status) => Step::finish(done(item, status, target(item))),
        None => Step::finish(end),
    }
}

/// Ends an item whose object could not be checked. A single call that was refused counts as it was answered, if the API
/// itself refuses the reading too. An answer without an id may come from anything on the way, and one that speaks of time or
/// of the server is no refusal.
fn unchecked(item: &Item<'static>, end: Outcome, failure: Failure, attempts: &Attempts) -> Step {
    let was_refused = end.failure.as_ref().is_some_and(|end| end.status.is_some());
    let is_refused =
        failure.error_id.is_some() && matches!(failure.status, Some(400..=407 | 409..=499));
    if attempts.of(item) > 1 || !was_refused || !is_refused {
        unread(item, failure, attempts)
    } else {
        Step::finish(end)
    }
}

/// Ends an item whose object could not be read. If a write of it is in doubt, the run ends instead, and whoever
/// resumes it reads again.
fn unread(item: &Item<'static>, failure: Failure, attempts: &Attempts) -> Step {
    if attempts.in_doubt(item) {
        Step::Stop(End::Unreadable(item.resource, failure))
    } else {
        Step::fail(item, failure)
    }
}

/// The object of the item, as it was read: whole, since the object that replaces it is made from it.
fn live_object(item: &Item<'_>, body: Option<Value>) -> Result<Object, Failure> {
    let noun = item.resource.noun();
    let reason = match body {
        Some(Value::Object(live)) if Id::of(&live) == target(item) => return Ok(live),
        Some(Value::Object(_)) => {
            let id = target(item).map_or_else(String::new, |id| format!(" {id}"));
            format!("what was read is not the {noun}{id}; nothing was written")
        }
        _ => "the object that was read is not one; nothing was written".to_owned(),
    };
    Err(Failure::new(reason))
}

/// Tells whether an object is as the update of the item leaves it.
pub(super) fn is_as_asked(item: &Item<'_>, live: &Object) -> bool {
    let Change::Update { id, set, .. } = &item.change else {
        return false;
    };
    replacement(item, id, set, live) == Ok(None)
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
