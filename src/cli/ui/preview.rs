//! Previews of plans as text.

use crate::item::{Change, Item};
use crate::ops::{PlanSummary, Preview, counted, rounded};
use crate::plan::CallCounts;
use crate::resource::Kind;
use crate::wire::{FieldValue, Fields};

/// Returns a preview as text: the shown items, and the numbers of the plan. `hint` says how to see more.
pub(crate) fn text(plan: &Preview<'_>, hint: &str) -> String {
    let lines = plan.items().iter().map(|item| line(plan, item));
    let mut text: String = lines
        .filter(|line| !line.is_empty())
        .map(|line| line + "\n")
        .collect();
    let hidden = plan.hidden();
    if hidden > 0 {
        text.push_str(&format!("… and {hidden} more; {hint}\n"));
    }
    text + &described(plan.summary())
}

/// Returns the numbers of the plan as text.
fn described(summary: &PlanSummary) -> String {
    let PlanSummary {
        totals, estimate, ..
    } = summary;
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

/// Returns one line for the change and one for each field that it changes; an empty text for an unchanged item.
fn line(plan: &Preview<'_>, item: &Item<'_>) -> String {
    let key = &item.key;
    match &item.change {
        Change::Create { body } if item.resource == Kind::portal_link() => {
            format!("+ {key:?}  {}", summary_of(plan, body))
        }
        Change::Create { body } => format!("+ {key:?}{}", fields_of(item, body)),
        Change::Update { set, changes, .. } => {
            let mut text = format!("~ {key:?}");
            for change in changes {
                let refers = matches!(set.find(&change.field), Some(FieldValue::Refs(_)));
                let shown = |text: &String| {
                    if refers {
                        named(plan, text)
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

/// Returns the address and the portals of a new link.
fn summary_of(plan: &Preview<'_>, body: &Fields<'_>) -> String {
    let text = |wire| body.text(wire).unwrap_or_default();
    let address = format!("{}{}{}", text("protocol"), text("link"), text("linkPath"));
    match body.find("userPortals") {
        Some(FieldValue::Refs(refs)) if !refs.is_empty() => {
            let names: Vec<&str> = refs.iter().map(|r| plan.name(&r.id)).collect();
            format!("{address}  on {}", names.join(", "))
        }
        _ => format!("{address}  on no portal"),
    }
}

/// Returns a list of ids as a list of names.
fn named(plan: &Preview<'_>, ids: &str) -> String {
    let parts: Vec<&str> = ids.split(';').map(|part| plan.name(part)).collect();
    parts.join(";")
}

/// Returns the fields of a new object, without its key.
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
