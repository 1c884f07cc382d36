//! What a journal says of every item, kept small.

use std::collections::HashMap;
use std::path::Path;

use crate::item::{ItemNumber, Outcome, index};
use crate::journal::{JournalEnd, JournalError};
use crate::run;
use crate::wire::{Failure, Id};

/// Nothing was said of the item.
const NOTHING: u64 = 0;

/// It has ended, and no more was said.
const BARE: u64 = u64::MAX;

/// The outcome of every item: eight bytes each, and in full only those with a failure or an id that is no
/// number.
#[derive(Debug)]
pub struct Outcomes {
    ids: Vec<u64>,
    others: HashMap<ItemNumber, Outcome>,
    journal_end: JournalEnd,
}

impl Outcomes {
    /// Reads those of the run in `directory`, which has so many items.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn read(directory: &Path, items: u32) -> Result<Self, JournalError> {
        let mut ids = vec![NOTHING; index(items)];
        let mut others = HashMap::new();
        let journal_end = run::outcomes(directory, |outcome| {
            // What has ended stays ended: the first outcome counts.
            let Some(slot) = ids.get_mut(index(outcome.item)) else {
                return;
            };
            if *slot == NOTHING {
                let small = small(&outcome);
                *slot = small.unwrap_or(BARE);
                if small.is_none() {
                    others.insert(outcome.item, outcome);
                }
            }
        })?;
        Ok(Self {
            ids,
            others,
            journal_end,
        })
    }

    /// Where the journal ended that they were read from.
    #[must_use]
    pub fn journal_end(&self) -> JournalEnd {
        self.journal_end
    }

    /// The id of the item's object, as far as its outcome says.
    #[must_use]
    pub fn id(&self, item: ItemNumber) -> Option<Id> {
        if let Some(outcome) = self.others.get(&item) {
            return outcome.id.clone();
        }
        let id = self.ids.get(index(item)).copied();
        id.filter(|id| ![NOTHING, BARE].contains(id))
            .map(|id| Id::new(id.to_string()))
    }

    /// Why the item failed, as far as its outcome says.
    #[must_use]
    pub fn failure(&self, item: ItemNumber) -> Option<&Failure> {
        self.others.get(&item)?.failure.as_ref()
    }
}

/// The outcome as a number, if it says no more than an id that is one.
fn small(outcome: &Outcome) -> Option<u64> {
    match (&outcome.id, &outcome.failure) {
        (_, Some(_)) => None,
        (None, None) => Some(BARE),
        (Some(id), None) => {
            let number = id.as_str().parse().ok();
            number.filter(|number: &u64| {
                ![NOTHING, BARE].contains(number) && number.to_string() == id.as_str()
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
            id: id.map(Id::new),
            failure: failure.map(Failure::new),
        }
    }

    #[test]
    fn every_id_and_failure_comes_back_as_it_was_and_the_first_outcome_counts() {
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
        };
        let mut journal = Journal::create(dir.path(), &header, Timestamp::UNIX_EPOCH).unwrap();
        journal
            .append(&Event::Outcomes(outcomes), Timestamp::UNIX_EPOCH)
            .unwrap();
        journal.commit().unwrap();
        let read = Outcomes::read(dir.path(), 9).unwrap();
        for (item, id) in (0..).zip(ids) {
            assert_eq!(read.id(item), id.map(Id::new), "{id:?}");
            assert_eq!(read.failure(item), None, "{id:?}");
        }
        assert_eq!(read.id(7), Some(Id::new("9")));
        assert_eq!(read.failure(7), Some(&Failure::new("why")));
        assert_eq!(read.id(8), None);
        assert_eq!(read.journal_end().records, 2);
    }
}
