//! Waiting for one's turn to decide what is to be done.

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::error::{CliError, exit};
use super::terminal::Terminal;
use crate::run::PlanningLock;

/// How long the turn of another process is waited for: long enough for large tenants, not for a question that
/// nobody answers.
const PATIENCE: Duration = Duration::from_secs(600);

const EVERY: Duration = Duration::from_millis(100);

/// Waits until no other process is about to start or go on with a run below `runs`.
pub(super) async fn turn(
    runs: &Path,
    stop: &watch::Receiver<bool>,
    terminal: &Terminal,
) -> Result<PlanningLock, CliError> {
    let begun = Instant::now();
    let mut said = false;
    loop {
        let owner = match PlanningLock::begin(runs)? {
            Ok(planning) => return Ok(planning),
            Err(owner) => owner.0,
        };
        if *stop.borrow() || begun.elapsed() > PATIENCE {
            let shown = runs.display();
            let message = format!("process {owner} is about to start a run in {shown}");
            return Err(CliError::new(exit::JOURNAL, message).hint(
                "answer its question or end it; tenants with --runs-dir of their own do not wait",
            ));
        }
        if !std::mem::replace(&mut said, true) {
            terminal.say(&format!(
                "waiting for process {owner}, which is about to start a run"
            ));
        }
        sleep(EVERY).await;
    }
}
