//! The terminal: messages, questions, progress, previews and results. No other module prints or asks.

pub(super) mod choice;
mod escape;
pub(super) mod event_target;
pub mod exit;
mod log;
pub(super) mod output;
mod panics;
pub(super) mod plan_page;
pub(super) mod preview;
mod progress;
mod run_end;
mod screen;
mod signals;
mod terminal;
pub(super) mod usage;
mod watcher;

pub(super) use self::log::log_to;
pub(super) use self::panics::show_panics;
pub(super) use self::run_end::{conclude, finish, shared_quota};
pub(super) use self::screen::Screen;
pub(super) use self::signals::interrupts;
pub(super) use self::terminal::Terminal;
pub(super) use self::watcher::Watcher;
