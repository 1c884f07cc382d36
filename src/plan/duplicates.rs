//! Rows that name the same object. The second of them is a problem.
//!
//! Most manifests have none, and that is found out with eight bytes a row: a fingerprint of each name is noted, and
//! all are sorted at the end. Only when one is there twice are the rows looked at again, and then the names
//! themselves are compared: fingerprints that are the same by chance lead to no problem.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;
use foldhash::{HashMap, HashMapExt};

use super::Draft;
use super::columns::Layout;
use crate::item::Problem;
use crate::resource::Kind;
use crate::wire::Id;

/// The two ways in which a row names its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Naming {
    Id,
    Key,
}

/// The names that a row has for its object, the id first; keys in the form in which equal ones are the same.
fn names<'r>(draft: &Draft<'r>) -> impl Iterator<Item = (Naming, Cow<'r, str>)> + use<'r> {
    let by_id = draft.id.map(|id| (Naming::Id, Cow::Borrowed(id)));
    let by_key = (!draft.key.is_empty()).then(|| {
        let key = draft.kind.comparable_key(Cow::Borrowed(draft.key));
        (Naming::Key, key)
    });
    by_id.into_iter().chain(by_key)
}

/// A fingerprint of every name so far.
#[derive(Clone, Debug, Default)]
pub struct Fingerprints {
    state: RandomState,
    noted: Vec<u64>,
}

impl Fingerprints {
    /// None so far, of the same make: what is noted there can be appended here.
    #[must_use]
    pub fn blank(&self) -> Self {
        Self {
            state: self.state.clone(),
            noted: Vec::new(),
        }
    }

    /// Takes over what was noted in a [blank](Self::blank) one.
    pub fn append(&mut self, mut other: Self) {
        self.noted.append(&mut other.noted);
    }

    /// Notes what the row names.
    pub fn note(&mut self, draft: &Draft<'_>) {
        for name in names(draft) {
            self.noted.push(fingerprint(&self.state, draft, &name));
        }
    }

    /// Once every row was noted: what looks for those that name the same object, if there may be any.
    #[must_use]
    pub fn duplicates(self) -> Option<Duplicates> {
        let mut noted = self.noted;
        noted.sort_unstable();
        let pairs = noted.windows(2).filter_map(|pair| match pair {
            [a, b] if a == b => Some(*a),
            _ => None,
        });
        let mut doubtful: Vec<u64> = pairs.collect();
        doubtful.dedup();
        (!doubtful.is_empty()).then(|| Duplicates {
            state: self.state,
            doubtful: Some(doubtful),
            places: HashMap::new(),
        })
    }
}

fn fingerprint(state: &RandomState, draft: &Draft<'_>, name: &(Naming, Cow<'_, str>)) -> u64 {
    let mut hasher = state.build_hasher();
    name.hash(&mut hasher);
    draft.kind.hash(&mut hasher);
    draft.part.hash(&mut hasher);
    draft.home().hash(&mut hasher);
    hasher.finish()
}

/// Finds the rows that name what an earlier one names. Takes the rows that were noted, in their order.
#[derive(Debug)]
pub struct Duplicates {
    state: RandomState,
    /// The fingerprints that were noted more than once, sorted; `None` where every name is looked at.
    doubtful: Option<Vec<u64>>,
    /// The first row for each name that was looked at.
    places: HashMap<Name, (u16, u32)>,
}

/// What names an object, in full.
type Name = ((Kind, Option<&'static str>, Option<Id>), Naming, String);

impl Duplicates {
    /// What looks at every name, for rows of which nothing was noted.
    pub(super) fn of_all() -> Self {
        Self {
            state: RandomState::default(),
            doubtful: None,
            places: HashMap::new(),
        }
    }

    /// The problem with this row, if an earlier one names the same object.
    pub fn find(&mut self, draft: &Draft<'_>, layout: &Layout) -> Option<Problem> {
        for name in names(draft) {
            if let Some(doubtful) = &self.doubtful {
                let noted = fingerprint(&self.state, draft, &name);
                if doubtful.binary_search(&noted).is_err() {
                    continue;
                }
            }
            let (naming, text) = name;
            let scope = (draft.kind, draft.part, draft.home().cloned());
            let full = (scope, naming, text.into_owned());
            let place = (draft.file, draft.row);
            let first = *self.places.entry(full).or_insert(place);
            if first != place {
                return Some(repeated(draft, naming, first, layout));
            }
        }
        None
    }
}

fn repeated(draft: &Draft<'_>, naming: Naming, first: (u16, u32), layout: &Layout) -> Problem {
    let place = if first.0 == draft.file {
        format!("row {}", first.1)
    } else {
        format!("row {} of manifest {}", first.1, u32::from(first.0) + 1)
    };
    let noun = draft.kind.noun();
    let (title, named) = match naming {
        Naming::Id => {
            let title = layout.id.and_then(|at| layout.titles.get(at));
            let id = draft.id.unwrap_or_default();
            (title.map_or("id", String::as_str), id.to_owned())
        }
        Naming::Key => {
            let title = draft.title_for(draft.kind.key_field(), layout);
            (title, format!("{:?}", draft.key))
        }
    };
    let message = format!("the same {noun} twice: {place} names {named} too");
    Problem::cell(draft.file, draft.row, title, message)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::item::{Cells, Row};
    use crate::plan::{Checker, Defaults};

    struct Texts(Vec<&'static str>);

    impl Cells for Texts {
        fn cell(&self, column: usize) -> Option<&str> {
            self.0.get(column).copied().filter(|text| !text.is_empty())
        }

        fn raw(&self, column: usize) -> &str {
            self.0.get(column).copied().unwrap_or_default()
        }
    }

    fn each(rows: &[&[&'static str]], mut visit: impl FnMut(Row<'_>)) {
        for (number, row) in (2..).zip(rows) {
            let cells = Texts(row.to_vec());
            visit(Row {
                file: 0,
                number,
                cells: &cells,
            });
        }
    }

    /// Every problem of these rows, as a user reads it.
    pub(in crate::plan) fn problems(header: &str, rows: &[&[&'static str]]) -> Vec<String> {
        let titles: Vec<(&str, u32)> = header.split(',').map(|title| (title, 1)).collect();
        let mut problems = Vec::new();
        let layout = Layout::new(0, &titles, true, &Defaults::default(), &mut problems);
        let checker = Checker::new(Defaults::default());
        let mut noted = Fingerprints::default();
        each(rows, |row| {
            let draft = checker.check(row, &layout, &mut problems);
            if let Some(draft) = draft {
                noted.note(&draft);
            }
        });
        if let Some(mut duplicates) = noted.duplicates() {
            each(rows, |row| {
                let draft = checker.check(row, &layout, &mut Vec::new());
                problems.extend(draft.and_then(|draft| duplicates.find(&draft, &layout)));
            });
        }
        let files = ["f.csv".to_owned()];
        problems.iter().map(|p| p.describe(&files)).collect()
    }

    #[test]
    fn the_second_row_that_names_a_link_is_refused() {
        let found = problems(
            "id,name,url",
            &[
                &["", "a", "https://x"],
                &["", "a", "https://y"],
                &["7", "b", ""],
                &["7", "c", ""],
                &["", "b", "https://z"],
                &["8", "d", ""],
            ],
        );
        assert_eq!(
            found,
            [
                "f.csv:3: column \"name\": the same portal link twice: row 2 names \"a\" too",
                "f.csv:5: column \"id\": the same portal link twice: row 4 names 7 too",
                "f.csv:6: column \"name\": the same portal link twice: row 4 names \"b\" too",
            ]
        );
    }

    #[test]
    fn fingerprints_that_are_the_same_by_chance_are_no_problem() {
        let titles = [("name", 1), ("url", 1)];
        let defaults = Defaults::default();
        let layout = Layout::new(0, &titles, true, &defaults, &mut Vec::new());
        let checker = Checker::new(defaults);
        let mut noted = Fingerprints::default();
        let rows: [&[&str]; 3] = [
            &["a", "https://x"],
            &["b", "https://x"],
            &["a", "https://y"],
        ];
        each(&rows, |row| {
            noted.note(&checker.check(row, &layout, &mut Vec::new()).unwrap());
        });
        let mut duplicates = noted.duplicates().unwrap();
        let mut found = Vec::new();
        each(&rows, |row| {
            let draft = checker.check(row, &layout, &mut Vec::new()).unwrap();
            // As if all of them were the same.
            let all = names(&draft).map(|name| fingerprint(&duplicates.state, &draft, &name));
            duplicates.doubtful = Some(all.collect());
            found.extend(duplicates.find(&draft, &layout).map(|problem| problem.row));
        });
        assert_eq!(found, [4]);
    }
}
