//! Live objects: their keys, their values as text, and their comparison with a row.

use std::borrow::Cow;

use serde_json::Value;

use super::schema::{Column, Form, Kind, Shape};
use super::text::unescape;
use crate::wire::{FieldValue, Fields, Object};

impl Kind {
    /// The natural key of a live object, unescaped; `None` for an object without one.
    #[must_use]
    pub fn key_of(self, live: &Object) -> Option<Cow<'_, str>> {
        if self.key().is_none() {
            return Some(Cow::Borrowed(self.noun()));
        }
        let text = live.get(self.key_field()).and_then(Value::as_str)?;
        Some(unescape(text))
    }

    /// Whether the live object has the value `want` in the wire field.
    #[must_use]
    pub fn same(self, wire: &str, live: &Object, want: &FieldValue<'_>) -> bool {
        match want {
            FieldValue::Flag(flag) => {
                let inferred = self.inferred(wire, live);
                let value = inferred.as_ref().or_else(|| live.get(wire));
                // The elements of a list leave out what is not set.
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

    /// The fields of a row in which the live object is not as the row says.
    #[must_use]
    pub fn differing<'r>(self, live: &Object, row: Fields<'r>) -> Fields<'r> {
        let differs: Vec<bool> = row
            .0
            .iter()
            .map(|(wire, want)| !self.same(wire, live, want) && !self.rewritten(wire, live, &row))
            .collect();
        let fields = row.0.into_iter().zip(differs);
        Fields(
            fields
                .filter_map(|(field, differs)| differs.then_some(field))
                .collect(),
        )
    }

    fn same_text(self, wire: &str, live: &Object, want: &str) -> bool {
        // Cells carry no white space around what they say.
        let live = live_text(wire, live);
        let want = self.normalise(wire, want.trim());
        self.normalise(wire, live.trim()) == want
            || self.normalise(wire, unescape(&live).trim()) == want
    }

    /// A natural key in the form in which two equal ones are the same text: without the white space around
    /// it, which the server does not keep.
    #[must_use]
    pub fn comparable_key(self, key: Cow<'_, str>) -> Cow<'_, str> {
        match key {
            Cow::Borrowed(key) => self.normalise(self.key_field(), key.trim()),
            Cow::Owned(key) => {
                Cow::Owned(self.normalise(self.key_field(), key.trim()).into_owned())
            }
        }
    }

    /// The natural keys that a live object answers to: as it stands, and with its entities undone. A name
    /// may hold what looks like an entity, and nobody says which of the two the server means.
    #[must_use]
    pub fn keys_of(self, live: &Object) -> Vec<Cow<'_, str>> {
        if self.key().is_none() {
            return self.key_of(live).into_iter().collect();
        }
        let Some(raw) = live.get(self.key_field()).and_then(Value::as_str) else {
            return Vec::new();
        };
        let mut keys = vec![self.comparable_key(Cow::Borrowed(raw))];
        let undone = self.comparable_key(unescape(raw));
        if !keys.contains(&undone) {
            keys.push(undone);
        }
        keys
    }

    /// The fields in which a live object is known not to be as `wanted`. What an answer does not say of a flag says
    /// nothing against it.
    #[must_use]
    pub fn contradicting(self, live: &Object, wanted: &Fields<'_>) -> Fields<'static> {
        let mut fields = self.differing(live, wanted.to_owned_fields());
        let untold = |wire: &str| !live.contains_key(wire) && self.inferred(wire, live).is_none();
        if self.shape() != Shape::List {
            let is_flag = |value: &FieldValue<'_>| matches!(value, FieldValue::Flag(_));
            fields
                .0
                .retain(|(wire, value)| !(is_flag(value) && untold(wire)));
        }
        fields
    }

    /// Whether a live object that has the key of `body` may be what creating `body` made: its required fields
    /// say so. The others a server may write in a form of its own, and others may have changed since.
    #[must_use]
    pub fn is_copy(self, live: &Object, body: &Fields<'_>) -> bool {
        let required = self.required().iter();
        required
            .filter(|wire| **wire != self.key_field())
            .all(|wire| {
                body.find(wire)
                    .is_none_or(|value| self.same(wire, live, value))
            })
    }

    /// The live value of a field as a person reads it.
    #[must_use]
    pub fn show(self, wire: &str, live: &Object) -> String {
        match live.get(wire) {
            Some(Value::Array(_)) => live_refs(wire, live).join(";"),
            Some(Value::String(text)) => unescape(text).into_owned(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        }
    }

    /// The cell of an exported manifest for that column: ids of references joined with `;`, text without
    /// entities, empty where the object does not say.
    #[must_use]
    pub fn cell(self, column: &Column, live: &Object) -> String {
        let inferred = self.inferred(column.wire, live);
        let value = inferred.as_ref().or_else(|| live.get(column.wire));
        match (column.form, value) {
            (Form::Refs(_), _) => live_refs(column.wire, live).join(";"),
            (_, Some(Value::String(text))) if column.escaped => unescape(text).into_owned(),
            (_, value) => plain(value),
        }
    }

    /// Every text by which a filter finds the object in a field: the value as it stands and without entities,
    /// each element of a list by its id and its name, and the words for what the API says. A field that says
    /// nothing has the empty text.
    #[must_use]
    pub fn texts(self, wire: &str, live: &Object) -> Vec<String> {
        let inferred = self.inferred(wire, live);
        let mut texts: Vec<String> = match inferred.as_ref().or_else(|| live.get(wire)) {
            Some(Value::Array(elements)) => elements.iter().flat_map(element_texts).collect(),
            value => vec![plain(value)],
        };
        let words = self.words().iter();
        let words = words.filter(|(of, _, said)| *of == wire && texts.iter().any(|t| t == said));
        let words: Vec<String> = words.map(|(_, word, _)| (*word).to_owned()).collect();
        let undone = texts.iter().map(|text| unescape(text)).filter_map(owned);
        let undone: Vec<String> = undone.collect();
        texts.extend(words.into_iter().chain(undone));
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

/// A value as a cell holds it.
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

/// The ids that a live object refers to in `wire`, sorted.
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
