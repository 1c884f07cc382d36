//! Saved plans: files that hold a plan as it was reviewed, until it is carried out.
//!
//! # The file
//!
//! JSON, line by line. The first line is the [`SavedHead`]. Every other line is one item with the reading on which it was
//! reviewed and the cells of its row, as in a run's `plan.jsonl`. The last line, the end, holds the SHA-256 of all
//! lines before it, and the seal of the user who saved the plan.
//!
//! A saved plan comes from outside. It is read within bounds, and every line of it is checked. It never says where to
//! connect, whom to believe, what to run or which file to read, and it says nothing about the limits on deletes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek as _, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tempfile::NamedTempFile;

use super::error::RunError;
use super::plan_file::{ManifestSum, Origin, PlanLine};
use super::planning::{PlanError, within_limits};
use super::trust::{Sealer, distrust_plan};
use crate::files::{Digested, next_line};
use crate::item::{Change, Item};
use crate::manifest::SAVED_PLAN;
use crate::plan::{Planner, ReviewPlanner, Snapshot, TenantRules};
use crate::platform::sync_dir;
use crate::resource::{Kind, Scope};
use crate::wire::{FieldValue, Fields, Id};

/// The version of the format that this program writes, and the newest that it reads.
pub const PLAN_FORMAT: u32 = 1;

/// The first line of a saved plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedHead {
    /// The version of the format. It stands first, so that a saved plan is known by its first bytes.
    #[serde(rename = "zpa_bulk_plan")]
    pub format: u32,
    /// The version of the program.
    pub tool: String,
    /// The time at which the plan was saved: RFC 3339, UTC.
    pub saved: String,
    /// The customer id of the tenant.
    pub tenant: String,
    /// The settings that carrying it out needs, none of them secret.
    pub settings: Value,
    /// The options with which the manifests were read, to be looked at.
    pub reading: Map<String, Value>,
    /// The manifests.
    pub manifests: Vec<ManifestSum>,
    /// The origin of the rows.
    pub origin: Origin,
}

/// The last line of a saved plan.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    end: Sums,
}

#[derive(Debug, Serialize, Deserialize)]
struct Sums {
    /// The number of items.
    items: u32,
    /// The SHA-256 of all readings: plans with the same sum saw the same objects.
    tenant_sha256: String,
    /// The SHA-256 of all lines before this one.
    sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal: Option<String>,
}

/// Tells whether the file at `path` is a saved plan, of whatever version. Pipes and what cannot be read are none.
#[must_use]
pub fn is_saved_plan(path: &Path) -> bool {
    let begins = || -> io::Result<bool> {
        // A pipe must not be opened: what is read from it is lost.
        if !fs::metadata(path)?.is_file() {
            return Ok(false);
        }
        let mut start = Vec::new();
        let file = File::open(path)?;
        file.take(SAVED_PLAN.len() as u64).read_to_end(&mut start)?;
        Ok(start == SAVED_PLAN)
    };
    begins().unwrap_or(false)
}

/// Writes a saved plan, item by item. Nothing is left of one that is not finished.
#[derive(Debug)]
pub struct SavedPlanWriter {
    path: PathBuf,
    file: Digested<BufWriter<NamedTempFile>>,
    readings: Digested<io::Sink>,
    items: u32,
    line: Vec<u8>,
}

impl SavedPlanWriter {
    /// Begins a plan that is to be saved at `path`.
    ///
    /// # Errors
    /// [`RunError::NotSaved`] if no file can be written there, or if another kind of file is there already.
    pub fn create(path: &Path, head: &SavedHead) -> Result<Self, RunError> {
        let failed = not_saved(path);
        if fs::symlink_metadata(path).is_ok() && !is_saved_plan(path) {
            let other = io::Error::other("something else than a saved plan is there");
            return Err(failed(other));
        }
        let file = NamedTempFile::new_in(parent(path)).map_err(failed)?;
        let mut writer = Self {
            path: path.to_owned(),
            file: Digested::new(BufWriter::new(file)),
            readings: Digested::new(io::sink()),
            items: 0,
            line: Vec::new(),
        };
        writer.put(|line| Ok(serde_json::to_writer(line, head)?))?;
        Ok(writer)
    }

    /// Adds an item with the cells of its row.
    ///
    /// # Errors
    /// [`RunError::NotSaved`].
    pub fn push(&mut self, item: &Item<'_>, cells: &[&str]) -> Result<(), RunError> {
        self.items += 1;
        let reading = serde_json::to_vec(&item.reviewed).map_err(io::Error::from);
        let summed = reading.and_then(|reading| self.readings.write_all(&reading));
        summed.map_err(not_saved(&self.path))?;
        self.put(|line| PlanLine::write(line, item, cells))
    }

    /// Puts the plan on disk under its name, sealed if there is a seal.
    ///
    /// # Errors
    /// [`RunError::NotSaved`].
    pub fn finish(self, sealer: Option<&Sealer>) -> Result<(), RunError> {
        let path = self.path;
        let (file, sha256) = self.file.finish();
        let end = End {
            end: Sums {
                items: self.items,
                tenant_sha256: self.readings.finish().1,
                seal: sealer.map(|sealer| sealer.seal_of_plan(&sha256)),
                sha256,
            },
        };
        let write = move |mut file: BufWriter<NamedTempFile>| {
            serde_json::to_writer(&mut file, &end)?;
            file.write_all(b"\n")?;
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            Ok(file)
        };
        let finish = |file: NamedTempFile| {
            file.persist(&path)?;
            sync_dir(parent(&path))
        };
        write(file).and_then(finish).map_err(not_saved(&path))
    }

    fn put(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<(), RunError> {
        self.line.clear();
        let filled = fill(&mut self.line).and_then(|()| {
            self.line.push(b'\n');
            self.file.write_all(&self.line)
        });
        filled.map_err(not_saved(&self.path))
    }
}

fn not_saved(path: &Path) -> impl Fn(io::Error) -> RunError + Copy + '_ {
    |source| RunError::NotSaved {
        path: path.to_owned(),
        source,
    }
}

fn parent(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    parent.unwrap_or(Path::new("."))
}

/// A saved plan, open and checked. Its items are read from the file each time, so they take no memory.
#[derive(Debug)]
pub struct SavedPlan {
    path: PathBuf,
    file: File,
    head: SavedHead,
    sums: Sums,
    scopes: BTreeSet<Scope>,
}

impl SavedPlan {
    /// Opens the saved plan at `path`, which may have `most` bytes, and checks every line.
    ///
    /// # Errors
    /// [`RunError::SavedPlan`] if it is cut off, was altered, has a newer format, or holds something that no plan holds.
    pub fn open(path: &Path, most: u64) -> Result<Self, RunError> {
        Self::opened(path, most).map_err(|why| RunError::SavedPlan {
            path: path.to_owned(),
            why,
        })
    }

    fn opened(path: &Path, most: u64) -> Result<Self, String> {
        let file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        if size > most {
            return Err(format!(
                "it is larger than {most} bytes; --max-manifest allows more"
            ));
        }
        let mut lines = BufReader::new(&file);
        let mut line = Vec::new();
        next_line(&mut lines, &mut line).map_err(unreadable)?;
        let head = head(&line)?;
        let mut scopes = BTreeSet::new();
        let sums = read(&file, &head, |line| {
            check(&line.item)?;
            scopes.extend(scopes_of(&line.item));
            Ok(())
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            head,
            sums,
            scopes,
        })
    }

    /// Returns the first line.
    #[must_use]
    pub fn head(&self) -> &SavedHead {
        &self.head
    }

    /// Returns the SHA-256 of all lines but the last, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sums.sha256
    }

    /// Returns the listings that show the objects of its items, and the objects to which these refer.
    #[must_use]
    pub fn scopes(&self) -> Vec<Scope> {
        self.scopes.iter().cloned().collect()
    }

    /// Returns the reason why the plan is not trusted; `None` if this user saved it on this machine, and nobody else can
    /// change it.
    ///
    /// # Errors
    /// [`RunError::SavedPlan`] if the file cannot be looked at.
    pub fn distrust(&self, sealer: Option<&Sealer>) -> Result<Option<String>, RunError> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(|error| self.refused(unreadable(error)))?;
        let sums = (self.sums.sha256.as_str(), self.sums.seal.as_deref());
        Ok(distrust_plan(&metadata, sums, sealer))
    }

    /// Visits every item with the cells of its row.
    ///
    /// # Errors
    /// [`RunError::SavedPlan`] if the file has changed since it was opened, and the errors of `visit`.
    pub fn each<E: From<RunError>>(
        &self,
        mut visit: impl FnMut(PlanLine) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut failed = None;
        let sums = read(&self.file, &self.head, |line| {
            if failed.is_none() {
                failed = visit(line).err();
            }
            Ok(())
        });
        match (failed, sums) {
            (Some(error), _) => Err(error),
            (None, Ok(sums)) if sums.sha256 == self.sums.sha256 => Ok(()),
            (None, Ok(_)) => Err(self.refused("it was changed meanwhile".to_owned()).into()),
            (None, Err(why)) => Err(self.refused(why).into()),
        }
    }

    /// Plans every item against the live state of the tenant: as it was reviewed, or as stale. Hands each item to `keep`
    /// with the cells of its row.
    ///
    /// # Errors
    /// [`PlanError::Problems`] with every limit of the tenant that would be exceeded, [`PlanError::Run`] if the file has
    /// changed since it was opened, and the errors of `keep`.
    pub fn plan<'s>(
        &self,
        snapshot: &'s Snapshot,
        rules: TenantRules,
        mut keep: impl FnMut(&Item<'_>, &[&str]) -> Result<(), PlanError>,
    ) -> Result<Planner<'s>, PlanError> {
        let mut planner = ReviewPlanner::new(snapshot, rules);
        self.each(|line| {
            let cells: Vec<&str> = line.input.iter().map(String::as_str).collect();
            keep(&planner.plan(line.item), &cells)
        })?;
        within_limits(planner.into_planner())
    }

    fn refused(&self, why: String) -> RunError {
        RunError::SavedPlan {
            path: self.path.clone(),
            why,
        }
    }
}

const CUT_OFF: &str = "the saved plan is cut off: its last line is missing";

fn unreadable(error: impl std::fmt::Display) -> String {
    format!("it cannot be read: {error}")
}

/// Reads the first line. The version is looked at before anything else.
fn head(line: &[u8]) -> Result<SavedHead, String> {
    #[derive(Deserialize)]
    struct Version {
        zpa_bulk_plan: u32,
    }
    let version: Result<Version, _> = serde_json::from_slice(line);
    match version {
        Ok(Version { zpa_bulk_plan }) if zpa_bulk_plan > PLAN_FORMAT => Err(format!(
            "the saved plan has format {zpa_bulk_plan}; this program reads up to {PLAN_FORMAT}"
        )),
        Ok(_) => serde_json::from_slice(line).map_err(|_| damaged(1)),
        Err(_) if !line.ends_with(b"\n") => Err(CUT_OFF.to_owned()),
        Err(_) => Err(damaged(1)),
    }
}

fn damaged(line: u64) -> String {
    format!("line {line} is not one of a saved plan")
}

/// Reads the lines behind the first, up to the end, whose sums must be those of the lines.
fn read(
    file: &File,
    head: &SavedHead,
    mut visit: impl FnMut(PlanLine) -> Result<(), String>,
) -> Result<Sums, String> {
    let mut file = file;
    file.rewind().map_err(unreadable)?;
    let mut lines = BufReader::with_capacity(1 << 16, file);
    let (mut digest, mut readings) = (Digested::new(io::sink()), Digested::new(io::sink()));
    let (mut line, mut number, mut items) = (Vec::new(), 0, 0);
    let sum =
        |digest: &mut Digested<io::Sink>, bytes: &[u8]| digest.write_all(bytes).map_err(unreadable);
    loop {
        next_line(&mut lines, &mut line).map_err(unreadable)?;
        number += 1;
        if !line.ends_with(b"\n") {
            return Err(CUT_OFF.to_owned());
        }
        if number > 1 {
            if line.starts_with(b"{\"end\":") {
                break;
            }
            let read = PlanLine::read(&line).map_err(|_| damaged(number))?;
            belongs(&read, head, items).map_err(|why| format!("line {number}: {why}"))?;
            let reading = serde_json::to_vec(&read.item.reviewed).map_err(|e| e.to_string())?;
            sum(&mut readings, &reading)?;
            visit(read).map_err(|why| format!("line {number}: {why}"))?;
            items += 1;
        }
        sum(&mut digest, &line)?;
    }
    let End { end } = serde_json::from_slice(&line).map_err(|_| damaged(number))?;
    let is_last = lines.fill_buf().map_err(unreadable)?.is_empty();
    let is_same = end.sha256 == digest.finish().1 && end.tenant_sha256 == readings.finish().1;
    if !is_last || !is_same || end.items != items {
        return Err("the saved plan was altered: its checksum does not fit".to_owned());
    }
    Ok(end)
}

/// Checks that a line belongs where it stands.
fn belongs(line: &PlanLine, head: &SavedHead, number: u32) -> Result<(), String> {
    let Origin { files, columns, .. } = &head.origin;
    let item = &line.item;
    let has_place = item.item == number && usize::from(item.file) < files.len();
    if has_place && line.input.len() == columns.len() {
        return Ok(());
    }
    Err("the item does not belong here".to_owned())
}

/// Refuses an item that no plan of manifests holds.
fn check(item: &Item<'_>) -> Result<(), String> {
    let fields = match &item.change {
        Change::Create { body } => Some(body),
        Change::Update { set, .. } => Some(set),
        Change::Delete { .. } | Change::Unchanged { .. } => None,
        Change::Spared { .. } | Change::Error { .. } => return check_undo(item),
        Change::Stale { .. } => return Err("a plan is not stale when it is saved".to_owned()),
    };
    if item.reviewed.is_none() {
        return Err("the item has no reading".to_owned());
    }
    if let Some(wire) = fields.and_then(|fields| unknown_field(item.resource, fields)) {
        return Err(format!(
            "{} has no field {wire:?}",
            item.resource.indefinite()
        ));
    }
    check_undo(item)
}

fn check_undo(item: &Item<'_>) -> Result<(), String> {
    match item.undo {
        None => Ok(()),
        Some(_) => Err("an undo cannot be saved".to_owned()),
    }
}

/// Returns a field that no manifest can name, or whose references are no ids.
fn unknown_field<'f>(kind: Kind, fields: &'f Fields<'_>) -> Option<&'f str> {
    let is_known = |wire: &str| {
        let mut columns = kind.columns().iter();
        columns.any(|column| column.wires().contains(&wire))
    };
    let are_ids = |value: &FieldValue<'_>| match value {
        FieldValue::Refs(refs) => refs.iter().all(|one| Id::parse(&one.id).is_some()),
        FieldValue::Flag(_) | FieldValue::Text(_) => true,
    };
    let mut fields = fields.0.iter();
    let unknown = fields.find(|(wire, value)| !is_known(wire) || !are_ids(value));
    unknown.map(|(wire, _)| &**wire)
}

/// Returns the scope of an item, and those of the kinds to which its kind refers.
fn scopes_of(item: &Item<'_>) -> impl Iterator<Item = Scope> {
    let microtenant = item.microtenant.clone();
    let refers = matches!(item.change, Change::Create { .. } | Change::Update { .. });
    let targets = item.resource.targets().filter(move |_| refers);
    let targets = targets.map(move |kind| Scope::of(kind, microtenant.clone()));
    std::iter::once(item.scope()).chain(targets)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn head(files: &[&str]) -> SavedHead {
        SavedHead {
            format: PLAN_FORMAT,
            tool: String::new(),
            saved: String::new(),
            tenant: "7".to_owned(),
            settings: Value::Null,
            reading: Map::new(),
            manifests: Vec::new(),
            origin: Origin {
                files: files.iter().map(|file| (*file).to_owned()).collect(),
                columns: vec!["name".to_owned()],
                ..Origin::default()
            },
        }
    }

    fn item(members: &Value) -> Item<'static> {
        let mut item = json!({
            "item": 0, "file": 0, "row": 2, "resource": "portal-link", "key": "Wiki", "reviewed": {},
            "op": "create", "body": {"name": "Wiki", "userPortals": [{"id": "7"}]},
        });
        let all = item.as_object_mut().unwrap();
        all.extend(members.as_object().unwrap().clone());
        serde_json::from_value(item).unwrap()
    }

    /// Saves a plan of that item, and opens it.
    fn opened(item: &Item<'_>, files: &[&str]) -> Result<SavedPlan, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("links.plan");
        let mut writer = SavedPlanWriter::create(&path, &head(files)).unwrap();
        assert!(!path.exists(), "nothing is there before it is whole");
        writer.push(item, &["Wiki"]).unwrap();
        writer.finish(None).unwrap();
        assert!(is_saved_plan(&path));
        SavedPlan::opened(&path, 1 << 20)
    }

    #[test]
    fn a_saved_item_is_read_back_as_it_was() {
        let saved = item(&json!({}));
        let plan = opened(&saved, &["links.csv"]).unwrap();
        let mut read = Vec::new();
        let each = plan.each(|line| {
            read.push(line.item);
            Ok::<(), RunError>(())
        });
        each.unwrap();
        assert_eq!(read, [saved]);
        assert_eq!(plan.scopes().len(), 2, "links and portals");
    }

    #[test]
    fn what_no_plan_of_manifests_holds_is_refused() {
        for (members, why) in [
            (json!({"reviewed": null}), "the item has no reading"),
            (json!({"item": 1}), "the item does not belong here"),
            (json!({"file": 1}), "the item does not belong here"),
            (json!({"undo": {}}), "an undo cannot be saved"),
            (json!({"body": {"id": "1"}}), "has no field \"id\""),
            (
                json!({"body": {"userPortals": [{"id": "../1"}]}}),
                "has no field \"userPortals\"",
            ),
            (
                json!({"op": "stale", "failure": {"message": "x"}}),
                "a plan is not stale when it is saved",
            ),
        ] {
            let refused = opened(&item(&members), &["links.csv"]).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        assert!(opened(&item(&json!({})), &[]).is_err(), "no such manifest");
    }
}
