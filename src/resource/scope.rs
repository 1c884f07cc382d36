//! Scopes: the sets of objects that one listing returns, and the requests that list and write them.

use serde_json::Value;

use super::live::live_refs;
use super::part::Part;
use super::schema::{Kind, Shape};
use crate::wire::{Id, Method, Object, Path, Request};

/// The number of objects on one page of a listing: the API's maximum. All pages of a listing have this size, since a
/// listing with mixed sizes would skip objects.
pub const PAGE_SIZE: u32 = 500;

/// The objects that one listing returns: those of one kind, and of one part of it, in one microtenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// The kind of the objects.
    pub kind: Kind,
    /// The part of the kind that is meant. `None` means all of a kind without parts.
    pub part: Option<Part>,
    /// The microtenant of the objects. `None` means the Default microtenant.
    pub microtenant: Option<Id>,
}

impl Scope {
    /// Makes the scope of all objects of a kind without parts.
    #[must_use]
    pub fn of(kind: Kind, microtenant: Option<Id>) -> Self {
        Self {
            kind,
            part: None,
            microtenant,
        }
    }

    /// Returns a name that is the same for all runs. A scope that names no microtenant means the Default one, whose id is 0.
    #[must_use]
    pub fn shared_name(&self) -> String {
        let part = self.part.as_ref().map_or("", Part::as_str);
        let microtenant = self.microtenant.as_ref().map_or("0", Id::as_str);
        format!("{} {part} {microtenant}", self.kind.name())
    }

    /// Returns the scopes that together hold all objects of a kind in a microtenant.
    #[must_use]
    pub fn all(kind: Kind, microtenant: Option<&Id>) -> Vec<Self> {
        let scope = |part: Option<&'static str>| Self {
            kind,
            part: part.map(Part::Named),
            microtenant: microtenant.cloned(),
        };
        match kind.parts() {
            [] => vec![scope(None)],
            parts => parts.iter().map(|part| scope(Some(part))).collect(),
        }
    }

    /// Returns the scopes that together hold all objects that refer to the object of `kind` with that id.
    #[must_use]
    pub fn referring_to(kind: Kind, id: &Id, microtenant: Option<&Id>) -> Vec<Self> {
        let scope = |referrer: Kind| Self {
            kind: referrer,
            part: referrer.part_referring_to(id),
            microtenant: microtenant.cloned(),
        };
        kind.referrers().map(scope).collect()
    }

    /// Tells whether a live object of this scope refers to the object with that id.
    ///
    /// The objects of a part that [refers](super::Resource::part_referring_to) to one object all do.
    #[must_use]
    pub fn refers_to(&self, live: &Object, id: &Id) -> bool {
        let columns = self.kind.columns().iter();
        let own = self.kind.part_referring_to(id);
        let is_part = own.is_some() && own == self.part;
        is_part
            || columns
                .filter(|column| column.target().is_some())
                .any(|column| live_refs(column.wire, live).contains(&id.as_str()))
    }

    /// Returns the request that lists one page of the objects, or all of them if the kind is not listed page by page.
    /// Pages count from 1.
    #[must_use]
    pub fn list_page(&self, page: u32) -> Request {
        let request = Request::new(Method::Get, self.path(), self.microtenant.clone());
        let mut request = request.about_many();
        if self.kind.shape() == Shape::Collection {
            request.query = vec![
                ("page", page.to_string()),
                ("pagesize", PAGE_SIZE.to_string()),
            ];
        }
        request
    }

    /// Returns the reason why a live object of this scope cannot be changed, or `None` if it can.
    ///
    /// The reason is one of [`Resource::immutable`](super::Resource::immutable), or that the object belongs to another
    /// microtenant. A call for this microtenant would not find such an object.
    #[must_use]
    pub fn barred(&self, live: &Object) -> Option<String> {
        let text = |wire: &str| live.get(wire).and_then(Value::as_str);
        let own = self
            .microtenant
            .as_ref()
            .map(Id::as_str)
            .filter(|id| *id != "0");
        let other = match (own, text("microtenantId").filter(|id| *id != "0")) {
            (_, None) => None,
            (Some(own), Some(other)) => Some(other).filter(|other| *other != own),
            // The Default microtenant may have an id of its own.
            (None, Some(other)) => {
                let name = text("microtenantName");
                name.filter(|name| *name != "Default").map(|_| other)
            }
        };
        let other = other.map(|id| format!("it belongs to the microtenant {id}"));
        other.or_else(|| self.kind.immutable(live).map(str::to_owned))
    }

    /// Returns the request that writes a list as a whole.
    #[must_use]
    pub fn write_list(&self, objects: Vec<Object>) -> Request {
        let objects = objects.into_iter().map(Value::Object).collect();
        Request::new(Method::Post, self.path(), self.microtenant.clone())
            .about_many()
            .with_body(Value::Array(objects))
    }

    fn path(&self) -> Path {
        self.kind.collection(self.part.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_of_another_microtenant_are_barred() {
        let kind = Kind::connector();
        let barred = |own: Option<&str>, live: Value| {
            let scope = Scope::of(kind, own.and_then(Id::parse));
            let Value::Object(live) = live else {
                return false;
            };
            scope.barred(&live).is_some()
        };
        let north = || json!({"id": "1", "microtenantId": "7", "microtenantName": "North"});
        assert!(barred(None, north()) && barred(Some("0"), north()) && barred(Some("8"), north()));
        assert!(!barred(Some("7"), north()));
        let default = || json!({"id": "1", "microtenantId": "9", "microtenantName": "Default"});
        assert!(!barred(None, default()) && !barred(Some("0"), default()));
        assert!(
            !barred(Some("7"), json!({"id": "1"}))
                && !barred(None, json!({"id": "1", "microtenantId": "0"}))
        );
    }
}
