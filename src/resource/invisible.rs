//! Characters that nobody sees.
//!
//! They come with texts that were copied from web pages, chats and documents. In a name or a path they make an object that
//! looks like another, and that nobody finds.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// Ranges of characters without a shape of their own (Unicode, general categories Cf, Zl and Zp, and fillers), and those
/// that stand for damaged text.
const RANGES: [(char, char); 24] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{fdd0}', '\u{fdef}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{ffff}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
    ('\u{f0000}', '\u{10ffff}'),
];

/// The characters that join others: right between letters of the scripts and between emoji that need them.
const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];

/// Blanks that look like a space, and are none.
const BLANKS: [char; 3] = ['\u{a0}', '\u{2007}', '\u{202f}'];

fn is_invisible(c: char) -> bool {
    c >= '\u{ad}'
        && RANGES
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&c))
}

/// Tells whether a character at this place of a text is invisible, and joins nothing.
fn is_stray(before: Option<char>, c: char, after: Option<char>) -> bool {
    let is_joined = |other: Option<char>| other.is_some_and(|c| c >= '\u{590}');
    is_invisible(c) && !(JOINERS.contains(&c) && is_joined(before) && is_joined(after))
}

/// Returns the characters of a text, each with its neighbours.
fn with_neighbours(text: &str) -> impl Iterator<Item = (Option<char>, char, Option<char>)> {
    let before = std::iter::once(None).chain(text.chars().map(Some));
    let after = text.chars().skip(1).map(Some).chain([None]);
    let all = before.zip(text.chars()).zip(after);
    all.map(|((before, c), after)| (before, c, after))
}

/// Refuses a text with a character that nobody sees, or that looks like a space and is none.
///
/// # Errors
/// A message that names the character by its code point.
pub(super) fn refuse_invisible(text: &str) -> Result<(), String> {
    if text.is_ascii() {
        return Ok(());
    }
    let mut all = with_neighbours(text);
    if let Some((_, c, _)) = all.find(|(before, c, after)| is_stray(*before, *c, *after)) {
        let what = match c {
            '\u{fffd}' => "the mark of a character that was lost",
            _ => "an invisible character",
        };
        return Err(format!("the text contains {what} (U+{:04X})", u32::from(c)));
    }
    match text.chars().find(|c| BLANKS.contains(c)) {
        Some(c) => Err(format!(
            "the text contains a no-break space (U+{:04X}); use a plain space",
            u32::from(c)
        )),
        None => Ok(()),
    }
}

/// Returns a text without invisible characters, and with plain spaces. The mark of a lost character stays: nobody knows
/// what it was.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let is_kept =
        |(before, c, after): &(_, char, _)| *c == '\u{fffd}' || !is_stray(*before, *c, *after);
    let plain = |c: char| if BLANKS.contains(&c) { ' ' } else { c };
    let kept = with_neighbours(text).filter(is_kept);
    let cleaned: String = kept.map(|(_, c, _)| plain(c)).collect();
    if cleaned == text {
        return Cow::Borrowed(text);
    }
    Cow::Owned(cleaned)
}

/// Returns a name as people tell it from others: without regard to case, to invisible characters, and to the two ways of
/// writing a letter with an accent (Unicode normalization forms C and D).
#[must_use]
pub fn look(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        let is_lower = !name.bytes().any(|b| b.is_ascii_uppercase());
        if is_lower {
            return Cow::Borrowed(name);
        }
        return Cow::Owned(name.to_ascii_lowercase());
    }
    let name = visible(name).to_lowercase();
    Cow::Owned(match is_nfc_quick(name.chars()) {
        IsNormalized::Yes => name,
        _ => name.nfc().collect(),
    })
}

/// Returns a quick hash of a text. Other texts may have the same one, also of people who look for them.
///
/// Each row of a manifest takes two. A hash that withstands attacks would take a tenth of the time of planning.
#[must_use]
pub fn quick_hash(text: &str) -> u64 {
    mixed(text.as_bytes(), 0)
}

/// Returns a quick hash that names with the same [look] share.
#[must_use]
pub fn quick_look_hash(name: &str) -> u64 {
    /// The bit in which lower and upper case of ASCII differ.
    const CASE: u64 = 0x2020_2020_2020_2020;
    if name.is_ascii() {
        return mixed(name.as_bytes(), CASE);
    }
    mixed(look(name).as_bytes(), CASE)
}

/// Mixes eight bytes at a time (as rustc does), each with these bits set.
fn mixed(bytes: &[u8], bits: u64) -> u64 {
    const FACTOR: u64 = 0x517c_c1b7_2722_0a95;
    let mix = |hash: u64, word: u64| (hash.rotate_left(23) ^ (word | bits)).wrapping_mul(FACTOR);
    let mut words = bytes.chunks_exact(8);
    let mut hash = words.by_ref().fold(bytes.len() as u64, |hash, word| {
        mix(hash, word.try_into().map_or(0, u64::from_le_bytes))
    });
    let rest = words.remainder().iter();
    hash = mix(
        hash,
        rest.fold(0, |word, byte| word << 8 | u64::from(*byte)),
    );
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_nobody_sees_is_named() {
        for (text, said) in [
            ("Wi\u{200b}ki", "U+200B"),
            ("Wi\u{ad}ki", "U+00AD"),
            ("\u{feff}Wiki", "U+FEFF"),
            ("Wiki\u{202e}", "U+202E"),
            ("Wi\u{2028}ki", "U+2028"),
            ("Wi\u{fffd}ki", "was lost (U+FFFD)"),
            ("Wi\u{200d}ki", "U+200D"),
            ("Wi\u{a0}ki", "no-break space (U+00A0)"),
            ("\u{3164}", "U+3164"),
        ] {
            let error = refuse_invisible(text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        for text in [
            "Büro",
            "👩\u{200d}💻 Team",
            "⚙\u{fe0f}",
            "می\u{200c}خواهم",
            "日本\u{3000}語",
            "مرحبا",
        ] {
            assert_eq!(refuse_invisible(text), Ok(()), "{text}");
            assert_eq!(visible(text), text);
        }
        assert_eq!(visible("Wi\u{200b}ki\u{a0}2\u{fffd}"), "Wiki 2\u{fffd}");
    }

    #[test]
    fn quick_hashes_tell_texts_and_looks_apart() {
        let names = (0..100_000).map(|n| format!("Expense Reporting {n:07}"));
        let names: Vec<String> = names.collect();
        let hashes = |hash: fn(&str) -> u64| {
            let hashes = names.iter().map(|name| hash(name));
            hashes.collect::<std::collections::HashSet<u64>>().len()
        };
        assert_eq!(hashes(quick_hash), names.len());
        assert_eq!(hashes(quick_look_hash), names.len());
        assert_eq!(
            quick_look_hash("WIKI of Team A"),
            quick_look_hash("wiki of team a")
        );
        assert_eq!(quick_look_hash("CAFÉ"), quick_look_hash("Cafe\u{301}"));
        assert_ne!(quick_hash("Wiki"), quick_hash("wiki"));
    }

    #[test]
    fn names_that_look_alike_have_one_look() {
        for other in ["CAFÉ", "Cafe\u{301}", "Ca\u{200b}fé"] {
            assert_eq!(look(other), look("Café"), "{other}");
        }
        assert_eq!(look("WIKI"), "wiki");
        assert_ne!(look("Cafe"), look("Café"));
    }
}
