//! The API of a tenant, as the engine sees it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::wire::{Failure, Reply, Request};

/// A tenant's API.
pub trait Api: Send + Sync + 'static {
    /// Sends the request once, with the token of the last [`Api::sign_in`].
    fn send(&self, request: Request) -> impl Future<Output = Reply> + Send;

    /// Fetches a new token and returns its lifetime. All later calls carry this token.
    ///
    /// # Errors
    /// [`SignInError`] if there is no new token; the old one stays in use.
    fn sign_in(&self) -> impl Future<Output = Result<Duration, SignInError>> + Send;
}

/// An API of any kind, for those who need not know which: over HTTP, or a simulated tenant in memory.
#[derive(Clone)]
pub struct AnyApi(Arc<dyn Erased>);

impl AnyApi {
    /// Hides the kind of an API.
    pub fn new(api: impl Api) -> Self {
        Self(Arc::new(api))
    }
}

impl fmt::Debug for AnyApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyApi").finish_non_exhaustive()
    }
}

impl Api for AnyApi {
    fn send(&self, request: Request) -> impl Future<Output = Reply> + Send {
        self.0.send(request)
    }

    fn sign_in(&self) -> impl Future<Output = Result<Duration, SignInError>> + Send {
        self.0.sign_in()
    }
}

type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The same as [`Api`], with futures of one type.
trait Erased: Send + Sync {
    fn send(&self, request: Request) -> Later<'_, Reply>;

    fn sign_in(&self) -> Later<'_, Result<Duration, SignInError>>;
}

impl<A: Api> Erased for A {
    fn send(&self, request: Request) -> Later<'_, Reply> {
        Box::pin(Api::send(self, request))
    }

    fn sign_in(&self) -> Later<'_, Result<Duration, SignInError>> {
        Box::pin(Api::sign_in(self))
    }
}

/// A sign-in that brought no token.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SignInError {
    /// The credentials are wrong or may not be used. Another try would not help.
    #[error("the sign-in was refused: {0}")]
    Refused(Failure),
    /// The sign-in did not work this time. Another try may help.
    #[error("the sign-in failed: {0}")]
    Unavailable(Failure),
    /// The server asks for a pause before the next sign-in.
    #[error("the sign-in failed: {failure}; the server asks to wait {} s", wait.as_secs())]
    Throttled {
        /// The length of the pause.
        wait: Duration,
        /// The refusal.
        failure: Failure,
    },
}

impl SignInError {
    /// Returns the least time to wait before another try. Returns `None` if no other try would help.
    pub(crate) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Refused(_) => None,
            Self::Unavailable(_) => Some(Duration::ZERO),
            Self::Throttled { wait, .. } => Some(*wait),
        }
    }
}
