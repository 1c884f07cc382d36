//! Reconciliation: the items that are unresolved, and the scopes to list on their account.
//!
//! One listing answers for all items of its scope that were due when it began.

use std::time::Instant;

use super::super::unresolved::{Reason, Unresolved};
use crate::resource::Scope;

/// The unresolved items of a run.
#[derive(Debug, Default)]
pub(super) struct Reconciliation(Vec<Unresolved>);

impl Reconciliation {
    pub(super) fn keep(&mut self, unresolved: Unresolved) {
        self.0.push(unresolved);
    }

    /// Hands all of them out, for a listing.
    pub(super) fn take_all(&mut self) -> Vec<Unresolved> {
        std::mem::take(&mut self.0)
    }

    /// Returns the scopes to list at `now`, unless they are being listed already.
    pub(super) fn scopes(&self, now: Instant, is_listed: impl Fn(&Scope) -> bool) -> Vec<Scope> {
        let due = self.0.iter().filter(|unresolved| unresolved.due <= now);
        let mut scopes: Vec<Scope> = Vec::new();
        for scope in due.filter_map(Unresolved::scope) {
            if !scopes.contains(&scope) && !is_listed(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The instants at which listings are due.
    pub(super) fn due(&self) -> impl Iterator<Item = Instant> {
        self.0.iter().map(|unresolved| unresolved.due)
    }

    pub(super) fn awaits_deletes(&self) -> bool {
        let is_delete = |unresolved: &Unresolved| matches!(unresolved.reason, Reason::Delete(_));
        self.0.iter().any(is_delete)
    }
}
