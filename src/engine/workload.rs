//! The work of a run, as it is handed to the engine.

use std::collections::HashSet;

use jiff::Timestamp;

use super::id_remap::IdRemap;
use crate::journal::Journal;
use crate::ledger::Ledger;
use crate::plan::Backlog;
use crate::wire::Id;

/// The work of a run.
#[derive(Debug)]
pub struct Workload {
    /// The state of every item.
    pub ledger: Ledger,
    /// The items that wait.
    pub backlog: Backlog,
    /// The items that begin when all others have ended.
    pub deferred: Backlog,
    /// The objects that come back under new ids. Deferred items refer to them.
    pub id_remap: IdRemap,
    /// Creates of an earlier process that are in doubt.
    pub in_doubt: Backlog,
    /// Objects that others are known to have created, although this run could have created them as they are.
    pub created_by_others: HashSet<Id>,
    /// The objects that the run has deleted. A listing that lags behind may still show them.
    pub deleted: HashSet<Id>,
    /// The most objects that the server was seen to take in one create, if they are fewer than it was sent.
    pub batch_size: Option<u32>,
    /// The times at which an earlier process sent its last writes, oldest first. They count against the quota.
    pub sent_before: Vec<Timestamp>,
    /// The journal to which intents and outcomes go.
    pub journal: Journal,
}
