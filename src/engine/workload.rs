//! The work of a run, as it is handed to the engine.

use std::collections::HashSet;

use jiff::Timestamp;

use super::id_remap::IdRemap;
use crate::journal::Journal;
use crate::ledger::Ledger;
use crate::plan::Backlog;
use crate::wire::Id;

/// What is to be carried out.
#[derive(Debug)]
pub struct Workload {
    /// Where every item stands.
    pub ledger: Ledger,
    /// What waits.
    pub backlog: Backlog,
    /// What begins when all else has ended.
    pub deferred: Backlog,
    /// What comes back under new ids, which items of `late` refer to.
    pub id_remap: IdRemap,
    /// Creates of an earlier process that are in doubt.
    pub in_doubt: Backlog,
    /// What others are known to have created, though it may be as those would have made it.
    pub created_by_others: HashSet<Id>,
    /// How many objects the server was seen to take in one create, if it was fewer than it was sent.
    pub batch_size: Option<u32>,
    /// When an earlier process sent its last writes, oldest first: they count against the quota.
    pub sent_before: Vec<Timestamp>,
    /// Where intents and outcomes go.
    pub journal: Journal,
}
