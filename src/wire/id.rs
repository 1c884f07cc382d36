//! Ids of objects, and objects as the API answers them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A JSON object as the API answers it, with the fields that this program does not know.
pub type Object = Map<String, Value>;

/// The id of an object on a tenant: 1 to 20 digits, kept as text. A JSON number could lose digits.
///
/// Ids become segments of paths. Since they are digits wherever they come from, no id leads to another path. The elements
/// of some lists have no id of their own; these have the empty [`Id::none`], which no path can have.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Id(String);

/// A text that is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id must be 1 to 20 digits")]
pub struct NotAnId;

impl Id {
    /// Reads an id. Returns `None` unless it is 1 to 20 digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| Self(text.to_owned()))
    }

    /// Returns the id of an element that has none.
    #[must_use]
    pub fn none() -> Self {
        Self(String::new())
    }

    /// Returns true if this is the id of an element that has none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads an id from a JSON string or a non-negative JSON integer.
    ///
    /// The API answers with strings; its documented requests show numbers too. Returns `None` for anything else, such
    /// as a fraction or a string that is not all digits.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => number.as_u64().map(Self::from),
            _ => None,
        }
    }

    /// Reads the member `id` of `object`.
    #[must_use]
    pub fn of(object: &Object) -> Option<Self> {
        object.get("id").and_then(Self::from_value)
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<u64> for Id {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

impl TryFrom<String> for Id {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        if text.is_empty() {
            return Ok(Self::none());
        }
        Self::parse(&text).ok_or(NotAnId)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_digits_wherever_it_comes_from() {
        for text in [
            "1/../2",
            "..",
            "7a",
            " 7",
            "７",
            "-1",
            "123456789012345678901",
        ] {
            assert_eq!(Id::parse(text), None, "{text}");
            assert_eq!(Id::from_value(&Value::from(text)), None, "{text}");
            let read = serde_json::from_value::<Id>(Value::from(text));
            assert_eq!(read.unwrap_err().to_string(), NotAnId.to_string());
        }
        assert_eq!(Id::parse(""), None);
        assert_eq!(Id::parse("0145"), Some(Id("0145".to_owned())));
        assert_eq!(Id::from_value(&Value::from(7)), Some(Id::from(7)));
    }
}
