//! Interrupts: the first one stops starting work, the second one leaves at once.

use tokio::sync::watch;

use super::exit;
use super::terminal::Terminal;
use crate::platform::interrupted;

/// Returns a value that becomes true at the first interrupt. The second one ends the process.
pub(crate) fn interrupts(terminal: &Terminal) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let terminal = terminal.clone();
    tokio::spawn(async move {
        if interrupted().await.is_err() {
            return;
        }
        terminal.say("stopping; calls that are under way land first. Ctrl-C again leaves at once");
        sender.send_replace(true);
        if interrupted().await.is_ok() {
            std::process::exit(exit::INTERRUPTED.into());
        }
    });
    receiver
}
