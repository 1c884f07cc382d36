//! `zpa-bulk prune connectors`: choose what is left over, show it, ask, delete.
//!
//! The choice becomes a manifest, and that is carried out like any other: what is chosen now and what is
//! applied after a review go the same way and meet the same checks.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use wildmatch::WildMatch;

use super::apply::{Order, Session, carry_out, plan_into};
use super::args::{CriteriaArgs, PruneArgs};
use super::config::Config;
use super::error::{CliError, exit};
use super::output;
use super::plan::snapshot;
use super::tenant::Tenant;
use super::terminal::Terminal;
use crate::manifest::CsvWriter;
use crate::plan::prune::{Candidate, Choice, Criteria, choose, group_name, name};
use crate::plan::{Defaults, Snapshot};
use crate::resource::connector::CONDITION_COLUMN;
use crate::resource::{Kind, Scope};
use crate::run::{self, RunDirectory, RunName};
use crate::wire::{Id, Object};

/// What the manifest of a choice is called in messages and reports.
const MANIFEST: &str = "prune connectors";

/// How many spared connectors are shown.
const SHOWN: usize = 50;

pub(super) async fn run(
    args: PruneArgs,
    config: Config,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    let session = Session::begin(terminal);
    let runs = config.runs_dir(args.work.runs.runs_dir.as_deref());
    let mut tenant = session.connect(&args.work, config).await?;
    let guards = tenant.config.guards(args.guards.max_deletes);
    let microtenant = microtenant(&tenant);
    let criteria = criteria(&args.criteria, guards.keep_per_group, microtenant.clone())?;
    let scope = Scope::of(Kind::connector(), Some(microtenant.clone()));
    // What is not seen whole is not judged: nothing is deleted.
    let snapshot = snapshot(&mut tenant, vec![scope.clone()], exit::GUARD).await?;
    let connectors = snapshot.objects(&scope);
    refuse_unmatched(&criteria, connectors)?;
    let choice = choose(connectors, &criteria, Timestamp::now());
    terminal.say(&described(&choice, connectors.len()));
    if let Some(path) = &args.output {
        if path == Path::new("-") {
            terminal.result(&manifest(&choice, &microtenant).map_err(|e| unwritable(&e))?)?;
            return Ok(exit::SUCCESS);
        }
        write_manifest(path, &choice, &microtenant)?;
        if args.work.json {
            terminal.json(&Document::new(&choice))?;
        }
        let count = choice.delete.len();
        terminal.say(&format!("{count} rows written to {}", path.display()));
        return Ok(exit::SUCCESS);
    }
    if choice.delete.is_empty() {
        if args.work.json {
            terminal.json(&Document::new(&choice))?;
        }
        return Ok(exit::SUCCESS);
    }
    delete(&args, &choice, &snapshot, &runs, &mut tenant, &session).await
}

async fn delete(
    args: &PruneArgs,
    choice: &Choice<'_>,
    snapshot: &Snapshot,
    runs: &Path,
    tenant: &mut Tenant,
    session: &Session<'_>,
) -> Result<u8, CliError> {
    let terminal = session.terminal;
    let chosen = tempfile::Builder::new().suffix(".csv").tempfile();
    let chosen = chosen.map_err(|e| unwritable(&e))?;
    let microtenant = microtenant(tenant);
    write_manifest(chosen.path(), choice, &microtenant)?;
    let defaults = Defaults {
        microtenant: Some(microtenant),
        ..Defaults::default()
    };
    let manifest = (chosen.path().to_owned(), MANIFEST.to_owned());
    let rows = run::check_named(&[manifest], defaults)?;
    let now = Timestamp::now();
    let directory = RunDirectory::create(runs, RunName::new(now))?;
    let order = Order {
        origin: rows.origin(),
        rows: &rows,
        live: snapshot,
        guards: tenant.config.guards(args.guards.max_deletes),
    };
    let planned = plan_into(&directory, &order, tenant);
    let confirmed = match planned {
        Ok((header, _)) => confirmed(args, choice.delete.len(), tenant, session)
            .await
            .map(|()| header),
        Err(error) => Err(error),
    };
    match confirmed {
        Ok(header) => {
            let run = run::start(directory, header, now)?;
            carry_out(run, tenant, args.work.json, session).await
        }
        Err(error) => {
            directory.discard();
            if args.work.json {
                terminal.json(&Document::new(choice))?;
            }
            Err(error)
        }
    }
}

/// Whether the user means it, and this tenant.
async fn confirmed(
    args: &PruneArgs,
    count: usize,
    tenant: &Tenant,
    session: &Session<'_>,
) -> Result<(), CliError> {
    let (terminal, mut stop) = (session.terminal, session.stop.clone());
    let own = &tenant.connection.customer;
    let refused = |message: String| {
        CliError::usage(message).hint(format!(
            "--confirm={own} deletes without asking; -o FILE writes the choice for review"
        ))
    };
    let question = format!(
        "To delete {count} app connectors, which must then be enrolled again, type the tenant's id ({own}):"
    );
    let answer = if let Some(confirm) = &args.confirm {
        Some(confirm.clone())
    } else {
        tokio::select! {
            answer = terminal.ask_for(&question) => answer,
            _ = stop.wait_for(|stop| *stop) => None,
        }
    };
    match answer {
        Some(answer) if answer == *own => Ok(()),
        Some(answer) => Err(refused(format!(
            "nothing was deleted: {answer:?} is not this tenant's id, {own}"
        ))),
        None => Err(refused("nothing was deleted".to_owned())),
    }
}

/// The microtenant whose connectors are meant, by name also where it is the Default one: the choice may be applied
/// where another is set.
fn microtenant(tenant: &Tenant) -> Id {
    tenant.microtenant().unwrap_or_else(|| Id::new("0"))
}

fn criteria(
    args: &CriteriaArgs,
    keep_per_group: u32,
    microtenant: Id,
) -> Result<Criteria, CliError> {
    if args.disconnected_for.is_none() && args.never_connected_for.is_none() {
        return Err(
            CliError::usage("it is not said which connectors are left over")
                .hint("--disconnected-for 30d, --never-connected-for 30d, or both"),
        );
    }
    let span = |duration: Option<Duration>| {
        duration.map(|d| SignedDuration::try_from(d).unwrap_or(SignedDuration::MAX))
    };
    let glob = |text: &Option<String>| text.as_deref().map(WildMatch::new_case_insensitive);
    Ok(Criteria {
        disconnected_for: span(args.disconnected_for),
        never_connected_for: span(args.never_connected_for),
        groups: args.group.clone(),
        name: glob(&args.name),
        version: glob(&args.version),
        include_dark_groups: args.include_dark_groups,
        keep_per_group,
        protected: protected(&args.protect)?,
        microtenant: Some(microtenant),
    })
}

/// Refuses a group, or a connector to be protected, that is not there: a name that is spelt wrong would protect
/// nothing.
fn refuse_unmatched(criteria: &Criteria, connectors: &[Object]) -> Result<(), CliError> {
    let unmatched = criteria.unmatched(connectors);
    if unmatched.is_empty() {
        return Ok(());
    }
    Err(CliError {
        messages: unmatched,
        hint: Some("nothing was deleted; names are compared without regard to case".to_owned()),
        code: exit::USAGE,
    })
}

/// Names and ids, one by one or from files with one on each line.
fn protected(given: &[String]) -> Result<HashSet<String>, CliError> {
    let mut protected = HashSet::new();
    for one in given {
        if !Path::new(one).is_file() {
            protected.insert(one.clone());
            continue;
        }
        let text = std::fs::read_to_string(one)
            .map_err(|error| CliError::usage(format!("{one}: {error}")))?;
        let lines = text.lines().map(str::trim);
        protected.extend(
            lines
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(str::to_owned),
        );
    }
    Ok(protected)
}

/// Writes the choice as a manifest that `apply` takes.
fn write_manifest(path: &Path, choice: &Choice<'_>, microtenant: &Id) -> Result<(), CliError> {
    let text = manifest(choice, microtenant).map_err(|e| unwritable(&e))?;
    output::replace(path, text.as_bytes())
        .map_err(|error| CliError::usage(format!("{}: {error}", path.display())))
}

fn unwritable(error: &io::Error) -> CliError {
    CliError::unexpected("the choice cannot be written down", error)
}

fn manifest(choice: &Choice<'_>, microtenant: &Id) -> io::Result<String> {
    let mut writer = CsvWriter::new(Vec::new());
    let header = [
        "resource",
        "action",
        "id",
        "name",
        "group",
        CONDITION_COLUMN,
        "microtenant",
    ];
    writer.row(header)?;
    let kind = Kind::connector();
    for one in &choice.delete {
        let (name, group) = (name(one.connector), group_name(one.connector));
        let row = [
            kind.name(),
            "delete",
            one.id.as_str(),
            &name,
            &group,
            &one.condition,
            microtenant.as_str(),
        ];
        writer.row(row)?;
    }
    String::from_utf8(writer.finish()?).map_err(io::Error::other)
}

fn described(choice: &Choice<'_>, connectors: usize) -> String {
    let mut text = String::new();
    for one in &choice.delete {
        text.push_str(&format!("- {}: {}\n", title(one), one.why));
    }
    for one in choice.spared.iter().take(SHOWN) {
        text.push_str(&format!("= {} is spared: {}\n", title(one), one.why));
    }
    let more = choice.spared.len().saturating_sub(SHOWN);
    if more > 0 {
        text.push_str(&format!(
            "… and {more} more are spared; --json names them\n"
        ));
    }
    text.push_str(&format!(
        "{} of {connectors} app connectors are to be deleted, {} are spared",
        choice.delete.len(),
        choice.spared.len()
    ));
    if !choice.delete.is_empty() {
        text.push_str(
            "\na connector that is deleted must be enrolled again with a provisioning key",
        );
    }
    text
}

fn title(one: &Candidate<'_>) -> String {
    let (name, group) = (name(one.connector), group_name(one.connector));
    format!("{name:?} ({}) of group {group:?}", one.id)
}

/// A choice as data.
#[derive(Serialize)]
struct Document<'c> {
    format: u32,
    delete: Vec<Row<'c>>,
    spared: Vec<Row<'c>>,
}

#[derive(Serialize)]
struct Row<'c> {
    id: &'c Id,
    name: String,
    group: String,
    why: &'c str,
    connector: &'c Object,
}

impl<'c> Document<'c> {
    fn new(choice: &'c Choice<'_>) -> Self {
        let rows = |candidates: &'c [Candidate<'_>]| candidates.iter().map(Row::new).collect();
        Self {
            format: 1,
            delete: rows(&choice.delete),
            spared: rows(&choice.spared),
        }
    }
}

impl<'c> Row<'c> {
    fn new(one: &'c Candidate<'_>) -> Self {
        Self {
            id: &one.id,
            name: name(one.connector).into_owned(),
            group: group_name(one.connector).into_owned(),
            why: &one.why,
            connector: one.connector,
        }
    }
}
