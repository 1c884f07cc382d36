//! The way from manifests to items: two readings of the rows, and the listing of the tenant between them.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use super::Origin;
use super::error::RunError;
use crate::item::{Item, Problem, Row};
use crate::manifest::{Format, Manifest, ManifestError};
use crate::plan::{Checker, Defaults, Draft, Duplicates, Layout, Limits, Planner, Snapshot};
use crate::resource::Action;
use crate::resource::{Kind, Scope};
use crate::wire::Id;

/// The reason for which there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Rows or columns have problems. Each text is ready to be shown.
    #[error("{} problems", .0.len())]
    Problems(Vec<String>),
    /// The plan cannot be kept.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Manifests without any problem that can be seen without the tenant.
#[derive(Debug)]
pub struct Checked {
    names: Vec<String>,
    manifests: Vec<Manifest>,
    layouts: Vec<Layout>,
    defaults: Defaults,
    columns: Vec<ResultColumn>,
    fingerprints: Vec<u32>,
    scopes: Scopes,
    rows: u64,
    created_before: HashSet<Id>,
}

/// A column of the result files.
#[derive(Debug)]
struct ResultColumn {
    title: String,
    meaning: String,
    /// The text for a row that says nothing here, if a flag gave one. Result files are applied again without the flag.
    told: String,
}

/// Reads the manifests and checks every row by itself.
///
/// # Errors
/// [`PlanError::Manifest`] when a manifest cannot be read, [`PlanError::Problems`] with every problem of
/// every row.
pub fn check(paths: &[PathBuf], defaults: Defaults) -> Result<Checked, PlanError> {
    let named = paths
        .iter()
        .map(|path| (path.clone(), path.display().to_string()));
    check_named(&named.collect::<Vec<_>>(), defaults)
}

/// Does the same for manifests that have names of their own in messages and reports.
///
/// # Errors
/// As [`check`].
pub fn check_named(
    manifests: &[(PathBuf, String)],
    defaults: Defaults,
) -> Result<Checked, PlanError> {
    let mut problems = Vec::new();
    let mut found = Checked {
        names: manifests.iter().map(|(_, name)| name.clone()).collect(),
        manifests: Vec::new(),
        layouts: Vec::new(),
        columns: Vec::new(),
        fingerprints: Vec::new(),
        scopes: Scopes::default(),
        rows: 0,
        created_before: HashSet::new(),
        defaults,
    };
    for (number, (path, _)) in (0..).zip(manifests) {
        found.open(path, number, &mut problems)?;
    }
    found.write_flags_down();
    let checker = Checker::new(found.defaults.clone());
    let mut duplicates = Duplicates::default();
    for (manifest, layout) in found.manifests.iter().zip(&found.layouts) {
        let read = manifest.for_each_row(&mut problems, |row, problems| {
            if let Some(draft) = checker.check(row, layout, problems) {
                problems.extend(duplicates.add(&draft, layout));
                found.scopes.note(&draft);
            }
            found.rows += 1;
            Ok::<(), ManifestError>(())
        })?;
        found.fingerprints.push(read);
    }
    if problems.is_empty() {
        return Ok(found);
    }
    Err(found.problems(problems))
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
    limits: Limits,
    mut keep: impl FnMut(&Item<'_>, &[&str]) -> Result<(), PlanError>,
) -> Result<Planner<'s>, PlanError> {
    let mut planner = Planner::new(snapshot, limits).created_before(&rows.created_before);
    let mut problems = Vec::new();
    let manifests = rows.manifests.iter().zip(&rows.layouts);
    for ((manifest, layout), fingerprint) in manifests.zip(&rows.fingerprints) {
        let columns = rows.positions(layout);
        let checker = Checker::new(rows.defaults.clone());
        let read = manifest.for_each_row(&mut problems, |row, problems| {
            let Some(draft) = checker.check(row, layout, problems) else {
                return Ok(());
            };
            match planner.plan(draft) {
                Ok(item) => keep(&item, &cells_of(row, &columns)),
                Err(problem) => {
                    problems.push(problem);
                    Ok(())
                }
            }
        })?;
        if read != *fingerprint {
            let message = "the manifest was changed while it was being read; try again";
            problems.push(Problem::row(manifest.number(), 1, message));
        }
    }
    if !problems.is_empty() {
        return Err(rows.problems(problems));
    }
    let exceeded = planner.exceeded();
    if exceeded.is_empty() {
        Ok(planner)
    } else {
        Err(PlanError::Problems(exceeded))
    }
}

/// Returns the cells of a row for the columns of the result files.
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

    /// Returns the origin of the rows.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            files: self.names.clone(),
            columns: self
                .columns
                .iter()
                .map(|column| column.title.clone())
                .collect(),
            ..Origin::default()
        }
    }

    /// Returns the listings that planning these rows takes.
    #[must_use]
    pub fn scopes(&self) -> Vec<Scope> {
        self.scopes.noted.iter().cloned().collect()
    }

    fn open(
        &mut self,
        path: &std::path::Path,
        number: u16,
        problems: &mut Vec<Problem>,
    ) -> Result<(), PlanError> {
        let before = problems.len();
        let manifest = Manifest::open(path, number, problems)?;
        let readable = problems.len() == before;
        let titles: Vec<(&str, u32)> = manifest
            .columns()
            .iter()
            .map(|t| (t.text.as_str(), t.row))
            .collect();
        let titles = if readable { titles } else { Vec::new() };
        let strict = manifest.format() == Format::Csv;
        let layout = Layout::new(number, &titles, strict, &self.defaults, problems);
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
        if readable {
            self.layouts.push(layout);
            self.manifests.push(manifest);
        }
        Ok(())
    }

    /// Adds columns for the flags that speak of every row.
    fn write_flags_down(&mut self) {
        let Defaults {
            resource,
            action,
            microtenant,
        } = &self.defaults;
        let action = Action::ALL.iter().find(|(_, known)| known == action);
        let action = action.filter(|(_, action)| *action != Action::default());
        let flags = [
            ("resource", resource.map(|kind| kind.name().to_owned())),
            ("action", action.map(|(name, _)| (*name).to_owned())),
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

    fn problems(&self, mut problems: Vec<Problem>) -> PlanError {
        problems.sort_by_key(|problem| (problem.file, problem.row));
        let described = problems.iter().map(|p| p.describe(&self.names));
        PlanError::Problems(described.collect())
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
