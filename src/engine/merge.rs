//! Merges: the items of a list that is read and written as a whole, on their way into it.
//!
//! Pure. Nobody says whether the server adds the list that it is sent to its own, or replaces its own by it. So the
//! list that is written is the union of the one that was just read and of the items, and it is read again afterwards.
//! An element that was written and is missing then is owed: it is put back, whatever becomes of the items.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::item::{CallId, Change, Item, Status};
use crate::resource::Kind;
use crate::wire::{Failure, FieldValue, Fields, Id, Object};

/// Items that are being merged into the list that they belong to.
#[derive(Debug, Default)]
pub(super) struct Merge {
    items: Vec<Item<'static>>,
    /// The items that come after them. A list is written by one call at a time.
    rest: Vec<Vec<Item<'static>>>,
    /// The list that was written last, until the list is read again.
    written: Option<Written>,
    /// The number of writes of these items that the server said it has taken.
    taken: u32,
    owed: Vec<Object>,
    /// True while the list that was written last is waited for.
    pub(super) was_behind: bool,
    /// The instant from which on the list cannot lag behind the last write, once that matters.
    current_from: Option<Instant>,
    /// True once the list was read and empty, which is believed the second time.
    seen_empty: bool,
    /// True once the server said that it has taken a write of any of these items, with others or without.
    landed: bool,
    /// The refusal of the last write after one that was taken. The list tells what that one has done.
    refused: Option<Refused>,
}

#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) failure: Failure,
    pub(super) extent: Extent,
}

/// The part of a merge to which a refusal applies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Extent {
    /// Some of the items of that call.
    Some(CallId),
    /// The only item of its call.
    Only,
    /// These items and all that wait for them.
    All,
}

/// A list that was sent.
#[derive(Clone, Debug)]
struct Written {
    list: Vec<Object>,
    /// The list as it was read before, unless an earlier process wrote this one.
    base: Option<Vec<Object>>,
    answer: WriteAnswer,
}

/// The knowledge of what came of a write.
#[derive(Clone, Copy, Debug)]
enum WriteAnswer {
    /// The server said at that instant that it has taken the list.
    Confirmed(Instant),
    /// There is no answer, or none that says so. The list may be taken until that instant.
    Open(Instant),
}

impl Merge {
    pub(super) fn new(items: Vec<Item<'static>>) -> Self {
        Self {
            items,
            ..Self::default()
        }
    }

    pub(super) fn items(&self) -> &[Item<'static>] {
        &self.items
    }

    /// The items that wait for these, in the order in which they were put off.
    pub(super) fn rest(&self) -> &[Vec<Item<'static>>] {
        &self.rest
    }

    /// The elements that were written and are missing since.
    pub(super) fn owed(&self) -> &[Object] {
        &self.owed
    }

    /// Notes an empty list. Returns true if it is to be read once more: to believe it wrongly would empty the list.
    pub(super) fn doubts_empty(&mut self) -> bool {
        !std::mem::replace(&mut self.seen_empty, true)
    }

    /// Notes that an earlier process has written a list, which may be carried out until then.
    pub(super) fn inherited(&mut self, until: Instant) {
        self.written = Some(Written {
            list: Vec::new(),
            base: None,
            answer: WriteAnswer::Open(until),
        });
    }

    /// Notes that this list is written at `now`, in the place of the one that was read.
    pub(super) fn sent(&mut self, list: Vec<Object>, base: Vec<Object>, now: Instant) {
        self.current_from = None;
        self.written = Some(Written {
            list,
            base: Some(base),
            answer: WriteAnswer::Open(now),
        });
    }

    /// Notes that the server said at `now` that it has taken the write.
    pub(super) fn confirmed(&mut self, now: Instant) {
        if let Some(written) = &mut self.written {
            written.answer = WriteAnswer::Confirmed(now);
            self.taken += 1;
            self.landed = true;
        }
    }

    /// Notes that nobody said so. The write may be carried out until that instant.
    pub(super) fn unconfirmed(&mut self, until: Instant) {
        if let Some(written) = &mut self.written {
            written.answer = WriteAnswer::Open(until);
        }
    }

    /// Forgets the last write, which was certainly not carried out or will be seen in the list.
    pub(super) fn forget_write(&mut self) {
        self.written = None;
    }

    /// Notes a refusal. The list is to be read first for what this write or an earlier one has done.
    pub(super) fn refuse(&mut self, refused: Refused) {
        self.written = None;
        self.refused = Some(refused);
    }

    /// Returns true if the server has taken a write.
    pub(super) fn has_landed(&self) -> bool {
        self.landed
    }

    pub(super) fn take_refused(&mut self) -> Option<Refused> {
        self.refused.take()
    }

    /// Puts half of the items off, if there are several, since the list was refused because of some of them.
    pub(super) fn halve(&mut self) {
        self.written = None;
        self.taken = 0;
        let half = self.items.split_off(self.items.len().div_ceil(2));
        if !half.is_empty() {
            self.rest.push(half);
        }
    }

    /// Returns the merge of the items that waited for these, if any did.
    pub(super) fn next(mut self) -> Option<Self> {
        let items = self.rest.pop()?;
        Some(Self {
            rest: self.rest,
            owed: self.owed,
            landed: self.landed,
            ..Self::new(items)
        })
    }

    /// Hands the items out that have ended, as `end` says for each and the number of writes that were taken.
    pub(super) fn end_items<T>(
        &mut self,
        end: impl Fn(&mut Item<'static>, u32) -> Option<T>,
    ) -> Vec<T> {
        let taken = self.taken;
        let mut ended = Vec::new();
        self.items.retain_mut(|item| {
            let end = end(item, taken);
            let goes_on = end.is_none();
            ended.extend(end);
            goes_on
        });
        ended
    }

    /// Returns the instant until which the last write may still be carried out, if nobody knows whether it was.
    pub(super) fn open_until(&self, live: &[Object], now: Instant) -> Option<Instant> {
        let is_done = || self.items.iter().all(|item| is_done(item, live));
        match self.written.as_ref()?.answer {
            WriteAnswer::Open(until) if now < until && !is_done() => Some(until),
            _ => None,
        }
    }

    /// Returns the time until the list cannot lag behind the last write any more. Lists lag for at most `longest`, counted from
    /// the first `now` after the write.
    pub(super) fn until_current(&mut self, now: Instant, longest: Duration) -> Duration {
        let from = *self.current_from.get_or_insert(now + longest);
        from.saturating_duration_since(now)
    }

    /// Returns the instant at which the server said that it has taken the last write, if the list is exactly as it was read
    /// before.
    pub(super) fn is_behind(&self, live: &[Object]) -> Option<Instant> {
        let written = self.written.as_ref()?;
        match written.answer {
            WriteAnswer::Confirmed(at) if written.base.as_deref() == Some(live) => Some(at),
            _ => None,
        }
    }

    /// Compares the list that was written with the one that is there. A missing element, apart from the items' own,
    /// is owed from now on; one that is there again no longer is. If a write was not confirmed and left no trace, it
    /// was not carried out, and nothing is missing.
    pub(super) fn compare(&mut self, kind: Kind, live: &[Object]) {
        if let Some(written) = self.written.take() {
            let confirmed = matches!(written.answer, WriteAnswer::Confirmed(_));
            let landed = confirmed || self.items.iter().any(|item| is_done(item, live));
            let own = |object: &Object| self.items.iter().any(|item| is_about(item, object));
            let missing = written
                .list
                .into_iter()
                .filter(|object| landed && !own(object));
            let missing: Vec<Object> = missing.filter(|object| is_known(kind, object)).collect();
            self.owed.extend(missing);
        }
        self.owed
            .retain(|object| !live.iter().any(|other| alike(kind, other, object)));
        let mut kept: Vec<Object> = Vec::new();
        for object in self.owed.drain(..) {
            if !kept.iter().any(|other| alike(kind, other, &object)) {
                kept.push(object);
            }
        }
        self.owed = kept;
    }

    /// Returns the list to write: the one that was read and the owed elements, with what the items ask for.
    pub(super) fn list(&self, kind: Kind, live: &[Object]) -> Vec<Object> {
        let about = |object: &Object| self.items.iter().find(|item| is_about(item, object));
        let there = live.iter().filter_map(|object| match about(object) {
            None => Some(kind.merge(object, &Fields::default())),
            Some(item) => Some(kind.merge(object, wanted(item)?)),
        });
        let owed = self.owed.iter().filter(|object| about(object).is_none());
        let mut union: Vec<Object> = there.chain(owed.cloned()).collect();
        for item in &self.items {
            if !live.iter().any(|object| is_about(item, object)) {
                union.extend(new_element(item));
            }
        }
        union
    }
}

/// Returns true if the list is as the item asks.
pub(super) fn is_done(item: &Item<'_>, live: &[Object]) -> bool {
    match (wanted(item), element(item, live)) {
        (None, there) => there.is_none(),
        (Some(_), None) => false,
        (Some(fields), Some(there)) => {
            let differing = item.resource.differing(there, fields.to_owned_fields());
            differing.0.is_empty()
        }
    }
}

/// Finds the element that the item is about.
pub(super) fn element<'l>(item: &Item<'_>, live: &'l [Object]) -> Option<&'l Object> {
    live.iter().find(|object| is_about(item, object))
}

/// The status of an item when the list is as it asks after a confirmed write.
pub(super) fn status(item: &Item<'_>) -> Status {
    match item.change {
        Change::Create { .. } => Status::Created,
        Change::Delete { .. } => Status::Deleted,
        _ => Status::Updated,
    }
}

/// Returns true if the item takes an element out of the list.
pub(super) fn takes_out(item: &Item<'_>) -> bool {
    matches!(item.change, Change::Delete { .. })
}

/// The fields that the item's element is to have; none if the element is to go.
fn wanted<'i, 'r>(item: &'i Item<'r>) -> Option<&'i Fields<'r>> {
    match &item.change {
        Change::Create { body } => Some(body),
        Change::Update { set, .. } => Some(set),
        _ => None,
    }
}

fn new_element(item: &Item<'_>) -> Option<Object> {
    let fields = wanted(item)?;
    let key = FieldValue::Text(Cow::Owned(item.key.to_string()));
    let key_field = item.resource.key_field();
    let mut object = Fields(vec![(Cow::Borrowed(key_field), key)]).to_object();
    object.extend(fields.to_object());
    Some(object)
}

/// Returns true if the item means this element. Where two elements have one name, a delete has the id of one of them.
fn is_about(item: &Item<'_>, object: &Object) -> bool {
    if let Change::Delete { id, .. } = &item.change
        && let Some(other) = Id::of(object)
        && !id.as_str().is_empty()
    {
        return *id == other;
    }
    let key = item.resource.comparable_key(Cow::Borrowed(&item.key));
    item.resource.keys_of(object).contains(&key)
}

/// Returns true if the element can be told from others at all.
fn is_known(kind: Kind, object: &Object) -> bool {
    Id::of(object).is_some() || !kind.keys_of(object).is_empty()
}

fn alike(kind: Kind, one: &Object, other: &Object) -> bool {
    let (keys, others) = (kind.keys_of(one), kind.keys_of(other));
    if keys.is_empty() || others.is_empty() {
        return Id::of(one).is_some() && Id::of(one) == Id::of(other);
    }
    keys.iter().any(|key| others.contains(key))
}

#[cfg(test)]
mod tests;
