//! The use cases: start, resume, retry, undo, prune, verify, export and show, as a library offers them.
//!
//! A use case takes its options, a [`Tenant`] or the way to one ([`Connect`]), and a [`Session`]. It asks through
//! [`Prompt`] and reports through [`Observer`]; it neither prints nor reads a terminal. Every new run goes through one
//! sequence, which `start.rs` describes.

mod carry_out;
mod error;
mod evidence;
mod export;
mod known_runs;
mod lock;
mod other_runs;
mod pack;
mod plan;
mod plan_input;
mod preview;
pub mod prune;
mod recorded;
mod report;
mod resume;
mod retry;
mod saved;
mod saving;
pub mod select_run;
mod session;
mod show;
mod start;
mod template;
mod tenant;
mod undo;
mod verify;

pub use self::carry_out::RunEnd;
pub use self::error::{Error, ErrorKind, of_end};
pub use self::evidence::Evidence;
pub use self::export::{Export, ExportOptions, export};
pub use self::pack::{VerifiedPack, pack, verify_pack};
pub use self::plan::{Manifests, PlanOptions, plan};
pub use self::preview::{PlanSummary, Preview};
pub use self::report::{Page, junit, report};
pub use self::resume::{Conclusion, resume};
pub use self::retry::retry;
pub use self::saved::{SavedOptions, apply_saved};
pub use self::session::{Later, Observer, Prompt, Session};
pub use self::show::show;
pub use self::start::{ApplyOptions, apply};
pub use self::template::template;
pub use self::tenant::{Connect, Sharing, Tenant};
pub use self::undo::{UndoOptions, undo};
pub use self::verify::{Verified, verify};
pub use crate::text::{chain, counted, listed, rounded, shell_word};
