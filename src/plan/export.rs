//! The export of live objects as the rows of a manifest. Applying that manifest changes nothing.
//!
//! Every row is checked like a row of a manifest, and compared with its object. A cell that would be refused or would
//! change the object is left empty. This happens when the console allows values that this program does not. An empty
//! cell changes nothing, while one bad cell would have the whole manifest refused.

use std::collections::HashMap;

use super::defaults::Defaults;
use super::snapshot::Snapshot;
use super::{Checker, Duplicates, Layout, Resolver};
use crate::item::{Cells, Problem, Row};
use crate::resource::{Column, Form, Kind, Part, Scope};
use crate::wire::{FieldValue, Id, Object};

/// Turns live objects into rows, one at a time.
#[derive(Debug)]
pub struct Exporter<'s> {
    kind: Kind,
    microtenant: Option<Id>,
    columns: Vec<&'static Column>,
    layout: Layout,
    checker: Checker,
    duplicates: Duplicates,
    resolvers: HashMap<Kind, Resolver<'s>>,
}

/// The result of exporting one object.
#[derive(Debug, PartialEq, Eq)]
pub struct Exported {
    /// The cells of the object's row, or `None` if no row could identify the object.
    pub cells: Option<Vec<String>>,
    /// The reasons why cells were left empty, or why there is no row.
    pub problems: Vec<Problem>,
}

impl<'s> Exporter<'s> {
    /// Makes an exporter that writes the given columns of a kind.
    ///
    /// `referred` holds the objects that the exported objects refer to. A microtenant is written into each row.
    #[must_use]
    pub fn new(
        kind: Kind,
        microtenant: Option<Id>,
        columns: &[&'static Column],
        referred: &'s Snapshot,
    ) -> Self {
        let titles: Vec<(&str, u32)> = titles(microtenant.as_ref(), columns)
            .map(|title| (title, 1))
            .collect();
        let layout = Layout::new(0, &titles, true, &Defaults::default(), &mut Vec::new());
        let resolvers = targets(columns).map(|target| {
            let scope = Scope::of(target, microtenant.clone());
            (target, Resolver::new(&scope, referred))
        });
        Self {
            kind,
            columns: columns.to_owned(),
            layout,
            checker: Checker::new(Defaults::default()),
            duplicates: Duplicates::default(),
            resolvers: resolvers.collect(),
            microtenant,
        }
    }

    /// Returns the titles of the columns. The columns that identify the object come before the given ones.
    pub fn titles(&self) -> impl Iterator<Item = &'static str> {
        titles(self.microtenant.as_ref(), &self.columns)
    }

    /// Exports a live object as row `number`. `part` is the part of its kind in which the object was listed.
    pub fn row(&mut self, part: Option<&str>, live: &Object, number: u32) -> Exported {
        let mut cells = self.cells(part, live);
        let mut problems = Vec::new();
        loop {
            let found = self.problems(&cells, live, number);
            if found.is_empty() {
                return Exported {
                    cells: Some(cells),
                    problems,
                };
            }
            let before = filled(&cells);
            for problem in &found {
                let at = self
                    .titles()
                    .position(|t| problem.column.as_deref() == Some(t));
                if let Some(cell) = at.and_then(|at| cells.get_mut(at)) {
                    cell.clear();
                }
            }
            let helped = filled(&cells) < before;
            problems.extend(found);
            if !helped {
                let cells = None;
                return Exported { cells, problems };
            }
        }
    }

    fn cells(&self, part: Option<&str>, live: &Object) -> Vec<String> {
        let id = Id::of(live).map(|id| id.to_string());
        let mut cells = vec![self.kind.name().to_owned(), id.unwrap_or_default()];
        cells.extend(self.microtenant.as_ref().map(ToString::to_string));
        let cell = |column: &&Column| match (column.form, part) {
            (Form::Part, Some(part)) => part.to_owned(),
            _ => self.kind.cell(column, live),
        };
        cells.extend(self.columns.iter().map(cell));
        cells
    }

    /// Returns the problems that reading the row back would find.
    fn problems(&mut self, cells: &[String], live: &Object, number: u32) -> Vec<Problem> {
        let mut problems = Vec::new();
        let row = Row {
            file: 0,
            number,
            cells: &AsRead(cells),
        };
        let Some(mut draft) = self.checker.check(row, &self.layout, &mut problems) else {
            return problems;
        };
        problems.extend(self.duplicates.add(&draft, &self.layout));
        for unresolved_ref in &draft.unresolved_refs {
            let resolver = self.resolvers.get_mut(&unresolved_ref.target);
            match resolver.map(|resolver| resolver.resolve(unresolved_ref.text)) {
                Some(Ok(refs)) => {
                    let value = FieldValue::Refs(refs);
                    draft.values.0.push((unresolved_ref.wire.into(), value));
                }
                Some(Err(message)) => {
                    problems.push(Problem::cell(0, number, unresolved_ref.title, message));
                }
                None => {}
            }
        }
        for (wire, _) in self.kind.differing(live, draft.values).0 {
            let column = self
                .columns
                .iter()
                .find(|column| column.wires().contains(&&*wire));
            let title = column.map_or(&*wire, |column| column.name);
            let message = "this value would not be read back unchanged";
            problems.push(Problem::cell(0, number, title, message));
        }
        problems
    }
}

/// Returns the columns of a kind that stand for one field each. An export has them unless others are asked for.
pub fn exportable(kind: Kind) -> impl Iterator<Item = &'static Column> {
    let columns = kind.columns().iter();
    columns.filter(|column| !matches!(column.form, Form::Split(..) | Form::Condition(_)))
}

/// Returns the kinds that the given columns refer to.
pub fn targets(columns: &[&'static Column]) -> impl Iterator<Item = Kind> {
    columns.iter().filter_map(|column| column.target())
}

/// Returns the objects of a snapshot in a fixed order, each with the part in which it was listed.
///
/// They are sorted by part, then by id as a number, or by natural key if they have no ids. So neither the server's order
/// nor the order of the listings matters.
#[must_use]
pub fn in_order(snapshot: &Snapshot) -> Vec<(Option<&str>, &Object)> {
    let mut found = Vec::new();
    for listing in &snapshot.listings {
        let Scope { kind, part, .. } = &listing.scope;
        let part = part.as_ref().map(Part::as_str);
        let place = kind.parts().iter().position(|known| Some(*known) == part);
        found.extend(listing.objects.iter().map(|object| {
            let id = Id::of(object).map_or_else(String::new, |id| id.to_string());
            let key = kind.key_of(object).unwrap_or_default().into_owned();
            ((place, id.len(), id, key), (part, object))
        }));
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found.into_iter().map(|(_, object)| object).collect()
}

fn titles(
    microtenant: Option<&Id>,
    columns: &[&'static Column],
) -> impl Iterator<Item = &'static str> + use<> {
    let first = ["resource", "id"].into_iter();
    let first = first.chain(microtenant.map(|_| "microtenant"));
    let own: Vec<&'static str> = columns.iter().map(|column| column.name).collect();
    first.chain(own)
}

fn filled(cells: &[String]) -> usize {
    cells.iter().filter(|cell| !cell.is_empty()).count()
}

/// The cells of a row as a manifest reader presents them: trimmed, and an empty cell as `None`.
struct AsRead<'c>(&'c [String]);

impl Cells for AsRead<'_> {
    fn cell(&self, column: usize) -> Option<&str> {
        let cell = self.0.get(column)?.trim();
        (!cell.is_empty()).then_some(cell)
    }

    fn raw(&self, column: usize) -> &str {
        self.0.get(column).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::Listing;

    fn snapshot(kind: &str, objects: &[Value]) -> Snapshot {
        let scope = Scope::all(Kind::from_name(kind).unwrap(), None).remove(0);
        let objects = objects.iter().map(|o| o.as_object().unwrap().clone());
        let objects = objects.collect();
        let listings = vec![Listing { scope, objects }];
        Snapshot {
            listings,
            ..Snapshot::default()
        }
    }

    /// Exports objects. Returns each row as `title=cell` pairs of the cells that are not empty, and all problems.
    fn exported(kind: &str, objects: &[Value]) -> (Vec<Option<String>>, Vec<String>) {
        let portals = snapshot("user-portal", &[json!({"id": "900", "name": "Staff"})]);
        let live = snapshot(kind, objects);
        let kind = Kind::from_name(kind).unwrap();
        let columns: Vec<&'static Column> = exportable(kind).collect();
        let mut exporter = Exporter::new(kind, None, &columns, &portals);
        let (mut rows, mut problems) = (Vec::new(), Vec::new());
        for (number, (part, object)) in (2..).zip(in_order(&live)) {
            let outcome = exporter.row(part, object, number);
            rows.push(outcome.cells.map(|cells| {
                let titles = exporter.titles().zip(cells).skip(1);
                let filled = titles.filter(|(_, cell)| !cell.is_empty());
                let filled: Vec<String> = filled.map(|(t, cell)| format!("{t}={cell}")).collect();
                filled.join(" ")
            }));
            let files = ["f".to_owned()];
            problems.extend(outcome.problems.iter().map(|p| p.describe(&files)));
        }
        (rows, problems)
    }

    #[test]
    fn every_kind_has_its_values_in_its_columns() {
        let some = |text: &str| vec![Some(text.to_owned())];
        for (kind, live, row) in [
            (
                "portal-link",
                json!({"id": "1", "name": "a&#x2a;b", "link": "w", "enabled": false, "modifiedBy": "9",
                       "userPortals": [{"id": "900", "name": "Staff", "enabled": true}]}),
                "id=1 name=a*b link=w enabled=false user_portals=900",
            ),
            (
                "user-portal",
                json!({"id": "1", "name": "Own", "certificateId": 7, "domain": "p.example.com"}),
                "id=1 name=Own managed_by_zs=false certificate_id=7 domain=p.example.com",
            ),
            (
                "connector",
                json!({"id": "1", "name": "c", "controlChannelStatus": "ZPN_STATUS_DISCONNECTED", "readOnly": true}),
                "id=1 name=c status=ZPN_STATUS_DISCONNECTED read_only=true",
            ),
            (
                "domain",
                json!({"domain": "corp.example", "capture": true}),
                "domain=corp.example association_type=SEARCH_SUFFIX capture=true",
            ),
            (
                "connector-schedule",
                json!({"id": "1", "frequency": "days", "frequencyInterval": 5, "enabled": true}),
                "id=1 frequency_interval=5 frequency=days enabled=true",
            ),
        ] {
            assert_eq!(exported(kind, &[live]), (some(row), Vec::new()), "{kind}");
        }
    }

    #[test]
    fn rows_are_in_the_order_of_ids_or_else_of_keys() {
        let ids = ["10", "9", "11"].map(|id| json!({"id": id, "name": id, "link": "w"}));
        let (rows, _) = exported("portal-link", &ids);
        let starts = ["id=9 ", "id=10 ", "id=11 "];
        for (row, start) in rows.iter().zip(starts) {
            assert!(row.as_ref().unwrap().starts_with(start), "{row:?}");
        }
        let mut parts = snapshot("domain", &[json!({"domain": "z.example"})]);
        parts.listings.insert(0, parts.listings[0].clone());
        parts.listings[0].scope.part = Some(Part::Named("SHARED"));
        let order = in_order(&parts).into_iter().map(|(part, _)| part.unwrap());
        assert!(order.eq(["SEARCH_SUFFIX", "SHARED"]));
        let names = ["b.example", "a.example"].map(|name| json!({ "domain": name }));
        let (rows, _) = exported("domain", &names);
        assert!(rows[0].as_ref().unwrap().starts_with("domain=a.example"));
    }

    #[test]
    fn a_refused_cell_is_left_empty_and_reported() {
        let (rows, problems) = exported(
            "portal-link",
            &[
                json!({"id": "1", "name": "a\nb", "link": "https://w", "iconText": "x.png", "enabled": "maybe",
                       "userPortals": [{"id": "404"}]}),
                json!({"id": "2", "name": "twin", "link": "w"}),
                json!({"id": "3", "name": "twin", "link": "w"}),
            ],
        );
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            rows,
            [
                some("id=1"),
                some("id=2 name=twin link=w"),
                some("id=3 link=w")
            ]
        );
        let starts = [
            "f:2: column \"name\": ",
            "f:2: column \"link\": ",
            "f:2: column \"enabled\": ",
            "f:2: column \"icon_text\": ",
            "f:2: column \"user_portals\": ",
            "f:4: column \"name\": the same portal link twice",
        ];
        assert_eq!(problems.len(), starts.len(), "{problems:#?}");
        for (problem, start) in problems.iter().zip(starts) {
            assert!(problem.starts_with(start), "{problem}");
        }
    }

    #[test]
    fn an_object_that_no_row_can_identify_has_no_row() {
        let (rows, problems) = exported("domain", &[json!({"domain": "not a domain"})]);
        assert_eq!(rows, [None]);
        assert!(problems[0].contains("not a domain"), "{problems:?}");
    }

    #[test]
    fn a_portal_with_a_managed_certificate_is_exported() {
        let (rows, _) = exported(
            "user-portal",
            &[json!({"id": "1", "name": "Staff", "certificateId": "0"})],
        );
        assert_eq!(
            rows,
            [Some("id=1 name=Staff managed_by_zs=true".to_owned())]
        );
    }
}
