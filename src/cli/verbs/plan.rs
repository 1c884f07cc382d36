//! `zpa-bulk plan`: show the changes, and the calls that they need. Sends nothing that changes the tenant.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::context::{Context, never};
use crate::cli::flags::{GuardArgs, JsonArg, ManifestArgs, TenantArgs};
use crate::cli::ui::{exit, plan_page, preview};
use crate::item::Item;
use crate::ops::{self, Connect as _, Error, PlanOptions, Preview, Tenant, shell_word};
use crate::plan::{Totals, Way};

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Save the plan in this file, so that apply can carry out later what was reviewed; a name that ends in .html gets a page
    /// to look at and to sign. Repeat to have both
    #[arg(short, long, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// Show every row, however many there are
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    json: JsonArg,
    #[command(flatten)]
    guards: GuardArgs,
    #[command(flatten)]
    tenant: TenantArgs,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk plan links.csv                 show what would change
  zpa-bulk plan links.csv portals.csv     two manifests as one plan
  zpa-bulk plan links.csv -o links.plan   save what was reviewed; apply links.plan carries it out
  zpa-bulk plan links.csv -o plan.html    write a page for those who approve the change
  zpa-bulk plan links.csv --json          print every row as data";

pub(crate) async fn run(args: PlanArgs, context: Context<'_>) -> Result<u8, Error> {
    let Outputs { save, page } = Outputs::of(&args.output)?;
    let mut connector = context
        .connector(&args.tenant)
        .max_deletes(args.guards.max_deletes);
    if save.is_some() {
        connector = connector.sealing();
    }
    let mut tenant = connector.connect(None, never()).await?;
    let manifests = args.manifests.with_layout(&context.file)?;
    let options = PlanOptions {
        manifests: &manifests,
        all: args.json.json || args.full || page.is_some(),
        save,
    };
    let show = |plan: &Preview<'_>, tenant: &Tenant| {
        if let Some(path) = page {
            plan_page::write(path, plan, &tenant.connection.customer)?;
        }
        if args.json.json {
            context.terminal.json(&Document::of(plan, tenant))
        } else if page.is_some() && !args.full {
            Ok(())
        } else {
            let lines = preview::lines(plan, "--full shows them all");
            context.terminal.result(&lines)
        }
    };
    let (shown, summary) = ops::plan(options, &mut tenant, |plan, tenant| {
        (show(plan, tenant), plan.summary().clone())
    })
    .await?;
    shown?;
    for note in &summary.notes {
        context.terminal.warn(note);
    }
    Error::refused_by_guards(summary.objections)?;
    if let Some(path) = page {
        let path = path.display();
        context
            .terminal
            .say(&format!("the plan is written to {path}"));
    }
    if let Some(path) = save {
        let apply = format!("zpa-bulk apply {}", shell_word(path.display()));
        context
            .terminal
            .say(&format!("the plan is saved; to carry it out: {apply}"));
    }
    Ok(if summary.totals.error > 0 {
        exit::FAILED_ITEMS
    } else {
        exit::SUCCESS
    })
}

/// The files that a plan is written to.
struct Outputs<'p> {
    /// The saved plan.
    save: Option<&'p Path>,
    /// The page.
    page: Option<&'p Path>,
}

impl<'p> Outputs<'p> {
    fn of(paths: &'p [PathBuf]) -> Result<Self, Error> {
        let (mut save, mut page) = (None, None);
        for path in paths {
            let (place, what) = if plan_page::is_page(path) {
                (&mut page, "pages")
            } else {
                refuse_name(path)?;
                (&mut save, "saved plans")
            };
            if place.replace(&**path).is_some() {
                return Err(Error::usage(format!("-o names two {what}; name one")));
            }
        }
        Ok(Self { save, page })
    }
}

/// Refuses a name for a saved plan that stands for another kind of file.
fn refuse_name(path: &Path) -> Result<(), Error> {
    const OTHERS: [&str; 12] = [
        "csv", "tsv", "txt", "json", "jsonl", "ndjson", "xlsx", "xlsm", "xlsb", "xls", "ods", "htm",
    ];
    let shown = path.display();
    let ending = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase());
    let what = match ending.as_deref() {
        _ if path == Path::new("-") => {
            "a saved plan is a file that only you can read, and no text to print".to_owned()
        }
        Some(ending) if OTHERS.contains(&ending) => {
            format!("{shown} is the name of a table or a document, and a saved plan is neither")
        }
        _ => return Ok(()),
    };
    Err(Error::usage(what).hint(
        "name it like links.plan, or like plan.html for a page; --json prints every row as data, and --write-fixed writes the \
         manifest as it is planned",
    ))
}

#[derive(Serialize)]
struct Document<'p> {
    format: u32,
    tenant: &'p str,
    summary: Numbers,
    objections: &'p [String],
    notes: &'p [String],
    rows: &'p [Item<'static>],
}

impl<'p> Document<'p> {
    fn of(plan: &'p Preview<'_>, tenant: &'p Tenant) -> Self {
        let summary = plan.summary();
        let estimate = summary.estimate;
        Self {
            format: 1,
            tenant: &tenant.connection.customer,
            summary: Numbers {
                totals: summary.totals,
                read_calls: estimate.calls.read,
                write_calls: estimate.calls.write,
                least_ms: millis(estimate.least),
                ways: summary.ways.iter().map(Alternative::of).collect(),
            },
            objections: &summary.objections,
            notes: &summary.notes,
            rows: plan.items(),
        }
    }
}

#[derive(Serialize)]
struct Numbers {
    #[serde(flatten)]
    totals: Totals,
    read_calls: u64,
    write_calls: u64,
    least_ms: u64,
    ways: Vec<Alternative>,
}

/// Another way to carry the plan out.
#[derive(Serialize)]
struct Alternative {
    setting: String,
    read_calls: u64,
    write_calls: u64,
    least_ms: u64,
    when: &'static str,
}

impl Alternative {
    fn of(way: &Way) -> Self {
        Self {
            setting: way.setting.clone(),
            read_calls: way.estimate.calls.read,
            write_calls: way.estimate.calls.write,
            least_ms: millis(way.estimate.least),
            when: way.when,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
