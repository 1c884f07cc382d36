//! Secrets that a server sends back. Each is replaced before anything else sees the answer.
//!
//! A secret is known by its value, in the encodings in which servers repeat what they were sent: percent-encoded,
//! escaped in JSON or HTML, and in base64, also within a longer text. A secret of fewer than 6 bytes is not looked for,
//! since such a text is anywhere by chance.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The text in place of a secret. An object that holds it must not be written back.
pub const MARK: &str = "[redacted by zpa-bulk]";

/// The fewest bytes of a secret that is looked for.
const SHORTEST: usize = 6;

/// The number of tokens and assertions that are remembered. Older ones have expired.
const REMEMBERED: usize = 16;

/// The most secrets in one text. One with more is replaced as a whole: each mark may be longer than its secret.
const MOST: usize = 10_000;

/// The most steps of a search for each byte of a text, and those that any text may take. A text that takes more is
/// replaced as a whole: it was made to look like the beginning of a secret everywhere.
const STEPS_PER_BYTE: usize = 16;
const STEPS: usize = 1 << 20;

/// The most signs of an encoding before a character: the backslashes of JSON within JSON, four times.
const MOST_SIGNS: usize = 16;

/// The signs with which encodings of a character begin.
const SIGNS: [u8; 4] = *b"+%\\&";

/// The secrets of a client.
#[derive(Default)]
pub(super) struct Redactor(RwLock<Known>);

#[derive(Default)]
struct Known {
    lasting: Vec<Secret>,
    passing: VecDeque<Secret>,
}

/// A secret and its encodings in base64.
type Secret = Vec<Vec<u8>>;

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(…)")
    }
}

impl Redactor {
    /// Remembers a secret for good.
    pub(super) fn learn(&self, secret: &[u8]) {
        if secret.len() >= SHORTEST {
            self.known_mut(|known| known.lasting.push(forms(secret)));
        }
    }

    /// Remembers a secret that expires: a token or an assertion.
    pub(super) fn learn_passing(&self, secret: &[u8]) {
        if secret.len() >= SHORTEST {
            self.known_mut(|known| {
                known.passing.truncate(REMEMBERED - 1);
                known.passing.push_front(forms(secret));
            });
        }
    }

    fn known_mut(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Returns the text with [`MARK`] in place of every secret.
    pub(super) fn bytes(&self, text: Vec<u8>) -> Vec<u8> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let secrets = known.lasting.iter().chain(&known.passing).flatten();
        replaced(&text, &secrets.map(Vec::as_slice).collect::<Vec<_>>()).unwrap_or(text)
    }

    /// The same as [`Redactor::bytes`] for a string.
    pub(super) fn text(&self, text: String) -> String {
        let bytes = self.bytes(text.into_bytes());
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Returns the secret, and the part of its base64 that does not depend on what stands around it: one for each of the
/// three places at which it may begin, in both alphabets.
fn forms(secret: &[u8]) -> Secret {
    let mut forms = vec![secret.to_vec()];
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        for before in 0..3 {
            let text = [vec![0; before], secret.to_vec()].concat();
            let encoded = engine.encode(&text).into_bytes();
            // A character holds six bits. The first and the last may share theirs with a neighbour.
            let (first, end) = ((before * 8).div_ceil(6), text.len() * 8 / 6);
            let own = encoded.get(first..end).unwrap_or_default().to_vec();
            if !forms.contains(&own) {
                forms.push(own);
            }
        }
    }
    forms
}

/// Returns the text with the mark in place of all `secrets`. Returns `None` if it holds none.
fn replaced(text: &[u8], secrets: &[&[u8]]) -> Option<Vec<u8>> {
    let by_first = by_first_byte(secrets);
    let may_begin: Vec<bool> = (0..=u8::MAX)
        .zip(&by_first)
        .map(|(byte, begun)| !begun.is_empty() || SIGNS.contains(&byte))
        .collect();
    let is_begin = |byte: &u8| may_begin.get(usize::from(*byte)) == Some(&true);
    let (mut out, mut found, mut copied, mut at) = (Vec::new(), 0, 0, 0);
    let mut steps = STEPS + STEPS_PER_BYTE * text.len();
    while let Some(next) = text
        .get(at..)
        .and_then(|rest| rest.iter().position(is_begin))
    {
        at += next;
        let Some(rest @ [byte, ..]) = text.get(at..) else {
            break;
        };
        let encoded = readings(rest).into_iter().flatten();
        let firsts = encoded.map(|(value, _)| value).chain([u32::from(*byte)]);
        let candidates = firsts.filter_map(|first| by_first.get(usize::try_from(first).ok()?));
        let lengths = candidates
            .flatten()
            .filter_map(|secret| length(rest, secret, &mut steps));
        let Some(length) = lengths.max() else {
            at += 1;
            continue;
        };
        found += 1;
        out.extend_from_slice(text.get(copied..at)?);
        out.extend_from_slice(MARK.as_bytes());
        at += length;
        copied = at;
    }
    match found {
        _ if steps == 0 => return Some(MARK.into()),
        0 => return None,
        1..=MOST => {}
        _ => return Some(MARK.into()),
    }
    out.extend_from_slice(text.get(copied..)?);
    Some(out)
}

/// Returns the secrets that begin with each byte.
fn by_first_byte<'s>(secrets: &[&'s [u8]]) -> Vec<Vec<&'s [u8]>> {
    let begin = |byte: u8| {
        let begins = move |secret: &&&[u8]| secret.first() == Some(&byte);
        secrets.iter().filter(begins).copied().collect()
    };
    (0..=u8::MAX).map(begin).collect()
}

/// Returns the number of bytes at the beginning of `text` that stand for the secret, if they do. Takes from `steps` those
/// that it takes, and finds nothing once there are none left.
fn length(text: &[u8], secret: &[u8], steps: &mut usize) -> Option<usize> {
    let (mut at, mut done) = (0, 0);
    let mut other_ways = Vec::new();
    while let Some(wanted) = secret.get(done) {
        *steps = steps.checked_sub(1)?;
        let rest = text.get(at..)?;
        let plain = rest.first() == Some(wanted);
        match (plain, encoded(rest, *wanted)) {
            (true, None) => (at, done) = (at + 1, done + 1),
            (plain, Some(length)) => {
                other_ways.extend(plain.then_some((at + 1, done + 1)));
                (at, done) = (at + length, done + 1);
            }
            (false, None) => (at, done) = other_ways.pop()?,
        }
    }
    Some(at)
}

/// Returns the length of the encoding of `wanted` at the beginning of `text`, if there is one.
fn encoded(text: &[u8], wanted: u8) -> Option<usize> {
    let mut readings = readings(text).into_iter().flatten();
    let fitting = readings.find(|(value, _)| *value == u32::from(wanted));
    fitting.map(|(_, length)| length)
}

/// A character and the length of its encoding.
type Reading = Option<(u32, usize)>;

/// Returns the characters that may be encoded at the beginning of `text`.
fn readings(text: &[u8]) -> [Reading; 2] {
    let reading = match text {
        [b'+', ..] => Some((' '.into(), 1)),
        [b'%', digits @ ..] => return percent(digits),
        [b'\\', ..] => return escaped(text),
        [b'&', rest @ ..] => {
            let end = rest.iter().take(8).position(|byte| *byte == b';');
            end.and_then(|end| Some((entity(rest.get(..end)?)?, end + 2)))
        }
        _ => None,
    };
    [reading, None]
}

/// Reads the digits behind a percent sign. An address within an address has `%25` in place of the sign.
fn percent(digits: &[u8]) -> [Reading; 2] {
    let signs = digits.chunks(2).take(MOST_SIGNS);
    let signs = signs.take_while(|digits| digits == b"25").count();
    let reading = |signs: usize| {
        let digits = digits.get(2 * signs..)?.get(..2)?;
        Some((hex(digits)?, 2 * signs + 3))
    };
    let within = (signs > 0).then(|| reading(signs)).flatten();
    [reading(0), within]
}

/// Reads an escape of JSON. JSON within JSON has several backslashes in place of one.
fn escaped(text: &[u8]) -> [Reading; 2] {
    let slashes = text.iter().take(MOST_SIGNS);
    let slashes = slashes.take_while(|byte| **byte == b'\\').count();
    let after = match text.get(slashes..).unwrap_or_default() {
        [b'u', digits @ ..] => {
            let value = digits.get(..4).and_then(hex);
            value.map(|value| (value, slashes + 5))
        }
        [byte @ (b'"' | b'\'' | b'/'), ..] => Some((u32::from(*byte), slashes + 1)),
        _ => None,
    };
    [(slashes > 1).then_some(('\\'.into(), 2)), after]
}

/// Returns the character of an HTML entity without `&` and `;`.
fn entity(name: &[u8]) -> Option<u32> {
    match name {
        [b'#', b'x' | b'X', digits @ ..] => hex(digits),
        [b'#', digits @ ..] => number(digits, 10),
        b"amp" => Some('&'.into()),
        b"lt" => Some('<'.into()),
        b"gt" => Some('>'.into()),
        b"quot" => Some('"'.into()),
        b"apos" => Some('\''.into()),
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    number(digits, 16)
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

/// Returns a text without its percent-encoding.
pub(super) fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let code = after.get(..2).filter(|_| *byte == b'%').and_then(hex);
        let code = code.and_then(|code| u8::try_from(code).ok());
        bytes.push(code.unwrap_or(*byte));
        rest = after
            .get(if code.is_some() { 2 } else { 0 }..)
            .unwrap_or_default();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn redacted(secret: &str, text: &str) -> String {
        let redactor = Redactor::default();
        redactor.learn(secret.as_bytes());
        redactor.text(text.to_owned())
    }

    #[test]
    fn a_secret_is_found_in_every_encoding() {
        let secret = r#"a+b/c=d "e\f&g"#;
        for text in [
            r#"a+b/c=d "e\f&g"#,
            "a%2Bb%2Fc%3Dd%20%22e%5Cf%26g",
            "a%2bb%2fc%3dd+%22e%5cf%26g",
            r#"a+b\/c=d \"e\\f&g"#,
            r"a\u002bb/c\u003Dd \u0022e\u005cf\u0026g",
            r#"a+b/c\\u003dd \\\"e\\f&g"#,
            "a&#x2B;b&#47;c=d &quot;e\\f&amp;g",
            "a%252Bb%252Fc%253Dd%2520%2522e%255Cf%2526g",
            "a%25252bb%25252fc%25253dd%252520%252522e%25255cf%252526g",
            "%61%2Bb%2Fc%3Dd%20%22e%5Cf%26%67",
        ] {
            let around = format!("x{text}y");
            assert_eq!(redacted(secret, &around), format!("x{MARK}y"), "{text}");
        }
        assert_eq!(redacted(secret, "a+b/c=d"), "a+b/c=d");
    }

    #[test]
    fn a_secret_is_found_within_longer_base64() {
        let secret = "s3cr3t-of-the-tenant??>>";
        for before in ["", "u:", "us:", "user:"] {
            let text = format!("Basic {}", STANDARD.encode(format!("{before}{secret};")));
            let shown = redacted(secret, &text);
            assert!(shown.contains(MARK), "{text}: {shown}");
            assert!(shown.len() < MARK.len() + 20, "{shown}");
        }
    }

    #[test]
    fn short_secrets_and_other_texts_stay() {
        assert_eq!(redacted("abcde", "abcdef"), "abcdef");
        assert_eq!(
            redacted("abcdef", "100% \\u00 &#x; + abcde"),
            "100% \\u00 &#x; + abcde"
        );
    }

    #[test]
    fn the_newest_tokens_are_remembered() {
        let redactor = Redactor::default();
        let token = |number: usize| format!("token-{number:03}");
        for number in 0..=REMEMBERED {
            redactor.learn_passing(token(number).as_bytes());
        }
        assert_eq!(redactor.text(token(0)), token(0));
        assert_eq!(redactor.text(token(1)), MARK);
        assert_eq!(redactor.text(token(REMEMBERED)), MARK);
    }

    #[test]
    fn a_text_of_secrets_does_not_grow() {
        let text = "secret ".repeat(MOST + 1);
        assert_eq!(redacted("secret", &text), MARK);
    }

    #[test]
    fn the_search_takes_no_time_without_end() {
        // Each begins the secret everywhere: in many ways, or for long.
        let slashes = "\\".repeat(64) + "b";
        let long = format!("{}b", "a".repeat(1 << 15));
        for (secret, text) in [(&slashes, "\\"), (&long, "a")] {
            assert_eq!(redacted(secret, &text.repeat(1 << 18)), MARK);
        }
        let text = "\\".repeat(1 << 18);
        assert_eq!(redacted("secret", &text), text);
    }

    #[test]
    fn percent_encoding_is_undone() {
        assert_eq!(percent_decoded("a%40b%zz%4"), b"a@b%zz%4");
    }

    proptest! {
        #[test]
        fn json_stays_json_without_the_secret(secret in "[ -~]{6,20}", around in "[ -Z]{0,20}") {
            let value = serde_json::json!({"text": format!("{around}{secret}{around}")});
            let shown = redacted(&secret, &value.to_string());
            let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
            prop_assert!(read["text"].as_str().is_some_and(|text| text.contains(MARK)), "{shown}");
        }

        #[test]
        fn no_text_makes_the_search_fail(secret in "[%\\\\&+a]{6}", text in "[%\\\\&+#xu;a0-9]{0,60}") {
            redacted(&secret, &text);
        }
    }
}
