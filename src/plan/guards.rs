//! Guards on deletes: the most deletes that a plan may have, and the number of objects that a group must keep.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use super::wording::counted;
use crate::resource::{Kind, Scope};
use crate::wire::Object;

/// A number of objects, as a count or as a percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// A number of objects.
    Count(u64),
    /// A percentage of all objects, from 0 to 100.
    Percent(u32),
}

impl Share {
    /// Returns the number of objects out of `all`. A percentage is rounded down, but any above 0 means at least 1.
    #[must_use]
    pub fn of(self, all: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Percent(0) => 0,
            Self::Percent(percent) => (all.saturating_mul(u64::from(percent)) / 100).max(1),
        }
    }
}

/// The conditions that the deletes of a plan must meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// The most deletes that a plan may have. A count applies to the whole plan, a percentage to each kind by itself.
    ///
    /// With `None`, the limit applies only to kinds whose objects cannot be created again: a tenth of the live objects
    /// (at least 1), and at most 25.
    pub max_deletes: Option<Share>,
    /// The number of objects that must stay in a group, connected or not. Default 1; with 0, a group may be emptied.
    pub keep_per_group: u32,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            max_deletes: None,
            keep_per_group: 1,
        }
    }
}

impl FromStr for Share {
    type Err = String;

    /// Reads `N`, or `N%` with at most 100 %.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is neither a number nor a percentage like 10%");
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent = percent.trim().parse().map_err(|_| wrong())?;
                if percent > 100 {
                    return Err(format!("{text:?} is more than 100%"));
                }
                Ok(Self::Percent(percent))
            }
            None => Ok(Self::Count(text.trim().parse().map_err(|_| wrong())?)),
        }
    }
}

/// The numbers of live objects and of those that a plan deletes.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    live: u64,
    deleted: u64,
}

impl Tally {
    fn kept(self) -> u64 {
        self.live.saturating_sub(self.deleted)
    }
}

/// The live objects and the deletes of a plan, counted by kind and by group.
#[derive(Debug, Default)]
pub(super) struct Removals<'s> {
    kinds: BTreeMap<Kind, Tally>,
    groups: HashMap<(&'s Scope, &'s str), Tally>,
}

impl<'s> Removals<'s> {
    pub(super) fn count_live(&mut self, scope: &'s Scope, live: &'s Object) {
        self.kinds.entry(scope.kind).or_default().live += 1;
        if let Some(group) = scope.kind.group(live) {
            self.groups.entry((scope, group)).or_default().live += 1;
        }
    }

    pub(super) fn count_delete(&mut self, scope: &'s Scope, live: &'s Object) {
        self.kinds.entry(scope.kind).or_default().deleted += 1;
        if let Some(group) = scope.kind.group(live) {
            self.groups.entry((scope, group)).or_default().deleted += 1;
        }
    }

    /// Returns one message for each guard that the plan does not meet.
    pub(super) fn objections(&self, guards: Guards) -> Vec<String> {
        let mut objections: Vec<String> = match guards.max_deletes {
            Some(Share::Count(most)) => too_many("object", self.deleted(), most)
                .into_iter()
                .collect(),
            limit => {
                let kinds = self.kinds.iter();
                kinds
                    .filter_map(|(kind, tally)| {
                        let most = most_of(*kind, tally.live, limit)?;
                        too_many(kind.noun(), tally.deleted, most)
                    })
                    .collect()
            }
        };
        objections.extend(self.emptied(guards.keep_per_group));
        objections
    }

    fn deleted(&self) -> u64 {
        self.kinds.values().map(|tally| tally.deleted).sum()
    }

    fn emptied(&self, keep: u32) -> Vec<String> {
        let groups = self.groups.iter();
        let short = groups.filter(|(_, tally)| tally.deleted > 0 && tally.kept() < u64::from(keep));
        let mut emptied: Vec<String> = short
            .map(|((scope, group), tally)| {
                format!(
                    "group {group} would keep {} of its {}; it must keep {keep} (--keep-per-group)",
                    tally.kept(),
                    counted(tally.live, scope.kind.noun()),
                )
            })
            .collect();
        emptied.sort_unstable();
        emptied
    }
}

/// Returns the most objects of a kind that may be deleted out of `live`, or `None` if there is no limit.
fn most_of(kind: Kind, live: u64, limit: Option<Share>) -> Option<u64> {
    /// The default share. It allows a clean-up in steps, and stops a mistake early.
    const PERCENT: u32 = 10;
    /// The most deletes under the default share.
    const MOST: u64 = 25;
    match limit {
        Some(share) => Some(share.of(live)),
        None => kind
            .uncreatable()
            .map(|_| Share::Percent(PERCENT).of(live).min(MOST)),
    }
}

fn too_many(noun: &str, deleted: u64, most: u64) -> Option<String> {
    (deleted > most).then(|| {
        format!(
            "{} would be deleted; at most {most} may be (--max-deletes {deleted} allows it)",
            counted(deleted, noun)
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn connectors(count: usize) -> (Scope, Vec<Object>) {
        let scope = Scope::of(Kind::from_name("connector").unwrap(), None);
        let connector =
            |n: usize| json!({"id": n.to_string(), "appConnectorGroupId": (n % 2).to_string()});
        let objects = (0..count).map(|n| connector(n).as_object().unwrap().clone());
        (scope, objects.collect())
    }

    fn objections(live: usize, deleted: usize, guards: Guards) -> Vec<String> {
        let (scope, objects) = connectors(live);
        let mut removals = Removals::default();
        for object in &objects {
            removals.count_live(&scope, object);
        }
        for object in objects.iter().take(deleted) {
            removals.count_delete(&scope, object);
        }
        removals.objections(guards)
    }

    #[test]
    fn the_default_limit_is_a_tenth_and_at_most_25() {
        let default = Guards::default();
        assert_eq!(objections(20, 2, default), [""; 0]);
        assert_eq!(
            objections(20, 3, default),
            ["3 app connectors would be deleted; at most 2 may be (--max-deletes 3 allows it)"]
        );
        assert_eq!(objections(29, 3, default).len(), 1);
        assert_eq!(objections(5, 1, default), [""; 0]);
        assert_eq!(objections(1000, 25, default), [""; 0]);
        assert_eq!(objections(1000, 26, default).len(), 1);
    }

    #[test]
    fn a_given_limit_is_a_count_or_a_share() {
        let most = |text: &str| Guards {
            max_deletes: Some(text.parse().unwrap()),
            ..Guards::default()
        };
        assert_eq!(objections(20, 10, most("10")), [""; 0]);
        assert_eq!(objections(20, 11, most("10")).len(), 1);
        assert_eq!(objections(20, 10, most("50%")), [""; 0]);
        assert_eq!(objections(20, 11, most("50%")).len(), 1);
        assert_eq!(objections(20, 1, most("0")).len(), 1);
        assert_eq!(objections(20, 1, most("0%")).len(), 1);
        for wrong in ["", "x", "-1", "101%", "%", "1.5"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_group_that_keeps_too_few_is_an_objection() {
        let guards = |keep_per_group| Guards {
            max_deletes: Some(Share::Percent(100)),
            keep_per_group,
        };
        assert_eq!(objections(4, 4, guards(0)), [""; 0]);
        assert_eq!(objections(4, 2, guards(1)), [""; 0]);
        let both = objections(4, 4, guards(1));
        assert_eq!(both.len(), 2);
        assert_eq!(
            both[0],
            "group 0 would keep 0 of its 2 app connectors; it must keep 1 (--keep-per-group)"
        );
    }
}
