//! The types that a run consists of: rows, items, changes, outcomes and events.
//!
//! They are plain data. Nothing here decides anything, does IO or reads a clock.

mod change;
mod event;
mod operation;
mod referrer;
mod reviewed;
mod row;
mod stale;
mod undo;
mod work_item;

pub use self::change::{Change, FieldChange};
pub use self::event::{CallId, Event, Outcome, PRESUMED, Status};
pub use self::operation::Operation;
pub use self::referrer::{Referrer, referred_to};
pub use self::reviewed::Reviewed;
pub use self::row::{CellKind, Cells, Located, Problem, Problems, Row};
pub use self::undo::{Undo, changed_since};
pub use self::work_item::{Item, ItemNumber, index};
