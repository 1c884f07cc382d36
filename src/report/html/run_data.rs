//! The facts of a run that its page shows, read from the files of the run within bounds.

use std::collections::BTreeMap;
use std::io;

use crate::engine::CallEvent;
use crate::item::{Change, FieldChange, ItemNumber, Status};
use crate::ledger::State;
use crate::report::quota_use::{CallPart, parts};
use crate::report::rows::{ResultRow, Results};
use crate::resource::Kind;
use crate::run::{LoggedCalls, PlanLine};
use crate::wire::Failure;

/// The most rows of each sort that a page shows: those that need a look, and all others.
const MOST_ROWS: usize = 20_000;

/// The most groups of one kind.
const MOST_GROUPS: usize = 300;

/// The most rows that a group names.
const MOST_NAMED: usize = 50;

/// The most updates whose fields are shown.
const MOST_UPDATES: usize = 5000;

/// One row of the manifests and what came of it.
#[derive(Debug)]
pub(super) struct RowFacts {
    pub(super) origin: String,
    pub(super) name: String,
    pub(super) resource: &'static str,
    pub(super) op: &'static str,
    pub(super) status: &'static str,
    pub(super) id: String,
    pub(super) attempts: String,
    pub(super) reason: String,
}

/// Rows with the same reason.
#[derive(Debug)]
pub(super) struct Reason {
    pub(super) status: &'static str,
    pub(super) failure: Failure,
    pub(super) count: u64,
    /// The first rows, each with its name.
    pub(super) rows: Vec<(String, String)>,
}

/// The fields of one update.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) origin: String,
    pub(super) name: String,
    pub(super) status: &'static str,
    pub(super) changes: Vec<FieldChange>,
}

/// The outcomes of the rows with the same value: how many of each state.
pub(super) type Breakdown = BTreeMap<String, BTreeMap<&'static str, u64>>;

/// The facts of a run.
#[derive(Debug, Default)]
pub(super) struct RunData {
    pub(super) rows: Vec<RowFacts>,
    /// The number of rows that are not in `rows`.
    pub(super) left_out: u64,
    /// The reasons of rows that did not succeed, the most frequent first.
    pub(super) failures: Vec<Reason>,
    pub(super) spared: Vec<Reason>,
    /// The outcomes by resource, by portal and by microtenant.
    pub(super) by: [Breakdown; 3],
    pub(super) updates: Vec<Update>,
    pub(super) parts: Vec<CallPart>,
    /// The number of events of the log that are missing or cannot be read.
    pub(super) missing_events: u64,
    /// True if the log has more events than are read.
    pub(super) is_cut: bool,
}

impl RunData {
    pub(super) fn read(results: &Results<'_>, logged: LoggedCalls) -> io::Result<Self> {
        let mut data = Self {
            missing_events: logged.damaged + dropped(&logged.events),
            is_cut: logged.is_cut,
            parts: parts(logged.events),
            ..Self::default()
        };
        let portals = portals_column(&results.plan.origin().columns);
        let mut room = [MOST_ROWS; 2];
        let mut reasons = BTreeMap::new();
        for number in 0..results.plan.len() {
            let line = results.plan.line(number)?;
            let row = results.row(number, &line);
            data.count(&line, &row, portals);
            data.note_update(&line, &row);
            note_reason(&mut reasons, number, &line, &row, results);
            let [troubled, others] = &mut room;
            let left = if row.failure.is_some() {
                troubled
            } else {
                others
            };
            if *left == 0 {
                data.left_out += 1;
            } else {
                *left -= 1;
                data.rows.push(RowFacts::of(&line, &row));
            }
        }
        let mut reasons: Vec<Reason> = reasons.into_values().collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
        (data.spared, data.failures) = reasons
            .into_iter()
            .partition(|reason| reason.status == Status::Spared.name());
        Ok(data)
    }

    fn count(&mut self, line: &PlanLine, row: &ResultRow<'_>, portals: Option<usize>) {
        let item = &line.item;
        let [by_resource, by_portal, by_microtenant] = &mut self.by;
        add(by_resource, item.resource.name(), row.status);
        let microtenant = item
            .microtenant
            .as_ref()
            .map_or("Default", |id| id.as_str());
        add(by_microtenant, microtenant, row.status);
        if item.resource != Kind::portal_link() {
            return;
        }
        let cell = portals.and_then(|column| line.input.get(column));
        let named = cell.map_or("", String::as_str).split([';', '\n']);
        let mut named = named
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .peekable();
        if named.peek().is_none() {
            add(by_portal, "(none named in the manifest)", row.status);
        }
        for portal in named {
            add(by_portal, portal, row.status);
        }
    }

    fn note_update(&mut self, line: &PlanLine, row: &ResultRow<'_>) {
        if let Change::Update { changes, .. } = &line.item.change
            && self.updates.len() < MOST_UPDATES
        {
            self.updates.push(Update {
                origin: row.origin.clone(),
                name: line.item.key.to_string(),
                status: row.status,
                changes: changes.clone(),
            });
        }
    }
}

impl RowFacts {
    fn of(line: &PlanLine, row: &ResultRow<'_>) -> Self {
        Self {
            origin: row.origin.clone(),
            name: line.item.key.to_string(),
            resource: line.item.resource.name(),
            op: line.item.change.name(),
            status: row.status,
            id: row.id.clone(),
            attempts: row.attempts.clone(),
            reason: row.failure.map(ToString::to_string).unwrap_or_default(),
        }
    }
}

fn dropped(events: &[CallEvent]) -> u64 {
    let counts = events.iter().map(|event| match event {
        CallEvent::Dropped { count } => *count,
        _ => 0,
    });
    counts.sum()
}

/// Returns the place of the column that names the portals of links.
fn portals_column(columns: &[String]) -> Option<usize> {
    let is_portals = |title: &String| {
        let column = Kind::portal_link().column(title);
        column.is_some_and(|column| column.wire == "userPortals")
    };
    columns.iter().position(is_portals)
}

fn add(breakdown: &mut Breakdown, value: &str, status: &'static str) {
    let value = if breakdown.contains_key(value) || breakdown.len() < MOST_GROUPS {
        value
    } else {
        "(all others)"
    };
    let counts = breakdown.entry(value.to_owned()).or_default();
    *counts.entry(status).or_default() += 1;
}

/// Groups the row with others that have the same reason, but for the names and numbers in it.
fn note_reason(
    reasons: &mut BTreeMap<(&'static str, String), Reason>,
    number: ItemNumber,
    line: &PlanLine,
    row: &ResultRow<'_>,
    results: &Results<'_>,
) {
    let is_troubled = matches!(
        results.ledger.state(number),
        State::Finished(Status::Failed | Status::Spared | Status::Stale) | State::InDoubt
    );
    let unknown =
        Failure::new("the result is not known: a call was sent, and its answer did not come");
    let failure = match (row.failure, is_troubled) {
        (Some(failure), _) => failure,
        (None, true) => &unknown,
        (None, false) => return,
    };
    let mut key = (row.status, alike(failure));
    if !reasons.contains_key(&key) && reasons.len() >= MOST_GROUPS {
        key.1 = String::new();
    }
    let reason = reasons.entry(key).or_insert_with(|| Reason {
        status: row.status,
        failure: failure.clone(),
        count: 0,
        rows: Vec::new(),
    });
    reason.count += 1;
    if reason.rows.len() < MOST_NAMED {
        let name = line.item.key.to_string();
        reason.rows.push((row.origin.clone(), name));
    }
}

/// Returns a failure without what differs from row to row: numbers, and texts in quotes.
fn alike(failure: &Failure) -> String {
    let mut text = failure.error_id.clone().unwrap_or_default();
    let mut is_quoted = false;
    for c in failure.message.chars() {
        if c == '"' {
            is_quoted = !is_quoted;
        }
        if !is_quoted && !c.is_ascii_digit() {
            text.push(c);
        }
    }
    text
}
