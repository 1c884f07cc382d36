//! The verbs, one file each. A verb turns its arguments into options, and makes one call into [`ops`](crate::ops).

pub(super) mod apply;
pub(super) mod complete;
pub(super) mod completions;
pub(super) mod context;
pub(super) mod doctor;
pub(super) mod export;
pub(super) mod init;
pub(super) mod journal;
pub(super) mod man;
pub(super) mod plan;
pub(super) mod prune;
pub(super) mod report;
pub(super) mod resume;
pub(super) mod retry;
pub(super) mod runs;
pub(super) mod show;
pub(super) mod simulate;
pub(super) mod status;
pub(super) mod template;
pub(super) mod undo;
pub(super) mod verify;
mod watch;
