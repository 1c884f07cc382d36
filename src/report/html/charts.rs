//! Charts of calls: against the quota over time, and by how long they took.

use std::time::Duration;

use maud::{Markup, html};

use super::parts::{scrolling, share, share_bar};
use crate::engine::{CallClass, SentCall, Span};
use crate::report::quota_use::{CallPart, QuotaUse};
use crate::text::{counted, rounded};

/// The number of spans of time of a chart.
const SPANS: usize = 480;

/// The width and height of a chart, in its own units.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 200.0;

/// The most refusals that are marked in a chart.
const MOST_MARKS: usize = 500;

/// The upper bounds of the groups by latency, in milliseconds.
const LATENCIES: [(u64, &str); 9] = [
    (50, "up to 50 ms"),
    (100, "up to 100 ms"),
    (200, "up to 200 ms"),
    (500, "up to 500 ms"),
    (1000, "up to 1 s"),
    (2000, "up to 2 s"),
    (5000, "up to 5 s"),
    (30_000, "up to 30 s"),
    (u64::MAX, "more than 30 s"),
];

/// Returns the chart of a class of calls of one process against its quota; `None` if it sent no such call.
pub(super) fn against_quota(part: &CallPart, class: CallClass) -> Option<Markup> {
    let used = part.quota_use(class, SPANS)?;
    let sentence = verdict(part, class, &used);
    let limit = used.limit;
    let most = limit.map_or(0, |limit| limit.ceiling).max(used.peak).max(1);
    let top = f64::from(most) * 1.1;
    let height = |level: u32| HEIGHT * (1.0 - f64::from(level) / top);
    let refused: Vec<&SentCall> = part.of(class).filter(|c| c.status == Some(429)).collect();
    let lasted = part.lasted_ms();
    let at = |ms: u64| WIDTH * share(ms.min(lasted), lasted);
    Some(html! {
        figure {
            figcaption { strong { (title(class)) } ": " (sentence) }
            div.plot {
                div.y aria-hidden="true" { span { (most) } span { "0" } }
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(sentence) {
                    path.area d=(outline(&used.levels, &height)) {}
                    @for pause in part.pauses.iter().filter(|pause| pause.class == class) {
                        (pause_mark(pause, part, &at))
                    }
                    @if let Some(limit) = limit {
                        line.limit x1="0" x2=(WIDTH) y1=(px(height(limit.calls))) y2=(px(height(limit.calls))) {}
                        @if limit.ceiling > limit.calls {
                            line.limit x1="0" x2=(WIDTH) y1=(px(height(limit.ceiling))) y2=(px(height(limit.ceiling))) {}
                        }
                    }
                    @for call in refused.iter().take(MOST_MARKS) {
                        line.refusal x1=(px(at(part.since(call.at)))) x2=(px(at(part.since(call.at)))) y1="0" y2="24" {
                            title { "refused with 429" }
                        }
                    }
                }
                div.x aria-hidden="true" { span { "0s" } span { (instant(lasted / 2)) } span { (instant(lasted)) } }
            }
            (legend(part, class, &used))
        }
        (windows(part, class, &used))
    })
}

fn title(class: CallClass) -> &'static str {
    match class {
        CallClass::Read => "Reads",
        CallClass::Write => "Writes",
        CallClass::Auth => "Sign-ins",
    }
}

fn px(value: f64) -> String {
    format!("{value:.1}")
}

/// Returns the sentence that says how the limit was kept.
fn verdict(part: &CallPart, class: CallClass, used: &QuotaUse) -> String {
    let what = if part.is_by_path { " to one path" } else { "" };
    let peak = counted(used.peak.into(), "call", "calls");
    let window = part.window_ms(class);
    let Some(limit) = used.limit else {
        return format!("not paced; at most {peak}{what} in any {}", seconds(window));
    };
    let allowed = if limit.ceiling > limit.calls {
        format!("{}, and a search may try {}", limit.calls, limit.ceiling)
    } else {
        limit.calls.to_string()
    };
    let tries = part.session.as_ref().is_some_and(|s| s.scope == "auto") && !part.is_by_path;
    let kept = match (used.over, tries) {
        (0, _) => "no window was over the limit".to_owned(),
        (over, true) => format!(
            "{} went beyond the limit to try whether each path has one of its own, as the quota scope auto does",
            counted(over, "call", "calls")
        ),
        (over, false) => format!("{} WENT BEYOND THE LIMIT", counted(over, "CALL", "CALLS")),
    };
    format!(
        "{kept}: at most {peak}{what} in any {}, and the limit is {allowed}",
        seconds(window)
    )
}

fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1000) {
        format!("{} s", ms / 1000)
    } else {
        format!("{ms} ms")
    }
}

/// Returns the time since the beginning as an axis shows it.
fn instant(ms: u64) -> String {
    let time = Duration::from_millis(ms);
    if ms < 10_000 {
        format!("{:.1}s", time.as_secs_f64())
    } else {
        rounded(time)
    }
}

fn pause_mark(pause: &Span, part: &CallPart, at: &impl Fn(u64) -> f64) -> Markup {
    let from = at(part.since(pause.at));
    let until = at(part.since(pause.at) + pause.ms);
    html! {
        rect.pause x=(px(from)) y="0" width=(px((until - from).max(2.0))) height=(HEIGHT) {
            title { "pause of " (rounded(Duration::from_millis(pause.ms))) }
        }
    }
}

/// Returns the outline of the levels as the data of a path.
fn outline(levels: &[u32], height: &impl Fn(u32) -> f64) -> String {
    let mut data = format!("M0 {HEIGHT}");
    let width = WIDTH * share(1, levels.len() as u64);
    let mut last = None;
    let mut x = 0.0;
    for level in levels {
        if last != Some(*level) {
            data.push_str(&format!("H{}V{}", px(x), px(height(*level))));
            last = Some(*level);
        }
        x += width;
    }
    data.push_str(&format!("H{WIDTH}V{HEIGHT}Z"));
    data
}

fn legend(part: &CallPart, class: CallClass, used: &QuotaUse) -> Markup {
    let lasted = part.lasted_ms();
    // A pause may go on after the process has ended.
    let inside = |span: &Span| span.ms.min(lasted.saturating_sub(part.since(span.at)));
    let total = |spans: &[Span]| -> Duration {
        let of_class = spans.iter().filter(|span| span.class == class);
        Duration::from_millis(of_class.map(inside).sum())
    };
    let refused: u64 = used.windows.iter().map(|window| window.refused).sum();
    let (paused, waited) = (total(&part.pauses), total(&part.waits));
    html! {
        ul.legend {
            li {
                svg viewBox="0 0 10 10" aria-hidden="true" { rect.area width="10" height="10" {} }
                "calls in the last " (seconds(part.window_ms(class)))
                @if part.is_by_path { ", to the busiest path" }
            }
            @if let Some(limit) = used.limit {
                li {
                    svg viewBox="0 0 10 10" aria-hidden="true" { line.limit x1="0" x2="10" y1="5" y2="5" {} }
                    "limit: " (limit.calls) " in any " (seconds(limit.window_ms))
                }
            }
            @if !paused.is_zero() {
                li {
                    svg viewBox="0 0 10 10" aria-hidden="true" { rect.pause width="10" height="10" {} }
                    "paused by the server for " (rounded(paused))
                }
            }
            @if refused > 0 {
                li {
                    svg viewBox="0 0 10 10" aria-hidden="true" { line.refusal x1="5" x2="5" y1="0" y2="10" {} }
                    (counted(refused, "call", "calls")) " refused with 429"
                }
            }
            @if !waited.is_zero() { li { "waited for the quota for " (rounded(waited)) } }
        }
    }
}

/// Returns the same numbers as a table: the windows one after the other.
fn windows(part: &CallPart, class: CallClass, used: &QuotaUse) -> Markup {
    let length = part.window_ms(class);
    let limit = used.limit.map_or(0, |limit| u64::from(limit.ceiling));
    let most = used
        .windows
        .iter()
        .map(|w| w.sent)
        .max()
        .unwrap_or(0)
        .max(limit);
    let table = html! {
        table data-class=(class.name()) {
            caption { "Windows of " (seconds(length)) " one after the other, from the first call on" }
            thead { tr { th.num scope="col" { "From" } th.num scope="col" { "Calls" } th.num scope="col" { "Refused" } th scope="col" { "Of the limit" } } }
            tbody {
                @for window in &used.windows {
                    tr {
                        td.num { (format!("{:.1} s", Duration::from_millis(window.from_ms).as_secs_f64())) }
                        td.num { (window.sent) }
                        td.num { (window.refused) }
                        td { (share_bar("updated", window.sent, most)) }
                    }
                }
            }
        }
    };
    html! {
        details {
            summary { (title(class)) ", window by window" }
            (scrolling("Calls window by window", &table))
        }
    }
}

/// Returns the calls by how long they took.
pub(super) fn latencies(calls: &[&SentCall]) -> Markup {
    let classes = [CallClass::Read, CallClass::Write, CallClass::Auth];
    let mut sorted = classes.map(|class| {
        let of_class = calls.iter().filter(|call| call.class == class);
        of_class.map(|call| call.ms).collect::<Vec<u64>>()
    });
    for of_class in &mut sorted {
        of_class.sort_unstable();
    }
    let all = calls.len() as u64;
    let table = html! {
        table {
            caption { "Calls by the time until their answer" }
            thead { tr {
                th scope="col" { "Time" }
                @for class in classes { th.num scope="col" { (title(class)) } }
                th scope="col" { "Share" }
            } }
            tbody {
                @for (from, until, label) in groups() {
                    @let counts = sorted.each_ref().map(|of_class| between(of_class, from, until));
                    @let sum: u64 = counts.iter().sum();
                    @if sum > 0 {
                        tr {
                            th scope="row" { (label) }
                            @for count in counts { td.num { (count) } }
                            td { (share_bar("updated", sum, all)) }
                        }
                    }
                }
            }
        }
    };
    html! {
        ul.facts {
            @for (class, of_class) in classes.iter().zip(&sorted) {
                @if let Some(slowest) = of_class.last() {
                    li {
                        (title(*class)) b { (quantile(of_class, 50)) " ms" }
                        span.dim { "half are faster; 95 %: " (quantile(of_class, 95)) " ms; slowest: " (slowest) " ms" }
                    }
                }
            }
        }
        (scrolling("Latency", &table))
    }
}

/// The groups by latency: from which and until which, with a label.
fn groups() -> impl Iterator<Item = (u64, u64, &'static str)> {
    let mut from = 0;
    LATENCIES.into_iter().map(move |(until, label)| {
        let group = (from, until, label);
        from = until;
        group
    })
}

/// Counts the numbers above `from` and up to `until`; zero is in the first group.
fn between(sorted: &[u64], from: u64, until: u64) -> u64 {
    let below = |bound: u64| sorted.partition_point(|ms| *ms <= bound);
    let first = if from == 0 { 0 } else { below(from) };
    (below(until) - first) as u64
}

fn quantile(sorted: &[u64], percent: usize) -> u64 {
    let at = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_in_one_group_by_latency() {
        let sorted = [0, 50, 51, 100, 30_000, 30_001, u64::MAX];
        let counts: Vec<u64> = groups()
            .map(|(from, until, _)| between(&sorted, from, until))
            .collect();
        assert_eq!(counts, [2, 2, 0, 0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn a_quantile_is_one_of_the_numbers() {
        let sorted: Vec<u64> = (1..=100).collect();
        assert_eq!((quantile(&sorted, 50), quantile(&sorted, 95)), (50, 95));
        assert_eq!(quantile(&[7], 95), 7);
    }
}
