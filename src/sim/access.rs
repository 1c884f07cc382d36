//! Tokens: signing in, signing out, and checking the token of a call.
//!
//! The ZPA API documentation has two ways to sign in: the legacy `/signin`, whose `expires_in` is a
//! string, and the `OneAPI` token endpoint, whose `expires_in` is a number. Every secret is accepted
//! except [`WRONG_SECRET`], which serves to test a client's handling of bad credentials. A signed
//! assertion may replace the secret; [`super::assertion`] checks it.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::assertion::{self, PublicKey};
use super::http::{Answer, Pairs, Request};
use super::random::SplitMix64;
use super::refusal::{Refusal, unauthorized};
use super::scenario::Scenario;

const WRONG_SECRET: &str = "wrong";

/// The tokens that were issued and not revoked.
#[derive(Debug)]
pub(super) struct Tokens {
    random: SplitMix64,
    lifetime: Duration,
    epoch: i64,
    public_key: Option<PublicKey>,
    /// The time since the simulator's start at which each token expires.
    expiries: HashMap<String, Duration>,
}

impl Tokens {
    pub(super) fn new(seed: u64, epoch: i64, scenario: &Scenario) -> Self {
        Self {
            random: SplitMix64::new(seed, 3),
            lifetime: scenario.token.lifetime,
            epoch,
            public_key: scenario.sign_in.public_key.clone(),
            expiries: HashMap::new(),
        }
    }

    /// The legacy sign-in: a form with `client_id` and `client_secret`.
    pub(super) fn sign_in(&mut self, now: Duration, request: &Request) -> Result<Answer, Refusal> {
        let form = read_form(request)?;
        let client = client_with_secret(&form)?;
        let (token, expires_in) = self.issue(now, client);
        Ok(token_answer(&token, &json!(expires_in.to_string())))
    }

    /// A `OneAPI` token request: client credentials with a secret or a signed assertion.
    pub(super) fn token(&mut self, now: Duration, request: &Request) -> Result<Answer, Refusal> {
        let form = read_form(request)?;
        if form.value("grant_type") != Some("client_credentials") {
            let reason = "The grant type must be client_credentials.";
            return Err(Refusal::bad_request("unsupported_grant_type", reason));
        }
        let client = match form.value("client_assertion") {
            Some(assertion) => {
                let key = self.public_key.as_ref();
                assertion::verified_client(&form, assertion, key, self.unix_time(now))
                    .map_err(invalid_client)?
            }
            None => client_with_secret(&form)?,
        };
        let (token, expires_in) = self.issue(now, client);
        Ok(token_answer(&token, &json!(expires_in)))
    }

    /// Revokes the token of the request.
    pub(super) fn sign_out(
        &mut self,
        now: Duration,
        request: &Request,
        through_gateway: bool,
    ) -> Answer {
        if !self.is_valid(now, request) {
            return unauthorized(through_gateway);
        }
        self.revoke(request);
        Answer::empty(200)
    }

    /// Makes the token of the request invalid, if it has one.
    pub(super) fn revoke(&mut self, request: &Request) {
        if let Some(token) = bearer_token(request) {
            self.expiries.remove(token);
        }
    }

    pub(super) fn is_valid(&self, now: Duration, request: &Request) -> bool {
        let expiry = bearer_token(request).and_then(|token| self.expiries.get(token));
        expiry.is_some_and(|expiry| now < *expiry)
    }

    /// Issues a token for `client`; returns it with its lifetime in seconds.
    fn issue(&mut self, now: Duration, client: &str) -> (String, u64) {
        let expiry = now.saturating_add(self.lifetime);
        let token = self.new_token(client, self.unix_time(now), self.unix_time(expiry));
        self.expiries.insert(token.clone(), expiry);
        (token, self.lifetime.as_secs())
    }

    /// A JSON web token. The signature is random, and with `jti` makes each token unique.
    fn new_token(&mut self, client: &str, issued: i64, expires: i64) -> String {
        let header = json!({"alg": "RS256", "typ": "JWT"});
        let unique = format!("{:016x}", self.random.draw());
        let payload =
            json!({"sub": client, "cid": client, "iat": issued, "exp": expires, "jti": unique});
        let signature: Vec<u8> = (0..4)
            .flat_map(|_| self.random.draw().to_be_bytes())
            .collect();
        [
            header.to_string().into_bytes(),
            payload.to_string().into_bytes(),
            signature,
        ]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".")
    }

    /// Unix seconds, rounded down, so that the `exp` a client reads is never after the true expiry.
    fn unix_time(&self, now: Duration) -> i64 {
        self.epoch.saturating_add_unsigned(now.as_secs())
    }
}

/// The client id of a form whose secret is acceptable.
fn client_with_secret(form: &Pairs) -> Result<&str, Refusal> {
    match (form.value("client_id"), form.value("client_secret")) {
        (Some(client), Some(secret)) if secret != WRONG_SECRET => Ok(client),
        _ => Err(invalid_client("Client authentication failed.")),
    }
}

/// 401: the client's credentials are not valid.
fn invalid_client(reason: &str) -> Refusal {
    Refusal::new(401, "invalid_client", reason)
}

fn token_answer(token: &str, expires_in: &serde_json::Value) -> Answer {
    Answer::json(
        200,
        &json!({"token_type": "Bearer", "access_token": token, "expires_in": expires_in}),
    )
}

/// Reads the body as a form. Any other content type is refused.
fn read_form(request: &Request) -> Result<Pairs, Refusal> {
    if !is_content_type(request, "application/x-www-form-urlencoded") {
        let reason = "The body must be a URL-encoded form.";
        return Err(Refusal::new(415, "unsupported.media.type", reason));
    }
    Ok(Pairs::parse(&String::from_utf8_lossy(&request.body)))
}

/// Returns true if the body is declared to be of type `expected`, ignoring parameters such as the charset.
pub(super) fn is_content_type(request: &Request, expected: &str) -> bool {
    let declared = request
        .content_type
        .as_deref()
        .and_then(|value| value.split(';').next());
    declared.is_some_and(|value| value.trim().eq_ignore_ascii_case(expected))
}

fn bearer_token(request: &Request) -> Option<&str> {
    let (scheme, token) = request.authorization.as_deref()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: i64 = 1_700_000_000;

    fn tokens() -> Tokens {
        let mut scenario = Scenario::default();
        scenario.token.lifetime = Duration::from_secs(60);
        Tokens::new(1, EPOCH, &scenario)
    }

    fn form_request(body: &str) -> Request {
        let content_type = Some("application/x-www-form-urlencoded; charset=utf-8".to_owned());
        Request {
            content_type,
            body: body.into(),
            ..Request::default()
        }
    }

    fn with_token(answer: &Answer) -> Request {
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let authorization = Some(format!("Bearer {}", body["access_token"].as_str().unwrap()));
        Request {
            authorization,
            ..Request::default()
        }
    }

    #[test]
    fn a_token_is_valid_for_its_exact_lifetime() {
        let mut tokens = tokens();
        let now = Duration::from_millis(500);
        let call = with_token(
            &tokens
                .sign_in(now, &form_request("client_id=a&client_secret=b"))
                .unwrap(),
        );
        assert!(tokens.is_valid(Duration::from_millis(60_499), &call));
        assert!(!tokens.is_valid(Duration::from_millis(60_500), &call));
    }

    #[test]
    fn signing_out_ends_that_token_and_no_other() {
        let mut tokens = tokens();
        let mut call = || {
            with_token(
                &tokens
                    .sign_in(Duration::ZERO, &form_request("client_id=a&client_secret=b"))
                    .unwrap(),
            )
        };
        let (first, second) = (call(), call());
        assert_ne!(first, second);
        assert_eq!(tokens.sign_out(Duration::ZERO, &first, false).status, 200);
        assert!(!tokens.is_valid(Duration::ZERO, &first));
        assert!(tokens.is_valid(Duration::ZERO, &second));
        assert_eq!(tokens.sign_out(Duration::ZERO, &first, false).status, 401);
    }

    #[test]
    fn the_payload_names_the_client_and_the_times() {
        let mut tokens = tokens();
        let (token, expires_in) = tokens.issue(Duration::from_millis(2500), "client");
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!((parts.len(), expires_in), (3, 60));
        let payload: serde_json::Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        assert_eq!(
            (&payload["sub"], &payload["cid"]),
            (&json!("client"), &json!("client"))
        );
        assert_eq!(
            (&payload["iat"], &payload["exp"]),
            (&json!(EPOCH + 2), &json!(EPOCH + 62))
        );
    }

    #[test]
    fn missing_or_wrong_credentials_are_refused() {
        for body in [
            "client_id=a",
            "client_secret=b",
            "client_id=a&client_secret=wrong",
            "",
        ] {
            assert_eq!(
                tokens()
                    .sign_in(Duration::ZERO, &form_request(body))
                    .unwrap_err()
                    .into_answer()
                    .status,
                401
            );
        }
    }
}
