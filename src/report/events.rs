//! The event stream of a run: JSON lines for programs that follow it. `docs/events.md` says what each event means, and
//! `docs/events.schema.json` is made from the types here.
//!
//! A consumer that is slow, gone or full never harms the run: events that find no room are dropped and counted.

use std::io::Write;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use super::outcomes::Outcomes;
use super::rows::Results;
use super::summary::Summary;
use crate::engine::{CallEvent, EngineObserver, Progress, SentCall};
use crate::item::{Change, ItemNumber, Outcome, index};
use crate::journal::Header;
use crate::ledger::{Ledger, State, Tally};
use crate::outlet::{Drained, Outlet};
use crate::run::{PlanFile, PlanLine, RunError};
use crate::wire::{Failure, Id};

/// The name of the format.
const FORMAT: &str = "zpa-bulk-events";

/// The version of the format. The first number rises when a consumer may break, the second when something is added.
const VERSION: &str = "1.0";

/// One line of the stream.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "An event of a run of zpa-bulk"))]
struct Line<'l> {
    /// The time of the event.
    #[cfg_attr(test, schemars(with = "String"))]
    at: Timestamp,
    /// The name of the run, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'l str>,
    #[serde(flatten)]
    event: RunEvent<'l>,
}

/// An event.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "lowercase")]
enum RunEvent<'l> {
    /// The first line: the format of all others.
    Format {
        /// Always `zpa-bulk-events`.
        format: &'l str,
        /// Two numbers. The first rises when a consumer may break, the second when something is added.
        version: &'l str,
        /// The version of the program.
        tool: &'l str,
    },
    /// A run begins, or goes on.
    Plan(PlanEvent<'l>),
    /// A call was sent and is over.
    Call(CallLine<'l>),
    /// A row has ended. There is one such event for each row that ends.
    Item(ItemLine<'l>),
    /// The server refused a call and asked for a pause, or for more of one. `at` is its beginning.
    Throttle {
        /// `read` or `write`.
        class: &'l str,
        /// The length of the pause in milliseconds, or of what is added.
        ms: u64,
    },
    /// The progress of the run, about once a second.
    Progress(ProgressLine),
    /// Something that the user should know.
    Warning {
        /// The text.
        text: &'l str,
    },
    /// The command ended with an error.
    Error {
        /// The text.
        text: &'l str,
        /// The next step, if there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'l str>,
        /// The exit code of the command.
        exit_code: u8,
    },
    /// The end of this process's work on the run.
    Summary(SummaryLine<'l>),
}

/// The plan of a run.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PlanEvent<'l> {
    /// The tenant's customer id.
    tenant: &'l str,
    /// The manifests.
    files: &'l [String],
    /// The run whose failed rows this one retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<&'l str>,
    /// The run that this one undoes.
    #[serde(skip_serializing_if = "Option::is_none")]
    undoes: Option<&'l str>,
    /// The number of rows.
    items: u64,
    /// The number of rows that have ended already: by the plan, or in an earlier process.
    ended: u64,
    /// The SHA-256 of the plan.
    plan_sha256: &'l str,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CallLine<'l> {
    /// `read`, `write`, or `auth` for a sign-in.
    class: &'l str,
    /// The HTTP method.
    method: &'l str,
    /// The version and the path after the customer, without the query; `sign-in` for a sign-in.
    path: &'l str,
    /// The HTTP status, if the server answered. A sign-in that worked has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// `not_sent`, `lost`, `withheld`, `too_large` or `sign_in`, if there was no whole answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'l str>,
    /// The wait that the server asked for, as it wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<&'l str>,
    /// The milliseconds until the call was over.
    ms: u64,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ItemLine<'l> {
    /// The number of the row in the run, from 0.
    item: u32,
    /// The manifest.
    file: &'l str,
    /// The row in the manifest.
    row: u32,
    /// The object's name.
    name: &'l str,
    /// The kind of the object.
    resource: &'l str,
    /// `created`, `updated`, `deleted`, `recovered`, `unchanged`, `spared`, `stale` or `failed`.
    status: &'l str,
    /// The object's id, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'l str>,
    /// The server's id of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_id: Option<&'l str>,
    /// The reason why the row failed, is stale or was spared.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'l str>,
    /// True if the row ended in an earlier process of the same run.
    earlier: bool,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ProgressLine {
    /// The number of rows in each state.
    #[serde(flatten)]
    tally: Tally,
    /// The reads that this process sent.
    read_calls: u64,
    /// The writes that this process sent.
    write_calls: u64,
    /// The milliseconds until the end, if no call fails.
    left_ms: u64,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SummaryLine<'l> {
    /// `finished`, or `stopped` if rows are left.
    end: &'l str,
    /// The number of rows in each state.
    #[serde(flatten)]
    tally: Tally,
    /// The reads that this process sent.
    read_calls: u64,
    /// The writes that this process sent.
    write_calls: u64,
    /// The calls that were answered 429.
    throttled: u64,
    /// The calls that were answered with a 503 that asks for a pause.
    unavailable: u64,
    /// The milliseconds for which this process worked.
    elapsed_ms: u64,
    /// The run directory.
    run_dir: String,
}

/// The facts of a row that its event names.
#[derive(Debug)]
struct RowName {
    file: u16,
    row: u32,
    name: Box<str>,
    resource: &'static str,
}

/// The run that a stream is about.
#[derive(Debug)]
struct Followed {
    run: String,
    files: Vec<String>,
    rows: Vec<RowName>,
}

/// The stream of events of one command. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct EventStream {
    outlet: Outlet,
    followed: Arc<OnceLock<Followed>>,
}

impl EventStream {
    /// Begins a stream to that target.
    #[must_use]
    pub fn to(target: impl Write + Send + 'static, at: Timestamp) -> Self {
        let stream = Self::default();
        stream.outlet.open(target);
        let format = RunEvent::Format {
            format: FORMAT,
            version: VERSION,
            tool: env!("CARGO_PKG_VERSION"),
        };
        stream.send(at, format);
        stream
    }

    /// Takes in the run that is about to be carried out, and tells of the rows that have ended already.
    ///
    /// # Errors
    /// [`RunError`] if the plan or the journal cannot be read.
    pub fn begin(
        &self,
        plan: &PlanFile,
        header: &Header,
        ledger: &Ledger,
        at: Timestamp,
    ) -> Result<(), RunError> {
        let directory = plan.path().parent().unwrap_or(plan.path());
        let outcomes = Outcomes::read(directory, plan.len())?;
        let results = Results {
            plan,
            ledger,
            outcomes: &outcomes,
        };
        let unreadable = RunError::io(plan.path(), "the plan cannot be read");
        let line = |number| plan.line(number).map_err(unreadable);
        let rows = (0..plan.len()).map(|number| Ok(RowName::of(&line(number)?)));
        let rows = rows.collect::<Result<_, RunError>>()?;
        let origin = plan.origin();
        // A command carries out one run.
        let _ = self.followed.set(Followed {
            run: header.run.clone(),
            files: origin.files.clone(),
            rows,
        });
        let tally = ledger.tally();
        let planned = RunEvent::Plan(PlanEvent {
            tenant: &header.tenant,
            files: &origin.files,
            retries: origin.retries.as_deref(),
            undoes: origin.undoes.as_deref(),
            items: tally.items,
            ended: tally.finished(),
            plan_sha256: &header.plan_sha256,
        });
        self.send(at, planned);
        for number in 0..plan.len() {
            if let State::Finished(status) = ledger.state(number) {
                let line = line(number)?;
                let row = results.row(number, &line);
                let id = outcomes.id(number);
                let id = id.as_ref().or_else(|| line.item.change.id());
                let is_planned = matches!(
                    line.item.change,
                    Change::Unchanged { .. } | Change::Spared { .. } | Change::Error { .. }
                );
                self.item(number, (status.name(), id, row.failure), !is_planned, at);
            }
        }
        Ok(())
    }

    /// Tells how far the run is.
    pub fn progress(&self, progress: &Progress, now: Instant, at: Timestamp) {
        let left = progress.ends_at.saturating_duration_since(now);
        let line = ProgressLine {
            tally: progress.tally,
            read_calls: progress.read.sent,
            write_calls: progress.write.sent,
            left_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
        };
        self.send(at, RunEvent::Progress(line));
    }

    /// Tells a warning.
    pub fn warning(&self, text: &str, at: Timestamp) {
        self.send(at, RunEvent::Warning { text });
    }

    /// Tells the error with which the command ends.
    pub fn error(&self, text: &str, hint: Option<&str>, exit_code: u8, at: Timestamp) {
        let error = RunEvent::Error {
            text,
            hint,
            exit_code,
        };
        self.send(at, error);
    }

    /// Tells the result of this process's work.
    pub fn summary(&self, summary: &Summary, at: Timestamp) {
        let line = SummaryLine {
            end: summary.end,
            tally: summary.tally,
            read_calls: summary.read_calls,
            write_calls: summary.write_calls,
            throttled: summary.throttled,
            unavailable: summary.unavailable,
            elapsed_ms: summary.elapsed_ms,
            run_dir: summary.run_dir.display().to_string(),
        };
        self.send(at, RunEvent::Summary(line));
    }

    /// Writes all that is left, and waits for it for at most so long.
    #[must_use]
    pub fn close(&self, most: Duration) -> Drained {
        self.outlet.close(most)
    }

    fn item(
        &self,
        number: ItemNumber,
        (status, id, failure): (&str, Option<&Id>, Option<&Failure>),
        earlier: bool,
        at: Timestamp,
    ) {
        let Some(followed) = self.followed.get() else {
            return;
        };
        let Some(row) = followed.rows.get(index(number)) else {
            return;
        };
        let file = followed.files.get(usize::from(row.file));
        let line = ItemLine {
            item: number,
            file: file.map_or("", String::as_str),
            row: row.row,
            name: &row.name,
            resource: row.resource,
            status,
            id: id.map(Id::as_str),
            error_id: failure.and_then(|failure| failure.error_id.as_deref()),
            error: failure.map(|failure| failure.message.as_str()),
            earlier,
        };
        self.send(at, RunEvent::Item(line));
    }

    fn send(&self, at: Timestamp, event: RunEvent<'_>) {
        let run = self.followed.get().map(|followed| followed.run.as_str());
        // An event always has a form in JSON.
        if let Ok(line) = serde_json::to_string(&Line { at, run, event }) {
            self.outlet.push(line);
        }
    }
}

impl EngineObserver for EventStream {
    fn observe(&self, event: &CallEvent) {
        match event {
            CallEvent::Call(call) => self.send(call.at, RunEvent::Call(CallLine::of(call))),
            CallEvent::Pause(span) => self.send(
                span.at,
                RunEvent::Throttle {
                    class: span.class.name(),
                    ms: span.ms,
                },
            ),
            _ => {}
        }
    }

    fn ended(&self, outcomes: &[Outcome], at: Timestamp) {
        for outcome in outcomes {
            let facts = (
                outcome.status.name(),
                outcome.id.as_ref(),
                outcome.failure.as_ref(),
            );
            self.item(outcome.item, facts, false, at);
        }
    }
}

impl RowName {
    fn of(line: &PlanLine) -> Self {
        Self {
            file: line.item.file,
            row: line.item.row,
            name: line.item.key.as_ref().into(),
            resource: line.item.resource.name(),
        }
    }
}

impl<'l> CallLine<'l> {
    fn of(call: &'l SentCall) -> Self {
        Self {
            class: call.class.name(),
            method: &call.method,
            path: &call.path,
            status: call.status,
            failure: call.failure.as_deref(),
            retry_after: call.retry_after.as_deref(),
            ms: call.ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_in_the_repository_is_that_of_the_program() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.schema.json");
        let schema = schemars::schema_for!(Line<'static>).to_value();
        let current = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("ZPA_BULK_WRITE_SCHEMA").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            kept == current,
            "run this test once with ZPA_BULK_WRITE_SCHEMA=1"
        );
    }
}
