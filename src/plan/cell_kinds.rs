//! Cells of a workbook whose kind of value is not what their column means.

use super::columns::Field;
use super::repair::accepts;
use crate::item::CellKind;
use crate::resource::{Column, Form, Kind};
use crate::wire::{quoted, shortened};

/// A message for the user, and a value that may be meant.
pub(super) type Refused = (String, Option<String>);

/// The most digits of a number that a workbook keeps.
const KEPT: usize = 15;

/// Refuses a cell whose kind of value does not fit the column, whatever its text.
pub(super) fn refuse_kind(kind: CellKind<'_>, field: &Field, text: &str) -> Result<(), Refused> {
    let Column { form, numeric, .. } = *field.column;
    match kind {
        CellKind::Text => Ok(()),
        _ if matches!(form, Form::Info) => Ok(()),
        CellKind::List if field.column.target().is_some() => Ok(()),
        CellKind::Number if numeric || field.column.target().is_some() => refuse_number(text),
        CellKind::Number | CellKind::Flag if matches!(form, Form::Flag) => Ok(()),
        CellKind::Link(target) => refuse_link(field.column, text, target),
        kind => refuse_value(kind, text),
    }
}

/// Does the same for a column that is there whatever the resource.
pub(super) fn refuse_common(kind: CellKind<'_>, is_id: bool, text: &str) -> Result<(), Refused> {
    match kind {
        CellKind::Text | CellKind::Link(_) => Ok(()),
        CellKind::Number if is_id => refuse_number(text),
        kind => refuse_value(kind, text),
    }
}

fn refuse_value(kind: CellKind<'_>, text: &str) -> Result<(), Refused> {
    let shown = shortened(text);
    let as_text = "format the column as text";
    Err(match kind {
        CellKind::Text | CellKind::Link(_) => return Ok(()),
        CellKind::Untrimmed => (
            "white space stands before or behind the text".to_owned(),
            Some(text.to_owned()),
        ),
        CellKind::Number => (
            format!("the cell holds the number {shown}, and a text is meant; {as_text}"),
            (text.len() <= KEPT).then(|| text.to_owned()),
        ),
        CellKind::Flag => (
            format!("the cell holds the boolean {shown}, and a text is meant; {as_text}"),
            None,
        ),
        CellKind::Date => (
            format!("the cell holds a date ({shown}); {as_text}, and type the value again"),
            None,
        ),
        CellKind::Error => (format!("the cell holds the error {shown}"), None),
        CellKind::NoValue => (
            "the formula has no stored value; open the workbook in a spreadsheet program and save it"
                .to_owned(),
            None,
        ),
        CellKind::List => ("a list cannot stand here; write one value".to_owned(), None),
    })
}

/// Refuses a number that may not have all digits of the id that is meant.
fn refuse_number(text: &str) -> Result<(), Refused> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits <= KEPT {
        return Ok(());
    }
    Err((
        format!(
            "the cell holds a number of {digits} digits, of which a spreadsheet keeps {KEPT}; format the column as text, and \
             export it again"
        ),
        None,
    ))
}

/// Refuses an address that shows one thing and opens another.
fn refuse_link(column: &Column, text: &str, target: &str) -> Result<(), Refused> {
    let address = Kind::portal_link().column("url").map(|column| column.form);
    let Some(Form::Split(_, split)) = address else {
        return Ok(());
    };
    let is_host = column.wire == "link" && !matches!(column.form, Form::Split(..));
    if !is_host && !matches!(column.form, Form::Split(..)) {
        return Ok(());
    }
    let normal = |text: &str| {
        let [scheme, host, path] = split(text).ok()?;
        let path = if is_host {
            ""
        } else {
            path.trim_end_matches('/')
        };
        Some(format!("{scheme}{}{path}", host.to_lowercase()))
    };
    let shown = if is_host {
        format!("https://{text}")
    } else {
        text.to_owned()
    };
    let opened = if is_host {
        target.replace("http://", "https://")
    } else {
        target.to_owned()
    };
    if normal(&shown).is_some() && normal(&shown) == normal(&opened) {
        return Ok(());
    }
    let message = format!(
        "the cell shows {}, and a click on it opens {}; write the address that is meant, and remove the link",
        quoted(text),
        quoted(target)
    );
    Err((
        message,
        accepts(column.form, target).then(|| target.to_owned()),
    ))
}
