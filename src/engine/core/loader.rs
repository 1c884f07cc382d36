//! The loader: decides which work is loaded from the plan next.
//!
//! The loader takes as much from the backlog as may soon be sent, and no more: an item that waits there costs four
//! bytes.

use crate::plan::{Backlog, CallCounts, Work};

/// The calls under way, as far as further work depends on them.
#[derive(Debug)]
pub(super) struct UnderWay {
    /// The number of writes that may soon go besides.
    pub(super) room: usize,
    /// True if a call may free room or a name.
    pub(super) may_free: bool,
    /// True if objects are being deleted of which a group keeps some.
    pub(super) is_deleting: bool,
    /// True if the batch limit is being found out.
    pub(super) is_probing: bool,
}

/// The work of a run that was not loaded.
#[derive(Debug, Default)]
pub(super) struct Loader {
    backlog: Backlog,
    /// Begins when all else has ended.
    deferred: Backlog,
    /// Creates of an earlier process that are in doubt.
    inherited: Backlog,
    batch_size: u32,
    loading: usize,
    /// The number of those that update or delete.
    loading_changes: usize,
}

impl Loader {
    /// A loader without work that loads at most `batch_size` deletes at once.
    pub(super) fn new(batch_size: u32) -> Self {
        Self {
            batch_size,
            ..Self::default()
        }
    }

    pub(super) fn start(&mut self, backlog: Backlog, deferred: Backlog, inherited: Backlog) {
        self.backlog = backlog;
        self.deferred = deferred;
        self.inherited = inherited;
    }

    /// Counts the calls that are left, with at most `creates` objects in one create.
    pub(super) fn calls_left(&self, creates: u32) -> CallCounts {
        let batch_size = self.batch_size(creates);
        self.backlog.calls(batch_size) + self.deferred.calls(batch_size)
    }

    /// Returns true if all work was loaded that was not deferred.
    pub(super) fn is_idle(&self) -> bool {
        self.backlog.is_empty() && self.inherited.is_empty() && self.loading == 0
    }

    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    pub(super) fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    pub(super) fn begin_deferred(&mut self) {
        self.backlog = std::mem::take(&mut self.deferred);
    }

    /// Returns the work that is to be loaded now.
    pub(super) fn load(&mut self, under_way: &UnderWay, creates: u32) -> Vec<Work> {
        let mut loads = Vec::new();
        while let Some(work) = self.next(under_way, creates) {
            self.loading += 1;
            self.loading_changes += usize::from(!is_create(&work));
            loads.push(work);
        }
        loads
    }

    pub(super) fn loaded(&mut self, work: &Work) {
        self.loading -= 1;
        self.loading_changes -= usize::from(!is_create(work));
    }

    fn next(&mut self, under_way: &UnderWay, creates: u32) -> Option<Work> {
        let batch_size = self.batch_size(creates);
        let inherited = self.inherited.pop(batch_size);
        if inherited.is_some() || !self.has_room(under_way) {
            return inherited;
        }
        self.backlog.pop(batch_size)
    }

    /// The most objects in the next call that creates or deletes some.
    fn batch_size(&self, creates: u32) -> u32 {
        if self.backlog.next_is_create() {
            creates
        } else {
            self.batch_size
        }
    }

    /// Decides whether the next work is loaded.
    fn has_room(&self, under_way: &UnderWay) -> bool {
        if self.backlog.next_is_bulk_delete() && (self.loading > 0 || under_way.is_deleting) {
            return false;
        }
        // Creates may need the room or the name that a delete or an update frees.
        let may_free = self.loading_changes > 0 || under_way.may_free;
        let creates_wait = self.backlog.next_is_create() && (may_free || under_way.is_probing);
        self.loading < under_way.room && !creates_wait
    }
}

fn is_create(work: &Work) -> bool {
    matches!(work, Work::Create(_))
}
