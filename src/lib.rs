//! A rate-limit-aware bulk operations engine for Zscaler Private Access.
//!
//! The library behind the `zpa-bulk` command. The README says what the command does; this page says how the
//! code is laid out.
//!
//! # Layers
//!
//! Imports point downward only, and a test checks this. Code that decides never does I/O and never reads a clock: time,
//! randomness and answers are passed in, and a decision comes back as a value.
//!
//! | Layer | Module | |
//! |---|---|---|
//! | 6 | [`cli`] | arguments, settings and the terminal; one file a verb |
//! | 5 | [`ops`] | the use cases: start, resume, retry, undo, prune, verify, export |
//! | 4 | [`report`] | result files, summary and page of a run |
//! | 4 | [`run`] | a run: its directory, plan, state and effects |
//! | 3 | [`engine`] | one select loop around a synchronous core: events in, effects out |
//! | 2 | [`manifest`] | CSV and JSON Lines into rows that know where they stand |
//! | 2 | [`journal`] | append, group commit, replay, lock |
//! | 2 | [`coordination`] | what the processes of a user must know of each other |
//! | 2 | [`zpa`] | the HTTP edge; the only user of reqwest |
//! | 1 | [`plan`] | rows and live state into items and calls |
//! | 1 | [`pacer`] | when the next call of a quota class may go |
//! | 1 | [`retry`] | what a reply means, and when to try again |
//! | 1 | [`ledger`] | the state of every item, folded from the journal's events |
//! | 0 | [`item`] | rows, items, changes, outcomes, events |
//! | 0 | [`resource`] | one file a kind of object: columns, rules, endpoints |
//! | 0 | [`wire`] | ids, field values, requests, replies |
//! | 0 | [`clock`] | the clocks and the source of randomness; edges alone name it |
//! | 0 | [`files`] | opening and replacing the files of runs and of the state |
//! | 0 | [`text`] | parts of messages, and characters that are not shown as they are |
//! | 0 | [`outlet`] | lines to a file or a pipe that may be slow, gone or full |
//! | 0 | [`platform`] | everything that differs between operating systems |
//! | | [`sim`] | beside the ladder: the simulated tenant, which knows the wire by itself |
//!
//! # The way of a row
//!
//! 1. [`manifest`] reads the row, and [`plan::Checker`] checks it by itself.
//! 2. [`plan::Planner`] resolves its names and compares it with live state.
//! 3. [`plan::Backlog`] groups it with others into a call, and [`journal`] puts the intent of the call on disk.
//! 4. [`pacer`] admits the call, and [`zpa`] sends it.
//! 5. [`retry`] judges the reply, and [`journal`] writes the outcome down.
//! 6. [`report`] writes the row into a result file.
//!
//! # Example
//!
//! ```
//! use zpa_bulk::pacer::{Pace, Quota};
//!
//! // A thousand writes at the published quota need about 17 minutes.
//! let least = Pace::At(Quota::WRITE).least_time(1000);
//! assert_eq!(least.as_secs(), 1009);
//! ```

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "a test may begin at the present")
)]

pub mod cli;
pub mod clock;
pub mod coordination;
pub mod engine;
pub mod files;
pub mod item;
pub mod journal;
pub mod ledger;
pub mod manifest;
pub mod ops;
pub mod outlet;
pub mod pacer;
pub mod plan;
pub mod platform;
pub mod report;
pub mod resource;
pub mod retry;
pub mod run;
pub mod sim;
pub mod text;
pub mod wire;
pub mod zpa;
