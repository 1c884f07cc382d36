//! Errors of the table.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// The reason why the table cannot be used. It names the file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct CoordinationError {
    path: PathBuf,
    reason: Reason,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Reason {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("another process holds it and does not release it")]
    Busy,
    #[error("it was made by a newer zpa-bulk")]
    Newer,
    #[error(transparent)]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Reason {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Sqlite(error),
        }
    }
}

impl Reason {
    /// Tells whether the file holds something else than a table that can be read.
    pub(super) fn is_damage(&self) -> bool {
        let Self::Sqlite(error) = self else {
            return false;
        };
        let code = error.sqlite_error_code();
        matches!(
            code,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        ) || matches!(
            error,
            rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::QueryReturnedNoRows
        ) || matches!(error, rusqlite::Error::SqliteFailure(_, Some(text)) if text.starts_with("no such "))
    }

    pub(super) fn at(self, path: &Path) -> CoordinationError {
        CoordinationError {
            path: path.to_owned(),
            reason: self,
        }
    }
}
