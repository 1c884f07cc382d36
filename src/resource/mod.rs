//! What the program knows of each kind of object: columns, natural key, rules, endpoints, and what a
//! comparison with live state ignores. One file a resource, one line in the registry.
//!
//! The rest of the program is the same for every resource and asks these tables. A resource does no
//! IO and holds no state.

mod portal_link;
mod text;
mod user_portal;

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::text::unescape;
use crate::model::{FieldValue, Fields, Id, Method, Object, Request, Version};

/// Every resource that the program knows.
static REGISTRY: [&dyn Resource; 2] = [&portal_link::PortalLink, &user_portal::UserPortal];

/// The most rows that one page of a listing may hold: the API's maximum. One listing keeps one size,
/// since mixing sizes skips rows.
pub const PAGE_SIZE: u32 = 500;

/// What a cell must look like, and what the API is sent for it.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Text; the function refuses what cannot be right and may normalise.
    Text(for<'r> fn(&'r str) -> Result<Cow<'r, str>, String>),
    /// A boolean: `true`, `yes`, `on`, `1` or `false`, `no`, `off`, `0`, in any case.
    Flag,
    /// Objects of the named resource, by id or name, several separated by `;`.
    Refs(&'static str),
    /// One cell that stands for three wire fields.
    Split(for<'r> fn(&'r str) -> Result<SplitText<'r>, String>),
}

/// The wire fields that one cell stands for, with their text.
pub type SplitText<'r> = [(&'static str, Cow<'r, str>); 3];

/// A column of a manifest and the wire field that it stands for.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name that documentation and messages use. Manifests may spell it in any case and with
    /// spaces, `_` or `-` anywhere.
    pub name: &'static str,
    /// Other names that are understood.
    pub aliases: &'static [&'static str],
    /// The field in requests and answers; for [`Form::Split`] the one that must not be empty.
    pub wire: &'static str,
    /// What a cell must look like.
    pub form: Form,
    /// Whether answers carry this field with HTML entities in place of some characters.
    pub escaped: bool,
}

/// How a resource takes several new objects in one call.
#[derive(Clone, Copy, Debug)]
pub struct Bulk {
    /// The version in the path.
    pub version: Version,
    /// The path below the customer.
    pub path: &'static str,
    /// The member of request and answer that lists the objects.
    pub list: &'static str,
    /// The member that belongs to the call and applies to every object in it.
    pub shared: &'static str,
}

/// One kind of object on a tenant.
pub trait Resource: fmt::Debug + Sync {
    /// Its name in manifests, flags and reports.
    fn name(&self) -> &'static str;

    /// What one of them is called in a sentence.
    fn noun(&self) -> &'static str;

    /// The path of its collection below the customer.
    fn collection(&self) -> &'static str;

    /// The columns of its manifests. The first is its natural key.
    fn columns(&self) -> &'static [Column];

    /// The wire fields that an object cannot be created without.
    fn required(&self) -> &'static [&'static str];

    /// What a new object gets in a field that the manifest does not name.
    fn defaults(&self) -> &'static [(&'static str, FieldValue<'static>)] {
        &[]
    }

    /// Fields that the server alone sets; never sent.
    fn server_fields(&self) -> &'static [&'static str];

    /// How several are created in one call, if they can be.
    fn bulk(&self) -> Option<Bulk> {
        None
    }

    /// Brings the text of a field into the form in which two equal values are the same text.
    fn normalise<'v>(&self, _wire: &str, text: &'v str) -> Cow<'v, str> {
        Cow::Borrowed(text)
    }
}

/// A resource of the registry. Written as its name.
#[derive(Clone, Copy)]
pub struct Kind(&'static dyn Resource);

impl Kind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        REGISTRY.iter().map(|resource| Self(*resource))
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// User portal links.
    #[must_use]
    pub const fn portal_link() -> Self {
        Self(&portal_link::PortalLink)
    }

    /// Whether rows of a manifest may be about it.
    #[must_use]
    pub fn in_manifests(self) -> bool {
        !self.columns().is_empty()
    }

    /// The column that is written `name` in a manifest, ignoring case, spaces, `_` and `-`.
    #[must_use]
    pub fn column(self, name: &str) -> Option<&'static Column> {
        let wanted = fold(name);
        self.columns().iter().find(|column| {
            fold(column.name) == wanted || column.aliases.iter().any(|alias| fold(alias) == wanted)
        })
    }

    /// The column for a wire field, as far as one stands for it alone.
    fn column_of_wire(self, wire: &str) -> Option<&'static Column> {
        self.columns()
            .iter()
            .find(|c| c.wire == wire && !matches!(c.form, Form::Split(_)))
    }

    /// The wire field of the natural key.
    #[must_use]
    pub fn key_field(self) -> &'static str {
        self.columns().first().map_or("name", |column| column.wire)
    }

    /// The natural key of a live object, unescaped; `None` for an object without one.
    #[must_use]
    pub fn key_of(self, live: &Object) -> Option<Cow<'_, str>> {
        let text = live.get(self.key_field()).and_then(Value::as_str)?;
        Some(unescape(text))
    }

    /// The request for one page of the listing; pages count from 1.
    #[must_use]
    pub fn list_page(self, page: u32, microtenant: Option<Id>) -> Request {
        let mut request = Request::new(Method::Get, self.collection(), microtenant);
        request.query = vec![
            ("page", page.to_string()),
            ("pagesize", PAGE_SIZE.to_string()),
        ];
        request
    }

    /// The request that reads one object.
    #[must_use]
    pub fn read(self, id: &Id, microtenant: Option<Id>) -> Request {
        Request::new(Method::Get, self.path_of(id), microtenant)
    }

    /// The request that deletes one object.
    #[must_use]
    pub fn delete(self, id: &Id, microtenant: Option<Id>) -> Request {
        Request::new(Method::Delete, self.path_of(id), microtenant)
    }

    /// The request that replaces an object by what was read of it with `set` put over it, so that a
    /// field that the manifest does not name keeps its live value.
    #[must_use]
    pub fn replace(
        self,
        id: &Id,
        microtenant: Option<Id>,
        live: &Object,
        set: &Fields<'_>,
    ) -> Request {
        let body = Value::Object(self.merge(live, set));
        Request::new(Method::Put, self.path_of(id), microtenant).with_body(body)
    }

    /// The request that creates these objects: the plain one for a single body, else the bulk one.
    /// The bodies of a bulk request share one value in the member that belongs to the call.
    #[must_use]
    pub fn create(self, bodies: &[&Fields<'_>], microtenant: Option<Id>) -> Request {
        if let (Some(bulk), [first, _, ..]) = (self.bulk(), bodies) {
            let mut request = Request::new(Method::Post, bulk.path, microtenant);
            request.version = bulk.version;
            return request.with_body(bulk_body(bulk, first, bodies));
        }
        let body = bodies.first().map(|body| body.to_object());
        Request::new(Method::Post, self.collection(), microtenant)
            .with_body(Value::Object(body.unwrap_or_default()))
    }

    /// The objects that a 2xx to [`Kind::create`] confirms.
    #[must_use]
    pub fn created_objects(self, answer: Option<Value>) -> Vec<Object> {
        let rows = match answer {
            Some(Value::Array(rows)) => rows,
            Some(Value::Object(mut object)) => {
                let listed = self.bulk().and_then(|bulk| object.remove(bulk.list));
                match listed {
                    Some(Value::Array(rows)) => rows,
                    _ => vec![Value::Object(object)],
                }
            }
            _ => Vec::new(),
        };
        rows.into_iter().filter_map(into_object).collect()
    }

    /// Whether the live object has the value `want` in the wire field.
    #[must_use]
    pub fn same(self, wire: &str, live: &Object, want: &FieldValue<'_>) -> bool {
        match want {
            FieldValue::Flag(flag) => live.get(wire).and_then(as_flag) == Some(*flag),
            FieldValue::Text(text) => self.same_text(wire, live, text),
            FieldValue::Refs(refs) => {
                let mut wanted: Vec<&str> = refs.iter().map(|r| &*r.id).collect();
                wanted.sort_unstable();
                wanted.dedup();
                live_refs(wire, live) == wanted
            }
        }
    }

    fn same_text(self, wire: &str, live: &Object, want: &str) -> bool {
        let live = live_text(wire, live);
        let want = self.normalise(wire, want);
        self.normalise(wire, &live) == want || self.normalise(wire, &unescape(&live)) == want
    }

    /// A natural key without the white space around it, which the server does not keep.
    #[must_use]
    pub fn trimmed(self, key: Cow<'_, str>) -> Cow<'_, str> {
        match key {
            Cow::Borrowed(key) => Cow::Borrowed(key.trim()),
            Cow::Owned(key) if key.trim().len() == key.len() => Cow::Owned(key),
            Cow::Owned(key) => Cow::Owned(key.trim().to_owned()),
        }
    }

    /// The natural keys that a live object answers to: as it stands, and with its entities undone. A name
    /// may hold what looks like an entity, and nobody says which of the two the server means.
    #[must_use]
    pub fn keys_of(self, live: &Object) -> Vec<Cow<'_, str>> {
        let Some(raw) = live.get(self.key_field()).and_then(Value::as_str) else {
            return Vec::new();
        };
        let mut keys = vec![Cow::Borrowed(raw.trim())];
        let undone = self.trimmed(unescape(raw));
        if !keys.contains(&undone) {
            keys.push(undone);
        }
        keys
    }

    /// Whether a live object that has the key of `body` is what creating `body` made: its required fields
    /// say so. The others a server may write in a form of its own.
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

    fn path_of(self, id: &Id) -> String {
        format!("{}/{id}", self.collection())
    }

    fn merge(self, live: &Object, set: &Fields<'_>) -> Object {
        let mut merged: Object = live
            .iter()
            .filter(|(wire, _)| !self.server_fields().contains(&wire.as_str()))
            .map(|(wire, value)| (wire.clone(), self.sendable(wire, value)))
            .collect();
        merged.extend(set.to_object());
        merged
    }

    /// A live value in the form in which it may be sent back: entities undone, references short.
    fn sendable(self, wire: &str, value: &Value) -> Value {
        let Some(column) = self.column_of_wire(wire) else {
            return value.clone();
        };
        match (column.form, value) {
            (Form::Refs(_), Value::Array(refs)) => refs
                .iter()
                .filter_map(|r| r.get("id"))
                .map(|id| serde_json::json!({ "id": id }))
                .collect(),
            (Form::Text(_), Value::String(text)) if column.escaped => {
                Value::String(unescape(text).into_owned())
            }
            _ => value.clone(),
        }
    }
}

impl Deref for Kind {
    type Target = dyn Resource;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Kind {}

impl std::hash::Hash for Kind {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        Self::from_name(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("no resource is called {name:?}")))
    }
}

/// A name without what manifests may spell freely: case, spaces, `_` and `-`.
#[must_use]
pub fn fold(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, ' ' | '_' | '-' | '\u{a0}'))
        .flat_map(char::to_lowercase)
        .collect()
}

fn bulk_body(bulk: Bulk, first: &Fields<'_>, bodies: &[&Fields<'_>]) -> Value {
    let rows: Vec<Value> = bodies
        .iter()
        .map(|body| {
            let mut row = body.to_object();
            row.remove(bulk.shared);
            Value::Object(row)
        })
        .collect();
    let shared = first
        .find(bulk.shared)
        .map_or_else(|| Value::Array(Vec::new()), FieldValue::to_json);
    serde_json::json!({ bulk.list: rows, bulk.shared: shared })
}

fn into_object(value: Value) -> Option<Object> {
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

fn live_text<'v>(wire: &str, live: &'v Object) -> Cow<'v, str> {
    match live.get(wire) {
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(Value::Null) | None => Cow::Borrowed(""),
        Some(other) => Cow::Owned(other.to_string()),
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

fn as_flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        into_object(value).unwrap()
    }

    fn link(name: &'static str) -> Fields<'static> {
        Fields(vec![
            ("name".into(), FieldValue::Text(name.into())),
            (
                "userPortals".into(),
                FieldValue::Refs(vec![crate::model::Reference { id: "7".into() }]),
            ),
        ])
    }

    #[test]
    fn a_replacement_keeps_live_fields_and_sends_neither_server_fields_nor_entities() {
        let live = object(json!({
            "id": "1", "name": "a&#x2a;b", "description": "old", "creationTime": "5",
            "userPortals": [{"id": "7", "name": "P"}], "novel": {"kept": true},
        }));
        let set = Fields(vec![("link".into(), FieldValue::Text("wiki".into()))]);
        let request = Kind::portal_link().replace(&Id::new("1"), None, &live, &set);
        assert_eq!(
            request.body,
            Some(json!({
                "id": "1", "name": "a*b", "description": "old", "link": "wiki",
                "userPortals": [{"id": "7"}], "novel": {"kept": true},
            }))
        );
    }

    #[test]
    fn several_bodies_go_out_as_one_bulk_call_with_the_portals_beside_them() {
        let (a, b) = (link("a"), link("b"));
        let request = Kind::portal_link().create(&[&a, &b], None);
        assert_eq!(request.version, Version::V2);
        assert_eq!(request.path, "userPortalLink/bulk");
        assert_eq!(
            request.body,
            Some(json!({
                "userPortalLinks": [{"name": "a"}, {"name": "b"}],
                "userPortals": [{"id": "7"}],
            }))
        );
    }

    #[test]
    fn a_lone_body_goes_to_the_plain_endpoint() {
        let request = Kind::portal_link().create(&[&link("a")], None);
        assert_eq!(request.version, Version::V1);
        assert_eq!(request.path, "userPortalLink");
        assert_eq!(
            request.body,
            Some(json!({"name": "a", "userPortals": [{"id": "7"}]}))
        );
    }

    #[test]
    fn a_bulk_answer_is_read_from_its_wrapper_or_as_a_bare_list() {
        let kind = Kind::portal_link();
        let wrapped = json!({"userPortalLinks": [{"id": "1"}], "userPortals": []});
        assert_eq!(kind.created_objects(Some(wrapped)).len(), 1);
        assert_eq!(
            kind.created_objects(Some(json!([{"id": "1"}, {"id": "2"}])))
                .len(),
            2
        );
        assert_eq!(kind.created_objects(Some(json!({"id": "1"}))).len(), 1);
        assert!(kind.created_objects(None).is_empty());
    }

    #[test]
    fn column_names_match_without_regard_to_case_spaces_and_dashes() {
        for name in ["Link Path", "linkPath", "link_path", "LINK-PATH"] {
            let column = Kind::portal_link().column(name).unwrap();
            assert_eq!(column.wire, "linkPath");
        }
    }
}
