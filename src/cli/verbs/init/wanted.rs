//! The profile that `init` is to write: what is known of it, what is missing, and the forms of the answers.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::cli::settings::secret::expanded;
use crate::cli::settings::{Profile, ProofSource};
use crate::ops::Error;
use crate::zpa::Style;

/// The profile that is asked for, as far as it is known, and a secret that is to be stored.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) profile: Profile,
    /// True if the profile names a proof already, which is kept if no other is given.
    pub(super) has_proof: bool,
    pub(super) secret: Option<SecretString>,
}

impl Wanted {
    /// Returns the flags that would give what the profile lacks.
    pub(super) fn gaps(&self) -> Vec<&'static str> {
        let profile = &self.profile;
        let is_elsewhere = profile.base_url.is_some() || profile.token_url.is_some();
        let needs_vanity = profile.style == Some(Style::OneApi) && !is_elsewhere;
        let gaps = [
            ("--customer-id", profile.customer_id.is_none()),
            ("--client-id", profile.client_id.is_none()),
            (
                "--vanity-domain",
                needs_vanity && profile.vanity_domain.is_none(),
            ),
            (
                "one of --client-secret-file, --client-secret-command, --private-key-file, --private-key-command, \
                 --secret-from-environment and --secret-from-stdin",
                profile.proof.is_none() && !self.has_proof,
            ),
        ];
        let gaps = gaps.into_iter().filter(|(_, gap)| *gap);
        gaps.map(|(flags, _)| flags).collect()
    }

    /// Refuses a profile that lacks something or cannot sign in. A profile without a style is one for a ZPA API key.
    pub(super) fn refuse_gaps(&mut self) -> Result<(), Error> {
        let style = *self.profile.style.get_or_insert(Style::Legacy);
        let gaps = self.gaps();
        if !gaps.is_empty() {
            return Err(Error::usage(format!("init lacks {}", gaps.join(", ")))
                .hint("give these flags, or run it on a terminal, where it asks"));
        }
        if style == Style::Legacy && self.profile.proof.as_ref().is_some_and(ProofSource::is_key) {
            return Err(
                Error::usage("a private key signs in to OneAPI, but the style is legacy")
                    .hint("give --style oneapi, or the client's secret in place of the key"),
            );
        }
        Ok(())
    }
}

/// The words of a command.
#[derive(Clone, Debug)]
pub(super) struct Words(pub(super) Vec<String>);

pub(super) fn command(text: &str) -> Result<Words, String> {
    let words = shlex::split(text).filter(|words| !words.is_empty());
    words
        .map(Words)
        .ok_or_else(|| "write a program and its arguments; each quote needs its partner".to_owned())
}

pub(super) fn style(text: &str) -> Result<Style, String> {
    match text {
        "oneapi" => Ok(Style::OneApi),
        "legacy" => Ok(Style::Legacy),
        _ => Err("it must be oneapi or legacy".to_owned()),
    }
}

/// Returns a path as the settings file names it: whole, so that it holds in every directory.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Error> {
    let failed = |error| Error::usage(format!("{}: {error}", path.display()));
    std::path::absolute(expanded(path)).map_err(failed)
}
