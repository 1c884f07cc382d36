//! Storms: spells in which the service refuses calls whatever the quotas say.

use std::time::Duration;

use super::http::Answer;
use super::random::SplitMix64;
use super::refusal::{TOO_MANY_REQUESTS, UNAVAILABLE};
use super::scenario::StormRules;

/// Decides which calls the storm refuses.
#[derive(Debug)]
pub(super) struct Storm {
    rules: StormRules,
    random: SplitMix64,
}

impl Storm {
    pub(super) fn new(rules: StormRules, random: SplitMix64) -> Self {
        Self { rules, random }
    }

    /// The refusal of a call at `now`, if the storm hits it.
    pub(super) fn refuse(&mut self, now: Duration) -> Option<Answer> {
        if !self.is_active(now) || !self.random.chance(self.rules.share) {
            return None;
        }
        let statuses = &self.rules.statuses;
        let drawn = self.random.below(statuses.len() as u64);
        let status = *statuses.get(usize::try_from(drawn).ok()?)?;
        let body = if status == 429 {
            TOO_MANY_REQUESTS
        } else {
            UNAVAILABLE
        };
        let answer = Answer::json_bytes(status, body);
        let retry_after = &self.rules.retry_after;
        Some(if retry_after.is_empty() {
            answer
        } else {
            answer.with_header("retry-after", retry_after.clone())
        })
    }

    fn is_active(&self, now: Duration) -> bool {
        let StormRules {
            from, until, every, ..
        } = self.rules;
        let since = now.as_nanos().checked_rem(every.as_nanos());
        let since = since.unwrap_or(now.as_nanos());
        (from.as_nanos()..until.as_nanos()).contains(&since)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scenario::Scenario;
    use super::*;

    fn storm(rules: &str) -> Storm {
        let scenario = Scenario::parse(&format!("[storm]\n{rules}")).unwrap();
        Storm::new(scenario.storm, SplitMix64::new(1, 1))
    }

    fn seconds(storm: &mut Storm, range: std::ops::Range<u64>) -> Vec<u64> {
        let hit = |second: &u64| storm.refuse(Duration::from_secs(*second)).is_some();
        range.filter(hit).collect()
    }

    #[test]
    fn there_is_no_storm_by_default() {
        assert!(seconds(&mut storm(""), 0..10_000).is_empty());
    }

    #[test]
    fn a_storm_starts_ends_and_comes_back_as_configured() {
        let once = seconds(&mut storm("from = \"3s\"\nuntil = \"5s\""), 0..100);
        assert_eq!(once, [3, 4]);
        let often = "from = \"3s\"\nuntil = \"5s\"\nevery = \"20s\"";
        assert_eq!(seconds(&mut storm(often), 0..50), [3, 4, 23, 24, 43, 44]);
    }

    #[test]
    fn a_storm_refuses_its_share_with_each_status() {
        let mut storm = storm("until = \"1h\"\nshare = 0.3\nstatuses = [429, 503]");
        let answers: Vec<Answer> = (0..3000)
            .filter_map(|_| storm.refuse(Duration::ZERO))
            .collect();
        assert!((800..1000).contains(&answers.len()), "{}", answers.len());
        let throttled = answers.iter().filter(|answer| answer.status == 429).count();
        assert!((350..550).contains(&throttled), "{throttled}");
    }

    #[test]
    fn a_storm_sends_the_configured_retry_after() {
        let header = |rules: &str| {
            let headers = storm(rules).refuse(Duration::ZERO).unwrap().headers;
            headers.into_iter().find(|(name, _)| *name == "retry-after")
        };
        let said = header("until = \"1s\"\nretry_after = \"1m30s\"");
        assert_eq!(said.unwrap().1, "1m30s");
        assert!(header("until = \"1s\"\nretry_after = \"\"").is_none());
    }
}
