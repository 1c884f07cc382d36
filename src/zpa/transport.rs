//! The transport of calls to a tenant: TLS, proxy, timeouts.
//!
//! The caller reads the environment and passes the proxy in. A proxy that an HTTP library picks up by itself would also
//! see calls over plain HTTP, which are for this machine alone.

use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{NoProxy, Proxy, Url, redirect};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::Verifier;
use secrecy::{ExposeSecret, SecretString};

use super::Connection;
use super::redact::percent_decoded;

/// The time after which an idle connection is closed. Shorter than the idle timeouts of common gateways, so that a call
/// seldom meets a connection that the other side is just closing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The settings for the way to a tenant.
#[derive(Clone, Debug)]
pub struct Transport {
    /// The longest that one request may take, from its start to the last byte of its answer. Default 30 s.
    pub timeout: Duration,
    /// The longest that it may take to set up a connection: name, TCP, proxy and TLS together. Default 10 s; never
    /// longer than `timeout`.
    pub connect_timeout: Duration,
    /// The proxy for calls over TLS: `http`, `https`, `socks4`, `socks4a`, `socks5` or `socks5h`, without a scheme
    /// `http`. Secret, since it may hold a password. Calls over plain HTTP never go through it.
    pub proxy: Option<SecretString>,
    /// The hosts that are reached without the proxy, in the form of `NO_PROXY`.
    pub no_proxy: Option<String>,
    /// Certificates in PEM that are trusted besides the system's.
    pub extra_roots: Option<Vec<u8>>,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            proxy: None,
            no_proxy: None,
            extra_roots: None,
        }
    }
}

/// A transport that cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The proxy's address cannot be used. The error does not repeat the address, since it may hold a password.
    #[error(
        "the proxy's address cannot be used; write it like http://host:port or socks5h://host:port"
    )]
    Proxy,
    /// The extra certificates hold no certificate that can be read.
    #[error("there is no certificate in PEM: one begins with -----BEGIN CERTIFICATE-----")]
    Roots,
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// The HTTP client cannot be set up.
    #[error("cannot set up HTTP: {0}")]
    Http(String),
}

impl Transport {
    /// Returns an HTTP client for that tenant. The client repeats no request and follows no redirect.
    pub(super) fn client(
        &self,
        connection: &Connection,
    ) -> Result<reqwest::Client, TransportError> {
        let plain = connection.is_plain_loopback();
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls(plain)?)
            .https_only(!connection.has_plain_address())
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("zpa-bulk/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect_timeout.min(self.timeout))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tcp_nodelay(true)
            .timeout(self.timeout)
            .no_proxy();
        if let Some(proxy) = self.proxy(connection)? {
            builder = builder.proxy(proxy);
        }
        builder
            .build()
            .map_err(|error| TransportError::Http(error.to_string()))
    }

    /// Returns the password in the proxy's address, if it has one.
    pub(super) fn proxy_password(&self) -> Option<Vec<u8>> {
        let address = self.proxy.as_ref()?.expose_secret();
        let with_scheme = format!("http://{address}");
        let has_scheme = address.contains("://");
        let url = Url::parse(if has_scheme { address } else { &with_scheme }).ok()?;
        url.password().map(percent_decoded)
    }

    /// Tells whether calls to that address go through the proxy.
    #[must_use]
    pub fn is_proxied(&self, address: &str) -> bool {
        let Ok(address) = address.parse::<Uri>() else {
            return false;
        };
        let except = self.no_proxy.as_deref().unwrap_or_default();
        let matcher = Matcher::builder().https("http://any.invalid").no(except);
        self.proxy.is_some() && matcher.build().intercept(&address).is_some()
    }

    /// Returns the proxy, if a call of that tenant goes through it. One that no call uses is not looked at: its address
    /// may be meant for others.
    fn proxy(&self, connection: &Connection) -> Result<Option<Proxy>, TransportError> {
        const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];
        let Some(address) = self.proxy.as_ref().map(ExposeSecret::expose_secret) else {
            return Ok(None);
        };
        if !connection.roots().iter().any(|root| self.is_proxied(root)) {
            return Ok(None);
        }
        let scheme = address.split_once("://").map(|(scheme, _)| scheme);
        if scheme.is_some_and(|scheme| !SCHEMES.contains(&scheme.to_ascii_lowercase().as_str())) {
            return Err(TransportError::Proxy);
        }
        let proxy = Proxy::https(address).map_err(|_| TransportError::Proxy)?;
        let except = self.no_proxy.as_deref().and_then(NoProxy::from_string);
        Ok(Some(proxy.no_proxy(except)))
    }

    /// Returns the settings of rustls, which trusts the system's certificates and the extra ones. If `plain`, all calls
    /// stay on loopback without TLS, and the system's certificates are not read.
    fn tls(&self, plain: bool) -> Result<rustls::ClientConfig, TransportError> {
        let failed = |error: rustls::Error| TransportError::Tls(error.to_string());
        let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(failed)?;
        let roots = self.roots()?;
        let mut config = if plain {
            builder
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth()
        } else {
            let verifier = Verifier::new_with_extra_roots(roots, provider).map_err(failed)?;
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
                .with_no_client_auth()
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, TransportError> {
        let Some(pem) = &self.extra_roots else {
            return Ok(Vec::new());
        };
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        found
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or(TransportError::Roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_proxy_is_known_decoded() {
        for (address, password) in [
            ("http://me:hunter%402@proxy:1", Some(b"hunter@2".to_vec())),
            ("me:hunter2@proxy:1", Some(b"hunter2".to_vec())),
            ("http://proxy:1", None),
        ] {
            let proxy = Some(SecretString::from(address));
            let transport = Transport {
                proxy,
                ..Transport::default()
            };
            assert_eq!(transport.proxy_password(), password, "{address}");
        }
    }
}
