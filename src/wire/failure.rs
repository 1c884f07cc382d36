//! Failures of one item, as the user reads them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why an item failed: what the user reads in `errors.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The server's own id of the error (`resource.not.found`), when it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_id: Option<String>,
    /// What happened, in words.
    pub message: String,
    /// The HTTP status, when the server answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl Failure {
    /// A failure that this program found, not the server.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            error_id: None,
            message: message.into(),
            status: None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.error_id {
            Some(id) if *id != self.message => write!(f, " ({id})"),
            _ => Ok(()),
        }
    }
}
