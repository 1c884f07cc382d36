//! The ways in which items end.

use super::call::target;
use crate::item::{Change, Item, Outcome, Status, changed_since};
use crate::retry::Verdict;
use crate::wire::{Failure, Id, Object};

pub(super) fn outcome(item: &Item<'_>, status: Status, id: Option<Id>) -> Outcome {
    Outcome {
        item: item.item,
        status,
        id,
        failure: None,
    }
}

/// The outcome of an item whose object is as asked, except for the fields that were left alone.
pub(super) fn done(item: &Item<'_>, status: Status, id: Option<Id>) -> Outcome {
    let undo = item.undo.as_ref();
    Outcome {
        failure: undo.and_then(|undo| undo.left_alone()),
        ..outcome(item, status, id)
    }
}

pub(super) fn spared(item: &Item<'_>, reason: Failure) -> Outcome {
    Outcome {
        failure: Some(reason),
        ..outcome(item, Status::Spared, target(item))
    }
}

/// The outcome of an item of a saved plan whose object has changed since; none if it has not.
pub(super) fn stale(item: &Item<'_>, live: Option<&Object>) -> Option<Outcome> {
    let failure = Some(item.stale(live)?);
    Some(Outcome {
        failure,
        ..outcome(item, Status::Stale, target(item))
    })
}

pub(super) fn failed(item: &Item<'_>, failure: Failure) -> Outcome {
    Outcome {
        failure: Some(failure),
        ..outcome(item, Status::Failed, None)
    }
}

/// The outcome of an item whose live object must not be deleted; none if it may be.
pub(super) fn barred(item: &Item<'_>, live: &Object) -> Option<Outcome> {
    if let Some(reason) = item.scope().barred(live) {
        let message = format!("the {} cannot be deleted: {reason}", item.resource.noun());
        return Some(failed(item, Failure::new(message)));
    }
    let Change::Delete {
        condition: Some(condition),
        ..
    } = &item.change
    else {
        return None;
    };
    let held = item.resource.condition_holds(live, condition);
    held.err().map(|reason| spared(item, Failure::new(reason)))
}

/// The failure of an item whose calls failed for this reason as often as they may be sent.
pub(super) fn given_up(limit: u32, reason: &Failure) -> Failure {
    Failure {
        message: format!("given up after {limit} attempts: {}", reason.message),
        ..reason.clone()
    }
}

pub(super) fn failure_of(verdict: Verdict) -> Failure {
    match verdict {
        Verdict::Unauthorized(failure)
        | Verdict::Retry(_, failure)
        | Verdict::Ambiguous(failure)
        | Verdict::Unavailable(_, failure)
        | Verdict::Absent(failure)
        | Verdict::Exists(failure)
        | Verdict::Rejected(failure)
        | Verdict::Permanent(failure) => failure,
        Verdict::Success | Verdict::Throttled(_) => Failure::new("the answer made no sense"),
    }
}

/// Leaves alone what somebody else has changed since the plan was saved, or since the run that the item undoes. An update
/// of an undo goes on without such fields.
///
/// # Errors
/// The outcome of an item that leaves its whole object alone.
pub(super) fn give_way(item: &mut Item<'static>, live: &Object) -> Result<(), Outcome> {
    if let Some(stale) = stale(item, Some(live)) {
        return Err(stale);
    }
    undoable(item, live).map_err(|reason| spared(item, reason))
}

fn undoable(item: &mut Item<'static>, live: &Object) -> Result<(), Failure> {
    let (kind, Some(undo)) = (item.resource, item.undo.as_mut()) else {
        return Ok(());
    };
    match &mut item.change {
        Change::Delete { .. } => {
            let strays = kind.changed_fields(live, &undo.expected);
            if !strays.is_empty() {
                return Err(changed_since(&strays));
            }
        }
        Change::Update { set, .. } => {
            let (_, changed) = kind.revertible(live, set, &undo.expected);
            set.0.retain(|(wire, _)| !changed.iter().any(|f| f == wire));
            undo.left.extend(changed);
            if set.0.is_empty() {
                return Err(changed_since(&undo.left));
            }
        }
        _ => {}
    }
    Ok(())
}
