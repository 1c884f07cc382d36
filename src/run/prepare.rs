//! From manifests to items: two readings of the rows, with the listing of the tenant between them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{Origin, RunError};
use crate::manifest::{Format, Manifest, ManifestError};
use crate::model::{Id, Item, Problem};
use crate::plan::{Checker, Defaults, Draft, Layout, Limits, Planner, RESULT_COLUMNS, Snapshot};
use crate::resource::{Form, Kind, fold};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Something is wrong with rows or columns; each is ready to be shown.
    #[error("{} problems", .0.len())]
    Problems(Vec<String>),
    /// What was planned cannot be kept.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Manifests in which nothing is wrong that can be seen without the tenant.
#[derive(Debug)]
pub struct Checked {
    names: Vec<String>,
    manifests: Vec<Manifest>,
    layouts: Vec<Layout>,
    defaults: Defaults,
    columns: Vec<String>,
    scopes: Scopes,
    rows: u64,
}

/// Reads the manifests and checks every row by itself.
///
/// # Errors
/// [`PlanError::Manifest`] when one cannot be read, [`PlanError::Problems`] with every problem of
/// every row.
pub fn check(paths: &[PathBuf], defaults: Defaults) -> Result<Checked, PlanError> {
    let mut problems = Vec::new();
    let mut found = Checked {
        names: paths
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        manifests: Vec::new(),
        layouts: Vec::new(),
        columns: Vec::new(),
        scopes: Scopes::default(),
        rows: 0,
        defaults,
    };
    for (number, path) in (0..).zip(paths) {
        found.open(path, number, &mut problems)?;
    }
    let mut checker = Checker::new(found.defaults.clone());
    for (manifest, layout) in found.manifests.iter().zip(&found.layouts) {
        let (scopes, rows) = (&mut found.scopes, &mut found.rows);
        manifest.for_each_row::<ManifestError>(&mut problems, |row, problems| {
            *rows += 1;
            if let Some(draft) = checker.check(row, layout, problems) {
                scopes.note(&draft);
            }
            Ok(())
        })?;
    }
    if problems.is_empty() {
        return Ok(found);
    }
    Err(found.problems(problems))
}

/// Plans every row against what the tenant holds. Each item is handed to `keep` with the cells of its
/// row, in the order of [`Checked::origin`]'s columns.
///
/// # Errors
/// [`PlanError::Problems`] with every name that does not resolve and every limit that would be exceeded; what
/// `keep` was given by then is no plan. [`PlanError::Run`] from `keep`.
pub fn plan<'s>(
    rows: &Checked,
    snapshot: &'s Snapshot,
    limits: Limits,
    mut keep: impl FnMut(&Item<'_>, &[&str]) -> Result<(), PlanError>,
) -> Result<Planner<'s>, PlanError> {
    let reader = Checker::new(rows.defaults.clone());
    let mut planner = Planner::new(snapshot, limits);
    let mut problems = Vec::new();
    for (manifest, layout) in rows.manifests.iter().zip(&rows.layouts) {
        let columns = rows.positions(manifest);
        manifest.for_each_row::<PlanError>(&mut problems, |row, problems| {
            let Some(draft) = reader.draft(row, layout, problems) else {
                return Ok(());
            };
            match planner.plan(draft) {
                Ok(item) => {
                    let raw = |at: &Option<usize>| at.map_or("", |at| row.cells.raw(at));
                    let cells: Vec<&str> = columns.iter().map(raw).collect();
                    keep(&item, &cells)
                }
                Err(problem) => {
                    problems.push(problem);
                    Ok(())
                }
            }
        })?;
    }
    if u64::from(planner.totals().items) + (problems.len() as u64) < rows.rows {
        problems.push(Problem::row(
            0,
            1,
            "the manifest was changed while it was being read",
        ));
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

impl Checked {
    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Where the rows come from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            files: self.names.clone(),
            columns: self.columns.clone(),
        }
    }

    /// What has to be listed to plan these rows.
    #[must_use]
    pub fn scopes(&self) -> Vec<(Kind, Option<Id>)> {
        let scopes = self.scopes.noted.iter();
        scopes
            .filter_map(|(name, microtenant)| Some((Kind::from_name(name)?, microtenant.clone())))
            .collect()
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
        for (title, _) in titles {
            let known = self
                .columns
                .iter()
                .any(|column| fold(column) == fold(title));
            if !known && !RESULT_COLUMNS.contains(&title) {
                self.columns.push(title.to_owned());
            }
        }
        if readable {
            self.layouts.push(layout);
            self.manifests.push(manifest);
        }
        Ok(())
    }

    /// For each column of the whole, where the manifest has it.
    fn positions(&self, manifest: &Manifest) -> Vec<Option<usize>> {
        let position = |column: &String| {
            manifest
                .columns()
                .iter()
                .position(|title| fold(&title.text) == fold(column))
        };
        self.columns.iter().map(position).collect()
    }

    fn problems(&self, mut problems: Vec<Problem>) -> PlanError {
        problems.sort_by_key(|problem| (problem.file, problem.row));
        let described = problems.iter().map(|p| p.describe(&self.names));
        PlanError::Problems(described.collect())
    }
}

/// The listings that planning takes: of the rows' own kinds, and of what they refer to.
#[derive(Debug, Default)]
struct Scopes {
    noted: BTreeSet<(&'static str, Option<Id>)>,
    /// What the row before needed; most rows need the same.
    last: Option<(Kind, Option<Id>, Vec<&'static str>)>,
}

impl Scopes {
    fn note(&mut self, draft: &Draft<'_>) {
        let wires = || draft.refs.iter().map(|(wire, ..)| *wire);
        if let Some((kind, microtenant, last)) = &self.last
            && (*kind, microtenant) == (draft.kind, &draft.microtenant)
            && wires().eq(last.iter().copied())
        {
            return;
        }
        let columns = draft.kind.columns().iter();
        let targets = columns.filter_map(|column| match column.form {
            Form::Refs(target) if wires().any(|wire| wire == column.wire) => Some(target),
            _ => None,
        });
        for name in targets.chain([draft.kind.name()]) {
            self.noted.insert((name, draft.microtenant.clone()));
        }
        self.last = Some((draft.kind, draft.microtenant.clone(), wires().collect()));
    }
}
