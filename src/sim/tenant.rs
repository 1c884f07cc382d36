//! What one tenant holds, and what all tenants of a simulation have in common.

use serde_json::{Value, json};

use super::collection::{Attachments, Collection, Id, Ids, Microtenant};
use super::fields::Object;
use super::http::Pairs;
use super::limiter::Quotas;
use super::route::Call;
use super::scenario::Scenario;
use super::{portal_link, user_portal};

/// The settings and the sources of ids and times that every tenant draws on.
#[derive(Debug)]
pub(super) struct World {
    pub(super) rules: Scenario,
    pub(super) ids: Ids,
    /// The unix time at which the simulation starts.
    pub(super) epoch: i64,
    /// The administrator who made every change.
    administrator: Id,
}

impl World {
    pub(super) fn new(rules: Scenario, seed: u64, epoch: i64) -> Self {
        let mut ids = Ids::new(seed);
        let administrator = ids.draw();
        Self {
            rules,
            ids,
            epoch,
            administrator,
        }
    }

    /// Fills in the fields only the server sets. Ids and times are JSON strings.
    pub(super) fn stamp(&self, fields: &mut Object, id: Id, created: Value, modified: i64) {
        fields.insert("id".to_owned(), id.to_string().into());
        fields.insert("creationTime".to_owned(), created);
        fields.insert("modifiedTime".to_owned(), modified.to_string().into());
        fields.insert(
            "modifiedBy".to_owned(),
            self.administrator.to_string().into(),
        );
    }
}

/// One customer's objects and quotas.
#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) quotas: Quotas,
    pub(super) portals: Collection,
    pub(super) links: Collection,
    pub(super) attachments: Attachments,
}

impl Tenant {
    /// A tenant at the moment it is first touched: it holds what the scenario gives it.
    pub(super) fn new(world: &mut World) -> Self {
        let mut tenant = Self {
            quotas: Quotas::new(&world.rules.quota),
            portals: Collection::default(),
            links: Collection::default(),
            attachments: Attachments::default(),
        };
        tenant.seed(world);
        tenant
    }

    fn seed(&mut self, world: &mut World) {
        let (time, query) = (world.epoch, Pairs::default());
        let microtenant = Microtenant::DEFAULT;
        let mut call = Call {
            world,
            tenant: self,
            microtenant,
            query,
            param: "",
            body: &[],
            time,
        };
        user_portal::seed(&mut call);
        portal_link::seed(&mut call);
    }

    /// Every object as `GET` answers it.
    pub(super) fn state(&self) -> Value {
        json!({"portal_links": portal_link::state(self), "user_portals": user_portal::state(self)})
    }
}

/// What the server adds to an object outside the Default microtenant.
pub(super) fn mark_microtenant(fields: &mut Object, microtenant: Microtenant) {
    if microtenant != Microtenant::DEFAULT {
        fields.insert("microtenantId".to_owned(), microtenant.to_string().into());
        fields.insert("microtenantName".to_owned(), scope_name(microtenant).into());
    }
}

/// How the server calls a microtenant.
pub(super) fn scope_name(microtenant: Microtenant) -> String {
    match microtenant {
        Microtenant::DEFAULT => "Default".to_owned(),
        other => format!("Microtenant {other}"),
    }
}
