//! Errors of journals.

use std::io;
use std::path::{Path, PathBuf};

use super::frame::Damage;
use super::header::FORMAT;

/// A journal that cannot be read, opened or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Reading or writing failed.
    #[error("{}: the journal cannot be {doing}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The step that failed.
        doing: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The file is missing or cannot be read.
    #[error("{}", unreadable("journal", path, source.as_ref()))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason; none for a file that is not there.
        #[source]
        source: Option<io::Error>,
    },
    /// Another process works on the run.
    #[error("{}: another process is working on this run{}", path.display(), owner.as_deref().map(|o| format!(" (pid {o})")).unwrap_or_default())]
    Locked {
        /// The run directory.
        path: PathBuf,
        /// The id of the other process, if it left one.
        owner: Option<String>,
    },
    /// A line differs from what was written.
    #[error("{}: line {line} is damaged: {damage}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The damage to the line.
        damage: Damage,
    },
    /// Records at the end, which were on disk, are gone or damaged. The journal may not know of calls that were sent.
    #[error("{}: the end of the journal, from line {line} on, was on disk and is gone: {damage}", path.display())]
    Lost {
        /// The file.
        path: PathBuf,
        /// The first line that is gone, from 1.
        line: u64,
        /// The damage to the line.
        damage: Damage,
    },
    /// A newer program wrote it.
    #[error("{}: the journal has format {format}; this program reads up to {FORMAT}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        format: u32,
    },
}

impl JournalError {
    pub(super) fn of_reading(path: &Path, source: io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            source: Some(source).filter(is_there),
        }
    }
}

/// Returns true for any error but that of a file that is not there.
pub(crate) fn is_there(error: &io::Error) -> bool {
    error.kind() != io::ErrorKind::NotFound
}

/// Returns the message about a file, named as `what`, without which nothing can be done.
pub(crate) fn unreadable(what: &str, path: &Path, source: Option<&io::Error>) -> String {
    let fate = source.map_or("is missing", |_| "cannot be read");
    format!("{}: the {what} {fate}", path.display())
}

pub(super) fn io_error(path: &Path, doing: &'static str, source: io::Error) -> JournalError {
    JournalError::Io {
        path: path.to_owned(),
        doing,
        source,
    }
}
