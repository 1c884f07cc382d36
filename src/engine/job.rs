//! What a call is about, and the ends that its items may come to.

use crate::model::{
    Change, Failure, Fields, Id, Item, ItemNumber, Method, Object, Outcome, Request, Status,
};
use crate::retry::Verdict;

/// What a call is about.
#[derive(Debug)]
pub(super) enum Job {
    /// Create these together.
    Create(Vec<Item<'static>>),
    /// Read what this updates.
    Read(Item<'static>),
    /// Write what was read and merged.
    Put(Item<'static>, Box<Request>),
    /// Delete this.
    Delete(Item<'static>),
    /// Read a page of the listing of that number.
    Page(u32),
}

impl Job {
    pub(super) fn method(&self) -> Method {
        match self {
            Self::Create(_) => Method::Post,
            Self::Read(_) | Self::Page(_) => Method::Get,
            Self::Put(..) => Method::Put,
            Self::Delete(_) => Method::Delete,
        }
    }

    /// The items that it changes; none for a call that only reads.
    pub(super) fn items(&self) -> Vec<ItemNumber> {
        match self {
            Self::Create(items) => items.iter().map(|item| item.item).collect(),
            Self::Put(item, _) | Self::Delete(item) => vec![item.item],
            Self::Read(_) | Self::Page(_) => Vec::new(),
        }
    }

    /// Whether it may give room or a name free.
    pub(super) fn frees(&self) -> bool {
        matches!(self, Self::Read(_) | Self::Put(..) | Self::Delete(_))
    }

    /// What is sent; a page's request is its listing's business.
    pub(super) fn request(&self) -> Option<Request> {
        match self {
            Self::Create(items) => {
                let first = items.first()?;
                let bodies: Vec<&Fields<'_>> = items.iter().filter_map(body_of).collect();
                Some(first.resource.create(&bodies, first.microtenant.clone()))
            }
            Self::Read(item) => Some(item.resource.read(&target(item)?, item.microtenant.clone())),
            Self::Put(_, request) => Some((**request).clone()),
            Self::Delete(item) => Some(
                item.resource
                    .delete(&target(item)?, item.microtenant.clone()),
            ),
            Self::Page(_) => None,
        }
    }
}

fn body_of<'i>(item: &'i Item<'static>) -> Option<&'i Fields<'static>> {
    match &item.change {
        Change::Create { body, .. } => Some(body),
        _ => None,
    }
}

/// The id of the object that the item is about, for one that exists.
pub(super) fn target(item: &Item<'_>) -> Option<Id> {
    match &item.change {
        Change::Update { id, .. } | Change::Delete { id } => Some(id.clone()),
        _ => None,
    }
}

/// The write of an update, or none when the object is by now as asked.
pub(super) fn replacement(
    item: &Item<'_>,
    id: &Id,
    set: &Fields<'_>,
    live: &Object,
) -> Option<Request> {
    let kind = item.resource;
    let done = set
        .0
        .iter()
        .all(|(wire, value)| kind.same(wire, live, value));
    (!done).then(|| kind.replace(id, item.microtenant.clone(), live, set))
}

pub(super) fn outcome(item: &Item<'_>, status: Status, id: Option<Id>) -> Outcome {
    Outcome {
        item: item.item,
        status,
        id,
        failure: None,
    }
}

pub(super) fn failed(item: &Item<'_>, failure: Failure) -> Outcome {
    Outcome {
        item: item.item,
        status: Status::Failed,
        id: None,
        failure: Some(failure),
    }
}

pub(super) fn conflict(item: &Item<'_>, other: &Id) -> Failure {
    let noun = item.resource.noun();
    Failure::new(format!(
        "another {noun} of this name has appeared meanwhile ({other}); plan again"
    ))
}

pub(super) fn given_up(limit: u32, why: &Failure) -> Failure {
    Failure {
        message: format!("given up after {limit} attempts: {}", why.message),
        ..why.clone()
    }
}

pub(super) fn failure_of(verdict: Verdict) -> Failure {
    match verdict {
        Verdict::Unauthorized(failure)
        | Verdict::Again(_, failure)
        | Verdict::Ambiguous(failure)
        | Verdict::Absent(failure)
        | Verdict::Exists(failure)
        | Verdict::Rejected(failure)
        | Verdict::Final(failure) => failure,
        Verdict::Success | Verdict::Throttled(_) => Failure::new("the answer made no sense"),
    }
}
