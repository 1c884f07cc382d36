//! The list of all resources: their routes, their objects in a new tenant, and their part of the state.

use serde_json::{Value, json};

use super::call::{Call, Handler, Route};
use super::collection::Microtenant;
use super::http::Pairs;
use super::quotas::Quotas;
use super::refusal::Refusal;
use super::tenant::{Service, Tenant};
use super::{
    churn, connector, connector_schedule, connector_seed, domain, portal_link, user_portal,
};

/// The name and the routes of every resource. The first route that matches is taken.
const TABLES: [(&str, &[Route]); 5] = [
    ("portal-link", portal_link::ROUTES),
    ("user-portal", user_portal::ROUTES),
    ("connector", connector::ROUTES),
    ("connector-schedule", connector_schedule::ROUTES),
    ("domain", domain::ROUTES),
];

/// Creates a tenant with the objects that the scenario gives it.
pub(super) fn new_tenant(service: &mut Service, customer: &str) -> Tenant {
    let mut tenant = Tenant::new(Quotas::new(&service.scenario.quota));
    for microtenant in service.microtenant_ids() {
        seed(service, &mut tenant, customer, microtenant);
    }
    tenant.list_after(service.scenario.listing.lag);
    tenant
}

/// Creates the scenario's objects in one microtenant. Those of the other administrator come first, so that they are the
/// oldest. Portals come before links, because links refer to them.
fn seed(service: &mut Service, tenant: &mut Tenant, customer: &str, microtenant: Microtenant) {
    let mut call = Call {
        time: service.epoch,
        service,
        tenant,
        microtenant,
        query: Pairs::default(),
        customer,
        param: "",
        body: &[],
        poisoned: &[],
    };
    churn::seed(&mut call);
    user_portal::seed(&mut call);
    portal_link::seed(&mut call);
    connector_seed::seed(&mut call);
    domain::seed(&mut call);
}

/// Every object of a tenant as `GET` shows it.
pub(super) fn state(tenant: &Tenant) -> Value {
    json!({
        "portal_links": portal_link::state(&tenant.live),
        "user_portals": tenant.live.portals.all_fields(),
        "connectors": tenant.live.connectors.all_fields(),
        "domains": tenant.live.domains.all(),
        "connector_schedule": connector_schedule::state(tenant),
        "microtenant_connector_schedules": connector_schedule::microtenant_state(tenant),
    })
}

/// The name of a resource, the handler of a route, and the value of the path's parameter.
type Found<'p> = (&'static str, Handler, &'p str);

pub(super) fn find<'p>(method: &str, version: &str, path: &'p str) -> Result<Found<'p>, Refusal> {
    let mut known_path = false;
    for (resource, routes) in TABLES {
        for route in routes.iter().filter(|route| route.version == version) {
            let Some(param) = match_path(route.path, path) else {
                continue;
            };
            if route.method == method {
                return Ok((resource, route.handler, param));
            }
            known_path = true;
        }
    }
    Err(if known_path {
        Refusal::wrong_method(method)
    } else {
        Refusal::unknown_path(path)
    })
}

/// Returns the value of the parameter if `path` fits `pattern`; empty if the pattern has none.
fn match_path<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
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

#[cfg(test)]
mod tests {
    use super::super::scenario::resources::RESOURCES;
    use super::*;

    fn status(method: &str, version: &str, path: &str) -> u16 {
        find(method, version, path).map_or_else(|refusal| refusal.into_answer().status, |_| 200)
    }

    #[test]
    fn the_parameter_is_the_segment_in_its_place() {
        assert_eq!(
            match_path(
                "userPortalLink/userPortal/{portalId}",
                "userPortalLink/userPortal/7"
            ),
            Some("7")
        );
        assert_eq!(match_path("userPortal", "userPortal"), Some(""));
        assert_eq!(match_path("userPortal", "userPortal/7"), None);
        assert_eq!(match_path("userPortal/{id}", "userPortal"), None);
    }

    #[test]
    fn a_wrong_method_is_405_and_an_unknown_path_404() {
        assert_eq!(status("POST", "v2", "userPortalLink/bulk"), 200);
        assert_eq!(status("GET", "v2", "userPortalLink/bulk"), 405);
        assert_eq!(status("POST", "v1", "userPortalLink/bulk"), 405);
        assert_eq!(status("GET", "v2", "userPortalLink"), 404);
        assert_eq!(status("GET", "v1", "segmentGroup"), 404);
    }

    #[test]
    fn a_scenario_knows_every_resource_and_no_other() {
        assert_eq!(TABLES.map(|(name, _)| name), RESOURCES);
    }
}
