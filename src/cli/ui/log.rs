//! The log: lines on standard error that do not tear the progress bars, one for each event.

use std::fmt;
use std::io::{self, Write};

use indicatif::MultiProgress;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use super::escape;
use super::terminal::Terminal;
use crate::cli::flags::Output;
use crate::ops::chain;

/// The environment variable with a filter for the log, like `zpa_bulk=debug`.
const LOG_VARIABLE: &str = "ZPA_BULK_LOG";

/// Sends log lines to standard error: warnings only, more with `-v`, or the lines that `ZPA_BULK_LOG` selects.
pub(crate) fn log_to(terminal: &Terminal, output: &Output) {
    let subscriber = tracing_subscriber::registry()
        .with(filter(terminal, output))
        .with(
            tracing_subscriber::fmt::layer()
                .with_ansi(false)
                .event_format(OneLine(terminal.clone()))
                .with_writer(BesideBars(terminal.bars().clone())),
        );
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        terminal.warn("the log cannot be set up");
    }
}

/// Returns the filter of the log lines that are written.
fn filter(terminal: &Terminal, output: &Output) -> Targets {
    let own = |level| Targets::new().with_target("zpa_bulk", level);
    let all = |level| Targets::new().with_default(level);
    let usual = match (output.quiet, output.verbose) {
        (true, _) => all(LevelFilter::ERROR),
        (false, 0) => own(LevelFilter::WARN),
        (false, 1) => own(LevelFilter::INFO),
        (false, 2) => own(LevelFilter::DEBUG),
        (false, _) => all(LevelFilter::DEBUG),
    };
    let given = std::env::var(LOG_VARIABLE).unwrap_or_default();
    if given.is_empty() {
        return usual;
    }
    given.parse().unwrap_or_else(|error| {
        let error = chain(&error);
        terminal.warn(&format!("{LOG_VARIABLE} is not a filter: {error}"));
        usual
    })
}

/// The form of an event: one escaped line. The terminal colours its level.
struct OneLine(Terminal);

impl<S, N> FormatEvent<S, N> for OneLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        let format = Format::default().with_target(false);
        format.format_event(context, Writer::new(&mut text), event)?;
        let line = escape::line(text.strip_suffix('\n').unwrap_or(&text));
        let level = event.metadata().level();
        let painted = self.0.paint(style(*level), level.as_str());
        writeln!(writer, "{}", line.replacen(level.as_str(), &painted, 1))
    }
}

fn style(level: Level) -> &'static str {
    match level {
        Level::ERROR => "31",
        Level::WARN => "33",
        Level::INFO => "32",
        _ => "34",
    }
}

/// A writer to standard error that hides the progress bars while it writes.
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
