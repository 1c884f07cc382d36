//! The manifest of a retry: the rows that a run did not carry out.

use std::io::{self, Write};

use serde_json::Value;

use super::rows::ResultFile;
use crate::item::Change;
use crate::manifest::json_line;
use crate::resource::{Kind, fold};
use crate::run::{PlanLine, RunState};
use crate::wire::FieldValue;

/// Writes the rows of `errors.csv` as JSON Lines. Each row has the same line number as in
/// that file, so that messages lead to its rows.
///
/// JSON Lines can hold all that the run's own manifests could say, an empty text included.
///
/// # Errors
/// An [`io::Error`] if the plan cannot be read or `to` cannot be written.
pub fn write_failed(run_state: &RunState, mut to: impl Write) -> io::Result<()> {
    // The empty line stands for the header of `errors.csv`.
    to.write_all(b"\n")?;
    let columns = &run_state.plan.origin().columns;
    for number in 0..run_state.plan.len() {
        if ResultFile::of(run_state.ledger.state(number)) == ResultFile::Errors {
            write_row(columns, &run_state.plan.line(number)?, &mut to)?;
        }
    }
    Ok(())
}

/// Writes the row of a plan's line as a line of JSON Lines.
///
/// # Errors
/// An [`io::Error`] if `to` cannot be written.
pub fn write_row(columns: &[String], line: &PlanLine, mut to: impl Write) -> io::Result<()> {
    to.write_all(json_line(members(columns, line)).as_bytes())
}

/// Returns the members of the row's JSON object. The resource is always one of them: in the manifest it may have
/// followed from columns of other rows.
fn members<'l>(
    columns: &'l [String],
    line: &'l PlanLine,
) -> impl Iterator<Item = (&'l str, Value)> {
    let resource = ("resource", Value::from(line.item.resource.name()));
    let cells = columns.iter().zip(&line.input);
    let others = cells.filter(|(title, cell)| {
        fold(title) != "resource" && (!cell.trim().is_empty() || empties_field(title, line))
    });
    let others = others.map(|(title, cell)| (title.as_str(), Value::from(cell.as_str())));
    [resource].into_iter().chain(others)
}

/// Tells whether an empty cell of that column empties the field. Otherwise an empty cell leaves the field alone.
fn empties_field(title: &str, line: &PlanLine) -> bool {
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
