//! `zpa-bulk init`: write a tenant and its sign-in into a settings file, and check them.
//!
//! Nothing is written before all answers are there and make sense. A secret is typed, or comes on standard input; it is
//! never a flag, and goes into a file of its own that only its owner can read.

mod questions;
mod wanted;

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use secrecy::{ExposeSecret as _, SecretString};

use self::wanted::{Wanted, Words, absolute, command, style};
use super::context::Context;
use super::doctor;
use crate::cli::settings::file::{self, DEFAULT_PROFILE};
use crate::cli::settings::secret;
use crate::cli::settings::{Connector, Profile, ProofSource, Settings, changes, variable};
use crate::cli::ui::{exit, output};
use crate::ops::{Error, shell_word};
use crate::platform::private_dirs;
use crate::zpa::Style;

#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent flags of a command line"
)]
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES, group = ArgGroup::new("source").multiple(false))]
pub(crate) struct InitArgs {
    /// Way to sign in: `oneapi` for an API client of `ZIdentity`, `legacy` for a ZPA API key
    #[arg(long, value_parser = style, value_name = "STYLE", env = "ZPA_BULK_STYLE")]
    style: Option<Style>,
    /// Zscaler cloud of the tenant [default: PRODUCTION]
    #[arg(long, value_name = "NAME")]
    cloud: Option<String>,
    /// For oneapi: the first part of the host name of your sign-in page, like acme for acme.zslogin.net
    #[arg(long, value_name = "NAME")]
    vanity_domain: Option<String>,
    /// Customer id of the tenant
    #[arg(long, value_name = "ID", env = "ZPA_CUSTOMER_ID")]
    customer_id: Option<String>,
    /// Id of the API client; the variables of Zscaler's own tools count too
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Address of the API, in place of the cloud's; an empty text removes it
    #[arg(long, value_name = "URL", env = "ZPA_BULK_BASE_URL")]
    base_url: Option<String>,
    /// Address of the sign-in, in place of the cloud's; an empty text removes it
    #[arg(long, value_name = "URL", env = "ZPA_BULK_TOKEN_URL")]
    token_url: Option<String>,
    /// File with the client's secret, which only you can read
    #[arg(long, value_name = "FILE", group = "source", help_heading = SOURCE)]
    client_secret_file: Option<PathBuf>,
    /// Command that prints the client's secret, like 'pass show zpa'. No shell runs it
    #[arg(long, value_name = "COMMAND", value_parser = command, group = "source", help_heading = SOURCE)]
    client_secret_command: Option<Words>,
    /// For oneapi: file with the client's private key, which only you can read
    #[arg(long, value_name = "FILE", group = "source", help_heading = SOURCE)]
    private_key_file: Option<PathBuf>,
    /// For oneapi: command that prints the client's private key
    #[arg(long, value_name = "COMMAND", value_parser = command, group = "source", help_heading = SOURCE)]
    private_key_command: Option<Words>,
    /// Take the secret from the environment at each command; store none
    #[arg(long, group = "source", help_heading = SOURCE)]
    secret_from_environment: bool,
    /// Read the client's secret from standard input, and store it in a file that only you can read
    #[arg(long, group = "source", help_heading = SOURCE)]
    secret_from_stdin: bool,
    /// Replace a profile without asking
    #[arg(long)]
    yes: bool,
    /// Do not check the profile once it is written
    #[arg(long)]
    no_doctor: bool,
}

const SOURCE: &str = "Source of the secret";

const EXAMPLES: &str = "\
Examples:
  zpa-bulk init                      ask for everything
  zpa-bulk init --profile acme       the same for one tenant of several
  zpa-bulk init --customer-id 17 --client-id me --client-secret-file secret.txt";

/// The place of a profile.
#[derive(Debug)]
struct Place {
    config: PathBuf,
    name: String,
}

impl Place {
    /// Returns the place that the user names, else the default profile in the user's own settings file.
    fn of(context: &Context<'_>) -> Result<Self, Error> {
        let config = context
            .config
            .clone()
            .or_else(file::own_path)
            .ok_or_else(|| {
                Error::usage("there is no place for a settings file: HOME is not set")
                    .hint("name one with --config")
            })?;
        let name = context.profile.as_deref().unwrap_or(DEFAULT_PROFILE);
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(fits) {
            return Err(
                Error::usage(format!("{name:?} is not a name for a profile"))
                    .hint("take 1 to 64 letters, digits, hyphens, dots or underscores"),
            );
        }
        Ok(Self {
            config,
            name: name.to_owned(),
        })
    }

    /// Returns the text of the settings file, and the profile as it is there. A file that is missing is empty.
    fn read(&self) -> Result<(String, Settings), Error> {
        if !self.config.exists() {
            return Ok((String::new(), Settings::default()));
        }
        let (_, text) = file::text_of(&self.config)?;
        let settings = self.profile_in(&text)?;
        Ok((text, settings))
    }

    fn profile_in(&self, text: &str) -> Result<Settings, Error> {
        let mut settings = file::parse(text, &self.config.display().to_string())?;
        Ok(settings.profiles.remove(&self.name).unwrap_or_default())
    }

    /// Returns the path of the file for a secret that is stored.
    fn secret_file(&self) -> Result<PathBuf, Error> {
        absolute(&self.config.with_file_name(format!("{}.secret", self.name)))
    }

    /// Returns the flags by which other commands find the profile.
    fn flags(&self) -> String {
        let mut flags = String::new();
        if file::own_path().as_ref() != Some(&self.config) {
            flags.push_str(&format!(" --config {}", shell_word(self.config.display())));
        }
        if self.name != DEFAULT_PROFILE {
            flags.push_str(&format!(" --profile {}", shell_word(&self.name)));
        }
        flags
    }
}

pub(crate) async fn run(args: InitArgs, context: Context<'_>) -> Result<u8, Error> {
    let terminal = context.terminal;
    let place = Place::of(&context)?;
    let (text, before) = place.read()?;
    let mut wanted = args.over(&before, &place)?;
    let says_nothing = wanted.profile == Profile::of(&before);
    if terminal.can_ask() && (says_nothing || !wanted.gaps().is_empty()) {
        questions::ask(&mut wanted, terminal, &place.config, &place.secret_file()?).await?;
    }
    wanted.refuse_gaps()?;
    if args.secret_from_stdin {
        wanted.secret = Some(if terminal.can_ask() {
            questions::secret(terminal).await?
        } else {
            secret::from_stdin()?
        });
    }
    let shown = place.config.display().to_string();
    let written = wanted.profile.written_into(&text, &place.name, &shown)?;
    let after = place.profile_in(&written)?;
    if wanted.secret.is_none() {
        wanted.profile.check_proof().await?;
    }
    let changed = changes(&before, &after);
    if changed.is_empty() && wanted.secret.is_none() {
        terminal.say(&format!("{shown} says so already"));
    } else {
        terminal.say(&format!("{shown}: [profiles.{}]", place.name));
        terminal.say_lines(&changed);
        let replaces = !changes(&Settings::default(), &before).is_empty();
        if replaces && !args.yes && !terminal.ask("Replace the profile?").await {
            return Err(Error::usage(format!(
                "the profile {:?} is there already; nothing was written",
                place.name
            ))
            .hint("--yes replaces it, --profile names another"));
        }
        write(&place, &written, wanted.secret.as_ref())?;
    }
    conclude(&place, args.no_doctor, &context).await
}

/// Checks the profile, and says what comes next.
async fn conclude(place: &Place, no_doctor: bool, context: &Context<'_>) -> Result<u8, Error> {
    let flags = place.flags();
    // What is written must be readable to every other command too.
    let file = file::read(Some(&place.config), Some(&place.name))?;
    if no_doctor {
        context
            .terminal
            .say(&format!("next: zpa-bulk doctor{flags}"));
        return Ok(exit::SUCCESS);
    }
    let code = doctor::check(Connector::new(Settings::default(), file, None), context).await?;
    context.terminal.say(&match code {
        exit::SUCCESS => format!("next: zpa-bulk export portal-link{flags}"),
        _ => format!("the profile is written; mend what failed, then: zpa-bulk doctor{flags}"),
    });
    Ok(code)
}

impl InitArgs {
    /// Returns what the flags, the variables of the vendor's tools and the profile say, in this order.
    fn over(&self, before: &Settings, place: &Place) -> Result<Wanted, Error> {
        let before_profile = Profile::of(before);
        let proof = self.proof(place)?;
        let one_api =
            self.vanity_domain.is_some() || proof.as_ref().is_some_and(ProofSource::is_key);
        let style = self
            .style
            .or(before_profile.style)
            .or(one_api.then_some(Style::OneApi));
        let client = match style {
            Some(Style::OneApi) => "ZSCALER_CLIENT_ID",
            _ => "ZPA_CLIENT_ID",
        };
        // An empty text removes what the profile says.
        let text = |given: &Option<String>, before: Option<String>| {
            let text = given.clone().or(before);
            text.filter(|text| !text.is_empty())
        };
        let profile = Profile {
            style,
            cloud: text(&self.cloud, before_profile.cloud),
            vanity_domain: text(&self.vanity_domain, before_profile.vanity_domain)
                .filter(|_| style != Some(Style::Legacy)),
            customer_id: text(&self.customer_id, before_profile.customer_id),
            client_id: text(&self.client_id, before_profile.client_id).or_else(|| variable(client)),
            base_url: text(&self.base_url, before_profile.base_url),
            token_url: text(&self.token_url, before_profile.token_url),
            proof,
        };
        Ok(Wanted {
            profile,
            has_proof: before.has_proof(),
            secret: None,
        })
    }

    fn proof(&self, place: &Place) -> Result<Option<ProofSource>, Error> {
        Ok(if let Some(file) = &self.client_secret_file {
            Some(ProofSource::SecretFile(absolute(file)?))
        } else if let Some(Words(words)) = &self.client_secret_command {
            Some(ProofSource::SecretCommand(words.clone()))
        } else if let Some(file) = &self.private_key_file {
            Some(ProofSource::KeyFile(absolute(file)?))
        } else if let Some(Words(words)) = &self.private_key_command {
            Some(ProofSource::KeyCommand(words.clone()))
        } else if self.secret_from_stdin {
            Some(ProofSource::SecretFile(place.secret_file()?))
        } else {
            self.secret_from_environment
                .then_some(ProofSource::Environment)
        })
    }
}

fn write(place: &Place, text: &str, secret: Option<&SecretString>) -> Result<(), Error> {
    let failed = |path: &Path| {
        let shown = path.display().to_string();
        move |error: std::io::Error| Error::usage(format!("{shown}: {error}"))
    };
    let directory = place
        .config
        .parent()
        .filter(|parent| *parent != Path::new(""));
    if let Some(directory) = directory {
        private_dirs(directory).map_err(failed(directory))?;
    }
    if let Some(secret) = secret {
        let path = place.secret_file()?;
        let line = SecretString::from(format!("{}\n", secret.expose_secret()));
        output::replace(&path, line.expose_secret().as_bytes()).map_err(failed(&path))?;
    }
    output::replace(&place.config, text.as_bytes()).map_err(failed(&place.config))
}
