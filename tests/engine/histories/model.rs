//! An account of the tenant after a run, which knows nothing of the engine.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use zpa_bulk::item::{Outcome, Status};
use zpa_bulk::ledger::{Ledger, State};

use crate::support::rows::Row;
use crate::support::state::unescaped;

/// A history at its end.
pub(crate) struct History<'h> {
    pub(crate) rows: &'h [Row],
    pub(crate) before: &'h Value,
    pub(crate) after: &'h Value,
    pub(crate) ledger: &'h Ledger,
    pub(crate) outcomes: &'h BTreeMap<u32, Outcome>,
    pub(crate) poisoned: &'h BTreeSet<String>,
    pub(crate) domains_go: bool,
}

/// The name of each resource in the tenant's state.
const STATES: [(&str, &str); 4] = [
    ("portal-link", "portal_links"),
    ("user-portal", "user_portals"),
    ("connector", "connectors"),
    ("domain", "domains"),
];

/// Everything that is wrong.
pub(crate) fn violations(history: &History<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, row) in (0..).zip(history.rows) {
        if let Err(why) = history.check_row(number, row) {
            let outcome = history.outcomes.get(&number);
            wrong.push(format!("row {number}, {row:?}: {why}; {outcome:?}"));
        }
    }
    for (resource, of) in STATES {
        history.check_others(resource, of, &mut wrong);
    }
    if !history
        .rows
        .iter()
        .any(|row| row.resource == "connector-schedule")
        && history.before["connector_schedule"] != history.after["connector_schedule"]
    {
        wrong.push("the schedule has changed".to_owned());
    }
    wrong
}

impl History<'_> {
    fn check_row(&self, number: u32, row: &Row) -> Result<(), String> {
        let State::Finished(status) = self.ledger.state(number) else {
            return Err("it has no outcome".to_owned());
        };
        let outcome = self.outcomes.get(&number);
        if row.resource == "connector-schedule" {
            return self.check_schedule(status, row, outcome);
        }
        let before = found(self.before, row);
        let after = found(self.after, row);
        if before.len() > 1 || after.len() > 1 {
            return Err(format!("it is there {} times", after.len()));
        }
        let (before, after) = (before.first().copied(), after.first().copied());
        let same = settled(row, before) == settled(row, after);
        match status {
            Status::Failed => self.check_failure(row, outcome, same),
            Status::Spared => Err("nothing is to be spared".to_owned()),
            Status::Unchanged if !same => Err("it was changed".to_owned()),
            _ if row.action == "delete" => match after {
                Some(_) => Err("it is still there".to_owned()),
                None if status == Status::Unchanged => Ok(()),
                None if before.is_none() => Err("it was never there".to_owned()),
                None => expect(
                    matches!(status, Status::Deleted | Status::Recovered),
                    status,
                ),
            },
            _ => {
                let after = after.ok_or("it is not there")?;
                as_asked(row, before, after)?;
                let id = outcome.and_then(|outcome| outcome.id.as_ref());
                if id.is_some_and(|id| after["id"] != id.as_str()) {
                    return Err(format!("its id is {}", after["id"]));
                }
                let fits = match status {
                    Status::Created => before.is_none() && id.is_some_or_list(row),
                    Status::Updated => before.is_some() && !same,
                    Status::Recovered => !same,
                    Status::Unchanged => before.is_some(),
                    _ => false,
                };
                expect(fits, status)
            }
        }
    }

    /// Allows the failure of a row that the server refused, or that was tried as often as it may be. Nothing must have
    /// come of it.
    fn check_failure(
        &self,
        row: &Row,
        outcome: Option<&Outcome>,
        same: bool,
    ) -> Result<(), String> {
        if !same {
            return Err("it failed, and something came of it".to_owned());
        }
        let failure = outcome.and_then(|outcome| outcome.failure.as_ref());
        let message = failure.map_or("", |failure| failure.message.as_str());
        let poisoned = self.poisoned.contains(row.key());
        let stays = row.resource == "domain" && row.action == "delete" && !self.domains_go;
        // Some servers only leave out what they refuse.
        let refused = ["cannot be accepted", "the server reported success"];
        let may = poisoned && refused.iter().any(|text| message.contains(text))
            || stays && message.contains("only ever adds")
            || message.starts_with("given up after")
            || message.contains("The scenario says so.")
            // A refusal whose words were lost on the way.
            || message.contains("Please wait") || message.contains("an empty body");
        if may {
            Ok(())
        } else {
            Err("it need not have failed".to_owned())
        }
    }

    fn check_schedule(
        &self,
        status: Status,
        row: &Row,
        outcome: Option<&Outcome>,
    ) -> Result<(), String> {
        let (before, after) = (
            &self.before["connector_schedule"],
            &self.after["connector_schedule"],
        );
        if status == Status::Failed {
            return self.check_failure(row, outcome, before == after);
        }
        let interval = &after["frequencyInterval"];
        let interval = interval
            .as_str()
            .map_or_else(|| interval.to_string(), str::to_owned);
        expect(interval == row.cells["frequency_interval"], status)
    }

    /// Finds objects of no row that have changed, come or gone.
    fn check_others(&self, resource: &str, of: &str, wrong: &mut Vec<String>) {
        let rows = self.rows.iter().filter(|row| row.resource == resource);
        let about: BTreeSet<&str> = rows.map(Row::key).collect();
        let others = |state: &Value| -> BTreeMap<String, Value> {
            let objects = state[of]
                .as_array()
                .cloned()
                .unwrap_or_default()
                .into_iter();
            let others = objects.filter(|object| !about.contains(&*key_of(resource, object)));
            others
                .map(|object| (object["id"].to_string(), without_times(resource, object)))
                .collect()
        };
        let (before, after) = (others(self.before), others(self.after));
        for id in before.keys().chain(after.keys()) {
            if before.get(id) != after.get(id) {
                wrong.push(format!(
                    "{resource} {id} of no row: {:?} has become {:?}",
                    before.get(id),
                    after.get(id)
                ));
            }
        }
    }
}

/// The object without the fields that change by themselves.
fn settled(row: &Row, object: Option<&Value>) -> Option<Value> {
    object.map(|object| without_times(row.resource, object.clone()))
}

/// The object without its time where that changes by itself: a list of domains is written as a whole.
fn without_times(resource: &str, mut object: Value) -> Value {
    if resource == "domain"
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("modifiedTime");
    }
    // What a portal is like is not a link's business.
    if let Some(portals) = object.get_mut("userPortals").and_then(Value::as_array_mut) {
        for portal in portals {
            *portal = portal["id"].clone();
        }
    }
    object
}

trait ByList {
    fn is_some_or_list(&self, row: &Row) -> bool;
}

impl<T> ByList for Option<T> {
    /// True for an id, and for an element of a list, which may have none.
    fn is_some_or_list(&self, row: &Row) -> bool {
        self.is_some() || row.resource == "domain"
    }
}

fn expect(fits: bool, status: Status) -> Result<(), String> {
    if fits {
        Ok(())
    } else {
        Err(format!("{status:?} is not true"))
    }
}

/// The key of an object as a row writes it. The names of links have characters that answers escape.
fn key_of<'o>(resource: &str, object: &'o Value) -> Cow<'o, str> {
    let field = match resource {
        "domain" => "domain",
        _ => "name",
    };
    let key = object[field].as_str().unwrap_or_default();
    match resource {
        "portal-link" => unescaped(key).into(),
        _ => key.into(),
    }
}

/// The objects that a row is about.
fn found<'s>(state: &'s Value, row: &Row) -> Vec<&'s Value> {
    let of = STATES
        .iter()
        .find(|(resource, _)| *resource == row.resource)
        .unwrap()
        .1;
    let objects = state[of].as_array().into_iter().flatten();
    objects
        .filter(|object| key_of(row.resource, object) == row.key())
        .collect()
}

/// Fails unless the object has the values of the row, and has kept all others.
fn as_asked(row: &Row, before: Option<&Value>, after: &Value) -> Result<(), String> {
    let mut asked: Vec<(&str, Value)> = Vec::new();
    for (column, cell) in &row.cells {
        match *column {
            "url" => asked.extend(address(cell)),
            "description" => asked.push(("description", cell.replace('"', "&quot;").into())),
            "enabled" => asked.push(("enabled", (cell == "true").into())),
            "user_portals" => {
                let names: BTreeSet<&str> = cell.split(';').collect();
                let shown = after["userPortals"].as_array().into_iter().flatten();
                let shown: BTreeSet<&str> = shown
                    .map(|portal| portal["name"].as_str().unwrap())
                    .collect();
                if names != shown {
                    return Err(format!("it is on {shown:?}"));
                }
            }
            "ext_label" => asked.push(("extLabel", cell.as_str().into())),
            _ => {}
        }
    }
    for (field, value) in &asked {
        let shown = after.get(*field).cloned().unwrap_or_else(|| "".into());
        if shown != *value {
            return Err(format!("its {field} is {shown}"));
        }
    }
    let kept = before.and_then(Value::as_object).into_iter().flatten();
    let changed = |field: &str| {
        field == "modifiedTime"
            || asked.iter().any(|(other, _)| *other == field)
            || field == "userPortals" && row.cells.contains_key("user_portals")
    };
    for (field, value) in kept.filter(|(field, _)| !changed(field)) {
        let same = match field.as_str() {
            "userPortals" => ids(value) == ids(&after[field]),
            _ => after.get(field) == Some(value),
        };
        if !same {
            return Err(format!("its {field} is no longer {value}"));
        }
    }
    Ok(())
}

fn ids(portals: &Value) -> BTreeSet<String> {
    let portals = portals.as_array().into_iter().flatten();
    portals.map(|portal| portal["id"].to_string()).collect()
}

fn address(url: &str) -> [(&'static str, Value); 3] {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (host, path) = rest
        .split_once('/')
        .map_or((rest, String::new()), |(host, path)| {
            (host, format!("/{path}"))
        });
    let path = if path == "/" { String::new() } else { path };
    [
        ("protocol", format!("{scheme}://").into()),
        ("link", host.into()),
        ("linkPath", path.into()),
    ]
}
