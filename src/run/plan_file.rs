//! `plan.jsonl`: what a run is to do, row by row, as it was planned.
//!
//! The first line names the manifests and the columns; every other line is one item with the cells of
//! its row. The journal's header holds the SHA-256 of the whole, so the plan is never changed once the
//! run has started.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::RunError;
use super::digest::hex;
use crate::engine::{Items, Reborn};
use crate::model::{Item, ItemNumber, Status, index};
use crate::plan::Way;
use crate::resource::{Kind, Shape};

/// Its name in the run directory.
const FILE_NAME: &str = "plan.jsonl";

/// The first line of a plan: where its rows come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The manifests, as they were named.
    pub files: Vec<String>,
    /// Their columns, each once.
    pub columns: Vec<String>,
    /// The run whose failed rows these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<String>,
    /// The unfinished runs in whose place this one was started. They are not gone on with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supersedes: Vec<String>,
    /// The run that this one undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
}

impl Origin {
    /// Where the rows of the plan in the run directory `directory` come from.
    ///
    /// # Errors
    /// [`RunError::Io`], [`RunError::PlanDamaged`].
    pub fn read(directory: &Path) -> Result<Self, RunError> {
        let path = directory.join(FILE_NAME);
        let mut line = Vec::new();
        File::open(&path)
            .and_then(|file| BufReader::new(file).read_until(b'\n', &mut line))
            .map_err(|e| failed(&path, e))?;
        serde_json::from_slice(&line).map_err(|_| RunError::PlanDamaged { path, line: 1 })
    }
}

/// One item with the cells of its row.
#[derive(Clone, Debug, Deserialize)]
pub struct PlanLine {
    /// The item.
    #[serde(flatten)]
    pub item: Item<'static>,
    /// The cells, one for each of the plan's columns.
    pub input: Vec<String>,
}

/// Writes a plan, line by line.
#[derive(Debug)]
pub struct PlanWriter {
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    line: Vec<u8>,
}

impl PlanWriter {
    /// Starts the plan in the run directory `directory`.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn create(directory: &Path, origin: &Origin) -> Result<Self, RunError> {
        let path = directory.join(FILE_NAME);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|e| failed(&path, e))?;
        let mut writer = Self {
            path,
            file: BufWriter::with_capacity(1 << 16, file),
            hash: Sha256::new(),
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
        self.put(|line| {
            serde_json::to_writer(&mut *line, item)?;
            // The item is an object; the cells become one more member of it.
            line.pop();
            line.extend_from_slice(b",\"input\":");
            serde_json::to_writer(&mut *line, cells)?;
            line.push(b'}');
            Ok(())
        })
    }

    /// Puts the plan on disk and answers its SHA-256 in hexadecimal.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn finish(self) -> Result<String, RunError> {
        let path = self.path;
        let file = self
            .file
            .into_inner()
            .map_err(|e| failed(&path, e.into_error()))?;
        file.sync_all().map_err(|e| failed(&path, e))?;
        Ok(hex(self.hash))
    }

    fn put(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<(), RunError> {
        self.line.clear();
        let filled = fill(&mut self.line).and_then(|()| {
            self.line.push(b'\n');
            self.hash.update(&self.line);
            self.file.write_all(&self.line)
        });
        filled.map_err(|e| failed(&self.path, e))
    }
}

/// A plan, open for reading single items. In memory it takes twenty bytes an item.
#[derive(Debug)]
pub struct PlanFile {
    path: PathBuf,
    file: File,
    sha256: String,
    origin: Origin,
    offsets: Vec<u64>,
    briefs: Vec<Brief>,
    /// What comes back under a new id, in the plan of an undo.
    reborn: Reborn,
    /// What refers to that.
    heirs: BTreeSet<ItemNumber>,
}

/// As much of an item as is kept in memory.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(from = "Parsed")]
pub struct Brief {
    /// How it is carried out.
    pub way: Way,
    /// The group of items with which it may share a call.
    pub group: Option<u32>,
    /// How it has ended already, if nothing is to be done for it.
    pub ended: Option<Status>,
    /// Whether it deletes what others may refer to.
    late: bool,
}

/// What a [`Brief`] is made from.
#[derive(Deserialize)]
struct Parsed {
    op: Op,
    resource: Kind,
    group: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Create,
    Update,
    Delete,
    Unchanged,
    Spared,
    Error,
}

impl From<Parsed> for Brief {
    fn from(parsed: Parsed) -> Self {
        let list = parsed.resource.shape() == Shape::List;
        let (way, ended) = match parsed.op {
            Op::Unchanged => (Way::Nothing, Some(Status::Unchanged)),
            Op::Spared => (Way::Nothing, Some(Status::Spared)),
            Op::Error => (Way::Nothing, Some(Status::Failed)),
            _ if list => (Way::Merge, None),
            Op::Create => (Way::Create, None),
            Op::Update => (Way::Update, None),
            Op::Delete => (Way::Delete, None),
        };
        Self {
            way,
            group: parsed.group,
            late: way == Way::Delete && parsed.resource.is_referred_to(),
            ended,
        }
    }
}

impl PlanFile {
    /// Opens the plan in the run directory `directory`.
    ///
    /// # Errors
    /// [`RunError::Io`], [`RunError::PlanDamaged`].
    pub fn open(directory: &Path) -> Result<Self, RunError> {
        let path = directory.join(FILE_NAME);
        let file = File::open(&path).map_err(|e| failed(&path, e))?;
        let mut plan = Self {
            file: file.try_clone().map_err(|e| failed(&path, e))?,
            path,
            sha256: String::new(),
            origin: Origin::default(),
            offsets: Vec::new(),
            briefs: Vec::new(),
            reborn: Reborn::default(),
            heirs: BTreeSet::new(),
        };
        plan.sha256 = plan.index(BufReader::with_capacity(1 << 18, file))?;
        Ok(plan)
    }

    /// Checks that it is the plan with that SHA-256.
    ///
    /// # Errors
    /// [`RunError::PlanChanged`].
    pub fn verify(&self, sha256: &str) -> Result<(), RunError> {
        if self.sha256 == sha256 {
            return Ok(());
        }
        Err(RunError::PlanChanged {
            path: self.path.clone(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many items it has.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.briefs.len()).unwrap_or(u32::MAX)
    }

    /// Whether it has no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.briefs.is_empty()
    }

    /// Where its rows come from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Every item in brief, in order.
    pub fn briefs(&self) -> impl Iterator<Item = (ItemNumber, Brief)> {
        (0..).zip(self.briefs.iter().copied())
    }

    /// What comes back under a new id, and is referred to by items that come after it in the plan.
    #[must_use]
    pub fn reborn(&self) -> &Reborn {
        &self.reborn
    }

    /// Whether the item has to wait until all else has ended: it deletes what others may refer to until then, or
    /// refers to what comes back.
    #[must_use]
    pub fn is_late(&self, number: ItemNumber) -> bool {
        let brief = self.briefs.get(index(number));
        brief.is_some_and(|brief| brief.late) || self.heirs.contains(&number)
    }

    /// The line of that item.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn line(&self, number: ItemNumber) -> io::Result<PlanLine> {
        Ok(serde_json::from_slice(&self.bytes(number)?)?)
    }

    fn index(&mut self, mut lines: impl BufRead) -> Result<String, RunError> {
        let mut hash = Sha256::new();
        let mut line = Vec::new();
        let mut at = 0_u64;
        let mut number = 0_u64;
        loop {
            line.clear();
            let length = lines
                .read_until(b'\n', &mut line)
                .map_err(|e| failed(&self.path, e))?;
            if length == 0 {
                // The end of the last line, so that every line has one.
                self.offsets.push(at);
                return Ok(hex(hash));
            }
            number += 1;
            hash.update(&line);
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
        self.briefs.push(serde_json::from_slice(line)?);
        self.offsets.push(at);
        Ok(())
    }

    fn note(&mut self, item: &Item<'_>) {
        let former = item.undo.as_ref().and_then(|undo| undo.old_id.as_ref());
        if let Some(former) = former.filter(|_| item.resource.is_referred_to()) {
            self.reborn.expect(item.item, former.clone());
        } else if self.reborn.concerns(item) {
            self.heirs.insert(item.item);
        }
    }

    fn bytes(&self, number: ItemNumber) -> io::Result<Vec<u8>> {
        let at = index(number);
        let (Some(start), Some(end)) = (self.offsets.get(at), self.offsets.get(at + 1)) else {
            return Err(io::Error::other(format!("the plan has no item {number}")));
        };
        let length = usize::try_from(end - start).unwrap_or(0);
        let mut bytes = vec![0; length];
        read_at(&self.file, &mut bytes, *start)?;
        Ok(bytes)
    }
}

impl Items for PlanFile {
    fn load(&self, number: ItemNumber) -> io::Result<Item<'static>> {
        // Without the cells: taking them apart costs more than the item itself.
        Ok(serde_json::from_slice(&self.bytes(number)?)?)
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(not(unix))]
fn read_at(mut file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(bytes)
}

fn failed(path: &Path, source: io::Error) -> RunError {
    RunError::Io {
        path: path.to_owned(),
        doing: "the plan cannot be read or written",
        source,
    }
}
