//! Pages to look at: `report.html` of a run, and the page of a plan.
//!
//! A page is one file. It loads nothing, its policy forbids all that is not in it, and it can be read without its script,
//! on paper and by a screen reader. Every text from outside is escaped where it becomes a part of a page.

mod charts;
mod parts;
mod plan_page;
mod run_data;
mod run_page;

pub use self::plan_page::{PlanPage, render_plan};
pub use self::run_page::{PAGE_NAME, RunPage, render_run, write_page};
