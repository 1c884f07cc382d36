//! Manifests: workbooks, tables in text and JSON, from a file or standard input. Rows that are read know their place, and rows can be
//! written.
//!
//! A manifest is read twice: its problems are looked for before the tenant is asked anything, and its rows are planned
//! after that. So no row has to stay in memory. Standard input is spooled to an unnamed temporary file first. The
//! meaning of a cell is decided in [`plan`](crate::plan).

mod book;
mod bounds;
mod csv;
mod dialect;
mod format;
mod formula;
mod json;
mod jsonl;
mod letters;
mod members;
mod open;
mod output;
mod read_back;
mod reading;
mod records;
mod rows;
mod sheet;
mod sheet_facts;
mod sheet_file;
mod sheet_rows;
mod source;
mod spool;
mod spread;
mod tags;
mod titles;
mod workbook;
mod workbook_out;
mod write;

pub use self::bounds::{LARGEST_MANIFEST, changed};
pub use self::format::Format;
pub use self::open::{Manifest, ManifestError};
pub use self::output::{OutputFormat, RowsWriter};
pub use self::read_back::CsvReader;
pub use self::reading::{Assignment, Delimiter, Reading, TextEncoding};
pub use self::rows::Title;
pub(crate) use self::source::SAVED_PLAN;
pub use self::workbook::READER;
pub use self::workbook_out::{LeftCell, TemplateColumn, WorkbookWriter, template};
pub use self::write::{CsvWriter, json_line};
