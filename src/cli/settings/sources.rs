//! The places where settings were typed.

use std::collections::BTreeMap;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

/// The settings that were typed, or came from a variable of their own: the flag or the variable by the setting's name.
#[derive(Debug, Default)]
pub(crate) struct Typed(BTreeMap<String, String>);

impl Typed {
    /// Reads the places of a verb's own flags from the matched arguments.
    pub(crate) fn of(cli: &Command, matches: &ArgMatches) -> Self {
        let Some((verb, matches)) = matches.subcommand() else {
            return Self::default();
        };
        let arguments = cli
            .find_subcommand(verb)
            .into_iter()
            .flat_map(Command::get_arguments);
        let typed = arguments.filter_map(|argument| {
            let id = argument.get_id().as_str();
            let place = match matches
                .try_contains_id(id)
                .ok()
                .and(matches.value_source(id))?
            {
                ValueSource::CommandLine => format!("--{}", argument.get_long()?),
                ValueSource::EnvVariable => argument.get_env()?.to_str()?.to_owned(),
                _ => return None,
            };
            Some((id.to_owned(), place))
        });
        Self(typed.collect())
    }

    /// The flag or variable that a setting came from, if it did.
    pub(crate) fn place_of(&self, setting: &str) -> Option<&str> {
        self.0.get(setting).map(String::as_str)
    }
}
