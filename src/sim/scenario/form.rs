//! The forms of values in a scenario: each is a text that describes what is allowed, and a reader.

use std::borrow::Cow;
use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Duration;

use clap::ValueEnum;
use toml::Value;

#[derive(Debug)]
pub(super) struct Form<T> {
    /// The values that are allowed, for error messages.
    pub(super) allowed: Cow<'static, str>,
    /// Reads a value; none if it is not allowed.
    pub(super) read: fn(&Value) -> Option<T>,
}

impl<T> Form<T> {
    pub(super) const fn new(allowed: &'static str, read: fn(&Value) -> Option<T>) -> Self {
        let allowed = Cow::Borrowed(allowed);
        Self { allowed, read }
    }
}

impl<T: ValueEnum> Form<T> {
    /// One of the words of an enum.
    pub(super) fn word() -> Self {
        let words = T::value_variants().iter();
        let words = words.filter_map(|word| Some(word.to_possible_value()?.get_name().to_owned()));
        Self {
            allowed: alternatives(words).into(),
            read: |value| T::from_str(value.as_str()?, false).ok(),
        }
    }
}

/// The words of a choice, as in `"a", "b" or "c"`.
pub(super) fn alternatives(words: impl Iterator<Item = impl AsRef<str>>) -> String {
    let mut words: Vec<String> = words.map(|word| format!("{:?}", word.as_ref())).collect();
    let last = words.pop().unwrap_or_default();
    match words.as_slice() {
        [] => last,
        others => format!("{} or {last}", others.join(", ")),
    }
}

pub(super) const FLAG: Form<bool> = Form::new("true or false", Value::as_bool);

pub(super) const COUNT: Form<u32> = Form::new("a whole number from 0 to 4294967295", count);

pub(super) const POSITIVE: Form<NonZeroU32> = Form::new("a whole number of at least 1", |value| {
    NonZeroU32::new(count(value)?)
});

/// The number of objects of one kind in a new tenant.
pub(super) const SEEDED: Form<u32> = Form::new("a whole number from 0 to 10000", |value| {
    count(value).filter(|number| *number <= 10_000)
});

pub(super) const SEEDED_LINKS: Form<u32> = Form::new("a whole number from 0 to 1000000", |value| {
    count(value).filter(|number| *number <= 1_000_000)
});

pub(super) const SHARE: Form<f64> = Form::new("a number from 0.0 to 1.0", |value| {
    let share = value.as_float().or(count(value).map(f64::from))?;
    (0.0..=1.0).contains(&share).then_some(share)
});

pub(super) const DURATION: Form<Duration> = Form::new(
    "a whole number with a unit of ms, s, m or h, up to \"1h\", such as \"80ms\"",
    |value| up_to_hours(value, 1),
);

const MOMENTS: &str =
    "a whole number with a unit of ms, s, m or h, up to \"1000h\", such as \"90s\"";

pub(super) const MOMENT: Form<Duration> = Form::new(MOMENTS, |value| up_to_hours(value, 1000));

/// A duration above zero.
pub(super) const PERIOD: Form<Duration> = Form::new(MOMENTS, |value| {
    up_to_hours(value, 1000).filter(|time| !time.is_zero())
});

pub(super) const LIFETIME: Form<Duration> =
    Form::new("whole seconds from \"1s\" to \"24h\"", |value| {
        let whole = up_to_hours(value, 24).filter(|time| time.subsec_nanos() == 0);
        whole.filter(|time| !time.is_zero())
    });

pub(super) const TEXT: Form<String> = Form::new("text that is not empty", |value| {
    let text = value.as_str().filter(|text| !text.trim().is_empty());
    text.map(str::to_owned)
});

pub(super) const TEXTS: Form<Vec<String>> = Form::new("a list of texts", texts);

/// Names that are all different.
pub(super) const NAMES: Form<Vec<String>> =
    Form::new("a list of different names, none of them empty", names);

/// The text of a `retry-after` header.
pub(super) const RETRY_AFTER: Form<String> =
    Form::new("text of visible ASCII characters and spaces", |value| {
        let text = value.as_str()?;
        let is_visible = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        is_visible.then(|| text.to_owned())
    });

fn count(value: &Value) -> Option<u32> {
    u32::try_from(value.as_integer()?).ok()
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

fn up_to_hours(value: &Value, hours: u64) -> Option<Duration> {
    duration(value.as_str()?).filter(|time| *time <= Duration::from_secs(3600 * hours))
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
