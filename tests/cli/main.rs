//! The command as a user runs it, and the files that come with it. Most tests start a simulated tenant as another
//! process; its own log and state are the evidence.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the functions beside the tests may fail and print as the tests themselves may"
)]

mod answers;
mod apply;
mod company;
mod completions;
mod crash;
mod damage;
mod docs;
mod doctor;
mod echoes;
mod endpoints;
mod events;
mod evidence;
mod export;
mod fuzz;
mod init;
mod layers;
mod limits;
mod manifests;
mod others;
mod pack;
mod processes;
mod prune;
mod replaced;
mod resources;
mod runs;
mod samples;
mod saved;
mod settings;
mod sharing;
mod shown;
mod signin;
mod simulate;
#[path = "../support/mod.rs"]
mod support;
mod tables;
mod terminal;
mod transport;
mod trust;
mod undo;
mod verify;
mod version;
mod watching;
mod workbooks;
