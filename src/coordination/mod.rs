//! Coordination: the table of what the processes of a user must know of each other, one for every tenant.
//!
//! The table is a file of `SQLite` in the user's state directory, wherever the run directories are. It holds:
//!
//! | Table | Content |
//! |---|---|
//! | `slots`, `classes` | the calls that were sent and are about to be sent, and the pauses that the server asked for |
//! | `learned` | what refusals have shown of the tenant's limits |
//! | `runs` | every run of the tenant: its directory, its last write, and the run that replaced it |
//! | `claims` | the objects that a run has read and is about to change |
//! | `latest` | the object of each scope that a run has changed last |
//! | `deleted` | the objects that were deleted lately, since listings may lag behind |
//! | `owners` | the run that created or adopted an object: one for each id |
//!
//! Every change of the table is one transaction. The planning lock stands beside the table: one process at a time
//! reads the tenant and starts a run.
//!
//! Times are nanoseconds since the start of the machine ([`Now`]), on a clock that nobody sets. After a restart of
//! the machine they are converted by the wall clock.
//!
//! The items of a run stay in its directory. Their journal is the truth of what was sent, for this run and for others.

mod error;
mod learned;
mod now;
mod objects;
mod planning_lock;
mod quota;
mod runs;
mod store;

pub use self::error::CoordinationError;
pub use self::learned::Fact;
pub use self::now::Now;
pub use self::objects::Holder;
pub use self::planning_lock::{Busy, PlanningLock};
pub use self::runs::{KnownRun, RunId};
pub use self::store::{Coordination, Table};

#[cfg(test)]
mod tests;
