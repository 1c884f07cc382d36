//! Decisions about calls that depend on a reading: the reading itself, and their repetition.

use std::time::{Duration, Instant};

use super::super::call::{Call, CallId};
use super::super::dispatch::Priority;
use super::super::unresolved::Reason;
use super::attempts::Attempts;
use super::step::Step;
use super::{changes, removals};
use crate::wire::Failure;

/// Reads what the call depends on.
pub(super) fn reading(call: Call, now: Instant) -> Step {
    match call {
        Call::Put(item, _) | Call::DeleteOne(item) => Step::retry(Call::Read(item)),
        Call::WriteList(merge, _) => Step::retry(Call::ReadList(merge)),
        Call::Delete(items) => removals::list(items, now),
        call => Step::retry(call),
    }
}

/// Begins a call anew that was not answered. One listing, at `due`, tells of all objects that were changed alone.
pub(super) fn after_look(id: CallId, call: Call, due: Instant) -> Step {
    match call {
        Call::Put(item, _) | Call::DeleteOne(item) => {
            Step::look_up(id, vec![item], Reason::Change, due)
        }
        Call::Delete(items) => removals::list(items, due),
        call => Step::retry(call.unread()),
    }
}

/// Begins a call anew that failed, after `wait`. An item that was sent as often as it may be is checked instead.
pub(super) fn later(call: Call, wait: Duration, failure: &Failure, attempts: &Attempts) -> Step {
    match call {
        Call::Put(item, _) | Call::DeleteOne(item) if attempts.is_spent(&item) => {
            changes::check_failed(item, attempts.given_up(failure), attempts)
        }
        call => Step::Submit(call.unread(), Priority::RetryAfter(wait)),
    }
}
