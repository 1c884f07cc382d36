//! The meaning of a manifest's columns.

use std::collections::{HashMap, HashSet};

use super::defaults::Defaults;
use super::wording::similar;
use crate::item::{Problem, Row};
use crate::resource::Action;
use crate::resource::{Column, Form, Kind, fold};
use crate::wire::quoted;

/// Columns that result files add; they are passed over, so that `errors.csv` can be applied as it is.
pub const RESULT_COLUMNS: [&str; 6] =
    ["_row", "_status", "_id", "_error_id", "_error", "_attempts"];

/// The action of a row that is an example, and is not read.
pub const EXAMPLE: &str = "example";

/// The role of a column, whatever the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Resource,
    Action,
    Microtenant,
    Id,
    Result,
    /// A column without a title, in which no row has anything.
    Untitled,
    Field,
}

/// The meaning of the columns of one manifest. It is the same for every row, so it is decided once.
#[derive(Clone, Debug)]
pub struct Layout {
    pub(super) titles: Vec<String>,
    pub(super) resource: Option<usize>,
    pub(super) action: Option<usize>,
    pub(super) microtenant: Option<usize>,
    pub(super) id: Option<usize>,
    /// The meaning of each column, in one word for all spellings; `None` for columns that are passed over.
    pub(super) meanings: Vec<Option<String>>,
    /// True once it was reported that no row says what kind of object it is about.
    pub(super) undecided: bool,
    /// Required wire fields that no column stands for, as far as that was reported for all rows.
    pub(super) missing: Vec<&'static str>,
    /// For each kind that rows may be about, its columns.
    pub(super) fields: Vec<(Kind, Vec<Field>)>,
}

/// A column of a manifest that stands for wire fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// The position among the columns.
    pub(super) at: usize,
    pub(super) column: &'static Column,
    /// True if another column stands for one of its wire fields too.
    pub(super) doubled: bool,
}

impl Layout {
    /// Reads the titles of manifest `file`, each with the row that has it. `strict` is for manifests
    /// whose header holds for every row: there a required column that is missing is a problem.
    pub fn new(
        file: u16,
        titles: &[(&str, u32)],
        strict: bool,
        defaults: &Defaults,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let roles: Vec<Role> = titles.iter().map(|(title, _)| role(title)).collect();
        let position = |role| roles.iter().position(|r| *r == role);
        let mut layout = Self {
            titles: titles
                .iter()
                .map(|(title, _)| (*title).to_owned())
                .collect(),
            resource: position(Role::Resource),
            action: position(Role::Action),
            microtenant: position(Role::Microtenant),
            id: position(Role::Id),
            meanings: Vec::new(),
            undecided: false,
            missing: Vec::new(),
            fields: Vec::new(),
        };
        let kinds = layout.kinds(&roles, defaults.resource);
        layout.fields = kinds
            .iter()
            .map(|kind| (*kind, fields_of(*kind, &layout.titles, &roles)))
            .collect();
        layout.meanings = titles
            .iter()
            .zip(&roles)
            .map(|((title, _), role)| {
                let is_passed_over = matches!(role, Role::Result | Role::Untitled);
                (!is_passed_over).then(|| layout.meaning(title, *role))
            })
            .collect();
        layout.report_titles(file, titles, &roles, strict, problems);
        if let Some((_, row)) = titles.first() {
            layout.report_undecided(file, *row, problems);
        }
        if strict && !titles.is_empty() {
            layout.drop_doubled();
            let row = titles.first().map_or(1, |(_, row)| *row);
            layout.report_missing((file, row), defaults, problems);
        }
        layout
            .fields
            .iter_mut()
            .for_each(|(_, fields)| mark_doubled(fields));
        layout
    }

    /// The meaning of each column, in one word for all spellings; `None` for columns that are passed over.
    #[must_use]
    pub fn meanings(&self) -> &[Option<String>] {
        &self.meanings
    }

    /// Tells whether a row is an example, which is not read.
    #[must_use]
    pub fn is_example(&self, row: Row<'_>) -> bool {
        let action = self.action.and_then(|at| row.cells.cell(at));
        action.is_some_and(|action| action.eq_ignore_ascii_case(EXAMPLE))
    }

    /// Returns the title of each column.
    #[must_use]
    pub fn titles(&self) -> &[String] {
        &self.titles
    }

    /// The columns of `kind` in this manifest; `None` when rows cannot be about it.
    pub(super) fn fields(&self, kind: Kind) -> Option<&[Field]> {
        let (_, fields) = self.fields.iter().find(|(known, _)| *known == kind)?;
        Some(fields)
    }

    /// The one kind that rows are about when they do not say it.
    pub(super) fn only_kind(&self) -> Option<Kind> {
        match self.fields.as_slice() {
            [(kind, _)] => Some(*kind),
            _ => None,
        }
    }

    /// The kinds that rows may be about: all with a `resource` column, else the one told, else
    /// those that know the most of these columns.
    fn kinds(&self, roles: &[Role], told: Option<Kind>) -> Vec<Kind> {
        if self.resource.is_none()
            && let Some(kind) = told
        {
            return vec![kind];
        }
        let all = Kind::all();
        if self.resource.is_some() {
            return all.collect();
        }
        let scored: Vec<(usize, Kind)> = all
            .map(|kind| (fields_of(kind, &self.titles, roles).len(), kind))
            .collect();
        let best = scored.iter().map(|(score, _)| *score).max();
        scored
            .into_iter()
            .filter(|(score, _)| Some(*score) == best)
            .map(|(_, kind)| kind)
            .collect()
    }

    fn report_titles(
        &self,
        file: u16,
        titles: &[(&str, u32)],
        roles: &[Role],
        strict: bool,
        problems: &mut Vec<Problem>,
    ) {
        let mut seen: HashMap<String, &str> = HashMap::new();
        for ((title, row), role) in titles.iter().zip(roles) {
            if *role == Role::Untitled {
                continue;
            }
            if *role == Role::Field && !self.knows(title) {
                let problem = Problem::cell(file, *row, title, self.unknown(title));
                problems.push(problem.code("unknown_column"));
                continue;
            }
            if *role == Role::Field && !strict {
                // Different rows may spell a column differently; a row that has both is found then.
                continue;
            }
            let meaning = self.meaning(title, *role);
            match seen.get(&meaning) {
                Some(first) if first == title => {
                    let message = "the column is there twice";
                    problems.push(Problem::cell(file, *row, title, message));
                }
                Some(first) => {
                    let message = format!(
                        "the column is there twice: {} means the same",
                        quoted(first)
                    );
                    problems.push(Problem::cell(file, *row, title, message));
                }
                None => drop(seen.insert(meaning, title)),
            }
        }
    }

    /// Of a column that is there twice, the first counts: the second was reported already.
    fn drop_doubled(&mut self) {
        for (_, fields) in &mut self.fields {
            let mut seen = HashSet::new();
            fields.retain(|field| seen.insert(field.column.name));
        }
    }

    fn knows(&self, title: &str) -> bool {
        self.fields
            .iter()
            .any(|(kind, _)| kind.column(title).is_some())
    }

    fn meaning(&self, title: &str, role: Role) -> String {
        let column = self.fields.iter().find_map(|(kind, _)| kind.column(title));
        match (role, column) {
            (Role::Field, Some(column)) => column.name.to_owned(),
            (Role::Field, None) => fold(title),
            (Role::Result, _) => title.to_owned(),
            (role, _) => format!("{role:?}").to_lowercase(),
        }
    }

    fn unknown(&self, title: &str) -> String {
        let names = self.fields.iter().flat_map(|(kind, _)| kind.columns());
        let common = ["resource", "action", "microtenant", "id"];
        let known: Vec<&str> = names.map(|column| column.name).chain(common).collect();
        match similar(title, known.iter().copied()).first() {
            Some(likely) => format!("unknown column; did you mean {likely:?}?"),
            None => format!("unknown column; known are {}", known.join(", ")),
        }
    }

    fn report_undecided(&mut self, file: u16, row: u32, problems: &mut Vec<Problem>) {
        if self.resource.is_some() || self.only_kind().is_some() {
            return;
        }
        self.undecided = true;
        let fitting: Vec<&str> = self.fields.iter().map(|(kind, _)| kind.name()).collect();
        let message = format!(
            "the columns fit several resources ({}); add a column \"resource\" or give --resource",
            fitting.join(", ")
        );
        problems.push(Problem::row(file, row, message));
    }

    fn report_missing(
        &mut self,
        (file, row): (u16, u32),
        defaults: &Defaults,
        problems: &mut Vec<Problem>,
    ) {
        let Some(kind) = self.only_kind() else {
            return;
        };
        let may_create =
            self.action.is_some() || matches!(defaults.action, Action::Ensure | Action::Create);
        let fields = self.fields(kind).unwrap_or_default().to_vec();
        for wire in kind.required() {
            let given = fields.iter().any(|field| field.column.wire == *wire);
            // Rows with an id create nothing; those without one are looked at one by one.
            let by_id = self.id.is_some();
            let needed = *wire == kind.key_field() || (may_create && self.action.is_none());
            if needed && !given && !by_id {
                let column = column_for(kind, wire);
                let message = format!("the column is missing; {} needs it", kind.indefinite());
                problems.push(Problem::cell(file, row, column, message).code("missing_column"));
                self.missing.push(wire);
            }
        }
    }
}

/// The column to ask for when `wire` is missing: the one that is easiest to fill in.
pub(super) fn column_for(kind: Kind, wire: &str) -> &'static str {
    let columns = kind.columns().iter().filter(|column| column.wire == wire);
    let split = columns.clone().find(|c| matches!(c.form, Form::Split(..)));
    split
        .or_else(|| columns.clone().next())
        .map_or("name", |column| column.name)
}

/// Tells whether a column of that title has a meaning whatever the resource.
#[must_use]
pub fn is_common_title(title: &str) -> bool {
    !matches!(role(title), Role::Field | Role::Untitled)
}

fn role(title: &str) -> Role {
    if RESULT_COLUMNS.contains(&title) {
        return Role::Result;
    }
    match fold(title).as_str() {
        "" => Role::Untitled,
        "resource" => Role::Resource,
        "action" => Role::Action,
        "microtenant" | "microtenantid" => Role::Microtenant,
        "id" => Role::Id,
        _ => Role::Field,
    }
}

fn fields_of(kind: Kind, titles: &[String], roles: &[Role]) -> Vec<Field> {
    let titles = titles.iter().zip(roles).enumerate();
    titles
        .filter(|(_, (_, role))| **role == Role::Field)
        .filter_map(|(at, (title, _))| {
            let column = kind.column(title)?;
            let doubled = false;
            Some(Field {
                at,
                column,
                doubled,
            })
        })
        .collect()
}

fn mark_doubled(fields: &mut [Field]) {
    let wires: Vec<&str> = fields
        .iter()
        .flat_map(|field| field.column.wires())
        .copied()
        .collect();
    for field in fields {
        let given = |wire: &&str| wires.iter().filter(|other| *other == wire).count();
        field.doubled = field.column.wires().iter().any(|wire| given(wire) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(header: &str) -> Vec<String> {
        let titles: Vec<(&str, u32)> = header.split(',').map(|title| (title, 1)).collect();
        let mut problems = Vec::new();
        Layout::new(0, &titles, true, &Defaults::default(), &mut problems);
        let files = ["f.csv".to_owned()];
        problems.iter().map(|p| p.describe(&files)).collect()
    }

    #[test]
    fn headers_as_people_write_them_are_understood() {
        for header in [
            "name,url,user_portals",
            "Name,URL,User Portals",
            "NAME,link,linkPath,protocol,userPortals,iconText",
            "id,name,url,_row,_status,_id,_error_id,_error,_attempts",
            "resource,action,name,url,microtenant_id",
            "id,link_path",
        ] {
            assert_eq!(problems(header), [""; 0], "{header}");
        }
    }

    #[test]
    fn a_misspelt_column_is_named_with_a_suggestion() {
        assert_eq!(
            problems("nmae,url,name"),
            ["f.csv:1: column \"nmae\": unknown column; did you mean \"name\"?"]
        );
        assert_eq!(
            problems("name,url,user_protals"),
            ["f.csv:1: column \"user_protals\": unknown column; did you mean \"user_portals\"?"]
        );
        assert!(problems("name,url,zebra")[0].contains("known are name, url"));
    }

    #[test]
    fn a_missing_and_a_doubled_column_are_problems() {
        assert_eq!(
            problems("name,description,icon_text"),
            ["f.csv:1: column \"url\": the column is missing; a portal link needs it"]
        );
        assert_eq!(
            problems("url,description"),
            ["f.csv:1: column \"name\": the column is missing; a portal link needs it"]
        );
        assert_eq!(
            problems("name,url,Name"),
            ["f.csv:1: column \"Name\": the column is there twice: \"name\" means the same"]
        );
    }
}
