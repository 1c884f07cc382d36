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
    /// Makes a failure that this program found itself, without the server. A long message is cut.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            error_id: None,
            message: cut(message.into()),
            status: None,
        }
    }
}

/// Cuts a text that is longer than 2 KiB, and says so at its end. The texts of a server end in a journal and in result
/// files, once for each row that they concern.
pub(super) fn cut(mut text: String) -> String {
    const LONGEST: usize = 2048;
    let all = text.len();
    if all > LONGEST {
        let mut ends = (0..=LONGEST).rev();
        let end = ends.find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.push_str(&format!("… [cut from {all} bytes]"));
    }
    text
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_marked() {
        assert_eq!(cut("x".repeat(2048)), "x".repeat(2048));
        let long = format!("x{}", "é".repeat(1024));
        let expected = format!("x{}… [cut from 2049 bytes]", "é".repeat(1023));
        assert_eq!(cut(long), expected);
    }
}
