//! Decisions about items whose list is read and written as a whole.
//!
//! Read, merge, write, read again: an item has ended when the list is seen to be as it asks. An element that was
//! written and is missing afterwards, because another administrator wrote at the same time, is put back. A list that is
//! after a write exactly as it was before may lag behind, and is only read again for a while.

use std::time::{Duration, Instant};

use super::super::call::{Batch, Call, target};
use super::super::dispatch::Priority;
use super::super::lag;
use super::super::listing::elements;
use super::super::merge::{Extent, Merge, Refused, element, is_done, status, takes_out};
use super::super::outcomes::{done, failed, failure_of, give_way, spared, stale};
use super::super::settings::End;
use super::attempts::Attempts;
use super::changes::before;
use super::step::{Judged, Step, Steps};
use crate::item::{Change, Item, Outcome, Status};
use crate::resource::Kind;
use crate::retry::Verdict;
use crate::wire::{Failure, Id, Object};

/// The number of writes that the server may take without the list being as written, until it is not believed any
/// more.
const FRUITLESS_WRITES: u32 = 2;

/// A list as it was read.
struct Seen<'l> {
    kind: Kind,
    live: &'l [Object],
    /// The instant from which on the age of the reading counts.
    read_at: Instant,
}

/// Begins with loaded items that belong to one list.
pub(super) fn begin(items: Batch, attempts: &Attempts, now: Instant) -> Step {
    let in_doubt = items.iter().any(|item| attempts.in_doubt(item));
    let mut merge = Merge::new(items);
    if in_doubt {
        merge.inherited(attempts.settled_at(now));
    }
    if in_doubt {
        // What became of the write is read at once.
        return Step::submit(reading(merge));
    }
    Step::submit(Call::WriteList(Box::new(merge), None))
}

fn reading(merge: Merge) -> Call {
    Call::ReadList(Box::new(merge))
}

fn again(merge: Merge) -> Step {
    Step::retry(reading(merge))
}

fn again_after(merge: Merge, wait: Duration) -> Step {
    Step::Submit(reading(merge), Priority::After(wait))
}

/// Takes in the list, as it was read before a write or after one.
pub(super) fn read(mut merge: Merge, judged: Judged<'_>, attempts: &Attempts) -> Steps {
    let (now, read_at) = (judged.now, judged.read_at);
    let body = judged.json();
    let live = match judged.verdict {
        Verdict::Success => {
            elements(body).map_err(|why| Failure::new(format!("{why}; nothing was written")))
        }
        verdict => Err(failure_of(verdict)),
    };
    let failure = match live {
        Ok(live) if live.is_empty() && merge.doubts_empty() => return vec![again(merge)],
        Ok(live) => return compare(merge, &live, attempts, now, read_at),
        Err(failure) => failure,
    };
    let refused = merge.take_refused();
    if let Some(refused) = refused.filter(|refused| !matches!(refused.extent, Extent::Some(_))) {
        return fail(merge, &refused);
    }
    let mut items = merge.items().iter();
    if let Some(item) = items.find(|item| attempts.in_doubt(item)) {
        // Nobody can say what became of a write that was not answered.
        return vec![Step::Stop(End::Unreadable(item.resource, failure))];
    }
    let extent = Extent::All;
    fail(merge, &Refused { failure, extent })
}

/// Compares the list with what was written, ends the items that have ended, and writes the list for the others.
fn compare(
    mut merge: Merge,
    live: &[Object],
    attempts: &Attempts,
    now: Instant,
    read_at: Instant,
) -> Steps {
    let Some(kind) = merge.items().first().map(|item| item.resource) else {
        return Vec::new();
    };
    let seen = Seen {
        kind,
        live,
        read_at,
    };
    if let Some(refused) = merge.take_refused() {
        return end_refused(merge, &refused, &seen, attempts, now);
    }
    if let Some(until) = merge.open_until(live, now) {
        let priority = Priority::RetryAfter(until - now);
        return vec![Step::Submit(reading(merge), priority)];
    }
    let behind = merge.is_behind(live);
    if let Some(at) = behind.and_then(|confirmed| lag::read_again_at(confirmed, read_at)) {
        merge.was_behind = true;
        return vec![again_after(merge, at.saturating_duration_since(now))];
    }
    let mut steps = Vec::new();
    if std::mem::take(&mut merge.was_behind) && behind.is_none() {
        steps.push(Step::Lags);
    }
    let gives_up = |item: &Item<'_>| attempts.is_spent(item) && !is_done(item, live);
    if merge.items().iter().any(gives_up) {
        // Whatever the server answered, it may have taken a write that the list does not show yet.
        let wait = merge.until_current(now, lag::LONGEST);
        if !wait.is_zero() {
            steps.push(again_after(merge, wait));
            return steps;
        }
    }
    merge.compare(kind, live);
    let spent = merge.items().iter().all(|item| attempts.is_spent(item));
    if merge.owed().is_empty() || spent {
        warn_of_lost(kind, merge.owed());
        let ended = merge.end_items(|item, taken| end(item, taken, live, attempts));
        steps.push(Step::Finish(ended));
    } else {
        let what = names(kind, merge.owed());
        tracing::warn!(
            what,
            "lost from the list while it was written; it is put back"
        );
    }
    steps.extend(write_or_next(merge, &seen, attempts, now));
    steps
}

/// Writes the list for the items that are left. If none are, begins with those that waited for them.
fn write_or_next(mut merge: Merge, seen: &Seen<'_>, attempts: &Attempts, now: Instant) -> Steps {
    let Seen {
        kind,
        live,
        read_at,
    } = *seen;
    let Some(scope) = merge.items().first().map(Item::scope) else {
        return merge.next().map(again).into_iter().collect();
    };
    let items = merge.items().iter();
    let before = items.filter_map(|item| before(item, element(item, live)?, attempts));
    let mut steps: Steps = before.collect();
    let list = merge.list(kind, live);
    merge.sent(list.clone(), live.to_vec(), now);
    let call = Call::WriteList(Box::new(merge), Some(Box::new(scope.write_list(list))));
    steps.push(Step::Write(call, Priority::Fresh, read_at));
    steps
}

/// The outcome of an item that has ended. `taken` is how many writes with it the server says that it has taken.
fn end(
    item: &mut Item<'static>,
    taken: u32,
    live: &[Object],
    attempts: &Attempts,
) -> Option<Outcome> {
    let left_alone = changed_since(item, taken, live).or_else(|| left_alone(item, live, attempts));
    if left_alone.is_some() {
        return left_alone;
    }
    if is_done(item, live) {
        let status = match attempts.of(item) {
            0 => Status::Unchanged,
            _ if taken > 0 => status(item),
            _ => Status::Recovered,
        };
        return Some(ended(item, status, live));
    }
    let noun = item.resource.noun();
    let message = if taken < FRUITLESS_WRITES {
        let reason = Failure::new("the list was never as it was written");
        let spent = attempts.is_spent(item);
        return spent.then(|| failed(item, attempts.given_up(&reason)));
    } else if takes_out(item) {
        format!(
            "the server took a list without the {noun} twice and kept it: this tenant only ever adds; remove it in the admin console"
        )
    } else {
        format!("the server took a list with the {noun} twice and does not show it so")
    };
    Some(failed(item, Failure::new(message)))
}

/// The outcome of an item whose element has changed since the plan was saved, unless the server has taken a write of it.
fn changed_since(item: &Item<'static>, taken: u32, live: &[Object]) -> Option<Outcome> {
    (taken == 0).then(|| stale(item, element(item, live)))?
}

/// The outcome of an item of an undo that leaves its element alone, unless a write of it was sent already.
fn left_alone(item: &mut Item<'static>, live: &[Object], attempts: &Attempts) -> Option<Outcome> {
    if item.undo.is_none() || attempts.of(item) > 0 {
        return None;
    }
    match element(item, live) {
        Some(there) => give_way(item, there).err(),
        None => matches!(item.change, Change::Update { .. }).then(|| {
            let reason = "it is no longer there; another hand has deleted it";
            spared(item, Failure::new(reason))
        }),
    }
}

fn ended(item: &Item<'_>, status: Status, live: &[Object]) -> Outcome {
    let id = element(item, live).and_then(Id::of);
    done(item, status, id.or_else(|| target(item)))
}

/// Takes in the end of a write.
pub(super) fn written(mut merge: Merge, judged: Judged<'_>, attempts: &Attempts) -> Steps {
    if judged.verdict == Verdict::Success {
        merge.confirmed(judged.now);
    } else {
        merge.unconfirmed(attempts.settled_at(judged.now));
    }
    match judged.verdict {
        Verdict::Success | Verdict::Ambiguous(_) | Verdict::Unavailable(..) => vec![again(merge)],
        Verdict::Rejected(failure) | Verdict::Exists(failure) | Verdict::Absent(failure) => {
            let extent = match merge.items() {
                [_] => Extent::Only,
                _ => Extent::Some(judged.call),
            };
            refused(merge, Refused { failure, extent })
        }
        verdict => {
            let failure = failure_of(verdict);
            let extent = Extent::All;
            refused(merge, Refused { failure, extent })
        }
    }
}

/// Reads a list that was refused: the server may have taken this write or an earlier one. The next list is made from what is
/// read, and would take elements out that the server does not show yet. So the reading waits for as long as one may lag.
fn refused(mut merge: Merge, refused: Refused) -> Steps {
    merge.refuse(refused);
    vec![again_after(merge, lag::LONGEST)]
}

/// Ends the items of a list that was refused which came through all the same, and fails the others. If only some of them may
/// be to blame, it goes on by halves.
fn end_refused(
    mut merge: Merge,
    refused: &Refused,
    seen: &Seen<'_>,
    attempts: &Attempts,
    now: Instant,
) -> Steps {
    let Seen { kind, live, .. } = *seen;
    merge.compare(kind, live);
    let has_landed = merge.has_landed();
    let status = |item: &Item<'_>| {
        if has_landed {
            status(item)
        } else {
            Status::Recovered
        }
    };
    let there =
        merge.end_items(|item, _| is_done(item, live).then(|| ended(item, status(item), live)));
    let mut steps = vec![Step::Finish(there)];
    match refused.extent {
        Extent::Some(call) => {
            steps.push(Step::void(call, merge.items()));
            merge.halve();
            steps.extend(write_or_next(merge, seen, attempts, now));
        }
        Extent::Only => steps.extend(fail(merge, refused)),
        Extent::All => {
            warn_of_lost(kind, merge.owed());
            steps.extend(fail(merge, refused));
        }
    }
    steps
}

/// Fails the items that are under way. Those that wait fail too if every write will be refused, and else begin.
fn fail(merge: Merge, refused: &Refused) -> Steps {
    let failed = |items: &[Item<'_>]| Step::fail_all(items, &refused.failure);
    let mut steps = vec![failed(merge.items())];
    if matches!(refused.extent, Extent::All) {
        steps.extend(merge.rest().iter().map(|items| failed(items)));
    } else {
        steps.extend(merge.next().map(again));
    }
    steps
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
