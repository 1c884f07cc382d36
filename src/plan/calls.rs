//! Cutting what is to be done into calls.

use std::collections::VecDeque;

use super::CallCounts;
use crate::model::{Change, ItemNumber, index};

/// What one call, or an update's read and write, carries out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Create these together.
    Create(Vec<ItemNumber>),
    /// Read this, merge, write it back.
    Update(ItemNumber),
    /// Delete this.
    Delete(ItemNumber),
}

/// Items that wait to be carried out: four bytes each. Deletes come first, since they make room under the
/// tenant's limits, then updates, then the groups of creates in the order of their first row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    deletes: VecDeque<ItemNumber>,
    updates: VecDeque<ItemNumber>,
    groups: VecDeque<VecDeque<ItemNumber>>,
}

impl Backlog {
    /// Adds an item, if there is anything to do for it.
    pub fn push(&mut self, item: ItemNumber, change: &Change<'_>) {
        match change {
            Change::Create { group, .. } => self.push_create(item, *group),
            Change::Update { .. } => self.updates.push_back(item),
            Change::Delete { .. } => self.deletes.push_back(item),
            Change::Unchanged { .. } | Change::Error { .. } => {}
        }
    }

    fn push_create(&mut self, item: ItemNumber, group: u32) {
        let group = index(group);
        if self.groups.len() <= group {
            self.groups.resize_with(group + 1, VecDeque::new);
        }
        if let Some(group) = self.groups.get_mut(group) {
            group.push_back(item);
        }
    }

    /// Takes the next call's worth of work, with at most `batch_size` objects in one create.
    pub fn pop(&mut self, batch_size: u32) -> Option<Work> {
        if let Some(item) = self.deletes.pop_front() {
            return Some(Work::Delete(item));
        }
        if let Some(item) = self.updates.pop_front() {
            return Some(Work::Update(item));
        }
        loop {
            let group = self.groups.front_mut()?;
            let size = group.len().min(index(batch_size).max(1));
            if size > 0 {
                return Some(Work::Create(group.drain(..size).collect()));
            }
            self.groups.pop_front();
        }
    }

    /// Whether what [`Backlog::pop`] gives next is an update.
    #[must_use]
    pub fn next_is_update(&self) -> bool {
        self.deletes.is_empty() && !self.updates.is_empty()
    }

    /// Whether what [`Backlog::pop`] gives next is a create.
    #[must_use]
    pub fn next_is_create(&self) -> bool {
        self.deletes.is_empty() && self.updates.is_empty()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let creates = self.groups.iter().any(|group| !group.is_empty());
        self.deletes.is_empty() && self.updates.is_empty() && !creates
    }

    /// The calls that all of it takes when nothing goes wrong.
    #[must_use]
    pub fn calls(&self, batch_size: u32) -> CallCounts {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let batch = index(batch_size).max(1);
        let creates: usize = self
            .groups
            .iter()
            .map(|group| group.len().div_ceil(batch))
            .sum();
        CallCounts {
            read: count(self.updates.len()),
            write: count(self.updates.len() + self.deletes.len() + creates),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Fields, Id};

    fn backlog() -> Backlog {
        let mut backlog = Backlog::default();
        for item in 0..10 {
            let body = Fields::default();
            backlog.push(
                item,
                &Change::Create {
                    group: item % 2,
                    body,
                },
            );
        }
        let id = Id::new("1");
        backlog.push(10, &Change::Delete { id: id.clone() });
        backlog.push(11, &Change::Unchanged { id: Some(id) });
        backlog
    }

    #[test]
    fn groups_are_cut_by_batch_size_and_never_mixed() {
        let mut backlog = backlog();
        assert_eq!(backlog.calls(3).write, 5);
        let mut calls = Vec::new();
        while let Some(work) = backlog.pop(3) {
            calls.push(work);
        }
        assert_eq!(
            calls,
            [
                Work::Delete(10),
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
                    Work::Create(numbers) => items.extend(numbers),
                    Work::Update(number) | Work::Delete(number) => items.push(number),
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
