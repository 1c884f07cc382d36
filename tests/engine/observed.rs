//! The observer of an engine, against the tenant's own log of the same calls.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use zpa_bulk::engine::{CallClass, CallEvent, End, EngineObserver, SentCall, Span};
use zpa_bulk::item::Outcome;
use zpa_bulk::report::parts;
use zpa_bulk::sim::{Class, LogEntry};

use crate::support::desk::{Desk, carry_out};
use crate::support::manifests::manifest;
use crate::support::state::most_in_any_window;
use crate::support::wire::{ROOMY, Wire};

/// A tenant that answers at once.
const AT_ONCE: &str = "latency = { base = \"0ms\", jitter = \"0ms\" }";

/// An observer that keeps all it is told.
#[derive(Default)]
struct Noted {
    events: Mutex<Vec<CallEvent>>,
    ended: Mutex<Vec<u32>>,
}

impl fmt::Debug for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Noted").finish_non_exhaustive()
    }
}

impl EngineObserver for Noted {
    fn observe(&self, event: &CallEvent) {
        self.events.lock().unwrap().push(event.clone());
    }

    fn ended(&self, outcomes: &[Outcome], _: Timestamp) {
        let items = outcomes.iter().map(|outcome| outcome.item);
        self.ended.lock().unwrap().extend(items);
    }
}

impl Noted {
    fn each<T>(&self, wanted: impl Fn(&CallEvent) -> Option<T>) -> Vec<T> {
        self.events
            .lock()
            .unwrap()
            .iter()
            .filter_map(wanted)
            .collect()
    }

    /// The calls in the order in which they were sent.
    fn calls(&self) -> Vec<SentCall> {
        let mut calls = self.each(|event| match event {
            CallEvent::Call(call) => Some(call.clone()),
            _ => None,
        });
        calls.sort_by_key(|call| call.at);
        calls
    }

    fn pauses(&self) -> Vec<Span> {
        self.each(|event| match event {
            CallEvent::Pause(span) => Some(*span),
            _ => None,
        })
    }

    fn waits(&self) -> Vec<Span> {
        self.each(|event| match event {
            CallEvent::Wait(span) => Some(*span),
            _ => None,
        })
    }
}

/// Carries a manifest of so many links out, each with a call of its own, under an observer.
async fn observed(wire: &Wire, links: usize) -> Arc<Noted> {
    let desk = Desk::new().batch_size(1);
    let mut engine = desk.engine(wire.clone());
    let noted = Arc::new(Noted::default());
    engine.observe(Arc::clone(&noted) as Arc<dyn EngineObserver>);
    let run = desk.start(&mut engine, &manifest(links)).await;
    let applied = carry_out(&mut engine, run).await;
    assert_eq!(applied.end, End::Finished);
    let mut ended = noted.ended.lock().unwrap().clone();
    ended.sort_unstable();
    let all: Vec<u32> = applied.outcomes.into_keys().collect();
    assert_eq!(ended, all, "each item ends once");
    noted
}

fn class(class: Class) -> CallClass {
    match class {
        Class::Read => CallClass::Read,
        Class::Write => CallClass::Write,
        Class::Auth => CallClass::Auth,
    }
}

/// Fails unless each call of the log was told, with its time, class, method, path and status.
#[track_caller]
fn assert_told(calls: &[SentCall], log: &[LogEntry]) {
    assert_eq!(calls.len(), log.len());
    let (first, began) = (calls[0].at, log[0].at);
    for (call, entry) in calls.iter().zip(log) {
        let told = Duration::try_from(call.at.duration_since(first)).unwrap();
        assert_eq!(told, entry.at.saturating_sub(began), "{call:?}");
        assert_eq!(call.class, class(entry.class), "{call:?}");
        assert_eq!(call.method, entry.method);
        if call.class == CallClass::Auth {
            continue;
        }
        assert_eq!(call.status, Some(entry.status), "{call:?}");
        let (version, path) = call.path.split_once('/').unwrap();
        let version = format!("/mgmtconfig/{version}/admin/customers/");
        assert!(entry.path.starts_with(&version), "{call:?} {entry:?}");
        assert!(entry.path.ends_with(path), "{call:?} {entry:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_call_is_told_as_the_tenant_logs_it() {
    let wire = Wire::new(&format!("{ROOMY}\n{AT_ONCE}"));
    let noted = observed(&wire, 35).await;
    assert_told(&noted.calls(), &wire.tenant.log());
    assert_eq!(noted.pauses(), []);
    let waits = noted.waits();
    let lasted: Vec<u64> = waits.iter().map(|wait| wait.ms).collect();
    assert_eq!(lasted, [10_200; 3], "three windows were waited for");
    assert!(waits.iter().all(|wait| wait.class == CallClass::Write));
}

/// Fails unless the chart of a class has, window by window, the calls of the tenant's log.
#[track_caller]
fn assert_charted(noted: &Noted, log: &[LogEntry], class: Class, window: Duration) {
    let parts = parts(noted.events.lock().unwrap().clone());
    assert_eq!(parts.len(), 1);
    let charted = parts[0].quota_use(self::class(class), 50).unwrap();
    let arrived: Vec<Duration> = log
        .iter()
        .filter(|e| e.class == class)
        .map(|e| e.at)
        .collect();
    let first = arrived[0];
    let mut windows = BTreeMap::new();
    for at in &arrived {
        let number = at.saturating_sub(first).as_millis() / window.as_millis();
        *windows.entry(number).or_insert(0) += 1;
    }
    let counted: Vec<u64> = windows.into_values().collect();
    let shown: Vec<u64> = charted.windows.iter().map(|window| window.sent).collect();
    assert_eq!(shown, counted, "{class:?}");
    // A call that comes a whole window after another is in the next one.
    let most = most_in_any_window(&arrived, window.saturating_sub(Duration::from_millis(1)));
    assert_eq!(charted.peak, u32::try_from(most).unwrap(), "{class:?}");
    assert_eq!(charted.levels.iter().max(), Some(&charted.peak));
    assert_eq!(charted.over, 0, "{class:?}");
}

#[tokio::test(start_paused = true)]
async fn a_chart_has_the_calls_of_the_log_window_by_window() {
    let window = Duration::from_secs(10);
    for quota in ["write = \"10/10s\"", "write = \"6/10s\""] {
        let wire = Wire::new(&format!("{ROOMY}\n{AT_ONCE}\n[quota]\n{quota}"));
        let noted = observed(&wire, 64).await;
        let log = wire.tenant.log();
        assert_charted(&noted, &log, Class::Write, window);
        assert_charted(&noted, &log, Class::Read, window);
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_and_the_pauses_they_lead_to_are_told() {
    let quota = "[quota]\nwrite = \"6/10s\"";
    let wire = Wire::new(&format!("{ROOMY}\n{AT_ONCE}\n{quota}"));
    let noted = observed(&wire, 14).await;
    let calls = noted.calls();
    assert_told(&calls, &wire.tenant.log());
    let refused: Vec<&SentCall> = calls.iter().filter(|c| c.status == Some(429)).collect();
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|call| call.retry_after.is_some()));
    for pause in noted.pauses() {
        let until = pause.at + Duration::from_millis(pause.ms);
        let inside =
            |call: &&SentCall| call.class == pause.class && call.at > pause.at && call.at < until;
        assert_eq!(calls.iter().find(inside), None, "{pause:?}");
        let ends_there = |other: &Span| other.at + Duration::from_millis(other.ms) == pause.at;
        let is_more = noted.pauses().iter().any(ends_there);
        let is_told = refused.iter().any(|call| call.at == pause.at);
        assert!(is_told || is_more, "{pause:?}");
    }
    assert!(!noted.pauses().is_empty());
}
