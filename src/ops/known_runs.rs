//! The runs of a tenant, by way of the table: those that other directories hold, and those that came from elsewhere.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Error;
use super::tenant::Tenant;
use crate::coordination::{Coordination, KnownRun, Now};
use crate::engine::Member;
use crate::journal::Header;
use crate::run::{self, Origin, Run, RunDirectory};
use crate::wire::Id;

/// The runs that may be about the objects of a new one.
#[derive(Debug, Default)]
pub(super) struct KnownRuns {
    table: Option<Coordination>,
    known: HashMap<PathBuf, KnownRun>,
    /// The names of runs that were replaced, and of the runs that took their places.
    replaced: HashMap<String, String>,
    directories: Vec<RunDirectory>,
}

impl KnownRuns {
    /// Finds the runs below `runs`, and those of the tenant that the table knows.
    pub(super) fn find(runs: &Path, tenant: &Tenant) -> Result<Self, Error> {
        let mut found = Self {
            table: tenant.table()?.cloned(),
            directories: run::list(runs)?,
            ..Self::default()
        };
        for directory in &found.directories {
            let origin = Origin::read(directory.path()).unwrap_or_default();
            let by = directory.name().to_string();
            found
                .replaced
                .extend(origin.supersedes.into_iter().map(|run| (run, by.clone())));
        }
        let here: Vec<PathBuf> = found.directories.iter().map(place).collect();
        let table = found.table.as_ref();
        let known = table.map_or(Ok(Vec::new()), |table| table.runs(Now::read()))?;
        for run in known {
            found
                .replaced
                .extend(run.replaced_by.clone().map(|by| (run.name.clone(), by)));
            if !run.finished && !here.contains(&run.directory) {
                found.add_from_elsewhere(&run)?;
            }
            found.known.insert(run.directory.clone(), run);
        }
        Ok(found)
    }

    /// Adds a run whose directory is not among the others. A run that was removed is forgotten once its calls have settled.
    fn add_from_elsewhere(&mut self, run: &KnownRun) -> Result<(), Error> {
        let path = &run.directory;
        if let Ok(directory) = RunDirectory::open(path) {
            self.directories.push(directory);
        } else if let Some(table) = &self.table
            && !table.change(Now::read(), |table| table.forget(&path.to_string_lossy()))?
        {
            self.directories
                .push(RunDirectory::removed(path, &run.name));
        }
        Ok(())
    }

    /// Returns the runs that are not known to have finished.
    pub(super) fn unfinished(&self) -> Vec<RunDirectory> {
        let finished = |directory: &RunDirectory| {
            let known = self.known.get(&place(directory));
            known.is_some_and(|run| run.finished)
        };
        let directories = self.directories.iter();
        directories
            .filter(|directory| !finished(directory))
            .cloned()
            .collect()
    }

    /// Tells whether no write of the run can still be carried out, as far as the table knows.
    pub(super) fn is_settled(&self, directory: &RunDirectory) -> bool {
        let known = self.known.get(&place(directory));
        known.is_none_or(|run| run.settled)
    }

    /// Returns the run that was started in the place of the run of that name.
    pub(super) fn replaced_by(&self, name: &str) -> Option<&str> {
        self.replaced.get(name).map(String::as_str)
    }

    /// Takes in a run of the tenant that the table does not know, or not as finished, with the objects that it has created.
    pub(super) fn take_in(&self, directory: &RunDirectory, is_finished: bool) -> Result<(), Error> {
        let path = place(directory);
        let is_known = self
            .known
            .get(&path)
            .is_some_and(|run| run.finished == is_finished);
        let Some(table) = self.table.as_ref().filter(|_| !is_known) else {
            return Ok(());
        };
        let created = run::created(directory.path())?;
        let (path, name) = (path.to_string_lossy(), directory.name().to_string());
        table.change(Now::read(), |table| {
            created
                .iter()
                .try_for_each(|id| table.own(id.as_str(), &name))?;
            match self.replaced.get(&name) {
                _ if is_finished => table.finish(&path, &name),
                Some(by) => table
                    .note(&path, &name)
                    .and_then(|()| table.replace(&path, by)),
                None => table.note(&path, &name),
            }
        })?;
        Ok(())
    }
}

/// Tells the table that a run begins or is resumed, and which runs it replaces. From now on the engine claims objects for
/// it.
pub(super) fn join(
    run: &Run,
    replaced: &[&RunDirectory],
    tenant: &mut Tenant,
) -> Result<(), Error> {
    let Some(table) = tenant.table()?.cloned() else {
        return Ok(());
    };
    let (path, name) = (place(&run.directory), run.directory.name().to_string());
    let settle: Duration = tenant.engine_settings.settle;
    let id = table.change_durably(Now::read(), |table| {
        for run in replaced {
            table.replace(&place(run).to_string_lossy(), &name)?;
        }
        table.begin(&path.to_string_lossy(), &name, settle)
    })?;
    tenant.engine.join(Member { id, name });
    Ok(())
}

/// Tells the table that every item of a run has ended.
pub(super) fn finish(
    directory: &RunDirectory,
    header: &Header,
    tenant: &Tenant,
) -> Result<(), Error> {
    if let Some(table) = tenant.table()? {
        let path = place(directory);
        table.change(Now::read(), |table| {
            table.finish(&path.to_string_lossy(), &header.run)
        })?;
    }
    Ok(())
}

/// Returns the objects that belong to other runs than these.
pub(super) fn owned_by_others(
    runs: &[&RunDirectory],
    tenant: &Tenant,
) -> Result<HashSet<Id>, Error> {
    let Some(table) = tenant.table()? else {
        return Ok(HashSet::new());
    };
    let own: HashSet<String> = runs.iter().map(|run| run.name().to_string()).collect();
    let owners = table.owners(Now::read())?;
    let others = owners.iter().filter(|(_, run)| !own.contains(run));
    Ok(others.filter_map(|(id, _)| Id::parse(id)).collect())
}

/// Returns the path of a run's directory without links, by which the table knows it.
fn place(directory: &RunDirectory) -> PathBuf {
    let path = directory.path();
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
