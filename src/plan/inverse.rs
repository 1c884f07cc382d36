//! The inverse of a run: what takes back what it did, and what cannot be taken back.
//!
//! Whatever another hand has changed since the run is left alone: what was created is deleted only if it is as it
//! was created, a field gets its former value only if it has the one that the run gave it, and what was deleted comes
//! back only if nothing has taken its place. What comes back has a new id, so whatever refers to it is planned after
//! it and, where that is known only later, carried out after it.

use std::borrow::Cow;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use super::compare::error;
use super::live_index::{LiveObject, id_of};
use super::{Limits, Planner, Snapshot};
use crate::item::{Change, Item, Undo, changed_since};
use crate::resource::Action;
use crate::resource::{Column, Scope, Shape, live_refs};
use crate::wire::{Failure, FieldValue, Fields, Id, Object, Reference};

/// Something that a run did.
#[derive(Clone, Debug)]
pub struct Past {
    /// The item that did it, as it was planned.
    pub item: Item<'static>,
    /// The id of its object, as the outcome says.
    pub id: Option<Id>,
    /// Whether it is known to be the run's deed, and not that of another who was quicker.
    pub proven: bool,
    /// What its object was before.
    pub before: Option<Object>,
}

/// Where in an undo a deed of the run belongs: what others refer to comes back before them and goes after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// Created again, and referred to.
    First,
    /// All else.
    Between,
    /// Deleted, and referred to.
    Last,
}

impl Turn {
    /// The turn of what takes this item back.
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

/// What has to be listed to take this item back: its own kind, what that refers to, and what may refer to it.
pub fn scopes(item: &Item<'_>) -> impl Iterator<Item = Scope> {
    let own = item.resource;
    let created = matches!(item.change, Change::Create { .. });
    let referrers = own.referrers().filter(move |_| created);
    let kinds = own.targets().chain(referrers);
    let microtenant = item.microtenant.clone();
    let others = kinds.map(move |kind| Scope::of(kind, microtenant.clone()));
    std::iter::once(item.scope()).chain(others)
}

/// Turns what a run did into items that take it back, one after the other in the order of their [`Turn`].
#[derive(Debug)]
pub struct InversePlanner<'s> {
    planner: Planner<'s>,
    /// Who refers to an object.
    referrers: HashMap<&'s str, Vec<&'s str>>,
    deleted: HashSet<&'s str>,
    /// By its former id, what is there again under another.
    renamed: HashMap<Id, &'s str>,
    /// The former ids of what is to be created again and is referred to.
    id_remap: HashSet<Id>,
}

/// What is to be done, and what it takes back.
type Inverse = (Change<'static>, Option<Undo<'static>>);

impl<'s> InversePlanner<'s> {
    /// One that takes a run back on a tenant that holds this.
    #[must_use]
    pub fn new(snapshot: &'s Snapshot, limits: Limits) -> Self {
        let mut referrers: HashMap<&'s str, Vec<&'s str>> = HashMap::new();
        for listing in &snapshot.listings {
            let columns = listing.scope.kind.columns().iter();
            for column in columns.filter(|column| column.target().is_some()) {
                for object in &listing.objects {
                    for id in live_refs(column.wire, object) {
                        referrers.entry(id).or_default().extend(id_of(object));
                    }
                }
            }
        }
        Self {
            planner: Planner::new(snapshot, limits),
            referrers,
            deleted: HashSet::new(),
            renamed: HashMap::new(),
            id_remap: HashSet::new(),
        }
    }

    /// What takes this back.
    pub fn plan(&mut self, past: &Past) -> Item<'static> {
        let scope = past.item.scope();
        let (change, undo) = self.inverse(past, &scope);
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
        };
        item.group = self.planner.group(&item, &scope);
        self.planner.count(&item);
        item
    }

    /// The planner with all of it.
    #[must_use]
    pub fn into_planner(self) -> Planner<'s> {
        self.planner
    }

    fn inverse(&mut self, past: &Past, scope: &Scope) -> Inverse {
        let live = match self.find(past, scope) {
            Ok(live) => live,
            Err(failure) => return (spared(past, None, failure), None),
        };
        if let Some(why) = live.and_then(|live| live.scope.barred(live.object)) {
            let noun = scope.kind.noun();
            return (error(format!("the {noun} cannot be changed: {why}")), None);
        }
        match (&past.item.change, &past.before) {
            (Change::Create { body }, None) => self.uncreate(past, body, live),
            (Change::Create { body: set } | Change::Update { set, .. }, Some(before)) => {
                self.put_back(past, before, set, live)
            }
            (Change::Delete { .. }, Some(before)) => self.bring_back(past, before, live),
            (Change::Update { .. } | Change::Delete { .. }, None) => {
                let why = "the journal does not say what it was before: it lost records and was repaired, or an older version wrote it";
                (error(why.to_owned()), None)
            }
            _ => (Change::Unchanged { id: None }, None),
        }
    }

    /// The live object that the deed is about: by its id, or by its name where it was deleted or is told by its
    /// name alone.
    fn find(&self, past: &Past, scope: &Scope) -> Result<Option<LiveObject<'s>>, Failure> {
        let Some(known) = self.planner.known.get(scope) else {
            return Err(Failure::new("it was not looked for"));
        };
        let gone = matches!(past.item.change, Change::Delete { .. });
        let list = scope.kind.shape() == Shape::List;
        match past.id.as_ref().filter(|_| !gone && !list) {
            Some(id) => {
                let found = known.by_id.get_key_value(id.as_str());
                Ok(found.map(|(id, object)| known.live(id, object)))
            }
            None => known.named(&key_of(past)),
        }
    }

    fn uncreate(
        &mut self,
        past: &Past,
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
            let why = "the call that was to create it was refused, so another may have created it; it is left alone";
            return (spared(past, Some(live), Failure::new(why)), None);
        }
        let strays = kind.changed_fields(live.object, body);
        if !strays.is_empty() {
            return (spared(past, Some(live), changed_since(&strays)), None);
        }
        let users = self.referrers.get(live.id).into_iter().flatten();
        let users = users.filter(|user| !self.deleted.contains(*user)).count();
        if users > 0 {
            let why = format!(
                "{users} others that this run did not create refer to it; it is left alone"
            );
            return (spared(past, Some(live), Failure::new(why)), None);
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

    fn put_back(
        &mut self,
        past: &Past,
        before: &Object,
        set: &Fields<'_>,
        live: Option<LiveObject<'s>>,
    ) -> Inverse {
        let kind = past.item.resource;
        let Some(live) = live else {
            let why = Failure::new("it is no longer there; another hand has deleted it");
            return (spared(past, None, why), None);
        };
        let (mut back, expected) = kind.before_and_after(before, set);
        if let Err(failure) = self.resolve(&mut back, &past.item) {
            return (Change::Error { failure }, None);
        }
        let (left, foreign) = kind.revertible(live.object, &back, &expected);
        if left.0.is_empty() && foreign.is_empty() {
            let id = Some(Id::new(live.id));
            return (Change::Unchanged { id }, None);
        }
        if left.0.is_empty() {
            return (spared(past, Some(live), changed_since(&foreign)), None);
        }
        if let Some(other) = self.planner.namesake(live.scope, &left, live.id) {
            let why = format!("another {} has its former name ({other})", kind.noun());
            return (spared(past, Some(live), Failure::new(why)), None);
        }
        let expected = expected.0.into_iter();
        let expected = expected.filter(|(wire, _)| left.find(wire).is_some());
        let undo = Undo {
            expected: Fields(expected.collect()),
            left: foreign,
            old_id: None,
        };
        (self.planner.set(live, left), Some(undo))
    }

    fn bring_back(
        &mut self,
        past: &Past,
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
            let strays = kind.changed_fields(live.object, &body);
            if strays.is_empty() {
                self.renamed.extend(old_id.map(|old| (old, live.id)));
                let id = Some(Id::new(live.id));
                return (Change::Unchanged { id }, None);
            }
            let why = format!(
                "another {} has its name, and differs from it in {}",
                kind.noun(),
                strays.join(", ")
            );
            return (spared(past, Some(live), Failure::new(why)), None);
        }
        if kind.is_referred_to() {
            self.id_remap.extend(old_id.clone());
        }
        let undo = Undo {
            old_id,
            ..Undo::default()
        };
        (Change::Create { body }, Some(undo))
    }

    /// Makes references say what is there under another id by now.
    fn resolve(&self, fields: &mut Fields<'static>, of: &Item<'_>) -> Result<(), Failure> {
        for (wire, value) in &mut fields.0 {
            let mut columns = of.resource.columns().iter();
            let column = columns.find(|column| column.wire == *wire);
            let target = column.and_then(Column::target);
            let (Some(target), FieldValue::Refs(refs)) = (target, value) else {
                continue;
            };
            let scope = Scope::of(target, of.microtenant.clone());
            for one in refs {
                self.resolve_one(one, &scope)?;
            }
        }
        Ok(())
    }

    fn resolve_one(&self, one: &mut Reference<'static>, scope: &Scope) -> Result<(), Failure> {
        let id = Id::new(one.id.to_string());
        if let Some(new) = self.renamed.get(&id) {
            one.id = Cow::Owned((*new).to_owned());
            return Ok(());
        }
        let known = self.planner.known.get(scope);
        let there = known.is_some_and(|known| known.by_id.contains_key(id.as_str()));
        if there || self.id_remap.contains(&id) {
            return Ok(());
        }
        let noun = scope.kind.noun();
        Err(Failure::new(format!(
            "the {noun} {id}, which it referred to, is no longer there"
        )))
    }
}

/// The name that the deed's object had: of one that is gone the last one.
fn key_of(past: &Past) -> Cow<'static, str> {
    let Past { item, before, .. } = past;
    let deleted = matches!(item.change, Change::Delete { .. });
    let before = before.as_ref().filter(|_| deleted);
    match before.and_then(|before| item.resource.key_of(before)) {
        Some(key) => Cow::Owned(key.into_owned()),
        None => item.key.clone(),
    }
}

fn spared(past: &Past, live: Option<LiveObject<'_>>, failure: Failure) -> Change<'static> {
    let id = live.map(|live| Id::new(live.id)).or(past.id.clone());
    Change::Spared {
        id: id.unwrap_or_else(|| Id::new("")),
        failure,
    }
}
