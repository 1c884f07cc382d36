//! The two outputs of a command: messages and progress bars on standard error, results on standard output.
//!
//! Text is written line by line, and each line is [escaped](escape). Only own colours are added afterwards.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use indicatif::MultiProgress;
use secrecy::SecretString;
use serde::Serialize;

use super::{escape, event_target, exit};
use crate::cli::flags::Output;
use crate::clock::wall;
use crate::item::Located;
use crate::manifest::OutputFormat;
use crate::ops::Error;
use crate::platform::tty;
use crate::report::EventStream;
use crate::text::counted;

/// The label of an error that ends the command.
const ERROR: &str = "error: ";

/// An error as data.
#[derive(Serialize)]
struct ErrorDocument<'e> {
    format: u32,
    exit_code: u8,
    error: String,
    hint: Option<&'e str>,
    notes: &'e [String],
    /// The number of all problems, of which the first 300,000 are there.
    problem_count: u64,
    problems: &'e [Located],
}

impl<'e> ErrorDocument<'e> {
    fn of(error: &'e Error) -> Self {
        let first = error.messages.first().cloned();
        let error_text = if error.problems.is_empty() {
            error.to_string()
        } else {
            first.unwrap_or_default()
        };
        Self {
            format: 1,
            exit_code: exit::code(error.kind),
            error: error_text,
            hint: error.hint.as_deref(),
            notes: &error.notes,
            problem_count: error.problem_count,
            problems: &error.problems,
        }
    }
}

/// Tells whether a terminal could move its cursor. On one that cannot, neither bars nor screens can be drawn.
pub(super) fn can_move_cursor() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Standard output and standard error as this command uses them.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent facts about one terminal"
)]
#[derive(Clone, Debug)]
pub(crate) struct Terminal {
    bars: MultiProgress,
    quiet: bool,
    colours: bool,
    watched: bool,
    can_ask: bool,
    /// True once a document was printed. There is only one.
    is_told: Arc<AtomicBool>,
    /// True once nobody reads standard output any more.
    is_unread: Arc<AtomicBool>,
    /// The events for programs, once a command has begun them.
    events: Arc<OnceLock<EventStream>>,
    /// True if standard output belongs to the events.
    is_taken: Arc<AtomicBool>,
}

impl Terminal {
    pub(crate) fn new(output: &Output) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let attended = io::stderr().is_terminal();
        let watched = attended && can_move_cursor();
        Self {
            bars: MultiProgress::new(),
            quiet: output.quiet,
            colours: watched && !output.no_color && !no_color,
            watched,
            can_ask: attended && io::stdin().is_terminal(),
            is_told: Arc::default(),
            is_unread: Arc::default(),
            events: Arc::default(),
            is_taken: Arc::default(),
        }
    }

    /// Returns the progress bars of this terminal.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Begins the stream of events to that target. Warnings and the final error go there too.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) if the target cannot be opened.
    pub(crate) fn begin_events(&self, target: &Path) -> Result<EventStream, Error> {
        let events = event_target::open(target)?;
        self.is_taken
            .store(event_target::is_stdout(target), Ordering::Relaxed);
        Ok(self.events.get_or_init(|| events).clone())
    }

    /// Waits until the events are written, for some seconds at most. Then it says how many were not.
    pub(crate) fn end_events(&self) {
        const PATIENCE: Duration = Duration::from_secs(5);
        let Some(events) = self.events.get() else {
            return;
        };
        let drained = events.close(PATIENCE);
        if drained.dropped > 0 || drained.failure.is_some() {
            let why = drained
                .failure
                .map_or_else(String::new, |error| format!(": {error}"));
            let missing = counted(drained.dropped, "event was", "events were");
            self.message(
                &self.paint("33", "warning: "),
                &format!("{missing} not taken by the target of --events{why}"),
            );
        }
    }

    pub(super) fn has_colours(&self) -> bool {
        self.colours
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Tells whether standard error is a terminal that can show progress bars.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched
    }

    /// Tells whether the reader of standard output has closed the pipe, as far as writing has shown.
    pub(crate) fn is_unread(&self) -> bool {
        self.is_unread.load(Ordering::Relaxed)
    }

    /// Writes lines of text to standard output. A reader that has closed the pipe is no error.
    pub(crate) fn result(&self, lines: &[String]) -> Result<(), Error> {
        if self.is_taken.load(Ordering::Relaxed) {
            self.say_lines(lines);
            return Ok(());
        }
        let lines = lines.iter();
        self.out(
            &lines
                .map(|line| escape::line(line) + "\n")
                .collect::<String>(),
        )
    }

    /// Writes a manifest to standard output, as it is in files unless that is a terminal.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) for a workbook on a terminal.
    pub(crate) fn manifest(&self, content: &[u8], format: OutputFormat) -> Result<(), Error> {
        if !io::stdout().is_terminal() {
            return self.out_bytes(content);
        }
        let text = String::from_utf8_lossy(content);
        match format {
            OutputFormat::Csv | OutputFormat::Tsv => self.out(&escape::csv(&text)),
            OutputFormat::Jsonl | OutputFormat::Json => self.out(&escape::json(&text)),
            OutputFormat::Xlsx => {
                Err(Error::usage("a terminal cannot show a workbook").hint("name a file with -o"))
            }
        }
    }

    /// Writes a result to standard output, as one JSON document.
    pub(crate) fn json(&self, document: &impl serde::Serialize) -> Result<(), Error> {
        self.is_told.store(true, Ordering::Relaxed);
        let text = serde_json::to_string_pretty(document)
            .map_err(|error| Error::unexpected("the result cannot be written", &error))?;
        self.out(&(escape::json(&text) + "\n"))
    }

    fn out(&self, text: &str) -> Result<(), Error> {
        self.out_bytes(text.as_bytes())
    }

    fn out_bytes(&self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.bars.suspend(|| {
            let mut out = io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush())
        });
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_unread.store(true, Ordering::Relaxed);
                Ok(())
            }
            written => {
                written.map_err(|error| Error::unexpected("the result cannot be written", &error))
            }
        }
    }

    /// Writes a message of one line, unless the user asked for quiet.
    pub(crate) fn say(&self, line: &str) {
        if !self.quiet {
            self.message("", line);
        }
    }

    /// Writes a message of many lines, unless the user asked for quiet.
    pub(crate) fn say_lines(&self, lines: &[String]) {
        for line in lines {
            self.say(line);
        }
    }

    /// Writes a warning.
    pub(crate) fn warn(&self, line: &str) {
        if let Some(events) = self.events.get() {
            events.warning(line, wall());
        }
        self.message(&self.paint("33", "warning: "), line);
    }

    /// Writes an error that does not end the command, with its hint, as a warning.
    pub(crate) fn warn_of(&self, error: &Error) {
        if let Some(events) = self.events.get() {
            events.warning(&error.to_string(), wall());
        }
        self.tell(&self.paint("33", "warning: "), error);
    }

    /// Writes the error that ended the command, with its hint.
    pub(crate) fn error(&self, error: &Error) {
        if let Some(events) = self.events.get() {
            let code = exit::code(error.kind);
            events.error(&error.to_string(), error.hint.as_deref(), code, wall());
        }
        self.tell(&self.paint("31;1", ERROR), error);
    }

    /// Writes an error as one JSON document, unless a document was written already.
    pub(crate) fn json_of(&self, error: &Error) {
        if !self.is_told.load(Ordering::Relaxed) {
            // If standard output is closed, there is no place for the document.
            let _ = self.json(&ErrorDocument::of(error));
        }
    }

    /// Writes an error of the command line, whose first line begins with its label.
    pub(crate) fn usage(&self, lines: &[String]) {
        for line in lines {
            match line.strip_prefix(ERROR) {
                Some(rest) => self.message(&self.paint("31;1", ERROR), rest),
                None => self.message("", line),
            }
        }
    }

    fn tell(&self, label: &str, error: &Error) {
        for note in &error.notes {
            self.warn(note);
        }
        for line in &error.messages {
            self.message(label, line);
        }
        if let Some(hint) = &error.hint {
            self.message(&self.paint("36", "hint:  "), hint);
        }
    }

    /// Asks a yes-or-no question. Returns true for a clear yes only; without a terminal, the answer is no. A thread of
    /// its own reads the answer, so that an interrupt is noticed meanwhile.
    pub(crate) async fn ask(&self, question: &str) -> bool {
        let answer = self.ask_for(&format!("{question} [y/N]")).await;
        answer.is_some_and(|text| matches!(text.to_lowercase().as_str(), "y" | "yes"))
    }

    /// Tells whether there is a terminal on which questions are asked and answered.
    pub(crate) fn can_ask(&self) -> bool {
        self.can_ask
    }

    /// Asks for a text. Returns `None` without a terminal, or at the end of the input.
    pub(crate) async fn ask_for(&self, question: &str) -> Option<String> {
        let read = |question: &str| {
            write!(io::stderr(), "{question} ")?;
            let mut answer = String::new();
            let length = io::stdin().read_line(&mut answer)?;
            Ok((length > 0).then(|| answer.trim().to_owned()))
        };
        self.ask_with(question, read).await.ok()?
    }

    /// Asks for a secret, which is not shown. Returns `None` without a terminal, or if the user gives up.
    ///
    /// # Errors
    /// An [`io::Error`] if this system cannot hide what is typed, or it is not text.
    pub(crate) async fn ask_hidden(&self, question: &str) -> io::Result<Option<SecretString>> {
        let answer = self.ask_with(question, tty::hidden_line).await?;
        // The line break that ended the answer was not shown either.
        self.message("", "");
        Ok(answer.map(|text| SecretString::from(text.trim())))
    }

    async fn ask_with(
        &self,
        question: &str,
        read: impl FnOnce(&str) -> io::Result<Option<String>> + Send + 'static,
    ) -> io::Result<Option<String>> {
        if !self.can_ask {
            return Ok(None);
        }
        let question = escape::line(question);
        let answer = tokio::task::spawn_blocking(move || read(&question));
        answer.await.map_err(io::Error::other)?
    }

    fn message(&self, label: &str, line: &str) {
        self.bars.suspend(|| {
            // If standard error is closed, there is no place for a message.
            let _ = writeln!(io::stderr(), "{label}{}", escape::line(line));
        });
    }

    pub(super) fn paint(&self, style: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
