//! The tools of all test binaries: the command and the tenants that it talks to, raw calls on a tenant, an engine on a
//! stopped clock, and the source code as its own tests read it.

#![allow(dead_code, reason = "no test binary uses all of it")]

pub(crate) mod api;
#[cfg(unix)]
pub(crate) mod command;
pub(crate) mod desk;
pub(crate) mod hunt;
pub(crate) mod in_memory;
pub(crate) mod manifests;
pub(crate) mod random;
pub(crate) mod rows;
pub(crate) mod scenarios;
#[cfg(unix)]
pub(crate) mod scripted;
pub(crate) mod served;
pub(crate) mod source;
pub(crate) mod state;
#[cfg(unix)]
pub(crate) mod tenant;
pub(crate) mod tokens;
pub(crate) mod trace;
pub(crate) mod wire;

/// A new directory, in memory where there is such a place: most of the time of a run on disk is spent on syncing.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}
