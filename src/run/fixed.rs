//! The manifest with its repairs, as a file of its own.

use std::io::{self, Write as _};
use std::path::Path;

use serde_json::Value;

use crate::item::{Cells as _, Problems};
use crate::manifest::{LeftCell, Manifest, ManifestError, OutputFormat, RowsWriter};
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
    let format = OutputFormat::of_name(path).map_err(io::Error::other)?;
    let format = format.unwrap_or(OutputFormat::Csv);
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let mut file = tempfile::NamedTempFile::new_in(parent.unwrap_or(Path::new(".")))?;
    let titles = layout.titles().iter().enumerate();
    let titles: Vec<(usize, &str)> = titles
        .filter(|(_, title)| !title.is_empty())
        .map(|(at, title)| (at, title.as_str()))
        .collect();
    let names: Vec<&str> = titles.iter().map(|(_, title)| *title).collect();
    let mut writer = RowsWriter::new(format, "manifest", &names)?;
    let read = manifest.for_each_row(&mut Problems::default(), |row, _| {
        let repairs = completer.repairs(row, layout);
        let cells = completer.completed(row, &repairs);
        let texts = titles.iter().map(|(at, _)| cells.raw(*at));
        let written = writer.row(texts, |_, text| Value::from(text));
        written.map_err(Failed::Io)
    });
    read.map_err(Failed::into_io)?;
    let (bytes, left) = writer.finish()?;
    if let Some(cell) = left.first() {
        let LeftCell { row, title } = cell;
        let message = format!("row {row}, column {title:?}: no workbook can hold so long a text");
        return Err(io::Error::other(message));
    }
    file.write_all(&bytes)?;
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
