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
    pub(super) fn hit(&mut self, now: Duration) -> Option<Answer> {
        if !self.rages(now) || !self.random.chance(self.rules.share) {
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

    fn rages(&self, now: Duration) -> bool {
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
        let hit = |second: &u64| storm.hit(Duration::from_secs(*second)).is_some();
        range.filter(hit).collect()
    }

    #[test]
    fn unless_told_otherwise_the_weather_is_fine() {
        assert!(seconds(&mut storm(""), 0..10_000).is_empty());
    }

    #[test]
    fn a_storm_begins_and_ends_when_it_says_and_comes_back_after_its_period() {
        let once = seconds(&mut storm("from = \"3s\"\nuntil = \"5s\""), 0..100);
        assert_eq!(once, [3, 4]);
        let often = "from = \"3s\"\nuntil = \"5s\"\nevery = \"20s\"";
        assert_eq!(seconds(&mut storm(often), 0..50), [3, 4, 23, 24, 43, 44]);
    }

    #[test]
    fn it_hits_about_its_share_of_the_calls_with_each_of_its_statuses() {
        let mut storm = storm("until = \"1h\"\nshare = 0.3\nstatuses = [429, 503]");
        let answers: Vec<Answer> = (0..3000)
            .filter_map(|_| storm.hit(Duration::ZERO))
            .collect();
        assert!((800..1000).contains(&answers.len()), "{}", answers.len());
        let throttled = answers.iter().filter(|answer| answer.status == 429).count();
        assert!((350..550).contains(&throttled), "{throttled}");
    }

    #[test]
    fn it_says_when_to_come_again_in_the_words_it_was_given_or_not_at_all() {
        let header = |rules: &str| {
            let headers = storm(rules).hit(Duration::ZERO).unwrap().headers;
            headers.into_iter().find(|(name, _)| *name == "retry-after")
        };
        let said = header("until = \"1s\"\nretry_after = \"1m30s\"");
        assert_eq!(said.unwrap().1, "1m30s");
        assert!(header("until = \"1s\"\nretry_after = \"\"").is_none());
    }
}
