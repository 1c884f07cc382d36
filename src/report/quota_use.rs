//! The calls of a run against its quotas, over time.
//!
//! A limit holds for every window, wherever it begins. So the level at an instant is the number of calls in the window
//! that ends there, and no limit was exceeded if its highest level is not above the limit.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use crate::engine::{CallClass, CallEvent, CallLimit, CallSession, SentCall, Span};

/// The calls that one process sent for a run, in the order of sending.
#[derive(Clone, Debug, Default)]
pub struct CallPart {
    /// The limits of the process; `None` if the log does not tell.
    pub session: Option<CallSession>,
    /// The calls.
    pub calls: Vec<SentCall>,
    /// The pauses that the server asked for.
    pub pauses: Vec<Span>,
    /// The times in which calls waited for their slots.
    pub waits: Vec<Span>,
    /// True if each limit counts the calls of each path by themselves.
    pub is_by_path: bool,
    /// The number of events that are missing in the log.
    pub dropped: u64,
}

/// The use of one quota by one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaUse {
    /// The limit; `None` if the calls were not paced.
    pub limit: Option<CallLimit>,
    /// The most calls in any window.
    pub peak: u32,
    /// The number of calls with which a window had more than the limit.
    pub over: u64,
    /// The highest level in each of as many equal spans of time as were asked for.
    pub levels: Vec<u32>,
    /// The windows that follow one another from the first call on, without those that had no call.
    pub windows: Vec<Window>,
}

/// A window of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its beginning, in milliseconds after the part began.
    pub from_ms: u64,
    /// The calls that were sent in it.
    pub sent: u64,
    /// The calls among them that were refused with 429.
    pub refused: u64,
}

/// The length of a window if no limit says one.
const USUAL_WINDOW_MS: u64 = 10_000;

/// The most windows that are kept.
const MOST_WINDOWS: usize = 5000;

/// Divides the events of a log into the parts of its processes. A process that sent nothing is left out.
#[must_use]
pub fn parts(events: Vec<CallEvent>) -> Vec<CallPart> {
    let mut parts = vec![CallPart::default()];
    for event in events {
        if let CallEvent::Session(session) = event {
            parts.push(CallPart {
                is_by_path: session.scope == "endpoint",
                session: Some(session),
                ..CallPart::default()
            });
        } else if let Some(part) = parts.last_mut() {
            part.take(event);
        }
    }
    parts.retain(|part| !part.calls.is_empty());
    for part in &mut parts {
        // They were logged in the order in which they ended.
        part.calls.sort_by_key(|call| call.at);
    }
    parts
}

impl CallPart {
    fn take(&mut self, event: CallEvent) {
        match event {
            CallEvent::Call(call) => self.calls.push(call),
            CallEvent::Pause(span) => self.pauses.push(span),
            CallEvent::Wait(span) => self.waits.push(span),
            CallEvent::Scope { scope, .. } => self.is_by_path = scope == "endpoint",
            CallEvent::Dropped { count } => self.dropped += count,
            CallEvent::Session(_) => {}
        }
    }

    /// Returns the time of the first call.
    #[must_use]
    pub fn began(&self) -> Timestamp {
        let first = self.calls.first();
        first.map_or(Timestamp::UNIX_EPOCH, |call| call.at)
    }

    /// Returns the milliseconds from the first call to the last answer.
    #[must_use]
    pub fn lasted_ms(&self) -> u64 {
        let ends = self.calls.iter().map(|call| self.since(call.at) + call.ms);
        ends.max().unwrap_or(0)
    }

    /// Returns the milliseconds from the beginning to a time.
    #[must_use]
    pub fn since(&self, time: Timestamp) -> u64 {
        let since = time.duration_since(self.began()).as_millis();
        u64::try_from(since).unwrap_or(0)
    }

    /// Returns the calls of a class.
    pub fn of(&self, class: CallClass) -> impl Iterator<Item = &SentCall> {
        self.calls.iter().filter(move |call| call.class == class)
    }

    /// Returns the limit of a class.
    #[must_use]
    pub fn limit(&self, class: CallClass) -> Option<CallLimit> {
        let session = self.session.as_ref()?;
        match class {
            CallClass::Read => session.read,
            CallClass::Write => session.write,
            CallClass::Auth => None,
        }
    }

    /// Returns the length of a window of the class.
    #[must_use]
    pub fn window_ms(&self, class: CallClass) -> u64 {
        let limit = self.limit(class);
        limit.map_or(USUAL_WINDOW_MS, |limit| limit.window_ms.max(1))
    }

    /// Returns the use of a class's quota, with the highest level in each of `spans` equal spans of time. Returns `None`
    /// if the class has no calls.
    #[must_use]
    pub fn quota_use(&self, class: CallClass, spans: usize) -> Option<QuotaUse> {
        self.of(class).next()?;
        let limit = self.limit(class);
        let steps = self.steps(class);
        let peak = steps.iter().map(|step| step.level).max().unwrap_or(0);
        let over = |step: &&Step| step.rises && limit.is_some_and(|l| step.level > l.ceiling);
        Some(QuotaUse {
            limit,
            peak,
            over: steps.iter().filter(over).count() as u64,
            levels: highest(&steps, self.lasted_ms(), spans),
            windows: self.windows(class),
        })
    }

    /// Returns the changes of the level, in their order. With a limit for each path, the level is that of the busiest.
    fn steps(&self, class: CallClass) -> Vec<Step> {
        let window = self.window_us(class);
        let mut changes: Vec<(u64, bool, &str)> = Vec::new();
        for call in self.of(class) {
            let path = if self.is_by_path { &*call.path } else { "" };
            let at = self.since_us(call.at);
            // A window's length after its call, a slot is free again.
            changes.push((at + window, false, path));
            changes.push((at, true, path));
        }
        changes.sort_by_key(|(at, rises, _)| (*at, *rises));
        let mut counts: HashMap<&str, u32> = HashMap::new();
        // The number of paths with each count; all that have not been called have none.
        let mut levels = BTreeMap::from([(0, u32::MAX)]);
        let steps = changes.into_iter().map(|(at, rises, path)| {
            let count = counts.entry(path).or_default();
            forget(&mut levels, *count);
            *count = if rises { *count + 1 } else { *count - 1 };
            *levels.entry(*count).or_default() += 1;
            let level = levels.last_key_value().map_or(0, |(level, _)| *level);
            Step {
                at_ms: at / 1000,
                level,
                rises,
            }
        });
        steps.collect()
    }

    fn window_us(&self, class: CallClass) -> u64 {
        self.window_ms(class).saturating_mul(1000)
    }

    fn since_us(&self, time: Timestamp) -> u64 {
        let since = time.duration_since(self.began()).as_micros();
        u64::try_from(since).unwrap_or(0)
    }

    fn windows(&self, class: CallClass) -> Vec<Window> {
        let length = self.window_us(class);
        let first = self
            .of(class)
            .next()
            .map_or(0, |call| self.since_us(call.at));
        let mut windows: BTreeMap<u64, Window> = BTreeMap::new();
        for call in self.of(class) {
            let number = (self.since_us(call.at) - first) / length;
            let window = windows.entry(number).or_insert(Window {
                from_ms: (first + number * length) / 1000,
                sent: 0,
                refused: 0,
            });
            window.sent += 1;
            window.refused += u64::from(call.status == Some(429));
        }
        windows.into_values().take(MOST_WINDOWS).collect()
    }
}

/// A change of the level.
#[derive(Clone, Copy, Debug)]
struct Step {
    at_ms: u64,
    /// The level from then on.
    level: u32,
    rises: bool,
}

/// Takes one path from those with that count.
fn forget(levels: &mut BTreeMap<u32, u32>, count: u32) {
    if let Some(paths) = levels.get_mut(&count) {
        *paths -= 1;
        if *paths == 0 {
            levels.remove(&count);
        }
    }
}

/// Returns the highest level in each of so many equal spans of that time.
fn highest(steps: &[Step], lasted_ms: u64, spans: usize) -> Vec<u32> {
    let lasted = lasted_ms.max(1);
    let mut steps = steps.iter().peekable();
    let mut level = 0;
    let spans = spans as u64;
    let of_span = |number: u64| {
        let end = u128::from(lasted) * u128::from(number + 1) / u128::from(spans);
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        let is_last = number + 1 == spans;
        let mut highest = level;
        while let Some(step) =
            steps.next_if(|step| step.at_ms < end || (is_last && step.at_ms <= end))
        {
            level = step.level;
            highest = highest.max(level);
        }
        highest
    };
    (0..spans).map(of_span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(ms: i64, path: &str) -> CallEvent {
        CallEvent::Call(SentCall {
            at: Timestamp::from_millisecond(ms).unwrap(),
            class: CallClass::Write,
            method: "PUT".to_owned(),
            path: path.to_owned(),
            status: Some(if path == "refused" { 429 } else { 204 }),
            failure: None,
            retry_after: None,
            ms: 0,
        })
    }

    fn session(scope: &str) -> CallEvent {
        CallEvent::Session(CallSession {
            at: Timestamp::UNIX_EPOCH,
            tool: String::new(),
            read: None,
            write: Some(CallLimit {
                calls: 2,
                window_ms: 1000,
                ceiling: 2,
            }),
            scope: scope.to_owned(),
        })
    }

    fn used(scope: &str, calls: &[(i64, &str)], spans: usize) -> QuotaUse {
        let calls = calls.iter().map(|(ms, path)| call(*ms, path));
        let events = [session(scope)].into_iter().chain(calls).collect();
        let parts = parts(events);
        parts[0].quota_use(CallClass::Write, spans).unwrap()
    }

    #[test]
    fn a_window_may_begin_anywhere() {
        let used = used("tenant", &[(0, ""), (900, ""), (1000, ""), (1800, "")], 4);
        assert_eq!(
            (used.peak, used.over),
            (3, 1),
            "900, 1000 and 1800 are in one window"
        );
        assert_eq!(used.levels, [1, 1, 2, 3]);
        let counts: Vec<(u64, u64)> = used.windows.iter().map(|w| (w.from_ms, w.sent)).collect();
        assert_eq!(counts, [(0, 2), (1000, 2)], "windows side by side hide it");
    }

    #[test]
    fn a_slot_is_free_again_after_one_window() {
        let used = used(
            "tenant",
            &[(0, ""), (0, "refused"), (1000, ""), (5000, "")],
            5,
        );
        assert_eq!((used.peak, used.over), (2, 0));
        assert_eq!(used.levels, [2, 2, 1, 0, 1], "a span has its beginning too");
        assert_eq!(used.windows[0].refused, 1);
    }

    #[test]
    fn limits_of_paths_count_each_path() {
        let calls = [(0, "a"), (1, "b"), (2, "a"), (3, "b"), (4, "c")];
        assert_eq!(used("endpoint", &calls, 1).peak, 2);
        assert_eq!(used("tenant", &calls, 1).peak, 5);
        let mut all: Vec<CallEvent> = vec![session("auto")];
        all.extend(calls.iter().map(|(ms, path)| call(*ms, path)));
        all.push(CallEvent::Scope {
            at: Timestamp::UNIX_EPOCH,
            scope: "endpoint".to_owned(),
        });
        let parts = parts(all);
        assert_eq!(parts[0].quota_use(CallClass::Write, 1).unwrap().over, 0);
    }

    #[test]
    fn each_process_is_a_part_and_calls_stand_in_the_order_of_sending() {
        let events = vec![
            session("tenant"),
            session("tenant"),
            call(7, ""),
            call(5, ""),
        ];
        let parts = parts(events);
        assert_eq!(parts.len(), 1, "a process without calls is no part");
        assert_eq!(parts[0].since(parts[0].calls[1].at), 2);
    }
}
