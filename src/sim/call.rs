//! One call of the API: its route, and the input of the route's handler.

use serde_json::Value;

use super::collection::{Collection, Id, Microtenant};
use super::fields::{Object, wrong_type};
use super::http::{Answer, Pairs};
use super::refusal::Refusal;
use super::tenant::{Service, Tenant};

/// Executes a call whose token and quota have been checked.
pub(super) type Handler = fn(&mut Call<'_>) -> Result<Answer, Refusal>;

/// One kind of call, by its method and path.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: &'static str,
    /// The version after `/mgmtconfig/`.
    pub(super) version: &'static str,
    /// The path after the customer id; one segment may be a parameter, written `{…}`.
    pub(super) path: &'static str,
    pub(super) handler: Handler,
}

impl Route {
    pub(super) const fn new(
        method: &'static str,
        version: &'static str,
        path: &'static str,
        handler: Handler,
    ) -> Self {
        Self {
            method,
            version,
            path,
            handler,
        }
    }
}

/// The input of a handler: the request, and the state that the handler may change.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) service: &'a mut Service,
    pub(super) tenant: &'a mut Tenant,
    pub(super) microtenant: Microtenant,
    pub(super) query: Pairs,
    /// The tenant's id.
    pub(super) customer: &'a str,
    /// The path segment in the place of the route's parameter; empty for a route without one.
    pub(super) param: &'a str,
    pub(super) body: &'a [u8],
    /// The names of the objects that a `poison` fault refuses.
    pub(super) poisoned: &'a [String],
    pub(super) time: i64,
}

impl Call<'_> {
    /// The object of `collection` whose id is in the path.
    pub(super) fn existing(&self, collection: &Collection) -> Result<Id, Refusal> {
        let found = collection.find(self.param, self.microtenant);
        found.ok_or_else(|| Refusal::not_found(self.param))
    }

    /// Refuses a name that a `poison` fault names, or that another object of `collection` has.
    /// `replaced` is the object that gets the name.
    pub(super) fn check_name(
        &self,
        collection: &Collection,
        name: &str,
        replaced: Option<Id>,
    ) -> Result<(), Refusal> {
        self.refuse_poisoned(name)?;
        let unique = self.service.scenario.bulk.unique_names;
        if unique && collection.name_taken(self.microtenant, name, replaced) {
            return Err(Refusal::duplicate(name));
        }
        Ok(())
    }

    /// Fills in the fields that only the server sets. An object that replaces `old` keeps its creation
    /// time.
    pub(super) fn stamp(&self, fields: &mut Object, id: Id, old: Option<&Object>) {
        let created = old.and_then(|old| old.get("creationTime")).cloned();
        let created = created.unwrap_or_else(|| self.time.to_string().into());
        let (microtenant, time) = (self.microtenant, self.time);
        self.service.stamp(fields, id, microtenant, created, time);
    }

    /// Refuses an object that a `poison` fault names.
    pub(super) fn refuse_poisoned(&self, name: &str) -> Result<(), Refusal> {
        let is_poisoned = self.poisoned.iter().any(|poisoned| poisoned == name);
        if is_poisoned {
            return Err(Refusal::poisoned(name));
        }
        Ok(())
    }

    /// The body, which must be a JSON object.
    pub(super) fn object(&self) -> Result<Object, Refusal> {
        match self.json()? {
            Value::Object(object) => Ok(object),
            _ => Err(wrong_type("(body)")),
        }
    }

    /// The body, which must be a JSON array of objects.
    pub(super) fn objects(&self) -> Result<Vec<Object>, Refusal> {
        let Value::Array(items) = self.json()? else {
            return Err(wrong_type("(body)"));
        };
        let objects = items.into_iter().map(|item| match item {
            Value::Object(object) => Ok(object),
            _ => Err(wrong_type("(body)")),
        });
        objects.collect()
    }

    fn json(&self) -> Result<Value, Refusal> {
        let body = serde_json::from_slice(self.body);
        body.map_err(|_| Refusal::bad_request("invalid.json", "The body is not valid JSON."))
    }
}
