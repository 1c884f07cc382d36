//! The simulated tenant, as a client sees it over real HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "the functions beside the tests may fail a test as the tests themselves may"
)]

mod access;
mod connector_schedule;
mod connectors;
mod domains;
mod faults;
mod links;
mod listings;
mod microtenants;
mod portals;
mod service;
#[path = "../support/mod.rs"]
mod support;
mod traffic;
