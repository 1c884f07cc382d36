//! The check of one row by itself: every mistake that shows without the tenant.

use std::borrow::Cow;

use super::cell_kinds::{refuse_common, refuse_kind};
use super::columns::{Field, Layout, column_for};
use super::defaults::Defaults;
use super::flags::flag;
use super::repair::suggestion;
use super::rounded::is_rounded;
use super::wording::similar;
use crate::item::{CellKind, Problem, Row};
use crate::resource::Action;
use crate::resource::{Form, Kind, Part, Scope};
use crate::wire::{FieldValue, Fields, Id, quoted};

/// A row that is right in itself.
#[derive(Clone, Debug)]
pub struct Draft<'r> {
    /// The number of the manifest.
    pub file: u16,
    /// The number of the row.
    pub row: u32,
    /// The kind of its object.
    pub kind: Kind,
    /// The action that the row asks for.
    pub action: Action,
    /// The object's id, when the row gives it.
    pub id: Option<&'r str>,
    /// The part of its kind's objects that it belongs to, for a kind that falls into several.
    pub part: Option<&'static str>,
    /// The microtenant, from the row or the settings.
    pub microtenant: Option<Id>,
    /// The condition that must still hold when the object is deleted.
    pub condition: Option<&'r str>,
    /// The natural key; empty when the row names its object by id alone.
    pub key: &'r str,
    /// The wire fields that the row names.
    pub values: Fields<'r>,
    /// The other objects that the row names.
    pub unresolved_refs: Vec<UnresolvedRef<'r>>,
}

/// Objects that a row refers to, still as written.
#[derive(Clone, Copy, Debug)]
pub struct UnresolvedRef<'r> {
    /// The wire field that refers to them.
    pub wire: &'static str,
    /// The kind of the objects.
    pub target: Kind,
    /// The title of the column.
    pub title: &'r str,
    /// The names or ids, separated by `;`.
    pub text: &'r str,
}

/// The code of a cell whose kind of value does not fit its column.
const UNFIT: &str = "unfit_cell";

/// Checks rows, each by itself.
#[derive(Debug)]
pub struct Checker {
    defaults: Defaults,
}

impl Checker {
    /// Returns a checker with the values for rows without their own.
    #[must_use]
    pub fn new(defaults: Defaults) -> Self {
        Self { defaults }
    }

    /// Returns the draft of a row, or `None` for a row with problems, which are added to `problems`.
    pub fn check<'r>(
        &self,
        row: Row<'r>,
        layout: &'r Layout,
        problems: &mut Vec<Problem>,
    ) -> Option<Draft<'r>> {
        let before = problems.len();
        let (draft, action) = self.read(row, layout, problems)?;
        draft.check_ids(row, layout, problems);
        draft.check_foreign(row, layout, problems);
        draft.check_action(action, layout, problems);
        draft.check_required(action, layout, problems);
        if problems.len() == before {
            draft.check_together(layout, problems);
        }
        (problems.len() == before).then_some(draft)
    }

    /// Returns the draft of a row that [`check`](Self::check) has found to be right. It is `None` if a cell of the row cannot
    /// be read, because the row has changed since.
    #[must_use]
    pub fn draft<'r>(&self, row: Row<'r>, layout: &'r Layout) -> Option<Draft<'r>> {
        let mut problems = Vec::new();
        let (draft, _) = self.read(row, layout, &mut problems)?;
        problems.is_empty().then_some(draft)
    }

    /// Reads a row cell by cell. Returns its draft, and its action if that is known.
    fn read<'r>(
        &self,
        row: Row<'r>,
        layout: &'r Layout,
        problems: &mut Vec<Problem>,
    ) -> Option<(Draft<'r>, Option<Action>)> {
        let cell = |at: Option<usize>| row.cells.cell(at?).filter(|text| !text.is_empty());
        let kind = self.kind(row, layout, problems)?;
        let fields = layout.fields(kind)?;
        let action = self.action(row, layout, problems);
        let mut draft = Draft {
            file: row.file,
            row: row.number,
            kind,
            action: action.unwrap_or_default(),
            id: cell(layout.id),
            microtenant: cell(layout.microtenant)
                .and_then(Id::parse)
                .or_else(|| self.defaults.microtenant.clone()),
            key: if kind.key().is_some() {
                ""
            } else {
                kind.noun()
            },
            part: kind.parts().first().copied(),
            condition: None,
            values: Fields(Vec::with_capacity(fields.len() + 2)),
            unresolved_refs: Vec::new(),
        };
        let are_texts = row.cells.are_texts();
        for field in fields {
            let Some(text) = row.cells.cell(field.at) else {
                continue;
            };
            let title = layout.titles.get(field.at).map_or("", String::as_str);
            let taken = if said_before(row, fields, field) {
                let name = field.column.name;
                let message = format!("{name} is given by another column too; keep one of them");
                Err(((message, None), "given_twice"))
            } else {
                let kind = if are_texts {
                    CellKind::Text
                } else {
                    row.cells.kind(field.at)
                };
                let fits = refuse_kind(kind, field, text);
                fits.map_err(|refused| (refused, UNFIT)).and_then(|()| {
                    let taken = draft.take(field, title, text);
                    let refused = |message| (message, suggestion(field.column.form, text));
                    taken.map_err(|message| (refused(message), "invalid_value"))
                })
            };
            if let Err(((message, suggestion), code)) = taken {
                let problem = Problem::cell(row.file, row.number, title, message);
                problems.push(problem.suggest(suggestion).code(code));
            }
        }
        Some((draft, action))
    }

    fn kind(&self, row: Row<'_>, layout: &Layout, problems: &mut Vec<Problem>) -> Option<Kind> {
        let told = layout.resource.and_then(|at| row.cells.cell(at));
        let Some(name) = told.filter(|name| !name.is_empty()) else {
            let kind = self.defaults.resource.or_else(|| layout.only_kind());
            if kind.is_none() && !layout.undecided {
                let message = "the row does not say which resource it is about";
                problems.push(Problem::cell(row.file, row.number, "resource", message));
            }
            return kind;
        };
        let kind = Kind::from_name(name);
        if kind.is_none() {
            let known: Vec<&str> = Kind::all().map(|kind| kind.name()).collect();
            let message = format!(
                "{} is no resource; known are {}",
                quoted(name),
                known.join(", ")
            );
            problems.push(Problem::cell(row.file, row.number, "resource", message));
        }
        kind
    }

    /// `None` for a word that is no action: what the row needs is then not known.
    fn action(&self, row: Row<'_>, layout: &Layout, problems: &mut Vec<Problem>) -> Option<Action> {
        let told = layout.action.and_then(|at| row.cells.cell(at));
        let Some(name) = told.filter(|name| !name.is_empty()) else {
            return Some(self.defaults.action);
        };
        Action::from_name(name).or_else(|| {
            let known = Action::ALL.map(|(name, _)| name);
            let hint = match similar(name, known.into_iter()).first() {
                Some(likely) => format!("did you mean {likely:?}?"),
                None => format!("known are {}", known.join(", ")),
            };
            let message = format!("{} is no action; {hint}", quoted(name));
            problems.push(Problem::cell(row.file, row.number, "action", message));
            None
        })
    }
}

impl<'r> Draft<'r> {
    fn take(&mut self, field: &Field, title: &'r str, text: &'r str) -> Result<(), String> {
        let column = field.column;
        match column.form {
            Form::Text(check) => {
                // What a row that deletes by id says of the name is for people.
                let for_people = self.action == Action::Delete && self.id.is_some();
                let value = if text.is_empty() || for_people {
                    Cow::Borrowed(text)
                } else {
                    check(text)?
                };
                if column.wire == self.kind.key_field() {
                    self.key = text;
                }
                self.vacant(field, column.wire)?;
                self.put(column.wire, FieldValue::Text(value));
            }
            Form::Info => {}
            Form::Flag | Form::Part | Form::Condition(_) if text.is_empty() => {}
            Form::Flag => {
                let flag = flag(text)?;
                self.vacant(field, column.wire)?;
                self.put(column.wire, FieldValue::Flag(flag));
            }
            Form::Split(..) if text.is_empty() => {
                self.vacant(field, column.wire)?;
                self.put(column.wire, FieldValue::Text(Cow::Borrowed("")));
            }
            Form::Split(wires, split) => {
                for (wire, part) in wires.into_iter().zip(split(text)?) {
                    self.vacant(field, wire)?;
                    self.put(wire, FieldValue::Text(part));
                }
            }
            // A formula like `=B2&";"&C2` makes this of empty cells.
            Form::Refs(_) if text.starts_with(is_separator) && text.chars().all(is_separator) => {}
            Form::Refs(target) => self.unresolved_refs.push(UnresolvedRef {
                wire: column.wire,
                target,
                title,
                text,
            }),
            Form::Part => self.part = Some(self.kind.part(text)?),
            Form::Condition(check) => {
                check(text)?;
                if self.action != Action::Delete {
                    return Err("it says when to delete, and the row does not delete".to_owned());
                }
                self.condition = Some(text);
            }
        }
        Ok(())
    }

    /// Tells whether no other column has given the wire field.
    fn vacant(&self, field: &Field, wire: &str) -> Result<(), String> {
        if field.doubled && self.values.find(wire).is_some() {
            return Err(format!(
                "{wire} is given by another column too; keep one of them"
            ));
        }
        Ok(())
    }

    fn put(&mut self, wire: &'static str, value: FieldValue<'r>) {
        self.values.0.push((Cow::Borrowed(wire), value));
    }

    /// The microtenant that the object belongs to. Naming the Default one and naming none is the same.
    pub(super) fn home(&self) -> Option<&Id> {
        self.microtenant.as_ref().filter(|id| id.as_str() != "0")
    }

    /// Returns the scope in which the object is listed.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope {
            kind: self.kind,
            part: self.part.map(Part::Named),
            microtenant: self.microtenant.clone(),
        }
    }

    /// Tells whether the object is listed in that scope.
    #[must_use]
    pub fn is_in(&self, scope: &Scope) -> bool {
        scope.kind == self.kind
            && scope.part == self.part.map(Part::Named)
            && scope.microtenant == self.microtenant
    }

    /// Reports cells that the kind does not take.
    fn check_action(&self, action: Option<Action>, layout: &Layout, problems: &mut Vec<Problem>) {
        let Some(action) = action.filter(|action| !self.kind.actions().contains(action)) else {
            return;
        };
        let name = |wanted: Action| {
            let mut all = Action::ALL.iter();
            all.find(|(_, action)| *action == wanted)
                .map_or("", |(name, _)| name)
        };
        let known: Vec<&str> = self
            .kind
            .actions()
            .iter()
            .map(|action| name(*action))
            .collect();
        let noun = self.kind.indefinite();
        let mut message = format!(
            "{:?} is nothing to do with {noun}; known are {}",
            name(action),
            known.join(", ")
        );
        if let Some(why) = self.kind.uncreatable().filter(|_| action == Action::Create) {
            message = format!("{why}; known are {}", known.join(", "));
        }
        let title = layout.action.and_then(|at| layout.titles.get(at));
        let title = title.map_or("action", String::as_str);
        problems.push(Problem::cell(self.file, self.row, title, message));
    }

    /// Reports mistakes that show only in several fields together.
    fn check_together(&self, layout: &Layout, problems: &mut Vec<Problem>) {
        if self.action == Action::Delete {
            return;
        }
        let creates = match self.action {
            Action::Create => true,
            Action::Ensure => self.id.is_none(),
            Action::Update | Action::Delete => false,
        };
        if let Err((wire, message)) = self.kind.check(&self.values, creates) {
            let title = self.title_for(wire, layout);
            problems.push(Problem::cell(self.file, self.row, title, message));
        }
    }

    fn check_ids(&self, row: Row<'_>, layout: &Layout, problems: &mut Vec<Problem>) {
        let cell = |at: usize| row.cells.cell(at).filter(|text| !text.is_empty());
        let microtenant = layout.microtenant.and_then(cell);
        let given = [(layout.id, self.id), (layout.microtenant, microtenant)];
        let common = [
            (layout.resource, false),
            (layout.action, false),
            (layout.microtenant, true),
            (layout.id, true),
        ];
        for (at, is_id) in common {
            let Some(at) = at else {
                continue;
            };
            let text = row.cells.cell(at).unwrap_or_default();
            if let Err((message, suggestion)) = refuse_common(row.cells.kind(at), is_id, text) {
                let title = layout.titles.get(at).map_or("", String::as_str);
                let problem = Problem::cell(self.file, self.row, title, message);
                problems.push(problem.suggest(suggestion).code(UNFIT));
            }
        }
        for (at, id) in given {
            let title = at.and_then(|at| layout.titles.get(at));
            if let (Some(title), Some(id)) = (title, id)
                && Id::parse(id).is_none()
            {
                let id_text = quoted(id);
                let (message, code) = if is_rounded(id) {
                    (
                        format!(
                            "{id_text} is an id that a spreadsheet has rounded; export it again and keep the column as text"
                        ),
                        "rounded_id",
                    )
                } else {
                    (
                        format!("{id_text} is not an id: an id is all digits, at most 20"),
                        "invalid_value",
                    )
                };
                problems.push(Problem::cell(self.file, self.row, title, message).code(code));
            }
        }
    }

    /// Cells in columns that only other resources know.
    fn check_foreign(&self, row: Row<'_>, layout: &Layout, problems: &mut Vec<Problem>) {
        let others = layout.fields.iter().filter(|(kind, _)| *kind != self.kind);
        for field in others.flat_map(|(_, fields)| fields) {
            let title = layout.titles.get(field.at).map_or("", String::as_str);
            let cell = row.cells.cell(field.at);
            let filled = cell.is_some_and(|text| !text.is_empty());
            if filled && self.kind.column(title).is_none() {
                let message = format!("{} has no {}", self.kind.indefinite(), field.column.name);
                problems.push(Problem::cell(self.file, self.row, title, message));
            }
        }
    }

    /// `action` is `None` where the row's is not known: then it needs what every action needs.
    fn check_required(&self, action: Option<Action>, layout: &Layout, problems: &mut Vec<Problem>) {
        let named = self.id.is_some() || !self.key.is_empty();
        let creates = match action {
            Some(Action::Create) => true,
            Some(Action::Ensure) => self.id.is_none(),
            Some(Action::Update | Action::Delete) | None => false,
        };
        let key_field = self.kind.key_field();
        for wire in self.kind.required() {
            let value = self.values.text(wire);
            let emptied = value == Some("") && action != Some(Action::Delete);
            let lacking = value.is_none() && (creates || (*wire == key_field && !named));
            let unnamed = value == Some("") && *wire == key_field && !named;
            let told = || layout.missing.contains(wire) || self.is_reported(wire, problems);
            if (emptied || lacking || unnamed) && !told() {
                let title = self.title_for(wire, layout);
                let message = format!("{} needs a value here", self.kind.indefinite());
                let problem = Problem::cell(self.file, self.row, title, message);
                problems.push(problem.code("missing_value"));
            }
        }
    }

    /// Tells whether the cell that should give `wire` was reported already: one mistake, one problem.
    fn is_reported(&self, wire: &str, problems: &[Problem]) -> bool {
        let mine = problems
            .iter()
            .rev()
            .take_while(|p| p.row == self.row && p.file == self.file);
        let columns = mine.filter_map(|p| p.column.as_deref());
        columns
            .filter_map(|title| self.kind.column(title))
            .any(|column| column.wire == wire)
    }

    pub(super) fn title_for<'l>(&self, wire: &str, layout: &'l Layout) -> &'l str {
        let fields = layout.fields(self.kind).unwrap_or_default();
        let at = fields
            .iter()
            .find(|field| field.column.wire == wire)
            .map(|field| field.at);
        at.and_then(|at| layout.titles.get(at))
            .map_or_else(|| column_for(self.kind, wire), String::as_str)
    }
}

fn is_separator(c: char) -> bool {
    c == ';' || c.is_whitespace()
}

/// Tells whether the row has the same column under another of its names: rows of JSON Lines may.
fn said_before(row: Row<'_>, fields: &[Field], field: &Field) -> bool {
    let mut earlier = fields.iter().take_while(|other| other.at != field.at);
    field.doubled
        && earlier.any(|other| {
            other.column.name == field.column.name && row.cells.cell(other.at).is_some()
        })
}

#[cfg(test)]
mod tests {
    use crate::plan::duplicates::tests::problems;

    #[test]
    fn every_mistake_of_a_row_is_reported_at_its_column() {
        let found = problems(
            "name,url,enabled,icon_text,action",
            &[&["", "htp://wiki", "maybe", "x.png", "ensrue"]],
        );
        let starts = [
            "f.csv:2: column \"action\": \"ensrue\" is no action; did you mean \"ensure\"?",
            "f.csv:2: column \"url\": \"htp://wiki\" has no https:// or http:// scheme",
            "f.csv:2: column \"enabled\": \"maybe\" is neither true nor false",
            "f.csv:2: column \"icon_text\": the icon does not start with",
            "f.csv:2: column \"name\": a portal link needs a value here",
        ];
        assert_eq!(found.len(), starts.len(), "{found:#?}");
        for (problem, start) in found.iter().zip(starts) {
            assert!(problem.starts_with(start), "{problem}");
        }
    }

    #[test]
    fn one_mistake_is_one_problem() {
        assert_eq!(
            problems(
                "name,description,icon_text",
                &[&["a", "", ""], &["b", "", ""]]
            )
            .len(),
            1
        );
        assert_eq!(
            problems("name,url,URL", &[&["a", "https://x", "https://y"]]).len(),
            1
        );
        assert_eq!(problems("name,url,action", &[&["a", "", "delte"]]).len(), 1);
    }

    #[test]
    fn an_address_given_twice_over_is_refused() {
        let found = problems("name,url,link", &[&["a", "https://x", "y"]]);
        assert_eq!(
            found,
            ["f.csv:2: column \"link\": link is given by another column too; keep one of them"]
        );
    }

    #[test]
    fn a_delete_needs_only_a_name_or_an_id() {
        let header = "id,name,url,action";
        assert_eq!(problems(header, &[&["", "a", "", "delete"]]), [""; 0]);
        assert_eq!(problems(header, &[&["12", "", "", "delete"]]), [""; 0]);
        assert_eq!(
            problems(header, &[&["", "", "", "delete"]]),
            ["f.csv:2: column \"name\": a portal link needs a value here"]
        );
        assert_eq!(
            problems(header, &[&["1.45E+17", "", "", "delete"]]),
            [
                "f.csv:2: column \"id\": \"1.45E+17\" is an id that a spreadsheet has rounded; export it again \
                 and keep the column as text"
            ]
        );
    }
}
