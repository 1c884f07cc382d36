//! Steps: what the decisions about items answer, for the core to carry out in their order.

use std::time::Instant;

use serde_json::Value;

use super::super::call::{Batch, Call, CallId, Purpose, numbers};
use super::super::dispatch::Priority;
use super::super::listing::ListingReader;
use super::super::outcomes::failed;
use super::super::settings::End;
use super::super::unresolved::{Reason, Unresolved};
use crate::item::{Event, Item, Outcome};
use crate::resource::Scope;
use crate::retry::Verdict;
use crate::wire::{Answer, Failure, Id, Reply};

#[derive(Debug)]
pub(super) struct Judged<'a> {
    pub(super) call: CallId,
    pub(super) verdict: Verdict,
    pub(super) answer: Option<&'a Answer>,
    pub(super) now: Instant,
    /// The instant from which on the age of what was read counts.
    pub(super) read_at: Instant,
}

impl<'a> Judged<'a> {
    pub(super) fn new(
        call: CallId,
        verdict: Verdict,
        reply: &'a Reply,
        now: Instant,
        read_at: Instant,
    ) -> Self {
        let answer = match reply {
            Reply::Answer(answer) => Some(answer),
            _ => None,
        };
        Self {
            call,
            verdict,
            answer,
            now,
            read_at,
        }
    }

    pub(super) fn json(&self) -> Option<Value> {
        self.answer.and_then(Answer::json)
    }
}

pub(super) type Steps = Vec<Step>;

/// One thing that a decision asks for.
#[derive(Debug)]
pub(super) enum Step {
    Submit(Call, Priority),
    /// Submit a call for which was read at that instant.
    Write(Call, Priority, Instant),
    /// Cut the creates that wait in the queue into parts of at most so many objects.
    CutCreates(usize),
    /// List the scope of these items, to find out what has become of them.
    LookUp(Unresolved),
    /// Take in a listing that was read to its end. The age of what it shows counts from that instant on.
    Listed(Purpose, Box<ListingReader>, Instant),
    /// Note that the server said of this object of the scope that it was created.
    Confirm(Scope, Id),
    /// Note that a listing was behind.
    Lags,
    Append(Event),
    /// Note that this run has adopted these objects.
    Own(Vec<Id>),
    Finish(Vec<Outcome>),
    /// Start nothing any more.
    Stop(End),
}

impl Step {
    pub(super) fn submit(call: Call) -> Self {
        Self::Submit(call, Priority::Fresh)
    }

    pub(super) fn retry(call: Call) -> Self {
        Self::Submit(call, Priority::Retry)
    }

    pub(super) fn look_up(call: CallId, items: Batch, reason: Reason, due: Instant) -> Self {
        Self::LookUp(Unresolved {
            call,
            items,
            reason,
            due,
        })
    }

    pub(super) fn finish(outcome: Outcome) -> Self {
        Self::Finish(vec![outcome])
    }

    pub(super) fn fail(item: &Item<'_>, failure: Failure) -> Self {
        Self::finish(failed(item, failure))
    }

    pub(super) fn fail_all(items: &[Item<'_>], failure: &Failure) -> Self {
        Self::Finish(failed_all(items, failure))
    }

    /// Writes down that the call was certainly not carried out.
    pub(super) fn void(call: CallId, items: &[Item<'_>]) -> Self {
        let items = numbers(items);
        Self::Append(Event::Void { call, items })
    }
}

pub(super) fn failed_all(items: &[Item<'_>], failure: &Failure) -> Vec<Outcome> {
    let failed = |item| failed(item, failure.clone());
    items.iter().map(failed).collect()
}
