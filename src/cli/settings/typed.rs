//! Settings that have the same form in files as on the command line.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

use crate::pacer::parse_duration;

/// A value that may be a text or a number.
#[derive(Deserialize)]
#[serde(untagged, expecting = "neither a text nor a number")]
enum Typed {
    Text(String),
    Number(u64),
}

pub(super) fn deserialize<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = match Typed::deserialize(deserializer)? {
        Typed::Text(text) => text,
        Typed::Number(number) => number.to_string(),
    };
    text.parse().map(Some).map_err(|error: T::Err| {
        // A file may hold a secret in the wrong place.
        let message = error.to_string().replace(&format!("{text:?}"), "the value");
        serde::de::Error::custom(message)
    })
}

#[expect(clippy::ref_option, reason = "serde passes the field")]
pub(super) fn serialize<S: Serializer, T: Display>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

/// Parses the duration that a flag gives.
///
/// # Errors
/// A text that names the form of a duration.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .ok_or_else(|| "write a whole number with ms, s, m, h, d or w, like 30s".to_owned())
}

/// Parses the number of bytes that a flag gives. A manifest has fewer rows than bytes, and rows have numbers of 32 bits.
///
/// # Errors
/// A text that names the form of a size.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1_u64 << 30)];
    let mut sizes = units.iter().filter_map(|(unit, bytes)| {
        let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(*bytes)
    });
    let size = sizes.find(|size| (1..=4 << 30).contains(size));
    size.ok_or_else(|| "write a whole number with KiB, MiB or GiB, up to 4GiB".to_owned())
}

/// Durations in files: a whole number with its unit.
pub(super) mod duration {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::pacer::parse_duration;

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let duration = parse_duration(&text);
        duration.map(Some).ok_or_else(|| {
            serde::de::Error::custom(
                "not a duration; write a whole number with ms, s, m, h, d or w, like \"30s\"",
            )
        })
    }

    #[expect(clippy::ref_option, reason = "serde passes the field")]
    pub(in super::super) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.collect_str(&format_args!("{}ms", duration.as_millis())),
            None => serializer.serialize_none(),
        }
    }
}
