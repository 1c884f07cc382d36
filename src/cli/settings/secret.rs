//! Secrets, read from a variable, from a file that only its owner can read, or from a command. They are never shown.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::layer::Settings;
use crate::files::read_text_within;
use crate::ops::{Error, shell_word};
use crate::platform::is_open_to_others;
use crate::zpa::{PrivateKey, Proof};

/// The longest secret that is read, in bytes: five times a private key of 16384 bits in PEM.
const LONGEST: u64 = 1 << 16;

/// The longest time that a command may take. The user may have to unlock a password store.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

const KEY_HINT: &str = "give an RSA key without a passphrase, in PKCS#8 or PKCS#1; \
     openssl pkey -in KEY -out PLAIN-KEY removes the passphrase (then: chmod 600 PLAIN-KEY)";

/// Reads the proof of the client's identity from the place that the settings name. Returns `None` if they name none.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) if the proof cannot be read, others can read it, or it is a key
/// that cannot be used.
pub(super) async fn proof(settings: &Settings) -> Result<Option<Proof>, Error> {
    if let Some(text) = &settings.private_key {
        let place = settings.source("private_key").unwrap_or("private_key");
        return private_key(place, text).map(Some);
    }
    if let Some(path) = &settings.private_key_file {
        return key_file(path).map(Some);
    }
    if let Some(command) = &settings.private_key_command {
        let pem = from_command("private_key_command", command, settings).await?;
        return key("private_key_command", &pem).map(Some);
    }
    let secret = if let Some(secret) = &settings.client_secret {
        let place = settings.source("client_secret").unwrap_or("client_secret");
        Some(trimmed("secret", place, secret.expose_secret()).into())
    } else if let Some(path) = &settings.client_secret_file {
        Some(from_file(path)?)
    } else if let Some(command) = &settings.client_secret_command {
        Some(from_command("client_secret_command", command, settings).await?)
    } else {
        None
    };
    Ok(secret.map(Proof::Secret))
}

/// Returns a credential without the white space around it. No client has any, but copies and files of other systems do.
pub(super) fn trimmed<'t>(what: &str, place: &str, text: &'t str) -> &'t str {
    let trimmed = text.trim();
    if trimmed.len() < text.len() {
        tracing::warn!("{place}: the white space around the {what} is left out");
    }
    trimmed
}

/// Reads the key that a variable or the vendor's file gives: a path, or PEM, in which line breaks may be written as
/// `\n`.
fn private_key(place: &str, text: &SecretString) -> Result<Proof, Error> {
    let text = text.expose_secret();
    if text.contains("-----BEGIN") {
        let pem = SecretString::from(text.replace("\\n", "\n"));
        return key(place, &pem);
    }
    if text.trim_start().starts_with('{') {
        return Err(Error::usage(format!(
            "{place}: the private key is a JSON web key, not PEM"
        ))
        .hint(KEY_HINT));
    }
    // The message does not repeat the text: it may be a key without its first line.
    let looks_like_a_path = text.len() < 1024 && !text.trim().contains('\n');
    if !looks_like_a_path || !expanded(Path::new(text.trim())).exists() {
        let message = format!("{place}: the private key is neither in PEM nor a file that exists");
        return Err(Error::usage(message).hint(KEY_HINT));
    }
    key_file(Path::new(text.trim()))
}

fn key_file(path: &Path) -> Result<Proof, Error> {
    key(&path.display().to_string(), &from_file(path)?)
}

fn key(place: &str, pem: &SecretString) -> Result<Proof, Error> {
    let key = PrivateKey::from_pem(pem.expose_secret());
    key.map(Proof::Key)
        .map_err(|error| Error::usage(format!("{place}: {error}")).hint(KEY_HINT))
}

/// Reads a secret from standard input.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) if there is none, or it is too long.
pub(crate) fn from_stdin() -> Result<SecretString, Error> {
    let place = "standard input";
    let text = read_text_within(io::stdin(), LONGEST);
    let text = text.map_err(|error| Error::usage(format!("{place}: {error}")))?;
    one_secret(place, &text)
}

/// Reads a secret from a file that only its owner can read.
fn from_file(path: &Path) -> Result<SecretString, Error> {
    let path = expanded(path);
    let shown = path.display();
    let failed = |error: io::Error| Error::usage(format!("{shown}: {error}"));
    let file = File::open(&path).map_err(failed)?;
    refuse_if_open_to_others(&path, &file)?;
    let text = read_text_within(&file, LONGEST).map_err(failed)?;
    one_secret(&shown.to_string(), &text)
}

/// Refuses a file with a secret that others can read.
pub(super) fn refuse_if_open_to_others(path: &Path, file: &File) -> Result<(), Error> {
    let shown = path.display();
    let open =
        is_open_to_others(file).map_err(|error| Error::usage(format!("{shown}: {error}")))?;
    if open {
        return Err(
            Error::usage(format!("{shown} holds a secret, and others can read it"))
                .hint(format!("chmod 600 {}", shell_word(shown))),
        );
    }
    Ok(())
}

/// Reads a secret from the standard output of a command, which runs without a shell and without this program's own
/// variables. The user sees its standard error.
async fn from_command(
    setting: &str,
    command: &[String],
    settings: &Settings,
) -> Result<SecretString, Error> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Error::usage(format!("{setting} names no command"))
            .hint("write it as a list: [\"pass\", \"show\", \"zpa\"]"));
    };
    let passed = passed(settings.secret_command_env.as_deref().unwrap_or_default())?;
    let place = format!("{setting} {program:?}");
    let failed = |error: io::Error| Error::usage(format!("{place}: {error}"));
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(passed)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let mut printed = Vec::new();
    let output = child.stdout.take();
    let reading = async {
        if let Some(output) = output {
            output.take(LONGEST + 1).read_to_end(&mut printed).await?;
        }
        child.wait().await
    };
    let ended = tokio::time::timeout(LONGEST_WAIT, reading).await;
    let ended = ended.map_err(|_| {
        let seconds = LONGEST_WAIT.as_secs();
        Error::usage(format!("{place} did not end within {seconds} s"))
    })?;
    let status = ended.map_err(failed)?;
    if printed.len() as u64 > LONGEST {
        let most = LONGEST >> 10;
        return Err(Error::usage(format!(
            "{place} printed more than {most} KiB"
        )));
    }
    if !status.success() {
        return Err(Error::usage(format!("{place} failed: {status}")).hint(
            "run it by hand to see what it needs; secret_command_env names variables for it",
        ));
    }
    let text = String::from_utf8(printed)
        .map_err(|_| Error::usage(format!("{place} did not print text")))?;
    one_secret(&place, &text)
}

/// The variables that a command gets which prints a secret: those of the system, the session and the terminal, and the
/// places of password managers. None of them is a secret.
const PASSED: &str = "PATH HOME USER LOGNAME SHELL TERM TMPDIR TZ LANG LANGUAGE \
     DISPLAY WAYLAND_DISPLAY XAUTHORITY DBUS_SESSION_BUS_ADDRESS SSH_AUTH_SOCK GPG_TTY GNUPGHOME PASSWORD_STORE_DIR \
     VAULT_ADDR VAULT_NAMESPACE VAULT_CACERT AWS_PROFILE AWS_REGION \
     SystemRoot SystemDrive windir ComSpec PATHEXT TEMP TMP USERNAME USERPROFILE HOMEDRIVE HOMEPATH APPDATA \
     LOCALAPPDATA ProgramData ProgramFiles";

/// Returns the variables for a command that prints a secret: the usual ones, and those that the settings name. Variables
/// of this program never reach it: they hold the other secrets.
fn passed(more: &[String]) -> Result<Vec<(OsString, OsString)>, Error> {
    let is_own = |name: &str| {
        let name = name.to_ascii_uppercase();
        name.starts_with("ZPA_") || name.starts_with("ZSCALER_")
    };
    if let Some(own) = more.iter().find(|name| is_own(name)) {
        let message = format!("secret_command_env names {own:?}, which may hold another secret");
        return Err(Error::usage(message).hint("a command gets no variable of ZPA_… or ZSCALER_…"));
    }
    let passes = |name: &str| {
        let mut usual = PASSED.split_whitespace();
        let usual = usual.any(|usual| usual.eq_ignore_ascii_case(name));
        let family = name.starts_with("LC_") || name.starts_with("XDG_");
        usual || family || more.iter().any(|named| named == name)
    };
    let variables = std::env::vars_os();
    Ok(variables
        .filter(|(name, _)| name.to_str().is_some_and(passes))
        .collect())
}

/// Returns the text without the line break at its end; refuses an empty text.
fn one_secret(place: &str, text: &str) -> Result<SecretString, Error> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(Error::usage(format!("{place} gives an empty secret")));
    }
    // A key may have empty lines around it.
    let is_key = text.contains("-----BEGIN");
    let text = if is_key {
        text
    } else {
        trimmed("secret", place, text)
    };
    Ok(SecretString::from(text))
}

/// A path with `~` at its beginning put out in full.
pub(crate) fn expanded(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}
