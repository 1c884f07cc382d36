//! Run directories: their names, and how one comes into being all at once.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{RunError, plan_file};
use crate::clock::random_bits;
use crate::platform::{private_dirs, sync_dir};

/// The name of a run: when it began, and four digits that tell runs of the same millisecond apart. In
/// the order of their names runs stand in the order of their beginnings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunName(String);

impl RunName {
    /// A name for a run that begins `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let salt = random_bits() & 0xffff;
        Self(format!("{}-{salt:04x}", now.strftime("%Y%m%dT%H%M%S%.3fZ")))
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
    /// Whether the directory of all runs was made for this one.
    first: bool,
}

impl RunDirectory {
    /// Makes a directory for a new run below `runs`. Until the run has started it has a name that
    /// no listing shows.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn create(runs: &Path, name: RunName) -> Result<Self, RunError> {
        let path = runs.join(format!(".new-{name}"));
        let failed = |source| no_room(runs, source);
        let first = private_dirs(runs).map_err(failed)?;
        let created = Self { path, name, first };
        match private_dirs(&created.path) {
            Ok(_) => Ok(created),
            Err(error) => {
                created.discard_all_runs();
                Err(failed(error))
            }
        }
    }

    /// The directory at `path`, which must hold a run, be it damaged: its plan or its journal is there, or it has
    /// the name of one.
    ///
    /// # Errors
    /// [`RunError::Unknown`].
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let unknown = || RunError::Unknown(path.display().to_string());
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(unknown)?;
        let files = [crate::journal::FILE_NAME, plan_file::FILE_NAME];
        let holds_one = files.iter().any(|file| path.join(file).exists());
        if !path.is_dir() || !(holds_one || is_name_of_a_run(name)) {
            return Err(unknown());
        }
        Ok(Self {
            path: path.to_owned(),
            name: RunName(name.to_owned()),
            first: false,
        })
    }

    /// The run called `text`: the path of its directory, or its name, or the beginning of its name, below `runs`.
    ///
    /// # Errors
    /// [`RunError::Unknown`] when there is none, [`RunError::Ambiguous`] when there are several.
    pub fn find(runs: &Path, text: &str) -> Result<Self, RunError> {
        let path = Path::new(text.trim_end_matches('/'));
        if let Ok(directory) = Self::open(path).or_else(|_| Self::open(&runs.join(path))) {
            return Ok(directory);
        }
        let mut fitting = list(runs)?;
        fitting.retain(|run| !text.is_empty() && run.name.0.starts_with(text));
        let count = fitting.len();
        match fitting.into_iter().next() {
            None => Err(RunError::Unknown(text.to_owned())),
            Some(only) if count == 1 => Ok(only),
            Some(first) => Err(RunError::Ambiguous {
                text: text.to_owned(),
                count,
                first: first.name.0,
            }),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the run.
    #[must_use]
    pub fn name(&self) -> &RunName {
        &self.name
    }

    /// What is said when a file of it cannot be read any more.
    #[must_use]
    pub fn unreadable(&self, source: io::Error) -> RunError {
        RunError::Io {
            path: self.path.clone(),
            doing: "the run cannot be read",
            source,
        }
    }

    /// Where the runs are that stand beside it.
    pub(super) fn beside(&self) -> &Path {
        match self.path.parent() {
            Some(runs) if runs != Path::new("") => runs,
            _ => Path::new("."),
        }
    }

    /// Gives it its lasting name.
    pub(super) fn publish(self) -> Result<Self, RunError> {
        let path = self.path.with_file_name(&self.name.0);
        let failed = |source| RunError::Io {
            path: path.clone(),
            doing: "the run directory cannot be named",
            source,
        };
        fs::rename(&self.path, &path).map_err(failed)?;
        sync_dir(path.parent().unwrap_or(Path::new(""))).map_err(failed)?;
        Ok(Self { path, ..self })
    }

    /// Takes a directory away that was never published.
    pub fn discard(self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "could not be taken away");
        }
        self.discard_all_runs();
    }

    /// Takes the directory of all runs away if it was made for this one.
    fn discard_all_runs(&self) {
        if let Some(runs) = self.path.parent().filter(|_| self.first) {
            // It cannot go when another run has come into it meanwhile, and need not.
            let _ = fs::remove_dir(runs);
        }
    }
}

/// All runs below `runs`, the oldest first.
///
/// # Errors
/// [`RunError::Io`] when the directory is there and cannot be read.
pub fn list(runs: &Path) -> Result<Vec<RunDirectory>, RunError> {
    let failed = |source| RunError::Io {
        path: runs.to_owned(),
        doing: "the runs cannot be listed",
        source,
    };
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

/// Whether it has the form of a [`RunName`].
fn is_name_of_a_run(name: &str) -> bool {
    const FORM: &[u8] = b"00000000T000000.000Z-ffff";
    let fits = |(form, byte): (&u8, u8)| match form {
        b'0' => byte.is_ascii_digit(),
        b'f' => byte.is_ascii_hexdigit(),
        sign => *sign == byte,
    };
    name.len() == FORM.len() && FORM.iter().zip(name.bytes()).all(fits)
}

/// What is said where no run can come into being.
pub(super) fn no_room(runs: &Path, source: io::Error) -> RunError {
    RunError::Io {
        path: runs.to_owned(),
        doing: "no run can be started in this directory",
        source,
    }
}
