//! The formats of manifests.

use std::path::Path;

/// The form of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table in text (RFC 4180) with a header.
    Csv,
    /// JSON objects: one a line, or the elements of a list.
    Jsonl,
}

impl Format {
    /// Returns the form that the ending of a file's name stands for: `.csv` or `.tsv`, or `.jsonl`,
    /// `.ndjson` or `.json`. An ending `.gz` is passed over.
    #[must_use]
    pub fn of_name(path: &Path) -> Option<Self> {
        match ending(path)?.as_str() {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "csv" | "tsv" | "tab" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// Tells whether the name of a file says that tabs separate its cells.
pub(super) fn is_tabbed(path: &Path) -> bool {
    matches!(ending(path).as_deref(), Some("tsv" | "tab"))
}

/// Returns the ending of a file's name in lower case, without that of gzip.
pub(super) fn ending(path: &Path) -> Option<String> {
    let ending = |path: &Path| Some(path.extension()?.to_str()?.to_lowercase());
    match ending(path)? {
        last if last == "gz" => ending(Path::new(path.file_stem()?)),
        last => Some(last),
    }
}

/// The byte order mark that spreadsheets put before UTF-8.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";
