//! Runs that were not finished, and whose place another run took.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::error::RunError;
use super::{Origin, RunDirectory, list};

/// The runs whose place a run took, and those whose place these took.
#[derive(Debug, Default)]
pub struct Replaced {
    /// Their directories, the newest run first.
    pub found: Vec<RunDirectory>,
    /// The names of those that are not there any more.
    pub missing: Vec<String>,
}

impl Replaced {
    /// Finds the runs whose place the run in `directory` took.
    ///
    /// # Errors
    /// [`RunError`] if the runs cannot be listed, or the plan of one cannot be read.
    pub fn by(directory: &RunDirectory) -> Result<Self, RunError> {
        let there = list(directory.runs_dir())?.into_iter();
        let there: BTreeMap<String, RunDirectory> =
            there.map(|run| (run.name().to_string(), run)).collect();
        let mut replaced = Self::default();
        let mut seen = BTreeSet::from([directory.name().to_string()]);
        let mut open = Origin::read(directory.path())?.supersedes;
        while let Some(name) = open.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            match there.get(&name) {
                Some(run) => {
                    open.extend(Origin::read(run.path())?.supersedes);
                    replaced.found.push(run.clone());
                }
                None => replaced.missing.push(name),
            }
        }
        replaced
            .found
            .sort_by_key(|run| Reverse(run.name().clone()));
        Ok(replaced)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::run::{Lineage, PlanWriter};

    fn run(runs: &Path, name: &str, supersedes: &[&str]) -> RunDirectory {
        let path = runs.join(name);
        fs::create_dir(&path).unwrap();
        let origin = Origin {
            supersedes: supersedes.iter().map(|name| (*name).to_owned()).collect(),
            ..Origin::default()
        };
        PlanWriter::create(&path, &origin)
            .unwrap()
            .finish()
            .unwrap();
        RunDirectory::open(&path).unwrap()
    }

    #[test]
    fn all_runs_are_found_and_a_circle_ends() {
        let dir = tempfile::tempdir().unwrap();
        let name = |n: u32| format!("20260101T00000{n}.000Z-0000");
        let names = [0, 1, 2, 3, 4].map(name);
        let [first, second, third, fourth, missing] = names.each_ref().map(String::as_str);
        run(dir.path(), first, &[fourth]);
        run(dir.path(), second, &[missing]);
        run(dir.path(), third, &[first, third]);
        let newest = run(dir.path(), fourth, &[second, third]);
        let replaced = Replaced::by(&newest).unwrap();
        let found: Vec<String> = replaced
            .found
            .iter()
            .map(|run| run.name().to_string())
            .collect();
        assert_eq!(found, [third, second, first].map(str::to_owned));
        assert_eq!(replaced.missing, [missing]);
        let lineage = Lineage::read(dir.path()).unwrap();
        // The circle is cut somewhere.
        assert!(lineage.successor_of(missing).is_some());
        assert_eq!(lineage.successor_of("none"), None);
    }
}
