//! An index of the live objects of a scope, which finds the object that a row means by its id or its name.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::Draft;
use super::duplicates::HashOfHash;
use super::rounded::stands_for;
use crate::item::Problem;
use crate::resource::{Action, Scope, Shape, look, quick_look_hash};
use crate::wire::{Failure, Id, Object, quoted};

/// The live objects of one scope, by id and by natural key.
#[derive(Debug)]
pub(super) struct LiveIndex<'s> {
    pub(super) scope: &'s Scope,
    pub(super) by_id: HashMap<&'s str, &'s Object>,
    pub(super) by_key: HashMap<Cow<'s, str>, Vec<&'s Object>>,
    /// The objects by a hash of the [look] of their names.
    by_look: HashMap<u64, &'s Object, BuildHasherDefault<HashOfHash>>,
}

/// A live object that a row means.
#[derive(Clone, Copy, Debug)]
pub(super) struct LiveObject<'s> {
    pub(super) id: &'s str,
    pub(super) object: &'s Object,
    pub(super) scope: &'s Scope,
}

impl LiveObject<'_> {
    /// Returns the object's id, which an element of a list may lack.
    pub(super) fn id(self) -> Id {
        Id::parse(self.id).unwrap_or_else(Id::none)
    }
}

impl<'s> LiveIndex<'s> {
    pub(super) fn new(scope: &'s Scope) -> Self {
        Self {
            scope,
            by_id: HashMap::new(),
            by_key: HashMap::new(),
            by_look: HashMap::default(),
        }
    }

    pub(super) fn add(&mut self, object: &'s Object) {
        if let Some(id) = id_of(object) {
            self.by_id.insert(id, object);
        }
        for key in self.scope.kind.keys_of(object) {
            self.by_look
                .entry(quick_look_hash(key.trim()))
                .or_insert(object);
            self.by_key.entry(key).or_default().push(object);
        }
    }

    pub(super) fn live(&self, id: &'s str, object: &'s Object) -> LiveObject<'s> {
        LiveObject {
            id,
            object,
            scope: self.scope,
        }
    }

    /// Returns the object with the natural key `name`. Fails if several objects have it.
    pub(super) fn named(&self, name: &str) -> Result<Option<LiveObject<'s>>, Failure> {
        let kind = self.scope.kind;
        let key = kind.comparable_key(Cow::Borrowed(name));
        match self.by_key.get(&*key).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            // The elements of a list may have no ids.
            Some([one]) if kind.shape() == Shape::List => {
                Ok(Some(self.live(id_of(one).unwrap_or_default(), one)))
            }
            Some([one]) => Ok(id_of(one).map(|id| self.live(id, one))),
            Some(several) => {
                let ids: Vec<&str> = several.iter().filter_map(|o| id_of(o)).collect();
                Err(Failure::new(format!(
                    "{} {}s are called {} ({}); give the right id in a column \"id\"",
                    several.len(),
                    kind.noun(),
                    quoted(name),
                    ids.join(", ")
                )))
            }
        }
    }

    /// Returns the problem of a row that deletes, if its id and its name mean two different objects. Then one of the cells
    /// is probably in the wrong row.
    pub(super) fn contradiction(&self, draft: &Draft<'_>, id: &str) -> Option<Problem> {
        if draft.action != Action::Delete || draft.key.is_empty() {
            return None;
        }
        let named = self.named(draft.key).ok()??;
        if named.id == id || self.scope.kind.key().is_none() {
            return None;
        }
        let noun = draft.kind.noun();
        let message = format!(
            "the id {id} and the name {} are of two different {noun}s; the {noun} of that name has the id {}",
            quoted(draft.key),
            named.id
        );
        Some(Problem::row(draft.file, draft.row, message))
    }

    /// Returns the object that a row means if no object has its id: none.
    ///
    /// Fails for a row that deletes if another object has the row's name. A row with a condition is never refused so: a
    /// program chose it, and it means the object with that id alone.
    pub(super) fn gone(
        &self,
        draft: &Draft<'_>,
        id: &str,
    ) -> Result<Option<LiveObject<'s>>, Failure> {
        if draft.action != Action::Delete || draft.key.is_empty() || draft.condition.is_some() {
            return Ok(None);
        }
        match self.named(draft.key)? {
            None => Ok(None),
            Some(named) => Err(Failure::new(format!(
                "there is no {} with the id {id}; the one called {} has the id {}",
                draft.kind.noun(),
                quoted(draft.key),
                named.id
            ))),
        }
    }

    /// Returns the name and the id of the live object whose name looks like `name`, for a name that no object has.
    pub(super) fn alike(&self, name: &str) -> Option<(Cow<'s, str>, &'s str)> {
        let kind = self.scope.kind;
        let object = *self.by_look.get(&quick_look_hash(name.trim()))?;
        let live = kind.key_of(object)?;
        let is_alike = look(&live) == look(&kind.comparable_key(Cow::Borrowed(name)));
        is_alike.then(|| (live, id_of(object).unwrap_or_default()))
    }

    /// Returns the live ids that a program may have rounded to `id`, sorted.
    pub(super) fn damaged(&self, id: &str) -> Vec<&'s str> {
        let ids = self.by_id.keys().copied();
        let mut alike: Vec<&str> = ids.filter(|live| stands_for(id, live)).collect();
        alike.sort_unstable();
        alike
    }
}

/// Makes the message for an `id` that a program has rounded. `meant` are the live ids that it may stand for.
pub(super) fn damaged(noun: &str, id: &str, meant: &[&str]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<&str> = meant.iter().take(SHOWN).copied().collect();
    let more = if meant.len() > SHOWN {
        " or another id with the same beginning"
    } else {
        ""
    };
    format!(
        "no {noun} has the id {id}, which looks rounded by a program that keeps ids as numbers; {}{more} may be meant",
        shown.join(" or ")
    )
}

pub(super) fn id_of(object: &Object) -> Option<&str> {
    object.get("id").and_then(serde_json::Value::as_str)
}
