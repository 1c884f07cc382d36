//! Decisions about items that are deleted together.
//!
//! The items are listed just before, so that an object that has come back to life is spared. They are looked up
//! afterwards, since the answer does not say which of them are gone.

use std::collections::HashMap;
use std::time::Instant;

use super::super::call::{Batch, Call, CallId, is_of_group, target};
use super::super::dispatch::Priority;
use super::super::lag;
use super::super::lookup::Lookup;
use super::super::outcomes::{barred, failed, failure_of, spared, stale};
use super::super::unresolved::{DeleteReason, Reason};
use super::attempts::Attempts;
use super::changes::{self, before, check_failed, fail_or_check};
use super::step::{Judged, Step, Steps};
use super::unanswered::Unanswered;
use crate::item::{Item, Outcome};
use crate::retry::Verdict;
use crate::wire::{Failure, Object};

/// Begins with loaded items. Objects of a kind that cannot be deleted together are read and deleted one by one.
pub(super) fn begin(items: Batch) -> Steps {
    if items.first().is_some_and(is_of_group) {
        return vec![Step::submit(Call::Delete(items))];
    }
    changes::begin(items)
}

/// Lists items just before they are deleted, from `due` on.
pub(super) fn list(items: Batch, due: Instant) -> Step {
    Step::look_up(0, items, Reason::Delete(DeleteReason::Due), due)
}

/// Takes in the end of a delete.
pub(super) fn judged(items: Batch, judged: Judged<'_>, attempts: &Attempts) -> Steps {
    let mut due = judged.now;
    let reason = match judged.verdict {
        Verdict::Success if items.len() == 1 => DeleteReason::DeletedAlone,
        Verdict::Success => DeleteReason::Deleted(judged.now),
        Verdict::Unavailable(wait, _) => {
            due += wait;
            DeleteReason::Unavailable
        }
        verdict if items.len() == 1 => {
            let deleted = |item| changes::deleted(item, verdict.clone(), attempts);
            return items.into_iter().map(deleted).collect();
        }
        Verdict::Ambiguous(failure) => DeleteReason::Lost(failure),
        Verdict::Rejected(failure) | Verdict::Absent(failure) | Verdict::Exists(failure) => {
            DeleteReason::Rejected(failure)
        }
        verdict => DeleteReason::Refused(failure_of(verdict)),
    };
    let reason = Reason::Delete(reason);
    vec![Step::look_up(judged.call, items, reason, due)]
}

/// A listing in which items that are to be deleted are looked up.
#[derive(Debug)]
pub(super) struct Seen<'l> {
    pub(super) lookup: &'l Lookup<'l>,
    /// The instant at which it began.
    pub(super) begun: Instant,
    /// The instant from which on its age counts.
    pub(super) read_at: Instant,
    pub(super) keep_per_group: u32,
    /// The calls that may still be carried out.
    pub(super) unanswered: &'l Unanswered,
}

/// Ends items that are gone or that are to be kept, and goes on with the others. An item that is to be kept is looked up
/// again while an earlier delete of it may still be carried out.
pub(super) fn resolve(
    call: CallId,
    items: Batch,
    reason: DeleteReason,
    seen: &Seen<'_>,
    attempts: &Attempts,
) -> Steps {
    let (lookup, read_at) = (seen.lookup, seen.read_at);
    let mut groups = lookup.groups();
    let (mut steps, mut left, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    for item in items {
        let Some(live) = target(&item).and_then(|id| lookup.by_id.get(&id)) else {
            outcomes.push(attempts.gone(&item));
            continue;
        };
        let kept = || keep_in_group(&item, live, &mut groups, seen.keep_per_group);
        let changed = stale(&item, Some(live)).or_else(|| barred(&item, live));
        if let Some(ended) = changed.or_else(kept) {
            match seen.unanswered.open_until(item.item, read_at) {
                Some(until) => steps.push(list(vec![item], until)),
                // The listing may lag behind a delete that was carried out, and the object itself tells.
                None if attempts.of(&item) > 0 => steps.push(Step::retry(Call::Check(item, ended))),
                None => outcomes.push(ended),
            }
        } else {
            steps.extend(before(&item, live, attempts));
            left.push(item);
        }
    }
    steps.push(Step::Finish(outcomes));
    if !left.is_empty() {
        steps.extend(go_on(call, left, reason, seen, attempts));
    }
    steps
}

/// Goes on with items whose objects are still there.
fn go_on(
    call: CallId,
    mut items: Batch,
    reason: DeleteReason,
    seen: &Seen<'_>,
    attempts: &Attempts,
) -> Steps {
    let read_at = seen.read_at;
    let send = |items| Step::Write(Call::Delete(items), Priority::Retry, read_at);
    match reason {
        DeleteReason::Due => delete(items, &Failure::new("it was never deleted"), attempts, send),
        DeleteReason::Lost(failure) => delete(items, &failure, attempts, send),
        DeleteReason::Unavailable => vec![Step::void(call, &items), send(items)],
        DeleteReason::Refused(failure) => fail_each(items, &failure, attempts),
        DeleteReason::DeletedAlone => {
            let reason = "the server reported that it deleted it, and it is still there";
            // The listing may lag behind, and the object itself tells.
            let look = |item| {
                let failure = failed(&item, Failure::new(reason));
                Step::retry(Call::Check(item, failure))
            };
            items.into_iter().map(look).collect()
        }
        DeleteReason::Deleted(at) => match lag::read_again_at(at, seen.begun) {
            Some(due) => vec![Step::look_up(call, items, Reason::Delete(reason), due)],
            // The server took the others and left these: each alone says why.
            None => items.into_iter().map(|item| send(vec![item])).collect(),
        },
        DeleteReason::Rejected(_) => {
            let mut steps = vec![Step::void(call, &items)];
            let half = items.split_off(items.len().div_ceil(2));
            let halves = [items, half].into_iter().filter(|half| !half.is_empty());
            steps.extend(halves.map(send));
            steps
        }
    }
}

/// Deletes items together, except for those that were sent as often as they may be.
fn delete(
    items: Batch,
    reason: &Failure,
    attempts: &Attempts,
    send: impl Fn(Batch) -> Step,
) -> Steps {
    let (spent, left) = attempts.split_spent(items);
    let give_up = |item| check_failed(item, attempts.given_up(reason), attempts);
    let mut steps: Steps = spent.into_iter().map(give_up).collect();
    if !left.is_empty() {
        steps.push(send(left));
    }
    steps
}

fn fail_each(items: Batch, failure: &Failure, attempts: &Attempts) -> Steps {
    let fail = |item| fail_or_check(item, failure.clone(), attempts);
    items.into_iter().map(fail).collect()
}

/// Takes the item out of its group, or spares it if too few others would be left in the group.
fn keep_in_group(
    item: &Item<'_>,
    live: &Object,
    groups: &mut HashMap<String, u32>,
    keep: u32,
) -> Option<Outcome> {
    let left = groups.get_mut(item.resource.group(live)?)?;
    if *left > keep {
        *left -= 1;
        return None;
    }
    let reason = format!("its group has only {left} left by now (--keep-per-group {keep})");
    Some(spared(item, Failure::new(reason)))
}
