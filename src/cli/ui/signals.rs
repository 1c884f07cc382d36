//! Interrupts: after the first one no more work is started, and the second one ends the process.

use tokio::sync::watch;

use super::exit;
use super::terminal::Terminal;
use crate::platform::{interrupted, interrupted_again};

/// Returns a value that becomes true at the first interrupt. The second one ends the process.
pub(crate) fn interrupts(terminal: &Terminal) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let terminal = terminal.clone();
    tokio::spawn(async move {
        if interrupted().await.is_err() {
            return;
        }
        terminal.say("stopping when the calls in flight have ended; Ctrl-C again stops at once");
        sender.send_replace(true);
        if interrupted_again().await.is_ok() {
            std::process::exit(exit::INTERRUPTED.into());
        }
    });
    receiver
}
