//! Open manifests, whose rows can be read again and again.

use std::fs::{self, File, FileType};
use std::io::{self, BufRead, BufReader, Read, Seek, Take};
use std::path::Path;

use super::bounds::changed;
use super::format::{BOM, Format};
use super::rows::{Rows, Title};
use super::{csv, jsonl};
use crate::item::{Problems, Row};
use crate::platform;

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
    /// The number of bytes when it was opened. No more are read.
    length: u64,
    columns: Vec<Title>,
}

impl Manifest {
    /// Opens the manifest at `path`, or standard input for `-`, as the run's manifest `number`, and
    /// reads its columns. The form follows from the ending of the name (`.jsonl`, `.ndjson`, `.json`, `.csv`),
    /// or else from the first character.
    ///
    /// # Errors
    /// When the file cannot be opened or read, has more than `largest` bytes, or is neither a file nor a pipe. Mistakes in
    /// its content become `problems`.
    pub fn open(
        path: &Path,
        number: u16,
        largest: u64,
        problems: &mut Problems,
    ) -> Result<Self, ManifestError> {
        let name = path.display().to_string();
        let failed = |source| ManifestError {
            name: name.clone(),
            source,
        };
        let file = open(path, largest).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let format = format_of(path, &file).map_err(failed)?;
        let mut manifest = Self {
            name: name.clone(),
            number,
            format,
            file,
            length,
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
        problems: &mut Problems,
        mut visit: impl FnMut(Row<'_>, &mut Problems) -> Result<(), E>,
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
        if self.file.metadata().map_err(failed)?.len() != self.length {
            problems.push(changed(self.number));
        }
        Ok(summed.checksum.finalize())
    }

    fn rows<'r, R: BufRead + 'r>(&self, reader: R) -> Box<dyn Rows + 'r> {
        match self.format {
            Format::Csv => Box::new(csv::Rows::new(reader, self.number, &self.columns)),
            Format::Jsonl => Box::new(jsonl::Rows::new(reader, self.number, &self.columns)),
        }
    }

    fn read_columns(&self, problems: &mut Problems) -> io::Result<Vec<Title>> {
        let reader = BufReader::with_capacity(CHUNK, self.rewound()?);
        match self.format {
            Format::Csv => csv::titles(reader, self.number, problems),
            Format::Jsonl => jsonl::titles(reader, self.number, problems),
        }
    }

    fn rewound(&self) -> io::Result<Take<File>> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        Ok(file.take(self.length))
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
    file: Take<File>,
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

/// Opens a file of at most `largest` bytes, or a copy of what standard input or a pipe gives.
fn open(path: &Path, largest: u64) -> io::Result<File> {
    if path == Path::new("-") || path == Path::new("/dev/stdin") {
        return spool(io::stdin().lock(), largest);
    }
    // To open a device may already do something.
    let kind = fs::metadata(path)?.file_type();
    if !kind.is_file() && !platform::is_pipe(kind) {
        return Err(io::Error::other(refused(kind)));
    }
    let file = File::open(path)?;
    let opened = file.metadata()?;
    if !opened.is_file() {
        return spool(file, largest);
    }
    if opened.len() > largest {
        return Err(too_large(largest));
    }
    Ok(file)
}

fn refused(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "it is a directory"
    } else {
        "it is a device or a socket; a manifest is a file, a pipe or standard input"
    }
}

fn spool(from: impl Read, largest: u64) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    let length = io::copy(&mut from.take(largest.saturating_add(1)), &mut file)?;
    if length > largest {
        return Err(too_large(largest));
    }
    Ok(file)
}

fn too_large(largest: u64) -> io::Error {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let whole = units
        .into_iter()
        .find(|(_, bytes)| largest.is_multiple_of(*bytes));
    let (unit, bytes) = whole.unwrap_or(("bytes", 1));
    let largest = largest / bytes;
    let message = format!("it is larger than {largest} {unit}; --max-manifest allows more");
    io::Error::new(io::ErrorKind::FileTooLarge, message)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::LARGEST_MANIFEST;

    /// The rows that are read of a manifest whose text becomes another once it is open, and the problems.
    fn rows_of_changed(name: &str, text: &str, changed: &str) -> (u32, u64) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        let mut problems = Problems::default();
        let manifest = Manifest::open(&path, 0, LARGEST_MANIFEST, &mut problems).unwrap();
        assert_eq!(problems.count(), 0);
        fs::write(&path, changed).unwrap();
        let mut rows = 0;
        let read = manifest.for_each_row(&mut problems, |_, _| {
            rows += 1;
            Ok::<(), ManifestError>(())
        });
        read.unwrap();
        (rows, problems.count())
    }

    #[test]
    fn a_manifest_that_changes_once_it_is_open_is_refused() {
        for (name, text, changed, read) in [
            ("m.csv", "name,url\na,b\n", "url,name\na,b\n", (0, 1)),
            ("m.csv", "name,url\na,b\n", "name,url\na,b\nc,d\n", (1, 1)),
            ("m.csv", "name,url\na,b\nc,d\n", "name,url\na,b\n", (1, 1)),
            ("m.jsonl", "{\"name\":1}\n", "{\"url_\":1}\n", (0, 1)),
            ("m.jsonl", "{\"name\":1}\n", "{\"name\":1}\n\n", (1, 1)),
            ("m.jsonl", "{\"name\":1}\n", "{\"name\":2}\n", (1, 0)),
        ] {
            assert_eq!(rows_of_changed(name, text, changed), read, "{changed}");
        }
    }
}
