//! The summary of a run.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::engine::{End, Progress};
use crate::ledger::{Ledger, Tally};

/// The value of [`Summary::end`] for a run with nothing left to do.
pub(super) const FINISHED: &str = "finished";

/// The result of a run in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The end of the run: `finished`, or `stopped` if some items have not ended.
    pub end: &'static str,
    /// The number of items in each state.
    #[serde(flatten)]
    pub tally: Tally,
    /// The number of `GET`s that this process sent.
    pub read_calls: u64,
    /// The number of `POST`s, `PUT`s and `DELETE`s that this process sent.
    pub write_calls: u64,
    /// The number of calls that were answered 429, and sent again.
    pub throttled: u64,
    /// The number of calls that were answered with a 503 asking to come back later, and sent again.
    pub unavailable: u64,
    /// The reads for which a window had room, if refusals have shown that these are fewer than the quota has: another
    /// program uses the rest, or the tenant's limit is smaller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_room: Option<NonZeroU32>,
    /// The same for writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_room: Option<NonZeroU32>,
    /// The time for which this process worked, reading and planning included.
    pub elapsed_ms: u64,
    /// The run directory.
    #[serde(serialize_with = "path_as_shown")]
    pub run_dir: PathBuf,
}

impl Summary {
    /// Returns the numbers of a run that ended with `end`.
    #[must_use]
    pub fn new(
        end: &End,
        ledger: &Ledger,
        progress: &Progress,
        elapsed_ms: u64,
        run_dir: &Path,
    ) -> Self {
        let tally = ledger.tally();
        let finished = *end == End::Finished && tally.finished() == tally.items;
        Self {
            end: if finished { FINISHED } else { "stopped" },
            tally,
            read_calls: progress.read.sent,
            write_calls: progress.write.sent,
            throttled: progress.throttled,
            unavailable: progress.unavailable,
            read_room: progress.read.room_found,
            write_room: progress.write.room_found,
            elapsed_ms,
            run_dir: run_dir.to_owned(),
        }
    }
}

/// Writes a path as messages show it. Parts that are not UTF-8 are replaced; serde alone would refuse such a path.
pub(crate) fn path_as_shown<S: Serializer>(
    path: &(impl AsRef<Path> + ?Sized),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.as_ref().display())
}
