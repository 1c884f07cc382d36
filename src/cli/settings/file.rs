//! Settings files in TOML, with a profile for each tenant.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::layer::Settings;
use super::secret::refuse_if_open_to_others;
use crate::ops::Error;

/// Reads the settings file, if one is named. The settings of `profile` override those outside all profiles.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) if the file cannot be read, has no such profile, or holds a
/// secret that others can read.
pub(crate) fn read(path: Option<&Path>, profile: Option<&str>) -> Result<Settings, Error> {
    let Some(path) = path else {
        return match profile {
            Some(name) => Err(Error::usage(format!(
                "the profile {name:?} cannot be found, since no settings file is named"
            ))
            .hint("name the file with --config or ZPA_BULK_CONFIG")),
            None => Ok(Settings::default()),
        };
    };
    let shown = path.display().to_string();
    let failed = |error: std::io::Error| Error::usage(format!("{shown}: {error}"));
    let mut file = File::open(path).map_err(failed)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let mut settings = parse(&text, &shown)?;
    let profiles = std::mem::take(&mut settings.profiles);
    let all = || profiles.values().chain([&settings]);
    all().try_for_each(|table| refuse_two_proofs(table, &shown))?;
    if all().any(|table| table.client_secret.is_some()) {
        refuse_if_open_to_others(path, &file)?;
    }
    let chosen = profile.map(|name| choose(profiles, name, &shown));
    let settings = settings.found_in(&shown);
    Ok(match chosen.transpose()? {
        Some(profile) => profile.over(settings),
        None => settings,
    })
}

fn parse(text: &str, shown: &str) -> Result<Settings, Error> {
    toml::from_str(text).map_err(|error| {
        // The error's own text repeats the line, which may hold a secret.
        let place = error.span().map(|span| line_of(text, span.start));
        let place = place.map_or_else(String::new, |line| format!(":{line}"));
        Error::usage(format!("{shown}{place}: {}", error.message()))
            .hint("samples/zpa-bulk.toml has every setting")
    })
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
