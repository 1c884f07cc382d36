//! The errors of a scenario file.

use thiserror::Error;

/// The reason why a scenario cannot be used: the text is not TOML, there is no such table or key, a value is not
/// allowed, or a key is missing or does not go with the other keys of its table.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct ScenarioError {
    pub(super) line: Option<usize>,
    pub(super) message: String,
}

impl ScenarioError {
    /// The line of the error, from 1; none if the message names it.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}
