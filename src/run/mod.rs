//! A run: its directory, its plan, and its state from start to end.
//!
//! # The run directory
//!
//! `<runs>/<run id>/`, private to its owner (0700, files 0600):
//!
//! | File | What is in it |
//! |---|---|
//! | `plan.jsonl` | one line for the manifests and their columns, then one line a row: the item and the row's cells |
//! | `journal.jsonl`, `journal.synced` | intents and outcomes, and how much of them is on disk; see [`journal`](crate::journal) |
//! | `journal.cut-N.jsonl` | records that [`repair`] cut off the journal |
//! | `calls.jsonl` | every call that was sent, and what the server said |
//! | `lock` | held by the process that works on the run |
//! | `success.csv`, `errors.csv`, `skipped.csv`, `report.json`, `report.html` | the results; see [`report`](crate::report) |
//!
//! The directory gets its name only when the plan and the first journal record are on disk. To resume the run, nothing
//! else is needed.

mod call_log;
mod directory;
mod effects;
mod error;
mod fixed;
mod lineage;
mod open_run;
mod outcomes;
mod past_run;
mod plan_entry;
mod plan_file;
mod planning;
mod recorded_settings;
mod repair;
mod replaced;
mod saved_plan;
mod shared_objects;
mod state;
mod trust;

pub use self::call_log::{CallLog, LoggedCalls};
pub use self::directory::{RunDirectory, RunName, list};
pub use self::effects::RunEffects;
pub use self::error::RunError;
pub use self::lineage::Lineage;
pub use self::open_run::{Run, resume, start};
pub use self::outcomes::{created, ends_in_others, outcomes};
pub use self::plan_file::{ManifestSum, Origin, PlanFile, PlanLine, PlanWriter};
pub use self::planning::{Checked, PlanError, check, check_named, plan};
pub use self::recorded_settings::{Addresses, RecordedSettings};
pub use self::repair::{Finding, Repaired, examine, repair};
pub use self::replaced::Replaced;
pub use self::saved_plan::{PLAN_FORMAT, SavedHead, SavedPlan, SavedPlanWriter, is_saved_plan};
pub use self::state::RunState;
pub use self::trust::{Sealer, distrust, refuse_open_to_others};
