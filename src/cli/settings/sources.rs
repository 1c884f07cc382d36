//! The flags and variables that gave settings a value.

use std::collections::HashMap;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

/// The settings of the command line, each with the flag or the variable that gave its value.
#[derive(Debug, Default)]
pub(crate) struct Typed(HashMap<String, String>);

impl Typed {
    /// Finds the flag or the variable of each argument of a verb.
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

    /// Returns the flag or the variable that gave a setting its value, if one did.
    pub(crate) fn place_of(&self, setting: &str) -> Option<&str> {
        self.0.get(setting).map(String::as_str)
    }
}
