//! The connectors of a new tenant, with cases that a careless client gets wrong.
//!
//! - Most live connectors were last disconnected months ago. Only their status says that they are live.
//! - A connector that never connected has no status, and no time except that of its creation.
//! - One name has a character that answers escape.

use std::ops::Range;

use serde_json::{Map, json};

use super::call::Call;
use super::collection::Id;
use super::connector::{CONNECTED, DISCONNECTED, READ_ONLY, ZSCALER_MANAGED};
use super::fields::{self, Object};
use super::random::SplitMix64;
use super::scenario::ConnectorRules;

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// The version that all connectors should run.
const EXPECTED_VERSION: &str = "24.387.2";

#[derive(Clone, Copy)]
enum State {
    Live,
    Stale,
    NeverConnected,
}

struct NewConnector {
    name: String,
    state: State,
    /// The seconds since it connected (live), was disconnected (stale) or was created (never connected).
    age: u64,
    group: usize,
    protection: Option<&'static str>,
}

struct Group {
    id: Id,
    name: String,
    key: Id,
}

/// Gives a new tenant the scenario's connectors.
pub(super) fn seed(call: &mut Call<'_>) {
    let rules = call.service.scenario.connectors.clone();
    let groups = groups(call, &rules);
    let mut reconnecting = Vec::new();
    for connector in new_connectors(&mut call.service.connector_random, &rules) {
        let may_reconnect =
            matches!(connector.state, State::Stale) && connector.protection.is_none();
        let Some(group) = groups.get(connector.group % groups.len()) else {
            continue;
        };
        let id = enrol(call, connector, group);
        if may_reconnect {
            reconnecting.push((call.service.connector_random.draw(), id));
        }
    }
    reconnecting.sort_unstable();
    let chosen = reconnecting.into_iter().take(reconnecting_count(&rules));
    call.tenant.reconnecting.extend(chosen.map(|(_, id)| id));
}

/// The number of stale connectors that connect again, rounded to the nearest whole number.
fn reconnecting_count(rules: &ConnectorRules) -> usize {
    let exact = rules.come_back * f64::from(rules.stale);
    (0..rules.stale)
        .take_while(|number| f64::from(*number) + 0.5 <= exact)
        .count()
}

fn groups(call: &mut Call<'_>, rules: &ConnectorRules) -> Vec<Group> {
    let live_groups = rules.groups.get();
    let named = (1..=live_groups)
        .map(|number| format!("Connector Group {number}"))
        .chain((1..=rules.dark_groups).map(|number| format!("Dark Group {number}")));
    let mut group = |name| Group {
        id: call.service.ids.next_id(),
        name,
        key: call.service.ids.next_id(),
    };
    named.map(&mut group).collect()
}

fn new_connectors(random: &mut SplitMix64, rules: &ConnectorRules) -> Vec<NewConnector> {
    let [live_groups, dark_groups] = [rules.groups.get(), rules.dark_groups]
        .map(|groups| usize::try_from(groups).unwrap_or(usize::MAX));
    let mut new_connectors = Vec::new();
    let mut add = |prefix, state, ages: Vec<u64>, first, group_count| {
        for (number, age) in (0..).zip(ages) {
            new_connectors.push(NewConnector {
                name: name(prefix, number + 1),
                state,
                age,
                group: (first + number) % group_count,
                protection: (prefix == "managed").then(|| protection(number)),
            });
        }
    };
    let live = ages(random, rules.live, 0..200 * DAY);
    add("live", State::Live, live, 0, live_groups);
    // The first stale connectors fill the groups that have no live one.
    let stale = ages(random, rules.stale, 31 * DAY..400 * DAY);
    add(
        "stale",
        State::Stale,
        stale,
        live_groups,
        live_groups + dark_groups,
    );
    let managed = ages(random, rules.read_only, 31 * DAY..400 * DAY);
    add("managed", State::Stale, managed, 0, live_groups);
    let never = never_connected_ages(random, rules.never_connected);
    add("never", State::NeverConnected, never, 0, live_groups);
    new_connectors
}

/// The field that protects a connector: `readOnly` and `zscalerManaged` in turn.
fn protection(number: usize) -> &'static str {
    if number.is_multiple_of(2) {
        READ_ONLY
    } else {
        ZSCALER_MANAGED
    }
}

/// The name of a connector, such as `live-01`. One name has a character that answers escape.
fn name(prefix: &str, number: usize) -> String {
    match (prefix, number) {
        ("stale", 1) => "stale-01 *old*".to_owned(),
        _ => format!("{prefix}-{number:02}"),
    }
}

/// Draws one age from each of `count` equal parts of the range, in random order.
fn ages(random: &mut SplitMix64, count: u32, range: Range<u64>) -> Vec<u64> {
    let part = (range.end - range.start) / u64::from(count.max(1));
    let mut ages: Vec<(u64, u64)> = (0..u64::from(count))
        .map(|number| {
            (
                random.draw(),
                range.start + number * part + random.below(part),
            )
        })
        .collect();
    ages.sort_unstable();
    ages.into_iter().map(|(_, age)| age).collect()
}

/// The ages of connectors that never connected: in turn more than a month and less than 20 days.
fn never_connected_ages(random: &mut SplitMix64, count: u32) -> Vec<u64> {
    let ranges = [35 * DAY..400 * DAY, 0..20 * DAY];
    let turns = ranges.iter().cycle().zip(0..count);
    turns
        .map(|(range, _)| range.start + random.below(range.end - range.start))
        .collect()
}

fn enrol(call: &mut Call<'_>, connector: NewConnector, group: &Group) -> Id {
    let before = |age: u64| call.time.saturating_sub_unsigned(age);
    let random = &mut call.service.connector_random;
    let outage_start = connector.age + MINUTE + random.below(20 * MINUTE);
    let created = connector.age + DAY + random.below(30 * DAY);
    let (connection_fields, created) = match connector.state {
        State::Live => (
            connection_fields(CONNECTED, before(connector.age), before(outage_start)),
            created,
        ),
        State::Stale => (
            connection_fields(DISCONNECTED, before(created), before(connector.age)),
            created,
        ),
        State::NeverConnected => (Map::new(), connector.age),
    };
    let created = before(created);
    add(call, connector, group, connection_fields, created)
}

/// Enrols a connector that has just connected for the first time, in a group of its own.
pub(super) fn enrol_now(call: &mut Call<'_>, name: String) -> Id {
    let group = Group {
        id: call.service.ids.next_id(),
        name: format!("Group of {name}"),
        key: call.service.ids.next_id(),
    };
    let connector = NewConnector {
        name,
        state: State::Live,
        age: 0,
        group: 0,
        protection: None,
    };
    let now = call.time;
    let connection_fields = connection_fields(CONNECTED, now, now);
    add(call, connector, &group, connection_fields, now)
}

fn add(
    call: &mut Call<'_>,
    connector: NewConnector,
    group: &Group,
    connection_fields: Object,
    created: i64,
) -> Id {
    let id = call.service.ids.next_id();
    let mut fields = other_fields(&mut call.service.connector_random, &connector, group);
    fields.extend(connection_fields);
    let (microtenant, time) = (call.microtenant, created.to_string().into());
    call.service
        .stamp(&mut fields, id, microtenant, time, created);
    let connectors = &mut call.tenant.live.connectors;
    connectors.insert(id, microtenant, connector.name, fields);
    id
}

/// The fields that say whether a connector is stale. Times are epoch seconds in strings.
fn connection_fields(status: &str, connected: i64, disconnected: i64) -> Object {
    let fields = json!({
        "controlChannelStatus": status,
        "ctrlBrokerName": "broker1a.fra4.example.net",
        "lastBrokerConnectTime": connected.to_string(),
        "lastBrokerDisconnectTime": disconnected.to_string(),
    });
    serde_json::from_value(fields).unwrap_or_default()
}

fn other_fields(random: &mut SplitMix64, connector: &NewConnector, group: &Group) -> Object {
    let mut octet = || random.below(254) + 1;
    let private = format!("10.{}.{}.{}", octet(), octet(), octet());
    let public = format!("203.0.113.{}", octet());
    let version = match (connector.state, random.below(3)) {
        (State::Live, _) => EXPECTED_VERSION,
        (_, 0) => "22.110.1",
        (_, 1) => "23.243.3",
        (_, _) => "24.198.1",
    };
    let fingerprint = format!("{:016x}{:016x}", random.draw(), random.draw());
    let fields = json!({
        "name": fields::escape(&connector.name),
        "description": format!("Connector of {}", group.name),
        "enabled": true,
        "appConnectorGroupId": group.id.to_string(),
        "appConnectorGroupName": group.name,
        "provisioningKeyId": group.key.to_string(),
        "provisioningKeyName": format!("Key of {}", group.name),
        "currentVersion": version,
        "expectedVersion": EXPECTED_VERSION,
        "upgradeStatus": if version == EXPECTED_VERSION { "COMPLETE" } else { "FAILED" },
        "upgradeAttempt": "0",
        "platform": "el9",
        "runtimeOS": "Red Hat Enterprise Linux 9",
        "privateIp": private,
        "publicIp": public,
        "ipAcl": ["10.0.0.0/8"],
        "location": "Frankfurt am Main, Germany",
        "latitude": "50.1",
        "longitude": "8.7",
        "fingerprint": fingerprint,
        "readOnly": connector.protection == Some(READ_ONLY),
        "zscalerManaged": connector.protection == Some(ZSCALER_MANAGED),
        "assistantVersion": {"currentVersion": version, "expectedVersion": EXPECTED_VERSION},
    });
    serde_json::from_value(fields).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_spread_evenly_and_ordered_by_the_seed() {
        let drawn = |seed| ages(&mut SplitMix64::new(seed, 4), 10, 100..1100);
        let mut sorted = drawn(1);
        assert_ne!(drawn(1), drawn(2));
        assert_eq!(drawn(1), drawn(1));
        sorted.sort_unstable();
        let parts: Vec<u64> = sorted.iter().map(|age| (age - 100) / 100).collect();
        assert_eq!(parts, (0..10).collect::<Vec<u64>>());
        assert!(ages(&mut SplitMix64::new(1, 4), 0, 0..5).is_empty());
    }

    #[test]
    fn the_share_that_reconnects_is_rounded() {
        let reconnecting_count = |come_back: f64, stale: u32| {
            reconnecting_count(&ConnectorRules {
                stale,
                come_back,
                ..ConnectorRules::default()
            })
        };
        let shares = [
            (0.0, 10),
            (0.5, 10),
            (1.0, 10),
            (0.04, 10),
            (0.06, 10),
            (0.5, 0),
        ];
        assert_eq!(
            shares.map(|(part, of)| reconnecting_count(part, of)),
            [0, 5, 10, 0, 1, 0]
        );
    }
}
