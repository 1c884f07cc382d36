//! The terminal: messages, questions, progress, previews and results. No other module prints or asks.

pub(super) mod choice;
pub mod exit;
mod log;
pub(super) mod output;
pub(super) mod preview;
mod progress;
mod run_end;
mod signals;
mod terminal;
mod watcher;

pub(super) use self::log::log_to;
pub(super) use self::run_end::{conclude, finish};
pub(super) use self::signals::interrupts;
pub(super) use self::terminal::Terminal;
pub(super) use self::watcher::Watcher;
