//! The engine against the simulated tenant in memory, on tokio's paused clock: what the tenant's log and
//! state say after whole runs, lost answers, refusals and crashes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod before;
mod faults;
mod harness;
mod histories;
mod links;
mod lists;
mod pacing;
mod parking;
mod removals;
mod scopes;
mod undo;
