//! The results of a run as JUnit XML, for systems of continuous integration: each row is a test case.

use std::io;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::html::RunPage;
use super::outcomes::Outcomes;
use super::rows::{ResultRow, Results};
use crate::item::Status;
use crate::ledger::State;
use crate::run::{PlanLine, RunError};
use crate::text::{escaped, is_hidden};

/// Returns the results of a run as JUnit XML. A row that failed is a failure, one whose result is not known is an error,
/// and one that was spared or not tried is skipped.
///
/// # Errors
/// [`RunError`] if the run cannot be read.
pub fn junit(run: &RunPage<'_>) -> Result<String, RunError> {
    let outcomes = Outcomes::read(run.directory, run.plan.len())?;
    let results = Results {
        plan: run.plan,
        ledger: run.ledger,
        outcomes: &outcomes,
    };
    let mut suite = TestSuite::new(shown(&run.header.run));
    suite.add_property(("tenant", shown(&run.header.tenant).as_str()));
    let unreadable = RunError::io(run.directory, "the run cannot be read");
    for number in 0..run.plan.len() {
        let line = run.plan.line(number).map_err(unreadable)?;
        let row = results.row(number, &line);
        suite.add_test_case(case(&line, &row, run.ledger.state(number)));
    }
    let mut report = Report::new("zpa-bulk");
    report.add_test_suite(suite);
    report
        .to_string()
        .map_err(|error| unreadable(io::Error::other(error)))
}

fn case(line: &PlanLine, row: &ResultRow<'_>, state: State) -> TestCase {
    let mut status = match state {
        State::Finished(Status::Failed | Status::Stale) => {
            TestCaseStatus::non_success(NonSuccessKind::Failure)
        }
        State::InDoubt => TestCaseStatus::non_success(NonSuccessKind::Error),
        State::Waiting | State::Finished(Status::Spared) => TestCaseStatus::skipped(),
        State::Finished(_) => TestCaseStatus::success(),
    };
    let message = match (row.failure, state) {
        (Some(failure), _) => Some(shown(&failure.to_string())),
        (None, State::InDoubt) => Some("the result is not known".to_owned()),
        (None, State::Waiting) => Some("not tried yet".to_owned()),
        (None, State::Finished(_)) => None,
    };
    if let Some(message) = message.filter(|_| !matches!(status, TestCaseStatus::Success { .. })) {
        status.set_message(message);
        status.set_type(row.status);
    }
    let name = format!("row {}: {}", row.origin, line.item.key);
    let mut case = TestCase::new(shown(&name), status);
    case.set_classname(line.item.resource.name());
    case
}

/// Returns a text without what XML cannot hold, and what cannot be seen.
fn shown(text: &str) -> String {
    escaped(text, is_hidden)
}
