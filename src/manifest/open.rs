//! Open manifests, whose rows can be read again and again.

use std::fs::{self, File, FileType};
use std::io::{self, BufRead, BufReader, Read, Seek, Take};
use std::path::Path;

use super::bounds::changed;
use super::dialect::Dialect;
use super::format::{BOM, Format, is_tabbed};
use super::json::Shape;
use super::letters::letters;
use super::reading::{Delimiter, Reading};
use super::rows::{Rows, Title};
use super::sheet::Header;
use super::source::{self, Source};
use super::spool::{spool, too_large};
use super::titles::Known;
use super::workbook::{self, Sheet};
use super::{csv, jsonl, sheet};
use crate::files::Digested;
use crate::item::{Problem, Problems, Row};
use crate::platform;
use crate::resource::fold;
use crate::wire::shortened;

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
    form: Form,
    /// The manifest in UTF-8, unpacked.
    file: File,
    /// The number of bytes when it was opened. No more are read.
    length: u64,
    columns: Vec<Title>,
    /// The title by which each column is known.
    meant: Vec<String>,
    notes: Vec<String>,
    details: Vec<String>,
    /// The SHA-256 of the manifest as it came, in hexadecimal.
    sha256: String,
}

/// The form of a manifest in UTF-8.
#[derive(Debug)]
enum Form {
    Table(Dialect),
    Json(Shape),
    Sheet(String, Header),
}

impl Manifest {
    /// Opens the manifest at `path`, or standard input for `-`, as the run's manifest `number`, and reads its columns. The
    /// form follows from the ending of the name (`.jsonl`, `.ndjson`, `.json`, `.csv`, `.tsv`), or else from the first
    /// character. Encoding, delimiter and header are found out, unless `reading` says them.
    ///
    /// # Errors
    /// When the file cannot be opened or read, has too many bytes, or is neither a file nor a pipe. Mistakes in its content
    /// become `problems`.
    pub fn open(
        path: &Path,
        number: u16,
        reading: impl Into<Reading>,
        problems: &mut Problems,
    ) -> Result<Self, ManifestError> {
        let name = path.display().to_string();
        Self::opened(path, number, &reading.into(), problems)
            .map_err(|source| ManifestError { name, source })
    }

    fn opened(
        path: &Path,
        number: u16,
        reading: &Reading,
        problems: &mut Problems,
    ) -> io::Result<Self> {
        let file = open(path, reading.largest)?;
        let mut manifest = Self {
            sha256: digest_of(&file)?,
            name: path.display().to_string(),
            number,
            form: Form::Table(Dialect::comma()),
            length: file.metadata()?.len(),
            file: file.try_clone()?,
            columns: Vec::new(),
            meant: Vec::new(),
            notes: Vec::new(),
            details: Vec::new(),
        };
        match source::read(file, reading, &mut manifest.notes)? {
            Source::Text(file) => {
                manifest.length = file.metadata()?.len();
                manifest.file = file;
                manifest.form = manifest.find_form(path, reading)?;
                let message = manifest.misnamed(path)?;
                if let Some(message) = message {
                    problems.push(Problem::row(number, 1, message));
                    return Ok(manifest);
                }
                manifest.columns = manifest.read_columns(problems)?;
                manifest.map_titles(reading, problems);
                manifest.note_passed_over();
            }
            Source::Archive(file) => match workbook::read(&file, reading)? {
                Ok(sheet) => manifest.take_sheet(sheet, reading, problems)?,
                Err(message) => {
                    problems.push(Problem::row(number, 1, message).code("unreadable_file"));
                }
            },
            Source::Foreign(message) => {
                problems.push(Problem::row(number, 1, message).code("unreadable_file"));
            }
        }
        Ok(manifest)
    }

    fn take_sheet(
        &mut self,
        sheet: Sheet,
        reading: &Reading,
        problems: &mut Problems,
    ) -> io::Result<()> {
        self.length = sheet.rows.metadata()?.len();
        self.file = sheet.rows;
        self.notes.extend(sheet.notes);
        self.details = sheet.details;
        let (header, columns) =
            sheet::titles(self.reader()?, self.number, &Known::new(reading), problems)?;
        if header.above > 0 {
            self.note_above(header.row);
        }
        self.form = Form::Sheet(sheet.name, header);
        self.columns = columns;
        self.map_titles(reading, problems);
        Ok(())
    }

    /// Finds the title by which each column is known. A title that is to be mapped and is not there is a problem.
    fn map_titles(&mut self, reading: &Reading, problems: &mut Problems) {
        let titles = self
            .columns
            .iter()
            .map(|title| reading.mapped(&title.text).to_owned());
        self.meant = titles.collect();
        let row = self.columns.first().map_or(1, |title| title.row);
        for map in &reading.map {
            let is_it = |title: &Title| fold(&title.text) == fold(&map.name);
            if !self.columns.iter().any(is_it) {
                let message = "there is no such column to map";
                problems.push(Problem::cell(self.number, row, &map.name, message));
            }
        }
    }

    fn note_above(&mut self, header: u32) {
        self.notes.push(format!(
            "row {header} names the columns; what is above it was passed over"
        ));
    }

    fn find_form(&mut self, path: &Path, reading: &Reading) -> io::Result<Form> {
        let format = match Format::of_name(path) {
            Some(format) => format,
            None => self.guess_format()?,
        };
        if format == Format::Jsonl {
            return Ok(Form::Json(Shape::find(|| self.reader())?));
        }
        let likely = is_tabbed(path).then_some(Delimiter(b'\t'));
        let dialect = Dialect::find(
            || self.reader(),
            reading.delimiter,
            likely,
            &Known::new(reading),
        )?;
        if dialect.above > 0 {
            self.note_above(dialect.header);
        }
        Ok(Form::Table(dialect))
    }

    /// Returns the reason why the content is not what the name of the file says, if it is not.
    fn misnamed(&self, path: &Path) -> io::Result<Option<&'static str>> {
        let mut reader = self.reader()?;
        let start = reader.fill_buf()?;
        let start = start.strip_prefix(BOM).unwrap_or(start);
        let first = start.trim_ascii_start().first();
        Ok(match (Format::of_name(path), first) {
            (Some(Format::Csv), Some(b'{' | b'[')) => {
                Some("the file holds JSON; give it a name that ends in .json or .jsonl")
            }
            (Some(Format::Jsonl), Some(first)) if first.is_ascii_alphabetic() || *first == b'#' => {
                Some("the file holds no JSON; give a table a name that ends in .csv")
            }
            _ => None,
        })
    }

    fn note_passed_over(&mut self) {
        let titles = self.titles();
        let columns = self.columns.iter().zip(titles);
        let passed =
            columns.filter(|(column, (title, _))| title.is_empty() && !column.text.is_empty());
        let passed: Vec<String> = passed
            .map(|(column, _)| shortened(&column.text).into_owned())
            .collect();
        if !passed.is_empty() && matches!(self.form, Form::Json(_)) {
            let names = passed.join(", ");
            self.notes.push(format!(
                "members that are no columns were passed over: {names}"
            ));
        }
    }

    /// Returns the format that the first character stands for.
    fn guess_format(&self) -> io::Result<Format> {
        let mut reader = self.reader()?;
        let start = reader.fill_buf()?;
        let start = start.strip_prefix(BOM).unwrap_or(start);
        let first = start.iter().find(|b| !b.is_ascii_whitespace());
        Ok(match first {
            Some(b'{' | b'[') => Format::Jsonl,
            _ => Format::Csv,
        })
    }

    /// Returns the name in messages: the path as given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the SHA-256 of the manifest as it came, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Returns the number of the manifest in its run, from 0.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Returns the format.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.form {
            Form::Table(_) | Form::Sheet(..) => Format::Csv,
            Form::Json(_) => Format::Jsonl,
        }
    }

    /// Returns the title of each column and the row that has it. The title is empty for a column that is passed over.
    #[must_use]
    pub fn titles(&self) -> Vec<(&str, u32)> {
        let titles = self.columns.iter().zip(&self.meant);
        let titles = titles.map(|(title, meant)| (meant.as_str(), title.row));
        let is_answer = matches!(self.form, Form::Json(Shape::Member(_)));
        if !is_answer {
            return titles.collect();
        }
        // An answer of the API has members that are no columns.
        let known = Known::written();
        titles
            .map(|(title, row)| (if known.has(title) { title } else { "" }, row))
            .collect()
    }

    /// Returns the word for the place of an object: `row`, or `element` of a list in JSON.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        match &self.form {
            Form::Json(Shape::Values | Shape::Member(_)) => "element",
            Form::Table(_) | Form::Sheet(..) | Form::Json(Shape::Lines) => "row",
        }
    }

    /// Returns the name of the sheet, and the letters of each column, if the manifest is a workbook.
    #[must_use]
    pub fn sheet(&self) -> Option<(&str, Vec<String>)> {
        let Form::Sheet(name, header) = &self.form else {
            return None;
        };
        let letters = header.columns.iter().map(|column| letters(*column));
        Some((name, letters.collect()))
    }

    /// Returns facts about the file for those who ask for more.
    #[must_use]
    pub fn details(&self) -> &[String] {
        &self.details
    }

    /// Returns facts about the file that are no mistakes, and that the user should know.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
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
        match &self.form {
            Form::Table(dialect) => {
                Box::new(csv::Rows::new(reader, self.number, *dialect, &self.columns))
            }
            Form::Json(shape) => {
                Box::new(jsonl::Rows::new(reader, self.number, shape, &self.columns))
            }
            Form::Sheet(_, header) => {
                Box::new(sheet::Rows::new(reader, self.number, header, &self.columns))
            }
        }
    }

    fn read_columns(&self, problems: &mut Problems) -> io::Result<Vec<Title>> {
        let reader = self.reader()?;
        match &self.form {
            Form::Table(dialect) => csv::titles(reader, self.number, *dialect, problems),
            Form::Json(shape) => jsonl::titles(reader, self.number, shape, problems),
            Form::Sheet(..) => Ok(self.columns.clone()),
        }
    }

    fn reader(&self) -> io::Result<BufReader<Take<File>>> {
        Ok(BufReader::with_capacity(CHUNK, self.rewound()?))
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

/// Returns the SHA-256 of a file, which is at its beginning before and afterwards.
fn digest_of(mut file: &File) -> io::Result<String> {
    file.rewind()?;
    let mut digested = Digested::new(file);
    io::copy(&mut digested, &mut io::sink())?;
    let (mut file, sha256) = digested.finish();
    file.rewind()?;
    Ok(sha256)
}

fn refused(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "it is a directory"
    } else {
        "it is a device or a socket; a manifest is a file, a pipe or standard input"
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
