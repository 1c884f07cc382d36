//! Settings files in TOML, with a profile for each tenant.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::environment::user_directory;
use super::layer::Settings;
use super::secret::refuse_if_open_to_others;
use crate::files::read_text_within;
use crate::ops::{Error, shell_word};
use crate::platform::opening_for_others;

/// The most bytes of a settings file, a scenario, a list of names or a file of certificates.
pub(crate) const LARGEST: u64 = 1 << 20;

/// The profile that is used if none is named.
pub(crate) const DEFAULT_PROFILE: &str = "default";

/// Returns the place of the user's own settings file.
pub(crate) fn own_path() -> Option<PathBuf> {
    let directory = user_directory("XDG_CONFIG_HOME", "APPDATA", ".config")?;
    Some(directory.join("zpa-bulk/settings.toml"))
}

/// Reads the settings file that is named, else the user's own if there is one. The settings of `profile` override those
/// outside all profiles. If no profile is named, the one of the name `default` is used, if there is one.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) if the file cannot be read, has no such profile, holds a
/// secret that others can read, or says where to connect, what to run or which file to read and others can change it.
pub(crate) fn read(path: Option<&Path>, profile: Option<&str>) -> Result<Settings, Error> {
    let own = own_path().filter(|own| own.exists());
    let Some(path) = path.or(own.as_deref()) else {
        return match profile {
            Some(name) => Err(Error::usage(format!(
                "the profile {name:?} cannot be found, since there is no settings file"
            ))
            .hint("zpa-bulk init writes one; --config or ZPA_BULK_CONFIG names another")),
            None => Ok(Settings::default()),
        };
    };
    let shown = path.display().to_string();
    let (file, text) = text_of(path)?;
    let mut settings = parse(&text, &shown)?;
    let is_default = profile.is_none() && settings.profiles.contains_key(DEFAULT_PROFILE);
    let profile = profile.or(is_default.then_some(DEFAULT_PROFILE));
    let profiles = std::mem::take(&mut settings.profiles);
    let all = || profiles.values().chain([&settings]);
    all().try_for_each(|table| refuse_two_proofs(table, &shown))?;
    if all().any(|table| table.client_secret.is_some()) {
        refuse_if_open_to_others(path, &file)?;
    }
    if let Some(setting) = all().find_map(Settings::reaching_out) {
        refuse_if_others_can_change(path, &file, &format!("names {setting}"))?;
    }
    let chosen = profile.map(|name| choose(profiles, name, &shown));
    let settings = settings.found_in(&shown);
    Ok(match chosen.transpose()? {
        Some(profile) => profile.over(settings),
        None => settings,
    })
}

/// Opens a settings file, and reads its text.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) if it cannot be read, or is too large.
pub(crate) fn text_of(path: &Path) -> Result<(File, String), Error> {
    let failed = |error: std::io::Error| Error::usage(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(failed)?;
    let text = read_text_within(&file, LARGEST).map_err(failed)?;
    Ok((file, text))
}

/// Parses a settings file. `shown` is its path for messages.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) with the line and without the value.
pub(crate) fn parse(text: &str, shown: &str) -> Result<Settings, Error> {
    toml::from_str(text).map_err(|error| {
        // The error's own text repeats the line, and its message the value: both may hold a secret.
        let place = error.span().map(|span| line_of(text, span.start));
        let place = place.map_or_else(String::new, |line| format!(":{line}"));
        Error::usage(format!(
            "{shown}{place}: {}",
            without_value(error.message())
        ))
        .hint("samples/zpa-bulk.toml has every setting")
    })
}

/// Returns the message of a type error without the value that it repeats, as in "invalid type: integer `5`, expected a
/// string".
fn without_value(message: &str) -> String {
    let begin = message.find(['`', '"']);
    let parts = begin.zip(message.rfind(", expected "));
    match parts.and_then(|(begin, end)| Some((message.get(..begin)?, message.get(end..)?))) {
        Some((what, expected)) if !what.starts_with("unknown field") => {
            format!("{}{expected}", what.trim_end())
        }
        _ => message.to_owned(),
    }
}

/// Refuses a file that others can change. `what` says why that matters.
pub(super) fn refuse_if_others_can_change(
    path: &Path,
    file: &File,
    what: &str,
) -> Result<(), Error> {
    let shown = path.display();
    let opening = opening_for_others(path, file);
    let opening = opening.map_err(|error| Error::usage(format!("{shown}: {error}")))?;
    let Some(opening) = opening else {
        return Ok(());
    };
    let message = if opening == path {
        format!("{shown} {what}, and others can change it")
    } else {
        let directory = opening.display();
        format!("{shown} {what}, and others can replace it in {directory}")
    };
    let opening = shell_word(opening.display());
    Err(Error::usage(message).hint(format!(
        "chmod go-w {opening}; the file must belong to you or to root"
    )))
}

fn choose(
    mut profiles: BTreeMap<String, Settings>,
    name: &str,
    shown: &str,
) -> Result<Settings, Error> {
    let Some(profile) = profiles.remove(name) else {
        let known: Vec<String> = profiles.into_keys().collect();
        let known = match known.as_slice() {
            [] => "it has none".to_owned(),
            names => format!("it has {}", names.join(", ")),
        };
        let message = format!("{shown} has no profile {name:?}; {known}");
        return Err(Error::usage(message)
            .hint("a profile is a table [profiles.NAME]; --profile or ZPA_BULK_PROFILE names it"));
    };
    if !profile.profiles.is_empty() {
        let message = format!("{shown}: the profile {name:?} has profiles of its own");
        return Err(Error::usage(message));
    }
    Ok(profile.found_in(&format!("{shown}, profile {name}")))
}

fn refuse_two_proofs(table: &Settings, shown: &str) -> Result<(), Error> {
    match table.proof_names().as_slice() {
        [one, other, ..] => Err(Error::usage(format!(
            "{shown}: both {one} and {other} say how to sign in"
        ))
        .hint("keep one of them")),
        _ => Ok(()),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).split('\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_error_does_not_repeat_the_value() {
        for text in [
            "client_secret = 123454321",
            "client_secret = 1234.54321",
            "client_secret = [\"123454321\"]",
            "client_secret_command = \"123454321, expected 123454321\"",
            "style = \"123454321\"",
            "timeout = \"123454321\"",
            "timeout = 123454321",
            "read_quota = \"123454321\"",
            "jobs = \"123454321\"",
            "keep_per_group = 123454321123454321",
            "pace = \"`123454321\\\"\"",
            "adaptive = \"123454321\"",
            "client_secret = \"123454321",
            "client_secret = 2026-123454321",
            "[profiles.a]\nclient_secret = 123454321",
        ] {
            let error = parse(text, "f").unwrap_err().to_string();
            assert!(!error.contains("12345"), "{text}: {error}");
            assert!(error.starts_with("f:"), "{error}");
        }
    }

    #[test]
    fn a_type_error_says_what_is_expected() {
        let message = |text| parse(text, "f").unwrap_err().to_string();
        assert_eq!(
            message("jobs = \"x\""),
            "f:1: invalid type: string, expected a nonzero usize"
        );
        assert_eq!(
            message("pace = \"x\""),
            "f:1: the value is neither auto nor window nor smooth"
        );
        assert!(message("client_secrt = 1").contains("unknown field `client_secrt`, expected"));
    }
}
