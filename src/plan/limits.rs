//! How many links there will be: in all, and on each portal.

use std::borrow::Cow;

use foldhash::{HashMap, HashSet};

use super::by_scope::ByScope;
use crate::item::index;
use crate::resource::{Kind, Scope, live_refs};
use crate::wire::{Object, Reference};

/// The most portal links that a tenant takes. The API does not tell its limits, so they are settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Links in the organization; the product's default is 500.
    pub links: u32,
    /// Links on one portal; the product's default is 500.
    pub links_per_portal: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            links: 500,
            links_per_portal: 500,
        }
    }
}

/// The items that may share a call, by what they have in common. The portals of a link are what its group has
/// in common, so its load is counted here, once for the whole group and not link by link.
#[derive(Debug, Default)]
pub(super) struct Groups {
    creates: ByScope<HashMap<Vec<Reference<'static>>, u32>>,
    scopes: ByScope<u32>,
    links: Vec<Group>,
}

/// One group.
#[derive(Debug, Default)]
struct Group {
    portals: Vec<Reference<'static>>,
    links: i64,
}

/// How many links there will be, by portal and in all.
#[derive(Clone, Debug, Default)]
pub(super) struct Load<'s> {
    links: i64,
    by_portal: HashMap<Cow<'s, str>, i64>,
    grown: HashSet<Cow<'s, str>>,
}

impl Groups {
    /// The load with all creates of all groups.
    pub(super) fn added_to<'s>(&self, load: &Load<'s>) -> Load<'s> {
        let mut load = load.clone();
        for group in &self.links {
            load.count(&owned_ids(&group.portals), group.links);
        }
        load
    }

    /// The number of the group of all that is deleted from a scope, or of all that is done to a list.
    pub(super) fn of(&mut self, scope: &Scope) -> u32 {
        let groups = &mut self.links;
        *self
            .scopes
            .get_or_insert_with(scope, || start(groups, Group::default()))
    }

    /// The number of the group to which one more create in that scope belongs.
    pub(super) fn add(&mut self, scope: &Scope, shared: &[Reference<'_>]) -> u32 {
        let numbers = self.creates.get_or_insert_with(scope, HashMap::default);
        let number = known(numbers, shared).unwrap_or_else(|| {
            let portals = owned_refs(shared);
            let group = Group {
                portals: portals.clone(),
                links: 0,
            };
            let number = start(&mut self.links, group);
            numbers.insert(portals, number);
            number
        });
        if scope.kind == Kind::portal_link()
            && let Some(group) = self.links.get_mut(index(number))
        {
            group.links += 1;
        }
        number
    }
}

fn start(groups: &mut Vec<Group>, group: Group) -> u32 {
    groups.push(group);
    u32::try_from(groups.len() - 1).unwrap_or(u32::MAX)
}

/// Looking up takes references of any lifetime where adding takes only those that borrow nothing.
fn known<'r>(numbers: &HashMap<Vec<Reference<'r>>, u32>, shared: &[Reference<'r>]) -> Option<u32> {
    numbers.get(shared).copied()
}

impl<'s> Load<'s> {
    /// In words, every limit that would be exceeded, on portals and, if there are `creates`, in all.
    pub(super) fn exceeding(
        &self,
        limits: Limits,
        creates: bool,
        portal_name: impl Fn(&str) -> String,
    ) -> Vec<String> {
        let limit = i64::from(limits.links_per_portal);
        let over = self.by_portal.iter().filter(|(_, count)| **count > limit);
        let mut exceeded: Vec<String> = over
            .filter(|(portal, _)| self.grown.contains(*portal))
            .map(|(portal, count)| {
                let portal = portal_name(portal);
                format!("{portal} would have {count} links; the limit is {limit} (--links-per-portal-limit)")
            })
            .collect();
        exceeded.sort_unstable();
        if creates && self.links > i64::from(limits.links) {
            let whole = format!(
                "the organization would have {} portal links; the limit is {} (--links-limit)",
                self.links, limits.links
            );
            exceeded.insert(0, whole);
        }
        exceeded
    }

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
