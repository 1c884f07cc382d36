//! Trust in run directories.
//!
//! A run directory travels: it is attached to tickets, committed to repositories, handed to colleagues. Whoever can write
//! it can also compute its checksums. So the header of a run carries a seal: a keyed hash (HMAC, RFC 2104) over the header
//! and the inode of the run directory. The key is the user's, and never leaves the user's state directory. A run with
//! another seal, of another owner, or open to changes by others, is not trusted.

use std::fs;
use std::io;
use std::path::Path;

use ring::hmac::{HMAC_SHA256, Key, sign, verify};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::directory::RunDirectory;
use super::error::RunError;
use super::plan_file;
use crate::files;
use crate::journal::{self, Header};
use crate::platform::{changeable_by_others, inode, private_dirs};

const KEY_LENGTH: usize = 32;

/// The user's seal.
#[derive(Clone, Debug)]
pub struct Sealer(Key);

impl Sealer {
    /// Reads the user's key from a file in the directory `state`. If there is none, makes one.
    ///
    /// # Errors
    /// An [`io::Error`] if the key cannot be read or written, or if others can change it.
    pub fn open(state: &Path) -> io::Result<Self> {
        let path = state.join("run-key");
        private_dirs(state)?;
        let key = match files::read(&path, KEY_LENGTH as u64) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => new_key(&path)?,
            key => key?,
        };
        for path in [state, &path] {
            if let Some(how) = open_to_others(path)? {
                return Err(io::Error::other(format!("{}: {how}", path.display())));
            }
        }
        if key.len() != KEY_LENGTH {
            let message = format!("{} does not hold a key; remove it", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(Self(Key::new(HMAC_SHA256, &key)))
    }

    /// Returns the header with the seal for a run in that directory.
    ///
    /// # Errors
    /// An [`io::Error`] if the directory cannot be looked at.
    pub fn sealed(&self, header: Header, directory: &RunDirectory) -> io::Result<Header> {
        Ok(Header {
            seal: Some(self.seal_of(&sealed_text(&header, directory)?)),
            ..header
        })
    }

    fn is_sealed(&self, header: &Header, directory: &RunDirectory) -> io::Result<bool> {
        let text = sealed_text(header, directory)?;
        Ok(self.is_seal_of(&text, header.seal.as_deref()))
    }

    /// Returns the seal of a saved plan whose lines have this SHA-256.
    pub(super) fn seal_of_plan(&self, sha256: &str) -> String {
        self.seal_of(&plan_text(sha256))
    }

    fn seal_of(&self, text: &[u8]) -> String {
        let tag = sign(&self.0, text);
        tag.as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn is_seal_of(&self, text: &[u8], seal: Option<&str>) -> bool {
        let tag = seal.and_then(bytes);
        tag.is_some_and(|tag| verify(&self.0, text, &tag).is_ok())
    }
}

/// Returns the reason why a run is not trusted; `None` if it was made here by this user, and nobody else can change it.
///
/// # Errors
/// [`RunError::Io`] if the directory cannot be looked at.
pub fn distrust(
    directory: &RunDirectory,
    header: &Header,
    sealer: Option<&Sealer>,
) -> Result<Option<String>, RunError> {
    let failed = |source| directory.unreadable(source);
    let path = directory.path();
    let believed = [
        directory.runs_dir().to_owned(),
        path.to_owned(),
        path.join(journal::FILE_NAME),
        path.join(plan_file::FILE_NAME),
    ];
    for path in believed {
        match open_to_others(&path) {
            Ok(Some(how)) => return Ok(Some(format!("{}: {how}", path.display()))),
            // Whoever reads the file says what is wrong with it.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    let Some(sealer) = sealer else {
        return Ok(Some(NO_KEY.to_owned()));
    };
    let is_sealed = sealer.is_sealed(header, directory).map_err(failed)?;
    Ok((!is_sealed)
        .then(|| "the run was not made here by this user, or its header was changed".to_owned()))
}

/// The reason to trust nothing if the user's key cannot be read.
const NO_KEY: &str = "there is no key to check the seal";

/// Returns the reason why a saved plan is not trusted; `None` if it was saved by this user on this machine, and nobody else
/// can change it.
pub(super) fn distrust_plan(
    file: &fs::Metadata,
    (sha256, seal): (&str, Option<&str>),
    sealer: Option<&Sealer>,
) -> Option<String> {
    if let Some(how) = changeable_by_others(file) {
        return Some(how);
    }
    let Some(sealer) = sealer else {
        return Some(NO_KEY.to_owned());
    };
    let is_sealed = sealer.is_seal_of(&plan_text(sha256), seal);
    (!is_sealed)
        .then(|| "it was not saved on this machine by this user, or it was changed".to_owned())
}

/// Refuses a directory of all runs that others can change. A directory that is missing is no reason to refuse.
///
/// # Errors
/// [`RunError::OpenToOthers`].
pub fn refuse_open_to_others(runs: &Path) -> Result<(), RunError> {
    match open_to_others(runs) {
        Ok(Some(how)) => Err(RunError::OpenToOthers {
            path: runs.to_owned(),
            how,
        }),
        _ => Ok(()),
    }
}

/// Returns how others than this user can change what is at that path; `None` if they cannot.
fn open_to_others(path: &Path) -> io::Result<Option<String>> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return Ok(Some("it is a symbolic link".to_owned()));
    }
    Ok(changeable_by_others(&metadata))
}

/// Makes a key. If another process makes one at the same time, returns that one.
fn new_key(path: &Path) -> io::Result<Vec<u8>> {
    let mut key = [0; KEY_LENGTH];
    let random = SystemRandom::new();
    random
        .fill(&mut key)
        .map_err(|_| io::Error::other("the system gives no random bytes"))?;
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    io::Write::write_all(&mut file, &key)?;
    match file.persist_noclobber(path) {
        Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => {
            files::read(path, KEY_LENGTH as u64)
        }
        made => made.map(|_| key.to_vec()).map_err(io::Error::from),
    }
}

fn sealed_text(header: &Header, directory: &RunDirectory) -> io::Result<Vec<u8>> {
    let unsealed = Header {
        seal: None,
        ..header.clone()
    };
    let inode = inode(&fs::symlink_metadata(directory.path())?);
    Ok(serde_json::to_vec(&(unsealed, inode))?)
}

/// Returns the text whose keyed hash is the seal of a saved plan. No header of a run begins so.
fn plan_text(sha256: &str) -> Vec<u8> {
    format!("zpa-bulk plan {sha256}").into_bytes()
}

/// Reads bytes in hexadecimal.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
