//! The objects of a tenant that listings show, and a copy that lags behind them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::collection::{Attachments, Changed, Collection, Id, Microtenant, Record};
use super::fields::Object;

/// All objects of a tenant that a listing can show.
#[derive(Debug, Clone, Default)]
pub(super) struct Objects {
    pub(super) portals: Collection,
    pub(super) links: Collection,
    pub(super) attachments: Attachments,
    pub(super) connectors: Collection,
    pub(super) domains: DomainLists,
}

/// The key of a domain list: its microtenant and its association type.
pub(super) type DomainKey = (Microtenant, &'static str);

#[derive(Debug, Clone, Default)]
pub(super) struct DomainLists {
    lists: BTreeMap<DomainKey, Vec<Object>>,
    changed: Changed<DomainKey>,
}

impl DomainLists {
    pub(super) fn list(&self, key: DomainKey) -> &[Object] {
        self.lists.get(&key).map_or(&[], Vec::as_slice)
    }

    pub(super) fn replace(&mut self, key: DomainKey, list: Vec<Object>) {
        self.lists.insert(key, list);
        self.changed.add(key);
    }

    /// The domains of all lists.
    pub(super) fn all(&self) -> Vec<&Object> {
        self.lists.values().flatten().collect()
    }
}

/// One object, or one list of domains, after a change. None is an object that is gone.
#[derive(Debug)]
pub(super) enum Change {
    Portal(Id, Option<Record>),
    /// A link and its portals.
    Link(Id, Option<Record>, Vec<Id>),
    Connector(Id, Option<Record>),
    Domains(DomainKey, Vec<Object>),
}

impl Objects {
    /// The changes since this was last called. A link changes with its portals, so attachments are not watched.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        let portals = self.portals.take_changes().into_iter();
        let links = self.links.take_changes().into_iter();
        let connectors = self.connectors.take_changes().into_iter();
        let lists = self.domains.changed.take().into_iter();
        let link =
            |(id, record)| Change::Link(id, record, self.attachments.portals_of(id).to_vec());
        portals
            .map(|(id, record)| Change::Portal(id, record))
            .chain(links.map(link))
            .chain(connectors.map(|(id, record)| Change::Connector(id, record)))
            .chain(lists.map(|key| Change::Domains(key, self.domains.list(key).to_vec())))
            .collect()
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Portal(id, record) => self.portals.put(id, record),
            Change::Link(id, record, portals) => {
                self.links.put(id, record);
                self.attachments.attach(id, &portals);
            }
            Change::Connector(id, record) => self.connectors.put(id, record),
            Change::Domains(key, list) => self.domains.replace(key, list),
        }
    }
}

/// A copy of a tenant's objects that gets every change a fixed time after it was made.
#[derive(Debug)]
pub(super) struct Replica {
    lag: Duration,
    objects: Objects,
    /// The changes that are younger than the lag, with their times, the oldest first.
    pending: VecDeque<(Duration, Change)>,
}

impl Replica {
    /// Copies objects as they are now, and has them keep their changes from now on.
    pub(super) fn of(live: &mut Objects, lag: Duration) -> Self {
        let objects = live.clone();
        live.take_changes();
        Self {
            lag,
            objects,
            pending: VecDeque::new(),
        }
    }

    pub(super) fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Takes down changes that were made at `now`.
    pub(super) fn note(&mut self, now: Duration, changes: Vec<Change>) {
        let changes = changes.into_iter().map(|change| (now, change));
        self.pending.extend(changes);
    }

    /// Applies the changes that were made at least the lag before `now`.
    pub(super) fn catch_up(&mut self, now: Duration) {
        let due = |at: &Duration| *at + self.lag <= now;
        let count = self.pending.iter().take_while(|(at, _)| due(at)).count();
        for (_, change) in self.pending.drain(..count) {
            self.objects.apply(change);
        }
    }
}
