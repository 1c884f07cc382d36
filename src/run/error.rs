//! Errors of runs.

use std::io;
use std::path::{Path, PathBuf};

use crate::journal::{self, JournalError};

/// The reason why a run cannot be started, read or resumed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal is refused.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file of the run cannot be read or written.
    #[error("{}: {doing}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// A short sentence that says what cannot be done.
        doing: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The plan is missing, or it cannot be read.
    #[error("{}", journal::unreadable("plan", path, source.as_ref()))]
    Unreadable {
        /// The plan.
        path: PathBuf,
        /// The system's reason; `None` if the file is missing.
        #[source]
        source: Option<io::Error>,
    },
    /// The journal was written for another plan.
    #[error("{}: the plan is not the one that the journal was written for", path.display())]
    PlanChanged {
        /// The plan.
        path: PathBuf,
    },
    /// A line of the plan is damaged.
    #[error("{}:{line}: this is not a line of a plan", path.display())]
    PlanDamaged {
        /// The plan.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// A saved plan cannot be used.
    #[error("{}: {why}", path.display())]
    SavedPlan {
        /// The saved plan.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// A saved plan cannot be written.
    #[error("{}: the plan cannot be saved", path.display())]
    NotSaved {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Others can change the directory of all runs.
    #[error("{}: {how}", path.display())]
    OpenToOthers {
        /// The directory.
        path: PathBuf,
        /// The way in which they can.
        how: String,
    },
    /// There is no such run.
    #[error("there is no run {0:?}")]
    Unknown(String),
    /// Several runs have names that begin with the given text.
    #[error("{text:?} is the beginning of {count} runs: {first}, …")]
    Ambiguous {
        /// The given text.
        text: String,
        /// The number of runs.
        count: usize,
        /// The name of the first run.
        first: String,
    },
}

impl RunError {
    /// Makes the error of a file of a run that cannot be read or written.
    pub(crate) fn io<'p>(
        path: &'p Path,
        doing: &'static str,
    ) -> impl Fn(io::Error) -> Self + Copy + 'p {
        move |source| Self::Io {
            path: path.to_owned(),
            doing,
            source,
        }
    }
}
