//! The options for reading manifests, and what is found out about each.

use std::path::PathBuf;

use encoding_rs::Encoding;

use super::bounds::LARGEST_MANIFEST;
use crate::resource::fold;

/// The options for reading manifests. What an option leaves open is found out for each manifest.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The most bytes of a manifest, and of what a compressed one holds.
    pub largest: u64,
    /// The character between two cells of a row.
    pub delimiter: Option<Delimiter>,
    /// The encoding of text.
    pub encoding: Option<TextEncoding>,
    /// The name of the sheet of a workbook.
    pub sheet: Option<String>,
    /// True to read what is hidden in a workbook: rows, columns and sheets.
    pub include_hidden: bool,
    /// The titles that stand for columns of another name.
    pub map: Vec<Assignment>,
    /// The values of rows that say nothing in a column.
    pub set: Vec<Assignment>,
    /// True to repair cells that would be refused, as far as that changes nothing of what they say.
    pub fix: bool,
    /// The file for the manifest with its repairs.
    pub write_fixed: Option<PathBuf>,
}

impl Reading {
    /// Returns the title by which a column is known that a manifest calls `title`.
    pub(super) fn mapped<'t>(&'t self, title: &'t str) -> &'t str {
        let folded = fold(title);
        let found = self.map.iter().find(|map| fold(&map.name) == folded);
        found.map_or(title, |map| map.value.as_str())
    }
}

/// A name and what is assigned to it: `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The name before the `=`.
    pub name: String,
    /// The text behind it.
    pub value: String,
}

impl Assignment {
    /// Reads `NAME=VALUE`.
    ///
    /// # Errors
    /// A message for the user.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('=')
            .map(|(name, value)| (name.trim(), value.trim()));
        match parts {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok(Self {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err("write NAME=VALUE".to_owned()),
        }
    }
}

impl Default for Reading {
    fn default() -> Self {
        Self::from(LARGEST_MANIFEST)
    }
}

impl From<u64> for Reading {
    /// Leaves everything open but the most bytes.
    fn from(largest: u64) -> Self {
        Self {
            largest,
            delimiter: None,
            encoding: None,
            sheet: None,
            include_hidden: false,
            map: Vec::new(),
            set: Vec::new(),
            fix: false,
            write_fixed: None,
        }
    }
}

/// The character between two cells of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiter(pub(super) u8);

impl Delimiter {
    /// The delimiters that are looked for, the likeliest first.
    pub(super) const KNOWN: [Self; 4] = [Self(b','), Self(b';'), Self(b'\t'), Self(b'|')];

    /// Reads a delimiter: one character of ASCII, or the word `tab`.
    ///
    /// # Errors
    /// A message for the user.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            _ if text.eq_ignore_ascii_case("tab") || text == "\\t" => Ok(Self(b'\t')),
            [b'"' | b'\'' | b'\r' | b'\n'] => {
                Err("a quote or a line break cannot separate cells".to_owned())
            }
            [one] if one.is_ascii() && !one.is_ascii_alphanumeric() => Ok(Self(*one)),
            _ => Err("write one character, like ; or |, or the word tab".to_owned()),
        }
    }
}

/// An encoding of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextEncoding(pub(super) &'static Encoding);

impl TextEncoding {
    /// Reads the name of an encoding, by the labels of the WHATWG Encoding Standard: `utf-8`, `utf-16le`, `windows-1252`.
    ///
    /// # Errors
    /// A message for the user.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = Encoding::for_label_no_replacement(text.as_bytes());
        found
            .map(Self)
            .ok_or_else(|| "known are utf-8, utf-16le, utf-16be, windows-1252 and the other encodings of web browsers".to_owned())
    }
}
