//! The log: lines on standard error that do not tear the progress bars.

use std::io::{self, Write};

use indicatif::MultiProgress;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::terminal::Terminal;
use crate::cli::flags::Output;
use crate::ops::chain;

/// The environment variable with a filter for the log, like `zpa_bulk=debug`.
const LOG_VARIABLE: &str = "ZPA_BULK_LOG";

/// Sends log lines to standard error: warnings, more with `-v`, or what `ZPA_BULK_LOG` selects.
pub(crate) fn log_to(terminal: &Terminal, output: &Output) {
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
        .with_ansi(terminal.has_colours())
        .with_target(false)
        .with_writer(BesideBars(terminal.bars().clone()))
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
