//! What can be typed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use jiff::Zoned;

use super::error::CliError;
use super::window::ChangeWindow;
use crate::engine::Bounds;
use crate::manifest::Format;
use crate::pacer::{Burst, Margin, Pace, QuotaScope, parse_duration};
use crate::plan::{Filter, Share};
use crate::resource::Action;
use crate::resource::Kind;

/// Bulk operations on Zscaler Private Access, inside its rate limit and resumable.
#[derive(Debug, Parser)]
#[command(name = "zpa-bulk", version, propagate_version = true, after_help = AFTER_HELP)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) verb: Verb,
    /// Settings, a TOML file; see samples/zpa-bulk.toml
    #[arg(long, value_name = "FILE", env = "ZPA_BULK_CONFIG", global = true)]
    pub(super) config: Option<PathBuf>,
    /// The settings of one tenant, a table `[profiles.NAME]` of that file
    #[arg(long, value_name = "NAME", env = "ZPA_BULK_PROFILE", global = true)]
    pub(super) profile: Option<String>,
    #[command(flatten)]
    pub(super) output: Output,
}

const AFTER_HELP: &str = "\
Settings: flags go over environment variables, those over the profile, that over the rest of the settings file. If none \
of them names a client, ~/.zscaler/zscaler.yaml of Zscaler's own tools is read. zpa-bulk doctor shows what comes from where.

Exit codes: 0 everything settled; 1 unexpected; 2 usage or settings; 3 manifest invalid, nothing sent; \
4 finished, some items failed, or not as a run says (verify); 5 stopped early, resumable; 6 credentials refused; 7 run refused: its journal or plan; \
8 stopped by a guard, nothing deleted; 130 interrupted twice

Try it with no tenant: zpa-bulk apply samples/portal-links.csv --simulate --yes";

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Read and check manifests, compare them with the tenant, show what would change; writes nothing
    Plan(PlanArgs),
    /// Plan, ask, and carry out
    Apply(ApplyArgs),
    /// Choose connectors that are left over, show them, ask, and delete them
    Prune(PruneArgs),
    /// Write live state as a manifest that changes nothing when it is applied; changes nothing itself
    Export(ExportArgs),
    /// Show one object as the API answers it
    Show(ShowArgs),
    /// Go on where a run stopped
    Resume(ResumeArgs),
    /// Plan, ask, and carry out in a new run what failed in another
    Retry(RetryArgs),
    /// Check that a run did what it says: its files, and every success on the tenant; changes nothing
    Verify(VerifyArgs),
    /// Take back what a run did, as far as nobody has changed it since: plan, ask, and carry out
    Undo(UndoArgs),
    /// Show where a run stands
    Status(StatusArgs),
    /// List the runs
    Runs(RunsArgs),
    /// Look after the journal of a run
    Journal(JournalArgs),
    /// Check settings, sign-in, clock, reachability, permissions and quotas; changes nothing
    Doctor(DoctorArgs),
    /// Serve a simulated tenant on loopback
    Simulate(SimulateArgs),
}

/// Which settings were typed, and which came from a variable of their own: the flag or the variable by the setting's
/// name.
#[derive(Debug, Default)]
pub(super) struct Typed(BTreeMap<String, String>);

impl Typed {
    /// What the matched arguments say of the verb's own flags.
    pub(super) fn of(matches: &ArgMatches) -> Self {
        let cli = Cli::command();
        let Some((verb, matches)) = matches.subcommand() else {
            return Self::default();
        };
        let arguments = cli
            .find_subcommand(verb)
            .into_iter()
            .flat_map(clap::Command::get_arguments);
        let typed = arguments.filter_map(|argument| {
            let id = argument.get_id().as_str();
            let place = match matches
                .try_contains_id(id)
                .ok()
                .and(matches.value_source(id))?
            {
                ValueSource::CommandLine => format!("--{}", argument.get_long()?),
                ValueSource::EnvVariable => argument.get_env()?.to_str()?.to_owned(),
                _ => return None,
            };
            Some((id.to_owned(), place))
        });
        Self(typed.collect())
    }

    /// The flag or variable that a setting came from, if it did.
    pub(super) fn place_of(&self, setting: &str) -> Option<&str> {
        // The one flag that is shorter than its setting.
        let flag = match setting {
            "microtenant_id" => "microtenant",
            other => other,
        };
        self.0.get(flag).map(String::as_str)
    }
}

/// How much is said, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct Output {
    /// Say less: no progress, no summary
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Say more; -vv shows every call. `ZPA_BULK_LOG` takes a filter like `zpa_bulk=debug`
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// No colours (also: `NO_COLOR`)
    #[arg(long, global = true)]
    pub(super) no_color: bool,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) manifests: Manifests,
    #[command(flatten)]
    pub(super) tenant: TenantArgs,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
    #[command(flatten)]
    pub(super) guards: GuardArgs,
    /// One JSON document on standard output
    #[arg(long)]
    pub(super) json: bool,
    /// Show every row, however many there are
    #[arg(long)]
    pub(super) full: bool,
}

/// What every verb takes that carries out a run.
#[derive(Debug, Args)]
pub(super) struct WorkArgs {
    #[command(flatten)]
    pub(super) tenant: TenantArgs,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
    #[command(flatten)]
    pub(super) stopping: StoppingArgs,
    #[command(flatten)]
    pub(super) runs: RunsDir,
    /// One JSON document on standard output; in that of a run, `throttled` counts answers 429 and `unavailable` 503s
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    pub(super) manifests: Manifests,
    #[command(flatten)]
    pub(super) guards: GuardArgs,
    /// Do not ask
    #[arg(short, long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) work: WorkArgs,
}

#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(super) struct PruneArgs {
    /// What is pruned
    pub(super) what: Prunable,
    #[command(flatten)]
    pub(super) criteria: CriteriaArgs,
    #[command(flatten)]
    pub(super) guards: GuardArgs,
    /// Write the choice as a manifest for review, and delete nothing; `apply` carries it out later. `-` is standard
    /// output
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Delete without asking; the tenant's id, so that the right one is meant
    #[arg(long, value_name = "TENANT")]
    pub(super) confirm: Option<String>,
    #[command(flatten)]
    pub(super) work: WorkArgs,
}

/// What can be pruned.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Prunable {
    /// App connectors that have lost contact
    Connectors,
}

/// Which connectors are left over.
#[derive(Debug, Args)]
#[command(next_help_heading = "Choice")]
pub(super) struct CriteriaArgs {
    /// Those that are disconnected for at least this long, like 30d (units s, m, h, d, w)
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "ZPA_BULK_DISCONNECTED_FOR")]
    pub(super) disconnected_for: Option<Duration>,
    /// Those that were never connected and were enrolled at least this long ago
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "ZPA_BULK_NEVER_CONNECTED_FOR")]
    pub(super) never_connected_for: Option<Duration>,
    /// Only of this group, by name or id; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(super) group: Vec<String>,
    /// Only those with such a name; * stands for any text, ? for one character
    #[arg(long, value_name = "GLOB")]
    pub(super) name: Option<String>,
    /// Only those of such a version, like 24.*
    #[arg(long, value_name = "GLOB")]
    pub(super) version: Option<String>,
    /// Also in groups of which no connector is connected: that looks like an outage, so they are spared
    /// unless asked for
    #[arg(long, env = "ZPA_BULK_INCLUDE_DARK_GROUPS")]
    pub(super) include_dark_groups: bool,
    /// This one stays: a name, an id, or a file with one of them on each line; may be given several times
    #[arg(long, value_name = "FILE|NAME", env = "ZPA_BULK_PROTECT")]
    pub(super) protect: Vec<String>,
}

/// What parks a run before it has come to its end. It is then resumed like any other.
#[derive(Debug, Args)]
#[command(next_help_heading = "Stopping early")]
pub(super) struct StoppingArgs {
    /// Park the run when the server asks for a longer pause than this [default: wait as long as it asks]
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "ZPA_BULK_MAX_WAIT")]
    pub(super) max_wait: Option<Duration>,
    /// Start nothing more after this time, and park the run
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "ZPA_BULK_MAX_DURATION")]
    pub(super) max_duration: Option<Duration>,
    /// Work only within these hours, in local time, and park the run at their end, like 22:00-04:30
    #[arg(long, value_name = "HH:MM-HH:MM", env = "ZPA_BULK_WINDOW")]
    pub(super) window: Option<ChangeWindow>,
    /// Park the run when so many items have failed, or such a share of all
    #[arg(long, value_name = "N|N%", env = "ZPA_BULK_HALT_ON_FAILURES")]
    pub(super) halt_on_failures: Option<Share>,
}

impl StoppingArgs {
    /// What they mean for a command that begins `now`.
    pub(super) fn bounds(&self, now: &Zoned) -> Result<Bounds, CliError> {
        let window = self.window.map(|window| {
            window.left(now).ok_or_else(|| {
                let message = format!(
                    "it is {}, outside the change window {window}",
                    now.strftime("%R")
                );
                CliError::usage(message).hint("nothing was sent")
            })
        });
        let left = self
            .max_duration
            .into_iter()
            .chain(window.transpose()?)
            .min();
        Ok(Bounds {
            max_wait: self.max_wait,
            deadline: left.and_then(|left| Instant::now().checked_add(left)),
            halt_on_failures: self.halt_on_failures,
        })
    }
}

/// What stands between a plan and its deletes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Guards")]
pub(super) struct GuardArgs {
    /// The most deletes, as a number or as a share of what there is, like 20%; more stop the command with exit
    /// code 8 before anything is deleted [default: for connectors 10% or 25, whichever is smaller; else any]
    #[arg(long, value_name = "N|N%", env = "ZPA_BULK_MAX_DELETES")]
    pub(super) max_deletes: Option<Share>,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// What is exported: portal-link, user-portal, connector, domain or connector-schedule
    #[arg(value_parser = kind)]
    pub(super) resource: Kind,
    /// Where to; `-` is standard output. The file is written whole or not at all, and only you can read it
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// The form [default: what FILE's name ends in, else csv]
    #[arg(long, value_enum)]
    pub(super) format: Option<FormatName>,
    /// Only objects of which this holds: FIELD=VALUE, FIELD!=VALUE, FIELD~GLOB (* stands for any text, ? for one
    /// character), "FIELD older-than 30d" or "FIELD younger-than 30d" (units s, m, h, d, w). FIELD is a column or a
    /// field of the API, like name, status (connected or disconnected) or `modifiedTime`. May be given several times;
    /// then all must hold
    #[arg(long = "where", value_name = "EXPR")]
    pub(super) filters: Vec<Filter>,
    /// Only these columns, separated by commas; resource and id stand before them always
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(super) columns: Vec<String>,
    /// Only this part of what falls into several: of domains, `SEARCH_SUFFIX` or `SHARED`
    #[arg(long, value_name = "PART")]
    pub(super) part: Option<String>,
    /// Only the links of this portal, by name or id
    #[arg(long, value_name = "NAME|ID")]
    pub(super) portal: Option<String>,
    #[command(flatten)]
    pub(super) tenant: TenantArgs,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum FormatName {
    /// Comma-separated values, for spreadsheets
    Csv,
    /// One JSON object a line
    Jsonl,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Csv => Self::Csv,
            FormatName::Jsonl => Self::Jsonl,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// What is shown: portal-link, user-portal, connector, domain or connector-schedule
    #[arg(value_parser = kind)]
    pub(super) resource: Kind,
    /// Its id, or its name; nothing for the connector schedule
    pub(super) id: Option<String>,
    #[command(flatten)]
    pub(super) tenant: TenantArgs,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
}

#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// The run: its directory, its name or the beginning of its name [default: the newest unfinished one]
    pub(super) run: Option<String>,
    #[command(flatten)]
    pub(super) work: WorkArgs,
}

#[derive(Debug, Args)]
pub(super) struct RetryArgs {
    /// The run: its directory, its name or the beginning of its name [default: the newest one with failures that no
    /// other has retried]
    pub(super) run: Option<String>,
    #[command(flatten)]
    pub(super) guards: GuardArgs,
    /// Do not ask
    #[arg(short, long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) work: WorkArgs,
}

#[derive(Debug, Args)]
pub(super) struct UndoArgs {
    /// The run: its directory, its name or the beginning of its name
    pub(super) run: String,
    #[command(flatten)]
    pub(super) guards: GuardArgs,
    /// Show every row, however many there are
    #[arg(long)]
    pub(super) full: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) work: WorkArgs,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The run: its directory, its name or the beginning of its name [default: the newest one]
    pub(super) run: Option<String>,
    #[command(flatten)]
    pub(super) tenant: TenantArgs,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
    #[command(flatten)]
    pub(super) runs: RunsDir,
    /// One JSON document on standard output
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// The run: its directory, its name or the beginning of its name [default: the newest one]
    pub(super) run: Option<String>,
    #[command(flatten)]
    pub(super) runs: RunsDir,
    /// One JSON document on standard output
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    #[command(flatten)]
    pub(super) runs: RunsDir,
    /// One JSON document on standard output
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct JournalArgs {
    #[command(subcommand)]
    pub(super) verb: JournalVerb,
}

#[derive(Debug, Subcommand)]
pub(super) enum JournalVerb {
    /// Show what is wrong with a journal that is refused, ask, and cut it off
    #[command(after_help = AFTER_REPAIR)]
    Repair(RepairArgs),
}

const AFTER_REPAIR: &str = "\
What is cut is everything from the first damaged line on; it is kept in journal.cut-N.jsonl beside the journal. Outcomes that stand \
before it stay. Since calls may have been sent that the cut journal does not know, every row without an outcome counts as \
unknown from then on: zpa-bulk resume looks for it on the tenant before it sends anything, so nothing is created twice.

Nothing is sent, and without --yes or a terminal nothing is changed. A journal whose last line was cut off by a crash needs no repair.";

#[derive(Debug, Args)]
pub(super) struct RepairArgs {
    /// The run: its directory, its name or the beginning of its name [default: the newest one whose journal is damaged]
    pub(super) run: Option<String>,
    #[command(flatten)]
    pub(super) runs: RunsDir,
    /// Cut without asking
    #[arg(short, long)]
    pub(super) yes: bool,
    /// One JSON document on standard output
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    pub(super) tenant: TenantArgs,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
    /// One JSON document on standard output
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// Where to listen: a loopback address; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:8700", env = "ZPA_BULK_LISTEN")]
    pub(super) listen: SocketAddr,
    /// How the tenant behaves, a TOML file; see samples/scenario-default.toml
    #[arg(long, value_name = "FILE", env = "ZPA_BULK_SCENARIO")]
    pub(super) scenario: Option<PathBuf>,
    /// Decides ids and latencies: the same seed gives the same tenant
    #[arg(long, default_value_t = 1, env = "ZPA_BULK_SEED")]
    pub(super) seed: u64,
    /// Append one JSON line for each request
    #[arg(long, value_name = "FILE", env = "ZPA_BULK_REQUEST_LOG")]
    pub(super) log: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Manifests {
    /// CSV or JSON Lines; `-` is standard input
    #[arg(required = true, value_name = "MANIFEST")]
    pub(super) paths: Vec<PathBuf>,
    /// What rows are about that do not say so [default: inferred from the columns]
    #[arg(long, value_parser = kind, env = "ZPA_BULK_RESOURCE")]
    pub(super) resource: Option<Kind>,
    /// What rows ask for that do not say so
    #[arg(long, value_enum, default_value_t, env = "ZPA_BULK_ACTION")]
    pub(super) action: ActionName,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum ActionName {
    /// Create if absent, update if different, else leave alone
    #[default]
    Ensure,
    /// Create; fail if it exists
    Create,
    /// Update; fail if it does not exist
    Update,
    /// Delete; fine if already gone
    Delete,
}

impl From<ActionName> for Action {
    fn from(name: ActionName) -> Self {
        match name {
            ActionName::Ensure => Self::Ensure,
            ActionName::Create => Self::Create,
            ActionName::Update => Self::Update,
            ActionName::Delete => Self::Delete,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct RunsDir {
    /// Where the run directories are [default: zpa-bulk-runs]
    #[arg(long, value_name = "DIR", env = "ZPA_BULK_RUNS_DIR")]
    pub(super) runs_dir: Option<PathBuf>,
}

/// Which tenant, and how to reach it. Secrets come from the environment, files or commands, never from here.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tenant")]
pub(super) struct TenantArgs {
    /// Run against an embedded simulated tenant that starts afresh
    #[arg(long)]
    pub(super) simulate: bool,
    /// How the simulated tenant behaves, a TOML file
    #[arg(long, value_name = "FILE", requires = "simulate")]
    pub(super) scenario: Option<PathBuf>,
    /// The tenant's customer id
    #[arg(long, value_name = "ID", env = "ZPA_CUSTOMER_ID")]
    pub(super) customer_id: Option<String>,
    /// The microtenant of rows that name none; 0 is the Default microtenant
    #[arg(long, value_name = "ID", env = "ZPA_MICROTENANT_ID")]
    pub(super) microtenant: Option<String>,
    /// The API's address in place of the cloud's
    #[arg(long, value_name = "URL", env = "ZPA_BULK_BASE_URL")]
    pub(super) base_url: Option<String>,
    /// Where tokens come from, in place of the cloud's address
    #[arg(long, value_name = "URL", env = "ZPA_BULK_TOKEN_URL")]
    pub(super) token_url: Option<String>,
    /// How long one request may take: 1s to 10m [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "ZPA_BULK_TIMEOUT")]
    pub(super) timeout: Option<Duration>,
    /// How long setting up a connection may take: 1s to 10m, never longer than the timeout [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "ZPA_BULK_CONNECT_TIMEOUT")]
    pub(super) connect_timeout: Option<Duration>,
    /// Certificates in PEM to trust besides the system's, such as that of your company's proxy
    #[arg(long, value_name = "FILE", env = "ZPA_BULK_CA_CERT")]
    pub(super) ca_cert: Option<PathBuf>,
}

/// How the work is done.
#[derive(Debug, Args)]
#[command(next_help_heading = "Engine")]
pub(super) struct EngineArgs {
    /// The quota for reads, calls/duration, or `off` [default: 20/10s]
    #[arg(long, value_name = "N/DURATION", env = "ZPA_BULK_READ_QUOTA")]
    pub(super) read_quota: Option<Pace>,
    /// The quota for writes, calls/duration, or `off` [default: 10/10s]
    #[arg(long, value_name = "N/DURATION", env = "ZPA_BULK_WRITE_QUOTA")]
    pub(super) write_quota: Option<Pace>,
    /// What both quotas are on, `tenant` or `endpoint`: with `endpoint` every exact path has a quota of its own,
    /// which is many times faster for objects that are changed one by one; a tenant that counts all paths
    /// together refuses some calls before that is noticed [default: tenant]
    #[arg(long, value_name = "SCOPE", env = "ZPA_BULK_QUOTA_SCOPE")]
    pub(super) quota_scope: Option<QuotaScope>,
    /// The quota for all calls together with `--quota-scope endpoint`, calls/duration, or `off` [default: 5000/60s]
    #[arg(long, value_name = "N/DURATION", env = "ZPA_BULK_GATEWAY_QUOTA")]
    pub(super) gateway_quota: Option<Pace>,
    /// Find the real limit: start at the quotas, raise them while nothing is refused, lower them when something is
    #[arg(long, env = "ZPA_BULK_ADAPTIVE", default_missing_value = "true", num_args = 0..=1,
          require_equals = true, value_name = "BOOL")]
    pub(super) adaptive: Option<bool>,
    /// How many times the quotas --adaptive goes at most, 1 to 1000: smaller is refused less while it searches,
    /// larger finds higher limits [default: 5]
    #[arg(long, value_name = "TIMES", env = "ZPA_BULK_QUOTA_CEILING")]
    pub(super) quota_ceiling: Option<NonZeroU32>,
    /// Do not share the quotas with other zpa-bulk processes of this user that drive the same tenant
    #[arg(long, env = "ZPA_BULK_NO_SHARED_QUOTA", default_missing_value = "true", num_args = 0..=1,
          require_equals = true, value_name = "BOOL")]
    pub(super) no_shared_quota: Option<bool>,
    /// What is added to the quotas' windows against calls that bunch up on their way, 0% to 50%: smaller is faster
    /// and risks refusals [default: 2%]
    #[arg(long, value_name = "PERCENT", env = "ZPA_BULK_GUARD")]
    pub(super) guard: Option<Margin>,
    /// How many calls of a class may go at once, or `auto`: all when they fit into one window, else one at a time
    /// [default: auto]
    #[arg(long, value_name = "N", env = "ZPA_BULK_BURST")]
    pub(super) burst: Option<Burst>,
    /// The most calls in flight, 1 to 1024 [default: what the quotas need at the latency that is seen]
    #[arg(long, value_name = "N", env = "ZPA_BULK_JOBS")]
    pub(super) jobs: Option<NonZeroUsize>,
    /// The most links in one bulk call, 1 to 500 [default: 150]
    #[arg(long, value_name = "N", env = "ZPA_BULK_BATCH_SIZE")]
    pub(super) batch_size: Option<NonZeroU32>,
    /// How often an item is sent before it fails, throttled times not counted, 1 to 100 [default: 8]
    #[arg(long, value_name = "N", env = "ZPA_BULK_MAX_ATTEMPTS")]
    pub(super) max_attempts: Option<NonZeroU32>,
    /// How long a call whose answer was lost may still be carried out, and is waited for [default: twice the timeout]
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "ZPA_BULK_SETTLE")]
    pub(super) settle: Option<Duration>,
    /// How many connectors, in whatever state, must stay in a group when others of it are deleted [default: 1]
    #[arg(long, value_name = "N", env = "ZPA_BULK_KEEP_PER_GROUP")]
    pub(super) keep_per_group: Option<u32>,
    /// The most links that the organization takes [default: 500]
    #[arg(long, value_name = "N", env = "ZPA_BULK_LINKS_LIMIT")]
    pub(super) links_limit: Option<u32>,
    /// The most links that one portal takes [default: 500]
    #[arg(long, value_name = "N", env = "ZPA_BULK_LINKS_PER_PORTAL_LIMIT")]
    pub(super) links_per_portal_limit: Option<u32>,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .ok_or_else(|| "write a whole number with ms, s, m, h, d or w, like 30s".to_owned())
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::from_name(text).ok_or_else(|| {
        let known: Vec<&str> = Kind::all().map(|kind| kind.name()).collect();
        format!("known are {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn no_two_flags_of_a_command_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
