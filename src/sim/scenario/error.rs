//! The errors of a scenario file.

use thiserror::Error;

/// The reason why a scenario cannot be used.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// The text is not TOML.
    #[error("the scenario is not valid TOML: {0}")]
    Syntax(String),
    /// There is no such table or key.
    #[error("unknown key `{key}`; allowed here: {allowed}")]
    UnknownKey {
        /// The line of the key, from 1.
        line: usize,
        /// The key, with its table.
        key: String,
        /// The keys that exist in its place.
        allowed: String,
    },
    /// The value is not allowed for its key.
    #[error("`{key}` cannot be {value}; allowed: {allowed}")]
    Value {
        /// The line of the key, from 1.
        line: usize,
        /// The key, with its table.
        key: String,
        /// The value as written.
        value: String,
        /// The values that are allowed.
        allowed: String,
    },
    /// A required key is missing, or a key does not go with the other keys of its table.
    #[error("`{key}` {what}")]
    Combination {
        /// The line of the key, from 1; the line of its table if the key is missing.
        line: usize,
        /// The key, with its table.
        key: String,
        /// The problem, as the end of a sentence that starts with the key.
        what: String,
    },
}

impl ScenarioError {
    /// The line of the error, from 1; none if the message names it.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Syntax(_) => None,
            Self::UnknownKey { line, .. }
            | Self::Value { line, .. }
            | Self::Combination { line, .. } => Some(*line),
        }
    }
}
