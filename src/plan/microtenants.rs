//! The microtenants of rows, and those among their ids that a program has rounded.
//!
//! The tenant is not asked which microtenants there are. So an id is compared with those that other rows and the settings
//! name.

use std::collections::BTreeMap;

use super::rounded::stands_for;
use super::{Draft, Layout};
use crate::item::Problem;
use crate::wire::Id;

/// The microtenants that rows and settings name.
#[derive(Debug, Default)]
pub struct Microtenants {
    /// Each with the first row that names it, and the number of such rows. The settings have no rows.
    named: BTreeMap<Id, Option<(Problem, u64)>>,
    last: Option<Id>,
    /// The number of rows that name the last one, and are not counted yet.
    uncounted: u64,
}

impl Microtenants {
    /// Returns the microtenants that the settings name.
    #[must_use]
    pub fn new(default: Option<&Id>) -> Self {
        Self {
            named: default.map(|id| (id.clone(), None)).into_iter().collect(),
            ..Self::default()
        }
    }

    /// Takes in a row.
    pub fn add(&mut self, draft: &Draft<'_>, layout: &Layout) {
        let (Some(id), Some(at)) = (&draft.microtenant, layout.microtenant) else {
            return;
        };
        if self.last.as_ref() != Some(id) {
            self.count();
            self.last = Some(id.clone());
            let title = layout.titles.get(at).map_or("", String::as_str);
            let place = || (Problem::cell(draft.file, draft.row, title, ""), 0);
            self.named
                .entry(id.clone())
                .or_insert_with(|| Some(place()));
        }
        self.uncounted += 1;
    }

    fn count(&mut self) {
        let named = self.last.as_ref().and_then(|last| self.named.get_mut(last));
        if let Some(Some((_, rows))) = named {
            *rows += self.uncounted;
        }
        self.uncounted = 0;
    }

    /// Returns a problem for each id that is a rounded form of another. It stands at the first row that has the id.
    pub fn into_rounded(mut self) -> impl Iterator<Item = Problem> {
        self.count();
        let ids: Vec<Id> = self.named.keys().cloned().collect();
        let rounded = self.named.into_iter().filter_map(move |(id, rows)| {
            let (place, rows) = rows?;
            let mut meant = ids.iter().filter(|other| stands_for(id.as_str(), other.as_str()));
            let meant = meant.next()?;
            let message = format!(
                "{id} looks rounded by a program that keeps ids as numbers (rows: {rows}); {meant} may be meant"
            );
            Some(Problem { message, ..place }.code("rounded_id"))
        });
        rounded.collect::<Vec<_>>().into_iter()
    }
}
