//! The questions of `init`. Each shows in brackets what an empty answer means, and is asked again after a wrong answer.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::wanted::{Wanted, Words, absolute, command, style};
use crate::cli::settings::{Profile, ProofSource};
use crate::cli::ui::Terminal;
use crate::ops::Error;
use crate::wire::Id;
use crate::zpa::Style;

/// The answer that removes a setting.
const NONE: &str = "-";

/// Asks for what a profile needs. What is known already is the default of its question.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) if the user gives up. Nothing was written then.
pub(super) async fn ask(
    wanted: &mut Wanted,
    terminal: &Terminal,
    config: &Path,
    secret_file: &Path,
) -> Result<(), Error> {
    let asking = Asking { terminal };
    terminal.say(&format!(
        "This writes a profile into {}. An empty answer takes what is in brackets; Ctrl-C leaves all as it is.",
        config.display()
    ));
    asking.tenant(&mut wanted.profile).await?;
    asking.proof(wanted, secret_file).await
}

/// Asks for the client's secret, which is not shown.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) if the user gives up, or this system cannot hide what is typed.
pub(super) async fn secret(terminal: &Terminal) -> Result<SecretString, Error> {
    loop {
        let typed = terminal.ask_hidden("Secret (it is not shown):").await;
        let typed = typed.map_err(|error| {
            Error::usage(format!("the secret cannot be asked for: {error}"))
                .hint("put it into a file that only you can read, and choose the file")
        })?;
        let typed = typed.ok_or_else(given_up)?;
        if !typed.expose_secret().is_empty() {
            return Ok(typed);
        }
        terminal.warn("it is empty");
    }
}

struct Asking<'t> {
    terminal: &'t Terminal,
}

impl Asking<'_> {
    async fn tenant(&self, profile: &mut Profile) -> Result<(), Error> {
        let question = "Sign in with a OneAPI client (oneapi) or a ZPA API key (legacy)?";
        let default = profile.style.unwrap_or(Style::OneApi).to_string();
        let chosen = self.one(question, Some(&default), style).await?;
        profile.style = Some(chosen);
        for (question, address) in [
            (
                "Address of the API (- for the cloud's)",
                &mut profile.base_url,
            ),
            (
                "Address of the sign-in (- for the cloud's)",
                &mut profile.token_url,
            ),
        ] {
            if let Some(given) = address.take() {
                let text = self.one(question, Some(&given), some_text).await?;
                *address = Some(text).filter(|text| text != NONE);
            }
        }
        let cloud = profile.cloud.take();
        let cloud = cloud.as_deref().unwrap_or("PRODUCTION");
        let cloud = self.one("Zscaler cloud", Some(cloud), some_text).await?;
        profile.cloud = Some(cloud).filter(|cloud| !cloud.eq_ignore_ascii_case("PRODUCTION"));
        if chosen == Style::Legacy {
            profile.vanity_domain = None;
        } else if profile.base_url.is_none() && profile.token_url.is_none() {
            let question =
                "Vanity domain: the first part of your sign-in page's host name, like acme";
            let known = profile.vanity_domain.as_deref();
            profile.vanity_domain = Some(self.one(question, known, some_text).await?);
        }
        let known = profile.customer_id.as_deref();
        profile.customer_id = Some(self.one("Customer id", known, digits).await?);
        let known = profile.client_id.as_deref();
        profile.client_id = Some(self.one("Client id", known, some_text).await?);
        Ok(())
    }

    /// Asks where the proof of the client's identity comes from, unless a flag says so.
    async fn proof(&self, wanted: &mut Wanted, secret_file: &Path) -> Result<(), Error> {
        if wanted.profile.proof.is_some() {
            return Ok(());
        }
        let one_api = wanted.profile.style == Some(Style::OneApi);
        let mut lines = vec![
            "Where does the client's secret come from?".to_owned(),
            format!(
                "  1  I type it now, and it goes into {}",
                secret_file.display()
            ),
            "  2  a file that only I can read".to_owned(),
            "  3  a command that prints it, like: pass show zpa".to_owned(),
            "  4  the environment, each time".to_owned(),
        ];
        if one_api {
            lines.push("  5  it is a private key, in a file that only I can read".to_owned());
        }
        if wanted.has_proof {
            lines.push("  0  it stays as the profile has it".to_owned());
        }
        self.terminal.say_lines(&lines);
        let default = if wanted.has_proof { "0" } else { "1" };
        let known = wanted.has_proof;
        let number = |text: &str| match text {
            "1" | "2" | "3" | "4" => Ok(text.to_owned()),
            "5" if one_api => Ok(text.to_owned()),
            "0" if known => Ok(text.to_owned()),
            _ => Err("it must be one of the numbers".to_owned()),
        };
        let chosen = self.one("Number", Some(default), number).await?;
        wanted.profile.proof = match chosen.as_str() {
            "0" => None,
            "1" => {
                wanted.secret = Some(secret(self.terminal).await?);
                Some(ProofSource::SecretFile(secret_file.to_owned()))
            }
            "2" => Some(ProofSource::SecretFile(
                self.file("File with the secret").await?,
            )),
            "3" => {
                let Words(words) = self.one("Command", None, command).await?;
                Some(ProofSource::SecretCommand(words))
            }
            "5" => Some(ProofSource::KeyFile(
                self.file("File with the private key").await?,
            )),
            _ => Some(ProofSource::Environment),
        };
        Ok(())
    }

    async fn file(&self, question: &str) -> Result<PathBuf, Error> {
        let exists = |text: &str| {
            let path = absolute(Path::new(text)).map_err(|error| error.to_string())?;
            if path.is_file() {
                Ok(path)
            } else {
                Err(format!("there is no file {}", path.display()))
            }
        };
        self.one(question, None, exists).await
    }

    /// Asks until the answer is right.
    async fn one<T>(
        &self,
        question: &str,
        default: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Error> {
        let shown = default.map_or_else(String::new, |default| format!(" [{default}]"));
        loop {
            let answer = self.terminal.ask_for(&format!("{question}{shown}:")).await;
            let answer = answer.ok_or_else(given_up)?;
            let answer = match default {
                Some(default) if answer.is_empty() => default,
                _ => &answer,
            };
            match parse(answer) {
                Ok(parsed) => return Ok(parsed),
                Err(why) => self.terminal.warn(&why),
            }
        }
    }
}

fn some_text(text: &str) -> Result<String, String> {
    match text {
        "" => Err("an answer is needed".to_owned()),
        text => Ok(text.to_owned()),
    }
}

fn digits(text: &str) -> Result<String, String> {
    let id = Id::parse(text);
    id.map(|id| id.to_string())
        .ok_or_else(|| "it must be 1 to 20 digits".to_owned())
}

fn given_up() -> Error {
    Error::usage("the questions were not answered; nothing was written")
}
