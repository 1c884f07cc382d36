//! Fault injection: finds the faults of the scenario that act on a call, in the order of their tables.
//!
//! A fault that stops a call or delays it takes effect in `machine.rs`; one that damages the answer, here.

use std::time::Duration;

use serde_json::{Map, Value};

use super::http::{Answer, Delivery, Request};
use super::random::SplitMix64;
use super::refusal::injected;
use super::scenario::{Fault, FaultKind};

/// The purpose of the first fault's random numbers. Each fault has a stream of its own, so that adding
/// one does not change when the others act.
const FIRST_PURPOSE: u64 = 1000;

/// The fields of a body that hold the items of a batch.
const BATCH_FIELDS: [&str; 2] = ["userPortalLinks", "ids"];

/// The page that a proxy shows in place of an answer.
const HTML_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Please wait</title></head><body><h1>Please wait</h1></body></html>\n";

#[derive(Debug)]
pub(super) struct Faults(Vec<FaultState>);

#[derive(Debug)]
struct FaultState {
    fault: Fault,
    random: SplitMix64,
    times_acted: u32,
}

/// The faults that act on one call.
#[derive(Debug, Default)]
pub(super) struct Injection {
    /// The first fault that applies.
    pub(super) kind: Option<FaultKind>,
    /// The names of the objects that are refused.
    pub(super) poisoned: Vec<String>,
    /// The body to execute in place of the call's own.
    pub(super) partial_body: Option<Vec<u8>>,
}

impl Faults {
    pub(super) fn new(faults: &[Fault], seed: u64) -> Self {
        let state = |(purpose, fault): (u64, &Fault)| FaultState {
            fault: fault.clone(),
            random: SplitMix64::new(seed, purpose),
            times_acted: 0,
        };
        Self((FIRST_PURPOSE..).zip(faults).map(state).collect())
    }

    /// Chooses the faults that act on a call that arrives at `now`.
    pub(super) fn inject(
        &mut self,
        now: Duration,
        request: &Request,
        is_sign_in: bool,
    ) -> Injection {
        let mut injection = Injection::default();
        for state in &mut self.0 {
            let is_poison = matches!(state.fault.kind, FaultKind::Poison { .. });
            if injection.kind.is_some() && !is_poison || !state.applies(now, request, is_sign_in) {
                continue;
            }
            state.times_acted += 1;
            match &state.fault.kind {
                FaultKind::Poison { name } => injection.poisoned.push(name.clone()),
                FaultKind::PartialBatch => {
                    injection.partial_body = partial_batch(&request.body, &mut state.random);
                }
                _ => {}
            }
            injection.kind.get_or_insert(state.fault.kind.clone());
        }
        injection
    }
}

impl FaultState {
    fn applies(&mut self, now: Duration, request: &Request, is_sign_in: bool) -> bool {
        let Fault {
            calls,
            after,
            duration,
            times,
            ..
        } = &self.fault;
        let elapsed = now.checked_sub(*after);
        elapsed.is_some_and(|since| duration.is_none_or(|duration| since < duration))
            && times.is_none_or(|times| self.times_acted < times.get())
            && calls.matches(&request.method, &request.path)
            && can_act_on(&self.fault.kind, request, is_sign_in)
            && self.random.chance(self.fault.probability)
    }
}

fn can_act_on(kind: &FaultKind, request: &Request, is_sign_in: bool) -> bool {
    match kind {
        FaultKind::SigninDown => is_sign_in,
        FaultKind::ExpireToken | FaultKind::LateCommit { .. } => !is_sign_in,
        FaultKind::PartialBatch => read_batch(&request.body).is_some(),
        FaultKind::Poison { name } => writes_object(&request.body, name),
        _ => true,
    }
}

/// Reads a batch of at least two items: the field that holds them, and the whole body.
fn read_batch(body: &[u8]) -> Option<(&'static str, Map<String, Value>)> {
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
        return None;
    };
    let is_batch = |name: &&str| {
        body.get(*name)
            .and_then(Value::as_array)
            .is_some_and(|items| items.len() > 1)
    };
    let name = BATCH_FIELDS.into_iter().find(is_batch)?;
    Some((name, body))
}

/// The same batch with only some of its items: at least one, but not all.
fn partial_batch(body: &[u8], random: &mut SplitMix64) -> Option<Vec<u8>> {
    let (name, mut body) = read_batch(body)?;
    let items = body.get_mut(name)?.as_array_mut()?;
    let kept = random.below(items.len() as u64);
    let left_out = random.below(items.len() as u64 - 1);
    let left_out = left_out + u64::from(left_out >= kept);
    let mut number = 0;
    items.retain(|_| {
        let keep = number == kept || number != left_out && random.below(2) == 0;
        number += 1;
        keep
    });
    serde_json::to_vec(&body).ok()
}

/// Returns true if a body writes an object of this name, alone or in a batch.
fn writes_object(body: &[u8], name: &str) -> bool {
    let named = |object: &Value| {
        let texts = ["name", "domain"]
            .into_iter()
            .filter_map(|field| object.get(field)?.as_str());
        texts.map(str::trim).any(|text| text == name)
    };
    match serde_json::from_slice(body) {
        Ok(Value::Array(items)) => items.iter().any(named),
        Ok(body) => {
            let items = body.get("userPortalLinks").and_then(Value::as_array);
            named(&body) || items.is_some_and(|items| items.iter().any(named))
        }
        Err(_) => false,
    }
}

impl Injection {
    /// Damages or delays the answer to a call: returns the answer, how much of it leaves, and its delay.
    pub(super) fn apply_to(&self, answer: Answer) -> (Answer, Delivery, Duration) {
        let (on_time, whole) = (Duration::ZERO, Delivery::Whole);
        match &self.kind {
            Some(FaultKind::DropAfterCommit) => (answer, Delivery::Dropped, on_time),
            Some(FaultKind::Timeout { delay: None }) => (answer, Delivery::Withheld, on_time),
            Some(FaultKind::Timeout { delay: Some(delay) }) => (answer, whole, *delay),
            Some(FaultKind::StatusAfterCommit {
                status,
                retry_after,
                id,
            }) if answer.status < 400 => {
                let error = injected(*status, id.as_deref(), retry_after.as_deref());
                (error, whole, on_time)
            }
            Some(FaultKind::Html) => (html_page(answer.status), whole, on_time),
            Some(FaultKind::Truncated) if answer.body.is_empty() => {
                (answer, Delivery::Dropped, on_time)
            }
            Some(FaultKind::Truncated) => (answer, Delivery::Truncated, on_time),
            _ => (answer, whole, on_time),
        }
    }
}

/// A web page in place of an answer. A status without a body becomes 200, because the page needs one.
fn html_page(status: u16) -> Answer {
    let mut answer = Answer::empty(if status == 204 { 200 } else { status });
    answer.body = HTML_PAGE.into();
    answer.with_header("content-type", "text/html; charset=utf-8".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::scenario::Scenario;
    use super::*;

    const LINK: &str = "/mgmtconfig/v1/admin/customers/1/userPortalLink";

    fn faults(tables: &str) -> Faults {
        Faults::new(&Scenario::parse(tables).unwrap().faults, 1)
    }

    fn call(method: &str, path: &str, body: &Value) -> Request {
        Request {
            method: method.to_owned(),
            path: path.to_owned(),
            body: body.to_string().into_bytes(),
            ..Request::default()
        }
    }

    fn seconds(faults: &mut Faults, range: std::ops::Range<u64>) -> Vec<u64> {
        let read = call("GET", LINK, &Value::Null);
        let hit = |second: &u64| {
            let injection = faults.inject(Duration::from_secs(*second), &read, false);
            injection.kind.is_some()
        };
        range.filter(hit).collect()
    }

    #[test]
    fn a_fault_acts_in_its_time_and_as_often_as_told() {
        let bounded = "[[fault]]\nkind = \"html\"\nafter = \"3s\"\nfor = \"4s\"\n";
        assert_eq!(seconds(&mut faults(bounded), 0..20), [3, 4, 5, 6]);
        let twice = format!("{bounded}times = 2");
        assert_eq!(seconds(&mut faults(&twice), 0..20), [3, 4]);
        let endless = "[[fault]]\nkind = \"html\"";
        assert_eq!(seconds(&mut faults(endless), 0..5000).len(), 5000);
    }

    #[test]
    fn the_probability_and_the_seed_decide() {
        let half = "[[fault]]\nkind = \"html\"\nprobability = 0.5";
        let hit = seconds(&mut faults(half), 0..1000);
        assert!((450..550).contains(&hit.len()), "{}", hit.len());
        assert_eq!(hit, seconds(&mut faults(half), 0..1000));
        let before = "[[fault]]\nkind = \"reset-before\"\nmatch = \"POST *\"\nprobability = 0.5\n";
        let unmoved = seconds(&mut faults(&format!("{before}{half}")), 0..1000);
        assert_ne!(hit, unmoved, "each table has its own chance");
    }

    #[test]
    fn the_first_fault_acts_and_the_others_are_kept() {
        let tables = "[[fault]]\nkind = \"html\"\nmatch = \"POST */userPortalLink\"\ntimes = 1\n\
                      [[fault]]\nkind = \"truncated\"\ntimes = 1\n";
        let mut faults = faults(tables);
        let mut kind = |method| {
            let injection = faults.inject(Duration::ZERO, &call(method, LINK, &Value::Null), false);
            injection.kind
        };
        assert_eq!(kind("POST"), Some(FaultKind::Html));
        assert_eq!(kind("POST"), Some(FaultKind::Truncated));
        assert_eq!(kind("POST"), None);
    }

    #[test]
    fn a_fault_leaves_other_kinds_of_call_alone() {
        let tables = "[[fault]]\nkind = \"signin-down\"\n[[fault]]\nkind = \"partial-batch\"\n\
                      [[fault]]\nkind = \"poison\"\nname = \"a b\"\n";
        let names = |body: Value, is_sign_in| {
            let request = call("POST", LINK, &body);
            let injection = faults(tables).inject(Duration::ZERO, &request, is_sign_in);
            (
                injection.kind.map(|kind| kind.name()),
                injection.poisoned.len(),
            )
        };
        assert_eq!(names(json!({"name": "c"}), false), (None, 0));
        assert_eq!(names(json!({"name": " a b "}), false), (Some("poison"), 1));
        assert_eq!(
            names(json!([{"domain": "a b"}]), false),
            (Some("poison"), 1)
        );
        assert_eq!(
            names(json!({"userPortalLinks": [{"name": "c"}]}), false),
            (None, 0)
        );
        let two = json!({"userPortalLinks": [{"name": "c"}, {"name": "a b"}]});
        assert_eq!(names(two, false), (Some("partial-batch"), 1));
        assert_eq!(names(json!(null), true), (Some("signin-down"), 0));
    }

    #[test]
    fn a_partial_batch_is_neither_empty_nor_complete() {
        let ids: Vec<u32> = (0..5).collect();
        let body = json!({ "ids": ids }).to_string();
        let mut random = SplitMix64::new(1, 1);
        let mut counts = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let part = partial_batch(body.as_bytes(), &mut random).unwrap();
            let part: Value = serde_json::from_slice(&part).unwrap();
            counts.insert(part["ids"].as_array().unwrap().len());
        }
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
    }
}
