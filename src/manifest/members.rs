//! The members of a line of JSON Lines, as texts of cells.
//!
//! The texts are made while the line is parsed. A tree of values would take up to a hundred times the memory of its line.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::bounds::MOST_COLUMNS;

/// The text of a value as it would stand in a cell, `None` for `null`, or the reason why the value cannot stand here.
pub(super) type Text = Result<Option<Value>, String>;

/// The text of a value as it would stand in a cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    /// True for the elements of a list, joined by `;`.
    pub(super) is_list: bool,
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        let is_list = false;
        Self { text, is_list }
    }
}

/// The members of an object in order, repeated ones included.
#[derive(Debug)]
pub(super) struct Members {
    /// The first [`MOST_COLUMNS`] of them.
    pub(super) first: Vec<(String, Text)>,
    /// The number of all.
    pub(super) count: usize,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut first = Vec::new();
                while first.len() < MOST_COLUMNS
                    && let Some(name) = map.next_key()?
                {
                    first.push((name, map.next_value_seed(Place::Cell)?));
                }
                let mut count = first.len();
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Members { first, count })
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// The place of a value, which decides what may stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Cell,
    /// In a list: plain, or an object with an `id` or a `name` as the API has it.
    List,
    /// The `id` or the `name` of an object in a list.
    Object,
}

impl<'de> DeserializeSeed<'de> for Place {
    type Value = Text;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Ok(None))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Text, E> {
        Ok(Ok(Some(flag.to_string().into())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Text, E> {
        Ok(Ok(Some(number.to_string().into())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
        Ok(Ok(Some(number.to_string().into())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Text, E> {
        let message = "has a fraction or too many digits; write it as a string";
        Ok(Err(format!("{number:?} {message}")))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Ok(Some(text.to_owned().into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Text, A::Error> {
        let mut joined = match self {
            Self::Cell => Ok(String::new()),
            Self::List | Self::Object => Err("a list in a list cannot stand here".to_owned()),
        };
        let mut separator = "";
        while let Ok(texts) = &mut joined
            && let Some(text) = list.next_element_seed(Self::List)?
        {
            match text {
                Ok(text) => {
                    texts.push_str(separator);
                    texts.push_str(&text.unwrap_or_default().text);
                }
                Err(message) => joined = Err(message),
            }
            separator = ";";
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        let is_list = true;
        Ok(joined.map(|text| Some(Value { text, is_list })))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Text, A::Error> {
        let (mut id, mut name) = (None, None);
        while let Some(member) = object.next_key::<String>()? {
            match member.as_str() {
                "id" if self == Self::List => id = Some(object.next_value_seed(Self::Object)?),
                "name" if self == Self::List => name = Some(object.next_value_seed(Self::Object)?),
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        let text = id.or(name);
        Ok(text.unwrap_or_else(|| Err("an object cannot stand here".to_owned())))
    }
}
