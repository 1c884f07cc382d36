//! The header and the end of a journal, and the name of its file.

use serde::{Deserialize, Serialize};

/// The version of the format that this program writes, and the newest that it reads.
pub const FORMAT: u32 = 3;

/// The journal's file in the run directory.
pub const FILE_NAME: &str = "journal.jsonl";

/// The number of intents, the last ones, whose times [`Replayed`](super::Replayed) keeps: more than the quota of any tenant
/// counts in a window.
pub const INTENTS_KEPT: usize = 1000;

/// The first record of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format.
    pub format: u32,
    /// The version of the program.
    pub tool: String,
    /// The id of the run.
    pub run: String,
    /// The customer id of the tenant.
    pub tenant: String,
    /// The SHA-256 of `plan.jsonl`, in hexadecimal.
    pub plan_sha256: String,
    /// The settings that resuming needs, none of them secret.
    pub settings: serde_json::Value,
    /// The seal of the user who started the run, over all other fields and the run directory. A run of an older
    /// program has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
}

/// The end of a journal. A journal that was cut, even between two records, has another end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEnd {
    /// The number of whole records, the header included.
    pub records: u64,
    /// The checksum of all records, as the last one holds it.
    pub crc: u32,
}
