//! A rate-limit-aware bulk operations engine for Zscaler Private Access.

pub mod cli;
pub mod engine;
pub mod journal;
pub mod ledger;
pub mod manifest;
pub mod model;
pub mod pacer;
pub mod plan;
pub mod report;
pub mod resource;
pub mod retry;
pub mod run;
pub mod sim;
pub mod zpa;
