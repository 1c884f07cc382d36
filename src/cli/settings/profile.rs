//! A profile that is written into a settings file. All else in the file stays as it is, comments too.

use std::path::PathBuf;

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value, value};

use super::file::parse;
use super::layer::Settings;
use super::resolved::Resolved;
use super::secret::proof;
use crate::ops::Error;
use crate::zpa::Style;

/// The place of the proof of a client's identity, as a profile names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProofSource {
    /// A file with the client's secret.
    SecretFile(PathBuf),
    /// A command that prints the client's secret.
    SecretCommand(Vec<String>),
    /// A file with a private key.
    KeyFile(PathBuf),
    /// A command that prints a private key.
    KeyCommand(Vec<String>),
    /// The variables of Zscaler's own tools. The profile names no proof.
    Environment,
}

impl ProofSource {
    /// Tells whether the proof is a private key.
    pub(crate) fn is_key(&self) -> bool {
        matches!(self, Self::KeyFile(_) | Self::KeyCommand(_))
    }

    /// Returns the key and the value that name the source.
    fn entry(&self) -> Option<(&'static str, Value)> {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned().into();
        let list = |words: &Vec<String>| Value::Array(Array::from_iter(words));
        match self {
            Self::SecretFile(file) => Some(("client_secret_file", path(file))),
            Self::SecretCommand(words) => Some(("client_secret_command", list(words))),
            Self::KeyFile(file) => Some(("private_key_file", path(file))),
            Self::KeyCommand(words) => Some(("private_key_command", list(words))),
            Self::Environment => None,
        }
    }
}

/// The keys by which a profile can prove the client's identity.
const PROOFS: [&str; 5] = [
    "client_secret",
    "client_secret_file",
    "client_secret_command",
    "private_key_file",
    "private_key_command",
];

/// The settings of a profile that say which tenant is meant and how to sign in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) style: Option<Style>,
    pub(crate) cloud: Option<String>,
    pub(crate) vanity_domain: Option<String>,
    pub(crate) customer_id: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) base_url: Option<String>,
    pub(crate) token_url: Option<String>,
    /// The source of the proof. `None` keeps what the profile says.
    pub(crate) proof: Option<ProofSource>,
}

impl Profile {
    /// Returns the profile that these settings hold. Its proof stays as it is.
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            style: settings.style,
            cloud: settings.cloud.clone(),
            vanity_domain: settings.vanity_domain.clone(),
            customer_id: settings.customer_id.clone(),
            client_id: settings.client_id.clone(),
            base_url: settings.base_url.clone(),
            token_url: settings.token_url.clone(),
            proof: None,
        }
    }

    /// Returns what becomes of each key that the profile has or had: its value, or `None` if it goes.
    fn entries(&self) -> Vec<(&'static str, Option<Value>)> {
        let texts = [
            ("style", &self.style.map(|style| style.to_string())),
            ("cloud", &self.cloud),
            ("vanity_domain", &self.vanity_domain),
            ("customer_id", &self.customer_id),
            ("client_id", &self.client_id),
            ("base_url", &self.base_url),
            ("token_url", &self.token_url),
        ];
        let texts = texts.map(|(key, text)| (key, text.as_ref().map(Value::from)));
        let Some(proof) = self.proof.as_ref().map(ProofSource::entry) else {
            return texts.into();
        };
        let proofs = PROOFS.map(|key| {
            let named = proof.as_ref().filter(|(named, _)| *named == key);
            (key, named.map(|(_, value)| value.clone()))
        });
        texts.into_iter().chain(proofs).collect()
    }

    /// Reads the file that holds the proof, to refuse one that no command could use. A command is not run: it may ask the
    /// user for something, and the next sign-in runs it anyway.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) if the file cannot be read, others can read it, or it holds no key
    /// that can be used.
    pub(crate) async fn check_proof(&self) -> Result<(), Error> {
        let mut settings = Settings::default();
        match &self.proof {
            Some(ProofSource::SecretFile(file)) => settings.client_secret_file = Some(file.clone()),
            Some(ProofSource::KeyFile(file)) => settings.private_key_file = Some(file.clone()),
            _ => {}
        }
        proof(&settings).await.map(drop)
    }

    /// Returns the text of a settings file with this profile under that name.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) for a file that cannot be edited, or a profile with which
    /// nobody could connect.
    pub(crate) fn written_into(
        &self,
        text: &str,
        name: &str,
        shown: &str,
    ) -> Result<String, Error> {
        let refused = || {
            Error::usage(format!(
                "{shown}: the profile {name:?} cannot be written into it"
            ))
        };
        let mut document: DocumentMut = text.parse().map_err(|_| refused())?;
        let place = document.get("profiles");
        let is_new = place.is_none_or(|profiles| profiles.get(name).is_none());
        let written = if is_new && place.is_none_or(Item::is_table) {
            // What is added at the end moves no comment.
            let own = self.as_document(name).ok_or_else(refused)?;
            [text.trim_end(), &own].join(if text.trim().is_empty() { "" } else { "\n\n" })
        } else {
            let profiles = document
                .get_mut("profiles")
                .and_then(Item::as_table_like_mut);
            self.write(profiles.ok_or_else(refused)?, name)
                .ok_or_else(refused)?;
            document.to_string()
        };
        let mut settings = parse(&written, shown)?;
        let profile = settings.profiles.remove(name).ok_or_else(refused)?;
        Resolved::of(&profile.over(settings))?;
        Ok(written)
    }

    fn as_document(&self, name: &str) -> Option<String> {
        let mut document = DocumentMut::new();
        let mut profiles = Table::new();
        profiles.set_implicit(true);
        self.write(&mut profiles, name)?;
        document.insert("profiles", Item::Table(profiles));
        Some(document.to_string())
    }

    /// Writes the profile among others. A value that is replaced keeps the comment behind it. Returns `None` if something
    /// else has its name.
    fn write(&self, profiles: &mut dyn TableLike, name: &str) -> Option<()> {
        if profiles.get(name).is_none() {
            profiles.insert(name, Item::Table(Table::new()));
        }
        let table = profiles.get_mut(name)?.as_table_like_mut()?;
        for (key, written) in self.entries() {
            match (written, table.get_mut(key).and_then(Item::as_value_mut)) {
                (None, _) => drop(table.remove(key)),
                (Some(written), None) => drop(table.insert(key, value(written))),
                (Some(mut written), Some(old)) => {
                    *written.decor_mut() = old.decor().clone();
                    *old = written;
                }
            }
        }
        Some(())
    }
}

/// Returns the lines that differ between two states of a profile, with `-` and `+`. Secrets are hidden.
pub(crate) fn changes(before: &Settings, after: &Settings) -> Vec<String> {
    let (before, after) = (before.shown(), after.shown());
    let removed = before.iter().filter(|entry| !after.contains(entry));
    let added = after.iter().filter(|entry| !before.contains(entry));
    let line = |sign: char, (name, value): &(&str, String)| format!("{sign} {name} = {value}");
    let removed = removed.map(|entry| line('-', entry));
    removed.chain(added.map(|entry| line('+', entry))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        Profile {
            style: Some(Style::Legacy),
            customer_id: Some("17".to_owned()),
            client_id: Some("me".to_owned()),
            proof: Some(ProofSource::SecretCommand(vec![
                "pass".to_owned(),
                "a b".to_owned(),
            ])),
            ..Profile::default()
        }
    }

    fn written(text: &str) -> String {
        profile().written_into(text, "acme", "f").unwrap()
    }

    const OWN: &str = "[profiles.acme]\nstyle = \"legacy\"\ncustomer_id = \"17\"\nclient_id = \"me\"\n\
                       client_secret_command = [\"pass\", \"a b\"]\n";

    #[test]
    fn a_new_profile_is_added_at_the_end() {
        assert_eq!(written(""), OWN);
        let text =
            "# Mine.\njobs = 4 # few\n\n[profiles.b] # other\nclient_id = \"b\"\n\n# at the end\n";
        assert_eq!(written(text), format!("{}\n\n{OWN}", text.trim_end()));
    }

    #[test]
    fn a_profile_that_is_replaced_keeps_comments_and_other_settings() {
        let text = "[profiles.acme] # the tenant\n# Who?\ncustomer_id = \"1\" # old\njobs = 3\n\
                    client_secret = \"s3cret\"\nvanity_domain = \"acme\"\n\n[layouts.a] # keep\n";
        let after = written(text);
        for kept in [
            "# the tenant",
            "# Who?\ncustomer_id = \"17\" # old\njobs = 3\n",
            "[layouts.a] # keep",
        ] {
            assert!(after.contains(kept), "{after}");
        }
        for gone in ["s3cret", "vanity_domain"] {
            assert!(!after.contains(gone), "{after}");
        }
    }

    #[test]
    fn a_profile_can_be_written_again_without_a_change() {
        let once = written("jobs = 4\n");
        assert_eq!(written(&once), once);
        let kept = Profile {
            proof: None,
            ..profile()
        };
        assert_eq!(kept.written_into(&once, "acme", "f").unwrap(), once);
        assert!(written("profiles = { acme = { jobs = 3 } }\n").contains("jobs = 3"));
    }

    #[test]
    fn a_name_of_any_characters_becomes_one_key() {
        let text = profile().written_into("", "a.b \"c\"", "f").unwrap();
        assert!(
            parse(&text, "f")
                .unwrap()
                .profiles
                .contains_key("a.b \"c\"")
        );
    }

    #[test]
    fn a_profile_with_which_nobody_can_connect_is_refused() {
        let refused =
            |profile: Profile| profile.written_into("", "a", "f").unwrap_err().to_string();
        let wrong = Profile {
            customer_id: Some("x".to_owned()),
            ..profile()
        };
        assert!(refused(wrong).contains("is not a customer id"));
        let wrong = Profile {
            cloud: Some("nowhere".to_owned()),
            ..profile()
        };
        assert!(refused(wrong).contains("is not a known cloud"));
    }

    #[test]
    fn changes_hide_secrets() {
        let settings = |text: &str| parse(text, "f").unwrap();
        let before = settings("client_id = \"a\"\nclient_secret = \"s3cret\"\njobs = 3");
        let after =
            settings("client_id = \"b\"\nclient_secret_command = [\"pass\", \"s3cret\"]\njobs = 3");
        let expected = [
            "- client_id = a",
            "- client_secret = (hidden)",
            "+ client_id = b",
            "+ client_secret_command = pass",
        ];
        assert_eq!(changes(&before, &after), expected);
    }
}
