//! The results of a run: three files of rows and the report.
//!
//! - `success.csv`: rows that were created, updated, deleted or recovered.
//! - `skipped.csv`: rows with nothing to do, and changes that were spared.
//! - `errors.csv`: all other rows; the file can be applied again as it is.
//! - `report.json`: the [`Report`].
//! - `report.html`: the same and more, to look at; see [`write_page`].
//!
//! Every row of the manifests is in exactly one of the three CSV files. These keep every column of the manifests and
//! add `_row,_status,_id,_error_id,_error,_attempts`. Each file is written under a temporary name and renamed, so a
//! reader never sees half of one.
//!
//! An evidence pack, written by [`write_pack`] on request, holds all of it in one file.
//!
//! The report holds the SHA-256 of the three files, and the end of the journal at the time of writing. With these,
//! [`verify`] finds later changes and cuts.

mod document;
mod events;
mod html;
mod junit;
mod metrics;
mod outcomes;
mod pack;
mod quota_use;
mod retry_manifest;
mod rows;
mod summary;
pub mod verify;
mod workbook;
mod write;

pub use self::document::{FailedRow, Report, is_written, says_finished};
pub use self::events::EventStream;
pub use self::html::{PAGE_NAME, PlanPage, RunPage, render_plan, render_run, write_page};
pub use self::junit::junit;
pub use self::metrics::{CallNumbers, metrics};
pub use self::outcomes::Outcomes;
pub use self::pack::{
    CheckedPack, LARGEST_PACK, Pack, PackError, PackList, PackedFile, PackedManifest, check_pack,
    write_pack,
};
pub use self::quota_use::{CallPart, QuotaUse, Window, parts};
pub use self::retry_manifest::{write_failed, write_row};
pub use self::summary::Summary;
pub(crate) use self::summary::path_as_shown;
pub use self::workbook::write_workbook;
pub use self::write::write;
