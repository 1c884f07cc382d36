//! A rate-limit-aware bulk operations engine for Zscaler Private Access.
//!
//! The library behind the `zpa-bulk` command. What the command does is in the README; this page says how
//! the code is laid out.
//!
//! # Layers
//!
//! Imports point downward only (a test keeps it so). What decides never does IO and never reads a clock:
//! time, randomness and answers are passed in, and a decision comes back as a value.
//!
//! | Layer | Module | |
//! |---|---|---|
//! | 6 | [`cli`] | what was typed, settings, the terminal; one file a verb |
//! | 5 | [`ops`] | the use cases: start, resume, retry, undo, prune, verify, export |
//! | 4 | [`report`] | result files and summary of a run |
//! | 4 | [`run`] | a run: its directory, plan, state and effects |
//! | 3 | [`engine`] | one select loop around a synchronous core: events in, effects out |
//! | 2 | [`manifest`] | CSV and JSON Lines into rows that know where they stand |
//! | 2 | [`journal`] | append, group commit, replay, lock |
//! | 2 | [`shared_quota`] | the quota that the processes of a machine share |
//! | 2 | [`zpa`] | the HTTP edge; the only user of reqwest |
//! | 1 | [`plan`] | rows and a snapshot into items and calls |
//! | 1 | [`pacer`] | when may the next call of a quota class go? |
//! | 1 | [`retry`] | what does a reply mean, and when again? |
//! | 1 | [`ledger`] | the state of every item: a fold of what was written down |
//! | 0 | [`item`] | the words of a run: rows, items, changes, outcomes, events |
//! | 0 | [`resource`] | one file a kind of object: columns, rules, endpoints |
//! | 0 | [`wire`] | the words of the wire: ids, field values, requests, replies |
//! | 0 | [`clock`] | the clocks, and the source of randomness; edges alone name it |
//! | 0 | [`platform`] | everything that differs between operating systems |
//! | | [`sim`] | beside the ladder: the simulated tenant, which knows the wire by itself |
//!
//! # The way of a row
//!
//! Read ([`manifest`]), checked by itself ([`plan::Checker`]), its names resolved and compared with live
//! state ([`plan::Planner`]), grouped into a call ([`plan::Backlog`]), its call's intent on disk
//! ([`journal`]), admitted ([`pacer`]), sent ([`zpa`]), its reply judged ([`retry`]), its outcome written
//! down, reported ([`report`]).
//!
//! # Example
//!
//! ```
//! use zpa_bulk::pacer::{Pace, Quota};
//!
//! // A thousand writes at the published quota need about 17 minutes.
//! let least = Pace::At(Quota::WRITE).least_time(1000);
//! assert_eq!(least.as_secs(), 1018);
//! ```

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "a test may begin at the present")
)]

pub mod cli;
pub mod clock;
pub mod engine;
pub mod item;
pub mod journal;
pub mod ledger;
pub mod manifest;
pub mod ops;
pub mod pacer;
pub mod plan;
pub mod platform;
pub mod report;
pub mod resource;
pub mod retry;
pub mod run;
pub mod shared_quota;
pub mod sim;
pub mod wire;
pub mod zpa;
