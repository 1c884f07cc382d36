//! Times in the form in which the API writes them.

use jiff::Timestamp;
use serde_json::Value;

/// Reads a time in seconds since 1970 (UTC), which the API writes as a string, and in some documents as a number.
///
/// Returns `None` for any other value, and for zero or less: zero stands for an unknown time.
#[must_use]
pub fn epoch(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => seconds(text),
        Value::Number(number) => seconds(&number.to_string()),
        _ => None,
    }
}

/// Reads a time from the text of a positive number of seconds since 1970 (UTC).
pub(super) fn seconds(text: &str) -> Option<Timestamp> {
    let seconds: i64 = text.trim().parse().ok()?;
    Timestamp::from_second(seconds).ok().filter(|_| seconds > 0)
}
