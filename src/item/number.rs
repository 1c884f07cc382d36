//! Numbers of items.

/// The number of an item in its run, from 0, in the order of the rows.
pub type ItemNumber = u32;

/// Converts the number of an item, or any other count, to an index.
#[must_use]
pub fn index(number: ItemNumber) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
