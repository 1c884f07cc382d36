//! Field values and lists of fields. Deserializing keeps the order of the fields.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, de};
use serde_json::Value;

use super::id::Object;

/// The value of one wire field, after it was checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum FieldValue<'r> {
    /// A boolean.
    Flag(bool),
    /// Text as the API expects it.
    Text(Cow<'r, str>),
    /// References to other objects, by id.
    Refs(Vec<Reference<'r>>),
}

/// A reference to another object. A request contains it as `{"id": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reference<'r> {
    /// The id of the other object.
    pub id: Cow<'r, str>,
}

/// Wire fields with their values, in the order of the resource's schema.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields<'r>(pub Vec<(Cow<'r, str>, FieldValue<'r>)>);

impl<'r> Fields<'r> {
    /// Returns the value of the wire field `name`, if there is one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&FieldValue<'r>> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// Returns the text of the wire field `name`. Returns `None` if the field is missing or is not text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.find(name) {
            Some(FieldValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Converts the fields to a JSON object.
    #[must_use]
    pub fn to_object(&self) -> Object {
        self.0
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_json()))
            .collect()
    }
}

impl FieldValue<'_> {
    /// Formats the value for people. Ids are joined by `;`.
    #[must_use]
    pub fn show(&self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Text(text) => text.to_string(),
            Self::Refs(refs) => {
                let ids: Vec<&str> = refs.iter().map(|r| &*r.id).collect();
                ids.join(";")
            }
        }
    }

    /// Converts the value to the JSON that a request contains.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Flag(flag) => Value::Bool(*flag),
            Self::Text(text) => Value::String(text.to_string()),
            Self::Refs(refs) => refs
                .iter()
                .map(|r| serde_json::json!({ "id": r.id }))
                .collect(),
        }
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Fields<'_> {
    /// Returns a copy that borrows nothing.
    #[must_use]
    pub fn to_owned_fields(&self) -> Fields<'static> {
        let value = |value: &FieldValue<'_>| match value {
            FieldValue::Flag(flag) => FieldValue::Flag(*flag),
            FieldValue::Text(text) => FieldValue::Text(owned(text)),
            FieldValue::Refs(refs) => FieldValue::Refs(
                refs.iter()
                    .map(|r| Reference { id: owned(&r.id) })
                    .collect(),
            ),
        };
        Fields(
            self.0
                .iter()
                .map(|(name, v)| (owned(name), value(v)))
                .collect(),
        )
    }
}

fn owned(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

impl<'de> Deserialize<'de> for Fields<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// Reads a JSON object and keeps the order of its members.
struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of wire fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, FieldValue<'static>>()? {
            fields.push((Cow::Owned(name), value));
        }
        Ok(Fields(fields))
    }
}

impl<'de> Deserialize<'de> for FieldValue<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldValueVisitor)
    }
}

/// Reads a boolean, a string or a list of references.
struct FieldValueVisitor;

impl<'de> Visitor<'de> for FieldValueVisitor {
    type Value = FieldValue<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a flag, a text or references")
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(FieldValue::Flag(flag))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(FieldValue::Text(Cow::Owned(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, refs: A) -> Result<Self::Value, A::Error> {
        let refs = Vec::deserialize(SeqAccessDeserializer::new(refs))?;
        Ok(FieldValue::Refs(refs))
    }
}
