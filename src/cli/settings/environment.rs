//! Settings from the environment: the variables of Zscaler's own tools, and the style of sign-in that follows from
//! them.

use std::path::PathBuf;

use secrecy::SecretString;

use super::layer::Settings;
use crate::ops::Error;
use crate::zpa::Style;

/// A value with the name of the variable that holds it. The value may be a secret.
#[derive(Clone)]
pub(crate) struct FromVariable {
    pub(crate) name: &'static str,
    pub(super) value: String,
}

impl std::fmt::Debug for FromVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Returns the first of these variables that is set.
pub(super) fn first_of<const N: usize>(names: [&'static str; N]) -> Option<FromVariable> {
    let mut given = names.into_iter().filter_map(|name| {
        let value = variable(name)?;
        Some(FromVariable { name, value })
    });
    given.next()
}

/// Returns a variable of the environment. An empty one counts as not set.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns a directory of the user: the one that a variable names (XDG Base Directory Specification), or its counterpart on
/// Windows, else one below the home. A variable with a relative path counts as not set.
pub(super) fn user_directory(xdg: &str, windows: &str, in_home: &str) -> Option<PathBuf> {
    let named = |name| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    named(xdg)
        .or_else(|| named(windows))
        .or_else(|| Some(named("HOME")?.join(in_home)))
}

/// Tells whether the settings or the environment name a client, so that the vendor's file is not needed.
pub(super) fn names_a_client(
    settings: &Settings,
    variable: &impl Fn(&str) -> Option<String>,
) -> bool {
    let variables = ["ZPA_CLIENT_ID", "ZSCALER_CLIENT_ID"];
    settings.client_id.is_some() || variables.iter().any(|name| variable(name).is_some())
}

/// Returns the settings that variables of this style hold, each with the name of its variable.
fn credential_variables(style: Style) -> &'static [(&'static str, &'static str)] {
    match style {
        Style::Legacy => &[
            ("client_id", "ZPA_CLIENT_ID"),
            ("client_secret", "ZPA_CLIENT_SECRET"),
            ("cloud", "ZPA_CLOUD"),
        ],
        Style::OneApi => &[
            ("client_id", "ZSCALER_CLIENT_ID"),
            ("client_secret", "ZSCALER_CLIENT_SECRET"),
            ("private_key", "ZSCALER_PRIVATE_KEY"),
            ("cloud", "ZSCALER_CLOUD"),
            ("vanity_domain", "ZSCALER_VANITY_DOMAIN"),
        ],
    }
}

/// Returns the settings with the style of sign-in, and with the environment's credentials in place of theirs.
pub(super) fn with_environment(
    settings: Settings,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Settings, Error> {
    let (style, found) = style(&settings, &variable)?;
    let name_of = |setting: &str| {
        let mut names = credential_variables(style).iter();
        names
            .find(|(named, _)| *named == setting)
            .map(|(_, name)| *name)
    };
    let value = |setting: &str| variable(name_of(setting)?);
    let private_key = value("private_key").map(SecretString::from);
    // If there are both, the vendor's tools sign in with the key.
    let client_secret = value("client_secret").filter(|_| private_key.is_none());
    let environment = Settings {
        client_id: value("client_id"),
        client_secret: client_secret.map(SecretString::from),
        private_key,
        cloud: value("cloud"),
        vanity_domain: value("vanity_domain"),
        ..Settings::default()
    };
    let environment = environment.found_at(|setting| name_of(setting).map(str::to_owned));
    let style = Settings {
        style: Some(style),
        ..Settings::default()
    };
    let source = found.or_else(|| settings.source("style").map(str::to_owned));
    let style = style.found_in(source.as_deref().unwrap_or("follows from the credentials"));
    Ok(style.over(environment).over(settings))
}

/// Returns the style that a variable or the settings name, else the style for which there are credentials. If a
/// variable names the style, returns the variable's name too.
fn style(
    settings: &Settings,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<(Style, Option<String>), Error> {
    let by = |style, name: &str| Ok((style, Some(name.to_owned())));
    match variable("ZPA_BULK_STYLE").as_deref() {
        Some("legacy") => return by(Style::Legacy, "ZPA_BULK_STYLE"),
        Some("oneapi") => return by(Style::OneApi, "ZPA_BULK_STYLE"),
        Some(other) => {
            let message = format!("ZPA_BULK_STYLE is {other:?}; it must be oneapi or legacy");
            return Err(Error::usage(message));
        }
        None => {}
    }
    let legacy = variable("ZSCALER_USE_LEGACY_CLIENT").map(|text| text.to_lowercase());
    let one_api = settings.vanity_domain.is_some()
        || settings.has_key()
        || variable("ZSCALER_VANITY_DOMAIN").is_some()
        || variable("ZSCALER_CLIENT_ID").is_some();
    match (settings.style, legacy.as_deref()) {
        (_, Some("true" | "1" | "yes" | "on")) => by(Style::Legacy, "ZSCALER_USE_LEGACY_CLIENT"),
        (_, Some(other)) if !matches!(other, "false" | "0" | "no" | "off") => {
            let message =
                format!("ZSCALER_USE_LEGACY_CLIENT is {other:?}; it must be true or false");
            Err(Error::usage(message))
        }
        (Some(style), _) => Ok((style, None)),
        (None, _) if one_api => Ok((Style::OneApi, None)),
        (None, _) => Ok((Style::Legacy, None)),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn resolved(file: &str, variables: &[(&str, &str)]) -> Settings {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        with_environment(toml::from_str(file).unwrap(), variable).unwrap()
    }

    #[test]
    fn the_environment_goes_over_the_settings_file() {
        let file = "style = \"legacy\"\nclient_id = \"file\"\nclient_secret = \"file\"";
        let settings = resolved(
            file,
            &[("ZPA_CLIENT_ID", "env"), ("ZSCALER_CLIENT_SECRET", "other")],
        );
        assert_eq!(settings.client_id.as_deref(), Some("env"));
        assert_eq!(settings.client_secret.unwrap().expose_secret(), "file");
    }

    #[test]
    fn the_style_follows_from_credentials_unless_named() {
        let style = |file, variables: &[(&str, &str)]| resolved(file, variables).style.unwrap();
        assert_eq!(style("", &[("ZPA_CLIENT_ID", "a")]), Style::Legacy);
        assert_eq!(style("", &[("ZSCALER_CLIENT_ID", "a")]), Style::OneApi);
        assert_eq!(style("vanity_domain = \"acme\"", &[]), Style::OneApi);
        let both = [
            ("ZSCALER_CLIENT_ID", "a"),
            ("ZSCALER_USE_LEGACY_CLIENT", "true"),
        ];
        assert_eq!(style("", &both), Style::Legacy);
        assert_eq!(style("style = \"legacy\"", &both[..1]), Style::Legacy);
        assert_eq!(
            style("style = \"legacy\"", &[("ZPA_BULK_STYLE", "oneapi")]),
            Style::OneApi
        );
    }
}
