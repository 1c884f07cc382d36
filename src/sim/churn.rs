//! Another administrator, who changes a collection while a client reads it page by page.
//!
//! In every microtenant the administrator starts with some objects of its own, which are older than all others and so
//! come first in listings. Before a later page is answered, the oldest of these goes and a new one comes. All rows in
//! between move up by one, and the number of rows stays the same. Nobody else's objects are touched.

use serde_json::{Value, json};

use super::call::Call;
use super::collection::{Collection, Id};
use super::objects::Objects;
use super::refusal::Refusal;
use super::tenant::Guests;
use super::{connector, connector_seed, portal_link, user_portal};

/// One kind of object that the administrator creates and deletes.
struct Kind {
    resource: &'static str,
    /// The path of its listing, after the customer id.
    path: &'static str,
    collection: fn(&Objects) -> &Collection,
    /// Creates an object with this number.
    create: fn(&mut Call<'_>, u32) -> Option<Id>,
    delete: fn(&mut Call<'_>, Id) -> Result<(), Refusal>,
}

const KINDS: [Kind; 3] = [
    Kind {
        resource: "portal-link",
        path: "userPortalLink",
        collection: |objects| &objects.links,
        create: |call, number| portal_link::create_posted(call, &link(number), &[]),
        delete: |call, id| {
            portal_link::remove(call, id);
            Ok(())
        },
    },
    Kind {
        resource: "user-portal",
        path: "userPortal",
        collection: |objects| &objects.portals,
        create: |call, number| user_portal::create_posted(call, &portal(number)),
        delete: user_portal::remove,
    },
    Kind {
        resource: "connector",
        path: "connector",
        collection: |objects| &objects.connectors,
        create: |call, number| Some(connector_seed::enrol_now(call, name(number))),
        delete: |call, id| {
            connector::remove(call, id);
            Ok(())
        },
    },
];

fn name(number: u32) -> String {
    format!("Churn {number}")
}

fn link(number: u32) -> Value {
    let link = format!("churn-{number}.example.com");
    json!({"name": name(number), "link": link, "protocol": "https://", "enabled": true})
}

fn portal(number: u32) -> Value {
    let label = format!("churn-{number}");
    json!({"name": name(number), "enabled": true, "managedByZs": true, "extLabel": label, "extDomain": "example.com"})
}

/// Gives the administrator its first objects in the microtenant of the call, if the scenario has churn.
pub(super) fn seed(call: &mut Call<'_>) {
    let rows = call.service.scenario.listing.churn_rows.get();
    for kind in &KINDS {
        let churned_rows = if kind.is_churned(call) { rows } else { 0 };
        for _ in 0..churned_rows {
            kind.add(call);
        }
    }
}

/// Replaces one object of the administrator, as the scenario and chance decide, before a listing answers its second
/// page or a later one.
pub(super) fn before_page(call: &mut Call<'_>, method: &str, path: &str) {
    let page = call.query.value("page").and_then(|page| page.parse().ok());
    if method != "GET" || page.is_none_or(|page: u32| page < 2) {
        return;
    }
    let mut kinds = KINDS.iter().filter(|kind| kind.is_churned(call));
    let Some(kind) = kinds.find(|kind| kind.path == path) else {
        return;
    };
    let probability = call.service.scenario.listing.churn;
    if call.service.churn_random.chance(probability) {
        kind.replace_oldest(call);
    }
}

impl Kind {
    fn is_churned(&self, call: &Call<'_>) -> bool {
        let rules = &call.service.scenario.listing;
        let mut churned = rules.churn_of.iter();
        rules.churn > 0.0 && churned.any(|resource| resource == self.resource)
    }

    /// Deletes the oldest object that can be deleted, and creates another. If there is none, nothing happens.
    fn replace_oldest(&self, call: &mut Call<'_>) {
        while let Some(oldest) = self.guests(call).ids.pop_front() {
            let is_there = (self.collection)(&call.tenant.live)
                .fields(oldest)
                .is_some();
            if is_there && (self.delete)(call, oldest).is_ok() {
                self.add(call);
                return;
            }
        }
    }

    fn add(&self, call: &mut Call<'_>) {
        let guests = self.guests(call);
        guests.created += 1;
        let number = guests.created;
        let created = (self.create)(call, number);
        self.guests(call).ids.extend(created);
    }

    fn guests<'c>(&self, call: &'c mut Call<'_>) -> &'c mut Guests {
        let key = (call.microtenant, self.resource);
        call.tenant.guests.entry(key).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::scenario::resources::PAGED;
    use super::*;

    #[test]
    fn a_scenario_knows_every_churned_resource_and_no_other() {
        assert_eq!(KINDS.map(|kind| kind.resource), PAGED);
    }
}
