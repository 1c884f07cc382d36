//! Run directories: their names, and the way to create one that is never seen half done.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::error::RunError;
use super::plan_file;
use crate::clock::random_bits;
use crate::platform::{private_dirs, sync_dir};

/// The beginning of the name that a directory has until its run has started.
const UNPUBLISHED: &str = ".new-";

/// The name of a run: the time of its beginning, and four hexadecimal digits that tell runs of the same millisecond
/// apart. Runs sorted by name are sorted by the time of their beginning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunName(String);

/// The form of the time in a name.
const TIME: &str = "%Y%m%dT%H%M%S%.3fZ";

impl RunName {
    /// Returns a name for a run that begins `now`. It sorts after the name of the `newest` run, even if the clock has been
    /// put back since.
    fn new(now: Timestamp, newest: Option<&Self>) -> Self {
        let after = newest.and_then(Self::time).and_then(|time| {
            let after = time.checked_add(SignedDuration::from_millis(1)).ok()?;
            Some(after.max(now))
        });
        let time = after.unwrap_or(now);
        let salt = random_bits() & 0xffff;
        Self(format!("{}-{salt:04x}", time.strftime(TIME)))
    }

    fn time(&self) -> Option<Timestamp> {
        let (time, _) = self.0.split_once('-')?;
        let time = DateTime::strptime(TIME, time).ok()?;
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The directory of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDirectory {
    path: PathBuf,
    name: RunName,
    /// True if the directory of all runs was made for this run.
    made_runs_dir: bool,
}

impl RunDirectory {
    /// Makes a directory for a new run below `runs`. Until the run has started, the directory has a name that no list
    /// of runs shows.
    ///
    /// # Errors
    /// [`RunError::Io`] if the directory cannot be made.
    pub fn create(runs: &Path, now: Timestamp) -> Result<Self, RunError> {
        let failed = cannot_start(runs);
        let made_runs_dir = private_dirs(runs).map_err(failed)?;
        sweep(runs, now);
        let newest = list(runs)?.pop();
        let name = RunName::new(now, newest.as_ref().map(Self::name));
        let path = runs.join(format!("{UNPUBLISHED}{name}"));
        let created = Self {
            path,
            name,
            made_runs_dir,
        };
        match private_dirs(&created.path) {
            Ok(_) => Ok(created),
            Err(error) => {
                created.discard_runs_dir();
                Err(failed(error))
            }
        }
    }

    /// Opens the directory at `path`, which must hold a run. A damaged run counts too: its plan or its journal is
    /// there, or the directory has the name of a run.
    ///
    /// # Errors
    /// [`RunError::Unknown`] if there is no run at `path`.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let unknown = || RunError::Unknown(path.display().to_string());
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(unknown)?;
        let files = [crate::journal::FILE_NAME, plan_file::FILE_NAME];
        let holds_run = files.iter().any(|file| path.join(file).exists());
        if !path.is_dir() || !(holds_run || is_run_name(name)) {
            return Err(unknown());
        }
        Ok(Self {
            path: path.to_owned(),
            name: RunName(name.to_owned()),
            made_runs_dir: false,
        })
    }

    /// Returns the directory of a run that is no longer there.
    #[must_use]
    pub fn removed(path: &Path, name: &str) -> Self {
        Self {
            path: path.to_owned(),
            name: RunName(name.to_owned()),
            made_runs_dir: false,
        }
    }

    /// Finds the run that `text` names: by the path of its directory, by its name below `runs`, or by the beginning of
    /// that name.
    ///
    /// # Errors
    /// [`RunError::Unknown`] if there is no such run, [`RunError::Ambiguous`] if there are several.
    pub fn find(runs: &Path, text: &str) -> Result<Self, RunError> {
        let path = Path::new(text.trim_end_matches('/'));
        if let Ok(directory) = Self::open(path).or_else(|_| Self::open(&runs.join(path))) {
            return Ok(directory);
        }
        let mut matching = list(runs)?;
        matching.retain(|run| !text.is_empty() && run.name.0.starts_with(text));
        let count = matching.len();
        match matching.into_iter().next() {
            None => Err(RunError::Unknown(text.to_owned())),
            Some(only) if count == 1 => Ok(only),
            Some(first) => Err(RunError::Ambiguous {
                text: text.to_owned(),
                count,
                first: first.name.0,
            }),
        }
    }

    /// Returns the path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the name of the run.
    #[must_use]
    pub fn name(&self) -> &RunName {
        &self.name
    }

    /// Returns the error for a file of this run that cannot be read.
    #[must_use]
    pub fn unreadable(&self, source: io::Error) -> RunError {
        RunError::io(&self.path, "the run cannot be read")(source)
    }

    /// Returns the directory in which this run and others are.
    #[must_use]
    pub fn runs_dir(&self) -> &Path {
        match self.path.parent() {
            Some(runs) if runs != Path::new("") => runs,
            _ => Path::new("."),
        }
    }

    /// Returns the time at which the journal was last written, or the directory if there is no journal.
    #[must_use]
    pub fn last_written(&self) -> Option<SystemTime> {
        let journal = fs::symlink_metadata(self.path.join(crate::journal::FILE_NAME));
        let found = journal.or_else(|_| fs::symlink_metadata(&self.path));
        found.ok()?.modified().ok()
    }

    /// Gives the directory its final name.
    pub(super) fn publish(self) -> Result<Self, RunError> {
        let path = self.path.with_file_name(&self.name.0);
        let failed = RunError::io(&path, "the run directory cannot be named");
        fs::rename(&self.path, &path).map_err(failed)?;
        sync_dir(path.parent().unwrap_or(Path::new(""))).map_err(failed)?;
        Ok(Self { path, ..self })
    }

    /// Removes a directory that was never published.
    pub fn discard(self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "the directory of a run that did not start cannot be removed");
        }
        self.discard_runs_dir();
    }

    /// Removes the directory of all runs if it was made for this run.
    fn discard_runs_dir(&self) {
        if let Some(runs) = self.path.parent().filter(|_| self.made_runs_dir) {
            // This fails if another run is in it by now, and then it must stay.
            let _ = fs::remove_dir(runs);
        }
    }
}

/// Removes directories of runs that did not start, since their process was killed a day ago or earlier.
fn sweep(runs: &Path, now: Timestamp) {
    const KEPT: SignedDuration = SignedDuration::from_hours(24);
    for entry in fs::read_dir(runs).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_dir);
        let changed =
            metadata.and_then(|metadata| Timestamp::try_from(metadata.modified().ok()?).ok());
        let is_old = changed.is_some_and(|changed| now.duration_since(changed) > KEPT);
        if is_old && name.as_encoded_bytes().starts_with(UNPUBLISHED.as_bytes()) {
            // What cannot be removed does no harm.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Lists all runs below `runs`, the oldest first. If there is no such directory, there are none.
///
/// # Errors
/// [`RunError::Io`] if the directory cannot be read.
pub fn list(runs: &Path) -> Result<Vec<RunDirectory>, RunError> {
    let failed = RunError::io(runs, "the runs cannot be listed");
    let entries = match fs::read_dir(runs) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden {
            found.extend(RunDirectory::open(&path));
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Tells whether a name has the form of a [`RunName`].
fn is_run_name(name: &str) -> bool {
    const FORM: &[u8] = b"00000000T000000.000Z-ffff";
    let fits = |(form, byte): (&u8, u8)| match form {
        b'0' => byte.is_ascii_digit(),
        b'f' => byte.is_ascii_hexdigit(),
        sign => *sign == byte,
    };
    name.len() == FORM.len() && FORM.iter().zip(name.bytes()).all(fits)
}

/// Returns the error for a directory in which no run can be started.
pub(super) fn cannot_start(runs: &Path) -> impl Fn(io::Error) -> RunError + Copy {
    RunError::io(runs, "no run can be started in this directory")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(runs: &Path, now: &str) -> RunDirectory {
        let directory = RunDirectory::create(runs, now.parse().unwrap()).unwrap();
        let directory = directory.publish().unwrap();
        fs::write(directory.path().join(plan_file::FILE_NAME), "").unwrap();
        directory
    }

    #[test]
    fn a_later_run_sorts_last_though_the_clock_went_back() {
        let runs = tempfile::tempdir().unwrap();
        begin(runs.path(), "2099-12-31T23:59:59.999Z");
        for now in ["2026-11-30T00:00:00Z", "2026-11-29T00:00:00Z"] {
            let run = begin(runs.path(), now);
            assert_eq!(list(runs.path()).unwrap().pop().unwrap().name(), run.name());
        }
    }

    #[test]
    fn a_run_that_never_started_is_removed_after_a_day() {
        let runs = tempfile::tempdir().unwrap();
        let now = Timestamp::try_from(std::time::SystemTime::now()).unwrap();
        let left = RunDirectory::create(runs.path(), now).unwrap();
        let hours = |hours| now + SignedDuration::from_hours(hours);
        RunDirectory::create(runs.path(), hours(23)).unwrap();
        assert!(left.path().exists());
        RunDirectory::create(runs.path(), hours(25)).unwrap();
        assert!(!left.path().exists());
    }
}
