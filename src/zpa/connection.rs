//! The addresses of a tenant's API: hosts by cloud, paths by style.
//!
//! Sources: "Getting Started" and "Zscaler Clouds" of the ZPA API documentation, and the host tables of
//! the vendor's public SDKs.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::wire::{Id, Request};

/// The two ways to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// The ZPA API's own sign-in, with an API key of the tenant.
    Legacy,
    /// Zscaler's common gateway, with an API client of `ZIdentity`. Every path is prefixed with `/zpa`.
    OneApi,
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Legacy => "legacy",
            Self::OneApi => "oneapi",
        })
    }
}

/// The addresses of a tenant and its customer id. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The way to sign in.
    pub style: Style,
    /// The API's address, without the prefix of the style.
    pub base_url: String,
    /// The address that issues tokens.
    pub token_url: String,
    /// The tenant's customer id.
    pub customer: String,
}

/// A connection that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// An address is not a URL with a host.
    #[error("{0:?} is not an address; write it like https://host")]
    Address(String),
    /// An address holds a user name or password.
    #[error("an address must not hold a user name or password")]
    User,
    /// An address uses plain HTTP, and its host is another machine.
    #[error(
        "{0:?} would send credentials over plain HTTP; use https:// (http:// is for loopback only)"
    )]
    PlainHttp(String),
    /// The cloud's name is unknown.
    #[error("{cloud:?} is not a known cloud; known are {known}")]
    Cloud {
        /// The name.
        cloud: String,
        /// The names of the known clouds.
        known: &'static str,
    },
    /// The vanity domain is missing, on whose host `OneAPI` issues tokens.
    #[error(
        "the vanity domain is missing; set ZSCALER_VANITY_DOMAIN to the first part of your sign-in page's host name"
    )]
    NoVanity,
    /// The vanity domain cannot be the first part of a host name.
    #[error(
        "{0:?} is not a vanity domain; a vanity domain is the first part of your sign-in page's host name"
    )]
    Vanity(String),
    /// The customer id is not 1 to 20 digits.
    #[error("{0:?} is not a customer id; it must be 1 to 20 digits")]
    Customer(String),
}

impl Connection {
    /// Returns the connection for these settings. Addresses that are not given follow from `cloud` and, for `OneAPI`,
    /// `vanity`. If the API address is given alone, tokens come from the same host.
    ///
    /// # Errors
    /// [`ConnectionError`] for a setting that cannot be right.
    pub fn new(
        style: Style,
        cloud: &str,
        vanity: Option<&str>,
        base_url: Option<&str>,
        token_url: Option<&str>,
        customer: &str,
    ) -> Result<Self, ConnectionError> {
        if Id::parse(customer).is_none() {
            return Err(ConnectionError::Customer(customer.to_owned()));
        }
        let base_given = base_url.map(|url| url.trim_end_matches('/').to_owned());
        let base_url = match &base_given {
            Some(url) => url.clone(),
            None => api_host(style, cloud)?,
        };
        let token_url = match (token_url, style, vanity) {
            (Some(url), _, _) => url.to_owned(),
            (None, Style::Legacy, _) => format!("{base_url}/signin"),
            (None, Style::OneApi, None) if base_given.is_some() => {
                format!("{base_url}/oauth2/v1/token")
            }
            (None, Style::OneApi, vanity) => token_host(cloud, vanity.unwrap_or_default())?,
        };
        check_address(&base_url)?;
        check_address(&token_url)?;
        Ok(Self {
            style,
            base_url,
            token_url,
            customer: customer.to_owned(),
        })
    }

    /// Returns the address of a request, query included.
    pub(super) fn url_of(&self, request: &Request) -> Result<Url, ConnectionError> {
        let prefix = self.prefix();
        let (base, customer) = (&self.base_url, &self.customer);
        let (version, path) = (request.version, &request.path);
        let text = format!("{base}{prefix}/mgmtconfig/{version}/admin/customers/{customer}/{path}");
        let mut url = Url::parse(&text).map_err(|_| ConnectionError::Address(text))?;
        if !request.query.is_empty() || request.microtenant.is_some() {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(&request.query);
            query.extend_pairs(
                request
                    .microtenant
                    .as_ref()
                    .map(|id: &Id| ("microtenantId", id.as_str())),
            );
        }
        Ok(url)
    }

    /// Tells whether both addresses need no TLS. Such addresses are on this machine.
    pub(super) fn is_plain_loopback(&self) -> bool {
        is_plain(&self.base_url) && is_plain(&self.token_url)
    }

    /// Tells whether one of the addresses needs no TLS.
    pub(super) fn has_plain_address(&self) -> bool {
        is_plain(&self.base_url) || is_plain(&self.token_url)
    }

    /// Returns the prefix of every path.
    fn prefix(&self) -> &'static str {
        match self.style {
            Style::Legacy => "",
            Style::OneApi => "/zpa",
        }
    }

    /// Returns the roots of the two addresses, `https://host[:port]/`; one if both are the same.
    #[must_use]
    pub fn roots(&self) -> Vec<String> {
        let root = |address: &str| {
            let mut url = Url::parse(address).ok()?;
            url.set_path("/");
            url.set_query(None);
            Some(url.to_string())
        };
        let mut roots: Vec<String> = [&self.token_url, &self.base_url]
            .into_iter()
            .filter_map(|address| root(address))
            .collect();
        roots.dedup();
        roots
    }
}

fn is_plain(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| url.scheme() == "http")
}

fn check_address(text: &str) -> Result<(), ConnectionError> {
    let wrong = || {
        if text.contains('@') {
            return ConnectionError::User;
        }
        ConnectionError::Address(text.to_owned())
    };
    let url = Url::parse(text).map_err(|_| wrong())?;
    let host = url.host_str().ok_or_else(wrong)?;
    if !url.username().is_empty() || url.password().is_some() {
        // The error does not repeat the address: it holds a secret.
        return Err(ConnectionError::User);
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(host) => Ok(()),
        "http" => Err(ConnectionError::PlainHttp(text.to_owned())),
        _ => Err(wrong()),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn api_host(style: Style, cloud: &str) -> Result<String, ConnectionError> {
    let cloud = cloud.to_ascii_uppercase();
    let host = match style {
        Style::Legacy => match cloud.as_str() {
            "" | "PRODUCTION" => "config.private.zscaler.com",
            "ZPATWO" => "config.zpatwo.net",
            "BETA" => "config.zpabeta.net",
            "GOV" => "config.zpagov.net",
            "GOVUS" => "config.zpagov.us",
            "PREVIEW" => "config.zpapreview.net",
            _ => {
                return Err(ConnectionError::Cloud {
                    cloud,
                    known: "PRODUCTION, ZPATWO, BETA, GOV, GOVUS, PREVIEW",
                });
            }
        },
        Style::OneApi => match cloud.as_str() {
            "" | "PRODUCTION" => "api.zsapi.net",
            "GOV" => "api.zscalergov.net",
            "GOVUS" => "api.zscalergov.us",
            _ => return Ok(format!("https://api.{}.zsapi.net", label(&cloud)?)),
        },
    };
    Ok(format!("https://{host}"))
}

fn token_host(cloud: &str, vanity: &str) -> Result<String, ConnectionError> {
    if vanity.is_empty() {
        return Err(ConnectionError::NoVanity);
    }
    let vanity = label(vanity).map_err(|_| ConnectionError::Vanity(vanity.to_owned()))?;
    let host = match cloud.to_ascii_uppercase().as_str() {
        "" | "PRODUCTION" => format!("{vanity}.zslogin.net"),
        "GOV" => format!("{vanity}.zidentitygov.net"),
        "GOVUS" => format!("{vanity}.zidentitygov.us"),
        other => format!("{vanity}.zslogin{}.net", label(other)?),
    };
    Ok(format!("https://{host}/oauth2/v1/token"))
}

/// Returns a name, in lower case, that becomes part of a host name. Refuses characters that could lead to another host.
fn label(text: &str) -> Result<String, ConnectionError> {
    let fits = (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if fits {
        return Ok(text.to_ascii_lowercase());
    }
    Err(ConnectionError::Cloud {
        cloud: text.to_owned(),
        known: "PRODUCTION, BETA, GOV, GOVUS and other names of letters, digits and hyphens",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Method;

    fn connection(style: Style, cloud: &str, vanity: Option<&str>) -> Connection {
        Connection::new(style, cloud, vanity, None, None, "145").unwrap()
    }

    #[test]
    fn hosts_follow_from_the_cloud() {
        for (style, cloud, base, token) in [
            (
                Style::Legacy,
                "",
                "config.private.zscaler.com",
                "config.private.zscaler.com/signin",
            ),
            (
                Style::Legacy,
                "beta",
                "config.zpabeta.net",
                "config.zpabeta.net/signin",
            ),
            (
                Style::Legacy,
                "ZPATWO",
                "config.zpatwo.net",
                "config.zpatwo.net/signin",
            ),
            (
                Style::Legacy,
                "GOV",
                "config.zpagov.net",
                "config.zpagov.net/signin",
            ),
            (
                Style::Legacy,
                "govus",
                "config.zpagov.us",
                "config.zpagov.us/signin",
            ),
            (
                Style::Legacy,
                "Preview",
                "config.zpapreview.net",
                "config.zpapreview.net/signin",
            ),
            (
                Style::OneApi,
                "gov",
                "api.zscalergov.net",
                "acme.zidentitygov.net/oauth2/v1/token",
            ),
            (
                Style::OneApi,
                "PRODUCTION",
                "api.zsapi.net",
                "acme.zslogin.net/oauth2/v1/token",
            ),
            (
                Style::OneApi,
                "beta",
                "api.beta.zsapi.net",
                "acme.zsloginbeta.net/oauth2/v1/token",
            ),
            (
                Style::OneApi,
                "GOVUS",
                "api.zscalergov.us",
                "acme.zidentitygov.us/oauth2/v1/token",
            ),
        ] {
            let connection = connection(style, cloud, Some("acme"));
            assert_eq!(connection.base_url, format!("https://{base}"));
            assert_eq!(connection.token_url, format!("https://{token}"));
        }
    }

    #[test]
    fn one_api_paths_are_prefixed_and_queries_encoded() {
        let mut request = Request::new(Method::Get, "userPortalLink", Some(Id::from(0)));
        request.query = vec![("search", "a&b".to_owned())];
        let url = |style| {
            connection(style, "", Some("acme"))
                .url_of(&request)
                .unwrap()
                .to_string()
        };
        assert_eq!(
            url(Style::OneApi),
            "https://api.zsapi.net/zpa/mgmtconfig/v1/admin/customers/145/userPortalLink?search=a%26b&microtenantId=0"
        );
        assert!(
            url(Style::Legacy).starts_with("https://config.private.zscaler.com/mgmtconfig/v1/")
        );
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        let with = |base| Connection::new(Style::Legacy, "", None, Some(base), None, "145");
        for base in [
            "http://127.0.0.1:8700",
            "http://localhost:1/",
            "HTTP://LocalHost:1",
            "http://[::1]:5",
            "https://proxy.corp",
        ] {
            assert!(with(base).is_ok(), "{base}");
        }
        for base in [
            "http://10.0.0.1",
            "http://config.private.zscaler.com",
            "http://127.0.0.1.evil.example",
        ] {
            assert!(
                matches!(with(base), Err(ConnectionError::PlainHttp(_))),
                "{base}"
            );
        }
        assert!(matches!(
            with("ftp://127.0.0.1"),
            Err(ConnectionError::Address(_))
        ));
        assert!(matches!(with("wiki"), Err(ConnectionError::Address(_))));
    }

    #[test]
    fn an_address_with_a_password_is_not_repeated() {
        let base = Some("https://me:hunter2@proxy.corp");
        let error = Connection::new(Style::Legacy, "", None, base, None, "145").unwrap_err();
        assert_eq!(error, ConnectionError::User);
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn names_that_would_lead_to_another_host_are_refused() {
        let with = |cloud, vanity, customer| {
            Connection::new(Style::OneApi, cloud, Some(vanity), None, None, customer)
        };
        assert!(matches!(
            with("", "evil.example/", "1"),
            Err(ConnectionError::Vanity(_))
        ));
        assert_eq!(with("", "", "1").unwrap_err(), ConnectionError::NoVanity);
        assert!(matches!(
            with("x.evil", "acme", "1"),
            Err(ConnectionError::Cloud { .. })
        ));
        assert!(matches!(
            with("", "acme", "1/../2"),
            Err(ConnectionError::Customer(_))
        ));
        assert!(matches!(
            Connection::new(Style::Legacy, "MARS", None, None, None, "1"),
            Err(ConnectionError::Cloud { .. })
        ));
    }
}
