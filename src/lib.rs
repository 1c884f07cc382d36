//! A rate-limit-aware bulk operations engine for Zscaler Private Access.

pub mod sim;
