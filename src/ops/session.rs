//! The session of a use case: the prompt that answers questions, the observer that takes messages, and the stop signal.

use std::fmt;
use std::pin::Pin;

use tokio::sync::watch;
use tokio::time::Instant;

use super::error::{Error, ErrorKind};
use super::preview::Preview;
use crate::engine::Progress;
use crate::plan::prune::Choice;

/// A value that comes later.
pub type Later<'l, T> = Pin<Box<dyn Future<Output = T> + Send + 'l>>;

/// The person who answers questions. A use case asks before it changes anything, unless its options say not to.
pub trait Prompt: Send + Sync {
    /// Asks a yes-or-no question. Returns true for a clear yes only; without a person to ask, the answer is no.
    fn confirm<'q>(&'q self, question: &'q str) -> Later<'q, bool>;

    /// Asks for a text. Returns `None` if there is no person to ask.
    fn text<'q>(&'q self, question: &'q str) -> Later<'q, Option<String>>;
}

/// The receiver of messages, previews and progress. Nothing depends on what an observer does.
pub trait Observer: Send + Sync {
    /// Takes a message about the work.
    fn say(&self, text: &str);

    /// Takes a warning.
    fn warn(&self, text: &str);

    /// Takes an error that does not keep the use case from succeeding.
    fn warn_of(&self, error: &Error);

    /// Takes the plan that is about to be carried out.
    fn plan(&self, preview: &Preview<'_>);

    /// Takes the connectors that are to be deleted, and the number of all connectors.
    fn choice(&self, choice: &Choice<'_>, connectors: usize);

    /// Shows the progress of a run until the returned value is dropped.
    fn progress(&self, progress: watch::Receiver<Option<Progress>>) -> Box<dyn Send>;
}

/// The session of one use case, from its start to its end.
#[derive(Clone)]
pub struct Session<'s> {
    /// The instant at which the command began.
    pub started: Instant,
    /// The stop signal. Once it is true, no more work is started.
    pub stop: watch::Receiver<bool>,
    /// The receiver of messages.
    pub observer: &'s dyn Observer,
    /// The person who answers questions.
    pub prompt: &'s dyn Prompt,
}

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session<'_> {
    /// Asks a yes-or-no question. The stop signal counts as a no.
    pub(super) async fn confirm(&self, question: &str) -> bool {
        let answer = self.unless_stopped(self.prompt.confirm(question)).await;
        answer.unwrap_or(false)
    }

    /// Asks for a text. Returns `None` on the stop signal.
    pub(super) async fn text(&self, question: &str) -> Option<String> {
        let answer = self.unless_stopped(self.prompt.text(question)).await;
        answer.flatten()
    }

    /// Waits until that instant.
    ///
    /// # Errors
    /// [`ErrorKind::Stopped`] if the stop signal comes before.
    pub(super) async fn wait_until(&self, until: Instant) -> Result<(), Error> {
        let waited = self.unless_stopped(tokio::time::sleep_until(until)).await;
        waited.ok_or_else(|| Error::new(ErrorKind::Stopped, "stopped before anything was changed"))
    }

    async fn unless_stopped<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        tokio::select! {
            value = future => Some(value),
            _ = stop.wait_for(|stop| *stop) => None,
        }
    }
}
