//! The simulated tenant over real HTTP: what a client sees of it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the functions beside the tests may fail a test as the tests themselves may"
)]

mod access;
mod connector_schedule;
mod connectors;
mod domains;
mod faults;
mod harness;
mod links;
mod microtenants;
mod portals;
mod service;
mod traffic;
