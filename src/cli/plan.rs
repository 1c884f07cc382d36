//! `zpa-bulk plan`: what would change, and what it would take. Writes nothing anywhere.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;
use tokio::sync::watch;

use super::args::{Manifests, PlanArgs};
use super::config::Config;
use super::error::{CliError, counted, exit, of_end};
use super::progress::rounded;
use super::tenant::Tenant;
use super::terminal::Terminal;
use crate::item::{Change, Item};
use crate::plan::{CallCounts, Defaults, Estimate, Planner, Snapshot, Totals};
use crate::resource::{Kind, Scope, unescape};
use crate::run::{self, Checked};
use crate::wire::{FieldValue, Fields, Object};

/// How many rows of each kind are shown unless all are asked for.
const SHOWN: usize = 20;

pub(super) async fn run(
    args: PlanArgs,
    config: Config,
    terminal: &Terminal,
) -> Result<u8, CliError> {
    let (_stop, stop) = watch::channel(false);
    let mut tenant = Tenant::connect(&args.tenant, &args.engine, config, stop).await?;
    let rows = check(&args.manifests, &tenant)?;
    let snapshot = snapshot(&mut tenant, rows.scopes(), exit::UNEXPECTED).await?;
    let mut preview = Preview::new(&snapshot, args.json || args.full, "--full shows them all");
    let planner = run::plan(&rows, &snapshot, tenant.config.limits(), |item, _| {
        preview.add(item);
        Ok(())
    })?;
    let estimate = estimate(&planner, &tenant)?;
    let totals = planner.totals();
    let objections = planner.objections(tenant.config.guards(args.guards.max_deletes));
    if args.json {
        let document = Document {
            format: 1,
            tenant: &tenant.connection.customer,
            summary: Summary::new(totals, estimate),
            objections: &objections,
            rows: &preview.rows,
        };
        terminal.json(&document)?;
    } else {
        let text = preview.text();
        terminal.result(&(text + &describe(totals, estimate)))?;
    }
    CliError::refused_by_guards(objections)?;
    Ok(if totals.error > 0 {
        exit::FAILED_ITEMS
    } else {
        exit::SUCCESS
    })
}

/// Reads the manifests and checks them.
pub(super) fn check(manifests: &Manifests, tenant: &Tenant) -> Result<Checked, CliError> {
    let defaults = Defaults {
        resource: manifests.resource,
        action: manifests.action.into(),
        microtenant: tenant.microtenant(),
    };
    Ok(run::check(&manifests.paths, defaults)?)
}

/// Reads what the tenant holds. `passing` is the exit code for what may be better another time.
pub(super) async fn snapshot(
    tenant: &mut Tenant,
    scopes: Vec<Scope>,
    passing: u8,
) -> Result<Snapshot, CliError> {
    let snapshot = tenant.engine.snapshot(scopes).await;
    snapshot.map_err(|end| {
        of_end(&end, passing).unwrap_or_else(|| CliError::new(passing, "nothing was read"))
    })
}

/// What carrying the plan out takes.
pub(super) fn estimate(planner: &Planner<'_>, tenant: &Tenant) -> Result<Estimate, CliError> {
    let settings = tenant.config.engine()?;
    let calls = planner.calls(settings.batch_size.get());
    Ok(Estimate::new(calls, &settings.paces()))
}

/// The plan in one paragraph.
pub(super) fn describe(totals: Totals, estimate: Estimate) -> String {
    let mut parts = Vec::new();
    for (count, what) in [
        (totals.create, "to create"),
        (totals.update, "to update"),
        (totals.delete, "to delete"),
        (totals.unchanged, "unchanged"),
        (totals.spared, "spared"),
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
    let CallCounts { read, write, .. } = estimate.calls;
    let calls = match (read, write) {
        (0, 0) => "no calls needed".to_owned(),
        _ => format!(
            "{read} read and {}, at least {} at the quota",
            counted(write, "write call", "write calls"),
            rounded(estimate.least)
        ),
    };
    let rows = counted(totals.items.into(), "row", "rows");
    format!("{rows}: {parts}\n{calls}\n")
}

#[derive(Serialize)]
struct Document<'p> {
    format: u32,
    tenant: &'p str,
    summary: Summary,
    /// What the guards have against its deletes.
    objections: &'p [String],
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
pub(super) struct Preview<'s> {
    all: bool,
    /// How to see what it leaves out.
    more: &'static str,
    rows: Vec<PreviewRow>,
    /// By kind of change: how many there are.
    counts: [usize; 4],
    names: HashMap<&'s str, Cow<'s, str>>,
}

#[derive(Debug, Serialize)]
struct PreviewRow {
    #[serde(flatten)]
    item: Item<'static>,
    #[serde(skip)]
    text: String,
}

impl<'s> Preview<'s> {
    /// A preview that calls the objects of the snapshot by their names. Unless it is to show all, it says how to see
    /// more.
    pub(super) fn new(snapshot: &'s Snapshot, all: bool, more: &'static str) -> Self {
        let objects = snapshot
            .listings
            .iter()
            .flat_map(|listing| &listing.objects);
        let name = |object: &'s Object| {
            let id = object.get("id")?.as_str()?;
            Some((id, unescape(object.get("name")?.as_str()?)))
        };
        Self {
            all,
            more,
            rows: Vec::new(),
            counts: [0; 4],
            names: objects.filter_map(name).collect(),
        }
    }

    pub(super) fn add(&mut self, item: &Item<'_>) {
        let kind = match &item.change {
            Change::Create { .. } => Some(0),
            Change::Update { .. } => Some(1),
            Change::Delete { .. } => Some(2),
            Change::Error { .. } | Change::Spared { .. } => Some(3),
            Change::Unchanged { .. } => None,
        };
        let count = kind.and_then(|kind| self.counts.get_mut(kind));
        let shown = count.is_some_and(|count| {
            *count += 1;
            *count <= SHOWN
        });
        if self.all || shown {
            self.rows.push(PreviewRow {
                text: self.line(item),
                item: item.to_owned_item(),
            });
        }
    }

    /// One line a change, and how many are not shown.
    pub(super) fn text(&self) -> String {
        let shown = self.rows.iter().filter(|row| !row.text.is_empty());
        let mut text: String = shown.clone().map(|row| format!("{}\n", row.text)).collect();
        let more = self.counts.iter().sum::<usize>() - shown.count();
        if more > 0 {
            text.push_str(&format!("… and {more} more; {}\n", self.more));
        }
        text
    }

    fn line(&self, item: &Item<'_>) -> String {
        let key = &item.key;
        match &item.change {
            Change::Create { body } if item.resource == Kind::portal_link() => {
                format!("+ {key:?}  {}", self.summary_of(body))
            }
            Change::Create { body } => format!("+ {key:?}{}", fields_of(item, body)),
            Change::Update { set, changes, .. } => {
                let mut text = format!("~ {key:?}");
                for change in changes {
                    let refers = matches!(set.find(&change.field), Some(FieldValue::Refs(_)));
                    let shown = |text: &String| {
                        if refers {
                            self.named(text)
                        } else {
                            text.clone()
                        }
                    };
                    let (old, new) = (shown(&change.old), shown(&change.new));
                    text.push_str(&format!("\n    {}: {old:?} -> {new:?}", change.field));
                }
                let undo = item.undo.as_ref();
                for field in undo.into_iter().flat_map(|undo| &undo.left) {
                    text.push_str(&format!("\n    {field} stays: it was changed since"));
                }
                text
            }
            Change::Delete { id, .. } if id.as_str().is_empty() => format!("- {key:?}"),
            Change::Delete { id, .. } => format!("- {key:?} ({id})"),
            Change::Spared { failure, .. } => format!("= {key:?} is spared: {failure}"),
            Change::Error { failure } => format!("! row {} {key:?}: {failure}", item.row),
            Change::Unchanged { .. } => String::new(),
        }
    }

    fn summary_of(&self, body: &Fields<'_>) -> String {
        let text = |wire| body.text(wire).unwrap_or_default();
        let address = format!("{}{}{}", text("protocol"), text("link"), text("linkPath"));
        match body.find("userPortals") {
            Some(FieldValue::Refs(refs)) if !refs.is_empty() => {
                let names: Vec<&str> = refs.iter().map(|r| self.name(&r.id)).collect();
                format!("{address}  on {}", names.join(", "))
            }
            _ => format!("{address}  on no portal"),
        }
    }

    fn name<'n>(&'n self, id: &'n str) -> &'n str {
        self.names.get(id).map_or(id, |name| name)
    }

    /// A list of ids as a list of names.
    fn named(&self, ids: &str) -> String {
        let parts: Vec<&str> = ids.split(';').map(|part| self.name(part)).collect();
        parts.join(";")
    }
}

/// The fields of a new object besides its key.
fn fields_of(item: &Item<'_>, body: &Fields<'_>) -> String {
    let fields = body.0.iter();
    let fields = fields.filter(|(wire, _)| wire != item.resource.key_field());
    fields
        .map(|(wire, value)| match value {
            FieldValue::Text(text) => format!("  {wire}={text:?}"),
            value => format!("  {wire}={}", value.to_json()),
        })
        .collect()
}
