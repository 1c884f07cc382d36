//! The lineage of runs: a run may retry another one's failures, undo it, or replace it.

use std::collections::HashMap;
use std::path::Path;

use super::error::RunError;
use super::{Origin, RunDirectory, list};

/// The links between the runs of one directory. Each map leads from the earlier run to the newest later one.
#[derive(Clone, Debug, Default)]
pub struct Lineage {
    retried: HashMap<String, String>,
    undone: HashMap<String, String>,
    superseded: HashMap<String, String>,
}

impl Lineage {
    /// Reads the links of all runs below `runs`. A run that cannot be read adds none.
    ///
    /// # Errors
    /// [`RunError::Io`] if the runs cannot be listed.
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
            let undone = origin.undoes.into_iter().chain(origin.undoes_replaced);
            for earlier in undone {
                lineage.undone.insert(earlier, name.clone());
            }
            if let Some(earlier) = origin.retries {
                lineage.retried.insert(earlier, name);
            }
        }
        Ok(lineage)
    }

    /// Reads the links of all runs in the same directory as this one.
    ///
    /// # Errors
    /// The same as for [`Lineage::read`].
    pub fn around(directory: &RunDirectory) -> Result<Self, RunError> {
        Self::read(directory.runs_dir())
    }

    /// Returns the newest run that retries the failures of the run of that name.
    #[must_use]
    pub fn retried_by(&self, run: &str) -> Option<&str> {
        self.retried.get(run).map(String::as_str)
    }

    /// Returns the newest run that undoes the run of that name.
    #[must_use]
    pub fn undone_by(&self, run: &str) -> Option<&str> {
        self.undone.get(run).map(String::as_str)
    }

    /// Returns the run that replaces the run of that name, or the one that replaces that one in its turn, and so on.
    #[must_use]
    pub fn successor_of(&self, run: &str) -> Option<&str> {
        let mut successor = self.superseded_by(run)?;
        // A circle ends after as many steps as there are runs.
        for _ in 0..self.superseded.len() {
            match self.superseded_by(successor) {
                Some(next) => successor = next,
                None => break,
            }
        }
        Some(successor)
    }

    /// Returns the newest run that replaces the run of that name.
    #[must_use]
    pub fn superseded_by(&self, run: &str) -> Option<&str> {
        self.superseded.get(run).map(String::as_str)
    }
}
