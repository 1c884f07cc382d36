//! The chosen connectors, as lines and as data.

use serde_json::{Value, json};

use crate::ops::counted;
use crate::plan::prune::{Candidate, Choice, group_name, name};

/// The most spared connectors that are shown.
const SHOWN: usize = 50;

/// Returns a choice as lines.
pub(crate) fn lines(choice: &Choice<'_>, connectors: usize) -> Vec<String> {
    let deleted = choice.delete.iter();
    let mut lines: Vec<String> = deleted
        .map(|one| format!("- {}: {}", title(one), one.why))
        .collect();
    let spared = choice.spared.iter().take(SHOWN);
    lines.extend(spared.map(|one| format!("= {} is spared: {}", title(one), one.why)));
    let more = choice.spared.len().saturating_sub(SHOWN);
    if more > 0 {
        let more = counted(
            more as u64,
            "more is spared; --json names it",
            "more are spared; --json names them",
        );
        lines.push(format!("… and {more}"));
    }
    let (deleted, spared) = (choice.delete.len() as u64, choice.spared.len() as u64);
    lines.push(format!(
        "{deleted} of {} {} to be deleted, {}",
        counted(connectors as u64, "app connector", "app connectors"),
        if deleted == 1 { "is" } else { "are" },
        counted(spared, "is spared", "are spared"),
    ));
    if !choice.delete.is_empty() {
        lines.push(
            "a connector that is deleted must be enrolled again with a provisioning key".to_owned(),
        );
    }
    lines
}

fn title(one: &Candidate<'_>) -> String {
    let (name, group) = (name(one.connector), group_name(one.connector));
    format!("{name:?} ({}) of group {group:?}", one.id)
}

/// Returns a choice as data.
pub(crate) fn document(choice: &Choice<'_>) -> Value {
    let rows = |candidates: &[Candidate<'_>]| -> Value { candidates.iter().map(row).collect() };
    json!({ "format": 1, "delete": rows(&choice.delete), "spared": rows(&choice.spared) })
}

fn row(one: &Candidate<'_>) -> Value {
    json!({
        "id": one.id,
        "name": name(one.connector),
        "group": group_name(one.connector),
        "why": one.why,
        "connector": one.connector,
    })
}
