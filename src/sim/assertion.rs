//! Sign-in with a private key: the checks of a signed assertion (RFC 7523, section 3).
//!
//! Issuer and subject must be the client, the audience must be this service, and the assertion may not
//! have expired. The signature is checked only if the scenario gives the public key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::http::Pairs;

/// The `client_assertion_type` of a token request with an assertion.
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const AUDIENCE: &str = "https://api.zscaler.com";

/// The public key that belongs to the key that clients sign with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The modulus and the exponent in PKCS#1 form, in DER.
    pkcs1: Vec<u8>,
}

impl PublicKey {
    /// Reads an RSA key that begins with `-----BEGIN PUBLIC KEY-----`.
    pub(super) fn parse(pem: &str) -> Option<Self> {
        /// `rsaEncryption` with its NULL (RFC 3279, section 2.3.1).
        const RSA: [u8; 15] = [
            0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05,
            0x00,
        ];
        let info = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).ok()?;
        let content = der_content(info.as_ref(), 0x30)?;
        let bits = der_content(content.strip_prefix(&RSA)?, 0x03)?;
        let pkcs1 = bits.strip_prefix(&[0])?.to_vec();
        Some(Self { pkcs1 })
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.pkcs1);
        key.verify(message, signature).is_ok()
    }
}

/// The content of the DER value at the start, if it has this tag. Bytes after it are ignored.
fn der_content(der: &[u8], tag: u8) -> Option<&[u8]> {
    let (&first, rest) = der.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        let length = digits.iter().fold(0, |sum, b| sum << 8 | usize::from(*b));
        (length, rest)
    };
    rest.get(..length).filter(|_| first == tag)
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
}

/// The client that signed the assertion of a token request. `now` is in unix seconds.
///
/// # Errors
/// Says in words why the assertion is not valid.
pub(super) fn verified_client<'f>(
    form: &'f Pairs,
    assertion: &str,
    key: Option<&PublicKey>,
    now: i64,
) -> Result<&'f str, &'static str> {
    let client = form.value("client_id").ok_or("client_id is missing")?;
    let not_a_token = "the assertion is not a JSON web token";
    let (message, signature) = assertion.rsplit_once('.').ok_or(not_a_token)?;
    let (header, claims) = message.split_once('.').ok_or(not_a_token)?;
    let header: Header = decode(header).ok_or("the assertion's header cannot be read")?;
    let claims: Claims = decode(claims).ok_or("the assertion's claims cannot be read")?;
    let signature = URL_SAFE_NO_PAD.decode(signature);
    let signature = signature.map_err(|_| "the assertion's signature cannot be read")?;
    let is_typed = form.value("client_assertion_type") == Some(TYPE);
    let is_by_client = claims.iss == client && claims.sub == client;
    let is_signed = key.is_none_or(|key| key.verifies(message.as_bytes(), &signature));
    let checks = [
        (is_typed, "client_assertion_type is not jwt-bearer"),
        (
            header.alg == "RS256",
            "the assertion is not signed with RS256",
        ),
        (
            is_by_client,
            "the assertion's issuer or subject is not the client",
        ),
        (
            claims.aud == AUDIENCE,
            "the assertion is for another audience",
        ),
        (claims.exp > now, "the assertion has expired"),
        (is_signed, "the assertion's signature is wrong"),
    ];
    let failed = checks.into_iter().find(|(passed, _)| !passed);
    failed.map_or(Ok(client), |(_, reason)| Err(reason))
}

fn decode<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_700_000_000;

    /// An assertion that OpenSSL signed with the key of the tests. Its header is `{"alg":"RS256"}`; its claims are those of the
    /// client "me", and expire at 1700000600.
    const SIGNED: &str = include_str!("../../tests/keys/assertion.jwt");

    fn key(pem: &str) -> Option<PublicKey> {
        PublicKey::parse(pem)
    }

    fn form(assertion: &str) -> Pairs {
        Pairs::parse(&format!(
            "client_id=me&client_assertion_type={TYPE}&client_assertion={assertion}"
        ))
    }

    fn verified(assertion: &str, key: Option<&PublicKey>) -> Result<String, &'static str> {
        verified_client(&form(assertion), assertion, key, NOW).map(str::to_owned)
    }

    fn unsigned(claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.AA", part(&json!({"alg": "RS256"})), part(claims))
    }

    #[test]
    fn a_signature_is_checked_with_the_public_key() {
        let own = key(include_str!("../../tests/keys/public.pem")).unwrap();
        let other = key(include_str!("../../tests/keys/other-public.pem")).unwrap();
        let assertion = SIGNED.trim();
        assert_eq!(verified(assertion, Some(&own)).as_deref(), Ok("me"));
        assert_eq!(verified(assertion, None).as_deref(), Ok("me"));
        assert_eq!(
            verified(assertion, Some(&other)),
            Err("the assertion's signature is wrong")
        );
    }

    #[test]
    fn every_claim_is_checked() {
        let good = json!({"iss": "me", "sub": "me", "aud": AUDIENCE, "exp": NOW + 600});
        assert!(verified(&unsigned(&good), None).is_ok());
        for (claim, value) in [
            ("iss", json!("you")),
            ("sub", json!("you")),
            ("sub", Value::Null),
            ("aud", json!("https://example.com")),
            ("exp", json!(NOW)),
            ("exp", json!("soon")),
        ] {
            let mut bad = good.clone();
            bad[claim] = value;
            assert!(verified(&unsigned(&bad), None).is_err(), "{bad}");
        }
    }

    #[test]
    fn malformed_assertions_and_keys_are_refused() {
        for text in ["", "a.b", "a.b.c", "e30.e30.AA"] {
            assert!(verified(text, None).is_err(), "{text}");
        }
        let elsewhere = Pairs::parse("client_id=me&client_assertion_type=other");
        assert!(verified_client(&elsewhere, SIGNED.trim(), None, NOW).is_err());
        for pem in ["", "hunter2", include_str!("../../tests/keys/pkcs8.pem")] {
            assert_eq!(key(pem), None);
        }
    }
}
