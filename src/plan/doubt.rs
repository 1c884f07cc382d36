//! Creates in doubt: whether an unfinished run created an object by a call that was not answered.
//!
//! The run that took its place knew nothing of that object but what it found. So the object counts as created by the
//! call only if it is just as it was to be created, and if no run is known to have created it.

use std::collections::HashSet;

use super::inverse::InversePlanner;
use super::past_change::PastChange;
use super::wording::counted;
use crate::item::{Change, Item};
use crate::wire::{Failure, Id, Object};

/// The trace of an object in the plan of a later run.
#[derive(Clone, Debug)]
pub enum Trace {
    /// The later run did not look for the object.
    Unknown,
    /// The later run looked for the object, and it was not there.
    Absent,
    /// The later run found the object.
    Found {
        /// The object's id, which an element of a list may lack.
        id: Id,
        /// The object as it was then, if the later run changed it.
        object: Option<Object>,
    },
}

impl Trace {
    /// Returns the trace in the later run's item of the same name. `before` is the object before that item changed it.
    #[must_use]
    pub fn of(item: &Item<'_>, before: Option<Object>) -> Self {
        match (&item.change, item.change.id()) {
            (Change::Error { .. }, _) => Self::Unknown,
            (Change::Create { .. }, _) | (_, None) => Self::Absent,
            (_, Some(id)) => Self::Found {
                id: id.clone(),
                object: before,
            },
        }
    }
}

impl<'s> InversePlanner<'s> {
    /// Returns the id of the object that a create in doubt has made, or `None` if it made none. `owned` are the objects
    /// that runs are known to have created.
    ///
    /// # Errors
    /// The reason to leave an object alone that somebody else may have created.
    pub fn made_by(
        &self,
        past: &PastChange,
        trace: &Trace,
        owned: &HashSet<Id>,
    ) -> Result<Option<Id>, Failure> {
        let found = match trace {
            Trace::Absent => None,
            Trace::Found { id, .. } if owned.contains(id) => None,
            Trace::Found {
                id,
                object: Some(object),
            } => Some((id.clone(), object)),
            Trace::Found { id, .. } if !id.is_none() => {
                let object = self.with_id(&past.item, id);
                object.map(|object| (id.clone(), object))
            }
            Trace::Found { .. } | Trace::Unknown => self.namesake_of(&past.item, owned)?,
        };
        let Some((id, object)) = found else {
            return Ok(None);
        };
        refuse_uncertain(past, object)?;
        Ok(Some(id))
    }

    fn with_id(&self, item: &Item<'_>, id: &Id) -> Option<&'s Object> {
        let index = self.planner.indexes.get(&item.scope())?;
        index.by_id.get(id.as_str()).copied()
    }

    /// Returns the live object of the item's name that no run is known to have created.
    fn namesake_of(
        &self,
        item: &Item<'_>,
        owned: &HashSet<Id>,
    ) -> Result<Option<(Id, &'s Object)>, Failure> {
        let index = self.planner.indexes.get(&item.scope());
        let key = item.resource.comparable_key(item.key.as_ref().into());
        let all = index.and_then(|index| index.by_key.get(&*key));
        let with_id = all.into_iter().flatten().map(|object| {
            let id = Id::of(object).unwrap_or_else(Id::none);
            (id, *object)
        });
        let mut free = with_id.filter(|(id, _)| !owned.contains(id));
        match (free.next(), free.count()) {
            (first, 0) => Ok(first),
            (_, others) => {
                let objects = counted(others as u64 + 1, item.resource.noun());
                Err(Failure::new(format!(
                    "{objects} have this name, and the call that was to create one was not answered; they are left alone"
                )))
            }
        }
    }
}

/// Refuses an object that may be another's than that of the create in doubt.
fn refuse_uncertain(past: &PastChange, object: &Object) -> Result<(), Failure> {
    let Change::Create { body } = &past.item.change else {
        return Ok(());
    };
    if !past.proven {
        let why = "the journal does not prove that a call of the run created it; somebody else may have; it is left alone";
        return Err(Failure::new(why));
    }
    let differing = past.item.resource.changed_fields(object, body);
    if differing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the call that was to create it was not answered, and it differs from what was sent in {}; somebody else may have \
         created it; it is left alone",
        differing.join(", ")
    )))
}
