//! The engine against the simulated tenant in memory, on tokio's paused clock: whole runs, lost answers, refusals and
//! crashes. The log and the state of the tenant are the evidence.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod before;
mod faults;
mod fresh;
mod histories;
mod lag;
mod links;
mod lists;
mod observed;
mod pacing;
mod parking;
mod portals;
mod removals;
mod scopes;
mod stale;
#[path = "../support/mod.rs"]
mod support;
mod undo;
mod waves;
