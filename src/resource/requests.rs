//! The requests that read and write the objects of a kind.

use serde_json::Value;

use super::schema::{Bulk, Form, Kind, Shape};
use super::text::unescape;
use crate::wire::{FieldValue, Fields, Id, Method, Object, Path, Request};

impl Kind {
    /// Returns the request that reads one object.
    #[must_use]
    pub fn read(self, id: &Id, microtenant: Option<Id>) -> Request {
        let path = match self.shape() {
            Shape::Single => self.collection(None),
            Shape::Collection | Shape::List => self.path_of(id),
        };
        Request::new(Method::Get, path, microtenant)
    }

    /// Returns the request that deletes several objects together, or `None` if the kind has no such call.
    #[must_use]
    pub fn delete_all(self, ids: &[Id], microtenant: Option<Id>) -> Option<Request> {
        let bulk = self.bulk_delete()?;
        let request = Request::new(Method::Post, bulk.path, microtenant);
        let body = serde_json::json!({ bulk.list: ids });
        Some(request.about_many().with_body(body))
    }

    /// Returns the request that deletes one object.
    #[must_use]
    pub fn delete(self, id: &Id, microtenant: Option<Id>) -> Request {
        Request::new(Method::Delete, self.path_of(id), microtenant)
    }

    /// Returns the request that replaces an object.
    ///
    /// The new object is the one that was read, with the fields of `set` changed. So a field that the manifest does not
    /// name keeps its live value.
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

    /// Returns the request that creates these objects.
    ///
    /// A single body goes to the plain endpoint, several bodies go to the bulk endpoint. If they have the same value in
    /// [`Bulk::shared`], that stands beside them, and else in each of them.
    #[must_use]
    pub fn create(self, bodies: &[&Fields<'_>], microtenant: Option<Id>) -> Request {
        if let (Some(bulk), [first, _, ..]) = (self.bulk(), bodies) {
            let mut request = Request::new(Method::Post, bulk.path, microtenant);
            request.version = bulk.version;
            let body = bulk_body(bulk, first, bodies);
            return request.about_many().with_body(body);
        }
        let body = bodies.first().map(|body| body.to_object());
        let mut request = Request::new(Method::Post, self.collection(None), microtenant);
        request.customer_member = self.customer_member();
        request.with_body(Value::Object(body.unwrap_or_default()))
    }

    /// Returns the objects that a 2xx answer to [`Kind::create`] confirms.
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

    /// Returns a live object with the fields of `set` changed, in the form in which it may be sent back.
    ///
    /// Fields that only the server sets are left out. Fields that a write must have, but answers do not, are filled in.
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

    fn path_of(self, id: &Id) -> Path {
        self.collection(None).id(id)
    }

    /// Returns a live value in the form in which it may be sent back: unescaped, and with references reduced to their id.
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

fn bulk_body(bulk: Bulk, first: &Fields<'_>, bodies: &[&Fields<'_>]) -> Value {
    let shared = first.find(bulk.shared);
    if bodies.iter().any(|body| body.find(bulk.shared) != shared) {
        let rows: Vec<Value> = bodies.iter().map(|body| body.to_object().into()).collect();
        return serde_json::json!({ bulk.list: rows });
    }
    let rows: Vec<Value> = bodies
        .iter()
        .map(|body| {
            let mut row = body.to_object();
            row.remove(bulk.shared);
            Value::Object(row)
        })
        .collect();
    let shared = shared.map_or_else(|| Value::Array(Vec::new()), FieldValue::to_json);
    serde_json::json!({ bulk.list: rows, bulk.shared: shared })
}

pub(super) fn into_object(value: Value) -> Option<Object> {
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}
