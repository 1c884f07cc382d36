//! The formats of manifests.

use std::path::Path;

/// The form of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values, RFC 4180, UTF-8, with a header.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl Format {
    /// Returns the form that the ending of a file's name stands for: `.csv`, or `.jsonl`, `.ndjson` or `.json`.
    #[must_use]
    pub fn of_name(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_lowercase();
        match ending.as_str() {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// The byte order mark that spreadsheets put before UTF-8.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";
