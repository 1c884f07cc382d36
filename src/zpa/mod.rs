//! The edge to the API: a request goes out, a [`Reply`](crate::wire::Reply) comes back. No other module uses an HTTP client.
//!
//! Nothing here retries, waits or paces. Every attempt is one call of [`Api::send`], so the engine counts them all.

mod api;
mod body;
mod connection;
mod http;
mod key;
mod redact;
mod transport;

pub use self::api::{AnyApi, Api, SignInError};
pub use self::connection::{Connection, ConnectionError, Style};
pub use self::http::{Credentials, HttpApi, Probe, Proof};
pub use self::key::{KeyError, PrivateKey};
pub use self::redact::MARK;
pub use self::transport::{Transport, TransportError};
