//! The backlog of items, and the calls into which it is cut.

use std::collections::VecDeque;

use super::CallCounts;
use crate::item::{ItemNumber, Operation, index};

/// The items that one call carries out, or a few calls that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Create these objects in one call.
    Create(Vec<ItemNumber>),
    /// Read this object, change it and write it back.
    Update(ItemNumber),
    /// Delete these objects in one call.
    Delete(Vec<ItemNumber>),
    /// Read the list of these objects, change it and write it back.
    Merge(Vec<ItemNumber>),
}

/// The items that wait to be carried out, at four bytes each.
///
/// Lists come first. Deletes come next, since they make room under the tenant's limits. Then come updates, and last the
/// groups of creates, in the order of their first row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    merges: Groups,
    deletes: VecDeque<ItemNumber>,
    bulk_deletes: Groups,
    updates: VecDeque<ItemNumber>,
    creates: Groups,
}

/// Items in the order of their groups. A group's number is its position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Groups(VecDeque<VecDeque<ItemNumber>>);

impl Groups {
    fn push(&mut self, item: ItemNumber, group: u32) {
        let group = index(group);
        if self.0.len() <= group {
            self.0.resize_with(group + 1, VecDeque::new);
        }
        if let Some(group) = self.0.get_mut(group) {
            group.push_back(item);
        }
    }

    fn pop(&mut self, most: usize) -> Option<Vec<ItemNumber>> {
        loop {
            let group = self.0.front_mut()?;
            let size = group.len().min(most.max(1));
            if size > 0 {
                return Some(group.drain(..size).collect());
            }
            self.0.pop_front();
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(VecDeque::is_empty)
    }

    /// Counts the groups that have items.
    fn filled(&self) -> usize {
        self.0.iter().filter(|group| !group.is_empty()).count()
    }

    fn calls(&self, most: usize) -> usize {
        let groups = self.0.iter();
        groups.map(|group| group.len().div_ceil(most.max(1))).sum()
    }
}

impl Backlog {
    /// Adds an item, if its operation sends anything.
    ///
    /// An update, and a delete without a group, is carried out alone. A create or a merge without a group joins group 0.
    pub fn push(&mut self, item: ItemNumber, operation: Operation, group: Option<u32>) {
        match (operation, group) {
            (Operation::Create, group) => self.creates.push(item, group.unwrap_or(0)),
            (Operation::Merge, group) => self.merges.push(item, group.unwrap_or(0)),
            (Operation::Update, _) => self.updates.push_back(item),
            (Operation::Delete, Some(group)) => self.bulk_deletes.push(item, group),
            (Operation::Delete, None) => self.deletes.push_back(item),
            (Operation::Spared | Operation::Stale | Operation::Unchanged | Operation::Error, _) => {
            }
        }
    }

    /// Takes the items of the next call. A create or a bulk delete gets at most `batch_size` of them, and at least one.
    pub fn pop(&mut self, batch_size: u32) -> Option<Work> {
        let most = index(batch_size);
        let first = self.merges.pop(usize::MAX).map(Work::Merge);
        let deleted = || {
            let alone = self.deletes.pop_front().map(|item| vec![item]);
            alone
                .or_else(|| self.bulk_deletes.pop(most))
                .map(Work::Delete)
        };
        let first = first.or_else(deleted);
        let first = first.or_else(|| self.updates.pop_front().map(Work::Update));
        first.or_else(|| self.creates.pop(most).map(Work::Create))
    }

    /// Says whether [`Backlog::pop`] returns a bulk delete next.
    #[must_use]
    pub fn next_is_bulk_delete(&self) -> bool {
        self.merges.is_empty() && self.deletes.is_empty() && !self.bulk_deletes.is_empty()
    }

    /// Says whether [`Backlog::pop`] returns a create next, or nothing because the backlog is empty.
    #[must_use]
    pub fn next_is_create(&self) -> bool {
        self.no_removals() && self.updates.is_empty()
    }

    fn no_removals(&self) -> bool {
        self.merges.is_empty() && self.deletes.is_empty() && self.bulk_deletes.is_empty()
    }

    /// Says whether no item waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next_is_create() && self.creates.is_empty()
    }

    /// Counts the calls that all items take if no call fails.
    ///
    /// An object that is changed alone is read first. A list is read before and after its write, and the objects of a
    /// bulk delete are read before and after the call.
    #[must_use]
    pub fn calls(&self, batch_size: u32) -> CallCounts {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let most = index(batch_size);
        let lists = self.merges.filled();
        let bulk_deletes = self.bulk_deletes.calls(most);
        let creates = self.creates.calls(most);
        let alone = self.updates.len() + self.deletes.len();
        CallCounts {
            read: count(alone + 2 * lists + 2 * bulk_deletes),
            write: count(alone + lists + bulk_deletes + creates),
            together: count(creates.max(bulk_deletes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog() -> Backlog {
        let mut backlog = Backlog::default();
        for item in 0..10 {
            backlog.push(item, Operation::Create, Some(item % 2));
        }
        backlog.push(10, Operation::Delete, None);
        backlog.push(11, Operation::Unchanged, None);
        for item in 12..16 {
            backlog.push(item, Operation::Delete, Some(2));
        }
        backlog.push(16, Operation::Merge, Some(3));
        backlog.push(17, Operation::Merge, Some(3));
        backlog
    }

    #[test]
    fn groups_are_cut_by_batch_size_and_never_mixed() {
        let mut backlog = backlog();
        assert_eq!(
            backlog.calls(3),
            CallCounts {
                read: 7,
                write: 8,
                together: 4
            }
        );
        let mut calls = Vec::new();
        while let Some(work) = backlog.pop(3) {
            calls.push(work);
        }
        assert_eq!(
            calls,
            [
                Work::Merge(vec![16, 17]),
                Work::Delete(vec![10]),
                Work::Delete(vec![12, 13, 14]),
                Work::Delete(vec![15]),
                Work::Create(vec![0, 2, 4]),
                Work::Create(vec![6, 8]),
                Work::Create(vec![1, 3, 5]),
                Work::Create(vec![7, 9]),
            ]
        );
    }

    #[test]
    fn the_items_do_not_depend_on_the_batch_size() {
        let items = |batch_size| {
            let mut backlog = backlog();
            let mut items = Vec::new();
            while let Some(work) = backlog.pop(batch_size) {
                match work {
                    Work::Create(numbers) | Work::Delete(numbers) | Work::Merge(numbers) => {
                        items.extend(numbers);
                    }
                    Work::Update(number) => items.push(number),
                }
            }
            items.sort_unstable();
            items
        };
        for batch_size in [0, 1, 2, 7, 1000] {
            assert_eq!(items(batch_size), items(150));
        }
    }
}
