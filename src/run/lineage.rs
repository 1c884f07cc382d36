//! Which run came of which: one that retries what failed in another, one that undoes another, one that was started in
//! the place of another.

use std::collections::HashMap;
use std::path::Path;

use super::{Origin, RunDirectory, RunError, list};

/// What the runs of one directory say of each other.
#[derive(Clone, Debug, Default)]
pub struct Lineage {
    retried: HashMap<String, String>,
    undone: HashMap<String, String>,
    superseded: HashMap<String, String>,
}

impl Lineage {
    /// That of all runs below `runs`. A run that cannot be read says nothing.
    ///
    /// # Errors
    /// [`RunError::Io`] when the runs cannot be listed.
    pub fn read(runs: &Path) -> Result<Self, RunError> {
        let mut lineage = Self::default();
        for directory in list(runs)? {
            let Ok(origin) = Origin::read(directory.path()) else {
                continue;
            };
            let name = directory.name().to_string();
            for earlier in origin.supersedes {
                lineage.superseded.insert(earlier, name.clone());
            }
            if let Some(earlier) = origin.undoes {
                lineage.undone.insert(earlier, name.clone());
            }
            if let Some(earlier) = origin.retries {
                lineage.retried.insert(earlier, name);
            }
        }
        Ok(lineage)
    }

    /// That of the runs beside this one.
    ///
    /// # Errors
    /// As [`Lineage::read`].
    pub fn around(directory: &RunDirectory) -> Result<Self, RunError> {
        Self::read(directory.beside())
    }

    /// The newest run that retries what failed in the run of that name.
    #[must_use]
    pub fn retried_by(&self, run: &str) -> Option<&str> {
        self.retried.get(run).map(String::as_str)
    }

    /// The newest run that undoes the run of that name.
    #[must_use]
    pub fn undone_by(&self, run: &str) -> Option<&str> {
        self.undone.get(run).map(String::as_str)
    }

    /// The newest run that was started in the place of the run of that name.
    #[must_use]
    pub fn superseded_by(&self, run: &str) -> Option<&str> {
        self.superseded.get(run).map(String::as_str)
    }
}
