//! The quotas of one tenant, for the whole tenant or for each exact path, shared with a co-tenant.
//!
//! The state of a path is dropped after two windows without a call, because no kind of limiter remembers
//! calls for longer. Memory therefore grows with the rate of calls, not with the number of paths.

use std::collections::HashMap;
use std::time::Duration;

use super::limiter::Limiter;
use super::log::Class;
use super::scenario::{CoTenant, Quota, QuotaRules, QuotaScope};

#[derive(Debug, Default)]
pub(super) struct Quotas {
    rules: QuotaRules,
    /// The quotas by path; under the empty path if they are for the whole tenant.
    pairs: HashMap<String, QuotaPair>,
    next_sweep: Duration,
}

/// A read and a write quota, and the time of the last call to either.
#[derive(Debug)]
struct QuotaPair {
    read: SharedLimiter,
    write: SharedLimiter,
    last_call: Duration,
}

impl Quotas {
    pub(super) fn new(rules: &QuotaRules) -> Self {
        Self {
            rules: rules.clone(),
            ..Self::default()
        }
    }

    /// Admits a call to `path` at `now`.
    ///
    /// # Errors
    /// The time until the next call is admitted.
    pub(super) fn admit(
        &mut self,
        class: Class,
        path: &str,
        now: Duration,
    ) -> Result<(), Duration> {
        self.drop_idle(now);
        let key = match self.rules.scope {
            QuotaScope::Tenant => "",
            QuotaScope::Endpoint => path,
        };
        let rules = &self.rules;
        let pair = self
            .pairs
            .entry(key.to_owned())
            .or_insert_with(|| QuotaPair::new(rules, now));
        pair.last_call = now;
        match class {
            Class::Read => pair.read.admit(now),
            Class::Write | Class::Auth => pair.write.admit(now),
        }
    }

    fn drop_idle(&mut self, now: Duration) {
        if now < self.next_sweep {
            return;
        }
        let retention = retention(&self.rules);
        self.next_sweep = now.saturating_add(retention);
        self.pairs
            .retain(|_, pair| now.saturating_sub(pair.last_call) < retention);
    }
}

/// The longest time for which a limiter remembers a call.
fn retention(rules: &QuotaRules) -> Duration {
    let window = |quota| match quota {
        Quota::Off => Duration::ZERO,
        Quota::Limited { per, .. } => per,
    };
    window(rules.read)
        .max(window(rules.write))
        .saturating_mul(2)
}

impl QuotaPair {
    fn new(rules: &QuotaRules, now: Duration) -> Self {
        let remembered = now.saturating_sub(retention(rules));
        let limiter = |quota| SharedLimiter::new(quota, rules, remembered);
        Self {
            read: limiter(rules.read),
            write: limiter(rules.write),
            last_call: now,
        }
    }
}

/// A limiter that a co-tenant uses too. The co-tenant's calls are counted when the next call comes in;
/// before that nobody could see the difference.
#[derive(Debug)]
struct SharedLimiter {
    limiter: Limiter,
    co_tenant: CoTenant,
    /// The number of calls that the co-tenant has made since time zero.
    counted: u128,
}

impl SharedLimiter {
    /// A limiter that has not counted the co-tenant's calls before `from`.
    fn new(quota: Quota, rules: &QuotaRules, from: Duration) -> Self {
        let co_tenant = rules.co_tenant;
        Self {
            limiter: Limiter::new(quota, rules.window, rules.counts_refused),
            co_tenant,
            counted: calls_until(co_tenant, from),
        }
    }

    fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        let due = calls_until(self.co_tenant, now);
        while self.counted < due {
            self.counted += 1;
            // The co-tenant may be refused too, which changes nothing here.
            let _ = self
                .limiter
                .admit(time_of_call(self.co_tenant, self.counted));
        }
        self.limiter.admit(now)
    }
}

/// The number of calls that the co-tenant makes until `now`.
fn calls_until(co_tenant: CoTenant, now: Duration) -> u128 {
    let calls = now.as_nanos().saturating_mul(u128::from(co_tenant.calls));
    calls.checked_div(co_tenant.per.as_nanos()).unwrap_or(0)
}

/// The time of the co-tenant's call of this number, rounded up to a nanosecond.
fn time_of_call(co_tenant: CoTenant, number: u128) -> Duration {
    let nanos = number.saturating_mul(co_tenant.per.as_nanos());
    let nanos = nanos.div_ceil(u128::from(co_tenant.calls.max(1)));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::scenario::Scenario;
    use super::*;

    fn quotas(rules: &str) -> Quotas {
        let scenario = Scenario::parse(&format!("[quota]\n{rules}")).unwrap();
        Quotas::new(&scenario.quota)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn by_endpoint_every_path_has_its_own_quotas() {
        let mut quotas = quotas("read = \"1/1h\"\nwrite = \"1/1h\"\nscope = \"endpoint\"");
        let mut passes = |class, path| quotas.admit(class, path, SECOND).is_ok();
        for path in ["a", "b", "a/1"] {
            assert!(passes(Class::Read, path) && passes(Class::Write, path));
        }
        assert!(!passes(Class::Read, "a") && !passes(Class::Write, "a/1"));
    }

    #[test]
    fn by_tenant_the_path_makes_no_difference() {
        let mut quotas = quotas("read = \"1/1h\"\nwrite = \"1/1h\"");
        let mut passes = |class, path| quotas.admit(class, path, SECOND).is_ok();
        assert!(passes(Class::Read, "a") && passes(Class::Write, "b"));
        assert!(!passes(Class::Read, "c") && !passes(Class::Write, "d"));
    }

    #[test]
    fn idle_paths_take_no_memory() {
        let mut quotas = quotas("read = \"1/1s\"\nwrite = \"1/1s\"\nscope = \"endpoint\"");
        for number in 0..100_000_u32 {
            let now = Duration::from_millis(10) * number;
            quotas
                .admit(Class::Write, &number.to_string(), now)
                .unwrap();
        }
        assert!(quotas.pairs.len() <= 400, "{}", quotas.pairs.len());
    }

    proptest! {
        #[test]
        fn dropping_idle_paths_changes_no_answer(
            kind in prop::sample::select(vec!["fixed", "first-call", "sliding-log", "sliding-counter", "token-bucket", "small-bucket"]),
            counts_refused: bool,
            calls in prop::collection::vec((0_u64..1500, 0_u8..3), 1..150),
        ) {
            let rules = format!("read = \"3/1s\"\nwrite = \"3/1s\"\nwindow = \"{kind}\"\ncounts_refused = {counts_refused}\n");
            let mut by_path = quotas(&format!("{rules}scope = \"endpoint\""));
            let limiter = || Limiter::new(by_path.rules.write, by_path.rules.window, counts_refused);
            let mut kept = [limiter(), limiter(), limiter()];
            let mut now = Duration::ZERO;
            for (gap, path) in calls {
                now += Duration::from_millis(gap);
                let expected = kept[usize::from(path)].admit(now);
                prop_assert_eq!(by_path.admit(Class::Write, &path.to_string(), now), expected);
            }
        }

        #[test]
        fn a_co_tenant_takes_its_share_and_no_more(used in 0_u32..9, gaps in prop::collection::vec(0_u64..1000, 200..400)) {
            let mut quotas = quotas(&format!("write = \"10/10s\"\nwindow = \"sliding-log\"\nco_tenant = \"{used}/10s\""));
            let mut now = Duration::from_secs(20);
            let mut passed = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                if quotas.admit(Class::Write, "", now).is_ok() {
                    passed.push(now);
                }
            }
            // The client calls all the time, so it gets every place that the co-tenant does not take: at least
            // the rate that the co-tenant leaves.
            let windows = u32::try_from((now.as_secs() - 20) / 10).unwrap();
            let mine = u32::try_from(passed.len()).unwrap();
            prop_assert!(mine <= 10 * (windows + 1));
            prop_assert!(mine + 10 >= (10 - used) * windows, "{mine} in {windows} windows beside {used}");
        }
    }

    #[test]
    fn a_co_tenant_calls_even_while_the_client_does_not() {
        let mut quotas =
            quotas("write = \"10/10s\"\nwindow = \"sliding-log\"\nco_tenant = \"4/10s\"");
        for start in [Duration::from_secs(30), Duration::from_secs(86_400)] {
            let passed = (0..10).filter(|_| quotas.admit(Class::Write, "", start).is_ok());
            assert_eq!(passed.count(), 6, "at {start:?}");
        }
    }
}
