//! The inverse of a run: the items that take its changes back, and the reasons why others cannot be taken back.
//!
//! Changes made by others since the run are left alone:
//!
//! - A created object is deleted only if it is still as it was created.
//! - A field gets its former value back only if it still has the value that the run wrote.
//! - A deleted object is created again only if no other object has taken its name.
//!
//! An object that is created again gets a new id. So objects that refer to it are planned after it. They are carried out
//! after it too, since the new id is known only then.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::compare::error;
use super::composite::Share;
use super::live_index::{LiveObject, id_of};
use super::past_change::PastChange;
use super::snapshot::Snapshot;
use super::{Planner, TenantRules};
use crate::item::{Change, Item, Referrer, Undo, changed_since, referred_to};
use crate::resource::{Action, Column, Kind, Scope, Shape, live_refs};
use crate::wire::{Failure, FieldValue, Fields, Id, Object, Reference};

/// The stage of an undo in which a change is taken back.
///
/// Objects that others refer to are created again before those others, and deleted after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Creates objects again that others may refer to.
    First,
    /// Takes all other changes back.
    Between,
    /// Deletes objects that others may refer to.
    Last,
}

impl Stage {
    /// Returns the stage in which the change of `item` is taken back.
    #[must_use]
    pub fn of(item: &Item<'_>) -> Self {
        let referred_to = item.resource.is_referred_to();
        match item.change {
            Change::Delete { .. } if referred_to => Self::First,
            Change::Create { .. } if referred_to => Self::Last,
            _ => Self::Between,
        }
    }
}

/// Returns the scopes that must be listed to take `item` back.
///
/// These are the scope of the item itself, and those of the kinds that its kind refers to. For a created object, the
/// kinds that may refer to it are added.
pub fn scopes(item: &Item<'_>) -> impl Iterator<Item = Scope> {
    let own = item.resource;
    let created = matches!(item.change, Change::Create { .. });
    let referrers = own.referrers().filter(move |_| created);
    let kinds = own.targets().chain(referrers);
    let microtenant = item.microtenant.clone();
    let others = kinds.map(move |kind| Scope::of(kind, microtenant.clone()));
    std::iter::once(item.scope()).chain(others)
}

/// Plans the items of an undo, one at a time, in the order of their [`Stage`].
#[derive(Debug)]
pub struct InversePlanner<'s> {
    pub(super) planner: Planner<'s>,
    /// The objects that refer to an object, by its id, and their kinds.
    referrers: HashMap<&'s str, Vec<(Kind, &'s Object)>>,
    deleted: HashSet<&'s str>,
    /// The new ids of objects that were deleted and exist again, by their former ids.
    new_ids: HashMap<Id, &'s str>,
    /// The former ids of objects that this undo creates again and that others may refer to.
    created_again: HashSet<Id>,
}

/// The change that an item of an undo makes, and the facts about the change that it takes back.
type Inverse = (Change<'static>, Option<Undo<'static>>);

impl<'s> InversePlanner<'s> {
    /// Makes a planner that takes a run back on a tenant with these live objects.
    #[must_use]
    pub fn new(snapshot: &'s Snapshot, rules: TenantRules) -> Self {
        let mut referrers: HashMap<&'s str, Vec<(Kind, &'s Object)>> = HashMap::new();
        for listing in &snapshot.listings {
            let kind = listing.scope.kind;
            let columns = kind.columns().iter();
            for column in columns.filter(|column| column.target().is_some()) {
                for object in &listing.objects {
                    for id in live_refs(column.wire, object) {
                        referrers.entry(id).or_default().push((kind, object));
                    }
                }
            }
        }
        Self {
            planner: Planner::new(snapshot, rules),
            referrers,
            deleted: HashSet::new(),
            new_ids: HashMap::new(),
            created_again: HashSet::new(),
        }
    }

    /// Plans the item that takes `past` back.
    pub fn plan(&mut self, past: &PastChange) -> Item<'static> {
        let inverse = self.inverse(past, &past.item.scope());
        self.item(past, inverse)
    }

    /// Plans the item of one of several changes of an object, which are taken back together.
    pub fn plan_share(&mut self, past: &PastChange, share: &Share) -> Item<'static> {
        let inverse = match share {
            Share::Whole(whole) => return self.plan(whole),
            Share::None => (
                Change::Unchanged {
                    id: past.id.clone(),
                },
                None,
            ),
            Share::Spared(why) => (spared(past, None, why.clone()), None),
        };
        self.item(past, inverse)
    }

    fn item(&mut self, past: &PastChange, (change, undo): Inverse) -> Item<'static> {
        let scope = past.item.scope();
        let mut item = Item {
            item: self.planner.totals().items,
            file: past.item.file,
            row: past.item.row,
            resource: past.item.resource,
            key: key_of(past),
            part: past.item.part.clone(),
            microtenant: past.item.microtenant.clone(),
            group: None,
            change,
            undo: undo.map(Box::new),
            reviewed: None,
        };
        item.group = self.planner.group(&item, &scope);
        self.planner.count(&item);
        item
    }

    /// Returns the planner that holds all planned items.
    #[must_use]
    pub fn into_planner(self) -> Planner<'s> {
        self.planner
    }

    fn inverse(&mut self, past: &PastChange, scope: &Scope) -> Inverse {
        let live = match self.find(past, scope) {
            Ok(live) => live,
            Err(failure) => return (spared(past, None, failure), None),
        };
        if let Some(why) = live.and_then(|live| live.scope.barred(live.object)) {
            let noun = scope.kind.noun();
            return (error(format!("the {noun} cannot be changed: {why}")), None);
        }
        match (&past.item.change, &past.before) {
            (Change::Create { body }, None) => self.delete_created(past, body, live),
            (Change::Create { body: set } | Change::Update { set, .. }, Some(before)) => {
                self.restore_fields(past, before, set, live)
            }
            (Change::Delete { .. }, Some(before)) => self.create_again(past, before, live),
            (Change::Update { .. } | Change::Delete { .. }, None) => {
                let why = "the journal does not have its former state: it lost records and was repaired, or an older version wrote it";
                (error(why.to_owned()), None)
            }
            _ => (Change::Unchanged { id: None }, None),
        }
    }

    /// Finds the live object of a past change by its id. A deleted object and an element of a list are found by their
    /// name.
    fn find(&self, past: &PastChange, scope: &Scope) -> Result<Option<LiveObject<'s>>, Failure> {
        let Some(index) = self.planner.indexes.get(scope) else {
            return Err(Failure::new("the objects of its kind were not read"));
        };
        let gone = matches!(past.item.change, Change::Delete { .. });
        let list = scope.kind.shape() == Shape::List;
        match past.id.as_ref().filter(|_| !gone && !list) {
            Some(id) => {
                let found = index.by_id.get_key_value(id.as_str());
                Ok(found.map(|(id, object)| index.live(id, object)))
            }
            None => index.named(&key_of(past)),
        }
    }

    fn delete_created(
        &mut self,
        past: &PastChange,
        body: &Fields<'_>,
        live: Option<LiveObject<'s>>,
    ) -> Inverse {
        let kind = past.item.resource;
        let Some(live) = live else {
            return (Change::Unchanged { id: None }, None);
        };
        if !kind.actions().contains(&Action::Delete) {
            let what = kind.indefinite();
            return (error(format!("{what} cannot be deleted; it stays")), None);
        }
        if !past.proven {
            let why = "the call that was to create it was refused, so somebody else may have created it; it is left alone";
            return (spared(past, Some(live), Failure::new(why)), None);
        }
        let changed = kind.changed_fields(live.object, body);
        if !changed.is_empty() {
            return (spared(past, Some(live), changed_since(&changed)), None);
        }
        if let Some(why) = self.referred_to(live.id) {
            return (spared(past, Some(live), why), None);
        }
        self.deleted.insert(live.id);
        let id = self.planner.remove(live);
        let undo = Undo {
            expected: body.to_owned_fields(),
            ..Undo::default()
        };
        let condition = None;
        (Change::Delete { id, condition }, Some(undo))
    }

    /// Returns the reason to leave an object alone to which objects refer that this undo does not delete.
    fn referred_to(&self, id: &str) -> Option<Failure> {
        let referrers = self.referrers.get(id).into_iter().flatten();
        let is_deleted =
            |object: &Object| id_of(object).is_some_and(|id| self.deleted.contains(id));
        let remaining = referrers.filter(|(_, object)| !is_deleted(object));
        let remaining: Vec<Referrer> = remaining
            .map(|(kind, object)| Referrer::of(*kind, object))
            .collect();
        referred_to(&remaining)
    }

    fn restore_fields(
        &mut self,
        past: &PastChange,
        before: &Object,
        set: &Fields<'_>,
        live: Option<LiveObject<'s>>,
    ) -> Inverse {
        let kind = past.item.resource;
        let Some(live) = live else {
            let why = Failure::new("it is no longer there; somebody else has deleted it");
            return (spared(past, None, why), None);
        };
        let (mut back, expected) = kind.before_and_after(before, set);
        if let Err(failure) = self.resolve(&mut back, &past.item) {
            return (Change::Error { failure }, None);
        }
        let (set, changed_by_others) = kind.revertible(live.object, &back, &expected);
        if set.0.is_empty() && changed_by_others.is_empty() {
            let id = Some(live.id());
            return (Change::Unchanged { id }, None);
        }
        if set.0.is_empty() {
            let why = changed_since(&changed_by_others);
            return (spared(past, Some(live), why), None);
        }
        if let Some(other) = self.planner.namesake(live.scope, &set, live.id) {
            let why = format!("another {} has its former name ({other})", kind.noun());
            return (spared(past, Some(live), Failure::new(why)), None);
        }
        let expected = expected.0.into_iter();
        let expected = expected.filter(|(wire, _)| set.find(wire).is_some());
        let undo = Undo {
            expected: Fields(expected.collect()),
            left: changed_by_others,
            old_id: None,
        };
        (self.planner.set(live, set), Some(undo))
    }

    fn create_again(
        &mut self,
        past: &PastChange,
        before: &Object,
        live: Option<LiveObject<'s>>,
    ) -> Inverse {
        let kind = past.item.resource;
        if let Some(why) = kind.uncreatable() {
            return (error(why.to_owned()), None);
        }
        let mut body = kind.content(before);
        if let Err(failure) = self.resolve(&mut body, &past.item) {
            return (Change::Error { failure }, None);
        }
        let old_id = Id::of(before);
        if let Some(live) = live {
            let differing = kind.changed_fields(live.object, &body);
            // A delete that was not answered may never have been carried out.
            let is_same = kind.shape() == Shape::Collection && old_id == Some(live.id());
            if differing.is_empty() || is_same {
                self.new_ids.extend(old_id.map(|old| (old, live.id)));
                let id = Some(live.id());
                return (Change::Unchanged { id }, None);
            }
            let why = format!(
                "another {} has its name, and differs from it in {}",
                kind.noun(),
                differing.join(", ")
            );
            return (spared(past, Some(live), Failure::new(why)), None);
        }
        if kind.is_referred_to() {
            self.created_again.extend(old_id.clone());
        }
        let undo = Undo {
            old_id,
            ..Undo::default()
        };
        (Change::Create { body }, Some(undo))
    }

    /// Replaces references to objects that exist again under a new id. Fails if a referenced object is gone for good.
    fn resolve(&self, fields: &mut Fields<'static>, item: &Item<'_>) -> Result<(), Failure> {
        for (wire, value) in &mut fields.0 {
            let mut columns = item.resource.columns().iter();
            let column = columns.find(|column| column.wire == *wire);
            let target = column.and_then(Column::target);
            let (Some(target), FieldValue::Refs(refs)) = (target, value) else {
                continue;
            };
            let scope = Scope::of(target, item.microtenant.clone());
            for reference in refs {
                self.resolve_one(reference, &scope)?;
            }
        }
        Ok(())
    }

    fn resolve_one(
        &self,
        reference: &mut Reference<'static>,
        scope: &Scope,
    ) -> Result<(), Failure> {
        let id = Id::parse(&reference.id)
            .ok_or_else(|| Failure::new("it referred to an object whose id is not a number"))?;
        if let Some(new) = self.new_ids.get(&id) {
            reference.id = Cow::Owned((*new).to_owned());
            return Ok(());
        }
        let index = self.planner.indexes.get(scope);
        let there = index.is_some_and(|index| index.by_id.contains_key(id.as_str()));
        if there || self.created_again.contains(&id) {
            return Ok(());
        }
        let noun = scope.kind.noun();
        Err(Failure::new(format!(
            "the {noun} {id}, which it referred to, is no longer there"
        )))
    }
}

/// Returns the name of a past change's object. A deleted object has the name that it had before the delete.
fn key_of(past: &PastChange) -> Cow<'static, str> {
    let PastChange { item, before, .. } = past;
    let deleted = matches!(item.change, Change::Delete { .. });
    let before = before.as_ref().filter(|_| deleted);
    match before.and_then(|before| item.resource.key_of(before)) {
        Some(key) => Cow::Owned(key.into_owned()),
        None => item.key.clone(),
    }
}

fn spared(past: &PastChange, live: Option<LiveObject<'_>>, failure: Failure) -> Change<'static> {
    let id = live.map(LiveObject::id).or(past.id.clone());
    Change::Spared {
        id: id.unwrap_or_else(Id::none),
        failure,
    }
}
