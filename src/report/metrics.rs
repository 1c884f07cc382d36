//! The metrics of a run as Prometheus text, for the collector of text files of a node exporter.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::summary::{FINISHED, Summary};
use crate::engine::{CallClass, CallEvent, CallLimit, CallSession, Span};

/// The name of the metric that is carried over from an earlier run.
const LAST_SUCCESS: &str = "last_success_timestamp_seconds";

/// The numbers of the calls that a process sent.
#[derive(Clone, Debug, Default)]
pub struct CallNumbers {
    /// The calls by class, and by status or kind of failure.
    calls: BTreeMap<(CallClass, String), u64>,
    /// The milliseconds for which calls waited for their slots, by class.
    waited: BTreeMap<CallClass, u64>,
    /// The milliseconds of the pauses that the server asked for, by class.
    paused: BTreeMap<CallClass, u64>,
    limits: BTreeMap<CallClass, CallLimit>,
}

impl CallNumbers {
    /// Takes an event in.
    pub fn take(&mut self, event: &CallEvent) {
        let add = |times: &mut BTreeMap<CallClass, u64>, span: &Span| {
            *times.entry(span.class).or_default() += span.ms;
        };
        match event {
            CallEvent::Call(call) => {
                let status = match (call.status, &call.failure) {
                    (Some(status), _) => status.to_string(),
                    (None, Some(failure)) => failure.clone(),
                    (None, None) => "ok".to_owned(),
                };
                *self.calls.entry((call.class, status)).or_default() += 1;
            }
            CallEvent::Wait(span) => add(&mut self.waited, span),
            CallEvent::Pause(span) => add(&mut self.paused, span),
            CallEvent::Session(CallSession { read, write, .. }) => {
                let limits = [(CallClass::Read, *read), (CallClass::Write, *write)];
                let limits = limits
                    .into_iter()
                    .filter_map(|(class, l)| Some((class, l?)));
                self.limits.extend(limits);
            }
            CallEvent::Scope { .. } | CallEvent::Dropped { .. } => {}
        }
    }
}

/// Returns the metrics of a run of that tenant which ended at `now`. `before` is the text of an earlier run, from which
/// the time of the last success is taken if this run is none.
#[must_use]
pub fn metrics(
    tenant: &str,
    summary: &Summary,
    numbers: &CallNumbers,
    before: &str,
    now: Timestamp,
) -> String {
    let mut text = Metrics {
        text: String::new(),
        tenant: escaped_label(tenant),
    };
    text.calls(summary, numbers);
    let items = summary.tally.states();
    let items = items.map(|(count, state)| (format!("state=\"{state}\""), count.to_string()));
    text.family("items", "Rows of the last run, by state.", items);
    let plain = |value: String| [(String::new(), value)];
    text.family(
        "run_seconds",
        "Time for which the last run worked.",
        plain(seconds(summary.elapsed_ms)),
    );
    let is_finished = summary.end == FINISHED;
    let finished = u8::from(is_finished).to_string();
    text.family(
        "finished",
        "1 if no row of the last run is left.",
        plain(finished),
    );
    let end = now.as_second().to_string();
    text.family(
        "last_run_timestamp_seconds",
        "Time of the end of the last run.",
        plain(end.clone()),
    );
    let success = if is_finished && summary.tally.missed() == 0 {
        Some(end)
    } else {
        last_success(before, &text.tenant)
    };
    let success = success.map(|at| (String::new(), at));
    text.family(
        LAST_SUCCESS,
        "Time of the end of the last run in which no row failed or was stale.",
        success,
    );
    text.text
}

/// A text in Prometheus' format.
struct Metrics {
    text: String,
    tenant: String,
}

impl Metrics {
    /// Adds what is known of the calls.
    fn calls(&mut self, summary: &Summary, numbers: &CallNumbers) {
        let calls = numbers.calls.iter().map(|((class, status), count)| {
            let labels = format!("{},status=\"{}\"", of_class(*class), escaped_label(status));
            (labels, count.to_string())
        });
        self.family(
            "calls",
            "Calls of the last run, by class and status.",
            calls,
        );
        self.family(
            "wait_seconds",
            "Time of the last run in which calls waited for the quota.",
            times(&numbers.waited),
        );
        self.family(
            "pause_seconds",
            "Pauses of the last run that the server asked for.",
            times(&numbers.paused),
        );
        self.family(
            "quota_use_ratio",
            "Calls of the last run per second, of those that the quota allows.",
            quota_use(summary, numbers),
        );
    }

    /// Adds a gauge with its samples: labels besides the tenant, and values.
    fn family(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (String, String)>,
    ) {
        let (name, tenant) = (format!("zpa_bulk_{name}"), &self.tenant);
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_some() {
            self.text
                .push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
        }
        for (labels, value) in samples {
            let comma = if labels.is_empty() { "" } else { "," };
            self.text.push_str(&format!(
                "{name}{{tenant=\"{tenant}\"{comma}{labels}}} {value}\n"
            ));
        }
    }
}

/// Returns the share of the quota that the calls used, on average over the run.
fn quota_use(summary: &Summary, numbers: &CallNumbers) -> Vec<(String, String)> {
    let sent = |class| match class {
        CallClass::Read => summary.read_calls,
        _ => summary.write_calls,
    };
    let of = |(class, limit): (&CallClass, &CallLimit)| {
        // The first window may be used up at once.
        let windows = 1 + summary.elapsed_ms / limit.window_ms.max(1);
        let allowed = windows.saturating_mul(limit.calls.into()).max(1);
        let permille = sent(*class).saturating_mul(1000) / allowed;
        let ratio = format!("{}.{:03}", permille / 1000, permille % 1000);
        (of_class(*class), ratio)
    };
    numbers.limits.iter().map(of).collect()
}

fn times(times: &BTreeMap<CallClass, u64>) -> Vec<(String, String)> {
    let each = times.iter();
    each.map(|(class, ms)| (of_class(*class), seconds(*ms)))
        .collect()
}

fn of_class(class: CallClass) -> String {
    format!("class=\"{}\"", class.name())
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// Escapes the value of a label, as the text format asks for.
fn escaped_label(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Returns the time of the last success of the tenant in the text of an earlier run.
fn last_success(before: &str, tenant: &str) -> Option<String> {
    let prefix = format!("zpa_bulk_{LAST_SUCCESS}{{tenant=\"{tenant}\"}} ");
    let value = before.lines().find_map(|line| line.strip_prefix(&prefix))?;
    let seconds: u64 = value.trim().parse().ok()?;
    Some(seconds.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_success_is_kept_for_the_same_tenant() {
        let before = "zpa_bulk_last_success_timestamp_seconds{tenant=\"7\"} 1700000000\n";
        assert_eq!(last_success(before, "7").as_deref(), Some("1700000000"));
        assert_eq!(last_success(before, "8"), None);
        assert_eq!(
            last_success(
                "zpa_bulk_last_success_timestamp_seconds{tenant=\"7\"} x",
                "7"
            ),
            None
        );
    }

    #[test]
    fn a_label_cannot_end_early() {
        assert_eq!(escaped_label("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
