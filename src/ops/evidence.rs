//! The evidence of a run: the log of its calls, the events for programs that follow it, and counts of calls.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use super::session::Session;
use crate::clock::{monotonic, wall};
use crate::engine::{CallEvent, EngineObserver, Progress};
use crate::item::Outcome;
use crate::report::{CallNumbers, EventStream};
use crate::run::{CallLog, Run};

/// The time between two events of progress.
const EACH: Duration = Duration::from_secs(1);

/// The receivers of everything that an engine does. Nothing depends on them. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The log of the calls, in the run directory.
    pub log: CallLog,
    /// The events, if a program follows the run.
    pub events: Option<EventStream>,
    numbers: Arc<Mutex<CallNumbers>>,
}

impl Evidence {
    /// Returns receivers with that stream of events.
    #[must_use]
    pub fn new(events: Option<EventStream>) -> Self {
        Self {
            events,
            ..Self::default()
        }
    }

    /// Returns the numbers of the calls so far.
    #[must_use]
    pub fn numbers(&self) -> CallNumbers {
        let numbers = self.numbers.lock();
        numbers.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins the log and the events of a run. They are evidence: a run without them is carried out all the same.
    pub(super) fn follow(
        &self,
        run: &Run,
        progress: watch::Receiver<Option<Progress>>,
        session: &Session<'_>,
    ) -> Following {
        let directory = run.directory.path();
        let opened = self.log.open(directory);
        let opened = opened.inspect_err(|error| warn_of_log(directory, error, session));
        let telling = self.events.clone().map(|events| {
            let begun = events.begin(&run.plan, &run.header, &run.workload.ledger, wall());
            if let Err(error) = begun {
                session.observer.warn_of(&error.into());
            }
            tokio::spawn(tell_progress(events, progress))
        });
        Following {
            is_logged: opened.is_ok(),
            telling,
        }
    }
}

/// The log and the events of a run that is carried out.
#[derive(Debug)]
pub(super) struct Following {
    is_logged: bool,
    telling: Option<JoinHandle<()>>,
}

impl Following {
    /// Ends both.
    pub(super) async fn end(self, evidence: &Evidence, directory: &Path, session: &Session<'_>) {
        if let Some(telling) = self.telling {
            telling.abort();
        }
        if self.is_logged {
            let log = evidence.log.clone();
            // The thread that writes the log may take a while.
            if let Ok(Err(error)) = spawn_blocking(move || log.close()).await {
                warn_of_log(directory, &error, session);
            }
        }
    }
}

/// Tells how far the run is, once a second at most.
async fn tell_progress(events: EventStream, mut progress: watch::Receiver<Option<Progress>>) {
    while progress.changed().await.is_ok() {
        let now = *progress.borrow_and_update();
        if let Some(progress) = now {
            events.progress(&progress, monotonic().into_std(), wall());
        }
        sleep(EACH).await;
    }
}

fn warn_of_log(directory: &Path, error: &io::Error, session: &Session<'_>) {
    let directory = directory.display();
    session.observer.warn(&format!(
        "{directory}: the log of the calls is not whole: {error}; the results are not affected"
    ));
}

impl EngineObserver for Evidence {
    fn observe(&self, event: &CallEvent) {
        self.log.observe(event);
        if let Some(events) = &self.events {
            events.observe(event);
        }
        let numbers = self.numbers.lock();
        numbers.unwrap_or_else(PoisonError::into_inner).take(event);
    }

    fn ended(&self, outcomes: &[Outcome], at: Timestamp) {
        if let Some(events) = &self.events {
            events.ended(outcomes, at);
        }
    }
}
