//! The groups of items that share a call, and the number of links after a plan: in all, and on each portal.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::by_scope::ByScope;
use super::tenant_rules::{BulkPortals, TenantRules};
use super::wording::counted;
use crate::item::index;
use crate::resource::{Kind, Scope, live_refs};
use crate::wire::{Object, Reference};

/// The groups of items that may share a call.
///
/// The links of each portal are counted by their sets of portals, not link by link.
#[derive(Debug, Default)]
pub(super) struct Groups {
    creates: ByScope<HashMap<Vec<Reference<'static>>, u32>>,
    /// The group of all creates of a scope.
    shared: ByScope<u32>,
    scopes: ByScope<u32>,
    all: Vec<Group>,
}

/// The new links with the same portals. Other groups have neither.
#[derive(Debug, Default)]
struct Group {
    portals: Vec<Reference<'static>>,
    links: i64,
}

/// The number of links in all and by portal, and the portals that get new links.
#[derive(Clone, Debug, Default)]
pub(super) struct Load<'s> {
    links: i64,
    by_portal: HashMap<Cow<'s, str>, i64>,
    grown: HashSet<Cow<'s, str>>,
}

impl Groups {
    pub(super) fn added_to<'s>(&self, load: &Load<'s>) -> Load<'s> {
        let mut load = load.clone();
        for group in &self.all {
            load.count(&owned_ids(&group.portals), group.links);
        }
        load
    }

    /// Returns the number of bulk creates of links, with at most `batch_size` links in one and their portals in that place.
    pub(super) fn link_creates(&self, batch_size: u32, place: BulkPortals) -> u64 {
        let links = |number: &u32| self.all.get(index(*number)).map_or(0, |group| group.links);
        let calls = |links: i64| links.unsigned_abs().div_ceil(u64::from(batch_size.max(1)));
        let of_scope = |sets: &HashMap<_, u32>| match place {
            BulkPortals::Call => sets.values().map(links).map(calls).sum::<u64>(),
            BulkPortals::Item => calls(sets.values().map(links).sum()),
        };
        self.creates.values().map(of_scope).sum()
    }

    /// Returns the number of the group that all deletes of a scope, or all changes of a list, belong to.
    pub(super) fn of(&mut self, scope: &Scope) -> u32 {
        let groups = &mut self.all;
        *self
            .scopes
            .get_or_insert_with(scope, || start(groups, Group::default()))
    }

    /// Returns the number of a new group, for a create that shares no call.
    pub(super) fn alone(&mut self) -> u32 {
        start(&mut self.all, Group::default())
    }

    /// Adds one create with these references, which a call may share, and returns the number of its group.
    pub(super) fn add(
        &mut self,
        scope: &Scope,
        shared: &[Reference<'_>],
        place: BulkPortals,
    ) -> u32 {
        let numbers = self.creates.get_or_insert_with(scope, HashMap::default);
        let number = known(numbers, shared).unwrap_or_else(|| {
            let portals = owned_refs(shared);
            let group = Group {
                portals: portals.clone(),
                links: 0,
            };
            let number = start(&mut self.all, group);
            numbers.insert(portals, number);
            number
        });
        if scope.kind == Kind::portal_link()
            && let Some(group) = self.all.get_mut(index(number))
        {
            group.links += 1;
        }
        match place {
            BulkPortals::Call => number,
            BulkPortals::Item => *self.shared.get_or_insert_with(scope, || number),
        }
    }
}

fn start(groups: &mut Vec<Group>, group: Group) -> u32 {
    groups.push(group);
    u32::try_from(groups.len() - 1).unwrap_or(u32::MAX)
}

/// Looks up the group of creates with these references. A function of its own lets the key have a shorter lifetime.
fn known<'r>(numbers: &HashMap<Vec<Reference<'r>>, u32>, shared: &[Reference<'r>]) -> Option<u32> {
    numbers.get(shared).copied()
}

impl<'s> Load<'s> {
    /// Returns one message for each limit that would be exceeded.
    ///
    /// Only portals that get new links are checked. The limit of the organization is checked only if there are `creates`.
    pub(super) fn exceeding(
        &self,
        limits: TenantRules,
        creates: bool,
        portal_name: impl Fn(&str) -> String,
    ) -> Vec<String> {
        let limit = i64::from(limits.links_per_portal);
        let over = self.by_portal.iter().filter(|(_, count)| **count > limit);
        let mut exceeded: Vec<String> = over
            .filter(|(portal, _)| self.grown.contains(*portal))
            .map(|(portal, count)| {
                let portal = portal_name(portal);
                let links = counted(count.unsigned_abs(), "link");
                format!(
                    "{portal} would have {links}; the limit is {limit} (--links-per-portal-limit)"
                )
            })
            .collect();
        exceeded.sort_unstable();
        if creates && self.links > i64::from(limits.links) {
            let links = counted(self.links.unsigned_abs(), "portal link");
            let whole = format!(
                "the organization would have {links}; the limit is {} (--links-limit)",
                limits.links
            );
            exceeded.insert(0, whole);
        }
        exceeded
    }

    /// Adds `change` links that are on these portals. A negative number takes links away.
    pub(super) fn count(&mut self, portals: &[Cow<'s, str>], change: i64) {
        self.links += change;
        for portal in portals {
            *self.by_portal.entry(portal.clone()).or_default() += change;
            if change > 0 {
                self.grown.insert(portal.clone());
            }
        }
    }
}

pub(super) fn owned_ids(refs: &[Reference<'_>]) -> Vec<Cow<'static, str>> {
    refs.iter().map(|r| Cow::Owned(r.id.to_string())).collect()
}

fn owned_refs(refs: &[Reference<'_>]) -> Vec<Reference<'static>> {
    let ids = owned_ids(refs).into_iter();
    ids.map(|id| Reference { id }).collect()
}

pub(super) fn portals_of(link: &Object) -> Vec<Cow<'_, str>> {
    let ids = live_refs("userPortals", link);
    ids.into_iter().map(Cow::Borrowed).collect()
}
