//! `plan.jsonl`, the plan of a run, row by row.
//!
//! The first line names the manifests and the columns. Every other line is one item with the cells of
//! its row. The journal's header holds the SHA-256 of the file, so the plan is never changed once the
//! run has started.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IntoInnerError, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::RunError;
use super::plan_entry::PlanEntry;
use crate::engine::{IdRemap, Items};
use crate::files::{self, Digested, next_line};
use crate::item::{Item, ItemNumber, Operation, index};
use crate::journal::{self, Header};
use crate::ledger::{Ledger, State};
use crate::platform;

pub(super) const FILE_NAME: &str = "plan.jsonl";

/// The number of bytes that are read at once.
const CHUNK: usize = 1 << 18;

/// The origin of the rows: the first line of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The manifests, under the names that were given.
    pub files: Vec<String>,
    /// The SHA-256 of each manifest as it came, in hexadecimal. The plan of an older program and rows of a run have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sha256: Vec<String>,
    /// The directory to which these names are relative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_in: Option<String>,
    /// The columns of all manifests, each once.
    pub columns: Vec<String>,
    /// The run whose failed rows these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<String>,
    /// The unfinished runs that this one replaces. They are not resumed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supersedes: Vec<String>,
    /// The SHA-256 of the saved plan that this run carries out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved_plan: Option<String>,
    /// The run that this one undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// The unfinished runs whose place that run took, newest first. This run undoes them too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undoes_replaced: Vec<String>,
}

impl Origin {
    /// Returns the runs that this one undoes.
    pub fn undone(&self) -> impl Iterator<Item = &str> {
        let undone = self.undoes.iter().chain(&self.undoes_replaced);
        undone.map(String::as_str)
    }

    /// Reads the origin of the plan in the run directory `directory`.
    ///
    /// # Errors
    /// [`RunError::Unreadable`], [`RunError::PlanDamaged`].
    pub fn read(directory: &Path) -> Result<Self, RunError> {
        let path = directory.join(FILE_NAME);
        let mut line = Vec::new();
        files::open(&path)
            .and_then(|file| next_line(&mut BufReader::new(file), &mut line))
            .map_err(|e| unreadable(&path, e))?;
        serde_json::from_slice(&line).map_err(|_| RunError::PlanDamaged { path, line: 1 })
    }
}

/// A manifest of a saved plan, as it was when the plan was saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestSum {
    /// The name under which it was given.
    pub name: String,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// One item with the cells of its row.
#[derive(Clone, Debug)]
pub struct PlanLine {
    /// The item.
    pub item: Item<'static>,
    /// The cells, one for each of the plan's columns.
    pub input: Vec<String>,
}

impl PlanLine {
    /// Reads a line of a plan.
    pub(super) fn read(line: &[u8]) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Cells {
            input: Vec<String>,
        }
        let Cells { input } = serde_json::from_slice(line)?;
        let item = serde_json::from_slice(line)?;
        Ok(Self { item, input })
    }

    /// Writes a line of a plan, without its line feed.
    pub(super) fn write(line: &mut Vec<u8>, item: &Item<'_>, cells: &[&str]) -> io::Result<()> {
        serde_json::to_writer(&mut *line, item)?;
        // The item is an object; the cells become one more member of it.
        line.pop();
        line.extend_from_slice(b",\"input\":");
        serde_json::to_writer(&mut *line, cells)?;
        line.push(b'}');
        Ok(())
    }
}

/// Writes a plan, line by line.
#[derive(Debug)]
pub struct PlanWriter {
    path: PathBuf,
    file: Digested<BufWriter<File>>,
    line: Vec<u8>,
}

impl PlanWriter {
    /// Starts the plan in the run directory `directory`.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn create(directory: &Path, origin: &Origin) -> Result<Self, RunError> {
        let path = directory.join(FILE_NAME);
        let file = files::create(&path).map_err(failed(&path))?;
        let mut writer = Self {
            path,
            file: Digested::new(BufWriter::with_capacity(1 << 16, file)),
            line: Vec::new(),
        };
        writer.put(|line| Ok(serde_json::to_writer(line, origin)?))?;
        Ok(writer)
    }

    /// Adds an item with the cells of its row.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn push(&mut self, item: &Item<'_>, cells: &[&str]) -> Result<(), RunError> {
        self.put(|line| PlanLine::write(line, item, cells))
    }

    /// Puts the plan on disk and returns its SHA-256, in hexadecimal.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn finish(self) -> Result<String, RunError> {
        let path = self.path;
        let (file, sha256) = self.file.finish();
        let written = file.into_inner().map_err(IntoInnerError::into_error);
        let synced = written.and_then(|file| file.sync_all());
        synced.map_err(failed(&path))?;
        Ok(sha256)
    }

    fn put(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<(), RunError> {
        self.line.clear();
        let filled = fill(&mut self.line).and_then(|()| {
            self.line.push(b'\n');
            self.file.write_all(&self.line)
        });
        filled.map_err(failed(&self.path))
    }
}

/// A plan, open for reading single items. It takes twenty bytes of memory an item.
#[derive(Debug)]
pub struct PlanFile {
    path: PathBuf,
    file: File,
    /// The SHA-256 of the file, in hexadecimal.
    sha256: String,
    origin: Origin,
    /// The offset of each item's line, and the end of the last one.
    offsets: Vec<u64>,
    entries: Vec<PlanEntry>,
    /// The objects that an undo creates again under new ids.
    id_remap: IdRemap,
    /// The items that refer to these.
    heirs: BTreeSet<ItemNumber>,
}

impl PlanFile {
    /// Opens the plan in the run directory `directory`.
    ///
    /// # Errors
    /// [`RunError::Unreadable`], [`RunError::PlanDamaged`].
    pub fn open(directory: &Path) -> Result<Self, RunError> {
        let path = directory.join(FILE_NAME);
        let open = || files::open(&path).map_err(|e| unreadable(&path, e));
        let (file, lines) = (open()?, open()?);
        let mut plan = Self {
            file,
            sha256: String::new(),
            path,
            origin: Origin::default(),
            offsets: Vec::new(),
            entries: Vec::new(),
            id_remap: IdRemap::default(),
            heirs: BTreeSet::new(),
        };
        let mut lines = BufReader::with_capacity(CHUNK, Digested::new(lines));
        plan.index(&mut lines)?;
        plan.sha256 = lines.into_inner().finish().1;
        Ok(plan)
    }

    /// Checks that the journal with this header was written for this plan. Nothing else vouches for the content of the
    /// plan.
    ///
    /// # Errors
    /// [`RunError::PlanChanged`].
    pub fn verify(&self, header: &Header) -> Result<(), RunError> {
        if self.sha256 == header.plan_sha256 {
            return Ok(());
        }
        Err(RunError::PlanChanged {
            path: self.path.clone(),
        })
    }

    /// Takes note of the new name of its directory.
    pub(super) fn moved(&mut self, directory: &Path) {
        self.path = directory.join(FILE_NAME);
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of items.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }

    /// Returns true for a plan without items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the origin of the rows.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the entries of all items in order.
    pub fn entries(&self) -> impl Iterator<Item = (ItemNumber, PlanEntry)> {
        (0..).zip(self.entries.iter().copied())
    }

    /// Returns the objects that are created again under new ids, and to which later items refer.
    #[must_use]
    pub fn id_remap(&self) -> &IdRemap {
        &self.id_remap
    }

    /// Returns true for an item that has to wait until all others have ended. Such an item deletes an object to which
    /// others may refer until then, or refers to an object that is created again.
    #[must_use]
    pub fn is_deferred(&self, number: ItemNumber) -> bool {
        let entry = self.entries.get(index(number));
        entry.is_some_and(|entry| entry.deferred) || self.heirs.contains(&number)
    }

    /// Reads the line of that item.
    ///
    /// # Errors
    /// When the line cannot be read.
    pub fn line(&self, number: ItemNumber) -> io::Result<PlanLine> {
        Ok(PlanLine::read(&self.bytes(number)?)?)
    }

    /// Visits the items that have not ended by that ledger and whose operation is one of `operations`.
    ///
    /// # Errors
    /// [`RunError::Io`] if the plan cannot be read.
    pub fn each_open(
        &self,
        ledger: &Ledger,
        operations: &[Operation],
        mut visit: impl FnMut(&Item<'_>),
    ) -> Result<(), RunError> {
        let run = self.path.parent().unwrap_or(&self.path);
        for (number, entry) in self.entries() {
            if operations.contains(&entry.operation)
                && !matches!(ledger.state(number), State::Finished(_))
            {
                let item = self.load(number);
                visit(&item.map_err(RunError::io(run, "the run cannot be read"))?);
            }
        }
        Ok(())
    }

    fn index(&mut self, lines: &mut impl BufRead) -> Result<(), RunError> {
        let mut line = Vec::new();
        let mut at = 0_u64;
        let mut number = 0_u64;
        loop {
            let length = next_line(lines, &mut line).map_err(|e| unreadable(&self.path, e))?;
            if length == 0 {
                self.offsets.push(at);
                return Ok(());
            }
            number += 1;
            self.take(number, at, &line)
                .map_err(|_| RunError::PlanDamaged {
                    path: self.path.clone(),
                    line: number,
                })?;
            at += length as u64;
        }
    }

    fn take(&mut self, number: u64, at: u64, line: &[u8]) -> serde_json::Result<()> {
        if number == 1 {
            self.origin = serde_json::from_slice(line)?;
            return Ok(());
        }
        if self.origin.undoes.is_some() {
            self.note(&serde_json::from_slice(line)?);
        }
        self.offsets.push(at);
        self.entries.push(PlanEntry::read(line)?);
        Ok(())
    }

    fn note(&mut self, item: &Item<'_>) {
        let former = item.undo.as_ref().and_then(|undo| undo.old_id.as_ref());
        if let Some(former) = former.filter(|_| item.resource.is_referred_to()) {
            self.id_remap.expect(item.item, former.clone());
        } else if self.id_remap.concerns(item) {
            self.heirs.insert(item.item);
        }
    }

    /// Reads the bytes of that item's line.
    fn bytes(&self, number: ItemNumber) -> io::Result<Vec<u8>> {
        let missing = || io::Error::other(format!("the plan has no item {number}"));
        let offsets = self.offsets.get(index(number)..);
        let bounds = offsets.and_then(<[u64]>::first_chunk);
        let [start, end] = *bounds.ok_or_else(missing)?;
        let mut line = vec![0; usize::try_from(end - start).unwrap_or(0)];
        platform::read_exact_at(&self.file, &mut line, start)?;
        Ok(line)
    }
}

impl Items for PlanFile {
    fn load(&self, number: ItemNumber) -> io::Result<Item<'static>> {
        Ok(serde_json::from_slice(&self.bytes(number)?)?)
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> RunError + Copy {
    RunError::io(path, "the plan cannot be written")
}

fn unreadable(path: &Path, source: io::Error) -> RunError {
    RunError::Unreadable {
        path: path.to_owned(),
        source: Some(source).filter(journal::is_there),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::item::{Change, Operation};
    use crate::resource::Kind;
    use crate::wire::Id;

    fn item(number: ItemNumber) -> Item<'static> {
        Item {
            item: number,
            file: 0,
            row: number + 2,
            resource: Kind::portal_link(),
            key: Cow::Owned(format!("App {}", "x".repeat(index(number) % 7))),
            part: None,
            microtenant: None,
            group: None,
            undo: None,
            reviewed: None,
            change: match number % 3 {
                0 => Change::Unchanged { id: None },
                _ => Change::Delete {
                    id: Id::from(u64::from(number)),
                    condition: None,
                },
            },
        }
    }

    fn header(plan_sha256: String) -> Header {
        Header {
            format: 2,
            tool: String::new(),
            run: String::new(),
            tenant: String::new(),
            plan_sha256,
            settings: serde_json::Value::Null,
            seal: None,
        }
    }

    #[test]
    fn every_item_is_read_back_alone_and_in_order() {
        for items in [0, 1, 50] {
            let dir = tempfile::tempdir().unwrap();
            let mut writer = PlanWriter::create(dir.path(), &Origin::default()).unwrap();
            for number in 0..items {
                let cell = number.to_string();
                writer.push(&item(number), &[&cell]).unwrap();
            }
            let sha256 = writer.finish().unwrap();
            let plan = PlanFile::open(dir.path()).unwrap();
            plan.verify(&header(sha256)).unwrap();
            let refused = plan.verify(&header(String::new()));
            assert!(matches!(refused, Err(RunError::PlanChanged { .. })));
            assert_eq!((plan.len(), plan.is_empty()), (items, items == 0));
            for number in (0..items).rev() {
                assert_eq!(plan.load(number).unwrap(), item(number));
            }
            assert!(plan.load(items).is_err(), "of {items}");
            for number in 0..items {
                let line = plan.line(number).unwrap();
                assert_eq!(
                    (line.item, line.input.concat()),
                    (item(number), number.to_string())
                );
            }
            for ((number, entry), expected) in plan.entries().zip(0..items) {
                let operation = match expected % 3 {
                    0 => Operation::Unchanged,
                    _ => Operation::Delete,
                };
                assert_eq!((number, entry.operation), (expected, operation));
            }
            assert_eq!(plan.entries().count(), index(items));
        }
    }
}
