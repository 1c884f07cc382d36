//! New ids: an object that is created again in place of a deleted one has another id, and references to it must
//! follow.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::item::{Change, Item, ItemNumber, Outcome};
use crate::wire::{Failure, FieldValue, Id};

/// The objects of a run that come back under new ids, and that others refer to by their former ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdRemap {
    /// The former ids, by item.
    former: HashMap<ItemNumber, Id>,
    /// The new ids, once they are known, by the former ones.
    new: HashMap<Id, Option<Id>>,
}

impl IdRemap {
    /// Notes that the item creates again what had that id.
    pub fn expect(&mut self, item: ItemNumber, former: Id) {
        self.new.insert(former.clone(), None);
        self.former.insert(item, former);
    }

    /// Returns true if no object comes back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.former.is_empty()
    }

    /// Takes in how an item has ended.
    pub fn note(&mut self, outcome: &Outcome) {
        if let (Some(former), Some(id)) = (self.former.get(&outcome.item), &outcome.id) {
            self.new.insert(former.clone(), Some(id.clone()));
        }
    }

    /// Returns true if the item refers to an object that comes back.
    #[must_use]
    pub fn concerns(&self, item: &Item<'_>) -> bool {
        let fields = match &item.change {
            Change::Create { body } => body,
            Change::Update { set, .. } => set,
            _ => return false,
        };
        let mut refs = fields.0.iter().flat_map(|(_, value)| match value {
            FieldValue::Refs(refs) => refs.as_slice(),
            _ => &[],
        });
        refs.any(|one| Id::parse(&one.id).is_some_and(|id| self.new.contains_key(&id)))
    }

    /// Puts new ids in the place of former ones.
    ///
    /// # Errors
    /// A failure if one of the objects has not come back.
    pub fn rename(&self, item: &mut Item<'static>) -> Result<(), Failure> {
        if self.is_empty() {
            return Ok(());
        }
        let expected = item.undo.as_mut().map(|undo| &mut undo.expected);
        let fields = match &mut item.change {
            Change::Create { body } => Some(body),
            Change::Update { set, .. } => Some(set),
            _ => None,
        };
        for (_, value) in fields.into_iter().chain(expected).flat_map(|f| &mut f.0) {
            let FieldValue::Refs(refs) = value else {
                continue;
            };
            for one in refs {
                match Id::parse(&one.id).and_then(|id| self.new.get(&id)) {
                    Some(Some(id)) => one.id = Cow::Owned(id.to_string()),
                    Some(None) => {
                        return Err(Failure::new(format!(
                            "what it refers to ({}) was not created again",
                            one.id
                        )));
                    }
                    None => {}
                }
            }
        }
        Ok(())
    }
}
