//! Times as the API writes them.

use jiff::Timestamp;
use serde_json::Value;

/// Seconds since 1970, which the API writes as strings, and in some documents as numbers. `None` for what is
/// neither, and for zero, which stands for a time that is not known.
#[must_use]
pub fn epoch(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => seconds(text),
        Value::Number(number) => seconds(&number.to_string()),
        _ => None,
    }
}

/// The same from the text.
pub(super) fn seconds(text: &str) -> Option<Timestamp> {
    let seconds: i64 = text.trim().parse().ok()?;
    Timestamp::from_second(seconds).ok().filter(|_| seconds > 0)
}
