//! The rows that a run did not carry out, as a manifest of their own.

use std::io::{self, Write};

use serde_json::Value;

use super::rows::ResultFile;
use crate::item::Change;
use crate::manifest::json_line;
use crate::resource::{Kind, fold};
use crate::run::{PlanLine, RunState};
use crate::wire::FieldValue;

/// Writes the rows of `errors.csv` as JSON Lines, and answers how many there are. They stand in lines of the same
/// numbers as in that file, so that messages about them lead to its rows.
///
/// In JSON Lines a row can say what it could say in its own manifest, an empty text included.
///
/// # Errors
/// When the plan cannot be read or `to` cannot be written.
pub fn write_failed(run_state: &RunState, mut to: impl Write) -> io::Result<u64> {
    // Where the file has its header.
    to.write_all(b"\n")?;
    let columns = &run_state.plan.origin().columns;
    let mut rows = 0;
    for number in 0..run_state.plan.len() {
        if ResultFile::of(run_state.ledger.state(number)) == ResultFile::Errors {
            let line = run_state.plan.line(number)?;
            to.write_all(json_line(members(columns, &line)).as_bytes())?;
            rows += 1;
        }
    }
    Ok(rows)
}

/// What the row says. What it is about may have followed from columns that other rows do not have, so it is said.
fn members<'l>(
    columns: &'l [String],
    line: &'l PlanLine,
) -> impl Iterator<Item = (&'l str, Value)> {
    let resource = ("resource", Value::from(line.item.resource.name()));
    let cells = columns.iter().zip(&line.input);
    let said = cells.filter(|(title, cell)| {
        fold(title) != "resource" && (!cell.trim().is_empty() || says_empty(title, line))
    });
    let said = said.map(|(title, cell)| (title.as_str(), Value::from(cell.as_str())));
    [resource].into_iter().chain(said)
}

/// Whether an empty cell of that column asks for an empty field, and does not just say nothing.
fn says_empty(title: &str, line: &PlanLine) -> bool {
    let Change::Update { set, .. } = &line.item.change else {
        return false;
    };
    let kind: Kind = line.item.resource;
    let column = kind.column(title);
    column.is_some_and(|column| match set.find(column.wire) {
        Some(FieldValue::Text(text)) => text.is_empty(),
        Some(FieldValue::Refs(refs)) => refs.is_empty(),
        Some(FieldValue::Flag(_)) | None => false,
    })
}
