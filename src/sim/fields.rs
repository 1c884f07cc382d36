//! Readers for the fields of a posted object, and writers for those of an answer.

use serde_json::{Map, Value};

use super::refusal::Refusal;

/// A JSON object. Unknown fields of a posted object are ignored, as in the real API.
pub(super) type Object = Map<String, Value>;

/// A posted object that passed the checks that need no other object: its name, and its fields as answers show them.
pub(super) struct Posted {
    pub(super) name: String,
    pub(super) fields: Object,
}

/// Reads a text field. Missing, null and empty mean the same.
pub(super) fn text<'a>(object: &'a Object, field: &str) -> Result<Option<&'a str>, Refusal> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(wrong_type(field)),
    }
}

/// Reads a text field that is required and may not be blank.
pub(super) fn required<'a>(object: &'a Object, field: &str) -> Result<&'a str, Refusal> {
    text(object, field)?
        .filter(|text| !text.trim().is_empty())
        .ok_or_else(|| Refusal::missing(field))
}

/// Reads a boolean field. Missing and null mean the same.
pub(super) fn flag(object: &Object, field: &str) -> Result<Option<bool>, Refusal> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(wrong_type(field)),
    }
}

/// Reads an id field. The documentation shows ids as strings and as numbers.
pub(super) fn id(object: &Object, field: &str) -> Result<Option<String>, Refusal> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match id_text(value) {
            Some(id) => Ok(Some(id).filter(|id| !id.is_empty())),
            None => Err(wrong_type(field)),
        },
    }
}

/// Returns an id, given as string or number, as text.
pub(super) fn id_text(value: &Value) -> Option<String> {
    let number = || value.as_u64().map(|number| number.to_string());
    value.as_str().map(str::to_owned).or_else(number)
}

/// Returns true for a domain: labels of letters, digits and inner hyphens, joined by periods.
pub(super) fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// Reads a list field. Missing and null mean an empty list.
pub(super) fn list<'a>(object: &'a Object, field: &str) -> Result<&'a [Value], Refusal> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(wrong_type(field)),
    }
}

pub(super) fn set(object: &mut Object, field: &str, value: impl Into<Value>) {
    object.insert(field.to_owned(), value.into());
}

/// Copies a text field of a posted object, if it is present, in the escaped form of answers.
pub(super) fn copy_escaped(from: &Object, field: &str, to: &mut Object) -> Result<(), Refusal> {
    if let Some(value) = text(from, field)? {
        set(to, field, escape(value));
    }
    Ok(())
}

/// Copies the text `fields` of a posted object that are present.
pub(super) fn copy_text(from: &Object, fields: &[&str], to: &mut Object) -> Result<(), Refusal> {
    for field in fields {
        if let Some(value) = text(from, field)? {
            set(to, field, value);
        }
    }
    Ok(())
}

/// Copies the boolean `fields` of a posted object that are present.
pub(super) fn copy_flags(from: &Object, fields: &[&str], to: &mut Object) -> Result<(), Refusal> {
    for field in fields {
        if let Some(value) = flag(from, field)? {
            set(to, field, value);
        }
    }
    Ok(())
}

/// Escapes text as answers do. The documentation shows that answers escape `*` in names and
/// descriptions, and does not rule out that they escape HTML's special characters too. A client that
/// sends such text back unchanged would have it escaped twice.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            '*' => escaped.push_str("&#x2a;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// 400: a field has a value of the wrong type.
pub(super) fn wrong_type(field: &str) -> Refusal {
    let reason = format!("The field {field} has the wrong type.");
    Refusal::bad_request("invalid.json", reason)
}
