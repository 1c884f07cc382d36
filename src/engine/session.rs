//! The token with which calls are sent: when it is fetched, and when the next one is.
//!
//! A token is renewed before it expires, and once when the server refuses it. While none holds, nothing is sent.

use std::time::{Duration, Instant};

use crate::retry;
use crate::zpa::SignInError;

/// The longest that the documentation lets a token live.
const LONGEST_LIFETIME: Duration = Duration::from_secs(86_400);

/// The most attempts at a sign-in that fails for a passing reason. They outlast an outage of a minute however the
/// waits are spread.
const SIGN_IN_ATTEMPTS: u32 = 10;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Token {
    #[default]
    Missing,
    /// No token, and none is fetched before that instant.
    Awaited(Instant),
    Renewing,
    /// To be renewed before the first call after that instant.
    Valid(Instant),
}

#[derive(Debug, Default)]
pub(super) struct Session {
    token: Token,
    generation: u32,
    failures: u32,
}

impl Session {
    /// The number of the token, which grows with each.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    pub(super) fn holds(&self, now: Instant) -> bool {
        matches!(self.token, Token::Valid(until) if now < until)
    }

    /// Begins to fetch a token, if it is time for that. Returns whether it was.
    pub(super) fn renew(&mut self, now: Instant) -> bool {
        let due = match self.token {
            Token::Renewing => false,
            Token::Missing | Token::Valid(_) => true,
            Token::Awaited(until) => until <= now,
        };
        if due {
            self.token = Token::Renewing;
        }
        due
    }

    /// Returns the instant at which a token is to be fetched for calls that wait. A token that ran out before a shared slot
    /// would let the slot pass unused.
    pub(super) fn renews_at(&self) -> Option<Instant> {
        match self.token {
            Token::Awaited(until) | Token::Valid(until) => Some(until),
            Token::Missing | Token::Renewing => None,
        }
    }

    /// Notes that the server does not accept the token of that generation.
    pub(super) fn refused(&mut self, generation: u32) {
        if generation == self.generation {
            self.token = Token::Missing;
        }
    }

    /// Takes in how a sign-in ended: with a token that lives so long, or not.
    ///
    /// # Errors
    /// An error that ends the run.
    pub(super) fn signed_in(
        &mut self,
        result: Result<Duration, SignInError>,
        now: Instant,
        random: f64,
    ) -> Result<(), SignInError> {
        match result {
            Ok(lifetime) => {
                self.generation += 1;
                self.failures = 0;
                let lifetime = lifetime.clamp(Duration::from_secs(1), LONGEST_LIFETIME);
                let margin = (lifetime / 10).min(Duration::from_secs(60));
                self.token = Token::Valid(now + lifetime.saturating_sub(margin));
                Ok(())
            }
            Err(error) => {
                self.failures += 1;
                let Some(wait) = error.wait().filter(|_| self.failures < SIGN_IN_ATTEMPTS) else {
                    self.token = Token::Missing;
                    return Err(error);
                };
                tracing::warn!(%error, "the sign-in will be tried again");
                let wait = retry::interval(self.failures, random).max(wait);
                self.token = Token::Awaited(now + wait);
                Ok(())
            }
        }
    }
}
