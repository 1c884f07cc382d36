//! Open manifests, whose rows can be read again and again.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use super::format::{BOM, Format};
use super::rows::{Rows, Title};
use super::{csv, jsonl};
use crate::item::{Problem, Row};

/// The number of bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// A manifest that could not be read at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the manifest {name}")]
pub struct ManifestError {
    name: String,
    #[source]
    source: io::Error,
}

/// An open manifest. Its rows can be read several times.
#[derive(Debug)]
pub struct Manifest {
    name: String,
    number: u16,
    format: Format,
    file: File,
    columns: Vec<Title>,
}

impl Manifest {
    /// Opens the manifest at `path`, or standard input for `-`, as the run's manifest `number`, and
    /// reads its columns. The form follows from the ending of the name (`.jsonl`, `.ndjson`, `.json`, `.csv`),
    /// or else from the first character.
    ///
    /// # Errors
    /// When the file cannot be opened or read. Mistakes in its content become `problems`.
    pub fn open(
        path: &Path,
        number: u16,
        problems: &mut Vec<Problem>,
    ) -> Result<Self, ManifestError> {
        let name = path.display().to_string();
        let failed = |source| ManifestError {
            name: name.clone(),
            source,
        };
        let mut file = if name == "-" {
            spool(io::stdin().lock()).map_err(failed)?
        } else {
            File::open(path)
                .and_then(refuse_directory)
                .map_err(failed)?
        };
        if !file.metadata().map_err(failed)?.is_file() {
            file = spool(file).map_err(failed)?;
        }
        let format = format_of(path, &file).map_err(failed)?;
        let mut manifest = Self {
            name: name.clone(),
            number,
            format,
            file,
            columns: Vec::new(),
        };
        manifest.columns = manifest.read_columns(problems).map_err(failed)?;
        Ok(manifest)
    }

    /// Returns the name in messages: the path as given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the number of the manifest in its run, from 0.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Returns the form.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns the columns in order.
    #[must_use]
    pub fn columns(&self) -> &[Title] {
        &self.columns
    }

    /// Hands every row to `visit`, in order, together with the problems so far. A row that cannot be taken apart becomes a
    /// problem. Returns a checksum of the file: the same for two readings unless the file was changed.
    ///
    /// # Errors
    /// When reading fails, or `visit` does.
    pub fn for_each_row<E: From<ManifestError>>(
        &self,
        problems: &mut Vec<Problem>,
        mut visit: impl FnMut(Row<'_>, &mut Vec<Problem>) -> Result<(), E>,
    ) -> Result<u32, E> {
        let failed = |source| self.failed(source);
        let mut summed = Summed {
            file: self.rewound().map_err(failed)?,
            checksum: crc32fast::Hasher::new(),
        };
        let mut rows = self.rows(BufReader::with_capacity(CHUNK, &mut summed));
        while let Some(row) = rows.next(problems).map_err(failed)? {
            visit(row, problems)?;
        }
        drop(rows);
        Ok(summed.checksum.finalize())
    }

    fn rows<'r, R: BufRead + 'r>(&self, reader: R) -> Box<dyn Rows + 'r> {
        match self.format {
            Format::Csv => Box::new(csv::Rows::new(reader, self.number, &self.columns)),
            Format::Jsonl => Box::new(jsonl::Rows::new(reader, self.number, &self.columns)),
        }
    }

    fn read_columns(&self, problems: &mut Vec<Problem>) -> io::Result<Vec<Title>> {
        let reader = BufReader::with_capacity(CHUNK, self.rewound()?);
        match self.format {
            Format::Csv => csv::titles(reader, self.number, problems),
            Format::Jsonl => jsonl::titles(reader),
        }
    }

    fn rewound(&self) -> io::Result<File> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        Ok(file)
    }

    fn failed(&self, source: io::Error) -> ManifestError {
        ManifestError {
            name: self.name.clone(),
            source,
        }
    }
}

/// A file with a checksum of the bytes that were read.
struct Summed {
    file: File,
    checksum: crc32fast::Hasher,
}

impl Read for Summed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.checksum
            .update(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}

fn refuse_directory(file: File) -> io::Result<File> {
    if file.metadata()?.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "it is a directory",
        ));
    }
    Ok(file)
}

fn spool(mut from: impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut from, &mut file)?;
    Ok(file)
}

fn format_of(path: &Path, file: &File) -> io::Result<Format> {
    if let Some(format) = Format::of_name(path) {
        return Ok(format);
    }
    let mut file = file.try_clone()?;
    file.rewind()?;
    let mut reader = BufReader::new(file);
    let start = reader.fill_buf()?;
    let start = start.strip_prefix(BOM).unwrap_or(start);
    match start.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{') => Ok(Format::Jsonl),
        _ => Ok(Format::Csv),
    }
}
