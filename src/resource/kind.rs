//! A resource as the rest of the program uses it: its requests, and its comparison with live state.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Bulk, Column, Form, REGISTRY, Resource, Shape, connector, fold, portal_link, unescape,
    user_portal,
};
use crate::model::{FieldValue, Fields, Id, Method, Object, Request};

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

    /// User portals.
    #[must_use]
    pub const fn user_portal() -> Self {
        Self(&user_portal::UserPortal)
    }

    /// App connectors.
    #[must_use]
    pub const fn connector() -> Self {
        Self(&connector::Connector)
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
            .find(|c| c.wire == wire && !matches!(c.form, Form::Split(..)))
    }

    /// The wire field of the natural key; empty for a kind of which there is one object, which needs none.
    #[must_use]
    pub fn key_field(self) -> &'static str {
        self.key().unwrap_or_default()
    }

    /// One of it with its article, as a sentence has it.
    #[must_use]
    pub fn indefinite(self) -> String {
        // "User portal" begins with the sound of a consonant.
        let article = if self.noun().starts_with(['a', 'e', 'i', 'o']) {
            "an"
        } else {
            "a"
        };
        format!("{article} {}", self.noun())
    }

    /// The natural key of a live object, unescaped; `None` for an object without one.
    #[must_use]
    pub fn key_of(self, live: &Object) -> Option<Cow<'_, str>> {
        if self.key().is_none() {
            return Some(Cow::Borrowed(self.0.noun()));
        }
        let text = live.get(self.key_field()).and_then(Value::as_str)?;
        Some(unescape(text))
    }

    /// The part that is written `text` in a manifest, in any case.
    ///
    /// # Errors
    /// What parts there are.
    pub fn part(self, text: &str) -> Result<&'static str, String> {
        let parts = self.parts().iter();
        let found = parts.clone().find(|part| fold(part) == fold(text));
        found.copied().ok_or_else(|| {
            if self.parts().is_empty() {
                return format!("{} has no parts", self.indefinite());
            }
            let known: Vec<&str> = parts.copied().collect();
            format!("{text:?} is none of {}", known.join(", "))
        })
    }

    /// The request that reads one object.
    #[must_use]
    pub fn read(self, id: &Id, microtenant: Option<Id>) -> Request {
        let path = match self.shape() {
            Shape::Single => self.collection(None).into_owned(),
            Shape::Collection | Shape::List => self.path_of(id),
        };
        Request::new(Method::Get, path, microtenant)
    }

    /// The request that deletes several objects; `None` for a kind that has none.
    #[must_use]
    pub fn delete_all(self, ids: &[Id], microtenant: Option<Id>) -> Option<Request> {
        let bulk = self.bulk_delete()?;
        let request = Request::new(Method::Post, bulk.path, microtenant);
        Some(request.with_body(serde_json::json!({ bulk.list: ids })))
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
        let mut request = Request::new(Method::Post, self.collection(None), microtenant);
        request.customer_member = self.customer_member();
        request.with_body(Value::Object(body.unwrap_or_default()))
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

    /// A live object with `set` put over it, as it may be sent back: what the server alone sets left out,
    /// what it does not answer filled in.
    #[must_use]
    pub fn merge(self, live: &Object, set: &Fields<'_>) -> Object {
        let mut merged: Object = live
            .iter()
            .filter(|(wire, _)| !self.server_fields().contains(&wire.as_str()))
            .map(|(wire, value)| (wire.clone(), self.sendable(wire, value)))
            .collect();
        for wire in self.unechoed() {
            let inferred = self.inferred(wire, live);
            merged.extend(inferred.map(|value| ((*wire).to_owned(), value)));
        }
        merged.extend(set.to_object());
        self.finish(&mut merged);
        merged
    }

    fn path_of(self, id: &Id) -> String {
        format!("{}/{id}", self.collection(None))
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
        let (own, other) = (self.name(), other.name());
        // Kinds are compared several times a row, and mostly are the same one.
        std::ptr::eq(own, other) || own == other
    }
}

impl Eq for Kind {}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name().cmp(other.name())
    }
}

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Version;

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
    fn nouns_have_their_articles() {
        let with_article = |name| Kind::from_name(name).unwrap().indefinite();
        assert_eq!(with_article("connector"), "an app connector");
        assert_eq!(with_article("user-portal"), "a user portal");
    }

    #[test]
    fn a_new_schedule_names_its_customer_and_a_new_link_does_not() {
        let kind = Kind::from_name("connector-schedule").unwrap();
        let body = Fields(vec![(
            "frequencyInterval".into(),
            FieldValue::Text("30".into()),
        )]);
        let sent = kind.create(&[&body], None);
        assert_eq!(
            sent.body_for("145").as_deref(),
            Some(&json!({"frequencyInterval": "30", "customerId": "145"}))
        );
        let sent = Kind::portal_link().create(&[&link("a")], None);
        assert_eq!(sent.body_for("145").as_deref(), sent.body.as_ref());
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
