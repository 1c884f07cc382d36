//! The journal of a run: each call before it is sent, and each outcome, on disk before it counts.
//!
//! # Format, version 2
//!
//! `journal.jsonl` in the run directory: JSON lines, appended and never changed. Every line has the form
//!
//! ```text
//! {"seq":N,"at":"<RFC 3339, UTC>","<kind>":…,"crc":"<8 hexadecimal digits>"}
//! ```
//!
//! - `seq` counts from 0 without a gap.
//! - `at` has milliseconds: 24 characters.
//! - `crc` is the CRC-32 (ISO 3309, as in zlib) of all lines so far, this one included, each up to the comma
//!   before its `"crc"`. So a line that is changed, missing, doubled or moved breaks the chain.
//! - The first line has the kind `header` ([`Header`]). It holds the version of the format and of the program, the run,
//!   the tenant, the SHA-256 of `plan.jsonl` and the settings. Older programs wrote a `plan_crc` too; it is not read.
//! - All other lines have the kind `event` ([`Event`](crate::item::Event)):
//!
//! ```text
//! {"intent":{"call":N,"items":[N,…]}}
//! {"void":{"call":N,"items":[N,…]}}
//! {"refused":{"call":N,"items":[N,…]}}
//! {"outcomes":[{"item":N,"status":"created","id":"…"},{"item":N,"status":"failed","failure":{…}},…]}
//! {"before":{"item":N,"object":{…}}}
//! {"batch_size":N}
//! ```
//!
//! - A `before` comes no later than the intent of the call that changes the object, and so is on disk with it. An item
//!   has several if its calls were refused; the last one counts.
//! - Version 1 has no `before`, no `refused` and no `batch_size`, and is the same otherwise.
//!
//! # What holds
//!
//! - An intent is on disk (`fdatasync`) before its call is sent. Outcomes are handed to the system at
//!   once and synced with the next intent or at the end of the run. An outcome that is lost with the machine
//!   leaves an intent without outcome, which is looked up on resume.
//! - Records that arrive while a sync is under way share the next one (group commit).
//! - `journal.synced`, beside the journal, holds the number of bytes that are known to be on disk, in twenty digits.
//! - A last line that is not whole is torn: a crash cut the write off, and nothing was sent for it. It is cut off when the
//!   journal is opened. If that line, or lines that are missing, were known to be on disk, intents may be lost with them.
//!   Such a journal can be read, and only [`Journal::cut`] opens it.
//! - A bad line with lines behind it is damage, and the journal is refused. [`Journal::cut`] cuts from there on, and keeps
//!   the lines in `journal.cut-N.jsonl`.
//! - Whoever cuts records off has to presume an intent for every item without outcome.
//! - One process at a time: `lock` in the run directory is held exclusively and names its owner.
//! - After a failed write or sync nothing more is written, since nobody knows what the disk holds.

mod error;
mod frame;
mod header;
mod lock;
mod repair;
mod replay;
mod synced_offset;
mod writer;

pub use self::error::JournalError;
pub(crate) use self::error::{is_there, unreadable};
pub use self::frame::Damage;
pub use self::header::{FILE_NAME, FORMAT, Header, INTENTS_KEPT, JournalEnd};
pub use self::lock::is_locked;
pub use self::repair::{Cut, examine};
pub use self::replay::{Replayed, read_header, replay};
pub use self::writer::Journal;

#[cfg(test)]
mod tests;
