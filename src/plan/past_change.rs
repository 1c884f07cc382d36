//! Changes that runs made, as an undo sees them.

use crate::item::Item;
use crate::wire::{Id, Object};

/// A change that a run made.
#[derive(Clone, Debug)]
pub struct PastChange {
    /// The item that made the change, as it was planned.
    pub item: Item<'static>,
    /// The id of the object, from the item's outcome.
    pub id: Option<Id>,
    /// True if the run certainly made the change. False if somebody else may have made the same change first.
    pub proven: bool,
    /// True if the call that was to make the change was not answered.
    pub in_doubt: bool,
    /// The object before the change, if the journal has it.
    pub before: Option<Object>,
}
