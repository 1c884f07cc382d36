//! Reading a scenario's TOML: one table at a time, each key once, nothing left over.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Duration;

use toml::{Table, Value};

use super::ScenarioError;

pub(super) const DURATION_FORM: &str =
    "a whole number with a unit of ms, s, m or h, up to \"1h\", such as \"80ms\"";
pub(super) const SEEDED_FORM: &str = "a whole number from 0 to 10000";
pub(super) const POSITIVE_FORM: &str = "a whole number of at least 1";
pub(super) const LIST_FORM: &str = "a list of texts";
pub(super) const COUNT_FORM: &str = "a whole number from 0 to 4294967295";
pub(super) const SHARE_FORM: &str = "a number from 0.0 to 1.0";
pub(super) const FLAG_FORM: &str = "true or false";

/// One table being read: what is left in it, and which keys it may have.
pub(super) struct Section {
    path: String,
    entries: Table,
    known: Vec<&'static str>,
}

impl Section {
    pub(super) fn root(entries: Table) -> Self {
        Self {
            path: String::new(),
            entries,
            known: Vec::new(),
        }
    }

    /// Takes `key`, when it is there, into `target`.
    pub(super) fn value<T>(
        &mut self,
        key: &'static str,
        target: &mut T,
        allowed: &'static str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<(), ScenarioError> {
        self.known.push(key);
        let Some(value) = self.entries.remove(key) else {
            return Ok(());
        };
        let key = self.full(key);
        *target = read(&value).ok_or_else(|| ScenarioError::Value {
            key,
            value: value.to_string(),
            allowed,
        })?;
        Ok(())
    }

    /// Takes the table `key`, when it is there, and lets `fill` read it to its last key.
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
        let mut section = Self {
            path: self.full(key),
            entries,
            known: Vec::new(),
        };
        fill(&mut section)?;
        section.finish()
    }

    /// Refuses whatever nobody asked for.
    pub(super) fn finish(self) -> Result<(), ScenarioError> {
        match self.entries.keys().next() {
            None => Ok(()),
            Some(key) => Err(ScenarioError::UnknownKey {
                key: self.full(key),
                allowed: self.known.join(", "),
            }),
        }
    }

    fn full(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
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

/// The one of the `choices` that is written.
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

/// Texts of which none is empty or there twice.
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

/// A whole number and its unit, without a space: `250ms`, `10s`, `1m`, `24h`.
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
