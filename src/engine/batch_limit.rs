//! The batch limit: the most objects that the server takes in one create. Nobody says it, so the run finds it out.
//!
//! Pure. A batch that is refused is too large or holds a bad item. If it is no larger than one that was taken, it
//! holds a bad item. Otherwise it is taken apart by halves, one such batch at a time. If all of it goes through in
//! the end, it was too large, and the size of the largest part that went through is the limit from then on.

use std::collections::HashSet;

use crate::item::{Item, ItemNumber};

/// The limit, as far as it is known.
#[derive(Debug)]
pub(super) struct BatchLimit {
    /// The most objects in one create.
    most: usize,
    /// The most objects that were ever taken together.
    taken: usize,
    /// The refused batches that are being taken apart, each a part of the one before it.
    apart: Vec<Apart>,
}

/// A refused batch that is being taken apart.
#[derive(Debug)]
struct Apart {
    /// The items that have not ended.
    left: HashSet<ItemNumber>,
    /// The size of the largest part that was taken.
    taken: usize,
}

/// The way in which a refused batch goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parts {
    /// Sent in parts of at most so many items.
    Of(usize),
    /// Held until another batch is through.
    Later,
}

impl BatchLimit {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            taken: 0,
            apart: Vec::new(),
        }
    }

    /// The most objects in one create, as far as is known.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Returns true while the limit is being found out.
    pub(super) fn is_probing(&self) -> bool {
        !self.apart.is_empty()
    }

    /// Notes that the server took these together.
    pub(super) fn took(&mut self, items: &[Item<'_>]) {
        self.taken = self.taken.max(items.len());
        let Some(first) = items.first() else { return };
        for apart in &mut self.apart {
            if apart.left.contains(&first.item) {
                apart.taken = apart.taken.max(items.len());
            }
        }
    }

    /// Notes that the server refused these together and created none of them.
    pub(super) fn refused(&mut self, items: &[Item<'_>]) -> Parts {
        let count = items.len();
        let halves = Parts::Of(count.div_ceil(2));
        if count > self.most {
            return Parts::Of(self.most);
        }
        if count <= self.taken.max(1) {
            return halves;
        }
        let is_part = |apart: &Apart| items.iter().all(|item| apart.left.contains(&item.item));
        if !self.apart.iter().all(is_part) {
            return Parts::Later;
        }
        self.apart.push(Apart {
            left: items.iter().map(|item| item.item).collect(),
            taken: 0,
        });
        halves
    }

    /// Notes that the item has ended. Returns true if that shows that the limit is lower than it was taken to be.
    pub(super) fn ended(&mut self, item: ItemNumber, failed: bool) -> bool {
        if failed {
            // The batches with it were refused because of it.
            self.apart.retain(|apart| !apart.left.contains(&item));
            return false;
        }
        let before = self.most;
        for apart in &mut self.apart {
            apart.left.remove(&item);
            if apart.left.is_empty() && apart.taken > 0 {
                self.most = self.most.min(apart.taken);
            }
        }
        self.apart.retain(|apart| !apart.left.is_empty());
        self.most < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Change;
    use crate::resource::Kind;
    use crate::wire::Fields;

    fn items(numbers: std::ops::Range<u32>) -> Vec<Item<'static>> {
        let item = |item| Item {
            item,
            file: 0,
            row: 2,
            resource: Kind::portal_link(),
            key: "a".into(),
            part: None,
            microtenant: None,
            group: Some(0),
            change: Change::Create {
                body: Fields::default(),
            },
            undo: None,
            reviewed: None,
        };
        numbers.map(item).collect()
    }

    /// Ends the items. Returns true if the last of them lowers the limit.
    fn end(batch_limit: &mut BatchLimit, numbers: std::ops::Range<u32>) -> bool {
        numbers.fold(false, |_, item| batch_limit.ended(item, false))
    }

    #[test]
    fn a_batch_whose_halves_go_through_was_too_large() {
        let mut batch_limit = BatchLimit::new(8);
        assert_eq!(batch_limit.refused(&items(0..8)), Parts::Of(4));
        assert!(batch_limit.is_probing());
        batch_limit.took(&items(0..4));
        assert!(!end(&mut batch_limit, 0..4));
        batch_limit.took(&items(4..8));
        assert!(end(&mut batch_limit, 4..8));
        assert_eq!((batch_limit.most(), batch_limit.is_probing()), (4, false));
        assert_eq!(
            batch_limit.refused(&items(8..16)),
            Parts::Of(4),
            "one that was under way"
        );
    }

    #[test]
    fn a_batch_with_a_bad_item_was_not() {
        let mut batch_limit = BatchLimit::new(8);
        batch_limit.refused(&items(0..8));
        batch_limit.took(&items(0..4));
        end(&mut batch_limit, 0..4);
        assert_eq!(
            batch_limit.refused(&items(4..8)),
            Parts::Of(2),
            "four were taken"
        );
        assert!(!batch_limit.ended(5, true));
        assert_eq!((batch_limit.most(), batch_limit.is_probing()), (8, false));
    }

    #[test]
    fn one_batch_is_taken_apart_at_a_time() {
        let mut batch_limit = BatchLimit::new(8);
        assert_eq!(batch_limit.refused(&items(0..8)), Parts::Of(4));
        assert_eq!(batch_limit.refused(&items(8..16)), Parts::Later);
        assert_eq!(batch_limit.refused(&items(0..4)), Parts::Of(2));
        assert_eq!(batch_limit.refused(&items(4..8)), Parts::Later);
        batch_limit.took(&items(0..2));
        batch_limit.took(&items(2..4));
        assert!(end(&mut batch_limit, 0..4));
        assert_eq!(batch_limit.refused(&items(4..8)), Parts::Of(2));
    }
}
