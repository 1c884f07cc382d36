//! Waits for the planning lock: one process at a time plans and starts a run of a tenant.

use std::time::Duration;

use tokio::time::sleep;

use super::error::{Error, ErrorKind};
use super::session::Session;
use crate::clock::monotonic;
use crate::coordination::{Busy, Coordination, PlanningLock};

/// The longest wait for another process: enough to plan for a large tenant, not for a question that nobody answers.
const LONGEST: Duration = Duration::from_secs(600);

const POLL: Duration = Duration::from_millis(100);

/// Waits until no other process is about to start or resume a run of the tenant. Without a table no process waits.
///
/// # Errors
/// [`ErrorKind::Run`] if the wait takes longer than ten minutes or is stopped; [`ErrorKind::Usage`] if the lock's file
/// cannot be made.
pub(super) async fn acquire(
    table: Option<&Coordination>,
    session: &Session<'_>,
) -> Result<Option<PlanningLock>, Error> {
    let Some(table) = table else {
        return Ok(None);
    };
    let begun = monotonic();
    let mut announced = false;
    loop {
        let owner = match table.lock_planning()? {
            Ok(lock) => return Ok(Some(lock)),
            Err(Busy(owner)) if owner.is_empty() => "of another command".to_owned(),
            Err(Busy(owner)) => owner,
        };
        if *session.stop.borrow() || monotonic() > begun + LONGEST {
            let message = format!("process {owner} is about to start a run on this tenant");
            return Err(Error::new(ErrorKind::Run, message).hint("answer its question or end it"));
        }
        if !std::mem::replace(&mut announced, true) {
            session.observer.say(&format!(
                "waiting for process {owner}, which is about to start a run"
            ));
        }
        sleep(POLL).await;
    }
}
