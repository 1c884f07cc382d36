//! The use cases around evidence packs: packs a run, and checks a pack. Neither needs the tenant.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::{Error, ErrorKind};
use super::recorded::recorded;
use super::report::{named_or_newest_readable, page_of};
use super::session::Observer;
use crate::files::{read_within, sha256};
use crate::platform::private_dirs;
use crate::report::verify::{Counted, Findings};
use crate::report::{
    CheckedPack, LARGEST_PACK, Pack, PackError, PackedManifest, RunPage, check_pack, path_as_shown,
    write_pack,
};
use crate::run::{RunState, Sealer, distrust};
use crate::text::chain;

/// Packs the run of that name below `runs`, or the newest run. Nothing is written.
///
/// # Errors
/// [`ErrorKind::Usage`] if there is no such run, [`ErrorKind::Run`] for a run that is refused or on which a process works.
pub fn pack(
    runs: &Path,
    name: Option<&str>,
    sealer: Option<&Sealer>,
    observer: &dyn Observer,
) -> Result<Pack, Error> {
    let run = named_or_newest_readable(runs, name, observer)?;
    if run.active {
        let message = "a process is working on this run, so its files are not final";
        return Err(Error::new(ErrorKind::Run, message).hint("pack it when it has ended"));
    }
    let reason = no_manifests(&run, sealer)?;
    let page = RunPage {
        named: Path::new(&run.header.run),
        ..page_of(&run)
    };
    Ok(write_pack(&page, reason.as_deref())?)
}

/// Returns the reason why the manifests of a run are not read. A run that comes from elsewhere must not say which files
/// are read.
fn no_manifests(run: &RunState, sealer: Option<&Sealer>) -> Result<Option<String>, Error> {
    if recorded(&run.header)?.simulated {
        let reason = "the run was a rehearsal, of which nobody knows who made it";
        return Ok(Some(reason.to_owned()));
    }
    let distrusted = distrust(&run.directory, &run.header, sealer)?;
    Ok(distrusted.map(|why| format!("the run is not trusted: {why}")))
}

/// The result of the check of a pack.
#[derive(Debug, Serialize)]
pub struct VerifiedPack {
    /// The version of this document.
    pub format: u32,
    /// The file.
    #[serde(serialize_with = "path_as_shown")]
    pub pack: PathBuf,
    /// The SHA-256 of the file.
    pub sha256: String,
    /// The name of the run, as the journal or else the list has it.
    pub run: Option<String>,
    /// The tenant's customer id.
    pub tenant: Option<String>,
    /// The version and the commit of the program that wrote the pack.
    pub packed_by: Option<String>,
    /// True if anything in the pack is not as it was written, or does not fit the rest.
    pub altered: bool,
    /// True if the run has ended and its results are written.
    pub finished: bool,
    /// The rows of the result files; `None` while these are not written.
    pub rows: Option<Counted>,
    /// The manifests of the run.
    pub manifests: Vec<PackedManifest>,
    /// Every sign that the pack was altered.
    #[serde(flatten)]
    pub findings: Findings,
}

/// Checks the pack at that path.
///
/// # Errors
/// [`ErrorKind::Usage`] if the file cannot be read, [`ErrorKind::Run`] if it is refused: it is no pack, or is too large.
pub fn verify_pack(path: &Path) -> Result<VerifiedPack, Error> {
    let unreadable = |error| Error::usage(format!("{}: {error}", path.display()));
    let bytes = File::open(path).and_then(|file| read_within(file, LARGEST_PACK));
    let bytes = bytes.map_err(unreadable)?;
    let no_room = |error| refused(path, &PackError::Disk(error));
    let temporary = tempfile::tempdir().map_err(no_room)?;
    let directory = temporary.path().join("run");
    private_dirs(&directory).map_err(no_room)?;
    let checked = check_pack(&bytes, &directory).map_err(|error| refused(path, &error))?;
    Ok(VerifiedPack::new(path, &bytes, checked))
}

fn refused(path: &Path, error: &PackError) -> Error {
    let message = format!("{}: the pack is refused: {}", path.display(), chain(error));
    match error {
        PackError::Disk(_) => Error::new(ErrorKind::Unexpected, message)
            .hint("make room there, or name another directory with TMPDIR"),
        PackError::Newer(_) => Error::new(ErrorKind::Run, message).hint("use the newer zpa-bulk"),
        _ => Error::new(ErrorKind::Run, message)
            .hint("nothing of it was believed; get it again from the one who made it"),
    }
}

impl VerifiedPack {
    fn new(path: &Path, bytes: &[u8], checked: CheckedPack) -> Self {
        let header = checked.run.as_ref().map(|run| &run.header);
        let list = checked.list.as_ref();
        let run = header.map(|header| &header.run);
        let tenant = header.map(|header| &header.tenant);
        let is_finished = checked.run.as_ref().is_some_and(RunState::is_finished);
        Self {
            format: 1,
            pack: path.to_owned(),
            sha256: sha256(bytes),
            run: run.or(list.map(|list| &list.run)).cloned(),
            tenant: tenant.or(list.map(|list| &list.tenant)).cloned(),
            packed_by: list.map(|list| list.packed_by.clone()),
            altered: !checked.findings.is_empty(),
            finished: is_finished && checked.rows.is_some(),
            rows: checked.rows,
            manifests: checked.list.map_or(Vec::new(), |list| list.manifests),
            findings: checked.findings,
        }
    }
}
