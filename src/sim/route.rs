//! Which call a path and a method mean, and what the handler of that call is given.

use serde_json::Value;

use super::collection::{Id, Microtenant};
use super::fields::{Object, wrong_type};
use super::http::{Answer, Pairs};
use super::refusal::Refusal;
use super::tenant::{Tenant, World};
use super::{connector, connector_schedule, domain, portal_link, user_portal};

/// Every resource's name and its routes; the first that fits is taken.
const TABLES: &[(&str, &[Route])] = &[
    ("portal-link", portal_link::ROUTES),
    ("user-portal", user_portal::ROUTES),
    ("connector", connector::ROUTES),
    ("connector-schedule", connector_schedule::ROUTES),
    ("domain", domain::ROUTES),
];

/// What carries out a call once its token and quota are settled.
pub(super) type Handler = fn(&mut Call<'_>) -> Result<Answer, Refusal>;

/// One call of the API.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: &'static str,
    /// The version behind `/mgmtconfig/`.
    pub(super) version: &'static str,
    /// The path behind the customer id; one segment may be a parameter, written `{…}`.
    pub(super) path: &'static str,
    pub(super) handler: Handler,
}

/// What a handler sees of a request.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) world: &'a mut World,
    pub(super) tenant: &'a mut Tenant,
    pub(super) microtenant: Microtenant,
    pub(super) query: Pairs,
    /// The tenant's id.
    pub(super) customer: &'a str,
    /// The path segment the route's parameter stands for, empty when it has none.
    pub(super) param: &'a str,
    pub(super) body: &'a [u8],
    /// The names of the objects that are refused.
    pub(super) poisoned: &'a [String],
    /// The unix time of the call.
    pub(super) time: i64,
}

impl Call<'_> {
    /// The id in the path; one that cannot be an id is as unknown as one that is not given out.
    pub(super) fn id(&self) -> Result<Id, Refusal> {
        Id::parse(self.param).ok_or_else(|| Refusal::not_found(self.param))
    }

    /// Refuses an object that the scenario never takes.
    pub(super) fn check_poison(&self, name: &str) -> Result<(), Refusal> {
        match self.poisoned.iter().find(|poisoned| *poisoned == name) {
            Some(name) => Err(Refusal::poisoned(name)),
            None => Ok(()),
        }
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
        body.map_err(|_| Refusal::bad("invalid.json", "The body is not valid JSON."))
    }
}

/// What a path and a method mean.
#[derive(Debug)]
pub(super) struct Found<'p> {
    /// The name of the resource.
    pub(super) resource: &'static str,
    pub(super) handler: Handler,
    /// The value of the path's parameter.
    pub(super) param: &'p str,
}

/// Whether a resource has this name.
pub(super) fn is_resource(name: &str) -> bool {
    TABLES.iter().any(|(resource, _)| *resource == name)
}

/// What carries out a call.
pub(super) fn find<'p>(method: &str, version: &str, path: &'p str) -> Result<Found<'p>, Refusal> {
    let mut known_path = false;
    let routes = TABLES
        .iter()
        .flat_map(|(resource, routes)| routes.iter().map(move |route| (*resource, route)))
        .filter(|(_, route)| route.version == version);
    for (resource, route) in routes {
        let Some(param) = matched(route.path, path) else {
            continue;
        };
        if route.method == method {
            let handler = route.handler;
            return Ok(Found {
                resource,
                handler,
                param,
            });
        }
        known_path = true;
    }
    Err(if known_path {
        wrong_method(method)
    } else {
        unknown_path(path)
    })
}

/// The value of the parameter (empty without one) when `path` fits `pattern`.
fn matched<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let mut param = "";
    let mut segments = path.split('/');
    for expected in pattern.split('/') {
        let segment = segments.next()?;
        if expected.starts_with('{') {
            param = segment;
        } else if expected != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(param)
}

/// 405.
pub(super) fn wrong_method(method: &str) -> Refusal {
    Refusal::new(
        405,
        "method.not.allowed",
        format!("The method {method} is not allowed here."),
    )
}

/// 404, with an id of its own: a client must not take it for an object that is gone.
pub(super) fn unknown_path(path: &str) -> Refusal {
    Refusal::new(404, "invalid.path", format!("There is nothing at {path}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &str, version: &str, path: &str) -> u16 {
        find(method, version, path).map_or_else(|refusal| refusal.into_answer().status, |_| 200)
    }

    #[test]
    fn the_parameter_is_the_segment_in_its_place() {
        assert_eq!(
            matched(
                "userPortalLink/userPortal/{portalId}",
                "userPortalLink/userPortal/7"
            ),
            Some("7")
        );
        assert_eq!(matched("userPortal", "userPortal"), Some(""));
        assert_eq!(matched("userPortal", "userPortal/7"), None);
        assert_eq!(matched("userPortal/{id}", "userPortal"), None);
    }

    #[test]
    fn a_known_path_with_another_method_is_405_and_an_unknown_one_404() {
        assert_eq!(status("POST", "v2", "userPortalLink/bulk"), 200);
        assert_eq!(status("GET", "v2", "userPortalLink/bulk"), 405);
        assert_eq!(status("POST", "v1", "userPortalLink/bulk"), 405);
        assert_eq!(status("GET", "v2", "userPortalLink"), 404);
        assert_eq!(status("GET", "v1", "segmentGroup"), 404);
    }
}
