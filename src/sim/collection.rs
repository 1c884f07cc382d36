//! The objects of one kind in one tenant, indexed so that a call costs the same however many there are.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::fields::Object;
use super::random::SplitMix64;

/// An object's id: 18 digits, a JSON string on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(u64);

impl Id {
    /// Reads a number. Text with anything but digits is no id.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok().map(Self))?
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The source of new ids. Each id is larger than the one before, so sorted ids are in order of creation.
#[derive(Debug)]
pub(super) struct IdSource {
    last: u64,
    random: SplitMix64,
}

impl IdSource {
    /// Starts at 18 digits, so far below 19 digits that no simulation gets there.
    pub(super) fn new(seed: u64) -> Self {
        let mut random = SplitMix64::new(seed, 1);
        Self {
            last: 100_000_000_000_000_000 + random.below(800_000_000_000_000_000),
            random,
        }
    }

    pub(super) fn next_id(&mut self) -> Id {
        self.last += 1 + self.random.below(9);
        Id(self.last)
    }
}

/// A microtenant; 0 is the Default one (ZPA API documentation, User Portal Link Management).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Microtenant(u64);

impl Microtenant {
    pub(super) const DEFAULT: Self = Self(0);

    /// The microtenant of this id.
    pub(super) fn of(id: Id) -> Self {
        Self(id.0)
    }
}

impl fmt::Display for Microtenant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One object of a collection.
#[derive(Debug, Clone)]
pub(super) struct Record {
    microtenant: Microtenant,
    /// The name that must be unique: trimmed, not escaped.
    name: String,
    /// The fields as answers show them.
    fields: Object,
}

/// The keys of what has changed since they were last taken. Nothing is kept before the first taking.
#[derive(Debug, Clone)]
pub(super) struct Changed<K>(Option<Vec<K>>);

impl<K> Default for Changed<K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K> Changed<K> {
    pub(super) fn add(&mut self, key: K) {
        if let Some(keys) = &mut self.0 {
            keys.push(key);
        }
    }

    pub(super) fn take(&mut self) -> Vec<K> {
        self.0.replace(Vec::new()).unwrap_or_default()
    }
}

/// All objects of one kind, by id and, within each microtenant, in order of creation.
#[derive(Debug, Clone, Default)]
pub(super) struct Collection {
    records: BTreeMap<Id, Record>,
    microtenants: HashMap<Microtenant, MicrotenantIndex>,
    changed: Changed<Id>,
}

/// The objects of one microtenant: their ids in order of creation, and how many have each name.
#[derive(Debug, Clone, Default)]
struct MicrotenantIndex {
    ids: Vec<Id>,
    name_counts: HashMap<String, usize>,
}

impl MicrotenantIndex {
    fn add_name(&mut self, name: &str) {
        *self.name_counts.entry(name.to_owned()).or_default() += 1;
    }

    fn remove_name(&mut self, name: &str) {
        if let Some(count) = self.name_counts.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.name_counts.remove(name);
            }
        }
    }
}

impl Collection {
    /// The number of objects in all microtenants together.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Adds a new object. Its `id` must be the largest so far.
    pub(super) fn insert(
        &mut self,
        id: Id,
        microtenant: Microtenant,
        name: String,
        fields: Object,
    ) {
        let index = self.microtenants.entry(microtenant).or_default();
        index.ids.push(id);
        index.add_name(&name);
        let record = Record {
            microtenant,
            name,
            fields,
        };
        self.records.insert(id, record);
        self.changed.add(id);
    }

    /// Replaces the name and the fields of an object. An unknown id is ignored.
    pub(super) fn replace(&mut self, id: Id, name: String, fields: Object) {
        if let Some(record) = self.records.get_mut(&id) {
            let index = self.microtenants.entry(record.microtenant).or_default();
            index.remove_name(&record.name);
            index.add_name(&name);
            record.name = name;
            record.fields = fields;
            self.changed.add(id);
        }
    }

    /// Removes an object. An unknown id is ignored.
    pub(super) fn remove(&mut self, id: Id) {
        if let Some(record) = self.records.remove(&id) {
            let index = self.microtenants.entry(record.microtenant).or_default();
            index.remove_name(&record.name);
            remove_sorted(&mut index.ids, id);
            self.changed.add(id);
        }
    }

    /// Makes an object what it was in another collection; none removes it.
    pub(super) fn put(&mut self, id: Id, record: Option<Record>) {
        match record {
            None => self.remove(id),
            Some(record) if self.records.contains_key(&id) => {
                self.replace(id, record.name, record.fields);
            }
            Some(record) => self.insert(id, record.microtenant, record.name, record.fields),
        }
    }

    /// The objects that have changed since this was last called, as they are now.
    pub(super) fn take_changes(&mut self) -> Vec<(Id, Option<Record>)> {
        let changed = self.changed.take().into_iter();
        changed
            .map(|id| (id, self.records.get(&id).cloned()))
            .collect()
    }

    /// Reads the id of an object; none if `microtenant` has no object of this id.
    pub(super) fn find(&self, id: &str, microtenant: Microtenant) -> Option<Id> {
        let id = Id::parse(id)?;
        let record = self.records.get(&id)?;
        (record.microtenant == microtenant).then_some(id)
    }

    /// The fields of an object, in whatever microtenant.
    pub(super) fn fields(&self, id: Id) -> Option<&Object> {
        self.records.get(&id).map(|record| &record.fields)
    }

    /// The fields of an object, to be changed without its name.
    pub(super) fn fields_mut(&mut self, id: Id) -> Option<&mut Object> {
        self.changed.add(id);
        self.records.get_mut(&id).map(|record| &mut record.fields)
    }

    /// The ids of a microtenant's objects, in order of creation.
    pub(super) fn ids(&self, microtenant: Microtenant) -> &[Id] {
        let index = self.microtenants.get(&microtenant);
        index.map_or(&[], |index| &index.ids)
    }

    /// The ids of all objects, in order of creation.
    pub(super) fn all_ids(&self) -> impl Iterator<Item = Id> {
        self.records.keys().copied()
    }

    /// The fields of all objects, in order of creation.
    pub(super) fn all_fields(&self) -> Vec<&Object> {
        self.records.values().map(|record| &record.fields).collect()
    }

    /// Returns true if an object of the microtenant other than `except` has this name.
    pub(super) fn name_taken(
        &self,
        microtenant: Microtenant,
        name: &str,
        except: Option<Id>,
    ) -> bool {
        let index = self.microtenants.get(&microtenant);
        let count = index.and_then(|index| index.name_counts.get(name));
        let excepted = except.and_then(|id| self.records.get(&id));
        let is_counted = excepted.is_some_and(|record| record.name == name);
        count.copied().unwrap_or(0) > usize::from(is_counted)
    }
}

/// The relation between links and portals, indexed from both sides.
#[derive(Debug, Clone, Default)]
pub(super) struct Attachments {
    portals: HashMap<Id, Vec<Id>>,
    /// The links of each portal, in order of creation.
    links: HashMap<Id, Vec<Id>>,
}

impl Attachments {
    /// Sets the portals of a link.
    pub(super) fn attach(&mut self, link: Id, portals: &[Id]) {
        self.detach(link);
        for portal in portals {
            insert_sorted(self.links.entry(*portal).or_default(), link);
        }
        self.portals.insert(link, portals.to_vec());
    }

    pub(super) fn detach(&mut self, link: Id) {
        for portal in self.portals.remove(&link).unwrap_or_default() {
            if let Some(links) = self.links.get_mut(&portal) {
                remove_sorted(links, link);
            }
        }
    }

    /// The portals of a link, in the order they were given.
    pub(super) fn portals_of(&self, link: Id) -> &[Id] {
        self.portals.get(&link).map_or(&[], Vec::as_slice)
    }

    /// The links of a portal, in order of creation.
    pub(super) fn links_of(&self, portal: Id) -> &[Id] {
        self.links.get(&portal).map_or(&[], Vec::as_slice)
    }
}

fn insert_sorted(ids: &mut Vec<Id>, id: Id) {
    if let Err(position) = ids.binary_search(&id) {
        ids.insert(position, id);
    }
}

fn remove_sorted(ids: &mut Vec<Id>, id: Id) {
    if let Ok(position) = ids.binary_search(&id) {
        ids.remove(position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_eighteen_digits_and_only_grow() {
        for seed in 0..200 {
            let mut ids = IdSource::new(seed);
            let (first, second) = (ids.next_id(), ids.next_id());
            assert!(first < second);
            assert_eq!(
                (first.to_string().len(), second.to_string().len()),
                (18, 18)
            );
        }
    }

    #[test]
    fn an_id_is_digits_only() {
        assert_eq!(Id::parse("145"), Some(Id(145)));
        assert!(
            ["", "+1", "-1", "bulk", "1.0", "99999999999999999999999"]
                .iter()
                .all(|text| Id::parse(text).is_none())
        );
    }

    #[test]
    fn a_name_is_taken_until_its_last_holder_is_gone() {
        let mut all = Collection::default();
        let home = Microtenant::DEFAULT;
        all.insert(Id(1), home, "wiki".to_owned(), Object::new());
        all.insert(Id(2), home, "wiki".to_owned(), Object::new());
        assert!(all.name_taken(home, "wiki", Some(Id(1))));
        all.replace(Id(2), "blog".to_owned(), Object::new());
        assert!(!all.name_taken(home, "wiki", Some(Id(1))));
        assert!(all.name_taken(home, "wiki", None));
        assert!(!all.name_taken(Microtenant(7), "wiki", None));
        all.remove(Id(1));
        assert!(!all.name_taken(home, "wiki", None));
        assert_eq!(all.ids(home), [Id(2)]);
    }

    #[test]
    fn links_and_portals_agree_after_every_change() {
        let mut attachments = Attachments::default();
        attachments.attach(Id(2), &[Id(10), Id(11)]);
        attachments.attach(Id(1), &[Id(10)]);
        assert_eq!(attachments.links_of(Id(10)), [Id(1), Id(2)]);
        attachments.attach(Id(2), &[Id(11)]);
        assert_eq!(attachments.links_of(Id(10)), [Id(1)]);
        assert_eq!(attachments.portals_of(Id(2)), [Id(11)]);
        attachments.detach(Id(2));
        assert!(attachments.links_of(Id(11)).is_empty());
    }
}
