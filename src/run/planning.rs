//! The way from manifests to items: two readings of the rows, and the listing of the tenant between them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::Origin;
use super::error::RunError;
use super::fixed;
use super::plan_file::ManifestSum;
use crate::item::{Item, Located, Problem, Problems, Row};
use crate::manifest::{Assignment, Format, Manifest, ManifestError, Reading, changed};
use crate::plan::complete::described;
use crate::plan::{
    Checker, Completer, Defaults, Draft, Duplicates, Layout, Microtenants, Planner, Snapshot,
    TenantRules,
};
use crate::resource::{Action, Kind, Scope, fold};
use crate::wire::{Id, shortened};

/// The reason for which there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Rows or columns have problems, or limits would be exceeded.
    #[error("{count} problems")]
    Problems {
        /// The first of them.
        first: Vec<Located>,
        /// The number of all.
        count: u64,
        /// Facts about the manifests that are no mistakes, and may explain some.
        notes: Vec<String>,
    },
    /// The repaired manifest cannot be written.
    #[error("{}", path.display())]
    Fixed {
        /// The path of its file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The plan cannot be kept.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<Vec<String>> for PlanError {
    fn from(problems: Vec<String>) -> Self {
        let located = |message| Located {
            code: "limit_exceeded",
            message,
            ..Located::default()
        };
        Self::Problems {
            count: problems.len() as u64,
            first: problems.into_iter().map(located).collect(),
            notes: Vec::new(),
        }
    }
}

/// Manifests without any problem that can be seen without the tenant.
#[derive(Debug, Default)]
pub struct Checked {
    names: Vec<String>,
    manifests: Vec<Manifest>,
    layouts: Vec<Layout>,
    completers: Vec<Completer>,
    defaults: Defaults,
    columns: Vec<ResultColumn>,
    fingerprints: Vec<u32>,
    scopes: Scopes,
    rows: u64,
    created_before: HashSet<Id>,
    /// Facts that are no mistakes, and that the user should know.
    notes: Vec<String>,
    /// The word for the place of an object, by manifest.
    units: Vec<&'static str>,
    /// The sheet of each manifest that is a workbook.
    sheets: Vec<Option<Sheet>>,
}

/// The sheet of a workbook: its name, and the letters of its columns by their folded titles.
#[derive(Debug)]
struct Sheet {
    name: String,
    letters: HashMap<String, String>,
}

#[derive(Debug)]
struct ResultColumn {
    title: String,
    meaning: String,
    /// The text for a row that says nothing here, if a flag gave one. Result files are applied again without the flag.
    told: String,
}

/// Reads the manifests, and checks every row by itself.
///
/// # Errors
/// [`PlanError::Manifest`] when a manifest cannot be read, [`PlanError::Problems`] with every problem of
/// every row.
pub fn check(
    paths: &[PathBuf],
    reading: impl Into<Reading>,
    defaults: Defaults,
) -> Result<Checked, PlanError> {
    let named = paths
        .iter()
        .map(|path| (path.clone(), path.display().to_string()));
    check_named(&named.collect::<Vec<_>>(), reading, defaults)
}

/// Does the same for manifests that have names of their own in messages and reports.
///
/// # Errors
/// As [`check`].
pub fn check_named(
    manifests: &[(PathBuf, String)],
    reading: impl Into<Reading>,
    defaults: Defaults,
) -> Result<Checked, PlanError> {
    let reading = reading.into();
    let mut problems = Problems::default();
    let mut found = Checked {
        names: manifests.iter().map(|(_, name)| name.clone()).collect(),
        defaults,
        ..Checked::default()
    };
    for (number, (path, _)) in (0..).zip(manifests) {
        found.open(path, number, &reading, &mut problems)?;
    }
    found.write_flags_down();
    let checker = Checker::new(found.defaults.clone());
    let mut duplicates = Duplicates::default();
    let mut microtenants = Microtenants::new(found.defaults.microtenant.as_ref());
    let mut of_row = Vec::new();
    let mut repaired = Problems::default();
    let mut own = 0;
    let opened = problems.count();
    let manifests = found.manifests.iter().zip(&found.layouts);
    for ((manifest, layout), completer) in manifests.zip(&found.completers) {
        let read = manifest.for_each_row(&mut problems, |row, problems| {
            if layout.is_example(row) {
                return Ok(());
            }
            let note = |repairs: &[_]| repaired.extend(described(row, layout, repairs));
            as_planned(row, layout, completer, note, |row| {
                if let Some(draft) = checker.check(row, layout, &mut of_row) {
                    of_row.extend(duplicates.add(&draft, layout));
                    found.scopes.note(&draft);
                    microtenants.add(&draft, layout);
                }
            });
            own += of_row.len() as u64;
            problems.extend(of_row.drain(..));
            found.rows += 1;
            Ok::<(), ManifestError>(())
        })?;
        found.fingerprints.push(read);
    }
    let notes = found.described(repaired, REPAIRS);
    found.notes.extend(notes);
    if let Some(path) = &reading.write_fixed {
        let is_whole = opened + own == problems.count();
        found.write_fixed(path, is_whole)?;
    }
    problems.extend(microtenants.into_rounded());
    found.refuse(problems)?;
    found.note(duplicates.into_alike());
    Ok(found)
}

/// Plans every row against the live state of the tenant. Each item is handed to `keep` with the cells of its
/// row, in the order of [`Checked::origin`]'s columns.
///
/// # Errors
/// [`PlanError::Problems`] with every name that does not resolve and every limit that would be exceeded. The items that
/// `keep` got are no plan then. [`PlanError::Run`] from `keep`.
pub fn plan<'s>(
    rows: &'s Checked,
    snapshot: &'s Snapshot,
    rules: TenantRules,
    mut keep: impl FnMut(&Item<'_>, &[&str]) -> Result<(), PlanError>,
) -> Result<Planner<'s>, PlanError> {
    let mut planner = Planner::new(snapshot, rules).created_before(&rows.created_before);
    let mut problems = Problems::default();
    let manifests = rows.manifests.iter().zip(&rows.layouts);
    let manifests = manifests.zip(&rows.completers).zip(&rows.fingerprints);
    for (((manifest, layout), completer), fingerprint) in manifests {
        let columns = rows.positions(layout);
        let checker = Checker::new(rows.defaults.clone());
        let read = manifest.for_each_row(&mut problems, |row, problems| {
            if layout.is_example(row) {
                return Ok(());
            }
            as_planned(
                row,
                layout,
                completer,
                |_| {},
                |row| {
                    match checker.draft(row, layout).map(|draft| planner.plan(draft)) {
                        Some(Ok(item)) => return keep(&item, &cells_of(row, &columns)),
                        Some(Err(problem)) => problems.push(problem),
                        None => {}
                    }
                    Ok(())
                },
            )
        })?;
        if read != *fingerprint {
            problems.push(changed(manifest.number()));
        }
    }
    rows.refuse(problems)?;
    within_limits(planner)
}

/// Hands a row to `plan` with the values that are set for all rows, and with its repairs, which `note` gets too.
fn as_planned<R>(
    row: Row<'_>,
    layout: &Layout,
    completer: &Completer,
    note: impl FnOnce(&[(usize, String)]),
    plan: impl FnOnce(Row<'_>) -> R,
) -> R {
    if completer.is_idle() {
        return plan(row);
    }
    let repairs = completer.repairs(row, layout);
    note(&repairs);
    let cells = completer.completed(row, &repairs);
    plan(Row {
        cells: &cells,
        ..row
    })
}

/// The most notes of one kind that are shown.
const NOTES: usize = 20;

/// The most repaired cells that are listed.
const REPAIRS: usize = 1000;

/// Refuses a plan that would exceed a limit of the tenant.
pub(super) fn within_limits(planner: Planner<'_>) -> Result<Planner<'_>, PlanError> {
    match planner.exceeded() {
        exceeded if exceeded.is_empty() => Ok(planner),
        exceeded => Err(exceeded.into()),
    }
}

/// Returns the titles of columns that are set for all rows and that no column of the manifest has, and the value that is set
/// for each column.
fn completed<'t>(
    titles: &[(&str, u32)],
    set: &'t [Assignment],
) -> (Vec<(&'t str, u32)>, Vec<Option<String>>) {
    let row = titles.first().map_or(1, |(_, row)| *row);
    let mut values = vec![None; titles.len()];
    let mut named = Vec::new();
    for Assignment { name, value } in set {
        let own = titles
            .iter()
            .position(|(title, _)| is_same_column(title, name));
        if let Some(place) = own.and_then(|at| values.get_mut(at)) {
            *place = Some(value.clone());
        } else {
            named.push((name.as_str(), row));
            values.push(Some(value.clone()));
        }
    }
    (named, values)
}

/// Tells whether two titles name the same column, whatever the resource.
fn is_same_column(one: &str, other: &str) -> bool {
    let column = |kind: Kind, title: &str| kind.column(title).map(|column| column.name);
    let mut names = Kind::all().map(|kind| (column(kind, one), column(kind, other)));
    fold(one) == fold(other) || names.any(|(one, other)| one.is_some() && one == other)
}

fn cells_of<'c>(row: Row<'c>, columns: &'c [(Vec<usize>, &str)]) -> Vec<&'c str> {
    let cell = |(at, told): &'c (Vec<usize>, &str)| {
        let mut raw = at.iter().map(|at| row.cells.raw(*at));
        let said = raw.find(|cell| !cell.trim_start().is_empty());
        said.unwrap_or(told)
    };
    columns.iter().map(cell).collect()
}

impl Checked {
    /// Returns the number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Names the objects that earlier runs of these rows created. A row that asks to create one of them is carried out
    /// already, and is not refused because the object exists.
    pub fn set_created_before(&mut self, created_before: HashSet<Id>) {
        self.created_before = created_before;
    }

    /// Returns facts about the rows that are no mistakes, and that the user should know.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns notes about rows as texts. Of more than 20, the first are returned, and all are counted.
    #[must_use]
    pub fn noted(&self, notes: Problems) -> Vec<String> {
        self.described(notes, NOTES)
    }

    fn described(&self, notes: Problems, most: usize) -> Vec<String> {
        let count = notes.count();
        let first = notes.into_first().into_iter().take(most);
        let mut texts: Vec<String> = first.map(|note| self.located(&note).to_string()).collect();
        let more = count - texts.len() as u64;
        if more > 0 {
            texts.push(format!("{more} more notes of this kind are not shown"));
        }
        texts
    }

    fn note(&mut self, notes: Problems) {
        let texts = self.noted(notes);
        self.notes.extend(texts);
    }

    /// Returns the origin of the rows.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            files: self.names.clone(),
            sha256: self
                .manifests
                .iter()
                .map(|manifest| manifest.sha256().to_owned())
                .collect(),
            columns: self
                .columns
                .iter()
                .map(|column| column.title.clone())
                .collect(),
            ..Origin::default()
        }
    }

    /// Returns the sums of the manifests.
    #[must_use]
    pub fn sums(&self) -> Vec<ManifestSum> {
        let named = self.names.iter().zip(&self.manifests);
        let sums = named.map(|(name, manifest)| ManifestSum {
            name: name.clone(),
            sha256: manifest.sha256().to_owned(),
        });
        sums.collect()
    }

    /// Returns the listings that planning these rows takes.
    #[must_use]
    pub fn scopes(&self) -> Vec<Scope> {
        self.scopes.noted.iter().cloned().collect()
    }

    /// Writes the manifest with its repairs, if every row could be read.
    fn write_fixed(&mut self, path: &Path, is_whole: bool) -> Result<(), PlanError> {
        let parts = self.manifests.first().zip(self.layouts.first());
        let Some(((manifest, layout), completer)) = parts.zip(self.completers.first()) else {
            return Ok(());
        };
        let shown = path.display();
        let note = if is_whole {
            fixed::write(path, manifest, layout, completer).map_err(|source| PlanError::Fixed {
                path: path.to_owned(),
                source,
            })?;
            format!("the repaired manifest was written to {shown}")
        } else {
            format!("{shown} was not written, since some rows cannot be read")
        };
        self.notes.push(note);
        Ok(())
    }

    fn open(
        &mut self,
        path: &Path,
        number: u16,
        reading: &Reading,
        problems: &mut Problems,
    ) -> Result<(), PlanError> {
        let before = problems.count();
        let manifest = Manifest::open(path, number, reading.clone(), problems)?;
        let readable = problems.count() == before;
        self.units.push(manifest.unit());
        self.sheets.push(manifest.sheet().map(|(name, letters)| {
            let titles = manifest
                .columns()
                .iter()
                .map(|title| fold(&shortened(&title.text)));
            Sheet {
                name: name.to_owned(),
                letters: titles.zip(letters).collect(),
            }
        }));
        let name = self.names.get(usize::from(number));
        let name = name.map_or("?", String::as_str);
        let notes = manifest.notes().iter();
        self.notes
            .extend(notes.map(|note| format!("{name}: {note}")));
        for detail in manifest.details() {
            tracing::info!("{name}: {detail}");
        }
        let mut titles = manifest.titles();
        if !readable {
            titles.clear();
        }
        let (named, set) = completed(&titles, &reading.set);
        titles.extend(named);
        let strict = manifest.format() == Format::Csv;
        let mut of_titles = Vec::new();
        let layout = Layout::new(number, &titles, strict, &self.defaults, &mut of_titles);
        // There are no results of a manifest with an unknown column, so every meaning is one of a few.
        if of_titles.is_empty() {
            self.add_columns(&titles, &layout);
        }
        problems.extend(of_titles);
        if readable {
            self.completers.push(Completer::new(set, reading.fix));
            self.layouts.push(layout);
            self.manifests.push(manifest);
        }
        Ok(())
    }

    fn add_columns(&mut self, titles: &[(&str, u32)], layout: &Layout) {
        for ((title, _), meaning) in titles.iter().zip(layout.meanings()) {
            let known =
                |meaning: &String| self.columns.iter().any(|column| column.meaning == *meaning);
            if let Some(meaning) = meaning.as_ref().filter(|meaning| !known(meaning)) {
                self.columns.push(ResultColumn {
                    title: (*title).to_owned(),
                    meaning: meaning.clone(),
                    told: String::new(),
                });
            }
        }
    }

    /// Adds columns for the flags that speak of every row.
    fn write_flags_down(&mut self) {
        let Defaults {
            resource,
            action,
            microtenant,
        } = &self.defaults;
        let action = Some(action).filter(|action| **action != Action::default());
        let flags = [
            ("resource", resource.map(|kind| kind.name().to_owned())),
            ("action", action.map(|action| action.name().to_owned())),
            ("microtenant", microtenant.as_ref().map(ToString::to_string)),
        ];
        for (name, told) in flags {
            let Some(told) = told else {
                continue;
            };
            match self
                .columns
                .iter_mut()
                .find(|column| column.meaning == name)
            {
                Some(column) => column.told = told,
                None => self.columns.push(ResultColumn {
                    title: name.to_owned(),
                    meaning: name.to_owned(),
                    told,
                }),
            }
        }
    }

    /// Returns, for each result column, its places in the manifest and the text for a row that says nothing.
    fn positions(&self, layout: &Layout) -> Vec<(Vec<usize>, &str)> {
        let positions = |column: &ResultColumn| {
            let meanings = layout.meanings().iter().enumerate();
            meanings
                .filter(|(_, meaning)| meaning.as_ref() == Some(&column.meaning))
                .map(|(at, _)| at)
                .collect()
        };
        let columns = self.columns.iter();
        columns
            .map(|column| (positions(column), column.told.as_str()))
            .collect()
    }

    fn located(&self, problem: &Problem) -> Located {
        let number = usize::from(problem.file);
        let name = self.names.get(number).map_or("?", String::as_str);
        let sheet = self.sheets.get(number).and_then(Option::as_ref);
        let letters = sheet.zip(problem.column.as_ref());
        let letters = letters.and_then(|(sheet, title)| sheet.letters.get(&fold(title)));
        Located {
            unit: self.units.get(number).copied().unwrap_or("row"),
            sheet: sheet.map(|sheet| sheet.name.clone()),
            cell: letters.map(|letters| format!("{letters}{}", problem.row)),
            ..problem.located(name)
        }
    }

    /// Refuses the rows if there are problems.
    fn refuse(&self, problems: Problems) -> Result<(), PlanError> {
        let count = problems.count();
        if count == 0 {
            return Ok(());
        }
        let first = problems.into_first().into_iter();
        Err(PlanError::Problems {
            first: first.map(|p| self.located(&p)).collect(),
            count,
            notes: self.notes.clone(),
        })
    }
}

/// The listings that planning takes: of the kinds of the rows, and of the kinds to which they refer.
#[derive(Debug, Default)]
struct Scopes {
    noted: BTreeSet<Scope>,
    /// The scope of the last row, and the kinds to which it refers. Most rows have the same.
    last: Option<(Scope, Vec<Kind>)>,
}

impl Scopes {
    fn note(&mut self, draft: &Draft<'_>) {
        let targets = || {
            draft
                .unresolved_refs
                .iter()
                .map(|reference| reference.target)
        };
        if let Some((scope, last)) = &self.last
            && draft.is_in(scope)
            && targets().eq(last.iter().copied())
        {
            return;
        }
        let scopes = targets().map(|target| Scope::of(target, draft.microtenant.clone()));
        self.noted.extend(scopes.chain([draft.scope()]));
        self.last = Some((draft.scope(), targets().collect()));
    }
}
