//! Rows that name the same object. The second of them is a problem. Names that only look the same are pointed out.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use super::Draft;
use super::columns::Layout;
use crate::item::{Problem, Problems};
use crate::resource::{Kind, look, quick_hash, unescape};
use crate::wire::{Id, quoted};

/// The rows so far, by the objects that they name.
///
/// A name is kept as two hashes of 64 bits: of its [look], and of the name itself. That spares a copy of every name in a
/// manifest. The hash of the look withstands names that were made to collide. The other need not: who makes two of the same
/// look collide has a row of their own refused.
#[derive(Debug, Default)]
pub struct Duplicates {
    first: HashMap<Hashed, Place, BuildHasherDefault<HashOfHash>>,
    /// The scope of the row that was added last. Most rows have the same.
    last: Option<Beginning>,
    /// The room for the look of a name.
    look: String,
    alike: Problems,
}

/// The hashers that have seen what the names of one scope have in common.
#[derive(Debug)]
struct Beginning {
    kind: Kind,
    part: Option<&'static str>,
    home: Option<Id>,
    id: DefaultHasher,
    key: DefaultHasher,
}

/// A hash of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Hashed(u64);

/// The hasher of what is a hash already.
#[derive(Debug, Default)]
pub(super) struct HashOfHash(u64);

impl Hasher for HashOfHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A row of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// The hash of the name itself.
    exact: Hashed,
    file: u16,
    row: u32,
}

/// The two ways in which a row names its object.
#[derive(Clone, Copy, Debug, Hash)]
enum Naming {
    Id,
    Key,
}

impl Duplicates {
    /// Adds a row. Returns the problem with it, if an earlier row names the same object.
    pub fn add(&mut self, draft: &Draft<'_>, layout: &Layout) -> Option<Problem> {
        // An answer does not tell whether its name is escaped. So an object could confirm two rows without an id.
        let key = match draft.id {
            Some(_) => Cow::Borrowed(draft.key),
            None => unescape(draft.key),
        };
        let key = draft.kind.comparable_key(key);
        let named = [
            (Naming::Id, draft.id),
            (Naming::Key, Some(&*key).filter(|key| !key.is_empty())),
        ];
        let beginning = match self.last.take() {
            Some(last) if last.is_of(draft) => last,
            _ => Beginning::of(draft),
        };
        let beginning = self.last.insert(beginning);
        named.into_iter().find_map(|(naming, name)| {
            let name = name?;
            let place = Place {
                exact: Hashed(quick_hash(name)),
                file: draft.file,
                row: draft.row,
            };
            let first = *self
                .first
                .entry(beginning.hash_of_look(naming, name, &mut self.look))
                .or_insert(place);
            if first == place {
                return None;
            }
            if first.exact == place.exact {
                return Some(repeated(draft, naming, first, layout));
            }
            // The other names that look like the first have places of their own.
            let own = beginning.hash(naming, name, 1);
            let same = *self.first.entry(own).or_insert(place);
            if same != place {
                return Some(repeated(draft, naming, same, layout));
            }
            self.alike.push(alike(draft, first, layout));
            None
        })
    }

    /// Returns the rows whose names differ from the name of an earlier row only by case or by characters that look alike.
    #[must_use]
    pub fn into_alike(self) -> Problems {
        self.alike
    }
}

fn alike(draft: &Draft<'_>, first: Place, layout: &Layout) -> Problem {
    let message = format!(
        "{} and the name in {} differ only by case, by invisible characters, or in how letters with accents are written; \
         they are taken for two {}s",
        quoted(draft.key),
        described(draft, first),
        draft.kind.noun()
    );
    let title = draft.title_for(draft.kind.key_field(), layout);
    Problem::cell(draft.file, draft.row, title, message).code("looks_alike")
}

fn described(draft: &Draft<'_>, place: Place) -> String {
    let Place { file, row, .. } = place;
    if file == draft.file {
        format!("row {row}")
    } else {
        format!("row {row} of manifest {}", u32::from(file) + 1)
    }
}

impl Beginning {
    fn of(draft: &Draft<'_>) -> Self {
        let (kind, part, home) = (draft.kind, draft.part, draft.home());
        let hasher = |naming: Naming| {
            let mut hasher = DefaultHasher::new();
            (naming, kind, part, home).hash(&mut hasher);
            hasher
        };
        Self {
            kind,
            part,
            home: home.cloned(),
            id: hasher(Naming::Id),
            key: hasher(Naming::Key),
        }
    }

    fn is_of(&self, draft: &Draft<'_>) -> bool {
        self.kind == draft.kind && self.part == draft.part && self.home.as_ref() == draft.home()
    }

    /// Returns a hash that names with the same look share. `room` is for the look.
    fn hash_of_look(&self, naming: Naming, name: &str, room: &mut String) -> Hashed {
        if matches!(naming, Naming::Id) {
            return self.hash(naming, name, 0);
        }
        if !name.is_ascii() {
            return self.hash(naming, &look(name), 0);
        }
        room.clear();
        room.push_str(name);
        room.make_ascii_lowercase();
        self.hash(naming, room, 0)
    }

    /// Returns a hash of the name. Another `salt` makes another hash.
    fn hash(&self, naming: Naming, name: &str, salt: u8) -> Hashed {
        let mut hasher = match naming {
            Naming::Id => self.id.clone(),
            Naming::Key => self.key.clone(),
        };
        hasher.write(name.as_bytes());
        hasher.write_u8(salt);
        Hashed(hasher.finish())
    }
}

fn repeated(draft: &Draft<'_>, naming: Naming, first: Place, layout: &Layout) -> Problem {
    let place = described(draft, first);
    let noun = draft.kind.noun();
    let (title, named) = match naming {
        Naming::Id => {
            let title = layout.id.and_then(|at| layout.titles.get(at));
            let id = draft.id.unwrap_or_default();
            (title.map_or("id", String::as_str), id.to_owned())
        }
        Naming::Key => {
            let title = draft.title_for(draft.kind.key_field(), layout);
            (title, quoted(draft.key))
        }
    };
    let message = format!("the same {noun} twice: {place} names {named} too");
    Problem::cell(draft.file, draft.row, title, message).code("duplicate")
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
        let mut duplicates = Duplicates::default();
        each(rows, |row| {
            let draft = checker.check(row, &layout, &mut problems);
            problems.extend(draft.and_then(|draft| duplicates.add(&draft, &layout)));
        });
        let files = ["f.csv".to_owned()];
        problems.iter().map(|p| p.describe(&files)).collect()
    }

    #[test]
    fn names_that_answers_do_not_tell_apart_are_one_name() {
        let found = problems(
            "id,name,url",
            &[
                &["", "R&D", "https://x"],
                &["", "R&amp;D", "https://x"],
                &["7", "R&amp;amp;D", "https://x"],
            ],
        );
        assert_eq!(
            found,
            ["f.csv:3: column \"name\": the same portal link twice: row 2 names \"R&amp;D\" too"]
        );
    }

    #[test]
    fn names_that_look_alike_are_pointed_out() {
        let layout = Layout::new(
            0,
            &[("name", 1), ("url", 1)],
            true,
            &Defaults::default(),
            &mut Vec::new(),
        );
        let checker = Checker::new(Defaults::default());
        let mut duplicates = Duplicates::default();
        let mut problems = Vec::new();
        let names = ["Café", "other", "CAFÉ", "Cafe\u{301}", "CAFÉ", "Cafe"];
        let rows = names.map(|name| [name, "https://x"]);
        let rows: Vec<&[&'static str]> = rows.iter().map(<[&str; 2]>::as_slice).collect();
        each(&rows, |row| {
            let draft = checker.check(row, &layout, &mut problems);
            problems.extend(draft.and_then(|draft| duplicates.add(&draft, &layout)));
        });
        let rows = |problems: &[Problem]| problems.iter().map(|p| p.row).collect::<Vec<_>>();
        assert_eq!(rows(&problems), [6], "{problems:?}");
        let alike = duplicates.into_alike().into_first();
        assert_eq!(rows(&alike), [4, 5], "{alike:?}");
        assert!(
            alike[0]
                .message
                .contains("the name in row 2 differ only by case")
        );
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
}
