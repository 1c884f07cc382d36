//! Previews of plans as text.

use crate::item::{Change, FieldChange, Item};
use crate::ops::{PlanSummary, Preview, counted, listed, rounded};
use crate::plan::CallCounts;
use crate::resource::{Kind, international};
use crate::wire::{FieldValue, Fields};

/// Returns a preview as lines: the shown items, and the numbers of the plan. `hint` says how to see more.
pub(crate) fn lines(plan: &Preview<'_>, hint: &str) -> Vec<String> {
    let items = plan.items().iter();
    let mut lines: Vec<String> = items.flat_map(|item| shown(plan, item)).collect();
    let hidden = plan.hidden();
    if hidden > 0 {
        lines.push(format!("… and {hidden} more; {hint}"));
    }
    lines.extend(described(plan.summary()));
    lines
}

fn described(summary: &PlanSummary) -> Vec<String> {
    let PlanSummary {
        totals,
        estimate,
        ways,
        ..
    } = summary;
    let parts = listed([
        (totals.create.into(), "to create"),
        (totals.update.into(), "to update"),
        (totals.delete.into(), "to delete"),
        (totals.unchanged.into(), "unchanged"),
        (totals.spared.into(), "spared"),
        (totals.stale.into(), "stale"),
        (totals.error.into(), "impossible"),
    ]);
    let parts = parts.unwrap_or_else(|| "nothing".to_owned());
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
    let ways = ways.iter().map(|way| {
        let (setting, least) = (&way.setting, rounded(way.estimate.least));
        let CallCounts { read, write, .. } = way.estimate.calls;
        let calls = if way.estimate.calls == estimate.calls {
            String::new()
        } else {
            format!(
                "{read} read and {}, ",
                counted(write, "write call", "write calls")
            )
        };
        format!("  with {setting}: {calls}at least {least}; {}", way.when)
    });
    let lines = [format!("{rows}: {parts}"), calls];
    lines.into_iter().chain(ways).collect()
}

/// Returns one line for the change and one for each field that it changes; none for an unchanged item.
fn shown(plan: &Preview<'_>, item: &Item<'_>) -> Vec<String> {
    let key = &item.key;
    let line = match &item.change {
        Change::Create { body } if item.resource == Kind::portal_link() => {
            format!("+ {key:?}  {}", summary_of(plan, body))
        }
        Change::Create { body } => format!("+ {key:?}{}", fields_of(item, body)),
        Change::Update { set, changes, .. } => return updated(plan, item, set, changes),
        Change::Delete { id, .. } if id.is_none() => format!("- {key:?}"),
        Change::Delete { id, .. } => format!("- {key:?} ({id})"),
        Change::Spared { failure, .. } => format!("= {key:?} is spared: {failure}"),
        Change::Stale { failure, .. } => format!("! {key:?} is stale: {failure}"),
        Change::Error { failure } => format!("! row {} {key:?}: {failure}", item.row),
        Change::Unchanged { .. } => return Vec::new(),
    };
    vec![line]
}

/// Returns the lines of an update: the key, each field with its old and its new value, and the fields that stay.
fn updated(
    plan: &Preview<'_>,
    item: &Item<'_>,
    set: &Fields<'_>,
    changes: &[FieldChange],
) -> Vec<String> {
    let mut lines = vec![format!("~ {:?}", item.key)];
    for change in changes {
        let refers = matches!(set.find(&change.field), Some(FieldValue::Refs(_)));
        let shown = |text: &String| {
            if refers {
                named(plan, text)
            } else {
                with_international(text)
            }
        };
        let (old, new) = (shown(&change.old), shown(&change.new));
        lines.push(format!("    {}: {old:?} -> {new:?}", change.field));
    }
    let left = item.undo.iter().flat_map(|undo| &undo.left);
    lines.extend(left.map(|field| format!("    {field} stays: it was changed since")));
    lines
}

/// Returns the address and the portals of a new link.
fn summary_of(plan: &Preview<'_>, body: &Fields<'_>) -> String {
    let text = |wire| body.text(wire).unwrap_or_default();
    let host = with_international(text("link"));
    let address = format!("{}{host}{}", text("protocol"), text("linkPath"));
    match body.find("userPortals") {
        Some(FieldValue::Refs(refs)) if !refs.is_empty() => {
            let names: Vec<&str> = refs.iter().map(|r| plan.name(&r.id)).collect();
            format!("{address}  on {}", names.join(", "))
        }
        _ => format!("{address}  on no portal"),
    }
}

/// Returns a host name as people write it, and as it is sent if that differs.
fn with_international(host: &str) -> String {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    let typed = (!host.contains(char::is_whitespace)).then(|| international(name));
    match typed.flatten() {
        Some(typed) if port.is_empty() => format!("{typed} (sent as {host})"),
        Some(typed) => format!("{typed}:{port} (sent as {host})"),
        None => host.to_owned(),
    }
}

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
            FieldValue::Text(text) => format!("  {wire}={:?}", with_international(text)),
            value => format!("  {wire}={}", value.to_json()),
        })
        .collect()
}
