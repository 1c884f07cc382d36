//! Decisions about items that are created together.
//!
//! An item that may have been created is looked up before it is sent again. A batch that was refused as a whole is
//! looked up, then halved until the bad item stands alone.

use std::collections::HashSet;
use std::time::Instant;

use super::super::batch_limit::{BatchLimit, Parts};
use super::super::call::{Batch, Call, CallId, numbers};
use super::super::lag;
use super::super::lookup::{Lookup, Match, confirm};
use super::super::outcomes::{failed, failure_of, outcome};
use super::super::own_refs::OwnRefs;
use super::super::unresolved::{CreateReason, Reason};
use super::attempts::Attempts;
use super::step::{Judged, Step, Steps, failed_all};
use crate::item::{Event, Item, Outcome, Status, index};
use crate::plan::conflict;
use crate::retry::Verdict;
use crate::wire::{Failure, Id, Object};

/// The number of parts into which a batch is cut whose answer was lost twice. With the default of 8 attempts, a batch
/// of 150 is down to single items with three attempts left for each.
const PARTS_OF_LOST: usize = 4;

#[derive(Debug)]
pub(super) struct Creates {
    batch_limit: BatchLimit,
    own_refs: OwnRefs,
    /// Refused batches that wait until the batch limit is known.
    held: Vec<Batch>,
    /// True once an object is known to have kept its name.
    keeps_names: bool,
    created_by_others: HashSet<Id>,
}

impl Creates {
    pub(super) fn new(batch_size: u32) -> Self {
        Self {
            batch_limit: BatchLimit::new(index(batch_size)),
            own_refs: OwnRefs::default(),
            held: Vec::new(),
            keeps_names: false,
            created_by_others: HashSet::new(),
        }
    }

    /// Begins with at most `batch_size` objects in one create. What others have created is not taken for this run's.
    pub(super) fn start(&mut self, batch_size: u32, created_by_others: HashSet<Id>) {
        self.batch_limit = BatchLimit::new(index(batch_size));
        self.created_by_others = created_by_others;
    }

    /// Takes in objects that no create in doubt has made: those that other items are about.
    pub(super) fn exclude(&mut self, ids: impl IntoIterator<Item = Id>) {
        self.created_by_others.extend(ids);
    }

    /// The most objects in one create, as far as is known.
    pub(super) fn batch_size(&self) -> u32 {
        u32::try_from(self.batch_limit.most()).unwrap_or(u32::MAX)
    }

    pub(super) fn is_probing(&self) -> bool {
        self.batch_limit.is_probing() || self.own_refs.is_trying()
    }

    pub(super) fn holds_none(&self) -> bool {
        self.held.is_empty() && self.own_refs.holds_none()
    }

    /// Sends on the batches that waited for others to come through, if they need not wait any longer.
    pub(super) fn release_held(&mut self) -> Steps {
        let held = std::mem::take(&mut self.held);
        let mut sent: Steps = held
            .into_iter()
            .flat_map(|items| self.send_parts(items))
            .collect();
        for items in self.own_refs.release() {
            sent.extend(self.send_in(usize::MAX, items));
        }
        sent
    }

    /// Begins with loaded items. Those whose call was cut off are looked up, the others created.
    pub(super) fn begin(&mut self, items: Batch, attempts: &Attempts, now: Instant) -> Steps {
        let (cut_off, waiting): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| attempts.in_doubt(item));
        let (refused, lost): (Vec<_>, Vec<_>) = cut_off
            .into_iter()
            .partition(|item| attempts.ledger().is_refused(item.item));
        let failure = Failure::new("the run was cut off before the answer came");
        let refused = (refused, CreateReason::Rejected(failure.clone()));
        let lost = (lost, CreateReason::Lost(failure, attempts.settled_at(now)));
        let in_doubt = [refused, lost]
            .into_iter()
            .filter(|(items, _)| !items.is_empty());
        let mut steps: Steps = in_doubt
            .map(|(items, reason)| Step::look_up(0, items, Reason::Create(reason), now))
            .collect();
        if !waiting.is_empty() {
            let parts = self.own_refs.parts(waiting).into_iter();
            steps.extend(parts.map(|items| Step::submit(Call::Create(items))));
        }
        steps
    }

    /// Takes in the end of a create.
    pub(super) fn judged(
        &mut self,
        items: Batch,
        judged: Judged<'_>,
        attempts: &Attempts,
    ) -> Steps {
        let (call, now) = (judged.call, judged.now);
        let is_alone = items.len() == 1;
        let mut steps = Vec::new();
        let reason = match judged.verdict {
            Verdict::Success => return self.confirmed(items, &judged, attempts),
            Verdict::Ambiguous(failure) => {
                let settle_s = attempts.settle().as_secs();
                tracing::warn!(%failure, settle_s, "it is not known whether a create was carried out; the tenant is looked at");
                CreateReason::Lost(failure, attempts.settled_at(now))
            }
            Verdict::Unavailable(wait, _) => {
                let reason = Reason::Create(CreateReason::Unavailable);
                return vec![Step::look_up(call, items, reason, now + wait)];
            }
            Verdict::Exists(failure) if is_alone => {
                // Whoever resumes this must not take the object for one that this call has made.
                if items.iter().all(|item| attempts.of(item) <= 1) {
                    steps.push(Step::void(call, &items));
                }
                CreateReason::Exists(failure, now)
            }
            Verdict::Rejected(failure) | Verdict::Absent(failure) | Verdict::Exists(failure)
                if !is_alone =>
            {
                CreateReason::Rejected(failure)
            }
            verdict => CreateReason::Refused(failure_of(verdict), now),
        };
        if matches!(
            reason,
            CreateReason::Rejected(_) | CreateReason::Refused(..)
        ) {
            let items = numbers(&items);
            steps.push(Step::Append(Event::Refused { call, items }));
        }
        steps.push(Step::look_up(call, items, Reason::Create(reason), now));
        steps
    }

    /// Ends the items that a 2xx confirms. The others are looked up.
    fn confirmed(&mut self, items: Batch, judged: &Judged<'_>, attempts: &Attempts) -> Steps {
        let Some(scope) = items.first().map(Item::scope) else {
            return Vec::new();
        };
        let kind = scope.kind;
        let objects = kind.created_objects(judged.json());
        let (ids, keeps_names) = confirm(kind, &items, &objects);
        self.keeps_names |= keeps_names;
        self.batch_limit.took(&items);
        let mut outcomes = Vec::with_capacity(items.len());
        let mut unconfirmed = Vec::new();
        for (item, id) in items.into_iter().zip(ids) {
            let object = || {
                let of_id = |object: &&Object| Id::of(object) == id;
                objects.iter().find(of_id)
            };
            let compared = id
                .as_ref()
                .and_then(|_| self.own_refs.confirm(&item, object()?));
            match compared {
                Some(Ok(())) => outcomes.push(outcome(&item, Status::Created, id)),
                Some(Err(failure)) => outcomes.push(failed(&item, failure)),
                None => unconfirmed.push(item),
            }
        }
        let in_part = !outcomes.is_empty();
        let confirmed = outcomes.iter().find_map(|outcome| outcome.id.clone());
        let mut steps: Steps = confirmed
            .map(|id| Step::Confirm(scope, id))
            .into_iter()
            .collect();
        steps.extend(self.finish(outcomes));
        if !unconfirmed.is_empty() {
            let until = attempts.settled_at(judged.now);
            let reason = Reason::Create(CreateReason::Unconfirmed { until, in_part });
            steps.push(Step::look_up(judged.call, unconfirmed, reason, judged.now));
        }
        steps
    }

    /// Ends the items whose objects are there, and goes on with the others. The listing was begun at `seen`.
    pub(super) fn resolve(
        &mut self,
        call: CallId,
        items: Batch,
        mut reason: CreateReason,
        lookup: &Lookup<'_>,
        seen: Instant,
        attempts: &Attempts,
    ) -> Steps {
        let mut absent = Vec::new();
        let mut outcomes = Vec::new();
        let until = reason.may_appear_until();
        let is_open = until.is_some_and(|until| seen < until);
        for item in items {
            if let Some(failure) = self.misplaced(&item, &reason, lookup) {
                outcomes.push(failed(&item, failure));
                continue;
            }
            let (id, alike) = match lookup.find(&item) {
                Match::Found(id) => (id, false),
                Match::Alike(id) if !self.is_anothers(&item, &id, &reason, attempts) => (id, true),
                // The item's own object may still appear beside it.
                Match::Alike(_) | Match::Conflict(_) if is_open => {
                    absent.push(item);
                    continue;
                }
                Match::Alike(id) | Match::Conflict(id) => {
                    outcomes.push(conflict(&item, &id));
                    continue;
                }
                Match::Absent => {
                    absent.push(item);
                    continue;
                }
            };
            self.keeps_names = true;
            if let CreateReason::Unconfirmed { in_part, .. } = &mut reason {
                *in_part = true;
            }
            outcomes.push(self.found(&item, id, alike, &reason, attempts));
        }
        let mut steps = self.finish(outcomes);
        if !absent.is_empty() {
            let renamed = !self.keeps_names && absent.iter().any(|item| lookup.may_hold(item));
            let look_again = look_again(&reason, &absent, seen, attempts);
            if let Some(due) = look_again {
                steps.push(Step::look_up(call, absent, Reason::Create(reason), due));
            } else {
                steps.extend(self.absent(call, absent, reason, renamed, attempts));
            }
        }
        steps
    }

    /// Returns the failure of an item whose object the server says it has created, and has not put where it belongs.
    fn misplaced(
        &mut self,
        item: &Item<'_>,
        reason: &CreateReason,
        lookup: &Lookup<'_>,
    ) -> Option<Failure> {
        if !matches!(reason, CreateReason::Unconfirmed { .. }) {
            return None;
        }
        let (Match::Found(id) | Match::Alike(id) | Match::Conflict(id)) = lookup.find(item) else {
            return None;
        };
        if self.created_by_others.contains(&id) {
            return None;
        }
        let live = lookup.by_id.get(&id)?;
        self.own_refs.compare(item, live).err()
    }

    /// The outcome of an item whose object is there.
    fn found(
        &self,
        item: &Item<'_>,
        id: Id,
        alike: bool,
        reason: &CreateReason,
        attempts: &Attempts,
    ) -> Outcome {
        let status = match reason {
            _ if self.is_anothers(item, &id, reason, attempts) => Status::Unchanged,
            CreateReason::Unconfirmed { .. } if !alike => Status::Created,
            _ => Status::Recovered,
        };
        let mut found = outcome(item, status, Some(id));
        if status == Status::Recovered {
            found.failure = unproven(item, reason, alike, attempts);
        }
        found
    }

    /// Returns true if another created the object: another run, or anybody if the server says to the first attempt
    /// that the object exists.
    fn is_anothers(
        &self,
        item: &Item<'_>,
        id: &Id,
        reason: &CreateReason,
        attempts: &Attempts,
    ) -> bool {
        let is_first = attempts.of(item) <= 1;
        self.created_by_others.contains(id)
            || (is_first && matches!(reason, CreateReason::Exists(..)))
    }

    /// Goes on with items that are not there. With `renamed`, some may be there under other names.
    fn absent(
        &mut self,
        call: CallId,
        items: Batch,
        reason: CreateReason,
        renamed: bool,
        attempts: &Attempts,
    ) -> Steps {
        match reason {
            CreateReason::Lost(failure, _) | CreateReason::Answered(failure, _) => {
                self.send_again(items, &failure, attempts)
            }
            CreateReason::Unconfirmed { in_part, .. } => {
                let failure = Failure::new(
                    "the server reported success, and nothing of this name is there; look at the \
                     tenant before applying it again",
                );
                if renamed {
                    self.fail_all(&items, &failure)
                } else if in_part || items.len() == 1 {
                    self.send_again(items, &failure, attempts)
                } else {
                    // The server took none of them, so it has something against some. It says so of each alone.
                    self.send_in(1, items)
                }
            }
            CreateReason::Exists(failure, _) | CreateReason::Refused(failure, _) => {
                self.fail_all(&items, &failure)
            }
            CreateReason::Rejected(_) => {
                let mut steps = vec![Step::void(call, &items)];
                steps.extend(self.send_parts(items));
                steps
            }
            CreateReason::Unavailable => {
                vec![Step::void(call, &items), Step::retry(Call::Create(items))]
            }
        }
    }

    /// Sends items on that were refused together and of which none was created.
    fn send_parts(&mut self, items: Batch) -> Steps {
        match self.batch_limit.refused(&items) {
            Parts::Of(most) => self.send_in(most, items),
            Parts::Later => {
                self.held.push(items);
                Vec::new()
            }
        }
    }

    /// Sends items again whose call may have been lost because of one of them: together the second time, and from
    /// then on in ever smaller parts.
    fn send_again(&mut self, items: Batch, reason: &Failure, attempts: &Attempts) -> Steps {
        let (spent, left) = attempts.split_spent(items);
        let mut steps = self.fail_all(&spent, &attempts.given_up(reason));
        let repeated = left.iter().any(|item| attempts.of(item) > 1);
        let parts = if repeated { PARTS_OF_LOST } else { 1 };
        steps.extend(self.send_in(left.len().div_ceil(parts), left));
        steps
    }

    /// Sends items again, at most so many in one call.
    pub(super) fn send_in(&mut self, most: usize, mut items: Batch) -> Steps {
        let mut steps = Vec::new();
        while !items.is_empty() {
            let rest = items.split_off(items.len().min(most.max(1)));
            let parts = self.own_refs.parts(items).into_iter();
            steps.extend(parts.map(|items| Step::retry(Call::Create(items))));
            items = rest;
        }
        steps
    }

    /// Ends items, and learns from their ends how many objects the server takes at once.
    fn finish(&mut self, outcomes: Vec<Outcome>) -> Steps {
        let mut steps = Vec::new();
        for outcome in &outcomes {
            self.own_refs.ended(outcome.item);
            let failed = matches!(outcome.status, Status::Failed | Status::Stale);
            if self.batch_limit.ended(outcome.item, failed) {
                let most = self.batch_limit.most();
                tracing::info!(most, "the server takes batches of this size");
                steps.push(Step::Append(Event::BatchSize(self.batch_size())));
                steps.push(Step::CutCreates(most));
            }
        }
        let adopted = outcomes
            .iter()
            .filter(|ended| ended.status == Status::Recovered);
        steps.push(Step::Own(
            adopted.filter_map(|ended| ended.id.clone()).collect(),
        ));
        steps.push(Step::Finish(outcomes));
        steps
    }

    fn fail_all(&mut self, items: &[Item<'_>], failure: &Failure) -> Steps {
        self.finish(failed_all(items, failure))
    }
}

/// Returns when to look again for items that a listing from `seen` on does not show. One that may lag is no reason to fail if
/// the server says that the object exists, or if any attempt may have been carried out, whatever its answer was.
fn look_again(
    reason: &CreateReason,
    absent: &[Item<'_>],
    seen: Instant,
    attempts: &Attempts,
) -> Option<Instant> {
    let until = reason.may_appear_until();
    let was_sent_again = || absent.iter().any(|item| attempts.of(item) > 1);
    let fails = || absent.iter().any(|item| attempts.is_spent(item));
    match reason {
        _ if until.is_some_and(|until| seen < until) => until,
        CreateReason::Exists(_, at) => lag::read_again_at(*at, seen),
        CreateReason::Refused(_, at) if was_sent_again() => lag::read_again_at(*at, seen),
        CreateReason::Answered(_, at) if fails() => lag::read_again_at(*at, seen),
        _ => None,
    }
}

/// The reason to doubt that the item's call created the object. The object may be another's if the only call was
/// refused, if no call is known, or if its values are not those that were sent.
fn unproven(
    item: &Item<'_>,
    reason: &CreateReason,
    alike: bool,
    attempts: &Attempts,
) -> Option<Failure> {
    let refused = matches!(
        reason,
        CreateReason::Rejected(_) | CreateReason::Refused(..) | CreateReason::Unavailable
    );
    let message = if refused && attempts.of(item) <= 1 {
        "it is there though its call was refused; another may have created it"
    } else if attempts.ledger().is_presumed(item.item) {
        "it is there and the journal, which lost records, knows of no call for it; another may have created it"
    } else if alike {
        "it is there with other values than were sent; another may have created or changed it"
    } else {
        return None;
    };
    Some(Failure::new(message))
}
