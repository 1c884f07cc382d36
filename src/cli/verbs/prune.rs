//! `zpa-bulk prune connectors`: find stale app connectors and delete them.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use wildmatch::WildMatch;

use super::context::Context;
use crate::cli::flags::{GuardArgs, WorkArgs};
use crate::cli::settings::duration;
use crate::cli::settings::file::LARGEST;
use crate::cli::ui::{Terminal, Watcher, choice, exit, finish, output};
use crate::files::read_text_within;
use crate::manifest::OutputFormat;
use crate::ops::{Connect as _, Error, Tenant, counted, prune};
use crate::plan::prune::Criteria;
use crate::wire::Id;

#[derive(Debug, Args)]
#[command(disable_version_flag = true, before_help = EXAMPLES)]
pub(crate) struct PruneArgs {
    /// Kind of object to prune
    what: Prunable,
    #[command(flatten)]
    criteria: CriteriaArgs,
    /// Write the chosen connectors to a manifest for review, and delete nothing; `apply` deletes them later. `-` is
    /// standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Delete without asking. TENANT is the tenant's id, and must be the id of this tenant
    #[arg(long, value_name = "TENANT")]
    confirm: Option<String>,
    #[command(flatten)]
    guards: GuardArgs,
    #[command(flatten)]
    work: WorkArgs,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk prune connectors --disconnected-for 30d                 choose, show, ask, and delete
  zpa-bulk prune connectors --disconnected-for 30d -o stale.csv    write the choice for review
  zpa-bulk prune connectors --never-connected-for 90d --group Lab";

/// The kinds of object that can be pruned.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Prunable {
    /// App connectors that have lost contact
    Connectors,
}

const CHOICE: &str = "Choice";

/// The connectors that count as stale.
#[derive(Debug, Args)]
struct CriteriaArgs {
    /// Connectors that have been disconnected for at least this long, like 30d (units s, m, h, d, w)
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "ZPA_BULK_DISCONNECTED_FOR",
          help_heading = CHOICE)]
    disconnected_for: Option<Duration>,
    /// Connectors that were never connected and were enrolled at least this long ago
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "ZPA_BULK_NEVER_CONNECTED_FOR",
          help_heading = CHOICE)]
    never_connected_for: Option<Duration>,
    /// Only connectors of this group, by name or id; may be given several times
    #[arg(long, value_name = "NAME", help_heading = CHOICE)]
    group: Vec<String>,
    /// Only connectors whose name fits; * stands for any text, ? for one character
    #[arg(long, value_name = "GLOB", help_heading = CHOICE)]
    name: Option<String>,
    /// Only connectors whose version fits, like 24.*
    #[arg(long, value_name = "GLOB", help_heading = CHOICE)]
    version: Option<String>,
    /// Also choose connectors of groups in which no connector is connected. Such a group looks like an outage, so its
    /// connectors are spared by default
    #[arg(long, env = "ZPA_BULK_INCLUDE_DARK_GROUPS", help_heading = CHOICE)]
    include_dark_groups: bool,
    /// Connector to keep: a name, an id, or a file with a name or an id on each line; may be given several times
    #[arg(long, value_name = "FILE|NAME", env = "ZPA_BULK_PROTECT", help_heading = CHOICE)]
    protect: Vec<String>,
}

pub(crate) async fn run(args: PruneArgs, context: Context<'_>) -> Result<u8, Error> {
    let terminal = context.terminal;
    let watcher = Watcher::new(terminal);
    let session = context.session(&watcher);
    let Prunable::Connectors = args.what;
    let runs = context.runs_dir(&args.work.runs);
    let mut connector = context
        .work_connector(&args.work)?
        .max_deletes(args.guards.max_deletes);
    let mut tenant = connector.connect(None, session.stop.clone()).await?;
    let keep_per_group = tenant.guards.keep_per_group;
    let criteria = criteria(&args.criteria, keep_per_group, prune::microtenant(&tenant))?;
    let json = args.work.json;
    if let Some(path) = &args.output {
        write_choice(path, &criteria, &mut tenant, json.json, terminal).await?;
        return Ok(exit::SUCCESS);
    }
    let ended = prune::prune(&runs, criteria, args.confirm, &mut tenant, &session).await;
    match ended {
        Ok(Some(ended)) => finish(&ended, &args.work, terminal),
        Ok(None) => {
            watcher.show_choice(json)?;
            Ok(exit::SUCCESS)
        }
        Err(error) => {
            watcher.show_choice(json)?;
            Err(error)
        }
    }
}

/// Writes the choice as a manifest that `apply` takes.
async fn write_choice(
    path: &Path,
    criteria: &Criteria,
    tenant: &mut Tenant,
    json: bool,
    terminal: &Terminal,
) -> Result<(), Error> {
    let microtenant = prune::microtenant(tenant);
    let shown = prune::choose(criteria, tenant, |chosen, connectors| {
        terminal.say_lines(&choice::lines(chosen, connectors));
        let manifest = prune::manifest(chosen, &microtenant)
            .map_err(|error| Error::unexpected("the choice cannot be written", &error))?;
        if path == Path::new("-") {
            return terminal.manifest(manifest.as_bytes(), OutputFormat::Csv);
        }
        output::write(path, manifest.as_bytes())?;
        if json {
            terminal.json(&choice::document(chosen))?;
        }
        let rows = counted(chosen.delete.len() as u64, "row", "rows");
        terminal.say(&format!("{rows} written to {}", path.display()));
        Ok(())
    });
    shown.await?
}

fn criteria(args: &CriteriaArgs, keep_per_group: u32, microtenant: Id) -> Result<Criteria, Error> {
    if args.disconnected_for.is_none() && args.never_connected_for.is_none() {
        return Err(Error::usage("no option says which connectors are stale")
            .hint("give --disconnected-for 30d, --never-connected-for 30d, or both"));
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

/// Returns the names and ids of connectors to keep. A value that is the path of a file stands for the lines of the
/// file.
fn protected(given: &[String]) -> Result<HashSet<String>, Error> {
    let mut protected = HashSet::new();
    for one in given {
        if !Path::new(one).is_file() {
            protected.insert(one.clone());
            continue;
        }
        let text = File::open(one).and_then(|file| read_text_within(file, LARGEST));
        let text = text.map_err(|error| Error::usage(format!("{one}: {error}")))?;
        let lines = text.lines().map(str::trim);
        protected.extend(
            lines
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(str::to_owned),
        );
    }
    Ok(protected)
}
