//! The page of a plan, as a file to look at and to sign.

use std::path::Path;

use super::output;
use crate::clock::wall;
use crate::ops::{Error, Preview};
use crate::report::{PlanPage, render_plan};

/// The ending of the name of a page.
const ENDING: &str = "html";

/// Tells whether a name is that of a page.
pub(crate) fn is_page(path: &Path) -> bool {
    let ending = path.extension();
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case(ENDING))
}

/// Writes the page of a plan to that file, whole or not at all. The preview must hold every item.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) if the file cannot be written.
pub(crate) fn write(path: &Path, plan: &Preview<'_>, tenant: &str) -> Result<(), Error> {
    let summary = plan.summary();
    let page = render_plan(&PlanPage {
        tenant,
        manifests: &summary.manifests,
        at: wall(),
        totals: summary.totals,
        estimate: summary.estimate,
        ways: &summary.ways,
        objections: &summary.objections,
        notes: &summary.notes,
        items: plan.items(),
        name_of: &|id| plan.name(id).to_owned(),
    });
    output::write(path, page.as_bytes())
}
