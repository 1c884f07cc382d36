//! The use case `export`: writes live state as a manifest. Applying this manifest changes nothing.

use std::io;

use serde_json::Value;

use super::error::{Error, ErrorKind};
use super::tenant::{Connect, Tenant};
use crate::clock::wall;
use crate::item::Problem;
use crate::manifest::{LeftCell, OutputFormat, RowsWriter};
use crate::plan::export::{Exporter, exportable, in_order, targets};
use crate::plan::{Condition, Filter, FilterError, Resolver, Snapshot, similar};
use crate::resource::{Column, Form, Kind, Part, Scope};
use crate::wire::{Id, Object};

/// The options of [`export`].
#[derive(Clone, Debug)]
pub struct ExportOptions<'o> {
    /// The kind of object.
    pub kind: Kind,
    /// The columns besides those that identify the object. If empty, all.
    pub columns: &'o [String],
    /// The conditions that an object must meet, all of them.
    pub filters: &'o [Filter],
    /// The part to export, for a kind that has several parts. Default: all parts.
    pub part: Option<&'o str>,
    /// The portal, by name or id, whose links are exported. Default: all links.
    pub portal: Option<&'o str>,
    /// The format of the manifest.
    pub format: OutputFormat,
    /// The name of the manifest in warnings.
    pub name: &'o str,
}

/// An exported manifest.
#[derive(Clone, Debug)]
pub struct Export {
    /// The bytes of the manifest.
    pub content: Vec<u8>,
    /// The number of rows.
    pub rows: usize,
    /// The number of objects that were chosen. An object that no row can name is chosen and has no row.
    pub chosen: usize,
    /// The values and objects that are left out, each with the reason.
    pub warnings: Vec<String>,
}

/// Exports objects of one kind.
///
/// # Errors
/// [`ErrorKind::Usage`] for unknown columns, parts and portals, and the kinds of [`of_end`](super::of_end) if live
/// state cannot be read.
pub async fn export(
    options: ExportOptions<'_>,
    connect: &mut dyn Connect,
    stop: tokio::sync::watch::Receiver<bool>,
) -> Result<Export, Error> {
    let ExportOptions {
        kind, format, name, ..
    } = options;
    let columns = columns(kind, options.columns)?;
    if options.portal.is_some() && kind != Kind::portal_link() {
        let message = format!("--portal is for portal links, not for {}s", kind.noun());
        return Err(Error::usage(message));
    }
    let mut tenant = connect.connect(None, stop).await?;
    let microtenant = tenant.microtenant.clone();
    let targets = read_targets(kind, &columns, options.portal.is_some(), &mut tenant).await?;
    let scopes = match options.portal {
        Some(portal) => vec![of_portal(portal, microtenant.as_ref(), &targets)?],
        None => parts(kind, options.part, microtenant.as_ref())?,
    };
    let live = tenant.snapshot(scopes, ErrorKind::Unexpected).await?;
    let chosen = chosen(kind, &live, options.filters)?;
    let mut exporter = Exporter::new(kind, microtenant, &columns, &targets);
    let mut warnings = Vec::new();
    let rows = rows(&mut exporter, &chosen, format, |message| {
        warnings.push(format!("{name}{message}"));
    });
    let (content, left) = content(&exporter, &columns, &rows, options.kind, format)
        .map_err(|error| Error::unexpected("the export cannot be written", &error))?;
    warnings.extend(left.iter().map(|cell| {
        let LeftCell { row, title } = cell;
        format!("{name}:{row}: column {title:?} is left empty, since no workbook can hold so long a text")
    }));
    Ok(Export {
        content,
        rows: rows.len(),
        chosen: chosen.len(),
        warnings,
    })
}

/// Returns the columns that were asked for, or all. Every export has the columns that identify an object besides.
fn columns(kind: Kind, asked: &[String]) -> Result<Vec<&'static Column>, Error> {
    if asked.is_empty() {
        return Ok(exportable(kind).collect());
    }
    let mut columns: Vec<&'static Column> = Vec::new();
    for name in asked.iter().map(|name| name.trim()) {
        if ["resource", "id", "microtenant"].contains(&name) {
            continue;
        }
        let known = kind.column(name);
        let column = known.filter(|known| !matches!(known.form, Form::Condition(_)));
        let column = column.ok_or_else(|| unknown_column(kind, name))?;
        if columns.iter().all(|other| other.name != column.name) {
            columns.push(column);
        }
    }
    // A manifest that says a field twice is refused.
    let is_twice = |one: &&Column, other: &&Column| {
        one.name != other.name && one.wires().iter().any(|wire| other.wires().contains(wire))
    };
    let twice = columns.iter().find_map(|one| {
        let other = columns.iter().find(|other| is_twice(one, other))?;
        Some(format!("{} and {} say the same", one.name, other.name))
    });
    match twice {
        Some(message) => Err(Error::usage(message).hint("export one of them")),
        None => Ok(columns),
    }
}

fn unknown_column(kind: Kind, name: &str) -> Error {
    let known = kind.columns().iter();
    let known = known.filter(|column| !matches!(column.form, Form::Condition(_)));
    let known: Vec<&str> = known.map(|column| column.name).collect();
    let error = Error::usage(format!(
        "an export of {}s has no column {name:?}",
        kind.noun()
    ));
    match similar(name, known.iter().copied()).first() {
        Some(likely) => error.hint(format!("did you mean {likely:?}?")),
        None => error.hint(format!("its columns are {}", known.join(", "))),
    }
}

/// Reads the objects to which the exported ones refer, since a manifest must hold no reference that cannot be resolved.
async fn read_targets(
    kind: Kind,
    columns: &[&'static Column],
    by_portal: bool,
    tenant: &mut Tenant,
) -> Result<Snapshot, Error> {
    let microtenant = tenant.microtenant.clone();
    let all: Vec<&'static Column> = kind.columns().iter().collect();
    let columns = if by_portal { &all } else { columns };
    let scopes: Vec<Scope> = targets(columns)
        .map(|target| Scope::of(target, microtenant.clone()))
        .collect();
    if scopes.is_empty() {
        return Ok(Snapshot::default());
    }
    tenant.snapshot(scopes, ErrorKind::Unexpected).await
}

/// Returns all scopes of a kind, or the scope of the part that was asked for.
fn parts(kind: Kind, part: Option<&str>, microtenant: Option<&Id>) -> Result<Vec<Scope>, Error> {
    let mut scopes = Scope::all(kind, microtenant);
    if let Some(part) = part {
        let part = kind
            .part(part)
            .map_err(|why| Error::usage(format!("--part: {why}")))?;
        scopes.retain(|scope| scope.part == Some(Part::Named(part)));
    }
    Ok(scopes)
}

/// Returns the scope of a portal's links. `portal` is its name or id.
fn of_portal(portal: &str, microtenant: Option<&Id>, portals: &Snapshot) -> Result<Scope, Error> {
    let kind = Kind::portal_link();
    let listed = portals.listings.first().map(|listing| &listing.scope);
    let found = listed.map(|scope| Resolver::new(scope, portals).resolve(portal));
    let ids = found.unwrap_or_else(|| Ok(Vec::new()));
    let ids = ids.map_err(Error::usage)?;
    match ids.first().and_then(|one| Id::parse(&one.id)) {
        Some(id) if ids.len() == 1 => Ok(Scope {
            part: Some(Part::Portal(id)),
            ..Scope::of(kind, microtenant.cloned())
        }),
        _ => Err(Error::usage("--portal takes one portal, by name or id")),
    }
}

/// Returns the objects that pass all filters, in the order of the export.
fn chosen<'s>(
    kind: Kind,
    live: &'s Snapshot,
    filters: &[Filter],
) -> Result<Vec<(Option<&'s str>, &'s Object)>, Error> {
    let objects = live.listings.iter().flat_map(|listing| &listing.objects);
    let conditions = filters
        .iter()
        .map(|filter| filter.on(kind, objects.clone()));
    let conditions: Result<Vec<Condition>, FilterError> = conditions.collect();
    let conditions = conditions.map_err(|error| Error::usage(error.to_string()))?;
    let now = wall();
    let mut found = in_order(live);
    found.retain(|(part, object)| conditions.iter().all(|c| c.holds(*part, object, now)));
    Ok(found)
}

/// Returns the rows of the objects. `warn` gets a message for each value and each object that is left out.
fn rows(
    exporter: &mut Exporter<'_>,
    objects: &[(Option<&str>, &Object)],
    format: OutputFormat,
    mut warn: impl FnMut(&str),
) -> Vec<Vec<String>> {
    let mut rows = Vec::with_capacity(objects.len());
    for (part, object) in objects {
        let number = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let written = exporter.row(*part, object, number.saturating_add(format.first_row()));
        for problem in &written.problems {
            warn(&described(problem, written.cells.is_some()));
        }
        rows.extend(written.cells);
    }
    rows
}

fn described(problem: &Problem, kept: bool) -> String {
    let column = problem.column.as_deref().unwrap_or_default();
    let message = &problem.message;
    if kept {
        format!(
            ":{}: column {column:?} is left empty, since it could not be applied: {message}",
            problem.row
        )
    } else {
        format!(": an object is left out, since no row can name it: column {column:?}: {message}")
    }
}

fn content(
    exporter: &Exporter<'_>,
    columns: &[&'static Column],
    rows: &[Vec<String>],
    kind: Kind,
    format: OutputFormat,
) -> io::Result<(Vec<u8>, Vec<LeftCell>)> {
    let titles: Vec<&'static str> = exporter.titles().collect();
    let mut writer = RowsWriter::new(format, kind.name(), &titles)?;
    for row in rows {
        let cells = row.iter().map(String::as_str);
        writer.row(cells, |title, cell| json_value(columns, title, cell))?;
    }
    writer.finish()
}

/// Returns a cell as a JSON value. Flags and lists keep their type; all else is text, ids above all.
fn json_value(columns: &[&'static Column], title: &str, cell: &str) -> Value {
    let column = columns.iter().find(|column| column.name == title);
    match (column.map(|column| column.form), cell) {
        (Some(Form::Flag), "true") => Value::Bool(true),
        (Some(Form::Flag), "false") => Value::Bool(false),
        (Some(Form::Refs(_)), ids) => ids.split(';').map(Value::from).collect(),
        (_, text) => Value::from(text),
    }
}
