//! Messages at the end of a run, and its exit code.

use std::num::NonZeroU32;
use std::time::Duration;

use super::terminal::Terminal;
use super::{exit, output};
use crate::cli::flags::{ResultsForm, WorkArgs};
use crate::clock::wall;
use crate::engine::End;
use crate::files;
use crate::ops::{self, Error, ErrorKind, RunEnd, counted, listed, of_end, rounded, shell_word};
use crate::report::{self, Report};
use crate::wire::QuotaClass;

/// The most bytes of the metrics of an earlier run.
const MOST_METRICS: u64 = 1 << 20;

/// Shows the end of a run, if there was one, and returns the exit code.
///
/// # Errors
/// The same as for [`finish`].
pub(crate) fn conclude(
    ended: Option<RunEnd>,
    work: &WorkArgs,
    terminal: &Terminal,
) -> Result<u8, Error> {
    match ended {
        Some(ended) => finish(&ended, work, terminal),
        None => Ok(exit::SUCCESS),
    }
}

/// Shows the end of a run, and returns the exit code.
///
/// # Errors
/// The error that ended the run early, with the next step.
pub(crate) fn finish(ended: &RunEnd, work: &WorkArgs, terminal: &Terminal) -> Result<u8, Error> {
    // The run has ended, whatever becomes of these.
    write_for_programs(ended, work).map_err(|error| Error {
        kind: ErrorKind::Unexpected,
        ..error
    })?;
    if work.results == ResultsForm::Xlsx {
        let written = report::write_workbook(&ended.directory);
        let written = written.map_err(|error| {
            Error::unexpected("the workbook of results cannot be written", &error)
        })?;
        terminal.say(&format!("workbook: {}", written.display()));
    }
    if work.json.json {
        terminal.json(&ended.report)?;
    } else if !terminal.is_quiet() {
        terminal.result(&described(&ended.report))?;
    }
    let RunEnd { end, tally, .. } = ended;
    let resume = format!("zpa-bulk resume {}", shell_word(ended.directory.display()));
    match of_end(end, ErrorKind::Stopped) {
        Some(error) if *end == End::Stopped => {
            terminal.say(&format!("stopped; to go on: {resume}"));
            Ok(exit::code(error.kind))
        }
        Some(error) if matches!(end, End::Parked(_)) => {
            terminal.say(&format!("parked: {error}"));
            terminal.say(&format!("to go on: {resume}"));
            Ok(exit::code(error.kind))
        }
        Some(error) if matches!(end, End::Unreadable(..)) => {
            // Some rows may be done. The run can be resumed once the tenant can be read again.
            let kind = ErrorKind::Stopped;
            Err(Error { kind, ..error }.hint(format!("to go on: {resume}")))
        }
        Some(error) => Err(error.hint(format!("to go on: {resume}"))),
        None if tally.missed() > 0 => Ok(exit::FAILED_ITEMS),
        None => Ok(exit::SUCCESS),
    }
}

/// Writes the results for other programs, as far as flags ask for them.
fn write_for_programs(ended: &RunEnd, work: &WorkArgs) -> Result<(), Error> {
    if let Some(path) = &work.junit {
        output::write(path, ops::junit(&ended.directory)?.as_bytes())?;
    }
    if let Some(path) = &work.metrics {
        let before = files::read(path, MOST_METRICS).unwrap_or_default();
        let before = String::from_utf8_lossy(&before);
        let Report {
            tenant, summary, ..
        } = &ended.report;
        let text = report::metrics(tenant, summary, &ended.numbers, &before, wall());
        output::write_readable(path, text.as_bytes())?;
    }
    Ok(())
}

/// Says that refusals have shown less room in a window than the quota has.
pub(crate) fn shared_quota(class: QuotaClass, room: NonZeroU32) -> String {
    format!(
        "another program uses a part of the {class} quota, or the limit is smaller: a window has room for about {room} calls"
    )
}

fn described(report: &Report) -> Vec<String> {
    const SHOWN: usize = 10;
    let summary = &report.summary;
    let tally = summary.tally;
    let states = tally.states().map(|(count, state)| match state {
        "waiting" => (count, "not tried yet"),
        state => (count, state),
    });
    let parts = listed(states).unwrap_or_else(|| "nothing to do".to_owned());
    let rows = counted(tally.items, "row", "rows");
    let mut lines = vec![format!("{rows}: {parts}")];
    let has_ended = |status: &str| matches!(status, "failed" | "stale");
    let failures = report.errors.iter().filter(|row| has_ended(&row.status));
    lines.extend(failures.take(SHOWN).map(|row| {
        let (file, number) = (&row.file, row.row);
        format!("  {file}:{number} {:?}: {}", row.name, row.error)
    }));
    let failed = usize::try_from(tally.missed()).unwrap_or(usize::MAX);
    if failed > SHOWN {
        lines.push(format!("  … and {} more in errors.csv", failed - SHOWN));
    }
    let unavailable = match summary.unavailable {
        0 => String::new(),
        count => format!(", {count} unavailable"),
    };
    lines.push(format!(
        "{} read and {} in {}, {} throttled{unavailable}",
        summary.read_calls,
        counted(summary.write_calls, "write call", "write calls"),
        rounded(Duration::from_millis(summary.elapsed_ms)),
        summary.throttled,
    ));
    let rooms = [
        (QuotaClass::Read, summary.read_room),
        (QuotaClass::Write, summary.write_room),
    ];
    let rooms = rooms
        .into_iter()
        .filter_map(|(class, room)| Some((class, room?)));
    lines.extend(rooms.map(|(class, room)| shared_quota(class, room)));
    lines.push(format!("results: {}", summary.run_dir.display()));
    lines
}
