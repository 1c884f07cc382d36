//! Shrinking: the smallest history with the same kind of violation.

use crate::model::Violation;

/// The story of a history that went wrong, as small as possible.
pub(crate) fn story(seed: u64, wrong: &[Violation]) -> String {
    let plan = crate::plan_of(seed);
    let (again, story) = crate::lived(&plan);
    let lines = |wrong: &[Violation]| {
        wrong
            .iter()
            .map(|one| format!("  {}\n", one.line()))
            .collect::<String>()
    };
    format!(
        "first:\n{}again:\n{}{}\n{}",
        lines(wrong),
        lines(&again),
        plan.text(),
        story.join("\n")
    )
}
