//! Panics, whose messages may hold text from outside like any other.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write as _};
use std::thread;

use super::escape;
use crate::manifest::READER;

/// Shows a panic as one escaped line, and with `RUST_BACKTRACE` its backtrace.
pub(crate) fn show_panics() {
    std::panic::set_hook(Box::new(|panic| {
        // The damage of the workbook becomes an error of its own.
        if thread::current().name() == Some(READER) {
            return;
        }
        let mut err = io::stderr().lock();
        let text = panic.to_string().replacen(":\n", ": ", 1);
        // If standard error is closed, there is no place for a message.
        let _ = writeln!(err, "{}", escape::line(&text));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            let _ = writeln!(err, "{backtrace}");
        }
    }));
}
