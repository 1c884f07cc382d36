//! `~/.zscaler/zscaler.yaml`, the settings file of the vendor's own tools. If no client is named anywhere else, client,
//! tenant and cloud come from this file.
//!
//! The file has the form of the vendor's public SDKs: a mapping `zscaler.client` of camel-case names. All else in it is
//! ignored: timeouts, proxies, caches, other products.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle};
use secrecy::SecretString;

use super::file::{LARGEST, refuse_if_others_can_change};
use super::layer::Settings;
use super::secret::refuse_if_open_to_others;
use crate::files::read_text_within;
use crate::ops::Error;

/// The path of the file below the home directory.
const PATH: &str = ".zscaler/zscaler.yaml";

const CLIENT: [&str; 2] = ["zscaler", "client"];

/// Reads the file below that home directory. If there is none, returns no settings.
pub(super) fn read(home: Option<&Path>) -> Result<Settings, Error> {
    let Some(path) = home.map(|home| home.join(PATH)) else {
        return Ok(Settings::default());
    };
    let shown = path.display();
    let failed = |error: io::Error| Error::usage(format!("{shown}: {error}"));
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Settings::default()),
        Err(error) => return Err(failed(error)),
    };
    let text = read_text_within(&file, LARGEST).map_err(failed)?;
    let settings = parse(&text).map_err(|line| {
        Error::usage(format!("{shown}:{line}: this is not YAML"))
            .hint("mend the file, or name the client in the environment or a file of --config")
    })?;
    if settings.has_proof() {
        refuse_if_open_to_others(&path, &file)?;
    }
    if let Some(setting) = settings.reaching_out() {
        refuse_if_others_can_change(&path, &file, &format!("names {setting}"))?;
    }
    Ok(settings.found_in(&shown.to_string()))
}

/// Parses the text of the file. The error is only the number of the line that cannot be parsed, since the line may hold
/// a secret.
fn parse(text: &str) -> Result<Settings, usize> {
    let mut client = client(text)?;
    let mut take = |name: &str| client.remove(name);
    let private_key = take("privateKey").map(SecretString::from);
    let client_secret = take("clientSecret").map(SecretString::from);
    Ok(Settings {
        client_id: take("clientId"),
        // If there are both, the vendor's tools sign in with the key.
        client_secret: client_secret.filter(|_| private_key.is_none()),
        private_key,
        vanity_domain: take("vanityDomain"),
        customer_id: take("customerId"),
        microtenant_id: take("microtenantId"),
        cloud: take("cloud"),
        ..Settings::default()
    })
}

/// Returns the scalars directly below `zscaler.client`, by name. Their text is kept, since an id is too long for a
/// number.
fn client(text: &str) -> Result<HashMap<String, String>, usize> {
    let mut found = HashMap::new();
    let mut place = Place::default();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| error.marker().line())?;
        match event {
            Event::MappingStart(..) => place.0.push(Level::Mapping(None)),
            Event::SequenceStart(..) => place.0.push(Level::Sequence),
            Event::MappingEnd | Event::SequenceEnd => {
                place.0.pop();
                place.take("");
            }
            Event::Alias(_) => {
                place.take("");
            }
            Event::Scalar(value, style, ..) => {
                let name = place.take(&value);
                let null = style == ScalarStyle::Plain && matches!(&*value, "null" | "~");
                if let Some(name) = name.filter(|_| !null && !value.is_empty()) {
                    found.insert(name, value.into_owned());
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The position of the parser in the document.
#[derive(Default)]
struct Place(Vec<Level>);

enum Level {
    /// A mapping, with the key whose value comes next; `None` if a key comes next.
    Mapping(Option<String>),
    Sequence,
}

impl Place {
    /// Takes a complete node: a key, or the value of the key before it. Returns the name of a setting if the node is
    /// its value.
    fn take(&mut self, text: &str) -> Option<String> {
        let is_client = self.is_client();
        let Some(Level::Mapping(key)) = self.0.last_mut() else {
            return None;
        };
        match key.take() {
            None => {
                *key = Some(text.to_owned());
                None
            }
            name => name.filter(|_| is_client),
        }
    }

    fn is_client(&self) -> bool {
        let [above @ .., Level::Mapping(_)] = &self.0[..] else {
            return false;
        };
        let path = above.iter().map(|level| match level {
            Level::Mapping(Some(key)) => key.as_str(),
            _ => "",
        });
        path.eq(CLIENT)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn the_vendors_form_is_read_and_ids_keep_all_digits() {
        let settings = parse(
            "zscaler:\n  client:\n    clientId: \"me\"\n    clientSecret: hidden # not shown\n    vanityDomain: acme\n    \
             customerId: 9223372036854775899\n    microtenantId: 0\n    cloud: beta\n    proxy: {host: p, port: 80}\n    \
             rateLimit:\n      maxRetries: 4\n      clientId: other\n  other: [clientId, {clientId: x}]\n",
        )
        .unwrap();
        assert_eq!(settings.client_id.as_deref(), Some("me"));
        assert_eq!(settings.client_secret.unwrap().expose_secret(), "hidden");
        assert_eq!(settings.vanity_domain.as_deref(), Some("acme"));
        assert_eq!(settings.customer_id.as_deref(), Some("9223372036854775899"));
        assert_eq!(settings.microtenant_id.as_deref(), Some("0"));
        assert_eq!(settings.cloud.as_deref(), Some("beta"));
    }

    #[test]
    fn a_key_of_several_lines_is_read_and_wins() {
        let settings = parse(
            "zscaler:\n  client:\n    clientSecret: s\n    privateKey: |\n      -----BEGIN X-----\n      abc\n      -----END X-----\n",
        )
        .unwrap();
        assert!(settings.client_secret.is_none());
        assert_eq!(
            settings.private_key.unwrap().expose_secret(),
            "-----BEGIN X-----\nabc\n-----END X-----\n"
        );
    }

    #[test]
    fn empty_null_and_misplaced_values_are_ignored() {
        for text in [
            "",
            "zscaler:\n",
            "zscaler:\n  client:\n    clientId: \"\"\n    cloud: null\n    customerId: ~\n",
            "client:\n  clientId: me\n",
            "- zscaler\n- client\n",
        ] {
            let settings = parse(text).unwrap();
            assert!(
                settings.client_id.is_none() && settings.cloud.is_none(),
                "{text}"
            );
        }
    }

    #[test]
    fn an_error_names_the_line() {
        assert_eq!(
            parse("zscaler:\n  client:\n    clientId: \"me\n").unwrap_err(),
            3
        );
        assert!(parse("zscaler: [").is_err());
    }
}
