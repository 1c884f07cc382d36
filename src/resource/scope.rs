//! What is listed together, and how.

use std::borrow::Cow;

use serde_json::Value;

use super::schema::{Kind, Shape};
use crate::wire::{Id, Method, Object, Request};

/// The most rows that one page of a listing may hold: the API's maximum. One listing keeps one size,
/// since mixing sizes skips rows.
pub const PAGE_SIZE: u32 = 500;

/// Objects that are listed together: those of one kind and part in one microtenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// Of which kind.
    pub kind: Kind,
    /// Of which part, for a kind that falls into several; for portal links, those of one portal.
    pub part: Option<String>,
    /// In which microtenant; `None` means the Default one.
    pub microtenant: Option<Id>,
}

impl Scope {
    /// All objects of a kind that has no parts.
    #[must_use]
    pub fn of(kind: Kind, microtenant: Option<Id>) -> Self {
        Self {
            kind,
            part: None,
            microtenant,
        }
    }

    /// The scopes into which a kind's objects in a microtenant fall.
    #[must_use]
    pub fn all(kind: Kind, microtenant: Option<&Id>) -> Vec<Self> {
        let scope = |part: Option<&str>| Self {
            kind,
            part: part.map(str::to_owned),
            microtenant: microtenant.cloned(),
        };
        match kind.parts() {
            [] => vec![scope(None)],
            parts => parts.iter().map(|part| scope(Some(part))).collect(),
        }
    }

    /// The request that lists its objects, or one page of them; pages count from 1.
    #[must_use]
    pub fn list_page(&self, page: u32) -> Request {
        let mut request = Request::new(Method::Get, self.path(), self.microtenant.clone());
        if self.kind.shape() == Shape::Collection {
            request.query = vec![
                ("page", page.to_string()),
                ("pagesize", PAGE_SIZE.to_string()),
            ];
        }
        request
    }

    /// Why a live object that was listed here cannot be changed, if it cannot: what its kind says, or that it
    /// belongs to another microtenant, in which a call of this one would not find it.
    #[must_use]
    pub fn barred(&self, live: &Object) -> Option<String> {
        let text = |wire: &str| live.get(wire).and_then(Value::as_str);
        let own = self
            .microtenant
            .as_ref()
            .map(Id::as_str)
            .filter(|id| *id != "0");
        let foreign = match (own, text("microtenantId").filter(|id| *id != "0")) {
            (_, None) => None,
            (Some(own), Some(other)) => Some(other).filter(|other| *other != own),
            // The Default one may go by an id of its own.
            (None, Some(other)) => {
                let name = text("microtenantName");
                name.filter(|name| *name != "Default").map(|_| other)
            }
        };
        let foreign = foreign.map(|id| format!("it belongs to the microtenant {id}"));
        foreign.or_else(|| self.kind.immutable(live).map(str::to_owned))
    }

    /// The request that writes a list as a whole.
    #[must_use]
    pub fn write_list(&self, objects: Vec<Object>) -> Request {
        let objects = objects.into_iter().map(Value::Object).collect();
        Request::new(Method::Post, self.path(), self.microtenant.clone())
            .with_body(Value::Array(objects))
    }

    fn path(&self) -> Cow<'static, str> {
        self.kind.collection(self.part.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_belongs_to_another_microtenant_is_not_changed_from_here() {
        let kind = Kind::connector();
        let barred = |own: Option<&str>, live: Value| {
            let scope = Scope::of(kind, own.map(Id::new));
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
