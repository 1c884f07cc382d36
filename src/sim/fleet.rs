//! The connectors of a new tenant, with cases that a careless client gets wrong.
//!
//! - Most live connectors were last disconnected months ago. Only their status says that they are live.
//! - A connector that never connected has no status, and no time except that of its creation.
//! - One name has a character that answers escape.

use std::ops::Range;

use serde_json::{Map, Value, json};

use super::call::Call;
use super::collection::Id;
use super::connector::{self, CONNECTED, DISCONNECTED, READ_ONLY, ZSCALER_MANAGED};
use super::fields::{self, Object};
use super::random::SplitMix64;
use super::scenario::ConnectorRules;

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// The version that all connectors should run, and older ones that disconnected connectors may have.
const EXPECTED_VERSION: &str = "24.387.2";
const OLD_VERSIONS: [&str; 3] = ["22.110.1", "23.243.3", "24.198.1"];

/// The state that a connector is in.
#[derive(Clone, Copy)]
enum Fate {
    Live,
    Stale,
    NeverConnected,
}

/// A connector to add to the tenant.
struct Newcomer {
    name: String,
    fate: Fate,
    /// The seconds since it connected (live), was disconnected (stale) or was created (never connected).
    age: u64,
    group: usize,
    lock: Option<&'static str>,
}

/// A group of connectors.
struct Group {
    id: Id,
    name: String,
    key: Id,
}

/// Gives a new tenant the scenario's connectors.
pub(super) fn seed(call: &mut Call<'_>) {
    let rules = call.world.rules.connectors.clone();
    let groups = groups(call, &rules);
    let mut returning = Vec::new();
    for newcomer in newcomers(&mut call.world.fleet, &rules) {
        let may_return = matches!(newcomer.fate, Fate::Stale) && newcomer.lock.is_none();
        let Some(group) = groups.get(newcomer.group % groups.len()) else {
            continue;
        };
        let id = enrol(call, newcomer, group);
        if may_return {
            returning.push((call.world.fleet.draw(), id));
        }
    }
    returning.sort_unstable();
    let chosen = returning.into_iter().take(share(&rules));
    call.tenant.returning.extend(chosen.map(|(_, id)| id));
}

/// The number of stale connectors that connect again, rounded to the nearest whole number.
fn share(rules: &ConnectorRules) -> usize {
    let exact = rules.come_back * f64::from(rules.stale);
    (0..rules.stale)
        .take_while(|number| f64::from(*number) + 0.5 <= exact)
        .count()
}

fn groups(call: &mut Call<'_>, rules: &ConnectorRules) -> Vec<Group> {
    let lit = rules.groups.get();
    let named = (1..=lit)
        .map(|number| format!("Connector Group {number}"))
        .chain((1..=rules.dark_groups).map(|number| format!("Dark Group {number}")));
    let mut group = |name| Group {
        id: call.world.ids.draw(),
        name,
        key: call.world.ids.draw(),
    };
    named.map(&mut group).collect()
}

fn newcomers(random: &mut SplitMix64, rules: &ConnectorRules) -> Vec<Newcomer> {
    let [lit, dark] = [rules.groups.get(), rules.dark_groups]
        .map(|groups| usize::try_from(groups).unwrap_or(usize::MAX));
    let mut newcomers = Vec::new();
    let mut add = |prefix, fate, ages: Vec<u64>, first, turn| {
        for (number, age) in (0..).zip(ages) {
            newcomers.push(Newcomer {
                name: name(prefix, number + 1),
                fate,
                age,
                group: (first + number) % turn,
                lock: (prefix == "managed").then(|| lock(number)),
            });
        }
    };
    let live = ages(random, rules.live, 0..200 * DAY);
    add("live", Fate::Live, live, 0, lit);
    // The first stale connectors fill the groups that have no live one.
    let stale = ages(random, rules.stale, 31 * DAY..400 * DAY);
    add("stale", Fate::Stale, stale, lit, lit + dark);
    let managed = ages(random, rules.read_only, 31 * DAY..400 * DAY);
    add("managed", Fate::Stale, managed, 0, lit);
    let never = waits(random, rules.never_connected);
    add("never", Fate::NeverConnected, never, 0, lit);
    newcomers
}

/// The field that protects a connector: `readOnly` and `zscalerManaged` in turn.
fn lock(number: usize) -> &'static str {
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
fn waits(random: &mut SplitMix64, count: u32) -> Vec<u64> {
    let ranges = [35 * DAY..400 * DAY, 0..20 * DAY];
    let turns = ranges.iter().cycle().zip(0..count);
    turns
        .map(|(range, _)| range.start + random.below(range.end - range.start))
        .collect()
}

fn enrol(call: &mut Call<'_>, newcomer: Newcomer, group: &Group) -> Id {
    let id = call.world.ids.draw();
    let before = |age: u64| call.time.saturating_sub_unsigned(age);
    let random = &mut call.world.fleet;
    let blip = newcomer.age + MINUTE + random.below(20 * MINUTE);
    let spell = newcomer.age + DAY + random.below(30 * DAY);
    let (contact, created) = match newcomer.fate {
        Fate::Live => (
            contact(CONNECTED, before(newcomer.age), before(blip)),
            spell,
        ),
        Fate::Stale => (
            contact(DISCONNECTED, before(spell), before(newcomer.age)),
            spell,
        ),
        Fate::NeverConnected => (Map::new(), newcomer.age),
    };
    let created = before(created);
    let mut fields = description(random, &newcomer, group);
    fields.extend(contact);
    call.world
        .stamp(&mut fields, id, created.to_string().into(), created);
    call.world.mark_microtenant(&mut fields, call.microtenant);
    connector::store(call, id, newcomer.name, fields);
    id
}

/// The fields that say whether a connector is stale. Times are epoch seconds in strings.
fn contact(status: &str, connected: i64, disconnected: i64) -> Object {
    let fields = json!({
        "controlChannelStatus": status,
        "ctrlBrokerName": "broker1a.fra4.example.net",
        "lastBrokerConnectTime": connected.to_string(),
        "lastBrokerDisconnectTime": disconnected.to_string(),
    });
    object(fields)
}

/// All other fields.
fn description(random: &mut SplitMix64, newcomer: &Newcomer, group: &Group) -> Object {
    let mut octet = || random.below(254) + 1;
    let (private, public) = (
        format!("10.{}.{}.{}", octet(), octet(), octet()),
        format!("203.0.113.{}", octet()),
    );
    let old = random.below(3);
    let version = match newcomer.fate {
        Fate::Live => EXPECTED_VERSION,
        Fate::Stale | Fate::NeverConnected => usize::try_from(old)
            .ok()
            .and_then(|old| OLD_VERSIONS.get(old))
            .copied()
            .unwrap_or(EXPECTED_VERSION),
    };
    let fingerprint = format!("{:016x}{:016x}", random.draw(), random.draw());
    object(json!({
        "name": fields::escaped(&newcomer.name),
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
        "readOnly": newcomer.lock == Some(READ_ONLY),
        "zscalerManaged": newcomer.lock == Some(ZSCALER_MANAGED),
        "assistantVersion": {"currentVersion": version, "expectedVersion": EXPECTED_VERSION},
    }))
}

fn object(fields: Value) -> Object {
    match fields {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_lie_in_parts_of_the_range_and_in_another_order_for_another_seed() {
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
    fn the_share_that_comes_back_is_rounded_to_the_nearest_whole_number() {
        let share = |come_back: f64, stale: u32| {
            share(&ConnectorRules {
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
            shares.map(|(part, of)| share(part, of)),
            [0, 5, 10, 0, 1, 0]
        );
    }
}
