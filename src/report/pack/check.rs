//! The check of a pack: its sums, and its parts against one another.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::html::RunPage;
use super::super::verify::{Counted, Findings, Verification};
use super::archive::{self, PackError};
use super::list::{PROGRAM, PackList, PackedFile, PackedManifest};
use super::members::{LIST, MADE, made};
use super::unpack::{PACK, Unpacking};
use crate::files::sha256;
use crate::journal;
use crate::run::{RunDirectory, RunError, RunState};
use crate::text::chain;

/// The findings of a check.
#[derive(Debug)]
pub struct CheckedPack {
    /// The list of what is in the pack; `None` if it cannot be read.
    pub list: Option<PackList>,
    /// The run as it was unpacked; `None` if its plan or its journal cannot be used.
    pub run: Option<RunState>,
    /// The rows of the result files; `None` while these are not written.
    pub rows: Option<Counted>,
    /// Every sign that the pack was altered.
    pub findings: Findings,
}

/// Checks a pack, without the tenant. The files of its run are unpacked into the directory `into`, which is empty.
///
/// # Errors
/// [`PackError`] for a pack that is refused unread.
pub fn check_pack(pack: &[u8], into: &Path) -> Result<CheckedPack, PackError> {
    let mut archive = archive::open(pack)?;
    let mut findings = Findings::default();
    if let Some((claimed, found)) = archive::sums(pack).filter(|(claimed, found)| claimed != found)
    {
        let claimed = format!("its SHA-256 was {claimed} when it was written");
        findings.add_of_file(PACK, claimed, found);
    }
    let mut unpacking = Unpacking::new(into, archive::room(pack.len()));
    unpacking.all(&mut archive, &mut findings)?;
    let list = unpacking.read_list(&mut findings)?;
    if let Some(list) = &list {
        compare_sums(list, &unpacking.members, &mut findings);
    }
    let mut checked = CheckedPack {
        list,
        run: None,
        rows: None,
        findings,
    };
    if let Err(error) = checked.check_run(into, &unpacking.members) {
        let at = match &error {
            RunError::Journal(_) => journal::FILE_NAME,
            _ => "plan.jsonl",
        };
        // The directory is a temporary one.
        let found = chain(&error).replace(&format!("{}/", into.display()), "");
        checked
            .findings
            .add_of_file(at, "it is that of a run", found);
    }
    Ok(checked)
}

fn compare_sums(list: &PackList, members: &BTreeMap<String, PackedFile>, findings: &mut Findings) {
    for file in &list.files {
        match members.get(&file.name) {
            Some(member) if member == file => {}
            Some(member) => findings.add_of_file(
                LIST,
                format!("{} has the SHA-256 {}", file.name, file.sha256),
                member.sha256.clone(),
            ),
            None => {
                let claimed = format!("{} is in the pack", file.name);
                findings.add_of_file(LIST, claimed, "it is missing");
            }
        }
    }
    let listed = |name: &str| name == LIST || list.files.iter().any(|file| file.name == name);
    for name in members.keys().filter(|name| !listed(name)) {
        findings.add_of_file(LIST, "it lists all members", format!("{name} is not in it"));
    }
}

impl CheckedPack {
    /// Compares the parts of the run with one another.
    fn check_run(
        &mut self,
        directory: &Path,
        members: &BTreeMap<String, PackedFile>,
    ) -> Result<(), RunError> {
        let run = RunState::read(RunDirectory::open(directory)?)?;
        let verification = Verification::new(&run)?;
        self.rows = verification
            .files(&mut self.findings)
            .map_err(|source| run.directory.unreadable(source))?;
        drop(verification);
        if let Some(list) = self.list.take() {
            self.compare_list(&list, &run, members);
            self.list = Some(list);
        }
        self.compare_made(&run, members)?;
        self.run = Some(run);
        Ok(())
    }

    fn compare_list(
        &mut self,
        list: &PackList,
        run: &RunState,
        members: &BTreeMap<String, PackedFile>,
    ) {
        let header = &run.header;
        for (what, claimed, found) in [
            ("run", &list.run, &header.run),
            ("tenant", &list.tenant, &header.tenant),
            ("version of the run", &list.run_by, &header.tool),
        ] {
            if claimed != found {
                let found = format!("by the journal it is {found:?}");
                let claimed = format!("the {what} is {claimed:?}");
                self.findings.add_of_file(LIST, claimed, found);
            }
        }
        let listed = list.manifests.iter().map(|manifest| PackedManifest {
            member: None,
            left_out: None,
            ..manifest.clone()
        });
        if !listed.eq(PackedManifest::all_of(run.plan.origin())) {
            let found = "the plan names others";
            self.findings
                .add_of_file(LIST, "these are the manifests", found);
        }
        for manifest in &list.manifests {
            let Some(name) = &manifest.member else {
                continue;
            };
            let found = members.get(name).map(|member| &member.sha256);
            if found != manifest.sha256.as_ref() {
                let claimed = format!("{name} is the manifest {:?}", manifest.name);
                let found = found.map_or("it is missing", String::as_str);
                self.findings.add_of_file(LIST, claimed, found);
            }
        }
    }

    /// Makes the members anew that follow from the run, and compares them. Another version may make another page.
    fn compare_made(
        &mut self,
        run: &RunState,
        members: &BTreeMap<String, PackedFile>,
    ) -> Result<(), RunError> {
        let is_own = self
            .list
            .as_ref()
            .is_some_and(|list| list.packed_by == PROGRAM);
        let page = RunPage {
            directory: run.directory.path(),
            named: Path::new(&run.header.run),
            plan: &run.plan,
            header: &run.header,
            ledger: &run.ledger,
            written: run.last,
        };
        for (name, content) in MADE.into_iter().zip(made(&page)?) {
            let found = match members.get(name) {
                None => "it is missing",
                Some(member) if is_own && member.sha256 != sha256(&content) => "it is another",
                Some(_) => continue,
            };
            let claimed = "it follows from the plan and the journal";
            self.findings.add_of_file(name, claimed, found);
        }
        Ok(())
    }
}
