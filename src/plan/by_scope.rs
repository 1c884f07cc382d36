//! Values by scope.

use std::cell::Cell;
use std::collections::HashMap;

use crate::resource::Scope;

/// A value for each scope. Most rows have the scope of the row before them, so the last value is looked at first.
#[derive(Debug)]
pub(super) struct ByScope<V> {
    places: HashMap<Scope, usize>,
    values: Vec<(Scope, V)>,
    last: Cell<usize>,
}

impl<V> Default for ByScope<V> {
    fn default() -> Self {
        Self {
            places: HashMap::default(),
            values: Vec::new(),
            last: Cell::new(0),
        }
    }
}

impl<V> ByScope<V> {
    pub(super) fn get(&self, scope: &Scope) -> Option<&V> {
        let (_, value) = self.values.get(self.place(scope)?)?;
        Some(value)
    }

    /// Returns the value of that scope, a new one if there is none.
    #[expect(
        clippy::indexing_slicing,
        reason = "every place that is known is one of a value"
    )]
    pub(super) fn get_or_insert_with(&mut self, scope: &Scope, new: impl FnOnce() -> V) -> &mut V {
        let place = self.place(scope).unwrap_or(self.values.len());
        if place == self.values.len() {
            self.places.insert(scope.clone(), place);
            self.values.push((scope.clone(), new()));
        }
        let (_, value) = &mut self.values[place];
        value
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.values.iter().map(|(_, value)| value)
    }

    fn place(&self, scope: &Scope) -> Option<usize> {
        let last = self.last.get();
        if matches!(self.values.get(last), Some((known, _)) if known == scope) {
            return Some(last);
        }
        let place = *self.places.get(scope)?;
        self.last.set(place);
        Some(place)
    }
}
