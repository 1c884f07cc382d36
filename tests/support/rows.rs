//! The rows of a generated manifest.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::manifests::PORTALS;
use super::random::Random;

/// Names that have made trouble.
const AWKWARD: [&str; 14] = [
    "A * B",
    "R&amp;D",
    "<b>bold</b>",
    "O'Neil \"quoted\"",
    "a,b;c",
    "Ünï cödé 日本 🦀",
    "=1+1",
    "-dash",
    "wiki",
    "Wiki",
    "WIKI ",
    "null",
    "0042",
    "C:\\new\\table",
];

/// One row, with its cells by column.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) resource: &'static str,
    pub(crate) action: &'static str,
    pub(crate) cells: BTreeMap<&'static str, String>,
}

impl Row {
    fn new(resource: &'static str, action: &'static str) -> Self {
        Self {
            resource,
            action,
            cells: BTreeMap::new(),
        }
    }

    fn with(mut self, column: &'static str, cell: impl Into<String>) -> Self {
        self.cells.insert(column, cell.into());
        self
    }

    /// The key of the row's object, as the tenant knows it.
    pub(crate) fn key(&self) -> &str {
        let column = match self.resource {
            "domain" => "domain",
            _ => "name",
        };
        self.cells.get(column).map_or("", |key| key.trim())
    }
}

/// Rows about different objects, some of which exist.
pub(crate) fn rows(random: &mut Random, before: &Value) -> Vec<Row> {
    let mut rows = Vec::new();
    new_links(random, &mut rows);
    for link in objects(before, "portal_links") {
        rows.extend(known_link(random, link["name"].as_str().unwrap()));
    }
    if random.percent(40) {
        portals(random, &mut rows);
    }
    if random.percent(40) {
        for connector in objects(before, "connectors") {
            rows.extend(connector_row(random, connector));
        }
    }
    if random.percent(40) {
        domains(random, &mut rows);
    }
    if random.percent(20) {
        let days = (5 + random.below(60)).to_string();
        rows.push(Row::new("connector-schedule", "ensure").with("frequency_interval", days));
    }
    if rows.is_empty() {
        rows.push(link(random, "ensure", "The only one"));
    }
    random.shuffle(&mut rows);
    rows
}

/// Adds an update for every link that is there and has no row.
pub(crate) fn describe_all(rows: &mut Vec<Row>, before: &Value, description: &str) {
    for link in objects(before, "portal_links") {
        let name = link["name"].as_str().unwrap();
        if rows.iter().all(|row| row.key() != name) {
            let row = Row::new("portal-link", "update").with("name", name);
            rows.push(row.with("description", description));
        }
    }
}

fn objects<'s>(state: &'s Value, of: &str) -> impl Iterator<Item = &'s Value> {
    state[of].as_array().into_iter().flatten()
}

fn new_links(random: &mut Random, rows: &mut Vec<Row>) {
    let plain = random.below(*random.clone().one(&[4, 12, 40]));
    let names = (0..plain).map(|number| format!("App {number:04}"));
    let awkward = AWKWARD.iter().map(|name| (*name).to_owned());
    let names: Vec<String> = names
        .chain(awkward.filter(|_| random.percent(10)))
        .collect();
    for name in names {
        let action = *random.one(&["ensure", "ensure", "create"]);
        rows.push(link(random, action, &name));
    }
}

fn link(random: &mut Random, action: &'static str, name: &str) -> Row {
    let host = format!("app{}.corp.example", random.below(1000));
    let url = *random.one(&["https://{}", "http://{}/", "https://{}/start/here"]);
    let row = Row::new("portal-link", action)
        .with("name", name)
        .with("url", url.replace("{}", &host));
    decorated(random, row)
}

fn decorated(random: &mut Random, mut row: Row) -> Row {
    if random.percent(60) {
        let one = *random.one(&PORTALS);
        let cell = match random.below(3) {
            0 if one != PORTALS[0] => format!("{};{one}", PORTALS[0]),
            _ => one.to_owned(),
        };
        row = row.with("user_portals", cell);
    }
    if random.percent(30) {
        row = row.with(
            "description",
            *random.one(&["for everybody", "of old, \"new\""]),
        );
    }
    if random.percent(30) {
        row = row.with("enabled", *random.one(&["true", "false"]));
    }
    row
}

fn known_link(random: &mut Random, name: &str) -> Option<Row> {
    match random.below(5) {
        0 => Some(Row::new("portal-link", "delete").with("name", name)),
        1 => Some(link(random, "update", name)),
        2 => Some(link(random, "ensure", name)),
        3 => {
            let row = Row::new("portal-link", "update").with("name", name);
            Some(decorated(random, row).with("enabled", "true"))
        }
        _ => None,
    }
}

fn portals(random: &mut Random, rows: &mut Vec<Row>) {
    for number in 0..random.below(4) {
        let row = Row::new("user-portal", "ensure")
            .with("name", format!("New Portal {number}"))
            .with("ext_label", format!("new-{number}"))
            .with("ext_domain", "example.com");
        rows.push(row.with("enabled", "true"));
    }
    if random.percent(50) {
        let row = Row::new("user-portal", "update").with("name", PORTALS[1]);
        rows.push(row.with("description", "changed"));
    }
    if random.percent(30) {
        rows.push(Row::new("user-portal", "delete").with("name", "Never There"));
    }
}

fn connector_row(random: &mut Random, connector: &Value) -> Option<Row> {
    let fixed = ["readOnly", "zscalerManaged"]
        .iter()
        .any(|flag| connector[flag] == true);
    let name = connector["name"].as_str().unwrap();
    // A name that answers escape is a matter of the tests of exports.
    if fixed || name.contains('&') {
        return None;
    }
    let disconnected = connector["controlChannelStatus"] == "ZPN_STATUS_DISCONNECTED";
    match random.below(4) {
        0 if disconnected => Some(Row::new("connector", "delete").with("name", name)),
        1 => {
            let row = Row::new("connector", "update").with("name", name);
            Some(
                row.with("description", "in the cellar")
                    .with("enabled", "false"),
            )
        }
        _ => None,
    }
}

fn domains(random: &mut Random, rows: &mut Vec<Row>) {
    for number in 0..random.below(8) {
        let row = Row::new("domain", "ensure");
        rows.push(row.with("domain", format!("new{number}.example")));
    }
    if random.percent(40) {
        rows.push(Row::new("domain", "ensure").with("domain", "corp.example"));
    }
    if random.percent(40) {
        rows.push(Row::new("domain", "delete").with("domain", "old.example"));
    }
    if random.percent(20) {
        rows.push(Row::new("domain", "delete").with("domain", "never.example"));
    }
}

/// The rows as a file: its ending and its text.
pub(crate) fn manifest(random: &mut Random, rows: &[Row]) -> (&'static str, String) {
    let json = random.percent(50);
    let ending = if json { "jsonl" } else { "csv" };
    (ending, text(rows, json))
}

/// The rows as the text of a file, in JSON Lines or as CSV.
pub(crate) fn text(rows: &[Row], json: bool) -> String {
    if json {
        rows.iter().map(json_line).collect()
    } else {
        csv(rows)
    }
}

fn json_line(row: &Row) -> String {
    let mut line = Map::new();
    line.insert("resource".to_owned(), row.resource.into());
    line.insert("action".to_owned(), row.action.into());
    for (column, cell) in &row.cells {
        let value = match cell.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => Value::from(text),
        };
        line.insert((*column).to_owned(), value);
    }
    format!("{}\n", Value::Object(line))
}

fn csv(rows: &[Row]) -> String {
    let mut columns: Vec<&str> = rows
        .iter()
        .flat_map(|row| row.cells.keys().copied())
        .collect();
    columns.sort_unstable();
    columns.dedup();
    let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
    let mut text = format!("resource,action,{}\n", columns.join(","));
    for row in rows {
        let cells = columns
            .iter()
            .map(|column| row.cells.get(column).map_or("", String::as_str));
        let cells: Vec<String> = [row.resource, row.action]
            .into_iter()
            .chain(cells)
            .map(quoted)
            .collect();
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}
