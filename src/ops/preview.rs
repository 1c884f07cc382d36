//! Previews of plans: the items that a person sees before anything is carried out.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::item::{Change, Item};
use crate::plan::{Estimate, Snapshot, Totals, Way};
use crate::resource::unescape;
use crate::wire::Object;

/// The most items of each kind of change in a preview that does not hold all items.
const SHOWN: usize = 20;

/// The numbers of a plan.
#[derive(Clone, Debug, Default)]
pub struct PlanSummary {
    /// The number of items for each kind of change.
    pub totals: Totals,
    /// The calls, and the least time that they need.
    pub estimate: Estimate,
    /// Other ways to carry the plan out, which take another time.
    pub ways: Vec<Way>,
    /// The objections of the guards to the deletes.
    pub objections: Vec<String>,
    /// Facts about the rows that are no mistakes, and that the user should know.
    pub notes: Vec<String>,
    /// The manifests, each with its SHA-256.
    pub manifests: Vec<(String, String)>,
}

/// The items of a plan that are shown, in the order of the rows, and the summary of the plan.
#[derive(Debug)]
pub struct Preview<'s> {
    all: bool,
    items: Vec<Item<'static>>,
    counts: [usize; 4],
    names: HashMap<&'s str, Cow<'s, str>>,
    summary: PlanSummary,
}

impl<'s> Preview<'s> {
    /// Returns an empty preview, which knows the names of the objects in the snapshot. With `all` it holds every item,
    /// else the first 20 items of each kind of change.
    #[must_use]
    pub fn new(live: &'s Snapshot, all: bool) -> Self {
        let objects = live.listings.iter().flat_map(|listing| &listing.objects);
        let name = |object: &'s Object| {
            let id = object.get("id")?.as_str()?;
            Some((id, unescape(object.get("name")?.as_str()?)))
        };
        Self {
            all,
            items: Vec::new(),
            counts: [0; 4],
            names: objects.filter_map(name).collect(),
            summary: PlanSummary::default(),
        }
    }

    /// Adds the next item of the plan.
    pub fn add(&mut self, item: &Item<'_>) {
        let kind = match &item.change {
            Change::Create { .. } => Some(0),
            Change::Update { .. } => Some(1),
            Change::Delete { .. } => Some(2),
            Change::Error { .. } | Change::Spared { .. } | Change::Stale { .. } => Some(3),
            Change::Unchanged { .. } => None,
        };
        let count = kind.and_then(|kind| self.counts.get_mut(kind));
        let shown = count.is_some_and(|count| {
            *count += 1;
            *count <= SHOWN
        });
        if self.all || shown {
            self.items.push(item.to_owned_item());
        }
    }

    /// Returns the same preview with the summary of the whole plan.
    pub(super) fn with_summary(self, summary: PlanSummary) -> Self {
        Self { summary, ..self }
    }

    /// Returns the items that are shown.
    #[must_use]
    pub fn items(&self) -> &[Item<'static>] {
        &self.items
    }

    /// Returns the number of items that are not shown although they change something or cannot be carried out.
    #[must_use]
    pub fn hidden(&self) -> usize {
        let unchanged = |item: &&Item<'_>| matches!(item.change, Change::Unchanged { .. });
        let shown = self.items.len() - self.items.iter().filter(unchanged).count();
        self.counts.iter().sum::<usize>() - shown
    }

    /// Returns the summary of the whole plan.
    #[must_use]
    pub fn summary(&self) -> &PlanSummary {
        &self.summary
    }

    /// Returns the name of the object with that id, or the id if the object is not known.
    #[must_use]
    pub fn name<'n>(&'n self, id: &'n str) -> &'n str {
        self.names.get(id).map_or(id, |name| name)
    }
}
