//! Checks of text that resources share.
//!
//! Each takes a trimmed cell and returns the text to send to the API. The error is a message that follows `column "x": `.

use std::borrow::Cow;
use std::net::IpAddr;

use base64::Engine as _;
use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use super::invisible::refuse_invisible;
use crate::wire::quoted;

/// The longest name that the program sends, in characters.
pub(super) const LONGEST_NAME: usize = 255;

/// The largest width and height of an icon that the portal shows, in pixels.
const LARGEST_ICON: u32 = 32;

/// Replaces the HTML entities that answers have in place of some characters.
#[must_use]
pub fn unescape(text: &str) -> Cow<'_, str> {
    if text.contains('&') {
        html_escape::decode_html_entities(text)
    } else {
        Cow::Borrowed(text)
    }
}

/// The texts of the three wire fields that one cell stands for, or a message that says why the cell is refused.
pub type SplitText<'r> = Result<[Cow<'r, str>; 3], String>;

pub(super) type Checked<'r> = Result<Cow<'r, str>, String>;

#[expect(
    clippy::unnecessary_wraps,
    reason = "every column has a function of this signature"
)]
pub(super) fn any(text: &str) -> Checked<'_> {
    Ok(Cow::Borrowed(text))
}

pub(super) fn name(text: &str) -> Checked<'_> {
    // A text has no more characters than bytes, so most names need no counting.
    if text.len() > LONGEST_NAME && text.chars().count() > LONGEST_NAME {
        let length = text.chars().count();
        return Err(format!(
            "the name has {length} characters; the longest allowed is {LONGEST_NAME}"
        ));
    }
    if !all_bytes(text, |b| matches!(b, b' '..=b'~')) && text.chars().any(char::is_control) {
        return Err("a name cannot contain line breaks or control characters".to_owned());
    }
    refuse_invisible(text)?;
    Ok(Cow::Borrowed(text))
}

/// Says whether `allowed` is true for all bytes of a text.
///
/// The loop does not stop early, so that the processor can look at many bytes at once. Nearly every text passes.
fn all_bytes(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(true, |all, b| all & allowed(b))
}

pub(super) fn digits(text: &str) -> Checked<'_> {
    if text.bytes().all(|b| b.is_ascii_digit()) && text.len() <= 20 {
        return Ok(Cow::Borrowed(text));
    }
    Err(format!(
        "{} is not an id: an id is all digits, at most 20",
        quoted(text)
    ))
}

/// Checks the name of a user portal, which allows fewer characters than other names.
pub(super) fn portal_name(text: &str) -> Checked<'_> {
    refuse_invisible(text)?;
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '-' | '_');
    if let Some(other) = text.chars().find(|c| !allowed(c)) {
        return Err(format!(
            "the name of a user portal cannot have {other:?}: letters, digits, space, '.', '-' and '_' are allowed"
        ));
    }
    name(text)
}

/// Checks the first label of a portal's external host name.
pub(super) fn label(text: &str) -> Checked<'_> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (3..=31).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(Cow::Borrowed(text));
    }
    Err(format!(
        "{} is not 3 to 31 lower-case letters, digits and hyphens",
        quoted(text)
    ))
}

/// Checks a fully qualified host name, with or without `https://` in front.
pub(super) fn https_host(text: &str) -> Checked<'_> {
    let host = Parts::of(text)?;
    if !(host.scheme.is_empty() || host.scheme.eq_ignore_ascii_case("https://")) {
        return Err(format!("{} is not an https:// address", quoted(text)));
    }
    if !matches!(host.path, "" | "/") {
        return Err(format!(
            "{} has a path; give the host name alone",
            quoted(text)
        ));
    }
    let name = in_ascii(host.host)?;
    if !is_dns_name(&name) || !name.contains('.') {
        return Err(format!(
            "{} is not a fully qualified host name",
            quoted(text)
        ));
    }
    Ok(match name {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(name) => Cow::Owned(format!("{}{name}{}", host.scheme, host.path)),
    })
}

/// Checks a DNS suffix: a host name without scheme, path and port. A dot at the end is removed.
pub(super) fn domain(text: &str) -> Checked<'_> {
    let parts = Parts::of(text)?;
    if !parts.scheme.is_empty() || !parts.path.is_empty() {
        return Err(format!(
            "{} is an address; give the domain alone",
            quoted(text)
        ));
    }
    let name = in_ascii(text)?;
    if !is_dns_name(&name) {
        return Err(format!("{} is not a domain", quoted(text)));
    }
    Ok(match name {
        Cow::Borrowed(name) => Cow::Borrowed(name.trim_end_matches('.')),
        Cow::Owned(name) => Cow::Owned(name.trim_end_matches('.').to_owned()),
    })
}

/// Checks the number of days after which a connector is deleted: 5 or more (`zpa-api.md`, section 3).
pub(super) fn interval(text: &str) -> Checked<'_> {
    const LEAST: u32 = 5;
    match text.parse::<u32>() {
        Ok(days) if days >= LEAST => Ok(Cow::Owned(days.to_string())),
        Ok(days) => Err(format!("{days} days are too few; the least is {LEAST}")),
        Err(_) => Err(format!("{} is not a whole number of days", quoted(text))),
    }
}

/// Checks the unit of a schedule's interval. The only unit is `days`.
pub(super) fn frequency(text: &str) -> Checked<'_> {
    if text.eq_ignore_ascii_case("days") {
        return Ok(Cow::Borrowed("days"));
    }
    Err(format!(
        "{} is not a unit; the only unit is days",
        quoted(text)
    ))
}

pub(super) fn protocol(text: &str) -> Checked<'_> {
    let bare = text.trim_end_matches(['/', ':']);
    if bare.eq_ignore_ascii_case("https") {
        Ok(Cow::Borrowed("https://"))
    } else if bare.eq_ignore_ascii_case("http") {
        Ok(Cow::Borrowed("http://"))
    } else {
        Err(format!("{} is neither https:// nor http://", quoted(text)))
    }
}

/// Checks the host of a `link` field: without scheme and path, with or without a port.
pub(super) fn host(text: &str) -> Checked<'_> {
    let parts = Parts::of(text)?;
    if !parts.scheme.is_empty() {
        return Err(format!(
            "{} has a scheme; give only the host here, or the whole address in a \"url\" column",
            quoted(text)
        ));
    }
    if !parts.path.is_empty() {
        return Err(format!(
            "{} has a path; put it into \"link_path\", or the whole address into a \"url\" column",
            quoted(text)
        ));
    }
    check_host(text)
}

pub(super) fn path(text: &str) -> Checked<'_> {
    if !text.starts_with('/') {
        return Err(format!("{} does not start with /", quoted(text)));
    }
    check_path(text)?;
    Ok(Cow::Borrowed(text))
}

/// Splits an address into scheme, host and path. Without a path, and with the path `/`, the path is empty.
pub(super) fn url(text: &str) -> SplitText<'_> {
    let Parts { scheme, host, path } = Parts::of(text)?;
    let scheme = if scheme.eq_ignore_ascii_case("https://") {
        "https://"
    } else if scheme.eq_ignore_ascii_case("http://") {
        "http://"
    } else {
        return Err(format!(
            "{} has no https:// or http:// scheme",
            quoted(text)
        ));
    };
    let host = check_host(host)?;
    check_path(path)?;
    let path = match path {
        "/" => Cow::Borrowed(""),
        path if path.starts_with(['?', '#']) => Cow::Owned(format!("/{path}")),
        path => Cow::Borrowed(path),
    };
    Ok([Cow::Borrowed(scheme), host, path])
}

/// The three parts of an address (RFC 3986, section 3): the scheme with `://`, the authority, and the rest.
struct Parts<'t> {
    scheme: &'t str,
    host: &'t str,
    path: &'t str,
}

impl<'t> Parts<'t> {
    /// Splits an address. The scheme may be missing.
    ///
    /// An address with a user name is refused here, before any other check. The message of another check would repeat
    /// the text before the `@`, which may hold a password.
    fn of(text: &'t str) -> Result<Self, String> {
        let colon = text.find(':');
        let slashes =
            colon.filter(|colon| text.get(*colon..).is_some_and(|t| t.starts_with("://")));
        let (scheme, rest) = text.split_at(slashes.map_or(0, |colon| colon + 3));
        let end = rest.find(['/', '?', '#']);
        let (host, path) = rest.split_at(end.unwrap_or(rest.len()));
        if host.contains('@') {
            return Err("a user name or password does not belong in a link".to_owned());
        }
        Ok(Self { scheme, host, path })
    }
}

fn check_path(path: &str) -> Result<(), String> {
    if all_bytes(path, |b| b.is_ascii_graphic()) {
        return Ok(());
    }
    refuse_invisible(path)?;
    match path.chars().find(|c| c.is_whitespace() || c.is_control()) {
        Some(_) => Err(format!("the path {} contains white space", quoted(path))),
        None => Ok(()),
    }
}

/// Checks a host with or without a port. An international name is brought into its ASCII form.
fn check_host(text: &str) -> Checked<'_> {
    if is_dns_name(text) {
        return Ok(Cow::Borrowed(text));
    }
    if !text.is_ascii() {
        let (name, port) = split_port(text);
        let name = in_ascii(name)?;
        let whole = port.map_or_else(|| name.to_string(), |port| format!("{name}:{port}"));
        return check_ascii_host(&whole).map(|()| Cow::Owned(whole));
    }
    check_ascii_host(text)?;
    Ok(Cow::Borrowed(text))
}

/// Brings an international host name into the form that DNS has (RFC 5891). An ASCII name stays as it is.
fn in_ascii(name: &str) -> Checked<'_> {
    if name.is_ascii() {
        return Ok(Cow::Borrowed(name));
    }
    refuse_invisible(name)?;
    let ascii = Uts46::new().to_ascii(
        name.as_bytes(),
        AsciiDenyList::EMPTY,
        Hyphens::CheckFirstLast,
        DnsLength::Ignore,
    );
    match ascii {
        Ok(ascii) if is_dns_name(&ascii) => Ok(Cow::Owned(ascii.into_owned())),
        _ => Err(format!(
            "{} is neither a host name nor an IP address",
            quoted(name)
        )),
    }
}

/// Returns the international form of a host name in ASCII, if it has one.
#[must_use]
pub fn international(host: &str) -> Option<String> {
    let (name, errors) = idna::domain_to_unicode(host);
    (errors.is_ok() && !name.is_ascii()).then_some(name)
}

fn check_ascii_host(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("there is no host".to_owned());
    }
    let (host, port) = split_port(text);
    if port.is_some_and(|port| !is_port(port)) {
        return Err(format!("{} has no valid port", quoted(text)));
    }
    let bracketed = text.starts_with('[');
    if !bracketed && is_dns_name(host) {
        return Ok(());
    }
    if host
        .parse::<IpAddr>()
        .is_ok_and(|ip| ip.is_ipv6() == bracketed)
    {
        return Ok(());
    }
    Err(format!(
        "{} is neither a host name nor an IP address",
        quoted(text)
    ))
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let port = rest.strip_prefix(':').unwrap_or(rest);
        return (host, (!rest.is_empty()).then_some(port));
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}

fn is_port(text: &str) -> bool {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    digits && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Says whether `host` is a host name by RFC 1123, section 2.1. Underscores are allowed, since real zones use them.
fn is_dns_name(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    name.len() <= 253 && are_labels(name) && !ends_in_number(name)
}

/// Says whether the last label is a number. Such a name is read as an IPv4 address (WHATWG URL, section 3.5), so it is
/// no host name.
fn ends_in_number(name: &str) -> bool {
    let digit = |b: &u8| b.is_ascii_digit();
    let mut labels = name.as_bytes().rsplit(|b| *b == b'.');
    name.as_bytes().last().is_some_and(digit) && labels.next().is_some_and(|l| l.iter().all(digit))
}

/// Says whether `name` consists of labels with dots between them.
///
/// A label has 1 to 63 letters, digits, hyphens and underscores. It neither begins nor ends with a hyphen.
fn are_labels(name: &str) -> bool {
    const LONGEST: usize = 63;
    // Two characters that must not be neighbours weigh at least as much together as a hyphen and a dot. The beginning
    // and the end of the name count as dots.
    let (mut before, mut heaviest) = (DOT, 0);
    for b in name.bytes() {
        let weight = WEIGHTS.get(usize::from(b)).copied().unwrap_or(OTHER);
        heaviest = heaviest.max(before + weight);
        before = weight;
    }
    heaviest.max(before + DOT) < HYPHEN + DOT
        && (name.len() <= LONGEST || name.split('.').all(|label| label.len() <= LONGEST))
}

const HYPHEN: u8 = 1;
const DOT: u8 = 2;
const OTHER: u8 = HYPHEN + DOT;

/// The weight of each byte in a host name: 0 for letters, digits and underscores. Comparisons in place of this table would
/// take a twelfth of the time of planning.
#[expect(
    clippy::indexing_slicing,
    reason = "the table has a place for every byte, and the compiler evaluates this"
)]
const WEIGHTS: [u8; 256] = {
    let mut weights = [OTHER; 256];
    let mut b = 0_u8;
    while b.is_ascii() {
        if b.is_ascii_alphanumeric() || b == b'_' {
            weights[b as usize] = 0;
        }
        b += 1;
    }
    weights[b'-' as usize] = HYPHEN;
    weights[b'.' as usize] = DOT;
    weights
};

/// Checks an icon: a PNG image of at most 32x32 pixels as a data URI (RFC 2397).
pub(super) fn icon(text: &str) -> Checked<'_> {
    const PREFIX: &str = "data:image/png;base64,";
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
    let Some(encoded) = text.strip_prefix(PREFIX) else {
        return Err(format!("the icon does not start with {PREFIX}"));
    };
    let image = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .map_err(|_| "the icon is not valid base64".to_owned())?;
    if !image.starts_with(PNG) {
        return Err("the icon is not a PNG image".to_owned());
    }
    let side = |at: usize| {
        let bytes = image.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    // PNG specification, section 11.2.2: width and height open the IHDR chunk.
    match (side(16), side(20)) {
        (Some(width), Some(height)) if width.max(height) <= LARGEST_ICON => Ok(Cow::Borrowed(text)),
        (Some(width), Some(height)) => Err(format!(
            "the icon is {width}x{height} pixels; the largest allowed is {LARGEST_ICON}x{LARGEST_ICON}"
        )),
        _ => Err("the icon's PNG image is cut off".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_split_into_scheme_host_and_path() {
        let split = |text| url(text).map(|parts| parts.map(Cow::into_owned));
        let parts = |s: &str, h: &str, p: &str| Ok([s.to_owned(), h.to_owned(), p.to_owned()]);
        assert_eq!(
            split("https://wiki.corp"),
            parts("https://", "wiki.corp", "")
        );
        assert_eq!(
            split("HTTP://wiki.corp/"),
            parts("http://", "wiki.corp", "")
        );
        assert_eq!(
            split("https://h.example:8443/a/b?c=1#d"),
            parts("https://", "h.example:8443", "/a/b?c=1#d")
        );
        assert_eq!(split("https://h?c=1"), parts("https://", "h", "/?c=1"));
        assert_eq!(split("https://[::1]/x"), parts("https://", "[::1]", "/x"));
    }

    #[test]
    fn an_international_host_is_brought_into_its_ascii_form() {
        let [_, host, path] = url("https://Büro.corp.example:8443/pläne").unwrap();
        assert_eq!(
            (&*host, &*path),
            ("xn--bro-hoa.corp.example:8443", "/pläne")
        );
        assert_eq!(super::host("日本語。jp").unwrap(), "xn--wgv71a119e.jp");
        assert_eq!(
            domain("münchen.example.").unwrap(),
            "xn--mnchen-3ya.example"
        );
        assert_eq!(
            https_host("https://büro.example").unwrap(),
            "https://xn--bro-hoa.example"
        );
        let shown = international("xn--bro-hoa.corp.example");
        assert_eq!(shown.as_deref(), Some("büro.corp.example"));
        assert_eq!(international("wiki.example"), None);
    }

    #[test]
    fn an_impossible_address_is_refused_with_the_reason() {
        for (text, reason) in [
            ("htp://wiki", "has no https:// or http:// scheme"),
            ("wiki.corp/x", "has no https:// or http:// scheme"),
            ("https://", "there is no host"),
            ("https:///x", "there is no host"),
            ("https://a b/x", "neither a host name nor an IP address"),
            ("https://wiki/a b", "contains white space"),
            ("https://wiki:99999/", "no valid port"),
            ("https://wí ki/", "neither a host name nor an IP address"),
            ("https://-wíki/", "neither a host name nor an IP address"),
            ("https://wi\u{200b}ki/", "invisible character (U+200B)"),
            ("https://wiki/a\u{ad}b", "invisible character (U+00AD)"),
            ("https://-x.corp", "neither a host name"),
            ("https://10.0.0.256", "neither a host name"),
            ("https://2001:db8::1/", "neither a host name"),
            ("https://[wiki]:80", "neither a host name"),
            ("https://[::1]junk", "no valid port"),
            ("https://wiki:+80", "no valid port"),
            ("https://wiki:0", "no valid port"),
        ] {
            let error = url(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_host_name_is_made_of_labels() {
        let (longest, too_long) = ("a".repeat(63), "a".repeat(64));
        for name in ["a", "a.b.", "a--b.c_d", "x1.y2", &format!("b.{longest}.c")] {
            assert_eq!(host(name).unwrap(), name);
        }
        for name in [
            ".",
            ".a",
            "a..b",
            "a.-b",
            "a-.b",
            "-a",
            "a-",
            "a.b..",
            "a.1",
            &too_long,
            &format!("b.{too_long}.c"),
            &"a.".repeat(128),
        ] {
            assert!(host(name).unwrap_err().contains("neither"), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_valid_if_each_of_its_labels_is(name in "[aZ9_.\\-]{0,9}|[a.]{60,70}|[a.@é \\-]{0,9}") {
            let in_label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            let is_label = |label: &str| {
                (1..=63).contains(&label.len())
                    && label.chars().all(in_label)
                    && !label.starts_with('-')
                    && !label.ends_with('-')
            };
            prop_assert_eq!(are_labels(&name), name.split('.').all(is_label));
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_repeated() {
        for text in [
            "https://admin:hunter2@wiki/",
            "htp://admin:hunter2@wiki/",
            "admin:hunter2@wiki/x",
        ] {
            for error in [url(text).unwrap_err(), host(text).unwrap_err()] {
                assert!(error.contains("does not belong"), "{error}");
            }
        }
        assert!(url("https://wiki/@people").is_ok());
    }

    #[test]
    fn a_link_with_a_scheme_or_a_path_is_refused() {
        assert!(host("https://wiki").unwrap_err().contains("has a scheme"));
        assert!(host("wiki/a").unwrap_err().contains("has a path"));
        assert_eq!(host("10.0.0.7").unwrap(), "10.0.0.7");
    }

    #[test]
    fn an_icon_must_be_a_small_png_data_uri() {
        let png = |side: u8| {
            let mut image = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0".to_vec();
            image.extend([side, 0, 0, 0, side]);
            let encoded = base64::engine::general_purpose::STANDARD.encode(image);
            format!("data:image/png;base64,{encoded}")
        };
        assert!(icon(&png(32)).is_ok());
        assert!(icon(&png(33)).unwrap_err().contains("33x33"));
        assert!(
            icon("data:image/png;base64,!!")
                .unwrap_err()
                .contains("base64")
        );
        assert!(
            icon("data:image/png;base64,R0lGODlh")
                .unwrap_err()
                .contains("not a PNG")
        );
        assert!(
            icon("https://x/icon.png")
                .unwrap_err()
                .contains("does not start")
        );
    }

    #[test]
    fn a_name_is_counted_in_characters_not_bytes() {
        assert!(name(&"é".repeat(LONGEST_NAME)).is_ok());
        let error = name(&"x".repeat(LONGEST_NAME + 1)).unwrap_err();
        assert!(error.contains("256 characters"), "{error}");
    }

    #[test]
    fn only_entities_are_unescaped() {
        assert_eq!(unescape("a&#x2a;b &amp; c"), "a*b & c");
        assert_eq!(unescape("R&D"), "R&D");
    }
}
