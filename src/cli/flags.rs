//! Flags that several verbs share.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Zoned};

use super::settings::{ChangeWindow, Settings, duration, size};
use crate::clock::monotonic;
use crate::engine::Bounds;
use crate::manifest::{Assignment, Delimiter, Reading, TextEncoding};
use crate::ops::{Error, Manifests};
use crate::plan::Share;
use crate::resource::{Action, Kind};

const OUTPUT: &str = "Output";
const TENANT: &str = "Tenant";
const STOPPING: &str = "Stopping early";
const GUARDS: &str = "Guards";

/// The flags for messages: their number and their form.
#[derive(Debug, Default, Args)]
pub(super) struct Output {
    /// Say less: no progress, no summary
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = OUTPUT)]
    pub(super) quiet: bool,
    /// Say more; -vv shows every call. `ZPA_BULK_LOG` takes a filter like `zpa_bulk=debug`
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = OUTPUT)]
    pub(super) verbose: u8,
    /// Use no colours (also: `NO_COLOR`)
    #[arg(long, global = true, help_heading = OUTPUT)]
    pub(super) no_color: bool,
}

/// The flags for the tenant, the way to it, and the engine. Secrets come from the environment, files or commands, never
/// from flags.
#[derive(Clone, Debug, Args)]
pub(super) struct TenantArgs {
    /// Use a simulated tenant on this machine, which is new each time
    #[arg(long, help_heading = TENANT)]
    pub(super) simulate: bool,
    /// Behaviour of the simulated tenant, a TOML file
    #[arg(long, value_name = "FILE", requires = "simulate", help_heading = TENANT)]
    pub(super) scenario: Option<PathBuf>,
    /// Longest pause that the server may ask for. If it asks for a longer one, the command ends, and a run is parked:
    /// resume continues it
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1h", env = "ZPA_BULK_MAX_WAIT",
          help_heading = STOPPING)]
    pub(super) max_wait: Duration,
    #[command(flatten)]
    pub(super) settings: Settings,
}

impl TenantArgs {
    /// Returns the bounds of a command on the tenant.
    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            max_wait: self.max_wait,
            ..Bounds::default()
        }
    }
}

/// The flags of every verb that carries out a run.
#[derive(Debug, Args)]
pub(super) struct WorkArgs {
    #[command(flatten)]
    pub(super) runs: RunsDir,
    /// Form of the results. With xlsx, one workbook has a sheet for each of the CSV files
    #[arg(long, value_enum, default_value_t, env = "ZPA_BULK_RESULTS", help_heading = OUTPUT)]
    pub(super) results: ResultsForm,
    /// Write events for programs that follow the run, as JSON lines: to a file, to standard output with `-`, or to an
    /// open file descriptor with `fd:N`
    #[arg(long, value_name = "FILE|-|fd:N", env = "ZPA_BULK_EVENTS", help_heading = OUTPUT)]
    pub(super) events: Option<PathBuf>,
    /// Write the results as JUnit XML, where each row is a test case
    #[arg(long, value_name = "FILE", env = "ZPA_BULK_JUNIT", help_heading = OUTPUT)]
    pub(super) junit: Option<PathBuf>,
    /// Write numbers of the run as Prometheus text, like for a node exporter's collector of text files
    #[arg(long, value_name = "FILE", env = "ZPA_BULK_METRICS", help_heading = OUTPUT)]
    pub(super) metrics: Option<PathBuf>,
    #[command(flatten)]
    pub(super) json: JsonArg,
    #[command(flatten)]
    pub(super) stopping: StoppingArgs,
    #[command(flatten)]
    pub(super) tenant: TenantArgs,
}

/// The form of the results of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ResultsForm {
    /// Three CSV files
    #[default]
    Csv,
    /// The CSV files, and a workbook
    Xlsx,
}

/// The flag for a run that comes from elsewhere.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct TrustArg {
    /// Accept a run that was made by another user or on another machine, or that others can change. Of its settings,
    /// only those are used that slow the run down
    #[arg(long)]
    pub(super) trust_run: bool,
}

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct JsonArg {
    /// Print one JSON document on standard output. In the document of a run, `throttled` counts answers 429 and
    /// `unavailable` answers 503
    #[arg(long, help_heading = OUTPUT)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RunsDir {
    /// Directory of all runs [default: zpa-bulk-runs]
    #[arg(long, value_name = "DIR", env = "ZPA_BULK_RUNS_DIR")]
    pub(super) runs_dir: Option<PathBuf>,
}

/// The manifests, and the defaults for rows that leave something out.
#[derive(Debug, Args)]
pub(super) struct ManifestArgs {
    /// Manifests: workbooks, tables in text, or JSON, also compressed with gzip; `-` is standard input
    #[arg(required = true, num_args = 1..=1000, value_name = "MANIFEST")]
    pub(super) paths: Vec<PathBuf>,
    /// Refuse a manifest of more bytes than this
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "1GiB", env = "ZPA_BULK_MAX_MANIFEST")]
    pub(super) max_manifest: u64,
    /// Character between two cells, or `tab` [default: found out; a first row like `sep=;` is obeyed]
    #[arg(long, value_name = "CHAR", value_parser = Delimiter::parse, env = "ZPA_BULK_DELIMITER")]
    pub(super) delimiter: Option<Delimiter>,
    /// Encoding of text, like utf-8, utf-16le or windows-1252 [default: found out]
    #[arg(long, value_name = "NAME", value_parser = TextEncoding::parse, env = "ZPA_BULK_ENCODING")]
    pub(super) encoding: Option<TextEncoding>,
    /// Sheet of a workbook [default: the first one that is shown and whose header fits]
    #[arg(long, value_name = "NAME", env = "ZPA_BULK_SHEET")]
    pub(super) sheet: Option<String>,
    /// Read hidden rows, columns and sheets of a workbook too
    #[arg(long, env = "ZPA_BULK_INCLUDE_HIDDEN")]
    pub(super) include_hidden: bool,
    /// Title of a column, and the column that it stands for. May be given several times
    #[arg(long, value_name = "TITLE=COLUMN", value_parser = Assignment::parse)]
    pub(super) map: Vec<Assignment>,
    /// Column, and its value for rows that say nothing there. May be given several times
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = Assignment::parse)]
    pub(super) set: Vec<Assignment>,
    /// Maps and sets of the table `[layouts.NAME]` of the settings file
    #[arg(long, value_name = "NAME", env = "ZPA_BULK_LAYOUT")]
    pub(super) layout: Option<String>,
    /// Repair cells that would be refused: white space, quotes around addresses, invisible characters, and shortened
    /// booleans. Each is listed
    #[arg(long, env = "ZPA_BULK_FIX")]
    pub(super) fix: bool,
    /// Write the manifest as it is planned, with --fix repaired, to this file: .csv, .tsv, .jsonl, .json or .xlsx
    #[arg(long, value_name = "FILE")]
    pub(super) write_fixed: Option<PathBuf>,
    /// Kind of object for rows without a `resource` column [default: inferred from the columns]
    #[arg(long, value_parser = kind, env = "ZPA_BULK_RESOURCE")]
    pub(super) resource: Option<Kind>,
    /// Action for rows without an `action` column
    #[arg(long, value_enum, default_value_t, env = "ZPA_BULK_ACTION")]
    pub(super) action: Action,
}

impl ManifestArgs {
    /// Returns the manifests, with the maps and sets of the layout that they name.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) if there is no such layout, or if several manifests are to be
    /// written to one file.
    pub(super) fn with_layout(mut self, file: &Settings) -> Result<Manifests, Error> {
        if let Some(name) = &self.layout {
            let layout = file.layouts.get(name).ok_or_else(|| {
                Error::usage(format!("there is no layout {name:?}")).hint(
                    "a layout is a table [layouts.NAME] of the settings file that --config names",
                )
            })?;
            let parsed = |texts: &[String]| -> Result<Vec<Assignment>, Error> {
                let each = texts.iter().map(|text| {
                    Assignment::parse(text)
                        .map_err(|why| Error::usage(format!("layout {name:?}: {text:?}: {why}")))
                });
                each.collect()
            };
            // What was typed comes before what the layout says of the same column.
            self.map.extend(parsed(&layout.map)?);
            let mut set = parsed(&layout.set)?;
            set.append(&mut self.set);
            self.set = set;
        }
        if self.write_fixed.is_some() && self.paths.len() != 1 {
            return Err(Error::usage("--write-fixed takes one manifest"));
        }
        Ok(self.into())
    }
}

impl From<ManifestArgs> for Manifests {
    fn from(args: ManifestArgs) -> Self {
        Self {
            paths: args.paths,
            reading: Reading {
                largest: args.max_manifest,
                delimiter: args.delimiter,
                encoding: args.encoding,
                sheet: args.sheet,
                include_hidden: args.include_hidden,
                map: args.map,
                set: args.set,
                fix: args.fix,
                write_fixed: args.write_fixed,
            },
            resource: args.resource,
            action: args.action,
        }
    }
}

/// The conditions that park a run: it stops early, and `resume` continues it.
#[derive(Clone, Debug, Args)]
pub(super) struct StoppingArgs {
    /// Park the run after this time: start no more calls
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "ZPA_BULK_MAX_DURATION",
          help_heading = STOPPING)]
    pub(super) max_duration: Option<Duration>,
    /// Work only in these hours of local time, like 22:00-04:30, and park the run at their end
    #[arg(long, value_name = "HH:MM-HH:MM", env = "ZPA_BULK_WINDOW", help_heading = STOPPING)]
    pub(super) window: Option<ChangeWindow>,
    /// Park the run when this many items have failed, or this share of all items
    #[arg(long, value_name = "N|N%", env = "ZPA_BULK_HALT_ON_FAILURES", help_heading = STOPPING)]
    pub(super) halt_on_failures: Option<Share>,
}

impl StoppingArgs {
    /// Returns `bounds` with those of a run that begins `now`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) if `now` is outside the change window.
    pub(super) fn bounds(&self, bounds: Bounds, now: &Zoned) -> Result<Bounds, Error> {
        let window = self.window.map(|window| {
            window.left(now).ok_or_else(|| {
                let message = format!(
                    "it is {}, outside the change window {window}",
                    now.strftime("%R")
                );
                Error::usage(message).hint("nothing was sent")
            })
        });
        let window_end = window.transpose()?.and_then(|left| {
            let left = SignedDuration::try_from(left).ok()?;
            now.timestamp().checked_add(left).ok()
        });
        let deadline = self
            .max_duration
            .and_then(|left| monotonic().into_std().checked_add(left));
        Ok(Bounds {
            deadline,
            window_end,
            halt_on_failures: self.halt_on_failures,
            ..bounds
        })
    }
}

/// The guards on deletes.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct GuardArgs {
    /// Most deletes, as a number or as a share of all objects, like 20%. A plan with more is refused with exit code 8,
    /// and nothing is deleted [default: for connectors 10% or 25, whichever is smaller; for others no limit]
    #[arg(long, value_name = "N|N%", env = "ZPA_BULK_MAX_DELETES", help_heading = GUARDS)]
    pub(super) max_deletes: Option<Share>,
}

pub(super) fn kind(text: &str) -> Result<Kind, String> {
    Kind::from_name(text).ok_or_else(|| {
        let known: Vec<&str> = Kind::all().map(|kind| kind.name()).collect();
        format!("known are {}", known.join(", "))
    })
}
