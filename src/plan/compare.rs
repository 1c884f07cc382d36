//! The comparison of rows with the live objects, which decides the change for each row.

use std::borrow::Cow;
use std::collections::HashSet;

use super::by_scope::ByScope;
use super::guards::Removals;
use super::limits::{Groups, Load, owned_ids, portals_of};
use super::live_index::{LiveIndex, LiveObject, damaged, id_of};
use super::rounded::stands_for;
use super::snapshot::Snapshot;
use super::tenant_rules::{BulkPortals, TenantRules};
use super::{Backlog, CallCounts, Draft, Guards, Resolver, UnresolvedRef};
use crate::item::{Change, FieldChange, Item, Operation, Problem, Problems, index};
use crate::resource::{Action, Kind, PAGE_SIZE, Part, Scope, Shape};
use crate::wire::{Failure, FieldValue, Fields, Id, Object, Reference, quoted};

/// The most digits of an id that every program keeps.
const LONGEST_EXACT: usize = 15;

/// The numbers of a plan's items, by the change that they make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// All items: one for each row.
    pub items: u32,
    /// Items that create an object.
    pub create: u32,
    /// Items that update an object.
    pub update: u32,
    /// Items that delete an object.
    pub delete: u32,
    /// Items whose object is already as the row asks.
    pub unchanged: u32,
    /// Items whose object is left alone, because a condition of the change no longer holds.
    pub spared: u32,
    /// Items whose object has changed since the plan was saved.
    pub stale: u32,
    /// Items that cannot be carried out on the tenant as it is.
    pub error: u32,
}

impl Totals {
    /// Returns the number of items that change something.
    #[must_use]
    pub fn changes(self) -> u32 {
        self.create + self.update + self.delete
    }
}

/// Turns drafts into items, one at a time.
#[derive(Debug)]
pub struct Planner<'s> {
    snapshot: &'s Snapshot,
    rules: TenantRules,
    pub(super) indexes: ByScope<LiveIndex<'s>>,
    resolvers: ByScope<Resolver<'s>>,
    groups: Groups,
    taken: HashSet<&'s str>,
    load: Load<'s>,
    removals: Removals<'s>,
    totals: Totals,
    backlog: Backlog,
    /// The live objects that other runs of the same rows have created before.
    created_before: Option<&'s HashSet<Id>>,
    alike: Problems,
}

impl<'s> Planner<'s> {
    /// Makes a planner that compares rows with a snapshot.
    #[must_use]
    pub fn new(snapshot: &'s Snapshot, rules: TenantRules) -> Self {
        let mut indexes = ByScope::default();
        let mut load = Load::default();
        let mut removals = Removals::default();
        for listing in &snapshot.listings {
            let scope = &listing.scope;
            let index = indexes.get_or_insert_with(scope, || LiveIndex::new(scope));
            for object in &listing.objects {
                index.add(object);
                removals.count_live(scope, object);
                if scope.kind == Kind::portal_link() {
                    load.count(&portals_of(object), 1);
                }
            }
        }
        Self {
            snapshot,
            rules,
            indexes,
            resolvers: ByScope::default(),
            groups: Groups::default(),
            taken: HashSet::new(),
            load,
            removals,
            totals: Totals::default(),
            backlog: Backlog::default(),
            created_before: None,
            alike: Problems::default(),
        }
    }

    /// Returns the rows whose objects are not there, although others have names that differ from theirs only by case or by
    /// characters that look alike.
    #[must_use]
    pub fn into_alike(self) -> Problems {
        self.alike
    }

    /// Tells the planner the live objects that other runs of the same rows have created before.
    ///
    /// A row with the action `create` does not fail if its object is one of these.
    #[must_use]
    pub fn created_before(self, created_before: &'s HashSet<Id>) -> Self {
        Self {
            created_before: Some(created_before),
            ..self
        }
    }

    /// Plans the item of a row. A row that cannot be carried out on the tenant as it is becomes a [`Change::Error`].
    ///
    /// # Errors
    /// A [`Problem`] with the row, in these cases:
    ///
    /// - A reference in the row is unknown or ambiguous.
    /// - The row's id looks damaged, or means another object than the name of a row that deletes.
    /// - An earlier row means the same live object.
    /// - The objects of the row's kind and microtenant were not read.
    pub fn plan<'r>(&mut self, mut draft: Draft<'r>) -> Result<Item<'r>, Problem>
    where
        's: 'r,
    {
        self.resolve_refs(&mut draft)?;
        let scope = draft.scope();
        self.refuse_rounded(&draft, &scope)?;
        let live = self.find(&draft, &scope)?;
        if matches!(live, Ok(None)) {
            self.note_alike(&draft, &scope);
        }
        if let Ok(Some(live)) = &live
            && !live.id.is_empty()
            && !self.taken.insert(live.id)
        {
            let (noun, id) = (draft.kind.noun(), live.id);
            let message = format!("another row is about the same {noun} ({id})");
            return Err(Problem::row(draft.file, draft.row, message));
        }
        let by_id_alone = draft.key.is_empty() || draft.action == Action::Delete;
        let key = match &live {
            Ok(Some(live)) if by_id_alone => draft.kind.key_of(live.object).unwrap_or_default(),
            _ => Cow::Borrowed(draft.key),
        };
        let mut item = Item {
            item: self.totals.items,
            file: draft.file,
            row: draft.row,
            resource: draft.kind,
            key: match draft.id {
                Some(id) if key.is_empty() => Cow::Borrowed(id),
                _ => key,
            },
            part: draft.part.map(Part::Named),
            microtenant: draft.microtenant.clone(),
            group: None,
            change: match live {
                Ok(live) => self.change(draft, live),
                Err(failure) => Change::Error { failure },
            },
            undo: None,
            reviewed: None,
        };
        item.group = self.group(&item, &scope);
        self.count(&item);
        Ok(item)
    }

    /// Returns the numbers of the items planned so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Returns the numbers of calls that carry out the items, with at most `batch_size` objects in one call, and with the
    /// portals of links in that place of a bulk create.
    #[must_use]
    pub fn calls(&self, batch_size: u32, place: BulkPortals) -> CallCounts {
        let mut calls = self.backlog.calls(batch_size);
        let planned = self
            .groups
            .link_creates(batch_size, self.rules.bulk_portals);
        let asked = self.groups.link_creates(batch_size, place);
        for count in [&mut calls.write, &mut calls.together] {
            *count = (*count + asked).saturating_sub(planned);
        }
        calls
    }

    /// Tells whether every listing of the tenant fits one page.
    #[must_use]
    pub fn fits_one_page(&self) -> bool {
        let listings = self.snapshot.listings.iter();
        let mut sizes = listings.map(|listing| listing.objects.len());
        sizes.all(|size| size <= index(PAGE_SIZE))
    }

    /// Returns the place of the portals in a bulk create of links for which the items are grouped.
    #[must_use]
    pub fn place_of_portals(&self) -> BulkPortals {
        self.rules.bulk_portals
    }

    /// Returns one message for each limit of the tenant that the plan would exceed.
    #[must_use]
    pub fn exceeded(&self) -> Vec<String> {
        let load = self.groups.added_to(&self.load);
        load.exceeding(self.rules, self.totals.create > 0, |portal| {
            self.portal_name(portal)
        })
    }

    /// Returns one message for each guard that the plan's deletes do not meet.
    #[must_use]
    pub fn objections(&self, guards: Guards) -> Vec<String> {
        self.removals.objections(guards)
    }

    fn portal_name(&self, id: &str) -> String {
        let portals = self
            .snapshot
            .listings
            .iter()
            .flat_map(|listing| &listing.objects);
        let portal = portals
            .filter(|object| object.get("id").and_then(serde_json::Value::as_str) == Some(id))
            .find_map(|object| Kind::portal_link().key_of(object));
        match portal {
            Some(name) => format!("portal {name:?} ({id})"),
            None => format!("portal {id}"),
        }
    }

    fn resolve_refs<'r>(&mut self, draft: &mut Draft<'r>) -> Result<(), Problem>
    where
        's: 'r,
    {
        for unresolved_ref in &draft.unresolved_refs {
            let UnresolvedRef { wire, title, .. } = *unresolved_ref;
            let refs = self
                .references(unresolved_ref, draft.microtenant.as_ref())
                .map_err(|message| {
                    Problem::cell(draft.file, draft.row, title, message).code("unknown_reference")
                })?;
            let value = FieldValue::Refs(refs);
            draft.values.0.push((Cow::Borrowed(wire), value));
        }
        Ok(())
    }

    /// Refuses an id of another object that was rounded: of an application, or of a certificate. Objects of those kinds are
    /// not read, so it is compared with the ids that live objects of the row's kind have there.
    fn refuse_rounded(&self, draft: &Draft<'_>, scope: &Scope) -> Result<(), Problem> {
        for (wire, value) in &draft.values.0 {
            let FieldValue::Text(id) = value else {
                continue;
            };
            let is_number = id.as_bytes().first().is_some_and(u8::is_ascii_digit);
            if !is_number || id.len() <= LONGEST_EXACT || !wire.ends_with("Id") {
                continue;
            }
            let live = self.snapshot.objects(scope).iter();
            let known = live.filter_map(|object| object.get(&**wire)?.as_str());
            let mut meant: Vec<&str> = known.filter(|known| stands_for(id, known)).collect();
            let live = self.snapshot.objects(scope);
            let is_known =
                |object: &Object| object.get(&**wire).is_some_and(|known| known == &**id);
            if meant.is_empty() || live.iter().any(is_known) {
                continue;
            }
            meant.sort_unstable();
            meant.dedup();
            let column = draft
                .kind
                .columns()
                .iter()
                .find(|column| column.wire == wire);
            let title = column.map_or("id", |column| column.name);
            let message = format!(
                "{id} looks rounded by a program that keeps ids as numbers; {} may be meant",
                meant.join(" or ")
            );
            return Err(Problem::cell(draft.file, draft.row, title, message).code("rounded_id"));
        }
        Ok(())
    }

    fn references(
        &mut self,
        unresolved_ref: &UnresolvedRef<'_>,
        microtenant: Option<&Id>,
    ) -> Result<Vec<Reference<'s>>, String> {
        let scope = Scope::of(unresolved_ref.target, microtenant.cloned());
        let snapshot = self.snapshot;
        let new = || Resolver::new(&scope, snapshot);
        let resolver = self.resolvers.get_or_insert_with(&scope, new);
        resolver.resolve(unresolved_ref.text)
    }

    /// Finds the live object that the row means.
    ///
    /// The outer error is a problem that stops the whole plan. With the inner error, only this row fails: several objects
    /// have its name, or it deletes by an id that is gone while another object has its name.
    fn find(
        &self,
        draft: &Draft<'_>,
        scope: &Scope,
    ) -> Result<Result<Option<LiveObject<'s>>, Failure>, Problem> {
        let Some(index) = self.indexes.get(scope) else {
            // An object that was not read may exist all the same.
            let message = format!(
                "the {}s of this microtenant were not read",
                draft.kind.noun()
            );
            return Err(Problem::row(draft.file, draft.row, message));
        };
        match draft.id.map(|id| (id, index.by_id.get_key_value(id))) {
            Some((_, Some((id, object)))) => {
                if let Some(problem) = index.contradiction(draft, id) {
                    return Err(problem);
                }
                return Ok(Ok(Some(index.live(id, object))));
            }
            Some((id, None)) => {
                let meant = index.damaged(id);
                if !meant.is_empty() {
                    let message = damaged(draft.kind.noun(), id, &meant);
                    return Err(
                        Problem::cell(draft.file, draft.row, "id", message).code("rounded_id")
                    );
                }
                // A row that creates is compared by its name, whatever id it has.
                if draft.action != Action::Create {
                    return Ok(index.gone(draft, id));
                }
            }
            None => {}
        }
        Ok(index.named(draft.key))
    }

    /// Points out that the object of a row is not there, if another has a name that looks like its own.
    fn note_alike(&mut self, draft: &Draft<'_>, scope: &Scope) {
        if draft.key.is_empty() || draft.kind.key().is_none() {
            return;
        }
        let index = self.indexes.get(scope);
        let Some((live, id)) = index.and_then(|index| index.alike(draft.key)) else {
            return;
        };
        let message = format!(
            "there is no {noun} {}, but {} ({id}); the names differ only by case, by invisible characters, or in how letters \
             with accents are written",
            quoted(draft.key),
            quoted(&live),
            noun = draft.kind.noun()
        );
        let title = draft.kind.key_field();
        self.alike
            .push(Problem::cell(draft.file, draft.row, title, message));
    }

    fn change<'r>(&mut self, draft: Draft<'r>, live: Option<LiveObject<'s>>) -> Change<'r>
    where
        's: 'r,
    {
        let noun = draft.kind.noun();
        match (draft.action, live) {
            (Action::Ensure, None) if draft.id.is_some() => missing(noun, draft.id),
            (Action::Update, None) => missing(noun, draft.id),
            (Action::Ensure | Action::Create, None) => match draft.kind.uncreatable() {
                Some(why) => error(format!("there is no {noun} of that name, and {why}")),
                None => Self::create(draft),
            },
            (Action::Create, Some(live)) if !self.was_created_before(live) => {
                error(format!("the {noun} exists already ({})", live.id))
            }
            (Action::Ensure | Action::Update | Action::Create, Some(live)) => {
                self.update(draft, live)
            }
            (Action::Delete, None) => Change::Unchanged { id: None },
            (Action::Delete, Some(live)) => self.delete(&draft, live),
        }
    }

    fn was_created_before(&self, live: LiveObject<'_>) -> bool {
        self.created_before
            .is_some_and(|created_before| created_before.contains(&live.id()))
    }

    fn delete<'r>(&mut self, draft: &Draft<'r>, live: LiveObject<'s>) -> Change<'r> {
        if let Some(change) = Self::undeletable(live, draft.condition) {
            return change;
        }
        Change::Delete {
            id: self.remove(live),
            condition: draft.condition.map(Cow::Borrowed),
        }
    }

    /// Returns the change in the place of a delete, if the object must not be deleted.
    pub(super) fn undeletable(
        live: LiveObject<'_>,
        condition: Option<&str>,
    ) -> Option<Change<'static>> {
        let kind = live.scope.kind;
        if let Some(why) = kind.immutable(live.object) {
            let noun = kind.noun();
            return Some(error(format!("the {noun} cannot be deleted: {why}")));
        }
        let held = kind.condition_holds(live.object, condition?);
        held.err().map(|why| Change::Spared {
            id: live.id(),
            failure: Failure::new(why),
        })
    }

    /// Counts the delete of a live object, and returns the id by which it is deleted, which may be empty.
    pub(super) fn remove(&mut self, live: LiveObject<'s>) -> Id {
        self.removals.count_delete(live.scope, live.object);
        if live.scope.kind == Kind::portal_link() {
            self.load.count(&portals_of(live.object), -1);
        }
        self.delete_id(live)
            .and_then(Id::parse)
            .unwrap_or_else(Id::none)
    }

    /// Returns the id by which an object is deleted. An element of a list that is the only one with its key is deleted by
    /// its key, and has none.
    fn delete_id(&self, live: LiveObject<'s>) -> Option<&'s str> {
        let kind = live.scope.kind;
        if kind.shape() != Shape::List {
            return Some(live.id);
        }
        let index = self.indexes.get(live.scope)?;
        let alike = |key| index.by_key.get(&key).map_or(0, Vec::len);
        let most = kind.keys_of(live.object).into_iter().map(alike).max();
        (most > Some(1)).then_some(live.id)
    }

    fn create<'r>(draft: Draft<'r>) -> Change<'r>
    where
        's: 'r,
    {
        let mut body = draft.values;
        for (wire, value) in draft.kind.defaults() {
            if body.find(wire).is_none() {
                body.0.push((Cow::Borrowed(wire), value.clone()));
            }
        }
        // Empty fields are left out of requests as the API leaves them out of answers.
        body.0
            .retain(|(_, value)| !matches!(value, FieldValue::Text(text) if text.is_empty()));
        Change::Create { body }
    }

    fn update<'r>(&mut self, draft: Draft<'r>, live: LiveObject<'s>) -> Change<'r>
    where
        's: 'r,
    {
        let kind = draft.kind;
        let scope = draft.scope();
        let set = kind.differing(live.object, draft.values);
        if let Some(other) = self.namesake(&scope, &set, live.id) {
            let name = set.text(kind.key_field()).unwrap_or_default();
            return error(format!(
                "another {} is called {} already ({other})",
                kind.noun(),
                quoted(name)
            ));
        }
        let id = live.id();
        if set.0.is_empty() {
            return Change::Unchanged { id: Some(id) };
        }
        if let Some(why) = live.scope.barred(live.object) {
            return error(format!("the {} cannot be changed: {why}", kind.noun()));
        }
        if kind.shape() == Shape::List && set.find(kind.key_field()).is_some() {
            return error(format!(
                "{} cannot be renamed; delete the old one and add the new one, each in its own row",
                kind.indefinite()
            ));
        }
        self.set(live, set)
    }

    /// Makes the update that sets fields of a live object. A link that changes portals is counted on its new portals.
    pub(super) fn set<'r>(&mut self, live: LiveObject<'s>, set: Fields<'r>) -> Change<'r> {
        let kind = live.scope.kind;
        if kind == Kind::portal_link()
            && matches!(set.find("userPortals"), Some(FieldValue::Refs(_)))
        {
            self.load.count(&portals_of(live.object), -1);
            self.load.count(&owned_ids(shared_refs(kind, &set)), 1);
        }
        let changes = set
            .0
            .iter()
            .map(|(wire, value)| FieldChange {
                field: wire.to_string(),
                old: kind.show(wire, live.object),
                new: value.show(),
            })
            .collect();
        let id = live.id();
        Change::Update { id, set, changes }
    }

    /// Returns the id of another live object that already has the name in `set`, if there is one.
    pub(super) fn namesake(&self, scope: &Scope, set: &Fields<'_>, id: &str) -> Option<&'s str> {
        let name = set.text(scope.kind.key_field())?;
        let index = self.indexes.get(scope)?;
        let namesakes = index.by_key.get(name)?;
        namesakes
            .iter()
            .filter_map(|object| id_of(object))
            .find(|other| *other != id)
    }

    /// Returns the number of the group of items that may share a call with this one.
    pub(super) fn group(&mut self, item: &Item<'_>, scope: &Scope) -> Option<u32> {
        let kind = item.resource;
        match (Operation::of(item), &item.change) {
            (Operation::Merge, _) => Some(self.groups.of(scope)),
            (Operation::Delete, _) => kind.bulk_delete().map(|_| self.groups.of(scope)),
            (_, Change::Create { .. }) if kind.bulk().is_none() => Some(self.groups.alone()),
            (_, Change::Create { body }) => {
                let shared = shared_refs(kind, body);
                Some(self.groups.add(scope, shared, self.rules.bulk_portals))
            }
            _ => None,
        }
    }

    pub(super) fn count(&mut self, item: &Item<'_>) {
        let counter = match item.change {
            Change::Create { .. } => &mut self.totals.create,
            Change::Update { .. } => &mut self.totals.update,
            Change::Delete { .. } => &mut self.totals.delete,
            Change::Unchanged { .. } => &mut self.totals.unchanged,
            Change::Spared { .. } => &mut self.totals.spared,
            Change::Stale { .. } => &mut self.totals.stale,
            Change::Error { .. } => &mut self.totals.error,
        };
        *counter += 1;
        self.totals.items += 1;
        self.backlog
            .push(item.item, Operation::of(item), item.group);
    }
}

/// Returns the references that a bulk call applies to all its objects. All items of a group have the same.
fn shared_refs<'b>(kind: Kind, body: &'b Fields<'_>) -> &'b [Reference<'b>] {
    let shared = kind.bulk().map(|bulk| bulk.shared);
    match shared.and_then(|shared| body.find(shared)) {
        Some(FieldValue::Refs(refs)) => refs,
        _ => &[],
    }
}

pub(super) fn error<'r>(why: String) -> Change<'r> {
    Change::Error {
        failure: Failure::new(why),
    }
}

fn missing<'r>(noun: &str, id: Option<&str>) -> Change<'r> {
    let which = id.map_or_else(
        || "of that name".to_owned(),
        |id| format!("with the id {id}"),
    );
    error(format!("there is no {noun} {which}"))
}

#[cfg(test)]
mod tests;
