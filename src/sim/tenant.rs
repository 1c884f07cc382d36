//! The state of one tenant, and the state that all tenants share.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use super::collection::{Id, IdSource, Microtenant};
use super::fields::{Object, set};
use super::objects::{Objects, Replica};
use super::quotas::Quotas;
use super::random::SplitMix64;
use super::refusal::Refusal;
use super::scenario::Scenario;

/// The name of the Default microtenant.
pub(super) const DEFAULT_NAME: &str = "Default";

/// The state that all tenants share: the scenario, the microtenants, and the source of ids.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) scenario: Scenario,
    pub(super) ids: IdSource,
    /// The random numbers that shape the connectors of new tenants.
    pub(super) connector_random: SplitMix64,
    /// The random numbers that decide when listings change between two pages.
    pub(super) churn_random: SplitMix64,
    /// The unix time at which the simulation starts.
    pub(super) epoch: i64,
    /// The administrator named in `modifiedBy` of every object.
    administrator: Id,
    /// The named microtenants, which every tenant has.
    microtenants: Vec<(Microtenant, String)>,
}

impl Service {
    pub(super) fn new(scenario: Scenario, seed: u64, epoch: i64) -> Self {
        let mut ids = IdSource::new(seed);
        let administrator = ids.next_id();
        let names = scenario.microtenants.names.iter();
        let microtenants = names
            .map(|name| (Microtenant::of(ids.next_id()), name.clone()))
            .collect();
        Self {
            scenario,
            ids,
            connector_random: SplitMix64::new(seed, 4),
            churn_random: SplitMix64::new(seed, 7),
            epoch,
            administrator,
            microtenants,
        }
    }

    /// The microtenant that the query parameter `microtenantId` names; Default if it is absent.
    pub(super) fn microtenant(&self, parameter: Option<&str>) -> Result<Microtenant, Refusal> {
        let Some(text) = parameter else {
            return Ok(Microtenant::DEFAULT);
        };
        let id = Id::parse(text).map(Microtenant::of).ok_or_else(|| {
            Refusal::bad_request("invalid.query.parameter", "microtenantId is not a number.")
        })?;
        let known = id == Microtenant::DEFAULT || self.name(id).is_some();
        known.then_some(id).ok_or_else(|| unknown_microtenant(id))
    }

    /// The Default microtenant and the named ones.
    pub(super) fn microtenant_ids(&self) -> Vec<Microtenant> {
        let named = self.microtenants.iter().map(|(id, _)| *id);
        std::iter::once(Microtenant::DEFAULT).chain(named).collect()
    }

    /// The name of a microtenant in `scopeName`.
    pub(super) fn scope_name(&self, microtenant: Microtenant) -> &str {
        self.name(microtenant).unwrap_or(DEFAULT_NAME)
    }

    /// Adds the fields that an object has only outside the Default microtenant.
    pub(super) fn add_microtenant(&self, fields: &mut Object, microtenant: Microtenant) {
        if let Some(name) = self.name(microtenant) {
            set(fields, "microtenantId", microtenant.to_string());
            set(fields, "microtenantName", name);
        }
    }

    /// The ids and names of the named microtenants, for the simulator's state.
    pub(super) fn microtenant_names(&self) -> Vec<Value> {
        let named = self.microtenants.iter();
        named
            .map(|(id, name)| json!({"id": id.to_string(), "name": name}))
            .collect()
    }

    fn name(&self, microtenant: Microtenant) -> Option<&str> {
        let mut named = self.microtenants.iter();
        let (_, name) = named.find(|(id, _)| *id == microtenant)?;
        Some(name)
    }

    /// Fills in the fields that only the server sets. Ids and times are JSON strings.
    pub(super) fn stamp(
        &self,
        fields: &mut Object,
        id: Id,
        microtenant: Microtenant,
        created: Value,
        modified: i64,
    ) {
        set(fields, "id", id.to_string());
        set(fields, "creationTime", created);
        set(fields, "modifiedTime", modified.to_string());
        set(fields, "modifiedBy", self.administrator.to_string());
        self.add_microtenant(fields, microtenant);
    }
}

/// The objects and quotas of one customer.
#[derive(Debug, Default)]
pub(super) struct Tenant {
    pub(super) quotas: Quotas,
    /// The objects as they are.
    pub(super) live: Objects,
    /// The objects as listings show them, if listings lag behind.
    replica: Option<Replica>,
    /// The disconnected connectors that connect again after they are read for the first time.
    pub(super) reconnecting: HashSet<Id>,
    /// The number of times that any list of domains was read.
    pub(super) domain_reads: u32,
    pub(super) schedules: BTreeMap<Microtenant, Schedule>,
    /// The objects of the other administrator, by their microtenant and resource.
    pub(super) guests: BTreeMap<(Microtenant, &'static str), Guests>,
}

/// The objects of one kind that the other administrator created.
#[derive(Debug, Default)]
pub(super) struct Guests {
    /// The ids of those that it has not deleted, the oldest first.
    pub(super) ids: VecDeque<Id>,
    /// The number of objects created so far.
    pub(super) created: u32,
}

impl Tenant {
    /// Creates a tenant without objects.
    pub(super) fn new(quotas: Quotas) -> Self {
        Self {
            quotas,
            ..Self::default()
        }
    }

    /// Returns true if the other administrator created this object.
    pub(super) fn is_guest(&self, id: Id) -> bool {
        self.guests.values().any(|guests| guests.ids.contains(&id))
    }

    /// Lets listings show every later change only after this time. Without it, as with zero, they show it at once.
    pub(super) fn list_after(&mut self, lag: Duration) {
        if !lag.is_zero() {
            self.replica = Some(Replica::of(&mut self.live, lag));
        }
    }

    /// The objects as a listing shows them.
    pub(super) fn listed(&self) -> &Objects {
        self.replica.as_ref().map_or(&self.live, Replica::objects)
    }

    /// Lets listings show the changes whose time has come.
    pub(super) fn catch_up(&mut self, now: Duration) {
        if let Some(replica) = &mut self.replica {
            replica.catch_up(now);
        }
    }

    /// Takes down the changes that a call made at `now`.
    pub(super) fn note_changes(&mut self, now: Duration) {
        if let Some(replica) = &mut self.replica {
            replica.note(now, self.live.take_changes());
        }
    }
}

#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) id: Id,
    pub(super) fields: Object,
}

/// 400 with an error id of its own, so that clients do not mistake it for a deleted object.
fn unknown_microtenant(id: Microtenant) -> Refusal {
    let reason = format!("There is no microtenant {id}.");
    Refusal::bad_request("invalid.microtenant", reason)
}
