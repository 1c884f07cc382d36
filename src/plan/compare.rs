//! Comparing rows with live state: what is to be done for each.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::limits::{Groups, Limits, Load, owned_ids, portals_of};
use super::{Backlog, CallCounts, Draft, Resolver, Snapshot};
use crate::model::{
    Action, Change, Failure, FieldChange, FieldValue, Fields, Id, Item, Object, Problem, Reference,
};
use crate::resource::{Form, Kind};

/// How many items of each kind a plan has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// All of them: one for each row.
    pub items: u32,
    /// To be created.
    pub create: u32,
    /// To be updated.
    pub update: u32,
    /// To be deleted.
    pub delete: u32,
    /// With nothing to do.
    pub unchanged: u32,
    /// That cannot be carried out on the tenant as it is.
    pub error: u32,
}

/// Turns drafts into items, one after the other.
#[derive(Debug)]
pub struct Planner<'s> {
    snapshot: &'s Snapshot,
    limits: Limits,
    scopes: HashMap<(Kind, Option<Id>), Scope<'s>>,
    resolvers: HashMap<(&'static str, Option<Id>), Resolver<'s>>,
    groups: Groups,
    taken: HashSet<&'s str>,
    load: Load<'s>,
    totals: Totals,
    backlog: Backlog,
}

/// The live objects of one kind in one microtenant, by id and by natural key.
#[derive(Debug, Default)]
struct Scope<'s> {
    by_id: HashMap<&'s str, &'s Object>,
    by_key: HashMap<Cow<'s, str>, Vec<&'s Object>>,
}

impl<'s> Planner<'s> {
    /// A planner against that snapshot.
    #[must_use]
    pub fn new(snapshot: &'s Snapshot, limits: Limits) -> Self {
        let mut scopes: HashMap<(Kind, Option<Id>), Scope<'s>> = HashMap::new();
        let mut load = Load::default();
        for listing in &snapshot.listings {
            let scope = scopes
                .entry((listing.kind, listing.microtenant.clone()))
                .or_default();
            for object in &listing.objects {
                scope.add(listing.kind, object);
                if listing.kind == Kind::portal_link() {
                    load.count(&portals_of(object), 1);
                }
            }
        }
        Self {
            snapshot,
            limits,
            scopes,
            resolvers: HashMap::new(),
            groups: Groups::default(),
            taken: HashSet::new(),
            load,
            totals: Totals::default(),
            backlog: Backlog::default(),
        }
    }

    /// What is to be done for this row. A row that is right but cannot be carried out on the tenant as
    /// it is becomes an item of [`Change::Error`].
    ///
    /// # Errors
    /// When a name in the row is unknown or ambiguous, or another row means the same live object.
    pub fn plan<'r>(&mut self, mut draft: Draft<'r>) -> Result<Item<'r>, Problem>
    where
        's: 'r,
    {
        self.resolve_refs(&mut draft)?;
        let live = self.find(&draft);
        if let Ok(Some((id, _))) = &live
            && !self.taken.insert(id)
        {
            let message = format!("another row is about the same {} ({id})", draft.kind.noun());
            return Err(Problem::row(draft.file, draft.row, message));
        }
        let key = match &live {
            Ok(Some((_, object))) if draft.key.is_empty() => {
                draft.kind.key_of(object).unwrap_or_default()
            }
            _ => Cow::Borrowed(draft.key),
        };
        let item = Item {
            item: self.totals.items,
            file: draft.file,
            row: draft.row,
            resource: draft.kind,
            key: match draft.id {
                Some(id) if key.is_empty() => Cow::Borrowed(id),
                _ => key,
            },
            microtenant: draft.microtenant.clone(),
            change: match live {
                Ok(live) => self.change(draft, live),
                Err(failure) => Change::Error { failure },
            },
        };
        self.count(&item);
        Ok(item)
    }

    /// How many items there are so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The calls that carrying the items out takes, with at most `batch_size` objects in one.
    #[must_use]
    pub fn calls(&self, batch_size: u32) -> CallCounts {
        self.backlog.calls(batch_size)
    }

    /// What is to be done, ready to be cut into calls.
    #[must_use]
    pub fn into_backlog(self) -> Backlog {
        self.backlog
    }

    /// In words, every limit of the tenant that the plan would exceed.
    #[must_use]
    pub fn exceeded(&self) -> Vec<String> {
        let load = self.groups.added_to(&self.load);
        load.exceeding(self.limits, self.totals.create > 0, |portal| {
            self.portal_name(portal)
        })
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
        for (wire, title, text) in std::mem::take(&mut draft.refs) {
            let refs = self
                .references(draft, wire, text)
                .map_err(|message| Problem::cell(draft.file, draft.row, title, message))?;
            draft
                .values
                .0
                .push((Cow::Borrowed(wire), FieldValue::Refs(refs)));
        }
        Ok(())
    }

    fn references(
        &mut self,
        draft: &Draft<'_>,
        wire: &str,
        text: &str,
    ) -> Result<Vec<Reference<'s>>, String> {
        let Some(target) = reference_target(draft.kind, wire) else {
            return Ok(Vec::new());
        };
        let microtenant = draft.microtenant.clone();
        let snapshot = self.snapshot;
        let resolver = self
            .resolvers
            .entry((target.name(), microtenant.clone()))
            .or_insert_with(|| Resolver::new(target, snapshot, microtenant.as_ref()));
        resolver.resolve(text)
    }

    fn find(&self, draft: &Draft<'_>) -> Result<Option<(&'s str, &'s Object)>, Failure> {
        let scope = self.scopes.get(&(draft.kind, draft.microtenant.clone()));
        let Some(scope) = scope else {
            return Ok(None);
        };
        let by_id = draft.id.map(|id| scope.by_id.get_key_value(id));
        match by_id {
            Some(Some((id, object))) => return Ok(Some((id, object))),
            // What is to be created may go by its name already, whatever id the row has.
            Some(None) if draft.action != Action::Create => return Ok(None),
            _ => {}
        }
        match scope.by_key.get(draft.key).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([one]) => Ok(id_of(one).map(|id| (id, *one))),
            Some(several) => {
                let ids: Vec<&str> = several.iter().filter_map(|o| id_of(o)).collect();
                Err(Failure::new(format!(
                    "{} {}s are called {:?} ({}); name the one that is meant in a column \"id\"",
                    several.len(),
                    draft.kind.noun(),
                    draft.key,
                    ids.join(", ")
                )))
            }
        }
    }

    fn change<'r>(&mut self, draft: Draft<'r>, live: Option<(&'s str, &'s Object)>) -> Change<'r>
    where
        's: 'r,
    {
        let noun = draft.kind.noun();
        match (draft.action, live) {
            (Action::Ensure, None) if draft.id.is_some() => missing(noun, draft.id),
            (Action::Update, None) => missing(noun, draft.id),
            (Action::Ensure | Action::Create, None) => self.create(draft),
            (Action::Create, Some((id, _))) => Change::Error {
                failure: Failure::new(format!("the {noun} exists already ({id})")),
            },
            (Action::Ensure | Action::Update, Some((id, object))) => self.update(draft, id, object),
            (Action::Delete, None) => Change::Unchanged { id: None },
            (Action::Delete, Some((id, object))) => {
                if draft.kind == Kind::portal_link() {
                    self.load.count(&portals_of(object), -1);
                }
                Change::Delete { id: Id::new(id) }
            }
        }
    }

    fn create<'r>(&mut self, draft: Draft<'r>) -> Change<'r>
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
        Change::Create {
            group: self.groups.add(
                draft.kind,
                draft.microtenant,
                shared_refs(draft.kind, &body),
            ),
            body,
        }
    }

    fn update<'r>(&mut self, draft: Draft<'r>, id: &str, live: &'s Object) -> Change<'r>
    where
        's: 'r,
    {
        let kind = draft.kind;
        let mut set = draft.values;
        set.0.retain(|(wire, value)| !kind.same(wire, live, value));
        if let Some(other) = self.namesake(kind, draft.microtenant.as_ref(), &set, id) {
            let name = set.text(kind.key_field()).unwrap_or_default();
            return Change::Error {
                failure: Failure::new(format!(
                    "another {} is called {name:?} already ({other})",
                    kind.noun()
                )),
            };
        }
        let id = Id::new(id);
        if set.0.is_empty() {
            return Change::Unchanged { id: Some(id) };
        }
        if kind == Kind::portal_link()
            && matches!(set.find("userPortals"), Some(FieldValue::Refs(_)))
        {
            self.load.count(&portals_of(live), -1);
            self.load.count(&owned_ids(shared_refs(kind, &set)), 1);
        }
        let changes = set
            .0
            .iter()
            .map(|(wire, value)| FieldChange {
                field: wire.to_string(),
                old: kind.show(wire, live),
                new: show(value),
            })
            .collect();
        Change::Update { id, set, changes }
    }

    /// Another live object that has the name that `set` would give to the one with that id.
    fn namesake(
        &self,
        kind: Kind,
        microtenant: Option<&Id>,
        set: &Fields<'_>,
        id: &str,
    ) -> Option<&'s str> {
        let name = set.text(kind.key_field())?;
        let scope = self.scopes.get(&(kind, microtenant.cloned()))?;
        let namesakes = scope.by_key.get(name)?;
        namesakes
            .iter()
            .filter_map(|object| id_of(object))
            .find(|other| *other != id)
    }

    fn count(&mut self, item: &Item<'_>) {
        let counter = match item.change {
            Change::Create { .. } => &mut self.totals.create,
            Change::Update { .. } => &mut self.totals.update,
            Change::Delete { .. } => &mut self.totals.delete,
            Change::Unchanged { .. } => &mut self.totals.unchanged,
            Change::Error { .. } => &mut self.totals.error,
        };
        *counter += 1;
        self.totals.items += 1;
        self.backlog.push(item.item, &item.change);
    }
}

impl<'s> Scope<'s> {
    fn add(&mut self, kind: Kind, object: &'s Object) {
        if let Some(id) = id_of(object) {
            self.by_id.insert(id, object);
        }
        for key in kind.keys_of(object) {
            self.by_key.entry(key).or_default().push(object);
        }
    }
}

/// The kind of object that the wire field of `kind` refers to.
fn reference_target(kind: Kind, wire: &str) -> Option<Kind> {
    let column = kind.columns().iter().find(|column| column.wire == wire)?;
    match column.form {
        Form::Refs(target) => Kind::from_name(target),
        _ => None,
    }
}

/// What a bulk call would share: the items of one group have it in common.
fn shared_refs<'b>(kind: Kind, body: &'b Fields<'_>) -> &'b [Reference<'b>] {
    let shared = kind.bulk().map(|bulk| bulk.shared);
    match shared.and_then(|shared| body.find(shared)) {
        Some(FieldValue::Refs(refs)) => refs,
        _ => &[],
    }
}

fn id_of(object: &Object) -> Option<&str> {
    object.get("id").and_then(serde_json::Value::as_str)
}

fn missing<'r>(noun: &str, id: Option<&str>) -> Change<'r> {
    let which = id.map_or_else(
        || "of that name".to_owned(),
        |id| format!("with the id {id}"),
    );
    Change::Error {
        failure: Failure::new(format!("there is no {noun} {which}")),
    }
}

fn show(value: &FieldValue<'_>) -> String {
    match value {
        FieldValue::Flag(flag) => flag.to_string(),
        FieldValue::Text(text) => text.to_string(),
        FieldValue::Refs(refs) => {
            let ids: Vec<&str> = refs.iter().map(|r| &*r.id).collect();
            ids.join(";")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::Listing;

    const PORTAL: &str = "900";

    fn snapshot(links: &[serde_json::Value]) -> Snapshot {
        let object = |value: &serde_json::Value| value.as_object().unwrap().clone();
        let listing = |kind, objects| Listing {
            kind,
            microtenant: None,
            objects,
        };
        let portals = [
            json!({"id": PORTAL, "name": "Staff"}),
            json!({"id": "901", "name": "Guests"}),
        ];
        Snapshot {
            listings: vec![
                listing(Kind::portal_link(), links.iter().map(object).collect()),
                listing(
                    Kind::from_name("user-portal").unwrap(),
                    portals.iter().map(object).collect(),
                ),
            ],
        }
    }

    fn wiki() -> serde_json::Value {
        json!({
            "id": "1", "name": "Wiki &amp; Docs", "protocol": "https://", "link": "wiki.example",
            "description": "keep", "enabled": true, "userPortals": [{"id": PORTAL, "name": "Staff"}],
        })
    }

    fn draft(action: Action, key: &'static str, host: &'static str) -> Draft<'static> {
        let mut values = vec![(Cow::Borrowed("name"), FieldValue::Text(key.into()))];
        if !host.is_empty() {
            values.push((Cow::Borrowed("link"), FieldValue::Text(host.into())));
        }
        Draft {
            file: 0,
            row: 2,
            kind: Kind::portal_link(),
            action,
            id: None,
            microtenant: None,
            key,
            values: Fields(values),
            refs: Vec::new(),
        }
    }

    fn op(links: &[serde_json::Value], draft: Draft<'static>) -> Change<'static> {
        let snapshot = snapshot(links);
        let mut planner = Planner::new(&snapshot, Limits::default());
        planner.plan(draft).unwrap().to_owned_item().change
    }

    #[test]
    fn every_action_meets_a_live_object_or_none() {
        use Action::{Create, Delete, Ensure, Update};
        let change = |action, host| op(&[wiki()], draft(action, "Wiki & Docs", host));
        let unchanged = Change::Unchanged {
            id: Some(Id::new("1")),
        };
        assert_eq!(change(Ensure, "WIKI.example"), unchanged);
        assert_eq!(change(Update, "wiki.example"), unchanged);
        assert!(matches!(
            change(Ensure, "new.example"),
            Change::Update { .. }
        ));
        assert!(matches!(
            change(Create, "wiki.example"),
            Change::Error { .. }
        ));
        assert_eq!(change(Delete, ""), Change::Delete { id: Id::new("1") });
        let absent = |action| op(&[wiki()], draft(action, "Other", "other.example"));
        assert!(matches!(absent(Ensure), Change::Create { .. }));
        assert!(matches!(absent(Create), Change::Create { .. }));
        assert!(matches!(absent(Update), Change::Error { .. }));
        assert_eq!(absent(Delete), Change::Unchanged { id: None });
    }

    #[test]
    fn an_update_names_the_fields_that_differ_and_no_others() {
        let Change::Update { id, set, changes } = op(
            &[wiki()],
            draft(Action::Ensure, "Wiki & Docs", "new.example"),
        ) else {
            panic!("no update");
        };
        assert_eq!(id, Id::new("1"));
        assert_eq!(
            set.to_object(),
            *json!({"link": "new.example"}).as_object().unwrap()
        );
        let expected = FieldChange {
            field: "link".to_owned(),
            old: "wiki.example".to_owned(),
            new: "new.example".to_owned(),
        };
        assert_eq!(changes, [expected]);
    }

    #[test]
    fn a_new_object_gets_the_defaults_of_what_the_row_does_not_say() {
        let Change::Create { body, .. } = op(&[], draft(Action::Ensure, "New", "new.example"))
        else {
            panic!("no create");
        };
        let expected = json!({
            "name": "New", "link": "new.example", "protocol": "https://", "enabled": true,
        });
        assert_eq!(body.to_object(), *expected.as_object().unwrap());
    }

    #[test]
    fn a_name_that_fits_several_live_objects_is_left_to_the_user() {
        let mut twin = wiki();
        twin["id"] = json!("2");
        let Change::Error { failure } = op(
            &[wiki(), twin.clone()],
            draft(Action::Ensure, "Wiki & Docs", "x.example"),
        ) else {
            panic!("no error");
        };
        assert!(failure.message.contains("1, 2"), "{failure}");
        let mut by_id = draft(Action::Ensure, "Wiki & Docs", "x.example");
        by_id.id = Some("2");
        assert!(matches!(op(&[wiki(), twin], by_id), Change::Update { .. }));
    }

    #[test]
    fn a_name_that_is_taken_is_neither_given_to_another_nor_created_again() {
        let mut other = wiki();
        other["id"] = json!("2");
        other["name"] = json!("Other");
        let mut rename = draft(Action::Update, "Wiki & Docs", "");
        rename.id = Some("2");
        let Change::Error { failure } = op(&[wiki(), other.clone()], rename) else {
            panic!("renamed");
        };
        assert!(failure.message.contains("(1)"), "{failure}");
        let mut stale = draft(Action::Create, "Other", "x.example");
        stale.id = Some("99");
        assert!(matches!(op(&[other], stale), Change::Error { .. }));
    }

    #[test]
    fn two_rows_about_one_live_object_are_refused() {
        let snapshot = snapshot(&[wiki()]);
        let mut planner = Planner::new(&snapshot, Limits::default());
        planner
            .plan(draft(Action::Ensure, "Wiki & Docs", ""))
            .unwrap();
        let mut again = draft(Action::Delete, "", "");
        again.id = Some("1");
        let problem = planner.plan(again).unwrap_err();
        assert!(
            problem.message.contains("another row is about the same"),
            "{problem:?}"
        );
    }

    #[test]
    fn rows_that_share_their_portals_share_a_group_however_they_name_them() {
        let snapshot = snapshot(&[]);
        let mut planner = Planner::new(&snapshot, Limits::default());
        let mut groups = Vec::new();
        let rows = [
            ("a", "Staff;Guests"),
            ("b", "901; Staff"),
            ("c", "Staff"),
            ("d", "Guests;Staff"),
        ];
        for (key, portals) in rows {
            let mut row = draft(Action::Ensure, key, "x.example");
            row.refs = vec![("userPortals", "portals", portals)];
            match planner.plan(row).unwrap().change {
                Change::Create { group, .. } => groups.push(group),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(groups, [0, 0, 1, 0]);
        assert_eq!(planner.calls(150).write, 2);
        assert_eq!(planner.calls(1).write, 4);
    }

    #[test]
    fn limits_count_what_is_there_what_comes_and_what_goes() {
        let snapshot = snapshot(&[wiki()]);
        let limits = Limits {
            links: 2,
            links_per_portal: 1,
        };
        let mut planner = Planner::new(&snapshot, limits);
        let mut on_staff = |key| {
            let mut row = draft(Action::Ensure, key, "x.example");
            row.refs = vec![("userPortals", "portals", "Staff")];
            planner.plan(row).unwrap();
            planner.exceeded()
        };
        let exceeded = on_staff("a");
        assert_eq!(exceeded.len(), 1, "{exceeded:?}");
        assert!(
            exceeded[0].contains("portal \"Staff\" (900) would have 2 links"),
            "{exceeded:?}"
        );
        assert_eq!(on_staff("b").len(), 2);
        planner
            .plan(draft(Action::Delete, "Wiki & Docs", ""))
            .unwrap();
        assert_eq!(
            planner.exceeded().len(),
            1,
            "the organization is within its limit again"
        );
    }
}
