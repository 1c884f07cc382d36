//! The loader: decides which work is loaded from the plan next.
//!
//! It takes as much from the backlog as may soon be sent, and no more: an item that waits there costs four bytes.

use super::super::call::Call;
use crate::plan::{Backlog, CallCounts, Work};

/// The most objects between their reading and their write, unless more may be written at once. With few, little time
/// passes in which somebody else's change could be overwritten. They are enough to keep the writes going.
const CHANGES_AHEAD: usize = 4;

/// The state of the calls and of the quota on which admission depends.
#[derive(Debug)]
pub(super) struct UnderWay {
    /// How many more writes may soon go.
    pub(super) room: usize,
    /// How many objects stand between their reading and their write.
    pub(super) changes: usize,
    /// True if a call may free room or a name that creates need.
    pub(super) may_free: bool,
    /// True if objects are being deleted together.
    pub(super) is_deleting: bool,
    /// True if the size of a batch is being found out.
    pub(super) is_probing: bool,
}

impl UnderWay {
    pub(super) fn add(&mut self, call: &Call) {
        self.changes += usize::from(call.is_change());
        self.may_free |= call.may_free();
        self.is_deleting |= call.deletes_together();
    }
}

/// The work of a run that is not under way.
#[derive(Debug)]
pub(super) struct Loader {
    backlog: Backlog,
    /// Begins when all else has ended.
    deferred: Backlog,
    /// Creates of an earlier process that are in doubt.
    inherited: Backlog,
    batch_size: u32,
    loading: usize,
    /// How many of those update or delete.
    loading_changes: usize,
}

impl Loader {
    /// A loader without work that loads at most `batch_size` deletes at once.
    pub(super) fn new(batch_size: u32) -> Self {
        Self {
            backlog: Backlog::default(),
            deferred: Backlog::default(),
            inherited: Backlog::default(),
            batch_size,
            loading: 0,
            loading_changes: 0,
        }
    }

    pub(super) fn start(&mut self, backlog: Backlog, deferred: Backlog, inherited: Backlog) {
        self.backlog = backlog;
        self.deferred = deferred;
        self.inherited = inherited;
    }

    /// Counts the calls of the work that is not loaded, with at most `creates` objects in one create.
    pub(super) fn calls_left(&self, creates: u32) -> CallCounts {
        let batch_size = self.batch_size(creates);
        self.backlog.calls(batch_size) + self.deferred.calls(batch_size)
    }

    /// Returns true if no work waits or is being loaded, other than deferred work.
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
        while let Some(work) = self.inherited.pop(self.batch_size(creates)) {
            self.count(&work);
            loads.push(work);
        }
        while self.has_room(under_way)
            && let Some(work) = self.backlog.pop(self.batch_size(creates))
        {
            self.count(&work);
            loads.push(work);
        }
        loads
    }

    /// Notes that this work was loaded.
    pub(super) fn loaded(&mut self, work: &Work) {
        self.loading -= 1;
        self.loading_changes -= usize::from(!is_create(work));
    }

    fn count(&mut self, work: &Work) {
        self.loading += 1;
        self.loading_changes += usize::from(!is_create(work));
    }

    /// The most objects in the next call that creates or deletes some.
    fn batch_size(&self, creates: u32) -> u32 {
        if self.backlog.next_is_create() {
            creates
        } else {
            self.batch_size
        }
    }

    /// Decides whether the next work is loaded. Objects that are read first are read ahead of their slots, whatever room
    /// there is. All else waits for its slot.
    fn has_room(&self, under_way: &UnderWay) -> bool {
        if self.backlog.next_is_read_first() {
            return under_way.changes + self.loading < CHANGES_AHEAD.max(under_way.room);
        }
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
