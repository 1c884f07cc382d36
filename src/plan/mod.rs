//! Planning: turns rows and a snapshot of the tenant into items and calls.
//!
//! Planning does no IO and reads no clock. The same rows, snapshot and settings give the same plan. The way in which
//! items are grouped into calls never changes the items themselves.
//!
//! A row takes these steps:
//!
//! 1. [`Layout`] assigns a meaning to its columns.
//! 2. [`Checker`] turns it into a [`Draft`], or into problems.
//! 3. [`Duplicates`] finds rows that name the same object.
//! 4. [`Planner`] resolves the names in it and compares it with the tenant.
//! 5. [`Backlog`] groups the resulting items into calls.

mod by_scope;
mod calls;
mod cell_kinds;
mod check;
mod columns;
mod compare;
pub mod complete;
pub mod composite;
mod defaults;
pub mod doubt;
mod duplicates;
mod estimate;
pub mod export;
mod filter;
mod flags;
mod guards;
pub mod inverse;
mod limits;
mod live_check;
mod live_index;
mod microtenants;
mod names;
mod past_change;
pub mod prune;
mod repair;
mod review;
mod rounded;
mod snapshot;
mod tenant_rules;
mod wording;

pub use self::calls::{Backlog, Work};
pub use self::check::{Checker, Draft, UnresolvedRef};
pub use self::columns::{EXAMPLE, Layout, RESULT_COLUMNS, is_common_title};
pub use self::compare::{Planner, Totals};
pub use self::complete::Completer;
pub use self::defaults::Defaults;
pub use self::duplicates::Duplicates;
pub use self::estimate::{CallCounts, Estimate, Way};
pub use self::filter::{Condition, Filter, FilterError};
pub use self::guards::{Guards, Share};
pub use self::live_check::{Appearance, LiveCheck, conflict};
pub use self::microtenants::Microtenants;
pub use self::names::Resolver;
pub use self::past_change::PastChange;
pub use self::review::ReviewPlanner;
pub use self::snapshot::{Listing, Snapshot};
pub use self::tenant_rules::{BulkPortals, TenantRules};
pub use self::wording::similar;
