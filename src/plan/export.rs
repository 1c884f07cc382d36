//! Live objects as the rows of a manifest that changes nothing when it is applied.
//!
//! Every row is checked as it will be when it is read back, and compared with the object that it came from. What
//! would be refused or would make a difference, as when the console allows what the program does not, is
//! left empty: an empty cell changes nothing, while one bad cell would have the whole manifest refused.

use std::collections::HashMap;

use super::{Checker, Defaults, Duplicates, Layout, Resolver, Snapshot};
use crate::item::{Cells, Problem, Row};
use crate::resource::{Column, Form, Kind, Scope};
use crate::wire::{FieldValue, Id, Object};

/// Turns live objects into rows, one after the other.
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

/// What has become of an object.
#[derive(Debug, PartialEq, Eq)]
pub struct Exported {
    /// Its row; `None` when it cannot be told which object the row would mean.
    pub cells: Option<Vec<String>>,
    /// Why cells are empty that should not be, or why there is no row.
    pub problems: Vec<Problem>,
}

impl<'s> Exporter<'s> {
    /// An exporter of these columns of a kind. `referred` lists the objects that its objects refer to. A
    /// microtenant that was asked for is written into each row.
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
            duplicates: Duplicates::of_all(),
            resolvers: resolvers.collect(),
            microtenant,
        }
    }

    /// The titles of the columns: before those that were asked for come those that say which object a row
    /// means.
    pub fn titles(&self) -> impl Iterator<Item = &'static str> {
        titles(self.microtenant.as_ref(), &self.columns)
    }

    /// The row of a live object that was listed in `part` of its kind; it is to become row `number`.
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

    /// What is wrong with the row when it is read back.
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
        problems.extend(self.duplicates.find(&draft, &self.layout));
        for unresolved_ref in draft.unresolved_refs.iter() {
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
            let column = self.columns.iter().find(|column| column.wire == wire);
            let title = column.map_or(&*wire, |column| column.name);
            let message = "it would not be read back as it is";
            problems.push(Problem::cell(0, number, title, message));
        }
        problems
    }
}

/// The columns of a kind that stand for one field each: those that can be exported and filtered by.
pub fn exportable(kind: Kind) -> impl Iterator<Item = &'static Column> {
    let columns = kind.columns().iter();
    columns.filter(|column| !matches!(column.form, Form::Split(..) | Form::Condition(_)))
}

/// The kinds that these columns refer to.
pub fn targets(columns: &[&'static Column]) -> impl Iterator<Item = Kind> {
    columns.iter().filter_map(|column| column.target())
}

/// The objects of a snapshot with the parts that they were listed in, in an order that depends neither on the
/// server's nor on which listing was there first: part by part, by id as a number, or by natural key where objects
/// have no ids.
#[must_use]
pub fn in_order(snapshot: &Snapshot) -> Vec<(Option<&str>, &Object)> {
    let mut found = Vec::new();
    for listing in &snapshot.listings {
        let Scope { kind, part, .. } = &listing.scope;
        let part = part.as_deref();
        let of = kind.parts().iter().position(|known| Some(*known) == part);
        found.extend(listing.objects.iter().map(|object| {
            let id = Id::of(object).map_or_else(String::new, |id| id.to_string());
            let key = kind.key_of(object).unwrap_or_default().into_owned();
            ((of, id.len(), id, key), (part, object))
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

/// Cells as they are read back: an empty one says nothing.
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
        Snapshot { listings }
    }

    /// Each object's row as title=cell of what is filled in, and what is wrong.
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
    fn rows_stand_in_the_order_of_their_ids_or_else_of_their_keys() {
        let ids = ["10", "9", "11"].map(|id| json!({"id": id, "name": id, "link": "w"}));
        let (rows, _) = exported("portal-link", &ids);
        let starts = ["id=9 ", "id=10 ", "id=11 "];
        for (row, start) in rows.iter().zip(starts) {
            assert!(row.as_ref().unwrap().starts_with(start), "{row:?}");
        }
        let mut parts = snapshot("domain", &[json!({"domain": "z.example"})]);
        parts.listings.insert(0, parts.listings[0].clone());
        parts.listings[0].scope.part = Some("SHARED".to_owned());
        let order = in_order(&parts).into_iter().map(|(part, _)| part.unwrap());
        assert!(order.eq(["SEARCH_SUFFIX", "SHARED"]));
        let names = ["b.example", "a.example"].map(|name| json!({ "domain": name }));
        let (rows, _) = exported("domain", &names);
        assert!(rows[0].as_ref().unwrap().starts_with("domain=a.example"));
    }

    #[test]
    fn a_cell_that_would_be_refused_is_left_empty_and_named() {
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
    fn an_object_that_no_row_could_mean_has_none() {
        let (rows, problems) = exported("domain", &[json!({"domain": "not a domain"})]);
        assert_eq!(rows, [None]);
        assert!(problems[0].contains("not a domain"), "{problems:?}");
    }

    #[test]
    fn a_managed_certificate_is_no_reason_to_refuse_the_portal() {
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
