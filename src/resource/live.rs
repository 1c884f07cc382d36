//! Live objects: their keys, their values as text, and their comparison with a row.

use std::borrow::Cow;

use serde_json::Value;

use super::schema::{Column, Form, Kind, Shape};
use super::text::unescape;
use crate::wire::{FieldValue, Fields, Object};

impl Kind {
    /// Returns the natural key of a live object, unescaped.
    ///
    /// A kind of which there is only one object has its noun as the key. Returns `None` if the object lacks its key
    /// field.
    #[must_use]
    pub fn key_of(self, live: &Object) -> Option<Cow<'_, str>> {
        if self.key().is_none() {
            return Some(Cow::Borrowed(self.noun()));
        }
        let text = live.get(self.key_field()).and_then(Value::as_str)?;
        Some(unescape(text))
    }

    /// Says whether the live object has the value `want` in the wire field.
    #[must_use]
    pub fn has_value(self, wire: &str, live: &Object, want: &FieldValue<'_>) -> bool {
        match want {
            FieldValue::Flag(flag) => {
                let inferred = self.inferred(wire, live);
                let value = inferred.as_ref().or_else(|| live.get(wire));
                // The elements of a list leave out flags that are not set.
                let unset = (self.shape() == Shape::List).then_some(false);
                value.map_or(unset, as_flag) == Some(*flag)
            }
            FieldValue::Text(text) => self.same_text(wire, live, text),
            FieldValue::Refs(refs) => {
                let mut wanted: Vec<&str> = refs.iter().map(|r| &*r.id).collect();
                wanted.sort_unstable();
                wanted.dedup();
                live_refs(wire, live) == wanted
            }
        }
    }

    /// Returns the fields of `row` whose value the live object does not have.
    #[must_use]
    pub fn differing<'r>(self, live: &Object, row: Fields<'r>) -> Fields<'r> {
        let differs: Vec<bool> = row
            .0
            .iter()
            .map(|(wire, want)| {
                !self.has_value(wire, live, want) && !self.rewritten(wire, live, &row)
            })
            .collect();
        let fields = row.0.into_iter().zip(differs);
        Fields(
            fields
                .filter_map(|(field, differs)| differs.then_some(field))
                .collect(),
        )
    }

    fn same_text(self, wire: &str, live: &Object, want: &str) -> bool {
        // Cells are trimmed, so the live text is trimmed too.
        let live = live_text(wire, live);
        let want = self.normalise(wire, want.trim());
        self.normalise(wire, live.trim()) == want
            || self.normalise(wire, unescape(&live).trim()) == want
    }

    /// Normalises a natural key, so that two keys are equal if and only if their texts are.
    ///
    /// White space around the key is removed, since the server does not keep it.
    #[must_use]
    pub fn comparable_key(self, key: Cow<'_, str>) -> Cow<'_, str> {
        match key {
            Cow::Borrowed(key) => self.normalise(self.key_field(), key.trim()),
            Cow::Owned(key) => {
                Cow::Owned(self.normalise(self.key_field(), key.trim()).into_owned())
            }
        }
    }

    /// Returns the natural keys by which a live object is found: its key field as answered, and unescaped.
    ///
    /// A name may contain text that looks like an HTML entity. No document says which of the two forms the server means.
    #[must_use]
    pub fn keys_of(self, live: &Object) -> Vec<Cow<'_, str>> {
        if self.key().is_none() {
            return self.key_of(live).into_iter().collect();
        }
        let Some(raw) = live.get(self.key_field()).and_then(Value::as_str) else {
            return Vec::new();
        };
        let mut keys = vec![self.comparable_key(Cow::Borrowed(raw))];
        let unescaped = self.comparable_key(unescape(raw));
        if !keys.contains(&unescaped) {
            keys.push(unescaped);
        }
        keys
    }

    /// Returns the fields of `wanted` whose value the live object certainly does not have.
    ///
    /// A flag that the answer leaves out, and that cannot be inferred, counts as equal. In the elements of a list, such
    /// a flag counts as `false`.
    #[must_use]
    pub fn contradicting(self, live: &Object, wanted: &Fields<'_>) -> Fields<'static> {
        let mut fields = self.differing(live, wanted.to_owned_fields());
        let unknown = |wire: &str| !live.contains_key(wire) && self.inferred(wire, live).is_none();
        if self.shape() != Shape::List {
            let is_flag = |value: &FieldValue<'_>| matches!(value, FieldValue::Flag(_));
            fields
                .0
                .retain(|(wire, value)| !(is_flag(value) && unknown(wire)));
        }
        fields
    }

    /// Says whether a live object with the key of `body` may have been created from `body`.
    ///
    /// Only the required fields are compared. The server may write the other fields in a form of its own, and somebody
    /// may have changed them since.
    #[must_use]
    pub fn is_copy(self, live: &Object, body: &Fields<'_>) -> bool {
        let required = self.required().iter();
        required
            .filter(|wire| **wire != self.key_field())
            .all(|wire| {
                body.find(wire)
                    .is_none_or(|value| self.has_value(wire, live, value))
            })
    }

    /// Says whether two answers show the same state of an object. Fields that only one of them has are not compared, nor are
    /// references, which listings may expand in another way. The time of the last change tells of those.
    #[must_use]
    pub fn is_same(self, one: &Object, other: &Object) -> bool {
        let columns = self.columns().iter().map(|column| column.wire);
        let mut names = columns.chain(["modifiedTime"]);
        names.all(|wire| match (one.get(wire), other.get(wire)) {
            (None | Some(Value::Array(_)), _) | (_, None) => true,
            (Some(_), Some(_)) => self.show(wire, one) == self.show(wire, other),
        })
    }

    /// Formats the live value of a field for people.
    #[must_use]
    pub fn show(self, wire: &str, live: &Object) -> String {
        match live.get(wire) {
            Some(Value::Array(_)) => live_refs(wire, live).join(";"),
            Some(Value::String(text)) => unescape(text).into_owned(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        }
    }

    /// Returns the cell that an exported manifest has in `column` for a live object.
    ///
    /// The ids of references are joined with `;`, and HTML entities are unescaped. The cell is empty if the object does
    /// not have the field.
    #[must_use]
    pub fn cell(self, column: &Column, live: &Object) -> String {
        let inferred = self.inferred(column.wire, live);
        let value = inferred.as_ref().or_else(|| live.get(column.wire));
        match (column.form, value) {
            (Form::Split(wires, _), _) => wires
                .iter()
                .map(|wire| self.normalise(wire, &live_text(wire, live)).into_owned())
                .collect(),
            (Form::Refs(_), _) => live_refs(column.wire, live).join(";"),
            (_, Some(Value::String(text))) if column.escaped => unescape(text).into_owned(),
            (_, value) => plain(value),
        }
    }

    /// Returns all texts that a filter compares for a field.
    ///
    /// A value counts as answered and unescaped, and by its word in [`Resource::words`](super::Resource::words) too. An
    /// array counts by the ids and names of its elements. A missing field has the empty text.
    #[must_use]
    pub fn texts(self, wire: &str, live: &Object) -> Vec<String> {
        let inferred = self.inferred(wire, live);
        let mut texts: Vec<String> = match inferred.as_ref().or_else(|| live.get(wire)) {
            Some(Value::Array(elements)) => elements.iter().flat_map(element_texts).collect(),
            value => vec![plain(value)],
        };
        let words = self.words().iter();
        let words = words.filter(|(of, _, api)| *of == wire && texts.iter().any(|t| t == api));
        let words: Vec<String> = words.map(|(_, word, _)| (*word).to_owned()).collect();
        let unescaped = texts.iter().map(|text| unescape(text)).filter_map(owned);
        let unescaped: Vec<String> = unescaped.collect();
        texts.extend(words.into_iter().chain(unescaped));
        if texts.is_empty() {
            texts.push(String::new());
        }
        texts
    }
}

fn live_text<'v>(wire: &str, live: &'v Object) -> Cow<'v, str> {
    match live.get(wire) {
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(Value::Null) | None => Cow::Borrowed(""),
        Some(other) => Cow::Owned(other.to_string()),
    }
}

/// Formats a JSON value as the text of a cell.
fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn element_texts(element: &Value) -> Vec<String> {
    match element {
        Value::Object(object) => {
            let named = ["id", "name"]
                .into_iter()
                .filter_map(|name| object.get(name));
            named.map(|value| plain(Some(value))).collect()
        }
        other => vec![plain(Some(other))],
    }
}

fn owned(text: Cow<'_, str>) -> Option<String> {
    match text {
        Cow::Owned(text) => Some(text),
        Cow::Borrowed(_) => None,
    }
}

/// Returns the ids that a live object refers to in the wire field, sorted and without duplicates.
#[must_use]
pub fn live_refs<'v>(wire: &str, live: &'v Object) -> Vec<&'v str> {
    let refs = live.get(wire).and_then(Value::as_array);
    let mut ids: Vec<&str> = refs
        .into_iter()
        .flatten()
        .filter_map(|r| r.get("id").and_then(Value::as_str))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

pub(super) fn as_flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
