//! Guards on deletes: how many a plan may have, and how many connectors a group must keep.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use crate::resource::{Kind, Scope};
use crate::wire::Object;

/// So many, or so many of a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// So many.
    Count(u64),
    /// So many of a hundred, 0 to 100.
    Percent(u32),
}

impl Share {
    /// How many that is of `all`: a percentage is rounded down, but one at the least.
    #[must_use]
    pub fn of(self, all: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Percent(0) => 0,
            Self::Percent(percent) => (all.saturating_mul(u64::from(percent)) / 100).max(1),
        }
    }
}

/// What stands between a plan and its deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// The most deletes: a count in all, a percentage of each kind. Where nothing is said, only those of objects that cannot be created again are guarded:
    /// a tenth of what there is, and 25 at the most.
    pub max_deletes: Option<Share>,
    /// How many objects must stay in a group, in whatever state. Default 1; 0 lets groups be emptied.
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

    /// Reads `N` or `N%`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is neither a number nor a percentage like 10%");
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent = percent.trim().parse().map_err(|_| wrong())?;
                if percent > 100 {
                    return Err(format!("{text:?} is more than all"));
                }
                Ok(Self::Percent(percent))
            }
            None => Ok(Self::Count(text.trim().parse().map_err(|_| wrong())?)),
        }
    }
}

/// How many objects of what is listed a plan deletes.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    live: u64,
    deleted: u64,
}

/// The deletes of a plan against what is listed.
#[derive(Debug, Default)]
pub(super) struct Removals<'s> {
    kinds: BTreeMap<Kind, Tally>,
    groups: HashMap<(&'s Scope, &'s str), Tally>,
}

impl<'s> Removals<'s> {
    /// Counts a live object.
    pub(super) fn see(&mut self, scope: &'s Scope, live: &'s Object) {
        self.kinds.entry(scope.kind).or_default().live += 1;
        if let Some(group) = scope.kind.group(live) {
            self.groups.entry((scope, group)).or_default().live += 1;
        }
    }

    /// Counts a delete of a live object.
    pub(super) fn remove(&mut self, scope: &'s Scope, live: &'s Object) {
        self.kinds.entry(scope.kind).or_default().deleted += 1;
        if let Some(group) = scope.kind.group(live) {
            self.groups.entry((scope, group)).or_default().deleted += 1;
        }
    }

    /// In words, everything that the guards have against the plan.
    pub(super) fn objections(&self, guards: Guards) -> Vec<String> {
        let mut objections: Vec<String> = match guards.max_deletes {
            Some(Share::Count(most)) => too_many("", self.deleted(), most).into_iter().collect(),
            limit => {
                let kinds = self.kinds.iter();
                kinds
                    .filter_map(|(kind, share)| {
                        let most = most_of(*kind, share.live, limit)?;
                        too_many(kind.noun(), share.deleted, most)
                    })
                    .collect()
            }
        };
        objections.extend(self.emptied(guards.keep_per_group));
        objections
    }

    fn deleted(&self) -> u64 {
        self.kinds.values().map(|share| share.deleted).sum()
    }

    fn emptied(&self, keep: u32) -> Vec<String> {
        let groups = self.groups.iter();
        let short = groups.filter(|(_, share)| {
            share.deleted > 0 && share.live - share.deleted.min(share.live) < u64::from(keep)
        });
        let mut emptied: Vec<String> = short
            .map(|((scope, group), share)| {
                format!(
                    "group {group} would keep {} of its {} {}s; it must keep {keep} (--keep-per-group)",
                    share.live - share.deleted.min(share.live),
                    share.live,
                    scope.kind.noun()
                )
            })
            .collect();
        emptied.sort_unstable();
        emptied
    }
}

/// The most deletes of `live` objects, or `None` where any number is all right.
fn most_of(kind: Kind, live: u64, limit: Option<Share>) -> Option<u64> {
    /// A default that lets a clean-up begin and a mistake be noticed.
    const PERCENT: u32 = 10;
    const MOST: u64 = 25;
    match limit {
        Some(share) => Some(share.of(live)),
        None => kind
            .uncreatable()
            .map(|_| Share::Percent(PERCENT).of(live).min(MOST)),
    }
}

fn too_many(noun: &str, deleted: u64, most: u64) -> Option<String> {
    let noun = if noun.is_empty() { "object" } else { noun };
    (deleted > most).then(|| {
        format!("{deleted} {noun}s would be deleted; at most {most} may be (--max-deletes {deleted} allows it)")
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
            removals.see(&scope, object);
        }
        for object in objects.iter().take(deleted) {
            removals.remove(&scope, object);
        }
        removals.objections(guards)
    }

    #[test]
    fn unless_told_otherwise_a_tenth_of_what_cannot_be_got_back_may_go_and_25_at_most() {
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
    fn a_limit_that_is_told_counts_or_takes_a_share() {
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
    fn a_group_keeps_as_many_as_it_must() {
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
