//! Ids and raw objects.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A JSON object as the API answers it. Fields that this program does not know are kept.
pub type Object = Map<String, Value>;

/// The id of an object on a tenant: the digits as text, never a number, so that no digit is lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// Takes an id as text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Reads an id from a JSON string or integer. The API answers strings, documented requests show
    /// numbers too; a fraction or an empty string is no id.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) if !text.is_empty() => Some(Self(text.clone())),
            Value::Number(number) if number.is_u64() => Some(Self(number.to_string())),
            _ => None,
        }
    }

    /// The `id` of an object.
    #[must_use]
    pub fn of(object: &Object) -> Option<Self> {
        object.get("id").and_then(Self::from_value)
    }

    /// The digits.
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
