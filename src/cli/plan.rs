//! `zpa-bulk plan`: what would change, and what it would take. Writes nothing anywhere.

use serde::Serialize;
use tokio::sync::watch;

use super::args::{Manifests, PlanArgs};
use super::config::Config;
use super::error::{CliError, exit, of_end};
use super::progress::rounded;
use super::tenant::Tenant;
use super::terminal::Terminal;
use crate::model::{Change, FieldValue, Fields, Item};
use crate::plan::{CallCounts, Defaults, Estimate, Planner, Snapshot, Totals};
use crate::run::{self, Checked};

/// How many rows of each kind are shown unless all are asked for.
const SHOWN: usize = 20;

pub(super) async fn run(
    args: PlanArgs,
    config: Config,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    let (_stop, stop) = watch::channel(false);
    let mut tenant = Tenant::connect(&args.tenant, &args.engine, config, stop).await?;
    let (rows, snapshot) = read(&args.manifests, &mut tenant).await?;
    let mut preview = Preview::new(args.json || args.full);
    let planner = run::plan(&rows, &snapshot, tenant.config.limits(), |item, _| {
        preview.add(item);
        Ok(())
    })?;
    let estimate = estimate(&planner, &tenant)?;
    let totals = planner.totals();
    if args.json {
        let document = Document {
            format: 1,
            tenant: &tenant.connection.customer,
            summary: Summary::new(totals, estimate),
            rows: &preview.rows,
        };
        terminal.json(&document)?;
    } else {
        terminal.result(&preview.text())?;
        terminal.result(&describe(totals, estimate))?;
    }
    Ok(if totals.error > 0 {
        exit::FAILED_ITEMS
    } else {
        exit::SETTLED
    })
}

/// Reads the manifests, and what the tenant holds of what they are about.
pub(super) async fn read(
    manifests: &Manifests,
    tenant: &mut Tenant,
) -> Result<(Checked, Snapshot), CliError> {
    let defaults = Defaults {
        resource: manifests.resource,
        action: manifests.action.into(),
        microtenant: tenant.microtenant(),
    };
    let rows = run::check(&manifests.paths, defaults)?;
    let snapshot = tenant.engine.snapshot(rows.scopes()).await;
    match snapshot {
        Ok(snapshot) => Ok((rows, snapshot)),
        Err(end) => {
            Err(of_end(&end).unwrap_or_else(|| CliError::new(exit::UNEXPECTED, "nothing was read")))
        }
    }
}

/// What carrying the plan out takes.
pub(super) fn estimate(planner: &Planner<'_>, tenant: &Tenant) -> Result<Estimate, CliError> {
    let settings = tenant.config.engine()?;
    let calls = planner.calls(settings.batch_size.get());
    Ok(Estimate::new(
        calls,
        settings.read_quota,
        settings.write_quota,
    ))
}

/// The plan in one paragraph.
pub(super) fn describe(totals: Totals, estimate: Estimate) -> String {
    let mut parts = Vec::new();
    for (count, what) in [
        (totals.create, "to create"),
        (totals.update, "to update"),
        (totals.delete, "to delete"),
        (totals.unchanged, "unchanged"),
        (totals.error, "impossible"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let parts = if parts.is_empty() {
        "nothing".to_owned()
    } else {
        parts.join(", ")
    };
    let CallCounts { read, write } = estimate.calls;
    let calls = match (read, write) {
        (0, 0) => "no calls needed".to_owned(),
        _ => format!(
            "{read} read and {write} write calls, at least {} at the quota",
            rounded(estimate.least)
        ),
    };
    format!("{} rows: {parts}\n{calls}\n", totals.items)
}

#[derive(Serialize)]
struct Document<'p> {
    format: u32,
    tenant: &'p str,
    summary: Summary,
    rows: &'p [PreviewRow],
}

#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    totals: Totals,
    read_calls: u64,
    write_calls: u64,
    least_ms: u64,
}

impl Summary {
    fn new(totals: Totals, estimate: Estimate) -> Self {
        Self {
            totals,
            read_calls: estimate.calls.read,
            write_calls: estimate.calls.write,
            least_ms: u64::try_from(estimate.least.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// The rows of a plan, as far as they are shown.
#[derive(Debug)]
pub(super) struct Preview {
    all: bool,
    rows: Vec<PreviewRow>,
    /// By kind of change: how many there are.
    counts: [usize; 4],
}

#[derive(Debug, Serialize)]
struct PreviewRow {
    #[serde(flatten)]
    item: Item<'static>,
    #[serde(skip)]
    text: String,
}

impl Preview {
    pub(super) fn new(all: bool) -> Self {
        Self {
            all,
            rows: Vec::new(),
            counts: [0; 4],
        }
    }

    pub(super) fn add(&mut self, item: &Item<'_>) {
        let (kind, text) = match &item.change {
            Change::Create { body, .. } => {
                (Some(0), format!("+ {:?}  {}", item.key, summary_of(body)))
            }
            Change::Update { changes, .. } => {
                let mut text = format!("~ {:?}", item.key);
                for change in changes {
                    let (field, old, new) = (&change.field, &change.old, &change.new);
                    text.push_str(&format!("\n    {field}: {old:?} -> {new:?}"));
                }
                (Some(1), text)
            }
            Change::Delete { id } => (Some(2), format!("- {:?} ({id})", item.key)),
            Change::Error { failure } => (
                Some(3),
                format!("! row {} {:?}: {failure}", item.row, item.key),
            ),
            Change::Unchanged { .. } => (None, String::new()),
        };
        let count = kind.and_then(|kind| self.counts.get_mut(kind));
        let shown = count.is_none_or(|count| {
            *count += 1;
            *count <= SHOWN
        });
        if self.all || (shown && kind.is_some()) {
            let item = item.to_owned_item();
            self.rows.push(PreviewRow { item, text });
        }
    }

    pub(super) fn text(&self) -> String {
        let shown = self.rows.iter().filter(|row| !row.text.is_empty());
        let mut text: String = shown.clone().map(|row| format!("{}\n", row.text)).collect();
        let more = self.counts.iter().sum::<usize>() - shown.count();
        if more > 0 {
            text.push_str(&format!("… and {more} more; --full shows them all\n"));
        }
        text
    }
}

fn summary_of(body: &Fields<'_>) -> String {
    let text = |wire| body.text(wire).unwrap_or_default();
    let address = format!("{}{}{}", text("protocol"), text("link"), text("linkPath"));
    match body.find("userPortals") {
        Some(FieldValue::Refs(refs)) if !refs.is_empty() => {
            let ids: Vec<&str> = refs.iter().map(|r| &*r.id).collect();
            format!("{address}  on {}", ids.join(", "))
        }
        _ => format!("{address}  on no portal"),
    }
}
