//! What a call is about, and the ends that its items may come to.

use super::merge::Merge;
use crate::item::{Change, Item, ItemNumber, Outcome, Status, changed_since};
use crate::retry::Verdict;
use crate::wire::{Failure, Fields, Id, Method, Object, Request};

/// The number of a call in its run, in the order in which they were made.
pub(super) type CallId = u32;

/// What a call is about.
#[derive(Debug)]
pub(super) enum Job {
    /// Create these together.
    Create(Vec<Item<'static>>),
    /// Read what this changes.
    Read(Item<'static>),
    /// Write what was read and merged.
    Put(Item<'static>, Box<Request>),
    /// Read what an update or a delete has come to that fails for this reason unless it is as asked.
    Check(Item<'static>, Failure),
    /// Delete what was read.
    DeleteOne(Item<'static>),
    /// Delete these together, which were listed before and are looked for afterwards.
    Delete(Vec<Item<'static>>),
    /// Read the list that these belong to.
    ReadList(Box<Merge>),
    /// Write that list.
    WriteList(Box<Merge>, Box<Request>),
    /// Read a page of the listing of that number.
    Page(u32),
}

impl Job {
    pub(super) fn method(&self) -> Method {
        match self {
            Self::Create(_) | Self::WriteList(..) => Method::Post,
            Self::Read(_) | Self::Check(..) | Self::Page(_) | Self::ReadList(_) => Method::Get,
            Self::Put(..) => Method::Put,
            Self::Delete(items) if items.len() > 1 => Method::Post,
            Self::Delete(_) | Self::DeleteOne(_) => Method::Delete,
        }
    }

    /// The items that it changes; none for a call that only reads.
    pub(super) fn items(&self) -> Vec<ItemNumber> {
        match self {
            Self::Create(items) | Self::Delete(items) => numbers(items),
            Self::WriteList(merge, _) => numbers(&merge.items),
            Self::Put(item, _) | Self::DeleteOne(item) => vec![item.item],
            Self::Read(_) | Self::Check(..) | Self::Page(_) | Self::ReadList(_) => Vec::new(),
        }
    }

    /// Whether it may give room or a name free.
    pub(super) fn frees(&self) -> bool {
        matches!(
            self,
            Self::Read(_) | Self::Put(..) | Self::Check(..) | Self::DeleteOne(_) | Self::Delete(_)
        )
    }

    /// What is sent; a page's request is its listing's business.
    pub(super) fn request(&self) -> Option<Request> {
        self.request_for(usize::MAX)
    }

    /// What would be sent for two of the items: it goes where all of them go, at less cost.
    pub(super) fn sample(&self) -> Option<Request> {
        self.request_for(2)
    }

    fn request_for(&self, most: usize) -> Option<Request> {
        match self {
            Self::Create(items) => {
                let first = items.first()?;
                let bodies = items.iter().take(most).filter_map(body_of);
                let bodies: Vec<&Fields<'_>> = bodies.collect();
                Some(first.resource.create(&bodies, first.microtenant.clone()))
            }
            Self::Read(item) | Self::Check(item, _) => {
                Some(item.resource.read(&target(item)?, item.microtenant.clone()))
            }
            Self::Put(_, request) | Self::WriteList(_, request) => Some((**request).clone()),
            Self::DeleteOne(item) => delete(std::slice::from_ref(item)),
            Self::Delete(items) => delete(items.get(..items.len().min(most))?),
            Self::ReadList(merge) => Some(merge.items.first()?.scope().list_page(1)),
            Self::Page(_) => None,
        }
    }
}

fn numbers(items: &[Item<'_>]) -> Vec<ItemNumber> {
    items.iter().map(|item| item.item).collect()
}

fn delete(items: &[Item<'_>]) -> Option<Request> {
    let first = items.first()?;
    let (kind, microtenant) = (first.resource, first.microtenant.clone());
    match items {
        [item] => Some(kind.delete(&target(item)?, microtenant)),
        items => {
            let ids: Vec<Id> = items.iter().filter_map(target).collect();
            kind.delete_all(&ids, microtenant)
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
        Change::Update { id, .. } | Change::Delete { id, .. } => {
            Some(id.clone()).filter(|id| !id.as_str().is_empty())
        }
        _ => None,
    }
}

/// The write of an update, or none when the object is by now as asked.
pub(super) fn replacement(
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

pub(super) fn outcome(item: &Item<'_>, status: Status, id: Option<Id>) -> Outcome {
    Outcome {
        item: item.item,
        status,
        id,
        failure: None,
    }
}

/// How an item ended whose object is as asked, but for what of it was left alone.
pub(super) fn done(item: &Item<'_>, status: Status, id: Option<Id>) -> Outcome {
    let undo = item.undo.as_ref();
    Outcome {
        failure: undo.and_then(|undo| undo.left_alone()),
        ..outcome(item, status, id)
    }
}

/// Why the item, which takes something back, has to leave its object alone: another hand has changed it since.
/// An update goes on without the fields of which that is so, if any are left.
pub(super) fn give_way(item: &mut Item<'static>, live: &Object) -> Result<(), Failure> {
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
            let (_, foreign) = kind.revertible(live, set, &undo.expected);
            set.0.retain(|(wire, _)| !foreign.iter().any(|f| f == wire));
            undo.left.extend(foreign);
            if set.0.is_empty() {
                return Err(changed_since(&undo.left));
            }
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn spared(item: &Item<'_>, why: Failure) -> Outcome {
    Outcome {
        item: item.item,
        status: Status::Spared,
        id: target(item),
        failure: Some(why),
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

pub(super) fn given_up(limit: u32, why: &Failure) -> Failure {
    Failure {
        message: format!("given up after {limit} attempts: {}", why.message),
        ..why.clone()
    }
}

pub(super) fn failure_of(verdict: Verdict) -> Failure {
    match verdict {
        Verdict::Unauthorized(failure)
        | Verdict::Retry(_, failure)
        | Verdict::Ambiguous(failure)
        | Verdict::Absent(failure)
        | Verdict::Exists(failure)
        | Verdict::Rejected(failure)
        | Verdict::Permanent(failure) => failure,
        Verdict::Success | Verdict::Throttled(_) => Failure::new("the answer made no sense"),
    }
}
