//! Why a scenario cannot be used.

use thiserror::Error;

/// Why a scenario cannot be used.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// The text is not TOML at all.
    #[error("the scenario is not valid TOML: {0}")]
    Syntax(String),
    /// A table or a key that does not exist.
    #[error("unknown key `{key}`; allowed here: {allowed}")]
    UnknownKey {
        /// Its line, from 1.
        line: usize,
        /// The key, with its table.
        key: String,
        /// The keys that do exist there.
        allowed: String,
    },
    /// A value its key cannot have.
    #[error("`{key}` cannot be {value}; allowed: {allowed}")]
    Value {
        /// Its line, from 1.
        line: usize,
        /// The key, with its table.
        key: String,
        /// The value as written.
        value: String,
        /// What the key can have.
        allowed: &'static str,
    },
    /// A key that is missing, or is there, where the other keys of its table make no sense of it.
    #[error("`{key}` {what}")]
    Combination {
        /// Its line, from 1; that of its table when it is missing.
        line: usize,
        /// The key, with its table.
        key: String,
        /// What is wrong with it.
        what: String,
    },
}

impl ScenarioError {
    /// The line that it is about, from 1; none where the message says it.
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
