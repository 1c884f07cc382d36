//! Objects that several runs changed, or may have changed, one after the other.
//!
//! The runs are those of one undo: the one that is undone, and the unfinished ones whose place it took.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;

use super::error::RunError;
use super::past_run::PastRun;
use crate::item::{Change, Item, ItemNumber};
use crate::plan::PastChange;
use crate::plan::composite::{self, Share};
use crate::plan::doubt::Trace;
use crate::plan::inverse::InversePlanner;
use crate::resource::{Scope, Shape};
use crate::wire::{Failure, Id};

/// The place of a change: the rank of its run, the newest being 0, and the item. Sorted, the newest change is first.
pub(super) type At = (usize, Reverse<ItemNumber>);

/// The natural key of an object.
type Named = (Scope, String);

/// Facts about the runs' objects that their own directories do not tell.
#[derive(Debug)]
pub(super) struct Known<'k> {
    /// The objects that runs are known to have created.
    pub(super) owned: &'k HashSet<Id>,
    /// True if the runs were undone before.
    pub(super) undone_before: bool,
}

/// Returns the shares of the changes that are not taken back each by itself. A change without a share needs no row.
pub(super) fn shares(
    runs: &[PastRun],
    mut changes: Vec<At>,
    inverse: &InversePlanner<'_>,
    known: &Known<'_>,
) -> Result<HashMap<At, Option<Share>>, RunError> {
    changes.sort_unstable();
    let traces = traces(runs, &changes)?;
    let mut shares = HashMap::new();
    let mut objects: BTreeMap<Named, Vec<(At, PastChange)>> = BTreeMap::new();
    for at in changes {
        let mut change = past(runs, at)?;
        let trace = traces.get(&at).unwrap_or(&Trace::Unknown);
        if let ControlFlow::Break(share) = settle(&mut change, trace, inverse, known) {
            shares.insert(at, share);
            continue;
        }
        objects
            .entry(object_of(&change))
            .or_default()
            .push((at, change));
    }
    for chain in objects.into_values() {
        let is_plain = chain.len() == 1 && chain.iter().all(|(_, change)| !change.in_doubt);
        if !is_plain {
            let (places, chain): (Vec<At>, Vec<PastChange>) = chain.into_iter().unzip();
            let parts = composite::shares(chain).into_iter().map(Some);
            shares.extend(places.into_iter().zip(parts));
        }
    }
    Ok(shares)
}

/// Reads a change.
pub(super) fn past(runs: &[PastRun], (rank, Reverse(number)): At) -> Result<PastChange, RunError> {
    match runs.get(rank) {
        Some(run) => run.past(number),
        None => Err(RunError::Unknown(format!("number {rank}"))),
    }
}

/// Finds out what a change in doubt has done. Breaks with its share if it has no object to be taken back.
fn settle(
    change: &mut PastChange,
    trace: &Trace,
    inverse: &InversePlanner<'_>,
    known: &Known<'_>,
) -> ControlFlow<Option<Share>> {
    if !is_create_in_doubt(change) {
        let is_unknown = change.in_doubt && change.before.is_none();
        return if is_unknown {
            ControlFlow::Break(None)
        } else {
            ControlFlow::Continue(())
        };
    }
    match made_by(change, trace, inverse, known) {
        Ok(Some(id)) => {
            change.id = Some(id);
            ControlFlow::Continue(())
        }
        // The row of the run that looked for the object tells of it.
        Ok(None) if matches!(trace, Trace::Absent) => ControlFlow::Break(None),
        Ok(None) => ControlFlow::Break(Some(Share::None)),
        Err(why) => ControlFlow::Break(Some(Share::Spared(why))),
    }
}

/// Returns the object that a create in doubt has made. After an earlier undo, an object that no run has met may have
/// been created by anybody.
fn made_by(
    change: &PastChange,
    trace: &Trace,
    inverse: &InversePlanner<'_>,
    known: &Known<'_>,
) -> Result<Option<Id>, Failure> {
    let made = inverse.made_by(change, trace, known.owned)?;
    if made.is_some() && known.undone_before && matches!(trace, Trace::Unknown) {
        let why = "the run was undone before, so somebody else may have created it since; it is left alone";
        return Err(Failure::new(why));
    }
    Ok(made)
}

fn is_create_in_doubt(change: &PastChange) -> bool {
    let creates = matches!(change.item.change, Change::Create { .. });
    change.in_doubt && creates && change.before.is_none()
}

/// Returns the traces of the creates in doubt in the plans of later runs: in the next one that looked for the object.
fn traces(runs: &[PastRun], changes: &[At]) -> Result<HashMap<At, Trace>, RunError> {
    let mut sought: HashMap<Named, Vec<At>> = HashMap::new();
    for at in changes {
        let change = past(runs, *at)?;
        if is_create_in_doubt(&change) {
            sought.entry(name_of(&change.item)).or_default().push(*at);
        }
    }
    let mut traces = HashMap::new();
    if sought.is_empty() {
        return Ok(traces);
    }
    for (rank, run) in runs.iter().enumerate().rev() {
        for item in run.items() {
            let (number, item) = item?;
            let older = sought.get(&name_of(&item)).into_iter().flatten();
            for at in older.filter(|(older, _)| *older > rank) {
                let trace = Trace::of(&item, run.before(number));
                if !matches!(trace, Trace::Unknown) {
                    traces.entry(*at).or_insert(trace);
                }
            }
        }
    }
    Ok(traces)
}

/// Returns the identity of the object of a change. The elements of a list, and the only object of a kind, are known by
/// their names.
fn object_of(change: &PastChange) -> Named {
    let item = &change.item;
    let id = change.id.as_ref().or_else(|| item.change.id());
    match id.filter(|_| item.resource.shape() == Shape::Collection) {
        Some(id) => (item.scope(), format!("id {id}")),
        None => name_of(item),
    }
}

fn name_of(item: &Item<'_>) -> Named {
    let key = item.resource.comparable_key(Cow::Borrowed(&item.key));
    (item.scope(), format!("name {key}"))
}
