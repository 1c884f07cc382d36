//! The edge to the API: a request goes out, a [`Reply`] comes back. The only user of HTTP client code.
//!
//! Nothing here retries, waits or paces: every attempt is one call of [`Api::send`], so that the engine
//! counts every one of them.

mod connection;
mod http;
mod key;
mod transport;

use std::future::Future;
use std::time::Duration;

pub use self::connection::{Connection, ConnectionError, Style};
pub use self::http::{Credentials, HttpApi, Probe, Proof};
pub use self::key::{KeyError, PrivateKey};
pub use self::transport::{Transport, TransportError};
use crate::wire::{Failure, Reply, Request};

/// A tenant's API.
pub trait Api: Send + Sync + 'static {
    /// Sends the request once, with the token of the last [`Api::sign_in`].
    fn send(&self, request: Request) -> impl Future<Output = Reply> + Send;

    /// Fetches a new token, which the calls after it carry, and answers how long it holds.
    ///
    /// # Errors
    /// [`SignInError`] when there is no new token; the old one stays.
    fn sign_in(&self) -> impl Future<Output = Result<Duration, SignInError>> + Send;
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SignInError {
    /// The credentials are wrong or may not be used. Trying again would not help.
    #[error("the sign-in was refused: {0}")]
    Refused(Failure),
    /// The sign-in could not be carried out now.
    #[error("the sign-in failed: {0}")]
    Unavailable(Failure),
}
