//! `zpa-bulk complete`: print names for the script of a shell, which asks at each key. Not for people, so it is hidden.
//!
//! `clap_complete` can ask the program for all candidates, but that part of it is not stable yet. The scripts that are stable
//! know all flags; names of runs and profiles are the only candidates that change.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::context::Context;
use crate::cli::settings::file;
use crate::cli::settings::secret::expanded;
use crate::cli::settings::{runs_dir, variable};
use crate::cli::ui::exit;
use crate::ops::Error;
use crate::run;

/// The most names that are offered: more than anyone looks through.
const MOST: usize = 200;

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct CompleteArgs {
    /// Names to print
    names: Names,
    /// Words of the command line so far, which may say where runs and profiles are
    #[arg(last = true)]
    words: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Names {
    /// Runs, the newest first
    Runs,
    /// Profiles of the settings file
    Profiles,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk complete runs -- resume --runs-dir old-runs";

pub(crate) fn run(args: &CompleteArgs, context: &Context<'_>) -> Result<u8, Error> {
    // A line that is not finished yet may be wrong in any way, and a completion has no place for messages.
    let names = match args.names {
        Names::Runs => runs(&args.words).unwrap_or_default(),
        Names::Profiles => profiles(&args.words).unwrap_or_default(),
    };
    // The shell takes each line as one word, so no name may hold more than a word.
    let is_word = |name: &String| {
        name.chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    let names: Vec<String> = names.into_iter().filter(is_word).take(MOST).collect();
    context.terminal.result(&names)?;
    Ok(exit::SUCCESS)
}

fn runs(words: &[OsString]) -> Result<Vec<String>, Error> {
    let given =
        given(words, "--runs-dir").or_else(|| variable("ZPA_BULK_RUNS_DIR").map(PathBuf::from));
    let config = config(words);
    let profile = given_text(words, "--profile").or_else(|| variable("ZPA_BULK_PROFILE"));
    let settings = file::read(config.as_deref(), profile.as_deref()).unwrap_or_default();
    let listed = run::list(&runs_dir(given.as_deref(), &settings))?;
    let newest_first = listed.iter().rev();
    Ok(newest_first.map(|run| run.name().to_string()).collect())
}

fn profiles(words: &[OsString]) -> Result<Vec<String>, Error> {
    let Some(path) = config(words).or_else(file::own_path) else {
        return Ok(Vec::new());
    };
    let (_, text) = file::text_of(&path)?;
    let settings = file::parse(&text, "the settings file")?;
    Ok(settings.profiles.into_keys().collect())
}

fn config(words: &[OsString]) -> Option<PathBuf> {
    given(words, "--config").or_else(|| variable("ZPA_BULK_CONFIG").map(PathBuf::from))
}

fn given(words: &[OsString], flag: &str) -> Option<PathBuf> {
    given_text(words, flag).map(|path| expanded(Path::new(&path)))
}

/// Returns the value of a flag on an unfinished line. bash makes three words of `--flag=value`.
fn given_text(words: &[OsString], flag: &str) -> Option<String> {
    let mut words = words.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        if let Some(value) = word
            .strip_prefix(flag)
            .and_then(|rest| rest.strip_prefix('='))
        {
            return Some(value.to_owned());
        }
        if word == flag {
            let value = words
                .next()
                .filter(|value| value != "=")
                .or_else(|| words.next());
            return value.map(std::borrow::Cow::into_owned);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_flag_is_found_in_every_form() {
        let found = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            given_text(&words, "--runs-dir")
        };
        for line in [
            "resume --runs-dir a -q",
            "--runs-dir=a resume",
            "resume --runs-dir = a",
        ] {
            assert_eq!(found(line).as_deref(), Some("a"), "{line}");
        }
        for line in ["resume", "resume --runs-dir", "--runs-directory=a"] {
            assert_eq!(found(line), None, "{line}");
        }
    }
}
