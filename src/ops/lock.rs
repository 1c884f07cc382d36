//! The planning lock: one process at a time decides what is to be done on the runs of one directory.

use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;

use super::error::{Error, ErrorKind};
use super::session::Session;
use crate::clock::monotonic;
use crate::run::PlanningLock;

/// The longest wait for another process: long enough for large tenants, not for a question that nobody answers.
const PATIENCE: Duration = Duration::from_secs(600);

const EVERY: Duration = Duration::from_millis(100);

/// Waits until no other process is about to start or resume a run below `runs`.
///
/// # Errors
/// [`ErrorKind::Run`] when the wait takes too long or is stopped.
pub(super) async fn acquire(runs: &Path, session: &Session<'_>) -> Result<PlanningLock, Error> {
    let begun = monotonic();
    let mut said = false;
    loop {
        let owner = match PlanningLock::begin(runs)? {
            Ok(lock) => return Ok(lock),
            Err(owner) => owner.0,
        };
        if *session.stop.borrow() || monotonic() > begun + PATIENCE {
            let shown = runs.display();
            let message = format!("process {owner} is about to start a run in {shown}");
            return Err(Error::new(ErrorKind::Run, message).hint(
                "answer its question or end it; runs in another --runs-dir do not wait for each other",
            ));
        }
        if !std::mem::replace(&mut said, true) {
            session.observer.say(&format!(
                "waiting for process {owner}, which is about to start a run"
            ));
        }
        sleep(EVERY).await;
    }
}
