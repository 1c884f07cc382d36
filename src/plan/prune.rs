//! The choice of stale app connectors: those to delete, those to spare, and the reason for each.
//!
//! Nothing here does IO or reads a clock. A connector that is not certainly stale is spared:
//!
//! - A time that is missing or unreadable never counts as old.
//! - A group without any connected connector is spared, since it looks like an outage.
//! - A group always keeps the required number of connectors.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use wildmatch::WildMatch;

use crate::resource::connector::{Contact, NEVER, created, group};
use crate::resource::{Kind, Scope, unescape};
use crate::wire::{Id, Object};

/// The criteria by which connectors are chosen. A connector must meet one of the two times, and all other criteria.
#[derive(Clone, Debug, Default)]
pub struct Criteria {
    /// The least time since a connector was disconnected. With `None`, no disconnected connector is chosen.
    pub disconnected_for: Option<SignedDuration>,
    /// The least time since a connector was enrolled that has never connected. With `None`, no such connector is chosen.
    pub never_connected_for: Option<SignedDuration>,
    /// The groups to choose from, by name or id. An empty list means all groups.
    pub groups: Vec<String>,
    /// A pattern that the name must match.
    pub name: Option<WildMatch>,
    /// A pattern that the version must match.
    pub version: Option<WildMatch>,
    /// True to choose from groups without any connected connector too.
    pub include_dark_groups: bool,
    /// The number of connectors that must stay in a group, connected or not.
    pub keep_per_group: u32,
    /// The connectors that are never chosen, by name or id.
    pub protected: HashSet<String>,
    /// The microtenant of the connectors. `None` means the Default microtenant.
    pub microtenant: Option<Id>,
}

/// A connector that is to be deleted or spared, and the reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate<'s> {
    /// The connector as the API answers it.
    pub connector: &'s Object,
    /// The connector's id.
    pub id: Id,
    /// The condition that must still hold when the connector is deleted, in the form of its manifest column.
    pub condition: String,
    /// The reason why the connector is deleted or spared.
    pub why: String,
}

/// The result of a choice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice<'s> {
    /// The connectors to delete, the longest gone first.
    pub delete: Vec<Candidate<'s>>,
    /// The connectors that are out of contact like those to delete, but are spared.
    pub spared: Vec<Candidate<'s>>,
}

/// The numbers of a group's connectors.
#[derive(Debug, Default)]
struct Group {
    members: u32,
    connected: u32,
    ever_connected: u32,
}

impl Group {
    /// Says whether no connector of the group is connected, though at least one was connected once.
    fn is_dark(&self) -> bool {
        self.connected == 0 && self.ever_connected > 0
    }
}

/// A connector that may be deleted, with the time of its disconnection or, if it never connected, of its enrolment.
struct Stale<'s> {
    candidate: Candidate<'s>,
    since: Timestamp,
}

/// Chooses among `connectors`, which must be all connectors of the microtenant.
#[must_use]
pub fn choose<'s>(connectors: &'s [Object], criteria: &Criteria, now: Timestamp) -> Choice<'s> {
    let groups = groups(connectors);
    let mut choice = Choice::default();
    let mut stale: Vec<Stale<'s>> = Vec::new();
    for connector in connectors.iter().filter(|one| criteria.is_about(one)) {
        match criteria.judge(connector, &groups, now) {
            Some(Ok(one)) => stale.push(one),
            Some(Err(spared)) => choice.spared.push(spared),
            None => {}
        }
    }
    stale.sort_by(|a, b| (a.since, &a.candidate.id).cmp(&(b.since, &b.candidate.id)));
    let mut left: HashMap<&str, u32> = HashMap::new();
    for Stale { mut candidate, .. } in stale {
        let group = group(candidate.connector);
        let members = groups.get(group).map_or(0, |group| group.members);
        let left = left.entry(group).or_insert(members);
        if *left > criteria.keep_per_group {
            *left -= 1;
            choice.delete.push(candidate);
        } else {
            candidate.why = format!(
                "{}; its group keeps {} (--keep-per-group)",
                candidate.why, criteria.keep_per_group
            );
            choice.spared.push(candidate);
        }
    }
    choice
}

impl Criteria {
    /// Returns one message for each group and each protected connector that fits none of `connectors`.
    #[must_use]
    pub fn unmatched(&self, connectors: &[Object]) -> Vec<String> {
        let groups = self.groups.iter().filter(|group| {
            let mut members = connectors.iter();
            !members.any(|one| is_in(one, group))
        });
        let groups =
            groups.map(|group| format!("--group: there is no connector in a group {group:?}"));
        let protected = self.protected.iter().filter(|wanted| {
            let mut connectors = connectors.iter();
            !connectors.any(|one| is_called(one, wanted))
        });
        let protected =
            protected.map(|one| format!("--protect: there is no connector and no file {one:?}"));
        let mut unmatched: Vec<String> = groups.chain(protected).collect();
        unmatched.sort_unstable();
        unmatched
    }

    fn is_about(&self, connector: &Object) -> bool {
        let name = name(connector);
        let version = text(connector, "currentVersion");
        let mut groups = self.groups.iter();
        (self.groups.is_empty() || groups.any(|group| is_in(connector, group)))
            && self.name.as_ref().is_none_or(|glob| glob.matches(&name))
            && self
                .version
                .as_ref()
                .is_none_or(|glob| glob.matches(version))
    }

    /// Judges one connector: `Ok` if it may be deleted, `Err` if it is spared, and `None` if it is not out of contact or
    /// not asked for.
    fn judge<'s>(
        &self,
        connector: &'s Object,
        groups: &HashMap<&str, Group>,
        now: Timestamp,
    ) -> Option<Result<Stale<'s>, Candidate<'s>>> {
        let id = Id::of(connector)?;
        let candidate = |condition: String, why: String| Candidate {
            connector,
            id: id.clone(),
            condition,
            why,
        };
        let (since, limit, condition, what) = match Contact::of(connector) {
            Contact::Connected => return None,
            Contact::LostAt(at) => (at, self.disconnected_for?, at.to_string(), "disconnected"),
            Contact::Never => {
                let limit = self.never_connected_for?;
                let Some(at) = created(connector) else {
                    let why = "never connected, and the time of its enrolment is unknown";
                    return Some(Err(candidate(String::new(), why.to_owned())));
                };
                (at, limit, NEVER.to_owned(), "enrolled and never connected")
            }
            Contact::Lost | Contact::Unknown => {
                self.disconnected_for?;
                let why = "not connected, and the time of its disconnection is unknown";
                return Some(Err(candidate(String::new(), why.to_owned())));
            }
        };
        let age = now.duration_since(since);
        let why = format!("{what} for {}", days(age));
        if age < limit {
            let why = format!("{why}, which is not long enough");
            return Some(Err(candidate(condition, why)));
        }
        Some(match self.spared(connector, groups) {
            Some(why) => Err(candidate(condition, why)),
            None => Ok(Stale {
                candidate: candidate(condition, why),
                since,
            }),
        })
    }

    fn scope(&self) -> Scope {
        Scope::of(Kind::connector(), self.microtenant.clone())
    }

    /// Returns the reason why a stale connector is spared, or `None` if it may be deleted.
    fn spared(&self, connector: &Object, groups: &HashMap<&str, Group>) -> Option<String> {
        let mut protected = self.protected.iter();
        if protected.any(|one| is_called(connector, one)) {
            return Some("it is protected (--protect)".to_owned());
        }
        if let Some(why) = self.scope().barred(connector) {
            return Some(why);
        }
        let group = groups.get(group(connector))?;
        (group.is_dark() && !self.include_dark_groups).then(|| {
            format!(
                "no connector of its group is connected ({} in all), which looks like an outage (--include-dark-groups)",
                group.members
            )
        })
    }
}

fn is_in(connector: &Object, wanted: &str) -> bool {
    let name = unescape(text(connector, "appConnectorGroupName"));
    wanted == group(connector) || same_name(wanted, &name)
}

fn is_called(connector: &Object, wanted: &str) -> bool {
    wanted == text(connector, "id") || same_name(wanted, &name(connector))
}

fn same_name(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

fn groups(connectors: &[Object]) -> HashMap<&str, Group> {
    let mut groups: HashMap<&str, Group> = HashMap::new();
    for connector in connectors {
        let group = groups.entry(group(connector)).or_default();
        group.members += 1;
        match Contact::of(connector) {
            Contact::Connected => {
                group.connected += 1;
                group.ever_connected += 1;
            }
            Contact::Never => {}
            Contact::LostAt(_) | Contact::Lost | Contact::Unknown => group.ever_connected += 1,
        }
    }
    groups
}

/// Returns the connector's name, unescaped.
#[must_use]
pub fn name(connector: &Object) -> std::borrow::Cow<'_, str> {
    unescape(text(connector, "name"))
}

/// Returns the name of the connector's group, unescaped, or the group's id if the answer has no name.
#[must_use]
pub fn group_name(connector: &Object) -> std::borrow::Cow<'_, str> {
    match text(connector, "appConnectorGroupName") {
        "" => group(connector).into(),
        name => unescape(name),
    }
}

fn text<'o>(object: &'o Object, wire: &str) -> &'o str {
    object.get(wire).and_then(Value::as_str).unwrap_or_default()
}

/// Formats a span of time for people: in days from 48 hours on, in hours from 2 hours on, and else in minutes.
fn days(span: SignedDuration) -> String {
    match (span.as_hours(), span.as_mins()) {
        (hours @ 48.., _) => format!("{} days", hours / 24),
        (hours @ 2.., _) => format!("{hours} hours"),
        (_, 1) => "1 minute".to_owned(),
        (_, minutes) => format!("{minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const DAY: i64 = 86_400;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn ago(days: i64) -> String {
        (1_800_000_000 - days * DAY).to_string()
    }

    fn object(value: &Value) -> Object {
        value.as_object().unwrap().clone()
    }

    fn stale(id: &str, group: &str, days: i64) -> Object {
        object(&json!({
            "id": id, "name": format!("c{id}"), "appConnectorGroupId": group,
            "controlChannelStatus": "ZPN_STATUS_DISCONNECTED",
            "lastBrokerConnectTime": ago(900), "lastBrokerDisconnectTime": ago(days),
            "creationTime": ago(1000), "currentVersion": "24.1.2",
        }))
    }

    fn live(id: &str, group: &str) -> Object {
        let mut live = stale(id, group, 300);
        live.insert(
            "controlChannelStatus".to_owned(),
            json!("ZPN_STATUS_AUTHENTICATED"),
        );
        live
    }

    fn never(id: &str, group: &str, days: i64) -> Object {
        object(&json!({
            "id": id, "name": format!("c{id}"), "appConnectorGroupId": group, "creationTime": ago(days),
        }))
    }

    fn criteria() -> Criteria {
        Criteria {
            disconnected_for: Some(SignedDuration::from_hours(30 * 24)),
            keep_per_group: 1,
            ..Criteria::default()
        }
    }

    fn ids<'c>(candidates: &'c [Candidate<'_>]) -> Vec<&'c str> {
        candidates.iter().map(|one| one.id.as_str()).collect()
    }

    fn chosen(connectors: &[Object], criteria: &Criteria) -> Vec<String> {
        let choice = choose(connectors, criteria, now());
        ids(&choice.delete).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_longest_gone_come_first() {
        let connectors = [
            live("1", "g"),
            stale("2", "g", 40),
            stale("3", "g", 400),
            stale("4", "g", 29),
        ];
        let choice = choose(&connectors, &criteria(), now());
        assert_eq!(ids(&choice.delete), ["3", "2"]);
        assert_eq!(choice.delete[0].why, "disconnected for 400 days");
        assert_eq!(ids(&choice.spared), ["4"]);
        assert_eq!(
            choice.spared[0].why,
            "disconnected for 29 days, which is not long enough"
        );
    }

    #[test]
    fn an_unreadable_time_never_counts_as_old() {
        for time in [
            json!(null),
            json!(""),
            json!("0"),
            json!("long ago"),
            json!(-1),
        ] {
            let mut unsure = stale("2", "g", 400);
            unsure.insert("lastBrokerDisconnectTime".to_owned(), time.clone());
            let connectors = [live("1", "g"), unsure];
            let choice = choose(&connectors, &criteria(), now());
            assert_eq!(ids(&choice.delete), [""; 0], "{time}");
            assert_eq!(ids(&choice.spared), ["2"], "{time}");
        }
        let future = [live("1", "g"), stale("2", "g", -400)];
        assert_eq!(chosen(&future, &criteria()), [""; 0]);
    }

    #[test]
    fn a_dark_group_looks_like_an_outage() {
        let connectors = [
            stale("1", "dark", 90),
            stale("2", "dark", 80),
            live("3", "lit"),
            stale("4", "lit", 80),
        ];
        let choice = choose(&connectors, &criteria(), now());
        assert_eq!(ids(&choice.delete), ["4"]);
        assert_eq!(ids(&choice.spared), ["1", "2"]);
        let mut all = criteria();
        all.include_dark_groups = true;
        assert_eq!(chosen(&connectors, &all), ["1", "4"], "and still one stays");
    }

    #[test]
    fn a_group_keeps_its_most_recent_connectors() {
        let connectors = [
            stale("1", "g", 90),
            stale("2", "g", 80),
            stale("3", "g", 70),
            live("4", "g"),
        ];
        for (keep, left) in [
            (0, vec!["1", "2", "3"]),
            (1, vec!["1", "2", "3"]),
            (2, vec!["1", "2"]),
            (9, vec![]),
        ] {
            let mut criteria = criteria();
            criteria.keep_per_group = keep;
            assert_eq!(chosen(&connectors, &criteria), left, "{keep}");
        }
    }

    #[test]
    fn enrolment_counts_for_a_connector_never_connected() {
        let connectors = [
            live("1", "g"),
            never("2", "g", 90),
            never("3", "g", 9),
            stale("4", "g", 90),
        ];
        assert_eq!(chosen(&connectors, &criteria()), ["4"]);
        let mut explicit = criteria();
        explicit.disconnected_for = None;
        explicit.never_connected_for = Some(SignedDuration::from_hours(30 * 24));
        let choice = choose(&connectors, &explicit, now());
        assert_eq!(ids(&choice.delete), ["2"]);
        assert_eq!(choice.delete[0].condition, "never");
    }

    #[test]
    fn protected_and_unchangeable_connectors_stay() {
        let mut managed = stale("3", "g", 90);
        managed.insert("readOnly".to_owned(), json!(true));
        let connectors = [
            live("1", "g"),
            stale("2", "g", 90),
            managed,
            stale("4", "g", 90),
            stale("5", "g", 90),
        ];
        let mut protecting = criteria();
        protecting.protected = ["2", "c4"].map(str::to_owned).into();
        assert_eq!(chosen(&connectors, &protecting), ["5"]);
        assert_eq!(protecting.unmatched(&connectors), [""; 0]);
        protecting.protected = ["C4", "keep.txt"].map(str::to_owned).into();
        assert_eq!(chosen(&connectors, &protecting), ["2", "5"]);
        protecting.groups = vec!["G".to_owned(), "h".to_owned()];
        assert_eq!(
            protecting.unmatched(&connectors),
            [
                "--group: there is no connector in a group \"G\"",
                "--group: there is no connector in a group \"h\"",
                "--protect: there is no connector and no file \"keep.txt\"",
            ]
        );
    }

    #[test]
    fn globs_and_groups_narrow_the_choice() {
        let mut named = stale("2", "g", 90);
        named.insert("appConnectorGroupName".to_owned(), json!("R&amp;D"));
        let connectors = [live("1", "g"), named, stale("3", "h", 90), live("4", "h")];
        let mut narrow = criteria();
        narrow.groups = vec!["R&D".to_owned()];
        assert_eq!(chosen(&connectors, &narrow), ["2"]);
        narrow.groups = vec!["h".to_owned()];
        assert_eq!(chosen(&connectors, &narrow), ["3"]);
        let glob = |text| Some(WildMatch::new_case_insensitive(text));
        let mut by_name = criteria();
        by_name.name = glob("C*3");
        assert_eq!(chosen(&connectors, &by_name), ["3"]);
        let mut by_version = criteria();
        by_version.version = glob("23.*");
        assert_eq!(chosen(&connectors, &by_version), [""; 0]);
    }

    proptest! {
        #[test]
        fn no_choice_empties_a_group_or_takes_a_live_one(
            states in proptest::collection::vec((0_u8..4, 0_u8..3, -10_i64..500), 0..40),
            keep in 0_u32..4,
            dark in any::<bool>(),
        ) {
            let connectors: Vec<Object> = states.iter().enumerate().map(|(n, (state, group, days))| {
                let (id, group) = (n.to_string(), group.to_string());
                match state {
                    0 => live(&id, &group),
                    1 => never(&id, &group, *days),
                    _ => stale(&id, &group, *days),
                }
            }).collect();
            let limit = Some(SignedDuration::from_hours(30 * 24));
            let criteria = Criteria {
                disconnected_for: limit, never_connected_for: limit,
                keep_per_group: keep, include_dark_groups: dark, ..Criteria::default()
            };
            let choice = choose(&connectors, &criteria, now());
            for one in &choice.delete {
                prop_assert_ne!(Contact::of(one.connector), Contact::Connected);
            }
            for group in ["0", "1", "2"] {
                let of = |object: &&Object| super::group(object) == group;
                let members = connectors.iter().filter(of).count();
                let deleted = choice.delete.iter().filter(|one| super::group(one.connector) == group).count();
                prop_assert!(deleted == 0 || members - deleted >= usize::try_from(keep).unwrap());
            }
        }
    }
}
