//! Ids of objects, and objects as the API answers them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A JSON object as the API answers it, with the fields that this program does not know.
pub type Object = Map<String, Value>;

/// The id of an object on a tenant, kept as text. A JSON number could lose digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// Takes any text as an id, unchecked.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Reads an id from a JSON string or a non-negative JSON integer.
    ///
    /// The API answers with strings; its documented requests show numbers too. Returns `None` for anything else, such
    /// as a fraction or an empty string.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) if !text.is_empty() => Some(Self(text.clone())),
            Value::Number(number) if number.is_u64() => Some(Self(number.to_string())),
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

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
