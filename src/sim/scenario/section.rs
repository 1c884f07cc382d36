//! A reader for the TOML of a scenario, table by table. A key that nobody reads is an error.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::error::ScenarioError;

pub(super) const DURATION_FORM: &str =
    "a whole number with a unit of ms, s, m or h, up to \"1h\", such as \"80ms\"";
pub(super) const MOMENT_FORM: &str =
    "a whole number with a unit of ms, s, m or h, up to \"1000h\", such as \"90s\"";
pub(super) const RETRY_AFTER_FORM: &str = "text of visible ASCII characters and spaces";
pub(super) const SEEDED_FORM: &str = "a whole number from 0 to 10000";
pub(super) const POSITIVE_FORM: &str = "a whole number of at least 1";
pub(super) const LIST_FORM: &str = "a list of texts";
pub(super) const COUNT_FORM: &str = "a whole number from 0 to 4294967295";
pub(super) const SHARE_FORM: &str = "a number from 0.0 to 1.0";
pub(super) const FLAG_FORM: &str = "true or false";

/// The line of every key of a scenario, from 1, by the key's path, such as `fault[0].kind`.
type Lines = HashMap<String, usize>;

/// One table while it is read: the keys that are left, and the keys that were asked for.
pub(super) struct Section {
    path: String,
    entries: Table,
    asked: Vec<&'static str>,
    lines: Rc<Lines>,
}

impl Section {
    /// Reads the text of a scenario; returns its top level.
    pub(super) fn parse(text: &str) -> Result<Self, ScenarioError> {
        let entries = text
            .parse()
            .map_err(|error: toml::de::Error| ScenarioError::Syntax(error.to_string()))?;
        Ok(Self {
            path: String::new(),
            entries,
            asked: Vec::new(),
            lines: Rc::new(lines(text)),
        })
    }

    /// Reads `key` into `target`, if it is present.
    pub(super) fn value<T>(
        &mut self,
        key: &'static str,
        target: &mut T,
        allowed: &'static str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<(), ScenarioError> {
        self.asked.push(key);
        let Some(value) = self.entries.remove(key) else {
            return Ok(());
        };
        *target = read(&value).ok_or_else(|| self.not_allowed(key, value.to_string(), allowed))?;
        Ok(())
    }

    /// Reads the table `key` with `fill`, if it is present. `fill` must read all of its keys.
    pub(super) fn table(
        &mut self,
        key: &'static str,
        fill: impl FnOnce(&mut Self) -> Result<(), ScenarioError>,
    ) -> Result<(), ScenarioError> {
        let mut entries = None;
        self.value(key, &mut entries, "a table", |value| {
            value.as_table().cloned().map(Some)
        })?;
        let Some(entries) = entries else {
            return Ok(());
        };
        let mut section = self.child(self.path_of(key), entries);
        fill(&mut section)?;
        section.finish()
    }

    /// Reads each table under `[[key]]` with `read`, which must read all of its keys.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Self) -> Result<T, ScenarioError>,
    ) -> Result<Vec<T>, ScenarioError> {
        let mut tables: Vec<Table> = Vec::new();
        self.value(
            key,
            &mut tables,
            "tables, each under its own [[…]]",
            |value| {
                let tables = value.as_array()?.iter();
                tables.map(|table| table.as_table().cloned()).collect()
            },
        )?;
        let read_one = |(number, entries)| {
            let path = format!("{}[{number}]", self.path_of(key));
            let mut section = self.child(path, entries);
            let one = read(&mut section)?;
            section.finish()?;
            Ok(one)
        };
        tables.into_iter().enumerate().map(read_one).collect()
    }

    fn child(&self, path: String, entries: Table) -> Self {
        Self {
            path,
            entries,
            asked: Vec::new(),
            lines: Rc::clone(&self.lines),
        }
    }

    /// Ends the reading. A key that nobody asked for is an error.
    pub(super) fn finish(self) -> Result<(), ScenarioError> {
        match self.entries.keys().next() {
            None => Ok(()),
            Some(key) => Err(ScenarioError::UnknownKey {
                line: self.line(key),
                key: self.display_name(key),
                allowed: self.asked.join(", "),
            }),
        }
    }

    /// The error for a `value` of `key` that is not allowed.
    pub(super) fn not_allowed(
        &self,
        key: &str,
        value: String,
        allowed: &'static str,
    ) -> ScenarioError {
        ScenarioError::Value {
            line: self.line(key),
            key: self.display_name(key),
            value,
            allowed,
        }
    }

    /// The error for a required `key` that is missing.
    pub(super) fn missing(&self, key: &'static str, allowed: &'static str) -> ScenarioError {
        let what = format!("is missing; allowed: {allowed}");
        self.conflict(key, what)
    }

    /// The error for a `key` that does not go with the other keys of its table.
    pub(super) fn conflict(&self, key: &'static str, what: String) -> ScenarioError {
        ScenarioError::Combination {
            line: self.line(key),
            key: self.display_name(key),
            what,
        }
    }

    /// The line of `key`, or of its table if `key` is missing.
    fn line(&self, key: &str) -> usize {
        let line = self.lines.get(&self.path_of(key));
        *line.or_else(|| self.lines.get(&self.path)).unwrap_or(&1)
    }

    fn path_of(&self, key: &str) -> String {
        joined(&self.path, key)
    }

    /// The key with its table, as users write them.
    fn display_name(&self, key: &str) -> String {
        let table = self.path.split_once('[').map_or(&*self.path, |(t, _)| t);
        joined(table, key)
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Finds the line of every key of a scenario. Text that is not TOML has none.
fn lines(text: &str) -> Lines {
    let mut lines = Lines::new();
    if let Ok(table) = DeTable::parse(text) {
        locate(text, "", table.get_ref(), &mut lines);
    }
    lines
}

fn locate(text: &str, path: &str, table: &DeTable<'_>, lines: &mut Lines) {
    for (key, value) in table {
        let place = joined(path, key.get_ref());
        lines.insert(place.clone(), line_at(text, key.span().start));
        match value.get_ref() {
            DeValue::Table(inner) => locate(text, &place, inner, lines),
            DeValue::Array(items) => {
                for (number, item) in items.iter().enumerate() {
                    locate_item(text, &format!("{place}[{number}]"), item, lines);
                }
            }
            _ => {}
        }
    }
}

fn locate_item(text: &str, place: &str, item: &Spanned<DeValue<'_>>, lines: &mut Lines) {
    if let DeValue::Table(inner) = item.get_ref() {
        lines.insert(place.to_owned(), line_at(text, item.span().start));
        locate(text, place, inner, lines);
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}

pub(super) fn lifetime(value: &Value) -> Option<Duration> {
    let allowed = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
    duration(value.as_str()?).filter(|time| allowed.contains(time) && time.subsec_nanos() == 0)
}

pub(super) fn count(value: &Value) -> Option<u32> {
    u32::try_from(value.as_integer()?).ok()
}

pub(super) fn positive(value: &Value) -> Option<NonZeroU32> {
    NonZeroU32::new(count(value)?)
}

/// Reads one of several words; returns the value that belongs to it.
pub(super) fn choice<T, const N: usize>(value: &Value, choices: [(&str, T); N]) -> Option<T> {
    let written = value.as_str()?;
    let mut choices = choices.into_iter();
    choices
        .find(|(word, _)| *word == written)
        .map(|(_, choice)| choice)
}

pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    let items = value.as_array()?.iter();
    items.map(|item| item.as_str().map(str::to_owned)).collect()
}

/// Reads a list of different texts, none of them empty.
pub(super) fn names(value: &Value) -> Option<Vec<String>> {
    texts(value).filter(|names| {
        let different: HashSet<&String> = names.iter().collect();
        different.len() == names.len() && names.iter().all(|name| !name.trim().is_empty())
    })
}

pub(super) fn seeded(value: &Value) -> Option<u32> {
    count(value).filter(|number| *number <= 10_000)
}

pub(super) fn seeded_links(value: &Value) -> Option<u32> {
    count(value).filter(|number| *number <= 1_000_000)
}

pub(super) fn share(value: &Value) -> Option<f64> {
    let whole = || count(value).map(f64::from);
    let share = value.as_float().or_else(whole)?;
    (0.0..=1.0).contains(&share).then_some(share)
}

/// Reads a whole number and its unit, without a space: `250ms`, `10s`, `1m`, `24h`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

pub(super) fn latency(value: &Value) -> Option<Duration> {
    up_to_hours(value, 1)
}

pub(super) fn moment(value: &Value) -> Option<Duration> {
    up_to_hours(value, 1000)
}

fn up_to_hours(value: &Value, hours: u64) -> Option<Duration> {
    duration(value.as_str()?).filter(|time| *time <= Duration::from_secs(3600 * hours))
}

/// Reads text that a header can carry.
pub(super) fn retry_after(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let sendable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    sendable.then(|| text.to_owned())
}
