//! The judgement on a history: owners, duplicates, and the truth of every outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde_json::Value;
use zpa_bulk::item::{Change, Item, Outcome, Status};

use crate::life::{Command, HAND, History, Run};
use crate::support::state::unescaped;
use crate::support::trace::{Changed, Place, Traced, objects};
use crate::writes;

/// Something that must not be.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    /// The invariant that is broken.
    pub(crate) kind: &'static str,
    text: String,
}

impl Violation {
    pub(crate) fn new(kind: &'static str, text: impl fmt::Display) -> Self {
        let text = text.to_string();
        Self { kind, text }
    }

    pub(crate) fn line(&self) -> String {
        format!("{}: {}", self.kind, self.text)
    }
}

/// What is known of one history.
#[derive(Debug)]
pub(crate) struct Model<'h> {
    pub(crate) history: &'h History,
    /// The calls that changed something, in the order in which they were carried out.
    pub(crate) deeds: Vec<&'h Traced>,
    first: BTreeMap<Place, Value>,
    pub(crate) wrong: Vec<Violation>,
}

impl History {
    /// Everything that is wrong.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let mut model = Model::new(self);
        model.owners();
        model.twins();
        for run in &self.runs {
            model.outcomes(run);
        }
        writes::judge(&mut model);
        model.wrong
    }

    /// What happened, line by line.
    pub(crate) fn story(&self) -> Vec<String> {
        let command = |(number, command): (usize, &Command)| {
            let Command {
                process,
                what,
                began,
                ended,
                result,
                ..
            } = command;
            let run = command.run.as_ref().map(|run| run.display().to_string());
            let mut lines = vec![(
                *began,
                format!(
                    "{began:.3?} process {process} command {number}: {what} {run:?} until {ended:.3?}: {result}"
                ),
            )];
            let rows = command.rows.iter();
            lines.extend(rows.map(|row| (*began, format!("        {row:?}"))));
            lines
        };
        let commands = (1..).zip(&self.commands).flat_map(command);
        let calls = self.trace.iter().filter(|call| !call.is_auth());
        let calls = calls.map(|call| (call.sent, call.line()));
        let mut lines: Vec<(Duration, String)> = commands.chain(calls).collect();
        lines.sort_by_key(|(at, _)| *at);
        let outcomes = self.runs.iter().flat_map(|run| {
            let path = run.path.display();
            let head = format!(
                "{path} of commands {:?}, finished: {}",
                run.clients, run.finished
            );
            let outcomes = run.outcomes.values().flatten();
            std::iter::once(head).chain(outcomes.map(|outcome| format!("        {outcome:?}")))
        });
        lines
            .into_iter()
            .map(|(_, line)| line)
            .chain(outcomes)
            .collect()
    }
}

impl<'h> Model<'h> {
    fn new(history: &'h History) -> Self {
        let changing = history.trace.iter().filter(|call| !call.changes.is_empty());
        let mut deeds: Vec<&Traced> = changing.collect();
        deeds.sort_by_key(|call| call.turn);
        Self {
            history,
            deeds,
            first: objects(&history.before),
            wrong: history.found.clone(),
        }
    }

    pub(crate) fn find(&mut self, kind: &'static str, text: impl fmt::Display) {
        self.wrong.push(Violation::new(kind, text));
    }

    /// One owner an object: no id is created or adopted by two runs, and none confirms two rows.
    fn owners(&mut self) {
        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        for run in &self.history.runs {
            let mut confirmed: BTreeMap<String, u32> = BTreeMap::new();
            for (item, outcome) in ended(run) {
                let Some(id) = outcome.id.as_ref().map(ToString::to_string) else {
                    continue;
                };
                if collection(item) == "domains" || outcome.status == Status::Failed {
                    continue;
                }
                let name = format!(
                    "{} row {} ({})",
                    run.path.display(),
                    item.item,
                    outcome.status.name()
                );
                if let Some(other) = confirmed.insert(id.clone(), item.item) {
                    self.find(
                        "one row an object",
                        format!("{id} confirms row {other} and {name}"),
                    );
                }
                if is_own(item, outcome)
                    && let Some(other) = owners.insert(id.clone(), name.clone())
                {
                    self.find(
                        "one owner",
                        format!("{id} belongs to {other} and to {name}"),
                    );
                }
            }
        }
    }

    /// Nothing twice: no two live objects with one key, unless the administrator had a hand in it.
    fn twins(&mut self) {
        let mut named: BTreeMap<(&str, String), Vec<Place>> = BTreeMap::new();
        for (place, object) in objects(&self.history.after) {
            if ["portal_links", "user_portals"].contains(&place.0) {
                let name = unescaped(object["name"].as_str().unwrap_or_default());
                named
                    .entry((place.0, name.trim().to_owned()))
                    .or_default()
                    .push(place);
            }
        }
        for ((of, name), places) in named {
            let ours = |place: &Place| !self.is_by_hand(place);
            let is_new = |place: &Place| !self.first.contains_key(place);
            if places.len() > 1 && places.iter().all(ours) && places.iter().any(is_new) {
                self.find(
                    "nothing twice",
                    format!("{of} {name:?} is there as {places:?}"),
                );
            }
        }
    }

    /// True if the administrator created or renamed the object.
    fn is_by_hand(&self, place: &Place) -> bool {
        let name = |object: &Option<Value>| object.as_ref().map(|object| object["name"].clone());
        let hands = self.deeds.iter().filter(|call| call.client == HAND);
        let mut changes = hands.flat_map(|call| &call.changes);
        changes.any(|change| change.place == *place && name(&change.before) != name(&change.after))
    }

    /// Every row of a finished run has one outcome, and that is true.
    fn outcomes(&mut self, run: &Run) {
        if !run.finished {
            return;
        }
        for item in &run.items {
            let outcomes = run.outcomes.get(&item.item).map_or(&[][..], Vec::as_slice);
            let planned = matches!(
                item.change,
                Change::Unchanged { .. } | Change::Error { .. } | Change::Spared { .. }
            );
            let found = match outcomes {
                [] if planned => None,
                [outcome] => self.untruth(run, item, outcome),
                others => Some(format!("there are {} outcomes", others.len())),
            };
            if let Some(why) = found {
                let run = run.path.display();
                let (row, key, change) = (item.item, &item.key, &item.change);
                let outcomes: Vec<String> = outcomes.iter().map(|one| format!("{one:?}")).collect();
                self.find(
                    "true outcomes",
                    format!("{run} row {row} {key:?}: {why}; {change:?} {outcomes:?}"),
                );
            }
        }
    }

    /// The reason why an outcome is not true.
    fn untruth(&self, run: &Run, item: &Item<'_>, outcome: &Outcome) -> Option<String> {
        if collection(item) == "connector_schedule" {
            return None;
        }
        let place = (collection(item), key(item, outcome));
        let is_true = match (outcome.status, &item.change) {
            (Status::Failed, _) => return self.came_of_it(run, item),
            (Status::Spared, _) => !self
                .by(run)
                .any(|change| change.place == place && change.after.is_none()),
            (Status::Created, Change::Create { .. }) => self.created_by(run, &place),
            (Status::Recovered, Change::Create { body }) => {
                // A remark says that the object may be another's.
                outcome.failure.is_some()
                    || self.created_by(run, &place)
                    || self.was(run, &place, |object| fits(&body.to_object(), object))
            }
            (Status::Updated, Change::Update { set, .. }) => {
                // A remark says which fields were left alone.
                let in_part = outcome.failure.is_some();
                self.put(run, &place.1, |body| {
                    in_part || fits(&set.to_object(), Some(body))
                })
            }
            (Status::Recovered | Status::Unchanged, Change::Update { set, .. }) => {
                outcome.failure.is_some()
                    || self.was(run, &place, |object| fits(&set.to_object(), object))
            }
            (Status::Unchanged, Change::Create { .. }) => {
                self.was(run, &place, |object| object.is_some())
            }
            (Status::Deleted | Status::Recovered | Status::Unchanged, Change::Delete { .. }) => {
                self.was(run, &place, |object| object.is_none())
            }
            _ => false,
        };
        (!is_true).then(|| "it is not true".to_owned())
    }

    /// The changes by a run.
    fn by(&self, run: &Run) -> impl Iterator<Item = &'h Changed> {
        let deeds = self
            .deeds
            .iter()
            .filter(|call| run.clients.contains(&call.client));
        deeds.flat_map(|call| &call.changes)
    }

    fn created_by(&self, run: &Run, place: &Place) -> bool {
        self.by(run)
            .any(|change| change.place == *place && change.before.is_none())
    }

    /// True if the run has written such an object, and the call was carried out.
    fn put(&self, run: &Run, id: &str, fits: impl Fn(&Value) -> bool) -> bool {
        let calls = self
            .history
            .trace
            .iter()
            .filter(|call| run.clients.contains(&call.client));
        let mut puts = calls
            .filter(|call| call.method == "PUT" && call.target() == id && call.was_carried_out());
        puts.any(|call| fits(&call.body))
    }

    /// True if the object was like that at some instant of the run.
    fn was(&self, run: &Run, place: &Place, like: impl Fn(Option<&Value>) -> bool) -> bool {
        let (mut now, mut since) = (self.first.get(place), Duration::ZERO);
        let until = run.ended;
        for call in &self.deeds {
            let change = call.changes.iter().find(|change| change.place == *place);
            let (Some(change), Some(at)) = (change, call.at) else {
                continue;
            };
            if at + self.history.lag >= run.began && since <= until && like(now) {
                return true;
            }
            (now, since) = (change.after.as_ref(), at);
        }
        since <= until && like(now)
    }

    /// The effect of a row that has failed. An object that others have changed since can no longer be recognized.
    fn came_of_it(&self, run: &Run, item: &Item<'_>) -> Option<String> {
        let of = collection(item);
        let confirmed: BTreeSet<String> = ended(run)
            .filter(|(_, outcome)| outcome.status != Status::Failed)
            .filter_map(|(_, outcome)| outcome.id.as_ref().map(ToString::to_string))
            .collect();
        let deeds = self
            .deeds
            .iter()
            .filter(|call| run.clients.contains(&call.client) && !self.is_hidden(run, call));
        let mut changes = deeds.flat_map(|call| &call.changes).filter(|change| {
            change.place.0 == of
                && !confirmed.contains(&change.place.1)
                && !self.is_touched_by_others(run, &change.place)
        });
        let effect = changes.find(|effect| is_effect(item, effect));
        effect.map(|effect| format!("it failed, and {:?} came of it", effect.place))
    }

    /// True if a call was refused for good after it was carried out, and the first reading after it was behind. A run that
    /// has not seen a listing lag believes both.
    fn is_hidden(&self, run: &Run, call: &Traced) -> bool {
        let collection = call.path.trim_end_matches("/bulk");
        let mut after = self.history.trace.iter().filter(|read| {
            run.clients.contains(&read.client)
                && read.method == "GET"
                && read.path == collection
                && Some(read.sent) >= call.answered
        });
        let (read, done) = (after.find_map(|read| read.at), call.at);
        let is_behind = read
            .zip(done)
            .is_some_and(|(read, done)| read < done + self.history.lag);
        matches!(call.status, 400 | 403) && is_behind
    }

    fn is_touched_by_others(&self, run: &Run, place: &Place) -> bool {
        let others = self
            .deeds
            .iter()
            .filter(|call| !run.clients.contains(&call.client));
        let mut changes = others.flat_map(|call| &call.changes);
        changes.any(|change| change.place == *place)
    }
}

impl Traced {
    /// True if the call was carried out, with or without an effect.
    pub(crate) fn was_carried_out(&self) -> bool {
        let is_late = self.fault == Some("late-commit") && self.at.is_some();
        (200..300).contains(&self.status) || !self.changes.is_empty() || is_late
    }
}

fn is_own(item: &Item<'_>, outcome: &Outcome) -> bool {
    matches!(item.change, Change::Create { .. })
        && matches!(outcome.status, Status::Created | Status::Recovered)
}

/// The id of the object, or its key in a list.
fn key(item: &Item<'_>, outcome: &Outcome) -> String {
    if collection(item) == "domains" {
        return item.key.to_string();
    }
    let id = outcome.id.as_ref().or(item.change.id());
    id.map(ToString::to_string).unwrap_or_default()
}

/// True if the change of an object is what the item is about.
fn is_effect(item: &Item<'_>, effect: &Changed) -> bool {
    let of = effect.place.0;
    match &item.change {
        Change::Create { .. } => {
            let key = effect.after.as_ref().map(|object| key_of(of, object));
            effect.before.is_none() && key.as_deref() == Some(item.key.trim())
        }
        // A change of a portal shows on its links too.
        Change::Update { id, set, .. } => {
            let is_as_asked = |object: &Option<Value>| fits(&set.to_object(), object.as_ref());
            effect.place.1 == id.as_str()
                && is_as_asked(&effect.after)
                && !is_as_asked(&effect.before)
        }
        Change::Delete { id, .. } => effect.after.is_none() && effect.place.1 == id.as_str(),
        _ => false,
    }
}

/// The items of a run that have ended, with their outcomes.
fn ended(run: &Run) -> impl Iterator<Item = (&Item<'static>, &Outcome)> {
    let outcomes = run.outcomes.values().flatten();
    outcomes.filter_map(|outcome| Some((run.items.get(outcome.item as usize)?, outcome)))
}

/// The collection of the state in which the object of an item is.
pub(crate) fn collection(item: &Item<'_>) -> &'static str {
    match item.resource.name() {
        "portal-link" => "portal_links",
        "user-portal" => "user_portals",
        "connector" => "connectors",
        "domain" => "domains",
        _ => "connector_schedule",
    }
}

fn key_of(of: &str, object: &Value) -> String {
    let field = if of == "domains" { "domain" } else { "name" };
    unescaped(object[field].as_str().unwrap_or_default())
        .trim()
        .to_owned()
}

/// True if an object has the values of these fields.
fn fits(wanted: &serde_json::Map<String, Value>, object: Option<&Value>) -> bool {
    let Some(object) = object else {
        return false;
    };
    // No answer shows this field.
    let mut shown = wanted.iter().filter(|(field, _)| *field != "managedByZs");
    shown.all(|(field, value)| is_same(field, value, object.get(field)))
}

/// True if two values of a field mean the same.
pub(crate) fn is_same(field: &str, one: &Value, other: Option<&Value>) -> bool {
    if let Value::Array(_) = one {
        return ids(one) == other.map(ids).unwrap_or_default();
    }
    let text = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), unescaped);
        match field {
            "link" => text.to_lowercase(),
            "linkPath" if text == "/" => String::new(),
            _ => text.trim().to_owned(),
        }
    };
    text(one) == other.map(text).unwrap_or_default()
}

fn ids(references: &Value) -> BTreeSet<String> {
    let references = references.as_array().into_iter().flatten();
    references.map(|one| one["id"].to_string()).collect()
}
