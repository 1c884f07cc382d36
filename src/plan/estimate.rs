//! Estimates of the calls that a plan takes, and of the time that they need at the quota.

use std::time::Duration;

use super::BulkPortals;
use crate::pacer::{Pace, Paces, QuotaScope, Shape};

/// The least difference of two times that is worth a word.
const WORTH_SAYING: Duration = Duration::from_secs(1);

/// The numbers of calls, by quota class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CallCounts {
    /// The number of `GET` calls.
    pub read: u64,
    /// The number of `POST`, `PUT` and `DELETE` calls.
    pub write: u64,
    /// The largest number of writes that go to the same path. All creates share a path, and so do all bulk deletes. Other
    /// writes go to the paths of single objects.
    #[serde(skip)]
    pub together: u64,
}

impl std::ops::Add for CallCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            read: self.read + other.read,
            write: self.write + other.write,
            together: self.together + other.together,
        }
    }
}

/// The least time that a plan needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// The calls of the plan.
    pub calls: CallCounts,
    /// The time from the first call to the last, if every call succeeds at once.
    pub least: Duration,
}

/// The number of windows that the single calls of a job must fill, so that the trial of the scope pays.
const WORTH_A_TRIAL: u64 = 2;

impl CallCounts {
    /// Tells whether these calls are worth a trial of what the tenant's limit counts, at that pace of writes.
    #[must_use]
    pub fn are_worth_a_trial(self, writes: Pace) -> bool {
        let apart = self.write.saturating_sub(self.together);
        matches!(writes, Pace::At(quota) if apart > WORTH_A_TRIAL * u64::from(quota.calls.get()))
    }

    /// Returns the same calls if so many `updates` read listings: at that pace of writes, each wave reads one object and one
    /// page. Without windows there are no waves.
    #[must_use]
    pub fn listing_updates(self, updates: u64, writes: Pace) -> Self {
        let wave = match writes {
            Pace::At(quota) if !writes.is_smooth() => u64::from(quota.calls.get()),
            _ => 1,
        };
        let reads = updates.min(2 * updates.div_ceil(wave));
        Self {
            read: self.read.saturating_sub(updates) + reads,
            ..self
        }
    }
}

impl Estimate {
    /// Estimates the least time for `calls`. Reads and writes go side by side, each at its own pace.
    #[must_use]
    pub fn new(calls: CallCounts, paces: &Paces) -> Self {
        let each = |reads, writes| {
            let reads = paces.read.least_time(reads);
            reads.max(paces.write.least_time(writes))
        };
        let least = match paces.scope {
            QuotaScope::Auto | QuotaScope::Tenant => each(calls.read, calls.write),
            QuotaScope::Endpoint => {
                let all = paces.gateway.least_time(calls.read + calls.write);
                all.max(each(0, calls.together))
            }
        };
        Self { calls, least }
    }
}

/// Another way to carry out a plan, which takes another time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The setting that leads there, as a flag.
    pub setting: String,
    /// The calls and the time that the plan takes that way.
    pub estimate: Estimate,
    /// The case in which it is right, or what the run does about it by itself.
    pub when: &'static str,
}

impl Way {
    /// Returns the ways that take another time than the settings do. `calls` counts the calls with at most so many objects
    /// in one create, and with the portals of links in that place; the settings allow `batch_size` and say `place`.
    #[must_use]
    pub fn others(
        calls: impl Fn(u32, BulkPortals) -> CallCounts,
        (batch_size, place): (u32, BulkPortals),
        usual_batch_size: u32,
        paces: &Paces,
    ) -> Vec<Self> {
        let chosen = Estimate::new(calls(batch_size, place), paces);
        let way = |setting: String, paces: &Paces, batch_size, when| Self {
            setting,
            estimate: Estimate::new(calls(batch_size, place), paces),
            when,
        };
        let (scope, when) = match paces.scope {
            QuotaScope::Auto if chosen.calls.are_worth_a_trial(paces.write) => (
                QuotaScope::Endpoint,
                "the run tries whether the tenant counts that way",
            ),
            QuotaScope::Auto | QuotaScope::Tenant => {
                (QuotaScope::Endpoint, "if the tenant counts that way")
            }
            QuotaScope::Endpoint => (
                QuotaScope::Tenant,
                "if the tenant counts all paths together after all",
            ),
        };
        let by_scope = way(
            format!("--quota-scope {scope}"),
            &Paces { scope, ..*paces },
            batch_size,
            when,
        );
        let shaped = |shape| Paces {
            read: paces.read.shaped(shape),
            write: paces.write.shaped(shape),
            ..*paces
        };
        let (shape, when) = if [paces.read, paces.write].iter().any(Pace::is_smooth) {
            (Shape::Window, "if the tenant lets several calls go at once")
        } else {
            (Shape::Smooth, "if the tenant refuses several calls at once")
        };
        let by_shape = way(format!("--pace {shape}"), &shaped(shape), batch_size, when);
        let by_batch = way(
            format!("--batch-size {usual_batch_size}"),
            paces,
            usual_batch_size.max(batch_size),
            "where no link makes the whole batch fail",
        );
        let by_place = Self {
            setting: format!("--bulk-portals {}", BulkPortals::Item),
            estimate: Estimate::new(calls(batch_size, BulkPortals::Item), paces),
            when: "if the tenant honours the portals of single links; the run tries it with two",
        };
        let differs = |way: &Self| {
            let (least, other) = (chosen.least, way.estimate.least);
            least.abs_diff(other) >= WORTH_SAYING && least.abs_diff(other) * 10 >= least
        };
        let ways = [by_scope, by_shape, by_batch, by_place];
        ways.into_iter().filter(differs).collect()
    }

    /// Returns the way with listings for so many `updates`, if it takes at most half of the reads.
    #[must_use]
    pub fn listing_updates(calls: CallCounts, updates: u64, paces: &Paces) -> Option<Self> {
        let fewer = calls.listing_updates(updates, paces.write);
        (2 * fewer.read <= calls.read && fewer.read < calls.read).then(|| Self {
            setting: "--update-reads listing".to_owned(),
            estimate: Estimate::new(fewer, paces),
            when: "to leave reads to other programs",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pacer::Quota;

    fn paces(scope: QuotaScope) -> Paces {
        Paces {
            read: Pace::At(Quota::READ),
            write: Pace::At(Quota::WRITE),
            scope,
            gateway: Pace::At(Quota::GATEWAY),
        }
    }

    /// The ways of a plan with that many deletes by id, as settings and seconds.
    fn ways(deletes: u64, scope: QuotaScope) -> Vec<(String, u64, &'static str)> {
        let calls = |_, _| CallCounts {
            read: deletes,
            write: deletes,
            together: 0,
        };
        let ways = Way::others(calls, (150, BulkPortals::Call), 150, &paces(scope)).into_iter();
        ways.map(|way| (way.setting, way.estimate.least.as_secs(), way.when))
            .collect()
    }

    #[test]
    fn a_plan_tells_the_ways_that_take_another_time() {
        assert_eq!(ways(10, QuotaScope::Tenant).len(), 1, "smooth");
        let tried = "the run tries whether the tenant counts that way";
        let auto = ways(500, QuotaScope::Auto);
        let scope = "--quota-scope endpoint".to_owned();
        assert_eq!(auto, [(scope.clone(), 0, tried)], "smooth is as fast");
        let settled = ways(500, QuotaScope::Tenant);
        assert_eq!(settled, [(scope, 0, "if the tenant counts that way")]);
        let (setting, least, _) = &ways(500, QuotaScope::Endpoint)[0];
        assert_eq!((setting.as_str(), *least), ("--quota-scope tenant", 499));
    }

    #[test]
    fn listings_take_two_reads_for_each_window_of_updates() {
        let calls = CallCounts {
            read: 65,
            write: 65,
            together: 0,
        };
        let scope = QuotaScope::Tenant;
        let way = Way::listing_updates(calls, 61, &paces(scope)).unwrap();
        assert_eq!(way.estimate.calls.read, 4 + 2 * 7);
        assert_eq!(Way::listing_updates(calls, 2, &paces(scope)), None);
        let smooth = paces(scope).write.shaped(Shape::Smooth);
        assert_eq!(calls.listing_updates(61, smooth), calls);
    }

    #[test]
    fn smaller_batches_than_usual_are_pointed_out() {
        let calls = |batch_size: u32, _| CallCounts {
            read: 0,
            write: 300_u64.div_ceil(batch_size.into()),
            together: 300_u64.div_ceil(batch_size.into()),
        };
        let ways = Way::others(calls, (5, BulkPortals::Call), 150, &paces(QuotaScope::Auto));
        let batch = ways.iter().find(|way| way.setting == "--batch-size 150");
        assert_eq!(batch.unwrap().estimate.calls.write, 2);
    }
}
