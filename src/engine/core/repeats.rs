//! Decisions about calls that depend on a reading and are sent again: they begin with the reading.

use std::time::{Duration, Instant};

use super::super::call::Call;
use super::super::dispatch::Priority;
use super::attempts::Attempts;
use super::step::Step;
use super::{changes, lists, removals};
use crate::wire::Failure;

/// Begins a call anew that was not executed. A listing begins at `due` or later.
pub(super) fn now(call: Call, due: Instant) -> Step {
    begin(call, Priority::Retry, due)
}

/// Begins a call anew that failed, after `wait`. An item that was sent as often as it may be is checked instead.
pub(super) fn later(
    call: Call,
    wait: Duration,
    failure: &Failure,
    attempts: &Attempts,
    now: Instant,
) -> Step {
    match call {
        Call::Put(item, _) | Call::DeleteOne(item) if attempts.is_spent(&item) => {
            changes::check(item, attempts.given_up(failure), attempts)
        }
        call => begin(call, Priority::RetryAfter(wait), now + wait),
    }
}

fn begin(call: Call, priority: Priority, due: Instant) -> Step {
    let call = match call {
        Call::Put(item, _) | Call::DeleteOne(item) => Call::Read(item),
        Call::WriteList(merge, _) => lists::read_again(merge),
        Call::Delete(items) => return removals::list_first(items, due),
        call => call,
    };
    Step::Submit(call, priority)
}
