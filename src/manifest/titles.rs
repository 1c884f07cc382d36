//! The titles that some kind of object has a column for.

use std::collections::HashSet;

use super::reading::Reading;
use crate::plan::is_common_title;
use crate::resource::{Column, Form, Kind, fold};

/// The titles that some kind of object has a column for, folded.
#[derive(Debug)]
pub(super) struct Known(HashSet<String>);

impl Known {
    /// Returns all titles, with those that stand for others.
    pub(super) fn new(reading: &Reading) -> Self {
        let mut all = Self::among(|_| true);
        all.0.extend(reading.map.iter().map(|map| fold(&map.name)));
        all
    }

    /// Returns the titles of what can be written: an answer of the API has much that cannot.
    pub(super) fn written() -> Self {
        Self::among(|column| !matches!(column.form, Form::Info))
    }

    fn among(is_meant: impl Fn(&Column) -> bool) -> Self {
        let columns = Kind::all().flat_map(|kind| kind.columns());
        let columns = columns.filter(|column| is_meant(column));
        let names = columns.flat_map(|column| {
            let aliases = column.aliases.iter().copied();
            aliases.chain([column.name])
        });
        Self(names.map(fold).collect())
    }

    /// Tells whether some kind of object has a column of that title, or all have.
    pub(super) fn has(&self, title: &str) -> bool {
        is_common_title(title) || self.0.contains(&fold(title))
    }

    /// Returns the number of different titles that are known.
    pub(super) fn count(&self, titles: impl Iterator<Item = String>) -> usize {
        let known = titles.filter(|title| self.has(title));
        let known: HashSet<String> = known.map(|title| fold(&title)).collect();
        known.len()
    }
}
