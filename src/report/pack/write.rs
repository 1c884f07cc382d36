//! The writing of a pack.

use std::io::{self, Cursor, Read};
use std::path::Path;

use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime, System};

use super::super::html::RunPage;
use super::archive::{LARGEST_PACK, LARGEST_UNPACKED, add_sum, comment, room};
use super::list::{FORMAT, PROGRAM, PackList, PackedFile, PackedManifest};
use super::members::{LIST, MADE, MOST_MANIFESTS, made, manifest_member, run_files};
use crate::files::{self, Digested, sha256};
use crate::run::{Origin, RunError};

/// The most bytes of a manifest that is put into a pack.
const LARGEST_MANIFEST: u64 = 64 << 20;

/// A pack.
#[derive(Clone, Debug)]
pub struct Pack {
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// The SHA-256 of these bytes, in hexadecimal.
    pub sha256: String,
    /// The list of what is in it.
    pub list: PackList,
}

/// Packs a run. Its manifests are read only if no reason against it is given.
///
/// # Errors
/// [`RunError`] if the run cannot be read, or its pack would be larger than [`LARGEST_PACK`].
pub fn write_pack(run: &RunPage<'_>, no_manifests: Option<&str>) -> Result<Pack, RunError> {
    let made = made(run)?;
    let failed = RunError::io(run.directory, "the run cannot be packed");
    packed(run, &made, no_manifests).map_err(failed)
}

fn packed(run: &RunPage<'_>, made: &[Vec<u8>; 3], no_manifests: Option<&str>) -> io::Result<Pack> {
    let mut writer = PackWriter::new()?;
    let manifests = writer.add_manifests(run.plan.origin(), no_manifests)?;
    for name in run_files() {
        match files::open(&run.directory.join(&name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            file => writer.add(&name, file?)?,
        }
    }
    for (name, content) in MADE.iter().zip(made) {
        writer.add(name, content.as_slice())?;
    }
    writer.finish(|files| PackList {
        format: FORMAT,
        packed_by: PROGRAM.to_owned(),
        run: run.header.run.clone(),
        tenant: run.header.tenant.clone(),
        run_by: run.header.tool.clone(),
        manifests,
        files,
    })
}

/// A pack that is being written.
struct PackWriter {
    zip: ZipWriter<Cursor<Vec<u8>>>,
    files: Vec<PackedFile>,
}

impl PackWriter {
    fn new() -> io::Result<Self> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.set_comment(comment())?;
        let files = Vec::new();
        Ok(Self { zip, files })
    }

    fn add(&mut self, name: &str, input: impl Read) -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(0o600)
            .system(System::Unix);
        self.zip.start_file(name, options)?;
        let room = LARGEST_UNPACKED.saturating_sub(self.unpacked());
        let mut input = Digested::new(input.take(room + 1));
        let bytes = io::copy(&mut input, &mut self.zip)?;
        if bytes > room {
            return Err(too_large());
        }
        self.files.push(PackedFile {
            name: name.to_owned(),
            bytes,
            sha256: input.finish().1,
        });
        Ok(())
    }

    /// Returns the bytes of all members so far.
    fn unpacked(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    fn add_manifests(
        &mut self,
        origin: &Origin,
        no_manifests: Option<&str>,
    ) -> io::Result<Vec<PackedManifest>> {
        let mut manifests = Vec::new();
        for (number, mut manifest) in PackedManifest::all_of(origin).enumerate() {
            let content = match no_manifests {
                Some(reason) => Err(reason.to_owned()),
                None if number >= MOST_MANIFESTS => Err("there are too many".to_owned()),
                None => unchanged(origin, &manifest),
            };
            match content {
                Ok(content) => {
                    let member = manifest_member(number, &manifest.name);
                    self.add(&member, content.as_slice())?;
                    manifest.member = Some(member);
                }
                Err(reason) => manifest.left_out = Some(reason),
            }
            manifests.push(manifest);
        }
        Ok(manifests)
    }

    fn finish(mut self, list: impl FnOnce(Vec<PackedFile>) -> PackList) -> io::Result<Pack> {
        let list = list(self.files.clone());
        let mut text = serde_json::to_vec_pretty(&list)?;
        text.push(b'\n');
        self.add(LIST, text.as_slice())?;
        let unpacked = self.unpacked();
        let mut bytes = self.zip.finish()?.into_inner();
        add_sum(&mut bytes);
        if bytes.len() as u64 > LARGEST_PACK || unpacked > room(bytes.len()) {
            return Err(too_large());
        }
        Ok(Pack {
            sha256: sha256(&bytes),
            bytes,
            list,
        })
    }
}

fn too_large() -> io::Error {
    io::Error::other("the pack would be larger than a pack may be")
}

/// Reads a manifest that is still as it was, or returns the reason why that is impossible.
fn unchanged(origin: &Origin, manifest: &PackedManifest) -> Result<Vec<u8>, String> {
    let Some((sha256_then, named_in)) = manifest.sha256.as_ref().zip(origin.named_in.as_ref())
    else {
        let why = "no SHA-256 of it was recorded: its rows come from another run, or an older version read it";
        return Err(why.to_owned());
    };
    let path = Path::new(named_in).join(&manifest.name);
    let content = files::read(&path, LARGEST_MANIFEST).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "it is not there any more".to_owned(),
        _ => error.to_string(),
    })?;
    if sha256(&content) == *sha256_then {
        Ok(content)
    } else {
        Err("the file was changed since".to_owned())
    }
}
