//! The user at the terminal, who watches use cases and answers their questions.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::progress::Display;
use super::terminal::Terminal;
use super::{choice, preview};
use crate::cli::flags::JsonArg;
use crate::engine::Progress;
use crate::ops::{Error, Later, Observer, Preview, Prompt};
use crate::plan::prune::Choice;

/// The observer and prompt of use cases that run on a terminal.
#[derive(Debug)]
pub(crate) struct Watcher {
    terminal: Terminal,
    hint_of_full: &'static str,
    /// The last choice that was shown, as data.
    choice: Mutex<Option<serde_json::Value>>,
}

impl Watcher {
    pub(crate) fn new(terminal: &Terminal) -> Self {
        Self {
            terminal: terminal.clone(),
            hint_of_full: "zpa-bulk plan --full shows them all",
            choice: Mutex::default(),
        }
    }

    /// Returns the same watcher with another hint at the end of a preview that does not show every row.
    pub(crate) fn hint_of_full(self, hint_of_full: &'static str) -> Self {
        Self {
            hint_of_full,
            ..self
        }
    }

    /// Prints the last choice as JSON, if `--json` is given.
    pub(crate) fn show_choice(&self, json: JsonArg) -> Result<(), Error> {
        let choice = self.choice.lock().unwrap_or_else(PoisonError::into_inner);
        match choice.as_ref().filter(|_| json.json) {
            Some(document) => self.terminal.json(document),
            None => Ok(()),
        }
    }
}

impl Prompt for Watcher {
    fn confirm<'q>(&'q self, question: &'q str) -> Later<'q, bool> {
        Box::pin(self.terminal.ask(question))
    }

    fn text<'q>(&'q self, question: &'q str) -> Later<'q, Option<String>> {
        Box::pin(self.terminal.ask_for(question))
    }
}

impl Observer for Watcher {
    fn say(&self, text: &str) {
        self.terminal.say(text);
    }

    fn warn(&self, text: &str) {
        self.terminal.warn(text);
    }

    fn warn_of(&self, error: &Error) {
        self.terminal.warn_of(error);
    }

    fn plan(&self, plan: &Preview<'_>) {
        self.terminal
            .say_lines(&preview::lines(plan, self.hint_of_full));
    }

    fn choice(&self, chosen: &Choice<'_>, connectors: usize) {
        self.terminal.say_lines(&choice::lines(chosen, connectors));
        let document = choice::document(chosen);
        *self.choice.lock().unwrap_or_else(PoisonError::into_inner) = Some(document);
    }

    fn progress(&self, progress: watch::Receiver<Option<Progress>>) -> Box<dyn Send> {
        Box::new(Display::start(&self.terminal, progress))
    }
}
