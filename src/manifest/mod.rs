//! Manifests: CSV and JSON Lines, from a file or standard input. Rows that are read know their place, and rows can be
//! written.
//!
//! A manifest is read twice: its problems are looked for before the tenant is asked anything, and its rows are planned
//! after that. So no row has to stay in memory. Standard input is spooled to an unnamed temporary file first. The
//! meaning of a cell is decided in [`plan`](crate::plan).

mod bounds;
mod csv;
mod dialect;
mod format;
mod formula;
mod json;
mod jsonl;
mod members;
mod open;
mod read_back;
mod reading;
mod records;
mod rows;
mod source;
mod spool;
mod titles;
mod write;

pub use self::bounds::{LARGEST_MANIFEST, changed};
pub use self::format::Format;
pub use self::open::{Manifest, ManifestError};
pub use self::read_back::CsvReader;
pub use self::reading::{Delimiter, Reading, TextEncoding};
pub use self::rows::Title;
pub use self::write::{CsvWriter, json_line};
