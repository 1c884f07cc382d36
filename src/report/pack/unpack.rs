//! The unpacking of a pack, within bounds, and into files whose names this program chooses.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write as _};
use std::path::Path;

use serde::Deserialize;
use zip::ZipArchive;
use zip::read::ZipFile;

use super::super::verify::Findings;
use super::archive::PackError;
use super::list::{FORMAT, PackList, PackedFile};
use super::members::{LIST, RUN_FILES, is_known};
use crate::files::{self, Digested};

/// The place of findings about the archive as a whole.
pub(super) const PACK: &str = "pack";

/// The most bytes of the list.
const LARGEST_LIST: usize = 1 << 20;

/// The members of an archive, as far as they are unpacked.
pub(super) struct Unpacking<'p> {
    into: &'p Path,
    /// The most bytes of the members that are not unpacked yet.
    room: u64,
    pub(super) members: BTreeMap<String, PackedFile>,
    list: Vec<u8>,
}

impl<'p> Unpacking<'p> {
    /// Returns the members of an archive before it is unpacked into that directory.
    pub(super) fn new(into: &'p Path, room: u64) -> Self {
        Self {
            into,
            room,
            members: BTreeMap::new(),
            list: Vec::new(),
        }
    }

    /// Unpacks all members that a pack may have.
    pub(super) fn all<R: Read + Seek>(
        &mut self,
        archive: &mut ZipArchive<R>,
        findings: &mut Findings,
    ) -> Result<(), PackError> {
        for index in 0..archive.len() {
            let name = archive.name_for_index(index).transpose();
            let name = name.map_err(PackError::Unreadable)?;
            let name = name.unwrap_or_default().into_owned();
            if leads_elsewhere(&name) {
                return Err(PackError::Name(name));
            }
            if !is_known(&name) {
                let found = format!("{name:?} is none of them");
                findings.add_of_file(PACK, "it has the members of a pack", found);
                continue;
            }
            let unpacked = match archive.by_index(index) {
                Ok(file) => self.one(&name, file)?,
                Err(error) => Err(error.into()),
            };
            match unpacked {
                Ok(file) => drop(self.members.insert(name, file)),
                Err(error) => {
                    let claimed = format!("{name} can be unpacked");
                    findings.add_of_file(PACK, claimed, error.to_string());
                }
            }
        }
        Ok(())
    }

    /// Unpacks a member. The inner error is that of the archive.
    fn one(
        &mut self,
        name: &str,
        file: ZipFile<'_, impl Read>,
    ) -> Result<io::Result<PackedFile>, PackError> {
        let mut input = Digested::new(file);
        let mut output = self.output(name)?;
        let mut chunk = vec![0; 1 << 16];
        let mut bytes = 0;
        loop {
            let length = match input.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) => return Ok(Err(error)),
            };
            bytes += length as u64;
            let left = self.room.checked_sub(length as u64);
            self.room = left.ok_or(PackError::TooLarge)?;
            let part = chunk.get(..length).unwrap_or_default();
            match &mut output {
                Output::File(file) => file.write_all(part).map_err(PackError::Disk)?,
                Output::List if self.list.len() + length > LARGEST_LIST => {
                    return Err(PackError::TooLarge);
                }
                Output::List => self.list.extend_from_slice(part),
                Output::Nowhere => {}
            }
        }
        Ok(Ok(PackedFile {
            name: name.to_owned(),
            bytes,
            sha256: input.finish().1,
        }))
    }

    /// Returns the place for a member. Only names that this program knows become names of files.
    fn output(&self, name: &str) -> Result<Output, PackError> {
        let file = RUN_FILES.iter().find(|file| **file == name);
        Ok(match file {
            Some(file) => {
                Output::File(files::create(&self.into.join(file)).map_err(PackError::Disk)?)
            }
            None if name == LIST => Output::List,
            None => Output::Nowhere,
        })
    }

    /// Reads the list of what is in the pack; `None` if it is no list.
    pub(super) fn read_list(&self, findings: &mut Findings) -> Result<Option<PackList>, PackError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        if let Ok(Format { format }) = serde_json::from_slice(&self.list)
            && format > FORMAT
        {
            return Err(PackError::Newer(format));
        }
        let list = serde_json::from_slice(&self.list).inspect_err(|error| {
            findings.add_of_file(LIST, "it lists what is in the pack", error.to_string());
        });
        Ok(list.ok())
    }
}

/// The place for the content of a member.
enum Output {
    File(File),
    List,
    Nowhere,
}

/// Tells whether a name would leave the directory into which an archive is unpacked, on any system.
fn leads_elsewhere(name: &str) -> bool {
    let mut parts = name.split(['/', '\\']);
    name.contains([':', '\\', '\0']) || parts.any(|part| matches!(part, "" | "." | ".."))
}
