//! Saving a plan while it is made.

use std::path::Path;

use super::error::Error;
use crate::item::Item;
use crate::plan::{LiveCheck, Snapshot};
use crate::run::{PlanError, SavedHead, SavedPlanWriter, Sealer};

/// A plan that is being saved.
#[derive(Debug)]
pub(super) struct Saving<'s> {
    writer: SavedPlanWriter,
    live: LiveCheck<'s>,
}

impl<'s> Saving<'s> {
    /// Begins to save a plan at `path`.
    pub(super) fn begin(path: &Path, head: &SavedHead, live: &'s Snapshot) -> Result<Self, Error> {
        Ok(Self {
            writer: SavedPlanWriter::create(path, head)?,
            live: LiveCheck::new(live),
        })
    }

    /// Adds an item with the cells of its row, and the reading on which it is reviewed.
    pub(super) fn add(&mut self, item: &Item<'_>, cells: &[&str]) -> Result<(), PlanError> {
        let mut item = item.to_owned_item();
        item.reviewed = self.live.reading(&item).map(Box::new);
        Ok(self.writer.push(&item, cells)?)
    }

    /// Puts the plan on disk.
    pub(super) fn finish(self, sealer: Option<&Sealer>) -> Result<(), Error> {
        Ok(self.writer.finish(sealer)?)
    }
}
