//! From rows and a snapshot of live state to items and calls. Pure: what the tenant holds is passed in,
//! and the same rows, snapshot and settings give the same plan.
//!
//! The way of a row: [`Layout`] says what its columns mean, [`Checker`] turns it into a [`Draft`] or
//! into problems, [`Fingerprints`] and [`Duplicates`] find rows that name one object twice, [`Planner`] resolves the
//! names in it and compares it with the tenant, and the [`Backlog`] groups what is to be done into calls. The multiset of items does not depend on how they are
//! cut into calls.

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

/// What a row means where it does not say so itself.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// The resource; `None` infers it from the columns.
    pub resource: Option<Kind>,
    /// The action.
    pub action: Action,
    /// The microtenant.
    pub microtenant: Option<Id>,
}

/// All live objects of one scope.
#[derive(Clone, Debug)]
pub struct Listing {
    /// What was asked for.
    pub scope: Scope,
    /// They, as the API answers them.
    pub objects: Vec<Object>,
}

/// What the tenant holds, as far as the plan needs it.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The listings that were taken.
    pub listings: Vec<Listing>,
}

impl Snapshot {
    /// The objects of that scope; none when it was not listed.
    #[must_use]
    pub fn objects(&self, scope: &Scope) -> &[Object] {
        self.listings
            .iter()
            .find(|listing| listing.scope == *scope)
            .map_or(&[], |listing| &listing.objects)
    }
}

/// `candidates` that are written much like `word`, the likeliest first.
#[must_use]
pub fn similar<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Vec<&'c str> {
    /// Below this two words are rather two words than one misspelt.
    const ALIKE: f64 = 0.8;
    let word = word.to_lowercase();
    let mut scored: Vec<(f64, &str)> = candidates
        .map(|c| (strsim::jaro_winkler(&word, &c.to_lowercase()), c))
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().map(|(_, candidate)| candidate).collect()
}
