//! Choosing the connectors that are left over: which to delete, which to spare, and why.
//!
//! Pure. Whatever is not certainly stale stays: a time that is missing or unreadable never counts as old, a
//! group that has gone dark as a whole looks like an outage, and a group keeps as many as it must.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use wildmatch::WildMatch;

use crate::resource::connector::{Contact, NEVER, created, group};
use crate::resource::{Kind, Scope, unescape};
use crate::wire::{Id, Object};

/// Which connectors are left over.
#[derive(Clone, Debug, Default)]
pub struct Criteria {
    /// Disconnected for at least this long.
    pub disconnected_for: Option<SignedDuration>,
    /// Never connected, and enrolled at least this long ago.
    pub never_connected_for: Option<SignedDuration>,
    /// Only of these groups, by name or id; empty means of any.
    pub groups: Vec<String>,
    /// Only those with such a name.
    pub name: Option<WildMatch>,
    /// Only those of such a version.
    pub version: Option<WildMatch>,
    /// Whether groups that have gone dark as a whole are pruned too.
    pub include_dark_groups: bool,
    /// How many connectors stay in a group, in whatever state.
    pub keep_per_group: u32,
    /// These stay, by name or id.
    pub protected: HashSet<String>,
    /// The microtenant whose connectors these are; `None` means the Default one.
    pub microtenant: Option<Id>,
}

/// A connector with what was decided about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate<'s> {
    /// As the API answers it.
    pub connector: &'s Object,
    /// Its id.
    pub id: Id,
    /// What must still hold when it is deleted, in the form of its manifest column.
    pub condition: String,
    /// Why it is deleted, or spared.
    pub why: String,
}

/// What was chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice<'s> {
    /// To be deleted, the longest gone first.
    pub delete: Vec<Candidate<'s>>,
    /// Out of contact like those that the criteria ask for, and spared all the same.
    pub spared: Vec<Candidate<'s>>,
}

/// What is known of a group.
#[derive(Debug, Default)]
struct Group {
    members: u32,
    connected: u32,
    ever_connected: u32,
}

impl Group {
    /// Nobody in it is connected, though somebody was.
    fn is_dark(&self) -> bool {
        self.connected == 0 && self.ever_connected > 0
    }
}

/// A candidate with when it was last known to be there.
struct Stale<'s> {
    candidate: Candidate<'s>,
    since: Timestamp,
}

/// Chooses among all connectors of a microtenant.
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
        let of = group(candidate.connector);
        let members = groups.get(of).map_or(0, |group| group.members);
        let left = left.entry(of).or_insert(members);
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
    /// In words, every group and every connector to be protected that is none of these.
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

    /// Whether the connector is stale, or spared, or neither because nothing is wrong with it.
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
                    let why = "never connected, and nobody can say since when it is enrolled";
                    return Some(Err(candidate(String::new(), why.to_owned())));
                };
                (at, limit, NEVER.to_owned(), "enrolled and never connected")
            }
            Contact::Lost | Contact::Unknown => {
                self.disconnected_for?;
                let why = "not connected, and nobody can say since when";
                return Some(Err(candidate(String::new(), why.to_owned())));
            }
        };
        let age = now.duration_since(since);
        let why = format!("{what} for {}", days(age));
        if age < limit {
            let why = format!("{why}, which is too short a time");
            return Some(Err(candidate(condition, why)));
        }
        let spared = self.spared(connector, groups);
        let why = spared.as_ref().map_or(why, String::clone);
        let candidate = candidate(condition, why);
        Some(match spared {
            Some(_) => Err(candidate),
            None => Ok(Stale { candidate, since }),
        })
    }

    fn scope(&self) -> Scope {
        Scope::of(Kind::connector(), self.microtenant.clone())
    }

    /// Why a stale connector stays all the same.
    fn spared(&self, connector: &Object, groups: &HashMap<&str, Group>) -> Option<String> {
        let mut protected = self.protected.iter();
        if protected.any(|one| is_called(connector, one)) {
            return Some("it is protected (--protect)".to_owned());
        }
        if let Some(why) = self.scope().barred(connector) {
            return Some(why);
        }
        let of = groups.get(group(connector))?;
        (of.is_dark() && !self.include_dark_groups).then(|| {
            format!(
                "none of the {} connectors of its group is connected, which looks like an outage (--include-dark-groups)",
                of.members
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

/// The connector's name as people know it.
#[must_use]
pub fn name(connector: &Object) -> std::borrow::Cow<'_, str> {
    unescape(text(connector, "name"))
}

/// The name of the connector's group, or its id where the answer has no name.
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

/// A span as people say it.
fn days(span: SignedDuration) -> String {
    match (span.as_hours(), span.as_mins()) {
        (hours @ 48.., _) => format!("{} days", hours / 24),
        (hours @ 2.., _) => format!("{hours} hours"),
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
    fn the_longest_gone_come_first_and_those_in_contact_are_not_touched() {
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
            "disconnected for 29 days, which is too short a time"
        );
    }

    #[test]
    fn a_time_that_is_missing_or_unreadable_never_counts_as_old() {
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
    fn a_group_that_has_gone_dark_looks_like_an_outage() {
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
    fn a_group_keeps_as_many_as_it_must_and_the_freshest_of_them() {
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
    fn what_never_connected_is_chosen_only_when_asked_for_and_by_its_enrolment() {
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
    fn globs_and_groups_narrow_what_is_looked_at() {
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
        fn no_choice_empties_a_group_or_takes_what_is_connected(
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
