//! What the user sees: messages on standard error, results on standard output, log lines that do not
//! tear the progress bars.

use std::io::{self, IsTerminal, Write};

use indicatif::MultiProgress;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::args::Output;
use super::error::{CliError, chain};

/// The environment variable with a filter for the log, like `zpa_bulk=debug`.
const LOG_VARIABLE: &str = "ZPA_BULK_LOG";

/// Standard output and standard error as this command uses them.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent facts about one terminal"
)]
#[derive(Clone, Debug)]
pub(super) struct Terminal {
    bars: MultiProgress,
    quiet: bool,
    colours: bool,
    watched: bool,
    can_ask: bool,
}

impl Terminal {
    pub(super) fn new(output: &Output) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let attended = io::stderr().is_terminal();
        // Bars cannot be drawn on a terminal that cannot move its cursor.
        let watched = attended && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            bars: MultiProgress::new(),
            quiet: output.quiet,
            colours: watched && !output.no_color && !no_color,
            watched,
            can_ask: attended && io::stdin().is_terminal(),
        }
    }

    /// Where progress bars go.
    pub(super) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    pub(super) fn has_colours(&self) -> bool {
        self.colours
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether somebody looks at standard error, on a terminal that shows progress bars.
    pub(super) fn is_watched(&self) -> bool {
        self.watched
    }

    /// A result, to standard output. A reader that has gone away is no error.
    pub(super) fn result(&self, text: &str) -> Result<(), CliError> {
        let written = self.bars.suspend(|| {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        });
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(CliError::unexpected("the result cannot be written", &error))
            }
            _ => Ok(()),
        }
    }

    /// The same as one JSON document.
    pub(super) fn json(&self, document: &impl serde::Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(document)
            .map_err(|error| CliError::unexpected("the result cannot be written", &error))?;
        self.result(&(text + "\n"))
    }

    /// Something worth knowing.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            self.message(text);
        }
    }

    /// Something that may be wrong.
    pub(super) fn warn(&self, text: &str) {
        let label = self.paint("33", "warning:");
        self.message(&format!("{label} {text}"));
    }

    /// What does not keep the command from succeeding, and what to do about it.
    pub(super) fn warn_of(&self, error: &CliError) {
        self.tell(&self.paint("33", "warning:"), error);
    }

    /// Why the command did not succeed.
    pub(super) fn error(&self, error: &CliError) {
        self.tell(&self.paint("31;1", "error:"), error);
    }

    fn tell(&self, label: &str, error: &CliError) {
        for message in &error.messages {
            self.message(&format!("{label} {message}"));
        }
        if let Some(hint) = &error.hint {
            let label = self.paint("36", "hint: ");
            self.message(&format!("{label} {hint}"));
        }
    }

    /// Asks a yes-or-no question; anything but a clear yes, or nobody to be asked, is a no. Reading the
    /// answer blocks a thread of its own, so that an interrupt can be heard meanwhile.
    pub(super) async fn ask(&self, question: &str) -> bool {
        let answer = self.ask_for(&format!("{question} [y/N]")).await;
        answer.is_some_and(|text| matches!(text.to_lowercase().as_str(), "y" | "yes"))
    }

    /// Asks for a text; none when nobody is there to be asked.
    pub(super) async fn ask_for(&self, question: &str) -> Option<String> {
        if !self.can_ask {
            return None;
        }
        let question = question.to_owned();
        let answer = tokio::task::spawn_blocking(move || {
            let mut answer = String::new();
            let asked = write!(io::stderr(), "{question} ");
            asked
                .and_then(|()| io::stdin().read_line(&mut answer))
                .map(|_| answer)
        });
        let text = answer.await.ok()?.ok()?;
        Some(text.trim().to_owned())
    }

    fn message(&self, text: &str) {
        self.bars.suspend(|| {
            // Nobody is left to be told that a message could not be written.
            let _ = writeln!(io::stderr(), "{text}");
        });
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Sends log lines to standard error: warnings, more with `-v`, or what `ZPA_BULK_LOG` selects.
pub(super) fn log_to(terminal: &Terminal, output: &Output) {
    let level = match (output.quiet, output.verbose) {
        (true, _) => "error",
        (false, 0) => "zpa_bulk=warn",
        (false, 1) => "zpa_bulk=info",
        (false, 2) => "zpa_bulk=debug",
        (false, _) => "debug",
    };
    let filter = match std::env::var(LOG_VARIABLE) {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(&text).unwrap_or_else(|error| {
            terminal.warn(&format!(
                "{LOG_VARIABLE} is not a filter: {}",
                chain(&error)
            ));
            EnvFilter::new(level)
        }),
        _ => EnvFilter::new(level),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(terminal.colours)
        .with_target(false)
        .with_writer(BesideBars(terminal.bars.clone()))
        .finish();
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        terminal.warn("the log could not be set up");
    }
}

/// Writes between the progress bars.
#[derive(Clone)]
struct BesideBars(MultiProgress);

impl Write for BesideBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for BesideBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
