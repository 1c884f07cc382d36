//! The evidence pack: one ZIP file with everything that a run has to show, for those who cannot look into its directory.
//!
//! # Format, version 1
//!
//! | Member | Content |
//! |---|---|
//! | `manifests/N.EXT` | each manifest as it came, if it is still there unchanged |
//! | `plan.jsonl`, `journal.jsonl`, `journal.synced`, `calls.jsonl` | the files of the run of these names |
//! | `journal.cut-N.jsonl` | records that a repair cut off the journal |
//! | `success.csv`, `errors.csv`, `skipped.csv`, `report.json` | its results |
//! | `rows.csv` | the rows of all manifests, by the plan |
//! | `settings.json` | the settings that the run recorded |
//! | `report.html` | its page, with commands that name the run and no directory |
//! | `pack.json` | the [`PackList`]: versions, manifests, and the SHA-256 of every other member |
//!
//! The same run gives the same bytes: the order of the members is fixed, and they have no times. The comment of the archive
//! ends with the SHA-256 of all bytes before it, so one changed bit anywhere is noticed.
//!
//! Sums notice damage and careless changes. Somebody who makes a whole pack anew can compute all of them. To prove that a
//! pack is the same as at some time, keep its own SHA-256 where nobody can change it.

mod archive;
mod check;
mod list;
mod members;
mod unpack;
mod write;

pub use self::archive::{LARGEST_PACK, PackError};
pub use self::check::{CheckedPack, check_pack};
pub use self::list::{PackList, PackedFile, PackedManifest};
pub use self::write::{Pack, write_pack};
