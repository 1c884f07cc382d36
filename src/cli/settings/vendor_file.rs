//! `~/.zscaler/zscaler.yaml`, the settings file of the vendor's own tools: client, tenant and cloud are taken from it when
//! no client is named anywhere else.
//!
//! Its form is that of the vendor's public SDKs: a mapping `zscaler.client` of camel-case names. Whatever else stands in
//! it (timeouts, proxies, caches, other products) is theirs alone.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle};
use secrecy::SecretString;

use super::layer::Settings;
use super::secret::refuse_if_open_to_others;
use crate::ops::Error;

/// Where it is, below the home directory.
const PLACE: &str = ".zscaler/zscaler.yaml";

const CLIENT: [&str; 2] = ["zscaler", "client"];

/// Reads it from that home directory; nothing when it is not there.
pub(super) fn read(home: Option<&Path>) -> Result<Settings, Error> {
    let Some(path) = home.map(|home| home.join(PLACE)) else {
        return Ok(Settings::default());
    };
    let shown = path.display();
    let failed = |error: io::Error| Error::usage(format!("{shown}: {error}"));
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Settings::default()),
        Err(error) => return Err(failed(error)),
    };
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let settings = parse(&text).map_err(|line| {
        Error::usage(format!("{shown}:{line}: this is not YAML"))
            .hint("mend it, or name the client in the environment or with --settings")
    })?;
    if settings.has_proof() {
        refuse_if_open_to_others(&path, &file)?;
    }
    Ok(settings.found_in(&shown.to_string()))
}

/// The settings in its text, or the line from which on it cannot be read. The line itself may hold a secret.
fn parse(text: &str) -> Result<Settings, usize> {
    let mut client = client(text)?;
    let mut take = |name: &str| client.remove(name);
    let private_key = take("privateKey").map(SecretString::from);
    let client_secret = take("clientSecret").map(SecretString::from);
    Ok(Settings {
        client_id: take("clientId"),
        // Where both are, the vendor's tools sign in with the key.
        client_secret: client_secret.filter(|_| private_key.is_none()),
        private_key,
        vanity_domain: take("vanityDomain"),
        customer_id: take("customerId"),
        microtenant_id: take("microtenantId"),
        cloud: take("cloud"),
        ..Settings::default()
    })
}

/// The scalars directly below `zscaler.client`, as they are written: an id is not taken for a number.
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

/// Where in the document the parser stands.
#[derive(Default)]
struct Place(Vec<Level>);

enum Level {
    /// Inside a mapping: the key whose value comes next, or none when a key comes next.
    Mapping(Option<String>),
    Sequence,
}

impl Place {
    /// Takes in a node that is complete: a key, or the value of the key before it. Answers the name of a setting if this
    /// is its value.
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
    fn the_form_of_the_vendors_sdks_is_read_and_ids_keep_their_digits() {
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
    fn a_key_over_several_lines_is_read_and_goes_before_a_secret() {
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
    fn what_is_empty_null_or_elsewhere_is_not_there() {
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
    fn the_line_of_a_mistake_is_told() {
        assert_eq!(
            parse("zscaler:\n  client:\n    clientId: \"me\n").unwrap_err(),
            3
        );
        assert!(parse("zscaler: [").is_err());
    }
}
