//! Planning: turns rows and a snapshot of the tenant into items and calls.
//!
//! Planning does no IO and reads no clock. The same rows, snapshot and settings give the same plan. The way in which
//! items are grouped into calls never changes the items themselves.
//!
//! A row takes these steps:
//!
//! 1. [`Layout`] assigns a meaning to its columns.
//! 2. [`Checker`] turns it into a [`Draft`], or into problems.
//! 3. [`Fingerprints`] and [`Duplicates`] find rows that name the same object.
//! 4. [`Planner`] resolves the names in it and compares it with the tenant.
//! 5. [`Backlog`] groups the resulting items into calls.

mod by_scope;
mod calls;
mod check;
mod columns;
mod compare;
mod duplicates;
mod estimate;
pub mod export;
mod filter;
mod guards;
pub mod inverse;
mod limits;
mod live_check;
mod live_index;
mod names;
pub mod prune;

pub use self::calls::{Backlog, Operation, Work};
pub use self::check::{Checker, Draft, UnresolvedRef, UnresolvedRefs};
pub use self::columns::{Layout, RESULT_COLUMNS};
pub use self::compare::{Planner, Totals};
pub use self::duplicates::{Duplicates, Fingerprints};
pub use self::estimate::{CallCounts, Estimate};
pub use self::filter::{Condition, Filter, FilterError};
pub use self::guards::{Guards, Share};
pub use self::limits::Limits;
pub use self::live_check::{LiveCheck, conflict};
pub use self::names::Resolver;

use crate::resource::Action;
use crate::resource::{Kind, Scope};
use crate::wire::{Id, Object};

/// The values that apply to rows without their own.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// The resource of rows without a resource. With `None`, the resource is inferred from the columns.
    pub resource: Option<Kind>,
    /// The action of rows without an action.
    pub action: Action,
    /// The microtenant of rows without a microtenant. `None` means the Default microtenant.
    pub microtenant: Option<Id>,
}

/// All live objects of one scope.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The scope of the objects.
    pub scope: Scope,
    /// The objects as the API answers them.
    pub objects: Vec<Object>,
}

/// The live objects of a tenant, as far as a plan needs them.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The listings that were read, one for each scope.
    pub listings: Vec<Listing>,
}

impl Snapshot {
    /// Returns the objects of a scope. The slice is empty if the scope was not listed.
    #[must_use]
    pub fn objects(&self, scope: &Scope) -> &[Object] {
        self.listings
            .iter()
            .find(|listing| listing.scope == *scope)
            .map_or(&[], |listing| &listing.objects)
    }
}

/// Returns the candidates that are spelled much like `word`, the most similar first. Case is ignored.
#[must_use]
pub fn similar<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Vec<&'c str> {
    /// The Jaro-Winkler similarity below which a candidate is another word, and not `word` misspelt.
    const ALIKE: f64 = 0.8;
    let word = word.to_lowercase();
    let mut scored: Vec<(f64, &str)> = candidates
        .map(|c| (strsim::jaro_winkler(&word, &c.to_lowercase()), c))
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Formats a number of things, such as `1 app connector` or `2 app connectors`.
fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}
