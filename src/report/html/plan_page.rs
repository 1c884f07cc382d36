//! The page of a plan, for those who are to approve it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

use super::parts::{bar, changes, filters, framed, name, page, scrolling, shown};
use crate::item::{Change, Item};
use crate::plan::{Estimate, Totals, Way};
use crate::resource::Kind;
use crate::text::{counted, rounded};
use crate::wire::{FieldValue, Fields};

/// The words for changes.
const CHANGES: [&str; 7] = [
    "create",
    "update",
    "delete",
    "unchanged",
    "spared",
    "stale",
    "error",
];

/// The most rows of a page.
const MOST_ROWS: usize = 20_000;

/// A plan that a page is about.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "it holds a function")]
pub struct PlanPage<'p> {
    /// The tenant's customer id.
    pub tenant: &'p str,
    /// The manifests, each with its SHA-256.
    pub manifests: &'p [(String, String)],
    /// The time of the plan.
    pub at: Timestamp,
    /// The number of items for each kind of change.
    pub totals: Totals,
    /// The calls, and the least time that they need.
    pub estimate: Estimate,
    /// Other ways to carry the plan out.
    pub ways: &'p [Way],
    /// The objections of the guards on deletes.
    pub objections: &'p [String],
    /// Facts about the rows that are no mistakes.
    pub notes: &'p [String],
    /// The items.
    pub items: &'p [Item<'static>],
    /// Returns the name of the object with that id.
    pub name_of: &'p dyn Fn(&str) -> String,
}

/// Returns the page of a plan.
#[must_use]
pub fn render_plan(plan: &PlanPage<'_>) -> String {
    let title = format!("zpa-bulk plan for tenant {}", plan.tenant);
    page(&title, &body(plan))
}

fn body(plan: &PlanPage<'_>) -> Markup {
    let at = plan.at.strftime("%F %T UTC").to_string();
    let sections = [
        (
            "objections",
            "What stops this plan",
            listed(plan.objections),
        ),
        ("notes", "To know", listed(plan.notes)),
        ("time", "Calls and time", Some(time(plan))),
        ("resources", "By resource", Some(by_resource(plan))),
        ("all", "Every change", Some(rows(plan))),
        ("what", "Where the plan comes from", Some(source(plan, &at))),
        ("approval", "Approval", Some(approval())),
    ];
    let heading = html! {
            h1 { "Plan: " (counted(plan.totals.changes().into(), "change", "changes")) " to tenant " (name(plan.tenant)) }
            p.dim { "Made on " (at) ". Nothing has been changed yet." }
    };
    framed(&heading, &bar("Rows", &counts(&plan.totals)), &sections)
}

/// The rows by their change, in the colours of the states that they are to reach.
fn counts(totals: &Totals) -> [(u64, &'static str, &'static str); 7] {
    [
        (totals.create.into(), "created", "to create"),
        (totals.update.into(), "updated", "to update"),
        (totals.delete.into(), "deleted", "to delete"),
        (totals.unchanged.into(), "unchanged", "unchanged"),
        (totals.spared.into(), "spared", "spared"),
        (totals.stale.into(), "stale", "stale"),
        (totals.error.into(), "failed", "impossible"),
    ]
}

fn listed(texts: &[String]) -> Option<Markup> {
    (!texts.is_empty()).then(|| html! { ul { @for text in texts { li { (shown(text)) } } } })
}

fn time(plan: &PlanPage<'_>) -> Markup {
    let least = |time: Duration| rounded(time);
    let table = html! {
        table {
            thead { tr { th scope="col" { "With" } th.num scope="col" { "Reads" } th.num scope="col" { "Writes" } th scope="col" { "At least" } th scope="col" { "When" } } }
            tbody {
                tr {
                    th scope="row" { "these settings" } td.num { (plan.estimate.calls.read) } td.num { (plan.estimate.calls.write) }
                    td { (least(plan.estimate.least)) } td {}
                }
                @for way in plan.ways {
                    tr {
                        th scope="row" { (shown(&way.setting)) } td.num { (way.estimate.calls.read) } td.num { (way.estimate.calls.write) }
                        td { (least(way.estimate.least)) } td { (way.when) }
                    }
                }
            }
        }
    };
    scrolling("Calls and time", &table)
}

fn by_resource(plan: &PlanPage<'_>) -> Markup {
    let mut counts: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for item in plan.items {
        let of_kind = counts.entry(item.resource.name()).or_default();
        *of_kind.entry(item.change.name()).or_default() += 1;
    }
    html! {
        table {
            thead { tr { th scope="col" { "Resource" } th scope="col" { "Rows" } } }
            tbody {
                @for (kind, changes) in counts {
                    tr { th scope="row" { (kind) } td { @for (change, count) in changes { (count) " " (change) " " } } }
                }
            }
        }
    }
}

fn rows(plan: &PlanPage<'_>) -> Markup {
    let left_out = plan.items.len().saturating_sub(MOST_ROWS);
    let table = html! {
        table.sortable id="rows" {
            caption { "Every row of the manifests" @if left_out > 0 { ", but for the last " (left_out) } }
            thead { tr {
                th.num scope="col" { "Row" } th scope="col" { "Name" } th scope="col" { "Change" } th scope="col" { "Resource" }
                th scope="col" { "Microtenant" } th scope="col" { "Details" }
            } }
            tbody {
                @for item in plan.items.iter().take(MOST_ROWS) {
                    tr data-status=(item.change.name()) {
                        td.num { (item.row) } td { (name(&item.key)) } td { (change(&item.change)) } td { (item.resource.name()) }
                        td.mono { (item.microtenant.as_ref().map_or("", |id| id.as_str())) } td.text { (details(plan, item)) }
                    }
                }
            }
        }
    };
    html! {
        (filters("Change", &CHANGES))
        (scrolling("Every change", &table))
    }
}

fn change(change: &Change<'_>) -> Markup {
    let class = match change {
        Change::Create { .. } => "created",
        Change::Update { .. } => "updated",
        Change::Delete { .. } => "deleted",
        Change::Unchanged { .. } => "unchanged",
        Change::Spared { .. } => "spared",
        Change::Stale { .. } => "stale",
        Change::Error { .. } => "failed",
    };
    html! { span.badge.(class) { (change.name()) } }
}

fn details(plan: &PlanPage<'_>, item: &Item<'_>) -> Markup {
    match &item.change {
        Change::Create { body } => {
            let fields = fields(plan, item.resource, body);
            html! { @for (field, value) in fields { div { code { (name(&field)) } ": " (shown(&value)) } } }
        }
        Change::Update {
            set, changes: of, ..
        } => {
            let refers = |field: &str| matches!(set.find(field), Some(FieldValue::Refs(_)));
            let named = |field: &str, text: &str| {
                if refers(field) {
                    let parts = text.split(';').map(|id| (plan.name_of)(id));
                    parts.collect::<Vec<_>>().join("; ")
                } else {
                    text.to_owned()
                }
            };
            let told: Vec<[String; 3]> = of
                .iter()
                .map(|c| {
                    [
                        c.field.clone(),
                        named(&c.field, &c.old),
                        named(&c.field, &c.new),
                    ]
                })
                .collect();
            changes(
                told.iter()
                    .map(|[field, old, new]| (&**field, &**old, &**new)),
            )
        }
        Change::Delete { id, .. } => html! { span.mono { (id.as_str()) } },
        Change::Spared { failure, .. }
        | Change::Stale { failure, .. }
        | Change::Error { failure } => shown(&failure.to_string()),
        Change::Unchanged { .. } => html! {},
    }
}

/// Returns the fields of a new object without its key, formatted for people.
fn fields(plan: &PlanPage<'_>, kind: Kind, body: &Fields<'_>) -> Vec<(String, String)> {
    let others = body.0.iter().filter(|(wire, _)| wire != kind.key_field());
    let told = others.map(|(wire, value)| {
        let text = match value {
            FieldValue::Refs(refs) => {
                let names = refs.iter().map(|other| (plan.name_of)(&other.id));
                names.collect::<Vec<_>>().join("; ")
            }
            value => value.show(),
        };
        (wire.to_string(), text)
    });
    told.collect()
}

fn source(plan: &PlanPage<'_>, at: &str) -> Markup {
    html! {
        dl {
            dt { "Tenant" } dd.mono { (name(plan.tenant)) }
            dt { "Made on" } dd { (at) }
            dt { "Version" } dd { "zpa-bulk " (env!("CARGO_PKG_VERSION")) }
            @for (file, sha256) in plan.manifests {
                dt { "Manifest" } dd { (shown(file)) br; span.mono { "SHA-256 " (name(sha256)) } }
            }
        }
    }
}

fn approval() -> Markup {
    html! {
        div.sign {
            div { "Name" } div { "Decision" } div { "Date" } div { "Signature" }
        }
    }
}
