//! The private key of a `OneAPI` client, and the assertion that proves who holds it.
//!
//! An assertion is a JSON web token signed with RS256 (RFC 7523, section 2.2; RFC 7518, section 3.3). Its claims are
//! those that the vendor's own tools send. rustls signs it with the provider that also does TLS, so no second
//! implementation of RSA is needed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::SigningKey;
use rustls::{SignatureAlgorithm, SignatureScheme};
use serde_json::json;

/// The audience of assertions and tokens of `OneAPI`.
pub(super) const AUDIENCE: &str = "https://api.zscaler.com";

/// The time for which an assertion may be used.
const LIFETIME: Duration = Duration::from_secs(600);

/// An RSA key that signs assertions. It is never shown.
#[derive(Clone)]
pub struct PrivateKey(Arc<dyn SigningKey>);

/// A key that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key is protected by a passphrase.
    #[error("the private key is encrypted, and zpa-bulk does not ask for a passphrase")]
    Encrypted,
    /// The text is not PEM, or holds no private key.
    #[error(
        "there is no private key in PEM: one begins with -----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----"
    )]
    NotPem,
    /// The key is for another algorithm, too short, too long or damaged.
    #[error("the private key is not an RSA key of 2048 to 4096 bits")]
    NotRsa,
}

impl PrivateKey {
    /// Reads a key from PEM, in the form of PKCS#8 or PKCS#1.
    ///
    /// # Errors
    /// [`KeyError`] if the key is encrypted, not in PEM, or not an RSA key of 2048 to 4096 bits.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        // The label of an encrypted PKCS#8 key, and the header of PKCS#1 (RFC 1421, section 4.6.1.1).
        if pem.contains("BEGIN ENCRYPTED") || pem.contains(",ENCRYPTED") {
            return Err(KeyError::Encrypted);
        }
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::NotPem)?;
        let key = any_supported_type(&der).map_err(|_| KeyError::NotRsa)?;
        if key.algorithm() != SignatureAlgorithm::RSA {
            return Err(KeyError::NotRsa);
        }
        Ok(Self(key))
    }

    /// Signs a proof that `client_id` holds the key, good for ten minutes from `now`, the time since 1970. `unique`
    /// tells the proof apart from others of the same second.
    pub(super) fn assertion(
        &self,
        client_id: &str,
        now: Duration,
        unique: u64,
    ) -> Result<String, KeyError> {
        let header = json!({"alg": "RS256", "typ": "JWT"});
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": AUDIENCE,
            "exp": (now + LIFETIME).as_secs(),
            "jti": format!("{unique:016x}"),
        });
        let [header, claims] =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = format!("{header}.{claims}");
        let signer = self.0.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]);
        let signature = signer
            .and_then(|signer| signer.sign(message.as_bytes()).ok())
            .ok_or(KeyError::NotRsa)?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PKCS8: &str = include_str!("../../tests/keys/pkcs8.pem");
    const PKCS1: &str = include_str!("../../tests/keys/pkcs1.pem");

    fn parts(assertion: &str) -> (serde_json::Value, serde_json::Value, Vec<u8>) {
        let parts: Vec<Vec<u8>> = assertion
            .split('.')
            .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap())
            .collect();
        let [header, claims, signature] = &parts[..] else {
            panic!("{assertion}")
        };
        let json = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap();
        (json(header), json(claims), signature.clone())
    }

    #[test]
    fn an_assertion_has_the_claims_of_the_vendors_tools() {
        let key = PrivateKey::from_pem(PKCS8).unwrap();
        let assertion = key
            .assertion("me", Duration::from_millis(1_700_000_000_900), 1)
            .unwrap();
        let (header, claims, signature) = parts(&assertion);
        assert_eq!(header["alg"], "RS256");
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&json!("me"), &json!("me"))
        );
        assert_eq!(claims["aud"], "https://api.zscaler.com");
        assert_eq!(claims["exp"], 1_700_000_600);
        assert_eq!(signature.len(), 256);
    }

    #[test]
    fn both_key_forms_sign_alike_and_assertions_differ() {
        let sign = |pem, unique| {
            let key = PrivateKey::from_pem(pem).unwrap();
            key.assertion("me", Duration::from_secs(1), unique).unwrap()
        };
        assert_eq!(sign(PKCS8, 1), sign(PKCS1, 1));
        assert_ne!(sign(PKCS8, 1), sign(PKCS8, 2));
    }

    #[test]
    fn keys_that_cannot_be_used_say_why() {
        let error = |pem| PrivateKey::from_pem(pem).unwrap_err();
        for pem in [
            include_str!("../../tests/keys/encrypted-pkcs8.pem"),
            include_str!("../../tests/keys/encrypted-pkcs1.pem"),
        ] {
            assert_eq!(error(pem), KeyError::Encrypted);
        }
        for pem in ["", "hunter2", include_str!("../../tests/keys/public.pem")] {
            assert_eq!(error(pem), KeyError::NotPem);
        }
        for pem in [
            include_str!("../../tests/keys/elliptic.pem"),
            include_str!("../../tests/keys/short.pem"),
        ] {
            assert_eq!(error(pem), KeyError::NotRsa);
        }
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let key = PrivateKey::from_pem(PKCS8).unwrap();
        assert_eq!(format!("{key:?}"), "PrivateKey(…)");
    }
}
