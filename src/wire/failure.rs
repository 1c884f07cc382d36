//! Failures of single items, as the user reads them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The reason why an item failed. The user reads it in `errors.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The server's own id of the error, such as `resource.not.found`, if the server gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_id: Option<String>,
    /// The error in words.
    pub message: String,
    /// The HTTP status, if the server answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl Failure {
    /// Makes a failure that this program found itself, without the server.
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
