//! `report.html`, the page of a run.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::charts::{against_quota, latencies};
use super::parts::{badge, bar, changes, filters, framed, name, page, scrolling, share_bar, shown};
use super::run_data::{Breakdown, Reason, RunData};
use crate::engine::{CallClass, SentCall};
use crate::files::Replacement;
use crate::journal::Header;
use crate::ledger::{Ledger, Tally};
use crate::report::outcomes::Outcomes;
use crate::report::quota_use::CallPart;
use crate::report::rows::Results;
use crate::run::{LoggedCalls, PlanFile, RecordedSettings, RunError};
use crate::text::{counted, rounded, shell_word};

/// The name of the page in a run directory.
pub const PAGE_NAME: &str = "report.html";

/// The most processes whose calls are shown.
const MOST_PARTS: usize = 12;

/// The number of calls among the slowest.
const SLOWEST: usize = 20;

/// The run that a page is about.
#[derive(Clone, Copy, Debug)]
pub struct RunPage<'r> {
    /// The run directory.
    pub directory: &'r Path,
    /// The run, as the commands on the page name it.
    pub named: &'r Path,
    /// The plan.
    pub plan: &'r PlanFile,
    /// The first record of the journal.
    pub header: &'r Header,
    /// The state of every item.
    pub ledger: &'r Ledger,
    /// The time of the last record in the journal.
    pub written: Timestamp,
}

/// Writes the page of a run into its directory, whole or not at all.
///
/// # Errors
/// [`RunError`] if the run cannot be read, or the file cannot be written.
pub fn write_page(run: &RunPage<'_>) -> Result<(), RunError> {
    let text = render_run(run)?;
    let failed = RunError::io(run.directory, "the page of the run cannot be written");
    let write = || -> io::Result<()> {
        let mut file = Replacement::begin(&run.directory.join(PAGE_NAME))?;
        file.write_all(text.as_bytes())?;
        file.finish()
    };
    write().map_err(failed)
}

/// Returns the page of a run.
///
/// # Errors
/// [`RunError`] if the run cannot be read. A log of calls that cannot be read only makes charts missing.
pub fn render_run(run: &RunPage<'_>) -> Result<String, RunError> {
    let outcomes = Outcomes::read(run.directory, run.plan.len())?;
    let results = Results {
        plan: run.plan,
        ledger: run.ledger,
        outcomes: &outcomes,
    };
    let logged = LoggedCalls::read(run.directory).unwrap_or_default();
    let data = RunData::read(&results, logged);
    let data = data.map_err(RunError::io(run.directory, "the run cannot be read"))?;
    Ok(page(
        &format!("zpa-bulk run {}", run.header.run),
        &body(run, &data),
    ))
}

fn body(run: &RunPage<'_>, data: &RunData) -> Markup {
    let calls: Vec<&SentCall> = data.parts.iter().flat_map(|part| &part.calls).collect();
    let sections = [
        ("next", "What to do next", next(run)),
        ("quota", "Calls against the quota", Some(quota(data))),
        ("failures", "What failed, and why", reasons(&data.failures)),
        ("spared", "What was spared, and why", reasons(&data.spared)),
        (
            "outcomes",
            "Outcomes by resource, portal and microtenant",
            Some(breakdowns(data)),
        ),
        ("fields", "Fields before and after", updates(data)),
        ("latency", "How long calls took", latency(&calls)),
        ("all", "All rows", Some(rows(data))),
        ("what", "What ran", Some(what_ran(run, data))),
    ];
    let heading = html! {
            h1 { "Run " span.mono { (name(&run.header.run)) } ": " (verdict(&run.ledger.tally())) }
            p.dim { "zpa-bulk on tenant " (name(&run.header.tenant)) ", last written " (time(run.written)) }
    };
    framed(&heading, &at_a_glance(run, data, &calls), &sections)
}

fn verdict(tally: &Tally) -> String {
    let open = tally.unknown + tally.waiting;
    match (open, tally.missed()) {
        (0, 0) => "everything is done".to_owned(),
        (0, missed) => format!("finished, {} not done", counted(missed, "row", "rows")),
        (open, _) => format!("not finished, {} left", counted(open, "row", "rows")),
    }
}

fn time(time: Timestamp) -> String {
    time.strftime("%F %T UTC").to_string()
}

fn millis(ms: u64) -> String {
    rounded(Duration::from_millis(ms))
}

fn at_a_glance(run: &RunPage<'_>, data: &RunData, calls: &[&SentCall]) -> Markup {
    let tally = run.ledger.tally();
    let states = tally.states().map(|(count, state)| (count, state, state));
    let count = |class| calls.iter().filter(|call| call.class == class).count();
    let refused = calls.iter().filter(|call| call.status == Some(429)).count();
    let worked: u64 = data.parts.iter().map(CallPart::lasted_ms).sum();
    html! {
        (bar("Rows", &states))
        ul.facts {
            li { "Rows" b { (tally.items) } }
            li { "Failed" b { (tally.failed) } }
            @if tally.stale > 0 { li { "Stale" b { (tally.stale) } } }
            li { "Read calls" b { (count(CallClass::Read)) } }
            li { "Write calls" b { (count(CallClass::Write)) } }
            li { "Refused with 429" b { (refused) } }
            li { "From first call to last" b { (millis(worked)) } }
        }
    }
}

/// Returns the commands that may follow, each with its reason.
fn next(run: &RunPage<'_>) -> Option<Markup> {
    let tally = run.ledger.tally();
    let origin = run.plan.origin();
    let simulated = RecordedSettings::read(run.header).is_ok_and(|recorded| recorded.simulated);
    if simulated {
        return Some(
            html! { p { "This was a rehearsal on a simulated tenant, which ended with it. There is nothing to do." } },
        );
    }
    let directory = shell_word(run.named.display());
    let mut commands: Vec<(&str, String)> = Vec::new();
    if tally.unknown + tally.waiting > 0 {
        commands.push((
            "Go on with the rows that are left:",
            format!("zpa-bulk resume {directory}"),
        ));
    } else {
        if tally.missed() > 0 && origin.undoes.is_none() {
            commands.push((
                "Try again what was not done, in a new run:",
                format!("zpa-bulk retry {directory}"),
            ));
        }
        if let Some(undone) = origin
            .undoes
            .as_deref()
            .filter(|_| tally.failed + tally.spared > 0)
        {
            let undone = shell_word(undone);
            commands.push((
                "Try again to take back the rest:",
                format!("zpa-bulk undo {undone}"),
            ));
        }
        let changed = tally.created + tally.updated + tally.deleted + tally.recovered;
        if changed > 0 {
            commands.push((
                "Check that the tenant is as this run says:",
                format!("zpa-bulk verify {directory}"),
            ));
            commands.push((
                "Take the changes back, except where others have changed the same objects since:",
                format!("zpa-bulk undo {directory}"),
            ));
        }
    }
    (!commands.is_empty()).then(|| {
        html! {
            @for (why, command) in &commands { p { (why) } pre { (shown(command)) } }
        }
    })
}

fn quota(data: &RunData) -> Markup {
    if data.parts.is_empty() {
        return html! { p { "There is no log of the calls: the run is of an older program, or its log could not be written." } };
    }
    let left_out = data.parts.len().saturating_sub(MOST_PARTS);
    let several = data.parts.len() > 1;
    html! {
        p.dim { "Each chart shows at every instant the calls of the window that ends there, so that no window can hide. Calls of other "
            "processes and programs are not in it. Sign-ins count against no quota." }
        @if left_out > 0 { p { "The first " (left_out) " of " (data.parts.len()) " processes are left out." } }
        @if data.missing_events > 0 || data.is_cut { p { strong { "The log of the calls is not whole, so calls are missing here." } } }
        @for (number, part) in data.parts.iter().enumerate().skip(left_out) {
            @if several { h3 { "Process " (number + 1) " of " (data.parts.len()) ", from " (time(part.began())) } }
            @for class in [CallClass::Write, CallClass::Read] {
                @if let Some(chart) = against_quota(part, class) { (chart) }
            }
        }
    }
}

fn latency(calls: &[&SentCall]) -> Option<Markup> {
    if calls.is_empty() {
        return None;
    }
    let mut slowest = calls.to_vec();
    slowest.sort_by_key(|call| std::cmp::Reverse(call.ms));
    slowest.truncate(SLOWEST);
    let table = html! {
        table {
            caption { "The slowest calls" }
            thead { tr {
                th.num scope="col" { "Milliseconds" } th scope="col" { "Call" } th scope="col" { "Answer" } th scope="col" { "Sent" }
            } }
            tbody {
                @for call in slowest {
                    tr { td.num { (call.ms) } td.mono { (name(&call.method)) " " (name(&call.path)) } td { (answer(call)) } td { (time(call.at)) } }
                }
            }
        }
    };
    Some(html! { (latencies(calls)) (scrolling("The slowest calls", &table)) })
}

fn answer(call: &SentCall) -> Markup {
    html! {
        @match (call.status, &call.failure) {
            (Some(status), _) => (status),
            (None, Some(failure)) => (name(failure)),
            (None, None) => "ok",
        }
    }
}

fn reasons(reasons: &[Reason]) -> Option<Markup> {
    if reasons.is_empty() {
        return None;
    }
    Some(html! {
        @for reason in reasons {
            h3 { (badge(reason.status)) " " (counted(reason.count, "row", "rows")) }
            p { (shown(&reason.failure.message)) }
            @if reason.failure.error_id.is_some() || reason.failure.status.is_some() {
                p.dim {
                    @if let Some(id) = &reason.failure.error_id { "The server's id of the error: " code { (name(id)) } ". " }
                    @if let Some(status) = reason.failure.status { "HTTP status " (status) "." }
                }
            }
            details open[reason.rows.len() <= 10] {
                summary { "Rows" }
                ul {
                    @for (origin, key) in &reason.rows { li { "row " (name(origin)) ": " (name(key)) } }
                    @if reason.count > reason.rows.len() as u64 {
                        li { "and " (reason.count - reason.rows.len() as u64) " more, in the result files" }
                    }
                }
            }
        }
    })
}

fn breakdowns(data: &RunData) -> Markup {
    let [resource, portal, microtenant] = &data.by;
    html! {
        (breakdown("Resource", resource))
        @if !portal.is_empty() { (breakdown("Portal", portal)) }
        (breakdown("Microtenant", microtenant))
    }
}

fn breakdown(what: &str, counts: &Breakdown) -> Markup {
    let most = counts
        .values()
        .map(|states| states.values().sum::<u64>())
        .max();
    let table = html! {
        table {
            caption { "By " (what.to_lowercase()) }
            thead { tr { th scope="col" { (what) } th.num scope="col" { "Rows" } th scope="col" { "Outcomes" } th scope="col" { "Share" } } }
            tbody {
                @for (value, states) in counts {
                    @let sum: u64 = states.values().sum();
                    tr {
                        th scope="row" { (name(value)) }
                        td.num { (sum) }
                        td { @for (state, count) in states { (count) " " (badge(state)) " " } }
                        td { (share_bar("updated", sum, most.unwrap_or(0))) }
                    }
                }
            }
        }
    };
    scrolling(what, &table)
}

fn updates(data: &RunData) -> Option<Markup> {
    if data.updates.is_empty() {
        return None;
    }
    let table = html! {
        table.sortable {
            caption { "What each update was to change. Row by row, as it was planned" }
            thead { tr { th scope="col" { "Row" } th scope="col" { "Name" } th scope="col" { "Status" } th scope="col" { "Field: before → after" } } }
            tbody {
                @for update in &data.updates {
                    tr {
                        td { (name(&update.origin)) } td { (name(&update.name)) } td { (badge(update.status)) }
                        td.text { (changes(update.changes.iter().map(|c| (&*c.field, &*c.old, &*c.new)))) }
                    }
                }
            }
        }
    };
    Some(scrolling("Fields before and after", &table))
}

fn rows(data: &RunData) -> Markup {
    let mut states: Vec<&str> = data.rows.iter().map(|row| row.status).collect();
    states.sort_unstable();
    states.dedup();
    let table = html! {
        table.sortable id="rows" {
            caption { "Every row of the manifests" @if data.left_out > 0 { ", but for " (data.left_out) " that are in the result files alone" } }
            thead { tr {
                th scope="col" { "Row" } th scope="col" { "Name" } th scope="col" { "Status" } th scope="col" { "Resource" }
                th scope="col" { "Planned" } th scope="col" { "Id" } th.num scope="col" { "Attempts" } th scope="col" { "Reason" }
            } }
            tbody {
                @for row in &data.rows {
                    tr data-status=(row.status) {
                        td { (name(&row.origin)) } td { (name(&row.name)) } td { (badge(row.status)) } td { (row.resource) }
                        td { (row.op) } td.mono { (row.id) } td.num { (row.attempts) } td { @if !row.reason.is_empty() { (shown(&row.reason)) } }
                    }
                }
            }
        }
    };
    html! {
        (filters("Status", &states))
        (scrolling("All rows", &table))
    }
}

fn what_ran(run: &RunPage<'_>, data: &RunData) -> Markup {
    let header = run.header;
    let origin = run.plan.origin();
    let links = [
        ("Retries the failed rows of", origin.retries.as_deref()),
        ("Undoes", origin.undoes.as_deref()),
    ];
    let settings = header.settings.as_object().into_iter().flatten();
    html! {
        dl {
            dt { "Run" } dd.mono { (name(&header.run)) }
            dt { "Tenant" } dd.mono { (name(&header.tenant)) }
            dt { "Version" } dd { "zpa-bulk " (name(&header.tool)) }
            @for (number, file) in origin.files.iter().enumerate() {
                dt { "Manifest" }
                dd {
                    (shown(file))
                    @if let Some(sha256) = origin.sha256.get(number) { br; span.mono { "SHA-256 " (name(sha256)) } }
                }
            }
            dt { "Plan" } dd.mono { "SHA-256 " (name(&header.plan_sha256)) }
            @for (what, other) in links {
                @if let Some(other) = other { dt { (what) } dd.mono { (name(other)) } }
            }
            @for other in &origin.supersedes { dt { "Takes the place of" } dd.mono { (name(other)) } }
            @for (number, part) in data.parts.iter().enumerate() {
                dt { "Process " (number + 1) }
                dd {
                    (time(part.began())) ", for " (millis(part.lasted_ms())) ", "
                    (counted(part.calls.len() as u64, "call", "calls"))
                    @if let Some(session) = &part.session { ", version " (name(&session.tool)) }
                }
            }
        }
        h3 { "Settings" }
        dl { @for (setting, value) in settings { dt { (name(setting)) } dd.mono { (setting_value(value)) } } }
    }
}

fn setting_value(value: &Value) -> Markup {
    match value {
        Value::String(text) => shown(text),
        value => shown(&value.to_string()),
    }
}
