//! The judgement on calls: what was written over, how old the readings were, groups, and quotas.

use std::collections::BTreeMap;
use std::time::Duration;

use zpa_bulk::item::Change;

use crate::life::{HAND, Run};
use crate::model::{Model, collection, is_same};
use crate::support::trace::{Changed, Client, Traced};

/// Fields that change with others, or by themselves.
const BY_THEMSELVES: [&str; 6] = [
    "domain",
    "modifiedTime",
    "modifiedBy",
    "nameWithoutTrim",
    "extDomainName",
    "microtenantName",
];

/// The calls of reads in any ten seconds.
const READS: usize = 20;

const WINDOW: Duration = Duration::from_secs(10);

/// The precision of the clocks.
const TICK: Duration = Duration::from_millis(2);

pub(crate) fn judge(model: &mut Model<'_>) {
    let runs: BTreeMap<Client, &Run> = model
        .history
        .runs
        .iter()
        .flat_map(|run| run.clients.iter().map(move |client| (*client, run)))
        .collect();
    for call in &model.history.trace {
        if call.client == HAND || !call.is_write() {
            continue;
        }
        match runs.get(&call.client) {
            Some(run) => written_over(model, run, call),
            None => model.find("a run for each write", call.line()),
        }
        old_reading(model, call);
        for group in &call.emptied {
            model.find(
                "groups keep one",
                format!("group {group} is empty: {}", call.line()),
            );
        }
    }
    quotas(model);
}

/// No update is lost: a call changes only what its rows are about, except what the administrator changed a moment before.
fn written_over(model: &mut Model<'_>, run: &Run, call: &Traced) {
    for change in &call.changes {
        for field in changed_fields(change) {
            if !is_intended(run, change, &field)
                && !by_hand_just_before(model, call, change, &field)
                && !is_as_by_hand(model, call, change, &field)
            {
                let text = format!("{:?} of {:?} by {}", field, change.place, call.line());
                model.find("no lost update", text);
            }
        }
    }
}

/// The fields that have changed. An object that comes or goes has changed as a whole, with an empty name.
fn changed_fields(change: &Changed) -> Vec<String> {
    let (Some(before), Some(after)) = (&change.before, &change.after) else {
        return vec![String::new()];
    };
    let fields = |value: &serde_json::Value| value.as_object().cloned().unwrap_or_default();
    let (before, after) = (fields(before), fields(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let null = serde_json::Value::String(String::new());
    let differs = |name: &&String| {
        let before = before.get(*name).unwrap_or(&null);
        !is_same(name, before, after.get(*name)) && !BY_THEMSELVES.contains(&name.as_str())
    };
    names.into_iter().filter(differs).cloned().collect()
}

/// True if a row of the run asks for the change of that field.
fn is_intended(run: &Run, change: &Changed, field: &str) -> bool {
    let (of, id) = &change.place;
    let mut items = run.items.iter().filter(|item| collection(item) == *of);
    match *of {
        "connector_schedule" => true,
        // A list is written as a whole, so the times of all its elements change.
        "domains" if !field.is_empty() => true,
        _ => items.any(|item| match &item.change {
            Change::Create { .. } => field.is_empty() && change.before.is_none(),
            Change::Update { id: own, set, .. } => {
                let is_again = item.undo.is_some() && own.as_str() != id;
                (own.as_str() == id || is_again) && set.find(field).is_some()
            }
            Change::Delete { id: own, .. } => {
                let is_it = own.as_str() == id || *of == "domains" && item.key == **id;
                field.is_empty() && change.after.is_none() && is_it
            }
            _ => false,
        }),
    }
}

/// True if the administrator changed the field after the reading on which the call may depend.
fn by_hand_just_before(model: &Model<'_>, call: &Traced, change: &Changed, field: &str) -> bool {
    let earliest = call.sent.saturating_sub(model.history.freshness + TICK);
    let hands = model.deeds.iter().filter(|other| {
        other.client == HAND && other.turn < call.turn && other.at >= Some(earliest)
    });
    let mut changes = hands.flat_map(|other| &other.changes);
    changes.any(|other| {
        other.place == change.place
            && (field.is_empty() || changed_fields(other).iter().any(|name| name == field))
    })
}

/// True if the call leaves the field as the administrator has written it last: an earlier call came late and took that back.
fn is_as_by_hand(model: &Model<'_>, call: &Traced, change: &Changed, field: &str) -> bool {
    let before = model.deeds.iter().filter(|other| other.turn < call.turn);
    let by_hand = before.filter(|other| other.client == HAND);
    let mut of_field = by_hand.flat_map(|other| &other.changes).filter(|other| {
        other.place == change.place && changed_fields(other).iter().any(|name| name == field)
    });
    let value = |change: &Changed| change.after.as_ref()?.get(field).cloned();
    let last = of_field.next_back().and_then(value);
    last.is_some() && last == value(change)
}

/// No change is sent on an older reading than the bound.
fn old_reading(model: &mut Model<'_>, call: &Traced) {
    let paths = readings_for(call);
    if paths.is_empty() {
        return;
    }
    let freshness = model.history.freshness;
    let readings = model.history.trace.iter().filter(|read| {
        read.client == call.client
            && read.method == "GET"
            && paths.contains(&&*read.path)
            && read.status == 200
    });
    let age = |read: &Traced| {
        let answered = read.answered.filter(|answered| *answered <= call.sent)?;
        // A reading that takes long counts as half as old as it may be.
        let read_at = read.sent.max(answered.saturating_sub(freshness / 2));
        Some(call.sent.saturating_sub(read_at))
    };
    let age = readings.filter_map(age).min();
    let age = age.filter(|age| *age <= freshness + TICK).or_else(|| {
        let witnessed = listing_behind(model, call)?;
        Some(call.sent.saturating_sub(witnessed))
    });
    if age.is_none_or(|age| age > freshness + TICK) {
        model.find(
            "fresh readings",
            format!("the reading is {age:?} old: {}", call.line()),
        );
    }
}

/// The instant from which on the age counts of a listing on which an update may depend: that of the last change of the same
/// client before the listing, of another object of the same collection.
fn listing_behind(model: &Model<'_>, call: &Traced) -> Option<Duration> {
    let (collection, _) = call.path.rsplit_once('/')?;
    let own = || {
        let trace = model.history.trace.iter();
        trace.filter(|other| other.client == call.client && other.answered <= Some(call.sent))
    };
    let is_listing =
        |read: &&Traced| read.method == "GET" && read.path == collection && read.status == 200;
    let behind = |listing: &Traced| {
        let is_witness = |other: &&Traced| {
            other.method == "PUT"
                && other.path.starts_with(collection)
                && other.path != call.path
                && other
                    .answered
                    .is_some_and(|answered| answered <= listing.sent)
        };
        let half = model.history.freshness / 2;
        let age = |other: &Traced| Some(other.sent.max(other.answered?.saturating_sub(half)));
        own().filter(is_witness).filter_map(age).max()
    };
    let puts = call.method == "PUT";
    own()
        .filter(|_| puts)
        .filter(is_listing)
        .filter_map(behind)
        .max()
}

/// The paths of the readings on which a write may depend; none for a create.
fn readings_for(call: &Traced) -> Vec<&str> {
    let path = call.path.as_str();
    match (call.method.as_str(), path) {
        ("POST", "connector/bulkDelete") => vec!["connector"],
        ("POST", path) if path.ends_with("/domains") => vec![path],
        ("POST", _) => Vec::new(),
        ("DELETE", path) if path.starts_with("connector/") => vec![path, "connector"],
        (_, path) if path.starts_with("connectorSchedule") => vec!["connectorSchedule"],
        (_, path) => vec![path],
    }
}

/// No window is over the limit, whoever sent the calls.
fn quotas(model: &mut Model<'_>) {
    let writes = model.history.write_quota;
    let quotas = [
        ("read", READS, WINDOW),
        ("write", writes.limit, writes.window),
    ];
    for (class, limit, window) in quotas {
        let calls = model.history.trace.iter().filter(|call| {
            call.client != HAND && !call.is_auth() && call.is_write() == (class == "write")
        });
        let mut sent: Vec<Duration> = calls.map(|call| call.sent).collect();
        sent.sort_unstable();
        let over = sent
            .windows(limit + 1)
            .find(|calls| calls[limit].saturating_sub(calls[0]) < window);
        if let Some(calls) = over {
            let (from, to) = (calls[0], calls[limit]);
            model.find(
                "quotas",
                format!("{} {class}s from {from:.3?} to {to:.3?}", limit + 1),
            );
        }
    }
}
