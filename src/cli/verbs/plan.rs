//! `zpa-bulk plan`: show the changes, and the calls that they need. Writes nothing anywhere.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::context::{Context, never};
use crate::cli::flags::{GuardArgs, JsonArg, ManifestArgs, TenantArgs};
use crate::cli::ui::{exit, preview};
use crate::item::Item;
use crate::ops::{self, Connect as _, Error};
use crate::plan::{Totals, Way};

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
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
  zpa-bulk plan links.csv --json          print every row as data";

pub(crate) async fn run(args: PlanArgs, context: Context<'_>) -> Result<u8, Error> {
    let mut connector = context
        .connector(&args.tenant)
        .max_deletes(args.guards.max_deletes);
    let mut tenant = connector.connect(None, never()).await?;
    let manifests = args.manifests.with_layout(&context.file)?;
    let all = args.json.json || args.full;
    let (shown, summary) = ops::plan(&manifests, &mut tenant, all, |plan, tenant| {
        let summary = plan.summary().clone();
        let shown = if args.json.json {
            let estimate = summary.estimate;
            context.terminal.json(&Document {
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
            })
        } else {
            let lines = preview::lines(plan, "--full shows them all");
            context.terminal.result(&lines)
        };
        (shown, summary)
    })
    .await?;
    shown?;
    for note in &summary.notes {
        context.terminal.warn(note);
    }
    Error::refused_by_guards(summary.objections)?;
    Ok(if summary.totals.error > 0 {
        exit::FAILED_ITEMS
    } else {
        exit::SUCCESS
    })
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
