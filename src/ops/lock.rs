//! Waits for the planning lock: in one directory of runs, one process at a time plans and starts a run.

use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;

use super::error::{Error, ErrorKind};
use super::session::Session;
use crate::clock::monotonic;
use crate::run::PlanningLock;

/// The longest wait for another process: enough to plan for a large tenant, not for a question that nobody answers.
const LONGEST: Duration = Duration::from_secs(600);

const POLL: Duration = Duration::from_millis(100);

/// Waits until no other process is about to start or resume a run below `runs`.
///
/// # Errors
/// [`ErrorKind::Run`] if the wait takes longer than ten minutes or is stopped; [`ErrorKind::Usage`] or
/// [`ErrorKind::Unexpected`] if the lock's file cannot be made.
pub(super) async fn acquire(runs: &Path, session: &Session<'_>) -> Result<PlanningLock, Error> {
    let begun = monotonic();
    let mut announced = false;
    loop {
        let owner = match PlanningLock::begin(runs)? {
            Ok(lock) => return Ok(lock),
            Err(owner) => owner.0,
        };
        if *session.stop.borrow() || monotonic() > begun + LONGEST {
            let shown = runs.display();
            let message = format!("process {owner} is about to start a run in {shown}");
            return Err(Error::new(ErrorKind::Run, message).hint(
                "answer its question or end it; runs in another --runs-dir do not wait for each other",
            ));
        }
        if !std::mem::replace(&mut announced, true) {
            session.observer.say(&format!(
                "waiting for process {owner}, which is about to start a run"
            ));
        }
        sleep(POLL).await;
    }
}
