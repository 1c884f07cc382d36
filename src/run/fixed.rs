//! The manifest with its repairs, as a file of its own.

use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use serde_json::Value;

use crate::item::{Problems, Row};
use crate::manifest::{CsvWriter, Manifest, ManifestError, json_line};
use crate::manifest::{Format, is_tabbed};
use crate::plan::{Completer, Layout};

/// Writes the rows of a manifest as they are planned, whole or not at all, in the format that the name of the file says.
///
/// # Errors
/// When the manifest cannot be read, or the file cannot be written.
pub(super) fn write(
    path: &Path,
    manifest: &Manifest,
    layout: &Layout,
    completer: &Completer,
) -> io::Result<()> {
    let format = Format::of_name(path).ok_or_else(|| {
        io::Error::other("its name says no format that can be written; .csv, .tsv and .jsonl do")
    })?;
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let file = tempfile::NamedTempFile::new_in(parent.unwrap_or(Path::new(".")))?;
    let titles = layout.titles().iter().enumerate();
    let titles: Vec<(usize, &str)> = titles
        .filter(|(_, title)| !title.is_empty())
        .map(|(at, title)| (at, title.as_str()))
        .collect();
    let each = |visit: &mut dyn FnMut(Row<'_>) -> io::Result<()>| {
        let read = manifest.for_each_row(&mut Problems::default(), |row, _| {
            let repairs = completer.repairs(row, layout);
            let cells = completer.completed(row, &repairs);
            visit(Row {
                cells: &cells,
                ..row
            })
            .map_err(Failed::Io)
        });
        read.map(drop).map_err(Failed::into_io)
    };
    let mut to = BufWriter::new(file);
    if format == Format::Jsonl {
        each(&mut |row| {
            let members = titles
                .iter()
                .map(|(at, title)| (*title, row.cells.raw(*at)));
            let filled = members.filter(|(_, text)| !text.is_empty());
            to.write_all(
                json_line(filled.map(|(title, text)| (title, Value::from(text)))).as_bytes(),
            )
        })?;
    } else {
        let mut writer = CsvWriter::delimited(to, is_tabbed(path));
        writer.row(titles.iter().map(|(_, title)| *title))?;
        each(&mut |row| writer.row(titles.iter().map(|(at, _)| row.cells.raw(*at))))?;
        to = writer.finish()?;
    }
    let file = to.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// A failure of either side.
enum Failed {
    Io(io::Error),
    Manifest(ManifestError),
}

impl From<ManifestError> for Failed {
    fn from(error: ManifestError) -> Self {
        Self::Manifest(error)
    }
}

impl Failed {
    fn into_io(self) -> io::Error {
        match self {
            Self::Io(error) => error,
            Self::Manifest(error) => io::Error::other(error),
        }
    }
}
