//! Fault injection: finds the faults of the scenario that act on a call, in the order of their tables.
//!
//! A fault that stops a call or delays it takes effect in `machine.rs`; one that damages the answer, here.

use std::time::Duration;

use serde_json::{Map, Value};

use super::http::{Answer, Delivery, Request};
use super::random::SplitMix64;
use super::scenario::{Fault, FaultKind};

/// The purpose of the first fault's random numbers. Each fault has a stream of its own, so that adding
/// one does not change when the others act.
const FIRST_PURPOSE: u64 = 1000;

/// The fields of a body that hold the items of a batch.
const BATCHES: [&str; 2] = ["userPortalLinks", "ids"];

/// The page that a proxy shows in place of an answer.
const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Please wait</title></head><body><h1>Please wait</h1></body></html>\n";

/// The faults of a scenario, with their state.
#[derive(Debug)]
pub(super) struct Faults(Vec<Table>);

#[derive(Debug)]
struct Table {
    fault: Fault,
    random: SplitMix64,
    acted: u32,
}

/// The faults that act on one call.
#[derive(Debug, Default)]
pub(super) struct Strike {
    /// The first fault that applies.
    pub(super) kind: Option<FaultKind>,
    /// The names of the objects that are refused.
    pub(super) poisoned: Vec<String>,
    /// The body to execute in place of the call's own.
    pub(super) part: Option<Vec<u8>>,
}

impl Faults {
    pub(super) fn new(faults: &[Fault], seed: u64) -> Self {
        let table = |(purpose, fault): (u64, &Fault)| Table {
            fault: fault.clone(),
            random: SplitMix64::new(seed, purpose),
            acted: 0,
        };
        Self((FIRST_PURPOSE..).zip(faults).map(table).collect())
    }

    /// Chooses the faults that act on a call that arrives at `now`.
    pub(super) fn strike(&mut self, now: Duration, request: &Request, is_sign_in: bool) -> Strike {
        let mut strike = Strike::default();
        for table in &mut self.0 {
            let is_poison = matches!(table.fault.kind, FaultKind::Poison { .. });
            if strike.kind.is_some() && !is_poison || !table.applies(now, request, is_sign_in) {
                continue;
            }
            table.acted += 1;
            match &table.fault.kind {
                FaultKind::Poison { name } => strike.poisoned.push(name.clone()),
                FaultKind::PartialBatch => strike.part = part(&request.body, &mut table.random),
                _ => {}
            }
            strike.kind.get_or_insert(table.fault.kind.clone());
        }
        strike
    }
}

impl Table {
    fn applies(&mut self, now: Duration, request: &Request, is_sign_in: bool) -> bool {
        let Fault {
            calls,
            after,
            lasting,
            times,
            ..
        } = &self.fault;
        let rages = now.checked_sub(*after);
        rages.is_some_and(|since| lasting.is_none_or(|lasting| since < lasting))
            && times.is_none_or(|times| self.acted < times.get())
            && calls.takes(&request.method, &request.path)
            && is_target(&self.fault.kind, request, is_sign_in)
            && self.random.chance(self.fault.probability)
    }
}

/// Returns true if this kind of fault can act on this kind of call.
fn is_target(kind: &FaultKind, request: &Request, is_sign_in: bool) -> bool {
    match kind {
        FaultKind::SigninDown => is_sign_in,
        FaultKind::ExpireToken | FaultKind::LateCommit { .. } => !is_sign_in,
        FaultKind::PartialBatch => batch(&request.body).is_some(),
        FaultKind::Poison { name } => holds(&request.body, name),
        _ => true,
    }
}

/// Reads a batch of at least two items: the field that holds them, and the whole body.
fn batch(body: &[u8]) -> Option<(&'static str, Map<String, Value>)> {
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
        return None;
    };
    let is_batch = |name: &&str| {
        body.get(*name)
            .and_then(Value::as_array)
            .is_some_and(|items| items.len() > 1)
    };
    let name = BATCHES.into_iter().find(is_batch)?;
    Some((name, body))
}

/// The same batch with only some of its items: at least one, but not all.
fn part(body: &[u8], random: &mut SplitMix64) -> Option<Vec<u8>> {
    let (name, mut body) = batch(body)?;
    let items = body.get_mut(name)?.as_array_mut()?;
    let (kept, left_out) = (
        random.below(items.len() as u64),
        random.below(items.len() as u64 - 1),
    );
    let left_out = if left_out >= kept {
        left_out + 1
    } else {
        left_out
    };
    let mut number = 0;
    items.retain(|_| {
        let keep = number == kept || number != left_out && random.below(2) == 0;
        number += 1;
        keep
    });
    serde_json::to_vec(&body).ok()
}

/// Returns true if a body writes an object of this name, alone or in a batch.
fn holds(body: &[u8], name: &str) -> bool {
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

impl Strike {
    /// Damages or delays the answer to a call: returns the answer, how much of it leaves, and its delay.
    pub(super) fn spoil(&self, answer: Answer) -> (Answer, Delivery, Duration) {
        let (on_time, whole) = (Duration::ZERO, Delivery::Whole);
        match &self.kind {
            Some(FaultKind::DropAfterCommit) => (answer, Delivery::Dropped, on_time),
            Some(FaultKind::Timeout { delay: None }) => (answer, Delivery::Withheld, on_time),
            Some(FaultKind::Timeout { delay: Some(delay) }) => (answer, whole, *delay),
            Some(FaultKind::Html) => (page(answer.status), whole, on_time),
            Some(FaultKind::Truncated) if answer.body.is_empty() => {
                (answer, Delivery::Dropped, on_time)
            }
            Some(FaultKind::Truncated) => (answer, Delivery::Truncated, on_time),
            _ => (answer, whole, on_time),
        }
    }
}

/// A web page in place of an answer. A status without a body becomes 200, because the page needs one.
fn page(status: u16) -> Answer {
    let mut answer = Answer::empty(if status == 204 { 200 } else { status });
    answer.body = PAGE.into();
    answer.with_header("content-type", "text/html; charset=utf-8".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::scenario::Scenario;
    use super::*;

    const LINK: &str = "/mgmtconfig/v1/admin/customers/1/userPortalLink";

    fn faults(tables: &str) -> Faults {
        Faults::new(&Scenario::parse(tables).unwrap().fault, 1)
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
            let strike = faults.strike(Duration::from_secs(*second), &read, false);
            strike.kind.is_some()
        };
        range.filter(hit).collect()
    }

    #[test]
    fn a_fault_begins_and_ends_when_it_says_and_acts_as_often_as_it_says() {
        let bounded = "[[fault]]\nkind = \"html\"\nafter = \"3s\"\nfor = \"4s\"\n";
        assert_eq!(seconds(&mut faults(bounded), 0..20), [3, 4, 5, 6]);
        let twice = format!("{bounded}times = 2");
        assert_eq!(seconds(&mut faults(&twice), 0..20), [3, 4]);
        let endless = "[[fault]]\nkind = \"html\"";
        assert_eq!(seconds(&mut faults(endless), 0..5000).len(), 5000);
    }

    #[test]
    fn it_acts_on_about_as_many_calls_as_is_probable_and_the_same_ones_for_a_seed() {
        let half = "[[fault]]\nkind = \"html\"\nprobability = 0.5";
        let hit = seconds(&mut faults(half), 0..1000);
        assert!((450..550).contains(&hit.len()), "{}", hit.len());
        assert_eq!(hit, seconds(&mut faults(half), 0..1000));
        let before = "[[fault]]\nkind = \"reset-before\"\nmatch = \"POST *\"\nprobability = 0.5\n";
        let unmoved = seconds(&mut faults(&format!("{before}{half}")), 0..1000);
        assert_ne!(hit, unmoved, "each table has its own chance");
    }

    #[test]
    fn the_first_that_applies_acts_and_the_others_are_not_used_up() {
        let tables = "[[fault]]\nkind = \"html\"\nmatch = \"POST */userPortalLink\"\ntimes = 1\n\
                      [[fault]]\nkind = \"truncated\"\ntimes = 1\n";
        let mut faults = faults(tables);
        let mut kind = |method| {
            let strike = faults.strike(Duration::ZERO, &call(method, LINK, &Value::Null), false);
            strike.kind
        };
        assert_eq!(kind("POST"), Some(FaultKind::Html));
        assert_eq!(kind("POST"), Some(FaultKind::Truncated));
        assert_eq!(kind("POST"), None);
    }

    #[test]
    fn what_is_about_sign_ins_or_batches_or_an_object_lets_all_else_pass() {
        let tables = "[[fault]]\nkind = \"signin-down\"\n[[fault]]\nkind = \"partial-batch\"\n\
                      [[fault]]\nkind = \"poison\"\nname = \"a b\"\n";
        let names = |body: Value, is_sign_in| {
            let request = call("POST", LINK, &body);
            let strike = faults(tables).strike(Duration::ZERO, &request, is_sign_in);
            (strike.kind.map(|kind| kind.name()), strike.poisoned.len())
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
    fn a_part_of_a_batch_is_neither_none_nor_all_of_it() {
        let ids: Vec<u32> = (0..5).collect();
        let body = json!({ "ids": ids }).to_string();
        let mut random = SplitMix64::new(1, 1);
        let mut counts = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let part = part(body.as_bytes(), &mut random).unwrap();
            let part: Value = serde_json::from_slice(&part).unwrap();
            counts.insert(part["ids"].as_array().unwrap().len());
        }
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
    }
}
