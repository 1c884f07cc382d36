//! The outcome of every item as a journal has it, in little memory.

use std::collections::HashMap;
use std::path::Path;

use crate::item::{ItemNumber, Outcome, index};
use crate::journal::{JournalEnd, JournalError};
use crate::run;
use crate::wire::{Failure, Id};

/// Stands for an item without an outcome.
const NO_OUTCOME: u64 = 0;

/// Stands for an item whose outcome has neither id nor failure.
const NO_ID: u64 = u64::MAX;

/// The outcome of every item, in eight bytes each. Outcomes with a failure, or an id that is not a number, are kept in
/// full besides.
#[derive(Debug)]
pub struct Outcomes {
    ids: Vec<u64>,
    in_full: HashMap<ItemNumber, Outcome>,
    pub(super) journal_end: JournalEnd,
}

impl Outcomes {
    /// Reads the outcomes of the run in `directory`, which has `items` items.
    ///
    /// # Errors
    /// [`JournalError`] if the journal cannot be read or is damaged.
    pub fn read(directory: &Path, items: u32) -> Result<Self, JournalError> {
        let mut ids = vec![NO_OUTCOME; index(items)];
        let mut in_full = HashMap::new();
        let replayed = run::outcomes(directory, |outcome| {
            let Some(slot) = ids.get_mut(index(outcome.item)) else {
                return;
            };
            // The first outcome of an item counts.
            if *slot == NO_OUTCOME {
                let number = as_number(&outcome);
                *slot = number.unwrap_or(NO_ID);
                if number.is_none() {
                    in_full.insert(outcome.item, outcome);
                }
            }
        })?;
        Ok(Self {
            ids,
            in_full,
            journal_end: replayed.journal_end(),
        })
    }

    /// Returns the id of the item's object, if the item's outcome has one.
    #[must_use]
    pub fn id(&self, item: ItemNumber) -> Option<Id> {
        if let Some(outcome) = self.in_full.get(&item) {
            return outcome.id.clone();
        }
        let id = self.ids.get(index(item)).copied();
        id.filter(|id| ![NO_OUTCOME, NO_ID].contains(id))
            .map(Id::from)
    }

    /// Returns the failure of the item, if the item's outcome has one.
    #[must_use]
    pub fn failure(&self, item: ItemNumber) -> Option<&Failure> {
        self.in_full.get(&item)?.failure.as_ref()
    }
}

/// Returns the outcome as a number, if it holds no more than an id that is a number.
fn as_number(outcome: &Outcome) -> Option<u64> {
    match (&outcome.id, &outcome.failure) {
        (_, Some(_)) => None,
        (None, None) => Some(NO_ID),
        (Some(id), None) => {
            let number = id.as_str().parse().ok();
            number.filter(|number: &u64| {
                ![NO_OUTCOME, NO_ID].contains(number) && number.to_string() == id.as_str()
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::item::{Event, Status};
    use crate::journal::{Header, Journal};

    fn outcome(item: ItemNumber, id: Option<&str>, failure: Option<&str>) -> Outcome {
        Outcome {
            item,
            status: Status::Created,
            id: id.and_then(Id::parse),
            failure: failure.map(Failure::new),
        }
    }

    #[test]
    fn ids_and_failures_come_back_and_the_first_counts() {
        let most = u64::MAX.to_string();
        let ids = [
            Some("145283994705985536"),
            Some("0"),
            Some("007"),
            Some(most.as_str()),
            Some("+5"),
            Some("abc"),
            None,
        ];
        let mut outcomes: Vec<Outcome> =
            (0..).zip(ids).map(|(n, id)| outcome(n, id, None)).collect();
        outcomes.push(outcome(7, Some("9"), Some("why")));
        outcomes.extend((0..8).map(|item| outcome(item, Some("1"), Some("later"))));
        outcomes.push(outcome(99, Some("1"), None));
        let dir = tempfile::tempdir().unwrap();
        let header = Header {
            format: 1,
            tool: String::new(),
            run: String::new(),
            tenant: String::new(),
            plan_sha256: String::new(),
            settings: serde_json::Value::Null,
            seal: None,
        };
        let mut journal = Journal::create(dir.path(), &header, Timestamp::UNIX_EPOCH).unwrap();
        journal
            .append(&Event::Outcomes(outcomes), Timestamp::UNIX_EPOCH)
            .unwrap();
        journal.commit().unwrap();
        let read = Outcomes::read(dir.path(), 9).unwrap();
        for (item, id) in (0..).zip(ids) {
            assert_eq!(read.id(item), id.and_then(Id::parse), "{id:?}");
            assert_eq!(read.failure(item), None, "{id:?}");
        }
        assert_eq!(read.id(7), Some(Id::from(9)));
        assert_eq!(read.failure(7), Some(&Failure::new("why")));
        assert_eq!(read.id(8), None);
        assert_eq!(read.journal_end.records, 2);
    }
}
