//! Text from outside in the words of a message.

use std::borrow::Cow;

/// The most characters of a text that a message repeats.
const LONGEST: usize = 80;

/// Returns the beginning of a text: 80 characters and `…`, or the whole text if it is no longer.
#[must_use]
pub fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// Returns a [shortened] text in quotes, with escapes for characters that do not print.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_and_a_short_one_whole() {
        let long = "é".repeat(LONGEST);
        assert_eq!(shortened(&long), long);
        assert_eq!(shortened(&(long.clone() + "é")), long + "…");
    }

    #[test]
    fn what_does_not_print_is_escaped() {
        assert_eq!(quoted("a\u{1b}[\u{202e}\n"), r#""a\u{1b}[\u{202e}\n""#);
    }
}
